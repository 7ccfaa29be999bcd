//! Asynchronous populations: own clocks and stale donors, agents against their delay equations.

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report, number};

/// Nobody waits.
pub const STUDY: Study = Study {
    name: "asynchronous",
    claim: "own clocks and published checkpoints: agents follow their delay equations; asynchrony slows selection, the end is the same",
    run,
};

const SOURCE: &str = "EQUATIONS 1f, asynchronous populations";
const TIMES: [f64; 8] = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0];

fn problem(clock: Clock, donors: Donors, rule: Rule) -> Population {
    Population {
        selection: Selection::Events { rule, clock },
        evaluation: Evaluation { donors, ..Evaluation::default() },
        ..toy()
    }
}

const POISSON: Clock = Clock::Poisson { rate: 1.0 };
const STAGGERED: Clock = Clock::Staggered { every: 1.0 };

fn cases() -> Vec<(&'static str, Population)> {
    let boltzmann = || Rule::Boltzmann { beta: 1.0 };
    vec![
        ("Poisson, present", problem(POISSON, Donors::Present, boltzmann())),
        ("Poisson, published", problem(POISSON, Donors::Published, boltzmann())),
        ("staggered, present", problem(STAGGERED, Donors::Present, boltzmann())),
        ("staggered, published", problem(STAGGERED, Donors::Published, boltzmann())),
    ]
}

/// Rules on ranks: who is at his event is ranked among the others, or what they have published.
fn ranks() -> Vec<(&'static str, Population)> {
    let truncation = || Rule::Truncation { fraction: 0.25 };
    vec![
        ("truncation, Poisson, published", problem(POISSON, Donors::Published, truncation())),
        ("truncation, staggered, present", problem(STAGGERED, Donors::Present, truncation())),
        ("tournament, Poisson, published", problem(POISSON, Donors::Published, Rule::Tournament)),
        ("tournament, staggered, published", problem(STAGGERED, Donors::Published, Rule::Tournament)),
    ]
}

/// The delay equation of fast training.
fn solve(
    problem: &Population,
    cells: usize,
    times: &[f64],
    tolerance: f64,
) -> Outcome<(Averaged, learning_dynamics::record::Series)> {
    let grid = HyperGrid::new(problem.h[0], cells)?;
    let mut averaged = Averaged::new(problem.clone(), grid, Settings { weight: Weight::ClosedForm, tolerance })?;
    let series = record(&mut averaged, times)?;
    Ok((averaged, series))
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let courses = against_agents(&mut report, level)?;
    rules_on_ranks(&mut report, level)?;
    let fast = fast_training(&mut report, level)?;
    the_end(&mut report)?;
    report.picture("asynchronous", Picture::new(2).panel(courses).panel(fast));
    Ok(report)
}

