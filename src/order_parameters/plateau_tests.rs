use ndarray::Array2;

use super::*;
use crate::gaussian::Quadrature;
use crate::order_parameters::OrderParameters;
use crate::problem::{Activation, Committee, Student, Teacher};

fn sampled(times: impl Iterator<Item = f64>, error: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
    times.map(|t| (t, error(t))).unzip()
}

/// Falls from `height` to 0 around `time` over `width`.
fn fall(t: f64, height: f64, time: f64, width: f64) -> f64 {
    height / (1.0 + ((t - time) / width).exp())
}

#[test]
fn step_of_a_synthetic_curve_is_found() {
    let error = |t: f64| (-t).exp() + fall(t, 0.1, 50.0, 2.0) + 1e-4;
    let (times, errors) = sampled((0..1000).map(|k| f64::from(k) * 0.1), error);
    let found = plateau(&times, &errors).unwrap();
    // e^(−t) = 0.01 at t = 4.6; the logistic has fallen to 0.9 at 50 − 2 ln 9 = 45.6.
    assert!((found.height - 0.1001).abs() < 1e-5, "{found:?}");
    assert!((found.entry - 4.6).abs() < 0.05 && (found.exit - 45.6).abs() < 0.05, "{found:?}");
    // A coarse record in ln t says the same within its interpolation.
    let (times, errors) = sampled((0..60).map(|k| 0.1 * 1.13f64.powi(k)), error);
    let coarse = plateau(&times, &errors).unwrap();
    assert!((coarse.height / found.height - 1.0).abs() < 0.01, "{coarse:?}");
    assert!((coarse.entry - found.entry).abs() < 0.3 && (coarse.exit - found.exit).abs() < 2.0, "{coarse:?}");
}

#[test]
fn of_two_plateaus_the_longer_is_given() {
    let error = |late: f64| move |t: f64| fall(t, 1.0, 20.0, 0.5) + fall(t, 0.1, late, 0.5) + 1e-3;
    for (late, height) in [(30.0, 1.101), (80.0, 0.101)] {
        let (times, errors) = sampled((0..1000).map(|k| f64::from(k) * 0.1), error(late));
        let found = plateau(&times, &errors).unwrap();
        assert!((found.height - height).abs() < 1e-3, "{found:?} {height}");
    }
}

#[test]
fn a_curve_may_start_on_its_plateau() {
    let (times, errors) = sampled((0..400).map(|k| f64::from(k) * 0.1), |t| fall(t, 0.3, 20.0, 1.0) + 1e-3);
    let found = plateau(&times, &errors).unwrap();
    assert!(found.entry == 0.0 && (found.exit - 17.8).abs() < 0.1, "{found:?}");
}

#[test]
fn plain_decay_has_no_plateau() {
    let times = || (0..2000).map(|k| f64::from(k) * 0.05);
    let curves: [&dyn Fn(f64) -> f64; 6] = [
        &|t| (-0.1 * t).exp(),
        &|t| (-0.1 * t).exp() + 0.01,
        &|t| 1.0 / (1.0 + t),
        &|t| (1.0 + t).powf(-0.2),
        &|_| 0.3,
        &|t| 0.1 + 0.01 * t,
    ];
    for (k, curve) in curves.into_iter().enumerate() {
        let (times, errors) = sampled(times(), curve);
        assert_eq!(plateau(&times, &errors), None, "curve {k}");
    }
}

#[test]
fn unusable_records_have_no_plateau() {
    assert_eq!(plateau(&[], &[]), None);
    assert_eq!(plateau(&[0.0, 1.0, 2.0], &[1.0, f64::NAN, 0.1]), None);
    assert_eq!(plateau(&[0.0, 1.0, 2.0], &[1.0, 0.0, 0.1]), None);
    assert_eq!(plateau(&[0.0, 1.0], &[1.0, 0.5, 0.1]), None);
}

#[test]
fn committee_of_two_has_its_plateau() {
    let m = Array2::from_shape_fn((2, 2), |(i, n)| 1e-3 * (1.0 + 3.0 * i as f64 + 7.0 * n as f64).sin());
    let student = Student::new(Array2::eye(2) * 0.25, m, Activation::Erf);
    let problem = Committee::new(Teacher::orthonormal(2, Activation::Erf), student, 0.5);
    let mut run = OrderParameters::of(problem, Quadrature::Automatic, 1e-10).unwrap();
    let (times, errors): (Vec<f64>, Vec<f64>) = (0..800)
        .map(|k| {
            let time = f64::from(k) * 0.5;
            run.advance_to(time).unwrap();
            let state = run.state().to_vec();
            (time, run.equations().generalization_error(&state).unwrap())
        })
        .unzip();
    let found = plateau(&times, &errors).unwrap();
    // The reference curve: 0.0160 at t = 10, 0.0151 at 30, 0.01478 at 100, 0.00566 at 300.
    assert!((0.0146..0.0151).contains(&found.height), "{found:?}");
    assert!((8.0..12.0).contains(&found.entry) && (100.0..300.0).contains(&found.exit), "{found:?}");
}
