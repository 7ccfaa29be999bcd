//! Momentum: constant β is an effective rate, scaled momentum is second-order dynamics.

use std::error::Error;

use learning_dynamics::exact::{LinearMomentum, LinearSgd, LinearStudent};
use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::{OverlapChain, SgdSettings};
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee, Momentum, Student, Teacher};
use ndarray::{Array2, array};
use rayon::prelude::*;

use super::joint::{axis, largest_difference, list};
use super::teacher_student::{POLYNOMIAL, furthest, linear, mean_se};
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report, number};

/// The effective rate and its gap; scaled momentum against closed forms and simulation; its stability limit.
pub const STUDY: Study = Study {
    name: "momentum",
    claim: "constant momentum is the rate τ/(1−β) up to O(1/d); scaled momentum follows its own order parameters, stable for α < 2Bγ(1+λ)",
    run,
};

const SOURCE: &str = "EQUATIONS 2";

fn student(tau: f64, decay: f64, batch: usize) -> LinearStudent {
    LinearStudent {
        teacher_norm: 1.0,
        learning_rate: tau,
        weight_decay: decay,
        noise_variance: 0.2,
        batch,
        m: 0.1,
        q: 0.5,
    }
}

fn scaled(decay: f64, batch: usize, q: f64, gamma: f64, alpha: f64) -> Committee {
    Committee { momentum: Momentum::Scaled { gamma, alpha }, ..linear(0.1, q, 1.0, decay, 0.2, batch) }
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let gap = effective_rate(&mut report)?;
    closed_form(&mut report)?;
    let committee = committee(&mut report, level)?;
    let stability = stability(&mut report)?;
    report.picture("momentum", Picture::new(3).panel(gap).panel(committee).panel(stability));
    Ok(report)
}

/// Exact mean E_g at finite d, with momentum and rate τ, less that of the ODE of plain SGD at the rate τ/(1−β).
fn effective_rate(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let dimensions: Vec<usize> = (0..=10).map(|k| 100 << k).collect();
    let sizes: Vec<f64> = dimensions.iter().map(|&d| d as f64).collect();
    let along = axis("dimension", "d", &sizes);
    let mut panel = Panel::new("Constant β: E_g less that of the rate τ/(1−β), t = 2", "d", "|gap|").log_x().log_y();
    let cases =
        [(0.0, 0.5, 1, "beta_0"), (0.5, 0.5, 1, "beta_05"), (0.9, 0.0, 1, "beta_09"), (0.9, 0.5, 4, "beta_09_b4")];
    for (beta, decay, batch, name) in cases {
        let (effective, time) = (0.4, 2.0);
        let plain = student(effective, decay, batch);
        let committee = linear(plain.m, plain.q, effective, decay, plain.noise_variance, batch);
        let mut ode = OrderParameters::of(committee.clone(), POLYNOMIAL, 1e-13)?;
        let constant = Committee { momentum: Momentum::Constant { beta }, ..committee };
        let constant = Committee { learning_rate: (effective * (1.0 - beta)).into(), ..constant };
        let mut with_momentum = OrderParameters::of(constant, POLYNOMIAL, 1e-13)?;
        ode.advance_to(time)?;
        with_momentum.advance_to(time)?;
        let label = format!("β = {beta}, λ = {decay}, B = {batch}");
        if beta > 0.0 {
            report
                .gate(
                    &format!("ODE with momentum less ODE at the rate τ/(1−β), {label}"),
                    SOURCE,
                    Expected::AtMost(1e-12),
                    largest_difference(ode.state(), with_momentum.state()),
                    0.0,
                )
                .why("the same equations but for the rounding of the rate");
        }
        let target = 0.5 * (1.0 - 2.0 * with_momentum.state()[1] + with_momentum.state()[0]);
        let gaps: Vec<f64> = dimensions
            .iter()
            .map(|&d| {
                let slow = LinearStudent { learning_rate: effective * (1.0 - beta), ..plain };
                let means = LinearSgd { student: slow, dimension: d, beta }.after((time * d as f64).round() as u64);
                (0.5 * (1.0 - 2.0 * means.m + means.q) - target).abs()
            })
            .collect();
        let (slope, error) = fit_slope(&sizes[5..], &gaps[5..]);
        report
            .gate(
                &format!("exponent of d in the gap of E_g, {label}"),
                "EQUATIONS 2: the gap is O(1/d)",
                Expected::Within { value: -1.0, tolerance: 0.02 },
                slope,
                error,
            )
            .why("over d = 3200 … 102400 the next order adds at most (1−β)⁻¹/d = 3e-3");
        report.note(format!("{label}: gap × d at d = 100 … 102400: {}", list(&times(&gaps, &sizes))));
        panel = panel.points(&label, &sizes, &gaps, &[]);
        report.data(Field::array("constant_momentum", name, "gap of E_g", &[&along], gaps));
    }
    Ok(panel.slope("d⁻¹", -1.0, [1e3, 1.5e-4], [1e2, 1e5]))
}

