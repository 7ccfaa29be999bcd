//! The exponential of the θ operator by one factorisation, for any time.

use std::f64::consts::PI;

use multiversion::multiversion;

use super::fokker_planck::{Content, Shift, Term};
use super::plane::{PlaneFactors, PlaneFokkerPlanck};
use crate::numerics::buffer::{Buffer, zeros};
use crate::numerics::sum::sum_abs;

/// Points of the cosine transform. `exp(−τ tan²)` is smooth, and they give its coefficients to rounding.
const POINTS: usize = 256;
/// Terms at most; the coefficients left out are rounding.
const TERMS: usize = 64;
/// Rounding of the sum of the series, relative to its largest polynomial.
const ROUNDING: f64 = 2e-16;
/// Halvings of the time at most.
const HALVINGS: u32 = 20;

/// `exp(tA)` as a series in Chebyshev polynomials of the Cayley variable.
///
/// ```text
/// C = 2(1 − γA)⁻¹ − 1,    exp(tA) = Σ_k c_k T_k(C),    Σ_k c_k T_k(x) = exp(−τ(1−x)/(1+x)),    τ = t/γ
/// ```
/// The spectrum of `A` is real and ≤ 0, that of `C` lies in [−1, 1]. The coefficients depend on τ only, so a fixed τ, the one
/// that needs the fewest terms, serves every t with γ = t/τ: one factorisation and as many solutions as terms, whether t is
/// short or `t → ∞` gives the Gibbs density. As `Σ c_k = 1` the mass is kept and the Gibbs density does not move.
///
/// The error is measured in L1, in which `T_k(C) f` may be larger than `f` while a drift carries mass: terms are added until
/// the rest of the coefficients times the largest of these norms is below the tolerance. Should that fail, the time is cut
/// into halves.
#[derive(Debug, Clone)]
pub struct Propagator {
    tolerance: f64,
    ratio: f64,
    coefficients: Vec<f64>,
    /// `Σ_{j ≥ k} |c_j|`.
    rest: Vec<f64>,
    work: [Buffer; 4],
}

impl Propagator {
    /// For an error of at most about `tolerance` (1e-13 or more), in L1, relative.
    pub fn new(tolerance: f64) -> Self {
        let tolerance = tolerance.max(1e-13);
        let cosines: Vec<f64> = (0..4 * POINTS).map(|k| (0.5 * PI * k as f64 / POINTS as f64).cos()).collect();
        let candidates = (4..80).map(|k| {
            let ratio = 0.5 * f64::from(k);
            let coefficients = series(ratio, &cosines);
            let mut rest = coefficients.clone();
            for k in (0..TERMS).rev() {
                rest[k] = rest[k].abs() + rest.get(k + 1).copied().unwrap_or(0.0);
            }
            (ratio, coefficients, rest)
        });
        let terms = |rest: &[f64]| rest.iter().filter(|rest| **rest > tolerance).count();
        let (ratio, coefficients, rest) =
            candidates.min_by_key(|(.., rest)| terms(rest)).unwrap_or((1.0, vec![1.0], vec![0.0]));
        Self { tolerance, ratio, coefficients, rest, work: [(); 4].map(|()| zeros(0)) }
    }

    /// Solutions that one propagation takes at least.
    pub fn solutions(&self) -> usize {
        self.rest.iter().filter(|rest| **rest > self.tolerance).count().saturating_sub(1)
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
        for work in &mut self.work {
            if work.len() != f.len() {
                *work = zeros(f.len());
            }
        }
        self.work[3].copy_from_slice(f);
        let mut parts = 1u32;
        let mut done = 0;
        loop {
            let last = parts >= 1 << HALVINGS;
            let attempt = self.part(operator, time / f64::from(parts), factors, f);
            match attempt {
                Some(content) => {
                    done += 1;
                    if done == parts {
                        return content;
                    }
                    self.work[3].copy_from_slice(f);
                }
                None if last => return Content { total: f64::NAN, negative: 0.0 },
                None => {
                    f.copy_from_slice(&self.work[3]);
                    parts *= 2;
                    done *= 2;
                }
            }
        }
    }

