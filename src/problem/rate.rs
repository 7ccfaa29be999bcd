//! Learning rates τ(t).

use std::fmt::Debug;
use std::sync::Arc;

use crate::error::{Error, Result, require};

/// A learning rate over the time `t = steps/d` (dimensionless, ≥ 0). `η` in part of the literature.
#[derive(Clone)]
pub enum LearningRate {
    /// The same for ever.
    Constant(f64),
    /// `initial/(1 + t/scale)`.
    Inverse {
        /// τ(0).
        initial: f64,
        /// Time in which it falls to half.
        scale: f64,
    },
    /// `initial·exp(−t/scale)`.
    Exponential {
        /// τ(0).
        initial: f64,
        /// Time in which it falls to 1/e.
        scale: f64,
    },
    /// `rates[k]` from `times[k−1]` (0 for the first) up to `times[k]`; one more rate than times.
    Piecewise {
        /// When it jumps, increasing.
        times: Vec<f64>,
        /// The values between.
        rates: Vec<f64>,
    },
    /// Straight lines between `(times[k], rates[k])`, constant outside. With it, a recorded rate can be replayed.
    Tabulated {
        /// The knots, increasing.
        times: Vec<f64>,
        /// The values there.
        rates: Vec<f64>,
    },
    /// The user's own.
    Function(Arc<dyn Fn(f64) -> f64 + Send + Sync>),
    /// The rate that makes `E_g` fall fastest at this moment (locally optimal), at most `most`.
    ///
    /// Only the order parameters know it. To simulate it, record `learning_rate` and replay it as `Tabulated`.
    Greedy {
        /// Upper bound.
        most: f64,
    },
}

/// A number ≥ 0 over time, as the β of annealed selection: the forms of a learning rate, but for the greedy one.
pub type Schedule = LearningRate;

impl From<f64> for LearningRate {
    fn from(rate: f64) -> Self {
        Self::Constant(rate)
    }
}

impl Debug for LearningRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant(rate) => write!(f, "{rate}"),
            Self::Inverse { initial, scale } => write!(f, "{initial}/(1 + t/{scale})"),
            Self::Exponential { initial, scale } => write!(f, "{initial} exp(−t/{scale})"),
            Self::Piecewise { times, rates } => write!(f, "{rates:?} jumping at {times:?}"),
            Self::Tabulated { times, .. } => write!(f, "a table of {} knots", times.len()),
            Self::Function(_) => f.write_str("a function of t"),
            Self::Greedy { most } => write!(f, "greedy, at most {most}"),
        }
    }
}

impl LearningRate {
    /// `τ(t)`; `None` for the greedy rate, which depends on the state.
    pub fn at(&self, t: f64) -> Option<f64> {
        Some(match self {
            Self::Constant(rate) => *rate,
            Self::Inverse { initial, scale } => initial / (1.0 + t / scale),
            Self::Exponential { initial, scale } => initial * (-t / scale).exp(),
            Self::Piecewise { times, rates } => {
                let piece = times.partition_point(|&jump| jump <= t);
                rates.get(piece).copied().unwrap_or(f64::NAN)
            }
            Self::Tabulated { times, rates } => interpolate(times, rates, t),
            Self::Function(function) => function(t),
            Self::Greedy { .. } => return None,
        })
    }

    /// Where it is not smooth: an integration ends a step there.
    pub fn breaks(&self) -> &[f64] {
        match self {
            Self::Piecewise { times, .. } | Self::Tabulated { times, .. } => times,
            _ => &[],
        }
    }

    /// # Errors
    /// [`Error::Parameter`] for rates that are negative or not finite, scales that are not positive, times that do not
    /// increase; [`Error::Shape`] for lists of the wrong length.
    pub fn validated(&self, key: &str) -> Result<()> {
        let rate = |value: f64| require(value >= 0.0 && value.is_finite(), key, value, "a finite number ≥ 0");
        let lists = |times: &[f64], rates: &[f64], expected: usize| {
            if rates.len() != expected {
                return Err(Error::Shape { what: format!("{key}: rates"), found: rates.len(), expected });
            }
            for pair in times.windows(2) {
                require(pair[1] > pair[0], format!("{key}: times"), pair[1], "a time after the one before")?;
            }
            for &time in times {
                require(time.is_finite(), format!("{key}: times"), time, "a finite number")?;
            }
            rates.iter().try_for_each(|&value| rate(value))
        };
        match self {
            Self::Constant(value) => rate(*value),
            Self::Inverse { initial, scale } | Self::Exponential { initial, scale } => {
                rate(*initial)?;
                require(*scale > 0.0 && scale.is_finite(), format!("{key}: scale"), *scale, "a finite number > 0")
            }
            Self::Piecewise { times, rates } => lists(times, rates, times.len() + 1),
            Self::Tabulated { times, rates } => {
                require(!times.is_empty(), format!("{key}: knots"), 0.0, "at least one")?;
                lists(times, rates, times.len())
            }
            Self::Function(function) => rate(function(0.0)),
            Self::Greedy { most } => require(*most > 0.0 && most.is_finite(), key, *most, "a finite number > 0"),
        }
    }
}

fn interpolate(times: &[f64], rates: &[f64], t: f64) -> f64 {
    let after = times.partition_point(|&knot| knot <= t);
    match (
        after.checked_sub(1).and_then(|k| Some((times.get(k)?, rates.get(k)?))),
        times.get(after).zip(rates.get(after)),
    ) {
        (Some((t0, r0)), Some((t1, r1))) => r0 + (r1 - r0) * (t - t0) / (t1 - t0),
        (Some((_, rate)), None) | (None, Some((_, rate))) => *rate,
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_take_their_values() {
        let inverse = LearningRate::Inverse { initial: 2.0, scale: 4.0 };
        let exponential = LearningRate::Exponential { initial: 2.0, scale: 4.0 };
        let piecewise = LearningRate::Piecewise { times: vec![1.0, 2.0], rates: vec![3.0, 2.0, 1.0] };
        let table = LearningRate::Tabulated { times: vec![1.0, 3.0], rates: vec![0.0, 4.0] };
        assert_eq!(inverse.at(4.0), Some(1.0));
        assert_eq!(exponential.at(4.0), Some(2.0 * (-1f64).exp()));
        assert_eq!([0.0, 1.0, 1.5, 2.0].map(|t| piecewise.at(t)), [Some(3.0), Some(2.0), Some(2.0), Some(1.0)]);
        assert_eq!([0.0, 1.5, 3.0, 9.0].map(|t| table.at(t)), [Some(0.0), Some(1.0), Some(4.0), Some(4.0)]);
        assert_eq!(LearningRate::Greedy { most: 1.0 }.at(0.0), None);
    }

    #[test]
    fn bad_laws_are_named() {
        let bad = [
            LearningRate::Constant(-1.0),
            LearningRate::Constant(f64::NAN),
            LearningRate::Inverse { initial: 1.0, scale: 0.0 },
            LearningRate::Piecewise { times: vec![1.0], rates: vec![1.0] },
            LearningRate::Piecewise { times: vec![2.0, 1.0], rates: vec![1.0; 3] },
            LearningRate::Tabulated { times: vec![], rates: vec![] },
            LearningRate::Function(Arc::new(|_| f64::INFINITY)),
            LearningRate::Greedy { most: 0.0 },
        ];
        for rate in bad {
            let text = rate.validated("learning_rate").unwrap_err().to_string();
            assert!(text.contains("learning_rate") && text.contains("expected"), "{text}");
        }
    }
}
