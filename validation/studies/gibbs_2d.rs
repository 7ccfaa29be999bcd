//! The θ-operator with two parameters: order, Gibbs law, sign and mass at any ε, relaxation rate.

use std::sync::Arc;

use faer::{Mat, Side};
use learning_dynamics::exact::ornstein_uhlenbeck::OrnsteinUhlenbeck;
use learning_dynamics::frame::Field;
use learning_dynamics::grid::{Axis, Potential};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;
use rayon::prelude::*;

use super::joint::worst_order;
use super::plane::*;
use super::toy::*;
use super::{Level, Study};
use crate::fit::observed_orders;
use crate::report::{Expected, Report, number};

/// Two parameters.
pub const STUDY: Study = Study {
    name: "gibbs-2d",
    claim: "two parameters, solved whole: order 2, the Gibbs law to rounding at any ε, mass, sign, the spectral gap",
    run,
};

const SOURCE: &str = "Scharfetter & Gummel (1969) fluxes in both directions; EQUATIONS 1d, discrete Gibbs density";

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let order = orders(&mut report, level)?;
    stationarity(&mut report)?;
    let gap = relaxation(&mut report)?;
    report.picture("gibbs-2d", Picture::new(2).panel(order).panel(gap));
    Ok(report)
}

/// One cell of h, at 0.
fn training(loss: Arc<dyn Loss>, diffusion: f64, laws: [Law; 2]) -> Population {
    let mut problem = himmelblau(1.0, Selection::Off);
    problem.loss = loss;
    problem.diffusion = diffusion.into();
    problem.initial.theta = InitialTheta::Law(laws.to_vec());
    problem
}

/// `½·1.5|θ|²`, whatever h.
#[derive(Debug)]
struct Bowl;

const STIFFNESS: f64 = 1.5;

impl Loss for Bowl {
    fn value(&self, theta: &[f64], _h: &[f64]) -> f64 {
        0.5 * STIFFNESS * theta.iter().map(|t| t * t).sum::<f64>()
    }

    fn gradient(&self, theta: &[f64], _h: &[f64], out: &mut [f64]) {
        out.iter_mut().zip(theta).for_each(|(out, t)| *out = STIFFNESS * t);
    }

    fn dimension(&self) -> usize {
        2
    }
}

/// Of the rectangle whose cells are not squares.
const HALVES: [f64; 2] = [4.5, 3.9];

fn rectangle(n: usize) -> Outcome<[Axis; 2]> {
    let [one, two] = HALVES;
    Ok([Axis::uniform("theta_1", -one, one, n)?, Axis::uniform("theta_2", -two, two, n)?])
}

fn orders(report: &mut Report, level: Level) -> Outcome<Panel> {
    let (time, diffusion) = (0.4, 0.5);
    let laws = [Law::Gaussian { mean: 1.0, std: 0.5 }, Law::Gaussian { mean: -0.7, std: 0.6 }];
    let ou = OrnsteinUhlenbeck { stiffness: STIFFNESS, mobility: 1.0, diffusion, epsilon: 1.0 }.validated()?;
    let exact = [ou.given_h(time, 0.0, (1.0, 0.25)), ou.given_h(time, 0.0, (-0.7, 0.36))];
    let cells = level.pick(vec![32, 64, 128], vec![32, 64, 128, 256]);
    let errors = cells
        .par_iter()
        .map(|&n| {
            let problem = training(Arc::new(Bowl), diffusion, laws.clone());
            let kinetic =
                rectangle(n).and_then(|axes| train(problem, axes, 1e-10, time)).map_err(|error| error.to_string())?;
            let [one, two] = [0, 1].map(|k| {
                let ((mean, variance), half) = (exact[k], HALVES[k]);
                let law = Law::Gaussian { mean, std: variance.sqrt() };
                let edge = |k: usize| -half + 2.0 * half * k as f64 / n as f64;
                (0..n).map(|k| law.mass(edge(k), edge(k + 1))).collect::<Vec<_>>()
            });
            let product: Vec<f64> = one.iter().flat_map(|a| two.iter().map(move |b| a * b)).collect();
            Ok(l1(kinetic.masses(), &product))
        })
        .collect::<Result<Vec<f64>, String>>()?;
    gate_order(report, "quadratic loss, exact Gaussian", &cells, &errors);
    // A loss that does not separate, against the same cells halved.
    let fine: Vec<Kinetic> = cells
        .iter()
        .map(|&n| {
            let laws = [Law::Gaussian { mean: 0.3, std: 0.8 }, Law::Gaussian { mean: 0.0, std: 0.8 }];
            train(training(Arc::new(Himmelblau::new(50.0)), 0.5, laws), square(6.0, n)?, 1e-10, 0.3)
        })
        .collect::<Outcome<_>>()?;
    let differences: Vec<f64> =
        fine.windows(2).zip(&cells[1..]).map(|(pair, &n)| l1(pair[0].masses(), &coarse(pair[1].masses(), n))).collect();
    report.note(format!(
        "Himmelblau/50, t = 0.3: L1 distance of a grid from the next, {} cells: {} (orders {}).",
        list(&cells.iter().map(|n| *n as f64).collect::<Vec<_>>()),
        list(&differences),
        list(&observed_orders(&differences))
    ));
    report
        .gate(
            "Himmelblau/50: order of the difference of grids that are halved",
            SOURCE,
            Expected::Within { value: 2.0, tolerance: 0.15 },
            worst_order(&differences),
            0.0,
        )
        .why("last refinements to ±0.15");
    let widths: Vec<f64> = cells.iter().map(|n| 9.0 / *n as f64).collect();
    let axis = axis("width", "width of a cell", &widths);
    report.data(Field::array("order", "error", "L1 error, quadratic loss", &[&axis], errors.clone()));
    Ok(Panel::new("Space order, two parameters", "width of a cell", "L1 error")
        .log_x()
        .log_y()
        .points("quadratic", &widths, &errors, &[])
        .points("Himmelblau, difference to the next grid", &widths[..differences.len()], &differences, &[])
        .slope("slope 2", 2.0, [widths[0], errors[0]], [widths[widths.len() - 1], widths[0]]))
}

