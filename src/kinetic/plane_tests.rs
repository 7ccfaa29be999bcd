//! dθ = 2.

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::grid::Axis;
use crate::problem::*;

/// `½(θ₁ − h)² + ½(θ₂ − θ₁/2)²`.
#[derive(Debug)]
struct Chain;

impl Loss for Chain {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        0.5 * (theta[0] - h[0]).powi(2) + 0.5 * (theta[1] - 0.5 * theta[0]).powi(2)
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        let pull = theta[1] - 0.5 * theta[0];
        (out[0], out[1]) = (theta[0] - h[0] - 0.5 * pull, pull);
    }

    fn dimension(&self) -> usize {
        2
    }
}

fn joint(epsilon: f64) -> Population {
    Population {
        epsilon,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Chain),
        fitness: Arc::new(QuadraticFitness { optimum: vec![1.0, 0.5], curvature: 1.0 }),
        h: vec![Domain::linear(-3.0, 3.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate: 1.0 } },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.3 }],
        initial: Initial {
            h: vec![Law::Gaussian { mean: -0.5, std: 0.5 }],
            theta: InitialTheta::Law(vec![
                Law::Gaussian { mean: 1.5, std: 0.4 },
                Law::Gaussian { mean: -1.0, std: 0.4 },
            ]),
        },
    }
}

fn himmelblau(epsilon: f64) -> Population {
    Population {
        diffusion: 0.1.into(),
        loss: Arc::new(Himmelblau { scale: 100.0, role: Role::Shift }),
        fitness: Arc::new(Himmelblau::new(100.0)),
        h: vec![Domain::linear(-1.0, 1.0, Ends::Reflect)],
        mutation: vec![Kernel::Gaussian { std: 0.2 }],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Uniform { low: -0.5, high: 0.5 }; 2]),
        },
        ..joint(epsilon)
    }
}

fn square(half: f64, cells: usize) -> [Axis; 2] {
    [(); 2].map(|()| Axis::uniform("theta", -half, half, cells).unwrap())
}

