//! Activations `g(x)` of the units of a network.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::fmt::Debug;
use std::sync::Arc;

use crate::numerics::normal::{normal_cdf, normal_density};

/// An activation of the user's own.
///
/// ```
/// use learning_dynamics::problem::Nonlinearity;
///
/// #[derive(Debug)]
/// struct Swish; // x/(1 + e^(−x))
/// impl Nonlinearity for Swish {
///     fn value(&self, x: f64) -> f64 {
///         x / (1.0 + (-x).exp())
///     }
///     fn derivative(&self, x: f64) -> f64 {
///         let s = 1.0 / (1.0 + (-x).exp());
///         s + x * s * (1.0 - s)
///     }
/// }
/// ```
pub trait Nonlinearity: Send + Sync + Debug {
    /// `g(x)`.
    fn value(&self, x: f64) -> f64;

    /// `g'(x)`.
    fn derivative(&self, x: f64) -> f64;

    /// Where `g` or `g'` jumps; quadrature splits its integrals there.
    fn kinks(&self) -> Vec<f64> {
        Vec::new()
    }
}

/// The activation of a layer.
#[derive(Debug, Clone, Default)]
pub enum Activation {
    /// `erf(x/√2)`.
    #[default]
    Erf,
    /// `max(0, x)`.
    Relu,
    /// `x`.
    Linear,
    /// `x²` (phase retrieval).
    Quadratic,
    /// `tanh x`.
    Tanh,
    /// `x Φ(x)`, Φ the cumulative function of the standard normal law (Hendrycks & Gimpel 2016).
    Gelu,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// The user's own.
    Custom(Arc<dyn Nonlinearity>),
}

impl Activation {
    /// Every activation that has a name.
    pub const NAMED: [Self; 7] =
        [Self::Erf, Self::Relu, Self::Linear, Self::Quadratic, Self::Tanh, Self::Gelu, Self::Softplus];

    /// `g(x)`, the same bits on every machine.
    pub fn value(&self, x: f64) -> f64 {
        match self {
            Self::Erf => libm::erf(x * FRAC_1_SQRT_2),
            // Not `max`, which would turn NaN into 0.
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Linear => x,
            Self::Quadratic => x * x,
            Self::Tanh => libm::tanh(x),
            Self::Gelu => x * normal_cdf(x),
            Self::Softplus => x.max(0.0) + libm::log1p(libm::exp(-x.abs())),
            Self::Custom(own) => own.value(x),
        }
    }

    /// `g'(x)`; at the kink of ReLU, 0.
    pub fn derivative(&self, x: f64) -> f64 {
        match self {
            Self::Erf => FRAC_1_SQRT_2 * FRAC_2_SQRT_PI * libm::exp(-0.5 * x * x),
            Self::Relu => f64::from(x > 0.0),
            Self::Linear => 1.0,
            Self::Quadratic => 2.0 * x,
            Self::Tanh => {
                let value = libm::tanh(x);
                1.0 - value * value
            }
            Self::Gelu => normal_cdf(x) + x * normal_density(x),
            Self::Softplus => 1.0 / (1.0 + libm::exp(-x)),
            Self::Custom(own) => own.derivative(x),
        }
    }

    /// Where `g` or `g'` jumps.
    pub fn kinks(&self) -> Vec<f64> {
        match self {
            Self::Relu => vec![0.0],
            Self::Custom(own) => own.kinks(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_the_values() {
        for activation in Activation::NAMED {
            for x in [-30.0, -2.5, -0.3, 0.1, 1.0, 4.0, 30.0] {
                let h = 1e-5;
                let slope = (activation.value(x + h) - activation.value(x - h)) / (2.0 * h);
                // Central difference: h² and rounding of values up to 900 over h.
                let tolerance = 1e-9 + 1e-16 * activation.value(x).abs() / h * 4.0;
                assert!((slope - activation.derivative(x)).abs() < tolerance, "{activation:?} at {x}");
            }
        }
    }

    #[test]
    fn nan_stays_nan() {
        for activation in Activation::NAMED {
            assert!(activation.value(f64::NAN).is_nan(), "{activation:?}");
        }
    }
}
