//! Fluctuations at finite dimension: the predicted covariance and bias of the overlaps against the overlap chain.

use std::error::Error;

use learning_dynamics::exact::{LinearSgd, LinearStudent};
use learning_dynamics::frame::{Field, Solver};
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::{OverlapChain, SgdSettings};
use learning_dynamics::order_parameters::{CommitteeEquations, FluctuationSettings, Fluctuations, FromFn, Trajectory};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use learning_dynamics::record::Series;
use ndarray::{Array2, array};

use super::joint::{axis, largest_difference};
use super::teacher_student::{POLYNOMIAL, furthest, linear, mean_se};
use super::{Level, Study};
use crate::report::{Expected, Report, number};

/// Variances, covariances and bias for linear and erf committees.
pub const STUDY: Study = Study {
    name: "fluctuations",
    claim: "the covariance of √d(φ_d − φ) and the 1/d bias of the mean, integrated along the trajectory, are those of simulation",
    run,
};

const SOURCE: &str = "EQUATIONS 2d";

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let (variance, band) = linear_student(&mut report, level)?;
    let (committee, error) = erf_committee(&mut report, level)?;
    let bias = bias(&mut report, level)?;
    let picture = Picture::new(3).panel(band).panel(variance).panel(bias).panel(committee).panel(error);
    report.picture("fluctuations", picture);
    Ok(report)
}

/// Overlaps, covariance (row-major) and bias at each time.
struct Prediction {
    overlaps: Vec<Vec<f64>>,
    covariance: Vec<Vec<f64>>,
    bias: Vec<Vec<f64>>,
    deviation: Vec<f64>,
}

fn predict(
    problem: &Committee,
    times: &[f64],
    settings: &FluctuationSettings,
) -> learning_dynamics::Result<Prediction> {
    let polynomial = matches!(problem.student.activation, Activation::Linear);
    let rule = if polynomial { POLYNOMIAL } else { Quadrature::Automatic };
    let mut run = Fluctuations::of(problem.clone(), rule, settings)?;
    let len = problem.layout().len();
    let mut series = Series::new();
    let mut overlaps = Vec::new();
    for &time in times {
        run.run(&[time], &mut |frame| series.visit(frame))?;
        overlaps.push(run.state()[..len].to_vec());
    }
    let rows = |name: (&str, &str), width: usize| -> learning_dynamics::Result<Vec<Vec<f64>>> {
        Ok(series.values(name.0, name.1)?.chunks_exact(width).map(<[f64]>::to_vec).collect())
    };
    Ok(Prediction {
        overlaps,
        covariance: rows(("covariance", "C"), len * len)?,
        bias: rows(("bias", "b"), len)?,
        deviation: series.values("errors", "generalization_error_deviation")?.to_vec(),
    })
}

fn chain(problem: &Committee, dimension: usize, runs: usize, seed: u64) -> learning_dynamics::Result<OverlapChain> {
    OverlapChain::new(problem.clone(), SgdSettings { dimension, runs, seed, record_runs: false })
}

/// d times the sample covariance of two columns, and its standard error from the fourth moments.
fn covariance(a: &[f64], b: &[f64], dimension: usize) -> (f64, f64) {
    let (a_mean, b_mean) = (mean_se(a).0, mean_se(b).0);
    let products: Vec<f64> = a.iter().zip(b).map(|(a, b)| dimension as f64 * (a - a_mean) * (b - b_mean)).collect();
    let (mean, error) = mean_se(&products);
    let n = a.len() as f64;
    (mean * n / (n - 1.0), error)
}

