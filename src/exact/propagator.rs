//! The exact propagator of the averaged equation for weight rules.
//!
//! The jump equation `∂_t ρ = κ(M[w̄ρ]/⟨w̄⟩ − ρ)` is linear in disguise: with `n = ρe^{κt}` and the clock
//! `dτ = κdt/⟨w̄⟩`, `∂_τ n = An`, `A = M∘w̄`. So `n = exp(τA)ρ₀`, with τ fixed by `Σn = e^{κt}` (mutation conserves
//! mass). A is a nonnegative matrix, so all terms of the power series are nonnegative and nothing cancels: each cell is
//! right to some roundings *relative to itself*. The replicator–mutator equation is `ρ ∝ exp(tA)ρ₀` with
//! `A = D_hΔ_h + βF̄`, nonnegative after a shift by a multiple of the identity, which normalisation removes
//! (uniformisation: Jensen 1953).
//!
//! Vectors are masses of cells. Work: some 5 τ‖A‖ products with A.

use crate::error::{Error, Result, require};

/// A nonnegative matrix, as its product with a vector.
pub trait Nonnegative {
    /// Writes `A x` to `out`.
    fn apply(&self, x: &[f64], out: &mut [f64]);
}

impl<F: Fn(&[f64], &mut [f64])> Nonnegative for F {
    fn apply(&self, x: &[f64], out: &mut [f64]) {
        self(x, out);
    }
}

impl Nonnegative for sprs::CsMat<f64> {
    fn apply(&self, x: &[f64], out: &mut [f64]) {
        sprs::prod::mul_acc_mat_vec_csr(self.view(), x, {
            out.fill(0.0);
            out
        });
    }
}

/// A state reached by the propagator.
#[derive(Debug, Clone, PartialEq)]
pub struct Propagated {
    /// Cell masses, their sum 1.
    pub mass: Vec<f64>,
    /// The linear clock τ (for [`replicator`], t).
    pub clock: f64,
    /// `log Σ exp(τA)ρ₀`.
    pub log_growth: f64,
}

/// Solves the jump equation at the values `kappa_times` of κt (increasing, from 0), given `A = M∘w̄` and (a bound of)
/// its largest column sum, `norm = max w̄`.
///
/// w̄ may be scaled by any constant (which only rescales τ); so use `exp(log w̄ − max log w̄)`.
///
/// # Errors
/// [`Error::Parameter`] for decreasing times; [`Error::Weights`] where the population does not grow.
pub fn jump(matrix: &dyn Nonnegative, norm: f64, initial: &[f64], kappa_times: &[f64]) -> Result<Vec<Propagated>> {
    let mut state = start(initial)?;
    let mut series = Series::new(initial.len());
    require(norm > 0.0 && norm.is_finite(), "norm of the matrix", norm, "a positive finite number")?;
    let (mut reached, mut pieces) = (0.0, 0);
    let piece = PIECE / norm;
    let mut result = Vec::with_capacity(kappa_times.len());
    for &target in kappa_times {
        require(target >= reached && target.is_finite(), "times", target, "increasing finite times")?;
        reached = target;
        while state.log_growth < target {
            let sums = series.sum(matrix, &state.mass, piece);
            // Σₖ Sₖxᵏ is increasing and convex: Newton's method comes down from the right end.
            let wanted = (target - state.log_growth).exp();
            let polynomial = |x: f64| sums.iter().rev().fold(0.0, |value, s| value * x + s);
            let mut x = 1.0;
            if polynomial(1.0) > wanted {
                for _ in 0..100 {
                    let slope = sums.iter().enumerate().skip(1).rev().fold(0.0, |v, (k, s)| v * x + k as f64 * s);
                    let step = (polynomial(x) - wanted) / slope;
                    x = (x - step).max(0.0);
                    if step.abs() <= 1e-16 {
                        break;
                    }
                }
                series.sum(matrix, &state.mass, x * piece);
                state.log_growth = target;
            } else {
                let growth = polynomial(1.0);
                pieces += 1;
                if !(growth > 0.0 && growth.is_finite()) || pieces > MAX_PIECES {
                    return Err(Error::Weights { sum: growth, time: target, hint: "lower β" });
                }
                state.log_growth += growth.ln();
            }
            state.clock += x * piece;
            series.take(&mut state.mass);
        }
        result.push(state.clone());
    }
    Ok(result)
}

