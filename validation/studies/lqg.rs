//! The linear–quadratic–Gaussian case: grid and agents against five ordinary differential equations.

use std::error::Error;
use std::ops::ControlFlow;

use learning_dynamics::exact::GaussianMoments;
use learning_dynamics::exact::lqg::Lqg;
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Domain, Ends, Kernel, Population, Selection};
use rayon::prelude::*;

use super::joint::{axis, extrapolated, largest_difference, list, moments, power_of_ten, quadratic, worst_order};
use super::{Level, Study};
use crate::report::{Expected, Report, number};

/// Means, variances and covariance of θ and h, replicator form with diffusive mutation.
pub const STUDY: Study = Study {
    name: "lqg",
    claim: "everything quadratic: the five moments of grid and agents are those of the exact moment equations",
    run,
};

const BETA: f64 = 0.5;
const DIFFUSION_H: f64 = 0.05;
const TIMES: [f64; 5] = [0.125, 0.375, 0.625, 1.0, 2.0];
const SOURCE: &str = "EQUATIONS 1d; Cressman & Hofbauer (2005), Kalman & Bucy (1961)";
const NAMES: [&str; 5] = ["mean θ", "mean h", "variance of θ", "covariance", "variance of h"];

fn problem(epsilon: f64) -> Population {
    Population {
        selection: Selection::Replicator { beta: BETA },
        mutation: vec![Kernel::Diffusion { diffusion: DIFFUSION_H }],
        h: vec![Domain::linear(-5.0, 5.0, Ends::Reflect)],
        ..quadratic(epsilon)
    }
}

fn exact(epsilon: f64, times: &[f64]) -> learning_dynamics::Result<Vec<f64>> {
    let start = GaussianMoments::independent((1.5, 0.16), (-1.0, 0.25));
    let moments = Lqg::quadratic(1.0, 1.0, BETA, 0.5, DIFFUSION_H, epsilon).moments(start, times)?;
    Ok(moments.iter().flat_map(|m| m.to_array()).collect())
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let order = grid(&mut report, level)?;
    let (history, scatter) = agents(&mut report, level)?;
    report.picture("moments", Picture::new(3).panel(history).panel(order).panel(scatter));
    Ok(report)
}

fn grid(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let epsilons = level.pick(vec![1.0, 1e-2, 1e-4], vec![1.0, 1e-1, 1e-2, 1e-3, 1e-4]);
    let cells = [32, 64, 128, 256];
    let widths = cells.map(|c| 14.0 / c as f64);
    let cases: Vec<(f64, usize)> = epsilons.iter().flat_map(|&e| cells.iter().rev().map(move |&c| (e, c))).collect();
    let found: Vec<Vec<f64>> = cases
        .par_iter()
        .map(|&(epsilon, c)| moments(&problem(epsilon), (-7.0, 7.0), (c, c), 1e-7, &TIMES))
        .collect::<Result<_, _>>()?;
    let mut panel =
        Panel::new("Joint grid", "cell width of θ", "largest error of 5 moments at 5 times").log_x().log_y();
    for (&epsilon, grids) in epsilons.iter().zip(found.chunks_exact(cells.len())) {
        let exact = exact(epsilon, &TIMES)?;
        let grids: Vec<Vec<f64>> = grids.iter().rev().cloned().collect();
        let errors: Vec<f64> = grids.iter().map(|g| largest_difference(g, &exact)).collect();
        let label = power_of_ten(epsilon);
        report.note(format!("joint grid, ε = {label}: errors {}", list(&errors)));
        report
            .gate(
                &format!("order of the five moments on the joint grid, ε = {label}"),
                SOURCE,
                Expected::Within { value: 2.0, tolerance: 0.15 },
                worst_order(&errors),
                0.0,
            )
            .why("the order of the cells, from the worse of the last two refinements");
        report
            .gate(
                &format!("largest error of the five moments, extrapolated, ε = {label}"),
                SOURCE,
                Expected::AtMost(1e-5),
                largest_difference(&extrapolated(grids), &exact),
                0.0,
            )
            .why("tolerance 1e-7 of the steps in L1, times the largest θ² with mass, 10, and the weights of the extrapolation");
        panel = panel.points(&format!("ε = {label}"), &widths, &errors, &[]);
        if epsilon == 1.0 {
            panel = panel.slope("order 2", 2.0, [widths[0], 0.5 * errors[0]], [widths[3], widths[0]]);
        }
    }
    Ok(panel)
}

