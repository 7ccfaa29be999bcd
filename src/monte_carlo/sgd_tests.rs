//! Both samplers of SGD: exactness of the start, the same bits always, divergence, bad input.

use std::ops::ControlFlow;
use std::sync::Arc;

use ndarray::{Array2, array};

use super::*;
use crate::error::{Error, Result};
use crate::frame::{Frame, Solver};
use crate::problem::{Activation, Committee, LearningRate, Momentum, Nonlinearity, Student, Teacher};

/// Either sampler, to treat both alike.
fn states(weights: bool, problem: &Committee, settings: &SgdSettings, times: &[f64]) -> Result<Array2<f64>> {
    let visit = &mut |_: &Frame<'_>| Ok(ControlFlow::Continue(()));
    if weights {
        let mut solver = OnlineSgd::new(problem.clone(), settings.clone())?;
        solver.run(times, visit)?;
        Ok(solver.states())
    } else {
        let mut solver = OverlapChain::new(problem.clone(), settings.clone())?;
        solver.run(times, visit)?;
        Ok(solver.states())
    }
}

fn problem() -> Committee {
    let student = Student::new(array![[0.8, 0.2], [0.2, 0.5]], array![[0.3, 0.1], [-0.2, 0.4]], Activation::Erf);
    Committee::new(Teacher::orthonormal(2, Activation::Erf), student, 0.7)
}

/// Everything at once, as far as E_g has a closed form.
fn laden() -> Committee {
    Committee {
        momentum: Momentum::Scaled { gamma: 0.8, alpha: 0.5 },
        second_layer_rate: 0.5,
        noise_variance: 0.3,
        weight_decay: 0.1,
        batch: 3,
        ..problem()
    }
}

#[test]
fn initial_overlaps_are_exact() {
    // Student 0 is teacher 1, student 1 is zero, student 2 is on its own; teacher 2 is the sum of the others.
    let w: Array2<f64> = array![
        [0.0, 2.0, 0.1, 0.0],
        [0.0; 4],
        [0.5, 0.25, -1.0, 0.3],
        [1.0, 0.0, 0.5, 0.0],
        [0.0, 2.0, 0.1, 0.0],
        [1.0, 2.0, 0.6, 0.0]
    ];
    let c = w.dot(&w.t());
    let block = |i: usize, k: usize| c.slice(ndarray::s![3 * i..3 * i + 3, 3 * k..3 * k + 3]).to_owned();
    let teacher = Teacher { overlaps: block(1, 1), ..Teacher::orthonormal(3, Activation::Erf) };
    let problem = Committee::new(teacher, Student::new(block(0, 0), block(0, 1), Activation::Erf), 0.5);
    for dimension in [3, 5, 1003] {
        let settings = SgdSettings { dimension, runs: 2, ..SgdSettings::default() };
        for weights in [true, false] {
            for row in states(weights, &problem, &settings, &[0.0]).unwrap().outer_iter() {
                for (found, expected) in row.iter().zip(problem.initial_state()) {
                    // Rounding of overlaps up to 5, summed over d.
                    assert!((found - expected).abs() < 1e-13, "{weights} {dimension}: {found} {expected}");
                }
            }
        }
    }
}

#[test]
fn a_student_that_is_the_teacher_stays_it() {
    let mut problem = problem();
    problem.teacher.overlaps = array![[1.0, 0.4], [0.4, 0.7]];
    (problem.student.q, problem.student.m) = (problem.teacher.overlaps.clone(), problem.teacher.overlaps.clone());
    let settings = SgdSettings { dimension: 50, ..SgdSettings::default() };
    for weights in [true, false] {
        let state = states(weights, &problem, &settings, &[200.0]).unwrap();
        for (found, expected) in state.iter().zip(problem.initial_state()) {
            // Rounding of the start; the error it makes is contracted.
            assert!((found - expected).abs() < 1e-13, "{weights}: {found} {expected}");
        }
    }
}

