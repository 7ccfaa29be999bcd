//! A real network in dimension d against the flow of its neurons.
//!
//! Berthier, Montanari & Zhou (2024): projected gradient descent on the risk of a ReLU network of ten neurons in dimension 100, five
//! runs from random directions, against the full and the simplified flow from the very same starts. The full flow is exact up to the
//! step size; the simplified one leaves it where `m√ε` is small. On the command line: `kind = "network"`, and `kind = "neurons"` with
//! `flow = "full"`. The study `network-against-flow` measures both statements.

use learning_dynamics::monte_carlo::statistics::mean_and_error;
use learning_dynamics::monte_carlo::{Network, NetworkSettings, random_neurons};
use learning_dynamics::neurons::{Flow, FlowSettings, NeuronFlow};
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, SingleIndex};
use learning_dynamics::record::{Series, logarithmic};

use crate::common::{Outcome, column, record};

const TARGET: [f64; 3] = [0.8, 0.5, -0.6];

/// Of runs of a flow: the mean of one of the numbers shown at each time.
fn mean(runs: &[Series], name: &str, at: usize, of: usize) -> Outcome<Vec<f64>> {
    let columns: Vec<Vec<f64>> = runs
        .iter()
        .map(|series| Ok(column(series.values("risk", name)?, at, of)))
        .collect::<learning_dynamics::Result<_>>()?;
    let times = columns.first().map_or(0, Vec::len);
    Ok((0..times).map(|t| mean_and_error(&columns.iter().map(|c| c[t]).collect::<Vec<_>>()).0).collect())
}

pub fn picture() -> Outcome<Picture> {
    let mut rows = [Vec::new(), Vec::new()];
    for (epsilon, step, end, label) in [(1.0, 0.01, 20.0, "ε = 1"), (1e-3, 2e-4, 4.0, "ε = 10⁻³")] {
        let problem = SingleIndex::new(Activation::Relu, TARGET, epsilon, vec![]);
        let problem = random_neurons(10, 1.0, None, 3)?.start(&problem);
        let degrees = TARGET.len();
        let settings = NetworkSettings { dimension: 100, step, runs: 5, degrees, ..NetworkSettings::default() };
        let mut network = Network::new(problem.clone(), settings)?;
        let starts = network.states();
        let mut looks: Vec<f64> =
            logarithmic(step, end, 6)?.into_iter().map(|t: f64| (t / step).round() * step).collect();
        looks.dedup();
        let found = record(&mut network, &looks)?;
        let times = logarithmic(step, end, 25)?;
        let flows = |flow| -> Outcome<Vec<Series>> {
            let settings = FlowSettings { flow, degrees, tolerance: 1e-6, ..FlowSettings::default() };
            let one = |start: SingleIndex| record(&mut NeuronFlow::new(start, settings)?, &times);
            starts.iter().map(|state| one(state.start(&problem))).collect()
        };
        let (full, simplified) = (flows(Flow::Full)?, flows(Flow::Simplified)?);
        let risk = Panel::new(&format!("{label}: risk"), "t", "risk")
            .log_x()
            .log_y()
            .line("full flow", &times, &mean(&full, "risk", 0, 1)?)
            .points("network, d = 100", &looks, found.values("risk", "risk")?, found.values("risk", "risk_error")?)
            .same_colour()
            .dashed("simplified flow", &times, &mean(&simplified, "risk", 0, 1)?);
        let mut residuals = Panel::new(&format!("{label}: residuals by degree"), "t", "φ_k − σ_k⟨a s^k⟩").log_x();
        for k in 0..degrees {
            let of = |name| -> Outcome<Vec<f64>> { Ok(column(found.values("risk", name)?, k, degrees)) };
            residuals = residuals
                .line(&format!("degree {k}"), &times, &mean(&full, "component", k, degrees)?)
                .points("", &looks, &of("component")?, &of("component_error")?)
                .same_colour()
                .dashed("", &times, &mean(&simplified, "component", k, degrees)?)
                .same_colour();
        }
        rows[0].push(risk);
        rows[1].push(residuals);
    }
    Ok(rows.into_iter().flatten().fold(Picture::new(2), Picture::panel))
}
