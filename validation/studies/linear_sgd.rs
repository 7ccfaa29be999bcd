//! Linear student and teacher: order parameters, closed forms, simulation, and the formulas in circulation.

use std::error::Error;

use learning_dynamics::exact::{LinearSgd, LinearStudent};
use learning_dynamics::frame::Field;
use learning_dynamics::monte_carlo::{OnlineSgd, OverlapChain, SgdSettings};
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::output::plot::{Panel, Picture};
use ndarray::Array2;
use rayon::prelude::*;

use super::joint::{axis, largest_difference};
use super::teacher_student::{POLYNOMIAL, furthest, linear, mean_se};
use super::{Level, Study};
use crate::report::{Expected, Report, number};

/// Trajectories, fixed point and critical rate; verdict on the circulating formulas.
pub const STUDY: Study = Study {
    name: "linear-sgd",
    claim: "linear student: ODE, closed forms and simulation agree for all λ and B; the circulating q*, E_g* and τ_c hold at λ = 0 only",
    run,
};

const NOISE: f64 = 0.5;
const START: (f64, f64) = (0.1, 0.5);
const SOURCE: &str = "EQUATIONS 2b";

/// λ, B and τ/B; in a circulating formula τ/B stands for τ as well.
#[derive(Debug, Clone, Copy)]
struct Case {
    decay: f64,
    batch: usize,
    ratio: f64,
}

impl Case {
    fn exact(self) -> LinearStudent {
        LinearStudent {
            teacher_norm: 1.0,
            learning_rate: self.ratio * self.batch as f64,
            weight_decay: self.decay,
            noise_variance: NOISE,
            batch: self.batch,
            m: START.0,
            q: START.1,
        }
    }

    fn committee(self) -> learning_dynamics::problem::Committee {
        linear(START.0, START.1, self.exact().learning_rate, self.decay, NOISE, self.batch)
    }

    /// `ρ/(1+λ) + τσ²/(2(1+λ) − τ(1+λ)²)`.
    fn circulating_q(self) -> f64 {
        let kept = 1.0 + self.decay;
        1.0 / kept + self.ratio * NOISE / (2.0 * kept - self.ratio * kept * kept)
    }

    /// `λ²ρ/(2(1+λ)²) + τσ²/(4(1+λ) − 2τ(1+λ)²)`.
    fn circulating_error(self) -> f64 {
        let kept = 1.0 + self.decay;
        0.5 * (self.decay / kept).powi(2) + self.ratio * NOISE / (4.0 * kept - 2.0 * self.ratio * kept * kept)
    }

    /// The slower of the two rates of relaxation.
    fn slowest(self) -> f64 {
        let kept = 1.0 + self.decay;
        self.exact().learning_rate * kept.min(2.0 * kept - self.ratio)
    }

    fn name(self) -> String {
        format!("λ = {}, B = {}", self.decay, self.batch)
    }
}

fn run(level: Level) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new();
    let trajectories = trajectories(&mut report, level)?;
    let stationary = stationary(&mut report, level)?;
    let critical = critical(&mut report, level)?;
    report.picture("linear", Picture::new(3).panel(trajectories).panel(stationary).panel(critical));
    Ok(report)
}

/// Mean and standard error of m, q and E_g over the runs.
fn averages(states: &Array2<f64>) -> [(f64, f64); 3] {
    let (q, m) = (states.column(0).to_vec(), states.column(1).to_vec());
    let errors: Vec<f64> = m.iter().zip(&q).map(|(m, q)| 0.5 * (1.0 - 2.0 * m + q)).collect();
    [mean_se(&m), mean_se(&q), mean_se(&errors)]
}

fn overlaps(m: f64, q: f64) -> [f64; 3] {
    [m, q, 0.5 * (1.0 - 2.0 * m + q)]
}

