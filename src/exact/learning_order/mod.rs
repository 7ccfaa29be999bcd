//! Matched asymptotics of the simplified neuron flow as `ε → 0`: what is learnt when, and along which curve.
//!
//! With the residuals `r_k = φ_k − σ_k⟨a s^k⟩`, `⟨·⟩` the mean over the m neurons, the simplified flow reads
//!
//! ```text
//! ε a_i' = Σ_k σ_k r_k s_i^k,     s_i' = a_i (1 − s_i²) Σ_k k σ_k r_k s_i^(k−1),     s_i(0) = 0 (or far below ε^(1/4))
//! ```
//! *Constant, t ≍ ε.* While s = 0, `ε a_i' = σ₀ r₀` for every neuron: the a_i move rigidly and `r₀ = r₀(0) e^(−σ₀² t/ε)`, half of it
//! after `t₀ = ε ln 2/σ₀²`. s grows to O(ε) meanwhile, so the error is O(ε). From then on `⟨a⟩ = a* = φ₀/σ₀`.
//!
//! *Linear, t ≍ √ε log(1/ε).* r₀ now has the value that keeps ⟨a⟩ at a*, so that with `g = σ₁r₁`, common to all neurons,
//! `ε a_i' = g (s_i − ⟨s⟩)` and `s_i' = g a_i`, up to s² ≪ s. In the clock `G(t) = ε^(−1/2) ∫ g dt` this is linear: `√ε(a_i − a*) ± (s_i − ⟨s⟩)`
//! is multiplied by `e^(±G)`, and `⟨s⟩` grows by `√ε a* G` only. So `⟨as⟩` is a function of G, and with `τ = t/√ε`
//!
//! ```text
//! dG/dτ = c − p sinh 2G − q (cosh 2G),     c = σ₁φ₁,   p = (σ₁²/2√ε)⟨ε ã² + s̃²⟩,   q = σ₁² ⟨ã s̃⟩      (at t = 0)
//! ```
//! with `ã = a − ⟨a⟩`, `s̃ = s − ⟨s⟩`; the layer before leaves both alone but for what it adds to s̃ as the formula has it. In
//! `tanh G` this is a Riccati equation with constant coefficients; with `ω² = c² + p² − q²`
//!
//! ```text
//! tanh G = (c − q) sinh ωτ / (ω cosh ωτ + p sinh ωτ)
//! r₁     = ((c − q)/σ₁) ω² / ( ω² + ωp sinh 2ωτ + (p² − q² + cq)(cosh 2ωτ − 1) )
//! ```
//! a logistic curve for small p. From s = 0, where q = 0 and `p = ½√ε σ₁² Var a(0)`, half of r₁ is left at
//! `t₁/√ε = log(1/ε)/(4|φ₁σ₁|) + log(4|φ₁/σ₁|/Var a(0))/(2|φ₁σ₁|)`, up to O(ε^(1/4)): the s² left out is of relative size
//! `s ≍ ε^(1/4)` by the end of the layer. `a* ⟨s⟩` adds O(√ε log(1/ε)).
//!
//! *Degree l ≥ 2, t ≍ ε^(1/2l)*: [`time_exponent`]; for l = 2 also the curve: [`LearningOrder::quadratic_residuals`].
//!
//! Source: Berthier, Montanari & Zhou (2024), Found. Comput. Math., "Learning time-scales in two-layers neural networks", for the
//! time scales and the layers 0 and 1 in the limit; the closed curve, its constant and the layer of degree 2 as derived here.

mod quadratic;

use crate::error::{Error, Result};
use crate::gaussian::HermiteSeries;
use crate::problem::SingleIndex;

/// Times and limiting profiles of the degrees 0, 1 and 2 of a [`SingleIndex`] problem under the simplified flow.
///
/// ```
/// use learning_dynamics::{exact::LearningOrder, problem::*};
/// let problem = SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 1e-6, vec![1.0, -0.4, 0.7, 0.2, -1.3]);
/// let order = LearningOrder::new(&problem)?;
/// let [constant, linear, quadratic] = [order.constant_time(), order.linear_time(), order.quadratic_time()?];
/// assert!(constant < 1e-5 && 1e-2 < linear && linear < 2e-2 && 0.1 < quadratic && quadratic < 0.3);
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LearningOrder {
    epsilon: f64,
    /// Coefficients of activation and target, degrees 0 to 2.
    sigma: [f64; 3],
    phi: [f64; 3],
    /// Means of a(0), s(0), and what the neurons have beyond.
    mean: [f64; 2],
    a: Vec<f64>,
    s: Vec<f64>,
    /// `c − q`, p, q, ω.
    linear: [f64; 4],
}

