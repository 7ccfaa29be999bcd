//! Two hyperparameters: against products of solutions with one, and against agents.

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
use crate::report::{Expected, Report};

/// dh = 2.
pub const STUDY: Study = Study {
    name: "two-hyperparameters",
    claim: "two hyperparameters on linear and log scales: products where they are exact, agents elsewhere",
    run,
};

const PRODUCT: &str = "weights and mutation that separate map products to products (periodic clock, replicator form)";

/// First: `L = ½(θ − h_1)²`, `F = −(θ − 0.4)²`. Second: a rate on a log scale with `F = −¼(log₁₀ h_2 + 2)²`, clipped at the ends.
fn domains() -> [Domain; 2] {
    [Domain::linear(-3.0, 3.0, Ends::Reflect), Domain::log(1e-4, 1.0, Ends::Clip)]
}

fn laws() -> [Law; 2] {
    [Law::Gaussian { mean: -0.8, std: 0.4 }, Law::LogUniform { low: 1e-4, high: 1e-2 }]
}

fn kernels() -> [Kernel; 2] {
    [Kernel::Gaussian { std: 0.2 }, Kernel::Factor { factors: vec![0.8, 1.25] }]
}

/// `L = ½(θ − h_1)²` for any dh.
#[derive(Debug)]
struct First;

impl Loss for First {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        0.5 * (theta[0] - h[0]) * (theta[0] - h[0])
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        out[0] = theta[0] - h[0];
    }

    fn quadratic(&self, h: &[f64], minimiser: &mut [f64]) -> Option<f64> {
        minimiser[0] = h[0];
        Some(1.0)
    }
}

/// The fitness of the parts that are there: of θ, of the log of a rate at the given place of h.
#[derive(Debug)]
struct Sum {
    theta: bool,
    rate: Option<usize>,
}

impl Fitness for Sum {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        let of_theta = if self.theta { -(theta[0] - 0.4) * (theta[0] - 0.4) } else { 0.0 };
        of_theta - self.rate.map_or(0.0, |k| 0.25 * (h[k].log10() + 2.0).powi(2))
    }
}

/// The problem of both hyperparameters, or of one of them.
fn problem(which: &[usize], clock: Clock) -> Population {
    let first = which.contains(&0);
    Population {
        epsilon: 0.3,
        loss: if first {
            Arc::new(First)
        } else {
            Arc::new(LossFn { value: |t: f64, _: f64| 0.5 * t * t, gradient: |t: f64, _: f64| t })
        },
        fitness: Arc::new(Sum { theta: first, rate: which.iter().position(|k| *k == 1) }),
        h: which.iter().map(|k| domains()[*k]).collect(),
        selection: boltzmann(1.5, clock),
        mutation: which.iter().map(|k| kernels()[*k].clone()).collect(),
        initial: Initial {
            h: which.iter().map(|k| laws()[*k].clone()).collect(),
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: -0.5, std: 0.6 }]),
        },
        ..toy()
    }
}

fn theta() -> Outcome<Axis> {
    Ok(Axis::uniform("theta", -5.0, 4.0, 96)?)
}

fn joint(problem: Population, cells: Vec<usize>, tolerance: f64, end: f64) -> Outcome<Kinetic> {
    let mut kinetic = Kinetic::new(problem, theta()?, cells, Steps::Tolerance(tolerance))?;
    record(&mut kinetic, &[end])?;
    Ok(kinetic)
}

fn averaged(problem: Population, cells: Vec<usize>, end: f64) -> Outcome<Averaged> {
    let grid = HyperGrid::new(problem.h.clone(), cells)?;
    let weight = Weight::Quadrature { theta: Axis::uniform("theta", -6.0, 6.0, 300)?.into() };
    let mut averaged = Averaged::new(problem, grid, Settings { weight, tolerance: 1e-10 })?;
    record(&mut averaged, &[end])?;
    Ok(averaged)
}

fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect()
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    products(&mut report)?;
    replicator(&mut report)?;
    four(&mut report)?;
    let panels = against_agents(&mut report, level)?;
    let mut picture = Picture::new(2);
    for panel in panels {
        picture = picture.panel(panel);
    }
    report.picture("two-hyperparameters", picture);
    Ok(report)
}

/// Periodic clock: the joint density of (θ, h_1, h_2) is that of (θ, h_1) times that of h_2.
fn products(report: &mut Report) -> Outcome<()> {
    let (clock, end, cells) = (Clock::Periodic { every: 0.5 }, 3.0, [48, 40]);
    let tolerance = 1e-7;
    let both = joint(problem(&[0, 1], clock), cells.to_vec(), tolerance, end)?;
    let one = joint(problem(&[0], clock), vec![cells[0]], tolerance, end)?;
    let other = joint(problem(&[1], clock), vec![cells[1]], tolerance, end)?;
    let distance = l1(both.masses(), &product(one.masses(), &other.marginal_h()));
    report
        .gate(
            "kinetic, periodic clock: L1 distance of f(θ,h_1,h_2) from f(θ,h_1)ρ(h_2), t = 3",
            PRODUCT,
            Expected::AtMost(20.0 * tolerance),
            distance,
            0.0,
        )
        .why("two runs, each held to 1e-7 by its steps, within ten times that");
    let both = averaged(problem(&[0, 1], clock), cells.to_vec(), end)?;
    let one = averaged(problem(&[0], clock), vec![cells[0]], end)?;
    let other = averaged(problem(&[1], clock), vec![cells[1]], end)?;
    let distance = l1(both.mass(), &product(one.mass(), other.mass()));
    report
        .gate(
            "averaged, periodic clock: L1 distance of ρ(h_1,h_2) from the product",
            PRODUCT,
            Expected::AtMost(1e-12),
            distance,
            0.0,
        )
        .why("no error of time steps: rounding");
    // Corner atoms: both lower ends, with the first clipped too.
    let clipped = |which: &[usize]| {
        let mut problem = problem(which, clock);
        if which[0] == 0 {
            problem.h[0] = Domain::linear(-1.2, 3.0, Ends::Clip);
            problem.initial.h[0] = Law::Uniform { low: -1.2, high: 0.6 };
        }
        problem
    };
    let both = averaged(clipped(&[0, 1]), cells.to_vec(), end)?;
    let one = averaged(clipped(&[0]), vec![cells[0]], end)?;
    let exact = one.mass()[0] * other.mass()[0];
    report
        .gate(
            "averaged, both clipped: mass of the corner atom over the product of the two atoms",
            PRODUCT,
            Expected::Within { value: 1.0, tolerance: 1e-10 },
            both.mass()[0] / exact,
            0.0,
        )
        .why("rounding, relative to a corner of small mass");
    report.note(format!(
        "Corner atom: {} = {} · {}.",
        crate::report::number(both.mass()[0]),
        crate::report::number(one.mass()[0]),
        crate::report::number(other.mass()[0])
    ));
    Ok(())
}

