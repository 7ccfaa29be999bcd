//! One kind of panel a function; `None` where the file does not have what it shows.

use ndarray::{ArrayD, Axis, Ix1, Ix2};

use super::cells::{are_equal, centres, edges, onto, uniform};
use super::curves::{curves, dimensions, indexed, points, short};
use crate::error::Result;
use crate::output::hdf5::RunFile;
use crate::output::plot::Panel;

/// Cells of a heat map along each axis; finer grids are averaged onto so many.
const CELLS: usize = 160;
/// Times at which a density is shown.
const TIMES: usize = 4;
/// Lines of one panel: agents, neurons.
const LINES: usize = 40;
/// Lines that can be told apart by a legend.
const NAMED: usize = 9;

/// A name as people write it.
pub(super) fn symbol(name: &str) -> String {
    let (stem, index) = name.rsplit_once('_').map_or((name, ""), |(stem, index)| (stem, index));
    let greek = |stem: &str| if stem == "theta" { "θ".to_owned() } else { stem.to_owned() };
    match index.parse::<usize>() {
        Ok(index) => indexed(&greek(stem), &[index.saturating_sub(1)]),
        Err(_) => greek(name),
    }
}

fn names(dimensions: &[String]) -> Vec<&str> {
    dimensions.iter().map(String::as_str).collect()
}

/// Logarithmic where the positive values span more than two decades.
fn time_panel(title: &str, y_label: &str, time: &[f64], log: bool) -> Panel {
    let positive = || time.iter().copied().filter(|&t| t > 0.0);
    let (low, high) = (positive().fold(f64::INFINITY, f64::min), positive().fold(0.0, f64::max));
    let panel = Panel::new(title, "time t", y_label);
    if log && high > 100.0 * low && positive().count() > 3 { panel.log_x() } else { panel }
}

/// Over a coordinate, logarithmic where its cells grow with it.
fn over(title: &str, name: &str, y_label: &str, edges: &[f64]) -> Panel {
    let panel = Panel::new(title, &symbol(name), y_label);
    match edges {
        [first, second, .., before, last] if *first > 0.0 && (last - before) > 5.0 * (second - first) => panel.log_x(),
        _ => panel,
    }
}

fn vector(values: ArrayD<f64>) -> Option<Vec<f64>> {
    Some(values.into_dimensionality::<Ix1>().ok()?.to_vec())
}

/// The first of `names` that has two dimensions beside time, at the last time.
pub(super) fn heat_map(run: &RunFile, group: &str, known: &[&str], title: &str) -> Result<Option<Panel>> {
    for name in known {
        let Some(dimensions) = dimensions(run, group, name) else { continue };
        let [.., x, y] = &names(&dimensions)[..] else { continue };
        if dimensions.len() - usize::from(dimensions[0] == "time") != 2 {
            continue;
        }
        let (Some(x_axis), Some(y_axis)) = (
            run.group(group).and_then(|group| group.coordinate(x)),
            run.group(group).and_then(|group| group.coordinate(y)),
        ) else {
            continue;
        };
        // Of a sweep, the last value.
        let Some(curve) = curves(run, group, name, true)?.pop() else { continue };
        let mut values = curve.values;
        let mut places = Vec::new();
        for (axis, coordinate) in [x_axis, y_axis].into_iter().enumerate() {
            let from = edges(coordinate);
            let cells = from.len().saturating_sub(1);
            let to = if cells <= CELLS && are_equal(&from) { from.clone() } else { uniform(&from, cells.min(CELLS)) };
            if to != from {
                values = onto(&values, axis, &from, &to);
            }
            places.push(centres(&to));
        }
        let Ok(values) = values.into_dimensionality::<Ix2>() else { continue };
        let values: Vec<f64> = values.reversed_axes().iter().copied().collect();
        let time = points(run, group, "time").last().map_or(String::new(), |&t| format!("t = {}", short(t)));
        let label = [time, curve.label].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        let panel = Panel::new(title, &symbol(x), &symbol(y));
        return Ok(Some(panel.heat_map(&label, &places[0], &places[1], &values)));
    }
    Ok(None)
}

