//! Expectations under a Gaussian law, to which all averages over inputs of a committee reduce.
//!
//! The fields `x = (u, v)` of student and teacher are jointly Gaussian with covariance `C = [[Q, M], [Mᵀ, P]]` and mean
//! `(b, b*)`. Write `g_a` for the activation of field a, `c = (a, −a*)` for the second layers, so that `Γ = Σ_a c_a g_a(x_a)`
//! (without label noise), and `x̃ = x − mean`. Every right-hand side is made of
//!
//! ```text
//! I2(a,b) = E[g_a g_b]      I3(i,a,b) = E[g'_i x̃_a g_b]      I4(i,k,a,b) = E[g'_i g'_k g_a g_b]      J2(i,b) = E[g'_i g'_b]
//! ```
//! Closed forms: erf (Saad & Solla 1995), ReLU, linear and quadratic; quadrature for everything else and wherever biases spoil
//! a closed form. [`expectations`] picks.

mod angles;
mod cursor;
mod curve;
mod double;
mod dual;
mod dual_lanes;
mod erf;
mod factor;
mod flat;
mod fours;
mod hermite;
mod integrals;
mod lanes;
mod pairs;
mod path;
mod planes;
mod polynomial;
mod quadrature;
mod relu;
mod risk;
mod rules;
mod sets;
mod unit;

pub use dual::{DualKernel, horner};
pub use hermite::HermiteSeries;
pub use integrals::{i2, i3, i4, j2};
pub use risk::{Risk, RiskParts};

use crate::error::Result;
use crate::problem::Activation;

/// The joint law of the fields.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    /// `K`: the first K fields are those of the student.
    pub students: usize,
    /// `C`, n×n row-major with n = K+M, positive semidefinite up to rounding.
    pub covariance: &'a [f64],
    /// n means.
    pub mean: &'a [f64],
}

impl Fields<'_> {
    /// `n = K+M`.
    pub fn len(&self) -> usize {
        self.mean.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.mean.is_empty()
    }
}

/// How expectations without a closed form are computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quadrature {
    /// Closed forms where there are any; else the trapezoidal rule for smooth activations and [`Quadrature::Split`] at kinks,
    /// with 32 points a dimension or 24 a panel.
    Automatic,
    /// Tensor Gauss–Hermite in the reduced rank of the covariance, also where there is a closed form.
    GaussHermite {
        /// Points a dimension, 2 … 128.
        points: usize,
    },
    /// The trapezoidal rule on a truncated line: for activations analytic near the real axis it converges faster than
    /// Gauss–Hermite (Trefethen 2022). Also where there is a closed form.
    Trapezoidal {
        /// Points a dimension, ≥ 8.
        points: usize,
    },
    /// Gauss–Legendre on panels that end at the kinks. Also where there is a closed form.
    Split {
        /// Points a panel, 2 … 128.
        points: usize,
    },
}

/// The averages that the equations of a committee need.
///
/// Covariances may be singular (student = teacher, zero weights). Activations that return NaN or infinity give
/// [`crate::Error::Activation`].
pub trait Expectations: Send {
    /// Where activations are tabulated. Tables follow the fields, with some room, so the last bits of all averages depend on
    /// those of before. `None`: not yet; empty: nothing ever is.
    fn tables(&self) -> Vec<Option<[f64; 2]>> {
        Vec::new()
    }

    /// Tabulates there, after which the averages are those of whom [`Expectations::tables`] was asked. Other numbers of tables
    /// are left alone.
    fn tabulate(&mut self, tables: &[Option<[f64; 2]>]) {
        let _ = tables;
    }

    /// `I2(a,b)` for all fields (n×n, row-major).
    fn values(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()>;

    /// `E[g'_i g_b]` for students i and all fields b (K×n).
    fn value_slopes(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()>;

    /// `J2(i,b)` for students i and all fields b (K×n).
    fn slopes(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()>;

    /// `E[Γ g'_i x̃_a] = Σ_b c_b I3(i,a,b)` for students i and all fields a (K×n); `outputs` is c.
    fn drift(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()>;

    /// `E[Γ² g'_i g'_k] = Σ_ab c_a c_b I4(i,k,a,b)` for students i, k (K×K, symmetric); `outputs` is c.
    fn noise(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()>;

    /// Estimated largest error of [`Expectations::drift`] and [`Expectations::noise`] here, from a coarser rule; 0 for closed forms.
    fn estimated_error(&mut self, fields: Fields<'_>, outputs: &[f64]) -> Result<f64> {
        let _ = (fields, outputs);
        Ok(0.0)
    }
}

/// The best way to average over fields of `students` units with activation `student` and `teachers` units with `teacher`;
/// `unbiased` promises that all means are 0.
///
/// # Errors
/// [`crate::Error::Parameter`] for a rule with too few or too many points.
pub fn expectations(
    student: &Activation,
    teacher: &Activation,
    unbiased: bool,
    quadrature: Quadrature,
) -> Result<Box<dyn Expectations>> {
    match closed(student, teacher, unbiased, quadrature) {
        Some(by) => Ok(by),
        None => Ok(Box::new(quadrature::ByQuadrature::new(student, teacher, quadrature)?)),
    }
}

/// The closed form, if there is one and it is wanted.
fn closed(
    student: &Activation,
    teacher: &Activation,
    unbiased: bool,
    quadrature: Quadrature,
) -> Option<Box<dyn Expectations>> {
    let quadratic = |activation: &Activation| match activation {
        Activation::Linear => Some(false),
        Activation::Quadratic => Some(true),
        _ => None,
    };
    if quadrature != Quadrature::Automatic {
        return None;
    }
    match (student, teacher) {
        (Activation::Erf, Activation::Erf) if unbiased => Some(Box::new(erf::Erf::default())),
        (Activation::Relu, Activation::Relu) if unbiased => Some(Box::new(relu::Relu::default())),
        _ => Some(Box::new(polynomial::Polynomial::new([quadratic(student)?, quadratic(teacher)?]))),
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
