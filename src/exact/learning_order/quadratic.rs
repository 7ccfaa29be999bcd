//! The layer of degree 2.
//!
//! The linear layer leaves `a_i = ε^(−1/4) x_i`, `s_i = ± ε^(1/4) x_i`, the sign that of `φ₁σ₁`, with
//! `x = w √(|φ₁/σ₁|/⟨w²⟩)` and `w = √ε ã(0) ± s̃(0)`. From there, with `a = ε^(−1/4) A`, `s = ε^(1/4) S`, `t = t₁ + ε^(1/4) τ`:
//!
//! ```text
//! A_i' = Λ₀ + Λ₁ S_i + h S_i²,     S_i' = A_i (Λ₁ + 2 h S_i),     h = σ₂ (φ₂ − σ₂ ε^(1/4) ⟨A S²⟩)
//! ```
//! where the degrees 0 and 1, learnt for good, act through the multipliers Λ₀, Λ₁ that keep `⟨A⟩ = 0` and `⟨AS⟩ = φ₁/σ₁`. As ε → 0
//! h is `σ₂φ₂`, and the neurons run away at a finite `τ*` (⟨A S²⟩ h never falls: this is its gradient flow on the constraints).
//! So `t₂ → τ* ε^(1/4)`; but r₂ is learnt when `⟨A S²⟩ ≍ (τ* − τ)^(−3)` reaches `ε^(−1/4)`, at a distance of
//! `ε^(1/12)` from τ*, which is small for no ε of interest: the term with `ε^(1/4)` in h is therefore kept.
//! Left out are s² against 1 and the degrees from 3 on, of relative size `s ≍ ε^(1/6)` at worst; and the start, which is at t₁ up to
//! O(√ε), and `⟨A⟩ = ε^(1/4) φ₀/σ₀`.

use super::{LearningOrder, refuse};
use crate::error::{Error, Result};
use crate::numerics::ode::{StepTolerance, integrate};

const TOLERANCE: StepTolerance = StepTolerance { relative: 1e-10, absolute: 1e-10 };

/// Units of time of the layer after which neurons that have not run away count as stuck.
const MOST: usize = 100;

/// Looks in a unit of time.
const LOOKS: usize = 50;

impl LearningOrder {
    /// `r₂` at each of `times` (increasing): φ₂ until t₁, then the curve of the layer.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for `φ₂σ₂ = 0`; [`Error::Parameter`] for times that do not increase; those of [`integrate`].
    pub fn quadratic_residuals(&self, times: &[f64]) -> Result<Vec<f64>> {
        /// Share of φ₂ below which r₂ is the error of the integration, and stays what it is.
        const LEARNT: f64 = 1e-8;
        let mut state = self.quadratic_start()?;
        let (start, scale) = (self.linear_time(), self.epsilon.powf(0.25));
        let (mut tau, mut step) = (0.0, 0.0);
        let mut residuals = Vec::with_capacity(times.len());
        let mut learnt = None;
        for &time in times {
            if let Some(rest) = learnt {
                residuals.push(rest);
                continue;
            }
            let next = ((time - start) / scale).max(0.0);
            self.advance((tau, next), &mut state, &mut step)?;
            tau = next;
            let residual = if next == 0.0 { self.phi[2] } else { self.force(&state) / self.sigma[2] };
            if residual.abs() < LEARNT * self.phi[2].abs() {
                learnt = Some(residual);
            }
            residuals.push(residual);
        }
        Ok(residuals)
    }

    /// `t₂`, when r₂ has fallen to half of φ₂.
    ///
    /// # Errors
    /// As [`LearningOrder::quadratic_residuals`]; [`Error::NotConverged`] where the neurons are stuck before.
    pub fn quadratic_time(&self) -> Result<f64> {
        let mut state = self.quadratic_start()?;
        let scale = self.epsilon.powf(0.25);
        let length = self.unit() / LOOKS as f64;
        let half = 0.5 * self.sigma[2] * self.phi[2];
        let left = |state: &[f64]| self.force(state) / half - 1.0;
        let mut step = 0.0;
        for look in 0..MOST * LOOKS {
            let before = state.clone();
            self.advance((0.0, length), &mut state, &mut step)?;
            if left(&state) > 0.0 {
                continue;
            }
            let (mut low, mut high) = (0.0, length);
            // To rounding.
            for _ in 0..50 {
                let middle = 0.5 * (low + high);
                state.clone_from(&before);
                self.advance((0.0, middle), &mut state, &mut 0.0)?;
                if left(&state) > 0.0 { low = middle } else { high = middle }
            }
            return Ok(self.linear_time() + scale * (look as f64 * length + low));
        }
        stuck(left(&state))
    }

