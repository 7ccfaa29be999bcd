//! The linear–quadratic–Gaussian case of the joint equation in replicator form.
//!
//! ```text
//! ∂_t f = (1/ε) ∂_θ( μ f ∂_θL + D ∂_θ f ) + D_h ∂²_h f + β (F − ⟨F⟩) f
//! L = ½ a θ² + b θh + p θ + (terms without θ),      F = ½ xᵀH x + g·x,   x = (θ, h)
//! m' = A m + b₀ + βΣ∇F(m),      Σ' = AΣ + ΣAᵀ + B + βΣHΣ
//! A = −(μ/ε) [[a, b], [0, 0]],   b₀ = −(μ/ε)(p, 0),   B = diag(2D/ε, 2D_h)
//! ```
//! A Gaussian law on the plane stays Gaussian. Source: the moment equations of the replicator equation with quadratic
//! fitness (Cressman & Hofbauer 2005, *Theor. Popul. Biol.* 67, for the selection term), with the Kalman–Bucy form of
//! Σ' (Kalman & Bucy 1961).

use super::GaussianMoments;
use crate::error::{Result, require};
use crate::numerics::ode::{StepTolerance, integrate};

/// The coefficients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lqg {
    /// `∂²L/∂θ² = a` (any sign).
    pub loss_theta_theta: f64,
    /// `∂²L/∂θ∂h = b`.
    pub loss_theta_h: f64,
    /// `∂L/∂θ = p` at the origin.
    pub loss_theta: f64,
    /// `H = ∇∇F` as `[H_θθ, H_θh, H_hh]`.
    pub fitness_hessian: [f64; 3],
    /// `∇F = g` at the origin, `[g_θ, g_h]`.
    pub fitness_gradient: [f64; 2],
    /// `β ≥ 0`.
    pub beta: f64,
    /// `D ≥ 0`.
    pub diffusion: f64,
    /// `D_h ≥ 0`.
    pub diffusion_h: f64,
    /// `μ > 0`.
    pub mobility: f64,
    /// `ε > 0`. The explicit integration takes some `t/ε` steps: 1e-4 is still quick.
    pub epsilon: f64,
}

impl Lqg {
    /// `L = ½k(θ − h)²`, `F = −(θ − c)²`, μ = 1.
    pub fn quadratic(stiffness: f64, optimum: f64, beta: f64, diffusion: f64, diffusion_h: f64, epsilon: f64) -> Self {
        Self {
            loss_theta_theta: stiffness,
            loss_theta_h: -stiffness,
            loss_theta: 0.0,
            fitness_hessian: [-2.0, 0.0, 0.0],
            fitness_gradient: [2.0 * optimum, 0.0],
            beta,
            diffusion,
            diffusion_h,
            mobility: 1.0,
            epsilon,
        }
    }

    /// The right-hand side, in the order of [`GaussianMoments::to_array`].
    pub fn derivative(&self, moments: &[f64], out: &mut [f64]) {
        let (m, s) = ([moments[0], moments[1]], [moments[2], moments[3], moments[4]]);
        let pace = self.mobility / self.epsilon;
        let (a, b, p) = (pace * self.loss_theta_theta, pace * self.loss_theta_h, pace * self.loss_theta);
        let [tt, th, hh] = self.fitness_hessian;
        let slope = [
            self.beta * (self.fitness_gradient[0] + tt * m[0] + th * m[1]),
            self.beta * (self.fitness_gradient[1] + th * m[0] + hh * m[1]),
        ];
        out[0] = -(a * m[0] + b * m[1] + p) + s[0] * slope[0] + s[1] * slope[1];
        out[1] = s[1] * slope[0] + s[2] * slope[1];
        // HΣ, row by row.
        let (h00, h01) = (tt * s[0] + th * s[1], tt * s[1] + th * s[2]);
        let (h10, h11) = (th * s[0] + hh * s[1], th * s[1] + hh * s[2]);
        out[2] =
            -2.0 * (a * s[0] + b * s[1]) + 2.0 * self.diffusion / self.epsilon + self.beta * (s[0] * h00 + s[1] * h10);
        out[3] = -(a * s[1] + b * s[2]) + self.beta * (s[0] * h01 + s[1] * h11);
        out[4] = 2.0 * self.diffusion_h + self.beta * (s[1] * h01 + s[2] * h11);
    }

