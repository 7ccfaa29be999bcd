use super::*;
use crate::numerics::ode::{StepTolerance, integrate};
use crate::problem::{Activation, Link};

const A: [f64; 10] = [1.0, -0.4, 0.7, 0.2, -1.3, 0.9, -0.8, 0.5, 1.4, -0.6];

fn problem(epsilon: f64) -> SingleIndex {
    SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], epsilon, A.to_vec())
}

/// `dG/dτ = c − p sinh 2G − q cosh 2G` by integration against the closed form, from s(0) = 0 and from elsewhere, for both signs of c.
#[test]
fn the_linear_layer_solves_its_equation() {
    for (slope, tiny) in [(0.5, 0.0), (-0.5, 0.0), (0.5, 3e-4), (-0.5, 3e-4), (-0.5, -1e-3)] {
        let mut p = problem(1e-6);
        p.target = [0.8, slope, -0.6].into();
        p.s = (0..10).map(|i| tiny * ((1.0 + 3.0 * f64::from(i)).sin() + A[i as usize])).collect();
        let order = LearningOrder::new(&p).unwrap();
        let [start, p, _, _] = order.linear;
        let c = 0.5 * slope;
        let q = c - start;
        let rate = |clock: f64| c - p * (2.0 * clock).sinh() - q * (2.0 * clock).cosh();
        let rhs = |_: f64, y: &[f64], out: &mut [f64]| {
            out[0] = rate(y[0]);
            Ok(())
        };
        let tolerance = StepTolerance { relative: 1e-12, absolute: 1e-12 };
        let (mut clock, mut before, mut step) = ([0.0], 0.0, 0.0);
        for k in 1..=60 {
            let tau = f64::from(k);
            integrate(rhs, (before, tau), &mut clock, tolerance, &mut step).unwrap();
            before = tau;
            // Integration to 1e-12 a step, 100 of them; r₁ = rate/σ₁ magnifies by p sinh 2G ≤ 1.
            assert!((order.linear_clock(tau * 1e-3) - clock[0]).abs() < 1e-9, "{slope} {tiny} {tau}");
            assert!((order.linear_residual(tau * 1e-3) - 2.0 * rate(clock[0])).abs() < 1e-9, "{slope} {tiny} {tau}");
        }
        let half = order.linear_residual(order.linear_time()) / order.linear_residual(0.0);
        // Rounding, magnified by e^(2ωτ)·p ≈ 1.
        assert!((half - 0.5).abs() < 1e-11, "{half}");
        // The neurons carry the residual: φ₁ − σ₁⟨as⟩ but for the a*⟨s⟩ left out.
        let (a, s) = order.neurons(order.linear_time());
        let mean = |x: &[f64]| x.iter().sum::<f64>() / 10.0;
        let product = a.iter().zip(&s).map(|(a, s)| a * s).sum::<f64>() / 10.0 - mean(&a) * mean(&s);
        let found = slope - 0.5 * product;
        assert!((found - order.linear_residual(order.linear_time())).abs() < 1e-9, "{found}");
    }
}

#[test]
fn the_expansion_is_that_of_the_closed_form() {
    for epsilon in [1e-4, 1e-8, 1e-12] {
        let order = LearningOrder::new(&problem(epsilon)).unwrap();
        let [slope, offset] = order.linear_expansion();
        let expected = epsilon.sqrt() * (slope * (1.0 / epsilon).ln() + offset);
        // p/c = O(√ε) is left out: p = 0.09 √ε, c = 1/4, and logarithms of both.
        assert!((order.linear_time() / expected - 1.0).abs() < epsilon.sqrt(), "{epsilon:e}");
    }
}

