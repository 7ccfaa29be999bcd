//! A finite population against its mean field.

use learning_dynamics::exact::GaussianMoments;
use learning_dynamics::exact::ornstein_uhlenbeck::OrnsteinUhlenbeck;
use learning_dynamics::frame::Field;
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::statistics::{histogram, mean_and_error, wasserstein_cells};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::numerics::normal::normal_cdf;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report};

/// Large populations.
pub const STUDY: Study = Study {
    name: "many-agents",
    claim: "N agents are within O(N^(−1/2)) of the mean field; smooth averages are biased by O(1/N)",
    run,
};

const EVENTS: u32 = 5;
const BETA: f64 = 1.0;
const MUTATION: f64 = 0.2;

/// Five events with ε = 0.7, so that θ remembers.
fn problem() -> Population {
    Population { epsilon: 0.7, selection: boltzmann(BETA, Clock::Periodic { every: 1.0 }), ..toy() }
}

/// The joint Gaussian law after each event of [`problem`]: Ornstein–Uhlenbeck, then `exp(−βθ²)`, then mutation.
fn exact() -> GaussianMoments {
    let training = OrnsteinUhlenbeck { stiffness: 1.0, diffusion: 0.1, mobility: 1.0, epsilon: 0.7 };
    let mut law = GaussianMoments { mean_theta: -1.0, mean_h: -1.0, var_theta: 0.35, cov: 0.25, var_h: 0.25 };
    for _ in 0..EVENTS {
        let before = training.moments(1.0, law);
        // Conditioning a Gaussian law on a measurement of θ with variance 1/(2β) (Kalman's update).
        let gain = 1.0 / (before.var_theta + 0.5 / BETA);
        law = GaussianMoments {
            mean_theta: before.mean_theta * (1.0 - before.var_theta * gain),
            mean_h: before.mean_h - before.cov * gain * before.mean_theta,
            var_theta: before.var_theta * (1.0 - before.var_theta * gain),
            cov: before.cov * (1.0 - before.var_theta * gain),
            var_h: before.var_h - before.cov * before.cov * gain + MUTATION * MUTATION,
        };
    }
    law
}

fn settings(agents: usize, replicates: usize, seed: u64) -> AgentSettings {
    AgentSettings {
        agents,
        replicates,
        step: TrainingStep::StepsPerSelection(1),
        dynamics: Dynamics::ExactOu,
        seed,
        ..AgentSettings::default()
    }
}

/// Standard errors of the logarithms of numbers with given errors.
fn log_errors(values: &[f64], errors: &[f64]) -> (Vec<f64>, Vec<f64>) {
    (values.iter().map(|v| v.abs().ln()).collect(), values.iter().zip(errors).map(|(v, e)| (e / v).abs()).collect())
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let law = exact();
    report.note(format!("Mean field after {EVENTS} events: mean of h {:.6}, variance {:.6}.", law.mean_h, law.var_h));
    let distance = distances(&mut report, level, law)?;
    let bias = biases(&mut report, level, law)?;
    report.picture("rates", Picture::new(2).panel(distance).panel(bias));
    histograms(&mut report)?;
    Ok(report)
}

