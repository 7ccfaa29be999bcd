//! Two hyperparameters, two parameters, log axes, weights that change in time.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::tests::{at, l1, solver, theta, toy};
use super::*;
use crate::frame::Solver;
use crate::grid::{Axis, ThetaGrid};
use crate::numerics::ode::{StepTolerance, integrate};
use crate::problem::*;

/// The toy with two parameters and hyperparameters: `log w̄` is a sum.
fn two() -> Population {
    let mut problem = toy();
    problem.loss = Arc::new(Quadratic::new(1.0, 2));
    problem.fitness = Arc::new(QuadraticFitness { optimum: vec![0.5, -0.3], curvature: 1.0 });
    problem.h = vec![Domain::linear(-3.0, 3.0, Ends::Reflect), Domain::linear(-2.0, 2.0, Ends::Clip)];
    problem.mutation = vec![Kernel::Gaussian { std: 0.2 }, Kernel::Uniform { width: 0.8 }];
    problem.initial.h = vec![Law::Uniform { low: -1.0, high: 1.0 }, Law::Gaussian { mean: 0.4, std: 0.2 }];
    problem
}

/// Its component k alone.
fn alone(problem: &Population, k: usize) -> Population {
    let mut one = problem.clone();
    one.loss = Arc::new(Quadratic::new(1.0, 1));
    one.fitness = Arc::new(QuadraticFitness { optimum: vec![[0.5, -0.3][k]], curvature: 1.0 });
    one.h = vec![problem.h[k]];
    one.mutation = vec![problem.mutation[k].clone()];
    one.initial.h = vec![problem.initial.h[k].clone()];
    one
}

fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect()
}

fn generations(mut problem: Population) -> Population {
    let rule = Rule::Boltzmann { beta: 1.0 };
    problem.selection = Selection::Events { rule, clock: Clock::Periodic { every: 0.1 } };
    problem
}

fn replicators(mut problem: Population) -> Population {
    problem.selection = Selection::Replicator { beta: 1.0 };
    problem.mutation = vec![Kernel::Diffusion { diffusion: 0.05 }, Kernel::Diffusion { diffusion: 0.02 }];
    problem
}

#[test]
fn independent_hyperparameters_are_a_product() {
    for problem in [generations(two()), replicators(two())] {
        let run =
            |problem: Population, cells: Vec<usize>| at(solver(problem, cells, Weight::ClosedForm, 1e-10), &[0.5, 1.5]);
        let (both, first, second) =
            (run(problem.clone(), vec![30, 36]), run(alone(&problem, 0), vec![30]), run(alone(&problem, 1), vec![36]));
        let gap = l1(both.mass(), &product(first.mass(), second.mass()));
        // The tolerance of three runs; generations only round.
        assert!(gap < 1e-10, "{gap:e}");
        let both = both.stationary().unwrap();
        let (first, second) = (first.stationary().unwrap(), second.stationary().unwrap());
        assert!(
            (both.growth - first.growth - second.growth).abs() < 1e-11,
            "{} {}",
            both.growth,
            first.growth + second.growth
        );
        let gap = l1(&both.mass, &product(&first.mass, &second.mass));
        assert!(gap < 1e-10, "{gap:e}"); // residuals of 1e-13 over gaps of 0.1 or so
    }
}

#[test]
fn large_stationary_laws_come_from_the_iteration() {
    for problem in [generations(two()), replicators(two())] {
        let run = |problem: Population, cells: Vec<usize>| {
            solver(problem, cells, Weight::ClosedForm, 1e-9).stationary().unwrap()
        };
        let both = run(problem.clone(), vec![50, 60]);
        let (first, second) = (run(alone(&problem, 0), vec![50]), run(alone(&problem, 1), vec![60]));
        assert!((both.growth - first.growth - second.growth).abs() < 1e-11);
        let gap = l1(&both.mass, &product(&first.mass, &second.mass));
        assert!(gap < 1e-10 && both.residual < 1e-13, "{gap:e}");
        // Of places with 1e-10 of the largest mass, whose roundings are 1e-6 or so.
        let [low, high] = both.bounds;
        assert!(low <= both.growth && both.growth <= high && high - low < 1e-3, "{low} {} {high}", both.growth);
    }
}

