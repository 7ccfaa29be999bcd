//! One step after the other: SBDF formulas on a history of states and gains, with an estimate of the error of each step.

use std::collections::VecDeque;

use multiversion::multiversion;

use super::factors::Kept;
use super::gain::Slow;
use super::multistep::{Formula, MAX_ORDER, lagrange, leading_of_equal_steps};
use crate::error::{Error, Result};
use crate::grid::{Propagator, Shift, Term, ThetaOperator};
use crate::numerics::buffer::{Buffer, zeros};
use crate::numerics::sum::{sum, sum_abs};

/// The operators of `∂_t f = A f/ε − (rate + decay) f + gain(f)`.
#[derive(Debug, Clone)]
pub(super) struct Operators {
    pub fast: ThetaOperator,
    pub slow: Slow,
    pub epsilon: f64,
}

/// Past states, newest first. Times are counted from the last restart, so that steps far below the rounding of the
/// time itself are exact.
#[derive(Debug, Clone)]
pub(super) struct Stepper {
    pub times: VecDeque<f64>,
    pub states: VecDeque<Buffer>,
    pub gains: VecDeque<(f64, Buffer)>,
    /// `f'` at the restart, kept for the estimate of the first step.
    pub slope: Option<Buffer>,
    pub factors: Kept,
    free: Vec<Buffer>,
    cells: usize,
    places: usize,
    /// Moved by the positivity limiter in the accepted steps.
    pub moved: f64,
}

/// A step that was computed but not yet accepted.
pub(super) struct Trial {
    time: f64,
    state: Buffer,
    gain: (f64, Buffer),
    /// `f' − A f/ε + …` at the new time by the next higher polynomial; at first without the new state and gain.
    residual: Option<Buffer>,
    span: f64,
    q: f64,
    moved: f64,
    order: usize,
}

/// Estimated errors of a step in L1, relative to the mass 1.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Estimate {
    pub joint: f64,
    pub marginal: f64,
    pub order: usize,
}

impl Stepper {
    pub fn new(operators: &Operators) -> Self {
        let (cells, places) = (operators.fast.cells(), operators.fast.places());
        Self {
            times: VecDeque::new(),
            states: VecDeque::new(),
            gains: VecDeque::new(),
            slope: None,
            factors: Kept::new(&operators.fast),
            free: Vec::new(),
            cells,
            places,
            moved: 0.0,
        }
    }

    pub fn buffer(&mut self) -> Buffer {
        self.free.pop().unwrap_or_else(|| zeros(self.cells * self.places))
    }

    pub fn give_back(&mut self, buffer: Buffer) {
        self.free.push(buffer);
    }

    /// Forgets the history and starts from `f`. Returns `‖f'‖₁`.
    pub fn restart(&mut self, operators: &mut Operators, f: Buffer, time: f64) -> Result<f64> {
        self.free.extend(self.states.drain(..));
        self.free.extend(self.gains.drain(..).map(|(_, gain)| gain));
        self.free.extend(self.slope.take());
        self.times.clear();
        let (mut gain, mut slope) = (self.buffer(), self.buffer());
        let scale = operators.slow.gain(&f, &mut gain, time)?;
        operators.fast.apply(&f, &mut slope);
        for k in 0..f.len() {
            let decay = operators.slow.rate + operators.slow.decay.as_ref().map_or(0.0, |d| d[k]);
            slope[k] = slope[k] / operators.epsilon + scale * gain[k] - decay * f[k];
        }
        let norm = sum_abs(&slope);
        self.times.push_front(0.0);
        self.states.push_front(f);
        self.gains.push_front((scale, gain));
        self.slope = Some(slope);
        Ok(norm)
    }

    /// Factorisations for dθ = 2.
    pub fn factorisations(&self) -> usize {
        self.factors.made()
    }

    /// Time since the restart.
    pub fn time(&self) -> f64 {
        self.times[0]
    }

    /// The newest state.
    pub fn state(&self) -> &[f64] {
        &self.states[0]
    }

    /// Takes the newest state out, for an event; a restart must follow.
    pub fn take_state(&mut self) -> Buffer {
        self.states.pop_front().unwrap_or_else(|| zeros(0))
    }

