//! Soft committees with erf units through the symmetric plateau: SGD on weight vectors against the order parameters.

use std::error::Error;
use std::f64::consts::PI;
use std::ops::ControlFlow;

use learning_dynamics::Result;
use learning_dynamics::frame::{Field, Frame, Solver};
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::{OnlineSgd, SgdSettings};
use learning_dynamics::order_parameters::{CommitteeEquations, OrderParameters};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use ndarray::{Array2, array};
use rayon::prelude::*;

use super::joint::{axis, list};
use super::sgd_runs::{Measured, spread};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// E_g, Q and R for K = M = 2 and for K = 3, M = 2.
pub const STUDY: Study = Study {
    name: "erf-committee",
    claim: "erf units, plateau and specialisation: SGD on weight vectors has the order parameters of Saad & Solla",
    run,
};

const SOURCE: &str = "Saad & Solla (1995), Phys. Rev. E 52, 4225; EQUATIONS 2";
const TIMES: [f64; 8] = [0.5, 2.0, 5.0, 12.0, 25.0, 40.0, 55.0, 70.0];

fn run(level: Level) -> std::result::Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let mut errors = Panel::new("Generalisation error", "t = steps/d", "E_g").log_x().log_y();
    let mut picture = Picture::new(3);
    for (students, m) in
        [(2, array![[0.09, 0.02], [0.03, 0.08]]), (3, array![[0.09, 0.02], [0.03, 0.08], [0.05, 0.05]])]
    {
        let panel = trajectories(&mut report, level, students, m, &mut errors)?;
        picture = picture.panel(panel);
    }
    report.picture("plateau", picture.panel(errors));
    plateau(&mut report)?;
    Ok(report)
}

fn statement(m: Array2<f64>) -> Committee {
    let students = m.nrows();
    let student = Student::new(Array2::eye(students) * 0.25 + m.dot(&m.t()), m, Activation::Erf);
    Committee::new(Teacher::orthonormal(2, Activation::Erf), student, 1.0)
}

/// E_g, specialisation, then Q and M whole.
fn row(frame: &Frame<'_>) -> Vec<f64> {
    let get = |group, name| frame.get(group, name).unwrap_or_default();
    [
        get("errors", "generalization_error"),
        get("errors", "specialization"),
        get("order_parameters", "Q"),
        get("order_parameters", "M"),
    ]
    .concat()
}

fn errors_of(frame: &Frame<'_>) -> Vec<f64> {
    let get = |group, name| frame.get(group, name).unwrap_or_default();
    [
        get("errors", "generalization_error_error"),
        get("errors", "specialization_error"),
        get("order_parameters", "Q_error"),
        get("order_parameters", "M_error"),
    ]
    .concat()
}