/// Replicator form with diffusion in both: kinetic and averaged.
fn replicator(report: &mut Report) -> Outcome<()> {
    let change = |which: &[usize]| {
        let mut problem = problem(which, Clock::Poisson { rate: 1.0 });
        problem.selection = Selection::Replicator { beta: 1.0 };
        problem.h[which.iter().position(|k| *k == 1).unwrap_or(0)].ends = Ends::Reflect;
        problem.mutation = which.iter().map(|k| Kernel::Diffusion { diffusion: [0.02, 0.2][*k] }).collect();
        problem
    };
    let end = 2.0;
    let cells = [40, 36];
    let both = averaged(change(&[0, 1]), cells.to_vec(), end)?;
    let (one, other) = (averaged(change(&[0]), vec![cells[0]], end)?, averaged(change(&[1]), vec![cells[1]], end)?);
    let distance = l1(both.mass(), &product(one.mass(), other.mass()));
    report
        .gate(
            "averaged, replicator form with diffusion: L1 distance from the product, t = 2",
            PRODUCT,
            Expected::AtMost(1e-9),
            distance,
            0.0,
        )
        .why("tolerance 1e-10 of three runs");
    let tolerance = 1e-6;
    let both = joint(change(&[0, 1]), cells.to_vec(), tolerance, end)?;
    let one = joint(change(&[0]), vec![cells[0]], tolerance, end)?;
    let other = joint(change(&[1]), vec![cells[1]], tolerance, end)?;
    let distance = l1(both.masses(), &product(one.masses(), &other.marginal_h()));
    report
        .gate(
            "kinetic, replicator form with diffusion: L1 distance from the product, t = 2",
            PRODUCT,
            Expected::AtMost(20.0 * tolerance),
            distance,
            0.0,
        )
        .why("runs held to 1e-6 by their steps, within ten times that");
    Ok(())
}

/// (2,2): quadratic loss and fitness in both directions, f = f(θ_1,h_1) f(θ_2,h_2).
fn four(report: &mut Report) -> Outcome<()> {
    let base = |dimension: usize| Population {
        epsilon: 0.3,
        loss: Arc::new(Quadratic::new(1.0, dimension)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.4; dimension], curvature: 1.0 }),
        h: vec![Domain::linear(-2.0, 2.0, Ends::Reflect); dimension],
        selection: boltzmann(1.0, Clock::Periodic { every: 0.5 }),
        mutation: vec![Kernel::Gaussian { std: 0.3 }; dimension],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 0.0 }; dimension],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: -0.5, std: 0.6 }; dimension]),
        },
        ..toy()
    };
    let (n, m, tolerance, end) = (24, 8, 1e-7, 1.0);
    let axis_of = |k: usize| Axis::uniform(["theta", "theta_1", "theta_2"][k], -3.5, 3.5, n);
    let mut both = Kinetic::new(base(2), [axis_of(1)?, axis_of(2)?], [m, m], Steps::Tolerance(tolerance))?;
    record(&mut both, &[end])?;
    let mut one = Kinetic::new(base(1), axis_of(0)?, m, Steps::Tolerance(tolerance))?;
    record(&mut one, &[end])?;
    let f = one.masses();
    let mut distance = 0.0;
    for (at, mass) in both.masses().iter().enumerate() {
        let (cell, place) = (at / (m * m), at % (m * m));
        let exact = f[cell / n * m + place / m] * f[cell % n * m + place % m];
        distance += (mass - exact).abs();
    }
    report
        .gate(
            "kinetic (2,2), periodic clock: L1 distance of f from f(θ_1,h_1)f(θ_2,h_2), t = 1",
            PRODUCT,
            Expected::AtMost(20.0 * tolerance),
            distance,
            0.0,
        )
        .why("two runs held to 1e-7, within ten times that");
    Ok(())
}

