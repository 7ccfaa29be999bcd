//! Stationary laws and growth rates: eigenpairs against long runs.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::exact::generations::Generations;
use learning_dynamics::exact::{perron, propagator, riccati};
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::grid::{Axis, HyperGrid, MutationOperator};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Clock, DoubleWell, Kernel, Law, Population, Rule, Selection};
use rayon::prelude::*;
use sprs::TriMat;

use super::joint::{axis, distance, extrapolated, power_of_ten, quadratic};
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report, number};

/// Eigenpair, long run and closed form agree, averaged and joint.
pub const STUDY: Study = Study {
    name: "stationary",
    claim: "stationary laws and growth rates: principal eigenpair, long run and closed form agree, at any ε",
    run,
};

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let laws = averaged(&mut report, level.pick(96, 256))?;
    closed_forms(&mut report)?;
    let limit = joint(&mut report, level)?;
    report.picture("laws", Picture::new(2).panel(laws).panel(limit));
    Ok(report)
}

/// Two wells tilted by h, so that w̄ is neither Gaussian nor symmetric.
fn wells(epsilon: f64) -> Population {
    let mut problem = quadratic(epsilon);
    problem.loss = Arc::new(DoubleWell { barrier: 1.0, coupling: 1.0 });
    (problem.h[0].low, problem.h[0].high) = (-3.0, 3.0);
    problem.initial.h = vec![Law::Gaussian { mean: -1.0, std: 0.3 }];
    problem.mutation = vec![Kernel::Gaussian { std: 0.2 }];
    problem
}

fn theta() -> learning_dynamics::Result<Axis> {
    Axis::uniform("theta", -3.5, 3.5, 72)
}

fn start(problem: &Population, cells: usize, weight: Weight) -> learning_dynamics::Result<Averaged> {
    let grid = HyperGrid::new(problem.h[0], cells)?;
    Averaged::new(problem.clone(), grid, Settings { weight, tolerance: 1e-11 })
}

