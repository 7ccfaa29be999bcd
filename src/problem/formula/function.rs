//! The operations of formulas on numbers. Nothing here depends on the machine: `libm`, not the system.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2};

use crate::numerics::normal::normal_cdf;

/// An operation on one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Unary {
    Negative,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Exp,
    Log,
    Log2,
    Log10,
    Sqrt,
    Abs,
    Sign,
    Floor,
    Ceil,
    Round,
    Erf,
    NormalCdf,
    Relu,
    Step,
    Sigmoid,
    Softplus,
}

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Max,
    Min,
    /// The second number where the first is above 0, else 0. Not for users: derivatives of max, min and relu.
    Where,
}

/// What a name followed by arguments means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Function {
    One(Unary),
    Two(Binary),
    /// `x Φ(x)`.
    Gelu,
}

/// Every function by name. `log` is the natural one.
pub(super) const FUNCTIONS: [(&str, Function); 29] = [
    ("sin", Function::One(Unary::Sin)),
    ("cos", Function::One(Unary::Cos)),
    ("tan", Function::One(Unary::Tan)),
    ("asin", Function::One(Unary::Asin)),
    ("acos", Function::One(Unary::Acos)),
    ("atan", Function::One(Unary::Atan)),
    ("sinh", Function::One(Unary::Sinh)),
    ("cosh", Function::One(Unary::Cosh)),
    ("tanh", Function::One(Unary::Tanh)),
    ("exp", Function::One(Unary::Exp)),
    ("log", Function::One(Unary::Log)),
    ("ln", Function::One(Unary::Log)),
    ("log2", Function::One(Unary::Log2)),
    ("log10", Function::One(Unary::Log10)),
    ("sqrt", Function::One(Unary::Sqrt)),
    ("abs", Function::One(Unary::Abs)),
    ("sign", Function::One(Unary::Sign)),
    ("floor", Function::One(Unary::Floor)),
    ("ceil", Function::One(Unary::Ceil)),
    ("round", Function::One(Unary::Round)),
    ("erf", Function::One(Unary::Erf)),
    ("normal_cdf", Function::One(Unary::NormalCdf)),
    ("relu", Function::One(Unary::Relu)),
    ("step", Function::One(Unary::Step)),
    ("sigmoid", Function::One(Unary::Sigmoid)),
    ("softplus", Function::One(Unary::Softplus)),
    ("gelu", Function::Gelu),
    ("max", Function::Two(Binary::Max)),
    ("min", Function::Two(Binary::Min)),
];

/// Every constant by name.
pub(super) const CONSTANTS: [(&str, f64); 5] = [
    ("pi", std::f64::consts::PI),
    ("PI", std::f64::consts::PI),
    ("π", std::f64::consts::PI),
    ("e", std::f64::consts::E),
    ("E", std::f64::consts::E),
];

impl Unary {
    #[inline(always)]
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Negative => -x,
            Self::Sin => libm::sin(x),
            Self::Cos => libm::cos(x),
            Self::Tan => libm::tan(x),
            Self::Asin => libm::asin(x),
            Self::Acos => libm::acos(x),
            Self::Atan => libm::atan(x),
            Self::Sinh => libm::sinh(x),
            Self::Cosh => libm::cosh(x),
            Self::Tanh => libm::tanh(x),
            Self::Exp => libm::exp(x),
            Self::Log => libm::log(x),
            Self::Log2 => libm::log2(x),
            Self::Log10 => libm::log10(x),
            Self::Sqrt => x.sqrt(),
            Self::Abs => x.abs(),
            Self::Sign => {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    // 0, and NaN stays NaN.
                    x
                }
            }
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round(),
            Self::Erf => libm::erf(x),
            Self::NormalCdf => normal_cdf(x),
            // Not `max`, which would turn NaN into 0.
            Self::Relu => {
                if x <= 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Step => Binary::Where.at(x, 1.0),
            Self::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
            Self::Softplus => Self::Relu.at(x) + libm::log1p(libm::exp(-x.abs())),
        }
    }

    /// Whether the value or the derivative jumps somewhere.
    pub fn has_kinks(self) -> bool {
        matches!(self, Self::Abs | Self::Sign | Self::Floor | Self::Ceil | Self::Round | Self::Relu | Self::Step)
    }
}

impl Binary {
    #[inline(always)]
    pub fn at(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Power => libm::pow(a, b),
            // NaN on either side stays NaN, unlike in `f64::max`.
            Self::Max => {
                if a > b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Self::Min => {
                if a < b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Self::Where => {
                if a > 0.0 {
                    b
                } else if a <= 0.0 {
                    0.0
                } else {
                    f64::NAN
                }
            }
        }
    }
}

/// `1/ln 2`, `1/ln 10`, `2/√π` and `1/√(2π)`, for derivatives.
pub(super) const LOG2_E: f64 = 1.0 / LN_2;
pub(super) const LOG10_E: f64 = std::f64::consts::LOG10_E;
pub(super) const TWO_OVER_SQRT_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI;
pub(super) const INVERSE_SQRT_TAU: f64 = 0.5 * FRAC_1_SQRT_2 * TWO_OVER_SQRT_PI;