    /// One part of the time; `None` if the series does not converge.
    fn part(
        &mut self,
        operator: &PlaneFokkerPlanck,
        time: f64,
        factors: &mut PlaneFactors,
        f: &mut [f64],
    ) -> Option<Content> {
        let c = time / self.ratio;
        let allowed = self.tolerance * sum_abs(f);
        let [before, now, next, _] = &mut self.work;
        // It is multiplied by 0: what an attempt that overflowed left would not vanish.
        before.fill(0.0);
        now.copy_from_slice(f);
        f.iter_mut().for_each(|f| *f *= self.coefficients[0]);
        let (mut used, mut largest) = (self.coefficients[0], 0.0f64);
        for k in 1..self.coefficients.len() {
            // Lengths of time are differences, and rounded.
            let same = |(q, kept): (f64, f64)| q == 1.0 && (kept / c - 1.0).abs() < 1e-13;
            if factors.matrix().is_some_and(same) {
                next.copy_from_slice(now);
                operator.solve_again(factors, next);
            } else {
                operator.solve(Shift { q: 1.0, decay: None, c }, &[Term::new(1.0, now)], None, factors, next);
            }
            // T_1 = C, then T_{k+1} = 2C T_k − T_{k−1}.
            let norm = recur(if k == 1 { 1.0 } else { 2.0 }, before, now, next);
            largest = largest.max(norm);
            used += self.coefficients[k];
            if ROUNDING * largest > allowed {
                return None;
            }
            let left = self.rest.get(k + 1).copied().unwrap_or(0.0) + ROUNDING;
            let ends = left * largest <= allowed;
            // What the coefficients left out lack of 1 goes to the last: mass is exact.
            let coefficient = self.coefficients[k] + if ends { 1.0 - used } else { 0.0 };
            let content = add(coefficient, next, f);
            if ends {
                return Some(content);
            }
            std::mem::swap(before, now);
            std::mem::swap(now, next);
        }
        None
    }
}

/// The Chebyshev coefficients of `exp(−τ(1−x)/(1+x))`.
fn series(ratio: f64, cosines: &[f64]) -> Vec<f64> {
    let value = |j: usize| (-ratio * (0.5 * PI * (j as f64 + 0.5) / POINTS as f64).tan().powi(2)).exp();
    let values: Vec<f64> = (0..POINTS).map(value).collect();
    let coefficient = |k: usize| {
        let sum: f64 = values.iter().enumerate().map(|(j, v)| v * cosines[k * (2 * j + 1) % cosines.len()]).sum();
        sum * if k == 0 { 1.0 } else { 2.0 } / POINTS as f64
    };
    (0..TERMS).map(coefficient).collect()
}

const LANES: usize = 16;

/// `next = scale (2 next − now) − before` (`before` only with `scale = 2`); its L1 norm.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn recur(scale: f64, before: &[f64], now: &[f64], next: &mut [f64]) -> f64 {
    let keep = scale - 1.0;
    let mut norm = [0.0; LANES];
    for ((next, now), before) in next.chunks_mut(LANES).zip(now.chunks(LANES)).zip(before.chunks(LANES)) {
        for k in 0..next.len() {
            next[k] = scale * (2.0 * next[k] - now[k]) - keep * before[k];
            norm[k] += next[k].abs();
        }
    }
    norm.iter().sum()
}

/// `sum += coefficient·next`; what the sum holds.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add(coefficient: f64, next: &[f64], sum: &mut [f64]) -> Content {
    let (mut total, mut negative) = ([0.0; LANES], [0.0; LANES]);
    for (sum, next) in sum.chunks_mut(LANES).zip(next.chunks(LANES)) {
        for k in 0..sum.len() {
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
