//! How the time at which each degree is learnt scales with ε.

use std::error::Error;

use learning_dynamics::exact::LearningOrder;
use learning_dynamics::exact::learning_order::time_exponent;
use learning_dynamics::frame::Field;
use learning_dynamics::neurons::{FlowSettings, NeuronFlow, learning_times};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Link, SingleIndex};
use learning_dynamics::record::logarithmic;
use rayon::prelude::*;

use super::joint::{axis, list};
use super::learning_order::{A, problem, settings};
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// Seven decades of ε.
pub const STUDY: Study = Study {
    name: "time-scales",
    claim: "constant, linear and quadratic part are learnt at t ≍ ε, √ε log(1/ε) and ε^(1/4); a missing degree stalls what follows; φ₁σ₁ = 0 stays at s = 0",
    run,
};

const SOURCE: &str = "EQUATIONS 3; Berthier, Montanari & Zhou (2024)";

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let halves = level.pick(1, 4);
    let epsilons: Vec<f64> = (2 * halves..=8 * halves).map(|k| 10f64.powf(-f64::from(k) / f64::from(halves))).collect();
    let found: Vec<Vec<f64>> = epsilons
        .par_iter()
        .map(|&epsilon| times(problem(epsilon), settings(1e-9), 10.0))
        .collect::<learning_dynamics::Result<_>>()?;
    let of = |degree: usize| found.iter().map(|t| t[degree]).collect::<Vec<f64>>();
    let learnt = [of(0), of(1), of(2)];
    let along = axis("epsilon", "ε", &epsilons);
    for (name, times) in ["constant", "linear", "quadratic"].into_iter().zip(&learnt) {
        report.data(Field::array("times", name, "time at which half is learnt", &[&along], times.clone()));
    }
    let orders: Vec<LearningOrder> =
        epsilons.iter().map(|&e| LearningOrder::new(&problem(e))).collect::<learning_dynamics::Result<_>>()?;
    let expected: Vec<f64> = orders.iter().map(LearningOrder::linear_time).collect();
    let quadratic: Vec<f64> =
        orders.iter().map(LearningOrder::quadratic_time).collect::<learning_dynamics::Result<_>>()?;
    constant(&mut report, &epsilons, &learnt[0], &orders);
    let scaled = linear(&mut report, &epsilons, &learnt[1], &expected, orders[0].linear_expansion());
    let corrected = second(&mut report, &epsilons, &learnt[2], &quadratic, orders[0].quadratic_limit()?);
    let mut all = Panel::new("Half learnt; dashed: predicted", "ε", "t").log_x().log_y();
    let constants: Vec<f64> = orders.iter().map(LearningOrder::constant_time).collect();
    for (name, times, predicted) in
        [("constant", &learnt[0], &constants), ("linear", &learnt[1], &expected), ("quadratic", &learnt[2], &quadratic)]
    {
        all = all.points(name, &epsilons, times, &[]).dashed("", &epsilons, predicted).same_colour();
    }
    let gaps = missing(&mut report)?;
    still(&mut report)?;
    report.picture("time-scales", Picture::new(2).panel(all).panel(scaled).panel(corrected).panel(gaps));
    Ok(report)
}

/// When each degree is learnt; NaN for never before `end`.
fn times(problem: SingleIndex, settings: FlowSettings, end: f64) -> learning_dynamics::Result<Vec<f64>> {
    let grid = logarithmic(1e-2 * problem.epsilon, end, 20)?;
    Ok(learning_times(problem, settings, &grid)?.iter().map(|t| t.unwrap_or(f64::NAN)).collect())
}

fn constant(report: &mut Report, epsilons: &[f64], found: &[f64], orders: &[LearningOrder]) {
    let off: Vec<f64> = found.iter().zip(orders).map(|(t, order)| (t / order.constant_time() - 1.0).abs()).collect();
    report.note(format!("t₀ σ₀²/(ε ln 2) − 1 at ε = {}: {}", list(epsilons), list(&off)));
    let worst = off.iter().zip(epsilons).map(|(off, e)| off / e).fold(0.0, f64::max);
    report
        .gate("constant: largest |t₀/(ε ln 2/σ₀²) − 1|/ε, ε = 1e-2 … 1e-8", SOURCE, Expected::AtMost(1.0), worst, 0.0)
        .why("exact at s = 0; s = O(ε) in the layer, with coefficients of order 1");
}

