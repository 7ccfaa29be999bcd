//! The exponential of the θ operator by one factorisation, for any time.

use std::f64::consts::PI;

use multiversion::multiversion;

use super::fokker_planck::{Content, Shift, Term};
use super::plane::{PlaneFactors, PlaneFokkerPlanck};
use crate::numerics::buffer::{Buffer, zeros};

/// Points of the cosine transform: far more than terms. `exp(−τ tan²)` is smooth, and they give it to rounding.
const POINTS: usize = 256;

/// `exp(tA)` as a series in Chebyshev polynomials of the Cayley variable.
///
/// ```text
/// C = 2(1 − γA)⁻¹ − 1,    exp(tA) = Σ_k c_k T_k(C),    Σ_k c_k T_k(x) = exp(−τ(1−x)/(1+x)),    τ = t/γ
/// ```
/// The spectrum of `A` is real and ≤ 0, that of `C` lies in [−1, 1]. The coefficients depend on τ only, so a fixed τ, the one
/// that needs the fewest terms, serves every t with γ = t/τ: one factorisation and as many solutions as terms, whether t is
/// short or `t → ∞` gives the Gibbs density. As `Σ c_k = 1` the mass is kept and the Gibbs density does not move.
#[derive(Debug, Clone)]
pub struct Propagator {
    ratio: f64,
    coefficients: Vec<f64>,
    work: [Buffer; 3],
}

impl Propagator {
    /// The series of the fewest terms whose remainder is at most `tolerance` (≥ 1e-14) on the whole spectrum.
    pub fn new(tolerance: f64) -> Self {
        let cosines: Vec<f64> = (0..4 * POINTS).map(|k| (0.5 * PI * k as f64 / POINTS as f64).cos()).collect();
        let ratios = (4..80).map(|k| 0.5 * f64::from(k));
        let candidates = ratios.map(|ratio| (ratio, series(ratio, tolerance, &cosines)));
        let (ratio, coefficients) =
            candidates.min_by_key(|(_, coefficients)| coefficients.len()).unwrap_or((1.0, vec![1.0]));
        Self { ratio, coefficients, work: [zeros(0), zeros(0), zeros(0)] }
    }

    /// Solutions that one propagation takes.
    pub fn solutions(&self) -> usize {
        self.coefficients.len() - 1
    }

    /// `f ← exp(time·A) f`. Returns what the result holds; its negative part is of the size of the tolerance.
    ///
    /// The factors serve again if `time` is the same.
    pub fn propagate(
        &mut self,
        operator: &PlaneFokkerPlanck,
        time: f64,
        factors: &mut PlaneFactors,
        f: &mut [f64],
    ) -> Content {
        let c = time / self.ratio;
        for work in &mut self.work {
            if work.len() != f.len() {
                *work = zeros(f.len());
            }
        }
        let [before, now, next] = &mut self.work;
        now.copy_from_slice(f);
        f.iter_mut().for_each(|f| *f *= self.coefficients[0]);
        let mut content = Content { total: 0.0, negative: 0.0 };
        for (k, &coefficient) in self.coefficients.iter().enumerate().skip(1) {
            // Lengths of time are differences, and rounded.
            let same = |(q, kept): (f64, f64)| q == 1.0 && (kept / c - 1.0).abs() < 1e-13;
            if factors.matrix().is_some_and(same) {
                next.copy_from_slice(now);
                operator.solve_again(factors, next);
            } else {
                operator.solve(Shift { q: 1.0, decay: None, c }, &[Term::new(1.0, now)], None, factors, next);
            }
            // T_1 = C, then T_{k+1} = 2C T_k − T_{k−1}.
            let scale = if k == 1 { 1.0 } else { 2.0 };
            content = recur(scale, coefficient, before, now, next, f);
            std::mem::swap(before, now);
            std::mem::swap(now, next);
        }
        content
    }
}

/// Coefficients up to the last that is needed, made to sum to 1.
fn series(ratio: f64, tolerance: f64, cosines: &[f64]) -> Vec<f64> {
    let value = |j: usize| (-ratio * (0.5 * PI * (j as f64 + 0.5) / POINTS as f64).tan().powi(2)).exp();
    let values: Vec<f64> = (0..POINTS).map(value).collect();
    let coefficient = |k: usize| {
        let sum: f64 = values.iter().enumerate().map(|(j, v)| v * cosines[k * (2 * j + 1) % cosines.len()]).sum();
        sum * if k == 0 { 1.0 } else { 2.0 } / POINTS as f64
    };
    let mut coefficients: Vec<f64> = (0..POINTS / 4).map(coefficient).collect();
    let mut left_out = 0.0;
    while coefficients.len() > 2 {
        left_out += coefficients.last().copied().map_or(0.0, f64::abs);
        if left_out > tolerance {
            break;
        }
        coefficients.pop();
    }
    // The remainder at x = 1, where the Gibbs density is, goes to the first: mass is exact.
    coefficients[0] += 1.0 - coefficients.iter().sum::<f64>();
    coefficients
}

/// `next = scale (2 next − now) − before` (`before` only with `scale = 2`), `sum += coefficient·next`; the content of the sum.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn recur(scale: f64, coefficient: f64, before: &[f64], now: &[f64], next: &mut [f64], sum: &mut [f64]) -> Content {
    const LANES: usize = 16;
    let keep = scale - 1.0;
    let (mut total, mut negative) = ([0.0; LANES], [0.0; LANES]);
    let chunks = next.chunks_mut(LANES).zip(sum.chunks_mut(LANES)).zip(now.chunks(LANES)).zip(before.chunks(LANES));
    for (((next, sum), now), before) in chunks {
        for k in 0..next.len() {
            next[k] = scale * (2.0 * next[k] - now[k]) - keep * before[k];
            sum[k] += coefficient * next[k];
            total[k] += sum[k];
            negative[k] += (-sum[k]).max(0.0);
        }
    }
    Content { total: total.iter().sum(), negative: negative.iter().sum() }
}

#[cfg(test)]
#[path = "propagator_tests.rs"]
mod tests;
