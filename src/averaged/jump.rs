//! The jump equation for weights as the linear equation that it is.
//!
//! With `n = ρe^{κt}` and the clock `dτ = κ max w̄ dt/⟨w̄⟩`, `∂_t ρ = κ(M_h[w̄ρ]/⟨w̄⟩ − ρ)` becomes `∂_τ n = An`,
//! `A = M_h∘(w̄/max w̄)`; τ follows from `Σn = e^{κt}`, since mutation conserves mass. Errors of at most ε·n in each place
//! move this τ, and with it ρ, by at most 2ε in L1; normalising adds another 2ε.

use serde::{Deserialize, Serialize};

use super::gain::Gain;
use super::series::Series;
use crate::error::{Error, Result};

/// `τ·(largest weight of a place that is not empty)` of the first step.
const FIRST: f64 = 16.0;
/// Terms of the series that steps aim at: fewer waste the start of each series, more come close to overflow.
const AIM: f64 = 80.0;
/// Steps in one run above which it would seem to hang.
const STEPS: u64 = 100_000_000;

/// A way of which `left` = κ times a duration is left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Jump {
    longest: f64,
    pub left: f64,
    #[serde(skip)]
    series: Series,
    #[serde(skip)]
    copied: Vec<f64>,
}

impl Jump {
    /// By `growth` = κ times a duration, from these masses.
    pub fn new(weights: &[f64], mass: &[f64], growth: f64) -> Self {
        let present = mass.iter().zip(weights).filter(|(m, _)| **m > 0.0).map(|(_, w)| *w).fold(0.0, f64::max);
        Self { longest: FIRST / present, left: growth, series: Series::default(), copied: Vec::new() }
    }

    /// Whether steps could have led here on a way of this `growth`.
    pub fn is_sound(&self, growth: f64) -> bool {
        self.longest > 0.0 && (0.0..=growth).contains(&self.left)
    }

    /// Tries one step of the masses, with an L1 error of at most `tolerance` over all the steps that are counted in `steps`; says
    /// whether it was made.
    pub fn step(
        &mut self,
        gain: &Gain,
        weights: &[f64],
        mass: &mut [f64],
        tolerance: f64,
        time: f64,
        steps: &mut u64,
    ) -> Result<bool> {
        let Self { longest, left, series, copied } = self;
        copied.resize(mass.len(), 0.0);
        let mean: f64 = mass.iter().zip(weights).map(|(m, w)| m * w).sum();
        if !(mean > 0.0 && (1.0 / mean).is_finite()) {
            let hint = "lower β, or let the initial law reach fitter hyperparameters";
            return Err(Error::Weights { sum: mean, time, hint });
        }
        *steps += 1;
        if *steps > STEPS {
            let (what, iterations) = ("the power series of the jump form", STEPS as usize);
            return Err(Error::NotConverged { what, iterations, residual: *left, tolerance });
        }
        // The number of steps is not known beforehand: 1/k² adds up to π²/6. Below rounding more terms are of no use.
        let allowed = (0.25 * 0.6 * tolerance / (*steps as f64).powi(2)).max(1e-17);
        let step = longest.min(1.2 * *left / mean);
        if !series.add_up(|x, out| gain.linear(weights, x, out, copied), mass, step, allowed) {
            *longest = 0.25 * step;
            return Ok(false);
        }
        let polynomial = |x: f64| x * series.sums[1..].iter().rev().fold(0.0, |value, s| value * x + s);
        let (reached, wanted) = (polynomial(1.0) / series.sums[0], left.exp_m1());
        let x = if reached > wanted { root(&series.sums, wanted) } else { 1.0 };
        *left = if x < 1.0 { 0.0 } else { *left - reached.ln_1p() };
        series.at(x, mass);
        let scale = 1.0 / mass.iter().sum::<f64>();
        mass.iter_mut().for_each(|m| *m *= scale);
        if step == *longest {
            *longest *= (AIM / series.sums.len() as f64).clamp(0.5, 2.0);
        }
        Ok(true)
    }
}

/// Where `Σ_{k≥1} S_k xᵏ = wanted·S₀`, below 1: increasing and convex, so that Newton's method comes down from 1.
fn root(sums: &[f64], wanted: f64) -> f64 {
    let mut x = 1.0;
    for _ in 0..100 {
        let (mut value, mut slope) = (0.0, 0.0);
        for s in sums[1..].iter().rev() {
            slope = slope * x + value;
            value = value * x + s;
        }
        slope = slope * x + value;
        let change = (value * x - wanted * sums[0]) / slope;
        x -= change;
        if change <= 1e-16 * x {
            break;
        }
    }
    x
}
