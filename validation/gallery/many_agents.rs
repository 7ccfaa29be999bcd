//! The density of the hyperparameter as the population grows.
//!
//! Propagation of chaos: the empirical law of N agents that interact through selection tends to the mean field (Del Moral 2004,
//! *Feynman–Kac formulae*). Histograms of one population each of 10², 10³ and 10⁵ agents after 1, 4 and 10 selection events, 50
//! training steps apart, over the kinetic equation. On the command line: `kind = "agents"` with other `population.agents`, and
//! `kind = "kinetic"`. The study `many-agents` measures the rate N^(−1/2) of the distance.

use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::monte_carlo::statistics::histogram;
use learning_dynamics::monte_carlo::{AgentSettings, Agents, Dynamics, TrainingStep};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::*;

use crate::common::{Outcome, boltzmann, linspace, quadratic, record, scaled};

const PERIOD: f64 = 2.5;
const EVENTS: [f64; 3] = [1.0, 4.0, 10.0];
const HALF: f64 = 1.5;
const BINS: usize = 30;

fn problem() -> Population {
    Population {
        h: vec![Domain::linear(-HALF, HALF, Ends::Reflect)],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 0.0, std: 0.5 }]),
        },
        ..quadratic(1.0, 0.1, boltzmann(1.0, Clock::Periodic { every: PERIOD }), 0.05)
    }
}

pub fn picture() -> Outcome<Picture> {
    let edges = linspace(-HALF, HALF, BINS + 1);
    let mut panels: Vec<Panel> = EVENTS
        .iter()
        .map(|&events| {
            let title =
                if events == 1.0 { "after 1 selection".to_owned() } else { format!("after {events} selections") };
            Panel::new(&title, "h", "density of h").x_range(-1.2, 1.4).y_range(0.0, 2.0)
        })
        .collect();
    for (agents, label) in [(100, "N = 10²"), (1000, "N = 10³"), (100_000, "N = 10⁵")] {
        let settings = AgentSettings {
            agents,
            step: TrainingStep::StepsPerSelection(50),
            dynamics: Dynamics::ExactOu,
            seed: 5,
            ..AgentSettings::default()
        };
        let mut solver = Agents::new(problem(), settings)?;
        for (events, panel) in EVENTS.iter().zip(&mut panels) {
            solver.advance_to(events * PERIOD)?;
            let counts = histogram(solver.h(0), -HALF, HALF, BINS);
            let heights = scaled(&counts, BINS as f64 / (2.0 * HALF * agents as f64));
            *panel = panel.clone().steps(label, &edges, &heights);
        }
    }
    let mut kinetic = Kinetic::new(problem(), Axis::uniform("theta", -4.0, 4.0, 160)?, 240, Steps::Tolerance(1e-4))?;
    let series = record(&mut kinetic, &EVENTS.map(|events| events * PERIOD))?;
    let h = &kinetic.h().points;
    let density = series.values("marginal_h", "rho")?;
    let panels = panels.into_iter().zip(density.chunks_exact(h.len()));
    Ok(panels.fold(Picture::new(3), |picture, (panel, rho)| picture.panel(panel.dashed("mean field", h, rho))))
}
