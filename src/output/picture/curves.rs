//! The variables of a file as curves: one a value of the sweep, where there is one.

use std::collections::BTreeSet;

use ndarray::{ArrayD, Axis};

use crate::error::Result;
use crate::output::hdf5::{RunFile, RunVariable};

/// Most curves of a sweep; of more, as many at equal distances.
const MOST: usize = 7;

/// One variable at one value of the sweep.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// The swept keys and their values; empty without a sweep.
    pub label: String,
    /// Over `time` (where it has one) and what follows.
    pub values: ArrayD<f64>,
}

/// The dimensions that come before `time`.
pub(super) fn swept(run: &RunFile) -> BTreeSet<String> {
    let before_time = |variable: &RunVariable| {
        let time = variable.dimensions.iter().position(|name| name == "time").unwrap_or(0);
        variable.dimensions[..time].to_vec()
    };
    run.groups().iter().flat_map(|group| &group.variables).flat_map(before_time).collect()
}

/// How many dimensions of the sweep a variable has, which are its first.
fn leading(variable: &RunVariable, swept: &BTreeSet<String>) -> usize {
    variable.dimensions.iter().take_while(|name| swept.contains(*name)).count()
}

/// The dimensions after those of the sweep, if the file has the variable.
pub(super) fn dimensions(run: &RunFile, group: &str, name: &str) -> Option<Vec<String>> {
    let (_, variable) = run.variable(group, name).ok()?;
    Some(variable.dimensions[leading(variable, &swept(run))..].to_vec())
}

/// The curves of a variable, at all times or (`last`) at the last; none if the file does not have it.
pub(super) fn curves(run: &RunFile, group: &str, name: &str, last: bool) -> Result<Vec<Curve>> {
    let Ok((members, variable)) = run.variable(group, name) else { return Ok(Vec::new()) };
    let times = variable.dimensions.iter().zip(&variable.shape).find(|(name, _)| *name == "time").map(|(_, n)| *n);
    let values = match times {
        Some(0) => return Ok(Vec::new()),
        Some(times) if last => run.values_at(group, name, times - 1)?,
        _ => run.values(group, name)?,
    };
    let leading = leading(variable, &swept(run));
    let combinations: usize = variable.shape[..leading].iter().product();
    let shown = combinations.min(MOST);
    let mut curves = Vec::with_capacity(shown);
    for k in 0..shown {
        let mut combination = if shown > 1 { k * (combinations - 1) / (shown - 1) } else { 0 };
        let mut values = values.clone();
        let mut labels = Vec::new();
        for axis in (0..leading).rev() {
            let (length, dimension) = (variable.shape[axis], &variable.dimensions[axis]);
            let index = combination % length;
            combination /= length;
            values = values.index_axis_move(Axis(axis), index);
            let value = members.coordinate(dimension).and_then(|coordinate| coordinate.values.get(index));
            labels.push(format!("{dimension} = {}", value.map_or(index.to_string(), |&value| short(value))));
        }
        labels.reverse();
        curves.push(Curve { label: labels.join(", "), values });
    }
    Ok(curves)
}

/// The values of a coordinate; empty if there is none.
pub(super) fn points<'r>(run: &'r RunFile, group: &str, name: &str) -> &'r [f64] {
    run.group(group).and_then(|group| group.coordinate(name)).map_or(&[], |coordinate| &coordinate.values)
}

/// Four digits at most.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let size = value.abs().log10().floor();
    if !(-3.0..5.0).contains(&size) {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.*}", (3.0 - size).max(0.0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `name` with the numbers of rows and columns below it, counted from 1: `Q₁₂`.
pub(super) fn indexed(name: &str, indices: &[usize]) -> String {
    const DIGITS: [char; 10] = ['₀', '₁', '₂', '₃', '₄', '₅', '₆', '₇', '₈', '₉'];
    let digits = |index: &usize| {
        (index + 1).to_string().chars().filter_map(|c| Some(DIGITS[c.to_digit(10)? as usize])).collect::<String>()
    };
    let separator = if indices.iter().any(|&index| index >= 9) { "," } else { "" };
    format!("{name}{}", indices.iter().map(digits).collect::<Vec<_>>().join(separator))
}
