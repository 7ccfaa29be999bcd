//! Training and selection among the four wells of Himmelblau's function: agents against the kinetic equation.

use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::plane::*;
use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report, number};

/// Four wells.
pub const STUDY: Study = Study {
    name: "himmelblau",
    claim: "Himmelblau's four wells from one hill: agents follow the (2,1) kinetic equation; E[θ₁θ₂] = ¼ at any temperature",
    run,
};

const EPSILON: f64 = 0.1;
const HALF: f64 = 6.5;
/// Learning rate of the agents.
const ETA: f64 = 0.02;
const TIMES: [f64; 6] = [0.05, 0.2, 0.5, 1.0, 2.0, 5.0];
/// Those drawn as densities.
const SHOWN: [usize; 3] = [0, 2, 5];
/// Bins of the histograms each way.
const BINS: usize = 52;

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    quarter(&mut report, level)?;
    populations(&mut report, level)?;
    Ok(report)
}

/// `E[θ₁θ₂] = ¼` under the Gibbs law, on grids at several temperatures and of agents after a long time.
fn quarter(report: &mut Report, level: Level) -> Outcome<()> {
    let source = "EQUATIONS 1e: under the Gibbs law of H/s, at any temperature, E[θ₁θ₂] = ¼";
    let (mut worst, mut found) = (0.0_f64, Vec::new());
    for (diffusion, half, cells) in
        [(0.05, 6.5, 256), (0.1, 7.0, 256), (0.5, 8.0, 192), (1.0, 9.0, 192), (4.0, 13.0, 192)]
    {
        let mut problem = himmelblau(1e-3, Selection::Off);
        problem.diffusion = diffusion.into();
        problem.loss = std::sync::Arc::new(Himmelblau::new(100.0));
        // Long beyond the slowest escape from a well, exp(10.4/D) at most for the deepest: the Gibbs law itself at low D.
        problem.initial.theta = InitialTheta::Equilibrium;
        let kinetic = train(problem, square(half, cells)?, 1e-10, 1.0)?;
        let value = mean_product(kinetic.theta(), &kinetic.marginal_theta());
        found.push(value);
        worst = largest([worst, (value - 0.25).abs()]);
    }
    report.note(format!("E[θ₁θ₂] on grids at D = 0.05, 0.1, 0.5, 1, 4: {}.", list(&found)));
    report
        .gate("grid at equilibrium, D = 0.05 … 4: largest |E[θ₁θ₂] − ¼|", source, Expected::AtMost(1e-11), worst, 0.0)
        .why("midpoint sums of analytic functions in boxes that hold all but 1e-12 of the mass, which solves do not move");
    // From the hill to the Gibbs law by training alone, on the grid and by agents.
    let mut problem = himmelblau(1.0, Selection::Off);
    problem.diffusion = 1.0.into();
    problem.loss = std::sync::Arc::new(Himmelblau::new(100.0));
    let long = train(problem.clone(), square(9.0, 128)?, 1e-9, 1000.0)?;
    report
        .gate(
            "training from the hill, D = 1, t = 1000 ε: E[θ₁θ₂] of the grid",
            source,
            Expected::Within { value: 0.25, tolerance: 1e-6 },
            mean_product(long.theta(), &long.marginal_theta()),
            0.0,
        )
        .why("the slowest mode, whose rate at D = 1 is some 0.06, is gone; a solve to 1e-9 of moments of size 10");
    let end = 60.0;
    let kinetic = train(problem.clone(), square(9.0, 128)?, 1e-9, end)?;
    let reached = mean_product(kinetic.theta(), &kinetic.marginal_theta());
    let (n, replicates, eta) = level.pick((4_000, 8, 0.02), (20_000, 16, 0.005));
    let settings = AgentSettings {
        agents: n,
        replicates,
        step: TrainingStep::LearningRate(eta),
        dynamics: Dynamics::Langevin,
        seed: 5,
        ..AgentSettings::default()
    };
    let mut agents = Agents::new(problem, settings)?;
    agents.advance_to(end)?;
    let means: Vec<f64> =
        (0..replicates).map(|r| agents.theta(r).chunks_exact(2).map(|t| t[0] * t[1]).sum::<f64>() / n as f64).collect();
    let mean = means.iter().sum::<f64>() / replicates as f64;
    let spread = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (replicates - 1) as f64;
    let error = (spread / replicates as f64).sqrt();
    report
        .gate(
            "training from the hill, D = 1, t = 60 ε: E[θ₁θ₂] of the agents",
            source,
            Expected::Within { value: reached, tolerance: 4.0 * error + eta },
            mean,
            error,
        )
        .why("four standard errors, and the bias of steps of size η, of relative size η·curvature/2 in each well");
    Ok(())
}

