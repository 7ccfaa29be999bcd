//! The two-layer network: against plain loops, the flow's right-hand side and its own samples; the same bits; bad input.

use std::ops::ControlFlow;
use std::sync::Arc;

use ndarray::Array2;

use super::*;
use crate::error::{Error, Result};
use crate::frame::{Frame, Solver};
use crate::gaussian::DualKernel;
use crate::problem::{Activation, Link, Nonlinearity, SingleIndex};

const TARGET: [f64; 3] = [0.8, 0.5, -0.6];

fn problem(activation: Activation, neurons: usize, epsilon: f64) -> SingleIndex {
    let start = random_neurons(neurons, 1.0, None, 5).unwrap();
    start.start(&SingleIndex::new(activation, TARGET, epsilon, vec![]))
}

fn settings(dimension: usize, step: f64) -> NetworkSettings {
    NetworkSettings { dimension, step, ..NetworkSettings::default() }
}

/// `U`, `V` with their slopes, as the statement has them.
fn kernels(problem: &SingleIndex) -> impl Fn(f64, f64) -> [f64; 4] + use<> {
    let u = DualKernel::new(&problem.activation, &problem.activation, 200).unwrap();
    let v = DualKernel::new(&problem.activation, &problem.target, 200).unwrap();
    move |r, s| [u.at(r)[0], u.at(r)[1], v.at(s)[0], v.at(s)[1]]
}

/// One step of projected gradient descent on the risk, written out.
fn plain_step(problem: &SingleIndex, eta: f64, a: &mut [f64], u: &mut Array2<f64>) {
    let kernel = kernels(problem);
    let (old, w) = (a.to_vec(), u.clone());
    let (m, d) = w.dim();
    for i in 0..m {
        let s = w[[i, 0]];
        let mut force = kernel(0.0, s)[2];
        let mut step: Vec<f64> =
            (0..d).map(|k| kernel(0.0, s)[3] * (f64::from(u8::from(k == 0)) - s * w[[i, k]])).collect();
        for j in 0..m {
            let r = if i == j { 1.0 } else { w.row(i).dot(&w.row(j)) };
            let [value, slope, ..] = kernel(r, s);
            force -= old[j] * value / m as f64;
            if i != j {
                (0..d).for_each(|k| step[k] -= old[j] * slope * (w[[j, k]] - r * w[[i, k]]) / m as f64);
            }
        }
        a[i] += eta / problem.epsilon * force;
        (0..d).for_each(|k| u[[i, k]] += eta * old[i] * step[k]);
        let norm = u.row(i).dot(&u.row(i)).sqrt();
        u.row_mut(i).mapv_inplace(|x| x / norm);
    }
}

#[test]
fn population_steps_are_those_of_plain_loops() {
    for (activation, dimension) in [(Activation::Relu, 7), (Activation::Erf, 40), (Activation::Tanh, 13)] {
        let problem = problem(activation, 5, 0.1);
        let mut network = Network::new(problem.clone(), settings(dimension, 0.05)).unwrap();
        let (mut a, mut u) = (problem.a.clone(), network.directions(0).unwrap());
        for step in 1..=20 {
            plain_step(&problem, 0.05, &mut a, &mut u);
            network.advance_to(f64::from(step) * 0.05).unwrap();
        }
        let state = network.states().remove(0);
        // Rounding of twenty steps.
        let close = |x: f64, y: f64| assert!((x - y).abs() < 1e-13, "{problem:?}: {x} {y}");
        a.iter().zip(&state.a).for_each(|(x, y)| close(*x, *y));
        u.iter().zip(&network.directions(0).unwrap()).for_each(|(x, y)| close(*x, *y));
        // It went somewhere.
        assert!(a.iter().zip(&problem.a).any(|(x, y)| (x - y).abs() > 0.1));
    }
}

