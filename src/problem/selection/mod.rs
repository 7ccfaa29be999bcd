//! Selection rules, each stated twice: [`Splitter`] divides the mass of cells into kept and copied, [`Rule::donors`] says
//! which agent copies which. "Only what is copied mutates" is then structural.

use std::fmt::Debug;
use std::sync::Arc;

use super::clock::Clock;
use super::rate::Schedule;
use crate::error::{Error, Result, require};

mod cells;
mod donors;
mod ranks;

pub use cells::Splitter;
pub use donors::{DonorTable, KEPT};

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

#[cfg(test)]
mod tests;
