//! Mutation kernels on a log axis: cells against exact walks and against agents.

use std::sync::Arc;

use learning_dynamics::frame::Field;
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report};

/// Exploration.
pub const STUDY: Study = Study {
    name: "exploration",
    claim: "×0.8/×1.2, resampling, both in turn and Gaussian steps of log h: cells follow exact walks and the agents",
    run,
};

const LOW: f64 = 1e-4;
const HIGH: f64 = 1.0;
const SOURCE: &str =
    "Jaderberg et al. (2017), explore by perturbing (×0.8 or ×1.2) and resampling; EQUATIONS 1, mutation";

/// Fitness `−(log₁₀ h + 2)²` (0: neutral), events at every unit of time, training that does not matter.
fn problem(kernel: Kernel, ends: Ends, strength: f64, rule: Rule) -> Population {
    let fitness = move |_: f64, h: f64| -strength * (h.log10() + 2.0).powi(2);
    Population {
        epsilon: 1.0,
        loss: Arc::new(LossFn { value: |t: f64, _: f64| 0.5 * t * t, gradient: |t: f64, _: f64| t }),
        fitness: Arc::new(FitnessFn(fitness)),
        h: vec![Domain::log(LOW, HIGH, ends)],
        selection: Selection::Events { rule, clock: Clock::Periodic { every: 1.0 } },
        mutation: vec![kernel],
        initial: Initial {
            // Without selection near the lower end, so that the rule there matters.
            h: vec![if strength > 0.0 {
                Law::LogUniform { low: 1e-3, high: 1e-1 }
            } else {
                Law::LogUniform { low: LOW, high: 10f64.powf(-3.5) }
            }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 0.0, std: 0.3 }]),
        },
        ..toy()
    }
}

fn kernels() -> Vec<(&'static str, Kernel)> {
    let law = Law::LogUniform { low: LOW, high: HIGH };
    vec![
        ("factor", Kernel::Factor { factors: vec![0.8, 1.2] }),
        ("resample", Kernel::Resample { probability: 0.25, law: law.clone() }),
        ("perturb", Kernel::perturb(vec![0.8, 1.2], 0.25, law)),
        ("gaussian", Kernel::Gaussian { std: 0.3 }),
        ("uniform", Kernel::Uniform { width: 0.8 }),
    ]
}

/// Masses of the places of h at the end.
fn cells(problem: &Population, n: usize, end: f64) -> Outcome<Kinetic> {
    let mut kinetic = Kinetic::new(problem.clone(), Axis::uniform("theta", -3.0, 3.0, 16)?, n, Steps::Tolerance(1e-3))?;
    record(&mut kinetic, &[end])?;
    Ok(kinetic)
}

fn agents(problem: &Population, n: usize, seed: u64, end: f64) -> Outcome<Vec<f64>> {
    let settings = AgentSettings {
        agents: n,
        step: TrainingStep::Step(1.0),
        dynamics: Dynamics::Sgd,
        seed,
        ..AgentSettings::default()
    };
    let mut agents = Agents::new(problem.clone(), settings)?;
    agents.advance_to(end)?;
    let mut h = agents.h(0).to_vec();
    h.sort_by(f64::total_cmp);
    Ok(h)
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    walk(&mut report)?;
    let panel = against_agents(&mut report, level)?;
    let atoms = atoms(&mut report, level)?;
    report.picture("exploration", Picture::new(2).panel(panel).panel(atoms));
    Ok(report)
}

/// A factor that is a whole number of cells of log h makes the walk on cells exact: a binomial law.
fn walk(report: &mut Report) -> Outcome<()> {
    // 0.8 and 1/0.8 are three cells of width ln(1.25)/3; the domain holds 120 of them, log-uniform start on 12 of them.
    let width = 1.25_f64.ln() / 3.0;
    let low = 1e-2;
    let high = low * (120.0 * width).exp();
    let edge = |k: f64| low * (k * width).exp();
    let law = Law::LogUniform { low: edge(54.0), high: edge(66.0) };
    let mut walk =
        problem(Kernel::Factor { factors: vec![0.8, 1.25] }, Ends::Reflect, 0.0, Rule::Boltzmann { beta: 0.0 });
    walk.h = vec![Domain::log(low, high, Ends::Reflect)];
    walk.initial.h = vec![law];
    let events = 12;
    let found = cells(&walk, 120, f64::from(events))?.marginal_h();
    let mut exact = vec![0.0; 120];
    let mut binomial = 0.5_f64.powi(events);
    for up in 0..=events {
        for start in 54..66 {
            exact[(start + 3 * (2 * up - events)) as usize] += binomial / 12.0;
        }
        binomial *= f64::from(events - up) / f64::from(up + 1);
    }
    report
        .gate(
            "neutral, factors 0.8 and 1.25 on a log axis: L1 distance from the binomial law after 12 events",
            "a factor is a shift of log h; sums of independent shifts",
            Expected::AtMost(1e-12),
            l1(&found, &exact),
            0.0,
        )
        .why("rounding of logarithms: a share 1e-14 of a cell, 12 times, over 120 cells");
    Ok(())
}

