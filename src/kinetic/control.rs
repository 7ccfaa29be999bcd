//! How long steps are: chosen for a tolerance, or fixed for order studies.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::ladder::Ladder;
use super::stepper::{Operators, Stepper, Trial};
use crate::error::{Error, Result, require};
use crate::frame::Watcher;
use crate::grid::{Propagator, ThetaOperator};

/// How the steps of a run are chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Steps {
    /// By the solver, so that the global error of the density is about this, relative, in L1, over the whole run.
    ///
    /// Measured (study `time-order`): 0.15 to 8 times the tolerance for 1e-2 … 1e-6 and ε = 1 … 1e-8. Two exceptions: loose
    /// tolerances with μ(h), D(h) varying over decades are met by up to 170 times more than asked, and at ε = 1 over a time
    /// of one relaxation the ratio grows to 23 at 1e-10. With two parameters: 0.12 to 6.3 times for 1e-2 … 1e-6 and ε = 1 … 1e-8;
    /// training alone (no selection, or between periodic events) is at most about the tolerance off.
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
/// Steps of one length before it is doubled.
const SETTLED: usize = 2;
/// Aim below the bound, so that few steps are rejected.
const SAFETY: f64 = 0.85;

/// What the steps of a run cost, and what was done to the density.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Accepted steps.
    pub steps: usize,
    /// Rejected steps.
    pub rejected: usize,
    /// Matrices factorised for steps, for dθ = 2, where this costs as much as several steps.
    pub factorisations: usize,
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
    pub watch: Watcher,
    pub next: f64,
    /// Steps of the present length.
    pub settled: usize,
    /// The way to the next stop, where a watch ended a run on it.
    pub way: Option<Way>,
    /// For a share of the run of `10^−k`, and that `k`.
    propagator: Option<(i32, Propagator)>,
}

/// A way from stop to stop of which some steps are taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Way {
    Ladder(Ladder),
    /// Equal steps.
    Even {
        from: f64,
        to: f64,
        taken: u64,
    },
}

impl Control {
    pub fn new(steps: Steps) -> Self {
        let (statistics, watch) = (Statistics::default(), Watcher::default());
        Self { steps, statistics, watch, next: 0.0, settled: 0, way: None, propagator: None }
    }

    /// Chooses the first step after a restart from `‖f'‖₁`.
    pub fn restart(&mut self, slope: f64) {
        self.way = None;
        if let Steps::Tolerance(tolerance) = self.steps {
            self.next = if slope > 0.0 { 0.5 * tolerance.sqrt() / slope } else { f64::INFINITY };
        }
    }

