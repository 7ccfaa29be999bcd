//! One-pass SGD on a two-layer network against the full flow: what the step, the dimension and the batch cost.

use std::error::Error;

use learning_dynamics::Result;
use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::{DualKernel, Risk};
use learning_dynamics::monte_carlo::statistics::mean_and_error;
use learning_dynamics::monte_carlo::{Gradient, Network, NetworkSettings, random_neurons};
use learning_dynamics::neurons::{Flow, FlowSettings, NeuronFlow};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, SingleIndex};

use super::joint::axis;
use super::sgd_runs::{Measured, spread};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// ReLU, φ = (0.8, 0.5, −0.6), m = 5, ε = 0.5, all runs from the same overlaps.
pub const STUDY: Study = Study {
    name: "sgd-against-flow",
    claim: "one-pass SGD follows the full flow with a bias of order ηd/B and fluctuations of order √(η/B) in any dimension",
    run,
};

const SOURCE: &str = "EQUATIONS 3b";
const NEURONS: usize = 5;
/// When risk and alignments are compared.
const TIME: f64 = 2.0;
/// Dimension of the starts: the overlaps of all runs in all dimensions.
const START: usize = 20;

fn statement() -> Result<SingleIndex> {
    let blank = SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 0.5, vec![]);
    Ok(random_neurons(NEURONS, 1.0, Some(START), 4)?.start(&blank))
}

/// What many runs show at one time.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Mean risk less that of the flow.
    excess: Measured,
    /// Root mean square of `s_i` over runs and neurons, about the means.
    spread: Measured,
}

/// SGD in `dimension` dimensions with `ηd/B = noise`, at each of `times`; `flow` is the risk of the flow there.
fn simulate(noise: f64, dimension: usize, batch: usize, runs: usize, times: &[f64], flow: &[f64]) -> Result<Vec<Seen>> {
    let problem = statement()?;
    let kernel = |g| DualKernel::new(&problem.activation, g, 40);
    let risk = Risk::new(&problem, 3, kernel(&problem.activation)?, kernel(&problem.target)?)?;
    let settings = NetworkSettings {
        dimension,
        gradient: Gradient::Sample { batch },
        step: noise * batch as f64 / dimension as f64,
        runs,
        // Other random numbers for each set of runs.
        seed: (dimension * 64 + batch) as u64 + (noise * 1e4) as u64 * 1_000_003,
        ..NetworkSettings::default()
    };
    let mut network = Network::new(problem, settings)?;
    let at = |(&time, flow): (&f64, &f64)| {
        network.advance_to(time)?;
        let states = network.states();
        let risks: Vec<f64> =
            states.iter().map(|state| risk.of(&state.a, &state.s, state.r.as_ref().map(|r| r.view())).risk).collect();
        let (mean, error) = mean_and_error(&risks);
        let excess = Measured { mean: mean - flow, error: error.unwrap_or(f64::NAN) };
        // Squared deviation of each run, mean over neurons; unbiased over runs.
        let column = |i: usize| states.iter().map(|state| state.s[i]).collect::<Vec<f64>>();
        let means: Vec<f64> = (0..NEURONS).map(|i| mean_and_error(&column(i)).0).collect();
        let square = |s: &[f64]| s.iter().zip(&means).map(|(s, mean)| (s - mean).powi(2)).sum::<f64>() / NEURONS as f64;
        let squares: Vec<f64> = states.iter().map(|state| square(&state.s)).collect();
        let (variance, error) = mean_and_error(&squares);
        let variance = variance * runs as f64 / (runs as f64 - 1.0);
        let spread = Measured { mean: variance.sqrt(), error: 0.5 * error.unwrap_or(f64::NAN) / variance.sqrt() };
        Ok(Seen { excess, spread })
    };
    times.iter().zip(flow).map(at).collect()
}

/// The risk of the full flow at `times`.
fn flow(times: &[f64]) -> Result<Vec<f64>> {
    let settings = FlowSettings { flow: Flow::Full, tolerance: 1e-8, ..FlowSettings::default() };
    let mut flow = NeuronFlow::new(statement()?, settings)?;
    let at = |&time: &f64| {
        flow.advance_to(time)?;
        Ok(flow.risk().risk)
    };
    times.iter().map(at).collect()
}

