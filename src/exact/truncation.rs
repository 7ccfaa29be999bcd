//! One event of truncation selection on a Gaussian population with fitness monotone in the trait.
//!
//! The worst fraction q is replaced by copies drawn from the best fraction q. With `z = Φ⁻¹(1 − q)` and `φ` the normal
//! density, the partial moments of the upper tail of N(0,1) are `q, φ(z), q + zφ(z)`. So kept + copied has
//!
//! ```text
//! mean m + 2φ(z)s,     variance s²(1 − 4φ(z)²) + q·(variance of the mutation of the copies)
//! ```
//! Source: the selection intensity `φ(z)/q` of truncation selection, Falconer & Mackay, *Introduction to Quantitative
//! Genetics* (1996), ch. 11; applied to both tails.

use crate::error::{Result, require};
use crate::numerics::normal::{normal_cdf, normal_density};

/// Mean and variance after one event, from those before; `mutation_variance` is that of an unbiased step of the copies.
///
/// # Errors
/// [`crate::Error::Parameter`] for `fraction` outside (0, ½].
pub fn truncate(
    (mean, variance): (f64, f64),
    fraction: f64,
    increasing: bool,
    mutation_variance: f64,
) -> Result<(f64, f64)> {
    require(fraction > 0.0 && fraction <= 0.5, "selection.fraction", fraction, "a number in (0, 1/2]")?;
    let shift = 2.0 * normal_density(upper_quantile(fraction));
    let sign = if increasing { 1.0 } else { -1.0 };
    Ok((mean + sign * shift * variance.sqrt(), variance * (1.0 - shift * shift) + fraction * mutation_variance))
}

/// `z` with `P(N(0,1) > z) = tail`, for `tail` in (0, ½]: Newton's method on the logarithm, to rounding.
pub fn upper_quantile(tail: f64) -> f64 {
    // Chernoff's bound lies above the root of a concave function: from there Newton's method descends.
    let mut z = (-2.0 * (2.0 * tail).ln()).max(0.0).sqrt();
    for _ in 0..60 {
        let mass = normal_cdf(-z);
        let step = mass * (mass / tail).ln() / normal_density(z);
        z += step;
        if step.abs() <= 1e-15 * z.abs() {
            break;
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Law, Rule, Splitter};

    #[test]
    fn quantiles_invert_the_cumulative_function() {
        for tail in [0.5, 0.3, 0.025, 1e-10, 1e-200] {
            // Tolerance: the relative condition of the tail is z² ≤ 1e3.
            let found = normal_cdf(-upper_quantile(tail));
            assert!((found / tail - 1.0).abs() < 1e-12, "{found:e} {tail:e}");
        }
    }

    #[test]
    fn the_splitter_gives_the_same_moments() {
        let (law, width) = (Law::Gaussian { mean: 0.3, std: 0.5 }, 1e-3);
        let cells: Vec<f64> = (-4000..4000).map(|k| (f64::from(k) + 0.5) * width).collect();
        let mass: Vec<f64> = cells.iter().map(|x| law.mass(x - 0.5 * width, x + 0.5 * width)).collect();
        let mut splitter = Splitter::new(&Rule::Truncation { fraction: 0.2 }, &cells).unwrap();
        let (mut kept, mut copied) = (vec![0.0; mass.len()], vec![0.0; mass.len()]);
        splitter.split(&mass, &mut kept, &mut copied, 0.0).unwrap();
        let moment = |p: i32| -> f64 { (0..mass.len()).map(|i| (kept[i] + copied[i]) * cells[i].powi(p)).sum() };
        let (mean, variance) = truncate((0.3, 0.25), 0.2, true, 0.0).unwrap();
        // Tolerance: cells of width 1e-3 shift moments by some width²/12, and cut cells at the quantiles as much.
        assert!((moment(1) - mean).abs() < 1e-6);
        assert!((moment(2) - moment(1).powi(2) - variance).abs() < 1e-6);
    }
}
