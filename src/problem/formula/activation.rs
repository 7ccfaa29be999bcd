//! Activations given as text.

use std::fmt::Debug;

use super::Formula;
use crate::error::Result;
use crate::problem::Nonlinearity;

/// Kinks are looked for up to here: beyond, the normal law of any field has mass 1e-33.
const FAR: f64 = 12.0;
/// Places at which their arguments are looked at; of two zeros closer than the distance of these, both may be missed.
const PLACES: usize = 4800;

/// An activation given as text, in `x`, with its exact derivative.
///
/// ```
/// use std::sync::Arc;
/// use learning_dynamics::problem::{Activation, FormulaActivation};
///
/// let leaky = Activation::Custom(Arc::new(FormulaActivation::new("max(x, 0.1*x)")?));
/// assert_eq!((leaky.value(-2.0), leaky.derivative(-2.0), leaky.kinks()), (-0.2, 0.1, vec![0.0]));
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
#[derive(Clone)]
pub struct FormulaActivation {
    value: Formula,
    derivative: Formula,
    kinks: Vec<f64>,
}

impl FormulaActivation {
    /// An activation `g(x)`.
    ///
    /// # Errors
    /// [`crate::Error::Formula`], as [`Formula::new`].
    pub fn new(text: &str) -> Result<Self> {
        let value = Formula::new(text, &["x"])?;
        let derivative = value.derivative(0)?;
        let (arguments, values) = value.kink_arguments();
        let mut kinks = Vec::new();
        for argument in &arguments {
            changes(|x| argument.value(&[x]), |before, after| sign(before) != sign(after), &mut kinks);
        }
        for value in &values {
            changes(|x| value.value(&[x]), |before, after| before != after, &mut kinks);
        }
        kinks.sort_by(f64::total_cmp);
        kinks.dedup_by(|a, b| (*a - *b).abs() < 1e-12);
        Ok(Self { value, derivative, kinks })
    }
}

fn sign(x: f64) -> i8 {
    i8::from(x > 0.0) - i8::from(x < 0.0)
}

/// Finds where `function` changes, by bisection between places on a fixed mesh.
fn changes(function: impl Fn(f64) -> f64, differ: impl Fn(f64, f64) -> bool, found: &mut Vec<f64>) {
    let place = |k: usize| (2.0 * k as f64 / PLACES as f64 - 1.0) * FAR;
    let mut before = (place(0), function(place(0)));
    for k in 1..=PLACES {
        let after = (place(k), function(place(k)));
        if differ(before.1, after.1) && !before.1.is_nan() && !after.1.is_nan() {
            let (mut low, mut high) = (before, after);
            // To the last bit of numbers of order one, and to 1e-17 near 0.
            for _ in 0..60 {
                let middle = 0.5 * (low.0 + high.0);
                let value = function(middle);
                if differ(low.1, value) {
                    high = (middle, value);
                } else {
                    low = (middle, value);
                }
            }
            // A zero of the argument itself is the better of the two ends.
            found.push(if low.1 == 0.0 { low.0 } else { high.0 });
        }
        before = after;
    }
}

impl Debug for FormulaActivation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FormulaActivation({:?})", self.value)
    }
}

impl Nonlinearity for FormulaActivation {
    fn value(&self, x: f64) -> f64 {
        self.value.value(&[x])
    }

    fn derivative(&self, x: f64) -> f64 {
        self.derivative.value(&[x])
    }

    fn kinks(&self) -> Vec<f64> {
        self.kinks.clone()
    }
}
