//! Selection on the present fitness, on its mean over a window, and on the effective fitness.

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::statistics::mean_and_error;
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report};

/// What selection sees.
pub const STUDY: Study = Study {
    name: "effective-selection",
    claim: "longer windows of evaluation lead from selection on F(θ) towards selection on F̄(h): faster and surer",
    run,
};

const SOURCE: &str = "EQUATIONS 1a (what selection sees), 1c (w̄ is not exp(βF̄))";
const EVENTS: usize = 12;
/// Training steps between events; with η = 0.5 these are T_s/ε = 10 relaxation times.
const STEPS: usize = 20;
const NAMES: [&str; 5] = ["F(θ)", "window 2", "window 5", "window 20", "effective"];

/// Much noise of training: the Gibbs law of θ is wider than what selection would tell apart.
fn problem(choice: usize) -> Population {
    let (sees, window) =
        [(Sees::Fitness, 1), (Sees::Fitness, 2), (Sees::Fitness, 5), (Sees::Fitness, 20), (Sees::Effective, 1)][choice];
    Population {
        epsilon: 0.1,
        diffusion: 1.0.into(),
        selection: boltzmann(1.0, Clock::Periodic { every: 1.0 }),
        evaluation: Evaluation { sees, window, ..Evaluation::default() },
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial { h: vec![Law::Gaussian { mean: -1.5, std: 0.3 }], theta: InitialTheta::Equilibrium },
        ..toy()
    }
}

fn settings(agents: usize, replicates: usize, seed: u64) -> AgentSettings {
    AgentSettings {
        agents,
        replicates,
        step: TrainingStep::StepsPerSelection(STEPS),
        dynamics: Dynamics::ExactOu,
        seed,
        bins: 2,
        ..AgentSettings::default()
    }
}

/// Means of h of each replicate after each event, and the mean variance within populations at the end.
fn small_populations(choice: usize, replicates: usize) -> Outcome<(Vec<Vec<f64>>, f64)> {
    let n = 50;
    let mut agents = Agents::new(problem(choice), settings(n, replicates, 70 + choice as u64))?;
    let mut means = Vec::new();
    let ones = vec![1.0; n];
    for event in 0..=EVENTS {
        agents.advance_to(event as f64)?;
        means.push((0..replicates).map(|r| mean_and_variance(&ones, agents.h(r)).0).collect());
    }
    let variances: Vec<f64> = (0..replicates).map(|r| mean_and_variance(&ones, agents.h(r)).1).collect();
    Ok((means, mean_and_error(&variances).0))
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let replicates = level.pick(3000, 40_000);
    let times: Vec<f64> = (0..=EVENTS).map(|k| k as f64).collect();
    let mut distance = Vec::new();
    // Distance of the population's mean from h* = 0, averaged over all events: how fast; scatter at the end: how surely.
    let (mut fast, mut sure) = (Vec::new(), Vec::new());
    for (choice, name) in NAMES.iter().enumerate() {
        let (means, variance) = small_populations(choice, replicates)?;
        let curve: Vec<f64> =
            means.iter().map(|m| m.iter().map(|x| x.abs()).sum::<f64>() / replicates as f64).collect();
        let over_time: Vec<f64> =
            (0..replicates).map(|r| means[1..].iter().map(|m| m[r].abs()).sum::<f64>() / EVENTS as f64).collect();
        let (mean, error) = mean_and_error(&over_time);
        fast.push((mean, error.ok_or("one replicate")?));
        let (_, spread) = mean_and_variance(&vec![1.0; replicates], &means[EVENTS]);
        // Standard error of a standard deviation of nearly normal numbers: s/√(2R).
        sure.push((spread.sqrt(), spread.sqrt() / (2.0 * replicates as f64).sqrt()));
        report.note(format!(
            "{name}: mean distance over {EVENTS} events {:.4} ± {:.4}; scatter of the mean over replicates at the end {:.4} ± {:.4}; variance within {variance:.4}.",
            fast[choice].0, fast[choice].1, sure[choice].0, sure[choice].1
        ));
        distance.push(curve);
    }
    let steps = |values: &[(f64, f64)]| -> f64 {
        smallest(values.windows(2).map(|pair| (pair[0].0 - pair[1].0) / pair[0].1.hypot(pair[1].1)))
    };
    report
        .gate(
            "how fast: distance to h* falls from F(θ) over windows 2, 5, 20 to F̄, smallest step in standard errors",
            SOURCE,
            Expected::AtLeast(4.0),
            steps(&fast),
            1.0,
        )
        .why("an order is claimed, so each step must be certain: four standard errors");
    report
        .gate(
            "how surely: scatter over replicates falls from F(θ) over a window of 20 to F̄, smallest step in standard errors",
            SOURCE,
            Expected::AtLeast(4.0),
            steps(&[sure[0], sure[3], sure[4]]),
            1.0,
        )
        .why("four standard errors; windows below 20 are too close to be told apart with certainty at the quick level");
    mean_fields(&mut report, level)?;

    let event = axis("event", "selection event", &times);
    let rule = axis("rule", "0 F, 1 to 3 windows 2, 5, 20, 4 effective fitness", &[0.0, 1.0, 2.0, 3.0, 4.0]);
    report.data(Field::array("selection", "distance", "mean of |<h> - h*|", &[&rule, &event], distance.concat()));
    for (name, error, description, values) in [
        ("distance_over_time", "distance_over_time_error", "distance averaged over the events", &fast),
        ("scatter", "scatter_error", "standard deviation of <h> over replicates at the end", &sure),
    ] {
        let [means, errors]: [Vec<f64>; 2] =
            [values.iter().map(|v| v.0).collect(), values.iter().map(|v| v.1).collect()];
        report.data(Field::array("selection", name, description, &[&rule], means));
        report.data(Field::array("selection", error, "its standard error", &[&rule], errors));
    }
    let mut left = Panel::new("How fast: 50 agents", "selection event", "mean of |⟨h⟩ − h*|");
    for (curve, name) in distance.iter().zip(NAMES) {
        left = left.line(name, &times, curve);
    }
    let x = [1.0, 2.0, 5.0, 20.0];
    let part = |values: &[(f64, f64)]| -> (Vec<f64>, Vec<f64>) { values[..4].iter().copied().unzip() };
    let panel = |title: &str, y: &str, values: &[(f64, f64)]| {
        let (means, errors) = part(values);
        Panel::new(title, "evaluations in the window", y).log_x().points("windows", &x, &means, &errors).dashed(
            "effective fitness",
            &[1.0, 20.0],
            &[values[4].0; 2],
        )
    };
    report.picture(
        "windows",
        Picture::new(3).panel(left).panel(panel("How fast", "mean distance over 12 events", &fast)).panel(panel(
            "How surely",
            "scatter of ⟨h⟩ over replicates",
            &sure,
        )),
    );
    Ok(report)
}