/// Means over replicates and their standard errors, one after the other.
fn sampled(level: Level, epsilon: f64, step: f64, seed: u64) -> learning_dynamics::Result<(Vec<f64>, Vec<f64>)> {
    let settings = AgentSettings {
        agents: level.pick(5_000, 20_000),
        replicates: level.pick(24, 48),
        step: TrainingStep::Step(step),
        dynamics: Dynamics::ExactOu,
        seed,
        ..AgentSettings::default()
    };
    let mut agents = Agents::new(problem(epsilon), settings)?;
    let (mut means, mut errors) = (Vec::new(), Vec::new());
    agents.run(&TIMES[..4], &mut |frame| {
        for name in ["mean_theta", "mean_h", "var_theta", "cov_theta_h", "var_h"] {
            means.extend(frame.get("moments", name).unwrap_or(&[f64::NAN]));
            errors.extend(frame.get("moments", &format!("{name}_error")).unwrap_or(&[f64::NAN]));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((means, errors))
}

/// Pairwise comparison of agents, exact steps of training; the binning of events is extrapolated away.
fn agents(report: &mut Report, level: Level) -> Result<(Panel, Panel), Box<dyn Error>> {
    let epsilon = 0.1;
    let (coarse, coarse_error) = sampled(level, epsilon, 1.0 / level.pick(32.0, 64.0), 11)?;
    let (fine, fine_error) = sampled(level, epsilon, 1.0 / level.pick(64.0, 128.0), 12)?;
    let exact_now = exact(epsilon, &TIMES[..4])?;
    let limit: Vec<f64> = fine.iter().zip(&coarse).map(|(f, c)| 2.0 * f - c).collect();
    let error: Vec<f64> = fine_error.iter().zip(&coarse_error).map(|(f, c)| (4.0 * f * f + c * c).sqrt()).collect();
    let scores: Vec<f64> = limit.iter().zip(&exact_now).zip(&error).map(|((x, y), e)| (x - y) / e).collect();
    for (m, name) in NAMES.iter().enumerate() {
        let of_moment = || scores.iter().skip(m).step_by(5);
        let worst = of_moment().fold(0.0f64, |a, b| if b.is_nan() { f64::NAN } else { a.max(b.abs()) });
        let deviations: Vec<String> = of_moment().map(|z| format!("{z:.1}")).collect();
        report.note(format!(
            "agents, {name} at t = 1: {} ± {}, exact {}; deviations in standard errors {}",
            number(limit[15 + m]),
            number(error[15 + m]),
            number(exact_now[15 + m]),
            deviations.join(" ")
        ));
        report
            .gate(
                &format!("{name} of the agents, largest deviation at 4 times, standard errors"),
                SOURCE,
                Expected::AtMost(4.0),
                worst,
                0.0,
            )
            .why("4 standard errors; the O(Δt) of binned events is extrapolated away, O(Δt²) and O(1/N) are a tenth of one");
    }
    let fine_times: Vec<f64> = (1..=120).map(|k| 0.01 * f64::from(k)).collect();
    let curves = exact(epsilon, &fine_times)?;
    let mut history = Panel::new("Moments, ε = 0.1: agents, and exact (dashed)", "time t", "moment");
    for (m, name) in NAMES.iter().enumerate() {
        let pick = |values: &[f64]| values.iter().skip(m).step_by(5).copied().collect::<Vec<f64>>();
        history = history
            .points(name, &TIMES[..4], &pick(&limit), &pick(&error))
            .dashed("", &fine_times, &pick(&curves))
            .same_colour();
    }
    let mut scatter = Panel::new("Agents against exact", "time t", "deviation, standard errors").y_range(-5.0, 5.0);
    for (m, name) in NAMES.iter().enumerate() {
        let of_moment: Vec<f64> = scores.iter().skip(m).step_by(5).copied().collect();
        scatter = scatter.points(name, &TIMES[..4], &of_moment, &[1.0; 4]);
    }
    scatter = scatter
        .dashed("4 standard errors", &[0.0, 1.1], &[4.0, 4.0])
        .dashed("", &[0.0, 1.1], &[-4.0, -4.0])
        .same_colour();
    let time = axis("t", "time", &TIMES[..4]);
    let moment = axis("moment", "mean θ, mean h, variance of θ, covariance, variance of h", &[0.0, 1.0, 2.0, 3.0, 4.0]);
    for (name, description, values) in [
        ("agents", "moments of the agents", limit),
        ("agents_error", "their standard errors", error),
        ("exact", "exact moments", exact_now),
    ] {
        report.data(Field::array("moments", name, description, &[&time, &moment], values));
    }
    Ok((history, scatter))
}
