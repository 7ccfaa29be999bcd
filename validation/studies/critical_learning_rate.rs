//! The learning rate above which training has no good end: eigenvalues, closed forms, simulation.

use std::error::Error;
use std::f64::consts::PI;

use learning_dynamics::exact::linear_sgd::LinearSgd;
use learning_dynamics::exact::linear_student::LinearStudent;
use learning_dynamics::frame::Field;
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::order_parameters::{CommitteeEquations, OrderParameters, Steady, critical_learning_rate};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee, Momentum, Student, Teacher};
use ndarray::{Array2, array};
use rayon::prelude::*;

use super::joint::{axis, list};
use super::sgd_runs::{Measured, chain, committee, error_of, extrapolated_chain, started_at, theory};
use super::{Level, Study};
use crate::report::{Expected, Report};

/// τ_c by three ways, and E_g across it.
pub const STUDY: Study = Study {
    name: "critical-learning-rate",
    claim: "critical learning rate: stability of the steady state, closed forms, and SGD that starts to move away, agree",
    run,
};

const NOISE: f64 = 0.25;
const DECAY: f64 = 0.5;

/// K = M = 1.
fn single(activation: Activation, rate: f64) -> Committee {
    let student = Student::new(array![[0.5]], array![[0.2]], activation.clone());
    Committee::new(Teacher::orthonormal(1, activation), student, rate)
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    closed_forms(&mut report)?;
    let linear = linear_student(&mut report, level)?;
    let erf = erf_unit(&mut report, level)?;
    let growth = onset(&mut report, level)?;
    report.picture("critical", Picture::new(3).panel(linear).panel(erf).panel(growth));
    Ok(report)
}

/// `τ_c` by continuation against the closed forms.
fn closed_forms(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let tolerance = 1e-7;
    let mut linear = Vec::new();
    for decay in [0.0, 0.5, 1.0] {
        for batch in [1, 4] {
            let problem =
                Committee { weight_decay: decay, batch, noise_variance: NOISE, ..single(Activation::Linear, 1.0) };
            linear.push((problem, 2.0 * batch as f64 * (1.0 + decay)));
        }
    }
    let momentum = Momentum::Constant { beta: 0.6 };
    linear.push((Committee { noise_variance: NOISE, momentum, ..single(Activation::Linear, 1.0) }, 2.0 * 0.4));
    let momentum = Momentum::Scaled { gamma: 2.0, alpha: 1.0 };
    let scaled = Committee { noise_variance: NOISE, weight_decay: DECAY, momentum, ..single(Activation::Linear, 1.0) };
    let scaled = [(scaled, 2.0 * (1.0 + DECAY))];

    let unit = PI * (5.0_f64 / 3.0).sqrt();
    let erf = [
        (single(Activation::Erf, 1.0), unit),
        (Committee { batch: 4, ..single(Activation::Erf, 1.0) }, 4.0 * unit),
        (Committee { momentum: Momentum::Constant { beta: 0.6 }, ..single(Activation::Erf, 1.0) }, 0.4 * unit),
    ];
    let search = "the tolerance of the search, 1e-7, and the eigenvalues, taken for neutral within 1e-8";
    for (what, source, cases, allowed, why) in [
        (
            "linear student with noise, λ = 0 … 1, B = 1 and 4, momentum: relative error of τ_c",
            "EQUATIONS 2b: τ_c = 2B(1+λ), (1−β) times that with momentum β",
            &linear[..],
            2e-7,
            search,
        ),
        (
            "linear student with noise, λ = 0.5, scaled momentum: relative error of α_c/γ",
            "EQUATIONS 2: stable for α < 2γ(1+λ)",
            &scaled[..],
            5e-6,
            "differences of rates of size q* = 1e6 over a step of 6e-6 leave 2e-5 in the Jacobian, a tenth of that in τ_c",
        ),
        (
            "erf unit, B = 1 and 4, momentum: relative error of τ_c",
            "linearisation at the teacher: τ_c = 2E[g'²]/E[g'⁴] = π√(5/3) (Biehl & Schwarze 1995)",
            &erf[..],
            2e-7,
            search,
        ),
    ] {
        let errors: Vec<f64> = cases
            .par_iter()
            .map(|(problem, expected)| {
                let bracket = (0.3 * expected, 1.4 * expected);
                let found = critical_learning_rate(problem, bracket, tolerance * expected, Quadrature::Automatic)?;
                Ok((found.rate / expected - 1.0).abs())
            })
            .collect::<learning_dynamics::Result<_>>()?;
        report.note(format!("{what}: {}", list(&errors)));
        report.gate(what, source, Expected::AtMost(allowed), errors.iter().copied().fold(0.0, f64::max), 0.0).why(why);
    }
    Ok(())
}

