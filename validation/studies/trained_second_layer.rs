//! Both layers trained: overlaps and second layer against SGD, and what more units than the teacher's are worth.

use std::error::Error;
use std::f64::consts::PI;

use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::{OnlineSgd, SgdSettings};
use learning_dynamics::order_parameters::{CommitteeEquations, OrderParameters, Steady};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use ndarray::Array2;
use rayon::prelude::*;

use super::joint::{axis, list};
use super::sgd_runs::{Measured, chain, committee, error_of, extrapolated_chain, observe, spread, started_at};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// a(t) and E_g(t), and E_g* against K.
pub const STUDY: Study = Study {
    name: "trained-second-layer",
    claim: "second layer trained with the first: theory against the chain and SGD on weights; extra units against label noise",
    run,
};

const SOURCE: &str = "EQUATIONS 2; Goldt, Advani, Saxe, Krzakala & Zdeborová (2019)";

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let two = trajectories(&mut report, level, 2)?;
    let four = trajectories(&mut report, level, 4)?;
    let noise = extra_units(&mut report, level)?;
    report.picture("layers", Picture::new(3).panel(two).panel(four).panel(noise));
    Ok(report)
}

/// Teacher of two units, `a* = 1`; a student with unequal second layers.
fn statement(students: usize) -> Committee {
    let mut problem = committee(students, 2, 0.3, 0.5);
    problem.second_layer_rate = 0.5;
    problem.student.weights = (0..students).map(|i| 0.4 + 0.2 * i as f64).collect();
    problem
}

/// `E_g` and `a` in theory.
fn predicted(problem: &Committee, times: &[f64]) -> learning_dynamics::Result<Vec<Vec<f64>>> {
    let layout = problem.layout();
    let mut run = OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-10)?;
    times
        .iter()
        .map(|&time| {
            run.advance_to(time)?;
            let state = run.state().to_vec();
            let mut row = vec![run.equations().generalization_error(&state)?];
            row.extend((0..layout.students).map(|i| state[layout.a(i)]));
            Ok(row)
        })
        .collect()
}

fn worst(found: &[Vec<Measured>], expected: &[Vec<f64>]) -> f64 {
    found
        .iter()
        .zip(expected)
        .flat_map(|(found, expected)| found.iter().zip(expected).map(|(found, expected)| found.deviation(*expected)))
        .fold(0.0, |worst, deviation| if deviation > worst || deviation.is_nan() { deviation } else { worst })
}

fn trajectories(report: &mut Report, level: Level, students: usize) -> Result<Panel, Box<dyn Error>> {
    let problem = statement(students);
    let times = [0.5, 1.5, 4.0, 10.0, 25.0];
    let theory = predicted(&problem, &times)?;
    let label = format!("K = {students}, M = 2");

    let (dimension, runs) = (2000, level.pick(24, 240));
    let limit = extrapolated_chain(&problem, dimension, runs, 51, &times)?;
    let relative: Vec<f64> = limit.iter().zip(&theory).map(|(found, expected)| found[0].error / expected[0]).collect();
    report.note(format!("{label}: standard errors of E_g of the chain, of E_g: {}", list(&relative)));
    report
        .gate(
            &format!("{label}: E_g and a of the chain at five times, largest deviation from theory in standard errors"),
            SOURCE,
            Expected::AtMost(4.0),
            worst(&limit, &theory),
            0.0,
        )
        .why("four standard errors; the O(1/d) is extrapolated from d = 500 and 2000");

    // The chain and the weights at the same d have the same law.
    let (dimension, runs) = (400, level.pick(32, 320));
    let settings = SgdSettings { dimension, runs, seed: 61, record_runs: false };
    let weights = observe(&mut OnlineSgd::new(problem.clone(), settings)?, &times)?;
    let same = chain(&problem, dimension, 4 * runs, 62, &times)?;
    let differences: Vec<Vec<Measured>> = weights
        .iter()
        .zip(&same)
        .map(|(a, b)| {
            let pairs = a.iter().zip(b);
            pairs.map(|(a, b)| Measured { mean: a.mean - b.mean, error: a.error.hypot(b.error) }).collect()
        })
        .collect();
    let none = vec![vec![0.0; students + 1]; times.len()];
    report
        .gate(
            &format!("{label}: E_g and a of SGD on weights less those of the chain, d = 400, in standard errors"),
            "EQUATIONS 2c",
            Expected::AtMost(4.0),
            worst(&differences, &none),
            0.0,
        )
        .why("four standard errors of the difference");

    let fine = spread(0.1, 25.0, 120);
    let lines = predicted(&problem, &fine)?;
    let at = axis("time", "t = steps/d", &fine);
    let names = ["k2_generalization_error", "k4_generalization_error"];
    let errors: Vec<f64> = lines.iter().map(|row| row[0]).collect();
    report.data(Field::array("theory", names[students / 2 - 1], "E_g", &[&at], errors.clone()));
    let mut panel = Panel::new(&label, "t = steps/d", "E_g; second layer a").log_x();
    for quantity in 0..=students {
        let name = if quantity == 0 { "E_g".into() } else { format!("a{quantity}") };
        let line: Vec<f64> = lines.iter().map(|row| row[quantity]).collect();
        let (points, bars): (Vec<f64>, Vec<f64>) =
            weights.iter().map(|row| (row[quantity].mean, row[quantity].error)).unzip();
        panel = panel.line(&name, &fine, &line).points("", &times, &points, &bars).same_colour();
    }
    Ok(panel)
}

