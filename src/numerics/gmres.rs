//! GMRES for linear equations of which only products are known (Saad & Schultz 1986).

use crate::error::{Error, Result};
use crate::numerics::sum::dot;

/// Products after which [`Gmres::solve`] gives up.
const MOST: usize = 60;

/// Keeps its Krylov basis between solves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gmres {
    basis: Vec<Vec<f64>>,
    work: Vec<f64>,
}

impl Gmres {
    /// `b ← x` with `product(x) = b`, `product(v, out)` a linear map near to the identity, until the residual is below
    /// `tolerance` in the root mean square of `residual_i/weight_i`.
    ///
    /// # Errors
    /// That of `product`; [`Error::NotConverged`] after 60 products.
    pub(crate) fn solve(
        &mut self,
        mut product: impl FnMut(&[f64], &mut [f64]) -> Result<()>,
        b: &mut [f64],
        weight: &[f64],
        tolerance: f64,
    ) -> Result<()> {
        let n = b.len();
        let scale = (n as f64).sqrt();
        // Unknowns and equations in units of the weights.
        b.iter_mut().zip(weight).for_each(|(b, w)| *b /= w);
        let size = dot(b, b).sqrt();
        if !size.is_finite() {
            return Err(Error::NotConverged { what: "GMRES", iterations: 0, residual: size, tolerance });
        }
        if size <= tolerance * scale {
            // Already small: one product of the identity's kind would change nothing that counts.
            b.iter_mut().zip(weight).for_each(|(b, w)| *b *= w);
            return Ok(());
        }
        self.work.resize(n, 0.0);
        self.keep(0, b, 1.0 / size);
        let (mut columns, mut rotations): (Vec<Vec<f64>>, Vec<(f64, f64)>) = (Vec::new(), Vec::new());
        let mut right = vec![size];
        for k in 0..MOST {
            let (v, w): (Vec<f64>, &mut Vec<f64>) =
                (self.basis[k].iter().zip(weight).map(|(v, w)| v * w).collect(), &mut self.work);
            product(&v, w)?;
            w.iter_mut().zip(weight).for_each(|(x, w)| *x /= w);
            let mut column = Vec::with_capacity(k + 2);
            for q in &self.basis[..=k] {
                let along = dot(q, w);
                w.iter_mut().zip(q).for_each(|(x, q)| *x -= along * q);
                column.push(along);
            }
            let rest = dot(w, w).sqrt();
            for (j, (c, s)) in rotations.iter().enumerate() {
                let (x, y) = (column[j], column[j + 1]);
                (column[j], column[j + 1]) = (c * x + s * y, c * y - s * x);
            }
            let length = column[k].hypot(rest);
            if !(length > 0.0 && length.is_finite()) {
                break;
            }
            let (c, s) = (column[k] / length, rest / length);
            column[k] = length;
            columns.push(column);
            rotations.push((c, s));
            let last = right[k];
            right[k] = c * last;
            right.push(-s * last);
            if (s * last).abs() <= tolerance * scale {
                // Back substitution.
                let mut x = right[..=k].to_vec();
                for i in (0..=k).rev() {
                    x[i] /= columns[i][i];
                    let found = x[i];
                    x[..i].iter_mut().zip(&columns[i]).for_each(|(x, c)| *x -= c * found);
                }
                b.fill(0.0);
                for (x, q) in x.iter().zip(&self.basis) {
                    b.iter_mut().zip(q).for_each(|(b, q)| *b += x * q);
                }
                b.iter_mut().zip(weight).for_each(|(b, w)| *b *= w);
                return Ok(());
            }
            let work = std::mem::take(&mut self.work);
            self.keep(k + 1, &work, 1.0 / rest);
            self.work = work;
        }
        let residual = right.last().map_or(f64::NAN, |r| r.abs() / scale);
        Err(Error::NotConverged { what: "GMRES", iterations: MOST, residual, tolerance })
    }

    /// Makes `factor·vector` the k-th vector of the basis.
    fn keep(&mut self, k: usize, vector: &[f64], factor: f64) {
        if self.basis.len() <= k {
            self.basis.push(Vec::new());
        }
        self.basis[k].clear();
        self.basis[k].extend(vector.iter().map(|x| factor * x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_it_multiplies() {
        let n = 40;
        let entry = |i: usize, j: usize| f64::from(i == j) + 0.3 * ((3 * i + 7 * j) as f64).sin() / (1.0 + i as f64);
        let product = |x: &[f64], out: &mut [f64]| {
            for (i, out) in out.iter_mut().enumerate() {
                *out = (0..n).map(|j| entry(i, j) * x[j]).sum();
            }
            Ok(())
        };
        let exact: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
        let mut b = vec![0.0; n];
        product(&exact, &mut b).unwrap();
        Gmres::default().solve(product, &mut b, &vec![1.0; n], 1e-13).unwrap();
        let error = b.iter().zip(&exact).fold(0.0_f64, |most, (a, b)| most.max((a - b).abs()));
        assert!(error < 1e-11, "{error:e}");
    }

    #[test]
    fn what_does_not_converge_is_named() {
        // A cyclic shift keeps the residual until the last product.
        let shift = |x: &[f64], out: &mut [f64]| {
            out.copy_from_slice(x);
            out.rotate_right(1);
            Ok(())
        };
        let mut b = vec![0.0; 200];
        b[0] = 1.0;
        let error = Gmres::default().solve(shift, &mut b, &[1.0; 200], 1e-6).unwrap_err();
        assert!(matches!(error, Error::NotConverged { what: "GMRES", .. }), "{error}");
    }
}
