//! Flows of neurons to t = 1, tolerance 1e-6: simplified (ε = 1e-6) by series (linear in m) and in closed form, and full (ε = 1e-3).
//!
//! `cargo bench --bench neurons`; `benches/peers.rs` compares with SciPy and diffsol.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use learning_dynamics::neurons::{Flow, FlowSettings, NeuronFlow};
use learning_dynamics::problem::{Activation, SingleIndex};

fn problem(neurons: usize, epsilon: f64) -> SingleIndex {
    let a = (0..neurons).map(|i| 1.3 * (1.0 + 7.0 * i as f64).sin()).collect();
    SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], epsilon, a)
}

fn flows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("neurons");
    group.sample_size(10);
    for (name, flow, series, epsilon, sizes) in [
        ("simplified, 8 degrees", Flow::Simplified, Some(8), 1e-6, &[10, 100, 1000][..]),
        ("simplified, closed form", Flow::Simplified, None, 1e-6, &[10, 50]),
        ("full", Flow::Full, None, 1e-3, &[10, 50, 200]),
    ] {
        for &neurons in sizes {
            let settings = FlowSettings { flow, series, tolerance: 1e-6, degrees: 0 };
            group.bench_function(BenchmarkId::new(name, neurons), |bencher| {
                bencher.iter(|| {
                    NeuronFlow::new(problem(neurons, epsilon), settings).and_then(|mut flow| flow.advance_to(1.0))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, flows);
criterion_main!(benches);
