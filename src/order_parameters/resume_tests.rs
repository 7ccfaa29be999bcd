//! Stopped, saved, loaded and gone on with: the bits are those of one run.

use ndarray::array;

use super::*;
use crate::gaussian::Quadrature;
use crate::problem::*;
use crate::resume_tests::{in_pools, refused, resumes, survives_damage};

fn committee(activation: Activation) -> Committee {
    let student = Student::new(array![[0.8, 0.2], [0.2, 0.5]], array![[0.3, 0.1], [-0.2, 0.4]], activation.clone());
    let teacher = Teacher::orthonormal(2, activation);
    let rate = LearningRate::Piecewise { times: vec![0.4, 1.5, 2.0], rates: vec![0.7, 0.2, 1.0, 0.3] };
    Committee { second_layer_rate: 0.8, noise_variance: 0.1, ..Committee::new(teacher, student, rate) }
}

const TIMES: [f64; 5] = [0.0, 0.3, 1.0, 2.0, 3.3];

fn order_parameters(problem: &Committee) -> OrderParameters {
    OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-7).unwrap()
}

#[test]
fn committees_of_all_kinds() {
    for activation in [Activation::Erf, Activation::Relu, Activation::Tanh, Activation::Gelu] {
        let biases = if matches!(activation, Activation::Tanh) { 0.6 } else { 0.0 };
        let problem = Committee { bias_rate: biases, ..committee(activation) };
        let calls = resumes(|| order_parameters(&problem), &TIMES);
        // Four stops after t = 0, and two jumps of the rate between them.
        assert_eq!(calls, 6);
    }
    for momentum in [Momentum::Constant { beta: 0.3 }, Momentum::Scaled { gamma: 0.8, alpha: 0.5 }] {
        let problem = Committee { momentum, ..committee(Activation::Erf) };
        resumes(|| order_parameters(&problem), &TIMES);
    }
    let greedy = Committee { learning_rate: LearningRate::Greedy { most: 2.0 }, ..committee(Activation::Erf) };
    resumes(|| order_parameters(&greedy), &TIMES);
}

/// Tables of activations are as wide as the fields ever were.
#[test]
fn tables_that_the_fields_have_left() {
    let student = Student::new(array![[9.0, 0.2], [0.2, 0.5]], array![[0.3, 0.1], [-0.2, 0.4]], Activation::Tanh);
    let teacher = Teacher::orthonormal(2, Activation::Tanh);
    let problem = Committee { weight_decay: 1.5, ..Committee::new(teacher, student, 0.7) };
    resumes(|| order_parameters(&problem), &[0.3, 0.8, 1.5, 2.5]);
}

#[test]
fn fluctuations_of_closed_and_tabulated_averages() {
    let of = |activation| {
        let settings = FluctuationSettings { tolerance: 1e-4, points: 8, lattice: 16, ..Default::default() };
        let student = Student::new(array![[0.8]], array![[0.3]], Activation::clone(&activation));
        let rate = LearningRate::Piecewise { times: vec![0.3], rates: vec![0.7, 0.2] };
        let problem = Committee::new(Teacher::orthonormal(1, activation), student, rate);
        Fluctuations::of(problem, Quadrature::Automatic, &settings).unwrap()
    };
    in_pools(|| {
        resumes(|| of(Activation::Erf), &[0.2, 0.7, 1.0]);
    });
    resumes(|| of(Activation::Tanh), &[0.2, 0.7, 1.0]);
}

#[test]
fn equations_of_ones_own_and_damaged_bytes() {
    let own = |names: [&'static str; 2]| {
        let rhs = |t: f64, y: &[f64], dy: &mut [f64]| {
            (dy[0], dy[1]) = (y[1], -y[0] + 0.1 * t.sin());
            Ok(())
        };
        Trajectory::new(FromFn::new(names, rhs), vec![1.0, 0.0], 1e-9).unwrap()
    };
    resumes(|| own(["x", "v"]), &[0.5, 2.0, 7.0]);
    survives_damage(|| own(["x", "v"]), 3.0);
    refused(&mut own(["x", "v"]), &own(["x", "w"]));
    let tanh = committee(Activation::Tanh);
    refused(&mut order_parameters(&tanh), &order_parameters(&committee(Activation::Erf)));
    let one = Committee {
        teacher: Teacher::orthonormal(1, Activation::Tanh),
        student: Student::new(array![[0.8]], array![[0.3]], Activation::Tanh),
        second_layer_rate: 0.0,
        ..tanh
    };
    survives_damage(|| OrderParameters::of(one.clone(), Quadrature::Automatic, 1e-3).unwrap(), 0.5);
}