/// `log₂` of the ratio of two independent numbers.
fn octaves(a: Measured, b: Measured) -> Measured {
    let relative = |x: Measured| x.error / x.mean;
    Measured { mean: (a.mean / b.mean).log2(), error: relative(a).hypot(relative(b)) / std::f64::consts::LN_2 }
}

fn run(level: Level) -> std::result::Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let expected = flow(&[TIME])?;
    let runs = level.pick(400, 3000);
    let see = |noise: f64, dimension: usize, batch: usize, runs: usize| -> Result<Seen> {
        Ok(simulate(noise, dimension, batch, runs, &[TIME], &expected)?[0])
    };
    // Halved steps in one dimension; the smaller the bias, the more runs.
    let steps = [(0.4, runs), (0.2, runs), (0.1, 2 * runs), (0.05, 3 * runs)];
    let by_step: Vec<Seen> = steps.iter().map(|&(noise, runs)| see(noise, 100, 1, runs)).collect::<Result<_>>()?;
    // One ηd/B in other dimensions, and with a batch.
    let dimensions = [25, 50, 100, 200, 400];
    let of = |&d: &usize| if d == 100 { Ok(by_step[1]) } else { see(0.2, d, 1, runs) };
    let by_dimension: Vec<Seen> = dimensions.iter().map(of).collect::<Result<_>>()?;
    let batched = see(0.2, 100, 4, runs)?;

    // Two octaves.
    let slope = octaves(by_step[1].excess, by_step[3].excess);
    report
        .gate(
            "d = 100: exponent in η of the excess of the mean risk, ηd from 0.2 to 0.05",
            SOURCE,
            Expected::Within { value: 1.0, tolerance: 2.0 * slope.error + 0.05 },
            0.5 * slope.mean,
            0.5 * slope.error,
        )
        .why("four standard errors, and 0.05 for the next order in ηd (the excess at ηd = 0.4 is a tenth below twice that at 0.2)");
    let limit = Measured {
        mean: 2.0 * by_step[3].excess.mean - by_step[2].excess.mean,
        error: (2.0 * by_step[3].excess.error).hypot(by_step[2].excess.error),
    };
    report
        .gate(
            "d = 100: excess of the mean risk over the full flow, extrapolated to η = 0",
            SOURCE,
            Expected::Within { value: 0.0, tolerance: 4.0 * limit.error + 2e-4 },
            limit.mean,
            limit.error,
        )
        .why("four standard errors, and twice the next order in ηd, 0.02 (ηd)², at 0.05");
    let ratio = |a: Measured, b: Measured| {
        let mean = a.mean / b.mean;
        Measured { mean, error: mean * (a.error / a.mean).hypot(b.error / b.mean) }
    };
    let mut same = |claim: &str, found: Measured, bias: f64, why: &str| {
        let expected = Expected::Within { value: 1.0, tolerance: 4.0 * found.error + bias };
        report.gate(claim, SOURCE, expected, found.mean, found.error).why(why);
    };
    same(
        "ηd = 0.2: excess of the mean risk at d = 400 over that at d = 100",
        ratio(by_dimension[4].excess, by_dimension[2].excess),
        0.03,
        "four standard errors, and a relative 3/d",
    );
    same(
        "d = 100, ηd/B = 0.2: excess of the mean risk with B = 4 over that with B = 1",
        ratio(batched.excess, by_step[1].excess),
        0.03,
        "four standard errors, and a relative 3/d",
    );
    same(
        "η = 5e-4: spread of s over runs at d = 400 over that at d = 100",
        ratio(by_dimension[4].spread, by_step[3].spread),
        0.1,
        "four standard errors, and order ηd, which is 0.2 and 0.05",
    );
    let slope = octaves(by_dimension[2].spread, by_dimension[4].spread);
    report
        .gate(
            "ηd = 0.2: exponent in η of the spread of s over runs, d from 100 to 400",
            SOURCE,
            Expected::Within { value: 0.5, tolerance: 2.0 * slope.error + 0.03 },
            0.5 * slope.mean,
            0.5 * slope.error,
        )
        .why("four standard errors, and a relative 3/d over two octaves");

    let mut table = String::from("| d | ηd/B | B | excess of the mean risk | spread of s |\n|---|---|---|---|---|");
    let mut add = |d: usize, noise: f64, batch: usize, seen: &Seen| {
        let Seen { excess, spread } = seen;
        table += &format!(
            "\n| {d} | {noise} | {batch} | {:.5} ± {:.5} | {:.5} ± {:.5} |",
            excess.mean, excess.error, spread.mean, spread.error
        );
    };
    steps.iter().zip(&by_step).for_each(|(&(noise, _), seen)| add(100, noise, 1, seen));
    dimensions.iter().zip(&by_dimension).for_each(|(&d, seen)| add(d, 0.2, 1, seen));
    add(100, 0.2, 4, &batched);
    report.note(format!("At t = {TIME}, where the flow has the risk {:.5}:", expected[0]));
    report.note(table);
    pictures(&mut report, level, &by_step, &by_dimension)?;
    Ok(report)
}

