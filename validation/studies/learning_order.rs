//! Degrees are learnt one after the other, along curves that matched asymptotics give.

use std::error::Error;

use learning_dynamics::exact::LearningOrder;
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::neurons::{FlowSettings, NeuronFlow, learning_times};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, SingleIndex};
use learning_dynamics::record::{Series, logarithmic};

use super::joint::{axis, list, power_of_ten};
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// Three layers of time, and what the tolerance of the flow gives.
pub const STUDY: Study = Study {
    name: "learning-order",
    claim: "a wide ReLU network learns constant, linear and quadratic part one after the other, along the limiting profiles; the flow keeps its tolerance from ε = 1e-2 to 1e-8",
    run,
};

/// Initial second layer of all studies of the learning order: ten numbers of order 1.
pub const A: [f64; 10] = [1.0, -0.4, 0.7, 0.2, -1.3, 0.9, -0.8, 0.5, 1.4, -0.6];

const SOURCE: &str = "EQUATIONS 3; Berthier, Montanari & Zhou (2024)";

/// ReLU, `φ = 0.8 h₀ + 0.5 h₁ − 0.6 h₂`, s(0) = 0.
pub fn problem(epsilon: f64) -> SingleIndex {
    SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], epsilon, A.to_vec())
}

/// With the degrees 0 to 2 recorded.
pub fn settings(tolerance: f64) -> FlowSettings {
    FlowSettings { tolerance, degrees: 3, ..FlowSettings::default() }
}

/// Residuals of the degrees 0 to 2 at `times`, one list a degree.
fn residuals(epsilon: f64, times: &[f64]) -> learning_dynamics::Result<[Vec<f64>; 3]> {
    let mut flow = NeuronFlow::new(problem(epsilon), settings(1e-9))?;
    let mut found = [const { Vec::new() }; 3];
    for &time in times {
        flow.advance_to(time)?;
        let now = flow.risk().residuals;
        found.iter_mut().zip(now).for_each(|(list, r)| list.push(r));
    }
    Ok(found)
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    for (epsilon, group, least) in [(1e-3, "epsilon_1e_3", 2.0), (1e-6, "epsilon_1e_6", 8.0)] {
        let picture = in_time(&mut report, epsilon, group, least)?;
        report.picture(if epsilon > 1e-4 { "epsilon-1e-3" } else { "epsilon-1e-6" }, picture);
    }
    let picture = Picture::new(2);
    let picture = picture.panel(constant(&mut report)?).panel(linear(&mut report)?);
    let picture = picture.panel(quadratic(&mut report)?).panel(tolerances(&mut report, level)?);
    report.picture("limits", picture);
    Ok(report)
}

