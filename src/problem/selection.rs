//! Selection rules, each stated twice: [`Splitter`] divides the mass of cells into kept and copied, [`Rule::donors`] says
//! which agent copies which. "Only what is copied mutates" is then structural.

use std::fmt::Debug;
use std::sync::Arc;

use rand::Rng;
use rayon::prelude::*;

use super::clock::Clock;
use super::rate::Schedule;
use crate::error::{Error, Result, require};
use crate::numerics::normal::below;

/// How fitness becomes offspring at a selection event.
#[derive(Clone)]
pub enum Rule {
    /// `w(F) = exp(βF)`; everybody becomes a copy.
    Boltzmann {
        /// `β ≥ 0`.
        beta: f64,
    },
    /// `w(F) = exp(β(t)F)`, β at the time of the event; everybody becomes a copy.
    Annealed {
        /// `β(t) ≥ 0`.
        beta: Schedule,
    },
    /// `w(F) = F ≥ 0` (Holland 1975, fitness-proportional selection); everybody becomes a copy.
    Proportional,
    /// Any weight, given by its logarithm `F ↦ log w(F)` (−∞ allowed); everybody becomes a copy.
    Weight(Arc<dyn Fn(f64) -> f64 + Send + Sync>),
    /// The worst `⌈qN⌉` become copies of agents drawn uniformly from the best `⌈qN⌉`; ties are broken at random.
    /// (Jaderberg et al. 2017, "truncation selection".)
    Truncation {
        /// `q` in (0, ½].
        fraction: f64,
    },
    /// Each compares itself with one random other agent and becomes its copy if the other is strictly fitter (Jaderberg et
    /// al. 2017, "binary tournament").
    Tournament,
}

impl Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rule::Boltzmann { beta } => write!(f, "Boltzmann {{ beta: {beta} }}"),
            Rule::Annealed { beta } => write!(f, "Annealed {{ beta: {beta:?} }}"),
            Rule::Proportional => f.write_str("Proportional"),
            Rule::Tournament => f.write_str("Tournament"),
            Rule::Weight(_) => f.write_str("Weight(…)"),
            Rule::Truncation { fraction } => write!(f, "Truncation {{ fraction: {fraction} }}"),
        }
    }
}

/// Selection: events by a rule and a clock, the replicator form, or none.
#[derive(Debug, Clone)]
pub enum Selection {
    /// Training only.
    Off,
    /// Events.
    Events {
        /// What happens.
        rule: Rule,
        /// When.
        clock: Clock,
    },
    /// `β(F − ⟨F⟩)f` in continuous time. For agents: `i` copies a random `j` at rate `β(F_j − F_i)₊`.
    Replicator {
        /// `β ≥ 0`.
        beta: f64,
    },
}

/// A donor index that means: this agent is kept as it is, unmutated.
pub const KEPT: u32 = u32::MAX;

impl Rule {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validated(&self) -> Result<()> {
        match self {
            Rule::Boltzmann { beta } => {
                require(*beta >= 0.0 && beta.is_finite(), "selection.beta", *beta, "a finite number ≥ 0")
            }
            Rule::Annealed { beta: Schedule::Greedy { .. } } => Err(Error::Unsupported {
                solver: "annealed selection",
                what: "a greedy schedule".into(),
                instead: "it is for learning rates of committees; give β(t)",
            }),
            Rule::Annealed { beta } => beta.validated("selection.beta"),
            Rule::Weight(_) | Rule::Proportional | Rule::Tournament => Ok(()),
            Rule::Truncation { fraction } => {
                require(*fraction > 0.0 && *fraction <= 0.5, "selection.fraction", *fraction, "a number in (0, 1/2]")
            }
        }
    }

