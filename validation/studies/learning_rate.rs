//! The hyperparameter is a learning rate: it sets speed and noise of training.

use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;
use rayon::prelude::*;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report};

/// Learning rates.
pub const STUDY: Study = Study {
    name: "learning-rate",
    claim: "h = learning rate (mobility h, diffusion Dh²): cells follow agents; selection takes small rates, the smaller the more noise",
    run,
};

const LOW: f64 = 0.01;
const HIGH: f64 = 1.0;
const SOURCE: &str = "EQUATIONS 1: μ(h) makes h a learning rate; SGD noise suggests D(h) ∝ μ(h)²";

/// `dθ = −(h/ε)θ dt + √(2D h²/ε) dW` from θ = 1.5, fitness −θ², h log-uniform on [0.01, 1], steps of log h of size 0.1.
fn problem(noise: f64) -> Population {
    Population {
        epsilon: 0.1,
        diffusion: Coefficient::Function(Arc::new(move |h: &[f64]| noise * h[0] * h[0])),
        mobility: Coefficient::Function(Arc::new(|h: &[f64]| h[0])),
        loss: Arc::new(Still),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.0], curvature: 2.0 }),
        h: vec![Domain::log(LOW, HIGH, Ends::Reflect)],
        selection: boltzmann(1.0, Clock::Poisson { rate: 1.0 }),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial {
            h: vec![Law::LogUniform { low: LOW, high: HIGH }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 1.5, std: 0.1 }]),
        },
        ..toy()
    }
}

/// `L = ½θ²`, whatever h.
#[derive(Debug)]
struct Still;

impl Loss for Still {
    fn value(&self, theta: &[f64], _h: &[f64]) -> f64 {
        0.5 * theta[0] * theta[0]
    }

    fn gradient(&self, theta: &[f64], _h: &[f64], out: &mut [f64]) {
        out[0] = theta[0];
    }

    fn quadratic(&self, _h: &[f64], minimiser: &mut [f64]) -> Option<f64> {
        minimiser[0] = 0.0;
        Some(1.0)
    }
}

/// Mean of log h.
fn mean_log(masses: &[f64], points: &[f64]) -> f64 {
    masses.iter().zip(points).map(|(m, h)| m * h.ln()).sum::<f64>() / masses.iter().sum::<f64>()
}

fn kinetic(noise: f64, cells: (usize, usize)) -> Outcome<Kinetic> {
    let theta = Axis::uniform("theta", -4.0, 4.0, cells.0)?;
    Ok(Kinetic::new(problem(noise), theta, cells.1, Steps::Tolerance(1e-4))?)
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let courses = against_agents(&mut report, level)?;
    let chosen = chosen(&mut report, level)?;
    invariance(&mut report)?;
    report.picture("learning-rate", Picture::new(2).panel(courses).panel(chosen));
    Ok(report)
}

fn against_agents(report: &mut Report, level: Level) -> Outcome<Panel> {
    let times = [0.5, 1.0, 2.0, 4.0, 8.0];
    let (n, replicates) = level.pick((20_000, 12), (100_000, 24));
    let step = level.pick(0.02, 0.005);
    let mut panel = Panel::new("Cells (lines) and agents", "t", "mean of h");
    for noise in [0.1, 1.0] {
        let mut grid = kinetic(noise, level.pick((160, 120), (320, 240)))?;
        let cells = record(&mut grid, &times)?;
        let settings = AgentSettings {
            agents: n,
            replicates,
            step: TrainingStep::Step(step),
            dynamics: Dynamics::ExactOu,
            seed: 3,
            ..AgentSettings::default()
        };
        let agents = record(&mut Agents::new(problem(noise), settings)?, &times)?;
        let mut worst = 0.0_f64;
        let mut shares = Vec::new();
        for (moment, error, scale) in [
            ("mean_h", "mean_h_error", 0.3),
            ("mean_fitness", "mean_fitness_error", 2.0),
            ("mean_theta", "mean_theta_error", 0.5),
        ] {
            for k in 0..times.len() {
                let (a, b) = (agents.values("moments", moment)?[k], cells.values("moments", moment)?[k]);
                let allowed = 4.0 * agents.values("moments", error)?[k] + scale * (step + 2e-3);
                let share = (a - b).abs() / allowed;
                shares.push(share);
                worst = largest([worst, share]);
            }
        }
        report.note(format!(
            "D = {noise}: mean of h at t = {}: cells {}, agents {} ± {}; mean fitness of cells {}.",
            list(&times),
            list(cells.values("moments", "mean_h")?),
            list(agents.values("moments", "mean_h")?),
            list(agents.values("moments", "mean_h_error")?),
            list(cells.values("moments", "mean_fitness")?),
        ));
        report
            .gate(
                &format!("D = {noise}: agents from cells, means of h, F and θ at t = 0.5 … 8, largest share of what is allowed"),
                SOURCE,
                Expected::AtMost(1.0),
                worst,
                0.0,
            )
            .why("allowed: four standard errors, the binning of Poisson events κΔt and 2e-3 for cells, times the size of what moves");
        let (means, errors) = (agents.values("moments", "mean_h")?, agents.values("moments", "mean_h_error")?);
        panel = panel
            .line(&format!("D = {noise}"), &times, cells.values("moments", "mean_h")?)
            .points("agents", &times, means, errors)
            .same_colour();
    }
    Ok(panel)
}