/// `(m, q)` with `Var m`, `Cov(m, q)`, `Var q` of the linear student by hand (ρ = 1); `centred`: whether −FFᵀ is in G.
fn by_hand(
    times: &[f64],
    [m, q, tau, decay, sigma]: [f64; 5],
    centred: bool,
) -> learning_dynamics::Result<Vec<[f64; 5]>> {
    let equations = FromFn::new(["m", "q", "mm", "mq", "qq"], |_: f64, y: &[f64], dy: &mut [f64]| {
        let (m, q, mm, mq, qq) = (y[0], y[1], y[2], y[3], y[4]);
        let (v, kept) = (1.0 - 2.0 * m + q + sigma, tau * (1.0 + decay));
        let (jm, jq) = (2.0 * tau * (1.0 - tau), tau * tau - 2.0 * kept);
        dy[0] = tau - kept * m;
        dy[1] = tau * tau * v + 2.0 * tau * m - 2.0 * kept * q;
        let square = |a: f64, b: f64| if centred { 0.0 } else { a * b };
        dy[2] = -2.0 * kept * mm + tau * tau * (v + (m - 1.0).powi(2)) + square(dy[0], dy[0]);
        let mixed = v * m + (q - m - tau * v) * (m - 1.0);
        dy[3] = jm * mm + (jq - kept) * mq + 2.0 * tau * tau * mixed + square(dy[0], dy[1]);
        let noise = 4.0 * (v * q + (q - m).powi(2)) - 8.0 * tau * v * (q - m) + 2.0 * tau * tau * v * v;
        dy[4] = 2.0 * (jm * mq + jq * qq) + tau * tau * noise + square(dy[1], dy[1]);
        Ok(())
    });
    let mut run = Trajectory::new(equations, vec![m, q, 0.0, 0.0, 0.0], 1e-11)?;
    times
        .iter()
        .map(|&time| {
            run.advance_to(time)?;
            let y = run.state();
            Ok([y[0], y[1], y[2], y[3], y[4]])
        })
        .collect()
}

