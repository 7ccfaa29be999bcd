//! Speed of the agents: the draw alone, draw and update, and the whole problem of `peers/agents.py` (10⁶ agents, 500 steps).
//!
//! `cargo bench --bench agents`; times are wall-clock. CPU time of the whole problem: `\time -v` around
//! `cargo bench --bench agents -- whole`, or compare with one thread (`RAYON_NUM_THREADS=1`).

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use learning_dynamics::monte_carlo::rng::{Key, Purpose, fill_normals, noisy_step};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, TrainingStep};
use learning_dynamics::problem::{
    Clock, Domain, Ends, Evaluation, Inheritance, Initial, InitialTheta, Kernel, Law, Population, Quadratic,
    QuadraticFitness, Rule, Selection,
};

/// The problem of `peers/agents.py`.
fn problem() -> Population {
    Population {
        epsilon: 1.0,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![1.0], curvature: 1.0 }),
        h: vec![Domain::linear(-6.0, 6.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Periodic { every: 0.5 } },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial { h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }], theta: InitialTheta::Equilibrium },
    }
}

fn draws(criterion: &mut Criterion) {
    const N: usize = 2048;
    let key = Key::new(1, Purpose::Training, 0);
    let mut group = criterion.benchmark_group("normals");
    group.throughput(Throughput::Elements(N as u64));
    let mut out = vec![0.0; N];
    let mut step = 0;
    group.bench_function("draw alone", |b| {
        b.iter(|| {
            step += 1;
            fill_normals(key.at(0, step), black_box(&mut out));
        });
    });
    let (gradient, drift, amplitude) = (vec![0.1; N], vec![0.01; N], vec![0.1; N]);
    group.bench_function("draw and update", |b| {
        b.iter(|| {
            step += 1;
            noisy_step(key.at(0, step), black_box(&mut out), &gradient, &drift, &amplitude)
        });
    });
    group.finish();
}

fn whole(criterion: &mut Criterion) {
    let settings = AgentSettings { agents: 1_000_000, step: TrainingStep::Step(0.01), ..AgentSettings::default() };
    let mut group = criterion.benchmark_group("agents");
    group.sample_size(10).throughput(Throughput::Elements(500_000_000));
    group.bench_function("whole", |b| {
        b.iter(|| {
            let run = Agents::new(problem(), settings.clone()).and_then(|mut agents| {
                agents.advance_to(5.0)?;
                Ok(agents.h(0)[0])
            });
            assert!(run.is_ok(), "{run:?}");
            black_box(run)
        });
    });
    group.finish();
}

criterion_group!(benches, draws, whole);
criterion_main!(benches);
