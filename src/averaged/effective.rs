//! The effective weight w̄(h) and fitness F̄(h): averages over the Gibbs law of θ given h.

use std::fmt::Debug;
use std::sync::Arc;

use super::hermite::HermitePair;
use super::sampling::population;
use crate::error::{Error, Result, require};
use crate::grid::{ThetaGrid, finite};
use crate::problem::formula::log_of_h;
use crate::problem::{Evaluation, Population, Rule, Sees, Selection};

/// How w̄ and F̄ are computed.
#[derive(Clone)]
pub enum Weight {
    /// Formulas, for quadratic loss and fitness with Boltzmann weights. With `v = D/(μk)` and minimiser `c(h)` of the
    /// loss, optimum c and curvature a of the fitness:
    /// `F̄ = −a(|c(h) − c|² + dθ·v)`, `log w̄ = −(dθ/2) log(1 + 2aβv) − aβ|c(h) − c|²/(1 + 2aβv)`.
    ClosedForm,
    /// Sums against the discrete Gibbs law on the cells of one or two θ axes. Midpoint sums converge faster than any
    /// power of the width for smooth L and F that the box holds.
    Quadrature {
        /// The cells; `Axis::uniform(…)?.into()`, or `[first, second].into()` for dθ = 2.
        theta: ThetaGrid,
    },
    /// Gauss–Hermite quadrature, for quadratic loss and any fitness (dθ = 1).
    GaussHermite {
        /// Number of points, 2 … 128.
        points: usize,
    },
    /// The mean over particles drawn from the Gibbs law: exactly for a quadratic loss, else by its tabulated inverse.
    Population {
        /// Particles for each h.
        particles: usize,
        /// Seed; each h has its own generator.
        seed: u64,
        /// Cells of the tabulated inverse (uniform within a cell); not needed for a quadratic loss.
        theta: Option<ThetaGrid>,
    },
    /// `log w̄(h)` given; loss and fitness are not looked at, and F̄ is reported as `log w̄/β` (for rules without β,
    /// `log w̄`).
    Formula(Arc<dyn Fn(&[f64]) -> f64 + Send + Sync>),
}

impl Weight {
    /// [`Weight::Formula`] from `w̄(h)` given as text, in `h` (`h_1`, `h_2`, … if there are several), as
    /// `"exp(-(h - 0.5)^2)"`. Its logarithm is taken apart at exponentials, so that nothing overflows.
    ///
    /// # Errors
    /// [`Error::Formula`], as [`crate::problem::Formula::new`].
    pub fn formula(text: &str, dim_h: usize) -> Result<Self> {
        Ok(Self::Formula(log_of_h(text, dim_h)?))
    }
}

impl Debug for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Weight::ClosedForm => f.write_str("ClosedForm"),
            Weight::Quadrature { theta } => write!(f, "Quadrature {{ {} cells }}", theta.len()),
            Weight::GaussHermite { points } => write!(f, "GaussHermite {{ points: {points} }}"),
            Weight::Population { particles, seed, .. } => {
                write!(f, "Population {{ particles: {particles}, seed: {seed} }}")
            }
            Weight::Formula(_) => f.write_str("Formula(…)"),
        }
    }
}

/// w̄ and F̄ at the places of an h-grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// `log w̄(h)` (−∞ where the weight vanishes), at time 0 if it changes; `None` for rules on ranks. For the replicator
    /// form and without selection it is that of `exp(βF)` and of 1.
    pub log_weight: Option<Vec<f64>>,
    /// `F̄(h)`.
    pub fitness: Vec<f64>,
    /// The error of `log_weight`: one standard error for a population; for quadratures the difference to half as many
    /// points, an upper bound in practice; 0 for formulas and for rules on ranks.
    pub log_weight_error: Vec<f64>,
    /// The error of `fitness`, likewise.
    pub fitness_error: Vec<f64>,
    /// Mass of the Gibbs law in the first and last θ cell together, where there is a θ axis, else 0.
    pub wall_mass: Vec<f64>,
}

