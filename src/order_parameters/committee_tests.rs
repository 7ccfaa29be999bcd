//! Properties of the right-hand side that do not depend on how its expectations are computed.

use std::ops::ControlFlow;
use std::sync::Arc;

use ndarray::{Array2, array};
use rayon::prelude::*;

use super::*;
use crate::error::{Error, Result};
use crate::frame::Solver;
use crate::problem::{Activation, LearningRate, Momentum, Student, Teacher};

/// A student of `students` units with unequal overlaps, and an orthonormal teacher.
fn uneven(students: usize, teachers: usize, rate: impl Into<LearningRate>) -> Committee {
    let m = Array2::from_shape_fn((students, teachers), |(i, n)| 0.2 * (1.0 + 3.0 * i as f64 + 7.0 * n as f64).sin());
    let q = Array2::from_shape_fn((students, students), |(i, k)| {
        let along = m.row(i).dot(&m.row(k));
        along + if i == k { 0.3 + 0.1 * i as f64 } else { 0.05 }
    });
    Committee::new(Teacher::orthonormal(teachers, Activation::Erf), Student::new(q, m, Activation::Erf), rate)
}

fn run_to(problem: Committee, time: f64, tolerance: f64) -> Vec<f64> {
    let mut run = OrderParameters::of(problem, Quadrature::Automatic, tolerance).unwrap();
    run.advance_to(time).unwrap();
    run.state().to_vec()
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn slope(problem: &Committee, rate: f64) -> f64 {
    let problem = Committee { learning_rate: rate.into(), ..problem.clone() };
    let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic).unwrap();
    let state = problem.initial_state();
    let mut velocity = vec![0.0; state.len()];
    equations.rhs(0.0, &state, &mut velocity).unwrap();
    let mut error = |step: f64| {
        let moved: Vec<f64> = state.iter().zip(&velocity).map(|(x, v)| x + step * v).collect();
        equations.generalization_error(&moved).unwrap()
    };
    (error(1e-5) - error(-1e-5)) / 2e-5
}

#[test]
fn symmetric_starts_stay_symmetric() {
    let (q, m) = (array![[0.3, 0.1], [0.1, 0.3]], Array2::from_elem((2, 2), 0.1));
    let teacher = Teacher::orthonormal(2, Activation::Erf);
    let problem = Committee::new(teacher, Student::new(q, m, Activation::Erf), 0.5);
    let layout = problem.layout();
    let state = run_to(problem, 20.0, 1e-9);
    // Sums in another order round differently; the unstable antisymmetric direction amplifies that little by t = 20.
    assert!((state[layout.q(0, 0)] - state[layout.q(1, 1)]).abs() < 1e-13, "{state:?}");
    assert!((1..4).all(|at| (state[layout.m(0, 0)] - state[layout.m(at / 2, at % 2)]).abs() < 1e-13), "{state:?}");
}

#[test]
fn relabelled_units_have_relabelled_overlaps() {
    let mut problem = uneven(3, 2, 0.7);
    problem.second_layer_rate = 0.3;
    problem.noise_variance = 0.1;
    problem.student.weights = vec![1.0, 0.5, -0.7];
    let mut swapped = problem.clone();
    let order = [2, 0, 1];
    swapped.student.q = Array2::from_shape_fn((3, 3), |(i, k)| problem.student.q[[order[i], order[k]]]);
    swapped.student.m = Array2::from_shape_fn((3, 2), |(i, n)| problem.student.m[[order[i], 1 - n]]);
    swapped.student.weights = order.map(|i| problem.student.weights[i]).to_vec();
    let layout = problem.layout();
    let (a, b) = (run_to(problem, 5.0, 1e-12), run_to(swapped, 5.0, 1e-12));
    for i in 0..3 {
        // Two runs within 1e-12 a step.
        let close = |x: usize, y: usize| (b[x] - a[y]).abs() < 1e-10;
        assert!(close(layout.a(i), layout.a(order[i])));
        assert!((0..3).all(|k| close(layout.q(i, k), layout.q(order[i], order[k]))));
        assert!((0..2).all(|n| close(layout.m(i, n), layout.m(order[i], 1 - n))));
    }
}