fn averaged(report: &mut Report, cells: usize) -> Result<Panel, Box<dyn Error>> {
    let mut panel = Panel::new("Stationary law of h, two wells", "h", "density");
    let replicator = Population {
        selection: Selection::Replicator { beta: 1.0 },
        mutation: vec![Kernel::Diffusion { diffusion: 0.02 }],
        ..wells(1.0)
    };
    let source = "EQUATIONS 1d; Bürger (2000)";
    for (name, field, problem) in [("jump form", "jump", wells(1.0)), ("replicator form", "replicator", replicator)] {
        let mut averaged = start(&problem, cells, Weight::Quadrature { theta: theta()?.into() })?;
        let stationary = averaged.stationary()?;
        let initial = averaged.mass().to_vec();
        // All eigenvalues at once, and the growth of the linear propagator.
        let (exact, grown) = if let Selection::Replicator { beta } = problem.selection {
            let a = 0.02 / averaged.grid.axes[0].axis.width().powi(2);
            let last = cells - 1;
            let diagonal: Vec<f64> = (averaged.effective.fitness.iter().enumerate())
                .map(|(i, f)| beta * f - if i == 0 || i == last { a } else { 2.0 * a })
                .collect();
            let low = diagonal.iter().copied().fold(f64::INFINITY, f64::min);
            let high = diagonal.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let product = |x: &[f64], out: &mut [f64]| {
                for i in 0..cells {
                    let left = if i > 0 { x[i - 1] } else { 0.0 };
                    let right = if i < last { x[i + 1] } else { 0.0 };
                    out[i] = (diagonal[i] - low) * x[i] + a * (left + right);
                }
            };
            let late = propagator::replicator(&product, high - low + 2.0 * a, -low, &initial, &[400.0, 410.0])?;
            let grown = (late[1].log_growth - late[0].log_growth) / 10.0;
            (perron::tridiagonal(&diagonal, &vec![a; last])?, grown)
        } else {
            let (weights, scale) = averaged.effective.scaled_weights()?;
            let mutation = MutationOperator::new(&problem.mutation, &averaged.grid)?;
            let mut matrix = TriMat::new((cells, cells));
            for (&p, (row, column)) in &*mutation.matrix() {
                matrix.add_triplet(row, column, p * weights[column]);
            }
            let matrix = matrix.to_csr();
            let late = propagator::jump(&matrix, 1.0, &initial, &[400.0, 410.0])?;
            let grown = (10.0 / (late[1].clock - late[0].clock)).ln() + scale;
            let mut exact = perron::nonnegative(&matrix)?;
            exact.value = exact.value.ln() + scale;
            (exact, grown)
        };
        averaged.run(&[600.0], &mut |_| Ok(ControlFlow::Continue(())))?;
        report.note(format!(
            "{name}: growth {} (eigenpair), {} (all eigenvalues), {} (long run of the propagator)",
            stationary.growth, exact.value, grown
        ));
        report
            .gate(
                &format!("eigenpair against a long run, {name}"),
                source,
                Expected::AtMost(1e-9),
                distance(&stationary.mass, averaged.mass()),
                0.0,
            )
            .why("tolerance 1e-11 of the run, over a gap of about 0.06; t = 600 leaves e^{−36}");
        report
            .gate(
                &format!("eigenpair against the full spectrum, {name}"),
                source,
                Expected::AtMost(1e-10),
                distance(&stationary.mass, &exact.vector),
                0.0,
            )
            .why("rounding of a dense decomposition, magnified by the norm over the gap, about 1e3");
        report
            .gate(
                &format!("growth rate against the largest eigenvalue, {name}"),
                source,
                Expected::Within { value: exact.value, tolerance: 1e-10 },
                stationary.growth,
                0.0,
            )
            .why("rounding of a dense decomposition, times the norm");
        report
            .gate(
                &format!("growth rate against late growth, {name}"),
                source,
                Expected::Within { value: grown, tolerance: 1e-9 },
                stationary.growth,
                0.0,
            )
            .why("transients at t = 400, e^{−gap·t} with a gap of about 0.06, are e^{−24}");
        let density =
            |masses: &[f64]| masses.iter().map(|m| m / averaged.grid.axes[0].axis.width()).collect::<Vec<f64>>();
        let h = &averaged.grid.axes[0].axis.centres;
        panel = panel.line(&format!("{name}, eigenvector"), h, &density(&stationary.mass)).dashed(
            &format!("{name}, long run"),
            h,
            &density(averaged.mass()),
        );
        let place = axis("h", "hyperparameter", h);
        report.data(Field::array("stationary", field, "density of h", &[&place], density(&stationary.mass)));
    }
    Ok(panel)
}

/// S* of the Gaussian toy, and the ground state of quadratic fitness.
fn closed_forms(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (beta, mutation) = (0.7, 0.3);
    let toy = Generations { beta, curvature: 1.0, optimum: 1.0, gibbs_variance: 0.5, mutation_variance: 0.09 };
    let mut periodic = quadratic(1.0);
    periodic.selection = Selection::Events { rule: Rule::Boltzmann { beta }, clock: Clock::Periodic { every: 1.0 } };
    periodic.mutation = vec![Kernel::Gaussian { std: mutation }];
    (periodic.h[0].low, periodic.h[0].high) = (-4.0, 6.0);
    let star = toy.stationary_variance();
    let state = riccati::QuadraticFitness { curvature: 1.2, diffusion: 0.03 };
    let mut quadratic_fitness = periodic.clone();
    quadratic_fitness.selection = Selection::Replicator { beta: 1.0 };
    quadratic_fitness.mutation = vec![Kernel::Diffusion { diffusion: 0.03 }];
    let formula = Weight::Formula(Arc::new(|h: &[f64]| -0.6 * (h[0] - 1.0) * (h[0] - 1.0)));
    let cases = [
        ("Gaussian generations", "Lande (1975)", periodic, Weight::ClosedForm, star, toy.log_mean_weight((1.0, star))),
        (
            "quadratic fitness",
            "Kimura (1965)",
            quadratic_fitness,
            formula,
            state.stationary_variance(),
            state.growth_rate(),
        ),
    ];
    for (name, source, problem, weight, variance, growth) in cases {
        let mut grids = Vec::new();
        for cells in [40, 80, 160] {
            let averaged = start(&problem, cells, weight.clone())?;
            let stationary = averaged.stationary()?;
            let h = &averaged.grid.points;
            let mean: f64 = stationary.mass.iter().zip(h).map(|(m, h)| m * h).sum();
            let variance: f64 = stationary.mass.iter().zip(h).map(|(m, h)| m * (h - mean).powi(2)).sum();
            grids.push(vec![mean, variance, stationary.growth]);
        }
        let limit = extrapolated(grids);
        for (what, value, measured) in
            [("mean", 1.0, limit[0]), ("variance", variance, limit[1]), ("growth rate", growth, limit[2])]
        {
            report
                .gate(
                    &format!("{what} of the stationary law, {name}"),
                    source,
                    Expected::Within { value, tolerance: 2e-5 },
                    measured,
                    0.0,
                )
                .why("cells of 1/16 after two extrapolations: the sixth power of width over deviation, (0.06/0.4)⁶");
        }
        report.note(format!("{name}: variance {} (exact {variance}), growth {} (exact {growth})", limit[1], limit[2]));
    }
    Ok(())
}

