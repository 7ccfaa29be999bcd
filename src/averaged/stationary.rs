//! The stationary law and growth rate: the principal eigenpair of a nonnegative matrix.

use faer::Mat;
use faer::linalg::solvers::Solve;

use super::gain::GainRule;
use super::krylov;
use super::solver::{Averaged, Dynamics};
use crate::error::{Error, Result, require};

/// The stationary law of the averaged equation.
#[derive(Debug, Clone, PartialEq)]
pub struct Stationary {
    /// The masses at the places of the grid; their sum is 1.
    pub mass: Vec<f64>,
    /// Events: `log⟨w̄⟩`, the logarithm of the eigenvalue of `M_h∘w̄`. Replicator form: `β⟨F̄⟩`, the eigenvalue of
    /// `D_hΔ_h + βF̄`.
    pub growth: f64,
    /// `‖Ax − λx‖₁/λ` of the nonnegative matrix A that was used (the replicator form is shifted by a multiple of the
    /// identity).
    pub residual: f64,
}

pub(super) const RESIDUAL: f64 = 1e-13;
const ITERATIONS: usize = 100;
/// The dense factorisation takes places³.
const PLACES: usize = 8000;
/// From so many places of two hyperparameters the iteration is cheaper.
const DENSE: usize = 1200;

impl Averaged {
    /// The stationary law as principal eigenvector. It does not depend on the initial law: where mutation does not connect
    /// all places it is the law with the largest growth.
    ///
    /// One hyperparameter, or at most 1200 places: Noda's (1971) inverse iteration with Collatz–Wielandt bounds for shifts
    /// (dense factorisations, O(places³)). More places of two: Arnoldi's method, restarted (a product with the matrix and 30
    /// vectors a step).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for rules on ranks or that change in time, for staggered clocks and published donors, and
    /// without selection; [`Error::NotConverged`] above a residual of 1e-13, as with two separate places of equal growth.
    pub fn stationary(&self) -> Result<Stationary> {
        let places = self.grid.len();
        let iterate = self.grid.dimension() > 1 && places > DENSE;
        require(iterate || places <= PLACES, "grid.h.cells", places as f64, "at most 8000 for the stationary law")?;
        match &self.dynamics {
            Dynamics::Jump { gain, .. } | Dynamics::Generations { gain, .. } => {
                let GainRule::Weights(weights) = &gain.rule else {
                    return Err(unsupported("the stationary law of a rule on ranks, or of one that changes in time"));
                };
                let scale = self.effective.scaled_weights()?.1;
                let (value, mass, residual) = if iterate {
                    let mut copied = vec![0.0; places];
                    krylov::principal(places, |x, out| gain.linear(weights, x, out, &mut copied))?
                } else {
                    let mut matrix = Mat::<f64>::zeros(places, places);
                    for (&p, (row, column)) in &*gain.mutation.matrix() {
                        matrix[(row, column)] = p * weights[column];
                    }
                    principal(&matrix)?
                };
                Ok(Stationary { mass, growth: value.ln() + scale, residual })
            }
            Dynamics::Replicator(operator) => {
                let cells = operator.diagonal.len();
                let (value, on_cells, residual) = if iterate {
                    krylov::principal(cells, |x, out| operator.apply(x, out))?
                } else {
                    let (mut matrix, mut unit, mut column) =
                        (Mat::<f64>::zeros(cells, cells), vec![0.0; cells], vec![0.0; cells]);
                    for j in 0..cells {
                        unit[j] = 1.0;
                        operator.apply(&unit, &mut column);
                        column.iter().enumerate().for_each(|(i, entry)| matrix[(i, j)] = *entry);
                        unit[j] = 0.0;
                    }
                    principal(&matrix)?
                };
                let mut mass = vec![0.0; places];
                self.cells().iter().zip(&on_cells).for_each(|(place, m)| mass[*place] = *m);
                Ok(Stationary { mass, growth: value - operator.shift + operator.largest, residual })
            }
            Dynamics::Still => Err(unsupported("the stationary law without selection: every law is stationary")),
            Dynamics::Published { .. } | Dynamics::Staggered(_) => {
                Err(unsupported("the stationary law of published donors or a staggered clock"))
            }
        }
    }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported { solver: "the averaged equation", what: what.into(), instead: "run in time" }
}

/// Eigenvalue, eigenvector with sum 1, relative residual.
fn principal(matrix: &Mat<f64>) -> Result<(f64, Vec<f64>, f64)> {
    let n = matrix.nrows();
    let mut x = vec![1.0 / n as f64; n];
    let mut best: Option<(f64, Vec<f64>, f64)> = None;
    for _ in 0..ITERATIONS {
        let y = matrix * Mat::from_fn(n, 1, |i, _| x[i]);
        let value: f64 = y.col(0).iter().sum();
        require(value > 0.0 && value.is_finite(), "growth of the population", value, "a positive number")?;
        let residual = x.iter().zip(y.col(0).iter()).map(|(x, y)| (y - value * x).abs()).sum::<f64>() / value;
        // Rounding sets a floor below RESIDUAL: stop where it is reached.
        let better = best.as_ref().is_none_or(|best| residual < 0.5 * best.2);
        if residual <= RESIDUAL && !better {
            break;
        }
        if better {
            best = Some((value, x.clone(), residual));
        }
        // The largest growth of any place bounds the eigenvalue from above; places without mass to speak of do not count.
        let floor = 1e-10 * x.iter().copied().fold(0.0, f64::max);
        let bound =
            x.iter().zip(y.col(0).iter()).filter(|(x, _)| **x > floor).map(|(x, y)| y / x).fold(value, f64::max);
        let shift = bound * (1.0 + 1e-14) + f64::MIN_POSITIVE;
        let shifted = Mat::from_fn(n, n, |i, j| if i == j { shift - matrix[(i, j)] } else { -matrix[(i, j)] });
        let next = shifted.partial_piv_lu().solve(Mat::from_fn(n, 1, |i, _| x[i]));
        let total: f64 = next.col(0).iter().sum();
        if !(total.is_finite() && total != 0.0) {
            break;
        }
        // Rounding may leave negative values in the far tails.
        x.iter_mut().zip(next.col(0).iter()).for_each(|(x, y)| *x = (y / total).max(0.0));
        let sum: f64 = x.iter().sum();
        x.iter_mut().for_each(|x| *x /= sum);
    }
    match best {
        Some(best) if best.2 <= RESIDUAL => Ok(best),
        other => Err(Error::NotConverged {
            what: "the inverse iteration for the stationary law",
            iterations: ITERATIONS,
            residual: other.map_or(f64::INFINITY, |best| best.2),
            tolerance: RESIDUAL,
        }),
    }
}
