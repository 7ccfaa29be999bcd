//! How the mean of h approaches the fittest h, and where it stays.

use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::HyperGrid;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;
use rayon::prelude::*;

use super::toy::*;
use super::{Level, Study};
use crate::fit::fit_slope;
use crate::report::{Expected, Report};

/// Exponential approach.
pub const STUDY: Study = Study {
    name: "mean-convergence",
    claim: "the mean of h approaches the fittest h exponentially, below the rate κ; only asymmetry leaves an offset",
    run,
};

const SOURCE: &str = "EQUATIONS 1d, mean convergence; 1/(1 + ΛS*) from the Gaussian generations";
const DIFFUSION: f64 = 0.1;
const STEP: f64 = 0.2;

struct Approach {
    times: Vec<f64>,
    mean: Vec<f64>,
    /// `−d log|⟨h⟩|/dt` over the last half.
    rate: f64,
    /// The same over its two halves: relative difference.
    bend: f64,
}

fn approach(kappa: f64, beta: f64, cells: usize) -> learning_dynamics::Result<Approach> {
    let problem = Population { selection: boltzmann(beta, Clock::Poisson { rate: kappa }), ..toy() };
    let grid = HyperGrid::new(problem.h[0], cells)?;
    let mut solver = Averaged::new(problem, grid, Settings { weight: Weight::ClosedForm, tolerance: 1e-11 })?;
    let expected = expected_rate(beta);
    let times = linspace(0.0, 12.0 / (kappa * expected), 65);
    let mut series = learning_dynamics::record::Series::new();
    learning_dynamics::frame::Solver::run(&mut solver, &times, &mut |frame| series.visit(frame))?;
    let mean: Vec<f64> = series.values("moments", "mean_h")?.iter().map(|m| m.abs()).collect();
    let rate = |a: usize, b: usize| (mean[a] / mean[b]).ln() / (times[b] - times[a]);
    let bend = (rate(32, 48) / rate(48, 64) - 1.0).abs();
    Ok(Approach { rate: rate(32, 64), bend, mean, times })
}

/// `1 − 1/(1 + ΛS*)`, in units of κ: the second eigenvalue of `M_h∘w̄` over the first is `1/(1 + ΛS*)` (Mehler's kernel).
fn expected_rate(beta: f64) -> f64 {
    1.0 - generations(beta, DIFFUSION, STEP).contraction()
}

/// Mean and variance of the stationary law of the jump form for a given `log w̄` on `[−1.5, 1.5]`, κ = 1.
fn stationary(log_weight: Weight, mutation_std: f64, cells: usize) -> learning_dynamics::Result<(f64, f64)> {
    let domain = Domain::linear(-1.5, 1.5, Ends::Reflect);
    let mutation = vec![Kernel::Gaussian { std: mutation_std }];
    let initial = Initial { h: vec![Law::Uniform { low: -1.5, high: 1.5 }], theta: InitialTheta::Equilibrium };
    let problem = Population { h: vec![domain], mutation, initial, ..toy() };
    let grid = HyperGrid::new(domain, cells)?;
    let solver = Averaged::new(problem, grid, Settings { weight: log_weight, tolerance: 1e-6 })?;
    Ok(mean_and_variance(&solver.stationary()?.mass, &solver.grid.points))
}