    /// The five moments at each of `times` (increasing, from 0), to a relative error of about 1e-11.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`]; [`crate::Error::StepTooSmall`] or [`crate::Error::NonFinite`] where positive
    /// curvature of F makes the variance infinite in finite time.
    pub fn moments(&self, initial: GaussianMoments, times: &[f64]) -> Result<Vec<GaussianMoments>> {
        let mut state = initial.validated()?.to_array();
        require(self.epsilon > 0.0 && self.epsilon.is_finite(), "epsilon", self.epsilon, "a positive number")?;
        require(self.mobility > 0.0 && self.mobility.is_finite(), "mobility", self.mobility, "a positive number")?;
        for (key, value) in
            [("beta", self.beta), ("diffusion", self.diffusion), ("mutation.diffusion", self.diffusion_h)]
        {
            require(value >= 0.0 && value.is_finite(), key, value, "a finite number ≥ 0")?;
        }
        let tolerance = StepTolerance { relative: 1e-13, absolute: 1e-14 };
        let (mut time, mut step) = (0.0, 0.0);
        let mut result = Vec::with_capacity(times.len());
        for &next in times {
            let rhs = |_: f64, y: &[f64], dy: &mut [f64]| {
                self.derivative(y, dy);
                Ok(())
            };
            integrate(rhs, (time, next), &mut state, tolerance, &mut step)?;
            time = next;
            result.push(GaussianMoments::from_array(state));
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ornstein_uhlenbeck::OrnsteinUhlenbeck;
    use super::super::riccati::{LinearFitness, QuadraticFitness};
    use super::*;

    const START: GaussianMoments =
        GaussianMoments { mean_theta: 1.0, mean_h: -0.5, var_theta: 0.4, cov: 0.1, var_h: 0.2 };

    #[test]
    fn without_selection_it_is_ornstein_uhlenbeck() {
        for epsilon in [1.0, 1e-2, 1e-4] {
            let ou = OrnsteinUhlenbeck { stiffness: 2.0, diffusion: 0.3, mobility: 1.0, epsilon };
            let times = [0.3 * epsilon, epsilon, 0.5 + epsilon];
            let lqg = Lqg::quadratic(2.0, 0.3, 0.0, 0.3, 0.0, epsilon).moments(START, &times).unwrap();
            for (t, found) in times.iter().zip(lqg) {
                for (a, b) in found.to_array().iter().zip(ou.moments(*t, START).to_array()) {
                    // Tolerance: the 1e-13 of each step, times up to some thousand steps that partly forget.
                    assert!((a - b).abs() < 1e-11, "{epsilon} {t}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn fitness_of_h_alone_is_the_riccati_case() {
        let mut lqg = Lqg::quadratic(1.0, 0.0, 1.5, 0.1, 0.05, 1.0);
        lqg.fitness_gradient = [0.0, 0.0];
        lqg.fitness_hessian = [0.0, 0.0, -2.0];
        let found = lqg.moments(START, &[0.7]).unwrap()[0];
        let (mean, variance) =
            QuadraticFitness { curvature: 3.0, diffusion: 0.05 }.at(0.7, (START.mean_h, START.var_h));
        // Tolerance: some ten steps of 1e-13.
        assert!((found.mean_h - mean).abs() < 1e-11 && (found.var_h - variance).abs() < 1e-11);

        lqg.fitness_hessian = [0.0; 3];
        lqg.fitness_gradient = [0.0, 0.4];
        let found = lqg.moments(START, &[0.7]).unwrap()[0];
        let (mean, variance) = LinearFitness { slope: 0.6, diffusion: 0.05 }.at(0.7, (START.mean_h, START.var_h));
        assert!((found.mean_h - mean).abs() < 1e-11 && (found.var_h - variance).abs() < 1e-11);
    }

    #[test]
    fn disruptive_selection_blows_up_with_a_named_error() {
        let mut lqg = Lqg::quadratic(1.0, 0.0, 1.0, 0.1, 0.1, 1.0);
        lqg.fitness_hessian = [0.0, 0.0, 4.0];
        assert!(lqg.moments(START, &[10.0]).is_err());
    }

    #[test]
    fn the_moment_equations_are_those_of_the_generator() {
        // d/dt E φ = E[drift·∇φ + ½ B:∇∇φ] + β Cov(F, φ), by 3 × 3 Gauss–Hermite points: exact up to degree 5.
        let lqg = Lqg {
            loss_theta_theta: 1.3,
            loss_theta_h: -0.7,
            loss_theta: 0.2,
            fitness_hessian: [-1.0, 0.4, -0.6],
            fitness_gradient: [0.3, -0.8],
            beta: 1.7,
            diffusion: 0.2,
            diffusion_h: 0.1,
            mobility: 0.9,
            epsilon: 0.5,
        };
        let root = START.var_theta.sqrt();
        let (slant, rest) = (START.cov / root, (START.var_h - START.cov * START.cov / START.var_theta).sqrt());
        let nodes = [(-(3f64.sqrt()), 1.0 / 6.0), (0.0, 2.0 / 3.0), (3f64.sqrt(), 1.0 / 6.0)];
        let mean = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            let mut sum = 0.0;
            for (x, p) in nodes {
                for (y, q) in nodes {
                    sum += p * q * f(START.mean_theta + root * x, START.mean_h + slant * x + rest * y);
                }
            }
            sum
        };
        let [tt, th, hh] = lqg.fitness_hessian;
        let fitness = |t: f64, h: f64| {
            0.5 * tt * t * t + th * t * h + 0.5 * hh * h * h + lqg.fitness_gradient[0] * t + lqg.fitness_gradient[1] * h
        };
        let mean_fitness = mean(&fitness);
        let drift = |t: f64, h: f64| {
            -(lqg.mobility / lqg.epsilon) * (lqg.loss_theta_theta * t + lqg.loss_theta_h * h + lqg.loss_theta)
        };
        let selected =
            |phi: &dyn Fn(f64, f64) -> f64| lqg.beta * mean(&|t, h| (fitness(t, h) - mean_fitness) * phi(t, h));
        let (m, n) = (START.mean_theta, START.mean_h);
        // With φ centred at the present means, the second moments are the covariances.
        let expected = [
            mean(&drift) + selected(&|t, _| t),
            selected(&|_, h| h),
            mean(&|t, h| 2.0 * drift(t, h) * (t - m))
                + 2.0 * lqg.diffusion / lqg.epsilon
                + selected(&|t, _| (t - m).powi(2)),
            mean(&|t, h| drift(t, h) * (h - n)) + selected(&|t, h| (t - m) * (h - n)),
            2.0 * lqg.diffusion_h + selected(&|_, h| (h - n).powi(2)),
        ];
        let mut found = [0.0; 5];
        lqg.derivative(&START.to_array(), &mut found);
        for (found, expected) in found.iter().zip(expected) {
            // Tolerance: rounding of sums of numbers of order 1.
            assert!((found - expected).abs() < 1e-13, "{found} {expected}");
        }
    }
}
