//! Selection among agents: who copies whom.

use rand::Rng;
use rayon::prelude::*;

use super::Rule;
use crate::error::{Error, Result, require};
use crate::numerics::normal::below;

/// A donor index that means: this agent is kept as it is, unmutated.
pub const KEPT: u32 = u32::MAX;

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
