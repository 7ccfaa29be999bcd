//! Cost of the averaged equation: the effective weight, one run of each form, the stationary law.
#![allow(missing_docs)]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use learning_dynamics::averaged::{Averaged, Effective, Settings, Weight};
use learning_dynamics::frame::Solver;
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::problem::*;

fn problem(replicator: bool) -> Population {
    let rule = Rule::Boltzmann { beta: 1.0 };
    Population {
        epsilon: 1.0,
        diffusion: 0.1.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.5], curvature: 1.0 }),
        h: vec![Domain::linear(-3.0, 3.0, Ends::Reflect)],
        selection: if replicator {
            Selection::Replicator { beta: 1.0 }
        } else {
            Selection::Events { rule, clock: Clock::Poisson { rate: 1.0 } }
        },
        mutation: vec![if replicator { Kernel::Diffusion { diffusion: 0.02 } } else { Kernel::Gaussian { std: 0.2 } }],
        initial: Initial { h: vec![Law::Uniform { low: -1.0, high: 1.0 }], theta: InitialTheta::Equilibrium },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
    }
}

fn solver(replicator: bool, cells: usize) -> Option<Averaged> {
    let problem = problem(replicator);
    let grid = HyperGrid::new(problem.h[0], cells).ok()?;
    Averaged::new(problem, grid, Settings { weight: Weight::ClosedForm, tolerance: 1e-8 }).ok()
}

fn averaged(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("averaged");
    group.sample_size(10);
    if let Ok(theta) = Axis::uniform("theta", -6.0, 6.0, 512) {
        let (problem, weight) = (problem(false), Weight::Quadrature { theta: theta.into() });
        let points: Vec<f64> = (0..600).map(|k| f64::from(k) * 0.01 - 3.0).collect();
        group.bench_function("quadrature 600 x 512", |bench| {
            bench.iter(|| Effective::new(&problem, black_box(&points), &weight));
        });
    }
    for cells in [150, 300, 600, 1200] {
        for (name, replicator) in [("jump to t = 5", false), ("replicator to t = 5", true)] {
            let Some(start) = solver(replicator, cells) else { continue };
            group.bench_function(BenchmarkId::new(name, cells), |bench| {
                bench.iter(|| start.clone().run(black_box(&[5.0]), &mut |_| Ok(ControlFlow::Continue(()))));
            });
        }
    }
    if let Some(start) = solver(false, 300) {
        group.bench_function("stationary 300", |bench| bench.iter(|| black_box(&start).stationary()));
    }
    group.finish();
}

criterion_group!(benches, averaged);
criterion_main!(benches);
