use super::super::linear_momentum::{LinearMomentum, MomentumOverlaps};
use super::super::linear_sgd::LinearSgd;
use super::*;
use crate::monte_carlo::rng::{Generator, Key, Purpose};
use crate::numerics::normal::standard_normal;
use crate::numerics::ode::{StepTolerance, integrate};

const TIGHT: StepTolerance = StepTolerance { relative: 1e-13, absolute: 1e-13 };

fn student(tau: f64, decay: f64, batch: usize) -> LinearStudent {
    let (teacher_norm, noise_variance) = (1.3, 0.2);
    let student =
        LinearStudent { teacher_norm, learning_rate: tau, weight_decay: decay, noise_variance, batch, m: 0.1, q: 0.6 };
    student.validated().unwrap()
}

fn followed(student: LinearStudent, time: f64) -> [f64; 2] {
    let LinearStudent { teacher_norm: rho, learning_rate: tau, weight_decay: decay, noise_variance, batch, m, q } =
        student;
    let rhs = |_: f64, y: &[f64], dy: &mut [f64]| {
        let v = rho - 2.0 * y[0] + y[1] + noise_variance;
        dy[0] = tau * (rho - y[0]) - tau * decay * y[0];
        dy[1] = tau * tau / batch as f64 * v + 2.0 * tau * (y[0] - y[1]) - 2.0 * tau * decay * y[1];
        Ok(())
    };
    let mut y = [m, q];
    integrate(rhs, (0.0, time), &mut y, TIGHT, &mut 0.0).unwrap();
    y
}

#[test]
fn closed_forms_solve_the_equations() {
    // 1.5 with λ = 0.5 and B = 1 is the resonance; 3 the critical rate; 4 lies above it.
    for (tau, decay, batch) in
        [(0.5, 0.5, 1), (1.5, 0.5, 1), (1.5 + 1e-9, 0.5, 1), (3.0, 0.5, 1), (4.0, 0.5, 1), (3.0, 1.0, 4), (0.0, 0.5, 1)]
    {
        let student = student(tau, decay, batch);
        for time in [0.0, 0.3, 2.0, 10.0] {
            let [m, q] = followed(student, time);
            let exact = student.at(time);
            // The integrator's 1e-13 a step, amplified with q itself where it grows.
            assert!((m - exact.m).abs() < 1e-11, "{tau} {time}: {m} {}", exact.m);
            assert!((q - exact.q).abs() < 1e-11 * (1.0 + q), "{tau} {time}: {q} {}", exact.q);
        }
    }
}

#[test]
fn long_runs_end_in_the_fixed_point() {
    for (tau, decay, batch) in [(0.5, 0.0, 1), (1.5, 0.5, 1), (3.9, 1.0, 1), (3.9, 0.0, 2)] {
        let student = student(tau, decay, batch);
        let (end, fixed) = (student.at(1e4), student.fixed_point().unwrap());
        // Rounding of a dozen operations, over the distance 0.1 to the critical rate.
        assert!((end.m - fixed.m).abs() < 1e-15 && (end.q - fixed.q).abs() < 1e-13 * fixed.q, "{tau}");
        let error = 0.5 * (student.teacher_norm - 2.0 * fixed.m + fixed.q);
        assert!((error - student.stationary_error().unwrap()).abs() < 1e-13 * fixed.q, "{tau}");
    }
    for tau in [0.0, 3.0, 3.1] {
        assert!(student(tau, 0.5, 1).fixed_point().is_err() && student(tau, 0.5, 1).stationary_error().is_err());
    }
}

#[test]
fn bad_parameters_are_named() {
    let good = student(0.5, 0.5, 1);
    let bad = [
        ("learning_rate", LinearStudent { learning_rate: f64::NAN, ..good }),
        ("weight_decay", LinearStudent { weight_decay: -1.0, ..good }),
        ("noise_variance", LinearStudent { noise_variance: f64::INFINITY, ..good }),
        ("teacher_norm", LinearStudent { teacher_norm: -1.0, ..good }),
        ("batch", LinearStudent { batch: 0, ..good }),
        ("m", LinearStudent { m: 2.0, ..good }),
        ("q", LinearStudent { q: -0.1, ..good }),
    ];
    for (key, student) in bad {
        let text = student.validated().unwrap_err().to_string();
        assert!(text.starts_with(&format!("{key} = ")), "{text}");
    }
    assert!(LinearMomentum { student: good, gamma: 0.0, alpha: 1.0 }.validated().is_err());
    assert!(LinearSgd { student: good, dimension: 0, beta: 0.0 }.validated().is_err());
    assert!(LinearSgd { student: good, dimension: 5, beta: 1.0 }.validated().is_err());
}

#[test]
fn scaled_momentum_solves_its_equations() {
    for (gamma, alpha, time) in [(1.0, 0.7, 3.0), (0.3, 0.5, 20.0), (5.0, 8.0, 1.0), (1.0, 4.0, 5.0)] {
        let student = student(0.0, 0.5, 1);
        let run = LinearMomentum { student, gamma, alpha }.validated().unwrap();
        let LinearStudent { teacher_norm: rho, weight_decay: decay, noise_variance, .. } = student;
        let rhs = |_: f64, y: &[f64], dy: &mut [f64]| {
            let &[m, q, r, s, t] = y else { unreachable!() };
            let v = rho - 2.0 * m + q + noise_variance;
            dy[0] = r;
            dy[1] = 2.0 * s;
            dy[2] = -gamma * r - alpha * (m - rho) - alpha * decay * m;
            dy[3] = t - gamma * s - alpha * (q - m) - alpha * decay * q;
            dy[4] = -2.0 * gamma * t - 2.0 * alpha * (s - r) - 2.0 * alpha * decay * s + alpha * alpha * v;
            Ok(())
        };
        let mut y = [student.m, student.q, 0.0, 0.0, 0.0];
        integrate(rhs, (0.0, time), &mut y, TIGHT, &mut 0.0).unwrap();
        for (a, b) in y.into_iter().zip(run.at(time).to_array()) {
            // The integrator's 1e-13 a step.
            assert!((a - b).abs() < 1e-11 * (1.0 + b.abs()), "γ = {gamma}, α = {alpha}: {a} {b}");
        }
    }
}

