//! What the studies of the joint equation share: the problem, runs, distances, labels.

use std::ops::ControlFlow;
use std::sync::Arc;

use learning_dynamics::Result;
use learning_dynamics::frame::{Coordinate, Solver};
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::problem::{
    Clock, Domain, Ends, Evaluation, Inheritance, Initial, InitialTheta, Kernel, Law, Population, Quadratic,
    QuadraticFitness, Rule, Selection,
};

/// Quadratic loss (k = 1, D = ½), fitness `−(θ−1)²`, Boltzmann (β = 1) on a Poisson clock (κ = 1), Gaussian mutation of
/// size 0.1; h starts around −1 and θ, whatever h, around 1.5: far from equilibrium.
pub fn quadratic(epsilon: f64) -> Population {
    Population {
        epsilon,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![1.0], curvature: 1.0 }),
        h: vec![Domain::linear(-4.0, 4.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate: 1.0 } },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial {
            h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 1.5, std: 0.4 }]),
        },
    }
}

/// The joint equation of `problem` on [−half, half] × the domain of h, run to `end`.
pub fn solve(problem: &Population, half: f64, cells: (usize, usize), steps: Steps, end: f64) -> Result<Kinetic> {
    let theta = Axis::uniform("theta", -half, half, cells.0)?;
    let mut kinetic = Kinetic::new(problem.clone(), theta, cells.1, steps)?;
    kinetic.run(&[end], &mut |_| Ok(ControlFlow::Continue(())))?;
    Ok(kinetic)
}

/// `Σ|a − b|`.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// "10⁻⁴" for 1e-4, and "1" for 1.
pub fn power_of_ten(x: f64) -> String {
    let exponent = x.log10().round() as i32;
    if exponent == 0 {
        return "1".into();
    }
    let text = exponent.to_string();
    let digits = text.chars().map(|c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => char::from_u32('⁰' as u32 + c as u32 - '0' as u32).unwrap_or(c),
    });
    std::iter::once("10".to_owned()).chain(digits.map(String::from)).collect()
}

/// The five moments `[mean θ, mean h, var θ, cov, var h]` at each of `times`, one after the other.
pub fn moments(
    problem: &Population,
    (low, high): (f64, f64),
    cells: (usize, usize),
    tolerance: f64,
    times: &[f64],
) -> Result<Vec<f64>> {
    let theta = Axis::uniform("theta", low, high, cells.0)?;
    let mut kinetic = Kinetic::new(problem.clone(), theta, cells.1, Steps::Tolerance(tolerance))?;
    let mut moments = Vec::with_capacity(5 * times.len());
    kinetic.run(times, &mut |frame| {
        for name in ["mean_theta", "mean_h", "var_theta", "cov_theta_h", "var_h"] {
            moments.extend(frame.get("moments", name).unwrap_or(&[f64::NAN]));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(moments)
}

/// The largest `|a − b|`.
pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |worst, d| if d.is_nan() { d } else { d.max(worst) })
}

/// The limit of numbers found on grids that are halved each time, errors being even powers of the width (Romberg).
pub fn extrapolated(mut grids: Vec<Vec<f64>>) -> Vec<f64> {
    let mut factor = 4.0;
    while grids.len() > 1 {
        grids = grids
            .windows(2)
            .map(|g| g[0].iter().zip(&g[1]).map(|(coarse, fine)| (factor * fine - coarse) / (factor - 1.0)).collect())
            .collect();
        factor *= 4.0;
    }
    grids.pop().unwrap_or_default()
}

/// Of the last two observed orders, the one further from 2.
pub fn worst_order(errors: &[f64]) -> f64 {
    let orders = crate::fit::observed_orders(errors);
    let last = &orders[orders.len().saturating_sub(2)..];
    last.iter()
        .copied()
        .fold(2.0, |worst, p| if (p - 2.0).abs() > (worst - 2.0_f64).abs() || p.is_nan() { p } else { worst })
}

/// A coordinate without cells.
pub fn axis(name: &'static str, description: &'static str, values: &[f64]) -> Arc<Coordinate> {
    Arc::new(Coordinate { name, description, values: values.into(), bounds: None })
}

/// Adds up neighbours in pairs: masses of cells become those of cells of twice the width.
pub fn halved(masses: &[f64]) -> Vec<f64> {
    masses.chunks_exact(2).map(|pair| pair[0] + pair[1]).collect()
}

/// Numbers in a row, short.
pub fn list(values: &[f64]) -> String {
    values.iter().map(|v| crate::report::number(*v)).collect::<Vec<_>>().join(" ")
}