/// Early, whoever learns fast is fittest; late, whoever is still. The more noise, the smaller the rates that are chosen.
fn chosen(report: &mut Report, level: Level) -> Outcome<Panel> {
    let noises = [0.03, 0.1, 0.3, 1.0, 3.0];
    let (early, late) = (0.5, 12.0);
    let runs = noises
        .par_iter()
        .map(|&noise| {
            let mut grid = kinetic(noise, level.pick((160, 100), (320, 200))).map_err(|e| e.to_string())?;
            let start = mean_log(&grid.marginal_h(), &points(&grid));
            record(&mut grid, &[early]).map_err(|e| e.to_string())?;
            let first = mean_log(&grid.marginal_h(), &points(&grid));
            record(&mut grid, &[late]).map_err(|e| e.to_string())?;
            Ok((start, first, mean_log(&grid.marginal_h(), &points(&grid))))
        })
        .collect::<Result<Vec<_>, String>>()?;
    let late_means: Vec<f64> = runs.iter().map(|r| r.2).collect();
    report.note(format!(
        "D = {}: mean of log h at t = 0: {}, at {early}: {}, at {late}: {}.",
        list(&noises),
        crate::report::number(runs[0].0),
        list(&runs.iter().map(|r| r.1).collect::<Vec<_>>()),
        list(&late_means)
    ));
    report
        .gate(
            "early (t = 0.5), little noise (D = 0.03): change of the mean of log h",
            "who learns fast is fittest while θ is far from its optimum",
            Expected::AtLeast(0.1),
            runs[0].1 - runs[0].0,
            0.0,
        )
        .why("the sign is the claim; five per cent of the spread of log h");
    let falls = late_means.windows(2).map(|w| w[0] - w[1]);
    report
        .gate(
            "late (t = 12): smallest fall of the mean of log h from one D to the next, 0.03 … 3",
            "at equilibrium ⟨θ²⟩ = Dh: the fitness lost to noise grows with D",
            Expected::AtLeast(0.05),
            smallest(falls),
            0.0,
        )
        .why("the sign is the claim; 0.05 is ten times the error of cells and steps");
    let axis = axis("noise", "D, of the diffusion D h^2", &noises);
    report.data(Field::array("chosen", "mean_log_h", "mean of log h at t = 12", &[&axis], late_means.clone()));
    let means: Vec<f64> = late_means.iter().map(|l| l.exp()).collect();
    Ok(Panel::new("What selection takes by t = 12", "D", "geometric mean of h").log_x().log_y().points(
        "cells",
        &noises,
        &means,
        &[],
    ))
}

fn points(grid: &Kinetic) -> Vec<f64> {
    grid.h().points.clone()
}

/// With fast training only Dh matters: twice the noise on rates half as large is the same problem.
fn invariance(report: &mut Report) -> Outcome<()> {
    let density = |noise: f64, factor: f64| -> Outcome<Vec<f64>> {
        let mut problem = problem(noise);
        problem.h = vec![Domain::log(LOW * factor, HIGH * factor, Ends::Reflect)];
        problem.initial.h = vec![Law::LogUniform { low: LOW * factor, high: HIGH * factor }];
        let grid = HyperGrid::new(problem.h[0], 200)?;
        let theta = Axis::uniform("theta", -6.0, 6.0, 600)?;
        let mut averaged = Averaged::new(
            problem,
            grid,
            Settings { weight: Weight::Quadrature { theta: theta.into() }, tolerance: 1e-10 },
        )?;
        record(&mut averaged, &[10.0])?;
        Ok(averaged.mass().to_vec())
    };
    let (one, two, other) = (density(0.5, 1.0)?, density(1.0, 0.5)?, density(1.0, 1.0)?);
    report
        .gate(
            "fast training: L1 distance of ρ(log h) with (D, h) and (2D, h/2) at t = 10",
            "the Gibbs law of θ has variance Dh²/h, so only Dh matters, and steps of log h do not see the factor",
            Expected::AtMost(1e-11),
            l1(&one, &two),
            0.0,
        )
        .why("the same numbers up to rounding, as a factor 2 and its half are exact");
    report
        .gate(
            "fast training: the same with (D, h) and (2D, h), which are different problems",
            "the gate above can fail",
            Expected::AtLeast(1e-2),
            l1(&one, &other),
            0.0,
        )
        .why("the distance is of order one");
    Ok(())
}
