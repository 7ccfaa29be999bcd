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

/// Rules on cells of 256², with a fitness of θ alone and of both, and two hyperparameters.
fn rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rules");
    group.sample_size(10);
    let of_theta: Arc<dyn Fitness> = Arc::new(FitnessFn(|t: f64, _| -(t - 1.0) * (t - 1.0)));
    let of_both: Arc<dyn Fitness> = Arc::new(FitnessFn(|t: f64, h: f64| (1.7 * t + h).sin() - 0.3 * h * h));
    for (seen, fitness) in [("F(theta)", of_theta), ("F(theta, h)", of_both)] {
        for (name, rule) in [
            ("Boltzmann", Rule::Boltzmann { beta: 1.0 }),
            ("truncation", Rule::Truncation { fraction: 0.25 }),
            ("tournament", Rule::Tournament),
        ] {
            let selection = Selection::Events { rule, clock: Clock::Poisson { rate: 1.0 } };
            let problem = Population { selection, fitness: fitness.clone(), ..problem() };
            let Ok(theta) = Axis::uniform("theta", -7.0, 7.0, 256) else { continue };
            // One step of a fixed length: one solution in θ, one event in all cells.
            let Ok(mut kinetic) = Kinetic::new(problem, theta, 256, Steps::Uniform(1e-3)) else { continue };
            group.bench_function(BenchmarkId::new(format!("100 steps, {name}"), seen), |bench| {
                bench.iter(|| {
                    let end = kinetic.time() + 0.1;
                    kinetic.run(black_box(&[end]), &mut |_| Ok(ControlFlow::Continue(())))
                });
            });
        }
    }
    for cells in [32, 64] {
        let mut problem = problem();
        problem.h.push(Domain::log(1e-4, 1e-1, Ends::Reflect));
        problem.mutation.push(Kernel::Gaussian { std: 0.5 });
        problem.initial.h.push(Law::LogUniform { low: 1e-4, high: 1e-1 });
        let (Ok(grid), Ok(theta)) = (HyperGrid::new(&problem.h, [cells, cells]), Axis::uniform("theta", -7.0, 7.0, 64))
        else {
            continue;
        };
        let Ok(mutation) = MutationOperator::new(&problem.mutation, &grid) else { continue };
        let (f, mut out) = (vec![1.0; 64 * grid.len()], vec![0.0; 64 * grid.len()]);
        group.throughput(Throughput::Elements(f.len() as u64));
        group.bench_function(BenchmarkId::new("mutation, 64 θ × n × n", cells), |bench| {
            bench.iter(|| mutation.apply_weighted(black_box(&f), &f, &mut out));
        });
        group.bench_function(BenchmarkId::new("solve to t = 1, 64 θ × n × n", cells), |bench| {
            bench.iter(|| {
                let steps = Steps::Tolerance(2e-3);
                let mut kinetic = Kinetic::new(problem.clone(), theta.clone(), [cells, cells], steps)?;
                kinetic.run(&[1.0], &mut |_| Ok(ControlFlow::Continue(())))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, kinetic, rules);
criterion_main!(benches);
