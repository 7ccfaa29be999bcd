//! Learning rates that change in time: the greedy one, and 1/t against label noise.

use std::error::Error;

use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::order_parameters::{CommitteeEquations, Equations, OrderParameters};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee, LearningRate, Student, Teacher};
use learning_dynamics::record::Series;
use ndarray::{Array2, array};
use rayon::prelude::*;

use super::joint::{axis, list};
use super::sgd_runs::{Measured, committee, extrapolated_chain, spread, theory};
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// Greedy, constant and 1/t.
pub const STUDY: Study = Study {
    name: "schedules",
    claim: "learning-rate schedules: no rate beats the greedy one at the moment, but it lingers on plateaus; with label noise only falling rates reach the teacher, as 1/t",
    run,
};

const GREEDY: LearningRate = LearningRate::Greedy { most: 20.0 };

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let noiseless = greedy_against_constant(&mut report, level)?;
    let noisy = against_noise(&mut report)?;
    let linear = linear_student(&mut report)?;
    report.picture("schedules", Picture::new(3).panel(noiseless).panel(noisy).panel(linear));
    Ok(report)
}

/// `dE_g/dt` at `state` by a central difference along the rates.
fn descent(equations: &mut CommitteeEquations, state: &[f64]) -> learning_dynamics::Result<f64> {
    let mut velocity = vec![0.0; state.len()];
    equations.rhs(0.0, state, &mut velocity)?;
    let step = 1e-4;
    let mut error = |step: f64| {
        let moved: Vec<f64> = state.iter().zip(&velocity).map(|(x, v)| x + step * v).collect();
        equations.generalization_error(&moved)
    };
    Ok((error(step)? - error(-step)?) / (2.0 * step))
}

