//! The course of a small population, with and without selection.
//!
//! After the figures of population based training (Jaderberg et al. 2017, arXiv:1711.09846), on a quadratic loss: 100 agents take
//! 200 training steps and are selected every 50. The band holds 80 % of the agents; the dashed line is the mean of the kinetic
//! equation. On the command line: `kind = "agents"` with `agents = 100`, `steps_per_selection = 50`, `record.quantiles`.
//! The study `quadratic-training` measures how far mean and band are from the kinetic equation.

use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use crate::common::{Outcome, boltzmann, column, quadratic, record};

const STEPS: usize = 200;
/// Steps between selection events.
const PERIOD: usize = 50;
/// η.
const RATE: f64 = 0.05;
const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

fn problem(selection: Selection) -> Population {
    Population {
        h: vec![Domain::linear(-2.0, 2.0, Ends::Reflect)],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: -1.0, std: 0.3 }]),
        },
        // One event a unit of time.
        ..quadratic(1.0 / (PERIOD as f64 * RATE), 0.05, selection, 0.1)
    }
}

pub fn picture() -> Outcome<Picture> {
    let steps: Vec<f64> = (0..=STEPS).map(|k| k as f64).collect();
    let times: Vec<f64> = (0..=STEPS).map(|k| k as f64 / PERIOD as f64).collect();
    let mut rows = [Vec::new(), Vec::new()];
    for (title, selection) in
        [("selection every 50 steps", boltzmann(2.0, Clock::Periodic { every: 1.0 })), ("no selection", Selection::Off)]
    {
        let problem = problem(selection);
        let settings = AgentSettings {
            agents: 100,
            step: TrainingStep::LearningRate(RATE),
            dynamics: Dynamics::ExactOu,
            seed: 3,
            quantiles: QUANTILES.to_vec(),
            bins: 2,
            ..AgentSettings::default()
        };
        let agents = record(&mut Agents::new(problem.clone(), settings)?, &times)?;
        let theta = Axis::uniform("theta", -3.0, 3.0, 200)?;
        let kinetic = record(&mut Kinetic::new(problem, theta, 100, Steps::Tolerance(1e-4))?, &times)?;
        for (row, (name, moment, low, high)) in
            rows.iter_mut().zip([("fitness", "mean_fitness", -3.2, 0.0), ("loss", "mean_loss", 2e-4, 2.0)])
        {
            let quantile = |q| -> Outcome<Vec<f64>> { Ok(column(agents.values("quantiles", name)?, q, 3)) };
            let panel = Panel::new(&format!("{name}: {title}"), "training step", name)
                .y_range(low, high)
                .band("10–90 % of 100 agents", &steps, &quantile(0)?, &quantile(2)?)
                .line("their median", &steps, &quantile(1)?)
                .same_colour()
                .line("their mean", &steps, agents.values("moments", moment)?)
                .dashed("kinetic mean", &steps, kinetic.values("moments", moment)?);
            row.push(if name == "loss" { panel.log_y() } else { panel });
        }
    }
    Ok(rows.into_iter().flatten().fold(Picture::new(2), Picture::panel))
}
