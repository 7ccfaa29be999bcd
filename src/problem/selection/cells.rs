//! Selection on cells: their mass is divided into what is kept and what is copied.

use super::Rule;
use crate::error::{Error, Result, require};

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
