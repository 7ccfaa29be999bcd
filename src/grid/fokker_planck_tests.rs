use std::sync::Arc;

use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::numerics::sum::sum;
use crate::problem::*;

/// A rugged random loss, with amplitude a and a quadratic cage.
fn problem(a: f64, phase: f64, diffusion: f64) -> Population {
    let loss = LossFn {
        value: move |t: f64, h: f64| 0.5 * (t - h).powi(2) + a * (5.0 * t + phase * h).sin(),
        gradient: move |t: f64, h: f64| t - h + 5.0 * a * (5.0 * t + phase * h).cos(),
    };
    Population {
        epsilon: 1.0,
        diffusion: diffusion.into(),
        mobility: 1.0.into(),
        loss: Arc::new(loss),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.5], curvature: 1.0 }),
        h: vec![Domain::linear(-1.0, 1.0, Ends::Reflect)],
        selection: Selection::Off,
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::None],
        initial: Initial { h: vec![Law::Uniform { low: -1.0, high: 1.0 }], theta: InitialTheta::Equilibrium },
    }
}

fn operator(problem: &Population, cells: usize, places: usize) -> (FokkerPlanck, Axis, HyperGrid) {
    let theta = Axis::uniform("theta", -3.0, 3.0, cells).unwrap();
    let h = HyperGrid::new(problem.h[0], places).unwrap();
    (FokkerPlanck::new(problem, &theta, &h).unwrap(), theta, h)
}

#[test]
fn solution_satisfies_the_equation() {
    let problem = problem(0.3, 1.0, 0.4);
    let (operator, ..) = operator(&problem, 40, 70);
    let b: Vec<f64> = (0..2800).map(|k| ((k * 7919) % 1013) as f64 / 1013.0 - 0.3).collect();
    let decay: Vec<f64> = (0..2800).map(|k| (k % 5) as f64).collect();
    let (q, c) = (2.0, 0.03);
    let mut factors = operator.factors();
    let (mut x, mut again, mut ax) = (vec![0.0; 2800], vec![0.0; 2800], vec![0.0; 2800]);
    let shift = Shift { q, decay: Some(&decay), c };
    let half = Term { rhs: 0.5, side: 2.0, vector: &b };
    let mut side = vec![0.0; 2800];
    let content = operator.solve(shift, &[half, half], Some(&mut side), &mut factors, &mut x);
    assert_abs_diff_eq!(content.total, sum(&x), epsilon = 1e-10); // rounding of 2800 terms
    assert!(side.iter().zip(&b).all(|(s, b)| *s == 4.0 * b));
    again.copy_from_slice(&b);
    operator.solve_again(&mut factors, &mut again);
    operator.apply(&x, &mut ax);
    for k in 0..2800 {
        assert_abs_diff_eq!((q + decay[k]) * x[k] - c * ax[k], b[k], epsilon = 1e-12); // condition about 10
        assert_abs_diff_eq!(again[k], x[k], epsilon = 1e-14);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    /// Mass, positivity and the Gibbs density hold to rounding for any loss and any Δt/ε.
    #[test]
    fn mass_positivity_gibbs(a in 0.0..2.0, phase in -3.0..3.0, d in 0.02..3.0f64, exponent in -3.0..12.0, seed in 1usize..1000) {
        let problem = problem(a, phase, d);
        let (cells, places) = (96, 5);
        let (operator, theta, h) = operator(&problem, cells, places);
        let mut b: Vec<f64> = (0..cells * places).map(|k| ((k * 7919 * seed) % 1013) as f64).collect();
        b[seed % 480] += 1e5;
        let c = 10f64.powf(exponent);
        let mut factors = operator.factors();
        let mut x = vec![0.0; b.len()];
        operator.solve(Shift { q: 1.0, decay: None, c }, &[Term::new(1.0, &b)], None, &mut factors, &mut x);
        prop_assert!(x.iter().all(|x| *x >= 0.0));
        for place in 0..places {
            let column = |v: &[f64]| -> Vec<f64> { v.iter().skip(place).step_by(places).copied().collect() };
            let (mass, before) = (sum(&column(&x)), sum(&column(&b)));
            prop_assert!((mass / before - 1.0).abs() < 1e-13, "mass {mass} of {before}"); // 96 cells × rounding
            // One enormous step lands on the Gibbs density, relative to its largest cell.
            let gibbs = Potential::new(&problem, &theta.clone().into(), h.point(place)).unwrap().gibbs();
            if exponent > 11.0 && a < 4.0 * d {
                for (x, g) in column(&x).iter().zip(&gibbs) {
                    prop_assert!((x / before - g).abs() < 1e-8, "{x} {g}"); // barriers up to 8 D: relaxation times e⁸, of 1e11
                }
            }
            // The Gibbs density itself does not move.
            let mut start = vec![0.0; b.len()];
            start.iter_mut().skip(place).step_by(places).zip(&gibbs).for_each(|(s, g)| *s = *g);
            let mut after = vec![0.0; b.len()];
            operator.solve(Shift { q: 1.0, decay: None, c }, &[Term::new(1.0, &start)], None, &mut factors, &mut after);
            let moved: f64 = column(&after).iter().zip(&gibbs).map(|(x, g)| (x - g).abs()).sum();
            prop_assert!(moved < 1e-13, "{moved}");
        }
    }
}

#[test]
fn an_underflowing_rate_is_named() {
    let problem = problem(0.0, 0.0, 1e-6);
    let theta = Axis::uniform("theta", -3.0, 3.0, 64).unwrap();
    let h = HyperGrid::new(problem.h[0], 4).unwrap();
    let error = FokkerPlanck::new(&problem, &theta, &h).unwrap_err();
    assert!(matches!(error, Error::RateUnderflow { .. }), "{error}");
}

#[test]
fn a_loss_that_is_not_a_number_is_named() {
    let mut problem = problem(0.0, 0.0, 1.0);
    problem.loss = Arc::new(LossFn { value: |t: f64, _| t.sqrt(), gradient: |_, _| 0.0 });
    let theta = Axis::uniform("theta", -1.0, 1.0, 64).unwrap();
    let h = HyperGrid::new(problem.h[0], 4).unwrap();
    let error = FokkerPlanck::new(&problem, &theta, &h).unwrap_err();
    assert!(matches!(error, Error::NonFinite { quantity: "loss", .. }), "{error}");
}
