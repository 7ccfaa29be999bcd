//! Price's equation for the mean of h, in the averaged and in the joint equation.

use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report};

/// `d⟨h⟩/dt` is a covariance.
pub const STUDY: Study = Study {
    name: "price-equation",
    claim: "the mean of h moves at the covariance of h with the (effective) weight or fitness (Price 1970)",
    run,
};

const SOURCE: &str = "EQUATIONS 1d, Price's equation; Price (1970), Nature 227, 520";
/// Step of the finite differences.
const DELTA: f64 = 0.005;

/// Times, `d⟨h⟩/dt` by differences of fourth order, and by covariance.
struct Rates {
    times: Vec<f64>,
    measured: Vec<f64>,
    covariance: Vec<f64>,
}

impl Rates {
    /// Largest difference over the largest rate.
    fn error(&self) -> f64 {
        let scale = largest(self.covariance.iter().map(|c| c.abs()));
        largest(self.measured.iter().zip(&self.covariance).map(|(a, b)| (a - b).abs())) / scale
    }
}

/// Runs a solver over five-point stencils around `times`; `look` gives the mean of h and the predicted rate.
fn rates<S: Solver>(solver: &mut S, times: &[f64], look: impl Fn(&S) -> (f64, f64)) -> Outcome<Rates> {
    let mut rates = Rates { times: times.to_vec(), measured: Vec::new(), covariance: Vec::new() };
    for &time in times {
        let (mut means, mut predicted) = ([0.0; 5], 0.0);
        for (k, mean) in means.iter_mut().enumerate() {
            solver.run(&[time + (k as f64 - 2.0) * DELTA], &mut |_| Ok(std::ops::ControlFlow::Continue(())))?;
            let (now, rate) = look(solver);
            *mean = now;
            if k == 2 {
                predicted = rate;
            }
        }
        let [a, b, _, d, e] = means;
        rates.measured.push((a - 8.0 * b + 8.0 * d - e) / (12.0 * DELTA));
        rates.covariance.push(predicted);
    }
    Ok(rates)
}

/// `Cov(w, h)/⟨w⟩` and ⟨h⟩ under masses.
fn selection_differential(mass: &[f64], weight: &[f64], h: &[f64]) -> (f64, f64) {
    let selected: Vec<f64> = mass.iter().zip(weight).map(|(m, w)| m * w).collect();
    let (mean, _) = mean_and_variance(mass, h);
    (mean, mean_and_variance(&selected, h).0 - mean)
}

/// `Cov(F, h)` and ⟨h⟩ under masses.
fn covariance(mass: &[f64], fitness: &[f64], h: &[f64]) -> (f64, f64) {
    let (mean, _) = mean_and_variance(mass, h);
    let (mean_fitness, _) = mean_and_variance(mass, fitness);
    let sum = mass.iter().zip(fitness).zip(h).map(|((m, f), h)| m * (f - mean_fitness) * (h - mean)).sum();
    (mean, sum)
}

fn averaged(problem: Population) -> Outcome<Averaged> {
    let grid = HyperGrid::new(problem.h[0], 160)?;
    Ok(Averaged::new(problem, grid, Settings { weight: Weight::ClosedForm, tolerance: 1e-13 })?)
}

/// A problem with the optimum at 1, so that everything moves.
fn problem(selection: Selection, mutation: Kernel) -> Population {
    let fitness = Arc::new(QuadraticFitness { optimum: vec![1.0], curvature: 1.0 });
    Population { fitness, selection, mutation: vec![mutation], ..toy() }
}

