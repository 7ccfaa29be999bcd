//! What the noise of training and the size of mutations do to the speed of approach and to the spread of h.

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::HyperGrid;
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;
use rayon::prelude::*;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report};

/// Speed against spread.
pub const STUDY: Study = Study {
    name: "noise-and-diversity",
    claim: "noise of training slows selection and spreads h; mutation buys speed with spread; the spread is S*",
    run,
};

const SOURCE: &str = "EQUATIONS 1d, discrete generations: S* = ½(μ² + √(μ⁴ + 4μ²/Λ)), Λ = 2β/(1 + 2βD)";
const BETA: f64 = 1.0;
const DIFFUSIONS: [f64; 4] = [0.02, 0.2, 1.0, 5.0];
const MUTATIONS: [f64; 5] = [0.05, 0.1, 0.2, 0.4, 0.8];

fn problem(diffusion: f64, mutation: f64) -> Population {
    Population {
        diffusion: diffusion.into(),
        h: vec![Domain::linear(-9.0, 9.0, Ends::Reflect)],
        selection: boltzmann(BETA, Clock::Periodic { every: 1.0 }),
        mutation: vec![Kernel::Gaussian { std: mutation }],
        initial: Initial { h: vec![Law::Gaussian { mean: -1.0, std: 0.3 }], theta: InitialTheta::Equilibrium },
        ..toy()
    }
}

/// Stationary variance, and the factor by which the mean falls in one late generation, on the grid.
fn measure(diffusion: f64, mutation: f64, cells: usize) -> learning_dynamics::Result<(f64, f64)> {
    let problem = problem(diffusion, mutation);
    let grid = HyperGrid::new(problem.h[0], cells)?;
    let mut solver = Averaged::new(problem, grid, Settings { weight: Weight::ClosedForm, tolerance: 1e-9 })?;
    // Until all but the slowest mode are e^{−12} of it.
    let contraction = generations(BETA, diffusion, mutation).contraction();
    let generation = (12.0 / -contraction.ln()).ceil();
    let mut series = learning_dynamics::record::Series::new();
    learning_dynamics::frame::Solver::run(&mut solver, &[generation, generation + 1.0], &mut |frame| {
        series.visit(frame)
    })?;
    let mean = series.values("moments", "mean_h")?;
    let variance = series.values("moments", "var_h")?[1];
    Ok((variance, mean[1] / mean[0]))
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let pairs: Vec<(f64, f64)> = DIFFUSIONS.iter().flat_map(|&d| MUTATIONS.iter().map(move |&m| (d, m))).collect();
    let cells = level.pick(900, 1800);
    let found =
        pairs.par_iter().map(|&(d, m)| measure(d, m, cells)).collect::<learning_dynamics::Result<Vec<(f64, f64)>>>()?;
    let (mut variance_error, mut speed_error) = (0.0_f64, 0.0_f64);
    let mut table = String::from("| D | μ | variance | S* | speed | ΛS*/(1 + ΛS*) |\n|---|---|---|---|---|---|\n");
    for ((d, m), (variance, factor)) in pairs.iter().zip(&found) {
        let exact = generations(BETA, *d, *m);
        let star = exact.stationary_variance();
        let speed = 1.0 - exact.contraction();
        variance_error = largest([variance_error, (variance / exact.stationary_variance() - 1.0).abs()]);
        speed_error = largest([speed_error, ((1.0 - factor) / (1.0 - exact.contraction()) - 1.0).abs()]);
        table += &format!("| {d} | {m} | {variance:.5} | {star:.5} | {:.5} | {speed:.5} |\n", 1.0 - factor);
    }
    report.note(table);
    let why = "slower modes are e^{−12} of the slowest by then; the cells are spectrally accurate, the ends of the domain six deviations away";
    report
        .gate(
            "stationary variance = S* for D = 0.02 … 5, μ = 0.05 … 0.8: largest relative difference",
            SOURCE,
            Expected::AtMost(1e-4),
            variance_error,
            0.0,
        )
        .why(why);
    report
        .gate(
            "speed of approach = ΛS*/(1 + ΛS*) a generation: largest relative difference",
            SOURCE,
            Expected::AtMost(1e-4),
            speed_error,
            0.0,
        )
        .why(why);
    let at = |d: usize, m: usize| found[d * MUTATIONS.len() + m];
    let (rows, columns) = (DIFFUSIONS.len(), MUTATIONS.len());
    let by_noise = (1..rows).flat_map(|d| (0..columns).map(move |m| (d, m)));
    let by_mutation = (0..rows).flat_map(|d| (1..columns).map(move |m| (d, m)));
    for (claim, value) in [
        (
            "noise slows: smallest relative loss of speed as D grows",
            smallest(by_noise.clone().map(|(d, m)| 1.0 - (1.0 - at(d, m).1) / (1.0 - at(d - 1, m).1))),
        ),
        (
            "noise spreads: smallest relative gain of variance as D grows",
            smallest(by_noise.map(|(d, m)| at(d, m).0 / at(d - 1, m).0 - 1.0)),
        ),
        (
            "mutation speeds up: smallest relative gain of speed as μ doubles",
            smallest(by_mutation.clone().map(|(d, m)| (1.0 - at(d, m).1) / (1.0 - at(d, m - 1).1) - 1.0)),
        ),
        (
            "mutation spreads: smallest relative gain of variance as μ doubles",
            smallest(by_mutation.map(|(d, m)| at(d, m).0 / at(d, m - 1).0 - 1.0)),
        ),
    ] {
        report
            .gate(claim, SOURCE, Expected::AtLeast(0.05), value, 0.0)
            .why("S* grows with D and μ, ΛS* with Λμ²; each step of the table changes them by more than 5 %");
    }
    let agents = agents(&mut report, level)?;

    let (d, m) = (axis("D", "diffusion", &DIFFUSIONS), axis("mutation", "standard deviation of mutations", &MUTATIONS));
    let variances: Vec<f64> = found.iter().map(|f| f.0).collect();
    let speeds: Vec<f64> = found.iter().map(|f| 1.0 - f.1).collect();
    report.data(Field::array("tradeoff", "variance", "stationary variance of h", &[&d, &m], variances.clone()));
    report.data(Field::array(
        "tradeoff",
        "speed",
        "share of the distance covered in a generation",
        &[&d, &m],
        speeds.clone(),
    ));
    let mut tradeoff =
        Panel::new("Speed against spread", "stationary variance of h", "speed of approach").log_x().log_y();
    let mut star = Panel::new("Stationary variance", "mutation size μ", "variance of h").log_x().log_y();
    let fine: Vec<f64> = (0..40).map(|k| 0.05 * 16_f64.powf(f64::from(k) / 39.0)).collect();
    for (k, d) in DIFFUSIONS.iter().enumerate() {
        let exact: Vec<f64> = fine.iter().map(|m| generations(BETA, *d, *m).stationary_variance()).collect();
        let fast: Vec<f64> = fine.iter().map(|m| 1.0 - generations(BETA, *d, *m).contraction()).collect();
        let row = k * columns..(k + 1) * columns;
        tradeoff = tradeoff
            .line(&format!("D = {d}, exact"), &exact, &fast)
            .points("averaged equation", &variances[row.clone()], &speeds[row.clone()], &[])
            .same_colour();
        star = star
            .line(&format!("D = {d}, S*"), &fine, &exact)
            .points("averaged equation", &MUTATIONS, &variances[row], &[])
            .same_colour();
    }
    let star = star.points("agents (N = 4000)", &agents.0, &agents.1, &agents.2);
    report.picture("tradeoff", Picture::new(2).panel(tradeoff).panel(star));
    Ok(report)
}

