//! Space discretisation of the joint equation: order, Gibbs law, mass, sign, free energy, relaxation rate.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use learning_dynamics::exact::gibbs::{cell_masses, quadratic_gap, relaxation_rates};
use learning_dynamics::exact::ornstein_uhlenbeck::OrnsteinUhlenbeck;
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::grid::{Axis, FokkerPlanck, HyperGrid, Shift, Term};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{DoubleWell, InitialTheta, Kernel, Law, LossFn, Population, Selection};
use rayon::prelude::*;

use super::joint::{axis, distance, halved, list, power_of_ten, quadratic, solve, worst_order};
use super::{Level, Study};
use crate::report::{Expected, Report, number};

/// Scharfetter–Gummel fluxes: order 2, the Gibbs law to rounding, mass and sign kept at any ε.
pub const STUDY: Study = Study {
    name: "fokker-planck-space",
    claim: "cells in θ and h: order 2, Gibbs law, mass and sign at any step, free energy falls at the spectral gap",
    run,
};

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let order = orders(&mut report, level)?;
    gibbs(&mut report)?;
    positivity(&mut report)?;
    let energy = free_energy(&mut report)?;
    let gap = relaxation(&mut report)?;
    report.picture("order", Picture::new(3).panel(order).panel(energy).panel(gap));
    Ok(report)
}

/// Training alone: two slices of h, started from a Gaussian law.
fn training(epsilon: f64) -> Population {
    let mut problem = quadratic(epsilon);
    problem.selection = Selection::Off;
    problem.mutation = vec![Kernel::None];
    (problem.h[0].low, problem.h[0].high) = (-1.0, 1.0);
    problem.initial.h = vec![Law::Uniform { low: -1.0, high: 1.0 }];
    problem
}

fn double_well(epsilon: f64) -> Population {
    Population { loss: Arc::new(DoubleWell { barrier: 1.0, coupling: 0.5 }), ..training(epsilon) }
}

/// Two wells with ripples of the height of the noise on them.
fn rugged(epsilon: f64) -> Population {
    let value = |t: f64, h: f64| 0.5 * (t - h).powi(2) + 0.6 * (9.0 * t).sin() + 0.4 * (23.0 * t + h).cos();
    let gradient = |t: f64, h: f64| (t - h) + 5.4 * (9.0 * t).cos() - 9.2 * (23.0 * t + h).sin();
    Population { loss: Arc::new(LossFn { value, gradient }), ..training(epsilon) }
}