#[test]
fn the_constant_layer_is_exact_for_one_degree() {
    let order = LearningOrder::new(&problem(1e-3)).unwrap();
    assert!((order.constant_residual(order.constant_time()) / order.constant_residual(0.0) - 0.5).abs() < 1e-15);
    let (t, dt) = (2e-3, 1e-6);
    let slope = (order.mean_weight(t + dt) - order.mean_weight(t - dt)) / (2.0 * dt);
    let sigma = order.sigma[0];
    // ε⟨a⟩' = σ₀r₀; central difference: (σ₀²dt/ε)²/6 relative.
    assert!((1e-3 * slope - sigma * order.constant_residual(t)).abs() < 1e-7);
    assert!((0.8 - sigma * order.mean_weight(t) - order.constant_residual(t)).abs() < 1e-15);
}

#[test]
fn the_quadratic_layer_keeps_its_constraints_and_runs_away() {
    let order = LearningOrder::new(&problem(1e-8)).unwrap();
    let mut state = order.quadratic_start().unwrap();
    let means = |y: &[f64]| {
        let (a, s) = y.split_at(10);
        [a.iter().sum::<f64>() / 10.0, a.iter().zip(s).map(|(a, s)| a * s).sum::<f64>() / 10.0]
    };
    order.advance((0.0, 5.0), &mut state, &mut 0.0).unwrap();
    let [mean, product] = means(&state);
    assert!(mean.abs() < 1e-8 && (product - 1.0).abs() < 1e-8, "{mean} {product}");
    // By an independent integration (SciPy RK45 at 1e-9, until 1e6).
    assert!((order.quadratic_limit().unwrap() - 5.728_706).abs() < 1e-5);
    // SciPy LSODA at 1e-8, interpolated on a grid of 0.005.
    let scaled = (order.quadratic_time().unwrap() - order.linear_time()) / 1e-2;
    assert!((scaled - 5.492_76).abs() < 1e-4, "{scaled}");
    let [before, at] = order.quadratic_residuals(&[1e-4, order.quadratic_time().unwrap()]).unwrap()[..] else {
        unreachable!()
    };
    assert!(before == -0.6 && (at + 0.3).abs() < 1e-7, "{before} {at}");
    // Long after it is learnt.
    let order = LearningOrder::new(&problem(1e-3)).unwrap();
    let times: Vec<f64> = (0..240).map(|k| 1e-5 * 10f64.powf(f64::from(k) / 40.0)).collect();
    assert!(order.quadratic_residuals(&times).unwrap()[239].abs() < 1e-8);
}

#[test]
fn exponents_of_targets_with_and_without_gaps() {
    assert_eq!([0, 1, 2, 3, 4].map(|l| time_exponent(l.max(1) - 1, l)), [1.0, 0.5, 0.25, 1.0 / 6.0, 0.125]);
    assert_eq!(time_exponent(1, 3), 0.0);
    assert_eq!(time_exponent(1, 4), -0.25);
}

#[test]
fn hypotheses_that_fail_are_named() {
    let says = |change: &dyn Fn(&mut SingleIndex)| {
        let mut p = problem(1e-4);
        change(&mut p);
        LearningOrder::new(&p).unwrap_err().to_string()
    };
    for (error, expected) in [
        (says(&|p| p.activation = [0.0, 0.5].into()), "an activation with σ₀ = 0"),
        (says(&|p| p.target = [0.8, 0.0, 0.5].into()), "φ₁σ₁ = 0 and s(0) = 0: s ≡ 0 for ever"),
        (says(&|p| (p.target, p.s) = ([0.8].into(), vec![1e-3; 10])), "φ₁σ₁ = 0: s starts to move by higher"),
        (says(&|p| p.s[3] = 0.02), "alignments of 0.02 at ε = 1e-4"),
        (says(&|p| p.a = vec![0.3; 10]), "neurons with equal a_i(0)"),
        (says(&|p| p.epsilon = 0.0), "epsilon = 0"),
    ] {
        assert!(error.contains(expected), "{error}");
    }
    let mut p = problem(1e-4);
    p.target = Link::Hermite(vec![0.8, 0.5]);
    let order = LearningOrder::new(&p).unwrap();
    assert!(order.quadratic_time().unwrap_err().to_string().contains("φ₂σ₂ = 0"));
}