fn trajectories(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let scaled = [0.25, 0.5, 1.0, 2.0, 4.0];
    let (d, runs) = (300, level.pick(24, 400));
    let cases: Vec<Case> =
        [0.0, 0.5, 1.0].into_iter().flat_map(|decay| [1, 4].map(|batch| Case { decay, batch, ratio: 0.8 })).collect();
    let mut panel = Panel::new(&format!("τ = 0.8: closed form, chain and weights at d = {d}"), "t", "E_g");
    // Sixteen steps fit between records at either batch size.
    let times = |case: Case| scaled.map(|t| (t / case.batch as f64 * d as f64).round() / d as f64);
    let mut gaps = Vec::new();
    let mut scores = [Vec::new(), Vec::new()];
    for &case in &cases {
        let exact = case.exact();
        let mut ode = OrderParameters::of(case.committee(), POLYNOMIAL, 1e-10)?;
        let settings = |runs, seed| SgdSettings { dimension: d, runs, seed, record_runs: false };
        let mut chain = OverlapChain::new(case.committee(), settings(8 * runs, 3))?;
        let mut weights = OnlineSgd::new(case.committee(), settings(runs, 4))?;
        let finite = LinearSgd { student: exact, dimension: d, beta: 0.0 };
        let mut seen = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
        for time in times(case) {
            ode.advance_to(time)?;
            let closed = exact.at(time);
            gaps.push(largest_difference(ode.state(), &[closed.q, closed.m]));
            let means = finite.after((time * d as f64).round() as u64);
            chain.advance_to(time)?;
            weights.advance_to(time)?;
            for ((states, scores), seen) in [chain.states(), weights.states()].iter().zip(&mut scores).zip(&mut seen) {
                let found = averages(states);
                let expected = overlaps(means.m, means.q);
                scores.extend(found.iter().zip(expected).map(|((mean, error), exact)| (mean - exact) / error));
                seen.0.push(found[2].0);
                seen.1.push(found[2].1);
            }
        }
        if case.batch == 1 {
            let line: Vec<f64> = (0..=160).map(|k| 4.0 * f64::from(k) / 160.0).collect();
            let label = format!("λ = {}", case.decay);
            let values: Vec<f64> = line.iter().map(|&t| exact.generalization_error(t)).collect();
            panel = panel.line(&label, &line, &values);
            let [(chain, chain_error), (weights, weights_error)] = &seen;
            panel = panel.points("", &times(case), chain, chain_error).same_colour();
            panel = panel.points("", &times(case), weights, weights_error).same_colour();
            let along = axis("time", "steps/d", &times(case));
            let name = ["chain_0", "chain_05", "chain_1"][cases.iter().filter(|c| c.decay < case.decay).count() / 2];
            report.data(Field::array("trajectories", name, "E_g, mean over runs", &[&along], chain.clone()));
        }
    }
    report
        .gate("m(t) and q(t) of the ODE against the closed form", SOURCE, Expected::AtMost(1e-8), furthest(gaps), 0.0)
        .why("a hundred times the tolerance of a step, 1e-10");
    for (who, scores, runs) in [("overlap chain", &scores[0], 8 * runs), ("weights", &scores[1], runs)] {
        report
            .gate(
                &format!("m, q and E_g of the {who} against the exact means at d = {d}, in standard errors"),
                "EQUATIONS 2b, 2c; exact moment recursion",
                Expected::Within { value: 0.0, tolerance: 4.0 },
                furthest(scores.iter().copied()),
                1.0,
            )
            .why(format!("four standard errors for the worst of {} numbers, {runs} runs; no bias", scores.len()));
    }
    Ok(panel)
}

/// q and E_g of one run each, averaged over its stationary stretch.
struct Stationary {
    case: Case,
    q: (f64, f64),
    error: (f64, f64),
    bias: f64,
}

fn simulate(case: Case, d: usize, runs: usize) -> learning_dynamics::Result<Stationary> {
    let settings = SgdSettings { dimension: d, runs, seed: 7, record_runs: false };
    let mut chain = OverlapChain::new(case.committee(), settings)?;
    let records = 40;
    let mut sums = vec![[0.0; 2]; runs];
    let finite = LinearSgd { student: case.exact(), dimension: d, beta: 0.0 };
    let mut means = [0.0; 2];
    for record in 0..records {
        // e⁻⁸ of the start is left, and is part of the stated bias.
        let time = (8.0 + 0.4 * record as f64) / case.slowest();
        chain.advance_to(time)?;
        for (sum, state) in sums.iter_mut().zip(chain.states().rows()) {
            let [m, q] = [state[1], state[0]];
            sum[0] += q / records as f64;
            sum[1] += 0.5 * (1.0 - 2.0 * m + q) / records as f64;
        }
        let exact = finite.after((time * d as f64).round() as u64);
        means[0] += exact.q / records as f64;
        means[1] += 0.5 * (1.0 - 2.0 * exact.m + exact.q) / records as f64;
    }
    let column = |k: usize| sums.iter().map(|sum| sum[k]).collect::<Vec<f64>>();
    let fixed = case.exact().fixed_point()?;
    let bias = (means[0] - fixed.q).abs().max((means[1] - case.exact().stationary_error()?).abs());
    Ok(Stationary { case, q: mean_se(&column(0)), error: mean_se(&column(1)), bias })
}

