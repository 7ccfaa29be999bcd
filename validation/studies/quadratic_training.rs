//! A small population on the quadratic problem, as population based training is usually shown.

use std::sync::Arc;

use learning_dynamics::frame::Field;
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;
use learning_dynamics::record::Series;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report};

/// N = 100, 100 steps, selection every 50.
pub const STUDY: Study = Study {
    name: "quadratic-training",
    claim: "100 agents, 100 steps, selection every 50: the kinetic equation gives the mean, and the band up to O(1/N)",
    run,
};

const SOURCE: &str =
    "EQUATIONS 1a, 1b, 1d: the mean field of population based training (Jaderberg et al. 2017, arXiv:1711.09846)";
const STEPS: usize = 50;
const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];
const OPTIMUM: f64 = 0.5;

/// η = 0.05, so that 50 steps are T_s/ε = 2.5.
fn problem() -> Population {
    Population {
        epsilon: 0.4,
        diffusion: 0.05.into(),
        fitness: Arc::new(QuadraticFitness { optimum: vec![OPTIMUM], curvature: 1.0 }),
        selection: boltzmann(2.0, Clock::Periodic { every: 1.0 }),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        h: vec![Domain::linear(-2.0, 2.0, Ends::Reflect)],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: -1.0, std: 0.3 }]),
        },
        ..toy()
    }
}

fn agents(n: usize, replicates: usize, times: &[f64]) -> Outcome<Series> {
    let settings = AgentSettings {
        agents: n,
        replicates,
        step: TrainingStep::StepsPerSelection(STEPS),
        dynamics: Dynamics::ExactOu,
        seed: 600 + n as u64,
        quantiles: QUANTILES.to_vec(),
        bins: 2,
        ..AgentSettings::default()
    };
    record(&mut Agents::new(problem(), settings)?, times)
}

/// Quantiles of `−(θ − c)²` for cell masses of θ, linear within cells.
fn fitness_quantiles(axis: &Axis, mass: &[f64]) -> [f64; 3] {
    let below = |x: f64| -> f64 {
        let cells = axis.faces.windows(2).zip(mass);
        cells.map(|(f, m)| m * ((x - f[0]) / (f[1] - f[0])).clamp(0.0, 1.0)).sum()
    };
    QUANTILES.map(|q| {
        // P(F ≤ −r²) = 1 − P(|θ − c| < r) = q, by bisection.
        let (mut low, mut high) = (0.0, axis.high() - axis.low());
        for _ in 0..50 {
            let r = 0.5 * (low + high);
            let outside = 1.0 - (below(OPTIMUM + r) - below(OPTIMUM - r));
            if outside > q { low = r } else { high = r }
        }
        -(0.5 * (low + high)).powi(2)
    })
}