/// `E_g*` of the linear student with noise and decay, up to its divergence at τ_c = 3.
fn linear_student(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let critical = 2.0 * (1.0 + DECAY);
    let (dimension, runs, time) = (4000, level.pick(48, 640), 6.0);
    let rates = [0.3, 0.9, 1.5, 2.1, 2.4, 2.6];
    let statement =
        |rate: f64| Committee { weight_decay: DECAY, noise_variance: NOISE, ..single(Activation::Linear, rate) };
    let exact = |rate: f64| LinearStudent {
        teacher_norm: 1.0,
        learning_rate: rate,
        weight_decay: DECAY,
        noise_variance: NOISE,
        batch: 1,
        m: 0.2,
        q: 0.5,
    };
    struct Found {
        newton: f64,
        closed: f64,
        measured: Measured,
        deviation: f64,
    }
    let found: Vec<Found> = rates
        .par_iter()
        .map(|&rate| {
            let problem = statement(rate);
            let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic)?;
            let steady = equations.steady_state(&problem.initial_state(), 1e-12)?;
            let newton = equations.generalization_error(&steady.state)?;
            let closed = exact(rate).stationary_error()?;
            // The chain starts at the steady state. The exact means at this d know by how much it drifts off.
            let student = LinearStudent { q: steady.state[0], m: steady.state[1], ..exact(rate) };
            let mean = LinearSgd { student, dimension, beta: 0.0 }.after((time * dimension as f64).round() as u64);
            let shift = 0.5 * (1.0 - 2.0 * mean.m + mean.q) - closed;
            let measured = chain(&started_at(&problem, &steady.state), dimension, runs, 11, &[time])?[0][0];
            Ok(Found { newton, closed, measured, deviation: measured.deviation(newton + shift) })
        })
        .collect::<learning_dynamics::Result<_>>()?;
    report
        .gate(
            "linear student: E_g* by Newton, relative error",
            "EQUATIONS 2b: E_g*",
            Expected::AtMost(1e-10),
            found.iter().map(|found| (found.newton / found.closed - 1.0).abs()).fold(0.0, f64::max),
            0.0,
        )
        .why("Newton's tolerance 1e-12 over the slowest rate, τ(τ_c − τ) = 0.8");
    let deviations: Vec<f64> = found.iter().map(|found| found.deviation).collect();
    let relative: Vec<f64> = found.iter().map(|found| found.measured.error / found.closed).collect();
    report.note(format!(
        "linear student, d = {dimension}, {runs} runs: deviations from E_g* in standard errors {}; these are {} of E_g*",
        list(&deviations),
        list(&relative)
    ));
    report
        .gate(
            "linear student: E_g of the chain at six τ below τ_c, largest deviation from E_g* in standard errors",
            "the steady state, and the exact O(1/d) shift of the mean (Feuer & Weinstein 1985)",
            Expected::AtMost(4.0),
            deviations.iter().copied().fold(0.0, f64::max),
            0.0,
        )
        .why("four standard errors; the shift by finite d is known exactly and subtracted");

    let fine: Vec<f64> = (1..=140).map(|k| critical * f64::from(k) / 141.0).collect();
    let line: Vec<f64> =
        fine.iter().map(|&rate| exact(rate).stationary_error()).collect::<learning_dynamics::Result<_>>()?;
    let (points, bars): (Vec<f64>, Vec<f64>) = found.iter().map(|at| (at.measured.mean, at.measured.error)).unzip();
    let newton: Vec<f64> = found.iter().map(|found| found.newton).collect();
    let at = axis("learning_rate", "τ", &rates);
    report.data(Field::array("linear", "steady_error", "E_g* by Newton", &[&at], newton));
    report.data(Field::array("linear", "simulated", "E_g of the chain", &[&at], points.clone()));
    report.data(Field::array("linear", "standard_error", "its standard error", &[&at], bars.clone()));
    Ok(Panel::new("Linear student, λ = 0.5, σ² = 0.25", "learning rate τ", "steady generalisation error")
        .log_y()
        .x_range(0.0, 3.2)
        .line("theory", &fine, &line)
        .points("SGD, d = 4000", &rates, &points, &bars)
        .dashed("τ_c", &[critical; 2], &[0.05, 30.0]))
}

