//! A linear student that learns from a linear teacher by online SGD, one unit each.
//!
//! ```text
//! dm/dt = τ(ρ − m) − τλm        dq/dt = (τ²/B) V + 2τ(m − q) − 2τλq        V = ρ − 2m + q + σ²        E_g = ½(ρ − 2m + q)
//! m* = ρ/(1+λ)        q* = [ 2m* + (τ/B)(ρ − 2m* + σ²) ] / [ 2(1+λ) − τ/B ]        τ_c = 2B(1+λ)
//! E_g* = [ λ²ρ/(1+λ) + τσ²/2B ] / [ 2(1+λ) − τ/B ]
//! ```
//! with `m = w·w*/d`, `q = |w|²/d`, `ρ = |w*|²/d`, `d → ∞` at fixed `t = steps/d` and batch size B. The equations are those of
//! Saad & Solla (1995) for `g(x) = x`; at λ = 0 the results are those of the LMS algorithm (Widrow & Stearns 1985).
//!
//! [`LinearMomentum`](super::linear_momentum::LinearMomentum) adds scaled momentum,
//! [`LinearSgd`](super::linear_sgd::LinearSgd) the exact means at finite d.

use crate::error::{Result, require};

/// The statement: one linear unit each. All dimensionless.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearStudent {
    /// `ρ = |w*|²/d ≥ 0`.
    pub teacher_norm: f64,
    /// `τ ≥ 0`; with constant momentum the effective rate `τ/(1−β)`.
    pub learning_rate: f64,
    /// `λ ≥ 0`; `−(τλ/d) w` a step.
    pub weight_decay: f64,
    /// `σ² ≥ 0`, variance of the label noise.
    pub noise_variance: f64,
    /// `B ≥ 1`.
    pub batch: usize,
    /// `m(0)`.
    pub m: f64,
    /// `q(0) ≥ m(0)²/ρ`.
    pub q: f64,
}

/// Overlaps with the teacher and with itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearOverlaps {
    /// `m = w·w*/d`.
    pub m: f64,
    /// `q = |w|²/d`.
    pub q: f64,
}

impl LinearStudent {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`].
    pub fn validated(self) -> Result<Self> {
        for (key, value) in [
            ("teacher_norm", self.teacher_norm),
            ("learning_rate", self.learning_rate),
            ("weight_decay", self.weight_decay),
            ("noise_variance", self.noise_variance),
            ("q", self.q),
        ] {
            require(value >= 0.0 && value.is_finite(), key, value, "a finite number ≥ 0")?;
        }
        require(self.batch > 0, "batch", self.batch as f64, "at least one")?;
        let largest = (self.teacher_norm * self.q).sqrt();
        // A student parallel to the teacher may exceed it by rounding.
        require(self.m.abs() <= largest * (1.0 + 1e-12), "m", self.m, "at most √(ρq) in size")?;
        Ok(self)
    }

    /// `τ/B`, which stands wherever the noise of the gradient enters.
    fn noisy_rate(&self) -> f64 {
        self.learning_rate / self.batch as f64
    }

    /// `m(t)` and `q(t)`, at any rate, also at and above the critical one.
    pub fn at(&self, time: f64) -> LinearOverlaps {
        let (tau, noisy, kept) = (self.learning_rate, self.noisy_rate(), 1.0 + self.weight_decay);
        let (slow, fast) = (tau * kept, tau * (2.0 * kept - noisy));
        let end = self.teacher_norm / kept;
        let m = end + (self.m - end) * (-slow * time).exp();
        // q' = −fast·q + pull·m + push.
        let (pull, push) = (2.0 * tau * (1.0 - noisy), tau * noisy * (self.teacher_norm + self.noise_variance));
        let q = self.q * (-fast * time).exp()
            + (pull * end + push) * relaxed(0.0, fast, time)
            + pull * (self.m - end) * relaxed(slow, fast, time);
        LinearOverlaps { m, q }
    }

    /// `E_g(t)`, without the label noise.
    pub fn generalization_error(&self, time: f64) -> f64 {
        let LinearOverlaps { m, q } = self.at(time);
        0.5 * (self.teacher_norm - 2.0 * m + q)
    }

    /// `τ_c = 2B(1+λ)`: the order parameters settle for `0 < τ < τ_c` only. With constant momentum β, `τ_c(1−β)`.
    pub fn critical_learning_rate(&self) -> f64 {
        2.0 * self.batch as f64 * (1.0 + self.weight_decay)
    }

    fn settles(&self) -> Result<f64> {
        let distance = 2.0 * (1.0 + self.weight_decay) - self.noisy_rate();
        let inside = self.learning_rate > 0.0 && distance > 0.0;
        require(inside, "learning_rate", self.learning_rate, "a rate above 0 and below the critical 2B(1+λ)")?;
        Ok(distance)
    }

    /// `m*`, `q*`.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless `0 < τ < τ_c`.
    pub fn fixed_point(&self) -> Result<LinearOverlaps> {
        let distance = self.settles()?;
        let m = self.teacher_norm / (1.0 + self.weight_decay);
        let q = (2.0 * m + self.noisy_rate() * (self.teacher_norm - 2.0 * m + self.noise_variance)) / distance;
        Ok(LinearOverlaps { m, q })
    }

    /// `E_g*`.
    ///
    /// # Errors
    /// As for [`LinearStudent::fixed_point`].
    pub fn stationary_error(&self) -> Result<f64> {
        let (distance, decay) = (self.settles()?, self.weight_decay);
        let kept = decay * decay * self.teacher_norm / (1.0 + decay);
        Ok((kept + 0.5 * self.noisy_rate() * self.noise_variance) / distance)
    }
}

/// `∫₀ᵗ e^{−a s} e^{−b(t−s)} ds = (e^{−at} − e^{−bt})/(b − a)`, without cancellation where the rates (nearly) coincide.
fn relaxed(a: f64, b: f64, time: f64) -> f64 {
    let gap = (b - a).abs() * time;
    let mean = if gap > 0.0 { -(-gap).exp_m1() / gap } else { 1.0 };
    time * (-a.min(b) * time).exp() * mean
}

#[cfg(test)]
#[path = "linear_student_tests.rs"]
mod tests;
