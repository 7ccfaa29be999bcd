//! What a run will take, before it takes it.

use super::Kinetic;
use super::factors::sets;
use crate::grid::{PlaneFokkerPlanck, ThetaGrid};
use crate::problem::{Inheritance, Population, Rule, Selection};

impl Kinetic {
    /// Bytes that a run of the joint equation takes at most, on `theta` × so many places of h
    /// ([`Cells::places`](crate::grid::Cells::places)).
    ///
    /// dθ = 1: 18 arrays of the size of the grid, frames included, and those of the rule. dθ = 2: two more for the rates, and
    /// the factors of up to 3 matrices (as many as fit in 2 GiB, one at least) of about `31 log₂(cells of the longer axis) −
    /// 130` numbers a cell each, plus the work of each thread. Without selection there is one matrix, and 11 arrays.
    pub fn memory(problem: &Population, theta: &ThetaGrid, places: u64) -> u64 {
        let array = places.saturating_mul(theta.len() as u64).saturating_mul(8);
        let rule = match problem.events().map(|(rule, _)| rule) {
            Some(rule) if !rule.is_weight() => 7,
            Some(Rule::Annealed { .. }) => 2,
            _ => 1,
        };
        let fresh = u64::from(problem.inheritance == Inheritance::Hyperparameters);
        let arrays = array.saturating_mul(18 + rule + fresh);
        let [first, second] = theta.axes() else { return arrays };
        let Ok(places) = usize::try_from(places) else { return u64::MAX };
        let [operator, factors, work] = PlaneFokkerPlanck::bytes([first.len(), second.len()], places);
        let kept = if matches!(problem.selection, Selection::Off) { 1 } else { sets(factors) };
        let all = [operator, kept.saturating_mul(factors), work.saturating_mul(rayon::current_num_threads())];
        all.into_iter().fold(arrays, |sum, bytes| sum.saturating_add(bytes as u64))
    }
}
