use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::grid::Axis;
use crate::problem::*;

/// The joint problem with everything at ordinary size.
fn joint(epsilon: f64) -> Population {
    Population {
        epsilon,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![1.0], curvature: 1.0 }),
        h: vec![Domain::linear(-4.0, 4.0, Ends::Reflect)],
        selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate: 1.0 } },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial {
            h: vec![Law::Gaussian { mean: -1.0, std: 0.5 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 1.5, std: 0.4 }]),
        },
    }
}

fn solve(problem: &Population, cells: usize, steps: Steps, end: f64) -> Kinetic {
    let theta = Axis::uniform("theta", -7.0, 7.0, cells).unwrap();
    let mut kinetic = Kinetic::new(problem.clone(), theta, cells, steps).unwrap();
    kinetic.run(&[end], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    kinetic
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

#[test]
fn error_follows_the_tolerance() {
    for epsilon in [1.0, 1e-2, 1e-8] {
        let problem = joint(epsilon);
        let exact = solve(&problem, 48, Steps::Tolerance(1e-8), 5.0);
        for tolerance in [1e-2, 1e-4, 1e-6] {
            let run = solve(&problem, 48, Steps::Tolerance(tolerance), 5.0);
            let ratio = distance(run.masses(), exact.masses()) / tolerance;
            assert!((0.1..=10.0).contains(&ratio), "ε = {epsilon}, tolerance {tolerance}: error/tolerance = {ratio}");
            assert!((sum(run.masses()) - 1.0).abs() < 1e-12, "mass"); // hundreds of steps, each to rounding
            assert!(run.masses().iter().all(|f| *f >= 0.0));
        }
    }
}

#[test]
fn halving_the_steps_of_a_graded_mesh_gives_second_order_or_more() {
    let problem = joint(1e-2);
    let mut mesh = solve(&problem, 48, Steps::Tolerance(3e-2), 1.0).statistics().mesh.clone();
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(solve(&problem, 48, Steps::Mesh(mesh.clone()), 1.0));
        let starts = std::iter::once(0.0).chain(mesh.clone());
        mesh = starts.zip(&mesh).flat_map(|(a, b)| [0.5 * (a + b), *b]).collect();
    }
    let differences: Vec<f64> = runs.windows(2).map(|w| distance(w[0].masses(), w[1].masses())).collect();
    let order = (differences[1] / differences[2]).log2();
    assert!(order > 1.8, "{differences:?}");
}

#[test]
fn without_selection_the_free_energy_falls_to_that_of_gibbs() {
    let mut problem = joint(0.1);
    problem.selection = Selection::Off;
    let theta = Axis::uniform("theta", -7.0, 7.0, 64).unwrap();
    let mut kinetic = Kinetic::new(problem, theta, 32, Steps::Tolerance(1e-4)).unwrap();
    let (mut last, mut seen) = (f64::INFINITY, 0);
    let times: Vec<f64> = (0..60).map(|k| 0.05 * f64::from(k)).collect();
    kinetic
        .run(&times, &mut |frame| {
            let now = frame.get("moments", "free_energy").unwrap()[0];
            assert!(now <= last + 1e-12, "{now} after {last}"); // rounding of the sum
            (last, seen) = (now, seen + 1);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(seen, 60);
}

#[test]
fn the_stationary_state_is_where_long_runs_end() {
    for epsilon in [0.3, 1e-6] {
        let problem = joint(epsilon);
        let run = solve(&problem, 48, Steps::Tolerance(1e-6), 200.0);
        let stationary = run.stationary().unwrap();
        let gap = distance(&stationary.masses, run.masses());
        assert!(gap < 1e-6, "{gap}"); // the tolerance of the run
    }
}

#[test]
fn replicator_form_reaches_its_stationary_state() {
    let mut problem = joint(0.2);
    problem.selection = Selection::Replicator { beta: 0.5 };
    problem.mutation = vec![Kernel::Diffusion { diffusion: 0.02 }];
    let run = solve(&problem, 32, Steps::Tolerance(1e-5), 100.0);
    let gap = distance(&run.stationary().unwrap().masses, run.masses());
    assert!(gap < 1e-5, "{gap}"); // the tolerance of the run
    assert!((sum(run.masses()) - 1.0).abs() < 1e-13, "mass"); // restored each step
}

#[test]
fn periodic_events_happen_at_their_times_and_are_recorded_after() {
    let mut problem = joint(1e-3);
    problem.selection =
        Selection::Events { rule: Rule::Truncation { fraction: 0.25 }, clock: Clock::Periodic { every: 0.1 } };
    let theta = Axis::uniform("theta", -7.0, 7.0, 48).unwrap();
    let mut kinetic = Kinetic::new(problem, theta, 48, Steps::Tolerance(1e-4)).unwrap();
    let mut means = Vec::new();
    // 0.3 is not a multiple of 0.1 in binary: the third event must not be missed.
    kinetic
        .run(&[0.0999, 0.1, 0.3], &mut |frame| {
            means.push(frame.get("moments", "mean_h").unwrap()[0]);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(kinetic.events, 3);
    assert!(means[0] < -0.999 && means[1] > -0.9, "{means:?}"); // the mean starts at −1 and jumps towards 1
    assert!((sum(kinetic.masses()) - 1.0).abs() < 1e-12, "mass");
}

#[test]
fn clipped_mass_is_an_atom() {
    let mut problem = joint(0.1);
    problem.h[0] = Domain::linear(-1.5, 1.0, Ends::Clip);
    problem.initial.h = vec![Law::Uniform { low: -1.5, high: 1.0 }];
    problem.mutation = vec![Kernel::Factor { factors: vec![0.8, 1.2] }];
    let run = solve(&problem, 50, Steps::Tolerance(1e-4), 3.0);
    let marginal = run.marginal_h();
    assert!(marginal[0] > 1e-3 && marginal[51] > 1e-3, "{} {}", marginal[0], marginal[51]);
    let frame = run.frame().unwrap();
    assert_eq!(frame.get("marginal_h", "rho_atom").unwrap(), &[marginal[0], marginal[51]]);
    assert_eq!(frame.get("density", "f").unwrap().len(), 50 * 50);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let problem = joint(0.01);
    let theta = Axis::uniform("theta", -7.0, 7.0, 400).unwrap(); // more cells than one thread takes
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut kinetic = Kinetic::new(problem.clone(), theta.clone(), 400, Steps::Tolerance(1e-2)).unwrap();
            kinetic.run(&[0.5], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
            kinetic.masses().to_vec()
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}

#[test]
fn what_a_visitor_saw_stays_and_its_error_comes_through() {
    let theta = Axis::uniform("theta", -7.0, 7.0, 32).unwrap();
    let mut kinetic = Kinetic::new(joint(0.1), theta, 32, Steps::Tolerance(1e-2)).unwrap();
    let mut seen = 0;
    let error = kinetic
        .run(&[0.1, 0.2, 0.3], &mut |frame| {
            seen += 1;
            if seen < 2 {
                return Ok(ControlFlow::Continue(()));
            }
            Err(Error::File { path: "disk".into(), message: format!("full at {}", frame.time) })
        })
        .unwrap_err();
    assert!(seen == 2 && error.to_string() == "disk: full at 0.2", "{error}");
}

#[test]
fn bad_input_is_named() {
    let new = |problem: Population| {
        let theta = Axis::uniform("theta", -7.0, 7.0, 32).unwrap();
        Kinetic::new(problem, theta, 32, Steps::Tolerance(1e-3)).unwrap_err()
    };
    let with = |change: &dyn Fn(&mut Population)| {
        let mut problem = joint(0.1);
        change(&mut problem);
        new(problem).to_string()
    };
    assert!(with(&|p| p.epsilon = 0.0).starts_with("epsilon = 0"));
    assert!(with(&|p| p.epsilon = f64::NAN).starts_with("epsilon = NaN"));
    assert!(with(&|p| p.diffusion = (-0.5).into()).starts_with("diffusion = -0.5"));
    assert!(with(&|p| p.diffusion = Coefficient::Function(Arc::new(|h| h[0]))).starts_with("diffusion at h"));
    assert!(with(&|p| p.initial.h = vec![Law::Uniform { low: 3.0, high: 5.0 }]).contains("outside [-4, 4]"));
    assert!(with(&|p| p.evaluation.window = 5).contains("cannot treat"));
    let rate = |rate| {
        move |p: &mut Population| {
            p.selection = Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Poisson { rate } };
        }
    };
    assert!(with(&rate(-1.0)).starts_with("selection.clock.rate = -1"));
    let infinite = |p: &mut Population| p.fitness = Arc::new(FitnessFn(|t: f64, _| 1.0 / t.max(0.0)));
    assert!(with(&infinite).starts_with("fitness is inf"));
    let theta = || Axis::uniform("theta", -7.0, 7.0, 32).unwrap();
    let error = Kinetic::new(joint(0.1), theta(), 32, Steps::Tolerance(1e-14)).unwrap_err();
    assert!(error.to_string().contains("rounding"), "{error}");
    assert!(Axis::uniform("theta", 1.0, -1.0, 32).is_err() && Axis::uniform("theta", 0.0, 1.0, 0).is_err());
    // Boltzmann weights never overflow, whatever β; but where none is left, that is said.
    let mut problem = joint(0.1);
    problem.selection = Selection::Events { rule: Rule::Boltzmann { beta: 1e5 }, clock: Clock::Poisson { rate: 1.0 } };
    problem.initial.theta = InitialTheta::Law(vec![Law::Uniform { low: -7.0, high: -6.0 }]);
    assert!(matches!(Kinetic::new(problem, theta(), 32, Steps::Tolerance(1e-3)), Err(Error::Weights { .. })));
}

#[test]
fn mass_at_a_wall_is_reported_with_its_number() {
    let mut problem = joint(0.1);
    problem.initial.theta = InitialTheta::Equilibrium;
    let theta = Axis::uniform("theta", -4.0, 4.0, 64).unwrap();
    let mut kinetic = Kinetic::new(problem, theta, 32, Steps::Tolerance(1e-3)).unwrap();
    kinetic.run(&[1.0], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    let warnings = kinetic.warnings();
    assert!(matches!(warnings[..], [Warning::MassAtWall { mass, .. }, ..] if mass > 1e-8), "{warnings:?}");
}