/// One run, in full.
fn in_time(report: &mut Report, epsilon: f64, group: &'static str, least: f64) -> Result<Picture, Box<dyn Error>> {
    let times = logarithmic(1e-2 * epsilon, 10.0, 40)?;
    let mut flow = NeuronFlow::new(problem(epsilon), settings(1e-8))?;
    let mut series = Series::new();
    flow.run(&times, &mut |frame| series.visit(frame))?;
    let learnt = learning_times(problem(epsilon), settings(1e-8), &logarithmic(1e-2 * epsilon, 10.0, 10)?)?;
    let learnt: Vec<f64> = learnt.iter().map(|t| t.unwrap_or(f64::NAN)).collect();
    let (first, second) = (learnt[1] / learnt[0], learnt[2] / learnt[1]);
    // Not `min`, which would hide a NaN.
    let ratio = if first < second || first.is_nan() { first } else { second };
    report.note(format!("ε = {epsilon:e}: half of the residuals of degree 0, 1, 2 is left at t = {}", list(&learnt)));
    report
        .gate(&format!("ε = {epsilon:e}: smaller of t₁/t₀ and t₂/t₁"), SOURCE, Expected::AtLeast(least), ratio, 0.0)
        .why("canonical order; t₂/t₁ ≍ ε^(−1/4)/log(1/ε) separates slowly: predicted are 3.9 at 1e-3, 10.9 at 1e-6");

    let order = LearningOrder::new(&problem(epsilon))?;
    let components = series.values("risk", "component")?;
    let along = axis("time", "t", &times);
    let risk = series.values("risk", "risk")?.to_vec();
    let range = [1e-2 * epsilon, 10.0];
    let mut by_degree = Panel::new("Residual over its start; dashed: limits", "t", "residual")
        .log_x()
        .x_range(range[0], range[1])
        .y_range(-0.2, 1.2);
    let profiles: [Vec<f64>; 3] = [
        times.iter().map(|&t| order.constant_residual(t)).collect(),
        times.iter().map(|&t| order.linear_residual(t)).collect(),
        order.quadratic_residuals(&times)?,
    ];
    for (degree, (name, profile)) in ["constant", "linear", "quadratic"].into_iter().zip(profiles).enumerate() {
        let of_degree: Vec<f64> = components.iter().skip(degree).step_by(3).copied().collect();
        let (start, limit) = (of_degree[0], profile[0]);
        let over = |list: &[f64], by: f64| list.iter().map(|r| r / by).collect::<Vec<f64>>();
        by_degree = by_degree
            .line(name, &times, &over(&of_degree, start))
            .dashed("", &times, &over(&profile, limit))
            .same_colour();
        report.data(Field::array(group, name, "residual of the degree", &[&along], of_degree));
    }
    let mut weights = Panel::new("Second layer; dashed: layers 0 and 1", "t", "a").log_x().x_range(range[0], range[1]);
    let mut alignments = Panel::new("Alignments; dashed: layers 0 and 1", "t", "s").log_x().x_range(range[0], range[1]);
    // The limit is drawn while it holds.
    let until = times.iter().filter(|&&t| t < 2.0 * order.linear_time()).count();
    let limits: Vec<(Vec<f64>, Vec<f64>)> = times[..until].iter().map(|&t| order.neurons(t)).collect();
    let (a, s) = (series.values("neurons", "a")?, series.values("neurons", "s")?);
    for i in 0..A.len() {
        let of = |list: &[f64]| list.iter().skip(i).step_by(A.len()).copied().collect::<Vec<f64>>();
        let limit = |f: &dyn Fn(&(Vec<f64>, Vec<f64>)) -> f64| limits.iter().map(f).collect::<Vec<f64>>();
        weights = weights.line("", &times, &of(a)).dashed("", &times[..until], &limit(&|l| l.0[i])).same_colour();
        alignments = alignments.line("", &times, &of(s)).dashed("", &times[..until], &limit(&|l| l.1[i])).same_colour();
    }
    report.data(Field::array(group, "risk", "risk", &[&along], risk.clone()));
    Ok(Picture::new(3)
        .panel(
            Panel::new(&format!("ε = {}: risk, time linear", power_of_ten(epsilon)), "t", "risk")
                .x_range(0.0, (3.0 * learnt[2]).min(10.0))
                .line("", &times, &risk),
        )
        .panel(Panel::new("Risk, time logarithmic", "t", "risk").log_x().log_y().line("", &times, &risk))
        .panel(by_degree)
        .panel(weights)
        .panel(alignments))
}

/// Largest distance of two lists, over the size of the first entry of the second.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / b[0].abs()
}

