//! Training alone on a quadratic loss: the joint equation against the Ornstein–Uhlenbeck process.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use learning_dynamics::exact::GaussianMoments;
use learning_dynamics::exact::ornstein_uhlenbeck::OrnsteinUhlenbeck;
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Coefficient, InitialTheta, Kernel, Law, Population, Quadratic, Selection};
use rayon::prelude::*;

use super::joint::{
    axis, distance, extrapolated, largest_difference, list, moments, power_of_ten, quadratic, worst_order,
};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// All moments and the density at all times, for any ε and for D(h), μ(h).
pub const STUDY: Study = Study {
    name: "ornstein-uhlenbeck",
    claim: "selection off, quadratic loss: moments and density are those of the Ornstein–Uhlenbeck process at all times",
    run,
};

const STIFFNESS: f64 = 2.0;
const DIFFUSION: f64 = 0.3;
/// θ given h starts with mean `1 + ½(h + ½)` and variance 0.16.
const SPREAD: f64 = 0.16;

fn start(h: f64) -> f64 {
    1.0 + 0.5 * (h + 0.5)
}

fn problem(epsilon: f64) -> Population {
    let mut problem = quadratic(epsilon);
    problem.diffusion = DIFFUSION.into();
    problem.loss = Arc::new(Quadratic::new(STIFFNESS, 1));
    problem.selection = Selection::Off;
    problem.mutation = vec![Kernel::None];
    problem.initial.h = vec![Law::Gaussian { mean: -0.5, std: 0.5 }];
    problem.initial.theta =
        InitialTheta::Given(Arc::new(|h| vec![Law::Gaussian { mean: start(h[0]), std: SPREAD.sqrt() }]));
    problem
}

/// t/ε of the records.
const SCALED: [f64; 10] = [0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 5.0];

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let epsilons = level.pick(vec![1.0, 1e-2, 1e-8], vec![1.0, 1e-1, 1e-2, 1e-4, 1e-6, 1e-8]);
    let (history, order) = by_moments(&mut report, &epsilons)?;
    let density = learning_rate(&mut report)?;
    report.picture("moments", Picture::new(3).panel(history).panel(order).panel(density));
    Ok(report)
}

fn by_moments(report: &mut Report, epsilons: &[f64]) -> Result<(Panel, Panel), Box<dyn Error>> {
    let cells = [40, 80, 160, 320];
    let initial = GaussianMoments {
        mean_theta: start(-0.5),
        mean_h: -0.5,
        var_theta: SPREAD + 0.25 * 0.25,
        cov: 0.5 * 0.25,
        var_h: 0.25,
    };
    let widths = cells.map(|c| 12.0 / c as f64);
    let mut history = Panel::new("Moments", "t/ε", "moment").log_x();
    let mut order =
        Panel::new("Error of the moments", "cell width", "largest error of 5 moments at 10 times").log_x().log_y();
    let found: Vec<Vec<Vec<f64>>> = epsilons
        .par_iter()
        .map(|&epsilon| {
            let times = SCALED.map(|t| t * epsilon);
            cells.map(|c| moments(&problem(epsilon), (-6.0, 6.0), (c, c), 1e-8, &times)).into_iter().collect()
        })
        .collect::<learning_dynamics::Result<_>>()?;
    for (&epsilon, grids) in epsilons.iter().zip(found) {
        let process = OrnsteinUhlenbeck { stiffness: STIFFNESS, diffusion: DIFFUSION, mobility: 1.0, epsilon };
        let exact: Vec<f64> = SCALED.iter().flat_map(|t| process.moments(t * epsilon, initial).to_array()).collect();
        let errors: Vec<f64> = grids.iter().map(|g| largest_difference(g, &exact)).collect();
        let limit = extrapolated(grids.clone());
        report.note(format!("ε = {}: errors {}", power_of_ten(epsilon), list(&errors)));
        let source = "Uhlenbeck & Ornstein (1930); EQUATIONS 1d";
        let label = power_of_ten(epsilon);
        report
            .gate(
                &format!("order of the five moments, ε = {label}"),
                source,
                Expected::Within { value: 2.0, tolerance: 0.15 },
                worst_order(&errors),
                0.0,
            )
            .why("the order of the cells, from the worse of the last two refinements");
        report
            .gate(
                &format!("largest error of the five moments, extrapolated, ε = {label}"),
                source,
                Expected::AtMost(1e-6),
                largest_difference(&limit, &exact),
                0.0,
            )
            .why("what is left is the tolerance of the steps, 1e-8, magnified by the extrapolation, and the sixth power of the width");
        order = order.points(&format!("ε = {label}"), &widths, &errors, &[]);
        if epsilon == 1.0 {
            order = order.slope("order 2", 2.0, [widths[0], 0.5 * errors[0]], [widths[3], widths[0]]);
            let fine: Vec<f64> = (0..200).map(|k| 10f64.powf(-2.0 + 2.8 * f64::from(k) / 199.0)).collect();
            let last = &grids[3];
            for (m, name) in [(0, "mean θ"), (2, "variance of θ"), (3, "covariance")] {
                let points: Vec<f64> = (0..SCALED.len()).map(|t| last[5 * t + m]).collect();
                let line: Vec<f64> = fine.iter().map(|t| process.moments(*t, initial).to_array()[m]).collect();
                history = history.points(name, &SCALED, &points, &[]).dashed("", &fine, &line).same_colour();
            }
            let time = axis("scaled_time", "t/ε", &SCALED);
            let moment =
                axis("moment", "mean θ, mean h, variance of θ, covariance, variance of h", &[0.0, 1.0, 2.0, 3.0, 4.0]);
            report.data(Field::array(
                "moments",
                "joint",
                "moments, 320² cells, ε = 1",
                &[&time, &moment],
                last.clone(),
            ));
            report.data(Field::array("moments", "exact", "moments, exact", &[&time, &moment], exact));
        }
    }
    Ok((history, order))
}