fn orders(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    const TOLERANCE: f64 = 1e-8;
    let theta_cells: Vec<usize> = (0..level.pick(5, 6)).map(|k| 32 << k).collect();
    // θ, against the exact law of the Ornstein–Uhlenbeck process.
    let (half, end) = (4.5, 0.7);
    let process = OrnsteinUhlenbeck { stiffness: 1.0, diffusion: 0.5, mobility: 1.0, epsilon: 1.0 };
    let by_theta: Vec<f64> = theta_cells
        .par_iter()
        .map(|&cells| {
            let run = solve(&training(1.0), half, (cells, 2), Steps::Tolerance(TOLERANCE), end)?;
            let exact: Vec<f64> = run
                .theta()
                .axis(0)
                .faces
                .windows(2)
                .flat_map(|face| {
                    [-0.5, 0.5].map(|h| {
                        let (mean, variance) = process.given_h(end, h, (1.5, 0.16));
                        0.5 * Law::Gaussian { mean, std: variance.sqrt() }.mass(face[0], face[1])
                    })
                })
                .collect();
            Ok(distance(run.masses(), &exact))
        })
        .collect::<learning_dynamics::Result<_>>()?;
    // θ, two wells: differences of neighbouring grids.
    let wells: Vec<Vec<f64>> = theta_cells
        .par_iter()
        .map(|&cells| Ok(solve(&double_well(1.0), 3.5, (cells, 2), Steps::Tolerance(TOLERANCE), end)?.marginal_theta()))
        .collect::<learning_dynamics::Result<_>>()?;
    let by_wells: Vec<f64> = wells.windows(2).map(|w| distance(&w[0], &halved(&w[1]))).collect();
    // h, the whole joint problem: differences of neighbouring grids.
    let h_cells: Vec<usize> = (0..level.pick(5, 6)).map(|k| 24 << k).collect();
    let slices: Vec<Vec<f64>> = h_cells
        .par_iter()
        .map(|&cells| {
            let mut problem = quadratic(0.1);
            problem.mutation = vec![Kernel::Gaussian { std: 0.3 }];
            Ok(solve(&problem, 7.0, (24, cells), Steps::Tolerance(TOLERANCE), 1.0)?.masses().to_vec())
        })
        .collect::<learning_dynamics::Result<_>>()?;
    let by_h: Vec<f64> = slices.windows(2).map(|w| distance(&w[0], &halved(&w[1]))).collect();
    let width = |cells: &[usize], length: f64| cells.iter().map(|c| length / *c as f64).collect::<Vec<f64>>();
    let (width_theta, width_wells, width_h) =
        (width(&theta_cells, 9.0), width(&theta_cells, 7.0), width(&h_cells, 8.0));
    let why = "the asymptotic order, from the worse of the last two refinements; time error 1e-8";
    for (what, source, errors) in [
        ("θ, quadratic loss, against the exact law", "Scharfetter & Gummel (1969); Risken (1989) §5.3", &by_theta),
        ("θ, double well, between grids", "Scharfetter & Gummel (1969)", &by_wells),
        ("h, joint problem, between grids", "EQUATIONS 1b, midpoint rule on cells", &by_h),
    ] {
        report.note(format!("errors in {what}: {}", list(errors)));
        report
            .gate(
                &format!("order in {what}"),
                source,
                Expected::Within { value: 2.0, tolerance: 0.15 },
                worst_order(errors),
                0.0,
            )
            .why(why);
    }
    let data = |name, description, widths: &[f64], errors: &[f64]| {
        Field::array(name, "error", description, &[&axis("width", "cell width", widths)], errors.to_vec())
    };
    report.data(data("order_theta", "L1 error, quadratic loss", &width_theta, &by_theta));
    report.data(data("order_wells", "L1 difference to the next grid", &width_wells[..by_wells.len()], &by_wells));
    report.data(data("order_h", "L1 difference to the next grid", &width_h[..by_h.len()], &by_h));
    let last = width_theta.len() - 1;
    let ends = [width_theta[last], width_theta[0]];
    Ok(Panel::new("Order in space", "cell width", "L1 error")
        .log_x()
        .log_y()
        .points("θ, quadratic", &width_theta, &by_theta, &[])
        .points("θ, double well", &width_wells[..by_wells.len()], &by_wells, &[])
        .points("h, joint", &width_h[..by_h.len()], &by_h, &[])
        .slope("order 2", 2.0, [ends[1], 2.0 * by_theta[0]], ends))
}

/// The Gibbs law under the operator, and under one step of 10¹² relaxation times.
fn gibbs(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut worst = [0.0f64; 4];
    for (problem, half) in [(training(1.0), 7.0), (double_well(1.0), 3.5), (rugged(1.0), 5.0)] {
        let theta = Axis::uniform("theta", -half, half, 200)?;
        let grid = HyperGrid::new(problem.h[0], 16)?;
        let operator = FokkerPlanck::new(&problem, &theta, &grid)?;
        let (cells, places) = (theta.len(), grid.len());
        let (mut law, mut rates, mut start) = (vec![0.0; cells * places], 0.0, vec![0.0; cells * places]);
        for (place, &h) in grid.points.iter().enumerate() {
            let potential: Vec<f64> = theta.centres.iter().map(|t| problem.loss.value(&[*t], &[h]) / 0.5).collect();
            let masses = cell_masses(&potential, &vec![theta.width(); cells]);
            let generator = operator.generator(place);
            for (cell, mass) in masses.iter().enumerate() {
                law[cell * places + place] = mass / places as f64;
                rates -= generator.get(cell, cell).copied().unwrap_or(0.0) * mass / places as f64;
            }
            // All mass of this slice in one cell, a different one each time.
            start[(place * 53 % cells) * places + place] = 1.0 / places as f64;
        }
        let mut out = vec![0.0; law.len()];
        operator.apply(&law, &mut out);
        worst[0] = worst[0].max(out.iter().map(|x| x.abs()).sum::<f64>() / rates);
        let mut factors = operator.factors();
        let far = Shift { q: 1.0, decay: None, c: 1e12 };
        operator.solve(far, &[Term::new(1.0, &law)], None, &mut factors, &mut out);
        worst[1] = worst[1].max(distance(&out, &law));
        operator.solve(far, &[Term::new(1.0, &start)], None, &mut factors, &mut out);
        worst[2] = worst[2].max(distance(&out, &law));
        worst[3] = worst[3].max((out.iter().sum::<f64>() - 1.0).abs());
    }
    let source = "EQUATIONS 1d; Grassmann, Taksar & Heyman (1985) for the elimination";
    report
        .gate("residual of the Gibbs law, over the sum of its rates", source, Expected::AtMost(1e-13), worst[0], 0.0)
        .why("rounding; quadratic, double well and rugged loss, 200 cells, 16 slices");
    report
        .gate("the Gibbs law after one step with Δt/ε = 1e12", source, Expected::AtMost(1e-13), worst[1], 0.0)
        .why("rounding of one elimination over 200 cells, relative to each mass");
    report
        .gate(
            "from a point to the Gibbs law in one step with Δt/ε = 1e12",
            source,
            Expected::AtMost(1e-9),
            worst[2],
            0.0,
        )
        .why("what has not relaxed is ε/(Δt·gap), and the slowest gap here is above 1e-3");
    report
        .gate("mass after one step with Δt/ε = 1e12", source, Expected::AtMost(1e-13), worst[3], 0.0)
        .why("rounding of one elimination over 200 cells");
    Ok(())
}