/// θ from its Gibbs law, as in the equation: only binning and sampling tell agents from it.
fn against_agents(report: &mut Report, level: Level) -> Outcome<Panel> {
    let (n, replicates, step) = level.pick((10_000, 10, 0.01), (30_000, 12, 0.005));
    let mut panel = Panel::new("Delay equations (lines) and agents", "t", "mean of h");
    let time = axis("time", "time", &TIMES);
    let names = ["poisson_present", "poisson_published", "staggered_present", "staggered_published"];
    let mut means = Vec::new();
    for (k, (name, problem)) in cases().into_iter().enumerate() {
        let (_, equation) = solve(&problem, 160, &TIMES, 1e-6)?;
        let settings = AgentSettings {
            agents: n,
            replicates,
            step: TrainingStep::Step(step),
            dynamics: Dynamics::Equilibrium,
            seed: 70 + k as u64,
            ..AgentSettings::default()
        };
        let agents = record(&mut Agents::new(problem, settings)?, &TIMES)?;
        let mut worst = 0.0_f64;
        for (moment, scale) in [("mean_h", 0.4), ("var_h", 0.1)] {
            let (a, b) = (agents.values("moments", moment)?, equation.values("moments", moment)?);
            let errors = agents.values("moments", &format!("{moment}_error"))?;
            for ((a, b), e) in a.iter().zip(b).zip(errors) {
                worst = largest([worst, (a - b).abs() / (4.0 * e + scale * step + 1e-3)]);
            }
        }
        let (a, b) = (agents.values("moments", "mean_h")?, equation.values("moments", "mean_h")?);
        let errors = agents.values("moments", "mean_h_error")?;
        report.note(format!(
            "{name}: mean of h at t = {}: equation {}, agents {} ± {}.",
            list(&TIMES),
            list(b),
            list(a),
            list(errors)
        ));
        report
            .gate(
                &format!("{name}: mean and variance of h at t = 0.5 … 8, agents from the equation, largest share of what is allowed"),
                SOURCE,
                Expected::AtMost(1.0),
                worst,
                0.0,
            )
            .why("allowed: four standard errors, events binned to steps of 0.01 (a rate of change of 0.4), 1e-3 for cells of h");
        report.data(Field::array("mean_h", names[k], "mean of h, delay equation", &[&time], b.to_vec()));
        panel = panel.line(name, &TIMES, b).points("", &TIMES, a, errors).same_colour();
        means.push(b.to_vec());
    }
    // How much later the mean comes to where it would be: the time at which it passes −0.4.
    let passes = |mean: &[f64]| -> f64 {
        let k = mean.iter().position(|m| *m > -0.4).unwrap_or(mean.len() - 1).max(1);
        TIMES[k - 1] + (TIMES[k] - TIMES[k - 1]) * (-0.4 - mean[k - 1]) / (mean[k] - mean[k - 1])
    };
    let at: Vec<f64> = means.iter().map(|m| passes(m)).collect();
    report.note(format!("The mean of h passes −0.4 at t = {} (in the order above).", list(&at)));
    for (present, published, name) in [(0, 1, "Poisson"), (2, 3, "staggered")] {
        report
            .gate(
                &format!("{name} clock: how much later the mean passes −0.4 with published donors, in periods"),
                "published states are half a period to a period old; selection is slower by as much or more",
                Expected::AtLeast(0.3),
                at[published] - at[present],
                0.0,
            )
            .why("the sign is the claim; half of the least age");
    }
    Ok(panel)
}

fn rules_on_ranks(report: &mut Report, level: Level) -> Outcome<()> {
    let (n, replicates, step) = level.pick((5_000, 10, 0.02), (20_000, 12, 0.01));
    let times = [1.0, 2.0, 4.0];
    let (mut worst, mut rows) = (0.0_f64, Vec::new());
    for (k, (name, problem)) in ranks().into_iter().enumerate() {
        let grid = HyperGrid::new(problem.h[0], 120)?;
        let weight = Weight::Quadrature { theta: Axis::uniform("theta", -5.5, 5.5, 220)?.into() };
        let mut averaged = Averaged::new(problem.clone(), grid, Settings { weight, tolerance: 1e-4 })?;
        let equation = record(&mut averaged, &times)?;
        let settings = AgentSettings {
            agents: n,
            replicates,
            step: TrainingStep::Step(step),
            dynamics: Dynamics::Equilibrium,
            seed: 110 + k as u64,
            ..AgentSettings::default()
        };
        let agents = record(&mut Agents::new(problem, settings)?, &times)?;
        let mut share = 0.0_f64;
        for (moment, scale) in [("mean_h", 0.5), ("var_h", 0.2)] {
            let (a, b) = (agents.values("moments", moment)?, equation.values("moments", moment)?);
            let errors = agents.values("moments", &format!("{moment}_error"))?;
            for ((a, b), e) in a.iter().zip(b).zip(errors) {
                share = largest([share, (a - b).abs() / (4.0 * e + scale * step + 2e-3)]);
            }
        }
        rows.push(format!("{name} {}", number(share)));
        worst = largest([worst, share]);
    }
    report.note(format!("Rules on ranks, largest share of what is allowed: {}.", rows.join(", ")));
    report
        .gate(
            "rules on ranks: mean and variance of h at t = 1, 2, 4, agents from the equation, largest share of what is allowed",
            SOURCE,
            Expected::AtMost(1.0),
            worst,
            0.0,
        )
        .why("allowed: four standard errors, events binned to steps of 0.02 (a rate of change of 0.5), 2e-3 for cells");
    Ok(())
}