#[test]
fn scaled_momentum_settles_below_its_critical_force() {
    for (decay, batch) in [(0.0, 1), (0.5, 1), (1.0, 4)] {
        let below = LinearMomentum { student: student(0.0, decay, batch), gamma: 0.7, alpha: 0.0 };
        let critical = below.critical_alpha();
        let stable = LinearMomentum { alpha: 0.98 * critical, ..below };
        let (end, fixed) = (stable.at(1e4).to_array(), stable.fixed_point().unwrap().to_array());
        for (a, b) in end.into_iter().zip(fixed) {
            // Rounding of e^{tA}, doubled in each of twenty squarings.
            assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "λ = {decay}: {a} {b}");
        }
        let unstable = LinearMomentum { alpha: 1.02 * critical, ..below };
        assert!(unstable.fixed_point().is_err());
        assert!(unstable.at(4e3).q > 1e3 * fixed[1]);
    }
}

/// Mean and standard error of (m, q, p·w*/d, p·w/d, |p|²/d) after `steps` steps of real weights.
fn simulated(run: LinearSgd, steps: usize, runs: usize) -> [(f64, f64); 5] {
    let LinearStudent { learning_rate: tau, weight_decay: decay, noise_variance, batch, .. } = run.student;
    let (d, noise) = (run.dimension, noise_variance.sqrt());
    let root = (d as f64).sqrt();
    let mut teacher = vec![0.0; d];
    teacher[0] = (run.student.teacher_norm * d as f64).sqrt();
    let along = run.student.m * d as f64 / teacher[0];
    let across = (run.student.q * d as f64 - along * along).sqrt();
    let mut rng = Generator::new(Key::new(1, Purpose::Training, 0));
    let mut sums = [(0.0, 0.0); 5];
    for _ in 0..runs {
        let (mut w, mut p) = (vec![0.0; d], vec![0.0; d]);
        (w[0], w[1]) = (along, across);
        for _ in 0..steps {
            let mut gradient: Vec<f64> = w.iter().map(|w| decay / d as f64 * w).collect();
            for _ in 0..batch {
                let x: Vec<f64> = (0..d).map(|_| standard_normal(&mut rng)).collect();
                let field: f64 = w.iter().zip(&teacher).zip(&x).map(|((w, t), x)| (w - t) * x).sum::<f64>() / root;
                let error = field - noise * standard_normal(&mut rng);
                gradient.iter_mut().zip(&x).for_each(|(g, x)| *g += error * x / root / batch as f64);
            }
            for ((w, p), g) in w.iter_mut().zip(&mut p).zip(gradient) {
                *p = run.beta * *p + g;
                *w -= tau * *p;
            }
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / d as f64;
        let seen = [dot(&w, &teacher), dot(&w, &w), dot(&p, &teacher), dot(&p, &w), dot(&p, &p)];
        for (sum, x) in sums.iter_mut().zip(seen) {
            sum.0 += x;
            sum.1 += x * x;
        }
    }
    let n = runs as f64;
    sums.map(|(sum, square)| (sum / n, ((square / n - (sum / n).powi(2)) / n).sqrt()))
}

#[test]
fn finite_dimension_is_that_of_real_weights() {
    for (batch, beta, decay, tau) in [(1, 0.0, 0.5, 0.8), (3, 0.6, 0.7, 0.4)] {
        let run = LinearSgd { student: student(tau, decay, batch), dimension: 3, beta };
        let run = run.validated().unwrap();
        let steps = 4;
        let exact = (0..steps).fold(run.initial(), |means, _| run.step(means)).to_array();
        for (exact, (mean, error)) in exact.into_iter().zip(simulated(run, steps, 40_000)) {
            // Four standard errors; in three dimensions the terms of order 1/d are tens of them.
            assert!((mean - exact).abs() < 4.0 * error, "B = {batch}: {mean} ± {error}, exact {exact}");
        }
    }
}

#[test]
fn squaring_the_map_is_stepping() {
    let run = LinearSgd { student: student(0.4, 0.7, 3), dimension: 50, beta: 0.6 };
    let stepped = (0..1001).fold(run.initial(), |means, _| run.step(means)).to_array();
    for (a, b) in stepped.into_iter().zip(run.after(1001).to_array()) {
        // Rounding of a thousand steps.
        assert!((a - b).abs() < 1e-13, "{a} {b}");
    }
}

#[test]
fn large_dimensions_approach_the_order_parameters() {
    for beta in [0.0, 0.5] {
        let gap = |dimension: usize| {
            let run = LinearSgd { student: student(0.4, 0.7, 2), dimension, beta };
            let plain = LinearStudent { learning_rate: 0.4 / (1.0 - beta), ..run.student }.at(2.0);
            let means: MomentumOverlaps = run.after(2 * dimension as u64);
            [means.m - plain.m, means.q - plain.q]
        };
        for (near, far) in gap(2000).into_iter().zip(gap(1000)) {
            // The gap is c/d + O(1/d²).
            assert!(near.abs() > 1e-6 && (far / near - 2.0).abs() < 0.02, "β = {beta}: {near} {far}");
        }
    }
}
