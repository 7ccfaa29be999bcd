//! Functions of one normal variable, by Hermite coefficients or as code.

use super::activation::Activation;
use crate::error::{Error, Result};

/// A function `f(x)` of one standard normal variable: activation `σ` or target `φ` of a single-index problem.
#[derive(Debug, Clone)]
pub enum Link {
    /// `f = Σ_k c_k h_k`, `h_k` the normalised probabilists' Hermite polynomials (`E[h_k h_l] = δ_kl`).
    Hermite(Vec<f64>),
    /// A function with a name or of the user's own.
    Function(Activation),
}

impl From<Activation> for Link {
    fn from(activation: Activation) -> Self {
        Self::Function(activation)
    }
}

impl<const N: usize> From<[f64; N]> for Link {
    fn from(coefficients: [f64; N]) -> Self {
        Self::Hermite(coefficients.to_vec())
    }
}

impl Link {
    /// `f(x)` and `f'(x)`.
    pub fn at(&self, x: f64) -> [f64; 2] {
        match self {
            Self::Function(activation) => [activation.value(x), activation.derivative(x)],
            Self::Hermite(coefficients) => {
                // h_{k+1} = (x h_k − √k h_{k−1})/√(k+1),  h_k' = √k h_{k−1}.
                let (mut before, mut h) = (0.0, 1.0);
                let (mut value, mut slope) = (0.0, 0.0);
                for (k, c) in coefficients.iter().enumerate() {
                    let k = k as f64;
                    value += c * h;
                    slope += c * k.sqrt() * before;
                    (before, h) = (h, (x * h - k.sqrt() * before) / (k + 1.0).sqrt());
                }
                [value, slope]
            }
        }
    }

    /// Where `f` or `f'` jumps.
    pub fn kinks(&self) -> Vec<f64> {
        match self {
            Self::Hermite(_) => Vec::new(),
            Self::Function(activation) => activation.kinks(),
        }
    }

    /// # Errors
    /// [`Error::Shape`] for an empty list of coefficients, [`Error::Parameter`] for one that is not finite.
    pub(crate) fn check(&self, name: &'static str) -> Result<()> {
        let Self::Hermite(coefficients) = self else { return Ok(()) };
        if coefficients.is_empty() {
            return Err(Error::Shape { what: format!("{name}: Hermite coefficients"), found: 0, expected: 1 });
        }
        for (k, &value) in coefficients.iter().enumerate() {
            crate::error::require(value.is_finite(), format!("{name}[{k}]"), value, "a finite number")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hermite_polynomials_are_those_of_the_books() {
        let link = Link::Hermite(vec![0.5, -1.0, 2.0, 3.0]);
        for x in [-2.0_f64, 0.3, 1.7] {
            let h2 = (x * x - 1.0) / 2_f64.sqrt();
            let h3 = (x * x * x - 3.0 * x) / 6_f64.sqrt();
            let expected = [
                0.5 - x + 2.0 * h2 + 3.0 * h3,
                -1.0 + 4.0 * x / 2_f64.sqrt() + 3.0 * (3.0 * x * x - 3.0) / 6_f64.sqrt(),
            ];
            let found = link.at(x);
            // Rounding of numbers of order ten.
            assert!((found[0] - expected[0]).abs() < 1e-14 && (found[1] - expected[1]).abs() < 1e-14);
        }
    }
}