/// `a'`, `s'`, `r'` of the full flow.
fn flow(problem: &SingleIndex, state: &NeuronState) -> (Vec<f64>, Vec<f64>, Array2<f64>) {
    let kernel = kernels(problem);
    let (m, a, s, r) = (state.a.len(), &state.a, &state.s, state.r.clone().unwrap());
    let mean = |term: &dyn Fn(usize) -> f64| (0..m).map(term).sum::<f64>() / m as f64;
    let slope = |i: usize, j: usize| kernel(r[[i, j]], 0.0)[1];
    let to_target = |i: usize| kernel(0.0, s[i])[3];
    let da = (0..m).map(|i| (kernel(0.0, s[i])[2] - mean(&|j| a[j] * kernel(r[[i, j]], 0.0)[0])) / problem.epsilon);
    let ds = (0..m).map(|i| {
        a[i] * (to_target(i) * (1.0 - s[i] * s[i]) - mean(&|j| a[j] * slope(i, j) * (s[j] - r[[i, j]] * s[i])))
    });
    let half = |i: usize, j: usize| {
        let others = mean(&|p| a[p] * slope(i, p) * (r[[j, p]] - r[[i, p]] * r[[i, j]]));
        a[i] * (to_target(i) * (s[j] - r[[i, j]] * s[i]) - others)
    };
    let dr = Array2::from_shape_fn((m, m), |(i, j)| if i == j { 0.0 } else { half(i, j) + half(j, i) });
    (da.collect(), ds.collect(), dr)
}

#[test]
fn population_steps_follow_the_full_flow_to_first_order() {
    for activation in [Activation::Relu, Activation::Erf] {
        let problem = problem(activation, 4, 0.3);
        // Largest difference quotient minus right-hand side at step η.
        let gap = |eta: f64| {
            let mut network = Network::new(problem.clone(), settings(6, eta)).unwrap();
            let before = network.states().remove(0);
            network.advance_to(eta).unwrap();
            let after = network.states().remove(0);
            let (da, ds, dr) = flow(&problem, &before);
            let (r, r_before) = (after.r.unwrap(), before.r.unwrap());
            let pairs = after.a.iter().zip(&before.a).zip(&da).chain(after.s.iter().zip(&before.s).zip(&ds));
            let pairs = pairs.chain(r.iter().zip(&r_before).zip(&dr));
            pairs.map(|((after, before), rate)| ((after - before) / eta - rate).abs()).fold(0.0, f64::max)
        };
        // Second-order terms of order η, and rounding 1e-16/η.
        let (coarse, fine) = (gap(1e-3), gap(1e-6));
        assert!(coarse < 1e-2 && fine < 1e-5 && coarse > 500.0 * fine, "{coarse:e} {fine:e}");
    }
}

#[test]
fn samples_have_the_population_gradient_as_their_mean() {
    for activation in [Activation::Relu, Activation::Erf, Activation::Softplus] {
        let problem = problem(activation, 3, 0.7);
        const RUNS: usize = 4000;
        // Overlaps that all runs share, r and s included.
        let start = Network::new(problem.clone(), settings(4, 1e-3)).unwrap().states().remove(0);
        let problem = start.start(&problem);
        let (da, ds, dr) = flow(&problem, &start);
        let (eta, batch) = (1e-5, 16);
        let sampled = NetworkSettings { gradient: Gradient::Sample { batch }, runs: RUNS, seed: 8, ..settings(4, eta) };
        let mut network = Network::new(problem.clone(), sampled).unwrap();
        network.advance_to(eta).unwrap();
        let states = network.states();
        let r = start.r.as_ref().unwrap();
        let check = |expected: f64, rate: &dyn Fn(&NeuronState) -> f64| {
            let rates: Vec<f64> = states.iter().map(rate).collect();
            let (mean, error) = statistics::mean_and_error(&rates);
            let error = error.unwrap();
            // Four standard errors; the terms of order η times the variance of a gradient, which is that of the mean times runs.
            let allowed = 4.0 * error + 10.0 * eta * error * error * RUNS as f64;
            assert!((mean - expected).abs() < allowed, "{expected}: {mean} ± {error}");
            assert!(error < 0.1 * (1.0 + expected.abs()), "{error}");
        };
        for i in 0..3 {
            check(da[i], &|state| (state.a[i] - start.a[i]) / eta);
            check(ds[i], &|state| (state.s[i] - start.s[i]) / eta);
            for j in 0..i {
                check(dr[[i, j]], &|state| (state.r.as_ref().unwrap()[[i, j]] - r[[i, j]]) / eta);
            }
        }
    }
}

fn both() -> [Gradient; 2] {
    [Gradient::Population, Gradient::Sample { batch: 5 }]
}