const NAME: &str = "matched asymptotics of the learning order";

fn refuse<T>(what: impl Into<String>, instead: &'static str) -> Result<T> {
    Err(Error::Unsupported { solver: NAME, what: what.into(), instead })
}

impl LearningOrder {
    /// The problem's ε, coefficients, a(0) and s(0); its overlaps are not used.
    ///
    /// # Errors
    /// Those of [`SingleIndex::validated`] and [`HermiteSeries::new`]; [`Error::Unsupported`] where a hypothesis fails: `σ₀ = 0`; `φ₁σ₁ = 0`
    /// (from s(0) = 0, s ≡ 0 then); `|s_i(0)| > ε^(1/4)/10`; equal a_i(0), or s_i(0) on the very line that decays.
    pub fn new(problem: &SingleIndex) -> Result<Self> {
        let problem = problem.clone().validated()?;
        let three = |link, name| -> Result<[f64; 3]> {
            let series = HermiteSeries::new(link, 2, name)?;
            Ok([0, 1, 2].map(|k| series.coefficients[k]))
        };
        let (sigma, phi) = (three(&problem.activation, "σ")?, three(&problem.target, "φ")?);
        let epsilon = problem.epsilon;
        if sigma[0] == 0.0 {
            return refuse("an activation with σ₀ = 0", "without it nothing holds ⟨a⟩: solve the flow");
        }
        let drive = sigma[1] * phi[1];
        let largest = problem.s.iter().fold(0.0_f64, |most, s| most.max(s.abs()));
        if drive == 0.0 {
            return if largest == 0.0 {
                refuse("φ₁σ₁ = 0 and s(0) = 0", "s ≡ 0 for ever, and only the constant is learnt: start from s ≠ 0")
            } else {
                refuse("φ₁σ₁ = 0", "s starts to move by higher degrees: solve the flow")
            };
        }
        if largest > 0.1 * epsilon.powf(0.25) {
            return refuse(
                format!("alignments of {largest} at ε = {epsilon:e}"),
                "the asymptotics start from |s| ≪ ε^(1/4): solve the flow",
            );
        }
        let m = problem.neurons() as f64;
        let mean = |x: &[f64]| x.iter().sum::<f64>() / m;
        let means = [mean(&problem.a), mean(&problem.s)];
        let a: Vec<f64> = problem.a.iter().map(|a| a - means[0]).collect();
        let s: Vec<f64> = problem.s.iter().map(|s| s - means[1]).collect();
        let root = epsilon.sqrt();
        let square = sigma[1] * sigma[1];
        let p = 0.5 * square / root * a.iter().zip(&s).map(|(a, s)| epsilon * a * a + s * s).sum::<f64>() / m;
        let q = square * a.iter().zip(&s).map(|(a, s)| a * s).sum::<f64>() / m;
        // What grows is √ε ã + s̃ for a positive drive, √ε ã − s̃ for a negative one. A sum of rounding errors does not count.
        if !(p + drive.signum() * q > 1e-12 * square * root) {
            return refuse(
                "neurons with equal a_i(0)",
                "nothing tells them apart and ⟨as⟩ stalls: draw a(0) at random",
            );
        }
        let omega = (drive * drive + (p - q) * (p + q)).sqrt();
        Ok(Self { epsilon, sigma, phi, mean: means, a, s, linear: [drive - q, p, q, omega] })
    }

    /// `⟨a⟩(t)`, which the constant fixes within t ≍ ε.
    pub fn mean_weight(&self, time: f64) -> f64 {
        let end = self.phi[0] / self.sigma[0];
        end + (self.mean[0] - end) * (-self.sigma[0] * self.sigma[0] * time / self.epsilon).exp()
    }

    /// `r₀(t) = φ₀ − σ₀⟨a⟩`, exact while s = 0.
    pub fn constant_residual(&self, time: f64) -> f64 {
        let start = self.phi[0] - self.sigma[0] * self.mean[0];
        start * (-self.sigma[0] * self.sigma[0] * time / self.epsilon).exp()
    }

    /// `t₀ = ε ln 2/σ₀²`.
    pub fn constant_time(&self) -> f64 {
        self.epsilon * std::f64::consts::LN_2 / (self.sigma[0] * self.sigma[0])
    }