/// What selection does with a fitness, as a logarithm; `None` for rules on ranks.
pub(super) fn log_weight(selection: &Selection, fitness: f64) -> Option<f64> {
    match selection {
        Selection::Off => Some(0.0),
        Selection::Replicator { beta } => Some(beta * fitness),
        Selection::Events { rule, .. } => rule.log_weight(fitness, 0.0),
    }
}

/// [`log_weight`], which must be a number below +∞.
pub(super) fn checked_log_weight(selection: &Selection, fitness: f64) -> Result<Option<f64>> {
    if let Selection::Events { rule: Rule::Proportional, .. } = selection {
        require(fitness >= 0.0, "fitness, as a weight", fitness, "a number ≥ 0, as proportional selection has w = F")?;
    }
    let log = log_weight(selection, fitness);
    if let Some(log) = log {
        require(log < f64::INFINITY, "selection: log w(F)", log, "a number below +∞; lower β")?;
    }
    Ok(log)
}

/// The β of the selection, where it has one; at time 0 if it changes.
pub(super) fn beta(selection: &Selection) -> Option<f64> {
    match selection {
        Selection::Replicator { beta } | Selection::Events { rule: Rule::Boltzmann { beta }, .. } => Some(*beta),
        Selection::Events { rule: Rule::Annealed { beta }, .. } => beta.at(0.0),
        _ => None,
    }
}

/// One place: F̄, log w̄ and their errors.
pub(super) struct Averages {
    pub fitness: f64,
    pub log_weight: Option<f64>,
    pub fitness_error: f64,
    pub log_weight_error: f64,
    pub wall_mass: f64,
}

impl Effective {
    /// Averages over the Gibbs law at each of the points `h`, one number a hyperparameter each, one after the other.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where loss or fitness is not finite; [`Error::Parameter`] for a log-weight that is NaN (as
    /// that of a negative fitness under [`Rule::Proportional`]) or +∞, bad coefficients or settings;
    /// [`Error::Unsupported`] for a method that does not fit the problem, and for evaluations with noise or a window,
    /// which the averaged equation does not hold.
    pub fn new(problem: &Population, points: &[f64], weight: &Weight) -> Result<Self> {
        let Evaluation { sees, noise, window, .. } = problem.evaluation;
        if noise != 0.0 || window != 1 {
            return Err(unsupported("evaluations with noise or a window", "simulate agents"));
        }
        let average: Box<dyn Fn(usize, &[f64]) -> Result<Averages> + '_> = match weight {
            Weight::ClosedForm => Box::new(|_, h| closed_form(problem, h)),
            Weight::Quadrature { theta } => Box::new(|_, h| quadrature(problem, theta, h)),
            Weight::GaussHermite { points } => {
                let rules = HermitePair::new(*points)?;
                Box::new(move |_, h| rules.average(problem, h))
            }
            Weight::Population { particles, seed, theta } => {
                Box::new(|place, h| population(problem, h, *particles, *seed, place, theta.as_ref()))
            }
            Weight::Formula(function) => Box::new(|_, h| formula(problem, h, function(h))),
        };
        let mut result = Self {
            log_weight: problem.events().is_none_or(|(rule, _)| rule.is_weight()).then(Vec::new),
            fitness: Vec::with_capacity(points.len()),
            log_weight_error: Vec::with_capacity(points.len()),
            fitness_error: Vec::with_capacity(points.len()),
            wall_mass: Vec::with_capacity(points.len()),
        };
        for (place, h) in points.chunks_exact(problem.h.len()).enumerate() {
            let mut averages = average(place, h)?;
            if sees == Sees::Effective && !matches!(weight, Weight::Formula(_)) {
                averages.log_weight = log_weight(&problem.selection, averages.fitness);
                averages.log_weight_error = beta(&problem.selection).unwrap_or(0.0) * averages.fitness_error;
            }
            if let (Some(all), Some(one)) = (&mut result.log_weight, averages.log_weight) {
                require(one < f64::INFINITY, format!("log of the weight at h = {h:?}"), one, "a number below +∞")?;
                all.push(one);
            }
            result.fitness.push(averages.fitness);
            result.fitness_error.push(averages.fitness_error);
            result.log_weight_error.push(averages.log_weight_error);
            result.wall_mass.push(averages.wall_mass);
        }
        Ok(result)
    }

    /// `w̄/max w̄`, which is all that the equation needs, and `log max w̄`.
    ///
    /// # Errors
    /// [`Error::Weights`] if w̄ vanishes everywhere; [`Error::Unsupported`] for rules on ranks.
    pub fn scaled_weights(&self) -> Result<(Vec<f64>, f64)> {
        let Some(logs) = &self.log_weight else {
            return Err(unsupported("weights of a rule on ranks", "run in time instead"));
        };
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return Err(Error::Weights { sum: 0.0, time: 0.0, hint: "some weight must be positive" });
        }
        Ok((logs.iter().map(|log| (log - largest).exp()).collect(), largest))
    }
}

