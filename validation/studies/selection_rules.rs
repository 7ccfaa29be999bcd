//! All selection rules, clocks and ways of inheriting: cells against agents.

use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report, number};

/// Rules.
pub const STUDY: Study = Study {
    name: "selection-rules",
    claim: "every selection rule, clock and way of inheriting: cells follow agents; annealed weights have their recursion",
    run,
};

const TIMES: [f64; 4] = [0.5, 1.0, 2.0, 4.0];
/// Training step, in time.
const STEP: f64 = 0.01;
const SOURCE: &str = "EQUATIONS 1a (donors) and 1b (kept and copied)";

/// `exp(−θ²)`, for rules that ask for a fitness ≥ 0.
#[derive(Debug)]
struct Bell;

impl Fitness for Bell {
    fn value(&self, theta: &[f64], _h: &[f64]) -> f64 {
        (-theta[0] * theta[0]).exp()
    }
}

fn rules() -> Vec<(&'static str, Rule)> {
    let ramp = Schedule::Tabulated { times: vec![0.0, 4.0], rates: vec![0.0, 4.0] };
    vec![
        ("Boltzmann", Rule::Boltzmann { beta: 2.0 }),
        ("annealed", Rule::Annealed { beta: ramp }),
        ("proportional", Rule::Proportional),
        ("weight", Rule::Weight(Arc::new(|f: f64| (0.1 + f).ln()))),
        ("truncation", Rule::Truncation { fraction: 0.25 }),
        ("tournament", Rule::Tournament),
    ]
}

fn problem(selection: Selection, inheritance: Inheritance) -> Population {
    let mutation = match selection {
        Selection::Replicator { .. } => Kernel::Diffusion { diffusion: 0.02 },
        _ => Kernel::Gaussian { std: 0.2 },
    };
    Population {
        fitness: Arc::new(Bell),
        selection,
        inheritance,
        mutation: vec![mutation],
        h: vec![Domain::linear(-4.0, 3.0, Ends::Reflect)],
        initial: Initial {
            h: vec![Law::Gaussian { mean: -0.8, std: 0.5 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: -0.5, std: 0.6 }]),
        },
        ..toy()
    }
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let panels = against_agents(&mut report, level)?;
    annealed(&mut report)?;
    let mut picture = Picture::new(3);
    for panel in panels {
        picture = picture.panel(panel);
    }
    report.picture("selection-rules", picture);
    Ok(report)
}

fn against_agents(report: &mut Report, level: Level) -> Outcome<Vec<Panel>> {
    let (n, replicates) = level.pick((10_000, 12), (100_000, 16));
    let moments = ["mean_h", "var_h", "mean_theta", "mean_fitness"];
    let mut panels = Vec::new();
    let mut rows = String::from(
        "Largest |agents − cells| over what is allowed:\n\n| rule | clock | inherits | moments | diagnostics |\n|---|---|---|---|---|\n",
    );
    let clocks = [("periodic", Clock::Periodic { every: 0.5 }), ("Poisson", Clock::Poisson { rate: 2.0 })];
    let mut cases: Vec<(String, &str, Population)> = Vec::new();
    for (clock_name, clock) in clocks {
        for (name, rule) in rules() {
            let selection = Selection::Events { rule: rule.clone(), clock };
            cases.push((name.into(), clock_name, problem(selection.clone(), Inheritance::Everything)));
            if matches!(rule, Rule::Boltzmann { .. } | Rule::Truncation { .. }) {
                cases.push((
                    format!("{name}, rejuvenated"),
                    clock_name,
                    problem(selection, Inheritance::Hyperparameters),
                ));
            }
        }
    }
    cases.push(("replicator".into(), "none", problem(Selection::Replicator { beta: 2.0 }, Inheritance::Everything)));
    let (mut worst, mut worst_diagnostic, mut courses) = (Vec::new(), Vec::new(), Vec::new());
    for (seed, (name, clock, problem)) in cases.iter().enumerate() {
        let theta = Axis::uniform("theta", -4.5, 4.5, level.pick(192, 384))?;
        let mut kinetic = Kinetic::new(problem.clone(), theta, level.pick(120, 240), Steps::Tolerance(1e-4))?;
        let cells = record(&mut kinetic, &TIMES)?;
        let settings = AgentSettings {
            agents: n,
            replicates,
            step: TrainingStep::Step(STEP),
            dynamics: Dynamics::ExactOu,
            seed: 50 + seed as u64,
            ..AgentSettings::default()
        };
        let agents = record(&mut Agents::new(problem.clone(), settings)?, &TIMES)?;
        let share = |group: &str, names: &[&str]| -> Outcome<f64> {
            let mut worst = 0.0_f64;
            for name in names {
                let (a, b) = (agents.values(group, name)?, cells.values(group, name)?);
                let errors = agents.values(group, &format!("{name}_error"))?;
                for ((a, b), e) in a.iter().zip(b).zip(errors) {
                    // Poisson events and pairs are binned to the step; cells and their steps make 1e-3.
                    let bias = if *clock == "periodic" { 1e-3 } else { 1e-3 + 0.5 * STEP };
                    // A diversity is a hundredth: of it so much, as its variance is of order 0.2.
                    let bias = if group == "diagnostics" { 5.0 * bias * b.abs() } else { bias };
                    worst = largest([worst, (a - b).abs() / (4.0 * e + bias)]);
                }
            }
            Ok(worst)
        };
        let diagnostics: &[&str] = match problem.selection {
            Selection::Events { .. } => &["effective_sample_size", "diversity"],
            _ => &["diversity"],
        };
        let (of_moments, of_diagnostics) = (share("moments", &moments)?, share("diagnostics", diagnostics)?);
        let inherits = if problem.inheritance == Inheritance::Everything { "θ and h" } else { "h" };
        rows += &format!("| {name} | {clock} | {inherits} | {} | {} |\n", number(of_moments), number(of_diagnostics));
        worst.push(of_moments);
        worst_diagnostic.push(of_diagnostics);
        courses.push((
            cells.values("moments", "mean_h")?.to_vec(),
            agents.values("moments", "mean_h")?.to_vec(),
            agents.values("moments", "mean_h_error")?.to_vec(),
        ));
    }
    report.note(rows);
    for (clock_name, title) in
        [("periodic", "Periodic clock"), ("Poisson", "Poisson clock"), ("none", "Replicator form")]
    {
        let mine: Vec<usize> = (0..cases.len()).filter(|k| cases[*k].1 == clock_name).collect();
        let pick = |values: &[f64]| largest(mine.iter().map(|k| values[*k]));
        report
            .gate(
                &format!("{title}: means of h, θ, F and variance of h at t = 0.5 … 4 over all rules, largest share of what is allowed"),
                SOURCE,
                Expected::AtMost(1.0),
                pick(&worst),
                0.0,
            )
            .why("allowed: four standard errors over replicates, 1e-3 for cells, half a training step for events binned to it");
        report
            .gate(
                &format!("{title}: diversity, and where there are events effective sample size, the same"),
                "definitions of the two diagnostics on cells and of agents",
                Expected::AtMost(1.0),
                pick(&worst_diagnostic),
                0.0,
            )
            .why("four standard errors, and the other parts as above over a variance of 0.2, relative to the value");
        let mut panel = Panel::new(title, "t", "mean of h");
        for k in mine {
            let (cells, agents, errors) = &courses[k];
            panel = panel.line(&cases[k].0, &TIMES, cells).points("", &TIMES, agents, errors).same_colour();
        }
        panels.push(panel);
    }
    let axis_case = axis(
        "case",
        "rule, clock and way of inheriting, in the order of the table",
        &linspace(0.0, worst.len() as f64 - 1.0, worst.len()),
    );
    report.data(Field::array("cases", "share", "largest difference over what is allowed", &[&axis_case], worst));
    Ok(panels)
}