/// Risk against time, and the deviations against step and dimension.
fn pictures(report: &mut Report, level: Level, by_step: &[Seen], by_dimension: &[Seen]) -> Result<()> {
    let times = spread(0.02, 8.0, 25);
    let theory = flow(&times)?;
    let mut risks = Panel::new("Risk of one-pass SGD, d = 100 (points), and of the full flow", "t", "risk").log_x();
    risks = risks.line("full flow", &times, &theory);
    let time = axis("time", "t", &times);
    report.data(Field::array("risk", "flow", "risk of the full flow", &[&time], theory.clone()));
    let names = [["sgd_1", "sgd_1_error"], ["sgd_2", "sgd_2_error"], ["sgd_3", "sgd_3_error"]];
    for (noise, names) in [0.8, 0.4, 0.1].into_iter().zip(names) {
        let seen = simulate(noise, 100, 1, level.pick(60, 400), &times, &theory)?;
        let (means, bars): (Vec<f64>, Vec<f64>) =
            seen.iter().zip(&theory).map(|(seen, flow)| (flow + seen.excess.mean, seen.excess.error)).unzip();
        risks = risks.points(&format!("ηd = {noise}"), &times, &means, &bars);
        report.data(Field::array("risk", names[0], "mean risk of SGD at ηd = 0.8, 0.4, 0.1", &[&time], means));
        report.data(Field::array("risk", names[1], "standard error of the mean over runs", &[&time], bars));
    }
    let columns = |seen: &[Seen], of: fn(&Seen) -> Measured| -> (Vec<f64>, Vec<f64>) {
        seen.iter().map(of).map(|x| (x.mean, x.error)).unzip()
    };
    let x = [0.4, 0.2, 0.1, 0.05];
    let (excess, bars) = columns(by_step, |seen| seen.excess);
    let of_step = Panel::new("Excess of the mean risk at t = 2, d = 100", "ηd", "excess")
        .log_x()
        .log_y()
        .points("SGD", &x, &excess, &bars)
        .slope("∝ η", 1.0, [0.05, excess[3]], [0.05, 0.4]);
    let d = [25.0, 50.0, 100.0, 200.0, 400.0];
    let ((excess, excess_bars), (spread, bars)) =
        (columns(by_dimension, |seen| seen.excess), columns(by_dimension, |seen| seen.spread));
    let of_dimension = Panel::new("Both at ηd = 0.2", "d", "excess of the risk, spread of s")
        .log_x()
        .log_y()
        .points("excess of the mean risk", &d, &excess, &excess_bars)
        .points("spread of s over runs", &d, &spread, &bars)
        .slope("∝ √η", -0.5, [400.0, spread[4]], [25.0, 400.0]);
    report.picture("deviation", Picture::new(3).panel(risks).panel(of_step).panel(of_dimension));
    Ok(())
}