const NOISE: f64 = 0.1;

/// Students that have learnt the teacher, with `students − 2` units left over near 0: `Q ≈ 1 + τσ²/2`.
fn learnt(students: usize, rate: f64) -> Committee {
    let spread = 0.5 * rate * NOISE;
    let known = |i: usize, k: usize| if i == k && i < 2 { 1.0 } else { 0.0 };
    let q = Array2::from_shape_fn((students, students), |(i, k)| known(i, k) + if i == k { spread } else { 0.0 });
    let student = Student::new(q, Array2::from_shape_fn((students, 2), |(i, n)| known(i, n)), Activation::Erf);
    Committee { noise_variance: NOISE, ..Committee::new(Teacher::orthonormal(2, Activation::Erf), student, rate) }
}

/// `copies` units for each of the teacher's, which share its output; both layers trained.
fn shared(copies: usize, rate: f64) -> Committee {
    let spread = 0.5 * rate * NOISE / copies as f64;
    let same = |i: usize, k: usize| if i / copies == k / copies { 1.0 + spread } else { 0.0 };
    let m = Array2::from_shape_fn((2 * copies, 2), |(i, n)| f64::from(i / copies == n));
    let mut student =
        Student::new(Array2::from_shape_fn((2 * copies, 2 * copies), |(i, k)| same(i, k)), m, Activation::Erf);
    student.weights = vec![1.0 / copies as f64; 2 * copies];
    let plain = Committee::new(Teacher::orthonormal(2, Activation::Erf), student, rate);
    Committee { noise_variance: NOISE, second_layer_rate: rate, ..plain }
}

fn steady(problem: &Committee, guess: &[f64]) -> learning_dynamics::Result<(Steady, f64)> {
    let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic)?;
    let steady = equations.steady_state(guess, 1e-13)?;
    let error = equations.generalization_error(&steady.state)?;
    Ok((steady, error))
}

