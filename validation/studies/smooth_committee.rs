//! Committees whose averages have no closed form, by quadrature, against SGD on weight vectors.

use std::error::Error;

use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee};
use rayon::prelude::*;

use super::joint::{axis, list};
use super::relu_committee::{E_G, M, Q, column, extrapolated_weights, furthest, history, pair};
use super::sgd_runs::{Measured, spread};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// tanh, GELU, and tanh with trained biases.
pub const STUDY: Study = Study {
    name: "smooth-committee",
    claim: "K = M = 2, tanh and GELU, biases fixed or trained: quadrature with a known error, and SGD on weights that agrees with it",
    run,
};

const SOURCE: &str = "EQUATIONS 2 and 2a";
const TIMES: [f64; 5] = [0.5, 1.5, 4.0, 9.0, 20.0];

/// Theory at [`TIMES`], its estimated quadrature errors, and simulation.
struct Case {
    theory: Vec<Vec<Measured>>,
    /// The same at many times.
    lines: Vec<Vec<Measured>>,
    quadrature: Vec<f64>,
    finer: f64,
    weights: Vec<Vec<Measured>>,
    evaluations: u64,
}

fn fine_times() -> Vec<f64> {
    spread(0.2, TIMES[4], 24)
}

fn follow(problem: &Committee, seed: u64, runs: usize) -> learning_dynamics::Result<Case> {
    let mut run = OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-6)?;
    let (mut theory, mut quadrature) = (Vec::new(), Vec::new());
    for time in TIMES {
        theory.extend(history(&mut run, &[time])?);
        let state = run.state().to_vec();
        quadrature.push(run.equations().quadrature_error(&state)?);
    }
    let lines = history(&mut OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-5)?, &fine_times())?;
    // The same with more points: what the quadrature does to the solution.
    let mut fine = OrderParameters::of(problem.clone(), Quadrature::Trapezoidal { points: 40 }, 1e-6)?;
    let again = history(&mut fine, &TIMES[..3])?;
    let differences =
        again.iter().zip(&theory).flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a.mean - b.mean).abs()));
    let finer = differences.fold(0.0, f64::max);
    let weights = extrapolated_weights(problem, 400, runs, seed, &TIMES)?;
    Ok(Case { theory, lines, quadrature, finer, weights, evaluations: run.evaluations() })
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let mut biased = pair(Activation::Tanh, Activation::Tanh, 0.3, 0.5);
    biased.teacher.biases = vec![0.4, -0.3];
    biased.student.biases = vec![-0.2, 0.1];
    biased.bias_rate = 0.5;
    let cases = [
        ("tanh", pair(Activation::Tanh, Activation::Tanh, 0.3, 0.5)),
        ("GELU", pair(Activation::Gelu, Activation::Gelu, 0.3, 0.5)),
        ("tanh with trained biases", biased),
    ];
    let runs = level.pick(40, 400);
    let found = cases
        .par_iter()
        .enumerate()
        .map(|(k, (_, problem))| follow(problem, 81 + 2 * k as u64, runs))
        .collect::<learning_dynamics::Result<Vec<Case>>>()?;
    let mut picture = Picture::new(3);
    for ((name, problem), case) in cases.iter().zip(found) {
        let estimated = case.quadrature.iter().copied().fold(0.0, f64::max);
        report.note(format!(
            "{name}: {} right-hand sides; estimated quadrature errors {}; largest change with 40 points {:.1e}",
            case.evaluations,
            list(&case.quadrature),
            case.finer
        ));
        for (row, exact) in case.weights.iter().zip(&case.theory) {
            let text: Vec<String> =
                row.iter().zip(exact).map(|(f, e)| format!("{:.4} ± {:.4} ({:.4})", f.mean, f.error, e.mean)).collect();
            report.note(format!("{name}, E_g, Q, M, b of weights (theory): {}", text.join(", ")));
        }
        report
            .gate(
                &format!("{name}: overlaps and E_g of SGD on weights at five times, largest deviation from theory in standard errors"),
                SOURCE,
                Expected::AtMost(4.0),
                furthest(&case.weights, &case.theory),
                0.0,
            )
            .why("four standard errors; the O(1/d) is extrapolated from d = 100 and 400");
        report
            .gate(
                &format!("{name}: largest quadrature error of the right-hand side, estimated from 24 points"),
                SOURCE,
                Expected::AtMost(1e-5),
                estimated,
                0.0,
            )
            .why("a hundredth of the standard errors of the simulation");
        report
            .gate(
                &format!("{name}: largest change of E_g and overlaps with 40 points in place of 32"),
                SOURCE,
                Expected::AtMost(1e-5),
                case.finer,
                0.0,
            )
            .why("the tolerance of the integration, 1e-6 a step, over some ten steps");
        let time = axis("time", "t = steps/d", &TIMES);
        let key = match *name {
            "tanh" => "tanh",
            "GELU" => "gelu",
            _ => "biases",
        };
        report.data(Field::array(key, "theory", "E_g", &[&time], column(&case.theory, E_G).0));
        report.data(Field::array(key, "weights", "E_g of SGD", &[&time], column(&case.weights, E_G).0));
        let mut panel = Panel::new(name, "t = steps/d", "E_g and overlaps").log_x();
        let biases = problem.bias_rate > 0.0;
        for (label, k) in [("E_g", E_G), ("Q₁₁", Q), ("Q₁₂", Q + 1), ("M₁₁", M), ("M₁₂", M + 1), ("b₁", M + 4)]
        {
            if k < M + 4 || biases {
                let (points, bars) = column(&case.weights, k);
                panel = panel
                    .line(label, &fine_times(), &column(&case.lines, k).0)
                    .points("", &TIMES, &points, &bars)
                    .same_colour();
            }
        }
        picture = picture.panel(panel);
    }
    report.picture("committees", picture);
    Ok(report)
}