/// A density of one coordinate: at some times, or at the last for each value of a sweep; the stationary one dashed.
pub(super) fn density(run: &RunFile, group: &str, name: &str, title: &str) -> Result<Option<Panel>> {
    let Some(dimensions) = dimensions(run, group, name) else { return Ok(None) };
    let ["time", axis] = names(&dimensions)[..] else { return Ok(None) };
    let Some(coordinate) = run.group(group).and_then(|group| group.coordinate(axis)) else { return Ok(None) };
    let (ends, time) = (edges(coordinate), points(run, group, "time"));
    let mut panel = over(title, axis, "density", &ends);
    let shown = curves(run, group, name, false)?;
    let last = time.len().saturating_sub(1);
    if shown.len() > 1 {
        for curve in &shown {
            let Some(values) = vector(curve.values.index_axis(Axis(0), last).to_owned()) else { return Ok(None) };
            panel = panel.line(&curve.label, &coordinate.values, &values);
        }
        panel.title = format!("{title} at t = {}", short(time.get(last).copied().unwrap_or(0.0)));
        return Ok(Some(panel));
    }
    let Some(curve) = shown.first() else { return Ok(None) };
    let errors = curves(run, group, &format!("{name}_error"), true)?.pop().and_then(|curve| vector(curve.values));
    let mut indices: Vec<usize> = (0..TIMES).map(|k| k * last / (TIMES - 1)).collect();
    indices.dedup();
    for k in indices {
        let Some(values) = vector(curve.values.index_axis(Axis(0), k).to_owned()) else { return Ok(None) };
        let label = format!("t = {}", short(time[k]));
        panel = match &errors {
            None => panel.line(&label, &coordinate.values, &values),
            Some(_) if k < last => panel.steps(&label, &ends, &values),
            Some(errors) => {
                let panel = panel.steps(&label, &ends, &values);
                panel.points("", &coordinate.values, &values, errors).same_colour()
            }
        };
    }
    if let Some(values) = curves(run, "stationary", name, true)?.pop().and_then(|curve| vector(curve.values))
        && let Some(axis) = run.group("stationary").and_then(|group| group.coordinate(axis))
        && values.len() == axis.values.len()
    {
        panel = panel.dashed("stationary", &axis.values, &values);
    }
    Ok(Some(panel))
}

/// A function of one coordinate that does not change in time.
pub(super) fn function(run: &RunFile, group: &str, name: &str, title: &str) -> Result<Option<Panel>> {
    let Some(dimensions) = dimensions(run, group, name) else { return Ok(None) };
    let [axis] = names(&dimensions)[..] else { return Ok(None) };
    let Some(coordinate) = run.group(group).and_then(|group| group.coordinate(axis)).filter(|_| axis != "time") else {
        return Ok(None);
    };
    let mut panel = over(title, axis, &name.replace('_', " "), &edges(coordinate));
    for curve in curves(run, group, name, false)? {
        let Some(values) = vector(curve.values) else { return Ok(None) };
        panel = panel.line(&curve.label, &coordinate.values, &values);
    }
    Ok(Some(panel))
}

/// A number over time within its standard errors; `log` for one that falls by orders of magnitude.
pub(super) fn error_curve(run: &RunFile, group: &str, name: &str, title: &str, log: bool) -> Result<Option<Panel>> {
    if dimensions(run, group, name).as_deref().map(names) != Some(vec!["time"]) {
        return Ok(None);
    }
    let time = points(run, group, "time");
    let errors = curves(run, group, &format!("{name}_error"), false)?;
    let mut panel = time_panel(title, &name.replace('_', " "), time, log);
    let mut span = [f64::INFINITY, f64::NEG_INFINITY];
    for (k, curve) in curves(run, group, name, false)?.into_iter().enumerate() {
        let Some(values) = vector(curve.values) else { return Ok(None) };
        span = values.iter().fold(span, |[low, high], &value| [low.min(value), high.max(value)]);
        let errors = errors.get(k).and_then(|curve| vector(curve.values.clone()));
        panel = with_band(panel, &curve.label, time, &values, errors.as_deref());
    }
    if log && span[0] > 0.0 && span[1] > 5.0 * span[0] {
        panel = panel.log_y();
    }
    Ok(Some(panel))
}

