//! The averaged equation against exact results.

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::error::Warning;
use crate::exact::generations::Generations;
use crate::exact::riccati::QuadraticFitness as Riccati;
use crate::exact::{perron, propagator, truncation};
use crate::frame::{Frame, Solver};
use crate::grid::{Axis, Cells, HyperGrid, MutationOperator, ThetaGrid};
use crate::problem::*;

/// `L = ½(θ − h)²`, `F = −(θ − ½)²`, β = 1, κ = 1, Gaussian mutation 0.2, h uniform on [−1, 1] at first.
pub(super) fn toy() -> Population {
    Population {
        epsilon: 1.0,
        diffusion: 0.1.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.5], curvature: 1.0 }),
        h: vec![Domain::linear(-3.0, 3.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate: 1.0 } },
        mutation: vec![Kernel::Gaussian { std: 0.2 }],
        initial: Initial { h: vec![Law::Uniform { low: -1.0, high: 1.0 }], theta: InitialTheta::Equilibrium },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
    }
}

pub(super) fn theta() -> ThetaGrid {
    Axis::uniform("theta", -6.0, 6.0, 512).unwrap().into()
}

pub(super) fn solver(problem: Population, cells: impl Into<Cells>, weight: Weight, tolerance: f64) -> Averaged {
    let grid = HyperGrid::new(&problem.h, cells).unwrap();
    Averaged::new(problem, grid, Settings { weight, tolerance }).unwrap()
}

pub(super) fn at(mut solver: Averaged, times: &[f64]) -> Averaged {
    solver.run(times, &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    solver
}

pub(super) fn l1(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// `M∘w̄/max w̄`, by its own means.
pub(super) fn jump_matrix(solver: &Averaged) -> sprs::CsMat<f64> {
    let logs = solver.effective.log_weight.as_ref().unwrap();
    let top = logs.iter().copied().fold(f64::MIN, f64::max);
    let mutation = MutationOperator::new(&solver.problem.mutation, &solver.grid).unwrap();
    let n = logs.len();
    let (mut matrix, mut column) = (sprs::TriMat::new((n, n)), vec![0.0; n]);
    for (j, log) in logs.iter().enumerate() {
        // Column by column through `apply`, which is what the solver uses.
        let unit: Vec<f64> = (0..n).map(|i| if i == j { 1.0 } else { 0.0 }).collect();
        mutation.apply(&unit, &mut column);
        for (i, &p) in column.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            matrix.add_triplet(i, j, p * (log - top).exp());
        }
    }
    matrix.to_csr()
}

#[test]
fn jump_form_against_the_exact_propagator() {
    let mut resampling = toy();
    resampling.mutation = vec![Kernel::Resample { probability: 0.3, law: Law::Uniform { low: -3.0, high: 3.0 } }];
    let mut strong = toy();
    strong.selection = Selection::Events { rule: Rule::Boltzmann { beta: 20.0 }, clock: Clock::Poisson { rate: 3.0 } };
    for (name, problem, kappa) in [("toy", toy(), 1.0), ("resampling", resampling, 1.0), ("strong", strong, 3.0)] {
        for tolerance in [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12] {
            let mut run = solver(problem.clone(), 200, Weight::ClosedForm, tolerance);
            let times = [1.0, 2.0, 5.0];
            let exact = propagator::jump(&jump_matrix(&run), 1.0, run.mass(), &times.map(|t| t * kappa)).unwrap();
            let (mut errors, width) = (Vec::new(), run.grid.axes[0].axis.width());
            let mut visit = |frame: &Frame<'_>| {
                let mass: Vec<f64> = frame.get("density", "rho").unwrap().iter().map(|rho| rho * width).collect();
                errors.push(l1(&mass, &exact[errors.len()].mass) / tolerance);
                Ok(ControlFlow::Continue(()))
            };
            run.run(&times, &mut visit).unwrap();
            let error = errors.iter().copied().fold(0.0, f64::max);
            // The bound of `Settings::tolerance`; rounding: some 100 products of up to 100 taps.
            assert!(error * tolerance < tolerance + 1e-13, "{name} {tolerance:e} {error}");
            assert_eq!(run.moved(), 0.0);
        }
    }
}