fn joint(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let cells = 64;
    let epsilons = [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-8];
    let limit = start(&wells(1.0), cells, Weight::Quadrature { theta: theta()?.into() })?.stationary()?.mass;
    let tolerance = level.pick(1e-6, 1e-8);
    let found: Vec<(f64, f64)> = epsilons
        .par_iter()
        .map(|&epsilon| {
            let mut kinetic = Kinetic::new(wells(epsilon), theta()?, cells, Steps::Tolerance(tolerance))?;
            let stationary = kinetic.stationary()?;
            kinetic.run(&[600.0], &mut |_| Ok(ControlFlow::Continue(())))?;
            let mut marginal = vec![0.0; cells];
            for row in stationary.masses.chunks_exact(cells) {
                marginal.iter_mut().zip(row).for_each(|(m, f)| *m += f);
            }
            Ok((distance(&stationary.masses, kinetic.masses()), distance(&marginal, &limit)))
        })
        .collect::<learning_dynamics::Result<_>>()?;
    for (epsilon, (gap, _)) in epsilons.iter().zip(&found) {
        report
            .gate(
                &format!("joint stationary state against a long run, ε = {}", power_of_ten(*epsilon)),
                "EQUATIONS 1b",
                Expected::AtMost(10.0 * tolerance),
                *gap,
                0.0,
            )
            .why("ten times the tolerance of the run; with a gap of at least 0.036, t = 600 leaves e^{−21}");
    }
    let gaps: Vec<f64> = found.iter().map(|f| f.1).collect();
    for (epsilon, gap) in epsilons.iter().zip(&gaps) {
        report.note(format!(
            "joint, ε = {}: distance of the h-marginal to the averaged law {}",
            number(*epsilon),
            number(*gap)
        ));
    }
    let (slope, error) = fit_slope(&epsilons[2..5], &gaps[2..5]);
    report
        .gate(
            "slope of the distance to the averaged stationary law, ε = 1e-2 … 1e-4",
            "EQUATIONS 1d",
            Expected::Within { value: 1.0, tolerance: 0.05 },
            slope,
            error,
        )
        .why("first order in ε, whose next term is a few percent at ε = 1e-2");
    report
        .gate(
            "distance of the h-marginal to the averaged stationary law, ε = 1e-8",
            "EQUATIONS 1c",
            Expected::AtMost(1e-7),
            gaps[5],
            0.0,
        )
        .why("a few ε, plus the rounding of two eigenvectors over their gaps");
    let at = axis("epsilon", "time of training over time of selection", &epsilons);
    report.data(Field::array(
        "joint",
        "distance",
        "L1 distance of the h-marginal to the averaged law",
        &[&at],
        gaps.clone(),
    ));
    Ok(Panel::new("Joint stationary state as ε → 0", "ε", "L1 distance of the h-marginal to its limit")
        .log_x()
        .log_y()
        .points("joint equation", &epsilons, &gaps, &[])
        .slope("slope 1", 1.0, [1e-2, 1.5 * gaps[2]], [1e-8, 1.0]))
}
