//! Hermite coefficients of functions of one standard normal variable.

use std::f64::consts::{FRAC_1_PI, PI};
use std::num::NonZeroUsize;

use gauss_quad::GaussLegendre;

use crate::error::{Error, Result, require};
use crate::numerics::normal::normal_density;
use crate::problem::{Activation, Link};

/// Degree from which on coefficients are refused: quadrature resolves no finer oscillations.
const MOST: usize = 2000;

/// `c_k = E[f(x) h_k(x)]` for k = 0 … degree, `h_k` the normalised probabilists' Hermite polynomials.
///
/// ```
/// use learning_dynamics::{gaussian::HermiteSeries, problem::Activation};
/// let relu = HermiteSeries::new(&Activation::Relu.into(), 4, "activation")?;
/// assert!((relu.coefficients[1] - 0.5).abs() < 1e-15 && relu.coefficients[3] == 0.0);
/// assert!((relu.tail - 0.0046).abs() < 1e-4); // Σ_{k>4} c_k²
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HermiteSeries {
    /// `c_0 … c_degree`.
    pub coefficients: Vec<f64>,
    /// Estimated largest error of a coefficient: 0 where they are exact, else the difference to a coarser quadrature.
    pub error: f64,
    /// `E[f²]`.
    pub norm: f64,
    /// `Σ_{k > degree} c_k²`, what the series leaves of `E[f²]`.
    pub tail: f64,
}

impl HermiteSeries {
    /// Exact for lists of coefficients, ReLU, `erf(x/√2)`, linear and quadratic functions; else by Gauss–Legendre quadrature
    /// on panels that end at the kinks. `name` is what errors call the function.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a degree above 2000; [`Error::Activation`] where the function is not finite.
    pub fn new(link: &Link, degree: usize, name: &'static str) -> Result<Self> {
        require(degree <= MOST, "degree", degree as f64, "at most 2000")?;
        let mut coefficients = vec![0.0; degree + 1];
        let norm = match link {
            Link::Hermite(list) => {
                coefficients.iter_mut().zip(list).for_each(|(c, value)| *c = *value);
                let tail = list.iter().skip(degree + 1).map(|c| c * c).sum();
                let norm = list.iter().map(|c| c * c).sum();
                return Ok(Self { coefficients, error: 0.0, norm, tail });
            }
            Link::Function(Activation::Relu) => {
                fill(&mut coefficients, 1, 0.5, |_| 0.0);
                fill(&mut coefficients, 0, 1.0 / (2.0 * PI).sqrt(), |k| (1.0 - k) / ((k + 1.0) * (k + 2.0)).sqrt());
                0.5
            }
            Link::Function(Activation::Erf) => {
                fill(&mut coefficients, 1, FRAC_1_PI.sqrt(), |k| -0.5 * k / ((k + 1.0) * (k + 2.0)).sqrt());
                1.0 / 3.0
            }
            Link::Function(Activation::Linear) => {
                fill(&mut coefficients, 1, 1.0, |_| 0.0);
                1.0
            }
            Link::Function(Activation::Quadratic) => {
                fill(&mut coefficients, 0, 1.0, |k| if k == 0.0 { 2_f64.sqrt() } else { 0.0 });
                3.0
            }
            Link::Function(_) => return Self::by_quadrature(link, degree, name),
        };
        Ok(Self::with(coefficients, 0.0, norm))
    }

    fn with(coefficients: Vec<f64>, error: f64, norm: f64) -> Self {
        let tail = norm - coefficients.iter().map(|c| c * c).sum::<f64>();
        Self { coefficients, error, norm, tail: tail.max(0.0) }
    }

    fn by_quadrature(link: &Link, degree: usize, name: &'static str) -> Result<Self> {
        let (fine, norm) = quadrature(link, degree, 32, name)?;
        let (coarse, _) = quadrature(link, degree, 24, name)?;
        let error = fine.iter().zip(&coarse).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
        Ok(Self::with(fine, error, norm))
    }
}

/// Every second coefficient from `first` on, by the ratio `c_{k+2}/c_k`.
fn fill(coefficients: &mut [f64], first: usize, value: f64, ratio: impl Fn(f64) -> f64) {
    let mut value = value;
    for (k, c) in coefficients.iter_mut().enumerate().skip(first).step_by(2) {
        *c = value;
        value *= ratio(k as f64);
    }
}