fn constant(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let epsilons = [1e-3, 1e-4, 1e-5, 1e-6];
    let clock: Vec<f64> = (0..=100).map(|k| 0.4 * f64::from(k)).collect();
    let mut panel = Panel::new("Constant", "t/ε", "r₀/r₀(0)");
    let mut errors = Vec::new();
    for epsilon in epsilons {
        let times: Vec<f64> = clock.iter().map(|x| x * epsilon).collect();
        let [found, ..] = residuals(epsilon, &times)?;
        let order = LearningOrder::new(&problem(epsilon))?;
        let limit: Vec<f64> = times.iter().map(|&t| order.constant_residual(t)).collect();
        errors.push(distance(&found, &limit));
        if epsilon == epsilons[0] {
            panel = panel.dashed("limit", &clock, &limit.iter().map(|r| r / limit[0]).collect::<Vec<_>>());
        }
        panel = panel.line(&power_of_ten(epsilon), &clock, &found.iter().map(|r| r / found[0]).collect::<Vec<_>>());
    }
    let (slope, error) = fit_slope(&epsilons, &errors);
    report.note(format!("layer of the constant, ε = {}: largest distance {}", list(&epsilons), list(&errors)));
    report
        .gate(
            "constant: order in ε of the distance to φ₀ − σ₀⟨a⟩ = r₀(0) e^(−σ₀² t/ε), t ≤ 40 ε",
            SOURCE,
            Expected::Within { value: 1.0, tolerance: 0.05 },
            slope,
            error,
        )
        .why("the profile is exact at s = 0, and s = O(t) = O(ε) in the layer; next order at ε ≤ 1e-3");
    Ok(panel)
}

fn linear(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let epsilons = [1e-4, 1e-5, 1e-6, 1e-7, 1e-8];
    let clock: Vec<f64> = (-60..=60).map(|k| 0.2 * f64::from(k)).collect();
    let mut panel = Panel::new("Linear: around its time", "(t − t₁)/√ε, t₁ predicted", "r₁/φ₁").y_range(-0.2, 1.2);
    let mut errors = Vec::new();
    for epsilon in epsilons {
        let order = LearningOrder::new(&problem(epsilon))?;
        let times: Vec<f64> = clock.iter().map(|x| order.linear_time() + x * epsilon.sqrt()).collect();
        let [_, found, _] = residuals(epsilon, &times)?;
        let limit: Vec<f64> = times.iter().map(|&t| order.linear_residual(t)).collect();
        errors.push(distance(&found, &limit));
        if epsilon == epsilons[4] {
            panel = panel.dashed("limit", &clock, &limit.iter().map(|r| r / 0.5).collect::<Vec<_>>());
        }
        panel = panel.line(&power_of_ten(epsilon), &clock, &found.iter().map(|r| r / 0.5).collect::<Vec<_>>());
    }
    let (slope, error) = fit_slope(&epsilons, &errors);
    report.note(format!("layer of degree 1, ε = {}: largest distance {}", list(&epsilons), list(&errors)));
    report
        .gate(
            "linear: order in ε of the distance to the closed curve, |t − t₁| ≤ 12 √ε",
            "exact::learning_order",
            Expected::Between(0.25, 0.55),
            slope,
            error,
        )
        .why("terms in ε^(1/4) (by the skewness of a(0), −0.25) and in √ε log(1/ε), the latter the larger until ε ≪ 1e-8");
    report
        .gate("linear: the distance at ε = 1e-8", "exact::learning_order", Expected::AtMost(1e-2), errors[4], 0.0)
        .why("ε^(1/4) = 1e-2, of φ₁");
    Ok(panel)
}

fn quadratic(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let epsilons = [1e-6, 1e-7, 1e-8];
    let clock: Vec<f64> = (0..=120).map(|k| 0.05 * f64::from(k)).collect();
    let mut panel = Panel::new("Quadratic; dashed: limits at the same ε", "(t − t₁)/ε^(1/4), t₁ predicted", "r₂/φ₂");
    let mut errors = Vec::new();
    for epsilon in epsilons {
        let order = LearningOrder::new(&problem(epsilon))?;
        let times: Vec<f64> = clock.iter().map(|x| order.linear_time() + x * epsilon.powf(0.25)).collect();
        let [_, _, found] = residuals(epsilon, &times)?;
        let limit = order.quadratic_residuals(&times)?;
        // Up to the time of learning, where the curve is not yet so steep that a shift in time is all that is seen.
        let until = limit.iter().filter(|r| r.abs() > 0.45).count();
        errors.push(distance(&found[..until], &limit[..until]));
        let over = |list: &[f64]| list.iter().map(|r| r / -0.6).collect::<Vec<f64>>();
        panel =
            panel.line(&power_of_ten(epsilon), &clock, &over(&found)).dashed("", &clock, &over(&limit)).same_colour();
    }
    report.note(format!(
        "layer of degree 2, ε = {}: largest distance until a quarter is learnt {}",
        list(&epsilons),
        list(&errors)
    ));
    report
        .gate(
            "quadratic: distance to the layer's curve until a quarter is learnt, largest at ε = 1e-6 … 1e-8",
            "exact::learning_order",
            Expected::AtMost(0.06),
            errors.iter().copied().fold(0.0, f64::max),
            0.0,
        )
        .why("left out: s ≍ ε^(1/6) = 0.1 … 0.05 against 1, of which a quarter is to be seen by then");
    Ok(panel)
}