/// From the hill into the wells, with selection of the shift h.
fn populations(report: &mut Report, level: Level) -> Outcome<()> {
    let problem = himmelblau(EPSILON, events(2.0));
    let (cells, h_cells, tolerance) = level.pick((104, 20, 1e-3), (208, 40, 1e-4));
    let mut kinetic = Kinetic::new(problem.clone(), square(HALF, cells)?, h_cells, Steps::Tolerance(tolerance))?
        .with_regions(&wells()?);
    let (n, replicates) = (level.pick(20_000, 100_000), 4);
    let settings = AgentSettings {
        agents: n,
        replicates,
        step: TrainingStep::LearningRate(ETA),
        dynamics: Dynamics::Langevin,
        seed: 11,
        regions: Some(wells()?),
        ..AgentSettings::default()
    };
    let mut agents = Agents::new(problem.clone(), settings.clone())?;
    let source = "EQUATIONS 1b, and its agents 1a";
    let (mut of_cells, mut of_agents, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let (mut densities, mut ratios) = (Vec::new(), Vec::new());
    for (k, &time) in TIMES.iter().enumerate() {
        let grid = record(&mut kinetic, &[time])?;
        let population = record(&mut agents, &[time])?;
        of_cells.push(grid.values("wells", "probability")?.to_vec());
        of_agents.push(population.values("wells", "probability")?.to_vec());
        errors.push(population.values("wells", "probability_error")?.to_vec());
        if SHOWN.contains(&k) {
            let by_cells = binned(&kinetic.marginal_theta(), cells);
            let histogram = histogram(&agents, replicates);
            // What independent draws would differ by: E|x| of a normal count in each bin.
            let total = (n * replicates) as f64;
            let noise: f64 =
                by_cells.iter().map(|p| (2.0 * p * (1.0 - p) / (std::f64::consts::PI * total)).sqrt()).sum();
            ratios.push((l1(&by_cells, &histogram), noise));
            densities.push((time, by_cells, histogram));
        }
    }
    let mut worst = 0.0_f64;
    for ((cells, agents), errors) in of_cells.iter().zip(&of_agents).zip(&errors) {
        for ((a, b), e) in cells.iter().zip(agents).zip(errors) {
            worst = largest([worst, (a - b).abs() / (4.0 * e + 0.01)]);
        }
    }
    report.note(table(&of_cells, &of_agents, &errors));
    report
        .gate(
            "probabilities of the four wells at t = 0.05 … 5, agents from cells: largest share of what is allowed",
            source,
            Expected::AtMost(1.0),
            worst,
            0.0,
        )
        .why("allowed: four standard errors over replicates and 0.01 for training steps of size 0.02, binned events and cells");
    report.note(format!(
        "L1 distance of the θ-histogram of {} agents from the grid at t = 0.05, 0.5, 5: {}; of as many independent draws: {}.",
        n * replicates,
        list(&ratios.iter().map(|r| r.0).collect::<Vec<_>>()),
        list(&ratios.iter().map(|r| r.1).collect::<Vec<_>>())
    ));
    report
        .gate(
            "θ-densities at t = 0.05, 0.5, 5 in 52² bins: L1 distance of agents and cells over that of independent draws, largest",
            source,
            Expected::AtMost(1.8),
            largest(ratios.iter().map(|r| r.0 / r.1)),
            0.0,
        )
        .why("1 for independent draws; relatives share their θ (selection acts 5 times), training steps and cells add some");
    let best = of_cells[TIMES.len() - 1].iter().sum::<f64>();
    report
        .gate(
            "the wells' probabilities on cells at t = 5: their sum",
            source,
            Expected::Within { value: 1.0, tolerance: 1e-9 },
            best,
            0.0,
        )
        .why("every cell is nearest to one well; mass to rounding");
    pictures(report, &problem, settings, densities, (&of_cells, &of_agents, &errors))
}

/// Sums of the cells of each bin; the number of cells is a multiple of the bins.
fn binned(masses: &[f64], cells: usize) -> Vec<f64> {
    let per = cells / BINS;
    let mut bins = vec![0.0; BINS * BINS];
    for (cell, mass) in masses.iter().enumerate() {
        bins[cell / cells / per * BINS + cell % cells / per] += mass;
    }
    bins
}

/// Shares of all agents of all replicates in the bins.
fn histogram(agents: &Agents, replicates: usize) -> Vec<f64> {
    let mut bins = vec![0.0; BINS * BINS];
    let mut count = 0.0;
    let bin = |x: f64| ((x + HALF) / (2.0 * HALF) * BINS as f64).clamp(0.0, BINS as f64 - 1.0) as usize;
    for theta in (0..replicates).flat_map(|r| agents.theta(r).chunks_exact(2)) {
        bins[bin(theta[0]) * BINS + bin(theta[1])] += 1.0;
        count += 1.0;
    }
    bins.iter_mut().for_each(|b| *b /= count);
    bins
}

fn table(cells: &[Vec<f64>], agents: &[Vec<f64>], errors: &[Vec<f64>]) -> String {
    let mut text = String::from(
        "Probabilities of the wells (north-east, north-west, south-west, south-east), cells / agents ± error:\n\n| t | cells | agents | error |\n|---|---|---|---|\n",
    );
    for (k, time) in TIMES.iter().enumerate() {
        text += &format!("| {} | {} | {} | {} |\n", number(*time), list(&cells[k]), list(&agents[k]), list(&errors[k]));
    }
    text
}

type Wells<'a> = (&'a [Vec<f64>], &'a [Vec<f64>], &'a [Vec<f64>]);

