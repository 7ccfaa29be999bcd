//! Where the simplified flow of neurons stands for the full one: m against ε^(−1/2).

use std::error::Error;

use learning_dynamics::frame::Field;
use learning_dynamics::neurons::{Flow, FlowSettings, NeuronFlow};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, SingleIndex};

use super::joint::{axis, list, power_of_ten};
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// The gap of the risks over m√ε, and what makes it.
pub const STUDY: Study = Study {
    name: "full-against-simplified",
    claim: "the simplified flow stands for the full one where m ≫ ε^(−1/2): in the full flow neurons of the same direction soon share one weight",
    run,
};

/// m quantiles of the normal law: the same law for every m, without sampling noise.
fn quantiles(m: usize) -> Vec<f64> {
    let cdf = |x: f64| 0.5 * libm::erfc(-x / 2_f64.sqrt());
    (0..m)
        .map(|i| {
            let p = (i as f64 + 0.5) / m as f64;
            let (mut low, mut high) = (-8.0, 8.0);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if cdf(middle) < p { low = middle } else { high = middle }
            }
            0.5 * (low + high)
        })
        .collect()
}

/// The risks of both flows at `times`, from s = 0.
fn risks(epsilon: f64, m: usize, times: &[f64]) -> learning_dynamics::Result<[Vec<f64>; 2]> {
    let problem = SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], epsilon, quantiles(m));
    let run = |flow| {
        let settings = FlowSettings { flow, tolerance: 1e-5, degrees: 3, ..FlowSettings::default() };
        let mut flow = NeuronFlow::new(problem.clone(), settings)?;
        times
            .iter()
            .map(|&time| {
                flow.advance_to(time)?;
                Ok(flow.risk().risk)
            })
            .collect::<learning_dynamics::Result<Vec<f64>>>()
    };
    Ok([run(Flow::Simplified)?, run(Flow::Full)?])
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    equalisation(&mut report)?;
    let times: Vec<f64> = (-8..=4).map(|k| 10f64.powf(0.25 * f64::from(k))).collect();
    let along = axis("time", "time", &times);
    let epsilons = level.pick(vec![1e-1, 1e-2, 1e-3], vec![1e-1, 1e-2, 1e-3, 1e-4]);
    let most = level.pick(80, 160);
    let mut gaps = Panel::new("Largest gap of the risks, t ≤ 10", "m √ε", "max |R − R_simplified|").log_x().log_y();
    let mut curves = Panel::new("Risk, ε = 10⁻³", "t", "risk").log_x().log_y();
    for (at, &epsilon) in epsilons.iter().enumerate() {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        let sizes = [5, 10, 20, 40, 80, 160].into_iter().filter(|&m| m <= most || at == 0).collect::<Vec<usize>>();
        for &m in &sizes {
            let [simple, full] = risks(epsilon, m, &times)?;
            let gap = simple.iter().zip(&full).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            x.push(m as f64 * epsilon.sqrt());
            y.push(gap);
            if epsilon == 1e-3 && (m == 10 || m == 40) {
                curves = curves.line(&format!("full, m = {m}"), &times, &full);
                curves = curves.dashed(&format!("simplified, m = {m}"), &times, &simple).same_colour();
                let name = if m == 10 { "full_10" } else { "full_40" };
                report.data(Field::array("risk", name, "risk of the full flow, ε = 1e-3", &[&along], full));
            }
        }
        report.note(format!("ε = {}: gap {} at m = {sizes:?}", power_of_ten(epsilon), list(&y)));
        let text = power_of_ten(epsilon);
        if at == 0 {
            let (slope, error) = fit_slope(&x[2..], &y[2..]);
            report
                .gate(
                    &format!("exponent of the gap in m, ε = {text}"),
                    "EQUATIONS 3: the self-terms are one in m",
                    Expected::Within { value: -1.0, tolerance: 0.2 },
                    slope,
                    error,
                )
                .why("first order of perturbation by self-terms of weight 1/m; the next order where m√ε is 6");
        }
        if epsilon == 1e-3 {
            let small = y[0];
            let large = y[y.len() - 1];
            report
                .gate(
                    "gap at m = 5, ε = 10⁻³, over that at the most neurons",
                    "EQUATIONS 3: m ≫ ε^(−1/2) is needed",
                    Expected::AtLeast(2.0),
                    small / large,
                    0.0,
                )
                .why("m√ε grows sixteenfold from 0.16; a gap that did not depend on m would give 1");
            report
                .gate("gap at m = 5, ε = 10⁻³", "EQUATIONS 3", Expected::AtLeast(0.1), small, 0.0)
                .why("far below m = ε^(−1/2) = 32 the full flow learns an order of magnitude later: its risk is still near the plateau, 0.3");
        }
        gaps = gaps.points(&format!("ε = {text}"), &x, &y, &[]);
    }
    gaps = gaps.slope("−1", -1.0, [3.0, 0.05], [1.0, 15.0]);
    report.picture("gap", Picture::new(2).panel(gaps).panel(curves));
    Ok(report)
}

/// At s = 0, r = 1 the differences of the a_i fall at the rate (U(1) − U(0))/(mε), in the full flow only.
fn equalisation(report: &mut Report) -> Result<(), Box<dyn Error>> {
    // Without a linear part of the target nothing moves off s = 0.
    let (epsilon, m) = (1e-3, 8);
    let problem = SingleIndex::new(Activation::Relu, [0.8], epsilon, quantiles(m));
    let time = m as f64 * epsilon;
    for flow in [Flow::Full, Flow::Simplified] {
        let mut run = NeuronFlow::new(problem.clone(), FlowSettings { flow, ..FlowSettings::default() })?;
        run.advance_to(time)?;
        let spread = (run.a()[m - 1] - run.a()[0]) / (problem.a[m - 1] - problem.a[0]);
        // The full flow from r = 1 also turns neurons towards or away from each other, by O(m ε).
        let (expected, tolerance) = match flow {
            Flow::Full => ((-(0.5 - 0.5 * std::f64::consts::FRAC_1_PI)).exp(), 0.01),
            Flow::Simplified => (1.0, 1e-6),
        };
        report
            .gate(
                &format!("spread of a at t = mε over its start, {flow:?} flow"),
                "EQUATIONS 3: rate (U(1) − U(0))/(mε)",
                Expected::Within { value: expected, tolerance },
                spread,
                0.0,
            )
            .why(match flow {
                Flow::Full => "overlaps move by some a² t = 0.01 meanwhile",
                Flow::Simplified => "all a_i move alike; the tolerance of the run",
            });
    }
    Ok(())
}
