//! `[time]`: when to look, and how precise to be.

use super::reader::{FINITE, Item, NONNEGATIVE, POSITIVE, Range, Read, Table};
use crate::error::Error;
use crate::record;

/// The most times that a file may ask for.
const MOST: f64 = 1e7;

/// What `[time]` says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Times {
    pub times: Vec<f64>,
    pub tolerance: Option<f64>,
    /// Steps of one length instead of a tolerance.
    pub step: Option<f64>,
    /// Steps that end at given times.
    pub mesh: Option<Vec<f64>>,
}

/// Which keys a kind has beside those of the times.
#[derive(Clone, Copy)]
pub(super) struct Precision {
    /// The tolerances allowed, if the kind has one.
    pub tolerance: Option<Range>,
    pub step: bool,
    pub mesh: bool,
}

/// Nothing but times: Monte Carlo.
pub(super) const PLAIN: Precision = Precision { tolerance: None, step: false, mesh: false };

/// Reads `[time]`.
pub(super) fn times(root: &Table<'_>, precision: Precision) -> Read<Times> {
    let table = root.need("time", "a table with the end, and outputs or every")?.table("a table")?;
    let keys: &[&'static str] = match (precision.step, precision.mesh) {
        (true, true) => &["tolerance", "step", "mesh"],
        (true, false) => &["tolerance", "step"],
        _ => &["tolerance"],
    };
    let (mut tolerance, mut step, mut mesh) = (None, None, None);
    if let Some(range) = precision.tolerance {
        match table.at_most_one_of(keys)? {
            Some(item) if item.path.ends_with("tolerance") => tolerance = Some(item.number(range)?),
            Some(item) if item.path.ends_with("step") => step = Some(item.number(POSITIVE)?),
            Some(item) => mesh = Some(increasing(&item)?),
            None => {}
        }
    }
    let times = list(&table)?;
    table.finish()?;
    Ok(Times { times, tolerance, step, mesh })
}

fn increasing(item: &Item<'_>) -> Read<Vec<f64>> {
    for (before, after) in item.list("a list of increasing times")?.iter().zip(item.list("")?.iter().skip(1)) {
        let (earlier, later) = (before.number(FINITE)?, after.number(FINITE)?);
        if !(earlier < later) {
            return Err(after.expected(&format!("a time after the one before, {earlier}")));
        }
    }
    item.numbers(NONNEGATIVE)
}

fn list(table: &Table<'_>) -> Read<Vec<f64>> {
    let how = table.at_most_one_of(&["outputs", "every", "outputs_per_decade"])?;
    let end = table.get("end");
    let start = table.get("start");
    let how = match how {
        Some(outputs) if outputs.is_list() || outputs.path.ends_with("outputs") => {
            if let Some(start) = start {
                return Err(start.error("`start` beside a list of outputs").detail("expected the list alone"));
            }
            let mut times = increasing(&outputs)?;
            let last = times.last().copied().unwrap_or(0.0);
            if let Some(end) = end {
                let time = end.number(NONNEGATIVE)?;
                if time < last {
                    return Err(end.expected(&format!("a time not before the last output, {last}")));
                }
                if time > last {
                    times.push(time);
                }
            }
            return Ok(times);
        }
        other => other,
    };
    let end = match end {
        Some(end) => end,
        None => table.need("end", "the time at which the run ends")?,
    };
    let until = end.number(NONNEGATIVE)?;
    let Some(how) = how else {
        let from = start.map_or(Ok(0.0), |start| start.number(NONNEGATIVE))?;
        return match from {
            from if from < until => Ok(vec![from, until]),
            from if from == until => Ok(vec![until]),
            _ => Err(end.expected(&format!("a time not before the start, {from}"))),
        };
    };
    if how.path.ends_with("every") {
        let every = how.number(POSITIVE)?;
        let from = start.map_or(Ok(0.0), |start| start.number(NONNEGATIVE))?;
        if until < from {
            return Err(end.expected(&format!("a time not before the start, {from}")));
        }
        let count = (until - from) / every;
        if !(count <= MOST) {
            return Err(too_many(&how, count));
        }
        return record::every(from, until, every).map_err(|error| wrong(&how, &error));
    }
    let per_decade = how.count(1..=100_000)?;
    let start = match start {
        Some(start) => start,
        None => table.need("start", "the first output, a number above 0, as outputs are spaced logarithmically")?,
    };
    let from = start.number(POSITIVE)?;
    if !(from < until) {
        return Err(end.expected(&format!("a time after the start, {from}")));
    }
    let count = (until.log10() - from.log10()) * per_decade as f64;
    if !(count <= MOST) {
        return Err(too_many(&how, count));
    }
    let times = record::logarithmic(from, until, per_decade).map_err(|error| wrong(&how, &error))?;
    if times.windows(2).all(|pair| pair[0] < pair[1]) { Ok(times) } else { Err(how.expected("times that increase")) }
}

fn too_many(item: &Item<'_>, count: f64) -> super::InputError {
    item.error(format!("`{}` gives too many times", item.path))
        .detail(format!("found {count:.3e}, expected at most 1e7"))
}

fn wrong(item: &Item<'_>, error: &Error) -> super::InputError {
    match error {
        Error::Parameter { expected, .. } => item.expected(expected),
        other => item.error(other.to_string()),
    }
}

/// `[checkpoint]`: physical time between checkpoints.
pub(super) fn checkpoint(root: &Table<'_>) -> Read<Option<f64>> {
    let Some(table) = root.table("checkpoint")? else { return Ok(None) };
    let every = table.number("every", POSITIVE)?;
    table.finish()?;
    Ok(Some(every))
}
