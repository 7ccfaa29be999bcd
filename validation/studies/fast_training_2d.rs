//! Fast training with two parameters: the kinetic equation tends to the averaged one.

use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::HyperGrid;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;
use rayon::prelude::*;

use super::plane::*;
use super::toy::*;
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// ε → 0.
pub const STUDY: Study = Study {
    name: "fast-training-2d",
    claim: "two parameters: the h-marginal tends to the averaged equation as O(ε), down to ε = 1e-8, at no greater cost",
    run,
};

const END: f64 = 2.0;

/// Himmelblau/100 moved by h, hot enough (D = 4) that no well holds anybody for long.
fn problem(epsilon: f64) -> Population {
    let mut problem = himmelblau(epsilon, events(1.0));
    problem.diffusion = 4.0.into();
    problem.fitness = Arc::new(QuadraticFitness { optimum: vec![2.0, 0.0], curvature: 0.05 });
    problem.initial.theta = InitialTheta::Law(vec![Law::Gaussian { mean: -1.0, std: 1.0 }; 2]);
    problem
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let (cells, h_cells) = level.pick((32, 16), (64, 32));
    let half = 13.0;
    let epsilons = [0.08, 0.04, 0.02, 0.01, 0.005, 1e-6, 1e-8];
    let tolerance = level.pick(3e-6, 1e-6);
    let grid = HyperGrid::new(problem(1.0).h[0], h_cells)?;
    let weight = Weight::Quadrature { theta: square(half, cells)?.into() };
    let mut limit = Averaged::new(problem(1.0), grid, Settings { weight, tolerance: 1e-10 })?;
    record(&mut limit, &[END])?;
    let runs = epsilons
        .par_iter()
        .map(|&epsilon| {
            let run = || -> Outcome<(f64, usize)> {
                let mut kinetic =
                    Kinetic::new(problem(epsilon), square(half, cells)?, h_cells, Steps::Tolerance(tolerance))?;
                record(&mut kinetic, &[END])?;
                Ok((l1(&kinetic.marginal_h(), limit.mass()), kinetic.statistics().steps))
            };
            run().map_err(|error| error.to_string())
        })
        .collect::<Result<Vec<_>, String>>()?;
    let distances: Vec<f64> = runs.iter().map(|r| r.0).collect();
    let steps: Vec<f64> = runs.iter().map(|r| r.1 as f64).collect();
    report.note(format!(
        "L1 distance of the h-marginal from the averaged equation at t = 2: {} at ε = {}; steps {}.",
        list(&distances),
        list(&epsilons),
        list(&steps)
    ));
    let source = "EQUATIONS 1d, fast training: ‖∫f dθ − ρ‖₁ = O(ε)";
    let (slope, error) = fit_slope(&epsilons[..5], &distances[..5]);
    report
        .gate(
            "exponent of ε in the distance, ε = 0.08 … 0.005",
            source,
            Expected::Within { value: 1.0, tolerance: 0.1 },
            slope,
            error,
        )
        .why("the next term is of relative size ε times the slowest relaxation, at the large end only");
    report
        .gate(
            "the same between ε = 0.01 and 0.005",
            source,
            Expected::Within { value: 1.0, tolerance: 0.05 },
            (distances[3] / distances[4]).log2(),
            0.0,
        )
        .why("relative corrections of a per cent, steps below one");
    report
        .gate(
            "distance at ε = 1e-8 over the tolerance of the steps",
            source,
            Expected::AtMost(2.0),
            distances[6] / tolerance,
            0.0,
        )
        .why("nothing but the error of the steps is left");
    report
        .gate(
            "steps at ε = 1e-8 over those at ε = 0.005",
            "asymptotic preserving: the cost does not grow",
            Expected::AtMost(1.6),
            steps[6] / steps[4],
            0.0,
        )
        .why("the initial layer is a fixed number of doublings longer");
    let axis = axis("epsilon", "time of training over time of selection", &epsilons);
    report.data(Field::array("limit", "distance", "L1 distance of the h-marginal", &[&axis], distances.clone()));
    report.data(Field::array("limit", "steps", "accepted steps", &[&axis], steps));
    let panel = Panel::new("Two parameters, t = 2", "ε", "L1 distance to ε = 0")
        .log_x()
        .log_y()
        .points("kinetic", &epsilons, &distances, &[])
        .slope("slope 1", 1.0, [epsilons[4], distances[4]], [epsilons[4], epsilons[0]]);
    report.picture("fast-training-2d", Picture::new(1).panel(panel));
    Ok(report)
}