fn stationary(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let (d, runs) = level.pick((400, 32), (2000, 100));
    let mut cases: Vec<Case> = Vec::new();
    for decay in [0.0, 0.5, 1.0] {
        cases.extend([0.4, 0.8, 1.3].map(|ratio| Case { decay, batch: 1, ratio }));
        cases.push(Case { decay, batch: 4, ratio: 0.8 });
    }
    let found: Vec<Stationary> =
        cases.iter().map(|&case| simulate(case, d, runs)).collect::<learning_dynamics::Result<_>>()?;
    let mut table = String::from(
        "| λ | B | τ/B | q* simulated | q* here | q* circulating | E_g* simulated | E_g* here | E_g* circulating |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut panel =
        Panel::new("Stationary E_g, B = 1: here —, circulating - -", "τ", "E_g*").x_range(0.0, 2.0).y_range(0.0, 0.8);
    for Stationary { case, q, error, bias } in &found {
        let (fixed, stationary) = (case.exact().fixed_point()?, case.exact().stationary_error()?);
        let pair = |x: &(f64, f64)| format!("{} ± {}", number(x.0), number(x.1));
        table += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            case.decay,
            case.batch,
            case.ratio,
            pair(q),
            number(fixed.q),
            number(case.circulating_q()),
            pair(error),
            number(stationary),
            number(case.circulating_error()),
        );
        if case.ratio != 0.8 {
            continue;
        }
        for (what, found, here, circulating) in
            [("q*", q, fixed.q, case.circulating_q()), ("E_g*", error, stationary, case.circulating_error())]
        {
            let expected = Expected::Within { value: here, tolerance: 4.0 * found.1 + bias };
            report.gate(&format!("{what} at {}, τ/B = 0.8", case.name()), SOURCE, expected, found.0, found.1).why(
                format!("four standard errors, and what is left of the start and of order 1/d, {}", number(*bias)),
            );
            if case.decay > 0.0 {
                report
                    .gate(
                        &format!("distance from the circulating {what} in standard errors at {}", case.name()),
                        "EQUATIONS 2b: the circulating formula fails for λ > 0",
                        Expected::AtLeast(10.0),
                        (found.0 - circulating).abs() / found.1,
                        1.0,
                    )
                    .why("ten standard errors leave no doubt");
            }
        }
    }
    report.note(table);
    let equal: Vec<f64> = cases
        .iter()
        .filter(|case| case.decay == 0.0)
        .map(|case| {
            let here = case.exact();
            let q = here.fixed_point()?.q / case.circulating_q() - 1.0;
            Ok(q.abs().max((here.stationary_error()? / case.circulating_error() - 1.0).abs()))
        })
        .collect::<learning_dynamics::Result<_>>()?;
    report
        .gate("relative difference of the two formulas at λ = 0", SOURCE, Expected::AtMost(1e-14), furthest(equal), 0.0)
        .why("rounding");
    let plain: Vec<&Stationary> = found.iter().filter(|one| one.case.batch == 1).collect();
    for decay in [0.0, 0.5, 1.0] {
        let of = |ratio: f64| Case { decay, batch: 1, ratio };
        let curve = |end: f64, value: &dyn Fn(f64) -> f64| {
            let x: Vec<f64> = (1..=150).map(|k| end * f64::from(k) / 150.0).collect();
            let (x, y): (Vec<f64>, Vec<f64>) =
                x.into_iter().map(|x| (x, value(x))).filter(|&(x, y)| x <= 2.0 && y > 0.0 && y < 0.8).unzip();
            (x, y)
        };
        let (x, y) = curve(0.999 * 2.0 * (1.0 + decay), &|x| of(x).exact().stationary_error().unwrap_or(f64::NAN));
        panel = panel.line(&format!("λ = {decay}"), &x, &y);
        if decay > 0.0 {
            let (x, y) = curve(0.999 * 2.0 / (1.0 + decay), &|x| of(x).circulating_error());
            panel = panel.dashed("", &x, &y).same_colour();
        }
        let seen: Vec<&&Stationary> = plain.iter().filter(|one| one.case.decay == decay).collect();
        let x: Vec<f64> = seen.iter().map(|one| one.case.ratio).collect();
        let y: Vec<f64> = seen.iter().map(|one| one.error.0).collect();
        let e: Vec<f64> = seen.iter().map(|one| one.error.1).collect();
        panel = panel.points("", &x, &y, &e).same_colour();
    }
    let along =
        axis("case", "rows of the table in the report", &(0..cases.len()).map(|k| k as f64).collect::<Vec<_>>());
    for (name, about, values) in [
        ("simulated", "E_g*, overlap chain", found.iter().map(|one| one.error.0).collect::<Vec<_>>()),
        ("standard_error", "its standard error", found.iter().map(|one| one.error.1).collect()),
        ("circulating", "E_g*, circulating formula", cases.iter().map(|case| case.circulating_error()).collect()),
    ] {
        report.data(Field::array("stationary", name, about, &[&along], values));
    }
    Ok(panel)
}