#[test]
fn jump_of_the_rate_is_a_restart() {
    let rate = LearningRate::Piecewise { times: vec![3.0], rates: vec![1.0, 0.25] };
    let whole = run_to(uneven(2, 2, rate), 5.0, 1e-10);
    let mut first = OrderParameters::of(uneven(2, 2, 1.0), Quadrature::Automatic, 1e-10).unwrap();
    first.advance_to(3.0).unwrap();
    let mut second = uneven(2, 2, 0.25);
    let layout = second.layout();
    for (i, k) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        second.student.q[[i, k]] = first.state()[layout.q(i, k)];
        second.student.m[[i, k]] = first.state()[layout.m(i, k)];
    }
    // The first step tried differs, nothing else: both are within the tolerance a step.
    assert!(apart(&whole, &run_to(second, 2.0, 1e-10)) < 1e-8);
}

#[test]
fn tabulated_rate_is_the_law_it_tabulates() {
    let law = LearningRate::Inverse { initial: 1.0, scale: 2.0 };
    let times: Vec<f64> = (0..=200).map(|k| 0.02 * f64::from(k)).collect();
    let rates = times.iter().map(|&t| law.at(t).unwrap()).collect();
    let table = LearningRate::Tabulated { times, rates };
    // Linear interpolation: h²τ''/8 = 0.02²·0.5/8 = 2.5e-5 of the rate at most, over a time of 4.
    let difference = apart(&run_to(uneven(2, 2, law), 4.0, 1e-9), &run_to(uneven(2, 2, table), 4.0, 1e-9));
    assert!(difference < 2.5e-5 && difference > 1e-9, "{difference}");
}

#[test]
fn greedy_rate_falls_fastest() {
    let mut cases = vec![uneven(2, 2, 1.0), uneven(3, 2, 1.0), uneven(1, 2, 1.0)];
    cases.push(Committee { noise_variance: 0.3, weight_decay: 0.05, ..uneven(2, 2, 1.0) });
    cases.push(Committee { batch: 4, momentum: Momentum::Constant { beta: 0.5 }, ..uneven(2, 3, 1.0) });
    cases[1].student.weights = vec![0.8, 1.3, -0.4];
    for problem in cases {
        let greedy = Committee { learning_rate: LearningRate::Greedy { most: 1e3 }, ..problem.clone() };
        let mut equations = CommitteeEquations::new(greedy.clone(), Quadrature::Automatic).unwrap();
        let best = equations.learning_rate(0.0, &greedy.initial_state()).unwrap();
        let at_best = slope(&problem, best);
        assert!(best > 0.0 && at_best < 0.0, "{best} {at_best}");
        // dE/dt is a parabola in τ that starts at 0: its least value lies between two zeros, at best and twice best.
        assert!(slope(&problem, 2.0 * best).abs() < 1e-7 * (1.0 + at_best.abs()), "{best}");
        for factor in [0.5, 0.9, 0.99, 1.01, 1.1, 1.5] {
            let other = slope(&problem, factor * best);
            let expected = at_best * factor * (2.0 - factor);
            // Central differences of E_g with step 1e-5.
            assert!((other - expected).abs() < 1e-7 * (1.0 + at_best.abs()), "{factor}: {other} {expected}");
        }
    }
}

#[test]
fn greedy_rate_keeps_its_bound() {
    let problem = uneven(2, 2, LearningRate::Greedy { most: 0.125 });
    let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic).unwrap();
    let state = problem.initial_state();
    assert_eq!(equations.learning_rate(0.0, &state).unwrap(), 0.125);
    let mut greedy = vec![0.0; state.len()];
    equations.rhs(0.0, &state, &mut greedy).unwrap();
    let mut constant = greedy.clone();
    equations.set_learning_rate(0.125).unwrap();
    equations.rhs(0.0, &state, &mut constant).unwrap();
    assert_eq!(greedy, constant);
}

#[test]
fn gradient_flow_never_raises_the_error() {
    // τ → 0: slow rates for everything, so that τ² is 1e-3 of τ.
    let mut problem = uneven(3, 2, 1e-3);
    problem.second_layer_rate = 2e-3;
    problem.student.weights = vec![0.3, -0.5, 0.8];
    let mut run = OrderParameters::of(problem, Quadrature::Automatic, 1e-9).unwrap();
    let mut last = f64::INFINITY;
    for k in 0..100 {
        run.advance_to(50.0 * f64::from(k)).unwrap();
        let state = run.state().to_vec();
        let error = run.equations().generalization_error(&state).unwrap();
        assert!(error <= last, "{k}: {error} {last}");
        last = error;
    }
    assert!(last < 0.05, "{last}");
}