/// Poisson clock, where nothing is a product.
fn against_agents(report: &mut Report, level: Level) -> Outcome<[Panel; 2]> {
    let (clock, end) = (Clock::Poisson { rate: 1.0 }, 3.0);
    let cells = level.pick([60, 60], [120, 120]);
    let mut kinetic = Kinetic::new(problem(&[0, 1], clock), theta()?, cells.to_vec(), Steps::Tolerance(1e-4))?;
    let grid = record(&mut kinetic, &[end])?;
    let (n, replicates, step) = level.pick((20_000, 12, 0.01), (100_000, 24, 0.005));
    let settings = AgentSettings {
        agents: n,
        replicates,
        step: TrainingStep::Step(step),
        dynamics: Dynamics::ExactOu,
        seed: 17,
        bins: 30,
        ..AgentSettings::default()
    };
    let mut agents = Agents::new(problem(&[0, 1], clock), settings)?;
    let population = record(&mut agents, &[end])?;
    let mut worst = 0.0_f64;
    for (name, scale) in [("mean_h", [0.3, 0.02]), ("var_h", [0.2, 0.01]), ("cov_theta_h", [0.2, 0.01])] {
        let (a, b) = (population.values("moments", name)?, grid.values("moments", name)?);
        let errors = population.values("moments", &format!("{name}_error"))?;
        for k in 0..2 {
            worst = largest([worst, (a[k] - b[k]).abs() / (4.0 * errors[k] + scale[k] * (step + 5e-3))]);
        }
        report.note(format!("{name}: cells {}, agents {} ± {}.", list(b), list(a), list(errors)));
    }
    report
        .gate(
            "Poisson clock: agents from cells, means and variances of h_1, h_2 and covariances with θ at t = 3, largest share of what is allowed",
            "EQUATIONS 1a and 1b, kernels a product over the coordinates",
            Expected::AtMost(1.0),
            worst,
            0.0,
        )
        .why("allowed: four standard errors, and the binning of events and 5e-3 of cells times the size of what moves");
    // The atom at the lower end of h_2.
    let marginal = kinetic.marginal_h();
    let places = cells[1] + 2;
    let of_cells: f64 = marginal.chunks_exact(places).map(|row| row[0]).sum();
    let shares: Vec<f64> = (0..replicates)
        .map(|r| agents.h(r).chunks_exact(2).filter(|h| h[1] <= 1e-4).count() as f64 / n as f64)
        .collect();
    let (mean, variance) = mean_and_variance(&vec![1.0; replicates], &shares);
    let error = (variance / (replicates - 1) as f64).sqrt();
    report
        .gate(
            "Poisson clock: mass clipped to the lower end of h_2, agents less cells",
            "EQUATIONS 1: clip piles mass up at the end as an atom",
            Expected::Within { value: of_cells, tolerance: 4.0 * error + 0.05 * of_cells },
            mean,
            error,
        )
        .why("four standard errors; five per cent for cells of h_2 at the end and binning of events");
    // Pictures: the density of (h_1, log h_2) of both, per cell of the histogram.
    let bins = 30;
    let h1 = linspace(-3.0 + 0.1, 3.0 - 0.1, bins);
    let h2 = linspace(-4.0 + 2.0 / 30.0, -2.0 / 30.0, bins);
    let mut from_cells = vec![0.0; bins * bins];
    for (row, masses) in marginal.chunks_exact(places).enumerate() {
        for (k, mass) in masses.iter().enumerate() {
            let column = k.saturating_sub(1).min(cells[1] - 1);
            from_cells[column * bins / cells[1] * bins + row * bins / cells[0]] += mass;
        }
    }
    let mut from_agents = vec![0.0; bins * bins];
    for h in (0..replicates).flat_map(|r| agents.h(r).chunks_exact(2)) {
        let bin = |x: f64| ((x * bins as f64) as usize).min(bins - 1);
        from_agents[bin((h[1].log10() + 4.0) / 4.0) * bins + bin((h[0] + 3.0) / 6.0)] += 1.0 / (n * replicates) as f64;
    }
    let (x, y) = (
        axis("h_1", "first hyperparameter", &h1),
        axis("log_h_2", "decimal logarithm of the second hyperparameter", &h2),
    );
    report.data(Field::array(
        "density",
        "cells",
        "share of the population in each bin, kinetic equation",
        &[&y, &x],
        from_cells.clone(),
    ));
    report.data(Field::array(
        "density",
        "agents",
        "share of the population in each bin, agents",
        &[&y, &x],
        from_agents.clone(),
    ));
    Ok([
        Panel::new("t = 3: kinetic equation", "h₁", "log₁₀ h₂").heat_map("", &h1, &h2, &from_cells),
        Panel::new("t = 3: agents", "h₁", "log₁₀ h₂").heat_map("", &h1, &h2, &from_agents),
    ])
}
