//! What a run will take, before it takes it.

use super::factors::sets;
use crate::grid::{PlaneFokkerPlanck, ThetaGrid};
use crate::problem::{Population, Selection};

/// Bytes that a run of the joint equation needs at most, on `theta` × `places` places of h.
///
/// dθ = 1: 16 numbers a cell, 18 for rules on ranks. dθ = 2: two more for the rates, and the factors of up to 3 matrices (as
/// many as fit in 2 GiB, one at least) of about `31 log₂(cells of the longer axis) − 130` numbers a cell each, plus the work
/// of each thread. Without selection there is one matrix, and 9 arrays.
pub fn bytes_needed(problem: &Population, theta: &ThetaGrid, places: usize) -> usize {
    let cells = theta.len() * places * size_of::<f64>();
    let ranks = problem.events().is_some_and(|(rule, _)| !rule.is_weight());
    let arrays = if ranks { 18 } else { 16 };
    let [first, second] = theta.axes() else { return arrays * cells };
    let [operator, factors, work] = PlaneFokkerPlanck::bytes([first.len(), second.len()], places);
    let kept = if matches!(problem.selection, Selection::Off) { 1 } else { sets(factors) };
    operator + (arrays - 2) * cells + kept * factors + work * rayon::current_num_threads()
}