#[test]
fn second_layer_follows_the_gradient_of_the_error() {
    let mut problem = uneven(3, 2, 0.0);
    problem.second_layer_rate = 0.7;
    problem.student.weights = vec![0.3, -0.5, 0.8];
    let layout = problem.layout();
    let state = problem.initial_state();
    let mut equations = CommitteeEquations::new(problem, Quadrature::Automatic).unwrap();
    let mut rate = vec![0.0; state.len()];
    equations.rhs(0.0, &state, &mut rate).unwrap();
    for i in 0..3 {
        let mut error = |step: f64| {
            let mut moved = state.clone();
            moved[layout.a(i)] += step;
            equations.generalization_error(&moved).unwrap()
        };
        // E_g is quadratic in a: the central difference is exact up to rounding.
        let slope = (error(1e-3) - error(-1e-3)) / 2e-3;
        assert!((rate[layout.a(i)] + 0.7 * slope).abs() < 1e-12, "{i}");
    }
}

#[test]
fn strong_friction_turns_scaled_momentum_into_plain_descent() {
    let plain = run_to(uneven(1, 1, 0.5), 10.0, 1e-11);
    let distance = |gamma: f64| {
        let momentum = Momentum::Scaled { gamma, alpha: 0.5 * gamma };
        let state = run_to(Committee { momentum, ..uneven(1, 1, 0.0) }, 10.0, 1e-11);
        apart(&state[..plain.len()], &plain)
    };
    let distances = [40.0, 80.0, 160.0].map(distance);
    // First order in 1/γ.
    for pair in distances.windows(2) {
        let order = (pair[0] / pair[1]).log2();
        assert!((order - 1.0).abs() < 0.15, "{distances:?}");
    }
}

#[test]
fn a_long_run_reaches_its_end() {
    let problem = Committee { noise_variance: 0.01, ..uneven(2, 2, 0.5) };
    let mut run = OrderParameters::of(problem, Quadrature::Automatic, 1e-8).unwrap();
    run.advance_to(1e5).unwrap();
    let state = run.state().to_vec();
    let mut rate = vec![0.0; state.len()];
    run.equations().rhs(0.0, &state, &mut rate).unwrap();
    // The explicit method idles at its limit of stability, within its tolerance.
    assert!(rate.iter().all(|value| value.abs() < 1e-6), "{rate:?}");
    assert!(run.equations().generalization_error(&state).unwrap() < 0.01);
}

/// A linear student above its critical rate, as the user's own equations.
fn diverging() -> FromFn<impl FnMut(f64, &[f64], &mut [f64]) -> Result<()>> {
    FromFn::new(["m", "q"], |_, s: &[f64], rate: &mut [f64]| {
        let (m, q) = (s[0], s[1]);
        rate[0] = 3.0 * (1.0 - m);
        rate[1] = 9.0 * (1.0 - 2.0 * m + q) + 6.0 * (m - q);
        Ok(())
    })
}

