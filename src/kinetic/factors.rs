//! Factors of the matrices of the steps, kept as long as they may serve again.

use crate::error::Result;
use crate::grid::{Content, Factors, PlaneFactors, PlaneFokkerPlanck, Shift, Term, ThetaOperator};
use crate::numerics::state::ensure;

/// Sets of factors kept at most for dθ = 2: the two step lengths between which a run goes to and fro.
const SETS: u64 = 2;
/// Bytes of all sets together; one is kept whatever it takes.
const BYTES: u64 = 2 << 30;
/// Matrices whose `q` agree to this are the same: step lengths are differences of times, and rounded.
const SAME: f64 = 1e-9;

/// Factors of `q + decay − cA` for a run, in which `decay` does not change.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    /// dθ = 1: those of the last matrix. They are cheap.
    Line(Factors),
    /// dθ = 2: the last used last.
    Plane { sets: Vec<PlaneFactors>, most: usize, made: usize },
}

impl Kept {
    pub fn new(operator: &ThetaOperator) -> Self {
        match operator {
            ThetaOperator::Line(line) => Self::Line(line.factors()),
            ThetaOperator::Plane(plane) => Self::Plane { sets: Vec::new(), most: sets(plane.factor_bytes()), made: 0 },
        }
    }

    /// The `q` of the factors at hand that is `q` but for rounding, else `q`.
    pub fn nearest(&self, q: f64, c: f64) -> f64 {
        let Self::Plane { sets, .. } = self else { return q };
        let mut kept = sets.iter().filter_map(PlaneFactors::matrix).filter(|(_, of)| *of == c).map(|(kept, _)| kept);
        kept.find(|kept| (kept / q - 1.0).abs() < SAME).unwrap_or(q)
    }

    /// Solves as [`crate::grid::FokkerPlanck::solve`], with factors at hand where there are.
    pub fn solve(
        &mut self,
        operator: &ThetaOperator,
        shift: Shift<'_>,
        terms: &[Term<'_>],
        side: Option<&mut [f64]>,
        x: &mut [f64],
    ) -> Content {
        match (self, operator) {
            (Self::Line(factors), ThetaOperator::Line(line)) => line.solve(shift, terms, side, factors, x),
            (Self::Plane { sets, most, made }, ThetaOperator::Plane(plane)) => {
                let found = sets.iter().position(|set| set.matrix() == Some((shift.q, shift.c)));
                let mut set = match found {
                    Some(at) => sets.remove(at),
                    None if sets.len() >= *most => sets.remove(0),
                    None => plane.factors(),
                };
                let content = if found.is_some() {
                    plane.solve_terms(terms, side, &mut set, x)
                } else {
                    *made += 1;
                    plane.solve(shift, terms, side, &mut set, x)
                };
                sets.push(set);
                content
            }
            _ => Content { total: f64::NAN, negative: 0.0 },
        }
    }

    /// Solves with the matrix of the last [`Kept::solve`]; `x` holds the right-hand side, then the solution.
    pub fn solve_again(&mut self, operator: &ThetaOperator, x: &mut [f64]) {
        match (self, operator) {
            (Self::Line(factors), ThetaOperator::Line(line)) => line.solve_again(factors, x),
            (Self::Plane { sets, .. }, ThetaOperator::Plane(plane)) => {
                if let Some(set) = sets.last_mut() {
                    plane.solve_again(set, x);
                }
            }
            _ => {}
        }
    }

    /// Factorisations for dθ = 2.
    pub fn made(&self) -> usize {
        if let Self::Plane { made, .. } = self { *made } else { 0 }
    }

    /// `(q, c)` of the sets, the last used last, and the factorisations made: what [`Kept::restore`] needs.
    pub fn matrices(&self) -> (Vec<Option<(f64, f64)>>, usize) {
        let Self::Plane { sets, made, .. } = self else { return (Vec::new(), 0) };
        (sets.iter().map(PlaneFactors::matrix).collect(), *made)
    }

    /// [`crate::Error::Checkpoint`] for matrices that these factors cannot be of.
    pub fn check(&self, matrices: &[Option<(f64, f64)>]) -> Result<()> {
        let most = if let Self::Plane { most, .. } = self { *most } else { 0 };
        let sound = |(q, c): &(f64, f64)| *q > 0.0 && q.is_finite() && *c >= 0.0 && c.is_finite();
        ensure(matrices.len() <= most, || format!("{} matrices, expected at most {most}", matrices.len()))?;
        ensure(matrices.iter().flatten().all(sound), || format!("the matrices {matrices:?}"))
    }

    /// Factorises those matrices again, to the same bits. Steps take the factors at hand for what they need up to rounding: so
    /// their bits depend on which there are.
    pub fn restore(
        &mut self,
        operator: &ThetaOperator,
        decay: Option<&[f64]>,
        (matrices, count): (&[Option<(f64, f64)>], usize),
        work: &mut [f64],
    ) {
        let (Self::Plane { sets, made, .. }, ThetaOperator::Plane(plane)) = (self, operator) else { return };
        sets.clear();
        for matrix in matrices {
            let mut set = plane.factors();
            if let Some((q, c)) = *matrix {
                plane.solve(Shift { q, decay, c }, &[], None, &mut set, work);
            }
            sets.push(set);
        }
        *made = count;
    }

    /// One set of factors for another use.
    pub fn plane_set(&mut self, operator: &PlaneFokkerPlanck) -> Option<&mut PlaneFactors> {
        let Self::Plane { sets, .. } = self else { return None };
        if sets.is_empty() {
            sets.push(operator.factors());
        }
        sets.last_mut()
    }
}

/// How many sets of so many bytes are kept.
fn sets(bytes: u64) -> usize {
    (BYTES / bytes.max(1)).clamp(1, SETS) as usize
}

/// Bytes of the rates of an operator with dθ = 2, and of all factors and workspaces of a run.
pub(super) fn bytes(shape: [usize; 2], places: u64, training_alone: bool) -> u64 {
    let [rates, factors, work] = PlaneFokkerPlanck::bytes(shape, places);
    let kept = if training_alone { 1 } else { sets(factors) as u64 };
    let work = work.saturating_mul(rayon::current_num_threads() as u64);
    rates.saturating_add(factors.saturating_mul(kept)).saturating_add(work)
}