#[test]
fn replicator_form_against_the_exact_propagator() {
    // At first near the optimum, then 12 standard deviations away.
    replicator_against_the_exact_propagator(Law::Uniform { low: -1.0, high: 1.0 });
    replicator_against_the_exact_propagator(Law::Gaussian { mean: -2.0, std: 0.2 });
}

fn replicator_against_the_exact_propagator(start: Law) {
    let mut problem = toy();
    problem.initial.h = vec![start];
    problem.selection = Selection::Replicator { beta: 2.0 };
    problem.mutation = vec![Kernel::Diffusion { diffusion: 0.05 }];
    for tolerance in [1e-3, 1e-5, 1e-8, 1e-11, 1e-13] {
        let start = solver(problem.clone(), 200, Weight::ClosedForm, tolerance);
        let (exchange, fitness) = (0.05 / start.grid.axes[0].axis.width().powi(2), start.effective.fitness.clone());
        let shift = 2.0 * exchange + 60.0;
        let matrix = |x: &[f64], out: &mut [f64]| {
            for i in 0..200 {
                let leaving = if i == 0 || i == 199 { exchange } else { 2.0 * exchange };
                let arriving = (if i > 0 { x[i - 1] } else { 0.0 }) + if i < 199 { x[i + 1] } else { 0.0 };
                out[i] = (shift - leaving + 2.0 * fitness[i]) * x[i] + exchange * arriving;
            }
        };
        let exact = propagator::replicator(&matrix, shift + 1.0, shift, start.mass(), &[5.0]).unwrap();
        let end = at(start, &[5.0]);
        let error = l1(end.mass(), &exact[0].mass);
        // Tolerance: the bound that is promised; rounding of 5·(2·56 + 60) ≈ 900 units of qt adds up to 1e-14 or so.
        assert!(error < tolerance + 2e-14, "{tolerance:e}: {error:e}");
    }
}

/// The toy problem as discrete generations.
pub(super) fn generations() -> (Population, Generations) {
    let mut problem = toy();
    problem.selection =
        Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Periodic { every: 0.1 } };
    problem.initial.h = vec![Law::Gaussian { mean: -0.4, std: 0.3 }];
    let exact = Generations { beta: 1.0, curvature: 1.0, optimum: 0.5, gibbs_variance: 0.1, mutation_variance: 0.04 };
    (problem, exact)
}

#[test]
fn generations_follow_the_gaussian_map() {
    let (problem, exact) = generations();
    let mut run = solver(problem, 300, Weight::ClosedForm, 1e-8);
    // Cell averages put at the centres of cells of width 0.02 are a law wider by width²/12 …
    let mut state = (-0.4, 0.09 + 0.02 * 0.02 / 12.0);
    let times: Vec<f64> = (1..=30).map(|k| 0.1 * f64::from(k)).collect();
    let mut visit = |frame: &Frame<'_>| {
        state = exact.step(state);
        let moment = |name| frame.get("moments", name).unwrap()[0];
        // … whose fourth cumulant, width⁴/120 = 1.3e-9, is what the Gaussian map does not see.
        assert!((moment("mean_h") - state.0).abs() < 1e-8, "{} {}", moment("mean_h"), state.0);
        assert!((moment("var_h") - state.1).abs() < 1e-8, "{} {}", moment("var_h"), state.1);
        assert!((moment("mass") - 1.0).abs() < 1e-14);
        Ok(ControlFlow::Continue(()))
    };
    run.run(&times, &mut visit).unwrap();
    let later = at(run, &[20.0]);
    let fixed = exact.stationary_variance();
    let frame_variance: f64 = later.mass().iter().zip(&later.grid.points).map(|(m, h)| m * (h - 0.5) * (h - 0.5)).sum();
    // Tolerance: the far wall stands at 6 standard deviations, beyond which lies 2e-9 of the mass.
    assert!((frame_variance - fixed).abs() < 1e-8, "{frame_variance} {fixed}");
}