#[test]
fn bits_depend_neither_on_threads_nor_on_times() {
    for gradient in both() {
        let settings = NetworkSettings { gradient, runs: 5, ..settings(33, 0.01) };
        let run = |threads: usize, times: &[f64]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut network = Network::new(problem(Activation::Relu, 6, 0.5), settings.clone()).unwrap();
                let mut risks = Vec::new();
                let visit = &mut |frame: &Frame<'_>| {
                    risks.push(frame.get("risk", "risk").unwrap()[0]);
                    Ok(ControlFlow::Continue(()))
                };
                network.run(times, visit).unwrap();
                (network.states(), risks.pop())
            })
        };
        let expected = run(1, &[1.0]);
        assert_eq!(run(3, &[1.0]), expected);
        assert_eq!(run(2, &[0.0, 0.013, 0.5, 0.5, 1.0]), expected);
        // Runs differ.
        assert!(expected.0[0] != expected.0[1]);
    }
}

#[test]
fn vectors_keep_their_length() {
    for gradient in both() {
        let settings = NetworkSettings { gradient, runs: 2, ..settings(50, 0.01) };
        let mut network = Network::new(problem(Activation::Relu, 8, 0.2), settings).unwrap();
        network.advance_to(3.0).unwrap();
        for row in network.directions(1).unwrap().rows() {
            assert!((row.dot(&row).sqrt() - 1.0).abs() < 1e-14);
        }
    }
}