    /// `τ*`, so that `t₂ = τ* ε^(1/4)` as ε → 0.
    ///
    /// # Errors
    /// As [`LearningOrder::quadratic_time`].
    pub fn quadratic_limit(&self) -> Result<f64> {
        /// Size at which the time left, its inverse, is rounding.
        const FAR: f64 = 1e12;
        let mut state = self.quadratic_start()?;
        let size = |state: &[f64]| state.iter().map(|x| x * x).sum::<f64>().sqrt();
        let first = size(&state);
        state.push(0.0);
        let n = state.len() - 1;
        let mut step = 0.0;
        // In a clock that runs faster as they grow, they grow exponentially.
        let rhs = |_: f64, y: &[f64], out: &mut [f64]| {
            let pace = first / size(&y[..n]);
            self.slopes(&y[..n], self.sigma[2] * self.phi[2], &mut out[..n]);
            out[..n].iter_mut().for_each(|x| *x *= pace);
            out[n] = pace;
            Ok(())
        };
        for _ in 0..MOST {
            integrate(rhs, (0.0, self.unit()), &mut state, TOLERANCE, &mut step)?;
            if size(&state[..n]) > FAR * first {
                return Ok(state[n]);
            }
        }
        stuck(size(&state[..n]) / first)
    }

    /// `1/(|σ₂φ₂| √|φ₁/σ₁|)`.
    fn unit(&self) -> f64 {
        1.0 / ((self.sigma[2] * self.phi[2]).abs() * (self.phi[1] / self.sigma[1]).abs().sqrt())
    }

    /// A, then S at τ = 0.
    pub(super) fn quadratic_start(&self) -> Result<Vec<f64>> {
        if self.sigma[2] * self.phi[2] == 0.0 {
            return refuse("φ₂σ₂ = 0", "a missing degree has no layer, and those after it are stalled: solve the flow");
        }
        let sign = (self.sigma[1] * self.phi[1]).signum();
        let root = self.epsilon.sqrt();
        let grown: Vec<f64> = self.a.iter().zip(&self.s).map(|(a, s)| a + sign * s / root).collect();
        let square = grown.iter().map(|w| w * w).sum::<f64>() / grown.len() as f64;
        let scale = ((self.phi[1] / self.sigma[1]).abs() / square).sqrt();
        let a = grown.iter().map(|w| scale * w);
        Ok(a.clone().chain(a.map(|x| sign * x)).collect())
    }

    /// `σ₂ r₂`.
    fn force(&self, state: &[f64]) -> f64 {
        let m = state.len() / 2;
        let (a, s) = state.split_at(m);
        let mean = a.iter().zip(s).map(|(a, s)| a * s * s).sum::<f64>() / m as f64;
        self.sigma[2] * (self.phi[2] - self.sigma[2] * self.epsilon.powf(0.25) * mean)
    }

    pub(super) fn advance(&self, interval: (f64, f64), state: &mut [f64], step: &mut f64) -> Result<()> {
        let rhs = |_: f64, y: &[f64], out: &mut [f64]| {
            self.slopes(y, self.force(y), out);
            Ok(())
        };
        integrate(rhs, interval, state, TOLERANCE, step)
    }

    fn slopes(&self, state: &[f64], h: f64, out: &mut [f64]) {
        let m = state.len() / 2;
        let (a, s) = state.split_at(m);
        let (mut s1, mut s2, mut squares, mut cubes) = (0.0, 0.0, 0.0, 0.0);
        for (a, s) in a.iter().zip(s) {
            s1 += s;
            s2 += s * s;
            squares += s * s + a * a;
            cubes += s * (s * s + 2.0 * a * a);
        }
        let inverse = 1.0 / m as f64;
        let [s1, s2, squares, cubes] = [s1, s2, squares, cubes].map(|x| x * inverse);
        // Λ₀ + Λ₁⟨S⟩ + h⟨S²⟩ = 0,  Λ₀⟨S⟩ + Λ₁⟨S² + A²⟩ + h⟨S³ + 2A²S⟩ = 0.
        let linear = h * (s1 * s2 - cubes) / (squares - s1 * s1);
        let constant = -linear * s1 - h * s2;
        let (da, ds) = out.split_at_mut(m);
        for (((da, ds), a), s) in da.iter_mut().zip(ds).zip(a).zip(s) {
            *da = constant + s * (linear + h * s);
            *ds = a * (linear + 2.0 * h * s);
        }
    }
}

fn stuck<T>(residual: f64) -> Result<T> {
    Err(Error::NotConverged { what: "the layer of degree 2", iterations: MOST, residual, tolerance: 0.0 })
}