fn times(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

/// `[q, m, R, S, T]` of the closed form, in the order of the layout.
fn exact(run: LinearMomentum, time: f64) -> [f64; 5] {
    let [m, q, r, s, t] = run.at(time).to_array();
    [q, m, r, s, t]
}

fn closed_form(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut worst = Vec::new();
    let mut fixed = Vec::new();
    for (decay, batch, gamma, alpha) in [(0.0, 1, 1.0, 0.6), (0.5, 1, 0.3, 0.5), (1.0, 4, 2.0, 9.0)] {
        let closed = LinearMomentum { student: student(0.0, decay, batch), gamma, alpha };
        let mut ode = OrderParameters::of(scaled(decay, batch, 0.5, gamma, alpha), POLYNOMIAL, 1e-10)?;
        for time in [0.3, 1.0, 3.0, 10.0] {
            ode.advance_to(time)?;
            worst.push(largest_difference(ode.state(), &exact(closed, time)));
        }
        ode.advance_to(300.0)?;
        let plain = closed.plain().fixed_point()?;
        fixed.push(largest_difference(&ode.state()[..2], &[plain.q, plain.m]));
    }
    report
        .gate(
            "scaled momentum: ODE against the exponential of the linear system",
            SOURCE,
            Expected::AtMost(1e-8),
            furthest(worst),
            0.0,
        )
        .why("a hundred times the tolerance of a step, 1e-10");
    report
        .gate(
            "scaled momentum: m* and q* are those of plain SGD at τ = α/γ",
            SOURCE,
            Expected::AtMost(1e-8),
            furthest(fixed),
            0.0,
        )
        .why("a hundred times the tolerance of a step, 1e-10");
    Ok(())
}

/// erf, K = M = 2: order parameters against the overlap chain.
fn committee(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let m = array![[0.3, 0.1], [0.05, 0.25]];
    let student = Student::new(Array2::eye(2) * 0.5, m, Activation::Erf);
    let (gamma, alpha) = (0.6, 0.5);
    let plain = Committee {
        noise_variance: 0.05,
        weight_decay: 0.02,
        ..Committee::new(Teacher::orthonormal(2, Activation::Erf), student, alpha / gamma)
    };
    let problem = Committee { momentum: Momentum::Scaled { gamma, alpha }, ..plain.clone() };
    let (d, runs) = level.pick((4000, 24), (20_000, 100));
    let records: Vec<f64> = (0..=10).map(|k| 1.5 * f64::from(k)).collect();
    let mut chain =
        OverlapChain::new(problem.clone(), SgdSettings { dimension: d, runs, seed: 5, record_runs: false })?;
    let mut ode = OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-10)?;
    let mut seen: [Vec<f64>; 4] = Default::default();
    let (mut scores, mut apart) = (Vec::new(), Vec::new());
    let mut flat = OrderParameters::of(plain.clone(), Quadrature::Automatic, 1e-10)?;
    for &time in &records {
        chain.advance_to(time)?;
        ode.advance_to(time)?;
        flat.advance_to(time)?;
        let states = chain.states();
        let mut errors = Vec::with_capacity(runs);
        for state in states.rows() {
            errors.push(ode.equations().generalization_error(&state.to_vec())?);
        }
        let expected = ode.state().to_vec();
        let slow = flat.state().to_vec();
        let (e_g, without) =
            (ode.equations().generalization_error(&expected)?, flat.equations().generalization_error(&slow)?);
        let found = mean_se(&errors);
        for (values, value) in seen.iter_mut().zip([found.0, found.1, e_g, without]) {
            values.push(value);
        }
        if time > 0.0 {
            // The bias of order 1/d, of numbers that are about 1.
            let score = |(mean, error): (f64, f64), exact: f64| (mean - exact) / (error + 0.5 / d as f64);
            for (k, exact) in expected.iter().enumerate() {
                scores.push(score(mean_se(&states.column(k).to_vec()), *exact));
            }
            scores.push(score(found, e_g));
            apart.push((found.0 - without).abs() / found.1);
        }
    }
    report
        .gate(
            "erf, K = M = 2, scaled momentum: all overlaps and E_g against the chain, in standard errors",
            SOURCE,
            Expected::Within { value: 0.0, tolerance: 4.0 },
            furthest(scores.iter().copied()),
            1.0,
        )
        .why(format!(
            "four standard errors and a bias of 2/d, worst of {} numbers, d = {d}, {runs} runs",
            scores.len()
        ));
    report
        .gate(
            "erf, K = M = 2: distance of plain SGD at τ = α/γ from the chain, in standard errors",
            "what the gate above can tell apart",
            Expected::AtLeast(20.0),
            apart.iter().copied().fold(0.0, f64::max),
            1.0,
        )
        .why("second-order dynamics overshoots and starts at rest; plain SGD would fail the gate above");
    let line: Vec<f64> = (0..=150).map(|k| 0.1 * f64::from(k)).collect();
    let curve = |problem: &Committee| -> learning_dynamics::Result<Vec<f64>> {
        let mut run = OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-8)?;
        let mut values = Vec::new();
        for &time in &line {
            run.advance_to(time)?;
            let state = run.state().to_vec();
            values.push(run.equations().generalization_error(&state)?);
        }
        Ok(values)
    };
    let (with, without) = (curve(&problem)?, curve(&plain)?);
    let along = axis("time", "steps/d", &records);
    let [mean, error, ..] = seen;
    report.data(Field::array("scaled_momentum", "chain", "E_g, overlap chain", &[&along], mean.clone()));
    Ok(Panel::new(&format!("erf, K = M = 2: γ = {gamma}, α = {alpha}, d = {d}"), "t", "E_g")
        .line("scaled momentum", &line, &with)
        .points("overlap chain", &records, &mean, &error)
        .same_colour()
        .dashed("plain SGD, τ = α/γ", &line, &without))
}

