//! What the studies of teacher and student share.

use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::statistics::mean_and_error;
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use ndarray::array;

/// Exact for linear units, and cheaper than the rule for any activation.
pub const POLYNOMIAL: Quadrature = Quadrature::GaussHermite { points: 4 };

/// One linear unit each, `ρ = 1`.
pub fn linear(m: f64, q: f64, tau: f64, decay: f64, noise: f64, batch: usize) -> Committee {
    let student = Student::new(array![[q]], array![[m]], Activation::Linear);
    let plain = Committee::new(Teacher::orthonormal(1, Activation::Linear), student, tau);
    Committee { weight_decay: decay, noise_variance: noise, batch, ..plain }
}

/// Mean over runs and its standard error (NaN for a single run, which fails every gate).
pub fn mean_se(runs: &[f64]) -> (f64, f64) {
    let (mean, error) = mean_and_error(runs);
    (mean, error.unwrap_or(f64::NAN))
}

/// The number furthest from 0, NaN first.
pub fn furthest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |worst: f64, x| if x.is_nan() || x.abs() > worst.abs() { x } else { worst })
}
