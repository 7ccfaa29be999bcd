//! Mini-batches: the order parameters with τ²/B against the chain.

use std::error::Error;

use learning_dynamics::Result;
use learning_dynamics::frame::Field;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::Committee;

use super::joint::{axis, list};
use super::sgd_runs::{Measured, committee, extrapolated_chain, spread, theory};
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// E_g(t) for B = 1, 4, 16, and B → ∞.
pub const STUDY: Study = Study {
    name: "batch",
    claim: "a batch of B samples a step divides the τ² term by B: chain against theory, scaling of τ with B, gradient flow for B → ∞",
    run,
};

const SOURCE: &str = "EQUATIONS 2: mini-batch of size B";
const TIMES: [f64; 5] = [0.5, 1.5, 4.0, 8.0, 15.0];
const BATCHES: [usize; 3] = [1, 4, 16];
/// As good as infinite: 1/B is below rounding.
const INFINITE: usize = 1 << 60;

fn statement(batch: usize, rate: f64) -> Committee {
    Committee { batch, noise_variance: 0.1, ..committee(2, 2, 0.3, rate) }
}

fn errors(simulated: &[Vec<Measured>]) -> Vec<Measured> {
    simulated.iter().map(|row| row[0]).collect()
}

fn run(level: Level) -> std::result::Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let (dimension, runs) = (1000, level.pick(28, 480));
    let times = spread(0.1, 20.0, 120);
    let time = axis("time", "t = steps/d", &times);
    let flow = theory(&statement(INFINITE, 1.0), &times, 1e-10)?;
    let mut panel = Panel::new("τ = 1, σ² = 0.1: theory and chain (points)", "t = steps/d", "E_g").log_x().log_y();
    let names = ["b1", "b4", "b16"];
    for ((batch, name), seed) in BATCHES.into_iter().zip(names).zip(81..) {
        let problem = statement(batch, 1.0);
        let expected = theory(&problem, &TIMES, 1e-10)?;
        let found = errors(&extrapolated_chain(&problem, dimension, runs, seed, &TIMES)?);
        let worst = found.iter().zip(&expected).map(|(found, expected)| found.deviation(*expected)).fold(0.0, f64::max);
        report
            .gate(
                &format!(
                    "E_g of the chain, B = {batch}, at five times, largest deviation from theory in standard errors"
                ),
                SOURCE,
                Expected::AtMost(4.0),
                worst,
                0.0,
            )
            .why("four standard errors; the O(1/d) is extrapolated from d = 250 and 1000");
        // How many standard errors the absence of the τ² term would be.
        let without = theory(&statement(INFINITE, 1.0), &TIMES, 1e-10)?;
        let seen: Vec<f64> = found.iter().zip(&without).map(|(found, flow)| found.deviation(*flow)).collect();
        let relative: Vec<f64> = found.iter().zip(&expected).map(|(found, value)| found.error / value).collect();
        report.note(format!(
            "B = {batch}: standard errors relative to E_g {}; distance from B → ∞ in standard errors {}",
            list(&relative),
            list(&seen)
        ));
        let line = theory(&problem, &times, 1e-10)?;
        report.data(Field::array("theory", name, "E_g", &[&time], line.clone()));
        let (means, bars): (Vec<f64>, Vec<f64>) = found.iter().map(|found| (found.mean, found.error)).unzip();
        panel = panel.line(&format!("B = {batch}"), &times, &line).points("", &TIMES, &means, &bars).same_colour();
    }
    panel = panel.dashed("B → ∞", &times, &flow);
    report.data(Field::array("theory", "flow", "E_g, B → ∞", &[&time], flow));
    let scaling = scaling(&mut report, dimension, runs)?;
    let limit = limit(&mut report)?;
    report.picture("batch", Picture::new(3).panel(panel).panel(scaling).panel(limit));
    Ok(report)
}

/// (τ, B) at time t is (τ/B, 1) at time tB.
fn scaling(report: &mut Report, dimension: usize, runs: usize) -> Result<Panel> {
    let slow = TIMES.map(|t| 4.0 * t);
    let one = errors(&extrapolated_chain(&statement(1, 0.25), dimension, runs, 91, &slow)?);
    let four = errors(&extrapolated_chain(&statement(4, 1.0), dimension, runs, 92, &TIMES)?);
    let pairs = one.iter().zip(&four);
    let worst = pairs.map(|(one, four)| (one.mean - four.mean).abs() / one.error.hypot(four.error)).fold(0.0, f64::max);
    report
        .gate(
            "E_g of the chain at (τ, B) = (1, 4) less that at (1/4, 1) after four times the time, in standard errors",
            "EQUATIONS 2: the right-hand side is τ times a function of τ/B",
            Expected::AtMost(4.0),
            worst,
            0.0,
        )
        .why("four standard errors of the difference; the O(1/d) is extrapolated from d = 250 and 1000");
    let unzip =
        |found: &[Measured]| -> (Vec<f64>, Vec<f64>) { found.iter().map(|found| (found.mean, found.error)).unzip() };
    let times = spread(0.1, 20.0, 120);
    let line = theory(&statement(4, 1.0), &times, 1e-10)?;
    let ((one, one_bars), (four, four_bars)) = (unzip(&one), unzip(&four));
    Ok(Panel::new("Four times the batch, four times the rate", "τ t", "E_g")
        .log_x()
        .log_y()
        .line("theory", &times, &line)
        .points("chain, τ = 1, B = 4", &TIMES, &four, &four_bars)
        .points("chain, τ = 1/4, B = 1", &TIMES, &one, &one_bars))
}

/// The distance from gradient flow falls like 1/B.
fn limit(report: &mut Report) -> Result<Panel> {
    let batches = [1usize, 4, 16, 64, 256, 1024];
    let at = [4.0];
    let flow = theory(&statement(INFINITE, 1.0), &at, 1e-12)?[0];
    let distances = batches
        .iter()
        .map(|&batch| Ok((theory(&statement(batch, 1.0), &at, 1e-12)?[0] - flow).abs()))
        .collect::<Result<Vec<f64>>>()?;
    let counts = batches.map(|batch| batch as f64);
    let (slope, error) = fit_slope(&counts[3..], &distances[3..]);
    report.note(format!("|E_g(B) − E_g(∞)| at t = 4 for B = 1, 4, …, 1024: {}", list(&distances)));
    report
        .gate(
            "exponent of |E_g(B) − E_g(∞)| at t = 4 in B, over B = 64 … 1024",
            SOURCE,
            Expected::Within { value: -1.0, tolerance: 0.02 },
            slope,
            error,
        )
        .why("the next order is 1/B, a hundredth on this range");
    report.data(Field::array(
        "limit",
        "distance",
        "|E_g(B) − E_g(∞)| at t = 4",
        &[&axis("batch", "B", &counts)],
        distances.clone(),
    ));
    Ok(Panel::new("To gradient flow", "B", "|E_g − E_g(∞)| at t = 4")
        .log_x()
        .log_y()
        .points("theory", &counts, &distances, &[])
        .slope("1/B", -1.0, [counts[3], distances[3]], [1.0, 1024.0]))
}