pub(super) fn unsupported(what: &str, instead: &'static str) -> Error {
    Error::Unsupported { solver: "the averaged equation", what: what.into(), instead }
}

/// The Gibbs law of a quadratic loss at h: centre and variance of each component.
pub(super) fn gaussian(problem: &Population, h: &[f64]) -> Result<Option<(Vec<f64>, f64)>> {
    let mut centre = vec![0.0; problem.loss.dimension()];
    let Some(stiffness) = problem.loss.quadratic(h, &mut centre) else {
        return Ok(None);
    };
    require(
        stiffness > 0.0 && stiffness.is_finite(),
        format!("stiffness at h = {h:?}"),
        stiffness,
        "a positive number",
    )?;
    let diffusion = problem.diffusion.positive_at("diffusion", h)?;
    let mobility = problem.mobility.positive_at("mobility", h)?;
    Ok(Some((centre, diffusion / (mobility * stiffness))))
}

/// What the closed form is made of at one h.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClosedForm {
    pub fitness: f64,
    curvature: f64,
    distance: f64,
    variance: f64,
    dimension: f64,
}

impl ClosedForm {
    /// # Errors
    /// [`Error::Unsupported`] where loss or fitness is not quadratic.
    pub fn new(problem: &Population, h: &[f64]) -> Result<Self> {
        let (Some((centre, variance)), Some((curvature, optimum))) =
            (gaussian(problem, h)?, problem.fitness.quadratic())
        else {
            return Err(no_closed_form());
        };
        let distance: f64 = centre.iter().zip(optimum).map(|(a, b)| (a - b) * (a - b)).sum();
        let dimension = centre.len() as f64;
        Ok(Self { fitness: -curvature * (distance + dimension * variance), curvature, distance, variance, dimension })
    }

    /// `log w̄` of `w = exp(βF)`.
    pub fn log_weight(&self, beta: f64) -> f64 {
        let Self { curvature, distance, variance, dimension, .. } = self;
        let raw = 2.0 * curvature * beta;
        -0.5 * dimension * (raw * variance).ln_1p() - 0.5 * raw * distance / (1.0 + raw * variance)
    }
}

fn no_closed_form() -> Error {
    unsupported(
        "the closed form of this loss, fitness and rule",
        "it needs a quadratic loss, a quadratic fitness and Boltzmann weights; use quadrature",
    )
}

fn closed_form(problem: &Population, h: &[f64]) -> Result<Averages> {
    let beta = match &problem.selection {
        Selection::Off => Some(0.0),
        selection => beta(selection),
    };
    let (form, beta) = (ClosedForm::new(problem, h)?, beta.ok_or_else(no_closed_form)?);
    Ok(Averages {
        fitness: form.fitness,
        log_weight: Some(form.log_weight(beta)),
        fitness_error: 0.0,
        log_weight_error: 0.0,
        wall_mass: 0.0,
    })
}

fn formula(problem: &Population, h: &[f64], log_weight: f64) -> Result<Averages> {
    require(!log_weight.is_nan(), format!("log w̄ at h = {h:?}"), log_weight, "a number below +∞")?;
    if problem.events().is_some_and(|(rule, _)| !rule.is_weight()) {
        return Err(unsupported("a formula for w̄ with a rule on ranks", "use quadrature"));
    }
    if problem.events().is_some_and(|(rule, _)| !rule.is_steady()) {
        return Err(unsupported("a formula for a w̄ that changes in time", "use quadrature"));
    }
    let beta = beta(&problem.selection).filter(|&beta| beta > 0.0).unwrap_or(1.0);
    let fitness = log_weight / beta;
    Ok(Averages { fitness, log_weight: Some(log_weight), fitness_error: 0.0, log_weight_error: 0.0, wall_mass: 0.0 })
}