/// erf, K = M = 2, no noise.
fn greedy_against_constant(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let problem = committee(2, 2, 0.3, 1.0);
    let with = |rate: LearningRate| Committee { learning_rate: rate, ..problem.clone() };
    let times: Vec<f64> = (0..=1600).map(|k| 0.05 * f64::from(k)).collect();
    let mut series = Series::new();
    let mut run = OrderParameters::of(with(GREEDY), Quadrature::Automatic, 1e-10)?;
    let mut states = Vec::new();
    for &time in &times {
        run.run(&[time], &mut |frame| series.visit(frame))?;
        states.push(run.state().to_vec());
    }
    let (errors, rates) = (series.values("errors", "generalization_error")?, series.values("errors", "learning_rate")?);

    // At each state of its path, the greedy rate against others.
    let factors = [0.25, 0.5, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 1.5, 1.9];
    let mut worst = f64::NEG_INFINITY;
    let mut parabola = 0.0f64;
    // Where E_g is not yet lost in rounding.
    let path = states.iter().zip(rates).zip(errors).step_by(20).filter(|(_, error)| **error > 1e-4);
    for ((state, &rate), _) in path {
        let mut equations = CommitteeEquations::new(with(rate.into()), Quadrature::Automatic)?;
        let best = descent(&mut equations, state)?;
        for factor in factors {
            equations.set_learning_rate(factor * rate)?;
            let other = descent(&mut equations, state)?;
            worst = worst.max((best - other) / best.abs());
            parabola = parabola.max((other / best - factor * (2.0 - factor)).abs());
        }
    }
    report
        .gate(
            "greedy rate: largest share by which dE_g/dt at another rate is lower, along the path",
            "definition of the greedy rate",
            Expected::AtMost(-0.5 * 0.05 * 0.05),
            worst,
            0.0,
        )
        .why("dE_g/dt is a parabola in τ: 5 % off costs 0.25 %, less half of that for the central difference");
    report
        .gate(
            "greedy rate: dE_g/dt at other rates over that at the greedy one, distance from x(2 − x)",
            "dE_g/dt = Aτ + Bτ², its least value at −A/2B",
            Expected::AtMost(1e-4),
            parabola,
            0.0,
        )
        .why("central difference with a step of 1e-4 of the unit of time");

    // Over the whole path: what constant rates and 1/(1+t/s) reach.
    let constants: Vec<f64> = (1..=12).map(|k| 0.2 * f64::from(k)).collect();
    let end = times[times.len() - 1];
    let reached: Vec<f64> = constants
        .par_iter()
        .map(|&rate| Ok(theory(&with(rate.into()), &[end], 1e-9)?[0]))
        .collect::<learning_dynamics::Result<_>>()?;
    let best = (0..constants.len()).min_by(|&i, &j| reached[i].total_cmp(&reached[j])).unwrap_or(0);
    let inverse = LearningRate::Inverse { initial: 2.0, scale: 20.0 };
    let shown: Vec<f64> = times.iter().copied().step_by(10).collect();
    let constant_path = theory(&with(constants[best].into()), &shown, 1e-9)?;
    let inverse_path = theory(&with(inverse), &shown, 1e-9)?;
    report.note(format!(
        "E_g at t = {end} for τ = {}: {}; greedy {:.3e}, 2/(1+t/20) {:.3e}",
        list(&constants),
        list(&reached),
        errors[errors.len() - 1],
        inverse_path[inverse_path.len() - 1]
    ));
    report
        .gate(
            "the greedy rate lingers on the plateau: E_g at t = 80 over that with the best of twelve constant rates",
            "what lowers E_g fastest is not what leaves a plateau: Saad & Rattray (1997)",
            Expected::AtLeast(10.0),
            errors[errors.len() - 1] / reached[best],
            0.0,
        )
        .why("by then the one is still on the plateau and the other well off it");

    // Replay in the chain, to which E_g is unknown.
    let replay = Committee {
        learning_rate: LearningRate::Tabulated { times: times.clone(), rates: rates.to_vec() },
        ..problem.clone()
    };
    let seen = [2.0, 5.0, 10.0, 20.0, 40.0];
    let (dimension, runs) = (2000, level.pick(32, 320));
    let measured: Vec<Measured> =
        extrapolated_chain(&replay, dimension, runs, 41, &seen)?.iter().map(|found| found[0]).collect();
    let expected: Vec<f64> = seen.iter().map(|t| errors[(t / 0.05).round() as usize]).collect();
    let deviations: Vec<f64> = measured.iter().zip(&expected).map(|(m, e)| m.deviation(*e)).collect();
    let relative: Vec<f64> = measured.iter().zip(&expected).map(|(m, e)| m.error / e).collect();
    report.note(format!(
        "replay of the greedy rate, t = {}: deviations in standard errors {}; these are {} of E_g",
        list(&seen),
        list(&deviations),
        list(&relative)
    ));
    report
        .gate(
            "recorded greedy rate replayed in the chain: largest deviation of E_g at five times in standard errors",
            "EQUATIONS 2, 2c",
            Expected::AtMost(4.0),
            deviations.iter().copied().fold(0.0, f64::max),
            0.0,
        )
        .why("four standard errors; the O(1/d) is extrapolated from d = 500 and 2000");

    let greedy_path: Vec<f64> = errors.iter().copied().step_by(10).collect();
    let shown_rates: Vec<f64> = rates.iter().copied().step_by(10).collect();
    let at = axis("time", "t = steps/d", &shown);
    report.data(Field::array("noiseless", "greedy", "E_g, greedy rate", &[&at], greedy_path.clone()));
    report.data(Field::array("noiseless", "greedy_rate", "greedy rate", &[&at], shown_rates));
    report.data(Field::array("noiseless", "constant", "E_g, best constant rate", &[&at], constant_path.clone()));
    let (points, bars): (Vec<f64>, Vec<f64>) = measured.iter().map(|m| (m.mean, m.error)).unzip();
    Ok(Panel::new("erf, K = M = 2", "t = steps/d", "generalisation error")
        .log_y()
        .line("greedy", &shown, &greedy_path)
        .points("its replay in SGD", &seen, &points, &bars)
        .same_colour()
        .line(&format!("constant {:.1}", constants[best]), &shown, &constant_path)
        .line("2/(1 + t/20)", &shown, &inverse_path))
}

