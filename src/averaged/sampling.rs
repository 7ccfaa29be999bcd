//! w̄ and F̄ as means over particles drawn from the Gibbs law.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::effective::{Averages, fitness_at, gaussian, log_gibbs, log_weight, one_parameter, unsupported};
use crate::error::{Result, require};
use crate::grid::Axis;
use crate::numerics::normal::{standard_normal, uniform};
use crate::problem::Population;

/// Draws θ exactly where the loss is quadratic, else by the tabulated inverse on the axis, and averages.
pub(super) fn population(
    problem: &Population,
    h: f64,
    particles: usize,
    seed: u64,
    place: usize,
    theta: Option<&Axis>,
) -> Result<Averages> {
    require(particles >= 2, "weight.population", particles as f64, "at least 2 particles")?;
    // Far-apart seeds for neighbouring places (Weyl sequence; the generator mixes its seed).
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut wall_mass = 0.0;
    let exact = gaussian(problem, h)?;
    let mut table = Vec::new();
    if exact.is_none() {
        one_parameter(problem)?;
        let Some(theta) = theta else {
            return Err(unsupported("a population without a Gibbs sampler", "give it a θ axis, or use quadrature"));
        };
        let logs = log_gibbs(problem, &theta.centres, h)?;
        wall_mass = logs[0].exp() + logs[logs.len() - 1].exp();
        let mut sum = 0.0;
        table.extend(logs.iter().map(|log| {
            sum += log.exp();
            sum
        }));
    }
    let (mut fitness, mut logs) = (Vec::with_capacity(particles), Vec::new());
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
                at[0] = theta.faces[cell] + theta.width() * uniform(&mut rng);
            }
            (None, None) => {}
        }
        let value = fitness_at(problem, &at, h)?;
        fitness.push(value);
        logs.extend(log_weight(&problem.selection, value));
    }
    let (mean, fitness_error) = mean_and_error(&fitness);
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    require(largest < f64::INFINITY, "selection: log w(F)", largest, "a number below +∞; lower β")?;
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

/// The mean and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}
