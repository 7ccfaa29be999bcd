//! Formulas beside what is built in: a block of gradients, agents, the kinetic equation, committees, neurons.
//!
//! `cargo bench --bench formulas`; a formula is to cost at most three times the built-in.
#![allow(missing_docs)]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use learning_dynamics::Result;
use learning_dynamics::frame::Solver;
use learning_dynamics::gaussian::HermiteSeries;
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, OnlineSgd, SgdSettings, TrainingStep, random_student};
use learning_dynamics::neurons::{Flow, FlowSettings, NeuronFlow};
use learning_dynamics::problem::*;

fn loss(text: &str, dimension: usize) -> Arc<dyn Loss> {
    match FormulaLoss::new(text, dimension, dimension) {
        Ok(loss) => Arc::new(loss),
        Err(error) => unreachable!("{error}"),
    }
}

fn fitness(text: &str) -> Arc<dyn Fitness> {
    match FormulaFitness::new(text, 1, 1) {
        Ok(fitness) => Arc::new(fitness),
        Err(error) => unreachable!("{error}"),
    }
}

fn activation(text: &str) -> Activation {
    match FormulaActivation::new(text) {
        Ok(activation) => Activation::Custom(Arc::new(activation)),
        Err(error) => unreachable!("{error}"),
    }
}

fn gradients(criterion: &mut Criterion) {
    const AGENTS: usize = 4096;
    let himmelblau = "((theta_1^2 + theta_2 - 11)^2 + (theta_1 + theta_2^2 - 7)^2)/100";
    let well: Arc<dyn Loss> = Arc::new(DoubleWell { barrier: 2.0, coupling: 0.3 });
    let losses: [(&str, usize, Arc<dyn Loss>, Arc<dyn Loss>); 3] = [
        ("quadratic", 1, Arc::new(Quadratic::new(1.0, 1)), loss("0.5*(theta - h)^2", 1)),
        ("double well", 1, well, loss("2*(theta^2 - 1)^2 - 0.3*h*theta", 1)),
        ("himmelblau", 2, Arc::new(Himmelblau::new(100.0)), loss(himmelblau, 2)),
    ];
    let mut group = criterion.benchmark_group("gradients of 4096 agents");
    for (name, dimension, built_in, formula) in &losses {
        let theta: Vec<f64> = (0..AGENTS * dimension).map(|k| (k as f64).sin()).collect();
        let (h, mut out) = (theta.clone(), theta.clone());
        for (kind, loss) in [("built-in", built_in), ("formula", formula)] {
            group.bench_function(BenchmarkId::new(kind, name), |bench| {
                bench.iter(|| loss.gradients(black_box(&theta), black_box(&h), AGENTS, black_box(&mut out)));
            });
        }
    }
    group.finish();
}

fn statements() -> [(&'static str, Population); 2] {
    let built_in = Population {
        epsilon: 1.0,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.5], curvature: 1.0 }),
        h: vec![Domain::linear(-5.0, 5.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate: 1.0 } },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial { h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }], theta: InitialTheta::Equilibrium },
    };
    let (loss, fitness) = (loss("0.5*(theta - h)^2", 1), fitness("-(theta - 0.5)^2"));
    let formula = Population { loss, fitness, ..built_in.clone() };
    [("built-in", built_in), ("formula", formula)]
}

fn populations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("populations");
    group.sample_size(10);
    for (kind, problem) in statements() {
        let settings = AgentSettings { agents: 100_000, step: TrainingStep::Step(0.01), ..AgentSettings::default() };
        group.bench_function(BenchmarkId::new(kind, "1e5 agents, 100 steps"), |bench| {
            bench.iter(|| {
                let mut agents = Agents::new(problem.clone(), settings.clone())?;
                agents.advance_to(1.0)?;
                Result::Ok(agents.h(0)[0])
            });
        });
        group.bench_function(BenchmarkId::new(kind, "kinetic, 256 by 256"), |bench| {
            bench.iter(|| {
                let theta = Axis::uniform("theta", -8.0, 8.0, 256)?;
                let mut kinetic = Kinetic::new(problem.clone(), theta, 256, Steps::Tolerance(1e-2))?;
                kinetic.run(&[1.0], &mut |_| Ok(ControlFlow::Continue(())))
            });
        });
    }
    group.finish();
}

fn networks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("networks");
    group.sample_size(20);
    let erf = |custom: bool| if custom { activation("erf(x/sqrt(2))") } else { Activation::Erf };
    for (kind, custom) in [("built-in", false), ("formula", true)] {
        let (mut x, g) = (0.0, erf(custom));
        group.bench_function(BenchmarkId::new(kind, "erf and its derivative, one call"), |bench| {
            bench.iter(|| {
                x = 0.7 - x;
                black_box(&g).value(black_box(x)) + black_box(&g).derivative(black_box(x))
            });
        });
        let teacher = Teacher::orthonormal(2, erf(custom));
        let problem =
            random_student(&teacher, erf(custom), 2, 100, 0.5, 1).map(|student| Committee::new(teacher, student, 0.5));
        let Ok(mut run) = problem
            .and_then(|problem| OnlineSgd::new(problem, SgdSettings { dimension: 100, ..SgdSettings::default() }))
        else {
            unreachable!()
        };
        let mut time = 0.0;
        group.bench_function(BenchmarkId::new(kind, "SGD, d = 100, 1000 steps"), |bench| {
            bench.iter(|| {
                time += 10.0;
                run.advance_to(time)
            });
        });
        let relu = if custom { activation("relu(x)") } else { Activation::Relu };
        group.bench_function(BenchmarkId::new(kind, "16 Hermite coefficients of relu"), |bench| {
            bench.iter(|| HermiteSeries::new(&relu.clone().into(), 16, "activation"));
        });
        group.bench_function(BenchmarkId::new(kind, "flow of 10 neurons to t = 1"), |bench| {
            bench.iter(|| {
                let a = (0..10).map(|i| 1.3 * (1.0 + 7.0 * f64::from(i)).sin()).collect();
                let problem = SingleIndex::new(relu.clone(), [0.8, 0.5, -0.6], 1e-3, a);
                let settings = FlowSettings { flow: Flow::Simplified, series: Some(8), tolerance: 1e-6, degrees: 0 };
                NeuronFlow::new(problem, settings)?.advance_to(1.0)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, gradients, populations, networks);
criterion_main!(benches);
