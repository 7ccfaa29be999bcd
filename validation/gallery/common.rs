//! What the figures share.

use std::error::Error;
use std::sync::Arc;

use learning_dynamics::frame::Solver;
use learning_dynamics::problem::*;
use learning_dynamics::record::Series;

/// What a figure returns when it cannot be made.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// `L = ½(θ − h)²`, `F = −(θ − ½)²`, Boltzmann selection with β = 1 and the clock given, Gaussian mutation.
pub fn quadratic(epsilon: f64, diffusion: f64, selection: Selection, mutation: f64) -> Population {
    Population {
        epsilon,
        diffusion: diffusion.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.5], curvature: 1.0 }),
        h: vec![Domain::linear(-3.0, 3.0, Ends::Reflect)],
        selection,
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: mutation }],
        initial: Initial { h: vec![Law::Uniform { low: -1.0, high: 1.0 }], theta: InitialTheta::Equilibrium },
    }
}

/// Boltzmann weights `exp(βF)` at the events of a clock.
pub fn boltzmann(beta: f64, clock: Clock) -> Selection {
    Selection::Events { rule: Rule::Boltzmann { beta }, clock }
}

/// Everything a solver shows at `times`.
pub fn record(solver: &mut dyn Solver, times: &[f64]) -> Outcome<Series> {
    let mut series = Series::new();
    solver.run(times, &mut |frame| series.visit(frame))?;
    Ok(series)
}

/// One of the `of` numbers that a series holds at each time.
pub fn column(values: &[f64], at: usize, of: usize) -> Vec<f64> {
    values.iter().skip(at).step_by(of).copied().collect()
}

/// `n` numbers at equal distances from `low` to `high`.
pub fn linspace(low: f64, high: f64, n: usize) -> Vec<f64> {
    (0..n).map(|k| low + (high - low) * k as f64 / (n - 1) as f64).collect()
}

/// `values`, each times `factor`.
pub fn scaled(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|value| value * factor).collect()
}