/// With label noise: `E_g*` rises with K if the second layer is fixed at 1, and falls if it is trained.
fn extra_units(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let units = [2, 3, 4, 5, 6];
    let counts: Vec<f64> = units.iter().map(|&k| f64::from(k)).collect();
    let law = |k: f64| (k - 2.0 + 2.0 / 3f64.sqrt()) / (2.0 * PI);
    // E_g*/(τσ²) for τ → 0, from τ and 2τ.
    let fixed: Vec<f64> = units
        .par_iter()
        .map(|&k| {
            let scaled = |rate: f64| {
                let problem = learnt(k as usize, rate);
                Ok::<f64, learning_dynamics::Error>(steady(&problem, &problem.initial_state())?.1 / (rate * NOISE))
            };
            Ok(2.0 * scaled(1e-3)? - scaled(2e-3)?)
        })
        .collect::<learning_dynamics::Result<_>>()?;
    let worst_law = fixed.iter().zip(&counts).map(|(found, k)| (found / law(*k) - 1.0).abs()).fold(0.0, f64::max);
    report.note(format!("second layer fixed, τ → 0: E_g*/τσ² for K = 2 … 6: {}", list(&fixed)));
    report
        .gate(
            "second layer fixed at 1, τ → 0: E_g*/τσ² for K = 2 … 6, M = 2, relative distance from (K − M + M/√3)/2π",
            "Goldt, Advani, Saxe, Krzakala & Zdeborová (2019), eq. (10)",
            Expected::AtMost(1e-4),
            worst_law,
            0.0,
        )
        .why("what is left of order τ² after extrapolation from τ = 1e-3 and 2e-3, with coefficients of order 10");

    // Trained: where training from small weights ends.
    let ends = |k: i32, rate: f64| -> learning_dynamics::Result<(Committee, f64, f64)> {
        let start = statement(k as usize);
        let problem = Committee { noise_variance: NOISE, second_layer_rate: rate, learning_rate: rate.into(), ..start };
        let mut run = OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-9)?;
        run.advance_to(2000.0 / rate)?;
        let layout = problem.layout();
        let squares = (0..layout.students).map(|i| run.state()[layout.a(i)].powi(2)).sum::<f64>();
        Ok((started_at(&problem, run.state()), error_of(&problem, run.state())? / (rate * NOISE), squares))
    };
    let rate = 0.2;
    let trained: Vec<_> = units.par_iter().map(|&k| ends(k, rate)).collect::<learning_dynamics::Result<Vec<_>>>()?;
    let trained_errors: Vec<f64> = trained.iter().map(|found| found.1).collect();
    report.note(format!("both layers trained, τ = 0.2: E_g*/τσ² for K = 2 … 6: {}", list(&trained_errors)));
    report
        .gate(
            "both trained, τ = 0.2: largest E_g* of K + 1 units over that of K, K = 2 … 5",
            "Goldt, Advani, Saxe, Krzakala & Zdeborová (2019): extra units average the noise away",
            Expected::AtMost(1.0),
            trained_errors.windows(2).map(|pair| pair[1] / pair[0]).fold(0.0, f64::max),
            0.0,
        )
        .why("the claim: each unit more lowers it");
    // With all units along the teacher's, E_g* = τσ²Σa²/(2π√3) for τ → 0.
    let ratios: Vec<f64> = [1, 2]
        .par_iter()
        .map(|&copies| {
            let ratio = |rate: f64| {
                let problem = shared(copies, rate);
                let layout = problem.layout();
                let (found, error) = steady(&problem, &problem.initial_state())?;
                let squares = (0..layout.students).map(|i| found.state[layout.a(i)].powi(2)).sum::<f64>();
                Ok::<f64, learning_dynamics::Error>(error / (rate * NOISE * squares) * 2.0 * PI * 3f64.sqrt())
            };
            Ok(2.0 * ratio(1e-3)? - ratio(2e-3)?)
        })
        .collect::<learning_dynamics::Result<_>>()?;
    report.note(format!("both trained, τ → 0: E_g* over τσ²Σa²/2π√3, one and two units for one: {}", list(&ratios)));
    for (ratio, k) in ratios.iter().zip([2, 4]) {
        report
            .gate(
                &format!("both trained, K = {k}, τ → 0: E_g* over τσ²Σa²/(2π√3)"),
                "linearisation at a student whose units all point along units of the teacher",
                Expected::Within { value: 1.0, tolerance: 1e-4 },
                *ratio,
                0.0,
            )
            .why("what is left of order τ² after extrapolation from τ = 1e-3 and 2e-3, with coefficients of order 10");
    }
    let (dimension, runs) = (2000, level.pick(24, 240));
    let mut deviations = Vec::new();
    let mut simulated = Vec::new();
    for (start, error, _) in [&trained[0], &trained[2]] {
        let measured = extrapolated_chain(start, dimension, runs, 71, &[20.0])?[0][0];
        deviations.push(measured.deviation(error * rate * NOISE));
        simulated.push(Measured { mean: measured.mean / (rate * NOISE), error: measured.error / (rate * NOISE) });
    }
    report.note(format!(
        "both trained, K = 2, 4: E_g*/τσ² of the chain {} ± {}",
        list(&simulated.iter().map(|at| at.mean).collect::<Vec<_>>()),
        list(&simulated.iter().map(|at| at.error).collect::<Vec<_>>())
    ));
    report
        .gate(
            "both trained, label noise, K = 2 and 4: E_g* of the chain, largest deviation from theory in standard errors",
            SOURCE,
            Expected::AtMost(4.0),
            deviations.iter().copied().fold(0.0, f64::max),
            0.0,
        )
        .why("four standard errors; the O(1/d) is extrapolated from d = 500 and 2000");
    let line: Vec<f64> = counts.iter().map(|&k| law(k)).collect();
    let (points, bars): (Vec<f64>, Vec<f64>) = simulated.iter().map(|at| (at.mean, at.error)).unzip();
    let at = axis("students", "K", &counts);
    report.data(Field::array("noise", "fixed", "E_g*/τσ², second layer fixed, τ → 0", &[&at], fixed.clone()));
    report.data(Field::array("noise", "trained", "E_g*/τσ², both layers trained", &[&at], trained_errors.clone()));
    Ok(Panel::new("Label noise, M = 2", "units of the student K", "E_g* / τσ²")
        .line("(K − M + M/√3)/2π", &counts, &line)
        .points("second layer fixed, τ → 0", &counts, &fixed, &[])
        .line("both trained, τ = 0.2", &counts, &trained_errors)
        .points("the same in SGD", &[2.0, 4.0], &points, &bars)
        .same_colour())
}
