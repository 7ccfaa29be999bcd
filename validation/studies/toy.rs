//! The quadratic toy problem and the few tools that studies of populations share.

use std::error::Error;
use std::sync::Arc;

use learning_dynamics::exact::generations::Generations;
use learning_dynamics::frame::{Coordinate, Solver};
use learning_dynamics::problem::*;
use learning_dynamics::record::Series;

/// What a study returns when it cannot measure.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// `L = ½(θ − h)²`, `D = 0.1`, `F = −θ²`, Boltzmann weights with β = 1 and Poisson clock with κ = 1, `h` on [−4, 4] mutated by
/// N(0, 0.2²), from h ~ N(−1, 0.5²) with θ in equilibrium, ε = 0.1. The studies change what they vary.
pub fn toy() -> Population {
    Population {
        epsilon: 0.1,
        diffusion: 0.1.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.0], curvature: 1.0 }),
        h: vec![Domain::linear(-4.0, 4.0, Ends::Reflect)],
        selection: boltzmann(1.0, Clock::Poisson { rate: 1.0 }),
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.2 }],
        initial: Initial { h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }], theta: InitialTheta::Equilibrium },
    }
}

/// Boltzmann weights `exp(βF)` at the events of a clock.
pub fn boltzmann(beta: f64, clock: Clock) -> Selection {
    Selection::Events { rule: Rule::Boltzmann { beta }, clock }
}

/// The exact recursion of the toy problem in fast training.
pub fn generations(beta: f64, diffusion: f64, mutation_std: f64) -> Generations {
    Generations {
        beta,
        curvature: 1.0,
        optimum: 0.0,
        gibbs_variance: diffusion,
        mutation_variance: mutation_std * mutation_std,
    }
}

/// Everything a solver shows at `times`.
pub fn record(solver: &mut dyn Solver, times: &[f64]) -> Outcome<Series> {
    let mut series = Series::new();
    solver.run(times, &mut |frame| series.visit(frame))?;
    Ok(series)
}

/// A named axis for the data of a study.
pub fn axis(name: &'static str, description: &'static str, values: &[f64]) -> Arc<Coordinate> {
    Arc::new(Coordinate { name, description, values: values.to_vec(), bounds: None })
}

/// `Σ |a − b|`.
pub fn l1(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// Mean and variance under weights that need not sum to 1.
pub fn mean_and_variance(weights: &[f64], points: &[f64]) -> (f64, f64) {
    let total: f64 = weights.iter().sum();
    let mean = weights.iter().zip(points).map(|(w, x)| w * x).sum::<f64>() / total;
    let variance = weights.iter().zip(points).map(|(w, x)| w * (x - mean) * (x - mean)).sum::<f64>() / total;
    (mean, variance)
}

/// `a`, `b`, … equally spaced, `n` of them.
pub fn linspace(low: f64, high: f64, n: usize) -> Vec<f64> {
    (0..n).map(|k| low + (high - low) * k as f64 / (n - 1) as f64).collect()
}

/// Largest of some numbers; NaN if one of them is.
pub fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::NEG_INFINITY, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })
}

/// Smallest of some numbers; NaN if one of them is.
pub fn smallest(values: impl IntoIterator<Item = f64>) -> f64 {
    -largest(values.into_iter().map(|v| -v))
}

/// Slope of `y` against `x` by weighted least squares with known errors of `y`, and its standard error.
pub fn weighted_slope(x: &[f64], y: &[f64], error: &[f64]) -> (f64, f64) {
    let weights: Vec<f64> = error.iter().map(|e| 1.0 / (e * e)).collect();
    let (mean_x, var_x) = mean_and_variance(&weights, x);
    let (mean_y, _) = mean_and_variance(&weights, y);
    let spread = var_x * weights.iter().sum::<f64>();
    let slope = weights.iter().zip(x).zip(y).map(|((w, x), y)| w * (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
    (slope, spread.sqrt().recip())
}

/// Numbers for a note.
pub fn list(values: &[f64]) -> String {
    values.iter().map(|v| crate::report::number(*v)).collect::<Vec<_>>().join(", ")
}