    /// Computes the state at `time` (since the restart) with the highest order that the history allows; `estimated` keeps
    /// one past state for the estimate and prepares it. `rung` is the length of a step whose matrix will be used again.
    pub fn attempt(
        &mut self,
        operators: &mut Operators,
        time: f64,
        rung: Option<f64>,
        estimated: bool,
        now: f64,
    ) -> Result<Trial> {
        let order = (self.times.len().saturating_sub(usize::from(estimated))).clamp(1, MAX_ORDER);
        let nodes: Vec<f64> = self.times.iter().take(order + 1).copied().collect();
        let (rate, c) = (operators.slow.rate, 1.0 / operators.epsilon);
        let continuous = operators.slow.is_continuous();
        let mut span = if self.slope.is_some() { time } else { time - nodes[nodes.len() - 1] };
        let formula = match rung {
            None => Formula::new(time, &nodes[..order]),
            Some(h) => {
                let leading = self.factors.nearest(leading_of_equal_steps(order) / h + rate, c) - rate;
                // The next higher polynomial has this derivative more than that of the formula. It may vanish on some
                // meshes; what equal steps would give is then the better guide.
                let more = nodes.iter().map(|t| 1.0 / (time - t)).sum::<f64>() - leading;
                span = span.min(1.0 / more.abs());
                Formula::fixed(time, &nodes, order, leading)
            }
        };
        let mut terms: Vec<Term<'_>> = Vec::with_capacity(2 * order + 1);
        if let Some(slope) = &self.slope {
            terms.push(Term { rhs: -formula.derivative[0], side: -1.0 / span, vector: &self.states[0] });
            terms.push(Term { rhs: 0.0, side: -1.0, vector: slope });
        } else {
            for (i, weight) in lagrange(time, &nodes).iter().enumerate() {
                let rhs = formula.derivative.get(i).map_or(0.0, |a| -a);
                terms.push(Term { rhs, side: -weight / span, vector: &self.states[i] });
            }
        }
        if continuous {
            for (weight, (scale, gain)) in formula.extrapolation.iter().zip(&self.gains) {
                terms.push(Term { rhs: weight * scale, side: -weight * scale, vector: gain });
            }
        }
        let buffer = |free: &mut Vec<Buffer>| free.pop().unwrap_or_else(|| zeros(self.cells * self.places));
        let mut state = buffer(&mut self.free);
        let mut residual = if estimated { Some(buffer(&mut self.free)) } else { None };
        let q = formula.leading + rate;
        let shift = Shift { q, decay: operators.slow.decay.as_deref(), c };
        let content = self.factors.solve(&operators.fast, shift, &terms, residual.as_deref_mut(), &mut state);
        if !content.total.is_finite() {
            return Err(overflow(now));
        }
        if content.negative > 0.0 {
            limit(&mut state, self.places);
        }
        if operators.slow.renormalises() {
            let total = sum(&state);
            state.iter_mut().for_each(|f| *f /= total);
        }
        let mut gain = (0.0, buffer(&mut self.free));
        if continuous {
            gain.0 = operators.slow.gain(&state, &mut gain.1, now)?;
        }
        Ok(Trial { time, state, gain, residual, span, q, moved: content.negative, order })
    }

    /// Estimates the error of a trial from the residual that the next higher polynomial leaves in the formula (states and
    /// gains). The inverse of the matrix of the step has L1 norm `1/q` and keeps the marginal of h up to `1/q`, so the
    /// estimate of the marginal is exact and that of the joint density a bound.
    pub fn estimate(&mut self, trial: &mut Trial) -> Estimate {
        let Some(residual) = &mut trial.residual else { return Estimate::default() };
        let (joint, marginal) =
            complete(residual, 1.0 / trial.span, &trial.state, trial.gain.0, &trial.gain.1, self.places);
        let moved = trial.moved;
        Estimate { joint: joint / trial.q + moved, marginal: marginal / trial.q + moved, order: trial.order }
    }

    /// The estimate of the joint density itself, filtered by the matrix of the step, so that errors in components that
    /// relax at once do not count.
    pub fn filtered(&mut self, operators: &Operators, trial: &mut Trial) -> f64 {
        let Some(residual) = &mut trial.residual else { return 0.0 };
        self.factors.solve_again(&operators.fast, residual);
        sum_abs(residual) + trial.moved
    }

