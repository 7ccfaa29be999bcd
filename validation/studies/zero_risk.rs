//! Whether the risk can vanish: the infimum over neuron measures, and where the flow goes.

use std::error::Error;

use faer::Mat;
use faer::linalg::solvers::SolveLstsq;
use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::HermiteSeries;
use learning_dynamics::neurons::{FlowSettings, NeuronFlow};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Link, SingleIndex};

use super::joint::{axis, list};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// ReLU never learns degree 3; an activation without vanishing coefficients learns everything.
pub const STUDY: Study = Study {
    name: "zero-risk",
    claim: "an activation without vanishing Hermite coefficient drives the risk towards 0 as neurons and time grow; ReLU keeps the residual of degree 3",
    run,
};

/// `Σ_k h_k` of degrees 0 … 4 with coefficients of order one: none vanishes.
const EVERY: [f64; 5] = [0.6, 0.5, 0.4, 0.3, 0.2];
const TARGET: [f64; 4] = [0.5, 0.6, -0.4, 0.4];

/// `inf ½ Σ_k (φ_k − σ_k ∫ s^k dν)²` over signed measures ν on a grid of s, by least squares; degrees up to `degree`.
fn infimum(sigma: &Link, degree: usize) -> learning_dynamics::Result<f64> {
    let series = HermiteSeries::new(sigma, degree, "σ")?;
    let phi = HermiteSeries::new(&TARGET.into(), degree, "φ")?;
    let points = 201;
    let s = |j: usize| 2.0 * j as f64 / (points - 1) as f64 - 1.0;
    // Few equations, many unknowns: the smallest solution of the normal equations of second kind, (A Aᵀ + δ) y = φ.
    let a = Mat::from_fn(degree + 1, points, |k, j| series.coefficients[k] * s(j).powi(k as i32));
    let gram = &a * a.transpose();
    let ridge = 1e-13 * (0..=degree).map(|k| gram[(k, k)]).sum::<f64>();
    let shifted = Mat::from_fn(degree + 1, degree + 1, |k, l| gram[(k, l)] + if k == l { ridge } else { 0.0 });
    let right = Mat::from_fn(degree + 1, 1, |k, _| phi.coefficients[k]);
    let y = shifted.qr().solve_lstsq(&right);
    // What is left is δ y.
    Ok(0.5 * (0..=degree).map(|k| (ridge * y[(k, 0)]).powi(2)).sum::<f64>())
}

/// m second-layer weights, half of each sign, and directions spread a little around the equator.
fn start(sigma: &Link, m: usize, epsilon: f64) -> SingleIndex {
    let a = (0..m).map(|i| (1.0 + 7.0 * i as f64).sin()).collect();
    let mut problem = SingleIndex::new(sigma.clone(), TARGET, epsilon, a);
    problem.s = (0..m).map(|i| 0.3 * (2.0 + 5.0 * i as f64).sin()).collect();
    problem
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let relu = Link::from(Activation::Relu);
    let every = Link::from(EVERY);
    let rest = 0.5 * TARGET[3] * TARGET[3];
    let degrees = level.pick(vec![4, 8, 16], vec![4, 8, 16, 32]);
    let mut least = Vec::new();
    for &degree in &degrees {
        least.push(infimum(&relu, degree)?);
    }
    report.note(format!("ReLU: infimum over measures {} with degrees up to {degrees:?}", list(&least)));
    report
        .gate(
            "infimum of the risk over neuron measures, ReLU",
            "EQUATIONS 3: ½ φ₃², since σ₃ = 0",
            Expected::Within { value: rest, tolerance: 1e-8 },
            least[least.len() - 1],
            0.0,
        )
        .why("least squares with a ridge of 1e-13");
    report
        .gate(
            "infimum of the risk over neuron measures, no coefficient vanishes",
            "EQUATIONS 3: 0",
            Expected::AtMost(1e-8),
            infimum(&every, 4)?,
            0.0,
        )
        .why("least squares with a ridge of 1e-13");
    let times: Vec<f64> = (-8..=level.pick(12, 20)).map(|k| 10f64.powf(0.25 * f64::from(k))).collect();
    let along = axis("time", "time", &times);
    let sizes = level.pick(vec![4, 16, 64], vec![4, 16, 64, 256]);
    let mut panel = Panel::new("Risk", "t", "risk").log_x().log_y().y_range(1e-7, 1.0);
    for (sigma, name, series) in [(&relu, "ReLU", Some(60)), (&every, "σ_k ≠ 0", None)] {
        let (mut ends, mut ten) = (Vec::new(), f64::NAN);
        for (&m, field) in sizes.iter().zip(["m_4", "m_16", "m_64", "m_256"]) {
            let settings = FlowSettings { tolerance: 1e-6, series, degrees: 4, ..FlowSettings::default() };
            let mut flow = NeuronFlow::new(start(sigma, m, 1e-2), settings)?;
            let mut risk = Vec::new();
            for &time in &times {
                flow.advance_to(time)?;
                risk.push(flow.risk().risk);
            }
            ends.push(risk[risk.len() - 1]);
            ten = risk[12];
            panel = panel.line(&format!("{name}, m = {m}"), &times, &risk);
            let group = if name == "ReLU" { "relu" } else { "every" };
            report.data(Field::array(group, field, "risk of the simplified flow", &[&along], risk));
            if m == sizes[sizes.len() - 1] && name == "ReLU" {
                let residual = flow.risk().residuals[3];
                report
                    .gate(
                        "residual of degree 3 at the end, ReLU",
                        "φ₃ for ever",
                        Expected::Within { value: TARGET[3], tolerance: 1e-15 },
                        residual,
                        0.0,
                    )
                    .why("σ₃ = 0 exactly");
            }
        }
        report.note(format!("{name}: risk at t = {:.0} with m = {sizes:?}: {}", times[times.len() - 1], list(&ends)));
        let last = ends[ends.len() - 1];
        if name == "ReLU" {
            report
                .gate(
                    "risk of the flow above ½ φ₃² at the end over that at t = 10, ReLU, most neurons",
                    "EQUATIONS 3",
                    Expected::Between(0.0, 0.6),
                    (last - rest) / (ten - rest),
                    0.0,
                )
                .why("it must not fall below, and falls on, however slowly: high degrees are learnt by few neurons near s = ±1");
        } else {
            report
                .gate(
                    "risk of the flow at the end, no coefficient vanishes, most neurons",
                    "EQUATIONS 3: towards 0",
                    Expected::AtMost(1e-3),
                    last,
                    0.0,
                )
                .why("a hundredth of what ReLU keeps");
            report
                .gate(
                    "risk with few neurons over that with most",
                    "as m grows",
                    Expected::AtLeast(1.0),
                    ends[0] / last.max(1e-15),
                    0.0,
                )
                .why("more neurons learn no less; below 1e-15 a risk is rounding of either sign");
        }
    }
    panel = panel.dashed("½ φ₃²", &[times[0], times[times.len() - 1]], &[rest, rest]);
    report.picture("risk", Picture::new(1).panel(panel));
    Ok(report)
}
