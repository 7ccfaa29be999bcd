//! Coefficients, schedules and weights given as text.

use std::sync::Arc;

use super::{Formula, variables};
use crate::error::Result;
use crate::problem::{Coefficient, LearningRate, Rule};

/// A function of hyperparameters.
pub(crate) type OfHyperparameters = Arc<dyn Fn(&[f64]) -> f64 + Send + Sync>;

fn of_h(text: &str, dim_h: usize) -> Result<Formula> {
    let names = variables(0, dim_h);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Formula::new(text, &names)
}

/// The logarithm of a formula in the `dim_h` hyperparameters, taken apart at exponentials.
///
/// # Errors
/// [`crate::Error::Formula`], as [`Formula::new`].
pub(crate) fn log_of_h(text: &str, dim_h: usize) -> Result<OfHyperparameters> {
    let log = of_h(text, dim_h)?.log();
    Ok(Arc::new(move |h: &[f64]| log.value(h)))
}

impl Coefficient {
    /// A formula in `h` (`h_1`, `h_2`, … if there are several), as `"0.1*h^2"`; without variables, a constant.
    ///
    /// # Errors
    /// [`crate::Error::Formula`], as [`Formula::new`].
    pub fn formula(text: &str, dim_h: usize) -> Result<Self> {
        let formula = of_h(text, dim_h)?;
        Ok(match formula.constant() {
            Some(value) => Self::Constant(value),
            None => Self::Function(Arc::new(move |h: &[f64]| formula.value(h))),
        })
    }
}

impl LearningRate {
    /// A formula in the time `t`, as `"0.5/(1 + t/50)"`; without it, a constant. Where it is not smooth no integration ends
    /// a step: give jumps as [`LearningRate::Piecewise`].
    ///
    /// # Errors
    /// [`crate::Error::Formula`], as [`Formula::new`].
    pub fn formula(text: &str) -> Result<Self> {
        let formula = Formula::new(text, &["t"])?;
        Ok(match formula.constant() {
            Some(value) => Self::Constant(value),
            None => Self::Function(Arc::new(move |t: f64| formula.value(&[t]))),
        })
    }
}

impl Rule {
    /// The weight `w(F)` as a formula in `F` (or `fitness`), as `"exp(2*F)"` or `"max(F, 0)^2"`. Its logarithm is taken apart at
    /// exponentials, so that neither large nor small weights are lost. Where it is negative or NaN, solvers report it.
    ///
    /// # Errors
    /// [`crate::Error::Formula`], as [`Formula::new`].
    pub fn formula(text: &str) -> Result<Self> {
        let log = Formula::with_names(text, &[("F", 0), ("fitness", 0)], 1)?.log();
        Ok(Self::Weight(Arc::new(move |fitness: f64| log.value(&[fitness]))))
    }
}
