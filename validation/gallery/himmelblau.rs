//! A population among the four wells of Himmelblau's function.
//!
//! Himmelblau's (1972) test function over 100 as loss, moved by h along θ₁, and as fitness; all start on the hill between the
//! wells, `D = 0.1`, `ε = 0.1`, Boltzmann events at rate 1 with β = 2. Densities of the kinetic equation and histograms of 80 000
//! agents at three times; and the paths of four agents (jumps, where one becomes a copy, left out). On the command line:
//! `kind = "kinetic"` and `kind = "agents"` with H(θ₁ − h, θ₂)/100 as formula of the loss, `record.agents = 4`.
//! The study `himmelblau` measures the distance of the two densities and the probabilities of the wells.

use std::ops::ControlFlow;
use std::sync::Arc;

use learning_dynamics::frame::Solver;
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use crate::common::{Outcome, boltzmann, linspace, quadratic, record};

const HALF: f64 = 6.5;
const TIMES: [f64; 3] = [0.05, 0.5, 5.0];
/// Cells of the kinetic equation each way, and bins of the histograms.
const CELLS: usize = 104;
const BINS: usize = 52;
const REPLICATES: usize = 4;

fn problem() -> Population {
    Population {
        loss: Arc::new(Himmelblau { scale: 100.0, role: Role::Shift }),
        fitness: Arc::new(Himmelblau::new(100.0)),
        h: vec![Domain::linear(-1.0, 1.0, Ends::Reflect)],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Uniform { low: -0.5, high: 0.5 }; 2]),
        },
        ..quadratic(0.1, 0.1, boltzmann(2.0, Clock::Poisson { rate: 1.0 }), 0.1)
    }
}

fn settings(agents: usize, replicates: usize, recorded_agents: usize) -> AgentSettings {
    AgentSettings {
        agents,
        replicates,
        recorded_agents,
        step: TrainingStep::LearningRate(0.02),
        dynamics: Dynamics::Langevin,
        seed: 11,
        ..AgentSettings::default()
    }
}

fn solver() -> Outcome<Kinetic> {
    let axes = [Axis::uniform("theta_1", -HALF, HALF, CELLS)?, Axis::uniform("theta_2", -HALF, HALF, CELLS)?];
    Ok(Kinetic::new(problem(), axes, 20, Steps::Tolerance(1e-3))?)
}

fn centres(cells: usize) -> Vec<f64> {
    let width = 2.0 * HALF / cells as f64;
    (0..cells).map(|k| -HALF + (k as f64 + 0.5) * width).collect()
}

/// Masses with θ₂ fastest as a heat map of densities that runs along θ₁.
fn map(masses: &[f64], cells: usize) -> Vec<f64> {
    let area = (2.0 * HALF / cells as f64).powi(2);
    (0..cells * cells).map(|at| masses[at % cells * cells + at / cells] / area).collect()
}

/// Shares of all agents in the bins.
fn histogram(agents: &Agents) -> Vec<f64> {
    let mut bins = vec![0.0; BINS * BINS];
    let bin = |x: f64| ((x + HALF) / (2.0 * HALF) * BINS as f64).clamp(0.0, BINS as f64 - 1.0) as usize;
    for theta in (0..REPLICATES).flat_map(|replicate| agents.theta(replicate).chunks_exact(2)) {
        bins[bin(theta[0]) * BINS + bin(theta[1])] += 1.0;
    }
    let all: f64 = bins.iter().sum();
    bins.iter().map(|count| count / all).collect()
}

/// Sums of blocks of cells.
fn binned(masses: &[f64]) -> Vec<f64> {
    let mut bins = vec![0.0; BINS * BINS];
    let per = CELLS / BINS;
    for (cell, mass) in masses.iter().enumerate() {
        bins[cell / CELLS / per * BINS + cell % CELLS / per] += mass;
    }
    bins
}

/// Cells beside agents, at three times.
pub fn densities() -> Outcome<Picture> {
    let (mut kinetic, mut agents) = (solver()?, Agents::new(problem(), settings(20_000, REPLICATES, 0))?);
    let places = centres(BINS);
    let mut picture = Picture::new(2);
    for time in TIMES {
        record(&mut kinetic, &[time])?;
        agents.advance_to(time)?;
        for (name, masses) in
            [("kinetic equation", binned(&kinetic.marginal_theta())), ("80 000 agents", histogram(&agents))]
        {
            let panel = Panel::new(&format!("t = {time}: {name}"), "θ₁", "θ₂");
            picture = picture.panel(panel.heat_map("", &places, &places, &map(&masses, BINS)));
        }
    }
    Ok(picture)
}

/// The pieces of a path between jumps, which are far longer than the 0.2 of noise between two looks.
fn pieces(x: &[f64], y: &[f64]) -> Vec<std::ops::Range<usize>> {
    let jump = |k: &usize| (x[*k] - x[k - 1]).hypot(y[*k] - y[k - 1]) > 1.2;
    let mut ends: Vec<usize> = (1..x.len()).filter(jump).collect();
    ends.insert(0, 0);
    ends.push(x.len());
    ends.windows(2).map(|ends| ends[0]..ends[1]).collect()
}

/// Four agents over the density at the end, and their first parameter in time.
pub fn trajectories() -> Outcome<Picture> {
    const AGENTS: usize = 4;
    let times = linspace(0.0, 5.0, 251);
    let mut agents = Agents::new(problem(), settings(2000, 1, AGENTS))?;
    let mut paths = vec![(Vec::new(), Vec::new()); AGENTS];
    agents.run(&times, &mut |frame| {
        let theta = frame.get("trajectories", "theta").unwrap_or_default();
        for (path, theta) in paths.iter_mut().zip(theta.chunks_exact(2)) {
            path.0.push(theta[0]);
            path.1.push(theta[1]);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut kinetic = solver()?;
    record(&mut kinetic, &[5.0])?;
    let places = centres(BINS);
    let mut plane = Panel::new("Four agents, over the density at t = 5", "θ₁", "θ₂")
        .x_range(-HALF, HALF)
        .y_range(-HALF, HALF)
        .heat_map("", &places, &places, &map(&binned(&kinetic.marginal_theta()), BINS));
    let mut course = Panel::new("Their first parameter", "t", "θ₁").y_range(-5.0, 5.0);
    // Blue would drown in the colours of the map.
    plane = plane.line("", &[], &[]);
    course = course.line("", &[], &[]);
    for (k, (x, y)) in paths.iter().enumerate() {
        for (piece, range) in pieces(x, y).into_iter().enumerate() {
            plane = plane.line("", &x[range.clone()], &y[range]);
            if piece > 0 {
                plane = plane.same_colour();
            }
        }
        course = course.line(&format!("agent {}", k + 1), &times, x);
    }
    Ok(Picture::new(2).panel(plane).panel(course))
}
