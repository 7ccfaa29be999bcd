use std::ops::ControlFlow;

use super::tests::{BOLTZMANN, every, poisson, problem, replicator, settings};
use super::*;
use crate::averaged::{Averaged, Settings, Weight};
use crate::frame::{Frame, Solver};
use crate::grid::HyperGrid;
use crate::problem::*;

/// All agents as shown at `time`.
fn recorded(problem: &Population, settings: &AgentSettings, time: f64) -> Vec<u64> {
    let settings = AgentSettings { recorded_agents: settings.agents, ..settings.clone() };
    let mut agents = Agents::new(problem.clone(), settings).unwrap();
    let mut seen = Vec::new();
    let visit = &mut |frame: &Frame<'_>| {
        for name in ["theta", "h"] {
            seen.extend(frame.get("trajectories", name).unwrap().iter().map(|x| x.to_bits()));
        }
        Ok(ControlFlow::Continue(()))
    };
    agents.run(&[time], visit).unwrap();
    seen
}

/// All agents after `steps` whole steps.
fn stepped(problem: &Population, settings: &AgentSettings, steps: u64) -> Vec<u64> {
    let mut agents = Agents::new(problem.clone(), settings.clone()).unwrap();
    agents.advance_to((steps as f64 + 0.5) * agents.step()).unwrap();
    agents.theta(0).iter().chain(agents.h(0)).map(|x| x.to_bits()).collect()
}

#[test]
fn a_record_on_a_step_shows_the_events_of_that_step() {
    let base = AgentSettings { replicates: 1, step: TrainingStep::Step(0.01), ..settings(100) };
    // 0.1 · 0.1 ≠ 0.01, and 0.3/7 is not binary either.
    let by_rate = AgentSettings { step: TrainingStep::LearningRate(0.1), ..base.clone() };
    let by_period = AgentSettings { step: TrainingStep::StepsPerSelection(7), ..base.clone() };
    let sum = |n| (0..n).fold(0.0, |sum, _| sum + 0.01);
    for (problem, settings) in [
        (replicator(), &base),
        (Population { selection: poisson(BOLTZMANN), ..problem() }, &base),
        (replicator(), &by_rate),
        (Population { selection: every(0.3), ..problem() }, &base),
        (Population { selection: every(0.1), ..problem() }, &by_rate),
    ] {
        for (steps, literal) in [(29, 0.29), (30, 0.3), (57, 0.57), (58, 0.58), (60, 0.6), (90, 0.9)] {
            let whole = stepped(&problem, settings, steps);
            for time in [literal, steps as f64 * 0.01, sum(steps)] {
                assert!(recorded(&problem, settings, time) == whole, "{time} {settings:?} {:?}", problem.selection);
            }
        }
    }
    let problem = Population { selection: every(0.3), ..problem() };
    for (steps, time) in [(7, 0.3), (14, 0.6), (21, 0.9), (21, 3.0 * 0.3), (3, 3.0 * (0.3 / 7.0))] {
        assert!(recorded(&problem, &by_period, time) == stepped(&problem, &by_period, steps), "{time}");
    }
}

#[test]
fn the_bias_of_binned_poisson_events_is_of_first_order() {
    // Selection on F̄(h), so that θ adds no noise: mean of h at t = 1 against the averaged equation.
    let initial = Initial { h: vec![Law::Gaussian { mean: -1.0, std: 0.4 }], theta: InitialTheta::Equilibrium };
    let evaluation = Evaluation { sees: Sees::Effective, ..Evaluation::default() };
    let problem = Population { selection: poisson(BOLTZMANN), initial, evaluation, ..problem() };
    let mut mean = f64::NAN;
    let visit = &mut |frame: &Frame<'_>| {
        mean = frame.get("moments", "mean_h").unwrap()[0];
        Ok(ControlFlow::Continue(()))
    };
    let settings = Settings { weight: Weight::ClosedForm, tolerance: 1e-8 };
    let grid = HyperGrid::new(problem.h[0], 128).unwrap();
    Averaged::new(problem.clone(), grid, settings).unwrap().run(&[1.0], visit).unwrap();
    let [coarse, fine] = [1.0 / 8.0, 1.0 / 16.0].map(|step| {
        let settings = AgentSettings {
            agents: 100_000,
            replicates: 6,
            step: TrainingStep::Step(step),
            dynamics: Dynamics::Equilibrium,
            ..AgentSettings::default()
        };
        let mut agents = Agents::new(problem.clone(), settings).unwrap();
        agents.advance_to(1.0).unwrap();
        let means: Vec<f64> = (0..6).map(|r| statistics::mean(agents.h(r))).collect();
        let (binned, error) = statistics::mean_and_error(&means);
        (binned - mean, error.unwrap())
    });
    let ratio = coarse.0 / fine.0;
    let error = ratio * (coarse.1 / coarse.0).hypot(fine.1 / fine.0);
    // Binned events lag behind. From 1.7 between κΔt = 1/2 and 1/4 the second order leaves 0.15; three standard errors.
    assert!(coarse.0 < 0.0 && fine.0 < 0.0, "{coarse:?} {fine:?}");
    assert!((ratio - 2.0).abs() < 0.15 + 3.0 * error && error < 0.06, "{ratio} {error} {coarse:?} {fine:?}");
}