fn pictures(
    report: &mut Report,
    problem: &Population,
    settings: AgentSettings,
    densities: Vec<(f64, Vec<f64>, Vec<f64>)>,
    (of_cells, of_agents, errors): Wells<'_>,
) -> Outcome<()> {
    let width = 2.0 * HALF / BINS as f64;
    let centres: Vec<f64> = (0..BINS).map(|k| -HALF + (k as f64 + 0.5) * width).collect();
    // Heat maps run along θ₁; arrays have θ₂ fastest.
    let map = |values: &[f64]| -> Vec<f64> {
        (0..BINS * BINS).map(|at| values[at % BINS * BINS + at / BINS] / (width * width)).collect()
    };
    let mut picture = Picture::new(2);
    let axes = [axis("theta_1", "first parameter", &centres), axis("theta_2", "second parameter", &centres)];
    for (k, (time, cells, agents)) in densities.into_iter().enumerate() {
        for (name, values) in [("kinetic equation", &cells), ("agents", &agents)] {
            let title = format!("t = {}: {name}", number(time));
            picture = picture.panel(Panel::new(&title, "θ₁", "θ₂").heat_map("", &centres, &centres, &map(values)));
        }
        let names = [["cells_0", "agents_0"], ["cells_1", "agents_1"], ["cells_2", "agents_2"]][k];
        for (name, values) in names.into_iter().zip([cells, agents]) {
            let density = values.iter().map(|v| v / (width * width)).collect::<Vec<_>>();
            report.data(Field::array(
                "density",
                name,
                "density of theta at t = 0.05, 0.5, 5",
                &[&axes[0], &axes[1]],
                density,
            ));
        }
    }
    report.picture("densities", picture);

    let mut probabilities = Panel::new("Probabilities of the wells", "t", "probability").log_x();
    let time = axis("time", "time", &TIMES);
    let names = ["north_east", "north_west", "south_west", "south_east"];
    for (well, name) in names.into_iter().enumerate() {
        let pick = |rows: &[Vec<f64>]| -> Vec<f64> { rows.iter().map(|row| row[well]).collect() };
        report.data(Field::array("wells", name, "probability of the well, kinetic equation", &[&time], pick(of_cells)));
        probabilities = probabilities
            .line(&name.replace('_', "-"), &TIMES, &pick(of_cells))
            .points("", &TIMES, &pick(of_agents), &pick(errors))
            .same_colour();
    }
    // Five agents and their jumps, from a run of their own.
    let settings = AgentSettings { agents: 2_000, replicates: 1, recorded_agents: 5, ..settings };
    let mut agents = Agents::new(problem.clone(), settings)?;
    let times = linspace(0.0, 3.0, 301);
    let mut paths = vec![(Vec::new(), Vec::new()); 5];
    agents.run(&times, &mut |frame| {
        let theta = frame.get("trajectories", "theta").unwrap_or(&[]);
        for (path, theta) in paths.iter_mut().zip(theta.chunks_exact(2)) {
            path.0.push(theta[0]);
            path.1.push(theta[1]);
        }
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    let mut plane = Panel::new("Five agents to t = 3, jumps by selection", "θ₁", "θ₂");
    let mut course = Panel::new("Their first parameter", "t", "θ₁");
    for (k, (x, y)) in paths.iter().enumerate() {
        plane = plane.line(&format!("agent {}", k + 1), x, y);
        course = course.line("", &times, x);
    }
    let (x, y): (Vec<f64>, Vec<f64>) = Himmelblau::WELLS.iter().map(|w| (w[0], w[1])).unzip();
    plane = plane.points("wells", &x, &y, &[]);
    report.picture("trajectories", Picture::new(3).panel(plane).panel(course).panel(probabilities));
    Ok(())
}
