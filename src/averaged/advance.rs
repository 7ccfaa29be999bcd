//! Time stepping.

use std::cell::RefCell;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::gain::{GainRule, Scratch};
use super::jump::Jump;
use super::solver::{Averaged, Dynamics};
use crate::error::{Result, require};
use crate::numerics::ode::{StepTolerance, integrate};
use crate::problem::whole_periods;

/// κ times the length of one piece of the jump form, for what is integrated step by step.
const PIECE: f64 = 8.0;
/// Events or pieces between two outputs above which a run would seem to hang.
const MOST: f64 = 1e8;
/// How far the error bound of a step exceeds the error that is left at the next output, found by measurement
/// against the exact propagator with weights: the bound adds all places and the estimate is of lower order than the step.
const SAFETY: f64 = 20.0;
/// Absolute over relative error of a step: places with less than this share of the mass may be wrong by that much.
const TAIL: f64 = 1e-4;

/// A way from stop to stop of which some pieces are done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Way {
    pub from: f64,
    pub to: f64,
    pub done: u64,
    /// Of the power series of the jump form.
    pub jump: Option<Jump>,
}

impl Way {
    fn new(from: f64, to: f64) -> Self {
        Self { from, to, done: 0, jump: None }
    }
}

impl Averaged {
    /// Advances to `target`; `budget` is the error allowed per unit of time. Ends early where the watch says so; another call
    /// goes on as if it had not.
    pub(super) fn advance(&mut self, target: f64, budget: f64) -> Result<ControlFlow<()>> {
        let Self { mass, dynamics, time, moved, events, coordinates, watch, .. } = self;
        match dynamics {
            Dynamics::Still => {}
            Dynamics::Replicator(operator) => {
                let way = self.way.take().filter(|way| way.to == target).unwrap_or(Way::new(*time, target));
                let duration = target - way.from;
                let mut cells = coordinates.on_cells(mass);
                let mut done = way.done;
                let mut look = |piece: u64, step: f64| {
                    done = piece;
                    watch.look(way.from + piece as f64 * step, step)
                };
                let flow = operator.advance(&mut cells, duration, budget * duration, way.done, &mut look)?;
                coordinates.cell_places.iter().zip(&cells).for_each(|(&place, m)| mass[place] = *m);
                if flow.is_break() {
                    *time = (way.from + done as f64 * operator.piece(duration)).min(target);
                    self.way = Some(Way { done, ..way });
                    return Ok(flow);
                }
            }
            Dynamics::Generations { every, gain } => {
                let (mut next, mut scratch) = (vec![0.0; mass.len()], Scratch::default());
                require(
                    (target - *time) / *every <= MOST,
                    "selection.clock.every",
                    *every,
                    "at most 1e8 events between two outputs",
                )?;
                // An event at the time shown belongs to it.
                while *events < whole_periods(target, *every) {
                    let event = (*events + 1) as f64 * *every;
                    *events += 1;
                    gain.apply(mass, &mut next, &mut scratch, event)?;
                    std::mem::swap(mass, &mut next);
                    *moved += normalise(mass);
                    if watch.look(event, *every).is_break() {
                        *time = event.clamp(*time, target);
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            Dynamics::Staggered(march) => {
                let every = march.0.every;
                require(
                    (target - *time) / every <= MOST,
                    "selection.clock.every",
                    every,
                    "at most 1e8 events between two outputs",
                )?;
                let (pool, flow) = march.0.advance(target, mass, watch)?;
                march.1 = pool;
                let moves = normalise(mass) + march.1.as_deref_mut().map_or(0.0, normalise);
                if flow.is_break() {
                    *time = march.0.time().clamp(*time, target);
                    return Ok(flow);
                }
                *moved += moves;
            }
            Dynamics::Jump { .. } | Dynamics::Published { .. } => loop {
                let flow = self.advance_by_pieces(target, budget)?;
                if flow.is_break() || self.time >= target {
                    return Ok(flow);
                }
            },
        }
        *time = target;
        Ok(ControlFlow::Continue(()))
    }

    /// Advances the jump form to the next kink of the rule, or to `target`.
    fn advance_by_pieces(&mut self, target: f64, budget: f64) -> Result<ControlFlow<()>> {
        let Self { mass, dynamics, time, step, moved, series_steps, tolerance, watch, way, .. } = self;
        let (rate, gain, mut pool) = match dynamics {
            Dynamics::Jump { rate, gain } => (*rate, &*gain, None),
            Dynamics::Published { rate, gain, pool } => (*rate, &*gain, Some(pool)),
            _ => return Ok(ControlFlow::Continue(())),
        };
        let going = way.take().filter(|way| way.to == next_kink(&gain.rule, way.from, target));
        let mut on = going.unwrap_or_else(|| Way::new(*time, next_kink(&gain.rule, *time, target)));
        let (length, pieces) = cut(rate, on.from, on.to)?;
        if let (Some(weights), None) = (gain.steady_weights(), &pool) {
            let mut jump = on.jump.take().unwrap_or_else(|| Jump::new(weights, mass, rate * (on.to - on.from)));
            let mut reached = *time;
            while jump.left > 0.0 {
                if !jump.step(gain, weights, mass, *tolerance, on.from, series_steps)? {
                    continue;
                }
                let now = (on.to - jump.left / rate).clamp(reached, on.to);
                if watch.look(now, now - reached).is_break() {
                    on.jump = Some(jump);
                    (*time, *way) = (now, Some(on));
                    return Ok(ControlFlow::Break(()));
                }
                reached = now;
            }
            *time = on.to;
            return Ok(ControlFlow::Continue(()));
        }
        let places = mass.len();
        let allowed = step_tolerance(budget, rate, length, places);
        let scratch = RefCell::new(Scratch::default());
        while on.done < pieces {
            let begin = on.from + on.done as f64 * length;
            if let Some(pool) = &mut pool {
                // Both times e^{κs}: `n' = κ Φ(n; p)`, `p' = κ n`.
                let rhs = |s: f64, y: &[f64], out: &mut [f64]| {
                    let ((own, pool), (to_own, to_pool)) = (y.split_at(places), out.split_at_mut(places));
                    gain.apply_to(own, pool, to_own, &mut scratch.borrow_mut(), begin + s)?;
                    to_pool.copy_from_slice(own);
                    out.iter_mut().for_each(|o| *o *= rate);
                    Ok(())
                };
                let mut both = [&mass[..], &pool[..]].concat();
                integrate(rhs, (0.0, length), &mut both, allowed, step)?;
                mass.copy_from_slice(&both[..places]);
                pool.copy_from_slice(&both[places..]);
                *moved += normalise(mass) + normalise(pool);
            } else {
                let rhs = |s: f64, n: &[f64], out: &mut [f64]| {
                    gain.apply(n, out, &mut scratch.borrow_mut(), begin + s)?;
                    out.iter_mut().for_each(|o| *o *= rate);
                    Ok(())
                };
                integrate(rhs, (0.0, length), mass, allowed, step)?;
                *moved += normalise(mass);
            }
            on.done += 1;
            let now = if on.done == pieces { on.to } else { begin + length };
            if watch.look(now, length).is_break() {
                (*time, *way) = (now, Some(on));
                return Ok(ControlFlow::Break(()));
            }
        }
        *time = on.to;
        Ok(ControlFlow::Continue(()))
    }
}

/// The first kink of a rule in time between `from` and `to`, else `to`.
fn next_kink(rule: &GainRule, from: f64, to: f64) -> f64 {
    let breaks = if let GainRule::Annealed(annealed) = rule { annealed.beta.breaks() } else { &[] };
    breaks.iter().copied().find(|t| *t > from && *t < to).unwrap_or(to)
}

/// Length and number of the pieces up to `end`.
fn cut(rate: f64, start: f64, end: f64) -> Result<(f64, u64)> {
    let pieces = (rate * (end - start) / PIECE).ceil();
    require(pieces <= MOST, "selection.clock.rate", rate, "at most 8e8 events an agent between two outputs")?;
    Ok(((end - start) / pieces.max(1.0), pieces as u64))
}

/// The error allowed in a step of a piece.
fn step_tolerance(budget: f64, rate: f64, length: f64, places: usize) -> StepTolerance {
    // `n = ρe^{κs}` has no loss term, so positive stages stay positive up to the error of the step.
    // Holding the root mean square below `absolute` holds the L1 norm below places·absolute.
    let absolute = SAFETY * budget * length * (rate * length).exp() / places as f64;
    // What is rare and best ranked may grow by e^{κt} before the end: it must be right relative to itself.
    StepTolerance { relative: SAFETY * budget * length, absolute: TAIL * absolute }
}

/// Sets negative masses to 0 and scales the sum to 1; returns the mass moved.
fn normalise(mass: &mut [f64]) -> f64 {
    let (mut sum, mut negative) = (0.0, 0.0);
    for m in mass.iter_mut() {
        if *m < 0.0 {
            negative -= *m;
            *m = 0.0;
        }
        sum += *m;
    }
    mass.iter_mut().for_each(|m| *m /= sum);
    negative / sum
}