#[test]
fn bits_depend_neither_on_threads_nor_on_recorded_times() {
    let settings = SgdSettings { dimension: 37, runs: 5, seed: 9, record_runs: false };
    for problem in [problem(), laden()] {
        for weights in [true, false] {
            let on = |threads: usize, times: &[f64]| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let states = pool.install(|| states(weights, &problem, &settings, times)).unwrap();
                states.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            };
            let bits = on(1, &[4.0]);
            assert_eq!(on(2, &[4.0]), bits);
            assert_eq!(on(2, &[0.0, 0.03, 0.5, 0.51, 3.97, 4.0]), bits);
        }
    }
}

#[test]
fn weights_follow_the_same_path_as_a_plain_loop() {
    // One run in 20 dimensions, by hand from the same inputs: decay, noise, batch and momentum in the order of the statement.
    let problem = Committee { momentum: Momentum::Constant { beta: 0.5 }, ..laden() };
    let settings = SgdSettings { dimension: 20, runs: 1, seed: 4, record_runs: false };
    let (d, steps) = (20, 30);
    let key = rng::Key::new(4, rng::Purpose::Inputs, 0);
    let start = OnlineSgd::new(problem.clone(), settings.clone()).unwrap();
    let (mut w, teacher) = start.vectors(0).unwrap();
    let (mut p, mut a) = (Array2::<f64>::zeros((2, d)), problem.student.weights.clone());
    let mut noise = vec![0.0; 512 / 3 * 3];
    rng::fill_normals(rng::Key::new(4, rng::Purpose::LabelNoise, 0).at(0, 0), &mut noise);
    for step in 0..steps {
        let (mut gradient, mut gradient_a) = (Array2::<f64>::zeros((2, d)), [0.0; 2]);
        for sample in 0..3 {
            let mut x = vec![0.0; d];
            rng::fill_normals(key.at(sample, step as u64), &mut x);
            let x = ndarray::Array1::from(x) / (d as f64).sqrt();
            let (u, v) = (w.dot(&x), teacher.dot(&x));
            let label = v.mapv(|v| Activation::Erf.value(v)).sum() + 0.3_f64.sqrt() * noise[step * 3 + sample];
            let gamma = (0..2).map(|i| a[i] * Activation::Erf.value(u[i])).sum::<f64>() - label;
            for i in 0..2 {
                let force = gamma * a[i] * Activation::Erf.derivative(u[i]) / 3.0;
                gradient.row_mut(i).scaled_add(force, &x);
                gradient_a[i] += gamma * Activation::Erf.value(u[i]) / 3.0;
            }
        }
        gradient = gradient + 0.1 / d as f64 * &w;
        p = 0.5 * p + gradient;
        w = w - 0.7 * &p;
        (0..2).for_each(|i| a[i] -= 0.5 / d as f64 * gradient_a[i]);
    }
    let state = states(true, &problem, &settings, &[steps as f64 / d as f64]).unwrap();
    let (q, m) = (w.dot(&w.t()) / d as f64, w.dot(&teacher.t()) / d as f64);
    let expected = [q[[0, 0]], q[[0, 1]], q[[1, 1]], m[[0, 0]], m[[0, 1]], m[[1, 0]], m[[1, 1]], a[0], a[1]];
    for (found, expected) in state.iter().zip(expected) {
        // Rounding over 30 steps.
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}

#[test]
fn the_fast_chain_follows_the_general_one() {
    let plain = Committee { momentum: Momentum::None, batch: 1, ..laden() };
    let settings = SgdSettings { dimension: 50, runs: 2, ..SgdSettings::default() };
    let fast = states(false, &plain, &settings, &[3.0]).unwrap();
    let general = OverlapChain::new(plain, settings).map(|mut chain| chain.generally(3.0)).unwrap();
    for (fast, general) in fast.iter().zip(&general) {
        // Rounding over 150 steps.
        assert!((fast - general).abs() < 1e-12, "{fast} {general}");
    }
}

#[test]
fn the_fast_pass_follows_the_general_one() {
    // Over several tiles, the last of them not full. Momentum that forgets all at once is none, but takes the general pass.
    let settings = SgdSettings { dimension: 1100, runs: 2, ..SgdSettings::default() };
    let plain = Committee { weight_decay: 0.3, noise_variance: 0.2, ..problem() };
    for plain in [problem(), plain] {
        let general = Committee { momentum: Momentum::Constant { beta: 0.0 }, ..plain.clone() };
        let fast = states(true, &plain, &settings, &[0.1]).unwrap();
        let general = states(true, &general, &settings, &[0.1]).unwrap();
        for (fast, general) in fast.outer_iter().zip(general.outer_iter()) {
            // Q and M come first; R, S and T are of the momentum.
            for (fast, general) in fast.iter().zip(general) {
                // Rounding over 110 steps.
                assert!((fast - general).abs() < 1e-12, "{fast} {general}");
            }
        }
    }
}

#[test]
fn the_chain_runs_in_a_hundred_million_dimensions() {
    let settings = SgdSettings { dimension: 100_000_000, runs: 2, ..SgdSettings::default() };
    let state = states(false, &problem(), &settings, &[1e-4]).unwrap();
    for (found, expected) in state.row(0).iter().zip(problem().initial_state()) {
        // 10⁴ steps of order 1/d each: a drift of order 1e-4 and little else.
        assert!(found != &expected && (found - expected).abs() < 1e-3, "{found} {expected}");
    }
}

#[test]
fn frames_show_means_errors_and_runs() {
    let settings = SgdSettings { dimension: 30, runs: 4, seed: 2, record_runs: true };
    let mut chain = OverlapChain::new(laden(), settings).unwrap();
    let mut seen = 0;
    chain
        .run(&[0.5, 1.0], &mut |frame| {
            seen += 1;
            let names: Vec<_> = frame.fields.iter().map(|field| (field.group, field.name)).collect();
            assert!(
                names.contains(&("order_parameters", "T_error")) && names.contains(&("order_parameters", "a")),
                "{names:?}"
            );
            let runs = frame.get("runs", "state").unwrap();
            let first: Vec<f64> = runs.chunks_exact(runs.len() / 4).map(|state| state[0]).collect();
            let (mean, error) = statistics::mean_and_error(&first);
            assert_eq!(frame.get("order_parameters", "Q").unwrap()[0], mean);
            assert_eq!(frame.get("order_parameters", "Q_error").unwrap()[0], error.unwrap());
            assert!(frame.get("errors", "generalization_error").unwrap()[0] > 0.0);
            assert!(frame.get("errors", "generalization_error_error").unwrap()[0] > 0.0);
            assert_eq!(frame.get("errors", "learning_rate").unwrap(), [0.5 / 0.8]);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(seen, 2);
}

#[test]
fn divergence_is_an_error_with_time_and_state() {
    let student = Student::new(array![[1.0]], array![[0.0]], Activation::Linear);
    let problem = Committee::new(Teacher::orthonormal(1, Activation::Linear), student, 5.0);
    let quadratic = |mut problem: Committee| {
        problem.student.activation = Activation::Quadratic;
        problem.second_layer_rate = 1.0;
        problem
    };
    let settings = SgdSettings { dimension: 10, runs: 3, ..SgdSettings::default() };
    for problem in [problem.clone(), quadratic(problem)] {
        for weights in [true, false] {
            let mut seen = Vec::new();
            let visit = &mut |frame: &Frame<'_>| {
                seen.push(frame.get("errors", "generalization_error").unwrap()[0]);
                Ok(ControlFlow::Continue(()))
            };
            let times = [0.0, 1000.0];
            let outcome = if weights {
                OnlineSgd::new(problem.clone(), settings.clone()).unwrap().run(&times, visit)
            } else {
                OverlapChain::new(problem.clone(), settings.clone()).unwrap().run(&times, visit)
            };
            assert!(seen.len() == 1 && seen[0].is_finite(), "{seen:?}");
            let Err(Error::RanAway { name, value, time, state }) = outcome else { panic!("{outcome:?}") };
            assert!(
                name.contains("of run") && value.abs() > 1e12 && time > 0.0 && time < 100.0,
                "{name} {value} {time}"
            );
            assert!(state.contains("Q[0,0] = "), "{state}");
        }
    }
}

#[derive(Debug)]
struct Broken;

impl Nonlinearity for Broken {
    fn value(&self, x: f64) -> f64 {
        if x > 1.0 { f64::NAN } else { x }
    }
    fn derivative(&self, _x: f64) -> f64 {
        1.0
    }
}

#[derive(Debug)]
struct Steep;

impl Nonlinearity for Steep {
    fn value(&self, x: f64) -> f64 {
        1e200 * x
    }
    fn derivative(&self, _x: f64) -> f64 {
        1e200
    }
}

#[test]
fn forces_beyond_all_numbers_are_an_error() {
    let mut problem = problem();
    problem.student.activation = Activation::Custom(Arc::new(Steep));
    let settings = SgdSettings { dimension: 10, ..SgdSettings::default() };
    // The general steps of both, too.
    for problem in [problem.clone(), Committee { batch: 2, ..problem }] {
        for weights in [true, false] {
            let outcome = if weights {
                OnlineSgd::new(problem.clone(), settings.clone()).unwrap().advance_to(1.0)
            } else {
                OverlapChain::new(problem.clone(), settings.clone()).unwrap().advance_to(1.0)
            };
            let Err(Error::RanAway { name, state, .. }) = outcome else { panic!("{outcome:?}") };
            assert!(name == "Γ a g' of run 0" && !state.contains("NaN") && !state.contains("inf"), "{name}: {state}");
        }
    }
}

#[test]
fn bad_input_is_named() {
    let settings = SgdSettings { dimension: 20, ..SgdSettings::default() };
    let named = |problem: Committee, settings: &SgdSettings, times: &[f64], word: &str| {
        for weights in [true, false] {
            let text = states(weights, &problem, settings, times).unwrap_err().to_string();
            assert!(text.contains(word), "{word}: {text}");
        }
    };
    named(problem(), &SgdSettings { dimension: 0, ..settings.clone() }, &[0.0], "dimension = 0");
    named(problem(), &SgdSettings { dimension: 2, ..settings.clone() }, &[0.0], "rank of the initial overlaps");
    named(problem(), &SgdSettings { runs: 0, ..settings.clone() }, &[0.0], "runs = 0");
    named(Committee { batch: 0, ..problem() }, &settings, &[0.0], "batch = 0");
    named(Committee { batch: 5000, ..problem() }, &settings, &[0.0], "batch = 5000");
    named(Committee { noise_variance: -1.0, ..problem() }, &settings, &[0.0], "noise_variance = -1");
    named(Committee { learning_rate: LearningRate::Greedy { most: 1.0 }, ..problem() }, &settings, &[0.0], "Tabulated");
    // Scaled momentum has no learning rate.
    let greedy = Committee { learning_rate: LearningRate::Greedy { most: 1.0 }, ..laden() };
    assert_eq!([true, false].map(|weights| states(weights, &greedy, &settings, &[1.0]).is_ok()), [true, true]);
    named(problem(), &settings, &[1.0, 0.5], "time = 0.5");
    named(problem(), &settings, &[f64::NAN], "time = NaN");
    named(problem(), &settings, &[1e300], "2^40");
    let negative = LearningRate::Function(Arc::new(|t| 1.0 - t));
    named(Committee { learning_rate: negative, ..problem() }, &settings, &[2.0], "learning_rate = -");
    let mut broken = problem();
    broken.student.activation = Activation::Custom(Arc::new(Broken));
    for weights in [true, false] {
        let outcome = if weights {
            OnlineSgd::new(broken.clone(), settings.clone()).unwrap().advance_to(50.0)
        } else {
            OverlapChain::new(broken.clone(), settings.clone()).unwrap().advance_to(50.0)
        };
        let Err(Error::Activation { function: "g", x, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(x > 1.0);
    }
    let huge = SgdSettings { dimension: 1 << 40, ..settings.clone() };
    assert!(OnlineSgd::new(problem(), huge).unwrap_err().to_string().contains("overlap chain"));
    let teacher = Teacher::orthonormal(3, Activation::Erf);
    let draw = |units, dimension, std| random_student(&teacher, Activation::Erf, units, dimension, std, 1);
    assert!(draw(0, 10, 1.0).unwrap_err().to_string().contains("student units = 0"));
    assert!(draw(2, 2, 1.0).unwrap_err().to_string().contains("dimension = 2"));
    assert!(draw(2, 10, -1.0).unwrap_err().to_string().contains("std = -1"));
    // As many dimensions as teachers: nothing is left perpendicular to them.
    let student = draw(2, 3, 1.0).unwrap();
    assert!((&student.m.dot(&student.m.t()) - &student.q).iter().all(|x| x.abs() < 1e-14)); // rounding
}