/// Coefficients and `E[f²]`.
fn quadrature(link: &Link, degree: usize, points: usize, name: &'static str) -> Result<(Vec<f64>, f64)> {
    /// `h_k φ` falls like `e^(−x²/4)` until |x| ≈ 2√k, so degrees up to 100 end within 25.
    const RADIUS: f64 = 25.0;
    let radius = RADIUS + 2.0 * ((degree as f64).sqrt() - 10.0).max(0.0);
    let mut ends: Vec<f64> = link.kinks().into_iter().filter(|x| x.abs() < radius).collect();
    // Panels of half a unit: h_2000 turns 14 times in one.
    let panels = (4.0 * radius) as i32;
    ends.extend((0..=panels).map(|k| f64::from(k) * 0.5 - 0.5 * f64::from(panels / 2)));
    ends.sort_by(f64::total_cmp);
    let rule = GaussLegendre::new(NonZeroUsize::new(points).unwrap_or(NonZeroUsize::MIN));
    let (mut coefficients, mut norm) = (vec![0.0; degree + 1], 0.0);
    for panel in ends.windows(2) {
        let (middle, half) = (0.5 * (panel[0] + panel[1]), 0.5 * (panel[1] - panel[0]));
        for (node, weight) in rule.iter() {
            let x = middle + half * node;
            let density = normal_density(x);
            if density == 0.0 {
                continue;
            }
            let value = link.at(x)[0];
            if !value.is_finite() {
                return Err(Error::Activation { function: name, value, x });
            }
            // h_k √φ neither overflows nor underflows where it counts.
            let root = density.sqrt();
            let weight = weight * half * value * root;
            let (mut before, mut h) = (0.0, root);
            for (k, c) in coefficients.iter_mut().enumerate() {
                let k = k as f64;
                *c += weight * h;
                (before, h) = (h, (x * h - k.sqrt() * before) / (k + 1.0).sqrt());
            }
            norm += weight * value * root;
        }
    }
    Ok((coefficients, norm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_coefficients_are_those_of_quadrature() {
        for activation in [Activation::Relu, Activation::Erf, Activation::Linear, Activation::Quadratic] {
            let link = activation.into();
            let exact = HermiteSeries::new(&link, 60, "f").unwrap();
            let other = HermiteSeries::by_quadrature(&link, 60, "f").unwrap();
            for (k, (a, b)) in exact.coefficients.iter().zip(&other.coefficients).enumerate() {
                // Rounding of sums of thousands of terms.
                assert!((a - b).abs() < 1e-14, "{link:?}, degree {k}: {a} {b}");
            }
            assert!(other.error < 1e-14, "{:e}", other.error);
            assert!((exact.norm - other.norm).abs() < 1e-13 && (exact.tail - other.tail).abs() < 1e-13);
        }
    }

    #[test]
    fn coefficients_of_known_values() {
        // Of ReLU: 1/√(2π), 1/2, 1/√(4π), 0, −1/√(48π).
        let relu = HermiteSeries::new(&Activation::Relu.into(), 4, "f").unwrap();
        let expected = [1.0 / (2.0 * PI).sqrt(), 0.5, 0.5 / PI.sqrt(), 0.0, -1.0 / (48.0 * PI).sqrt()];
        for (a, b) in relu.coefficients.iter().zip(expected) {
            assert!((a - b).abs() < 1e-16);
        }
        // E[tanh'] by Stein's lemma is the first one of tanh; mean 0.
        let tanh = HermiteSeries::new(&Activation::Tanh.into(), 200, "f").unwrap();
        assert!((tanh.coefficients[1] - 0.605_705_509_602_158_3).abs() < 1e-13, "{}", tanh.coefficients[1]);
        assert!(tanh.coefficients.iter().step_by(2).all(|c| c.abs() < 1e-15));
        assert!(tanh.error < 1e-14 && tanh.tail < 1e-9, "{tanh:?}");
    }

    #[test]
    fn lists_are_cut_and_padded() {
        let series = HermiteSeries::new(&[1.0, 2.0, 3.0].into(), 1, "f").unwrap();
        assert_eq!(series, HermiteSeries { coefficients: vec![1.0, 2.0], error: 0.0, norm: 14.0, tail: 9.0 });
        assert_eq!(HermiteSeries::new(&[1.0].into(), 2, "f").unwrap().coefficients, [1.0, 0.0, 0.0]);
    }

    #[test]
    fn high_degrees_stay_finite() {
        let gelu = HermiteSeries::new(&Activation::Gelu.into(), 1000, "f").unwrap();
        assert!(gelu.coefficients.iter().all(|c| c.is_finite()) && gelu.tail < 1e-12, "{:e}", gelu.tail);
        let error = HermiteSeries::new(&Activation::Gelu.into(), 2001, "f").unwrap_err().to_string();
        assert_eq!(error, "degree = 2001: expected at most 2000");
    }
}
