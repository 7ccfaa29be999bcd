//! The effective weight by its several ways, and what is refused.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::tests::{at, generations, l1, solver, theta, toy};
use super::*;
use crate::error::Error;
use crate::frame::Solver;
use crate::grid::HyperGrid;
use crate::problem::*;

#[test]
fn four_ways_to_the_effective_weight() {
    let (mut problem, exact) = generations();
    let points: Vec<f64> = (0..13).map(|k| -3.0 + 0.5 * f64::from(k)).collect();
    // A mobility and a diffusion that depend on h, with the same D/μ.
    problem.mobility = Coefficient::Function(Arc::new(|h: &[f64]| 2.0 + h[0] * h[0]));
    problem.diffusion = Coefficient::Function(Arc::new(|h: &[f64]| 0.1 * (2.0 + h[0] * h[0])));
    // Tolerances: rounding of sums of numbers up to 12 for the first three (the box at ±6 cuts at 9 σ); 5 standard
    // errors for the population.
    let ways = [
        Weight::ClosedForm,
        Weight::Quadrature { theta: theta() },
        Weight::GaussHermite { points: 64 },
        Weight::Population { particles: 20_000, seed: 1, theta: None },
    ];
    for weight in ways {
        let found = Effective::new(&problem, &points, &weight).unwrap();
        for (i, &h) in points.iter().enumerate() {
            let (log, fitness) = (found.log_weight.as_ref().unwrap()[i], found.fitness[i]);
            let sampled = matches!(weight, Weight::Population { .. });
            let (allow_log, allow_fitness) =
                if sampled { (5.0 * found.log_weight_error[i], 5.0 * found.fitness_error[i]) } else { (1e-12, 1e-12) };
            assert!((log - exact.log_weight(h)).abs() <= allow_log, "{weight:?} {h}: {log} {}", exact.log_weight(h));
            assert!((fitness - exact.fitness(h)).abs() <= allow_fitness, "{weight:?} {h}");
            assert!(sampled || found.log_weight_error[i] < 1e-9, "{weight:?} {h} {}", found.log_weight_error[i]);
        }
    }
}

#[test]
fn formulas_open_the_closed_forms() {
    let built_in = Population {
        loss: Arc::new(Quadratic::new(1.3, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.5], curvature: 0.7 }),
        ..toy()
    };
    let formulas = Population {
        loss: Arc::new(FormulaLoss::new("0.65*(theta - h)^2", 1, 1).unwrap()),
        fitness: Arc::new(FormulaFitness::new("-0.7*(theta - 0.5)^2", 1, 1).unwrap()),
        ..built_in.clone()
    };
    let points = [-2.0, -0.3, 0.0, 1.7];
    for weight in [Weight::ClosedForm, Weight::Population { particles: 1000, seed: 1, theta: None }] {
        let [a, b] = [&built_in, &formulas].map(|problem| Effective::new(problem, &points, &weight).unwrap());
        let logs = |effective: &Effective| effective.log_weight.clone().unwrap();
        let pairs = logs(&a).into_iter().chain(a.fitness).zip(logs(&b).into_iter().chain(b.fitness));
        // Rounding of the curvatures.
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-13 * (1.0 + a.abs()), "{weight:?}: {a} {b}"));
    }
    let weight = Weight::formula("exp(-(h - 0.5)^2)", 1).unwrap();
    let found = Effective::new(&built_in, &[-2.0, 40.0], &weight).unwrap().log_weight.unwrap();
    // exp(−39.5²) is 0 as a number.
    assert_eq!(found, [-6.25, -39.5 * 39.5]);
    assert!(matches!(Weight::formula("exp(theta)", 1), Err(Error::Formula { .. })));
}

#[test]
fn double_well_by_quadrature_and_by_particles() {
    let mut problem = toy();
    problem.loss = Arc::new(DoubleWell { barrier: 1.0, coupling: 1.0 });
    let points = [-1.0, 0.0, 0.7];
    let sums = Effective::new(&problem, &points, &Weight::Quadrature { theta: theta() }).unwrap();
    let drawn = Weight::Population { particles: 50_000, seed: 3, theta: Some(theta()) };
    let drawn = Effective::new(&problem, &points, &drawn).unwrap();
    for i in 0..3 {
        let gap = (sums.log_weight.as_ref().unwrap()[i] - drawn.log_weight.as_ref().unwrap()[i]).abs();
        // Tolerance: 4 standard errors, and a uniform spread within cells of width 0.023 (variance 5e-5 on F'' = 2).
        assert!(gap < 4.0 * drawn.log_weight_error[i] + 1e-4, "{gap}");
        assert!((sums.fitness[i] - drawn.fitness[i]).abs() < 4.0 * drawn.fitness_error[i] + 1e-4);
        assert!(sums.fitness_error[i] < 1e-10);
    }
}

