//! Choice of the time steps.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::transport::Transport;
use crate::error::{Error, Result, require};
use crate::frame::Watcher;
use crate::numerics::sum::sum;

/// How long the time steps are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DensitySteps {
    /// The error that one call of `run` may make by its time steps, 1e-10 … 0.1, in W₁ of the s-marginal, W₁ of the a-marginal
    /// over `1 + √⟨a²⟩`, and L2 of the network function. It is the aim of the step control, not a bound.
    Tolerance(f64),
    /// Steps of one length, shortened so that whole numbers of them end at the times of the run.
    Fixed(f64),
}

impl DensitySteps {
    pub(super) fn validated(self) -> Result<()> {
        match self {
            Self::Tolerance(tolerance) => {
                require((1e-10..=0.1).contains(&tolerance), "time.tolerance", tolerance, "1e-10 to 0.1")
            }
            Self::Fixed(step) => require(step > 0.0 && step.is_finite(), "time.step", step, "a finite number above 0"),
        }
    }
}

/// What the time steps have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DensityStatistics {
    /// Steps that the state is made of.
    pub steps: u64,
    /// Steps tried and thrown away: those of pairs that were too long.
    pub rejected: u64,
}

/// Share of the tolerance for a pair of steps that is a smaller share of the run: what rounding of the estimate and initial
/// layers need.
const LEAST_SHARE: f64 = 0.01;
/// Length of a pair, relative to the run, at which the control gives up.
const SHORTEST: f64 = 1e-13;
/// Steps between two times of a run above which it would seem to hang.
const MOST: f64 = 1e8;

/// The masses `[a][s]`, the time, and the step to try next.
#[derive(Debug, Clone)]
pub(super) struct Stepper {
    pub transport: Transport,
    pub steps: DensitySteps,
    pub state: Vec<f64>,
    pub time: f64,
    pub statistics: DensityStatistics,
    pub watch: Watcher,
    /// Length of the next pair of steps; 0: not known.
    pub next: f64,
    /// The way to the next time of the run, where a watch ended it between fixed steps.
    pub way: Option<Way>,
    other: Vec<f64>,
}

/// A way of fixed steps of which some are done, with the state before the second layer follows the last of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Way {
    pub from: f64,
    pub to: f64,
    pub done: u64,
    pub state: Vec<f64>,
}

impl Stepper {
    pub fn new(transport: Transport, steps: DensitySteps, state: Vec<f64>) -> Self {
        let (other, statistics) = (vec![0.0; state.len()], DensityStatistics::default());
        let watch = Watcher::default();
        Self { transport, steps, state, time: 0.0, statistics, watch, next: 0.0, way: None, other }
    }

    /// `count` steps of Strang's splitting (1968): half of the second layer, the first layer, half of the second. Between two
    /// steps the halves of the second layer are one, since they are one exact flow.
    fn strang(&mut self, length: f64, count: u64) -> Result<()> {
        let time = self.time;
        self.transport.second_layer(&mut self.state, 0.5 * length, time)?;
        for step in 1..=count {
            self.transport.first_layer(&self.state, length, &mut self.other);
            std::mem::swap(&mut self.state, &mut self.other);
            let last = if step == count { 0.5 * length } else { length };
            self.transport.second_layer(&mut self.state, last, time)?;
        }
        Ok(())
    }

