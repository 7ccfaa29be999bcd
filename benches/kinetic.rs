//! Operators and whole solves of the joint equation, over sizes. `cargo bench --bench kinetic`; wall-clock.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use learning_dynamics::frame::Solver;
use learning_dynamics::grid::{Axis, FokkerPlanck, HyperGrid, MutationOperator, Shift, Term};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::problem::*;

fn problem() -> Population {
    Population {
        epsilon: 1e-2,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![1.0], curvature: 1.0 }),
        h: vec![Domain::linear(-4.0, 4.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate: 1.0 } },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial { h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }], theta: InitialTheta::Equilibrium },
    }
}

fn kinetic(criterion: &mut Criterion) {
    let problem = problem();
    let mut group = criterion.benchmark_group("kinetic");
    group.sample_size(10);
    for cells in [128, 256, 512, 1024] {
        let (Ok(theta), Ok(h)) = (Axis::uniform("theta", -7.0, 7.0, cells), HyperGrid::new(problem.h[0], cells)) else {
            continue;
        };
        let (Ok(operator), Ok(mutation)) =
            (FokkerPlanck::new(&problem, &theta, &h), MutationOperator::new(&problem.mutation, &h))
        else {
            continue;
        };
        group.throughput(Throughput::Elements((cells * cells) as u64));
        let (b, mut x, mut factors) = (vec![1.0; cells * cells], vec![0.0; cells * cells], operator.factors());
        let shift = Shift { q: 1.0, decay: None, c: 10.0 };
        group.bench_function(BenchmarkId::new("theta operator: factorise and solve", cells), |bench| {
            bench.iter(|| operator.solve(shift, &[Term::new(1.0, black_box(&b))], None, &mut factors, &mut x));
        });
        group.bench_function(BenchmarkId::new("weights and mutation", cells), |bench| {
            bench.iter(|| mutation.apply_weighted(black_box(&b), &b, &mut x));
        });
        group.bench_function(BenchmarkId::new("solve to t = 5, tolerance 2e-3", cells), |bench| {
            bench.iter(|| {
                let mut kinetic = Kinetic::new(problem.clone(), theta.clone(), cells, Steps::Tolerance(2e-3))?;
                kinetic.run(&[5.0], &mut |_| Ok(ControlFlow::Continue(())))?;
                learning_dynamics::Result::Ok(kinetic.statistics().steps)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, kinetic);
criterion_main!(benches);