/// W₁ of the marginals of h and θ.
fn distances(report: &mut Report, level: Level, law: GaussianMoments) -> Outcome<Panel> {
    let sizes = [1000, 10_000, 100_000, 1_000_000];
    let repeats = level.pick([400, 80, 24, 8], [4000, 800, 160, 40]);
    let faces = |mean: f64, variance: f64| -> (Vec<f64>, Vec<f64>) {
        let at = linspace(-6.0, 6.0, 6001);
        let cumulative = at.iter().map(|x| normal_cdf((x - mean) / variance.sqrt())).collect();
        (at, cumulative)
    };
    let (points_h, cumulative_h) = faces(law.mean_h, law.var_h);
    let (points_theta, cumulative_theta) = faces(law.mean_theta, law.var_theta);
    let mut found = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for (k, (&n, &count)) in sizes.iter().zip(&repeats).enumerate() {
        let (mut of_h, mut of_theta) = (Vec::new(), Vec::new());
        // A few replicates at a time, to keep the memory small.
        let batch = (2_000_000 / n).clamp(1, count);
        for first in (0..count).step_by(batch) {
            let seed = 1000 * (k as u64 + 1) + first as u64;
            let mut agents = Agents::new(problem(), settings(n, batch.min(count - first), seed))?;
            agents.advance_to(f64::from(EVENTS))?;
            for replicate in 0..agents.settings().replicates {
                let sorted = |values: &[f64]| {
                    let mut values = values.to_vec();
                    values.sort_unstable_by(f64::total_cmp);
                    values
                };
                of_h.push(wasserstein_cells(&sorted(agents.h(replicate)), &points_h, &cumulative_h));
                of_theta.push(wasserstein_cells(&sorted(agents.theta(replicate)), &points_theta, &cumulative_theta));
            }
        }
        for (found, sample) in found.iter_mut().zip([of_h, of_theta]) {
            let (mean, error) = mean_and_error(&sample);
            // The law of W₁ has the same shape at all N, so the scatter of the many small populations serves all: a handful
            // of large ones cannot tell theirs.
            let scatter = if k == 0 {
                error.ok_or("one replicate has no error")? * (sample.len() as f64).sqrt() / mean
            } else {
                found.1[0] * (repeats[0] as f64).sqrt() / found.0[0]
            };
            found.0.push(mean);
            found.1.push(scatter * mean / (sample.len() as f64).sqrt());
        }
    }
    let x = sizes.map(|n| n as f64);
    let logs = x.map(f64::ln);
    for (name, (mean, error)) in ["h", "θ"].into_iter().zip(&found) {
        let (y, y_error) = log_errors(mean, error);
        let (slope, slope_error) = weighted_slope(&logs, &y, &y_error);
        report
            .gate(
                &format!("W₁ of the marginal of {name} from the mean field, N = 1e3 … 1e6: exponent of N"),
                "EQUATIONS 1d, large population: W₁ = O(N^(−1/2))",
                Expected::Within { value: -0.5, tolerance: 4.0 * slope_error },
                slope,
                slope_error,
            )
            .why("four standard errors from the scatter over replicates; no time step, since Ornstein–Uhlenbeck steps and the mean field are exact");
    }
    let (mean, error) = &found[0];
    let scaled: Vec<f64> = mean.iter().zip(&x).map(|(w, n)| w * (n / law.var_h).sqrt()).collect();
    report.note(format!("W₁ of h: {}; times √N/σ: {}; of θ: {}.", list(mean), list(&scaled), list(&found[1].0)));
    let size = axis("agents", "number of agents", &x);
    for (name, description, values) in [
        ("w1_h", "W1 of the marginal of h", mean),
        ("w1_h_error", "its standard error", error),
        ("w1_theta", "W1 of the marginal of theta", &found[1].0),
        ("w1_theta_error", "its standard error", &found[1].1),
    ] {
        report.data(Field::array("distance", name, description, &[&size], values.clone()));
    }
    Ok(Panel::new("Distance to the mean field", "N", "W₁")
        .log_x()
        .log_y()
        .points("marginal of h", &x, mean, error)
        .points("marginal of θ", &x, &found[1].0, &found[1].1)
        .slope("slope −1/2", -0.5, [x[0], mean[0]], [x[0], x[3]]))
}