#[test]
fn given_overlaps_are_met_exactly_and_others_are_random() {
    let random = random_neurons(6, 0.5, Some(9), 3).unwrap();
    let statement = SingleIndex::new(Activation::Relu, TARGET, 1.0, vec![]);
    for dimension in [7, 64] {
        let mut problem = random.start(&statement);
        let at = |problem: &SingleIndex| {
            Network::new(problem.clone(), NetworkSettings { runs: 2, ..settings(dimension, 1e-3) }).unwrap().states()
        };
        for independent in [false, true] {
            if independent {
                problem.r = None;
            }
            for state in at(&problem) {
                assert_eq!(state.a, problem.a);
                let pairs = state.s.iter().zip(&problem.s);
                let r = state.r.unwrap();
                // Rounding.
                assert!(pairs.chain(r.iter().zip(&problem.overlaps())).all(|(x, y)| (x - y).abs() < 2e-15));
            }
        }
        problem.s.fill(0.0);
        let states = at(&problem);
        assert!(states[0].s != states[1].s && states[0].s.iter().all(|s| *s != 0.0));
    }
    // Uniform on the sphere: E s² = E r² = 1/d, in law as random_neurons; four standard errors √(2/(d² n)) of the mean square.
    let many = problem(Activation::Relu, 30, 1.0);
    let runs = Network::new(many, NetworkSettings { runs: 50, ..settings(9, 1e-3) }).unwrap().states();
    let drawn: Vec<NeuronState> = (0..50).map(|seed| random_neurons(30, 1.0, Some(9), seed).unwrap()).collect();
    for states in [runs, drawn] {
        let s: Vec<f64> = states.iter().flat_map(|state| state.s.iter().map(|s| s * s)).collect();
        let off = |state: &NeuronState| -> Vec<f64> {
            let r = state.r.as_ref().unwrap();
            (0..30).flat_map(|i| (0..i).map(move |j| r[[i, j]] * r[[i, j]])).collect()
        };
        let r: Vec<f64> = states.iter().flat_map(off).collect();
        for squares in [s, r] {
            let n = squares.len() as f64;
            let mean = squares.iter().sum::<f64>() / n;
            assert!((9.0 * mean - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "{mean}");
        }
    }
    let start = random_neurons(20_000, 2.0, None, 1).unwrap();
    let (mean, error) = statistics::mean_and_error(&start.a);
    assert!(mean.abs() < 4.0 * error.unwrap() && (error.unwrap() * 20_000_f64.sqrt() / 2.0 - 1.0).abs() < 0.02);
    assert_eq!(random_neurons(6, 0.5, None, 3).unwrap(), NeuronState { a: random.a, s: vec![0.0; 6], r: None });
}

#[test]
fn many_steps_of_the_second_layer_are_one_long_step() {
    // With the first layer still (a = 0 at first, then tiny steps), n steps of η/n come closer to the exponential than one.
    let slow = problem(Activation::Relu, 5, 1e-4);
    assert!(Network::new(slow.clone(), settings(20, 1e-3)).is_err());
    let at = |second_layer_steps: usize, step: f64| {
        let settings = NetworkSettings { second_layer_steps, ..settings(20, step) };
        let mut network = Network::new(slow.clone(), settings).unwrap();
        network.advance_to(2e-3).unwrap();
        network.states().remove(0)
    };
    let (coarse, fine) = (at(100, 1e-3), at(1, 1e-5));
    for (x, y) in coarse.a.iter().zip(&fine.a).chain(coarse.s.iter().zip(&fine.s)) {
        // Splitting of order η a² with |a| up to 5.
        assert!((x - y).abs() < 0.05, "{x} {y}");
    }
    assert!((coarse.a[0] - slow.a[0]).abs() > 0.5);
}

#[test]
fn divergence_is_an_error_with_its_time() {
    let settings = NetworkSettings { gradient: Gradient::Sample { batch: 1 }, runs: 2, ..settings(50, 0.1) };
    let mut network = Network::new(problem(Activation::Relu, 4, 0.005), settings).unwrap();
    let times: Vec<f64> = (0..100).map(f64::from).collect();
    let mut seen = Vec::new();
    let error = network.run(&times, &mut |frame| {
        assert!(frame.fields.iter().all(|field| field.values.iter().all(|value| value.is_finite())));
        seen.push(frame.time);
        Ok(ControlFlow::Continue(()))
    });
    match error {
        Err(Error::RanAway { name, time, value, state }) => {
            assert!(name.starts_with("a[") && name.contains("of run") && !(value.abs() <= 1e12), "{name} {value}");
            assert!(seen.len() > 1 && time > seen[seen.len() - 1] && time < 100.0, "{time} {seen:?}");
            assert!(state.contains("a[3] = ") && state.contains("s[0] = "), "{state}");
        }
        other => panic!("{other:?}"),
    }
    assert!(network.advance_to(99.0).is_err());
}

#[test]
fn bad_activations_are_named() {
    /// Its value or its slope is NaN above 2.5.
    #[derive(Debug)]
    struct Broken([f64; 2]);
    impl Nonlinearity for Broken {
        fn value(&self, x: f64) -> f64 {
            if x > 2.5 { self.0[0] } else { x }
        }
        fn derivative(&self, x: f64) -> f64 {
            if x > 2.5 { self.0[1] } else { 1.0 }
        }
    }
    let sample = NetworkSettings { gradient: Gradient::Sample { batch: 8 }, ..settings(10, 1e-3) };
    let network = |broken| {
        let statement = SingleIndex::new(Activation::Custom(Arc::new(broken)), TARGET, 1.0, vec![1.0; 3]);
        Network::new(statement, sample.clone())
    };
    // Quadrature for the risk meets bad values first, and never looks at slopes.
    let error = network(Broken([f64::NAN, 1.0])).unwrap_err().to_string();
    assert!(error.starts_with("the activation σ is NaN at x = "), "{error}");
    let mut late = network(Broken([1.0, f64::NAN])).unwrap();
    let error = late.advance_to(10.0).unwrap_err().to_string();
    assert!(error.starts_with("the activation σ' is NaN at x = 2."), "{error}");
}

#[test]
fn bad_input_is_named() {
    let fails = |change: &dyn Fn(&mut SingleIndex, &mut NetworkSettings)| {
        let (mut problem, mut settings) = (problem(Activation::Relu, 3, 0.01), settings(20, 1e-3));
        change(&mut problem, &mut settings);
        Network::new(problem, settings).unwrap_err().to_string()
    };
    let sample = |batch| Gradient::Sample { batch };
    for (error, expected) in [
        (fails(&|_, s| s.dimension = 0), "dimension = 0: expected at least 1"),
        (fails(&|_, s| s.dimension = 1 << 40), "dimension × runs × neurons = "),
        (fails(&|p, s| (p.s[0], s.dimension) = (0.5, 3)), "dimension = 3: expected at least the rank of the initial"),
        (fails(&|_, s| s.runs = 0), "runs = 0: expected at least 1"),
        (fails(&|_, s| s.step = 0.0), "step = 0: expected a finite number above 0"),
        (fails(&|_, s| s.step = -1.0), "step = -1: expected"),
        (fails(&|_, s| s.step = f64::NAN), "step = NaN: expected"),
        (fails(&|_, s| s.step = 0.04), "step = 0.04: expected below 2ε·second_layer_steps/E[σ²]"),
        (fails(&|_, s| s.second_layer_steps = 0), "second_layer_steps = 0: expected at least 1"),
        (fails(&|_, s| s.gradient = sample(0)), "batch = 0: expected at least 1"),
        (
            fails(&|_, s| (s.gradient, s.second_layer_steps) = (sample(1), 2)),
            "the network on samples cannot treat second_layer_steps = 2",
        ),
        (fails(&|_, s| s.degrees = 5000), "degrees = 5000: expected at most 2000"),
        (fails(&|p, _| p.epsilon = 0.0), "epsilon = 0: expected"),
        (fails(&|p, _| p.a.clear()), "neurons = 0: expected at least one"),
        (fails(&|p, _| p.target = Link::Hermite(vec![])), "target: Hermite coefficients"),
    ] {
        assert!(error.starts_with(expected), "{error}");
    }
    let mut network = Network::new(problem(Activation::Relu, 3, 0.1), settings(20, 1e-3)).unwrap();
    network.advance_to(1.0).unwrap();
    for (time, expected) in [(0.5, "time = 0.5: "), (f64::NAN, "time = NaN"), (1e12, "time / step = ")] {
        assert!(network.advance_to(time).unwrap_err().to_string().starts_with(expected));
    }
    let named = |result: Result<NeuronState>, expected| assert!(result.unwrap_err().to_string().starts_with(expected));
    named(random_neurons(0, 1.0, None, 1), "neurons = 0");
    named(random_neurons(3, -1.0, None, 1), "std = -1");
    named(random_neurons(3, f64::NAN, None, 1), "std = NaN");
    named(random_neurons(3, 1.0, Some(0), 1), "dimension = 0");
}

#[test]
fn one_dimension_is_a_line() {
    let mut network = Network::new(problem(Activation::Relu, 4, 0.1), settings(1, 1e-3)).unwrap();
    network.advance_to(1.0).unwrap();
    assert!(network.states()[0].s.iter().all(|s| s.abs() == 1.0));
    let start = random_neurons(4, 1.0, Some(1), 2).unwrap();
    assert!(start.s.iter().all(|s| s.abs() == 1.0) && start.r.unwrap().iter().all(|r| r.abs() == 1.0));
}

#[test]
fn frames_hold_means_errors_and_runs() {
    let settings = NetworkSettings { runs: 3, degrees: 4, record_runs: true, ..settings(30, 0.01) };
    let mut network = Network::new(problem(Activation::Relu, 5, 0.1), settings).unwrap();
    network
        .run(&[0.5], &mut |frame| {
            let get = |group, name| frame.get(group, name).unwrap().to_vec();
            let risks = get("runs", "risk");
            let (mean, error) = statistics::mean_and_error(&risks);
            assert_eq!((get("risk", "risk"), get("risk", "risk_error")), (vec![mean], vec![error.unwrap()]));
            let parts: f64 = get("risk", "component_risk").iter().sum();
            assert!((parts + get("risk", "tail")[0] - mean).abs() < 1e-15);
            let sizes = [("risk", "component", 4), ("risk", "component_error", 4), ("risk", "component_risk_error", 4)];
            for (group, name, size) in sizes.into_iter().chain([("neurons", "a", 5), ("neurons", "s_error", 5)]) {
                assert_eq!(get(group, name).len(), size);
            }
            let s = get("runs", "s");
            let alignment = s.iter().map(|s| s.abs()).sum::<f64>() / 15.0;
            assert!((get("alignment", "alignment")[0] - alignment).abs() < 1e-15);
            assert!(
                (get("neurons", "a")[2] - (0..3).map(|run| get("runs", "a")[5 * run + 2]).sum::<f64>() / 3.0).abs()
                    < 1e-15
            );
            assert_eq!(get("risk", "tail_error").len(), 1);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
}