fn linear_student(report: &mut Report, level: Level) -> Result<(Panel, Panel), Box<dyn Error>> {
    let times: Vec<f64> = (0..=8).map(|k| 0.5 * f64::from(k)).collect();
    let (d, runs) = level.pick((400, 5000), (1000, 40_000));
    let parameters = [0.0, 0.2, 0.8, 0.2, 0.1];
    let [m, q, tau, decay, sigma] = parameters;
    let problem = linear(m, q, tau, decay, sigma, 1);
    let settings = FluctuationSettings { tolerance: 1e-8, ..FluctuationSettings::default() };
    let prediction = predict(&problem, &times, &settings)?;
    let hand = by_hand(&times, parameters, true)?;
    let without = by_hand(&times, parameters, false)?;
    let gaps = prediction
        .covariance
        .iter()
        .zip(&hand)
        .map(|(c, [_, _, mm, mq, qq])| largest_difference(c, &[*qq, *mq, *mq, *mm]));
    report
        .gate("linear: C against the same equations by hand", SOURCE, Expected::AtMost(1e-6), furthest(gaps), 0.0)
        .why("a hundred times the tolerance of a step, 1e-8");

    let student = LinearStudent {
        teacher_norm: 1.0,
        learning_rate: tau,
        weight_decay: decay,
        noise_variance: sigma,
        batch: 1,
        m,
        q,
    };
    // The mean at finite d is known exactly; two dimensions leave d⁻².
    let means = |d: usize, time: f64| LinearSgd { student, dimension: d, beta: 0.0 }.after((time * d as f64) as u64);
    let biases = times.iter().zip(&prediction.overlaps).zip(&prediction.bias).map(|((&time, overlaps), bias)| {
        let scaled = |d: usize| {
            let exact = means(d, time);
            [(exact.q - overlaps[0]) * d as f64, (exact.m - overlaps[1]) * d as f64]
        };
        let (coarse, fine) = (scaled(1000), scaled(2000));
        largest_difference(bias, &[2.0 * fine[0] - coarse[0], 2.0 * fine[1] - coarse[1]])
    });
    report
        .gate(
            "linear: bias of q and m against the exact means at d = 1000 and 2000, extrapolated",
            "EQUATIONS 2d; exact moment recursion",
            Expected::AtMost(1e-4),
            furthest(biases.collect::<Vec<_>>()),
            0.0,
        )
        .why("d⁻² = 1e-6 is left of biases of order 1, and the tolerance of a step, 1e-8, times d");

    let mut simulated = chain(&problem, d, runs, 21)?;
    let (mut scores, mut apart) = (Vec::new(), Vec::new());
    let mut seen: [Vec<f64>; 4] = Default::default();
    for (k, &time) in times.iter().enumerate() {
        simulated.advance_to(time)?;
        let states = simulated.states();
        let (q, m) = (states.column(0).to_vec(), states.column(1).to_vec());
        let found = [covariance(&q, &q, d), covariance(&q, &m, d), covariance(&m, &m, d)];
        for (values, value) in
            seen.iter_mut().zip([mean_se(&m).0, (found[2].0 / d as f64).sqrt(), found[2].0, found[2].1])
        {
            values.push(value);
        }
        if k == 0 {
            continue;
        }
        let c = &prediction.covariance[k];
        for ((value, error), exact) in found.into_iter().zip([c[0], c[1], c[3]]) {
            // The next order is 1/d of what is compared.
            scores.push((value - exact) / (error + 0.25 * 4.0 / d as f64 * exact.abs()));
        }
        apart.push((found[2].0 - without[k][2]).abs() / found[2].1);
        report.note(format!(
            "linear, t = {time}: variance of √d(m_d − m): simulated {} ± {}, predicted {}, without −FFᵀ {}",
            number(found[2].0),
            number(found[2].1),
            number(c[3]),
            number(without[k][2])
        ));
    }
    report
        .gate(
            "linear: variances and covariance of q and m against the chain, in standard errors",
            SOURCE,
            Expected::Within { value: 0.0, tolerance: 4.0 },
            furthest(scores.iter().copied()),
            1.0,
        )
        .why(format!(
            "four standard errors and 4/d of the value, worst of {} numbers, d = {d}, {runs} runs",
            scores.len()
        ));
    report
        .gate(
            "linear: variance of m without −FFᵀ, distance from the chain in standard errors",
            "EQUATIONS 2d: −FFᵀ matters",
            Expected::AtLeast(10.0),
            apart.iter().copied().fold(0.0, f64::max),
            1.0,
        )
        .why("ten standard errors leave no doubt");

    let line: Vec<f64> = (0..=160).map(|k| 0.025 * f64::from(k)).collect();
    let smooth = by_hand(&line, parameters, true)?;
    let wrong = by_hand(&line, parameters, false)?;
    let column = |rows: &[[f64; 5]], k: usize| rows.iter().map(|row| row[k]).collect::<Vec<f64>>();
    let sd: Vec<f64> = smooth.iter().map(|row| (row[2] / d as f64).sqrt()).collect();
    let mean = column(&smooth, 0);
    let low: Vec<f64> = mean.iter().zip(&sd).map(|(m, s)| m - s).collect();
    let high: Vec<f64> = mean.iter().zip(&sd).map(|(m, s)| m + s).collect();
    let along = axis("time", "steps/d", &times);
    report.data(Field::array("linear", "variance_m", "variance of √d(m_d − m), chain", &[&along], seen[2].clone()));
    report.data(Field::array("linear", "standard_error", "its standard error", &[&along], seen[3].clone()));
    let predicted: Vec<f64> = prediction.covariance.iter().map(|c| c[3]).collect();
    report.data(Field::array("linear", "predicted", "the same, predicted", &[&along], predicted.clone()));
    let band = Panel::new(&format!("Linear: m at d = {d}, ± one deviation"), "t", "m")
        .band("predicted", &line, &low, &high)
        .line("", &line, &mean)
        .same_colour()
        .points("chain: runs", &times, &seen[0], &seen[1]);
    let variance = Panel::new("Linear: variance of √d(m_d − m)", "t", "variance")
        .line("predicted", &line, &column(&smooth, 2))
        .points("chain", &times, &seen[2], &seen[3])
        .dashed("without −FFᵀ", &line, &column(&wrong, 2));
    Ok((variance, band))
}

fn committee() -> Committee {
    let m = array![[0.3, 0.1], [0.05, 0.25]];
    let mut student = Student::new(array![[0.5, 0.1], [0.1, 0.6]], m, Activation::Erf);
    student.weights = vec![1.0, 0.8];
    let plain = Committee::new(Teacher::orthonormal(2, Activation::Erf), student, 1.0);
    Committee { noise_variance: 0.1, weight_decay: 0.1, ..plain }
}