fn gate_order(report: &mut Report, what: &str, cells: &[usize], errors: &[f64]) {
    report.note(format!(
        "{what}: L1 error {} on {} cells each way (orders {}).",
        list(errors),
        list(&cells.iter().map(|n| *n as f64).collect::<Vec<_>>()),
        list(&observed_orders(errors))
    ));
    report
        .gate(
            &format!("{what}: order in the width of cells"),
            SOURCE,
            Expected::Within { value: 2.0, tolerance: 0.15 },
            worst_order(errors),
            0.0,
        )
        .why("last two refinements to ±0.15");
}

/// The discrete Gibbs law stays, and everything comes to it, at any stiffness.
fn stationarity(report: &mut Report) -> Outcome<()> {
    let losses: [(&str, Arc<dyn Loss>, f64); 3] = [
        ("Himmelblau/100, D = 0.5", Arc::new(Himmelblau::new(100.0)), 0.5),
        ("Himmelblau/10, D = 0.1: L/D to 10⁴", Arc::new(Himmelblau::new(10.0)), 0.1),
        ("quadratic", Arc::new(Bowl), 0.2),
    ];
    let (mut drift, mut mass, mut lowest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (name, loss, diffusion) in losses {
        for end in [1e-3, 1.0, 1e4, 1e8] {
            let mut problem = training(loss.clone(), diffusion, [Law::Point { at: 0.0 }, Law::Point { at: 0.0 }]);
            problem.initial.theta = InitialTheta::Equilibrium;
            let axes = square(6.5, 56)?;
            let start = Kinetic::new(problem.clone(), axes.clone(), 1, Steps::Tolerance(1e-8))?.masses().to_vec();
            let kinetic = train(problem, axes, 1e-8, end)?;
            let found = l1(kinetic.masses(), &start);
            drift = largest([drift, found]);
            mass = largest([mass, (kinetic.masses().iter().sum::<f64>() - 1.0).abs()]);
            lowest = smallest([lowest, smallest(kinetic.masses().iter().copied())]);
            if found > 1e-12 {
                report.note(format!("{name}, t = {end:e}: drift {}.", number(found)));
            }
        }
    }
    report
        .gate(
            "Gibbs law as initial law: largest L1 drift, t/ε = 1e-3 … 1e8, three losses",
            SOURCE,
            Expected::AtMost(1e-11),
            drift,
            0.0,
        )
        .why("30 solves, each exact to some 1e-15 of each cell, through a recurrence that adds them up");
    // From one corner, sign and mass.
    for end in [1e-6, 1e-2, 1.0, 1e6] {
        let corner = Law::Uniform { low: 3.0, high: 3.5 };
        let problem = training(Arc::new(Himmelblau::new(50.0)), 0.5, [corner.clone(), corner]);
        let kinetic = train(problem, square(6.0, 48)?, 1e-6, end)?;
        mass = largest([mass, (kinetic.masses().iter().sum::<f64>() - 1.0).abs()]);
        lowest = smallest([lowest, smallest(kinetic.masses().iter().copied())]);
    }
    report
        .gate(
            "largest |mass − 1| of those runs and four from a corner",
            "conservation",
            Expected::AtMost(1e-12),
            mass,
            0.0,
        )
        .why("rounding of sums over 3000 cells");
    report
        .gate("smallest mass of a cell in them", "f ≥ 0", Expected::AtLeast(0.0), lowest, 0.0)
        .why("none is negative");
    Ok(())
}

/// The slowest mode: the probability of a well relaxes at the gap of the generator, and on fine grids at that of the loss.
fn relaxation(report: &mut Report) -> Outcome<Panel> {
    // Two parameters, double well in one and bowl in the other: the gap is the double well's.
    let laws = [Law::Gaussian { mean: 1.0, std: 0.3 }, Law::Gaussian { mean: 0.5, std: 0.3 }];
    let problem = training(Arc::new(Himmelblau::new(50.0)), 1.0, laws);
    let n = 26;
    let axes = square(5.2, n)?;
    let mut training = problem;
    training.selection = Selection::Off;
    let mut kinetic = Kinetic::new(training, axes, 1, Steps::Tolerance(1e-11))?;
    let matrix = kinetic.fokker_planck().generator(0);
    let gibbs = Potential::new(kinetic.problem(), kinetic.theta(), kinetic.h().point(0))?.gibbs();
    let size = n * n;
    let mut symmetric = Mat::<f64>::zeros(size, size);
    for (&value, (row, column)) in &matrix {
        symmetric[(row, column)] += 0.5 * value * (gibbs[column] / gibbs[row]).sqrt();
        symmetric[(column, row)] += 0.5 * value * (gibbs[column] / gibbs[row]).sqrt();
    }
    let eigen = symmetric.self_adjoint_eigen(Side::Lower).map_err(|e| format!("{e:?}"))?;
    let mut rates: Vec<f64> = eigen.S().column_vector().iter().map(|v| -v).collect();
    rates.sort_by(f64::total_cmp);
    // Of broken rates nothing need be positive; the gates below shall say so.
    let gap = rates[1].abs().max(1e-3);
    let times: Vec<f64> = (0..9).map(|k| (4.0 + f64::from(k)) / gap).collect();
    let mut excess = Vec::new();
    let theta = kinetic.theta().clone();
    let mean = |masses: &[f64]| -> f64 { masses.iter().enumerate().map(|(c, m)| m * theta.point(c)[0]).sum() };
    let rest = mean(&gibbs);
    for &time in &times {
        record(&mut kinetic, &[time])?;
        excess.push((mean(kinetic.masses()) - rest).abs());
    }
    let rate = (excess[0] / excess[8]).ln() / (times[8] - times[0]);
    report.note(format!(
        "Himmelblau/50, D = 1, {n}²: slowest rates {}; |⟨θ₁⟩ − equilibrium| {} at gap·t = 4 … 12.",
        list(&rates[..4]),
        list(&excess)
    ));
    report
        .gate(
            "relaxation rate of ⟨θ₁⟩ over the gap of the generator, gap·t = 4 … 12",
            "spectral decomposition of the symmetrised generator",
            Expected::Within { value: 1.0, tolerance: 1e-3 },
            rate / gap,
            0.0,
        )
        .why("the next mode, 2.3 times as fast, has decayed by e^(−4·1.3) against the first at the first time: over gap·t = 8, 7e-4");
    report
        .gate(
            "stationary mode of the generator: its rate over the gap",
            SOURCE,
            Expected::AtMost(1e-10),
            rates[0].abs() / gap,
            0.0,
        )
        .why("rounding of a dense eigenvalue solver: 1e-15 of the largest rate");
    let axis = axis("time", "time", &times);
    report.data(Field::array(
        "relaxation",
        "excess",
        "distance of the mean of theta_1 from equilibrium",
        &[&axis],
        excess.clone(),
    ));
    let model: Vec<f64> = times.iter().map(|t| excess[0] * (-gap * (t - times[0])).exp()).collect();
    Ok(Panel::new("Relaxation at the gap", "t", "|⟨θ₁⟩ − equilibrium|")
        .log_y()
        .points("cells", &times, &excess, &[])
        .dashed("e^(−gap·t)", &times, &model))
}
