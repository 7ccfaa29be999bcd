//! Selection rules, each stated twice: [`Splitter`] divides the mass of cells into kept and copied, [`Rule::donors`] says
//! which agent copies which. "Only what is copied mutates" is then structural.

use std::fmt::Debug;
use std::sync::Arc;

use rand::Rng;

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
    /// Any weight, given by its logarithm `F ↦ log w(F)` (−∞ allowed); everybody becomes a copy.
    Weight(Arc<dyn Fn(f64) -> f64 + Send + Sync>),
    /// The worst `⌈qN⌉` become copies of agents drawn uniformly from the best `⌈qN⌉`; ties are broken at random.
    /// (Jaderberg et al. 2017, "truncation selection".)
    Truncation {
        /// `q` in (0, ½].
        fraction: f64,
    },
}

impl Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rule::Boltzmann { beta } => write!(f, "Boltzmann {{ beta: {beta} }}"),
            Rule::Weight(_) => f.write_str("Weight(…)"),
            Rule::Truncation { fraction } => write!(f, "Truncation {{ fraction: {fraction} }}"),
        }
    }
}

/// When selection events happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clock {
    /// Each agent's own events at rate κ.
    Poisson {
        /// `κ ≥ 0`, in events per unit of physical time.
        rate: f64,
    },
    /// Everybody at once at `T_s, 2T_s, …`.
    Periodic {
        /// `T_s > 0`.
        every: f64,
    },
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
            Rule::Weight(_) => Ok(()),
            Rule::Truncation { fraction } => {
                require(*fraction > 0.0 && *fraction <= 0.5, "selection.fraction", *fraction, "a number in (0, 1/2]")
            }
        }
    }

    /// `log w(F)` for the rules that are weights, `None` for rules on ranks.
    pub fn log_weight(&self, fitness: f64) -> Option<f64> {
        match self {
            Rule::Boltzmann { beta } => Some(beta * fitness),
            Rule::Weight(log_weight) => Some(log_weight(fitness)),
            Rule::Truncation { .. } => None,
        }
    }

    /// Whether the rule is a weight `w(F)`.
    pub fn is_weight(&self) -> bool {
        !matches!(self, Rule::Truncation { .. })
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
        let mut weights: Vec<f64> = fitness.iter().map(|&f| rule.log_weight(f).unwrap_or(0.0)).collect();
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
                let count = ((fraction * n as f64).ceil() as usize).min(n);
                // Random second keys break ties at random.
                let mut ranks: Vec<(f64, u64, u32)> =
                    fitness.iter().zip(0..).map(|(&f, i)| (f, rng.next_u64(), i)).collect();
                let order = |a: &(f64, u64, u32), b: &(f64, u64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
                if count < n {
                    ranks.select_nth_unstable_by(count, order);
                    ranks[count..].select_nth_unstable_by(n - 2 * count.min(n / 2), order);
                }
                for k in 0..count {
                    donors[ranks[k].2 as usize] = ranks[n - count + below(rng, count)].2;
                }
            }
            _ => {
                let table = DonorTable::new(self, fitness, time)?;
                donors.iter_mut().for_each(|d| *d = table.draw(rng));
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
        let Splitter::Weights { weights: mut cumulative, .. } = Splitter::new(rule, fitness)? else {
            return Err(Error::Unsupported {
                solver: "the donor table",
                what: format!("{rule:?}"),
                instead: "rank rules choose their donors all at once",
            });
        };
        let mut sum = 0.0;
        for c in &mut cumulative {
            sum += *c;
            *c = sum;
        }
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(Error::Weights { sum, time, hint: "lower β" });
        }
        let n = cumulative.len();
        let mut entry = Vec::with_capacity(n);
        let mut j = 0;
        for k in 0..n {
            while cumulative[j] <= k as f64 / n as f64 * sum && j + 1 < n {
                j += 1;
            }
            entry.push(j as u32);
        }
        Ok(Self { cumulative, entry })
    }

    /// One index.
    pub fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> u32 {
        let n = self.cumulative.len();
        let u = crate::numerics::normal::uniform(rng);
        let target = u * self.cumulative[n - 1];
        let mut j = self.entry[((u * n as f64) as usize).min(n - 1)] as usize;
        // The entry point may lie one too far where u·n was rounded up.
        while j > 0 && self.cumulative[j - 1] > target {
            j -= 1;
        }
        while self.cumulative[j] <= target && j + 1 < n {
            j += 1;
        }
        j as u32
    }
}