#[test]
fn one_cell_is_legal() {
    for mut problem in [generations(two()), replicators(two())] {
        problem.h[1].ends = Ends::Reflect;
        let both = at(solver(problem.clone(), [30, 1], Weight::ClosedForm, 1e-9), &[1.0]);
        let first = at(solver(alone(&problem, 0), 30, Weight::ClosedForm, 1e-9), &[1.0]);
        assert!(l1(both.mass(), first.mass()) < 1e-9);
        assert!((both.stationary().unwrap().residual) < 1e-13);
        let second = at(solver(alone(&problem, 1), 1, Weight::ClosedForm, 1e-9), &[1.0]);
        assert!((second.mass()[0] - 1.0).abs() < 1e-15);
    }
}

#[test]
fn quadrature_over_two_parameters() {
    let axes = [Axis::uniform("theta_1", -6.0, 6.0, 100).unwrap(), Axis::uniform("theta_2", -6.0, 6.0, 90).unwrap()];
    let points = [-1.0, 0.5, 0.3, -0.3, 2.0, 1.5];
    let exact = Effective::new(&two(), &points, &Weight::ClosedForm).unwrap();
    let sums = Effective::new(&two(), &points, &Weight::Quadrature { theta: ThetaGrid::from(axes) }).unwrap();
    let drawn =
        Effective::new(&two(), &points, &Weight::Population { particles: 20_000, seed: 2, theta: None }).unwrap();
    for k in 0..3 {
        let log = |e: &Effective| e.log_weight.as_ref().unwrap()[k];
        // Midpoint sums of smooth functions, on cells of 0.13 about a width of 0.3.
        assert!((log(&exact) - log(&sums)).abs() < 1e-11, "{} {}", log(&exact), log(&sums));
        assert!((exact.fitness[k] - sums.fitness[k]).abs() < 1e-11);
        assert!((log(&exact) - log(&drawn)).abs() < 5.0 * drawn.log_weight_error[k]);
    }
    // The four wells of Himmelblau: E[θ₁θ₂] = ¼ at any temperature; here by the fitness θ₁θ₂.
    #[derive(Debug)]
    struct Cross;
    impl Fitness for Cross {
        fn value(&self, theta: &[f64], _: &[f64]) -> f64 {
            theta[0] * theta[1]
        }
    }
    let mut problem = two();
    problem.loss = Arc::new(Himmelblau::new(100.0));
    problem.fitness = Arc::new(Cross);
    problem.diffusion = 1.0.into();
    let axes = vec![Axis::uniform("theta", -11.0, 11.0, 160).unwrap(); 2];
    let weight = Weight::Quadrature { theta: axes.into() };
    let found = Effective::new(&problem, &[0.0, 0.0], &weight).unwrap();
    assert!((found.fitness[0] - 0.25).abs() < 1e-9, "{}", found.fitness[0]);
    // And where its mass lies.
    let wells: Vec<Vec<f64>> = Himmelblau::WELLS.iter().map(|w| w.to_vec()).collect();
    let regions = Regions::nearest(&["a", "b", "c", "d"], &wells).unwrap();
    let run = solver(problem, [4, 5], weight, 1e-6).with_regions(&regions).unwrap();
    let mut probability = Vec::new();
    at(run, &[])
        .run(&[0.1], &mut |frame| {
            probability = frame.get("wells", "probability").unwrap().to_vec();
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert!(
        (probability.iter().sum::<f64>() - 1.0).abs() < 1e-12 && probability.iter().all(|p| *p > 0.1),
        "{probability:?}"
    );
}

#[test]
fn rules_on_ranks_of_two_parameters_and_hyperparameters() {
    for rule in [Rule::Truncation { fraction: 0.2 }, Rule::Tournament] {
        for sees in [Sees::Fitness, Sees::Effective] {
            let mut problem = generations(two());
            problem.selection = Selection::Events { rule: rule.clone(), clock: Clock::Poisson { rate: 1.0 } };
            problem.evaluation.sees = sees;
            let axes = vec![Axis::uniform("theta", -4.0, 4.0, 40).unwrap(); 2];
            let weight = Weight::Quadrature { theta: axes.into() };
            let end = at(solver(problem, [24, 16], weight, 1e-5), &[2.0]);
            assert!((end.mass().iter().sum::<f64>() - 1.0).abs() < 1e-14);
            let mean: f64 = end.grid.iter().zip(end.mass()).map(|(h, m)| m * h[0]).sum();
            assert!(mean > 0.2 && mean < 0.6, "{rule:?} {mean}"); // from 0 towards 0.5
        }
    }
}

#[test]
fn factors_on_a_log_axis_shift_the_law() {
    // Without selection in effect (β = 0) one event mutates everybody: a shift by log f, by the exact cumulative function.
    let mut problem = toy();
    problem.h = vec![Domain::log(1e-3, 1.0, Ends::Reflect)];
    problem.mutation = vec![Kernel::Factor { factors: vec![0.5, 2.0] }];
    problem.initial.h = vec![Law::LogUniform { low: 0.01, high: 0.1 }];
    let rule = Rule::Boltzmann { beta: 0.0 };
    problem.selection = Selection::Events { rule, clock: Clock::Periodic { every: 1.0 } };
    let error = |cells: usize| {
        let end = at(solver(problem.clone(), cells, Weight::ClosedForm, 1e-8), &[1.0]);
        let half = |f: f64| end.grid.axes[0].masses(&Law::LogUniform { low: 0.01 * f, high: 0.1 * f }).unwrap();
        let exact: Vec<f64> = half(0.5).iter().zip(half(2.0)).map(|(a, b)| 0.5 * (a + b)).collect();
        l1(end.mass(), &exact)
    };
    // Jumps of the density smear over a cell: first order there and nowhere else; on faces that log 2 hits there is none.
    assert!(error(480) < 2.0 * 4.0 * 0.5 / 160.0, "{}", error(480));
    problem.mutation = vec![Kernel::Factor { factors: vec![10f64.powf(0.1), 10f64.powf(-0.1)] }];
    let end = at(solver(problem.clone(), 30, Weight::ClosedForm, 1e-8), &[1.0]);
    for (cell, mass) in end.mass().iter().enumerate() {
        // Ten cells a decade, shifted by one up and down.
        let expected =
            if (10..20).contains(&(cell + 1)) { 0.05 } else { 0.0 } + if (11..21).contains(&cell) { 0.05 } else { 0.0 };
        assert!((mass - expected).abs() < 1e-12, "{cell} {mass} {expected}");
    }
}

#[test]
fn annealed_weights() {
    let with = |rule: Rule, clock: Clock, weight: Weight, tolerance: f64| {
        let mut problem = toy();
        problem.selection = Selection::Events { rule, clock };
        at(solver(problem, 80, weight, tolerance), &[0.5, 2.0])
    };
    let quadrature = || Weight::Quadrature { theta: theta() };
    let beta = Schedule::Tabulated { times: vec![0.3, 1.0], rates: vec![0.2, 3.0] };
    let annealed = Rule::Annealed { beta: beta.clone() };
    for clock in [Clock::Poisson { rate: 1.0 }, Clock::Periodic { every: 0.25 }] {
        let constant = Rule::Annealed { beta: Schedule::Constant(1.0) };
        let plain = with(Rule::Boltzmann { beta: 1.0 }, clock, Weight::ClosedForm, 1e-9);
        let gap = l1(with(constant, clock, Weight::ClosedForm, 1e-9).mass(), plain.mass());
        assert!(gap < 1e-8, "{gap:e}");
        let closed = with(annealed.clone(), clock, Weight::ClosedForm, 1e-9);
        for weight in [quadrature(), Weight::GaussHermite { points: 60 }] {
            let gap = l1(with(annealed.clone(), clock, weight, 1e-9).mass(), closed.mass());
            assert!(gap < 1e-8, "{gap:e}");
        }
        assert!(l1(closed.mass(), plain.mass()) > 0.05);
    }
    // Against the equation itself, integrated here with the closed form of w̄ at each time.
    let closed = with(annealed, Clock::Poisson { rate: 1.0 }, Weight::ClosedForm, 1e-9);
    let mutation = crate::grid::MutationOperator::new(&closed.problem.mutation, &closed.grid).unwrap();
    let mut masses = closed.grid.masses(&closed.problem.initial.h).unwrap();
    for (from, to) in [(0.0, 0.3), (0.3, 1.0), (1.0, 2.0)] {
        let rhs = |s: f64, rho: &[f64], out: &mut [f64]| {
            let beta = beta.at(from + s).unwrap();
            let weights = closed.grid.points.iter().map(|h| (-beta * (h - 0.5).powi(2) / (1.0 + 0.2 * beta)).exp());
            let copied: Vec<f64> = rho.iter().zip(weights).map(|(m, w)| m * w).collect();
            let mean: f64 = copied.iter().sum();
            mutation.apply(&copied, out);
            out.iter_mut().zip(rho).for_each(|(o, m)| *o = *o / mean - m);
            Ok(())
        };
        let tolerance = StepTolerance { relative: 0.0, absolute: 1e-14 };
        integrate(rhs, (0.0, to - from), &mut masses, tolerance, &mut 0.0).unwrap();
    }
    let gap = l1(closed.mass(), &masses);
    assert!(gap < 1e-8, "{gap:e}");
    let fails = closed.stationary().unwrap_err().to_string();
    assert!(fails.contains("changes in time"), "{fails}");
}

#[test]
fn what_it_does_not_hold_is_named() {
    let new = |problem: Population, weight: Weight, cells: Vec<usize>| {
        let grid = crate::grid::HyperGrid::new(&problem.h, cells)?;
        Averaged::new(problem, grid, Settings { weight, tolerance: 1e-6 }).map(|_| ())
    };
    let text =
        |problem: Population, weight: Weight, cells: Vec<usize>| new(problem, weight, cells).unwrap_err().to_string();
    let narrow = Weight::Quadrature { theta: theta() };
    assert!(text(two(), narrow.clone(), vec![4, 4]).contains("one axis a parameter"));
    assert!(text(two(), Weight::GaussHermite { points: 8 }, vec![4, 4]).contains("several parameters"));
    let mut problem = toy();
    problem.selection = Selection::Events { rule: Rule::Proportional, clock: Clock::Poisson { rate: 1.0 } };
    assert!(text(problem.clone(), narrow.clone(), vec![4]).starts_with("fitness, as a weight = -"));
    problem.selection = Selection::Events {
        rule: Rule::Annealed { beta: Schedule::Constant(1.0) },
        clock: Clock::Poisson { rate: 1.0 },
    };
    let given = Weight::Formula(Arc::new(|h: &[f64]| -h[0] * h[0]));
    assert!(text(problem, given, vec![4]).contains("changes in time"));
    let mut problem = toy();
    problem.evaluation.donors = Donors::Published;
    problem.initial.theta = InitialTheta::Law(vec![Law::Point { at: 0.0 }]);
    assert!(text(problem, Weight::ClosedForm, vec![4]).contains("start θ from equilibrium"));
    let regions = Regions::boxes(&["a"], &[vec![(0.0, 1.0)]]).unwrap();
    assert!(solver(toy(), 10, Weight::ClosedForm, 1e-6).with_regions(&regions).is_err());
    let mut many = two();
    many.h = vec![Domain::linear(-3.0, 3.0, Ends::Reflect); 2];
    assert!(text(many, Weight::ClosedForm, vec![3_000_000_000, 1000]).contains("bytes of memory"));
}