    /// `r₁(t)` through the layers 0 and 1, up to O(ε^(1/4)).
    pub fn linear_residual(&self, time: f64) -> f64 {
        let [start, p, _, omega] = self.linear;
        let x = omega * time / self.epsilon.sqrt();
        let square = omega * omega;
        // Over cosh 2x, since cosh and sinh overflow.
        let decay = (-2.0 * x).exp();
        let (sinh, cosh) = (0.5 * (1.0 - decay * decay), 0.5 * (1.0 + decay * decay));
        let below = square * decay + omega * p * sinh + self.curl() * (cosh - decay);
        start / self.sigma[1] * square * decay / below
    }

    /// `p² − q² + cq`.
    fn curl(&self) -> f64 {
        let [start, p, q, _] = self.linear;
        p * p + start * q
    }

    /// `t₁`, when r₁ has fallen to half of its initial value.
    pub fn linear_time(&self) -> f64 {
        let [_, p, _, omega] = self.linear;
        // With y = e^(2ωτ): (ωp + k) y² − 2(k + ω²) y + k − ωp = 0.
        let (k, square) = (self.curl(), omega * omega);
        let half = k + square;
        let root = (half * half - (k - omega * p) * (k + omega * p)).sqrt();
        self.epsilon.sqrt() * ((half + root) / (omega * p + k)).ln() / (2.0 * omega)
    }

    /// The two terms of `t₁/√ε = slope·log(1/ε) + offset` as ε → 0 from s(0) = 0: `[1/(4|φ₁σ₁|), log(4|φ₁/σ₁|/Var a(0))/(2|φ₁σ₁|)]`.
    pub fn linear_expansion(&self) -> [f64; 2] {
        let drive = (self.sigma[1] * self.phi[1]).abs();
        let variance = self.a.iter().map(|a| a * a).sum::<f64>() / self.a.len() as f64;
        [0.25 / drive, 0.5 * (4.0 * (self.phi[1] / self.sigma[1]).abs() / variance).ln() / drive]
    }

    /// `G(t)`, the clock of the second layer.
    pub fn linear_clock(&self, time: f64) -> f64 {
        let [start, p, _, omega] = self.linear;
        // Over e^(ωτ). tanh G = above/below.
        let decay = (-2.0 * omega * time / self.epsilon.sqrt()).exp();
        let above = start * (1.0 - decay);
        let below = omega * (1.0 + decay) + p * (1.0 - decay);
        0.5 * ((below + above) / (below - above)).ln()
    }

    /// `(a_i(t), s_i(t))` through the layers 0 and 1; valid until the next degree stirs at t ≍ ε^(1/4).
    pub fn neurons(&self, time: f64) -> (Vec<f64>, Vec<f64>) {
        let (clock, root) = (self.linear_clock(time), self.epsilon.sqrt());
        let (sinh, cosh) = (clock.sinh(), clock.cosh());
        let mean = [self.mean_weight(time), self.mean[1] + root * clock * self.phi[0] / self.sigma[0]];
        let pairs = || self.a.iter().zip(&self.s);
        (
            pairs().map(|(a, s)| mean[0] + a * cosh + s / root * sinh).collect(),
            pairs().map(|(a, s)| mean[1] + s * cosh + a * root * sinh).collect(),
        )
    }
}

/// The exponent α of `t_l ≍ ε^α` for the degree `l = degree` after the degrees up to `learnt` (with logarithms for l = 1): 1 for the
/// constant, and `(learnt + 2 − l)/(2(learnt + 1))`, so `1/(2l)` where no degree is missing.
///
/// A pure degree j leaves `ε j a² − s²` alone, so s and √ε a grow together until `a s^j` is O(1), at `s ≍ ε^(1/(2(j+1)))` and
/// `a ≍ s/√ε`. The next degree moves s at the rate `s'/s ≍ a s^(l−2)`, which decides unless l = 0. Where l > j + 1 the exponent is 0 or
/// negative: after a gap of one degree (l = j + 2) time is O(1), after more it grows as ε falls.
pub fn time_exponent(learnt: u32, degree: u32) -> f64 {
    if degree == 0 {
        return 1.0;
    }
    let (j, l) = (f64::from(learnt), f64::from(degree));
    (j + 2.0 - l) / (2.0 * (j + 1.0))
}

#[cfg(test)]
mod tests;