    /// Goes to `time` (since the restart) by the exponential of the training of two parameters, where there is nothing else.
    pub fn propagate(&mut self, operators: &Operators, propagator: &mut Propagator, time: f64, now: f64) -> Result<()> {
        let ThetaOperator::Plane(plane) = &operators.fast else { return Ok(()) };
        let Some(factors) = self.factors.plane_set(plane) else { return Ok(()) };
        let length = (time - self.times[0]) / operators.epsilon;
        let content = propagator.propagate(plane, length, factors, &mut self.states[0]);
        if !content.total.is_finite() {
            return Err(overflow(now));
        }
        if content.negative > 0.0 {
            limit(&mut self.states[0], self.places);
        }
        self.moved += content.negative;
        self.times[0] = time;
        Ok(())
    }

    pub fn accept(&mut self, trial: Trial) {
        self.moved += trial.moved;
        self.free.extend(self.slope.take());
        self.free.extend(trial.residual);
        self.times.push_front(trial.time);
        self.states.push_front(trial.state);
        self.gains.push_front(trial.gain);
        // One state more than the order serves the estimate.
        if self.states.len() > MAX_ORDER + 1 {
            self.free.extend(self.states.pop_back());
            self.times.pop_back();
        }
        if self.gains.len() > MAX_ORDER {
            self.free.extend(self.gains.pop_back().map(|(_, gain)| gain));
        }
    }

    pub fn reject(&mut self, trial: Trial) {
        self.free.push(trial.state);
        self.free.extend(trial.residual);
        self.free.push(trial.gain.1);
    }
}

fn overflow(now: f64) -> Error {
    Error::Library { library: "kinetic", message: format!("the density overflowed at t = {now}") }
}

/// Adds `a·x + b·y` to a residual; returns its `Σ|r|` and `Σ_h |Σ_θ r|`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn complete(residual: &mut [f64], a: f64, x: &[f64], b: f64, y: &[f64], places: usize) -> (f64, f64) {
    let (mut columns, mut absolute) = (vec![0.0; places], vec![0.0; places]);
    for ((row, x), y) in residual.chunks_exact_mut(places).zip(x.chunks_exact(places)).zip(y.chunks_exact(places)) {
        for k in 0..places {
            row[k] += a * x[k] + b * y[k];
            columns[k] += row[k];
            absolute[k] += row[k].abs();
        }
    }
    (absolute.iter().sum(), columns.iter().map(|c: &f64| c.abs()).sum())
}

/// Makes a state non-negative without changing its mass: what is negative is set to 0 and taken from the positive cells
/// of the same h in proportion, so that the marginal of h stays; from all of them only where a whole h is negative.
fn limit(state: &mut [f64], places: usize) {
    let mut total = vec![0.0; places];
    let mut positive = vec![0.0; places];
    for row in state.chunks_exact(places) {
        for k in 0..places {
            total[k] += row[k];
            positive[k] += row[k].max(0.0);
        }
    }
    let mass: f64 = total.iter().sum();
    let remaining: f64 = total.iter().map(|t| t.max(0.0)).sum();
    let share = mass / remaining;
    let scale: Vec<f64> =
        total.iter().zip(&positive).map(|(t, p)| if *t > 0.0 { share * t / p } else { 0.0 }).collect();
    for row in state.chunks_exact_mut(places) {
        for (f, scale) in row.iter_mut().zip(&scale) {
            *f = f.max(0.0) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn the_limiter_keeps_mass_and_marginal() {
        let places = 3;
        let mut state = vec![0.5, -0.1, -0.2, 0.1, 0.4, 0.1, -0.05, 0.2, 0.05];
        let before: Vec<f64> = (0..places).map(|k| state.iter().skip(k).step_by(places).sum()).collect();
        limit(&mut state, places);
        let after: Vec<f64> = (0..places).map(|k| state.iter().skip(k).step_by(places).sum()).collect();
        assert!(state.iter().all(|f| *f >= 0.0));
        assert_abs_diff_eq!(after.iter().sum::<f64>(), before.iter().sum::<f64>(), epsilon = 1e-15); // rounding
        // The third h had negative mass: it is empty, and the other two pay for it in proportion.
        assert_eq!(after[2], 0.0);
        assert_abs_diff_eq!(after[0] / after[1], before[0] / before[1], epsilon = 1e-14); // rounding
    }
}