#[test]
fn replicator_form_is_of_second_order_in_the_grid() {
    let mut problem = toy();
    problem.selection = Selection::Replicator { beta: 1.0 };
    problem.mutation = vec![Kernel::Diffusion { diffusion: 0.05 }];
    problem.initial.h = vec![Law::Gaussian { mean: 0.5, std: 0.3 }];
    problem.h[0] = Domain::linear(-4.0, 4.0, Ends::Reflect);
    let exact = Riccati { curvature: 2.0, diffusion: 0.05 };
    let (mean, variance) = exact.at(1.0, (0.0, 0.09));
    let law = Law::Gaussian { mean: mean + 0.5, std: variance.sqrt() };
    let error = |cells: usize| {
        let end = at(solver(problem.clone(), cells, Weight::ClosedForm, 1e-12), &[1.0]);
        l1(end.mass(), &end.grid.masses(std::slice::from_ref(&law)).unwrap())
    };
    let errors = [100, 200, 400].map(error);
    for pair in errors.windows(2) {
        let order = (pair[0] / pair[1]).log2();
        assert!((order - 2.0).abs() < 0.15, "{errors:?}");
    }
}

#[test]
fn jump_form_is_of_second_order_in_the_grid() {
    // The jumps of the initial density at ±1 lie on faces.
    let run = |cells: usize| at(solver(toy(), cells, Weight::ClosedForm, 1e-12), &[2.0]);
    let reference = run(1920);
    let errors = [60, 120, 240].map(|cells| {
        let sums: Vec<f64> = reference.mass().chunks(1920 / cells).map(|chunk| chunk.iter().sum()).collect();
        l1(run(cells).mass(), &sums)
    });
    for pair in errors.windows(2) {
        let order = (pair[0] / pair[1]).log2();
        assert!((order - 2.0).abs() < 0.15, "{errors:?}");
    }
}

#[test]
fn truncation_of_a_gaussian() {
    let mut problem = toy();
    problem.fitness = Arc::new(FitnessFn(|theta: f64, _| theta));
    problem.initial.h = vec![Law::Gaussian { mean: 0.3, std: 0.4 }];
    let events = Selection::Events { rule: Rule::Truncation { fraction: 0.25 }, clock: Clock::Periodic { every: 1.0 } };
    problem.selection = events;
    problem.evaluation.sees = Sees::Effective;
    let quadrature = Weight::Quadrature { theta: Axis::uniform("theta", -6.0, 6.0, 240).unwrap().into() };
    let end = at(solver(problem.clone(), 600, quadrature.clone(), 1e-8), &[1.0]);
    let moments = |solver: &Averaged| {
        let mean: f64 = solver.mass().iter().zip(&solver.grid.points).map(|(m, h)| m * h).sum();
        let second: f64 = solver.mass().iter().zip(&solver.grid.points).map(|(m, h)| m * h * h).sum();
        (mean, second - mean * mean)
    };
    let (mean, variance) = truncation::truncate((0.3, 0.16), 0.25, true, 0.04).unwrap();
    let found = moments(&end);
    // Tolerance: cells of width 0.01 spread h by width²/12, and the two quantiles cut one cell each.
    assert!((found.0 - mean).abs() < 1e-4 && (found.1 - variance).abs() < 1e-4, "{found:?} {mean} {variance}");

    // Selection on F(θ) = θ = h + N(0, 0.1): the response is that of the trait times Cov(h, θ)/Var θ.
    problem.evaluation.sees = Sees::Fitness;
    let end = at(solver(problem, 300, quadrature, 1e-8), &[1.0]);
    let spread: f64 = 0.16 + 0.1;
    let (trait_mean, _) = truncation::truncate((0.3, spread), 0.25, true, 0.0).unwrap();
    // Tolerance: as above for cells of 0.02 and 0.05.
    assert!((moments(&end).0 - 0.3 - (trait_mean - 0.3) * 0.16 / spread).abs() < 5e-4);
}

