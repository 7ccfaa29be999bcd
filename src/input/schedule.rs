//! Numbers over time: learning rates and annealed selection.

use super::formulas;
use super::reader::{FINITE, Item, POSITIVE, Range, Read, same_name};
use crate::problem::Schedule;

/// Bound of the greedy rate where none is given: far above any rate that is optimal from a sensible start.
const MOST: f64 = 100.0;

#[derive(Clone, Copy)]
enum Name {
    Constant,
    Inverse,
    Exponential,
    Piecewise,
    Tabulated,
    Greedy,
}

const NAMES: [(&str, Name); 6] = [
    ("constant", Name::Constant),
    ("inverse", Name::Inverse),
    ("exponential", Name::Exponential),
    ("piecewise", Name::Piecewise),
    ("tabulated", Name::Tabulated),
    ("greedy", Name::Greedy),
];

/// A number, a formula in t, or a table with a law.
pub(super) fn schedule(item: &Item<'_>, range: Range) -> Read<Schedule> {
    if item.is_number() {
        return Ok(Schedule::Constant(item.number(range)?));
    }
    if let Some(text) = item.as_text() {
        if same_name(text, "greedy") {
            return Ok(Schedule::Greedy { most: MOST });
        }
        return formulas::read(item, "a number, or a formula in t", Schedule::formula)
            .map_err(|error| formulas::or_named(item, &["greedy"], error));
    }
    let table =
        item.table("a number, a formula in t, or a table such as { law = \"inverse\", initial = 1.0, scale = 50.0 }")?;
    let initial = || table.number("initial", range);
    let scale = || table.number("scale", POSITIVE);
    let lists = |extra: usize| {
        let times = table.need("times", "a list of increasing times")?;
        let values = times.numbers(FINITE)?;
        if !values.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(times.expected("increasing times"));
        }
        let rates = table.one_of(&["rates", "values"])?;
        let found = rates.numbers(range)?;
        let expected = values.len() + extra;
        if found.len() != expected {
            return Err(rates.expected(&format!("a list of {expected}")));
        }
        Ok((values, found))
    };
    let schedule = match table.need("law", "the name of a law, as \"inverse\"")?.choice(&NAMES)? {
        Name::Constant => Schedule::Constant(table.one_of(&["value", "initial"])?.number(range)?),
        Name::Inverse => Schedule::Inverse { initial: initial()?, scale: scale()? },
        Name::Exponential => Schedule::Exponential { initial: initial()?, scale: scale()? },
        Name::Piecewise => lists(1).map(|(times, rates)| Schedule::Piecewise { times, rates })?,
        Name::Tabulated => lists(0).map(|(times, rates)| Schedule::Tabulated { times, rates })?,
        Name::Greedy => Schedule::Greedy { most: table.number_or("most", MOST, POSITIVE)? },
    };
    table.finish()?;
    Ok(schedule)
}
