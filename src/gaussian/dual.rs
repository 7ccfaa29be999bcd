//! Dual kernels `E[f(x) g(y)]` of two standard normal variables as functions of their correlation.

use std::f64::consts::{FRAC_1_PI, FRAC_2_PI};

use super::hermite::HermiteSeries;
use crate::error::Result;
use crate::problem::{Activation, Link};

/// `K(r) = E[f(x) g(y)] = Σ_k f_k g_k r^k` for standard normal x, y of correlation r (Mehler's formula; Daniely, Frostig &
/// Singer 2016 call it the dual activation): `U` for f = g = σ, `V` for f = σ, g = φ.
#[derive(Debug, Clone, PartialEq)]
pub enum DualKernel {
    /// ReLU with ReLU: `U = ( √(1 − r²) + r (π − arccos r) )/2π` (Cho & Saul 2009).
    ArcCosine,
    /// `erf(x/√2)` with itself: `U = (2/π) arcsin(r/2)` (Williams 1997).
    ArcSine,
    /// `Σ_k coefficients_k r^k`.
    Series {
        /// `f_k g_k`.
        coefficients: Vec<f64>,
        /// Bound of what the series leaves out for |r| ≤ 1.
        truncation: f64,
    },
}

impl DualKernel {
    /// A closed form where there is one, else the series up to `degree`.
    ///
    /// # Errors
    /// Those of [`HermiteSeries::new`].
    pub fn new(f: &Link, g: &Link, degree: usize) -> Result<Self> {
        match (f, g) {
            (Link::Function(Activation::Relu), Link::Function(Activation::Relu)) => Ok(Self::ArcCosine),
            (Link::Function(Activation::Erf), Link::Function(Activation::Erf)) => Ok(Self::ArcSine),
            _ => Self::series(f, g, degree),
        }
    }

    /// The series up to `degree`, also where there is a closed form.
    ///
    /// # Errors
    /// Those of [`HermiteSeries::new`].
    pub fn series(f: &Link, g: &Link, degree: usize) -> Result<Self> {
        let (f, g) = (HermiteSeries::new(f, degree, "σ")?, HermiteSeries::new(g, degree, "φ")?);
        let mut coefficients: Vec<f64> = f.coefficients.iter().zip(&g.coefficients).map(|(a, b)| a * b).collect();
        while coefficients.len() > 1 && coefficients.last() == Some(&0.0) {
            coefficients.pop();
        }
        // Cauchy–Schwarz.
        Ok(Self::Series { coefficients, truncation: (f.tail * g.tail).sqrt() })
    }

    /// Bound of the error of `K` for |r| ≤ 1; 0 for closed forms.
    pub fn truncation(&self) -> f64 {
        match self {
            Self::ArcCosine | Self::ArcSine => 0.0,
            Self::Series { truncation, .. } => *truncation,
        }
    }

    /// `K(r)`, `K'(r)`, `K''(r)`; r outside [−1, 1] by rounding counts as ±1. `K''` of ReLU is infinite at r = ±1.
    #[inline]
    pub fn at(&self, r: f64) -> [f64; 3] {
        match self {
            Self::ArcCosine => {
                let r = r.clamp(-1.0, 1.0);
                let root = (1.0 - r * r).sqrt();
                // π − arccos r, without loss near −1.
                let angle = libm::atan2(root, -r);
                [(root + r * angle) * 0.5 * FRAC_1_PI, angle * 0.5 * FRAC_1_PI, 0.5 * FRAC_1_PI / root]
            }
            Self::ArcSine => {
                let r = r.clamp(-1.0, 1.0);
                let square = 1.0 / (4.0 - r * r);
                let slope = FRAC_2_PI * square.sqrt();
                [FRAC_2_PI * libm::asin(0.5 * r), slope, slope * r * square]
            }
            Self::Series { coefficients, .. } => horner(coefficients, r),
        }
    }
}

/// A polynomial and its first two derivatives.
#[inline]
pub fn horner(coefficients: &[f64], x: f64) -> [f64; 3] {
    let (mut value, mut slope, mut curvature) = (0.0, 0.0, 0.0);
    for c in coefficients.iter().rev() {
        curvature = curvature * x + slope;
        slope = slope * x + value;
        value = value * x + c;
    }
    [value, slope, 2.0 * curvature]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms_are_their_series() {
        for activation in [Activation::Relu, Activation::Erf] {
            let link = Link::from(activation);
            let (closed, series) =
                (DualKernel::new(&link, &link, 1).unwrap(), DualKernel::series(&link, &link, 400).unwrap());
            assert!(closed.truncation() == 0.0 && series.truncation() < 2e-5, "{}", series.truncation());
            for r in [-1.0, -0.9, -0.3, 0.0, 0.5, 0.9, 0.95, 1.0_f64] {
                let (a, b) = (closed.at(r), series.at(r));
                // The tail of the series, which is 0 inside: 0.95^400 = 1e-9, 1e5 times that in the second derivative.
                let allowed = if r.abs() == 1.0 { series.truncation() + 1e-14 } else { 1e-9 };
                assert!((a[0] - b[0]).abs() <= allowed, "{link:?} {r}: {a:?} {b:?}");
                if r.abs() < 0.95 {
                    assert!((a[1] - b[1]).abs() < 1e-13 && (a[2] - b[2]).abs() < 1e-10, "{link:?} {r}: {a:?} {b:?}");
                }
            }
        }
        assert!((DualKernel::ArcCosine.at(1.0)[0] - 0.5).abs() < 1e-16);
        assert!(DualKernel::ArcCosine.at(-1.0)[0].abs() < 1e-16 && DualKernel::ArcCosine.at(1.0)[1] == 0.5);
    }

    #[test]
    fn kernels_are_expectations() {
        use crate::gaussian::{Quadrature, i2};
        let (f, g) = (Activation::Tanh, Activation::Gelu);
        let kernel = DualKernel::new(&f.clone().into(), &g.clone().into(), 120).unwrap();
        for r in [-0.8, 0.0, 0.4, 0.99] {
            let rule = Quadrature::Trapezoidal { points: 64 };
            let expected = i2([&f, &g], [[1.0, r], [r, 1.0]], [0.0; 2], rule).unwrap();
            // The truncation bounds what is left out; the rule is converged to 1e-9.
            assert!((kernel.at(r)[0] - expected).abs() < kernel.truncation() + 1e-8, "{r}");
        }
        assert!(kernel.truncation() < 1e-6, "{:e}", kernel.truncation());
    }
}
