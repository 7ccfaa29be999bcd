//! The linear student under scaled momentum: second-order dynamics, a linear system of five order parameters.
//!
//! ```text
//! p ← (1−γ/d) p − α( Γ x/√d + (λ/d) w )        w ← w + p/d        R = p·w*/d,  S = p·w/d,  T = |p|²/d
//! m' = R        R' = −γR − α(m − ρ) − αλm        q' = 2S        S' = T − γS − α(q − m) − αλq
//! T' = −2γT − 2α(S − R) − 2αλS + (α²/B) V        V = ρ − 2m + q + σ²
//! ```
//! The fixed point is that of plain SGD at `τ = α/γ`. By Routh & Hurwitz it is stable iff `α < 2Bγ(1+λ)`: the characteristic
//! polynomial of (q, S, T) is `s³ + 3γs² + (2γ² + 4k)s + 4γk − 2α²/B` with `k = α(1+λ)`.

use super::affine::Affine;
use super::linear_student::LinearStudent;
use crate::error::{Result, require};

/// [`LinearStudent`] trained with scaled momentum, which starts at rest (`R = S = T = 0`). All dimensionless.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearMomentum {
    /// Teacher, noise, decay, batch and start; its learning rate is not used.
    pub student: LinearStudent,
    /// Friction `γ > 0`.
    pub gamma: f64,
    /// Force `α ≥ 0`.
    pub alpha: f64,
}

/// The five order parameters of [`LinearMomentum`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentumOverlaps {
    /// `m = w·w*/d`.
    pub m: f64,
    /// `q = |w|²/d`.
    pub q: f64,
    /// `R = p·w*/d`.
    pub r: f64,
    /// `S = p·w/d`.
    pub s: f64,
    /// `T = |p|²/d`.
    pub t: f64,
}

impl MomentumOverlaps {
    /// As `[m, q, r, s, t]`.
    pub fn to_array(self) -> [f64; 5] {
        [self.m, self.q, self.r, self.s, self.t]
    }

    /// The inverse of [`Self::to_array`].
    pub fn from_array([m, q, r, s, t]: [f64; 5]) -> Self {
        Self { m, q, r, s, t }
    }
}

impl LinearMomentum {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`].
    pub fn validated(self) -> Result<Self> {
        self.student.validated()?;
        require(self.gamma > 0.0 && self.gamma.is_finite(), "gamma", self.gamma, "a finite number > 0")?;
        require(self.alpha >= 0.0 && self.alpha.is_finite(), "alpha", self.alpha, "a finite number ≥ 0")?;
        Ok(self)
    }

    /// The system `y' = Ay + c` of `y = (m, q, R, S, T)`.
    fn system(&self) -> Affine<5> {
        let (gamma, alpha, rho) = (self.gamma, self.alpha, self.student.teacher_norm);
        let force = alpha * (1.0 + self.student.weight_decay);
        let noisy = alpha * alpha / self.student.batch as f64;
        Affine {
            matrix: [
                [0.0, 0.0, 1.0, 0.0, 0.0],
                [0.0, 0.0, 0.0, 2.0, 0.0],
                [-force, 0.0, -gamma, 0.0, 0.0],
                [alpha, -force, 0.0, -gamma, 1.0],
                [-2.0 * noisy, noisy, 2.0 * alpha, -2.0 * force, -2.0 * gamma],
            ],
            shift: [0.0, 0.0, alpha * rho, 0.0, noisy * (rho + self.student.noise_variance)],
        }
    }

    /// The order parameters at `time`, by the exponential of the system.
    pub fn at(&self, time: f64) -> MomentumOverlaps {
        let start = [self.student.m, self.student.q, 0.0, 0.0, 0.0];
        MomentumOverlaps::from_array(self.system().flow(time).apply(start))
    }

    /// Plain SGD at `τ = α/γ`, which has the same fixed point.
    pub fn plain(&self) -> LinearStudent {
        LinearStudent { learning_rate: self.alpha / self.gamma, ..self.student }
    }

    /// The fixed point: `m*`, `q*` of plain SGD, `R = S = 0`, `T = α²V/2γB`.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless `0 < α < 2Bγ(1+λ)`.
    pub fn fixed_point(&self) -> Result<MomentumOverlaps> {
        require(self.alpha > 0.0 && self.alpha < self.critical_alpha(), "alpha", self.alpha, "in (0, 2Bγ(1+λ))")?;
        let plain = self.plain();
        let overlaps = plain.fixed_point()?;
        let error = 2.0 * plain.stationary_error()? + self.student.noise_variance;
        let t = self.alpha * self.alpha * error / (2.0 * self.gamma * self.student.batch as f64);
        Ok(MomentumOverlaps { m: overlaps.m, q: overlaps.q, r: 0.0, s: 0.0, t })
    }

    /// `2Bγ(1+λ)`, below which the order parameters settle.
    pub fn critical_alpha(&self) -> f64 {
        self.gamma * self.student.critical_learning_rate()
    }
}