/// All kernels and ends, neutral and selected: the cumulative function of log h of cells and agents.
fn against_agents(report: &mut Report, level: Level) -> Outcome<Panel> {
    let (n, width) = (level.pick(200_000, 1_000_000), level.pick(240, 960));
    let mut panel = Panel::new("Selected, ends that retry", "log₁₀ h", "cumulative function");
    for (strength, end, name) in [(0.0, 6.0, "neutral"), (2.0, 12.0, "selected")] {
        let mut rows = Vec::new();
        for (k, (kernel_name, kernel)) in kernels().into_iter().enumerate() {
            for ends in [Ends::Reflect, Ends::Clip, Ends::Retry] {
                let problem = problem(kernel.clone(), ends, strength, Rule::Boltzmann { beta: 1.0 });
                let grid = cells(&problem, width, end)?;
                let sample = agents(&problem, n, 100 + k as u64, end)?;
                let masses = grid.marginal_h();
                let (mut cumulative, mut curve) = (0.0, Vec::new());
                let cell = (HIGH / LOW).ln() / width as f64;
                let first = usize::from(ends == Ends::Clip);
                for (place, mass) in masses.iter().enumerate() {
                    cumulative += mass;
                    // The upper face of the place. The atom at the upper end lies above the last cell.
                    let cell_number = (place + 1).saturating_sub(first).min(width);
                    let face = LOW * (cell_number as f64 * cell).exp();
                    let below = if ends == Ends::Clip && place == 0 {
                        sample.partition_point(|h| *h <= LOW)
                    } else if cell_number == width && place + 1 < masses.len() {
                        sample.partition_point(|h| *h < HIGH)
                    } else if place + 1 == masses.len() {
                        sample.len()
                    } else {
                        sample.partition_point(|h| *h <= face)
                    };
                    let other = below as f64 / n as f64;
                    curve.push((face.log10(), cumulative, other));
                }
                // Factors lead from a clipped end to points of positive mass, of whose place cells know the cell only.
                let points = ends == Ends::Clip && kernel_name == "factor";
                let distance = largest_gap(&curve, usize::from(points));
                rows.push((format!("{kernel_name}/{ends:?}"), distance));
                if ends == Ends::Retry && name == "selected" {
                    let pick = |f: &dyn Fn(&(f64, f64, f64)) -> f64| -> Vec<f64> { curve.iter().map(f).collect() };
                    let (x, y) = (pick(&|c| c.0), pick(&|c| c.1));
                    let thin = |v: Vec<f64>| -> Vec<f64> { v.into_iter().step_by(12).collect() };
                    let (xs, ys) = (thin(x.clone()), thin(pick(&|c| c.2)));
                    panel = panel.line(kernel_name, &x, &y).points("agents", &xs, &ys, &[]).same_colour();
                }
            }
        }
        report.note(format!(
            "{name}: largest distance of the cumulative functions of h, cells against {n} agents: {}.",
            rows.iter().map(|(name, d)| format!("{name} {}", crate::report::number(*d))).collect::<Vec<_>>().join(", ")
        ));
        let numbers: Vec<f64> = rows.iter().map(|r| r.1).collect();
        let which = axis("case", "kernel and rule at the ends", &linspace(0.0, rows.len() as f64 - 1.0, rows.len()));
        let field = if name == "neutral" { "distance_neutral" } else { "distance_selected" };
        report.data(Field::array("agents", field, "distance of cumulative functions", &[&which], numbers.clone()));
        report
            .gate(
                &format!("{name}: largest distance of cumulative functions of h over five kernels and three ends, agents from cells"),
                SOURCE,
                Expected::AtMost(2.7 * ((1.0 + end) / n as f64).sqrt() + 0.5 / width as f64),
                largest(numbers),
                0.0,
            )
            .why("Kolmogorov–Smirnov at probability 1e-6 is 2.7/√N for one draw, and each event draws everybody again; cells smear half a cell of a density of order 1, and points of mass (factors from a clipped end) by one");
    }
    Ok(panel)
}

/// The largest distance of two cumulative functions (of cells and agents, at the same faces), where one may be `reach` faces ahead
/// of the other.
fn largest_gap(curve: &[(f64, f64, f64)], reach: usize) -> f64 {
    let cells = |k: usize| curve[k.min(curve.len() - 1)].1;
    largest((0..curve.len()).map(|k| {
        let agents = curve[k].2;
        (agents - cells(k + reach)).max(if k >= reach { cells(k - reach) - agents } else { 0.0 }).max(0.0)
    }))
}

/// The atoms at the clipped ends grow alike.
fn atoms(report: &mut Report, level: Level) -> Outcome<Panel> {
    let n = level.pick(100_000, 1_000_000);
    let kernel = Kernel::Factor { factors: vec![0.8, 1.2] };
    let mut problem = problem(kernel, Ends::Clip, 0.0, Rule::Boltzmann { beta: 0.0 });
    problem.initial.h = vec![Law::LogUniform { low: LOW, high: 4e-4 }];
    let times: Vec<f64> = (1..=20).map(f64::from).collect();
    let (mut of_cells, mut of_agents) = (Vec::new(), Vec::new());
    for &t in &times {
        of_cells.push(cells(&problem, 480, t)?.marginal_h()[0]);
        let sample = agents(&problem, n, 5, t)?;
        of_agents.push(sample.partition_point(|h| *h <= LOW) as f64 / n as f64);
    }
    let differences = of_cells.iter().zip(&of_agents).map(|(a, b)| (a - b).abs());
    report
        .gate(
            "clipped, neutral: mass of the atom at the lower end over 20 events, largest difference of agents and cells",
            SOURCE,
            Expected::AtMost(4.0 * (20.0 * 0.25 / n as f64).sqrt() + 0.003),
            largest(differences),
            0.0,
        )
        .why("four standard errors of a share after 20 neutral resamplings, and half a cell of 1/480 of the start");
    report.note(format!(
        "Atom at the lower end after 1 … 20 events: cells {}; agents {}.",
        list(&of_cells),
        list(&of_agents)
    ));
    Ok(Panel::new("Atom at the lower end, neutral", "events", "mass").line("cells", &times, &of_cells).points(
        "agents",
        &times,
        &of_agents,
        &[],
    ))
}
