//! w̄ of weights that change in time.

use super::effective::{ClosedForm, Effective, Weight, fitness_at, log_gibbs, log_sum_exp, unsupported};
use super::hermite::HermitePair;
use super::sampling::draw;
use crate::error::{Error, Result, require};
use crate::grid::HyperGrid;
use crate::problem::{Population, Schedule, Sees};

/// What w̄(h,t) of `w = exp(β(t)F)` is made of at each place.
#[derive(Debug, Clone)]
pub(super) struct Annealed {
    pub beta: Schedule,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Closed(Vec<ClosedForm>),
    /// Selection sees F̄.
    Effective(Vec<f64>),
    /// The law of F given h: log-masses and values, and where each place ends.
    Laws {
        logs: Vec<f64>,
        fitness: Vec<f64>,
        ends: Vec<usize>,
    },
}

impl Annealed {
    pub fn new(
        problem: &Population,
        beta: &Schedule,
        grid: &HyperGrid,
        effective: &Effective,
        weight: &Weight,
    ) -> Result<Self> {
        if problem.evaluation.sees == Sees::Effective {
            return Ok(Self { beta: beta.clone(), form: Form::Effective(effective.fitness.clone()) });
        }
        let hermite =
            if let Weight::GaussHermite { points } = weight { Some(HermitePair::new(*points)?) } else { None };
        let (mut logs, mut fitness, mut ends, mut closed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut add = |points: &[f64], masses: &[f64], h: &[f64]| -> Result<()> {
            logs.extend_from_slice(masses);
            for theta in points.chunks_exact(problem.loss.dimension()) {
                fitness.push(fitness_at(problem, theta, h)?);
            }
            ends.push(fitness.len());
            Ok(())
        };
        let mut drawn = Vec::new();
        for (place, h) in grid.iter().enumerate() {
            match weight {
                Weight::ClosedForm => closed.push(ClosedForm::new(problem, h)?),
                Weight::Quadrature { theta } => add(theta.points(), &log_gibbs(problem, theta.points(), h)?, h)?,
                Weight::GaussHermite { .. } => {
                    if let Some(hermite) = &hermite {
                        let (points, masses) = hermite.points(problem, h)?;
                        add(&points, masses, h)?;
                    }
                }
                Weight::Population { particles, seed, theta } => {
                    drawn.push(draw(problem, h, *particles, *seed, place, theta.as_ref())?.0);
                }
                Weight::Formula(_) => {
                    return Err(unsupported("a formula for a w̄ that changes in time", "use quadrature"));
                }
            }
        }
        for values in drawn {
            logs.extend(std::iter::repeat_n(-(values.len() as f64).ln(), values.len()));
            fitness.extend(values);
            ends.push(fitness.len());
        }
        let form = if closed.is_empty() { Form::Laws { logs, fitness, ends } } else { Form::Closed(closed) };
        Ok(Self { beta: beta.clone(), form })
    }

    /// `β(t)`, checked.
    pub fn beta_at(&self, time: f64) -> Result<f64> {
        let beta = self.beta.at(time).unwrap_or(f64::NAN);
        require(beta >= 0.0 && beta.is_finite(), format!("selection.beta at t = {time}"), beta, "a finite number ≥ 0")?;
        Ok(beta)
    }

    /// `w̄/max w̄` at each place.
    pub fn weights(&self, beta: f64, time: f64, weights: &mut Vec<f64>) -> Result<()> {
        weights.clear();
        match &self.form {
            Form::Closed(places) => weights.extend(places.iter().map(|place| place.log_weight(beta))),
            Form::Effective(fitness) => weights.extend(fitness.iter().map(|f| beta * f)),
            Form::Laws { logs, fitness, ends } => {
                let mut start = 0;
                for &end in ends {
                    let law = logs[start..end].iter().zip(&fitness[start..end]);
                    weights.push(log_sum_exp(law.map(|(log, f)| log + beta * f)));
                    start = end;
                }
            }
        }
        let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !largest.is_finite() {
            return Err(Error::Weights { sum: largest, time, hint: "lower β" });
        }
        weights.iter_mut().for_each(|w| *w = (*w - largest).exp());
        Ok(())
    }
}
