//! Speed of the agents: the draw alone, draw and update, the whole problem of `peers/agents.py` (10⁶ agents, 500 steps), and
//! steps of 10⁶ agents: events by rule and clock, and training on a loss of two parameters.
//!
//! `cargo bench --bench agents`; times are wall-clock. CPU time of the whole problem: `\time -v` around
//! `cargo bench --bench agents -- whole`, or compare with one thread (`RAYON_NUM_THREADS=1`).

use std::hint::black_box;
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use learning_dynamics::monte_carlo::rng::{Key, Purpose, fill_normals, noisy_step};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, TrainingStep};
use learning_dynamics::problem::*;

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

/// One training step and the events after it, 10⁶ agents. Every agent has an event, or one in a hundred.
fn events(criterion: &mut Criterion) {
    let annealed = Rule::Annealed { beta: Schedule::Exponential { initial: 1.0, scale: 1.0 } };
    let rules = [
        ("boltzmann", Some(Rule::Boltzmann { beta: 1.0 })),
        ("annealed", Some(annealed)),
        ("truncation", Some(Rule::Truncation { fraction: 0.2 })),
        ("tournament", Some(Rule::Tournament)),
        ("none", None),
    ];
    let mut group = criterion.benchmark_group("events");
    group.sample_size(10);
    for (name, rule) in rules {
        for (kind, clock) in [("all", Clock::Periodic { every: 0.01 }), ("few", Clock::Poisson { rate: 1.0 })] {
            let selection = rule.clone().map_or(Selection::Off, |rule| Selection::Events { rule, clock });
            steps(&mut group, &format!("{name}, {kind}"), Population { selection, ..problem() });
        }
    }
    let tournament = || Population {
        selection: Selection::Events { rule: Rule::Tournament, clock: Clock::Staggered { every: 0.1 } },
        ..problem()
    };
    steps(&mut group, "tournament, staggered", tournament());
    let evaluation = Evaluation { donors: Donors::Published, ..Evaluation::default() };
    steps(&mut group, "tournament, staggered, published", Population { evaluation, ..tournament() });
    let inheritance = Inheritance::Hyperparameters;
    steps(&mut group, "tournament, staggered, rejuvenating", Population { inheritance, ..tournament() });
    group.finish();
}

/// Himmelblau's function by a loop over the block, and as a loss that gives one gradient at a time.
fn plane(criterion: &mut Criterion) {
    #[derive(Debug)]
    struct OneByOne(Himmelblau);
    impl Loss for OneByOne {
        fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
            Loss::value(&self.0, theta, h)
        }
        fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
            self.0.gradient(theta, h, out);
        }
        fn dimension(&self) -> usize {
            2
        }
    }
    let mut group = criterion.benchmark_group("plane");
    group.sample_size(10);
    let himmelblau = Himmelblau { scale: 100.0, role: Role::Shift };
    let losses: [(&str, Arc<dyn Loss>); 2] = [
        ("himmelblau", Arc::new(himmelblau.clone())),
        ("himmelblau, one by one", Arc::new(OneByOne(himmelblau.clone()))),
    ];
    for (name, loss) in losses {
        let theta = InitialTheta::Law(vec![Law::Uniform { low: -0.5, high: 0.5 }; 2]);
        let initial = Initial { theta, ..problem().initial };
        let fitness = Arc::new(himmelblau.clone());
        steps(&mut group, name, Population { loss, fitness, initial, selection: Selection::Off, ..problem() });
    }
    group.finish();
}

fn steps(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, problem: Population) {
    const STEP: f64 = 0.01;
    let settings = AgentSettings { agents: 1_000_000, step: TrainingStep::Step(STEP), ..AgentSettings::default() };
    let Ok(mut agents) = Agents::new(problem, settings) else { return };
    let mut step = 0;
    group.bench_function(name, |b| {
        b.iter(|| {
            step += 1;
            agents.advance_to(f64::from(step) * STEP)
        });
    });
}

criterion_group!(benches, draws, whole, events, plane);
criterion_main!(benches);