/// In fast training weights `e^(β(t)F)` of F = −θ², and the proportional ones of `e^(−θ²)`, follow the Gaussian recursion.
fn annealed(report: &mut Report) -> Outcome<()> {
    let beta = |t: f64| 0.2 + 0.8 * t;
    let schedule = Schedule::Function(Arc::new(beta));
    let events = |beta: &dyn Fn(f64) -> f64| {
        (1..=8).fold((-1.0, 0.25), |moments, k| generations(beta(0.5 * f64::from(k)), 0.1, 0.2).step(moments))
    };
    let annealed = Population { selection: at_events(Rule::Annealed { beta: schedule }), ..toy() };
    recursion(report, "annealed weights", &annealed, events(&beta))?;
    let proportional = Population { selection: at_events(Rule::Proportional), fitness: Arc::new(Bell), ..toy() };
    recursion(report, "proportional weights of exp(−θ²)", &proportional, events(&|_| 1.0))
}

fn at_events(rule: Rule) -> Selection {
    Selection::Events { rule, clock: Clock::Periodic { every: 0.5 } }
}

/// The moments of h after eight events, less the exact ones.
fn recursion(report: &mut Report, name: &str, problem: &Population, exact: (f64, f64)) -> Outcome<()> {
    let errors: Vec<[f64; 2]> = [80, 160, 320]
        .iter()
        .map(|&cells| {
            let grid = HyperGrid::new(problem.h[0], cells)?;
            let theta = Axis::uniform("theta", -6.0, 6.0, 400)?;
            let weight = Weight::Quadrature { theta: theta.into() };
            let mut averaged = Averaged::new(problem.clone(), grid, Settings { weight, tolerance: 1e-8 })?;
            record(&mut averaged, &[4.0])?;
            let (mean, variance) = mean_and_variance(averaged.mass(), &averaged.grid.points);
            Ok([mean - exact.0, variance - exact.1])
        })
        .collect::<Outcome<_>>()?;
    // Errors are even in the width; cells also add width²/12 to the variance.
    let extrapolated = |k: usize| (64.0 * errors[2][k] - 20.0 * errors[1][k] + errors[0][k]) / 45.0;
    for (k, what) in ["mean", "variance"].into_iter().enumerate() {
        report
            .gate(
                &format!("{name}, fast training: {what} of h after 8 events, extrapolated over 80, 160, 320 cells, less the recursion"),
                "EQUATIONS 1d, discrete generations with β at the time of each event",
                Expected::Within { value: 0.0, tolerance: 1e-7 },
                extrapolated(k),
                0.0,
            )
            .why("the sixth power of the width, and tails beyond the domain below 1e-9");
    }
    Ok(())
}