/// Agents whose θ is drawn from its Gibbs law, in the stationary state: μ, variance of h, its error.
fn agents(report: &mut Report, level: Level) -> Outcome<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let (n, replicates) = (4000, level.pick(20, 200));
    let (mut sizes, mut variances, mut errors, mut scores) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (d, m, seed) in [(0.2, 0.4, 81), (1.0, 0.2, 82), (5.0, 0.8, 83)] {
        let exact = generations(BETA, d, m);
        let settings = AgentSettings {
            agents: n,
            replicates,
            dynamics: Dynamics::Equilibrium,
            seed,
            bins: 2,
            ..AgentSettings::default()
        };
        let mut agents = Agents::new(problem(d, m), settings)?;
        let end = (10.0 / -exact.contraction().ln()).ceil();
        let series = record(&mut agents, &[end])?;
        let (variance, error) = (series.values("moments", "var_h")?[0], series.values("moments", "var_h_error")?[0]);
        let star = exact.stationary_variance();
        // Copies share donors: relative bias of some generations over N, a few per mille at most.
        scores.push((variance - star).abs() / (error + 0.25 * star * end / n as f64));
        report.note(format!(
            "Agents, D = {d}, μ = {m}, generation {end}: variance {variance:.5} ± {error:.5}, S* = {star:.5}."
        ));
        sizes.push(m);
        variances.push(variance);
        errors.push(error);
    }
    report
        .gate(
            "agents at equilibrium (Algorithm 2): variance of h against S*, largest difference in standard errors",
            SOURCE,
            Expected::AtMost(4.0),
            largest(scores),
            1.0,
        )
        .why("four standard errors, each widened by the bias O(1/N)");
    Ok((sizes, variances, errors))
}
