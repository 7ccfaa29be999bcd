//! Laws of one real variable, each stated twice: cumulative function for cells, sampler for agents.

use rand::Rng;

use crate::error::{Result, require};
use crate::numerics::normal::{normal_cdf, standard_normal, uniform};

/// A probability law on the line.
#[derive(Debug, Clone, PartialEq)]
pub enum Law {
    /// Normal law.
    Gaussian {
        /// Mean.
        mean: f64,
        /// Standard deviation, > 0.
        std: f64,
    },
    /// Constant density on `[low, high]`.
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end, > `low`.
        high: f64,
    },
    /// `log x` uniform on `[log low, log high]`, 0 < `low` < `high`.
    LogUniform {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// All mass at one point.
    Point {
        /// Where.
        at: f64,
    },
}

impl Law {
    /// Checks the parameters; `key` names the law in the message.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`].
    pub fn validated(&self, key: &str) -> Result<()> {
        match *self {
            Law::Gaussian { mean, std } => {
                require(mean.is_finite(), format!("{key}.mean"), mean, "a finite number")?;
                require(std > 0.0 && std.is_finite(), format!("{key}.std"), std, "a positive number")
            }
            Law::Uniform { low, high } => {
                require(low.is_finite(), format!("{key}.low"), low, "a finite number")?;
                require(high > low && high.is_finite(), format!("{key}.high"), high, "a number above low")
            }
            Law::LogUniform { low, high } => {
                require(low > 0.0, format!("{key}.low"), low, "a positive number")?;
                require(high > low && high.is_finite(), format!("{key}.high"), high, "a number above low")
            }
            Law::Point { at } => require(at.is_finite(), format!("{key}.at"), at, "a finite number"),
        }
    }

    /// `P(X ≤ x)`.
    pub fn cdf(&self, x: f64) -> f64 {
        match *self {
            Law::Gaussian { mean, std } => normal_cdf((x - mean) / std),
            Law::Uniform { low, high } => ((x - low) / (high - low)).clamp(0.0, 1.0),
            Law::LogUniform { low, high } => {
                if x <= low {
                    0.0
                } else {
                    ((x / low).ln() / (high / low).ln()).min(1.0)
                }
            }
            Law::Point { at } => f64::from(x >= at),
        }
    }

    /// `P(a < X ≤ b)`, without cancellation in the upper tail of the Gaussian.
    pub fn mass(&self, a: f64, b: f64) -> f64 {
        match *self {
            Law::Gaussian { mean, std } if a > mean => normal_cdf((mean - a) / std) - normal_cdf((mean - b) / std),
            _ => self.cdf(b) - self.cdf(a),
        }
    }

    /// One draw; its bits do not depend on the machine.
    pub fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> f64 {
        match *self {
            Law::Gaussian { mean, std } => mean + std * standard_normal(rng),
            Law::Uniform { low, high } => low + (high - low) * uniform(rng),
            Law::LogUniform { low, high } => low * libm::exp(libm::log(high / low) * uniform(rng)),
            Law::Point { at } => at,
        }
    }
}