/// θ and h of each cell of the joint grid.
fn places(kinetic: &Kinetic) -> (Vec<f64>, Vec<f64>) {
    let pairs = kinetic.theta().points().iter().flat_map(|&t| kinetic.h().points.iter().map(move |&h| (t, h)));
    pairs.unzip()
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let (beta, kappa) = (0.7, 1.5);
    let poisson = boltzmann(beta, Clock::Poisson { rate: kappa });
    let gaussian = Kernel::Gaussian { std: 0.2 };
    let times = linspace(0.1, 4.0, 27);
    // w̄ and F̄ from the exact formulas, not from the solver.
    let exact = |h: f64| generations(beta, 0.1, 0.2).log_weight(h - 1.0).exp();
    let exact_fitness = |h: f64| generations(beta, 0.1, 0.2).fitness(h - 1.0);

    let jump = rates(&mut averaged(problem(poisson.clone(), gaussian.clone()))?, &times, |solver| {
        let weight: Vec<f64> = solver.grid.points.iter().map(|&h| exact(h)).collect();
        let (mean, differential) = selection_differential(solver.mass(), &weight, &solver.grid.points);
        (mean, kappa * differential)
    })?;
    let continuous = Selection::Replicator { beta };
    let diffusion = Kernel::Diffusion { diffusion: 0.02 };
    let replicator = rates(&mut averaged(problem(continuous.clone(), diffusion.clone()))?, &times, |solver| {
        let fitness: Vec<f64> = solver.grid.points.iter().map(|&h| exact_fitness(h)).collect();
        let (mean, covariance) = covariance(solver.mass(), &fitness, &solver.grid.points);
        (mean, beta * covariance)
    })?;
    let why = "differences of fourth order leave δ⁴/30 = 2e-11 times the fifth derivative of ⟨h⟩, some 100 at first";
    for (claim, rates) in [
        ("averaged, jump form: d⟨h⟩/dt = κ Cov(w̄,h)/⟨w̄⟩, largest relative difference", &jump),
        ("averaged, replicator form: d⟨h⟩/dt = β Cov(F̄,h), largest relative difference", &replicator),
    ] {
        report.gate(claim, SOURCE, Expected::AtMost(1e-8), rates.error(), 0.0).why(why);
    }

    let mut solver = averaged(problem(boltzmann(beta, Clock::Periodic { every: 1.0 }), gaussian.clone()))?;
    let weight: Vec<f64> = solver.grid.points.iter().map(|&h| exact(h)).collect();
    let mut worst = 0.0_f64;
    for event in 1..=6 {
        let (before, differential) = selection_differential(solver.mass(), &weight, &solver.grid.points);
        record(&mut solver, &[f64::from(event)])?;
        let (after, _) = selection_differential(solver.mass(), &weight, &solver.grid.points);
        worst = largest([worst, (after - before - differential).abs()]);
    }
    report
        .gate(
            "averaged, periodic clock: an event moves ⟨h⟩ by Cov(w̄,h)/⟨w̄⟩, largest difference",
            SOURCE,
            Expected::AtMost(1e-13),
            worst,
            0.0,
        )
        .why("rounding of sums of 160 numbers; mutation between equal cells is unbiased to rounding");

    let cells = level.pick(64, 128);
    let tolerance = level.pick(1e-7, 1e-8);
    let joint = |selection: Selection, mutation: Kernel, epsilon: f64| -> Outcome<Rates> {
        let theta = Axis::uniform("theta", -5.0, 5.0, cells)?;
        let problem = Population { epsilon, ..problem(selection.clone(), mutation) };
        let mut kinetic = Kinetic::new(problem, theta, cells, Steps::Tolerance(tolerance))?;
        let (theta, h) = places(&kinetic);
        let fitness: Vec<f64> = theta.iter().map(|t| -(t - 1.0) * (t - 1.0)).collect();
        let weight: Vec<f64> = fitness.iter().map(|f| (beta * f).exp()).collect();
        rates(&mut kinetic, &times, |kinetic| match selection {
            Selection::Replicator { .. } => {
                let (mean, covariance) = covariance(kinetic.masses(), &fitness, &h);
                (mean, beta * covariance)
            }
            _ => {
                let (mean, differential) = selection_differential(kinetic.masses(), &weight, &h);
                (mean, kappa * differential)
            }
        })
    };
    let slow = joint(poisson.clone(), gaussian.clone(), 1.0)?;
    let fast = joint(poisson, gaussian, 0.05)?;
    let slow_replicator = joint(continuous, diffusion, 1.0)?;
    for (claim, rates) in [
        ("kinetic, ε = 1: d⟨h⟩/dt = κ Cov_f(w,h)/⟨w⟩ over θ and h, largest relative difference", &slow),
        ("kinetic, ε = 0.05: d⟨h⟩/dt = κ Cov_f(w,h)/⟨w⟩ over θ and h, largest relative difference", &fast),
        ("kinetic, replicator form, ε = 1: d⟨h⟩/dt = β Cov_f(F,h), largest relative difference", &slow_replicator),
    ] {
        report
            .gate(claim, SOURCE, Expected::AtMost(1e-5), rates.error(), 0.0)
            .why("the steps, which are not even, may err by 1e-7 of the mass each; differences over δ = 0.005 magnify what is left of that to some 1e-6");
    }
    report.note(format!(
        "Memory of θ: at t = {:.2}, d⟨h⟩/dt is {:.4} at ε = 1, {:.4} at ε = 0.05 and {:.4} in the limit ε = 0.",
        times[6], slow.covariance[6], fast.covariance[6], jump.covariance[6]
    ));

    let time = axis("t", "time", &times);
    let mut data = |name, description, rates: &Rates| {
        report.data(Field::array("rates", name, description, &[&time], rates.measured.clone()));
    };
    data("jump", "d<h>/dt, averaged, jump form", &jump);
    data("replicator", "d<h>/dt, averaged, replicator form", &replicator);
    data("kinetic_slow", "d<h>/dt, kinetic, epsilon = 1", &slow);
    data("kinetic_fast", "d<h>/dt, kinetic, epsilon = 0.05", &fast);
    data("kinetic_replicator", "d<h>/dt, kinetic replicator form, epsilon = 1", &slow_replicator);
    let draw = |panel: Panel, label: &str, rates: &Rates| {
        panel
            .line(&format!("{label}: covariance"), &rates.times, &rates.covariance)
            .points(&format!("{label}: differences"), &rates.times, &rates.measured, &[])
            .same_colour()
    };
    let left = Panel::new("Averaged equation", "t", "d⟨h⟩/dt");
    let left = draw(draw(left, "jump", &jump), "replicator", &replicator);
    let right = Panel::new("Kinetic equation, jump form", "t", "d⟨h⟩/dt");
    let right = draw(draw(right, "ε = 1", &slow), "ε = 0.05", &fast).dashed("ε = 0", &jump.times, &jump.covariance);
    report.picture("rates", Picture::new(2).panel(left).panel(right));
    Ok(report)
}
