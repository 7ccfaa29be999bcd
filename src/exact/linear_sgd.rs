//! Exact means of the linear student under SGD at finite dimension, with momentum, batch, decay and noise.
//!
//! ```text
//! g = ⟨Γ x⟩/√d + (λ/d) w        p ← βp + g        w ← w − τp        Γ = (w − w*)·x/√d − σξ,    x ~ N(0, 1_d)
//! E g = (w − w* + λw)/d        E|⟨Γx⟩|²/d² = [ (1 + 2/d)V₀ + σ² ]/(Bd) + (1 − 1/B)V₀/d²        V₀ = |w − w*|²/d
//! ```
//! The gradient is linear in the weights, so that the means of the five overlaps obey an affine map, exact at every d. The
//! fourth moment `E[(a·x)²|x|²] = (d+2)|a|²` gives the 2/d. Feuer & Weinstein (1985), IEEE Trans. ASSP 33, 222, for β = λ = 0.

use super::affine::Affine;
use super::linear_momentum::MomentumOverlaps;
use super::linear_student::LinearStudent;
use crate::error::{Result, require};

/// [`LinearStudent`] at dimension d with momentum of constant β, which starts at rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearSgd {
    /// Teacher, rate τ, noise, decay, batch and start.
    pub student: LinearStudent,
    /// `d ≥ 1`.
    pub dimension: usize,
    /// `0 ≤ β < 1`; 0 is plain SGD.
    pub beta: f64,
}

impl LinearSgd {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`].
    pub fn validated(self) -> Result<Self> {
        self.student.validated()?;
        require(self.dimension > 0, "dimension", self.dimension as f64, "at least one")?;
        require((0.0..1.0).contains(&self.beta), "beta", self.beta, "a number in [0, 1)")?;
        Ok(self)
    }

    /// The means at the start: `m(0)`, `q(0)` and momentum at rest.
    pub fn initial(&self) -> MomentumOverlaps {
        MomentumOverlaps { m: self.student.m, q: self.student.q, r: 0.0, s: 0.0, t: 0.0 }
    }

    /// The means of the overlaps after one more step; here `r = E p·w*/d`, `s = E p·w/d`, `t = E|p|²/d`.
    pub fn step(&self, means: MomentumOverlaps) -> MomentumOverlaps {
        let d = self.dimension as f64;
        self.advance(means, [1.0 / d, self.student.teacher_norm / d, self.student.noise_variance / d])
    }

    /// One step with `1/d`, `ρ/d` and `σ²/d` given, linear in the means and the last two.
    fn advance(&self, means: MomentumOverlaps, [inverse, rho, noise]: [f64; 3]) -> MomentumOverlaps {
        let LinearStudent { learning_rate: tau, weight_decay: decay, .. } = self.student;
        let (beta, share) = (self.beta, 1.0 / self.student.batch as f64);
        let MomentumOverlaps { m, q, r, s, t } = means;
        // V₀/d, then E g·w*/d, E g·w/d, E g·p/d, E|g|²/d.
        let distance = rho + inverse * (q - 2.0 * m);
        let along_teacher = inverse * (1.0 + decay) * m - rho;
        let along_student = inverse * ((1.0 + decay) * q - m);
        let along_momentum = inverse * ((1.0 + decay) * s - r);
        let samples = share * ((1.0 + 2.0 * inverse) * distance + noise) + (1.0 - share) * inverse * distance;
        let square = samples + inverse * inverse * decay * (2.0 * (q - m) + decay * q);
        let r = beta * r + along_teacher;
        let old = beta * s + along_student;
        let t = beta * beta * t + 2.0 * beta * along_momentum + square;
        MomentumOverlaps { m: m - tau * r, q: q - 2.0 * tau * old + tau * tau * t, r, s: old - tau * t, t }
    }

    /// The means after `steps` steps from the start, by squaring the map: the cost grows with the logarithm of `steps`.
    pub fn after(&self, steps: u64) -> MomentumOverlaps {
        let inverse = 1.0 / self.dimension as f64;
        let unit = |k: usize| MomentumOverlaps::from_array(std::array::from_fn(|j| f64::from(j == k)));
        let columns: [[f64; 5]; 5] = std::array::from_fn(|k| self.advance(unit(k), [inverse, 0.0, 0.0]).to_array());
        let map = Affine {
            matrix: std::array::from_fn(|i| std::array::from_fn(|j| columns[j][i])),
            shift: self.step(MomentumOverlaps::from_array([0.0; 5])).to_array(),
        };
        MomentumOverlaps::from_array(map.power(steps).apply(self.initial().to_array()))
    }
}
