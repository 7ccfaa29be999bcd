//! w̄ and F̄ as means over particles drawn from the Gibbs law.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::effective::{Averages, checked_log_weight, fitness_at, gaussian, log_gibbs, unsupported, wall_mass};
use crate::error::{Result, require};
use crate::grid::ThetaGrid;
use crate::numerics::normal::{standard_normal, uniform};
use crate::problem::Population;

/// Draws θ exactly where the loss is quadratic, else by the tabulated inverse on the cells, and averages.
pub(super) fn population(
    problem: &Population,
    h: &[f64],
    particles: usize,
    seed: u64,
    place: usize,
    theta: Option<&ThetaGrid>,
) -> Result<Averages> {
    let (fitness, wall_mass) = draw(problem, h, particles, seed, place, theta)?;
    let mut logs = Vec::new();
    for &value in &fitness {
        logs.extend(checked_log_weight(&problem.selection, value)?);
    }
    let (mean, fitness_error) = mean_and_error(&fitness);
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let relative: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
    let (log_weight, log_weight_error) = if logs.is_empty() {
        (None, 0.0)
    } else if largest == f64::NEG_INFINITY {
        (Some(largest), 0.0)
    } else {
        let (mean, error) = mean_and_error(&relative);
        (Some(largest + mean.ln()), error / mean)
    };
    Ok(Averages { fitness: mean, log_weight, fitness_error, log_weight_error, wall_mass })
}

/// The fitness of particles drawn from the Gibbs law at h, and its mass at walls.
pub(super) fn draw(
    problem: &Population,
    h: &[f64],
    particles: usize,
    seed: u64,
    place: usize,
    theta: Option<&ThetaGrid>,
) -> Result<(Vec<f64>, f64)> {
    require(particles >= 2, "weight.population", particles as f64, "at least 2 particles")?;
    // Far-apart seeds for neighbouring places (Weyl sequence; the generator mixes its seed).
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut wall = 0.0;
    let exact = gaussian(problem, h)?;
    let mut table = Vec::new();
    if exact.is_none() {
        let Some(theta) = theta else {
            return Err(unsupported("a population without a Gibbs sampler", "give it a θ axis, or use quadrature"));
        };
        theta.validated(problem.loss.dimension())?;
        let logs = log_gibbs(problem, theta.points(), h)?;
        wall = wall_mass(theta, &logs);
        let mut sum = 0.0;
        table.extend(logs.iter().map(|log| {
            sum += log.exp();
            sum
        }));
    }
    let mut fitness = Vec::with_capacity(particles);
    let mut at = vec![0.0; problem.loss.dimension()];
    for _ in 0..particles {
        match (&exact, theta) {
            (Some((centre, variance)), _) => {
                let std = variance.sqrt();
                at.iter_mut().zip(centre).for_each(|(at, c)| *at = c + std * standard_normal(&mut rng));
            }
            (None, Some(theta)) => {
                let target = uniform(&mut rng) * table[table.len() - 1];
                let cell = table.partition_point(|&sum| sum <= target).min(table.len() - 1);
                for ((at, axis), cell) in at.iter_mut().zip(theta.axes()).zip(theta.cell_indices(cell)) {
                    *at = axis.faces[cell] + axis.width() * uniform(&mut rng);
                }
            }
            (None, None) => {}
        }
        fitness.push(fitness_at(problem, &at, h)?);
    }
    Ok((fitness, wall))
}

/// The mean and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}
