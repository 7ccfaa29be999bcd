//! The principal eigenpair of a large nonnegative matrix by Arnoldi's method, restarted.

use nalgebra::{DMatrix, DVector};

use super::stationary::RESIDUAL;
use crate::error::{Error, Result, require};
use crate::numerics::sum::dot;

/// Vectors of one basis.
const BASIS: usize = 30;
const RESTARTS: usize = 400;

/// Eigenvalue, eigenvector ≥ 0 with sum 1, and `‖Ax − λx‖₁/λ`, of the matrix behind `product`.
pub(super) fn principal(n: usize, mut product: impl FnMut(&[f64], &mut [f64])) -> Result<(f64, Vec<f64>, f64)> {
    let mut x = vec![1.0 / n as f64; n];
    let mut image = vec![0.0; n];
    let mut best: Option<(f64, Vec<f64>, f64)> = None;
    let (mut stalled, mut made) = (0, 0);
    while made < RESTARTS && stalled < 3 {
        made += 1;
        let next = ritz(&x, &mut product);
        // The eigenvector has no negative entry; what is below zero is rounding.
        x.iter_mut().zip(next).for_each(|(x, next)| *x = next.max(0.0));
        // One plain step smooths what that has cut off.
        product(&x, &mut image);
        let sum: f64 = image.iter().sum();
        require(sum > 0.0 && sum.is_finite(), "growth of the population", sum, "a positive number")?;
        x.iter_mut().zip(&image).for_each(|(x, y)| *x = y / sum);
        product(&x, &mut image);
        let value: f64 = image.iter().sum();
        let residual = x.iter().zip(&image).map(|(x, y)| (y - value * x).abs()).sum::<f64>() / value;
        // Rounding sets a floor: stop where it is reached.
        if best.as_ref().is_none_or(|best| residual < 0.5 * best.2) {
            best = Some((value, x.clone(), residual));
            stalled = 0;
        } else if best.as_ref().is_some_and(|best| best.2 <= RESIDUAL) {
            break;
        } else {
            stalled += usize::from(residual < 100.0 * RESIDUAL);
        }
    }
    match best {
        Some(best) if best.2 <= RESIDUAL => Ok(best),
        other => Err(Error::NotConverged {
            what: "the Arnoldi iteration for the stationary law",
            iterations: made,
            residual: other.map_or(f64::INFINITY, |best| best.2),
            tolerance: RESIDUAL,
        }),
    }
}

/// The Ritz vector of the largest Ritz value of a Krylov space (Arnoldi 1951), of positive sum.
fn ritz(start: &[f64], product: &mut impl FnMut(&[f64], &mut [f64])) -> Vec<f64> {
    let n = start.len();
    let norm = dot(start, start).sqrt();
    let mut basis: Vec<Vec<f64>> = vec![start.iter().map(|x| x / norm).collect()];
    let mut hessenberg = DMatrix::<f64>::zeros(BASIS, BASIS);
    let mut size = BASIS;
    for k in 0..BASIS {
        let mut next = vec![0.0; n];
        product(&basis[k], &mut next);
        // Twice is enough (Gram–Schmidt with one repetition).
        for _ in 0..2 {
            for (i, vector) in basis.iter().enumerate() {
                let h = dot(vector, &next);
                hessenberg[(i, k)] += h;
                next.iter_mut().zip(vector).for_each(|(x, v)| *x -= h * v);
            }
        }
        let norm = dot(&next, &next).sqrt();
        if k + 1 == BASIS || norm < 1e-14 * hessenberg[(0, 0)].abs() {
            size = k + 1;
            break;
        }
        hessenberg[(k + 1, k)] = norm;
        basis.push(next.iter().map(|x| x / norm).collect());
    }
    let h = hessenberg.view((0, 0), (size, size)).into_owned();
    let largest = h.complex_eigenvalues().iter().map(|z| z.re).fold(f64::NEG_INFINITY, f64::max);
    // Inverse iteration just above the eigenvalue.
    let shift = largest + 1e-13 * largest.abs();
    let shifted = (DMatrix::identity(size, size) * shift - &h).lu();
    let mut small = DVector::from_element(size, 1.0);
    for _ in 0..3 {
        if let Some(next) = shifted.solve(&small) {
            small = next.normalize();
        }
    }
    let mut vector = vec![0.0; n];
    for (weight, basis) in small.iter().zip(&basis) {
        vector.iter_mut().zip(basis).for_each(|(x, b)| *x += weight * b);
    }
    let sum: f64 = vector.iter().sum();
    vector.iter_mut().for_each(|x| *x /= sum);
    vector
}