/// erf, K = M = 2 with a trained second layer: nine order parameters.
fn erf_committee(report: &mut Report, level: Level) -> Result<(Panel, Panel), Box<dyn Error>> {
    let problem = Committee { second_layer_rate: 0.5, ..committee() };
    let (d, runs) = level.pick((300, 2500), (1000, 30_000));
    let times = [0.5, 1.0, 2.0, 4.0];
    let settings = FluctuationSettings { points: 16, tolerance: 1e-5, ..FluctuationSettings::default() };
    let prediction = predict(&problem, &times, &settings)?;
    let finer = FluctuationSettings { points: 20, tolerance: 1e-7, ..settings.clone() };
    let reference = predict(&problem, &times[..1], &finer)?;
    report
        .gate(
            "erf, K = M = 2: change of C at t = 0.5 with 20 points and tolerance 1e-7",
            "convergence",
            Expected::AtMost(1e-4),
            largest_difference(&prediction.covariance[0], &reference.covariance[0]),
            0.0,
        )
        .why("ten times the tolerance of a step, 1e-5; the simulated variances are known to 1e-3");
    let mut equations = CommitteeEquations::new(problem.clone(), Quadrature::Automatic)?;
    let mut simulated = chain(&problem, d, runs, 22)?;
    let (mut scores, mut spread) = (Vec::new(), (Vec::new(), Vec::new()));
    let mut pairs: [Vec<f64>; 3] = Default::default();
    let len = problem.layout().len();
    for (k, &time) in times.iter().enumerate() {
        simulated.advance_to(time)?;
        let states = simulated.states();
        let columns: Vec<Vec<f64>> = (0..len).map(|i| states.column(i).to_vec()).collect();
        let scale = |i: usize| prediction.covariance[k][i * len + i];
        for i in 0..len {
            for j in i..len {
                let (value, error) = covariance(&columns[i], &columns[j], d);
                let exact = prediction.covariance[k][i * len + j];
                let next = 4.0 / d as f64 * (scale(i) * scale(j)).sqrt();
                scores.push((value - exact) / (error + 0.25 * next));
                if k + 1 == times.len() {
                    pairs[0].push(exact);
                    pairs[1].push(value);
                    pairs[2].push(error);
                }
            }
        }
        let mut errors = Vec::with_capacity(runs);
        for state in states.rows() {
            errors.push(equations.generalization_error(&state.to_vec())?);
        }
        let (variance, error) = covariance(&errors, &errors, d);
        let exact = prediction.deviation[k].powi(2);
        // E_g is not linear in the overlaps: its variance has corrections of order 1/d of its own.
        scores.push((variance - exact) / (error + 0.25 * 10.0 / d as f64 * exact));
        spread.0.push(variance.sqrt());
        spread.1.push(0.5 * error / variance.sqrt());
    }
    report
        .gate(
            "erf, K = M = 2, trained second layer: all covariances and the variance of E_g against the chain, in standard errors",
            SOURCE,
            Expected::Within { value: 0.0, tolerance: 4.0 },
            furthest(scores.iter().copied()),
            1.0,
        )
        .why(format!("four standard errors and 4/d of the standard deviations (10/d for E_g), worst of {} numbers, d = {d}, {runs} runs", scores.len()));
    let ends = pairs[0].iter().fold([0.0_f64; 2], |[low, high], x| [low.min(*x), high.max(*x)]);
    let scatter = Panel::new("erf, K = M = 2: 45 covariances at t = 4", "predicted", &format!("chain, d = {d}"))
        .dashed("equal", &ends, &ends)
        .points("", &pairs[0], &pairs[1], &pairs[2]);
    let along =
        axis("entry", "upper triangle of C by rows", &(0..pairs[0].len()).map(|k| k as f64).collect::<Vec<_>>());
    let [exact, value, error] = pairs;
    report.data(Field::array("erf", "predicted", "covariances at t = 4", &[&along], exact));
    report.data(Field::array("erf", "chain", "covariances at t = 4, chain", &[&along], value));
    report.data(Field::array("erf", "standard_error", "their standard errors", &[&along], error));
    let fine: Vec<f64> = (0..=40).map(|k| 0.1 * f64::from(k)).collect();
    let settings = FluctuationSettings { points: 12, tolerance: 1e-4, ..settings };
    let smooth = predict(&problem, &fine, &settings)?;
    let deviation = Panel::new("erf, K = M = 2: standard deviation of √d E_g", "t", "standard deviation")
        .line("predicted", &fine, &smooth.deviation)
        .points("chain", &times, &spread.0, &spread.1);
    Ok((scatter, deviation))
}

