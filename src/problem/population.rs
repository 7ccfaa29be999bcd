//! The population problem: what is to be solved, free of grids, steps and files.

use std::fmt::Debug;
use std::sync::Arc;

use super::clock::Clock;
use super::domain::Domain;
use super::law::Law;
use super::loss::{Fitness, Loss};
use super::mutation::Kernel;
use super::selection::{Rule, Selection};
use crate::error::{Error, Result, require};

/// A coefficient of training: a number, or a function of `h` (so that `h` can be a learning rate).
#[derive(Clone)]
pub enum Coefficient {
    /// The same for all h.
    Constant(f64),
    /// `h ↦` value.
    Function(Arc<dyn Fn(&[f64]) -> f64 + Send + Sync>),
}

impl Coefficient {
    /// Its value at `h`.
    pub fn at(&self, h: &[f64]) -> f64 {
        match self {
            Coefficient::Constant(value) => *value,
            Coefficient::Function(function) => function(h),
        }
    }

    /// Its value at `h`, checked to be positive and finite.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming `key` and `h`.
    pub fn positive_at(&self, key: &str, h: &[f64]) -> Result<f64> {
        let value = self.at(h);
        require(value > 0.0 && value.is_finite(), format!("{key} at h = {h:?}"), value, "a positive finite number")?;
        Ok(value)
    }
}

impl Debug for Coefficient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Coefficient::Constant(value) => write!(f, "{value}"),
            Coefficient::Function(_) => f.write_str("a function of h"),
        }
    }
}

impl From<f64> for Coefficient {
    fn from(value: f64) -> Self {
        Coefficient::Constant(value)
    }
}

/// The initial law of θ.
#[derive(Clone)]
pub enum InitialTheta {
    /// The Gibbs law `G_h ∝ exp(−μL/D)` at each agent's h.
    Equilibrium,
    /// Independent of h; one law a component.
    Law(Vec<Law>),
    /// Given h; one law a component.
    Given(Arc<dyn Fn(&[f64]) -> Vec<Law> + Send + Sync>),
}

impl Debug for InitialTheta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            InitialTheta::Equilibrium => f.write_str("Equilibrium"),
            InitialTheta::Law(laws) => write!(f, "{laws:?}"),
            InitialTheta::Given(_) => f.write_str("a law given h"),
        }
    }
}

/// The initial law of the population.
#[derive(Debug, Clone)]
pub struct Initial {
    /// One law a hyperparameter; independent.
    pub h: Vec<Law>,
    /// θ given h.
    pub theta: InitialTheta,
}

/// What selection sees of an agent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// `F(θ,h)`, or `F̄(h)`.
    pub sees: Sees,
    /// Standard deviation of the noise, fresh at each event, ≥ 0.
    pub noise: f64,
    /// Mean of the last so many evaluations (one a training step), ≥ 1. The window follows the copied θ.
    pub window: usize,
    /// Which state of the others it sees and copies.
    pub donors: Donors,
}

/// Which state of an agent selection sees, and donors hand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Donors {
    /// The present one.
    #[default]
    Present,
    /// The one that it published at its own last event, before it was replaced (at first the initial one): θ, h and fitness.
    /// So asynchronous training compares checkpoints, of which the others' are stale.
    Published,
}

/// What a copy takes from its donor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inheritance {
    /// θ and h.
    #[default]
    Everything,
    /// h alone: θ is drawn anew from the initial law given the new h (rejuvenation).
    Hyperparameters,
}

/// Which fitness an [`Evaluation`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sees {
    /// `F(θ,h)`.
    #[default]
    Fitness,
    /// `F̄(h)`, the mean of F under the Gibbs law.
    Effective,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { sees: Sees::Fitness, noise: 0.0, window: 1, donors: Donors::Present }
    }
}

