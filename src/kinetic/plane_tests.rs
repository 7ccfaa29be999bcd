//! dθ = 2.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::grid::Axis;
use crate::problem::*;

/// `½(θ₁ − h)² + ½(θ₂ − θ₁/2)²`.
#[derive(Debug)]
struct Chain;

impl Loss for Chain {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        0.5 * (theta[0] - h[0]).powi(2) + 0.5 * (theta[1] - 0.5 * theta[0]).powi(2)
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        let pull = theta[1] - 0.5 * theta[0];
        (out[0], out[1]) = (theta[0] - h[0] - 0.5 * pull, pull);
    }

    fn dimension(&self) -> usize {
        2
    }
}

fn joint(epsilon: f64) -> Population {
    Population {
        epsilon,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Chain),
        fitness: Arc::new(QuadraticFitness { optimum: vec![1.0, 0.5], curvature: 1.0 }),
        h: vec![Domain::linear(-3.0, 3.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate: 1.0 } },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.3 }],
        initial: Initial {
            h: vec![Law::Gaussian { mean: -0.5, std: 0.5 }],
            theta: InitialTheta::Law(vec![
                Law::Gaussian { mean: 1.5, std: 0.4 },
                Law::Gaussian { mean: -1.0, std: 0.4 },
            ]),
        },
    }
}

fn himmelblau(epsilon: f64) -> Population {
    Population {
        diffusion: 0.1.into(),
        loss: Arc::new(Himmelblau { scale: 100.0, role: Role::Shift }),
        fitness: Arc::new(Himmelblau::new(100.0)),
        h: vec![Domain::linear(-1.0, 1.0, Ends::Reflect)],
        mutation: vec![Kernel::Gaussian { std: 0.2 }],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Uniform { low: -0.5, high: 0.5 }; 2]),
        },
        ..joint(epsilon)
    }
}

fn square(half: f64, cells: usize) -> [Axis; 2] {
    [(); 2].map(|()| Axis::uniform("theta", -half, half, cells).unwrap())
}

fn solve(problem: &Population, cells: usize, h_cells: usize, steps: Steps, times: &[f64]) -> Kinetic {
    let mut kinetic = Kinetic::new(problem.clone(), square(6.0, cells), h_cells, steps).unwrap();
    kinetic.run(times, &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    kinetic
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

#[test]
#[ignore]
fn table() {
    for (name, make) in [("chain", joint as fn(f64) -> Population), ("himmelblau", himmelblau)] {
        for epsilon in [1.0, 1e-2, 1e-4, 1e-8] {
            let problem = make(epsilon);
            let exact = solve(&problem, 48, 16, Steps::Tolerance(1e-9), &[5.0]);
            println!("{name} {epsilon:e}: reference {:?}", exact.statistics().steps);
            for tolerance in [1e-2, 1e-3, 1e-4, 1e-6] {
                let t = std::time::Instant::now();
                let run = solve(&problem, 48, 16, Steps::Tolerance(tolerance), &[5.0]);
                let t = t.elapsed().as_secs_f64();
                let s = run.statistics();
                let ratio = distance(run.masses(), exact.masses()) / tolerance;
                println!(
                    "  {tolerance:e}: ratio {ratio:.3} steps {} rejected {} factorisations {} moved {:.1e} time {t:.3}",
                    s.steps, s.rejected, s.factorisations, s.moved_mass
                );
            }
        }
    }
}
