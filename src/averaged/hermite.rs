//! Gauss–Hermite quadrature against the Gibbs law of a quadratic loss, dθ = 1.

use std::num::NonZeroUsize;

use gauss_quad::GaussHermite;

use super::effective::{Averages, average, gaussian, log_difference, log_sum_exp, one_parameter, unsupported};
use crate::error::{Result, require};
use crate::problem::Population;

/// Points and log-weights (summing to 1) for the standard normal law, and those of half as many points.
pub(super) struct HermitePair([(Vec<f64>, Vec<f64>); 2]);

impl HermitePair {
    pub fn new(points: usize) -> Result<Self> {
        require((2..=128).contains(&points), "weight.points", points as f64, "2 to 128 Gauss–Hermite points")?;
        let rule = |points: usize| {
            let rule = GaussHermite::new(NonZeroUsize::new(points).unwrap_or(NonZeroUsize::MIN));
            let (x, w): (Vec<f64>, Vec<f64>) =
                rule.iter().map(|&(x, w)| (x * std::f64::consts::SQRT_2, w.ln())).unzip();
            let total = log_sum_exp(w.iter().copied());
            (x, w.iter().map(|w| w - total).collect())
        };
        Ok(Self([rule(points), rule(points / 2)]))
    }

    pub fn average(&self, problem: &Population, h: &[f64]) -> Result<Averages> {
        let (centre, variance) = Self::law(problem, h)?;
        let on = |(x, logs): &(Vec<f64>, Vec<f64>)| average(problem, &on_gibbs(x, &centre, variance), logs, h);
        let ((fitness, log_weight), (half, half_log)) = (on(&self.0[0])?, on(&self.0[1])?);
        Ok(Averages {
            fitness,
            log_weight,
            fitness_error: (fitness - half).abs(),
            log_weight_error: log_difference(log_weight, half_log),
            wall_mass: 0.0,
        })
    }

    /// The points for the Gibbs law at h, and their log-weights.
    pub fn points(&self, problem: &Population, h: &[f64]) -> Result<(Vec<f64>, &[f64])> {
        let (centre, variance) = Self::law(problem, h)?;
        let (x, logs) = &self.0[0];
        Ok((on_gibbs(x, &centre, variance), logs))
    }

    fn law(problem: &Population, h: &[f64]) -> Result<(Vec<f64>, f64)> {
        one_parameter(problem)?;
        let Some(law) = gaussian(problem, h)? else {
            return Err(unsupported("Gauss–Hermite points for a loss that is not quadratic", "use quadrature"));
        };
        Ok(law)
    }
}

fn on_gibbs(x: &[f64], centre: &[f64], variance: f64) -> Vec<f64> {
    x.iter().map(|x| centre[0] + variance.sqrt() * x).collect()
}