/// Starts from a point, with steps so loose that the formulas of order 3 would go below zero.
fn positivity(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (mut minimum, mut mass, mut moved) = (f64::INFINITY, 0.0f64, 0.0f64);
    for epsilon in [1.0, 1e-2, 1e-4, 1e-8] {
        for steps in [Steps::Tolerance(1e-2), Steps::Uniform(0.2)] {
            let mut problem = quadratic(epsilon);
            problem.initial.h = vec![Law::Point { at: -1.0 }];
            problem.initial.theta = InitialTheta::Law(vec![Law::Point { at: 1.5 }]);
            let theta = Axis::uniform("theta", -7.0, 7.0, 64)?;
            let mut kinetic = Kinetic::new(problem, theta, 64, steps)?;
            let times = learning_dynamics::record::logarithmic(1e-3 * epsilon, 5.0, 4)?;
            kinetic.run(&times, &mut |frame| {
                let get = |name| frame.get("moments", name).map_or(f64::NAN, |m| m[0]);
                minimum = if get("minimum") >= minimum { minimum } else { get("minimum") };
                mass = mass.max((get("mass") - 1.0).abs());
                Ok(ControlFlow::Continue(()))
            })?;
            moved = moved.max(kinetic.statistics().moved_mass);
        }
    }
    let source = "conservative limiter, documentation of kinetic";
    report
        .gate("smallest density, from a point, loose and large steps", source, Expected::AtLeast(0.0), minimum, 0.0)
        .why("exact: what the formulas leave below zero is moved, never left");
    report
        .gate("mass moved in these runs", source, Expected::AtLeast(1e-12), moved, 0.0)
        .why("above the rounding: otherwise the gate on the sign would test nothing, and nothing would be counted");
    report
        .gate("mass of the joint density at all times", "EQUATIONS 1b", Expected::AtMost(1e-12), mass, 0.0)
        .why("some hundred steps, each to rounding");
    Ok(())
}

fn free_energy(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let mut panel = Panel::new("Free energy without selection", "t/ε", "∫ f log(f/G) above its limit").log_x().log_y();
    let mut rise = f64::NEG_INFINITY;
    // Every third point of each ε, in turn: the curves lie on each other.
    for (offset, epsilon) in [1.0, 1e-4, 1e-8].into_iter().enumerate() {
        let theta = Axis::uniform("theta", -3.5, 3.5, 128)?;
        let mut kinetic = Kinetic::new(double_well(epsilon), theta, 8, Steps::Tolerance(1e-5))?;
        let times: Vec<f64> =
            learning_dynamics::record::logarithmic(1e-3, 30.0, 12)?.iter().map(|t| t * epsilon).collect();
        let mut energy: Vec<f64> = Vec::new();
        kinetic.run(&times, &mut |frame| {
            energy.extend(frame.get("moments", "free_energy").unwrap_or(&[f64::NAN]));
            Ok(ControlFlow::Continue(()))
        })?;
        rise = energy.windows(2).map(|w| w[1] - w[0]).fold(rise, |a, b| if b.is_nan() { b } else { a.max(b) });
        let scaled: Vec<f64> = times.iter().map(|t| t / epsilon).collect();
        // ∫ρ log ρ of the uniform law of h on [−1, 1].
        let limit = -(2f64.ln());
        let above: Vec<f64> = energy.iter().map(|e| e - limit).collect();
        panel = panel.points(
            &format!("ε = {}", power_of_ten(epsilon)),
            &scaled[offset..].iter().copied().step_by(3).collect::<Vec<_>>(),
            &above[offset..].iter().copied().step_by(3).collect::<Vec<_>>(),
            &[],
        );
        if epsilon == 1.0 {
            let time = axis("scaled_time", "t/ε", &scaled);
            report.data(Field::array("free_energy", "above_limit", "free energy above its limit", &[&time], above));
        }
    }
    report
        .gate("largest rise of the free energy, κ = 0", "EQUATIONS 1d", Expected::AtMost(1e-12), rise, 0.0)
        .why("rounding of the sum over some thousand cells; two wells, three ε");
    Ok(panel)
}

