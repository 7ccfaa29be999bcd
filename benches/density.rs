//! Cost of the density of neurons: one step of fixed length (two shifts along a, one remap along s), over sizes and kernels.
#![allow(missing_docs)]

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use learning_dynamics::frame::Solver;
use learning_dynamics::grid::Axis;
use learning_dynamics::neurons::{DensitySettings, DensitySteps, NeuronDensity};
use learning_dynamics::problem::{Activation, Law, Link, NeuronLaw};

const STEP: f64 = 0.05;

fn solver(activation: Link, cells: usize, steps: DensitySteps) -> Option<NeuronDensity> {
    let law = NeuronLaw {
        activation,
        target: [0.8, 0.5, -0.6].into(),
        epsilon: 0.1,
        a: Law::Gaussian { mean: 0.0, std: 1.0 },
        s: Law::Gaussian { mean: 0.0, std: 0.2 },
    };
    let a = Axis::uniform("a", -10.0, 12.0, cells).ok()?;
    NeuronDensity::new(law, a, cells + 1, DensitySettings { steps, ..DensitySettings::default() }).ok()
}

fn density(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("density");
    group.sample_size(10);
    for cells in [50, 100, 200, 400] {
        group.throughput(Throughput::Elements((cells * (cells + 1)) as u64));
        for (name, activation) in
            [("6 degrees", Link::from([0.4, 0.5, 0.3, 0.2, 0.1, 0.1])), ("ReLU", Activation::Relu.into())]
        {
            let Some(mut density) = solver(activation, cells, DensitySteps::Fixed(STEP)) else { continue };
            // Goes on in time from sample to sample: the work of a step does not depend on what is in the cells.
            group.bench_function(BenchmarkId::new(format!("step, {name}"), cells), |bench| {
                bench.iter(|| {
                    let next = density.time() + STEP;
                    density.run(black_box(&[next]), &mut |_| Ok(ControlFlow::Continue(())))
                });
            });
        }
    }
    if let Some(start) = solver([0.4, 0.5, 0.3].into(), 200, DensitySteps::Tolerance(1e-4)) {
        group.bench_function("to t = 1, tolerance 1e-4, 200", |bench| {
            bench.iter(|| start.clone().run(black_box(&[1.0]), &mut |_| Ok(ControlFlow::Continue(()))));
        });
    }
    group.finish();
}

criterion_group!(benches, density);
criterion_main!(benches);
