//! Speed of SGD on a committee with K = M = 2, erf: a step on weight vectors and a step of the overlap chain, beside the drawing
//! of normals by the same generator.
//!
//! `cargo bench --bench sgd`; the elements of `normals` are normals, those of `weights` and `chain` are steps. The weights are to
//! cost at most 1.5 d normals a step, the chain at most 60.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use learning_dynamics::monte_carlo::rng::{Key, Purpose, fill_normals};
use learning_dynamics::monte_carlo::{OnlineSgd, OverlapChain, SgdSettings, random_student};
use learning_dynamics::problem::{Activation, Committee, Teacher};

fn problem(dimension: usize) -> Committee {
    let teacher = Teacher::orthonormal(2, Activation::Erf);
    match random_student(&teacher, Activation::Erf, 2, dimension, 0.5, 1) {
        Ok(student) => Committee::new(teacher, student, 0.5),
        Err(error) => unreachable!("{error}"),
    }
}

fn settings(dimension: usize) -> SgdSettings {
    SgdSettings { dimension, ..SgdSettings::default() }
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("normals");
    let key = Key::new(1, Purpose::Inputs, 0);
    for dimension in [1_000, 10_000, 100_000] {
        let (mut x, mut step) = (vec![0.0; dimension], 0);
        group.throughput(Throughput::Elements(dimension as u64));
        group.bench_function(BenchmarkId::from_parameter(dimension), |b| {
            b.iter(|| {
                step += 1;
                fill_normals(key.at(0, step), black_box(&mut x));
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("weights");
    for dimension in [1_000, 10_000, 100_000] {
        const STEPS: usize = 100;
        let Ok(mut run) = OnlineSgd::new(problem(dimension), settings(dimension)) else { unreachable!() };
        let mut done = 0;
        group.throughput(Throughput::Elements(STEPS as u64));
        group.bench_function(BenchmarkId::from_parameter(dimension), |b| {
            b.iter(|| {
                done += STEPS;
                run.advance_to(done as f64 / dimension as f64)
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("chain");
    for dimension in [100, 1_000_000] {
        const STEPS: usize = 10_000;
        let Ok(mut run) = OverlapChain::new(problem(dimension), settings(dimension)) else { unreachable!() };
        let mut done = 0;
        group.throughput(Throughput::Elements(STEPS as u64));
        group.bench_function(BenchmarkId::from_parameter(dimension), |b| {
            b.iter(|| {
                done += STEPS;
                run.advance_to(done as f64 / dimension as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