/// A line, or the line in the band of its errors.
fn with_band(panel: Panel, label: &str, x: &[f64], y: &[f64], half: Option<&[f64]>) -> Panel {
    match half {
        None => panel.line(label, x, y),
        Some(half) => {
            let end = |sign: f64| y.iter().zip(half).map(|(y, half)| y + sign * half).collect::<Vec<_>>();
            panel.band("", x, &end(-1.0), &end(1.0)).line(label, x, y).same_colour()
        }
    }
}

/// Mean and standard deviation of each hyperparameter over time.
pub(super) fn mean_and_spread(run: &RunFile) -> Result<Vec<Panel>> {
    let Some(moments) = run.group("moments") else { return Ok(Vec::new()) };
    let mut panels = Vec::new();
    for variable in &moments.variables {
        let Some(of) = variable.name.strip_prefix("mean_").filter(|of| *of == "h" || of.starts_with("h_")) else {
            continue;
        };
        if of.ends_with("_error") || dimensions(run, "moments", &variable.name).map(|d| d.len()) != Some(1) {
            continue;
        }
        let (means, variances) =
            (curves(run, "moments", &variable.name, false)?, curves(run, "moments", &format!("var_{of}"), false)?);
        let time = points(run, "moments", "time");
        // The bands of a sweep would hide one another.
        let one = means.len() == 1;
        let title =
            if one { format!("{}: mean ± standard deviation", symbol(of)) } else { format!("Mean of {}", symbol(of)) };
        let mut panel = time_panel(&title, &symbol(of), time, false);
        for (k, mean) in means.into_iter().enumerate() {
            let deviation =
                variances.get(k).filter(|_| one).and_then(|curve| vector(curve.values.mapv(|v| v.max(0.0).sqrt())));
            let Some(values) = vector(mean.values) else { continue };
            panel = with_band(panel, &mean.label, time, &values, deviation.as_deref());
        }
        panels.push(panel);
    }
    Ok(panels)
}

/// Bands between quantiles of the agents, and their median.
pub(super) fn quantiles(run: &RunFile, name: &str, title: &str) -> Result<Option<Panel>> {
    if dimensions(run, "quantiles", name).as_deref().map(names) != Some(vec!["time", "quantile"]) {
        return Ok(None);
    }
    let (time, levels) = (points(run, "quantiles", "time"), points(run, "quantiles", "quantile"));
    let Some(curve) = curves(run, "quantiles", name, false)?.pop() else { return Ok(None) };
    let mut panel = time_panel(title, name, time, false);
    panel.title = if curve.label.is_empty() { title.into() } else { format!("{title}, {}", curve.label) };
    let column = |k: usize| curve.values.index_axis(Axis(1), k).iter().copied().collect::<Vec<f64>>();
    let percent = |level: f64| short(100.0 * level);
    let pairs: Vec<(usize, usize)> = (0..levels.len() / 2).map(|low| (low, levels.len() - 1 - low)).collect();
    let between = pairs.iter().map(|&(low, high)| format!("{}–{} %", percent(levels[low]), percent(levels[high])));
    let label = between.collect::<Vec<_>>().join(", ");
    for (k, &(low, high)) in pairs.iter().enumerate() {
        panel = panel.band(if k == 0 { &label } else { "" }, time, &column(low), &column(high)).same_colour();
    }
    if levels.len() % 2 == 1 {
        let middle = levels.len() / 2;
        let label = if levels[middle] == 0.5 { "median".into() } else { format!("{} %", percent(levels[middle])) };
        panel = panel.line(&label, time, &column(middle)).same_colour();
    }
    Ok(Some(panel))
}