/// The variance of h is too small by O(1/N).
fn biases(report: &mut Report, level: Level, law: GaussianMoments) -> Outcome<Panel> {
    let sizes: &[usize] = level.pick(&[25, 50, 100, 200], &[25, 50, 100, 200, 400, 1000]);
    let (mut bias, mut errors) = (Vec::new(), Vec::new());
    for &n in sizes {
        let replicates = level.pick(2_500_000, 60_000_000) / n;
        // In batches, to keep the memory small.
        let batch = 50_000;
        let mut variances = Vec::with_capacity(replicates);
        for first in (0..replicates).step_by(batch) {
            let count = batch.min(replicates - first);
            let mut agents = Agents::new(problem(), settings(n, count, 7_000_000 + (n * 100_000 + first) as u64))?;
            agents.advance_to(f64::from(EVENTS))?;
            variances.extend((0..count).map(|r| mean_and_variance(&vec![1.0; n], agents.h(r)).1));
        }
        let (mean, error) = mean_and_error(&variances);
        bias.push(law.var_h - mean);
        errors.push(error.ok_or("one replicate has no error")?);
    }
    let x: Vec<f64> = sizes.iter().map(|&n| n as f64).collect();
    let logs: Vec<f64> = x.iter().map(|n| n.ln()).collect();
    let (y, y_error) = log_errors(&bias, &errors);
    let (slope, error) = weighted_slope(&logs, &y, &y_error);
    report.note(format!("Mean field minus mean variance of h, N = {}: {} ± {}.", list(&x), list(&bias), list(&errors)));
    report
        .gate(
            "bias of the variance of h: exponent of N",
            "EQUATIONS 1d, large population: bias of smooth observables O(1/N)",
            Expected::Within { value: -1.0, tolerance: 4.0 * error + 0.03 },
            slope,
            error,
        )
        .why("four standard errors, and 0.03 for the next term O(1/N²), of relative size 2/N at N = 25");
    report
        .gate(
            "the variance of h is too small, not too large: bias over its error at the largest N",
            "EQUATIONS 1d, large population",
            Expected::AtLeast(4.0),
            bias[bias.len() - 1] / errors[errors.len() - 1],
            1.0,
        )
        .why("each copy shares its donor: resampling loses variance; four standard errors");
    let size = axis("agents_small", "number of agents", &x);
    report.data(Field::array("bias", "var_h", "mean field minus mean variance of h", &[&size], bias.clone()));
    report.data(Field::array("bias", "var_h_error", "its standard error", &[&size], errors.clone()));
    Ok(Panel::new("Bias of the variance of h", "N", "mean field − mean over replicates")
        .log_x()
        .log_y()
        .points("measured", &x, &bias, &errors)
        .slope("slope −1", -1.0, [x[0], bias[0]], [x[0], x[x.len() - 1]]))
}

/// Uniform h on [−1, 1], 500 steps, selection every 50.
fn histograms(report: &mut Report) -> Outcome<()> {
    let every = 2.5;
    let problem = Population {
        epsilon: 1.0,
        fitness: std::sync::Arc::new(QuadraticFitness { optimum: vec![0.5], curvature: 1.0 }),
        selection: boltzmann(BETA, Clock::Periodic { every }),
        mutation: vec![Kernel::Gaussian { std: 0.05 }],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 0.0, std: 0.5 }]),
        },
        h: vec![Domain::linear(-1.5, 1.5, Ends::Reflect)],
        ..toy()
    };
    let theta = Axis::uniform("theta", -4.0, 4.0, 160)?;
    let mut kinetic = Kinetic::new(problem.clone(), theta, 240, Steps::Tolerance(1e-4))?;
    let end = 10.0 * every;
    record(&mut kinetic, &[end])?;
    let width = kinetic.h().axes[0].axis.width();
    let density: Vec<f64> = kinetic.marginal_h().iter().map(|m| m / width).collect();
    let h = kinetic.h().points.clone();
    let bins = 60;
    let edges = linspace(-1.5, 1.5, bins + 1);
    let mut picture = Picture::new(3);
    for (n, label) in [(1000, "N = 1 000"), (10_000, "N = 10 000"), (100_000, "N = 100 000")] {
        let mut settings = settings(n, 1, 5);
        settings.step = TrainingStep::StepsPerSelection(50);
        let mut agents = Agents::new(problem.clone(), settings)?;
        agents.advance_to(end)?;
        let counts = histogram(agents.h(0), -1.5, 1.5, bins);
        let heights: Vec<f64> = counts.iter().map(|c| c * bins as f64 / (3.0 * n as f64)).collect();
        picture = picture.panel(
            Panel::new(&format!("{label}, 500 steps, 10 selections"), "h", "density of h")
                .x_range(-0.25, 1.25)
                .y_range(0.0, 2.0)
                .steps("agents", &edges, &heights)
                .line("mean field", &h, &density),
        );
    }
    let place = axis("h", "hyperparameter", &h);
    report.data(Field::array("histogram", "rho", "density of h, mean field, 500 steps", &[&place], density));
    report.picture("histograms", picture);
    Ok(())
}