/// The stable steady state that the dynamics reach, and its `E_g`.
fn settled(problem: &Committee) -> learning_dynamics::Result<(Steady, f64)> {
    let mut run = OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-8)?;
    run.advance_to(400.0)?;
    let guess = run.state().to_vec();
    let steady = run.equations().steady_state(&guess, 1e-11)?;
    let error = run.equations().generalization_error(&steady.state)?;
    Ok((steady, error))
}

/// The bounded unit goes over into a steady state of larger error; label noise rounds the transition off.
fn erf_unit(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let critical = PI * (5.0_f64 / 3.0).sqrt();
    let (dimension, runs, time) = (4000, level.pick(32, 320), 10.0);
    let mut panel = Panel::new("One erf unit", "learning rate τ", "steady generalisation error").dashed(
        "τ_c = π√(5/3)",
        &[critical; 2],
        &[0.0, 0.3],
    );
    for (noise, name, rates) in [(0.0, "no_noise", vec![4.5, 5.0, 5.5, 6.0]), (0.05, "noise", vec![2.0, 3.0, 4.0, 5.0])]
    {
        let statement = |rate: f64| Committee { noise_variance: noise, ..single(Activation::Erf, rate) };
        let fine: Vec<f64> = (0..=28).map(|k| 0.4 + 0.2 * f64::from(k)).collect();
        let line: Vec<f64> =
            fine.par_iter().map(|&rate| Ok(settled(&statement(rate))?.1)).collect::<learning_dynamics::Result<_>>()?;
        let found: Vec<(f64, Measured)> = rates
            .par_iter()
            .map(|&rate| {
                let (steady, error) = settled(&statement(rate))?;
                let start = started_at(&statement(rate), &steady.state);
                Ok((error, extrapolated_chain(&start, dimension, runs, 21, &[time])?[0][0]))
            })
            .collect::<learning_dynamics::Result<_>>()?;
        let deviations: Vec<f64> = found.iter().map(|(error, measured)| measured.deviation(*error)).collect();
        let relative: Vec<f64> = found.iter().map(|(error, measured)| measured.error / error).collect();
        report.note(format!(
            "erf unit, σ² = {noise}, τ = {}: deviations of the chain from E_g* in standard errors {}; these are {} of E_g*",
            list(&rates),
            list(&deviations),
            list(&relative)
        ));
        report
            .gate(
                &format!(
                    "erf unit, σ² = {noise}: E_g of the chain at four τ, largest deviation from E_g* in standard errors"
                ),
                "steady state of the equations of Saad & Solla (1995)",
                Expected::AtMost(4.0),
                deviations.iter().copied().fold(0.0, f64::max),
                0.0,
            )
            .why("four standard errors; the O(1/d) is extrapolated from d = 1000 and 4000");
        if noise == 0.0 {
            let below = fine.iter().zip(&line).filter(|(rate, _)| **rate < critical - 0.1);
            report
                .gate(
                    "erf unit without noise: largest E_g* at τ < τ_c − 0.1",
                    "the teacher is learnt perfectly below τ_c",
                    Expected::AtMost(1e-9),
                    below.map(|(_, error)| *error).fold(0.0, f64::max),
                    0.0,
                )
                .why("Newton's tolerance 1e-11 over the slowest rate, 0.02");
        }
        let (points, bars): (Vec<f64>, Vec<f64>) = found.iter().map(|at| (at.1.mean, at.1.error)).unzip();
        let at = axis("learning_rate", "τ", &fine);
        report.data(Field::array("erf", name, "E_g*", &[&at], line.clone()));
        panel = panel.line(&format!("theory, σ² = {noise}"), &fine, &line);
        panel = panel.points("SGD, d → ∞", &rates, &points, &bars).same_colour();
    }
    let noisy = Committee { noise_variance: 0.05, ..single(Activation::Erf, 1.0) };
    let outcome = critical_learning_rate(&noisy, (0.5, 6.0), 1e-3, Quadrature::Automatic);
    let named = matches!(&outcome, Err(learning_dynamics::Error::Parameter { key, .. }) if key == "bracket.high");
    report
        .gate(
            "erf unit with noise: no loss of stability up to τ = 6 is reported as such",
            "claim of the library",
            Expected::AtLeast(1.0),
            f64::from(named),
            0.0,
        )
        .why("a bounded activation with noise passes smoothly to a large error");
    Ok(panel)
}