/// Solves `∂_t n = (A − shift)n` at `times` (increasing, from 0) for a nonnegative A whose column sums are at most
/// `norm`; `mass` is `n/Σn`.
///
/// # Errors
/// [`Error::Parameter`] for decreasing times; [`Error::Weights`] where everybody dies out.
pub fn replicator(
    matrix: &dyn Nonnegative,
    norm: f64,
    shift: f64,
    initial: &[f64],
    times: &[f64],
) -> Result<Vec<Propagated>> {
    let mut state = start(initial)?;
    let mut series = Series::new(initial.len());
    let mut result = Vec::with_capacity(times.len());
    require(norm > 0.0 && norm.is_finite(), "norm of the matrix", norm, "a positive finite number")?;
    for &target in times {
        require(target >= state.clock && target.is_finite(), "times", target, "increasing finite times")?;
        let begin = state.clock;
        while state.clock < target {
            let left = target - state.clock;
            let piece = left.min(PIECE / norm);
            let growth: f64 = series.sum(matrix, &state.mass, piece).iter().sum();
            if !(growth > 0.0 && growth.is_finite()) {
                return Err(Error::Weights { sum: growth, time: state.clock, hint: "lower β" });
            }
            state.log_growth += growth.ln();
            series.take(&mut state.mass);
            state.clock = if piece == left { target } else { state.clock + piece };
        }
        state.log_growth -= shift * (target - begin);
        result.push(state.clone());
    }
    Ok(result)
}

fn start(initial: &[f64]) -> Result<Propagated> {
    for &mass in initial {
        require(mass >= 0.0 && mass.is_finite(), "initial mass of a cell", mass, "a finite number ≥ 0")?;
    }
    let sum: f64 = initial.iter().sum();
    require(sum > 0.0, "initial mass", sum, "a positive sum")?;
    Ok(Propagated { mass: initial.iter().map(|m| m / sum).collect(), clock: 0.0, log_growth: 0.0 })
}

/// The power series of `exp(δA)x`, term by term.
struct Series {
    term: Vec<f64>,
    next: Vec<f64>,
    total: Vec<f64>,
}

/// δ‖A‖ of one piece: its series takes some 70 terms, and nothing overflows.
const PIECE: f64 = 16.0;
/// Terms after which the series stops in any case: 16ᵏ/k! is below 1e-308 by then.
const MAX_TERMS: usize = 400;
/// Pieces after which the jump propagator gives up: the fittest have grown by e^(10⁵) and nobody has moved.
const MAX_PIECES: usize = 10_000;

impl Series {
    fn new(cells: usize) -> Self {
        Self { term: vec![0.0; cells], next: vec![0.0; cells], total: vec![0.0; cells] }
    }

    /// Sums the series into `total` until no cell changes any more; returns the masses of the terms.
    fn sum(&mut self, matrix: &dyn Nonnegative, x: &[f64], piece: f64) -> Vec<f64> {
        self.term.copy_from_slice(x);
        self.total.copy_from_slice(x);
        let mut sums = vec![x.iter().sum()];
        for k in 1..MAX_TERMS {
            matrix.apply(&self.term, &mut self.next);
            std::mem::swap(&mut self.term, &mut self.next);
            let factor = piece / k as f64;
            let mut changed = false;
            for (term, total) in self.term.iter_mut().zip(&mut self.total) {
                *term *= factor;
                changed |= *term > 1e-17 * *total;
                *total += *term;
            }
            sums.push(self.term.iter().sum());
            if !changed {
                break;
            }
        }
        sums
    }

    /// Moves the normalised sum to `mass`.
    fn take(&self, mass: &mut [f64]) {
        let sum: f64 = self.total.iter().sum();
        mass.iter_mut().zip(&self.total).for_each(|(m, t)| *m = t / sum);
    }
}