#[test]
fn truncation_with_a_poisson_clock_keeps_mass_and_sign() {
    let mut problem = toy();
    problem.selection =
        Selection::Events { rule: Rule::Truncation { fraction: 0.25 }, clock: Clock::Poisson { rate: 1.0 } };
    let axis = ThetaGrid::from(Axis::uniform("theta", -5.0, 5.0, 80).unwrap());
    let coarse = at(solver(problem.clone(), 60, Weight::Quadrature { theta: axis.clone() }, 1e-5), &[2.0]);
    let fine = at(solver(problem, 60, Weight::Quadrature { theta: axis }, 1e-8), &[2.0]);
    assert!((coarse.mass().iter().sum::<f64>() - 1.0).abs() < 1e-14);
    assert!(coarse.mass().iter().all(|m| *m >= 0.0));
    // The promise of `Settings::tolerance`, also across the kinks where a quantile passes a cell.
    assert!(l1(coarse.mass(), fine.mass()) < 1e-4, "{:e}", l1(coarse.mass(), fine.mass()));
}

#[test]
fn stationary_laws() {
    let jump = solver(toy(), 200, Weight::ClosedForm, 1e-9);
    let stationary = jump.stationary().unwrap();
    let dense = perron::nonnegative(&jump_matrix(&jump)).unwrap();
    let top = jump.effective.scaled_weights().unwrap().1;
    // Tolerance: the eigenvector of a matrix with gap 0.2 at rounding times a few hundred cells.
    assert!((stationary.growth - top - dense.value.ln()).abs() < 1e-12);
    assert!(l1(&stationary.mass, &dense.vector) < 1e-11, "{:e}", l1(&stationary.mass, &dense.vector));
    let later = at(jump, &[150.0]);
    // Tolerance: e^{-gap t} is below 1e-9, the tolerance of the run.
    assert!(l1(&stationary.mass, later.mass()) < 1e-8, "{:e}", l1(&stationary.mass, later.mass()));

    let mut problem = toy();
    problem.selection = Selection::Replicator { beta: 1.0 };
    problem.mutation = vec![Kernel::Diffusion { diffusion: 0.05 }];
    let replicator = solver(problem, 400, Weight::ClosedForm, 1e-9);
    let stationary = replicator.stationary().unwrap();
    let mean: f64 = stationary.mass.iter().zip(&replicator.effective.fitness).map(|(m, f)| m * f).sum();
    assert!((stationary.growth - mean).abs() < 1e-9, "the growth rate is the mean fitness");
    let exact = Riccati { curvature: 2.0, diffusion: 0.05 };
    // Tolerance: O(width²) = 2e-4 of the curvature of a law of variance 0.22.
    assert!((stationary.growth + 0.1 - exact.growth_rate()).abs() < 2e-4);
}

#[test]
fn clipped_mutants_pile_up_at_the_ends() {
    let mut problem = toy();
    problem.h[0] = Domain::linear(-1.0, 1.0, Ends::Clip);
    problem.fitness = Arc::new(FitnessFn(|theta: f64, _| theta));
    let mut run = solver(problem, 100, Weight::Quadrature { theta: theta() }, 1e-8);
    let mut atoms = Vec::new();
    let mut visit = |frame: &Frame<'_>| {
        atoms = frame.get("density", "rho_atom").unwrap().to_vec();
        assert_eq!(frame.get("density", "rho").unwrap().len(), 100);
        Ok(ControlFlow::Continue(()))
    };
    run.run(&[3.0], &mut visit).unwrap();
    assert!(atoms[1] > 0.05 && atoms[0] < atoms[1], "{atoms:?}");
}

