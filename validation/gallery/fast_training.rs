//! The density of the hyperparameter as training gets faster.
//!
//! Averaging of a fast variable (Pavliotis & Stuart 2008, *Multiscale methods*): for ε → 0 the parameters are at their Gibbs law
//! whenever selection looks, and the h-marginal of the kinetic equation tends to the averaged equation, as O(ε) with a Poisson
//! clock, as e^(−T_s/ε) with a periodic one. On the command line: `kind = "kinetic"` with `[sweep] "problem.epsilon"`, and
//! `kind = "averaged"`. The study `fast-training` measures both rates, and agents too.

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use crate::common::{Outcome, boltzmann, linspace, quadratic, record, scaled};

const CELLS: usize = 96;

fn problem(epsilon: f64, clock: Clock) -> Population {
    Population {
        initial: Initial { h: vec![Law::Gaussian { mean: -0.9, std: 0.4 }], theta: InitialTheta::Equilibrium },
        ..quadratic(epsilon, 0.3, boltzmann(2.0, clock), 0.2)
    }
}

fn theta() -> learning_dynamics::Result<Axis> {
    Axis::uniform("theta", -6.0, 6.0, 240)
}

/// Masses of the h-marginal.
fn kinetic(epsilon: f64, clock: Clock, end: f64) -> Outcome<Vec<f64>> {
    let mut solver = Kinetic::new(problem(epsilon, clock), theta()?, CELLS, Steps::Tolerance(1e-5))?;
    record(&mut solver, &[end])?;
    Ok(solver.marginal_h())
}

/// The same for ε = 0, on the same cells.
fn limit(clock: Clock, end: f64) -> Outcome<Averaged> {
    let problem = problem(1.0, clock);
    let grid = HyperGrid::new(problem.h[0], CELLS)?;
    let settings = Settings { weight: Weight::Quadrature { theta: theta()?.into() }, tolerance: 1e-10 };
    let mut solver = Averaged::new(problem, grid, settings)?;
    record(&mut solver, &[end])?;
    Ok(solver)
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

pub fn picture() -> Outcome<Picture> {
    let poisson = Clock::Poisson { rate: 1.0 };
    let end = 2.0;
    let shown = [1.0, 0.1, 0.01];
    let rho = limit(poisson, end)?;
    let h = &rho.grid.points;
    let per_width = 1.0 / rho.grid.axes[0].axis.width();
    let mut densities = Panel::new("Poisson clock, t = 2", "h", "density of h").x_range(-2.5, 2.5);
    let epsilons = [1.0, 0.3, 0.1, 0.03, 0.01, 0.003];
    let mut distances = Vec::new();
    for epsilon in epsilons {
        let mass = kinetic(epsilon, poisson, end)?;
        distances.push(distance(&mass, rho.mass()));
        if shown.contains(&epsilon) {
            densities = densities.line(&format!("ε = {epsilon}"), h, &scaled(&mass, per_width));
        }
    }
    let densities = densities.dashed("averaged (ε = 0)", h, &scaled(rho.mass(), per_width));
    let [.., last] = epsilons;
    let poisson = Panel::new("Poisson clock, t = 2", "ε", "L¹ distance to ε = 0")
        .log_x()
        .log_y()
        .points("kinetic", &epsilons, &distances, &[])
        .slope("slope 1", 1.0, [last, distances[epsilons.len() - 1]], [last, 1.0]);

    let periodic = Clock::Periodic { every: 1.0 };
    let rho = limit(periodic, 4.0)?;
    let periods = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let mut distances = Vec::new();
    for period in periods {
        distances.push(distance(&kinetic(1.0 / period, periodic, 4.0)?, rho.mass()));
    }
    let line = linspace(1.0, 6.0, 21);
    let law: Vec<f64> = line.iter().map(|t| distances[3] * (4.0 - t).exp()).collect();
    let periodic = Panel::new("Periodic clock, 4 selections", "T_s/ε", "L¹ distance to ε = 0")
        .log_y()
        .points("kinetic", &periods, &distances, &[])
        .dashed("∝ e^(−T_s/ε)", &line, &law);
    Ok(Picture::new(3).panel(densities).panel(poisson).panel(periodic))
}
