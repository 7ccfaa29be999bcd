//! Cost of one right-hand side of the order parameters.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::order_parameters::{CommitteeEquations, Equations};
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use ndarray::Array2;

fn problem(units: usize, activation: &Activation) -> Committee {
    let m = Array2::from_shape_fn((units, units), |(i, n)| 0.1 * (1.0 + 3.0 * i as f64 + 7.0 * n as f64).sin());
    let student = Student::new(Array2::eye(units) * 0.5, m, activation.clone());
    Committee::new(Teacher::orthonormal(units, activation.clone()), student, 0.5)
}

fn right_hand_side(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("right-hand side");
    for activation in [Activation::Erf, Activation::Relu, Activation::Linear, Activation::Quadratic, Activation::Tanh] {
        for units in [1, 2, 3, 4] {
            let Ok(mut equations) = CommitteeEquations::new(problem(units, &activation), Quadrature::Automatic) else {
                continue;
            };
            let mut state = equations.problem().initial_state();
            let mut rate = vec![0.0; state.len()];
            group.bench_function(BenchmarkId::new(format!("{activation:?}"), units), |bencher| {
                bencher.iter(|| {
                    // Never the state of the last call, of which something may be kept.
                    state[0] = 1.01 - state[0];
                    equations.rhs(0.0, &state, &mut rate)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, right_hand_side);
criterion_main!(benches);