/// `2 a(2N) − a(N)`, free of bias of order 1/N, and its error.
fn extrapolate(one: (f64, f64), two: (f64, f64)) -> (f64, f64) {
    (2.0 * two.0 - one.0, (4.0 * two.1 * two.1 + one.1 * one.1).sqrt())
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let times: Vec<f64> = (0..=2 * STEPS).map(|k| k as f64 / STEPS as f64).collect();
    let replicates = level.pick(2000, 40_000);
    let hundred = agents(100, replicates, &times)?;
    let double = agents(200, replicates, &times)?;

    let theta = Axis::uniform("theta", -3.0, 3.0, 300)?;
    let mut kinetic = Kinetic::new(problem(), theta.clone(), level.pick(160, 320), Steps::Tolerance(1e-4))?;
    let (mut mean, mut bands): ([Vec<f64>; 2], [Vec<f64>; 3]) =
        ([Vec::new(), Vec::new()], [Vec::new(), Vec::new(), Vec::new()]);
    learning_dynamics::frame::Solver::run(&mut kinetic, &times, &mut |frame| {
        for (values, name) in mean.iter_mut().zip(["mean_fitness", "mean_loss"]) {
            values.extend(frame.get("moments", name).unwrap_or(&[f64::NAN]));
        }
        let density = frame.get("marginal_theta", "rho").unwrap_or(&[]);
        let mass: Vec<f64> = density.iter().map(|d| d * theta.width()).collect();
        for (band, q) in bands.iter_mut().zip(fitness_quantiles(&theta, &mass)) {
            band.push(q);
        }
        Ok(std::ops::ControlFlow::Continue(()))
    })?;

    // Just before and after each event, and half-way.
    let looks = [0, STEPS / 2, STEPS - 1, STEPS, STEPS + STEPS / 2, 2 * STEPS - 1, 2 * STEPS];
    for (name, error_name, kinetic) in
        [("mean_fitness", "mean_fitness_error", &mean[0]), ("mean_loss", "mean_loss_error", &mean[1])]
    {
        let at = |series: &Series, k: usize| -> Outcome<(f64, f64)> {
            Ok((series.values("moments", name)?[k], series.values("moments", error_name)?[k]))
        };
        let (mut scores, mut excess) = (Vec::new(), 0.0_f64);
        for k in looks {
            let (value, error) = extrapolate(at(&hundred, k)?, at(&double, k)?);
            scores.push((value - kinetic[k]).abs() / error);
            excess = largest([excess, error]);
        }
        report.note(format!("{name} at steps {looks:?}: extrapolated agents minus kinetic, in standard errors: {}; largest error {excess:.1e}.", list(&scores)));
        report
            .gate(
                &format!("{}, N → ∞ from N = 100 and 200, against the kinetic equation: largest difference in standard errors", name.replace('_', " ")),
                SOURCE,
                Expected::AtMost(4.0),
                largest(scores),
                1.0,
            )
            .why("four standard errors; the bias O(1/N) is extrapolated away; exact steps leave no bias of η; the grid's error is below one standard error");
    }
    let quantile = |series: &Series, name: &str, k: usize, q: usize| -> Outcome<f64> {
        Ok(series.values("quantiles", name)?[3 * k + q])
    };
    let mut worst = 0.0_f64;
    let mut scores = Vec::new();
    for k in looks {
        for (q, band) in bands.iter().enumerate() {
            let pair = |series| -> Outcome<(f64, f64)> {
                Ok((quantile(series, "fitness", k, q)?, quantile(series, "fitness_error", k, q)?))
            };
            let (value, error) = extrapolate(pair(&hundred)?, pair(&double)?);
            worst = largest([worst, (value - band[k]).abs()]);
            scores.push((value - band[k]).abs() / error);
        }
    }
    report.note(format!(
        "Quantiles of fitness, extrapolated agents minus kinetic: largest {worst:.2e}, {:.2} standard errors.",
        largest(scores.iter().copied())
    ));
    report
        .gate(
            "10, 50, 90 % quantiles of fitness, N → ∞ from N = 100 and 200, against the kinetic equation: largest difference in standard errors",
            SOURCE,
            Expected::AtMost(4.0),
            largest(scores),
            1.0,
        )
        .why("four standard errors; θ cells of 0.02, linear within, and terms O(1/N²) are below one");
    let gain = |k: usize| -> Outcome<(f64, f64)> {
        let step = quantile(&hundred, "fitness", k, 1)? - quantile(&hundred, "fitness", k - 1, 1)?;
        let error = quantile(&hundred, "fitness_error", k, 1)?.hypot(quantile(&hundred, "fitness_error", k - 1, 1)?);
        Ok((step, error))
    };
    for (event, k) in [(1, STEPS), (2, 2 * STEPS)] {
        let (step, error) = gain(k)?;
        let trend = bands[1][k] - bands[1][k - 1];
        report
            .gate(
                &format!("event {event} raises the median fitness of 100 agents as the mean field says: ratio"),
                SOURCE,
                Expected::Within { value: 1.0, tolerance: 4.0 * error / trend + 0.05 },
                step / trend,
                error / trend,
            )
            .why("four standard errors, and 0.05 for bias O(1/N): the resampled population has fewer ancestors");
    }

    let steps: Vec<f64> = (0..=2 * STEPS).map(|k| k as f64).collect();
    let step = axis("step", "training step", &steps);
    let mut picture = Picture::new(2);
    for (name, title, kinetic) in [("fitness", "Fitness", &mean[0]), ("loss", "Loss", &mean[1])] {
        let band =
            |q: usize| -> Outcome<Vec<f64>> { (0..=2 * STEPS).map(|k| quantile(&hundred, name, k, q)).collect() };
        let (low, median, high) = (band(0)?, band(1)?, band(2)?);
        let moment = if name == "fitness" { "mean_fitness" } else { "mean_loss" };
        let mean_agents = hundred.values("moments", moment)?;
        let some = |values: &[f64]| values.iter().step_by(5).copied().collect::<Vec<_>>();
        let mut panel = Panel::new(&format!("{title}, N = 100, selection every {STEPS} steps"), "training step", name)
            .band("10–90 % of the agents", &steps, &low, &high)
            .line("median", &steps, &median)
            .points("mean", &some(&steps), &some(mean_agents), &[])
            .dashed("kinetic mean", &steps, kinetic);
        if name == "fitness" {
            panel = panel.dashed("kinetic median", &steps, &bands[1]);
        }
        picture = picture.panel(panel);
        for (field, description, values) in [
            (["fitness_10", "loss_10"], "10 % quantile of the agents", low),
            (["fitness_50", "loss_50"], "median of the agents", median),
            (["fitness_90", "loss_90"], "90 % quantile of the agents", high),
            (["fitness_kinetic", "loss_kinetic"], "mean of the kinetic equation", kinetic.clone()),
        ] {
            report.data(Field::array("training", field[usize::from(name == "loss")], description, &[&step], values));
        }
    }
    report.picture("bands", picture);
    Ok(report)
}
