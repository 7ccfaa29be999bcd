//! `converge`: what refinement changes.

use std::fmt::Write as _;
use std::sync::Arc;

use learning_dynamics::frame::Coordinate;
use learning_dynamics::input::Case;
use learning_dynamics::record::Series;

use super::{Common, Failure, Outcome, Statement, document, print, set_threads};

/// What a refinement changes in one field at the last time.
struct Row {
    name: String,
    value: Option<f64>,
    differences: [f64; 2],
}

/// Differences below this are rounding, and have no order.
const ROUNDING: f64 = 1e-13;

pub fn converge(statement: &Statement, common: &Common) -> Outcome {
    set_threads(common)?;
    let case = document(statement)?.case()?;
    let once = case.refined(1);
    let twice = case.refined(2);
    if once.is_empty() {
        return Err(Failure::Input("nothing can be refined".to_owned()));
    }
    let say = |what: &str| {
        if !common.quiet {
            eprintln!("{what}");
        }
    };
    say("level 0");
    let coarse = last_frame(&case)?;
    for (name, first) in &once {
        say(&format!("{name}, level 1"));
        let middle = last_frame(first)?;
        let Some((_, second)) = twice.iter().find(|(other, _)| other == name) else {
            say(&format!("{name}: there is no level 2"));
            continue;
        };
        say(&format!("{name}, level 2"));
        let fine = last_frame(second)?;
        print(&table(name, &rows(&coarse, &middle, &fine)))?;
    }
    Ok(())
}

fn last_frame(case: &Case) -> Result<Series, Failure> {
    let mut series = Series::new();
    let last = case.times.last().copied().into_iter().collect::<Vec<_>>();
    case.solver()?.run(&last, &mut |frame| series.visit(frame))?;
    Ok(series)
}

fn rows(coarse: &Series, middle: &Series, fine: &Series) -> Vec<Row> {
    let mut rows = Vec::new();
    for (group, name) in coarse.names() {
        let get = |series: &Series| {
            let (values, axes) = (series.last(group, name).ok()?.to_vec(), series.axes(group, name).ok()?.to_vec());
            Some((values, axes))
        };
        let (Some(a), Some(b), Some(c)) = (get(coarse), get(middle), get(fine)) else { continue };
        let density = !a.1.is_empty() && a.1.iter().all(|axis| axis.bounds.is_some());
        let onto = |(values, axes): &(Vec<f64>, Vec<Arc<Coordinate>>)| restrict(values, axes, &a.1);
        // Fields on axes that are not cells of the same box cannot be compared.
        let (Some(b), Some(c)) = (onto(&b), onto(&c)) else { continue };
        let difference = |x: &[f64], y: &[f64]| -> f64 {
            let terms = x.iter().zip(y).map(|(x, y)| (x - y).abs());
            if density { terms.zip(volumes(&a.1)).map(|(d, v)| d * v).sum() } else { terms.fold(0.0, f64::max) }
        };
        let value = (a.0.len() == 1).then(|| c.first().copied()).flatten();
        rows.push(Row {
            name: format!("{group}/{name}"),
            value,
            differences: [difference(&a.0, &b), difference(&b, &c)],
        });
    }
    rows
}

/// Means of a field over the cells of coarser axes, by the overlap of cells; itself, where the axes are the same.
fn restrict(values: &[f64], from: &[Arc<Coordinate>], to: &[Arc<Coordinate>]) -> Option<Vec<f64>> {
    if from.len() != to.len() {
        return None;
    }
    let mut values = values.to_vec();
    for (at, (from, onto)) in from.iter().zip(to).enumerate() {
        if from.values == onto.values {
            continue;
        }
        let (cells, wider) = (from.bounds.as_ref()?, onto.bounds.as_ref()?);
        // Axes before this one are restricted already, those after it not yet.
        let inner =
            values.len() / (to[..at].iter().map(|axis| axis.values.len()).product::<usize>() * cells.len()).max(1);
        let mut means = Vec::new();
        for block in values.chunks(cells.len() * inner) {
            for [low, high] in wider {
                let mut mean = vec![0.0; inner];
                for (row, [a, b]) in block.chunks(inner).zip(cells) {
                    let overlap = b.min(*high) - a.max(*low);
                    // A cell without width (a wall) is its own.
                    let share = if high > low {
                        overlap.max(0.0) / (high - low)
                    } else {
                        f64::from(u8::from(a == low && b == high))
                    };
                    mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += share * value);
                }
                means.extend(mean);
            }
        }
        values = means;
    }
    Some(values)
}

fn volumes(axes: &[Arc<Coordinate>]) -> Vec<f64> {
    axes.iter().fold(vec![1.0], |volumes, axis| {
        let widths = axis.bounds.iter().flatten().map(|[low, high]| high - low).collect::<Vec<_>>();
        volumes.iter().flat_map(|volume| widths.iter().map(move |width| volume * width)).collect()
    })
}

fn table(refinement: &str, rows: &[Row]) -> String {
    let mut text =
        format!("\n{refinement:<40} {:>14} {:>12} {:>12} {:>7}\n", "finest value", "|0 − 1|", "|1 − 2|", "order");
    for Row { name, value, differences: [first, second] } in rows {
        let value = value.map_or(String::new(), |value| format!("{value:.7}"));
        let order = first / second;
        let order = if order.is_finite() && order > 0.0 && *first > ROUNDING {
            format!("{:.2}", order.log2())
        } else {
            "—".into()
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<40} {value:>14} {first:>12.2e} {second:>12.2e} {order:>7}");
    }
    text
}