/// Near the teacher `E_g` shrinks below τ_c and grows above: where SGD itself changes from one to the other.
fn onset(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let (dimension, runs, time) = (20_000, level.pick(8, 80), 5.0);
    let mut panel = Panel::new("Growth of a small error", "τ/τ_c", "rate of growth of E_g");
    let pair = Committee {
        student: Student::new(Array2::eye(2) * 0.5, array![[0.3, 0.1], [0.0, 0.2]], Activation::Erf),
        ..committee(2, 2, 0.1, 1.0)
    };
    let cases = [
        ("linear", "growth_linear", single(Activation::Linear, 1.0)),
        ("erf, K = M = 1", "growth_erf", single(Activation::Erf, 1.0)),
        ("erf, K = M = 2", "growth_pair", pair),
    ];
    for (name, field, problem) in cases {
        let critical = critical_learning_rate(&problem, (1.0, 6.0), 1e-6, Quadrature::Automatic)?.rate;
        // Along the direction that loses stability: what is left after a while at τ_c.
        let k = problem.students();
        let near = Student::new(Array2::eye(k) * (1.0 + 1e-5), Array2::eye(k), problem.student.activation.clone());
        let marginal = Committee { student: near, learning_rate: critical.into(), ..problem.clone() };
        let mut run = OrderParameters::of(marginal.clone(), Quadrature::Automatic, 1e-10)?;
        run.advance_to(60.0)?;
        let start = started_at(&marginal, run.state());
        let initial = error_of(&start, run.state())?;
        let factors = [0.96, 0.98, 1.02, 1.04];
        let rates = factors.map(|factor| factor * critical);
        let found: Vec<(f64, Measured)> = rates
            .par_iter()
            .map(|&rate| {
                let start = Committee { learning_rate: rate.into(), ..start.clone() };
                let end = chain(&start, dimension, runs, 31, &[time])?[0][0];
                let growth = Measured { mean: (end.mean / initial).ln() / time, error: end.error / end.mean / time };
                let predicted = theory(&start, &[time], 1e-11)?[0];
                Ok(((predicted / initial).ln() / time, growth))
            })
            .collect::<learning_dynamics::Result<_>>()?;
        let measured: Vec<Measured> = found.iter().map(|found| found.1).collect();
        let (zero, error) = zero_of(&rates, &measured);
        // The same straight line through the rates in theory.
        let predicted: Vec<Measured> = found.iter().map(|&(mean, of)| Measured { mean, ..of }).collect();
        let curved = zero_of(&rates, &predicted).0 - critical;
        report.note(format!(
            "{name}: SGD changes from decay to growth at τ = {zero:.5} ± {error:.5}, τ_c = {critical:.5}; bend of the line {curved:.1e}"
        ));
        report
            .gate(
                &format!("{name}: τ at which E_g of SGD near the teacher starts to grow, over τ_c"),
                "zero of a line through the rates of growth of the chain at four τ, against τ_c by continuation",
                Expected::Within { value: 1.0, tolerance: (4.0 * error + curved.abs()) / critical + 2.0 / dimension as f64 },
                zero / critical,
                error / critical,
            )
            .why("four standard errors, the bend of the line, and 2/d, the shift of τ_c for the linear student at finite d");
        let (points, bars): (Vec<f64>, Vec<f64>) = measured.iter().map(|at| (at.mean, at.error)).unzip();
        let lines: Vec<f64> = found.iter().map(|found| found.0).collect();
        let at = axis("factor", "τ/τ_c", &factors);
        report.data(Field::array("onset", field, "rate of growth of E_g in the chain", &[&at], points.clone()));
        panel = panel.points(name, &factors, &points, &bars).line("", &factors, &lines).same_colour();
    }
    Ok(panel.dashed("τ_c", &[0.95, 1.05], &[0.0, 0.0]))
}

/// Where the straight line through `rate/τ` (by weighted least squares) is 0, and its standard error.
fn zero_of(rates: &[f64], growth: &[Measured]) -> (f64, f64) {
    let (mut s, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (&x, growth) in rates.iter().zip(growth) {
        let (y, weight) = (growth.mean / x, (x / growth.error).powi(2));
        s += weight;
        sx += weight * x;
        sy += weight * y;
        sxx += weight * x * x;
        sxy += weight * x * y;
    }
    let slope = (s * sxy - sx * sy) / (s * sxx - sx * sx);
    let (mean_x, mean_y) = (sx / s, sy / s);
    let zero = mean_x - mean_y / slope;
    let variance = (1.0 / s + (zero - mean_x).powi(2) * s / (s * sxx - sx * sx)) / (slope * slope);
    (zero, variance.sqrt())
}