/// The two ends of the range against their mean fields.
fn mean_fields(report: &mut Report, level: Level) -> Outcome<()> {
    let times = [2.0, 5.0, 8.0, 12.0];
    let (n, replicates) = level.pick((10_000, 20), (50_000, 40));
    let compare = |choice: usize, mean: &[f64], variance: &[f64]| -> Outcome<(f64, f64)> {
        let mut agents = Agents::new(problem(choice), settings(n, replicates, 90 + choice as u64))?;
        let series = record(&mut agents, &times)?;
        let score = |name: &str, error: &str, exact: &[f64]| -> Outcome<f64> {
            let values = series.values("moments", name)?.iter().zip(series.values("moments", error)?);
            Ok(largest(values.zip(exact).map(|((a, e), b)| (a - b).abs() / e)))
        };
        Ok((score("mean_h", "mean_h_error", mean)?, score("var_h", "var_h_error", variance)?))
    };
    let effective = problem(4);
    let grid = HyperGrid::new(effective.h[0], 800)?;
    let mut averaged = Averaged::new(effective, grid, Settings { weight: Weight::ClosedForm, tolerance: 1e-9 })?;
    let series = record(&mut averaged, &times)?;
    let (mean, variance) = compare(4, series.values("moments", "mean_h")?, series.values("moments", "var_h")?)?;
    let mut recursion = (-1.5, 0.09);
    let exact = generations(1.0, 0.0, 0.1);
    for _ in 0..EVENTS {
        recursion = exact.step(recursion);
    }
    let last = |name| -> Outcome<f64> { Ok(series.last("moments", name)?[0]) };
    report
        .gate(
            "averaged equation with w = exp(βF̄) against the Gaussian generations with v = 0, mean and variance: largest difference",
            "EQUATIONS 1d, discrete generations; F̄ = −h² − v",
            Expected::AtMost(1e-4),
            largest([(last("mean_h")? - recursion.0).abs(), (last("var_h")? - recursion.1).abs()]),
            0.0,
        )
        .why("cells of width 0.01 add width²/6 = 1.7e-5 to each mutation");
    for (what, score) in [("mean", mean), ("variance", variance)] {
        report
            .gate(
                &format!("agents that select on F̄ against the averaged equation with w = exp(βF̄), {what} of h: largest difference in standard errors"),
                SOURCE,
                Expected::AtMost(4.0),
                score,
                1.0,
            )
            .why("four standard errors over replicates at N = 10⁴, above the bias O(1/N) and that of the grid");
    }
    let theta = Axis::uniform("theta", -8.0, 8.0, 200)?;
    let mut kinetic = Kinetic::new(problem(0), theta, 400, Steps::Tolerance(3e-5))?;
    let series = record(&mut kinetic, &times)?;
    let (mean, _) = compare(0, series.values("moments", "mean_h")?, series.values("moments", "var_h")?)?;
    report
        .gate(
            "agents that select on F(θ) against the kinetic equation, mean of h: largest difference in standard errors",
            SOURCE,
            Expected::AtMost(4.0),
            mean,
            1.0,
        )
        .why("four standard errors over replicates at N = 10⁴");
    Ok(())
}