    /// `log w(F)` at `time` for the rules that are weights, `None` for rules on ranks. NaN where the rule has no weight for
    /// this fitness (a negative one, [`Rule::Proportional`]).
    pub fn log_weight(&self, fitness: f64, time: f64) -> Option<f64> {
        match self {
            Rule::Boltzmann { beta } => Some(beta * fitness),
            Rule::Annealed { beta } => Some(beta.at(time).unwrap_or(f64::NAN) * fitness),
            Rule::Proportional => Some(libm::log(fitness)),
            Rule::Weight(log_weight) => Some(log_weight(fitness)),
            Rule::Truncation { .. } | Rule::Tournament => None,
        }
    }

    /// Whether the rule is a weight `w(F)`.
    pub fn is_weight(&self) -> bool {
        !matches!(self, Rule::Truncation { .. } | Rule::Tournament)
    }

    /// Whether its weights are the same at all times.
    pub fn is_steady(&self) -> bool {
        !matches!(self, Rule::Annealed { .. })
    }
}

/// A rule made ready for cells of constant fitness: ranks and weights are worked out once a run.
#[derive(Debug, Clone)]
pub enum Splitter {
    /// `exp(log w − largest log w)` of each cell.
    Weights {
        /// One a cell, in [0, 1].
        weights: Vec<f64>,
        /// The largest `log w`.
        log_scale: f64,
    },
    /// Ranks.
    Ranks {
        /// Cells by increasing fitness.
        order: Vec<u32>,
        /// Where groups of equal fitness end in `order`.
        groups: Vec<u32>,
        /// `q`.
        fraction: f64,
    },
}

impl Splitter {
    /// Prepares `rule` for cells with the given fitness.
    ///
    /// # Errors
    /// [`Error::Parameter`] where a log-weight is NaN or +∞.
    pub fn new(rule: &Rule, fitness: &[f64]) -> Result<Self> {
        if let Rule::Truncation { fraction } = rule {
            let mut order: Vec<u32> = (0..fitness.len() as u32).collect();
            order.sort_by(|&a, &b| fitness[a as usize].total_cmp(&fitness[b as usize]));
            let groups = (1..=order.len())
                .filter(|&k| k == order.len() || fitness[order[k] as usize] != fitness[order[k - 1] as usize])
                .map(|k| k as u32)
                .collect();
            return Ok(Splitter::Ranks { order, groups, fraction: *fraction });
        }
        if matches!(rule, Rule::Tournament | Rule::Annealed { .. }) {
            return Err(Error::Unsupported { solver: "cells", what: format!("{rule:?}"), instead: "use agents" });
        }
        let mut weights: Vec<f64> = fitness.iter().map(|&f| rule.log_weight(f, 0.0).unwrap_or(0.0)).collect();
        for &w in &weights {
            require(w < f64::INFINITY, "selection: log w(F)", w, "a number below +∞; lower β or rescale the fitness")?;
        }
        let log_scale = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        require(
            log_scale.is_finite(),
            "selection: largest log w(F)",
            log_scale,
            "a finite number: some weight must be positive",
        )?;
        for w in &mut weights {
            *w = (*w - log_scale).exp();
        }
        Ok(Splitter::Weights { weights, log_scale })
    }