/// Rate at which two solutions that differ in q only part (or, negative, approach), late.
fn parting(decay: f64, batch: usize, gamma: f64, alpha: f64) -> learning_dynamics::Result<f64> {
    let ends = |q: f64| -> learning_dynamics::Result<[f64; 2]> {
        let mut run = OrderParameters::of(scaled(decay, batch, q, gamma, alpha), POLYNOMIAL, 1e-11)?;
        let mut end = || {
            let time = if run.evaluations() == 0 { 30.0 / gamma } else { 40.0 / gamma };
            run.advance_to(time)?;
            Ok(run.state()[0])
        };
        Ok([end()?, end()?])
    };
    let (a, b) = (ends(0.5)?, ends(1.5)?);
    Ok(((b[1] - a[1]) / (b[0] - a[0])).abs().ln() * gamma / 10.0)
}

fn stability(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let cases: Vec<(f64, usize, f64)> =
        [0.0, 0.5, 1.0].into_iter().flat_map(|decay| [(decay, 1, 1.0), (decay, 4, 0.5)]).collect();
    let found: Vec<f64> = cases
        .par_iter()
        .map(|&(decay, batch, gamma)| {
            // Near the limit one real eigenvalue crosses zero; far below it, oscillations would hide it.
            let guess = 2.0 * batch as f64 * gamma * (1.0 + decay);
            let (mut low, mut high) = (0.8 * guess, 1.2 * guess);
            while high - low > 1e-7 * high {
                let middle = 0.5 * (low + high);
                if parting(decay, batch, gamma, middle)? < 0.0 {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            Ok(0.5 * (low + high))
        })
        .collect::<learning_dynamics::Result<_>>()?;
    let limit = |decay: f64, batch: usize, gamma: f64| {
        LinearMomentum { student: student(0.0, decay, batch), gamma, alpha: 1.0 }.critical_alpha()
    };
    let errors =
        cases.iter().zip(&found).map(|(&(decay, batch, gamma), alpha)| alpha / limit(decay, batch, gamma) - 1.0);
    report
        .gate(
            "largest relative error of the limit α = 2Bγ(1+λ), by bisection on the ODE",
            SOURCE,
            Expected::Within { value: 0.0, tolerance: 1e-6 },
            furthest(errors),
            0.0,
        )
        .why("the bisection ends at 1e-7, the other eigenvalues have decayed to e⁻³⁰");
    for (&(decay, batch, gamma), alpha) in cases.iter().zip(&found) {
        let exact = limit(decay, batch, gamma);
        report.note(format!(
            "λ = {decay}, B = {batch}, γ = {gamma}: limit {} (exact {})",
            number(*alpha),
            number(exact)
        ));
    }
    let mut panel = Panel::new("Growth of a difference in q, γ = 1, B = 1", "α/(2γ(1+λ))", "rate").x_range(0.8, 1.2);
    let x: Vec<f64> = (0..=16).map(|k| 0.8 + 0.025 * f64::from(k)).collect();
    for decay in [0.0, 0.5, 1.0] {
        let y: Vec<f64> = x
            .par_iter()
            .map(|x| parting(decay, 1, 1.0, x * limit(decay, 1, 1.0)))
            .collect::<learning_dynamics::Result<_>>()?;
        panel = panel.line(&format!("λ = {decay}"), &x, &y);
        if decay == 0.0 {
            let along = axis("scaled_force", "α/(2γ(1+λ))", &x);
            report.data(Field::array("stability", "growth", "growth rate of a difference in q, λ = 0", &[&along], y));
        }
    }
    Ok(panel.dashed("", &[0.8, 1.2], &[0.0, 0.0]))
}
