//! Two ReLU students of two ReLU teachers: order parameters in closed form against SGD on weight vectors.

use std::error::Error;
use std::ops::ControlFlow;

use learning_dynamics::Result;
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::{OnlineSgd, OverlapChain, SgdSettings};
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee};

use super::joint::axis;
use super::sgd_runs::{Measured, committee, spread};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// Plateau, specialisation, and every overlap on the way.
pub const STUDY: Study = Study {
    name: "relu-committee",
    claim: "K = M = 2, ReLU: overlaps and E_g of SGD on weights follow the order parameters through plateau and specialisation",
    run,
};

/// `committee` of two students and two teachers with other activations.
pub fn pair(student: Activation, teacher: Activation, size: f64, rate: f64) -> Committee {
    let mut problem = committee(2, 2, size, rate);
    (problem.student.activation, problem.teacher.activation) = (student, teacher);
    problem
}

/// `E_g`, `Q`, `M`, and `b` where it moves, at `times`; a solution has no errors.
pub fn history(solver: &mut dyn Solver, times: &[f64]) -> Result<Vec<Vec<Measured>>> {
    let mut found = Vec::new();
    solver.run(times, &mut |frame| {
        let get = |group, name| frame.get(group, name).unwrap_or_default();
        let mut means = get("errors", "generalization_error").to_vec();
        let mut errors = get("errors", "generalization_error_error").to_vec();
        for [name, error] in [["Q", "Q_error"], ["M", "M_error"], ["b", "b_error"]] {
            means.extend(get("order_parameters", name));
            errors.extend(get("order_parameters", error));
        }
        errors.resize(means.len(), 0.0);
        found.push(means.iter().zip(errors).map(|(&mean, error)| Measured { mean, error }).collect());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// What SGD on weight vectors gives for `d → ∞`, up to 1/d²: from `dimension` and, with four times the runs, a quarter of it.
pub fn extrapolated_weights(
    problem: &Committee,
    dimension: usize,
    runs: usize,
    seed: u64,
    times: &[f64],
) -> Result<Vec<Vec<Measured>>> {
    let at = |dimension, runs, seed| {
        let settings = SgdSettings { dimension, runs, seed, record_runs: false };
        history(&mut OnlineSgd::new(problem.clone(), settings)?, times)
    };
    let (fine, coarse) = (at(dimension, runs, seed)?, at(dimension / 4, 4 * runs, seed + 1)?);
    Ok(extrapolated(&fine, &coarse))
}

/// `(4 fine − coarse)/3`.
fn extrapolated(fine: &[Vec<Measured>], coarse: &[Vec<Measured>]) -> Vec<Vec<Measured>> {
    let limit = |(fine, coarse): (&Measured, &Measured)| Measured {
        mean: (4.0 * fine.mean - coarse.mean) / 3.0,
        error: (4.0 * fine.error).hypot(coarse.error) / 3.0,
    };
    fine.iter().zip(coarse).map(|(fine, coarse)| fine.iter().zip(coarse).map(limit).collect()).collect()
}

/// The largest distance in standard errors.
pub fn furthest(found: &[Vec<Measured>], expected: &[Vec<Measured>]) -> f64 {
    let pairs = found.iter().zip(expected).flat_map(|(found, expected)| found.iter().zip(expected));
    pairs
        .map(|(found, expected)| found.deviation(expected.mean))
        .fold(0.0, |most, deviation| if deviation > most || deviation.is_nan() { deviation } else { most })
}

/// One column of a history: means and errors.
pub fn column(history: &[Vec<Measured>], at: usize) -> (Vec<f64>, Vec<f64>) {
    history.iter().map(|row| (row[at].mean, row[at].error)).unzip()
}

/// Where things stand in a row.
pub const E_G: usize = 0;
/// `Q_11`.
pub const Q: usize = 1;
/// `M_11`.
pub const M: usize = 5;

const SOURCE: &str = "EQUATIONS 2 and 2a; Saad & Solla (1995) with ReLU";

fn run(level: Level) -> std::result::Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let problem = pair(Activation::Relu, Activation::Relu, 0.15, 0.5);
    let end = 60.0;
    let fine = spread(0.1, end, 160);
    let mut solution = OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-10)?;
    let lines = history(&mut solution, &fine)?;
    report.note(format!("right-hand sides to t = {end} at tolerance 1e-10: {}", solution.evaluations()));

    let times = [0.5, 1.5, 4.0, 8.0, 16.0, 30.0];
    let expected = history(&mut OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-10)?, &times)?;
    let (dimension, runs) = (800, level.pick(24, 240));
    let weights = extrapolated_weights(&problem, dimension, runs, 71, &times)?;
    for (row, exact) in weights.iter().zip(&expected) {
        let text: Vec<String> =
            row.iter().zip(exact).map(|(f, e)| format!("{:.4} ± {:.4} ({:.4})", f.mean, f.error, e.mean)).collect();
        report.note(format!("E_g, Q, M of weights (theory): {}", text.join(", ")));
    }
    report
        .gate(
            "E_g, Q and M of SGD on weights at six times, largest deviation from theory in standard errors",
            SOURCE,
            Expected::AtMost(4.0),
            furthest(&weights, &expected),
            0.0,
        )
        .why("four standard errors, largest of 54; the O(1/d) is extrapolated from d = 200 and 800");

    let chain = |dimension, runs, seed| {
        let settings = SgdSettings { dimension, runs, seed, record_runs: false };
        history(&mut OverlapChain::new(problem.clone(), settings)?, &times)
    };
    let runs = level.pick(32, 320);
    let limit = extrapolated(&chain(8000, runs, 73)?, &chain(2000, 4 * runs, 74)?);
    let relative = limit.iter().map(|row| row[E_G].error / row[E_G].mean).fold(0.0, f64::max);
    report
        .gate(
            "E_g, Q and M of the overlap chain at six times, largest deviation from theory in standard errors",
            SOURCE,
            Expected::AtMost(4.0),
            furthest(&limit, &expected),
            0.0,
        )
        .why("four standard errors, largest of 54; the O(1/d) is extrapolated from d = 2000 and 8000");
    report.note(format!("largest standard error of E_g of the chain, of E_g: {relative:.4}"));

    let cosines =
        |row: &[Measured]| std::array::from_fn::<f64, 4, _>(|k| row[M + k].mean / row[Q + 3 * (k / 2)].mean.sqrt());
    let margin = |row: &[Measured]| {
        let c = cosines(row);
        0.5 * ((c[0] - c[1]).abs() + (c[2] - c[3]).abs())
    };
    let at = |time: f64| lines.iter().zip(&fine).find(|(_, t)| **t >= time).map_or(&lines[0], |(row, _)| row);
    let plateau = 14.0;
    report.note(format!(
        "cosines at t = 2, {plateau}, 30, {end}: {:.3?} {:.3?} {:.3?} {:.3?}",
        cosines(at(2.0)),
        cosines(at(plateau)),
        cosines(at(30.0)),
        cosines(at(0.99 * end))
    ));
    report
        .gate(
            "theory: E_g on the plateau, t = 14, over E_g at t = 60",
            SOURCE,
            Expected::AtLeast(20.0),
            at(plateau)[E_G].mean / at(0.99 * end)[E_G].mean,
            0.0,
        )
        .why("specialisation makes the error fall by orders of magnitude");
    report
        .gate(
            "theory: each student follows one teacher at t = 60, margin of the cosines",
            SOURCE,
            Expected::AtLeast(0.9),
            margin(at(0.99 * end)),
            0.0,
        )
        .why("1 is complete specialisation; on the plateau it is 0.2");
    let time = axis("time", "t = steps/d", &fine);
    report.data(Field::array("theory", "generalization_error", "E_g", &[&time], column(&lines, E_G).0));
    let margins: Vec<f64> = lines.iter().map(|row| margin(row)).collect();
    report.data(Field::array("theory", "specialization", "margin of cosines", &[&time], margins.clone()));

    let mut overlaps = Panel::new("Overlaps, K = M = 2, ReLU", "t = steps/d", "overlap").log_x();
    for (name, k) in [("Q₁₁", Q), ("Q₁₂", Q + 1), ("M₁₁", M), ("M₁₂", M + 1), ("M₂₁", M + 2), ("M₂₂", M + 3)]
    {
        let (points, bars) = column(&weights, k);
        overlaps = overlaps.line(name, &fine, &column(&lines, k).0).points("", &times, &points, &bars).same_colour();
    }
    let (points, bars) = column(&weights, E_G);
    let errors = Panel::new("Error and specialisation", "t = steps/d", "E_g; margin of cosines")
        .log_x()
        .log_y()
        .line("E_g", &fine, &column(&lines, E_G).0)
        .points("", &times, &points, &bars)
        .same_colour()
        .line("margin", &fine, &margins)
        .points("", &times, &weights.iter().map(|row| margin(row)).collect::<Vec<_>>(), &[])
        .same_colour();
    report.picture("committee", Picture::new(2).panel(overlaps).panel(errors));
    Ok(report)
}
