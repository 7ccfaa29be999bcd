//! The averaged equation against the exact propagator, Gaussian generations and the Riccati equations.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::exact::generations::Generations;
use learning_dynamics::exact::{propagator, riccati};
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::grid::{Axis, HyperGrid, MutationOperator};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Clock, DoubleWell, Kernel, Law, Population, Rule, Selection};

use super::joint::{axis, distance, extrapolated, largest_difference, list, quadratic, worst_order};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// Jump form, generations and replicator–mutator form against what is known exactly.
pub const STUDY: Study = Study {
    name: "averaged-exact",
    claim: "averaged equation: exact propagator, Gaussian generations and both Riccati cases are met",
    run,
};

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let propagated = propagators(&mut report, level.pick(128, 512))?;
    let cells = level.pick(vec![48, 96, 192, 384], vec![48, 96, 192, 384, 768]);
    let (variances, order) = gaussians(&mut report, &cells)?;
    report.picture("propagator", Picture::new(3).panel(propagated).panel(variances).panel(order));
    Ok(report)
}

/// Runs and returns the mean and variance of h, or the masses, at each time.
fn states(
    problem: &Population,
    cells: usize,
    weight: &Weight,
    tolerance: f64,
    times: &[f64],
) -> learning_dynamics::Result<(Averaged, Vec<Vec<f64>>, Vec<f64>)> {
    let grid = HyperGrid::new(problem.h[0], cells)?;
    let mut averaged = Averaged::new(problem.clone(), grid, Settings { weight: weight.clone(), tolerance })?;
    let width = averaged.grid.axes[0].axis.width();
    let (mut masses, mut moments) = (Vec::new(), Vec::new());
    averaged.run(times, &mut |frame| {
        masses.push(frame.get("density", "rho").unwrap_or(&[]).iter().map(|rho| rho * width).collect());
        for name in ["mean_h", "var_h"] {
            moments.extend(frame.get("moments", name).unwrap_or(&[f64::NAN]));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((averaged, masses, moments))
}

/// Two wells: w̄ has no closed form.
fn wells() -> Population {
    let mut problem = quadratic(1.0);
    problem.loss = Arc::new(DoubleWell { barrier: 1.0, coupling: 1.0 });
    (problem.h[0].low, problem.h[0].high) = (-3.0, 3.0);
    problem.initial.h = vec![Law::Gaussian { mean: -1.0, std: 0.3 }];
    problem
}

fn propagators(report: &mut Report, cells: usize) -> Result<Panel, Box<dyn Error>> {
    let times = [0.3, 1.0, 3.0, 8.0];
    let tolerances: Vec<f64> = (2..=11).map(|k| 10f64.powi(-k)).collect();
    let weight = Weight::Quadrature { theta: Axis::uniform("theta", -4.0, 4.0, 200)?.into() };
    let mut panel =
        Panel::new("Against the exact propagator", "tolerance", "largest L1 error at 4 times").log_x().log_y();
    let replicator = Population {
        selection: Selection::Replicator { beta: 1.5 },
        mutation: vec![Kernel::Diffusion { diffusion: 0.01 }],
        ..wells()
    };
    for (name, problem) in [("jump form", wells()), ("replicator form", replicator)] {
        let (averaged, ..) = states(&problem, cells, &weight, 1e-2, &[])?;
        let start = averaged.grid.masses(&problem.initial.h)?;
        let exact: Vec<Vec<f64>> = if let Selection::Replicator { beta } = problem.selection {
            let a = 0.01 / averaged.grid.axes[0].axis.width().powi(2);
            let growth: Vec<f64> = averaged.effective.fitness.iter().map(|f| beta * f).collect();
            let low = growth.iter().copied().fold(f64::INFINITY, f64::min);
            let high = growth.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shift = 2.0 * a - low;
            let product = |x: &[f64], out: &mut [f64]| {
                let last = x.len() - 1;
                for i in 0..=last {
                    let (left, right) = (x[i.saturating_sub(1)], x[(i + 1).min(last)]);
                    out[i] = (growth[i] + shift) * x[i] + a * (left - 2.0 * x[i] + right);
                }
            };
            let norm = high - low + 2.0 * a;
            propagator::replicator(&product, norm, shift, &start, &times)?.into_iter().map(|p| p.mass).collect()
        } else {
            let (weights, _) = averaged.effective.scaled_weights()?;
            let mutation = MutationOperator::new(&problem.mutation, &averaged.grid)?;
            let matrix = &*mutation.matrix();
            let product = |x: &[f64], out: &mut [f64]| {
                out.fill(0.0);
                for (&p, (row, column)) in matrix {
                    out[row] += p * weights[column] * x[column];
                }
            };
            propagator::jump(&product, 1.0, &start, &times)?.into_iter().map(|p| p.mass).collect()
        };
        let mut errors = Vec::new();
        for &tolerance in &tolerances {
            let (_, masses, _) = states(&problem, cells, &weight, tolerance, &times)?;
            let worst = masses.iter().zip(&exact).map(|(a, b)| distance(a, b)).fold(0.0, f64::max);
            errors.push(worst);
        }
        let ratio = errors.iter().zip(&tolerances).map(|(e, t)| (e - 1e-12) / t).fold(0.0, f64::max);
        report.note(format!("{name}: errors for tolerances 1e-2 … 1e-11: {}", list(&errors)));
        report
            .gate(
                &format!("largest error over tolerance, {name}"),
                "EQUATIONS 1d, exact propagator; Jensen (1953)",
                Expected::AtMost(10.0),
                ratio,
                0.0,
            )
            .why("the promise for tolerances; 1e-12 is allowed for rounding");
        report
            .gate(
                &format!("error at tolerance 1e-11, {name}"),
                "EQUATIONS 1d, exact propagator; Jensen (1953)",
                Expected::AtMost(1e-10),
                errors[errors.len() - 1],
                0.0,
            )
            .why("ten times the tolerance: solver and propagator are the same equation");
        panel = panel.line(name, &tolerances, &errors).points("", &tolerances, &errors, &[]).same_colour();
        let field = if name == "jump form" { "jump" } else { "replicator" };
        let tolerance = axis("tolerance", "tolerance", &tolerances);
        report.data(Field::array("propagator", field, "largest L1 error", &[&tolerance], errors));
    }
    Ok(panel.slope("error = tolerance", 1.0, [1e-11, 1e-11], [1e-11, 1e-2]))
}

/// A problem that keeps h Gaussian, its times, and what is exact.
struct Case {
    name: &'static str,
    source: &'static str,
    problem: Population,
    weight: Weight,
    times: Vec<f64>,
    exact: Vec<f64>,
}

fn cases() -> Vec<Case> {
    let (beta, mutation) = (0.7, 0.3);
    let toy =
        Generations { beta, curvature: 1.0, optimum: 1.0, gibbs_variance: 0.5, mutation_variance: mutation * mutation };
    let mut generations = quadratic(1.0);
    (generations.h[0].low, generations.h[0].high) = (-5.0, 5.0);
    generations.selection = Selection::Events { rule: Rule::Boltzmann { beta }, clock: Clock::Periodic { every: 0.5 } };
    generations.mutation = vec![Kernel::Gaussian { std: mutation }];
    let start = (-1.0, 0.25);
    let mut state = start;
    let mut exact = vec![state.0, state.1];
    for _ in 1..=12 {
        state = toy.step(state);
        exact.extend([state.0, state.1]);
    }
    let diffusion = 0.03;
    let riccati = |log_weight: fn(f64) -> f64| {
        let mut problem = generations.clone();
        problem.selection = Selection::Replicator { beta: 1.0 };
        problem.mutation = vec![Kernel::Diffusion { diffusion }];
        (problem, Weight::Formula(Arc::new(move |h: &[f64]| log_weight(h[0]))))
    };
    let times: Vec<f64> = (0..=12).map(|k| 0.25 * f64::from(k)).collect();
    let pairs = |at: &dyn Fn(f64) -> (f64, f64)| times.iter().flat_map(|t| <[f64; 2]>::from(at(*t))).collect();
    let quadratic = riccati::QuadraticFitness { curvature: 1.2, diffusion };
    let linear = riccati::LinearFitness { slope: 0.6, diffusion };
    let (quadratic_problem, quadratic_weight) = riccati(|h| -0.6 * h * h);
    let (linear_problem, linear_weight) = riccati(|h| 0.6 * h);
    vec![
        Case {
            name: "generations",
            source: "Lande (1975); Bulmer (1980)",
            problem: generations.clone(),
            weight: Weight::ClosedForm,
            times: (0..=12).map(|k| 0.5 * f64::from(k)).collect(),
            exact,
        },
        Case {
            name: "quadratic fitness",
            source: "Kimura (1965); Alfaro & Carles (2014)",
            problem: quadratic_problem,
            weight: quadratic_weight,
            exact: pairs(&|t| quadratic.at(t, start)),
            times: times.clone(),
        },
        Case {
            name: "linear fitness",
            source: "Alfaro & Carles (2014)",
            problem: linear_problem,
            weight: linear_weight,
            exact: pairs(&|t| linear.at(t, start)),
            times: times.clone(),
        },
    ]
}

fn gaussians(report: &mut Report, cells: &[usize]) -> Result<(Panel, Panel), Box<dyn Error>> {
    let mut variances = Panel::new("Variance of h: cells, and exact (dashed)", "time t", "variance");
    let mut order = Panel::new("Error of mean and variance", "cell width", "largest error at 13 times").log_x().log_y();
    let widths: Vec<f64> = cells.iter().map(|c| 10.0 / *c as f64).collect();
    for case in cases() {
        let mut grids = Vec::new();
        for &c in cells {
            grids.push(states(&case.problem, c, &case.weight, 1e-12, &case.times)?.2);
        }
        let errors: Vec<f64> = grids.iter().map(|g| largest_difference(g, &case.exact)).collect();
        let limit = extrapolated(grids.clone());
        report.note(format!("{}: errors {}", case.name, list(&errors)));
        report
            .gate(
                &format!("order of mean and variance, {}", case.name),
                case.source,
                Expected::Within { value: 2.0, tolerance: 0.15 },
                worst_order(&errors),
                0.0,
            )
            .why("the order of the cells, from the worse of the last two refinements");
        report
            .gate(
                &format!("largest error of mean and variance, extrapolated, {}", case.name),
                case.source,
                Expected::AtMost(1e-6),
                largest_difference(&limit, &case.exact),
                0.0,
            )
            .why("initial mass outside the box is allowed up to 1e-6; the eighth power of the width is below");
        let pick = |values: &[f64]| values.iter().skip(1).step_by(2).copied().collect::<Vec<f64>>();
        let (found, exact) = (pick(&limit), pick(&case.exact));
        variances = variances.points(case.name, &case.times, &found, &[]).dashed("", &case.times, &exact).same_colour();
        order = order.points(case.name, &widths, &errors, &[]);
        if case.name == "generations" {
            let last = widths.len() - 1;
            order = order.slope("order 2", 2.0, [widths[last], 2.0 * errors[last]], [widths[last], widths[0]]);
            fixed_point(report, &case, cells)?;
        }
    }
    Ok((variances, order))
}

/// Where the generations end, and how fast the mean comes there.
fn fixed_point(report: &mut Report, case: &Case, cells: &[usize]) -> Result<(), Box<dyn Error>> {
    let toy = Generations { beta: 0.7, curvature: 1.0, optimum: 1.0, gibbs_variance: 0.5, mutation_variance: 0.09 };
    let times = [10.0, 10.5, 60.0];
    let mut grids = Vec::new();
    for &c in cells {
        grids.push(states(&case.problem, c, &case.weight, 1e-12, &times)?.2);
    }
    let limit = extrapolated(grids);
    let contraction = (limit[2] - toy.optimum) / (limit[0] - toy.optimum);
    let star = toy.stationary_variance();
    report.note(format!(
        "fixed point: S* = {star}, S = {}; contraction {} and {}",
        limit[5],
        toy.contraction(),
        contraction
    ));
    for (claim, value, measured) in [
        ("variance of the fixed point of the generations", star, limit[5]),
        ("mean of the fixed point of the generations", toy.optimum, limit[4]),
    ] {
        report
            .gate(claim, "EQUATIONS 1d", Expected::Within { value, tolerance: 1e-6 }, measured, 0.0)
            .why("the high power of the width that the extrapolation leaves, and walls seven deviations away");
    }
    report
        .gate(
            "contraction of the mean by one late generation",
            "EQUATIONS 1d",
            Expected::Within { value: toy.contraction(), tolerance: 1e-4 },
            contraction,
            0.0,
        )
        .why("1e-6 in the mean over its distance from the optimum there, about 1e-2; the variance has settled");
    Ok(())
}