fn gaps(problem: &Population, half: f64, cells: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let theta = Axis::uniform("theta", -half, half, cells)?;
    let grid = HyperGrid::new(problem.h[0], 2)?;
    let generator = FokkerPlanck::new(problem, &theta, &grid)?.generator(0);
    let rate = |i, j| generator.get(i, j).copied().unwrap_or(0.0);
    let right: Vec<f64> = (0..cells - 1).map(|j| rate(j + 1, j)).collect();
    let left: Vec<f64> = (0..cells - 1).map(|j| rate(j, j + 1)).collect();
    Ok(relaxation_rates(&right, &left)?)
}

/// How fast the distance to the Gibbs law falls in a run, against the eigenvalues of the generator.
fn relaxation(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let mut panel = Panel::new("Relaxation at the spectral gap", "t/ε", "L1 distance to the Gibbs law").log_y();
    let epsilon = 1e-2;
    for (name, problem, half) in [("quadratic", training(epsilon), 7.0), ("double well", double_well(epsilon), 3.5)] {
        let cells = 96;
        let rates = gaps(&problem, half, cells)?;
        let gap = rates[1] / epsilon;
        let times: Vec<f64> = (0..=40).map(|k| 0.25 * f64::from(k) / gap).collect();
        let theta = Axis::uniform("theta", -half, half, cells)?;
        let mut kinetic = Kinetic::new(problem.clone(), theta.clone(), 2, Steps::Tolerance(1e-10))?;
        let potential: Vec<f64> = theta.centres.iter().map(|t| problem.loss.value(&[*t], &[-0.5]) / 0.5).collect();
        let law = cell_masses(&potential, &vec![theta.width(); cells]);
        let mut distances = Vec::new();
        for &time in &times {
            kinetic.run(&[time], &mut |_| Ok(ControlFlow::Continue(())))?;
            let slice: Vec<f64> = kinetic.masses().iter().step_by(2).map(|m| 2.0 * m).collect();
            distances.push(distance(&slice, &law));
        }
        let measured = (distances[24] / distances[40]).ln() / (times[40] - times[24]);
        report.note(format!("{name}: first rates of the generator {}", list(&rates[..4])));
        report
            .gate(
                &format!("relaxation rate of a run over the spectral gap, {name}"),
                "Risken (1989) §5.5; Karlin & McGregor (1957)",
                Expected::Within { value: 1.0, tolerance: 1e-3 },
                measured / gap,
                0.0,
            )
            .why("between 6 and 10 relaxation times the next eigenvalue has left less than e^{−6} of a part in ten");
        let scaled: Vec<f64> = times.iter().map(|t| t / epsilon).collect();
        let limit: Vec<f64> = times.iter().map(|t| distances[40] * (-gap * (t - times[40])).exp()).collect();
        panel = panel
            .points(name, &scaled, &distances, &[])
            .dashed(&format!("e^(−gap t), {name}"), &scaled, &limit)
            .same_colour();
    }
    let found = [gaps(&training(1.0), 7.0, 160)?[1], gaps(&training(1.0), 7.0, 320)?[1]];
    let limit = (4.0 * found[1] - found[0]) / 3.0;
    report.note(format!("gap of the quadratic loss, 160 and 320 cells: {} {}", number(found[0]), number(found[1])));
    report
        .gate(
            "spectral gap of the quadratic loss, extrapolated, over k/ε",
            "Risken (1989) §5.5",
            Expected::Within { value: 1.0, tolerance: 1e-5 },
            limit / quadratic_gap(1.0, 1.0, 1.0),
            0.0,
        )
        .why("the fourth power of the width, 0.06⁴ = 1e-5");
    Ok(panel)
}