#[test]
fn price_equation() {
    for replicator in [false, true] {
        let mut problem = toy();
        problem.initial.h = vec![Law::Gaussian { mean: -0.3, std: 0.3 }];
        if replicator {
            problem.selection = Selection::Replicator { beta: 1.0 };
            problem.mutation = vec![Kernel::Diffusion { diffusion: 0.02 }];
        }
        let mut run = solver(problem, 200, Weight::ClosedForm, 1e-12);
        let mut seen = Vec::new();
        let mut visit = |frame: &Frame<'_>| {
            seen.push((frame.get("moments", "mean_h").unwrap()[0], frame.get("moments", "price_rate").unwrap()[0]));
            Ok(ControlFlow::Continue(()))
        };
        let dt = 1e-3;
        run.run(&[0.5 - dt, 0.5, 0.5 + dt], &mut visit).unwrap();
        let slope = (seen[2].0 - seen[0].0) / (2.0 * dt);
        // Tolerance: dt²/6 times a third derivative of order 1, and the jump of the first derivative of the operator at
        // the ends, where there is no mass.
        assert!((slope - seen[1].1).abs() < 1e-6, "{slope} {}", seen[1].1);
    }
}

#[test]
fn a_narrow_box_is_reported_with_the_mass_at_its_wall() {
    let axis = ThetaGrid::from(Axis::uniform("theta", -1.2, 1.2, 128).unwrap());
    let end = at(solver(toy(), 60, Weight::Quadrature { theta: axis }, 1e-6), &[1.0]);
    assert!(matches!(end.warnings(), [Warning::WellCut { .. }, Warning::MassAtWall { .. }]), "{:?}", end.warnings());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mass_sign_and_threads(
        beta in 0.0..30.0f64, rate in 0.1..5.0f64, spread in 0.02..2.0f64, ends in 0..3usize, kernel in 0..4usize,
        form in 0..4usize, cells in 20..80usize, optimum in -4.0..4.0f64,
    ) {
        let mut problem = toy();
        problem.h[0].ends = [Ends::Reflect, Ends::Clip, Ends::Retry][ends];
        problem.fitness = Arc::new(QuadraticFitness { optimum: vec![optimum], curvature: 1.0 });
        problem.mutation = vec![match kernel {
            0 => Kernel::Gaussian { std: spread },
            1 => Kernel::Uniform { width: spread },
            2 => Kernel::Factor { factors: vec![0.8, 1.2] },
            _ => Kernel::Resample { probability: 0.5, law: Law::Uniform { low: -2.0, high: 1.0 } },
        }];
        let weights = Rule::Boltzmann { beta };
        problem.selection = match form {
            0 => Selection::Events { rule: weights, clock: Clock::Poisson { rate } },
            1 => Selection::Events { rule: weights, clock: Clock::Periodic { every: 1.0 / rate } },
            2 => {
                let rule = Rule::Truncation { fraction: 0.25 };
                Selection::Events { rule, clock: Clock::Periodic { every: 1.0 / rate } }
            }
            _ => Selection::Replicator { beta },
        };
        if form == 3 {
            problem.mutation = vec![Kernel::Diffusion { diffusion: 0.1 * spread }];
        }
        let axis = ThetaGrid::from(Axis::uniform("theta", -6.0, 6.0, 60).unwrap());
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                at(solver(problem.clone(), cells, Weight::Quadrature { theta: axis.clone() }, 1e-7), &[1.0, 3.0])
            })
        };
        let (one, two) = (run(1), run(2));
        prop_assert_eq!(one.mass(), two.mass());
        // Every event or piece ends with one normalisation: one rounding each, and that of the sum here.
        prop_assert!((one.mass().iter().sum::<f64>() - 1.0).abs() < 1e-14 * 20.0);
        prop_assert!(one.mass().iter().all(|m| *m >= 0.0));
    }
}
