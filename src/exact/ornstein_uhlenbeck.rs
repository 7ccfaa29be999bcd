//! Training alone on a quadratic loss: the Ornstein–Uhlenbeck process.
//!
//! ```text
//! dθ = −(μk/ε)(θ − h) dt + √(2D/ε) dW,     h fixed for each agent
//! θ(t) = h + (θ(0) − h) e^{−rt} + N(0, (D/μk)(1 − e^{−2rt})),     r = μk/ε
//! ```
//! Source: Uhlenbeck & Ornstein (1930); Risken, *The Fokker–Planck Equation* (1989), §5.3.

use super::GaussianMoments;
use crate::error::{Result, require};

/// `L = ½k(θ − h)²` with noise D, mobility μ and time scale ε.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrnsteinUhlenbeck {
    /// `k > 0`.
    pub stiffness: f64,
    /// `D > 0`.
    pub diffusion: f64,
    /// `μ > 0`.
    pub mobility: f64,
    /// `ε > 0`.
    pub epsilon: f64,
}

impl OrnsteinUhlenbeck {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`].
    pub fn validated(self) -> Result<Self> {
        for (key, value) in [
            ("stiffness", self.stiffness),
            ("diffusion", self.diffusion),
            ("mobility", self.mobility),
            ("epsilon", self.epsilon),
        ] {
            require(value > 0.0 && value.is_finite(), key, value, "a positive finite number")?;
        }
        Ok(self)
    }

    /// `r = μk/ε`, also the spectral gap of the Fokker–Planck operator.
    pub fn rate(&self) -> f64 {
        self.mobility * self.stiffness / self.epsilon
    }

    /// `D/(μk)`, the variance of the Gibbs law.
    pub fn stationary_variance(&self) -> f64 {
        self.diffusion / (self.mobility * self.stiffness)
    }

    /// Mean and variance of θ(t) given h, from initial mean and variance.
    pub fn given_h(&self, time: f64, h: f64, initial: (f64, f64)) -> (f64, f64) {
        let moments = self.moments(time, GaussianMoments::independent(initial, (h, 0.0)));
        (moments.mean_theta, moments.var_theta)
    }

    /// Density of θ(t) at `theta` given h, from an initial Gaussian law (mean, variance).
    pub fn density(&self, time: f64, theta: f64, h: f64, initial: (f64, f64)) -> f64 {
        let (mean, variance) = self.given_h(time, h, initial);
        (-(theta - mean).powi(2) / (2.0 * variance)).exp() / (std::f64::consts::TAU * variance).sqrt()
    }

    /// All five moments of `(θ(t), h)` from those at time 0, where h too is random (and constant in time).
    ///
    /// With `e = e^{−rt}`: `E θ = (1−e) E h + e E θ₀`, `Cov = (1−e) Var h + e Cov₀`,
    /// `Var θ = (1−e)² Var h + 2e(1−e) Cov₀ + e² Var θ₀ + (D/μk)(1−e²)`. Gaussian laws stay Gaussian.
    pub fn moments(&self, time: f64, initial: GaussianMoments) -> GaussianMoments {
        let kept = (-self.rate() * time).exp();
        let lost = -(-self.rate() * time).exp_m1();
        let fresh = -(-2.0 * self.rate() * time).exp_m1() * self.stationary_variance();
        let GaussianMoments { mean_theta, mean_h, var_theta, cov, var_h } = initial;
        GaussianMoments {
            mean_theta: lost * mean_h + kept * mean_theta,
            mean_h,
            var_theta: lost * lost * var_h + 2.0 * kept * lost * cov + kept * kept * var_theta + fresh,
            cov: lost * var_h + kept * cov,
            var_h,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: OrnsteinUhlenbeck =
        OrnsteinUhlenbeck { stiffness: 2.0, diffusion: 0.3, mobility: 0.7, epsilon: 0.1 };
    const START: GaussianMoments =
        GaussianMoments { mean_theta: 1.0, mean_h: -0.5, var_theta: 0.4, cov: 0.1, var_h: 0.2 };

    #[test]
    fn two_times_compose() {
        let at_once = PROCESS.moments(0.11, START).to_array();
        let in_turn = PROCESS.moments(0.07, PROCESS.moments(0.04, START)).to_array();
        for (a, b) in at_once.iter().zip(in_turn) {
            // Tolerance: rounding of a dozen operations on numbers below 1.
            assert!((a - b).abs() < 1e-15, "{a} {b}");
        }
    }

    #[test]
    fn obeys_its_differential_equation() {
        let (t, dt) = (0.03, 1e-5);
        let (now, before, after) =
            (PROCESS.moments(t, START), PROCESS.moments(t - dt, START), PROCESS.moments(t + dt, START));
        let r = PROCESS.rate();
        let slope = |f: fn(GaussianMoments) -> f64| (f(after) - f(before)) / (2.0 * dt);
        // Tolerance: the centred difference is off by r³dt²/6 ≈ 5e-8.
        assert!((slope(|m| m.mean_theta) + r * (now.mean_theta - now.mean_h)).abs() < 1e-6);
        assert!((slope(|m| m.cov) + r * (now.cov - now.var_h)).abs() < 1e-6);
        let expected = -2.0 * r * (now.var_theta - now.cov) + 2.0 * PROCESS.diffusion / PROCESS.epsilon;
        assert!((slope(|m| m.var_theta) - expected).abs() < 1e-5);
    }

    #[test]
    fn ends_in_the_gibbs_law() {
        let end = PROCESS.moments(1e3, START);
        assert_eq!(end.cov, START.var_h);
        assert!((end.var_theta - START.var_h - PROCESS.stationary_variance()).abs() < 1e-15);
    }
}
