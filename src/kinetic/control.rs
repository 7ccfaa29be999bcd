//! How long steps are: chosen for a tolerance, or fixed for order studies.

use super::stepper::{Operators, Stepper};
use crate::error::{Error, Result, require};

/// How the steps of a run are chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Steps {
    /// By the solver, so that the global error of the density is about this, relative, in L1, over the whole run.
    ///
    /// Measured (study `time-order`): 0.15 to 8 times the tolerance for 1e-2 … 1e-6 and ε = 1 … 1e-8. Two exceptions: loose
    /// tolerances with μ(h), D(h) varying over decades are met by up to 170 times more than asked, and at ε = 1 over a time
    /// of one relaxation the ratio grows to 23 at 1e-10.
    Tolerance(f64),
    /// Equal steps of at most this length between the times where something happens.
    Uniform(f64),
    /// Steps end at these times (increasing), and where something happens. For order studies on graded meshes.
    Mesh(Vec<f64>),
}

impl Steps {
    pub(super) fn validated(&self) -> Result<()> {
        match self {
            Steps::Tolerance(tolerance) => require(
                (1e-11..=0.1).contains(tolerance),
                "tolerance",
                *tolerance,
                "a number between 1e-11 (rounding) and 0.1",
            ),
            Steps::Uniform(step) => require(*step > 0.0 && step.is_finite(), "step", *step, "a positive number"),
            Steps::Mesh(times) => {
                let bad = times.windows(2).find(|w| !(w[1] > w[0])).map(|w| w[1]);
                require(bad.is_none(), "steps.mesh", bad.unwrap_or(0.0), "increasing times")
            }
        }
    }
}

/// Rounding of the estimate itself, relative to the mass 1.
const ROUNDING: f64 = 1e-14;
/// Steps grow at most by this factor (variable-step BDF3 is stable up to 1.53 for ever, more for a while).
const GROWTH: f64 = 1.6;
/// Aim below the bound, so that few steps are rejected.
const SAFETY: f64 = 0.85;

/// What the steps of a run cost, and what was done to the density.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Accepted steps.
    pub steps: usize,
    /// Rejected steps.
    pub rejected: usize,
    /// Mass moved by the positivity limiter, summed over all steps.
    pub moved_mass: f64,
    /// End of each accepted step.
    pub mesh: Vec<f64>,
}

/// Step control of a run.
#[derive(Debug, Clone)]
pub(super) struct Control {
    pub steps: Steps,
    pub statistics: Statistics,
    next: f64,
}

impl Control {
    pub fn new(steps: Steps) -> Self {
        Self { steps, statistics: Statistics::default(), next: 0.0 }
    }

    /// Chooses the first step after a restart from `‖f'‖₁`.
    pub fn restart(&mut self, slope: f64) {
        if let Steps::Tolerance(tolerance) = self.steps {
            self.next = if slope > 0.0 { 0.5 * tolerance.sqrt() / slope } else { f64::INFINITY };
        }
    }

    /// Advances to `length` after the restart, which was at `origin`; `horizon` is the length of the whole run.
    pub fn advance(
        &mut self,
        operators: &mut Operators,
        stepper: &mut Stepper,
        origin: f64,
        length: f64,
        horizon: f64,
    ) -> Result<()> {
        let longest = operators.slow.longest_step();
        while stepper.time() < length {
            let left = length - stepper.time();
            let time = match &self.steps {
                Steps::Tolerance(_) => split_evenly(stepper.time(), left, self.next.min(longest), length),
                Steps::Uniform(step) => {
                    split_evenly(stepper.time(), left, (left / (left / step * 0.999_999_999).ceil()).min(*step), length)
                }
                Steps::Mesh(mesh) => {
                    let now = origin + stepper.time();
                    // Times of the mesh that agree with a stop to rounding are that stop.
                    let gap = 1e-9 * left;
                    let next = mesh.iter().map(|t| t - origin).find(|t| *t > now - origin + gap);
                    next.filter(|t| *t < length - gap).unwrap_or(length)
                }
            };
            self.step(operators, stepper, time, origin, horizon)?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        operators: &mut Operators,
        stepper: &mut Stepper,
        time: f64,
        origin: f64,
        horizon: f64,
    ) -> Result<()> {
        let Steps::Tolerance(tolerance) = self.steps else {
            let trial = stepper.attempt(operators, time, false, origin + time)?;
            self.accept(stepper, trial, origin + time);
            return Ok(());
        };
        let step = time - stepper.time();
        let mut trial = stepper.attempt(operators, time, true, origin + time)?;
        let estimate = stepper.estimate(&mut trial);
        let order = estimate.order as f64;
        // The marginal keeps its errors, and they add up. Equal errors a step would be cheapest, errors in proportion to
        // the step would keep the sum for any number n of steps; this is between: a sum of 0.3 n^(1/3) tolerances.
        // The rest of the density relaxes.
        let marginal = (estimate.marginal - ROUNDING).max(0.0) / (0.3 * tolerance * (step / horizon).powf(2.0 / 3.0));
        let ratio = |error: f64| (error - ROUNDING).max(0.0) / (0.3 * tolerance);
        let mut joint = ratio(estimate.joint);
        let by_marginal = marginal.powf(-1.0 / order);
        let by_joint = |joint: f64| joint.powf(-1.0 / (order + 1.0));
        // The bound is enough where the marginal decides anyway.
        if by_joint(joint) < by_marginal.min(GROWTH / SAFETY) {
            joint = ratio(stepper.filtered(operators, &mut trial));
        }
        let factor = SAFETY * by_marginal.min(by_joint(joint));
        if marginal.max(joint) <= 1.0 {
            self.next = step * factor.clamp(0.3, GROWTH);
            self.accept(stepper, trial, origin + time);
        } else {
            stepper.reject(trial);
            self.statistics.rejected += 1;
            self.next = step * factor.clamp(0.1, 0.8);
            if !(self.next > f64::MIN_POSITIVE.sqrt()) {
                return Err(Error::StepTooSmall { time: origin + stepper.time(), step: self.next, tolerance });
            }
        }
        Ok(())
    }

    fn accept(&mut self, stepper: &mut Stepper, trial: super::stepper::Trial, time: f64) {
        stepper.accept(trial);
        self.statistics.steps += 1;
        self.statistics.moved_mass = stepper.moved;
        self.statistics.mesh.push(time);
    }
}

/// The end of a step of at most `step`, such that no sliver is left before `length`.
fn split_evenly(now: f64, left: f64, step: f64, length: f64) -> f64 {
    if step >= left {
        length
    } else if 2.0 * step > left {
        now + 0.5 * left
    } else {
        now + step
    }
}