    /// Runs to `to`; `horizon` is the length of the run that the tolerance is for. `check` sees every state that is kept. Ends
    /// early where the watch says so; another call goes on as if it had not.
    pub fn advance(
        &mut self,
        to: f64,
        horizon: f64,
        check: &mut dyn FnMut(&Self) -> Result<()>,
    ) -> Result<ControlFlow<()>> {
        if to <= self.time {
            return Ok(ControlFlow::Continue(()));
        }
        match self.steps {
            DensitySteps::Fixed(length) => {
                let way = self.way.take().filter(|way| way.to == to);
                let from = way.as_ref().map_or(self.time, |way| way.from);
                let count = ((to - from) / length - 1e-9).ceil().max(1.0);
                require(count <= MOST, "steps to the next time of the run", count, "at most 1e8; lengthen the step")?;
                if self.fixed((from, to), count as u64, way)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                self.statistics.steps += count as u64;
                self.time = to;
                check(self)?;
                Ok(self.watch.look(to, (to - from) / count))
            }
            DensitySteps::Tolerance(tolerance) => {
                while self.time < to {
                    let before = self.time;
                    self.pair(to, horizon, tolerance)?;
                    check(self)?;
                    if self.watch.look(self.time, self.time - before).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    /// All steps of a way, as [`Stepper::strang`] makes them; the watch looks between them.
    fn fixed(&mut self, (from, to): (f64, f64), count: u64, way: Option<Way>) -> Result<ControlFlow<()>> {
        let length = (to - from) / count as f64;
        let done = way.as_ref().map_or(0, |way| way.done);
        if let Some(way) = way {
            self.state = way.state;
        }
        let first = if done == 0 { 0.5 * length } else { length };
        self.transport.second_layer(&mut self.state, first, from)?;
        for step in done + 1..=count {
            self.transport.first_layer(&self.state, length, &mut self.other);
            std::mem::swap(&mut self.state, &mut self.other);
            let now = from + length * step as f64;
            if step < count && self.watch.look(now, length).is_break() {
                self.way = Some(Way { from, to, done: step, state: self.state.clone() });
                self.time = now.clamp(from, to);
                self.transport.second_layer(&mut self.state, 0.5 * length, from)?;
                return Ok(ControlFlow::Break(()));
            }
            let last = if step == count { 0.5 * length } else { length };
            self.transport.second_layer(&mut self.state, last, from)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One step against two of half its length; the two are kept.
    fn pair(&mut self, to: f64, horizon: f64, tolerance: f64) -> Result<()> {
        /// Part of the step that the error would allow.
        const SAFETY: f64 = 0.85;
        let start = self.state.clone();
        if self.next == 0.0 {
            self.next = 0.1 * self.transport.epsilon.sqrt();
        }
        loop {
            let rest = to - self.time;
            // No sliver before a time of the run.
            let length = if self.next >= rest {
                rest
            } else if self.next > 0.5 * rest {
                0.5 * rest
            } else {
                self.next
            };
            if length < SHORTEST * horizon || self.time + length <= self.time {
                return Err(Error::StepTooSmall { time: self.time, step: length, tolerance });
            }
            self.strang(length, 1)?;
            let whole = std::mem::replace(&mut self.state, start.clone());
            self.strang(0.5 * length, 2)?;
            // Order 2: the halves err by a third of the difference.
            let error = self.distance(&whole) / 3.0;
            let allowed = tolerance * (length / horizon).max(LEAST_SHARE);
            let factor = (SAFETY * (allowed / error).cbrt()).clamp(0.2, 3.0);
            if error <= allowed {
                self.statistics.steps += 2;
                self.time = if length == rest { to } else { self.time + length };
                // What the times of the run cut short says little about the step to come.
                self.next = (length * factor).max(if length < self.next { self.next } else { 0.0 });
                return Ok(());
            }
            self.statistics.rejected += 3;
            self.state.copy_from_slice(&start);
            self.next = length * factor.min(0.9);
            if !error.is_finite() {
                self.next = 0.2 * length;
            }
        }
    }

    /// The distance of [`DensitySteps::Tolerance`] between the state and another.
    fn distance(&self, other: &[f64]) -> f64 {
        let Transport { a, s, potential, .. } = &self.transport;
        let (one, two) = (self.transport.sums(&self.state), self.transport.sums(other));
        let difference = |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x - y).collect() };
        let network = potential.norm(&difference(&one.first, &two.first));
        let along_s = wasserstein(difference(&one.mass, &two.mass)) * s.width();
        let rows = |state: &[f64]| -> Vec<f64> { state.chunks_exact(s.len()).map(sum).collect() };
        let along_a = wasserstein(difference(&rows(&self.state), &rows(other))) * a.width();
        let spread = 1.0 + sum(&one.second).sqrt();
        network.max(along_s).max(along_a / spread)
    }
}

/// W₁ of two laws on equal cells of width 1, from the difference of their masses.
fn wasserstein(difference: Vec<f64>) -> f64 {
    let mut cumulative = 0.0;
    difference
        .into_iter()
        .map(|d| {
            cumulative += d;
            cumulative.abs()
        })
        .sum()
}