    /// Advances to `length` after the restart, which was at `origin`; `horizon` is the length of the whole run. May end early,
    /// where the watch says so; another call goes on as if it had not.
    pub fn advance(
        &mut self,
        operators: &mut Operators,
        stepper: &mut Stepper,
        origin: f64,
        length: f64,
        horizon: f64,
    ) -> Result<ControlFlow<()>> {
        if stepper.time() >= length {
            return Ok(ControlFlow::Continue(()));
        }
        if matches!(operators.fast, ThetaOperator::Plane(_)) && !matches!(self.steps, Steps::Mesh(_)) {
            return self.advance_on_ladder(operators, stepper, origin, length, horizon);
        }
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
            if self.step(operators, stepper, time, origin, horizon)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn step(
        &mut self,
        operators: &mut Operators,
        stepper: &mut Stepper,
        time: f64,
        origin: f64,
        horizon: f64,
    ) -> Result<ControlFlow<()>> {
        let Steps::Tolerance(tolerance) = self.steps else {
            let trial = stepper.attempt(operators, time, None, false, origin + time)?;
            return Ok(self.accept(stepper, trial, origin + time));
        };
        let step = time - stepper.time();
        let mut trial = stepper.attempt(operators, time, None, true, origin + time)?;
        let (error, factor) =
            judge(operators, stepper, &mut trial, [0.3 * tolerance; 2], step / horizon, GROWTH / SAFETY);
        if error <= 1.0 {
            self.next = step * factor.clamp(0.3, GROWTH);
            Ok(self.accept(stepper, trial, origin + time))
        } else {
            self.next = step * factor.clamp(0.1, 0.8);
            self.reject(stepper, trial, origin, tolerance)
        }
    }

    /// Advances where factorising costs more than a few steps: by steps on a ladder, or where there is training alone by
    /// its exponential.
    fn advance_on_ladder(
        &mut self,
        operators: &mut Operators,
        stepper: &mut Stepper,
        origin: f64,
        length: f64,
        horizon: f64,
    ) -> Result<ControlFlow<()>> {
        let (now, left) = (stepper.time(), length - stepper.time());
        let way = self.way.take();
        match self.steps {
            Steps::Tolerance(tolerance) if !operators.slow.is_continuous() => {
                // The errors of the parts of a run add up.
                let share = (horizon / left).log10().ceil().clamp(0.0, 6.0) as i32;
                let (_, mut propagator) = self
                    .propagator
                    .take()
                    .filter(|(k, _)| *k == share)
                    .unwrap_or_else(|| (share, Propagator::new((0.3 * tolerance * 0.1f64.powi(share)).max(1e-13))));
                stepper.propagate(operators, &mut propagator, length, origin + length)?;
                self.propagator = Some((share, propagator));
                self.count(stepper, origin + length);
                Ok(self.watch.look(origin + length, left))
            }
            Steps::Tolerance(tolerance) => {
                let longest = operators.slow.longest_step();
                let mut ladder = match way {
                    Some(Way::Ladder(ladder)) if ladder.goes_on(now, length) => ladder,
                    _ => Ladder::new(now, length),
                };
                while !ladder.is_done() {
                    let now = origin + stepper.time();
                    let step = self.next.min(longest);
                    ladder.choose(step).ok_or(Error::StepTooSmall { time: now, step, tolerance })?;
                    let flow = self.step_on_ladder(operators, stepper, &mut ladder, origin, tolerance, horizon)?;
                    if flow.is_break() {
                        self.way = Some(Way::Ladder(ladder));
                        return Ok(flow);
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
            Steps::Uniform(step) => {
                let count = |left: f64| (left / step * 0.999_999_999).ceil().max(1.0) as u64;
                let (from, taken) = match way {
                    Some(Way::Even { from, to, taken }) if to == length && from < to && taken <= count(to - from) => {
                        (from, taken)
                    }
                    _ => (now, 0),
                };
                let (left, steps) = (length - from, count(length - from));
                for k in taken + 1..=steps {
                    let time = if k == steps { length } else { from + left * (k as f64 / steps as f64) };
                    let trial = stepper.attempt(operators, time, Some(left / steps as f64), false, origin + time)?;
                    let flow = self.accept(stepper, trial, origin + time);
                    if flow.is_break() {
                        self.way = Some(Way::Even { from, to: length, taken: k });
                        return Ok(flow);
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
            Steps::Mesh(_) => Ok(ControlFlow::Continue(())),
        }
    }

    fn step_on_ladder(
        &mut self,
        operators: &mut Operators,
        stepper: &mut Stepper,
        ladder: &mut Ladder,
        origin: f64,
        tolerance: f64,
        horizon: f64,
    ) -> Result<ControlFlow<()>> {
        let (step, time) = (ladder.step(), ladder.end());
        let mut trial = stepper.attempt(operators, time, Some(step), true, origin + time)?;
        let may_grow = ladder.will_double() && self.settled + 1 >= SETTLED;
        let enough = if may_grow { 2.0 / SAFETY } else { 1.0 };
        // Steps are shorter than they could be, by a factor of 1 to 2: more may be allowed.
        let allowed = [0.5 * tolerance, tolerance];
        let (error, factor) = judge(operators, stepper, &mut trial, allowed, step / horizon, enough);
        if error <= 1.0 {
            let grows = may_grow && factor >= 2.0;
            self.settled = if grows { 0 } else { self.settled + 1 };
            self.next = if grows { 2.0 * step } else { step };
            ladder.advance();
            Ok(self.accept(stepper, trial, origin + time))
        } else {
            self.settled = 0;
            self.next = step * 0.5f64.powf((-factor.log2()).ceil().clamp(1.0, 3.0));
            self.reject(stepper, trial, origin, tolerance)
        }
    }

    fn reject(&mut self, stepper: &mut Stepper, trial: Trial, origin: f64, tolerance: f64) -> Result<ControlFlow<()>> {
        stepper.reject(trial);
        self.statistics.rejected += 1;
        if self.next > f64::MIN_POSITIVE.sqrt() {
            Ok(ControlFlow::Continue(()))
        } else {
            Err(Error::StepTooSmall { time: origin + stepper.time(), step: self.next, tolerance })
        }
    }

    /// The watch looks after each step.
    fn accept(&mut self, stepper: &mut Stepper, trial: Trial, time: f64) -> ControlFlow<()> {
        let before = stepper.time();
        stepper.accept(trial);
        self.count(stepper, time);
        self.watch.look(time, stepper.time() - before)
    }

    fn count(&mut self, stepper: &Stepper, time: f64) {
        self.statistics.steps += 1;
        self.statistics.factorisations = stepper.factorisations();
        self.statistics.moved_mass = stepper.moved;
        self.statistics.mesh.push(time);
    }
}

/// The error of a trial in units of what is allowed (of the density, of the marginal of h), and the factor by which its step
/// could be longer. `share` is that of the step in the run; factors above `SAFETY·enough` make no difference.
fn judge(
    operators: &Operators,
    stepper: &mut Stepper,
    trial: &mut Trial,
    [allowed, allowed_marginal]: [f64; 2],
    share: f64,
    enough: f64,
) -> (f64, f64) {
    let estimate = stepper.estimate(trial);
    let order = estimate.order as f64;
    // The marginal keeps its errors, and they add up. Equal errors a step would be cheapest, errors in proportion to
    // the step would keep the sum for any number n of steps; this is between: a sum of n^(1/3) times what is allowed.
    // The rest of the density relaxes.
    let marginal = (estimate.marginal - ROUNDING).max(0.0) / (allowed_marginal * share.powf(2.0 / 3.0));
    let ratio = |error: f64| (error - ROUNDING).max(0.0) / allowed;
    let mut joint = ratio(estimate.joint);
    let by_marginal = marginal.powf(-1.0 / order);
    let by_joint = |joint: f64| joint.powf(-1.0 / (order + 1.0));
    // The bound is enough where the marginal decides anyway.
    if by_joint(joint) < by_marginal.min(enough) {
        joint = ratio(stepper.filtered(operators, trial));
    }
    (marginal.max(joint), SAFETY * by_marginal.min(by_joint(joint)))
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