/// The logarithms of the masses (their sum 1) of the discrete Gibbs law on equal cells around the points, dθ numbers each.
///
/// # Errors
/// [`Error::NonFinite`] for the loss; [`Error::Parameter`] for the coefficients.
pub(super) fn log_gibbs(problem: &Population, points: &[f64], h: &[f64]) -> Result<Vec<f64>> {
    let diffusion = problem.diffusion.positive_at("diffusion", h)?;
    let scale = problem.mobility.positive_at("mobility", h)? / diffusion;
    let mut logs = Vec::with_capacity(points.len());
    for theta in points.chunks_exact(problem.loss.dimension()) {
        let value = problem.loss.value(theta, h);
        if !(scale * value).is_finite() {
            return Err(Error::NonFinite { quantity: "loss", value, theta: theta.to_vec(), h: h.to_vec(), time: 0.0 });
        }
        logs.push(-scale * value);
    }
    let total = log_sum_exp(logs.iter().copied());
    logs.iter_mut().for_each(|log| *log -= total);
    Ok(logs)
}

pub(super) fn log_sum_exp(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + logs.map(|log| (log - largest).exp()).sum::<f64>().ln()
}

/// `F`, checked.
pub(super) fn fitness_at(problem: &Population, theta: &[f64], h: &[f64]) -> Result<f64> {
    finite("fitness", problem.fitness.value(theta, h), theta, h)
}

/// F̄ and log w̄ under the law with the given log-masses at the points.
pub(super) fn average(
    problem: &Population,
    points: &[f64],
    log_masses: &[f64],
    h: &[f64],
) -> Result<(f64, Option<f64>)> {
    let (mut mean, mut logs) = (0.0, Vec::with_capacity(log_masses.len()));
    for (theta, &log_mass) in points.chunks_exact(problem.loss.dimension()).zip(log_masses) {
        let fitness = fitness_at(problem, theta, h)?;
        mean += log_mass.exp() * fitness;
        if let Some(log) = checked_log_weight(&problem.selection, fitness)? {
            logs.push(log_mass + log);
        }
    }
    Ok((mean, (!logs.is_empty()).then(|| log_sum_exp(logs.iter().copied()))))
}

/// The difference of two logs, 0 where both are −∞ and +∞ where one is.
pub(super) fn log_difference(a: Option<f64>, b: Option<f64>) -> f64 {
    match (a, b) {
        (Some(a), Some(b)) if a != b => (a - b).abs(),
        _ => 0.0,
    }
}

fn quadrature(problem: &Population, theta: &ThetaGrid, h: &[f64]) -> Result<Averages> {
    theta.validated(problem.loss.dimension())?;
    let logs = log_gibbs(problem, theta.points(), h)?;
    let (fitness, log_weight) = average(problem, theta.points(), &logs, h)?;
    // Cells twice as wide have their centres on every other face.
    let coarse = theta.coarse_points();
    let (half, half_log) = average(problem, &coarse, &log_gibbs(problem, &coarse, h)?, h)?;
    Ok(Averages {
        fitness,
        log_weight,
        fitness_error: (fitness - half).abs(),
        log_weight_error: log_difference(log_weight, half_log),
        wall_mass: wall_mass(theta, &logs),
    })
}

/// Mass of the cells at a wall.
pub(super) fn wall_mass(theta: &ThetaGrid, log_masses: &[f64]) -> f64 {
    log_masses.iter().enumerate().filter(|(cell, _)| theta.at_wall(*cell)).map(|(_, log)| log.exp()).sum()
}

pub(super) fn one_parameter(problem: &Population) -> Result<()> {
    if problem.loss.dimension() == 1 {
        Ok(())
    } else {
        Err(unsupported("Gauss–Hermite points in several parameters", "use quadrature on axes or the closed form"))
    }
}