impl Evaluation {
    /// Whether it is the plain `F(θ,h)`, which is what the mean-field equations hold.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// The population problem (EQUATIONS 1): learners with parameters θ, trained by noisy gradient descent, and
/// hyperparameters h, changed by selection and mutation.
///
/// ```text
/// dθ = −(μ/ε) ∂L/∂θ dt + √(2D/ε) dW,      at events: (θ,h) ← a donor's (θ,h), then h is mutated
/// ```
/// Everything is dimensionless.
#[derive(Debug, Clone)]
pub struct Population {
    /// `ε > 0`: time of training over time of selection. (Not used by the averaged equation, its limit ε → 0.)
    pub epsilon: f64,
    /// `D > 0`.
    pub diffusion: Coefficient,
    /// `μ > 0`.
    pub mobility: Coefficient,
    /// `L(θ,h)`.
    pub loss: Arc<dyn Loss>,
    /// `F(θ,h)`.
    pub fitness: Arc<dyn Fitness>,
    /// The domain of each hyperparameter.
    pub h: Vec<Domain>,
    /// Selection.
    pub selection: Selection,
    /// What selection sees.
    pub evaluation: Evaluation,
    /// What a copy takes from its donor.
    pub inheritance: Inheritance,
    /// The mutation kernel of each hyperparameter.
    pub mutation: Vec<Kernel>,
    /// The law at t = 0.
    pub initial: Initial,
}

impl Population {
    /// Checks everything that does not need a grid or agents.
    ///
    /// # Errors
    /// [`Error::Parameter`], [`Error::Shape`] or [`Error::Unsupported`], naming the key.
    pub fn validated(self) -> Result<Self> {
        require(self.epsilon > 0.0 && self.epsilon.is_finite(), "epsilon", self.epsilon, "a positive number")?;
        let dim_h = self.h.len();
        require(dim_h > 0, "h (number of hyperparameters)", 0.0, "at least one")?;
        same_length("mutation (one kernel a hyperparameter)", self.mutation.len(), dim_h)?;
        same_length("initial.h (one law a hyperparameter)", self.initial.h.len(), dim_h)?;
        let (parameters, least) = (self.loss.dimension(), self.loss.least_hyperparameters());
        if dim_h < least {
            return Err(Error::Shape {
                what: "h (hyperparameters that the loss needs)".into(),
                found: dim_h,
                expected: least,
            });
        }
        if let Some((_, optimum)) = self.fitness.quadratic() {
            same_length("fitness: optimum (one number a parameter)", optimum.len(), parameters)?;
        }
        if let InitialTheta::Law(laws) = &self.initial.theta {
            same_length("initial.theta (one law a parameter)", laws.len(), self.loss.dimension())?;
            laws.iter().try_for_each(|law| law.validated("initial.theta"))?;
        }
        for ((domain, kernel), law) in self.h.iter().zip(&self.mutation).zip(&self.initial.h) {
            domain.validated()?;
            kernel.validated(domain)?;
            law.validated("initial.h")?;
            let continuous = matches!(kernel, Kernel::Diffusion { .. });
            let replicator = matches!(self.selection, Selection::Replicator { .. });
            if continuous && matches!(self.selection, Selection::Events { .. }) {
                return Err(Error::Unsupported {
                    solver: "selection by events",
                    what: "mutation by diffusion".into(),
                    instead: "use a Gaussian kernel, or the replicator form",
                });
            }
            if replicator && !continuous && !matches!(kernel, Kernel::None) {
                return Err(Error::Unsupported {
                    solver: "the replicator form",
                    what: format!("mutation by {kernel:?}"),
                    instead: "use diffusion, or selection by events",
                });
            }
        }
        for (key, coefficient) in [("diffusion", &self.diffusion), ("mobility", &self.mobility)] {
            if let Coefficient::Constant(value) = coefficient {
                require(*value > 0.0 && value.is_finite(), key, *value, "a positive number")?;
            }
        }
        match &self.selection {
            Selection::Off => {}
            Selection::Replicator { beta } => {
                require(*beta >= 0.0 && beta.is_finite(), "selection.beta", *beta, "a number ≥ 0")?;
            }
            Selection::Events { rule, clock } => {
                rule.validated()?;
                match *clock {
                    Clock::Poisson { rate } => {
                        require(rate >= 0.0 && rate.is_finite(), "selection.clock.rate", rate, "a number ≥ 0")?;
                    }
                    Clock::Periodic { every } | Clock::Staggered { every } => {
                        require(every > 0.0 && every.is_finite(), "selection.clock.every", every, "a positive number")?;
                    }
                }
            }
        }
        let Evaluation { noise, window, .. } = self.evaluation;
        require(noise >= 0.0 && noise.is_finite(), "selection.evaluation.noise", noise, "a number ≥ 0")?;
        require(window >= 1, "selection.evaluation.window", window as f64, "at least 1")?;
        Ok(self)
    }

    /// The rule and clock, where selection is by events.
    pub fn events(&self) -> Option<(&Rule, Clock)> {
        match &self.selection {
            Selection::Events { rule, clock } => Some((rule, *clock)),
            _ => None,
        }
    }
}

fn same_length(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Shape { what: what.into(), found, expected }) }
}