/// Errors against a run at the tightest tolerance.
fn tolerances(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let tolerances =
        level.pick(vec![1e-4, 1e-5, 1e-6, 1e-7, 1e-8], (8..=16).map(|k| 10f64.powf(-0.5 * f64::from(k))).collect());
    let mut panel = Panel::new("Error of the flow, t ≤ 10", "tolerance", "largest error").log_x().log_y();
    let mut table = String::from("error over tolerance, tolerances down to 1e-8\n\n| ε | ratios |\n|---|---|\n");
    let (mut most, mut least) = (0.0_f64, f64::MAX);
    let along = axis("tolerance", "tolerance of the flow", &tolerances);
    let names = ["error_1e_2", "error_1e_3", "error_1e_4", "error_1e_5", "error_1e_6", "error_1e_7", "error_1e_8"];
    for (exponent, name) in (2..).zip(names) {
        let epsilon = 10f64.powi(-exponent);
        let times = logarithmic(epsilon, 10.0, 4)?;
        let states = |tolerance: f64| -> learning_dynamics::Result<Vec<f64>> {
            let mut flow = NeuronFlow::new(problem(epsilon), settings(tolerance))?;
            let mut states = Vec::new();
            for &time in &times {
                flow.advance_to(time)?;
                states.extend(flow.a().iter().chain(flow.s()));
            }
            Ok(states)
        };
        let exact = states(1e-11)?;
        let mut errors = Vec::new();
        for &tolerance in &tolerances {
            let pairs = states(tolerance)?;
            // Relative above 1.
            let error = pairs.iter().zip(&exact).map(|(x, e)| (x - e).abs() / e.abs().max(1.0)).fold(0.0, f64::max);
            errors.push(error);
        }
        let ratios: Vec<f64> = errors.iter().zip(&tolerances).map(|(e, t)| e / t).collect();
        table += &format!("| {} | {} |\n", power_of_ten(epsilon), list(&ratios));
        most = ratios.iter().copied().fold(most, f64::max);
        least = ratios.iter().copied().fold(least, f64::min);
        panel = panel.points(&power_of_ten(epsilon), &tolerances, &errors, &[]);
        report.data(Field::array("tolerance", name, "largest error of a and s", &[&along], errors));
    }
    report.note(table);
    let why = "steps are held to 1/100 of the tolerance; leaving the plateaus magnifies by e^G ≍ ε^(−1/4), 100 at 1e-8, twice";
    report
        .gate(
            "largest error over tolerance, ε = 1e-2 … 1e-8",
            "FlowSettings::tolerance",
            Expected::AtMost(5.0),
            most,
            0.0,
        )
        .why(why);
    report
        .gate(
            "smallest error over tolerance, ε = 1e-2 … 1e-8",
            "FlowSettings::tolerance",
            Expected::AtLeast(2e-3),
            least,
            0.0,
        )
        .why("where nothing magnifies, as at ε = 1e-2, the error of a run is that of a step, a hundredth of the tolerance (0.7 of it here); a fifth of that would be wasted work");
    Ok(panel.slope("error = tolerance", 1.0, [1e-6, 1e-6], [1e-8, 1e-4]))
}