fn linear(report: &mut Report, epsilons: &[f64], found: &[f64], expected: &[f64], expansion: [f64; 2]) -> Panel {
    let logs: Vec<f64> = epsilons.iter().map(|e| (1.0 / e).ln()).collect();
    let scaled: Vec<f64> = found.iter().zip(epsilons).map(|(t, e)| t / e.sqrt()).collect();
    let off: Vec<f64> = found.iter().zip(expected).zip(epsilons).map(|((t, x), e)| (t - x) / e.sqrt()).collect();
    report.note(format!("(t₁ − predicted)/√ε at ε = {}: {}", list(epsilons), list(&off)));
    let small = epsilons.iter().filter(|e| **e > 1.1e-4).count();
    // By least squares over ε ≤ 1e-4.
    let (x, y) = (&logs[small..], &scaled[small..]);
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let coefficient = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
        / x.iter().map(|x| (x - mx) * (x - mx)).sum::<f64>();
    report
        .gate(
            "linear: coefficient of log(1/ε) in t₁/√ε over 1/(4|φ₁σ₁|), ε ≤ 1e-4",
            SOURCE,
            Expected::Between(0.9, 1.0),
            coefficient / expansion[0],
            0.0,
        )
        .why("what is left of t₁/√ε falls as a power between ε^(1/4) and √ε, from 0.8 at 1e-4: it takes 0.8/(4 ln 10) = 9 % off at most");
    let (order, error) = fit_slope(&epsilons[small..], &off[small..]);
    report
        .gate(
            "linear: order in ε of (t₁ − predicted)/√ε, ε ≤ 1e-4",
            "exact::learning_order",
            Expected::Between(0.25, 0.55),
            order,
            error,
        )
        .why("terms in ε^(1/4), by the skewness of a(0), and in √ε log(1/ε)");
    report
        .gate(
            "linear: (t₁ − predicted)/√ε at ε = 1e-8",
            "exact::learning_order",
            Expected::Within { value: 0.0, tolerance: 0.04 },
            off[off.len() - 1],
            0.0,
        )
        .why("ε^(1/4) = 0.01 times log 2/(2|φ₁σ₁|), of 21.87");
    let (raw, raw_error) = fit_slope(&epsilons[small..], &found[small..]);
    let (of_limit, _) = fit_slope(&epsilons[small..], &expected[small..]);
    report.note(format!(
        "raw slope of t₁ in ε ≤ 1e-4: {raw:.4} ± {raw_error:.4}, of the prediction {of_limit:.4}: d log t₁/d log ε = ½ − 1/(log(1/ε) + {:.2}), which the logarithm keeps from ½ at every ε of interest",
        expansion[1] / expansion[0]
    ));
    report
        .gate(
            "linear: raw slope of t₁ in ε ≤ 1e-4, less that of the prediction",
            "exact::learning_order",
            Expected::Within { value: 0.0, tolerance: 0.01 },
            raw - of_limit,
            raw_error,
        )
        .why("t₁ is 6 % above the prediction at 1e-4 and 0.1 % at 1e-8: 0.06/ln 10⁴ = 0.0065");
    let line: Vec<f64> = logs.iter().map(|x| expansion[1] + expansion[0] * x).collect();
    Panel::new("Linear: not a power", "log(1/ε)", "t₁/√ε").points("measured", &logs, &scaled, &[]).dashed(
        "predicted",
        &logs,
        &line,
    )
}

fn second(report: &mut Report, epsilons: &[f64], found: &[f64], expected: &[f64], limit: f64) -> Panel {
    let ratios: Vec<f64> = found.iter().zip(expected).map(|(t, x)| t / x).collect();
    let from = |most: f64| epsilons.iter().filter(|e| **e > 1.1 * most).count();
    let (all, all_error) = fit_slope(epsilons, found);
    let late = from(1e-5);
    let (slope, error) = fit_slope(&epsilons[late..], &found[late..]);
    report.note(format!("t₂ over that of the layer's curve at ε = {}: {}", list(epsilons), list(&ratios)));
    report.note(format!(
        "raw slope of t₂ over all ε: {all:.4} ± {all_error:.4}, ε ≤ 1e-5: {slope:.4} ± {error:.4}; t₁, still a tenth of t₂ at 1e-8, has the slope 0.45, and corrections fall as ε^(1/12); τ* = {limit:.4}"
    ));
    report
        .gate(
            "quadratic: slope of t₂ in ε ≤ 1e-5",
            SOURCE,
            Expected::Within { value: 0.25, tolerance: 0.03 },
            slope,
            error,
        )
        .why("t₂ = t₁ + τ*ε^(1/4): t₁ adds 0.02, see the note");
    report
        .gate(
            "quadratic: slope of t₂ over all ε = 1e-2 … 1e-8",
            "EQUATIONS 3",
            Expected::Within { value: 0.28, tolerance: 0.03 },
            all,
            all_error,
        )
        .why("0.28 was seen from another start a(0); t₁ and the slow ε^(1/12) bend it by as much");
    let worst = ratios[from(1e-6)..].iter().map(|r| (r - 1.0).abs()).fold(0.0, f64::max);
    report
        .gate(
            "quadratic: largest |t₂/predicted − 1|, ε ≤ 1e-6",
            "exact::learning_order",
            Expected::AtMost(0.03),
            worst,
            0.0,
        )
        .why("the curve leaves out s ≍ ε^(1/6) ≤ 0.1 in the last, short part of the way");
    let over = |times: &[f64]| times.iter().zip(epsilons).map(|(t, e)| t / e.powf(0.25)).collect::<Vec<f64>>();
    Panel::new("Quadratic: t₂/ε^(1/4)", "ε", "t₂/ε^(1/4)")
        .log_x()
        .points("measured", epsilons, &over(found), &[])
        .dashed("the layer's curve", epsilons, &over(expected))
        .same_colour()
        .line("limit τ*", &[epsilons[epsilons.len() - 1], epsilons[0]], &[limit; 2])
}

