//! The joint problem of `peers/joint.py` at 256² and other sizes: CPU time and error, one JSON line a measurement.
//!
//! `cargo bench --bench joint [-- threads]`; CPU time is that of the whole process, on one thread unless asked.

use std::ops::ControlFlow;
use std::sync::Arc;

use learning_dynamics::Result;
use learning_dynamics::frame::Solver;
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::problem::*;

fn problem(epsilon: f64) -> Population {
    Population {
        epsilon,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic { stiffness: 1.0 }),
        fitness: Arc::new(QuadraticFitness { optimum: vec![1.0], curvature: 1.0 }),
        h: vec![Domain { low: -4.0, high: 4.0, ends: Ends::Reflect }],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate: 1.0 } },
        evaluation: Evaluation::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial { h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }], theta: InitialTheta::Equilibrium },
    }
}

fn solve(epsilon: f64, cells: usize, tolerance: f64) -> Result<Kinetic> {
    let theta = Axis::uniform("theta", -7.0, 7.0, cells)?;
    let mut kinetic = Kinetic::new(problem(epsilon), theta, cells, Steps::Tolerance(tolerance))?;
    kinetic.run(&[5.0], &mut |_| Ok(ControlFlow::Continue(())))?;
    Ok(kinetic)
}

/// User and system time of this process in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(f64::NAN) * 1e-9
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

fn main() -> Result<()> {
    for (cells, epsilon, tolerance) in [
        (256, 1.0, 1.5e-3),
        (256, 1e-2, 1.5e-3),
        (256, 1e-4, 1.5e-3),
        (256, 1e-8, 1.5e-3),
        (128, 1e-2, 1.5e-3),
        (512, 1e-2, 1.5e-3),
        (1024, 1e-2, 1.5e-3),
    ] {
        let repeats = if cells > 512 { 1 } else { 7 };
        let mut seconds = Vec::new();
        let mut run = solve(epsilon, cells, tolerance)?;
        for _ in 0..repeats {
            let start = cpu_seconds();
            run = solve(epsilon, cells, tolerance)?;
            seconds.push(cpu_seconds() - start);
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[repeats / 2];
        let error = if cells <= 256 {
            let exact = solve(epsilon, cells, 1e-8)?;
            distance(&run.marginal_h(), &exact.marginal_h())
        } else {
            f64::NAN
        };
        let statistics = run.statistics();
        println!(
            "{{\"item\":\"joint\",\"cells\":{cells},\"epsilon\":{epsilon:e},\"tolerance\":{tolerance:e},\"cpu_s\":{median:.4},\"steps\":{},\"rejected\":{},\"ms_per_step\":{:.3},\"err_marginal\":{error:.2e}}}",
            statistics.steps,
            statistics.rejected,
            1e3 * median / (statistics.steps + statistics.rejected) as f64,
        );
    }
    Ok(())
}