/// h as a learning rate: μ = h, D = 0.3 h². Each slice is a process of its own.
fn learning_rate(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let epsilon = 1e-2;
    let mut problem = problem(epsilon);
    (problem.h[0].low, problem.h[0].high) = (0.4, 1.6);
    problem.mobility = Coefficient::Function(Arc::new(|h| h[0]));
    problem.diffusion = Coefficient::Function(Arc::new(|h| DIFFUSION * h[0] * h[0]));
    problem.initial.h = vec![Law::Uniform { low: 0.4, high: 1.6 }];
    let scaled = [0.05, 0.3, 2.0];
    let times = scaled.map(|t| t * epsilon);
    let law = |time: f64, h: f64| {
        let process = OrnsteinUhlenbeck { stiffness: STIFFNESS, diffusion: DIFFUSION * h * h, mobility: h, epsilon };
        process.given_h(time, h, (start(h), SPREAD))
    };
    let cells = [48, 96, 192, 384];
    let slices = 12;
    let mut errors = Vec::new();
    let mut panel = Panel::new("μ = h, D ∝ h²: law of θ at h = 0.45 and 1.55", "θ", "density");
    for c in cells {
        let theta = Axis::uniform("theta", -2.5, 4.5, c)?;
        let mut kinetic = Kinetic::new(problem.clone(), theta.clone(), slices, Steps::Tolerance(1e-8))?;
        let mut worst = 0.0f64;
        for (time, scaled) in times.iter().zip(scaled) {
            kinetic.run(&[*time], &mut |_| Ok(ControlFlow::Continue(())))?;
            let exact: Vec<f64> = theta
                .faces
                .windows(2)
                .flat_map(|face| kinetic.h().points.iter().map(|h| (*h, face[0], face[1])).collect::<Vec<_>>())
                .map(|(h, a, b)| {
                    let (mean, variance) = law(*time, h);
                    Law::Gaussian { mean, std: variance.sqrt() }.mass(a, b) / slices as f64
                })
                .collect();
            worst = worst.max(distance(kinetic.masses(), &exact));
            if c == 96 && scaled != 0.05 {
                for slice in [0, slices - 1] {
                    let h = kinetic.h().points[slice];
                    let scale = slices as f64 / theta.width();
                    let pick = |masses: &[f64]| -> Vec<f64> {
                        masses.iter().skip(slice).step_by(slices).map(|m| m * scale).collect()
                    };
                    let label = format!("h = {h:.2}, t = {scaled} ε");
                    panel = panel.points(&label, &theta.centres, &pick(kinetic.masses()), &[]);
                    panel = panel.dashed("", &theta.centres, &pick(&exact)).same_colour();
                }
            }
        }
        errors.push(worst);
    }
    report.note(format!("density for D(h), μ(h): errors {}", list(&errors)));
    let widths = cells.map(|c| 7.0 / c as f64);
    report.data(Field::array(
        "density",
        "error",
        "L1 error, D(h), μ(h)",
        &[&axis("width", "cell width", &widths)],
        errors.clone(),
    ));
    report
        .gate(
            "order of the joint density, μ = h, D ∝ h²",
            "Uhlenbeck & Ornstein (1930), one process a slice",
            Expected::Within { value: 2.0, tolerance: 0.15 },
            worst_order(&errors),
            0.0,
        )
        .why("the order of the cells, from the worse of the last two refinements, largest of three times");
    report
        .gate(
            "L1 distance to the exact density, μ = h, D ∝ h², 384 cells",
            "Uhlenbeck & Ornstein (1930), one process a slice",
            Expected::AtMost(5e-4),
            errors[3],
            0.0,
        )
        .why("(width/standard deviation)² = (0.018/0.3)² = 4e-3, times a constant of order 1/12 for midpoint rules");
    Ok(panel)
}