fn predicted(problem: &Committee, times: &[f64]) -> Result<Vec<Vec<f64>>> {
    let mut rows = Vec::new();
    OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-10)?.run(times, &mut |frame| {
        rows.push(row(frame));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

fn simulated(problem: &Committee, dimension: usize, runs: usize, seed: u64) -> Result<Vec<Vec<Measured>>> {
    let settings = SgdSettings { dimension, runs, seed, record_runs: false };
    let mut rows = Vec::new();
    OnlineSgd::new(problem.clone(), settings)?.run(&TIMES, &mut |frame| {
        let pairs = row(frame).into_iter().zip(errors_of(frame));
        rows.push(pairs.map(|(mean, error)| Measured { mean, error }).collect());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

fn trajectories(
    report: &mut Report,
    level: Level,
    students: usize,
    m: Array2<f64>,
    errors: &mut Panel,
) -> Result<Panel> {
    let problem = statement(m);
    let theory = predicted(&problem, &TIMES)?;
    let (dimension, runs) = level.pick((500, 24), (2000, 60));
    let fine = simulated(&problem, dimension, runs, 71)?;
    let coarse = simulated(&problem, dimension / 4, 4 * runs, 72)?;
    let label = format!("K = {students}, M = 2");
    // The specialisation takes moduli; its bias is not of order 1/d on the plateau.
    let (mut worst, mut biased, mut moved) = (0.0_f64, 0.0_f64, 0.0_f64);
    for ((fine, coarse), theory) in fine.iter().zip(&coarse).zip(&theory) {
        for (at, ((fine, coarse), expected)) in fine.iter().zip(coarse).zip(theory).enumerate() {
            if at == 1 {
                continue;
            }
            let limit = Measured {
                mean: (4.0 * fine.mean - coarse.mean) / 3.0,
                error: (4.0 * fine.error).hypot(coarse.error) / 3.0,
            };
            worst = worst.max(limit.deviation(*expected));
            biased = biased.max(fine.deviation(*expected));
            moved = moved.max((fine.mean - coarse.mean).abs());
        }
    }
    let relative: Vec<f64> = fine.iter().zip(&theory).map(|(found, expected)| found[0].error / expected[0]).collect();
    report.note(format!(
        "{label}, d = {dimension}, {runs} runs: relative standard errors of E_g at t = {TIMES:?}: {}; largest deviation without extrapolation {biased:.1} standard errors; largest difference of d = {dimension} and {}: {moved:.2e}",
        list(&relative), dimension / 4
    ));
    report
        .gate(
            &format!("{label}: E_g, Q and R of SGD on weights at eight times, largest deviation from theory in standard errors"),
            SOURCE,
            Expected::AtMost(4.0),
            worst,
            0.0,
        )
        .why(format!("four standard errors; the O(1/d) is extrapolated from d = {} and {dimension}", dimension / 4));
    let last = &fine[TIMES.len() - 1][1];
    let expected = theory[TIMES.len() - 1][1];
    report
        .gate(
            &format!("{label}: specialisation at t = 70, SGD on weights at d = {dimension}"),
            SOURCE,
            Expected::Within { value: expected, tolerance: 4.0 * last.error + 5.0 / dimension as f64 },
            last.mean,
            last.error,
        )
        .why("four standard errors, and a bias of a few 1/d");

    let times = spread(0.3, 80.0, 160);
    let lines = predicted(&problem, &times)?;
    let column = |at: usize| -> Vec<f64> { lines.iter().map(|row| row[at]).collect() };
    let points = |at: usize| -> (Vec<f64>, Vec<f64>) { fine.iter().map(|row| (row[at].mean, row[at].error)).unzip() };
    let time = axis("time", "t = steps/d", &times);
    let names = [["k2_error", "k2_specialization"], ["k3_error", "k3_specialization"]][students - 2];
    report.data(Field::array("theory", names[0], "E_g", &[&time], column(0)));
    report.data(Field::array("theory", names[1], "specialisation", &[&time], column(1)));
    let (means, bars) = points(0);
    let points_at = format!("weights, d = {dimension}");
    *errors = std::mem::replace(errors, Panel::new("", "", ""))
        .line(&label, &times, &column(0))
        .points(&points_at, &TIMES, &means, &bars)
        .same_colour();
    let mut panel = Panel::new(
        &format!("{label}: theory (lines) and weights (points)"),
        "t = steps/d",
        "overlaps R with the teacher",
    )
    .log_x();
    for i in 0..students {
        for n in 0..2 {
            let at = 2 + students * students + 2 * i + n;
            let (means, bars) = points(at);
            panel = panel.line(&format!("R{}{}", i + 1, n + 1), &times, &column(at)).points("", &TIMES, &means, &bars);
            panel = panel.same_colour();
        }
    }
    Ok(panel)
}

/// The symmetric plateau for τ → 0 has a closed form.
fn plateau(report: &mut Report) -> Result<()> {
    let heights: Vec<(f64, f64)> = [2, 3]
        .par_iter()
        .map(|&units| {
            let k = f64::from(units);
            let n = units as usize;
            let height = |rate: f64| {
                let m = Array2::from_elem((n, n), 1.0 / (k * (2.0 * k - 1.0)).sqrt());
                let q = Array2::from_elem((n, n), 1.0 / (2.0 * k - 1.0)) + rate * Array2::<f64>::eye(n);
                let student = Student::new(q, m, Activation::Erf);
                let problem = Committee::new(Teacher::orthonormal(n, Activation::Erf), student, rate);
                let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic)?;
                let steady = equations.steady_state(&problem.initial_state(), 1e-13)?;
                equations.generalization_error(&steady.state)
            };
            let found = 2.0 * height(1e-3)? - height(2e-3)?;
            Ok((found, k / PI * (PI / 6.0 - k * (0.5 / k).asin())))
        })
        .collect::<Result<_>>()?;
    for ((found, expected), units) in heights.iter().zip([2, 3]) {
        report
            .gate(
                &format!("height of the symmetric plateau for τ → 0, K = M = {units}, over its closed form"),
                "Saad & Solla (1995), E_g = (K/π)(π/6 − K asin(1/2K))",
                Expected::Within { value: 1.0, tolerance: 1e-3 },
                found / expected,
                0.0,
            )
            .why("what is left of order τ² after extrapolation from τ = 1e-3 and 2e-3");
    }
    Ok(())
}
