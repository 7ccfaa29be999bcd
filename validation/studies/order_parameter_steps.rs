//! The integration of order parameters: what a tolerance gives, through a plateau and over long times.

use std::error::Error;

use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use ndarray::Array2;

use super::joint::{axis, list};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// Error over tolerance; the stationary state after t = 10⁵.
pub const STUDY: Study = Study {
    name: "order-parameter-steps",
    claim: "order parameters of an erf committee: the error follows the tolerance through the plateau, and long runs stay on the stationary state",
    run,
};

/// Orthonormal teacher, student near the origin of the overlaps with it.
fn committee(students: usize, teachers: usize) -> Committee {
    let m = Array2::from_shape_fn((students, teachers), |(i, n)| 1e-3 * (1.0 + 3.0 * i as f64 + 7.0 * n as f64).sin());
    let student = Student::new(Array2::eye(students) * 0.25, m, Activation::Erf);
    Committee::new(Teacher::orthonormal(teachers, Activation::Erf), student, 0.5)
}

const TIMES: [f64; 6] = [1.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

fn states(problem: &Committee, tolerance: f64) -> learning_dynamics::Result<Vec<f64>> {
    let mut run = OrderParameters::of(problem.clone(), Quadrature::Automatic, tolerance)?;
    let mut states = Vec::new();
    for time in TIMES {
        run.advance_to(time)?;
        states.extend_from_slice(run.state());
    }
    Ok(states)
}

fn largest(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let tolerances: Vec<f64> = (8..=22).map(|half| 10f64.powf(-0.5 * f64::from(half))).collect();
    let committees = level.pick(vec![(2, 2), (3, 2)], vec![(1, 1), (2, 2), (3, 2), (2, 3), (4, 4), (6, 4)]);
    let mut panel = Panel::new("Error at t = 1 … 1000", "tolerance", "largest error of any overlap").log_x().log_y();
    let along = axis("tolerance", "error allowed a step", &tolerances);
    let names = ["error_0", "error_1", "error_2", "error_3", "error_4", "error_5"];
    for (&(students, teachers), name) in committees.iter().zip(names) {
        let problem = committee(students, teachers);
        let exact = states(&problem, 1e-14)?;
        let errors: Vec<f64> = tolerances
            .iter()
            .map(|&tolerance| Ok(largest(&states(&problem, tolerance)?, &exact)))
            .collect::<learning_dynamics::Result<_>>()?;
        let ratios: Vec<f64> = errors.iter().zip(&tolerances).map(|(error, tolerance)| error / tolerance).collect();
        report.note(format!("K = {students}, M = {teachers}: error/tolerance {}", list(&ratios)));
        for (claim, expected, measured) in [
            ("largest error over tolerance", Expected::AtMost(10.0), ratios.iter().copied().fold(0.0, f64::max)),
            ("smallest error over tolerance", Expected::AtLeast(1e-2), ratios.iter().copied().fold(f64::MAX, f64::min)),
        ] {
            report
                .gate(&format!("{claim}, K = {students}, M = {teachers}"), "claim of the library", expected, measured, 0.0)
                .why("errors of a step lie within the tolerance; the way through the plateau magnifies some and damps others, and steps short for stability are better than asked");
        }
        panel = panel.points(&format!("K = {students}, M = {teachers}"), &tolerances, &errors, &[]);
        report.data(Field::array("steps", name, "largest error of any overlap", &[&along], errors));
    }
    panel = panel.slope("error = tolerance", 1.0, [1e-7, 1e-7], [1e-11, 1e-4]);
    let noisy = long_run(&mut report)?;
    report.picture("steps", Picture::new(2).panel(panel).panel(noisy));
    Ok(report)
}

/// Label noise keeps the student off the teacher; t = 10⁵ is thousands of relaxation times.
fn long_run(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let mut problem = committee(2, 2);
    problem.noise_variance = 0.01;
    let mut run = OrderParameters::of(problem, Quadrature::Automatic, 1e-8)?;
    let times: Vec<f64> = (-4..=20).map(|quarter| 10f64.powf(0.25 * f64::from(quarter))).collect();
    let (mut errors, mut before) = (Vec::new(), Vec::new());
    for &time in &times {
        // The state a decade before the end.
        if time < 1.1e4 {
            before = run.state().to_vec();
        }
        run.advance_to(time)?;
        let state = run.state().to_vec();
        errors.push(run.equations().generalization_error(&state)?);
    }
    report
        .gate(
            "change of the overlaps from t = 10⁴ to 10⁵, label noise",
            "stationary state of EQUATIONS 2",
            Expected::AtMost(1e-7),
            largest(run.state(), &before),
            0.0,
        )
        .why("ten times the tolerance of a step, which explicit steps at their limit of stability do not damp");
    let evaluations = run.evaluations() as f64;
    report
        .note(format!("t = 10⁵ with label noise: {evaluations} right-hand sides, E_g = {}", errors[errors.len() - 1]));
    let along = axis("time", "steps/d", &times);
    report.data(Field::array(
        "long_run",
        "generalization_error",
        "E_g with label noise 0.01",
        &[&along],
        errors.clone(),
    ));
    Ok(Panel::new("Label noise 0.01: to t = 10⁵", "t", "E_g").log_x().log_y().line("", &times, &errors))
}