    /// Divides `mass` into what is kept and what is copied: `Σ kept + Σ copied = Σ mass`.
    ///
    /// # Errors
    /// [`Error::Weights`] if no weight is positive where there is mass.
    pub fn split(&self, mass: &[f64], kept: &mut [f64], copied: &mut [f64], time: f64) -> Result<()> {
        let total: f64 = mass.iter().sum();
        match self {
            Splitter::Weights { weights, .. } => {
                kept.fill(0.0);
                let mut sum = 0.0;
                for ((copied, m), w) in copied.iter_mut().zip(mass).zip(weights) {
                    *copied = m * w;
                    sum += *copied;
                }
                if !(sum > 0.0 && sum.is_finite()) {
                    return Err(Error::Weights {
                        sum,
                        time,
                        hint: "lower β, or let the initial law reach fitter parameters",
                    });
                }
                let scale = total / sum;
                copied.iter_mut().for_each(|c| *c *= scale);
            }
            Splitter::Ranks { order, groups, fraction } => {
                let quota = fraction * total;
                kept.copy_from_slice(mass);
                copied.fill(0.0);
                let (mut start, mut left) = (0, quota);
                for &end in groups {
                    let cells = &order[start..end as usize];
                    start = end as usize;
                    let share = share(cells, mass, &mut left);
                    cells.iter().for_each(|&c| kept[c as usize] -= share * mass[c as usize]);
                    if left <= 0.0 {
                        break;
                    }
                }
                let mut left = quota;
                for (k, &end) in groups.iter().enumerate().rev() {
                    let start = if k == 0 { 0 } else { groups[k - 1] as usize };
                    let cells = &order[start..end as usize];
                    let share = share(cells, mass, &mut left);
                    cells.iter().for_each(|&c| copied[c as usize] = share * mass[c as usize]);
                    if left <= 0.0 {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The share of a group of cells that still fits into the quota `left`, which shrinks by it.
fn share(cells: &[u32], mass: &[f64], left: &mut f64) -> f64 {
    let group: f64 = cells.iter().map(|&c| mass[c as usize]).sum();
    let share = if group > *left { *left / group } else { 1.0 };
    *left -= share * group;
    share
}

impl Rule {
    /// Who copies whom, when everybody is at an event at once: for agent `i` the index of its donor, or [`KEPT`].
    ///
    /// # Errors
    /// [`Error::Weights`] if no weight is positive; [`Error::Parameter`] where a log-weight is NaN or +∞.
    pub fn donors<R: Rng + ?Sized>(&self, fitness: &[f64], time: f64, rng: &mut R) -> Result<Vec<u32>> {
        let n = fitness.len();
        let mut donors = vec![KEPT; n];
        match self {
            Rule::Truncation { fraction } => {
                // Rounding must not turn 0.07 · 100 into 8 agents.
                let count = ((fraction * n as f64 * (1.0 - 1e-12)).ceil() as usize).min(n);
                // Sort keys: fitness, then 32 random bits that break ties at random, then the agent.
                let key = |(f, i): (&f64, u32)| {
                    // −0 is as fit as 0.
                    let bits = (f + 0.0).to_bits();
                    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
                    (u128::from(ordered) << 64) | u128::from(rng.next_u64() >> 32 << 32 | u64::from(i))
                };
                let mut ranks: Vec<u128> = fitness.iter().zip(0..).map(key).collect();
                if 2 * count <= n && count > 0 {
                    ranks.select_nth_unstable(count);
                    ranks[count..].select_nth_unstable(n - 2 * count);
                } else {
                    ranks.sort_unstable();
                }
                for k in 0..count {
                    donors[ranks[k] as u32 as usize] = ranks[n - count + below(rng, count)] as u32;
                }
            }
            Rule::Tournament => {
                for (i, donor) in donors.iter_mut().enumerate().filter(|_| n > 1) {
                    // One of the n − 1 others.
                    let other = below(rng, n - 1);
                    let other = other + usize::from(other >= i);
                    if fitness[other] > fitness[i] {
                        *donor = other as u32;
                    }
                }
            }
            _ => {
                let table = DonorTable::new(self, fitness, time)?;
                table.fill(rng, &mut donors);
            }
        }
        Ok(donors)
    }
}

/// Draws indices with probability proportional to weights in O(1): cumulative sums and a table of entry points
/// (Chen & Asau 1974, "indexed search").
#[derive(Debug, Clone)]
pub struct DonorTable {
    cumulative: Vec<f64>,
    entry: Vec<u32>,
}

impl DonorTable {
    /// The table for a weight rule.
    ///
    /// # Errors
    /// [`Error::Weights`], [`Error::Parameter`] as [`Rule::donors`].
    pub fn new(rule: &Rule, fitness: &[f64], time: f64) -> Result<Self> {
        /// Pieces whose sums are formed one by one, so that threads do not matter.
        const PIECE: usize = 4096;
        if !rule.is_weight() {
            return Err(Error::Unsupported {
                solver: "the donor table",
                what: format!("{rule:?}"),
                instead: "rank rules choose their donors all at once",
            });
        }
        let mut cumulative = vec![0.0; fitness.len()];
        let write = |(to, from): (&mut [f64], &[f64])| {
            to.iter_mut().zip(from).for_each(|(w, f)| *w = rule.log_weight(*f, time).unwrap_or(0.0));
            to.iter().fold(f64::NEG_INFINITY, |a, w| if w.is_nan() { f64::INFINITY } else { a.max(*w) })
        };
        let tops: Vec<f64> = cumulative.par_chunks_mut(PIECE).zip(fitness.par_chunks(PIECE)).map(write).collect();
        let log_scale = tops.into_iter().fold(f64::NEG_INFINITY, f64::max);
        require(
            log_scale < f64::INFINITY,
            "selection: largest log w(F)",
            log_scale,
            "numbers below +∞; lower β or rescale the fitness",
        )?;
        if log_scale == f64::NEG_INFINITY {
            return Err(Error::Weights { sum: 0.0, time, hint: "some weight must be positive" });
        }
        let add = |piece: &mut [f64]| {
            piece.iter_mut().fold(0.0, |sum, w| {
                // Of this crate's own making, so that its bits do not depend on the system.
                *w = sum + libm::exp(*w - log_scale);
                *w
            })
        };
        let sums: Vec<f64> = cumulative.par_chunks_mut(PIECE).map(add).collect();
        let starts = sums.iter().scan(0.0, |sum, piece| Some(std::mem::replace(sum, *sum + piece)));
        let starts: Vec<f64> = starts.collect();
        let shift = |(piece, start): (&mut [f64], &f64)| piece.iter_mut().for_each(|c| *c += start);
        cumulative.par_chunks_mut(PIECE).zip(&starts).for_each(shift);
        let (n, sum) = (cumulative.len(), cumulative.last().copied().unwrap_or(0.0));
        let mut entry = vec![0; n];
        entry.par_chunks_mut(PIECE).enumerate().for_each(|(piece, entry)| {
            let level = |k: usize| (piece * PIECE + k) as f64 / n as f64 * sum;
            let mut j = cumulative.partition_point(|c| *c <= level(0));
            for (k, entry) in entry.iter_mut().enumerate() {
                while j + 1 < n && cumulative[j] <= level(k) {
                    j += 1;
                }
                *entry = j.min(n - 1) as u32;
            }
        });
        Ok(Self { cumulative, entry })
    }

    /// One index.
    pub fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> u32 {
        let mut index = [0];
        self.fill(rng, &mut index);
        index[0]
    }

    /// Independent indices. The table of a large population is far from the processor: many draws at a time let its loads
    /// overlap.
    pub fn fill<R: Rng + ?Sized>(&self, rng: &mut R, out: &mut [u32]) {
        const BATCH: usize = 256;
        let n = self.cumulative.len();
        let sum = self.cumulative[n - 1];
        let (mut targets, mut levels) = ([0.0; BATCH], [0.0; BATCH]);
        for out in out.chunks_mut(BATCH) {
            for (out, target) in out.iter_mut().zip(&mut targets) {
                let u = crate::numerics::normal::uniform(rng);
                *target = u * sum;
                *out = self.entry[((u * n as f64) as usize).min(n - 1)];
            }
            for (out, level) in out.iter().zip(&mut levels) {
                *level = self.cumulative[*out as usize];
            }
            for ((out, &target), &level) in out.iter_mut().zip(&targets).zip(&levels) {
                let (mut j, mut level) = (*out as usize, level);
                while level <= target && j + 1 < n {
                    j += 1;
                    level = self.cumulative[j];
                }
                // The entry point may lie one too far where u·n was rounded up.
                while j > 0 && self.cumulative[j - 1] > target {
                    j -= 1;
                }
                *out = j as u32;
            }
        }
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
