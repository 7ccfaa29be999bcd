//! A loss of the user's own, the one of the tutorial: grid and agents agree, and select the decay that they should.

use std::sync::Arc;

use learning_dynamics::averaged::{Averaged, Settings, Weight};
use learning_dynamics::frame::Field;
use learning_dynamics::grid::{Axis, HyperGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use super::toy::*;
use super::{Level, Study};
use crate::report::{Expected, Report};

/// Weight decay of logistic regression.
pub const STUDY: Study = Study {
    name: "own-loss",
    claim: "a loss of one's own, logistic regression with weight decay h: grid and agents agree; noise small, F̄ is largest at h* = 0.2/log 4",
    run,
};

/// `log(1 + e^x)`, without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `L = log(1 + e^{−θ}) + ½hθ²`.
#[derive(Debug)]
struct Logistic;

impl Loss for Logistic {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        softplus(-theta[0]) + 0.5 * h[0] * theta[0] * theta[0]
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        out[0] = -1.0 / (1.0 + theta[0].exp()) + h[0] * theta[0];
    }
}

fn problem(diffusion: f64) -> Population {
    let validation = |theta: f64, _h: f64| -(0.8 * softplus(-theta) + 0.2 * softplus(theta));
    Population {
        diffusion: diffusion.into(),
        loss: Arc::new(Logistic),
        fitness: Arc::new(FitnessFn(validation)),
        h: vec![Domain::log(0.05, 1.0, Ends::Reflect)],
        selection: boltzmann(30.0, Clock::Poisson { rate: 1.0 }),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial {
            h: vec![Law::LogUniform { low: 0.05, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 0.0, std: 0.2 }]),
        },
        ..toy()
    }
}

fn run(level: Level) -> Outcome<Report> {
    let mut report = Report::new();
    let source = "EQUATIONS 1a, 1b";
    let times = [1.0, 2.0, 5.0];
    let (cells, tolerance) = level.pick((60, 1e-3), (120, 1e-4));
    let theta = Axis::uniform("theta", -2.0, 5.0, 140)?;
    let kinetic = record(&mut Kinetic::new(problem(0.02), theta, cells, Steps::Tolerance(tolerance))?, &times)?;
    let settings = AgentSettings {
        agents: level.pick(5_000, 50_000),
        replicates: 8,
        step: TrainingStep::LearningRate(0.05),
        seed: 21,
        ..AgentSettings::default()
    };
    let agents = record(&mut Agents::new(problem(0.02), settings)?, &times)?;
    let of = |series: &learning_dynamics::record::Series, name| -> Outcome<Vec<f64>> {
        Ok(series.values("moments", name)?.to_vec())
    };
    let (expected, found, error) = (of(&kinetic, "mean_h")?, of(&agents, "mean_h")?, of(&agents, "mean_h_error")?);
    let excess = found.iter().zip(&expected).zip(&error).map(|((a, b), e)| (a - b).abs() / (4.0 * e + 0.002));
    report.note(format!("mean of h, cells: {}; agents: {} ± {}.", list(&expected), list(&found), list(&error)));
    report
        .gate(
            "mean decay at t = 1, 2, 5, agents from cells: largest share of what is allowed",
            source,
            Expected::AtMost(1.0),
            largest(excess),
            0.0,
        )
        .why("allowed: four standard errors over replicates, and 0.002 for training steps of 0.05, binned events and cells");

    // As noise falls the effective fitness is that of the minimiser, which meets log 4 at h* (EQUATIONS 1d).
    let small = problem(1e-3);
    let grid = HyperGrid::new(small.h[0], 400)?;
    let theta = Axis::uniform("theta", -1.0, 4.0, 2000)?;
    let settings = Settings { weight: Weight::Quadrature { theta: theta.into() }, tolerance: 1e-6 };
    let averaged = Averaged::new(small, grid, settings)?;
    let (h, fitness) = (&averaged.grid.points, &averaged.effective.fitness);
    let best = (0..h.len()).max_by(|&a, &b| fitness[a].total_cmp(&fitness[b])).ok_or("a grid without cells")?;
    report
        .gate(
            "decay of the largest effective fitness at D = 0.001",
            "EQUATIONS 1d, bilevel reading: argmax F̄ → argmax F(argmin L) as D → 0",
            Expected::Within { value: 0.2 / 4.0_f64.ln(), tolerance: 0.003 },
            h[best],
            0.0,
        )
        .why("cells of 0.75 % of h, 0.001 here, and a shift of order D");
    let place = axis("h", "weight decay", h);
    report.data(Field::array("effective", "fitness", "effective fitness at D = 0.001", &[&place], fitness.clone()));
    let panel = Panel::new("Validation fitness by weight decay", "h", "F̄").log_x().line("D = 0.001", h, fitness);
    report.picture("fitness", Picture::new(1).panel(panel));
    Ok(report)
}