/// `log w̄ = −Λh²/2 + γh³`.
const LAMBDA: f64 = 2.0;
const GAMMA: f64 = 0.3;

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let cells = level.pick(200, 400);
    let betas = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
    let kappas = [0.5, 1.0, 2.0];
    let by_beta = betas.par_iter().map(|&b| approach(1.0, b, cells)).collect::<Result<Vec<_>, _>>()?;
    let by_kappa = kappas.par_iter().map(|&k| approach(k, 2.0, cells)).collect::<Result<Vec<_>, _>>()?;
    let rates: Vec<f64> = by_beta.iter().map(|run| run.rate).collect();
    let expected: Vec<f64> = betas.iter().map(|&b| expected_rate(b)).collect();
    report.note(format!("κ = 1, β = {}: rates {}, κΛS*/(1 + ΛS*) = {}.", list(&betas), list(&rates), list(&expected)));
    report
        .gate(
            "the approach is exponential: relative change of the rate over the last quarters, largest over β",
            SOURCE,
            Expected::AtMost(0.01),
            largest(by_beta.iter().map(|run| run.bend)),
            0.0,
        )
        .why("the next odd mode is e^{−6} smaller or so by then, and decays");
    report
        .gate(
            "rate of approach = κ ΛS*/(1 + ΛS*): largest relative difference, β = 0.5 … 16",
            SOURCE,
            Expected::AtMost(1e-3),
            largest(rates.iter().zip(&expected).map(|(a, b)| (a / b - 1.0).abs())),
            0.0,
        )
        .why("mutation through cells is spectrally accurate; the next odd mode is left with e^{−8} or less");
    report
        .gate("the rate stays below κ: largest rate/κ", SOURCE, Expected::AtMost(1.0), largest(rates.clone()), 0.0)
        .why("who is never selected keeps weight e^{−κt}");
    report
        .gate(
            "stronger selection is faster: smallest relative gain of the rate as β doubles",
            SOURCE,
            Expected::AtLeast(0.01),
            smallest(rates.windows(2).map(|pair| pair[1] / pair[0] - 1.0)),
            0.0,
        )
        .why("ΛS* increases with β, by 8 % or more at each step of this table");
    let by_kappa_rates: Vec<f64> = by_kappa.iter().map(|run| run.rate).collect();
    let (slope, error) = fit_slope(&kappas, &by_kappa_rates);
    report
        .gate(
            "the rate is proportional to κ: exponent",
            SOURCE,
            Expected::Within { value: 1.0, tolerance: 1e-4 },
            slope,
            error,
        )
        .why("κ only sets the clock of the jump form; the tolerance of the time stepping is 1e-11 where the mean is 1e-5");

    floors(&mut report, level)?;

    let time = axis("kappa_t", "time in units of 1/kappa, times the expected rate over 12", &linspace(0.0, 1.0, 65));
    let beta = axis("beta", "strength of selection", &betas);
    let all: Vec<f64> = by_beta.iter().flat_map(|run| run.mean.clone()).collect();
    report.data(Field::array("approach", "mean_h", "|<h>|", &[&beta, &time], all));
    report.data(Field::array("approach", "rate", "rate of approach over kappa", &[&beta], rates.clone()));
    report.data(Field::array("approach", "expected_rate", "its exact value", &[&beta], expected));
    let mut left =
        Panel::new("Approach of the mean, κ = 1", "t", "|⟨h⟩ − h*|").log_y().y_range(1e-6, 2.0).x_range(0.0, 30.0);
    for (k, run) in by_beta.iter().enumerate().filter(|(k, _)| k % 2 == 0) {
        left = left.line(&format!("β = {}", betas[k]), &run.times, &run.mean);
    }
    let times = linspace(0.0, 30.0, 61);
    let limit: Vec<f64> = times.iter().map(|t| (-t).exp()).collect();
    let left = left.dashed("e^(−κt)", &times, &limit);
    let fine: Vec<f64> = (0..50).map(|k| 0.25 * 128_f64.powf(f64::from(k) / 49.0)).collect();
    let exact: Vec<f64> = fine.iter().map(|&b| expected_rate(b)).collect();
    let middle = Panel::new("Rate of approach", "β", "rate/κ")
        .log_x()
        .y_range(0.0, 1.0)
        .points("measured, κ = 1", &betas, &rates, &[])
        .line("ΛS*/(1 + ΛS*)", &fine, &exact);
    let right = offsets(&mut report, level)?;
    report.picture("approach", Picture::new(3).panel(left).panel(middle).panel(right));
    Ok(report)
}

