use std::f64::consts::PI;

use ndarray::{Array2, array};

use super::*;
use crate::problem::{Activation, Student, Teacher};

fn single() -> Committee {
    let student = Student::new(array![[0.5]], array![[0.2]], Activation::Erf);
    Committee::new(Teacher::orthonormal(1, Activation::Erf), student, 1.0)
}

/// `2E[g'²]/E[g'⁴]` for `g = erf(x/√2)`, from the linearisation at the teacher.
const ERF: f64 = 4.055_778_675_973_615;

#[test]
fn erf_perceptron_has_its_closed_form() {
    assert!((ERF - PI * (5.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    let tolerance = 1e-6;
    let cases = [
        (single(), ERF),
        (Committee { batch: 3, ..single() }, 3.0 * ERF),
        (Committee { momentum: Momentum::Constant { beta: 0.6 }, ..single() }, 0.4 * ERF),
    ];
    for (problem, expected) in cases {
        let bracket = (0.25 * expected, 1.5 * expected);
        let found = critical_learning_rate(&problem, bracket, tolerance, Quadrature::Automatic).unwrap();
        // Half the tolerance, and 1e-8 of the eigenvalues, which are taken for neutral.
        assert!((found.rate - expected).abs() < tolerance, "{found:?} {expected}");
        let above = found.above.unwrap();
        assert!(found.below.stable() && !above.stable());
        assert!(above.state.iter().all(|value| (value - 1.0).abs() < 1e-6), "{above:?}");
    }
}

#[test]
fn two_units_learn_at_lower_rates() {
    let m = array![[0.3, 0.1], [0.0, 0.2]];
    let student = Student::new(Array2::eye(2) * 0.5, m, Activation::Erf);
    let problem = Committee::new(Teacher::orthonormal(2, Activation::Erf), student, 1.0);
    let found = critical_learning_rate(&problem, (1.0, 4.0), 1e-4, Quadrature::Automatic).unwrap();
    // The dynamics say the same: a small distance from the teacher shrinks below and grows above.
    for (factor, shrinks) in [(0.97, true), (1.03, false)] {
        let q = array![[1.001, 0.0], [0.0, 1.002]];
        let student = Student::new(q, Array2::eye(2), Activation::Erf);
        let near = Committee::new(Teacher::orthonormal(2, Activation::Erf), student, factor * found.rate);
        let mut run = OrderParameters::of(near, Quadrature::Automatic, 1e-10).unwrap();
        let mut error = |time: f64| {
            run.advance_to(time).unwrap();
            let state = run.state().to_vec();
            run.equations().generalization_error(&state).unwrap()
        };
        let (early, late) = (error(20.0), error(60.0));
        assert_eq!(late < early, shrinks, "{factor}: {early} {late}");
    }
}

#[test]
fn scaled_momentum_has_the_rate_of_plain_descent() {
    let problem = Committee { momentum: Momentum::Scaled { gamma: 2.0, alpha: 1.0 }, ..single() };
    let found = critical_learning_rate(&problem, (1.0, 6.0), 1e-5, Quadrature::Automatic).unwrap();
    // The growth changes sign with the same slope as without momentum, up to a factor of order 1.
    assert!((found.rate - ERF).abs() < 1e-5, "{found:?}");
}

#[test]
fn noise_smooths_the_transition_of_a_bounded_activation() {
    let problem = Committee { noise_variance: 0.1, ..single() };
    let outcome = critical_learning_rate(&problem, (1.0, 6.0), 1e-3, Quadrature::Automatic);
    assert!(matches!(&outcome, Err(Error::Parameter { key, .. }) if key == "bracket.high"), "{outcome:?}");
}

#[test]
fn brackets_without_a_transition_are_named() {
    let find = |problem: &Committee, bracket, tolerance| {
        critical_learning_rate(problem, bracket, tolerance, Quadrature::Automatic).unwrap_err().to_string()
    };
    assert!(find(&single(), (1.0, 3.0), 1e-3).contains("bracket.high = 3"));
    // So fast that the weights grow for ever.
    assert!(find(&single(), (30.0, 60.0), 1e-3).contains("bracket.low = 30"));
    assert!(find(&single(), (0.0, 6.0), 1e-3).contains("bracket.low = 0"));
    assert!(find(&single(), (2.0, 1.0), 1e-3).contains("bracket.high = 1"));
    assert!(find(&single(), (1.0, f64::NAN), 1e-3).contains("bracket.high = NaN"));
    assert!(find(&single(), (1.0, 6.0), 0.0).contains("tolerance = 0"));
    assert!(find(&Committee { batch: 0, ..single() }, (1.0, 6.0), 1e-3).contains("batch = 0"));
}

/// With label noise `q* → ∞` at `τ_c = 2B(1+λ)`; there is no steady state above.
#[test]
fn linear_student_diverges_at_its_closed_form() {
    for (decay, batch, noise) in [(0.0, 1, 0.2), (0.5, 1, 0.2), (1.0, 4, 0.2), (0.5, 1, 0.0), (0.0, 2, 0.0)] {
        let student = Student::new(array![[0.5]], array![[0.2]], Activation::Linear);
        let problem = Committee {
            weight_decay: decay,
            batch,
            noise_variance: noise,
            ..Committee::new(Teacher::orthonormal(1, Activation::Linear), student, 1.0)
        };
        let expected = 2.0 * batch as f64 * (1.0 + decay);
        let bracket = (0.2 * expected, 1.7 * expected);
        let found = critical_learning_rate(&problem, bracket, 1e-6, Quadrature::Automatic).unwrap();
        assert!((found.rate - expected).abs() < 1e-6, "{found:?} {expected}");
        // Without noise and decay the teacher stays a steady state.
        assert_eq!(found.above.is_some(), noise == 0.0 && decay == 0.0, "{found:?}");
    }
}

/// `2E[g'²]/E[g'⁴]`, from the linearisation at the teacher, where the equations come from quadrature or have a kink.
#[test]
fn other_activations_have_the_rate_of_their_linearisation() {
    for (activation, allowed) in [
        // Quadrature with 32 points a dimension, differentiated.
        (Activation::Tanh, 2e-4),
        (Activation::Gelu, 2e-3),
        (Activation::Quadratic, 1e-6),
        // The Jacobian depends on the root of the distance to the teacher, 6e-6 in the differences.
        (Activation::Relu, 2e-3),
    ] {
        let moment = |power: i32| {
            let nodes = (-4000..=4000).map(|k| f64::from(k) * 0.003);
            nodes.map(|x| activation.derivative(x).powi(power) * (-0.5 * x * x).exp()).sum::<f64>()
        };
        let expected = 2.0 * moment(2) / moment(4);
        let student = Student::new(array![[1.0]], array![[0.8]], activation.clone());
        let problem = Committee::new(Teacher::orthonormal(1, activation.clone()), student, 1.0);
        let bracket = (0.3 * expected, 1.4 * expected);
        let found = critical_learning_rate(&problem, bracket, 1e-6 * expected, Quadrature::Automatic).unwrap();
        assert!((found.rate / expected - 1.0).abs() < allowed, "{activation:?}: {found:?} {expected}");
    }
}

/// Softplus is so nearly linear that quadrature cannot tell whether the student has reached the teacher.
#[test]
fn a_steady_state_that_cannot_be_followed_is_named() {
    let student = Student::new(array![[1.0]], array![[0.8]], Activation::Softplus);
    let problem = Committee::new(Teacher::orthonormal(1, Activation::Softplus), student, 1.0);
    let outcome = critical_learning_rate(&problem, (1.3, 6.0), 1e-5, Quadrature::Automatic);
    assert!(matches!(&outcome, Err(Error::Parameter { key, .. }) if key == "bracket.low"), "{outcome:?}");
}
