//! What writing costs: a run of the kinetic equation that records 100 frames of 256 × 256, without and with its file.

#![allow(missing_docs, clippy::unwrap_used)]

use std::ops::ControlFlow;

use criterion::{Criterion, criterion_group, criterion_main};
use learning_dynamics::frame::Solver;
use learning_dynamics::input::{Document, Kind, template};
use learning_dynamics::output::provenance::Provenance;
use learning_dynamics::output::run::{Outcome, Run};

fn solver() -> (Box<dyn Solver + Send>, Vec<f64>) {
    let mut document = Document::parse(template(Kind::Kinetic), "kinetic.toml").unwrap();
    let times: Vec<f64> = (1..=100).map(|k| 0.05 * f64::from(k)).collect();
    for (key, value) in [("grid.theta.cells", "256"), ("grid.h.cells", "256"), ("time.outputs", &format!("{times:?}"))]
    {
        document.set(key, value).unwrap();
    }
    let case = document.case().unwrap();
    (case.solver().unwrap(), case.times)
}

fn output(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("100 frames of 256 × 256");
    group.sample_size(10);
    group.bench_function("shown to nobody", |bencher| {
        bencher.iter(|| {
            let (mut solver, times) = solver();
            solver.run(&times, &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
        });
    });
    let path = std::env::temp_dir().join(format!("learning-dynamics-{}-bench.h5", std::process::id()));
    group.bench_function("written", |bencher| {
        bencher.iter(|| {
            let (mut solver, times) = solver();
            match Run::new(&path, Provenance::new("bench"), times).go(solver.as_mut()).unwrap() {
                Outcome::Finished(file) => file.finish().unwrap(),
                Outcome::Stopped { .. } => unreachable!("nobody stops it"),
            }
        });
    });
    group.finish();
    std::fs::remove_file(path).unwrap();
}

criterion_group!(benches, output);
criterion_main!(benches);