#[test]
fn divergence_is_named_and_keeps_what_was_recorded() {
    let mut run = Trajectory::new(diverging(), vec![0.0, 0.5], 1e-9).unwrap();
    let mut seen = Vec::new();
    let outcome = run.run(&[0.0, 1.0, 2.0, 100.0, 200.0], &mut |frame| {
        seen.push((frame.time, frame.get("order_parameters", "q").unwrap()[0]));
        Ok(ControlFlow::Continue(()))
    });
    match outcome {
        // q grows as e^(3t): 1e12 is passed near t = 9.2.
        Err(Error::RanAway { name, time, value, state }) => {
            assert!(name == "q" && (8.0..11.0).contains(&time) && value > 1e12, "{name} {time} {value}");
            assert!(state.contains("m = ") && state.contains("q = "), "{state}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(seen.iter().map(|(time, _)| *time).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    assert!(seen.iter().all(|(_, q)| q.is_finite()));
    assert_eq!(run.time(), 2.0);
}

#[test]
fn nan_of_the_users_equations_is_named() {
    let equations = FromFn::new(["x"], |t: f64, _: &[f64], rate: &mut [f64]| {
        rate[0] = if t < 1.0 { 1.0 } else { f64::NAN };
        Ok(())
    });
    let mut run = Trajectory::new(equations, vec![0.0], 1e-9).unwrap();
    run.advance_to(0.5).unwrap();
    let before = run.state().to_vec();
    let outcome = run.advance_to(2.0);
    assert!(matches!(outcome, Err(Error::NonFinite { .. } | Error::StepTooSmall { .. })), "{outcome:?}");
    assert_eq!((run.time(), run.state()), (0.5, &before[..]));
    assert!(matches!(Trajectory::new(diverging(), vec![0.0], 1e-9), Err(Error::Shape { .. })));
    assert!(matches!(Trajectory::new(diverging(), vec![0.0, f64::NAN], 1e-9), Err(Error::Parameter { .. })));
    assert!(matches!(Trajectory::new(diverging(), vec![0.0, 1.0], 0.0), Err(Error::Parameter { .. })));
}

#[test]
fn rate_of_the_users_own_that_becomes_nan_is_named() {
    let rate = LearningRate::Function(Arc::new(|t: f64| if t < 1.0 { 0.5 } else { f64::NAN }));
    let mut run = OrderParameters::of(uneven(2, 2, rate), Quadrature::Automatic, 1e-8).unwrap();
    run.advance_to(0.75).unwrap();
    let outcome = run.advance_to(2.0);
    assert!(matches!(outcome, Err(Error::NonFinite { .. } | Error::StepTooSmall { .. })), "{outcome:?}");
}

#[test]
fn parallel_runs_have_the_bits_of_serial_ones() {
    let problem = |k: usize| {
        let mut problem = uneven(2, 2, 0.7);
        problem.student.m *= 0.1 * k as f64;
        problem
    };
    let serial: Vec<Vec<f64>> = (0..10).map(|k| run_to(problem(k), 20.0, 1e-8)).collect();
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let runs: Vec<Vec<f64>> =
            pool.install(|| (0..10).into_par_iter().map(|k| run_to(problem(k), 20.0, 1e-8)).collect());
        assert_eq!(runs, serial, "{threads}");
    }
}

#[test]
fn biases_follow_the_gradient_of_the_error() {
    for activation in [Activation::Erf, Activation::Tanh, Activation::Relu] {
        let mut problem = uneven(2, 2, 1e-3);
        problem.student.activation = activation.clone();
        problem.teacher.activation = activation.clone();
        problem.bias_rate = 2e-3;
        problem.student.biases = vec![0.4, -0.2];
        problem.teacher.biases = vec![-0.3, 0.1];
        let layout = problem.layout();
        let state = problem.initial_state();
        let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic).unwrap();
        let mut rate = vec![0.0; state.len()];
        equations.rhs(0.0, &state, &mut rate).unwrap();
        for i in 0..2 {
            let mut error = |step: f64| {
                let mut moved = state.clone();
                moved[layout.b(i)] += step;
                equations.generalization_error(&moved).unwrap()
            };
            let slope = (error(1e-4) - error(-1e-4)) / 2e-4;
            // Central difference: 1e-8 of the third derivative; quadrature of ReLU.
            assert!((rate[layout.b(i)] / 2e-3 + slope).abs() < 1e-7, "{activation:?} {i} {slope}");
        }
        // τ → 0: gradient flow.
        let mut run = OrderParameters::of(problem, Quadrature::Automatic, 1e-7).unwrap();
        let mut last = f64::INFINITY;
        for k in 0..5 {
            run.advance_to(50.0 * f64::from(k)).unwrap();
            let state = run.state().to_vec();
            let error = run.equations().generalization_error(&state).unwrap();
            assert!(error <= last, "{activation:?} {k}: {error} {last}");
            last = error;
        }
    }
}

#[test]
fn nan_of_the_users_activation_is_named() {
    #[derive(Debug)]
    struct Broken;
    impl crate::problem::Nonlinearity for Broken {
        fn value(&self, x: f64) -> f64 {
            if x > 1.0 { f64::NAN } else { x }
        }
        fn derivative(&self, _: f64) -> f64 {
            1.0
        }
    }
    let mut problem = uneven(2, 2, 0.5);
    problem.student.activation = Activation::Custom(Arc::new(Broken));
    let mut run = OrderParameters::of(problem, Quadrature::Automatic, 1e-8).unwrap();
    let outcome = run.advance_to(1.0);
    assert!(matches!(outcome, Err(Error::Activation { function: "g", .. })), "{outcome:?}");
}
