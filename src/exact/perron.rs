//! Principal eigenpairs: the stationary law and growth rate of the averaged equation.
//!
//! Jump form: the Perron eigenvector of `M∘w̄`, whose eigenvalue is `⟨w̄⟩` of the stationary law (Perron 1907; Bürger
//! 2000, *The Mathematical Theory of Selection, Recombination, and Mutation*). Replicator–mutator: the ground state of
//! `D_hΔ_h + βF̄`, whose eigenvalue is `β⟨F̄⟩` of the stationary law. Dense solutions, O(cells³).

use faer::{Mat, Side};
use sprs::CsMat;

use crate::error::{Error, Result};

/// The largest eigenvalue and its eigenvector.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    /// The growth rate.
    pub value: f64,
    /// Nonnegative, its sum 1.
    pub vector: Vec<f64>,
    /// The largest of the moduli (nonnegative matrices) or values (symmetric ones) of the other eigenvalues.
    pub next: f64,
}

/// Of a nonnegative matrix, by all its eigenvalues.
///
/// # Errors
/// [`Error::Library`] if the eigenvalues do not converge.
pub fn nonnegative(matrix: &CsMat<f64>) -> Result<Principal> {
    let mut dense = Mat::<f64>::zeros(matrix.rows(), matrix.cols());
    for (&value, (row, column)) in matrix {
        dense[(row, column)] = value;
    }
    let eigen = dense.eigen().map_err(failed)?;
    let values = eigen.S().column_vector();
    let best = largest(values.iter().map(|value| value.re));
    let next = values.iter().enumerate().filter(|&(i, _)| i != best).map(|(_, v)| v.norm()).fold(0.0, f64::max);
    let vector = (0..dense.nrows()).map(|i| eigen.U()[(i, best)].re).collect();
    Ok(Principal { value: values[best].re, vector: unit_sum(vector), next })
}

/// Of the symmetric tridiagonal matrix with the given diagonal and off-diagonal (one shorter).
///
/// # Errors
/// [`Error::Library`] if the eigenvalues do not converge; [`Error::Shape`].
pub fn tridiagonal(diagonal: &[f64], off_diagonal: &[f64]) -> Result<Principal> {
    let n = diagonal.len();
    if off_diagonal.len() + 1 != n {
        return Err(Error::Shape { what: "off-diagonal".into(), found: off_diagonal.len(), expected: n.max(1) - 1 });
    }
    let mut dense = Mat::<f64>::zeros(n, n);
    for (i, &d) in diagonal.iter().enumerate() {
        dense[(i, i)] = d;
    }
    for (i, &o) in off_diagonal.iter().enumerate() {
        dense[(i + 1, i)] = o;
        dense[(i, i + 1)] = o;
    }
    let eigen = dense.self_adjoint_eigen(Side::Lower).map_err(failed)?;
    let values = eigen.S().column_vector();
    let best = largest(values.iter().copied());
    let next = values.iter().enumerate().filter(|&(i, _)| i != best).map(|(_, &v)| v).fold(f64::MIN, f64::max);
    let vector = (0..n).map(|i| eigen.U()[(i, best)]).collect();
    Ok(Principal { value: values[best], vector: unit_sum(vector), next })
}

fn failed<E: std::fmt::Debug>(error: E) -> Error {
    Error::Library { library: "faer", message: format!("eigenvalues: {error:?}") }
}

fn largest(values: impl Iterator<Item = f64>) -> usize {
    values.enumerate().fold((0, f64::NEG_INFINITY), |best, (i, v)| if v > best.1 { (i, v) } else { best }).0
}

/// Scaled to sum 1; entries that rounding made negative become 0.
fn unit_sum(mut vector: Vec<f64>) -> Vec<f64> {
    let sum: f64 = vector.iter().sum();
    vector.iter_mut().for_each(|v| *v = (*v / sum).max(0.0));
    vector
}