fn solve(problem: &Population, cells: usize, h_cells: usize, steps: Steps, times: &[f64]) -> Kinetic {
    let mut kinetic = Kinetic::new(problem.clone(), square(6.0, cells), h_cells, steps).unwrap();
    kinetic.run(times, &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    kinetic
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

#[test]
fn error_follows_the_tolerance() {
    for (name, problem) in [("chain", joint as fn(f64) -> Population), ("himmelblau", himmelblau)] {
        for epsilon in [1.0, 1e-2, 1e-8] {
            let problem = problem(epsilon);
            let exact = solve(&problem, 32, 12, Steps::Tolerance(3e-7), &[5.0]);
            for tolerance in [1e-2, 1e-4] {
                let run = solve(&problem, 32, 12, Steps::Tolerance(tolerance), &[5.0]);
                let ratio = distance(run.masses(), exact.masses()) / tolerance;
                // Steps on a ladder are up to twice too short.
                assert!(
                    (0.05..=10.0).contains(&ratio),
                    "{name}, ε = {epsilon}, {tolerance}: error/tolerance = {ratio}"
                );
                assert!((sum(run.masses()) - 1.0).abs() < 1e-12, "mass"); // hundreds of steps, each to rounding
                assert!(run.masses().iter().all(|f| *f >= 0.0));
                assert!(3 * run.statistics().factorisations < run.statistics().steps, "{:?}", run.statistics());
            }
        }
    }
}

#[test]
fn halving_equal_steps_gives_second_order_or_more() {
    let mut problem = joint(1.0);
    problem.initial.theta = InitialTheta::Law(vec![Law::Gaussian { mean: 0.5, std: 0.6 }; 2]);
    let runs: Vec<Kinetic> =
        [0.1, 0.05, 0.025].map(|step| solve(&problem, 24, 12, Steps::Uniform(step), &[0.5, 1.0])).into();
    let differences: Vec<f64> = runs.windows(2).map(|w| distance(w[0].masses(), w[1].masses())).collect();
    assert!((differences[0] / differences[1]).log2() > 1.8, "{differences:?}");
    // Two orders while the history grows, then always the same matrix; and so for the same steps given as a mesh.
    assert_eq!(runs[2].statistics().factorisations, 3);
    let mesh: Vec<f64> = (1..=40).map(|k| 0.025 * f64::from(k)).collect();
    let on_mesh = solve(&problem, 24, 12, Steps::Mesh(mesh), &[0.5, 1.0]);
    assert!(distance(on_mesh.masses(), runs[2].masses()) < 1e-11); // rounding of 40 steps
}

/// Where the second parameter is on its own the first does what it does alone.
#[test]
fn an_idle_second_parameter_changes_nothing() {
    #[derive(Debug)]
    struct Idle;
    impl Loss for Idle {
        fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
            0.5 * (theta[0] - h[0]).powi(2) + theta[1].powi(4) / 4.0
        }
        fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
            (out[0], out[1]) = (theta[0] - h[0], theta[1].powi(3));
        }
        fn dimension(&self) -> usize {
            2
        }
    }
    let first = Law::Gaussian { mean: 1.5, std: 0.4 };
    for selection in [joint(1.0).selection, Selection::Replicator { beta: 0.5 }] {
        let mut two = joint(0.05);
        two.loss = Arc::new(Idle);
        two.fitness = Arc::new(FitnessFn(|theta: f64, h: f64| -(theta - 1.0).powi(2) - 0.1 * h * h));
        two.initial.theta = InitialTheta::Law(vec![first.clone(), Law::Uniform { low: -1.0, high: 0.0 }]);
        two.selection = selection;
        if matches!(two.selection, Selection::Replicator { .. }) {
            two.mutation = vec![Kernel::Diffusion { diffusion: 0.02 }];
        }
        let mut one = two.clone();
        one.loss = Arc::new(Quadratic::new(1.0, 1));
        one.initial.theta = InitialTheta::Law(vec![first.clone()]);
        let mut line =
            Kinetic::new(one, Axis::uniform("theta", -6.0, 6.0, 32).unwrap(), 12, Steps::Tolerance(1e-7)).unwrap();
        line.run(&[2.0], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
        let plane = solve(&two, 32, 12, Steps::Tolerance(1e-6), &[1.0, 2.0]);
        let marginal: Vec<f64> = plane
            .masses()
            .chunks_exact(32 * 12)
            .flat_map(|row| (0..12).map(|place| row.iter().skip(place).step_by(12).sum()))
            .collect();
        let gap = distance(&marginal, line.masses());
        assert!(gap < 5e-6, "{gap:e}"); // the tolerance
    }
}

#[test]
fn training_alone_takes_one_cell_of_h_and_ends_at_gibbs() {
    let mut problem = himmelblau(0.1);
    problem.selection = Selection::Off;
    let (mut last, mut seen) = (f64::INFINITY, 0);
    let mut kinetic = Kinetic::new(problem.clone(), square(6.0, 32), 1, Steps::Tolerance(1e-6)).unwrap();
    let times: Vec<f64> = (0..30).map(|k| 0.1 * f64::from(k)).chain([1e6]).collect();
    kinetic
        .run(&times, &mut |frame| {
            let now = frame.get("moments", "free_energy").unwrap()[0];
            assert!(now <= last + 1e-5, "{now} after {last}"); // the tolerance, times log f
            (last, seen) = (now, seen + 1);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(seen, 31);
    assert!((last + 2f64.ln()).abs() < 1e-6, "{last}"); // that of h on a width of 2, and the tolerance
    assert!((sum(kinetic.masses()) - 1.0).abs() < 1e-12, "mass"); // rounding of 30 propagations
    problem.initial.theta = InitialTheta::Equilibrium;
    let run = solve(&problem, 32, 1, Steps::Tolerance(1e-6), &[0.0, 7.0]);
    let start = solve(&problem, 32, 1, Steps::Tolerance(1e-6), &[0.0]);
    assert!(distance(run.masses(), start.masses()) < 1e-12, "Gibbs moved"); // rounding
}

#[test]
fn the_exponential_agrees_with_small_steps() {
    let mut problem = joint(0.5);
    problem.selection = Selection::Off;
    let exponential = solve(&problem, 24, 9, Steps::Tolerance(1e-9), &[0.7, 1.0]);
    let steps = solve(&problem, 24, 9, Steps::Uniform(1.0 / 512.0), &[1.0]);
    let gap = distance(exponential.masses(), steps.masses());
    assert!(gap < 1e-4, "{gap:e}"); // third order but for the first steps
}

#[test]
fn the_stationary_state_is_where_long_runs_end() {
    for (epsilon, selection) in
        [(0.3, joint(1.0).selection), (1e-6, joint(1.0).selection), (0.2, Selection::Replicator { beta: 0.5 })]
    {
        let mut problem = joint(epsilon);
        problem.selection = selection;
        if matches!(problem.selection, Selection::Replicator { .. }) {
            problem.mutation = vec![Kernel::Diffusion { diffusion: 0.02 }];
        }
        let run = solve(&problem, 24, 12, Steps::Tolerance(1e-5), &[100.0]);
        let gap = distance(&run.stationary().unwrap().masses, run.masses());
        assert!(gap < 1e-5, "{gap:e}"); // the tolerance of the run
    }
}

#[test]
fn periodic_events_are_exact_between() {
    let mut problem = himmelblau(0.3);
    problem.selection =
        Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Periodic { every: 0.1 } };
    let exact = solve(&problem, 24, 12, Steps::Tolerance(1e-9), &[1.05]);
    for tolerance in [1e-3, 1e-6] {
        let run = solve(&problem, 24, 12, Steps::Tolerance(tolerance), &[0.55, 1.05]);
        let gap = distance(run.masses(), exact.masses());
        assert!(gap < tolerance, "{gap:e} for {tolerance:e}");
        assert!(run.masses().iter().all(|f| *f >= 0.0));
    }
}

#[test]
fn threads_change_no_bit() {
    let problem = joint(0.01);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| solve(&problem, 40, 90, Steps::Tolerance(1e-2), &[0.5]).masses().to_vec())
    };
    assert_eq!(run(1), run(2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mass_and_sign_hold_for_every_problem(
        log_epsilon in -8.0..0.0f64, diffusion in 0.05..1.0f64, rate in 0.1..3.0f64, kind in 0usize..4,
        ends in prop_oneof![Just(Ends::Reflect), Just(Ends::Clip), Just(Ends::Retry)], steps in 0usize..2,
    ) {
        let mut problem = himmelblau(10f64.powf(log_epsilon));
        problem.diffusion = diffusion.into();
        problem.h[0].ends = if kind == 3 { Ends::Reflect } else { ends };
        problem.selection = match kind {
            0 => Selection::Off,
            1 => Selection::Events { rule: Rule::Boltzmann { beta: 2.0 }, clock: Clock::Poisson { rate } },
            2 => Selection::Events { rule: Rule::Truncation { fraction: 0.3 }, clock: Clock::Poisson { rate } },
            _ => Selection::Replicator { beta: rate },
        };
        if kind == 3 {
            problem.mutation = vec![Kernel::Diffusion { diffusion: 0.01 }];
        }
        let steps = [Steps::Tolerance(1e-2), Steps::Uniform(0.1)][steps].clone();
        let run = solve(&problem, 17, 6, steps, &[0.3, 1.0]);
        prop_assert!((sum(run.masses()) - 1.0).abs() < 1e-12, "mass {}", sum(run.masses()) - 1.0); // tens of steps
        prop_assert!(run.masses().iter().all(|f| *f >= 0.0 && f.is_finite()));
    }
}

#[test]
fn what_cannot_be_stated_or_held_is_named_before_it_starts() {
    let bad = |problem: Population, cells: usize, h_cells: usize| {
        Kinetic::new(problem, square(5.0, cells), h_cells, Steps::Tolerance(1e-3)).unwrap_err().to_string()
    };
    // 512² cells of θ and 10⁹ of h: no machine holds them.
    if crate::numerics::memory::available().is_some() {
        let text = bad(himmelblau(1.0), 512, 1_000_000_000);
        assert!(text.contains("bytes") && text.contains("the joint equation"), "{text}");
    }
    let short = Population { loss: Arc::new(Quadratic::new(1.0, 2)), ..himmelblau(1.0) };
    assert!(bad(short, 8, 4).contains("hyperparameters that the loss needs"));
    let fitness = Arc::new(QuadraticFitness { optimum: vec![0.0], curvature: 1.0 });
    assert!(bad(Population { fitness, ..himmelblau(1.0) }, 8, 4).contains("optimum"));
}
