//! Speed of a step of the two-layer network, beside the two matrix products that it cannot do without, of the same shapes.
//!
//! `cargo bench --bench network`; the elements are operations of the products (2 for each multiplication with its addition), so
//! that the rates can be compared. A step is to run at half the rate of its products at least. `normals` is the drawing of the
//! inputs of a step on samples.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use learning_dynamics::monte_carlo::rng::{Key, Purpose, fill_normals};
use learning_dynamics::monte_carlo::{Gradient, Network, NetworkSettings, random_neurons};
use learning_dynamics::problem::{Activation, SingleIndex};

/// Neurons, inputs.
const SHAPES: [(usize, usize); 3] = [(50, 200), (50, 1000), (200, 1000)];
const BATCH: usize = 64;

fn network(m: usize, dimension: usize, gradient: Gradient) -> Network {
    let problem = SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 1.0, vec![]);
    let settings = NetworkSettings { dimension, gradient, step: 1e-4, ..NetworkSettings::default() };
    match random_neurons(m, 1.0, None, 1).and_then(|start| Network::new(start.start(&problem), settings)) {
        Ok(network) => network,
        Err(error) => unreachable!("{error}"),
    }
}

fn steps(criterion: &mut Criterion) {
    for (name, gradient) in [("population", Gradient::Population), ("sample", Gradient::Sample { batch: BATCH })] {
        let mut group = criterion.benchmark_group(name);
        for (m, d) in SHAPES {
            let label = format!("{m}x{d}");
            let inner = if gradient == Gradient::Population { m } else { BATCH };
            group.throughput(Throughput::Elements((4 * m * inner * d) as u64));
            let entry = |i: usize, j: usize| ((i * 31 + j * 17) % 101) as f64 * 0.01 - 0.5;
            let (w, x) = (Mat::from_fn(d, m, entry), Mat::from_fn(d, inner, entry));
            let (mut fields, mut next) = (Mat::zeros(inner, m), Mat::zeros(d, m));
            group.bench_function(BenchmarkId::new("products", &label), |b| {
                b.iter(|| {
                    matmul(&mut fields, Accum::Replace, x.transpose(), &w, 1.0, Par::Seq);
                    matmul(&mut next, Accum::Replace, &x, &fields, 1.0, Par::Seq);
                    black_box(&mut next);
                });
            });
            let mut network = network(m, d, gradient);
            let mut steps = 0;
            group.bench_function(BenchmarkId::new("step", &label), |b| {
                b.iter(|| {
                    steps += 1;
                    network.advance_to(f64::from(steps) * 1e-4)
                });
            });
            if gradient != Gradient::Population {
                let (key, mut x, mut step) = (Key::new(1, Purpose::Inputs, 0), vec![0.0; d], 0);
                group.bench_function(BenchmarkId::new("normals", &label), |b| {
                    b.iter(|| {
                        step += 1;
                        (0..BATCH).for_each(|sample| fill_normals(key.at(sample, step), black_box(&mut x)));
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