#[test]
fn huge_fitness_neither_overflows_nor_underflows() {
    let mut problem = toy();
    problem.selection = Selection::Events { rule: Rule::Boltzmann { beta: 1e5 }, clock: Clock::Poisson { rate: 1.0 } };
    for sign in [1.0, -1.0] {
        problem.fitness = Arc::new(FitnessFn(move |theta: f64, _| sign * theta * theta));
        let solver = solver(problem.clone(), 100, Weight::Quadrature { theta: theta() }, 1e-6);
        assert!(solver.effective.log_weight.as_ref().unwrap().iter().all(|log| log.is_finite()));
        let end = at(solver, &[1.0]);
        assert!(end.mass().iter().all(|m| m.is_finite() && *m >= 0.0));
    }
}

#[test]
fn formula_replaces_loss_and_fitness() {
    let mut problem = toy();
    problem.loss = Arc::new(LossFn { value: |_, _| f64::NAN, gradient: |_, _| f64::NAN });
    let (_, exact) = generations();
    let given = solver(problem, 200, Weight::Formula(Arc::new(move |h: &[f64]| exact.log_weight(h[0]) + 7.0)), 1e-10);
    let given = at(given, &[2.0]);
    let closed = at(solver(toy(), 200, Weight::ClosedForm, 1e-10), &[2.0]);
    assert!(l1(given.mass(), closed.mass()) < 1e-9);
}

#[test]
fn bad_input_is_named() {
    let grid = |problem: &Population| HyperGrid::new(problem.h[0], 50).unwrap();
    let new = |problem: Population, weight: Weight, tolerance: f64| {
        let grid = grid(&problem);
        Averaged::new(problem, grid, Settings { weight, tolerance }).map(|_| ())
    };
    let closed = Weight::ClosedForm;
    assert!(matches!(new(toy(), closed.clone(), 1e-16), Err(Error::Parameter { .. })));
    assert!(matches!(new(toy(), closed.clone(), f64::NAN), Err(Error::Parameter { .. })));
    let mut problem = toy();
    problem.diffusion = Coefficient::Function(Arc::new(|h: &[f64]| h[0]));
    assert!(matches!(new(problem, closed.clone(), 1e-6), Err(Error::Parameter { .. })));
    let mut problem = toy();
    problem.loss = Arc::new(DoubleWell { barrier: 1.0, coupling: 1.0 });
    assert!(matches!(new(problem.clone(), closed.clone(), 1e-6), Err(Error::Unsupported { .. })));
    problem.fitness = Arc::new(FitnessFn(|theta: f64, _| theta.ln()));
    let result = new(problem, Weight::Quadrature { theta: theta() }, 1e-6);
    assert!(matches!(result, Err(Error::NonFinite { quantity: "fitness", .. })), "{result:?}");
    let mut problem = toy();
    problem.evaluation.window = 5;
    assert!(matches!(new(problem, closed.clone(), 1e-6), Err(Error::Unsupported { .. })));
    let mut problem = toy();
    problem.initial.h = vec![Law::Gaussian { mean: 5.0, std: 1.0 }];
    assert!(matches!(new(problem, closed.clone(), 1e-6), Err(Error::InitialMassOutside { .. })));
    let dead = Weight::Formula(Arc::new(|_| f64::NEG_INFINITY));
    assert!(matches!(new(toy(), dead, 1e-6), Err(Error::Weights { .. })));

    let mut problem = toy();
    problem.selection =
        Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Periodic { every: 1e-300 } };
    let result = solver(problem, 60, closed, 1e-6).run(&[1.0], &mut |_| Ok(ControlFlow::Continue(())));
    assert!(matches!(result, Err(Error::Parameter { .. })), "{result:?}");

    // Weights that are positive only where there is nobody: a named error at run time, nothing shown.
    let far = Weight::Formula(Arc::new(|h: &[f64]| if h[0] > 2.0 { 0.0 } else { f64::NEG_INFINITY }));
    let mut run = solver(toy(), 60, far, 1e-6);
    let result = run.run(&[1.0], &mut |_| Ok(ControlFlow::Continue(())));
    assert!(matches!(result, Err(Error::Weights { .. })), "{result:?}");
    let result = run.run(&[2.0, 1.0], &mut |_| Ok(ControlFlow::Continue(())));
    assert!(matches!(result, Err(Error::Parameter { .. })));
}