/// Symmetric w̄: none for the mean, S* for the variance.
fn floors(report: &mut Report, level: Level) -> Outcome<()> {
    let cells = level.pick(300, 600);
    let symmetric: Weight = Weight::Formula(Arc::new(|h: &[f64]| -4.0 * h[0] * h[0]));
    let (mean, variance) = stationary(symmetric, STEP, cells)?;
    report
        .gate(
            "symmetric w̄: no floor for the mean, |⟨h⟩ − h*| of the stationary law",
            SOURCE,
            Expected::AtMost(1e-12),
            mean.abs(),
            0.0,
        )
        .why("rounding: grid, weight and mutation are symmetric");
    let exact = generations(4.0, 0.0, STEP);
    report.note(format!("Symmetric w̄: variance {variance:.6}, S* = {:.6}.", exact.stationary_variance()));
    report
        .gate(
            "symmetric w̄: the variance has the floor S*, relative difference",
            "EQUATIONS 1d, fixed point of the Gaussian generations",
            Expected::AtMost(1e-4),
            (variance / exact.stationary_variance() - 1.0).abs(),
            0.0,
        )
        .why("the law meets the ends of the domain at five standard deviations; the grid is spectrally accurate");
    Ok(())
}

/// Asymmetric w̄: the offset of the mean against the size of mutations.
fn offsets(report: &mut Report, level: Level) -> Outcome<Panel> {
    let sizes = [0.02, 0.04, 0.08, 0.16, 0.32];
    let cells = level.pick(400, 800);
    let log_weight: Weight =
        Weight::Formula(Arc::new(|h: &[f64]| -0.5 * LAMBDA * h[0] * h[0] + GAMMA * h[0] * h[0] * h[0]));
    let offsets = sizes
        .par_iter()
        .map(|&size| Ok(stationary(log_weight.clone(), size, cells)?.0))
        .collect::<learning_dynamics::Result<Vec<f64>>>()?;
    let leading: Vec<f64> = sizes.iter().map(|size| 2.0 * GAMMA * size / LAMBDA.powf(1.5)).collect();
    report.note(format!(
        "log w̄ = −h² + 0.3h³, mutations {}: offsets {}; leading order 2γμ/Λ^1.5 {}.",
        list(&sizes),
        list(&offsets),
        list(&leading)
    ));
    let source = "EQUATIONS 1d, mean convergence: asymmetric w̄; WKB of the stationary law to first order in μ";
    report
        .gate(
            "asymmetric w̄: the offset of the mean grows with the mutation, smallest ratio as its size doubles",
            source,
            Expected::AtLeast(1.5),
            smallest(offsets.windows(2).map(|pair| pair[1] / pair[0])),
            0.0,
        )
        .why("proportional to μ, so 2 in the limit; terms of second order pull at the large end");
    let (slope, error) = fit_slope(&sizes[..3], &offsets[..3]);
    report
        .gate(
            "asymmetric w̄: exponent of the mutation size in the offset, small mutations",
            source,
            Expected::Within { value: 1.0, tolerance: 0.05 },
            slope,
            error,
        )
        .why("leading order 2γμ/Λ^1.5, corrections of relative order μ√Λ ≤ 0.11");
    report
        .gate(
            "asymmetric w̄: offset over 2γμ/Λ^1.5 at the smallest mutation",
            source,
            Expected::Within { value: 1.0, tolerance: 0.05 },
            offsets[0] / leading[0],
            0.0,
        )
        .why("corrections of relative order μ√Λ = 0.03");
    let size = axis("mutation", "standard deviation of mutations", &sizes);
    report.data(Field::array("offset", "mean_h", "offset of the mean, asymmetric weight", &[&size], offsets.clone()));
    Ok(Panel::new("Offset, log w̄ = −h² + 0.3h³", "mutation size μ", "⟨h⟩ − h*")
        .log_x()
        .log_y()
        .points("measured", &sizes, &offsets, &[])
        .slope("2γμ/Λ^1.5", 1.0, [sizes[0], leading[0]], [sizes[0], sizes[4]]))
}
