use std::f64::consts::FRAC_2_PI;

use super::*;
use crate::gaussian::Quadrature;
use crate::order_parameters::{CommitteeEquations, FromFn, OrderParameters};
use crate::problem::{Activation, Committee, Momentum, Student, Teacher};

#[test]
fn jacobian_is_that_of_the_rates() {
    let mut equations = FromFn::new(["x", "y"], |t, s: &[f64], rate: &mut [f64]| {
        rate[0] = t * s[0] * s[0] * s[1];
        rate[1] = s[0].sin() * s[1].exp();
        Ok(())
    });
    for (x, y) in [(0.3, -0.7), (2000.0, 1e-5), (0.0, 0.0)] {
        let found = jacobian(&mut equations, 2.0, &[x, y]).unwrap();
        let (sin, cos, exp): (f64, f64, f64) = (x.sin(), x.cos(), y.exp());
        // Step h = 6e-6 max(1, |x|): h²/6 of the third derivative and 1e-16/h of the value.
        let size = 1f64.max(x);
        for (at, expected, value, third) in [
            ([0, 0], 4.0 * x * y, 2.0 * x * x * y, 0.0),
            ([0, 1], 2.0 * x * x, 2.0 * x * x * y, 0.0),
            ([1, 0], cos * exp, 1.0, exp),
            ([1, 1], sin * exp, 1.0, exp),
        ] {
            let h = 6.1e-6 * if at[1] == 0 { size } else { 1.0 };
            let allowed = h * h / 6.0 * third + 4e-16 * (value.abs() + expected.abs() * size) / h + 1e-15;
            assert!((found[at] - expected).abs() < allowed, "({x}, {y}) {at:?}: {} {expected}", found[at]);
        }
    }
}

#[test]
fn linear_student_is_solved_in_closed_form() {
    let (tau, lambda, rho, noise): (f64, f64, f64, f64) = (0.6, 0.5, 1.3, 0.2);
    let mut equations = FromFn::new(["m", "q"], |_, s: &[f64], rate: &mut [f64]| {
        let (m, q) = (s[0], s[1]);
        rate[0] = tau * (rho - m) - tau * lambda * m;
        rate[1] = tau * tau * (rho - 2.0 * m + q + noise) + 2.0 * tau * (m - q) - 2.0 * tau * lambda * q;
        Ok(())
    });
    let steady = steady_state(&mut equations, &[0.0, 0.0], 1e-12).unwrap();
    let m = rho / (1.0 + lambda);
    let q = (2.0 * m + tau * (rho - 2.0 * m + noise)) / (2.0 * (1.0 + lambda) - tau);
    assert!((steady.state[0] - m).abs() < 1e-11 && (steady.state[1] - q).abs() < 1e-11, "{steady:?}");
    let expected = [-tau * (1.0 + lambda), tau * tau - 2.0 * tau * (1.0 + lambda)];
    // Central differences of a linear function: rounding alone, 1e-16/6e-6.
    let close = steady.eigenvalues.iter().zip(expected).all(|(found, e)| (found.0 - e).abs() < 1e-9 && found.1 == 0.0);
    assert!(close && steady.stable() && steady.growth() == steady.eigenvalues[0].0, "{steady:?}");
}

#[test]
fn spirals_have_complex_eigenvalues() {
    let mut equations = FromFn::new(["x", "y"], |_, s: &[f64], rate: &mut [f64]| {
        rate[0] = 0.1 * s[0] - 2.0 * s[1];
        rate[1] = 2.0 * s[0] + 0.1 * s[1];
        Ok(())
    });
    let steady = steady_state(&mut equations, &[0.4, 0.3], 1e-12).unwrap();
    let [(a, b), (c, d)] = steady.eigenvalues[..] else { panic!() };
    let errors = [a - 0.1, b - 2.0, c - 0.1, d + 2.0];
    assert!(errors.iter().all(|e| e.abs() < 1e-9) && !steady.stable(), "{steady:?}");
}

#[test]
fn conserved_direction_takes_the_shortest_way() {
    let mut equations = FromFn::new(["x", "y"], |_, s: &[f64], rate: &mut [f64]| {
        rate[0] = s[1] - s[0];
        rate[1] = s[0] - s[1];
        Ok(())
    });
    let steady = steady_state(&mut equations, &[1.0, 0.0], 1e-12).unwrap();
    assert!(steady.state.iter().all(|value| (value - 0.5).abs() < 1e-9), "{steady:?}");
    assert!(steady.growth().abs() < 1e-8 && steady.stable());
}