/// erf, K = M = 1: d times the bias of the mean, at small d and extrapolated.
fn bias(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let times = [0.5, 1.0, 2.0, 4.0];
    let runs = level.pick(40_000, 400_000);
    let student = Student::new(array![[0.4]], Array2::from_elem((1, 1), 0.1), Activation::Erf);
    let problem = Committee {
        noise_variance: 0.3,
        weight_decay: 0.3,
        ..Committee::new(Teacher::orthonormal(1, Activation::Erf), student, 1.8)
    };
    let settings = FluctuationSettings { points: 32, tolerance: 1e-9, ..FluctuationSettings::default() };
    let line: Vec<f64> = (0..=40).map(|k| 0.1 * f64::from(k)).collect();
    let smooth = predict(&problem, &line, &settings)?;
    let prediction = predict(&problem, &times, &settings)?;
    let mut panel = Panel::new("erf, K = M = 1: d times the bias of the mean", "t", "d E[φ_d − φ]");
    let dimensions = [20, 40];
    let mut scaled = Vec::new();
    for (&d, seed) in dimensions.iter().zip([31, 32]) {
        let mut simulated = chain(&problem, d, runs * d / 40, seed)?;
        let mut rows = Vec::new();
        for (time, mean) in times.iter().zip(&prediction.overlaps) {
            simulated.advance_to(*time)?;
            let states = simulated.states();
            rows.push([0, 1].map(|k| {
                let gaps: Vec<f64> = states.column(k).iter().map(|x| d as f64 * (x - mean[k])).collect();
                mean_se(&gaps)
            }));
        }
        scaled.push(rows);
    }
    let (mut scores, mut largest) = (Vec::new(), 0.0_f64);
    for (t, exact) in prediction.bias.iter().enumerate() {
        for k in 0..2 {
            let ((coarse, e1), (fine, e2)) = (scaled[0][t][k], scaled[1][t][k]);
            // Two terms of the expansion in 1/d; the third is of order d⁻².
            let error = (e1 * e1 + 4.0 * e2 * e2).sqrt();
            scores.push((2.0 * fine - coarse - exact[k]) / (error + 0.25 * 20.0 / 800.0));
            largest = largest.max(exact[k].abs() / error);
            let about = ["q", "m"][k];
            report.note(format!(
                "erf, K = M = 1, t = {}: bias of {about} × d: {} ± {} at d = 20, {} ± {} at d = 40, predicted {}",
                times[t],
                number(coarse),
                number(e1),
                number(fine),
                number(e2),
                number(exact[k])
            ));
        }
    }
    report
        .gate(
            "erf, K = M = 1: bias of q and m, extrapolated from d = 20 and 40, in standard errors",
            SOURCE,
            Expected::Within { value: 0.0, tolerance: 4.0 },
            furthest(scores),
            1.0,
        )
        .why(format!(
            "four standard errors, and 20/d² for the third term at d = 20 and 40; the largest bias is {} of them",
            number(largest)
        ));
    for (k, name) in [(0, "q"), (1, "m")] {
        let predicted: Vec<f64> = smooth.bias.iter().map(|b| b[k]).collect();
        let y: Vec<f64> = scaled[1].iter().map(|row| row[k].0).collect();
        let e: Vec<f64> = scaled[1].iter().map(|row| row[k].1).collect();
        panel = panel.line(&format!("{name}, predicted"), &line, &predicted);
        panel = panel.points(&format!("{name}, chain, d = 40"), &times, &y, &e).same_colour();
    }
    Ok(panel)
}
