//! The effective weight w̄ and fitness F̄, by every method there is.

use std::sync::Arc;

use learning_dynamics::averaged::{Effective, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::Axis;
use learning_dynamics::numerics::normal::normal_cdf;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::toy::*;
use super::{Level, Study};
use crate::fit::{fit_slope, observed_orders};
use crate::report::{Expected, Report};

/// Averages over the Gibbs law of θ.
pub const STUDY: Study = Study {
    name: "effective-fitness",
    claim: "w̄ and F̄ agree by closed form, quadrature and population; F̄ leads to the bilevel optimum as D → 0",
    run,
};

const SOURCE: &str = "EQUATIONS 1c, w̄ and F̄";
/// For populations: far enough from any integer times a stride to be of no account.
const SEED: u64 = 2024;

fn problem(beta: f64, diffusion: f64, loss: Arc<dyn Loss>, fitness: Arc<dyn Fitness>) -> Population {
    let selection = boltzmann(beta, Clock::Poisson { rate: 1.0 });
    Population { selection, diffusion: diffusion.into(), loss, fitness, ..toy() }
}

fn quadratic(beta: f64) -> Population {
    problem(beta, 0.3, Arc::new(Quadratic::new(1.5, 1)), toy().fitness)
}

/// `L = (θ² − 1)² − hθ`, `F = −(θ − 1.2)²`.
fn double_well(beta: f64, diffusion: f64) -> Population {
    let fitness = QuadraticFitness { optimum: vec![1.2], curvature: 1.0 };
    problem(beta, diffusion, Arc::new(DoubleWell { barrier: 1.0, coupling: 1.0 }), Arc::new(fitness))
}

fn theta(half_width: f64, cells: usize) -> Outcome<Weight> {
    Ok(Weight::Quadrature { theta: Axis::uniform("theta", -half_width, half_width, cells)?.into() })
}

fn logs(effective: &Effective) -> Outcome<&[f64]> {
    Ok(effective.log_weight.as_deref().ok_or("no weights")?)
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let h = linspace(-2.0, 2.0, 41);
    let methods = Picture::new(3);
    let agree = agreement(&mut report, level, &h)?;
    let orders = orders(&mut report, &h)?;
    let weak = weak_selection(&mut report)?;
    let [maximum, rate] = bilevel(&mut report, level)?;
    report.picture("effective", methods.panel(agree).panel(orders).panel(weak).panel(maximum).panel(rate));
    Ok(report)
}

/// Closed form, quadrature, Gauss–Hermite and population, on the quadratic problem.
fn agreement(report: &mut Report, level: Level, h: &[f64]) -> Outcome<Panel> {
    let problem = quadratic(1.0);
    let by = |weight: Weight| Effective::new(&problem, h, &weight);
    let closed = by(Weight::ClosedForm)?;
    let worst = |other: &Effective| -> Outcome<f64> {
        let fitness = other.fitness.iter().zip(&closed.fitness).map(|(a, b)| (a - b).abs());
        let weights = logs(other)?.iter().zip(logs(&closed)?).map(|(a, b)| (a - b).abs());
        Ok(largest(fitness.chain(weights)))
    };
    for (claim, weight) in [
        ("quadrature on 400 cells agrees with the closed form: largest difference of F̄ and log w̄", theta(8.0, 400)?),
        (
            "Gauss–Hermite with 64 points agrees with the closed form: largest difference of F̄ and log w̄",
            Weight::GaussHermite { points: 64 },
        ),
    ] {
        report
            .gate(claim, SOURCE, Expected::AtMost(1e-12), worst(&by(weight)?)?, 0.0)
            .why("both rules converge exponentially here; what is left is rounding of 400 terms up to 10 in size");
    }
    let particles = level.pick(20_000, 1_000_000);
    let table = Axis::uniform("theta", -4.0, 4.0, 2000)?;
    let wells = double_well(1.0, 0.3);
    let reference = Effective::new(&wells, h, &theta(4.0, 2000)?)?;
    let draw = Weight::Population { particles, seed: SEED, theta: Some(table.into()) };
    let population = by(draw.clone())?;
    let mut scores = Vec::new();
    for (estimate, exact) in [(&population, &closed), (&Effective::new(&wells, h, &draw)?, &reference)] {
        for k in 0..h.len() {
            scores.push((estimate.fitness[k] - exact.fitness[k]) / estimate.fitness_error[k]);
            scores.push((logs(estimate)?[k] - logs(exact)?[k]) / estimate.log_weight_error[k]);
        }
    }
    let n = scores.len() as f64;
    let square = scores.iter().map(|z| z * z).sum::<f64>() / n;
    report
        .gate(
            "population estimates lie within their standard errors: mean square of difference over error",
            SOURCE,
            Expected::Within { value: 1.0, tolerance: 4.0 * 2.0 / n.sqrt() },
            square,
            2.0 / n.sqrt(),
        )
        .why("four standard errors of the mean of squares of 164 scores that are equal in pairs (√(2·2/n)); F̄ and log w̄ share their draws");
    let place = axis("h", "hyperparameter", h);
    for (name, description, values) in [
        ("fitness", "effective fitness, closed form", &closed.fitness),
        ("fitness_population", "effective fitness, population", &population.fitness),
        ("fitness_population_error", "its standard error", &population.fitness_error),
        ("log_weight", "log of the effective weight, closed form", &logs(&closed)?.to_vec()),
        ("log_weight_population", "log of the effective weight, population", &logs(&population)?.to_vec()),
        ("log_weight_population_error", "its standard error", &population.log_weight_error),
    ] {
        report.data(Field::array("quadratic", name, description, &[&place], values.clone()));
    }
    let few = by(Weight::Population { particles: 100, seed: SEED, theta: None })?;
    let pick = |values: &[f64]| values.iter().step_by(4).copied().collect::<Vec<_>>();
    Ok(Panel::new("Quadratic problem, 100 particles", "h", "effective fitness and log weight")
        .line("fitness, closed form", h, &closed.fitness)
        .points("population", &pick(h), &pick(&few.fitness), &pick(&few.fitness_error))
        .same_colour()
        .line("log weight, closed form", h, logs(&closed)?)
        .points("population", &pick(h), &pick(logs(&few)?), &pick(&few.log_weight_error))
        .same_colour())
}

/// Refinement of the θ axis: smooth fitness, and one with a kink.
fn orders(report: &mut Report, h: &[f64]) -> Outcome<Panel> {
    let cells = [16, 32, 64, 128];
    let axis_cells = axis("cells", "cells of the theta axis", &cells.map(|n| n as f64));
    let beta = 2.0;
    let problem = problem(beta, 0.2, Arc::new(Quadratic::new(1.0, 1)), Arc::new(FitnessFn(|t: f64, _| -t.abs())));
    let s = 0.2_f64.sqrt();
    // F̄ and log w̄ of F = −|θ| under N(h, s²): the folded normal law.
    let fitness = |h: f64| {
        -(s * (2.0 / std::f64::consts::PI).sqrt() * (-h * h / (2.0 * s * s)).exp()
            + h * (1.0 - 2.0 * normal_cdf(-h / s)))
    };
    let weight = |h: f64| {
        let half = |h: f64| (beta * h).exp() * normal_cdf(-h / s - beta * s);
        ((0.5 * beta * beta * s * s).exp() * (half(h) + half(-h))).ln()
    };
    let mut kinked = Vec::new();
    for n in cells {
        let effective = Effective::new(&problem, h, &theta(6.0, n)?)?;
        let a = effective.fitness.iter().zip(h).map(|(f, &h)| (f - fitness(h)).abs());
        let b = logs(&effective)?.iter().zip(h).map(|(w, &h)| (w - weight(h)).abs());
        kinked.push(largest(a.chain(b)));
    }
    let observed = observed_orders(&kinked);
    report.note(format!(
        "Errors of F̄ and log w̄ for F = −|θ| on 16 … 128 cells: {}, orders {}.",
        list(&kinked),
        list(&observed)
    ));
    for (claim, order) in [
        ("fitness with a kink: order in the θ grid, from 32 to 64 cells", observed[1]),
        ("fitness with a kink: order in the θ grid, from 64 to 128 cells", observed[2]),
    ] {
        report
            .gate(claim, SOURCE, Expected::Within { value: 2.0, tolerance: 0.15 }, order, 0.0)
            .why("midpoint sums are of order 2; the kink lies on a face of every grid, so the errors are regular");
    }
    let fine = Effective::new(&double_well(1.0, 0.3), h, &theta(4.0, 1024)?)?;
    let mut smooth = Vec::new();
    for n in cells {
        let effective = Effective::new(&double_well(1.0, 0.3), h, &theta(4.0, n)?)?;
        let a = effective.fitness.iter().zip(&fine.fitness).map(|(a, b)| (a - b).abs());
        let b = logs(&effective)?.iter().zip(logs(&fine)?).map(|(a, b)| (a - b).abs());
        smooth.push(largest(a.chain(b)));
    }
    let observed = observed_orders(&smooth);
    report.note(format!("The same for the double well, smooth: {}, orders {}.", list(&smooth), list(&observed)));
    report
        .gate(
            "smooth loss and fitness (double well): order in the θ grid, from 16 to 32 cells",
            SOURCE,
            Expected::AtLeast(2.0),
            observed[0],
            0.0,
        )
        .why("at least the order of the midpoint rule; for smooth periodic or decaying integrands it beats any power");
    report.data(Field::array("refinement", "kink", "error for F = -|theta|", &[&axis_cells], kinked.clone()));
    report.data(Field::array("refinement", "smooth", "error for the double well", &[&axis_cells], smooth.clone()));
    let x = cells.map(|n| n as f64);
    let shown = smooth.iter().filter(|e| **e > 1e-15).count();
    Ok(Panel::new("Refinement in θ", "cells", "largest error")
        .log_x()
        .log_y()
        .points("F = −|θ|, quadratic loss", &x, &kinked, &[])
        .slope("order 2", -2.0, [x[3], 0.6 * kinked[3]], [x[0], x[3]])
        .points("double well, smooth", &x[..shown], &smooth[..shown], &[]))
}

/// `log w̄ = βF̄ + ½β² Var_G(F) + O(β³)`.
fn weak_selection(report: &mut Report) -> Outcome<Panel> {
    let h = linspace(-2.0, 2.0, 9);
    let betas: Vec<f64> = (0..7).map(|k| 1e-4 * 10_f64.powf(f64::from(k) / 2.0)).collect();
    let source = "EQUATIONS 1c: log w̄ and βF̄ agree to first order in β (expansion of the cumulant function)";
    // The variance of F under the Gibbs law, by sums of its own.
    let points = linspace(-3.5, 3.5, 7001);
    let variance: Vec<f64> = h
        .iter()
        .map(|h| {
            let gibbs: Vec<f64> = points.iter().map(|t| (-((t * t - 1.0).powi(2) - h * t) / 0.3).exp()).collect();
            let fitness: Vec<f64> = points.iter().map(|t| -(t - 1.2) * (t - 1.2)).collect();
            mean_and_variance(&gibbs, &fitness).1
        })
        .collect();
    let (mut differences, mut coefficient) = (Vec::new(), f64::NAN);
    for &beta in &betas {
        let effective = Effective::new(&double_well(beta, 0.3), &h, &theta(4.0, 1024)?)?;
        let all: Vec<f64> = logs(&effective)?.iter().zip(&effective.fitness).map(|(w, f)| w - beta * f).collect();
        if beta == betas[2] {
            coefficient = largest(all.iter().zip(&variance).map(|(d, v)| (d / (0.5 * beta * beta * v) - 1.0).abs()));
        }
        differences.push(largest(all.iter().map(|d| d.abs())));
    }
    let (slope, error) = fit_slope(&betas[..5], &differences[..5]);
    report.note(format!("max |log w̄ − βF̄| for β = 1e-4 … 0.1: {}.", list(&differences)));
    report
        .gate(
            "log w̄ − βF̄ for weak selection: exponent of β, 1e-4 … 1e-2",
            source,
            Expected::Within { value: 2.0, tolerance: 0.02 },
            slope,
            error,
        )
        .why("the next term is β³κ₃/6, 1 % of the leading one at β = 0.01");
    report
        .gate(
            "log w̄ − βF̄ = ½β² Var_G(F) at β = 1e-3: largest relative difference over h",
            source,
            Expected::AtMost(1e-2),
            coefficient,
            0.0,
        )
        .why("the next term is βκ₃/(3κ₂), some 3β for these laws");
    let beta = axis("beta", "strength of selection", &betas);
    report.data(Field::array("weak_selection", "difference", "max |log w - beta F|", &[&beta], differences.clone()));
    Ok(Panel::new("Weak selection, double well", "β", "log weight − β fitness, largest")
        .log_x()
        .log_y()
        .points("measured", &betas, &differences, &[])
        .slope("slope 2", 2.0, [betas[0], differences[0]], [betas[0], betas[6]]))
}

/// The maximiser of F̄ against the bilevel optimum.
fn bilevel(report: &mut Report, level: Level) -> Outcome<[Panel; 2]> {
    // argmax F(θ*(h)): the tilt that brings the lower well to 1.2, where 4θ(θ² − 1) = h.
    let optimum = 4.0 * 1.2 * (1.2 * 1.2 - 1.0);
    let diffusions: Vec<f64> = (0..level.pick(6, 8)).map(|k| 0.16 * 0.5_f64.powi(k)).collect();
    let fine = theta(3.0, 3000)?;
    let mut distances = Vec::new();
    for &diffusion in &diffusions {
        let problem = double_well(1.0, diffusion);
        let fitness = |h: &[f64]| -> Outcome<Vec<f64>> { Ok(Effective::new(&problem, h, &fine)?.fitness) };
        // Newton on centred differences, from the best of a scan.
        let scan = linspace(0.5, 4.0, 36);
        let values = fitness(&scan)?;
        let mut at = (0..36).max_by(|&a, &b| values[a].total_cmp(&values[b])).map_or(f64::NAN, |k| scan[k]);
        for _ in 0..8 {
            let step = 1e-3;
            let near = fitness(&[at - step, at, at + step])?;
            at -= 0.5 * step * (near[2] - near[0]) / (near[2] - 2.0 * near[1] + near[0]);
        }
        distances.push((at - optimum).abs());
    }
    let n = diffusions.len();
    let (slope, error) = fit_slope(&diffusions[n - 4..], &distances[n - 4..]);
    let source = "EQUATIONS 1d, bilevel reading: argmax F̄ → argmax F(θ*(h)) as D → 0";
    report.note(format!("Double well: |argmax F̄ − {optimum:.4}| for D = {}: {}.", list(&diffusions), list(&distances)));
    report
        .gate(
            "D → 0: exponent of D in the distance of argmax F̄ from the bilevel optimum",
            source,
            Expected::Within { value: 1.0, tolerance: 0.1 },
            slope,
            error,
        )
        .why("Laplace's method: mean and variance of the lower well shift by O(D), with O(D²) left");
    let extrapolated = (2.0 * distances[n - 1] - distances[n - 2]).abs();
    report
        .gate(
            "D → 0: distance of argmax F̄ from the bilevel optimum, extrapolated to D = 0",
            source,
            Expected::AtMost(1e-4),
            extrapolated,
            0.0,
        )
        .why("the O(D²) that extrapolation leaves, D² = 2.5e-5 at the smallest D, with a coefficient of order 1");
    let axis_d = axis("D", "diffusion", &diffusions);
    report.data(Field::array("bilevel", "distance", "|argmax F - bilevel optimum|", &[&axis_d], distances.clone()));
    let h = linspace(-3.0, 5.0, 161);
    let mut maximum = Panel::new("Double well, effective fitness as D → 0", "h", "effective fitness");
    for diffusion in [0.64, 0.16, 0.04] {
        let effective = Effective::new(&double_well(1.0, diffusion), &h, &fine)?;
        maximum = maximum.line(&format!("D = {diffusion}"), &h, &effective.fitness);
    }
    let limit: Vec<f64> = h.iter().map(|&h| -(lower_well(h) - 1.2).powi(2)).collect();
    let maximum = maximum.dashed("D = 0: F(θ*(h))", &h, &limit);
    let rate = Panel::new("Distance from the bilevel optimum", "D", "distance of its maximiser")
        .log_x()
        .log_y()
        .points("measured", &diffusions, &distances, &[])
        .slope("slope 1", 1.0, [diffusions[n - 1], distances[n - 1]], [diffusions[n - 1], diffusions[0]]);
    Ok([maximum, rate])
}

/// `θ*(h)` of `(θ² − 1)² − hθ`, by Newton's method from the side of the tilt.
fn lower_well(h: f64) -> f64 {
    let mut theta = if h >= 0.0 { 2.0 } else { -2.0 };
    for _ in 0..60 {
        theta -= (4.0 * theta * (theta * theta - 1.0) - h) / (12.0 * theta * theta - 4.0);
    }
    theta
}
