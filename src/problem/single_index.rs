//! A wide two-layer network that learns a function of one direction.

use faer::{Mat, Side};
use ndarray::Array2;

use super::link::Link;
use crate::error::{Error, Result, require};

/// The network `f(x) = (1/m) Σ_i a_i σ(⟨u_i, x⟩)`, `|u_i| = 1`, that learns the single-index target `φ(⟨u*, x⟩)`, `|u*| = 1`,
/// from Gaussian inputs `x ~ N(0, I_d)` by gradient flow on the risk `R = ½E[(f − φ)²]`, the second layer faster by `1/ε`.
///
/// Seen through the alignments `s_i = ⟨u_i, u*⟩` and overlaps `r_ij = ⟨u_i, u_j⟩`; all quantities are dimensionless.
/// Berthier, Montanari & Zhou (2024), Found. Comput. Math., "Learning time-scales in two-layers neural networks".
#[derive(Debug, Clone)]
pub struct SingleIndex {
    /// `σ`.
    pub activation: Link,
    /// `φ`.
    pub target: Link,
    /// `ε > 0`: time of the second layer over time of the first.
    pub epsilon: f64,
    /// Initial second layer `a_i`, one a neuron (m numbers).
    pub a: Vec<f64>,
    /// Initial alignments `s_i ∈ [−1, 1]` (m numbers).
    pub s: Vec<f64>,
    /// Initial overlaps `r_ij` (m×m, symmetric, 1 on the diagonal, positive semidefinite together with `s`), which only the full
    /// flow has; `None`: nothing in common but `u*`, `r_ij = s_i s_j` for i ≠ j.
    pub r: Option<Array2<f64>>,
}

impl SingleIndex {
    /// All neurons perpendicular to the target and to each other: `s = 0`, `r = 1`, as `d → ∞` from random directions.
    pub fn new(activation: impl Into<Link>, target: impl Into<Link>, epsilon: f64, a: Vec<f64>) -> Self {
        let s = vec![0.0; a.len()];
        Self { activation: activation.into(), target: target.into(), epsilon, a, s, r: None }
    }

    /// `m`.
    pub fn neurons(&self) -> usize {
        self.a.len()
    }

    /// `r_ij` as the flow starts (m×m).
    pub fn overlaps(&self) -> Array2<f64> {
        self.r.clone().unwrap_or_else(|| {
            let entry = |(i, j): (usize, usize)| if i == j { 1.0 } else { self.s[i] * self.s[j] };
            Array2::from_shape_fn((self.s.len(), self.s.len()), entry)
        })
    }

    /// Checks the statement.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `ε` not above 0, numbers that are not finite, alignments outside [−1, 1] and diagonal overlaps
    /// that are not 1; [`Error::Shape`] for no neurons, lists of different lengths and empty lists of coefficients;
    /// [`Error::Asymmetric`]; [`Error::Indefinite`] for overlaps and alignments that no unit vectors have.
    pub fn validated(self) -> Result<Self> {
        /// What rounding of the caller may leave.
        const ROUNDING: f64 = 1e-9;
        let m = self.neurons();
        require(self.epsilon > 0.0 && self.epsilon.is_finite(), "epsilon", self.epsilon, "a finite number above 0")?;
        self.activation.check("activation")?;
        self.target.check("target")?;
        require(m > 0, "neurons", 0.0, "at least one")?;
        if self.s.len() != m {
            return Err(Error::Shape { what: "s: alignments".into(), found: self.s.len(), expected: m });
        }
        for (i, (&a, &s)) in self.a.iter().zip(&self.s).enumerate() {
            require(a.is_finite(), format!("a[{i}]"), a, "a finite number")?;
            require(s.abs() <= 1.0, format!("s[{i}]"), s, "a number from −1 to 1")?;
        }
        let Some(r) = &self.r else { return Ok(self) };
        for (found, what) in [(r.nrows(), "r: rows"), (r.ncols(), "r: columns")] {
            if found != m {
                return Err(Error::Shape { what: what.into(), found, expected: m });
            }
        }
        for i in 0..m {
            require((r[[i, i]] - 1.0).abs() <= ROUNDING, format!("r[{i}, {i}]"), r[[i, i]], "1: unit vectors")?;
            for j in 0..i {
                let (found, mirrored) = (r[[i, j]], r[[j, i]]);
                require(found.is_finite(), format!("r[{i}, {j}]"), found, "a finite number")?;
                if !((found - mirrored).abs() <= ROUNDING) {
                    return Err(Error::Asymmetric { matrix: "r", row: i, column: j, found, mirrored });
                }
            }
        }
        // Overlaps of what is perpendicular to the target.
        let rest = Mat::from_fn(m, m, |i, j| r[[i, j]] - self.s[i] * self.s[j]);
        let eigenvalues = rest.self_adjoint_eigenvalues(Side::Lower);
        let smallest = eigenvalues.map_or(f64::NAN, |list| list.into_iter().fold(f64::INFINITY, f64::min));
        if !(smallest >= -ROUNDING * m as f64) {
            return Err(Error::Indefinite { matrix: "r − s sᵀ", eigenvalue: smallest });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Activation;

    #[test]
    fn bad_statements_are_named() {
        let good = || SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 1e-3, vec![1.0, -0.4, 0.7]);
        assert!(good().validated().is_ok());
        let fails = |change: &dyn Fn(&mut SingleIndex)| {
            let mut problem = good();
            change(&mut problem);
            problem.validated().unwrap_err().to_string()
        };
        for (error, expected) in [
            (fails(&|p| p.epsilon = 0.0), "epsilon = 0: expected a finite number above 0"),
            (fails(&|p| p.epsilon = -1e-3), "epsilon = -0.001"),
            (fails(&|p| p.epsilon = f64::NAN), "epsilon = NaN"),
            (fails(&|p| p.a.clear()), "neurons = 0"),
            (fails(&|p| p.a[1] = f64::INFINITY), "a[1] = inf"),
            (fails(&|p| p.s[2] = 1.01), "s[2] = 1.01: expected a number from −1 to 1"),
            (fails(&|p| p.s.truncate(2)), "s: alignments: found 2, expected 3"),
            (fails(&|p| p.target = Link::Hermite(vec![])), "target: Hermite coefficients"),
            (fails(&|p| p.target = [0.1, f64::NAN].into()), "target[1] = NaN"),
            (fails(&|p| p.r = Some(Array2::eye(2))), "r: rows: found 2, expected 3"),
            (fails(&|p| p.r = Some(2.0 * Array2::<f64>::eye(3))), "r[0, 0] = 2"),
        ] {
            assert!(error.starts_with(expected), "{error}");
        }
        let mut asymmetric = Array2::eye(3);
        asymmetric[[0, 1]] = 0.5;
        assert!(fails(&|p| p.r = Some(asymmetric.clone())).starts_with("r[1, 0] = 0, but r[0, 1] = 0.5"));
    }

    #[test]
    fn overlaps_that_no_vectors_have_name_their_eigenvalue() {
        // Two neurons close to the target are close to each other.
        let mut problem = SingleIndex::new(Activation::Relu, [0.0, 1.0], 1.0, vec![1.0; 2]);
        problem.s = vec![0.9; 2];
        assert!(problem.clone().validated().is_ok());
        problem.r = Some(Array2::eye(2));
        // 1 − 0.81 − 0.81.
        let error = problem.validated().unwrap_err().to_string();
        assert!(error.starts_with("r − s sᵀ has the eigenvalue -6.2"), "{error}");
    }
}