/// Training at ε: the agents of the staggered clock come to the delay equation as ε falls.
fn fast_training(report: &mut Report, level: Level) -> Outcome<Panel> {
    let epsilons = [0.4, 0.2, 0.1];
    let times = [3.0];
    let (n, replicates) = level.pick((20_000, 10), (60_000, 16));
    let mut panel = Panel::new("Staggered clock, t = 3", "ε", "|mean of h − delay equation|").log_x().log_y();
    for (name, donors) in [("present", Donors::Present), ("published", Donors::Published)] {
        let mut base = problem(STAGGERED, donors, Rule::Boltzmann { beta: 1.0 });
        base.initial.theta = InitialTheta::Equilibrium;
        let (_, limit) = solve(&base, 160, &times, 1e-6)?;
        let limit = limit.values("moments", "mean_h")?[0];
        let (mut distances, mut errors) = (Vec::new(), Vec::new());
        for (k, &epsilon) in epsilons.iter().enumerate() {
            base.epsilon = epsilon;
            let settings = AgentSettings {
                agents: n,
                replicates,
                step: TrainingStep::Step(0.02),
                dynamics: Dynamics::ExactOu,
                seed: 90 + k as u64,
                ..AgentSettings::default()
            };
            let agents = record(&mut Agents::new(base.clone(), settings)?, &times)?;
            distances.push((agents.values("moments", "mean_h")?[0] - limit).abs());
            errors.push(agents.values("moments", "mean_h_error")?[0]);
        }
        report.note(format!(
            "Staggered, {name}: |mean of h − delay equation| {} ± {} at ε = {}.",
            list(&distances),
            list(&errors),
            list(&epsilons)
        ));
        let on_their_way = if donors == Donors::Present { 0.01 } else { 0.0 };
        report
            .gate(
                &format!("staggered, {name}: distance of the mean from the delay equation at ε = 0.1"),
                "training is over when the next event comes: e^(−T/ε) is left with published donors, O(ε) with present ones",
                Expected::AtMost(4.0 * errors[2] + 0.4 * 0.02 + on_their_way),
                distances[2],
                errors[2],
            )
            .why("four standard errors, binning to steps of 0.02; present donors between their events are on their way: 0.1 ε");
        if donors == Donors::Present {
            report
                .gate(
                    "staggered, present: distance at ε = 0.1 over that at ε = 0.4",
                    "O(ε)",
                    Expected::AtMost(0.5),
                    distances[2] / distances[0],
                    errors[2] / distances[0],
                )
                .why("a quarter, with four errors of 0.06");
        }
        panel = panel.points(name, &epsilons, &distances, &errors);
    }
    Ok(panel)
}

/// All four have the stationary law of the Poisson clock with present donors.
fn the_end(report: &mut Report) -> Outcome<()> {
    let mut distances = Vec::new();
    let stationary = solve(&cases()[0].1, 80, &[1.0], 1e-7)?.0.stationary()?.mass;
    for (_, problem) in cases() {
        let (averaged, _) = solve(&problem, 80, &[160.0], 1e-7)?;
        distances.push(l1(averaged.mass(), &stationary));
    }
    report.note(format!(
        "L1 distance from the stationary law of the averaged equation at t = 160: {}.",
        list(&distances)
    ));
    report
        .gate(
            "the four at t = 160: largest L1 distance from the principal eigenvector of M∘w̄",
            "EQUATIONS 1f: with π = ψ = post = ρ all equations are ρ = M_h[w̄ρ/⟨w̄⟩]",
            Expected::AtMost(1e-6),
            largest(distances.iter().copied()),
            0.0,
        )
        .why("what is left after 160 periods, and the tolerance of the time steps");
    report.note(format!(
        "Stationary variance of h: {}.",
        number(mean_and_variance(&stationary, &HyperGrid::new(cases()[0].1.h[0], 80)?.points).1)
    ));
    Ok(())
}
