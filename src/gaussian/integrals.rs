//! Single expectations.

use faer::{Mat, Side};

use super::quadrature::ByQuadrature;
use super::{Expectations, Fields, Quadrature, closed};
use crate::error::{Error, Result, require};
use crate::problem::Activation;

/// `E[g₀(x₀) g₁(x₁)]` for Gaussian fields.
///
/// # Errors
/// [`Error::Parameter`], [`Error::Asymmetric`] and [`Error::Indefinite`] for what is not a covariance or a mean;
/// [`Error::Activation`].
///
/// ```
/// use learning_dynamics::{gaussian::{Quadrature, i2}, problem::Activation};
///
/// let relu = Activation::Relu;
/// let same = i2([&relu, &relu], [[1.0, 1.0], [1.0, 1.0]], [0.0; 2], Quadrature::Automatic)?;
/// assert!((same - 0.5).abs() < 1e-15);
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
pub fn i2(g: [&Activation; 2], covariance: [[f64; 2]; 2], mean: [f64; 2], quadrature: Quadrature) -> Result<f64> {
    let mut out = [0.0; 4];
    chosen(g, &covariance, &mean, quadrature)?.values(fields(1, &covariance, &mean), &mut out)?;
    Ok(out[1])
}

/// `E[g'₀(x₀) g'₁(x₁)]`.
///
/// # Errors
/// As [`i2`].
pub fn j2(g: [&Activation; 2], covariance: [[f64; 2]; 2], mean: [f64; 2], quadrature: Quadrature) -> Result<f64> {
    let mut out = [0.0; 2];
    chosen(g, &covariance, &mean, quadrature)?.slopes(fields(1, &covariance, &mean), &mut out)?;
    Ok(out[1])
}

/// `E[g'₀(x₀) (x₁ − E x₁) g₂(x₂)]`; `g` are the activations of `x₀` and `x₂`.
///
/// # Errors
/// As [`i2`].
pub fn i3(g: [&Activation; 2], covariance: [[f64; 3]; 3], mean: [f64; 3], quadrature: Quadrature) -> Result<f64> {
    let mut out = [0.0; 3];
    chosen([g[0], g[1], g[1]], &covariance, &mean, quadrature)?.drift(
        fields(1, &covariance, &mean),
        &[0.0, 0.0, 1.0],
        &mut out,
    )?;
    Ok(out[1])
}

/// `E[g'₀(x₀) g'₁(x₁) g₂(x₂) g₃(x₃)]`.
///
/// # Errors
/// As [`i2`].
pub fn i4(g: [&Activation; 4], covariance: [[f64; 4]; 4], mean: [f64; 4], quadrature: Quadrature) -> Result<f64> {
    let law = fields(2, &covariance, &mean);
    check(&covariance, &mean)?;
    let Some(mut by) = closed_form(&g, 2, &mean, quadrature) else {
        return ByQuadrature::each(&g, quadrature)?.fourth(law);
    };
    let mut noise = |outputs: [f64; 4]| {
        let mut out = [0.0; 4];
        by.noise(law, &outputs, &mut out)?;
        Ok::<f64, Error>(out[1])
    };
    // E[(g₂ + g₃)² …] − E[(g₂ − g₃)² …]
    Ok(0.25 * (noise([0.0, 0.0, 1.0, 1.0])? - noise([0.0, 0.0, 1.0, -1.0])?))
}

fn fields<'a, const N: usize>(students: usize, covariance: &'a [[f64; N]; N], mean: &'a [f64; N]) -> Fields<'a> {
    Fields { students, covariance: covariance.as_flattened(), mean }
}

fn check<const N: usize>(covariance: &[[f64; N]; N], mean: &[f64; N]) -> Result<()> {
    for (a, &value) in mean.iter().enumerate() {
        require(value.is_finite(), format!("mean[{a}]"), value, "a finite number")?;
    }
    for (row, list) in covariance.iter().enumerate() {
        for (column, &found) in list.iter().enumerate() {
            require(found.is_finite(), format!("covariance[{row}, {column}]"), found, "a finite number")?;
            let mirrored = covariance[column][row];
            if (found - mirrored).abs() > ROUNDING * found.abs().max(mirrored.abs()) {
                return Err(Error::Asymmetric { matrix: "covariance", row, column, found, mirrored });
            }
        }
    }
    let eigenvalues = Mat::from_fn(N, N, |i, j| covariance[i][j])
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|error| Error::Library { library: "faer", message: format!("eigenvalues: {error:?}") })?;
    let largest = eigenvalues.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    match eigenvalues.first() {
        Some(&eigenvalue) if eigenvalue < -ROUNDING * N as f64 * largest => {
            Err(Error::Indefinite { matrix: "covariance", eigenvalue })
        }
        _ => Ok(()),
    }
}

/// Relative size of what counts as rounding in a matrix that a user typed or computed.
const ROUNDING: f64 = 1e-12;

/// The closed form, if students and teachers each have one activation that has one.
fn closed_form(
    g: &[&Activation],
    students: usize,
    mean: &[f64],
    quadrature: Quadrature,
) -> Option<Box<dyn Expectations>> {
    let alike = |list: &[&Activation]| {
        list.windows(2).all(|pair| std::mem::discriminant(pair[0]) == std::mem::discriminant(pair[1]))
    };
    if !alike(&g[..students]) || !alike(&g[students..]) {
        return None;
    }
    closed(g[0], g[students], mean.iter().all(|&value| value == 0.0), quadrature)
}

/// Checks the law and chooses how to average.
fn chosen<const N: usize>(
    g: [&Activation; N],
    covariance: &[[f64; N]; N],
    mean: &[f64; N],
    quadrature: Quadrature,
) -> Result<Box<dyn Expectations>> {
    check(covariance, mean)?;
    match closed_form(&g, 1, mean, quadrature) {
        Some(by) => Ok(by),
        None => Ok(Box::new(ByQuadrature::each(&g, quadrature)?)),
    }
}