#[test]
fn no_steady_state_is_a_named_error() {
    let mut equations = FromFn::new(["x"], |_, s: &[f64], rate: &mut [f64]| {
        rate[0] = 1.0 + s[0] * s[0];
        Ok(())
    });
    match steady_state(&mut equations, &[0.7], 1e-10) {
        Err(Error::NotConverged { residual, .. }) => assert!((1.0..1.49).contains(&residual), "{residual}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(steady_state(&mut equations, &[0.7, 1.0], 1e-10), Err(Error::Shape { .. })));
    assert!(matches!(steady_state(&mut equations, &[f64::NAN], 1e-10), Err(Error::NonFinite { .. })));
    assert!(matches!(steady_state(&mut equations, &[0.0], 0.0), Err(Error::Parameter { .. })));
}

/// K = M = 1, `g = erf(x/√2)`: deviations `Q − 2M + 1` and `M − 1` from the teacher decouple;
/// `E[g'²] = (2/π)/√3`, `E[g'²v²] = (2/π)/3√3`, `E[g'⁴] = (2/π)²/√5` give the rates.
#[test]
fn perfect_learning_has_the_eigenvalues_of_its_linearisation() {
    let tau = 0.8;
    let student = Student::new(ndarray::array![[1.1]], ndarray::array![[0.9]], Activation::Erf);
    let problem = Committee::new(Teacher::orthonormal(1, Activation::Erf), student, tau);
    let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic).unwrap();
    let steady = steady_state(&mut equations, &problem.initial_state(), 1e-13).unwrap();
    assert!(steady.state.iter().all(|value| (value - 1.0).abs() < 1e-11), "{steady:?}");
    let slope = FRAC_2_PI / 3f64.sqrt();
    let expected = [-tau * slope / 3.0, -2.0 * tau * slope + tau * tau * FRAC_2_PI * FRAC_2_PI / 5f64.sqrt()];
    for ((real, imaginary), expected) in steady.eigenvalues.iter().zip(expected) {
        assert!((real - expected).abs() < 1e-9 && *imaginary == 0.0, "{steady:?} {expected}");
    }
}

fn symmetric(momentum: Momentum) -> Committee {
    let (q, m) = (ndarray::array![[0.3, 0.1], [0.1, 0.3]], ndarray::Array2::from_elem((2, 2), 0.1));
    let teacher = Teacher::orthonormal(2, Activation::Erf);
    Committee { momentum, ..Committee::new(teacher, Student::new(q, m, Activation::Erf), 0.5) }
}

#[test]
fn saddle_of_the_plateau_gives_the_escape_rate() {
    let problem = symmetric(Momentum::None);
    let layout = problem.layout();
    let mut run = OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-10).unwrap();
    run.advance_to(200.0).unwrap();
    let guess = run.state().to_vec();
    let saddle = steady_state(run.equations(), &guess, 1e-13).unwrap();
    let error = run.equations().generalization_error(&saddle.state).unwrap();
    // The reference curve passes 0.01478 at t = 100 and still falls towards the saddle, by modes as slow as e^(−0.002t).
    assert!((0.0140..0.01478).contains(&error) && !saddle.stable(), "{error} {saddle:?}");

    // A small specialisation grows at the rate of the leading eigenvalue.
    let mut started = problem;
    for i in 0..2 {
        for k in 0..2 {
            started.student.q[[i, k]] = saddle.state[layout.q(i, k)];
            started.student.m[[i, k]] = saddle.state[layout.m(i, k)] + if i == k { 1e-7 } else { -1e-7 };
        }
    }
    let mut run = OrderParameters::of(started, Quadrature::Automatic, 1e-12).unwrap();
    let mut specialisation = |time: f64| {
        run.advance_to(time).unwrap();
        run.state()[layout.m(0, 0)] - run.state()[layout.m(0, 1)]
    };
    // After 4/growth the decaying modes are gone; at 8/growth the deviation is still below 1e-3.
    let (early, late) = (4.0 / saddle.growth(), 8.0 / saddle.growth());
    let measured = (specialisation(early).ln() - specialisation(late).ln()) / (early - late);
    assert!((measured / saddle.growth() - 1.0).abs() < 1e-3, "{measured} {}", saddle.growth());
}

#[test]
fn scaled_momentum_rests_where_plain_descent_does() {
    let problem = symmetric(Momentum::Scaled { gamma: 4.0, alpha: 2.0 });
    let mut run = OrderParameters::of(problem, Quadrature::Automatic, 1e-10).unwrap();
    run.advance_to(300.0).unwrap();
    let guess = run.state().to_vec();
    let steady = steady_state(run.equations(), &guess, 1e-12).unwrap();
    let mut plain = OrderParameters::of(symmetric(Momentum::None), Quadrature::Automatic, 1e-10).unwrap();
    plain.advance_to(200.0).unwrap();
    let guess = plain.state().to_vec();
    let expected = steady_state(plain.equations(), &guess, 1e-12).unwrap();
    // A residual of 1e-12 over the slowest rate of 0.002.
    let apart = steady.state.iter().zip(&expected.state).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 5e-10 && !steady.stable(), "{apart:e}");
}

/// For τ → 0 (Saad & Solla 1995, eqs. 16–18): `Q_ik = 1/(2K−1)`, `M_in = 1/√(K(2K−1))`, `E_g = (K/π)(π/6 − K asin(1/2K))`.
#[test]
fn symmetric_plateau_is_that_of_saad_and_solla() {
    for units in [2, 3] {
        let k = units as f64;
        let (q, m) = (1.0 / (2.0 * k - 1.0), 1.0 / (k * (2.0 * k - 1.0)).sqrt());
        let start = ndarray::Array2::from_shape_fn((units, units), |(i, k)| if i == k { q + 0.02 } else { q + 0.01 });
        let student = Student::new(start, ndarray::Array2::from_elem((units, units), m - 0.02), Activation::Erf);
        let rate = 1e-6;
        let problem = Committee::new(Teacher::orthonormal(units, Activation::Erf), student, rate);
        let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic).unwrap();
        // All rates are of order τ.
        let saddle = steady_state(&mut equations, &problem.initial_state(), 1e-12 * rate).unwrap();
        let pi = std::f64::consts::PI;
        let expected = k / pi * (pi / 6.0 - k * (0.5 / k).asin());
        let error = equations.generalization_error(&saddle.state).unwrap();
        let layout = problem.layout();
        let (found_q, found_m) = (saddle.state[layout.q(0, 1)], saddle.state[layout.m(0, 1)]);
        // Corrections of order τ = 1e-6.
        let errors = [saddle.state[layout.q(0, 0)] - q, found_q - q, found_m - m, error - expected];
        assert!(errors.iter().all(|e| e.abs() < 1e-5), "{units}: {errors:?}");
        assert!(saddle.growth() > 0.01 * rate, "{saddle:?}");
    }
}