/// erf, K = M = 2, label noise.
fn against_noise(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let problem = Committee { noise_variance: 0.1, ..committee(2, 2, 0.3, 0.5) };
    // 25 a decade. Falling rates make long runs cheap.
    let times = spread(1.0, 1e7, 176);
    // Each student close to its own teacher.
    let m = array![[0.7, 0.1], [0.0, 0.6]];
    let chosen = Student::new(Array2::eye(2) * 0.25 + m.dot(&m.t()), m, Activation::Erf);
    let beyond = Committee { student: chosen, ..problem.clone() };
    let schedules = [
        ("constant 0.5", "constant", &problem, LearningRate::Constant(0.5)),
        ("2/(1 + t/50)", "inverse", &problem, LearningRate::Inverse { initial: 2.0, scale: 50.0 }),
        ("greedy, from beyond the plateau", "greedy_beyond", &beyond, GREEDY),
        ("greedy", "greedy", &problem, GREEDY),
    ];
    let paths: Vec<Vec<f64>> = schedules
        .par_iter()
        .map(|&(_, name, problem, ref rate)| {
            let times = if name == "constant" { &times[..=100] } else { &times };
            theory(&Committee { learning_rate: rate.clone(), ..problem.clone() }, times, 1e-10)
        })
        .collect::<learning_dynamics::Result<_>>()?;
    report
        .gate(
            "label noise: E_g at t = 10⁴ with the greedy rate that met the plateau, over that with 2/(1 + t/50)",
            "the greedy rate anneals at the saddle: Saad & Rattray (1997)",
            Expected::AtLeast(10.0),
            paths[3][100] / paths[1][100],
            0.0,
        )
        .why("the one still has the error of the plateau, the other 1/t of it");
    let mut panel = Panel::new("erf, K = M = 2, σ² = 0.1", "t = steps/d", "generalisation error").log_x().log_y();
    for ((label, name, _, _), path) in schedules.iter().zip(&paths) {
        let (times, last) = (&times[..path.len()], path.len() - 26);
        let (slope, error) = fit_slope(&times[last..], &path[last..]);
        report.note(format!(
            "σ² = 0.1, {label}: slope of E_g over t = {:.0e} … {:.0e} {slope:.5} ± {error:.5}, E_g(10⁴) = {:.3e}",
            times[last],
            times[last + 25],
            path[100]
        ));
        let expected = if *name == "constant" { 0.0 } else { -1.0 };
        if *name != "greedy" {
            report
                .gate(
                    &format!("label noise, {label}: slope of E_g in t over the last decade"),
                    "constant rates end at an E_g ∝ τσ²; 1/t annealing: Leen, Schottky & Saad (1998)",
                    Expected::Within { value: expected, tolerance: 0.02 },
                    slope,
                    error,
                )
                .why("corrections of relative size t₀/t, with t₀ = 50 for the shift of the schedule and 10⁴ for the slow start of the greedy rate");
        }
        let at = axis(if *name == "constant" { "time" } else { "long_time" }, "t = steps/d", times);
        report.data(Field::array("noise", name, "E_g with label noise", &[&at], path.clone()));
        panel = panel.line(label, times, path);
    }
    Ok(panel.slope("1/t", -1.0, [1e3, 0.4 * paths[1][75]], [2e2, 1e5]))
}

/// Linear student with noise: the greedy path in closed form, and annealing too slow and fast enough.
fn linear_student(report: &mut Report) -> Result<Panel, Box<dyn Error>> {
    let noise = 0.4;
    let statement = |rate: LearningRate| {
        let student = Student::new(array![[0.5]], array![[0.2]], Activation::Linear);
        let problem = Committee::new(Teacher::orthonormal(1, Activation::Linear), student, rate);
        Committee { noise_variance: noise, ..problem }
    };
    let times = spread(0.1, 1e4, 101);
    let mut panel = Panel::new("Linear student, σ² = 0.4", "t = steps/d", "generalisation error").log_x().log_y();
    let at = axis("time", "t = steps/d", &times);

    // With e = 2E_g: e' = −2τe + τ²(e + σ²), greedy τ = e/(e + σ²), so ln e − σ²/e = const − t.
    let greedy = theory(&statement(GREEDY), &times, 1e-12)?;
    let invariant = |error: f64| (2.0 * error).ln() - noise / (2.0 * error);
    let start = invariant(0.5 * (1.0 - 2.0 * 0.2 + 0.5));
    let worst = greedy
        .iter()
        .zip(&times)
        .map(|(&error, t)| (invariant(error) - start + t).abs() / (1.0 + t))
        .fold(0.0, f64::max);
    report
        .gate(
            "linear student, greedy rate: ln e − σ²/e + t, relative change, e = 2E_g",
            "e' = −e²/(e + σ²) at τ = e/(e + σ²), integrated",
            Expected::AtMost(1e-7),
            worst,
            0.0,
        )
        .why("tolerance 1e-12 a step, absolute, on overlaps near 1 that cancel in E_g down to 2e-5: 1e-12/2e-5, relative");
    panel = panel.line("greedy", &times, &greedy);
    report.data(Field::array("linear", "greedy", "E_g, greedy rate", &[&at], greedy));

    // τ = (c/s)/(1 + t/s): deviations fall as t^(−2c), the noise as 1/t.
    for (c, name, expected) in [(0.3, "slow", -0.6), (2.0, "fast", -1.0)] {
        let scale = 5.0;
        let rate = LearningRate::Inverse { initial: c / scale, scale };
        let path = theory(&statement(rate), &times, 1e-10)?;
        let (slope, error) = fit_slope(&times[75..], &path[75..]);
        report.note(format!("linear, {c}/(t + {scale}): slope {slope:.5} ± {error:.5}"));
        report
            .gate(
                &format!("linear student, τ = {c}/(t + 5): slope of E_g in t over the last decade"),
                "E_g = A t^(−2c) + B/t: Leen, Schottky & Saad (1998)",
                Expected::Within { value: expected, tolerance: 0.02 },
                slope,
                error,
            )
            .why("the next power is smaller by t^(−0.4) times the small noise at c = 0.3, by 5/t at c = 2");
        panel = panel.line(&format!("{c}/(t + 5)"), &times, &path);
        report.data(Field::array("linear", name, "E_g, inverse rate", &[&at], path));
    }
    Ok(panel)
}
