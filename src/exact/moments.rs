//! The five moments of a Gaussian law of (θ, h).

use crate::error::{Result, require};

/// First and second moments of a law of `(θ, h)`, dθ = dh = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianMoments {
    /// `E θ`.
    pub mean_theta: f64,
    /// `E h`.
    pub mean_h: f64,
    /// `Var θ`.
    pub var_theta: f64,
    /// `Cov(θ, h)`.
    pub cov: f64,
    /// `Var h`.
    pub var_h: f64,
}

impl GaussianMoments {
    /// θ and h independent, each given by mean and variance.
    pub fn independent(theta: (f64, f64), h: (f64, f64)) -> Self {
        Self { mean_theta: theta.0, mean_h: h.0, var_theta: theta.1, cov: 0.0, var_h: h.1 }
    }

    /// The moments as `[mean_theta, mean_h, var_theta, cov, var_h]`.
    pub fn to_array(self) -> [f64; 5] {
        [self.mean_theta, self.mean_h, self.var_theta, self.cov, self.var_h]
    }

    /// The inverse of [`Self::to_array`].
    pub fn from_array([mean_theta, mean_h, var_theta, cov, var_h]: [f64; 5]) -> Self {
        Self { mean_theta, mean_h, var_theta, cov, var_h }
    }

    /// Checks that the variances belong to a law (points allowed).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`].
    pub fn validated(self) -> Result<Self> {
        for (key, value) in [("mean_theta", self.mean_theta), ("mean_h", self.mean_h)] {
            require(value.is_finite(), key, value, "a finite number")?;
        }
        for (key, value) in [("var_theta", self.var_theta), ("var_h", self.var_h)] {
            require(value >= 0.0 && value.is_finite(), key, value, "a finite number ≥ 0")?;
        }
        let largest = (self.var_theta * self.var_h).sqrt();
        // A correlation of ±1 may exceed it by rounding.
        require(self.cov.abs() <= largest * (1.0 + 1e-12), "cov", self.cov, "at most √(var_theta·var_h) in size")?;
        Ok(self)
    }
}