/// The first component of some agents over time.
pub(super) fn trajectories(run: &RunFile, name: &str, title: &str) -> Result<Option<Panel>> {
    if dimensions(run, "trajectories", name).map(|dimensions| dimensions.len()) != Some(3) {
        return Ok(None);
    }
    let time = points(run, "trajectories", "time");
    let Some(curve) = curves(run, "trajectories", name, false)?.pop() else { return Ok(None) };
    let first = curve.values.index_axis(Axis(2), 0);
    let mut panel = time_panel(title, &symbol(name), time, false);
    for agent in first.axis_iter(Axis(1)).take(LINES) {
        panel = panel.line("", time, &agent.iter().copied().collect::<Vec<_>>());
    }
    Ok(Some(panel))
}

/// Order parameters over time, each entry a line; of a sweep, the first entry for each value.
pub(super) fn matrix(run: &RunFile, name: &str, title: &str) -> Result<Option<Panel>> {
    const GROUP: &str = "order_parameters";
    let Some(dimensions) = dimensions(run, GROUP, name) else { return Ok(None) };
    if dimensions.first().is_none_or(|first| first != "time") || dimensions.len() > 3 {
        return Ok(None);
    }
    let time = points(run, GROUP, "time");
    let shown = curves(run, GROUP, name, false)?;
    let errors = curves(run, GROUP, &format!("{name}_error"), false)?;
    let mut panel = time_panel(title, name, time, false);
    let symmetric = dimensions.last().is_some_and(|last| last.ends_with("_2"));
    let one_each = shown.len() > 1;
    for (k, curve) in shown.iter().enumerate() {
        let entries: usize = curve.values.shape()[1..].iter().product();
        let columns = if dimensions.len() == 3 { curve.values.shape()[2] } else { 1 };
        let column = |values: &ArrayD<f64>, entry: usize| -> Vec<f64> {
            values.axis_iter(Axis(0)).filter_map(|frame| frame.iter().nth(entry).copied()).collect()
        };
        for entry in (0..entries).filter(|entry| !symmetric || entry / columns <= entry % columns).take(LINES) {
            let indices = if dimensions.len() == 3 { vec![entry / columns, entry % columns] } else { vec![entry] };
            let own = indexed(name, &indices[..dimensions.len() - 1]);
            let label = match (one_each, entries <= 2 * NAMED) {
                (true, _) => format!("{own}, {}", curve.label),
                (false, true) => own,
                (false, false) => String::new(),
            };
            let half = errors.get(k).map(|errors| column(&errors.values, entry));
            panel = with_band(panel, &label, time, &column(&curve.values, entry), half.as_deref());
            if one_each {
                break;
            }
        }
    }
    Ok(Some(panel))
}

/// One line a neuron or degree, over logarithmic time where it spans decades.
pub(super) fn units(run: &RunFile, group: &str, name: &str, unit: &str, title: &str) -> Result<Option<Panel>> {
    if dimensions(run, group, name).as_deref().map(names) != Some(vec!["time", unit]) {
        return Ok(None);
    }
    let (time, places) = (points(run, group, "time"), points(run, group, unit));
    let Some(curve) = curves(run, group, name, false)?.pop() else { return Ok(None) };
    let mut panel = time_panel(title, &symbol(name), time, true);
    if !curve.label.is_empty() {
        panel.title = format!("{title}, {}", curve.label);
    }
    let lines = curve.values.len_of(Axis(1));
    for (k, line) in curve.values.axis_iter(Axis(1)).enumerate().step_by(lines.div_ceil(LINES).max(1)) {
        let named = lines <= NAMED && unit != "neuron";
        let label = if named {
            format!("{unit} {}", places.get(k).map_or(k.to_string(), |&at| short(at)))
        } else {
            String::new()
        };
        panel = panel.line(&label, time, &line.iter().copied().collect::<Vec<_>>());
    }
    Ok(Some(panel))
}
