//! Time stepping.

use std::cell::RefCell;

use super::gain::{GainRule, Scratch};
use super::jump;
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

impl Averaged {
    /// Advances to `target`; `budget` is the error allowed per unit of time.
    pub(super) fn advance(&mut self, target: f64, budget: f64) -> Result<()> {
        let Self { mass, dynamics, time, step, moved, events, series_steps, tolerance, coordinates, .. } = self;
        match dynamics {
            Dynamics::Still => {}
            Dynamics::Replicator(operator) => {
                let duration = target - *time;
                let mut cells = coordinates.on_cells(mass);
                operator.advance(&mut cells, duration, budget * duration)?;
                coordinates.cell_places.iter().zip(&cells).for_each(|(&place, m)| mass[place] = *m);
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
                    *events += 1;
                    gain.apply(mass, &mut next, &mut scratch, *events as f64 * *every)?;
                    std::mem::swap(mass, &mut next);
                    *moved += normalise(mass);
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
                march.1 = march.0.advance(target, mass)?;
                *moved += normalise(mass);
                if let Some(pool) = &mut march.1 {
                    *moved += normalise(pool);
                }
            }
            Dynamics::Jump { rate, gain } => {
                let rate = *rate;
                // Pieces end where the rule has kinks in time.
                for end in ends(&gain.rule, *time, target) {
                    let (start, length, pieces) = cut(rate, *time, end)?;
                    if let Some(weights) = gain.steady_weights() {
                        let growth = rate * (end - start);
                        jump::advance(gain, weights, mass, growth, *tolerance, start, series_steps)?;
                        *time = end;
                        continue;
                    }
                    let allowed = step_tolerance(budget, rate, length, mass.len());
                    let scratch = RefCell::new(Scratch::default());
                    for piece in 0..pieces {
                        let begin = start + piece as f64 * length;
                        let rhs = |s: f64, n: &[f64], out: &mut [f64]| {
                            gain.apply(n, out, &mut scratch.borrow_mut(), begin + s)?;
                            out.iter_mut().for_each(|o| *o *= rate);
                            Ok(())
                        };
                        integrate(rhs, (0.0, length), mass, allowed, step)?;
                        *moved += normalise(mass);
                    }
                    *time = end;
                }
            }
            Dynamics::Published { rate, gain, pool } => {
                let (rate, places) = (*rate, mass.len());
                for end in ends(&gain.rule, *time, target) {
                    let (start, length, pieces) = cut(rate, *time, end)?;
                    let allowed = step_tolerance(budget, rate, length, places);
                    let scratch = RefCell::new(Scratch::default());
                    for piece in 0..pieces {
                        let begin = start + piece as f64 * length;
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
                    }
                    *time = end;
                }
            }
        }
        *time = target;
        Ok(())
    }
}

/// The kinks of a rule in time between `from` and `to`, and `to`.
fn ends(rule: &GainRule, from: f64, to: f64) -> Vec<f64> {
    let breaks = if let GainRule::Annealed(annealed) = rule { annealed.beta.breaks() } else { &[] };
    breaks.iter().copied().filter(|t| *t > from && *t < to).chain([to]).collect()
}

/// Start, length and number of the pieces up to `end`.
fn cut(rate: f64, start: f64, end: f64) -> Result<(f64, f64, u64)> {
    let pieces = (rate * (end - start) / PIECE).ceil();
    require(pieces <= MOST, "selection.clock.rate", rate, "at most 8e8 events an agent between two outputs")?;
    Ok((start, (end - start) / pieces.max(1.0), pieces as u64))
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