/// σ has the degrees 0 to 4, φ not.
fn missing(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let epsilons = [1e-5, 1e-6, 1e-7, 1e-8];
    let along = axis("epsilon_gap", "ε", &epsilons);
    let mut panel = Panel::new("Degrees after a gap", "ε", "t").log_x().log_y();
    let mut third = Vec::new();
    for (name, label, target, degree, end) in [
        ("none", "degree 3, none missing", vec![0.8, 0.5, -0.6, 0.4], 3, 1e2),
        ("second", "degree 3, without 2", vec![0.8, 0.5, 0.0, 0.4], 3, 1e2),
        ("second_and_third", "degree 4, without 2, 3", vec![0.8, 0.5, 0.0, 0.0, 0.4], 4, 1e4),
    ] {
        let learnt: Vec<f64> = epsilons
            .par_iter()
            .map(|&epsilon| {
                let sigma = Link::Hermite(vec![0.4, 0.5, 0.3, 0.25, 0.2]);
                let p = SingleIndex::new(sigma, Link::Hermite(target.clone()), epsilon, A.to_vec());
                Ok(times(p, FlowSettings { degrees: 5, tolerance: 1e-8, ..FlowSettings::default() }, end)?[degree])
            })
            .collect::<learning_dynamics::Result<_>>()?;
        let remark =
            if name == "none" { ": not yet the power 1/6, r₃ falls slowly once degree 2 is learnt" } else { "" };
        report.note(format!("{label}: learnt at {} for ε = {}{remark}", list(&learnt), list(&epsilons)));
        if name != "none" {
            let expected = time_exponent(1, degree as u32);
            let (slope, error) = fit_slope(&epsilons[1..], &learnt[1..]);
            report
                .gate(
                    &format!("{label}: slope of its time in ε ≤ 1e-6"),
                    "s'/s ≍ a s^(l−2) with a ≍ ε^(−1/4), s ≍ ε^(1/4): exact::learning_order",
                    Expected::Within { value: expected, tolerance: 0.03 },
                    slope,
                    error,
                )
                .why("corrections of relative size ε^(1/4) = 0.03 at 1e-6");
        }
        if degree == 3 {
            third.push(learnt[1]);
        }
        panel = panel.points(label, &epsilons, &learnt, &[]);
        report.data(Field::array("gaps", name, "time at which half of the degree is learnt", &[&along], learnt));
    }
    report
        .gate(
            "degree 3 at ε = 1e-6: its time without degree 2 over that with it",
            SOURCE,
            Expected::AtLeast(5.0),
            third[1] / third[0],
            0.0,
        )
        .why("time of order 1 against ε^(1/6) = 0.1, each with its coefficient");
    Ok(panel.slope("ε^(−1/4)", -0.25, [1e-6, 90.0], [1e-8, 1e-5]))
}

/// φ₁σ₁ = 0: nothing moves s off 0.
fn still(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (mut most, mut constant, mut rest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for epsilon in [1e-2, 1e-6] {
        for (sigma, target) in [([0.4, 0.0, 0.3], [0.8, 0.5, -0.6]), ([0.4, 0.5, 0.3], [0.8, 0.0, -0.6])] {
            let p = SingleIndex::new(sigma, target, epsilon, A.to_vec());
            let refused = LearningOrder::new(&p).is_err();
            let mut flow = NeuronFlow::new(p, settings(1e-8))?;
            for time in logarithmic(epsilon, 1e3, 2)? {
                flow.advance_to(time)?;
                most = flow.s().iter().fold(most, |most, s| most.max(s.abs()));
            }
            let residuals = flow.risk().residuals;
            constant = constant.max(residuals[0].abs());
            rest = rest.max((residuals[1] - target[1]).abs() + (residuals[2] - target[2]).abs());
            rest = if refused { rest } else { f64::NAN };
        }
    }
    report
        .gate("φ₁σ₁ = 0: largest |s| up to t = 1000", SOURCE, Expected::AtMost(0.0), most, 0.0)
        .why("s' = a σ₁r₁ = 0 at s = 0, without rounding");
    report
        .gate(
            "φ₁σ₁ = 0: the constant is learnt all the same, |r₀| at t = 1000",
            SOURCE,
            Expected::AtMost(1e-8),
            constant,
            0.0,
        )
        .why("tolerance of the flow");
    report
        .gate(
            "φ₁σ₁ = 0: change of r₁ and r₂ up to t = 1000, asymptotics refused",
            SOURCE,
            Expected::AtMost(0.0),
            rest,
            0.0,
        )
        .why("s ≡ 0, so ⟨as⟩ = ⟨as²⟩ = 0 without rounding");
    Ok(())
}
