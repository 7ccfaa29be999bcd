//! What users meet: laws on cells, frames, errors, warnings.

use std::ops::ControlFlow;

use super::*;
use crate::problem::Activation;

fn law() -> NeuronLaw {
    NeuronLaw {
        activation: [0.4, 0.5, 0.3].into(),
        target: [0.8, 0.5, -0.6].into(),
        epsilon: 0.3,
        a: Law::Gaussian { mean: 0.0, std: 1.0 },
        s: Law::Point { at: 0.0 },
    }
}

fn axis() -> Axis {
    Axis::uniform("a", -7.0, 9.0, 40).unwrap()
}

#[test]
fn atoms_lie_in_their_cell_or_half_in_each_neighbour() {
    let of_s = |at: f64, cells: usize| {
        let law = NeuronLaw { s: Law::Point { at }, ..law() };
        NeuronDensity::new(law, axis(), cells, DensitySettings::default()).unwrap().marginal_s()
    };
    // Rounding of the sum over a.
    let check = |found: Vec<f64>, expected: &[f64]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?}");
    };
    check(of_s(0.0, 5), &[0.0, 0.0, 1.0, 0.0, 0.0]);
    check(of_s(0.0, 4), &[0.0, 0.5, 0.5, 0.0]);
    check(of_s(0.2, 5), &[0.0, 0.0, 0.5, 0.5, 0.0]);
    check(of_s(-1.0, 4), &[1.0, 0.0, 0.0, 0.0]);
    check(of_s(1.0, 4), &[0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn frames_hold_densities_that_sum_to_one() {
    let mut density = NeuronDensity::new(law(), axis(), 21, DensitySettings::default()).unwrap();
    let mut times = Vec::new();
    density
        .run(&[0.0, 0.1, 0.2], &mut |frame| {
            times.push(frame.time);
            let area = 16.0 / 40.0 * 2.0 / 21.0;
            let total: f64 = frame.get("density", "mu").unwrap().iter().sum::<f64>() * area;
            assert!((total - 1.0).abs() < 1e-13);
            assert_eq!(frame.get("density", "mu").unwrap().len(), 40 * 21);
            assert_eq!(frame.get("marginal_a", "mu").unwrap().len(), 40);
            assert_eq!(frame.get("marginal_s", "mu").unwrap().len(), 21);
            assert_eq!(frame.get("risk", "component").unwrap().len(), 6);
            for name in ["mean_a", "var_a", "mean_s", "var_s"] {
                assert!(frame.get("moments", name).unwrap()[0].is_finite());
            }
            Ok(if frame.time == 0.1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
    assert_eq!(times, [0.0, 0.1]);
    assert_eq!(density.time(), 0.1);
    // Nothing learnt at the start: ⟨a⟩ = 0 but for what the law has outside the box, 7·1e-12.
    let start = NeuronDensity::new(law(), axis(), 21, DensitySettings::default()).unwrap().risk();
    assert!((start.risk - 0.5 * (0.64 + 0.25 + 0.36)).abs() < 1e-10 && density.risk().risk < start.risk);
    // Past times are refused.
    let error = density.run(&[0.05], &mut |_| Ok(ControlFlow::Continue(()))).unwrap_err().to_string();
    assert!(error.starts_with("times = 0.05"), "{error}");
}

#[test]
fn bad_input_is_named() {
    let fails = |law: NeuronLaw, a: Axis, cells: usize, steps: DensitySteps| {
        let settings = DensitySettings { steps, ..DensitySettings::default() };
        NeuronDensity::new(law, a, cells, settings).unwrap_err().to_string()
    };
    let steps = DensitySteps::Tolerance(1e-3);
    let narrow = Axis::uniform("a", -1.0, 1.0, 40).unwrap();
    let few = Axis::uniform("a", -7.0, 9.0, 3).unwrap();
    for (error, expected) in [
        (fails(law(), narrow, 21, steps), "the initial law of a puts mass 3.17"),
        (fails(law(), few, 21, steps), "grid.a.cells = 3: expected at least 4"),
        (fails(law(), axis(), 3, steps), "grid.s.cells = 3: expected at least 4"),
        (fails(NeuronLaw { epsilon: 0.0, ..law() }, axis(), 21, steps), "epsilon = 0"),
        (fails(NeuronLaw { epsilon: -1.0, ..law() }, axis(), 21, steps), "epsilon = -1"),
        (fails(NeuronLaw { s: Law::Point { at: 1.5 }, ..law() }, axis(), 21, steps), "s: probability of |s| > 1 = 1"),
        (fails(NeuronLaw { target: [f64::NAN].into(), ..law() }, axis(), 21, steps), "target[0] = NaN"),
        (fails(law(), axis(), 21, DensitySteps::Tolerance(0.0)), "time.tolerance = 0"),
        (fails(law(), axis(), 21, DensitySteps::Fixed(f64::NAN)), "time.step = NaN"),
    ] {
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn mass_at_the_ends_is_told_and_then_an_error() {
    // The target moves the mean of a from 0 to 2 and on, and the box ends at 5.
    for (high, warned, stopped) in [(9.0, false, false), (7.5, true, false), (5.0, true, true)] {
        let a = Axis::uniform("a", -7.0, high, 80).unwrap();
        let law = NeuronLaw { activation: [0.4].into(), target: [0.8].into(), ..law() };
        let settings = DensitySettings { steps: DensitySteps::Fixed(0.1), ..DensitySettings::default() };
        let mut density = NeuronDensity::new(law, a, 21, settings).unwrap();
        let outcome = density.run(&[1.0, 2.0, 3.0, 10.0], &mut |_| Ok(ControlFlow::Continue(())));
        assert_eq!(outcome.is_err(), stopped, "{outcome:?}");
        if let Err(error) = outcome {
            let Error::MassAtEnds { coordinate: "a", mass, low, allowed, .. } = error else { panic!("{error}") };
            assert!(mass > allowed && low == -7.0 && error.to_string().ends_with("widen the box [-7, 5]"));
        }
        assert_eq!(!density.warnings().is_empty(), warned, "{high} {:?}", density.warnings());
        // Nothing is lost even then.
        assert!((density.masses().iter().sum::<f64>() - 1.0).abs() < 1e-13);
    }
}

#[test]
fn series_that_do_not_end_are_told() {
    let with = |activation: Activation, kernel_degree| {
        let settings = DensitySettings { kernel_degree, ..DensitySettings::default() };
        let law = NeuronLaw { activation: activation.into(), target: Activation::Tanh.into(), ..law() };
        NeuronDensity::new(law, axis(), 21, settings).unwrap().warnings()
    };
    let warnings = with(Activation::Tanh, 5);
    assert!(matches!(warnings[0], Warning::KernelTruncated { kernel: "U", degrees: 5, error } if error > 1e-3));
    assert_eq!(warnings.len(), 2);
    assert!(with(Activation::Tanh, 200).is_empty());
}