/// Rate at which two solutions of the ODE that differ in q only approach each other, over τ.
fn approach(decay: f64, batch: usize, tau: f64) -> learning_dynamics::Result<f64> {
    let end = |q: f64| {
        let mut run = OrderParameters::of(linear(0.1, q, tau, decay, NOISE, batch), POLYNOMIAL, 1e-12)?;
        run.advance_to(1.0 / tau)?;
        Ok(run.state()[0])
    };
    Ok(-(end(1.5)? - end(0.5)?).ln())
}

fn critical(report: &mut Report, level: Level) -> Result<Panel, Box<dyn Error>> {
    let cases: Vec<(f64, usize)> = [0.0, 0.5, 1.0].into_iter().flat_map(|decay| [1, 4].map(|b| (decay, b))).collect();
    let found: Vec<f64> = cases
        .par_iter()
        .map(|&(decay, batch)| {
            let (mut low, mut high) = (0.1 * batch as f64, 8.0 * batch as f64);
            while high - low > 1e-9 * high {
                let middle = 0.5 * (low + high);
                if approach(decay, batch, middle)? > 0.0 {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            Ok(0.5 * (low + high))
        })
        .collect::<learning_dynamics::Result<_>>()?;
    let errors = cases.iter().zip(&found).map(|(&(decay, batch), tau)| {
        let exact = Case { decay, batch, ratio: 1.0 }.exact().critical_learning_rate();
        tau / exact - 1.0
    });
    report
        .gate(
            "largest relative error of τ_c = 2B(1+λ), by bisection on the ODE",
            SOURCE,
            Expected::Within { value: 0.0, tolerance: 1e-8 },
            furthest(errors),
            0.0,
        )
        .why("the bisection ends at 1e-9");
    let mut table = String::from(
        "| λ | B | τ_c by bisection on the ODE | 2B(1+λ) | circulating 2B/(1+λ) |\n|---|---|---|---|---|\n",
    );
    for (&(decay, batch), tau) in cases.iter().zip(&found) {
        let b = batch as f64;
        table += &format!(
            "| {decay} | {batch} | {} | {} | {} |\n",
            number(*tau),
            number(2.0 * b * (1.0 + decay)),
            number(2.0 * b / (1.0 + decay))
        );
    }
    report.note(table);

    // Between the two critical rates, and above both.
    let (d, runs) = level.pick((400, 64), (2000, 400));
    let between = Case { decay: 1.0, batch: 1, ratio: 2.0 };
    let one = simulate(between, d, runs)?;
    report
        .gate(
            "E_g* at λ = 1 and twice the circulating τ_c",
            SOURCE,
            Expected::Within { value: between.exact().stationary_error()?, tolerance: 4.0 * one.error.1 + one.bias },
            one.error.0,
            one.error.1,
        )
        .why(format!("four standard errors, and the start and order 1/d, {}; the circulating formulas have no stationary state here", number(one.bias)));
    // Above τ_c the law of E_g is lognormal with log-variance 2τ⁴t/d: only a large d lets a mean over runs stand for it.
    let (d, runs) = level.pick((20_000, 24), (100_000, 60));
    let mut panel =
        Panel::new("λ = 1: rates below and above τ_c = 4 (circulating: 1)", "t", "E_g").log_y().x_range(0.0, 3.0);
    let times: Vec<f64> = (0..=6).map(|k| 0.5 * f64::from(k)).collect();
    let mut scores = Vec::new();
    for (ratio, label) in [(2.0, "τ = 2"), (3.6, "τ = 3.6"), (4.4, "τ = 4.4")] {
        let case = Case { decay: 1.0, batch: 1, ratio };
        let settings = SgdSettings { dimension: d, runs, seed: 11, record_runs: false };
        let mut chain = OverlapChain::new(case.committee(), settings)?;
        let finite = LinearSgd { student: case.exact(), dimension: d, beta: 0.0 };
        let mut seen = (Vec::new(), Vec::new());
        for &time in &times {
            chain.advance_to(time)?;
            let (mean, error) = averages(&chain.states())[2];
            let exact = finite.after((time * d as f64).round() as u64);
            if time > 0.0 {
                scores.push((mean - overlaps(exact.m, exact.q)[2]) / error);
            }
            seen.0.push(mean);
            seen.1.push(error);
        }
        let line: Vec<f64> = (0..=150).map(|k| 3.0 * f64::from(k) / 150.0).collect();
        let values: Vec<f64> = line.iter().map(|&t| case.exact().generalization_error(t)).collect();
        panel = panel.line(label, &line, &values).points("", &times, &seen.0, &seen.1).same_colour();
    }
    report
        .gate(
            "E_g below and above τ_c against the exact means, in standard errors, λ = 1",
            "EQUATIONS 2b, 2c; exact moment recursion",
            Expected::Within { value: 0.0, tolerance: 4.0 },
            furthest(scores),
            1.0,
        )
        .why("four standard errors for the worst of 18 numbers; no bias");
    Ok(panel)
}
