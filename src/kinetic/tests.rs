use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::problem::*;

/// The joint problem with everything at ordinary size.
fn joint(epsilon: f64) -> Population {
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
        initial: Initial {
            h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 1.5, std: 0.4 }]),
        },
    }
}

fn solve(problem: &Population, cells: usize, steps: Steps, end: f64) -> Kinetic {
    let theta = Axis::uniform("theta", -7.0, 7.0, cells).unwrap();
    let mut kinetic = Kinetic::new(problem.clone(), theta, cells, steps).unwrap();
    kinetic.run(&[end], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    kinetic
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

#[test]
fn error_follows_the_tolerance() {
    for epsilon in [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8] {
        let problem = joint(epsilon);
        let exact = solve(&problem, 64, Steps::Tolerance(1e-9), 5.0);
        for tolerance in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6] {
            let run = solve(&problem, 64, Steps::Tolerance(tolerance), 5.0);
            let error = distance(run.masses(), exact.masses());
            let marginal = distance(&run.marginal_h(), &exact.marginal_h());
            let s = run.statistics();
            println!(
                "eps {epsilon:e} tol {tolerance:e}: joint/tol {:.3} marginal/tol {:.3} steps {} rejected {} moved {:e}",
                error / tolerance,
                marginal / tolerance,
                s.steps,
                s.rejected,
                s.moved_mass
            );
        }
    }
}
