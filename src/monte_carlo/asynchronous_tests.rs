//! Clocks of each agent's own, checkpoints, rejuvenation.

use std::sync::Arc;

use super::tests::{BOLTZMANN, every, poisson, problem, published, rejuvenating, settings, staggered};
use super::*;
use crate::problem::*;

/// All agents after each of the first `steps` steps (θ, h).
fn trace(problem: Population, settings: AgentSettings, steps: usize) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut agents = Agents::new(problem, settings).unwrap();
    let step = agents.step();
    (0..=steps)
        .map(|k| {
            agents.advance_to((k as f64 + 0.5) * step).unwrap();
            (agents.theta(0).to_vec(), agents.h(0).to_vec())
        })
        .collect()
}

fn sgd(agents: usize) -> AgentSettings {
    AgentSettings { dynamics: Dynamics::Sgd, replicates: 1, ..settings(agents) }
}

#[test]
fn staggered_agents_have_one_event_a_period() {
    // Ten steps a period; each event draws h anew.
    let mutation = vec![Kernel::Resample { probability: 1.0, law: Law::Uniform { low: -3.0, high: 3.0 } }];
    let n = 5000;
    let trace = trace(Population { selection: staggered(BOLTZMANN), mutation, ..problem() }, sgd(n), 30);
    let changes = |k: usize, agent: usize| trace[k].1[agent] != trace[k + 1].1[agent];
    let mut first = [0.0; 10];
    for agent in 0..n {
        let steps: Vec<usize> = (0..30).filter(|k| changes(*k, agent)).collect();
        assert!(
            steps.len() == 3 && steps[0] < 10 && steps[1] == steps[0] + 10 && steps[2] == steps[0] + 20,
            "{steps:?}"
        );
        first[steps[0]] += 1.0;
    }
    // Uniform phases: binomial counts, five standard deviations.
    assert!(first.iter().all(|count: &f64| (count - 500.0).abs() < 5.0 * 450.0_f64.sqrt()), "{first:?}");
}

#[test]
fn checkpoints_of_everybody_are_the_present() {
    let rules = [BOLTZMANN, Rule::Tournament, Rule::Truncation { fraction: 0.3 }];
    for (rule, window) in rules.iter().zip([1, 3, 3]) {
        for inheritance in [Inheritance::Everything, Inheritance::Hyperparameters] {
            let run = |donors| {
                let mut problem = Population { selection: every(0.1), inheritance, ..published(window) };
                problem.selection = Selection::Events { rule: rule.clone(), clock: Clock::Periodic { every: 0.1 } };
                problem.evaluation.donors = donors;
                let settings = AgentSettings { lineage: true, ..settings(3000) };
                let mut agents = Agents::new(problem, settings).unwrap();
                agents.advance_to(0.35).unwrap();
                let bits: Vec<u64> = agents.theta(1).iter().chain(agents.h(1)).map(|x| x.to_bits()).collect();
                (bits, agents.ancestors(1).to_vec())
            };
            assert!(run(Donors::Present) == run(Donors::Published), "{rule:?} {inheritance:?}");
        }
    }
}

#[test]
fn copies_are_those_of_the_last_checkpoint() {
    // F = h and h stays: the worse of two agents copies what the better one published at its own last event.
    let mut problem =
        Population { selection: staggered(Rule::Tournament), mutation: vec![Kernel::None], ..published(1) };
    problem.evaluation.noise = 0.0;
    problem.fitness = Arc::new(FitnessFn(|_, h| h));
    let mut stale = 0;
    for seed in 1..20 {
        let settings = AgentSettings { seed, ..sgd(2) };
        let phases = Agents::new(problem.clone(), settings.clone()).unwrap().replicas[0].phases.clone();
        let trace = trace(problem.clone(), settings, 10);
        let better = usize::from(trace[0].1[1] > trace[0].1[0]);
        // The first event of an agent, in steps 1 to 10.
        let event = |agent: usize| match phases.iter().find(|(_, a)| *a as usize == agent).unwrap().0 {
            0 => 10,
            phase => phase as usize,
        };
        let (now, published) = (event(1 - better), event(better));
        let then = if published <= now { published } else { 0 };
        assert_eq!(trace[now].0[1 - better], trace[then].0[better], "{now} {published}");
        assert_eq!(trace[now].1[1 - better], trace[0].1[better]);
        assert_eq!(trace[now - 1].1[1 - better], trace[0].1[1 - better]);
        stale += usize::from(then < now);
    }
    // Only the same phase (a tenth) makes it the present.
    assert!(stale > 12, "{stale}");
}

#[test]
fn rejuvenation_draws_theta_anew_given_the_new_h() {
    let law = Arc::new(|h: &[f64]| vec![Law::Point { at: 10.0 * h[0] }]);
    for selection in [every(0.1), Selection::Events { rule: BOLTZMANN, clock: Clock::Poisson { rate: 1e4 } }] {
        let initial = Initial { theta: InitialTheta::Given(law.clone()), ..problem().initial };
        // All have an event; a training step follows the Poisson ones.
        let periodic = matches!(selection, Selection::Events { clock: Clock::Periodic { .. }, .. });
        let (steps, rest) = if periodic { (10, 10.0) } else { (1, 10.0 - 0.1 * 9.0) };
        let problem = Population { selection, initial, ..rejuvenating() };
        let trace = trace(problem, sgd(500), steps);
        let (theta, h) = &trace[steps];
        assert!(theta.iter().zip(h).all(|(t, h)| (t - rest * h).abs() < 1e-12 * (1.0 + t.abs())));
        assert!(h.iter().zip(&trace[0].1).all(|(a, b)| a != b));
    }
}

#[test]
fn windows_belong_to_theta() {
    let recent = |problem: Population, steps: f64| {
        let mut agents = Agents::new(problem, sgd(200)).unwrap();
        agents.advance_to(steps * agents.step()).unwrap();
        let (replica, window) = (&agents.replicas[0], agents.problem().evaluation.window);
        let present: Vec<f64> = agents.theta(0).iter().map(|t| -(t - 0.5) * (t - 0.5)).collect();
        (replica.state.recent.chunks_exact(window).map(<[f64]>::to_vec).collect::<Vec<_>>(), present)
    };
    // A new θ begins with its own evaluation.
    let (windows, present) = recent(Population { selection: every(0.1), ..rejuvenating() }, 10.0);
    assert!(windows.iter().zip(&present).all(|(window, f)| window.iter().all(|w| w == f)));
    // A copied θ brings its evaluations: the newest, at its place in the ring, is that of the θ just copied.
    for donors in [Donors::Present, Donors::Published] {
        let mut problem = Population { selection: every(0.1), ..published(4) };
        (problem.evaluation.donors, problem.evaluation.noise) = (donors, 0.0);
        let (windows, present) = recent(problem, 10.0);
        assert!(windows.iter().zip(&present).all(|(window, f)| window[10 % 4] == *f), "{donors:?}");
    }
    // A stale checkpoint's window is turned so that its newest evaluation is the newest here. With F = θ, which grows, the
    // ring read from the oldest on increases.
    let mut problem = Population { selection: staggered(BOLTZMANN), ..published(4) };
    problem.evaluation.noise = 0.0;
    problem.fitness = Arc::new(FitnessFn(|theta, _| theta));
    problem.h = vec![Domain::linear(400.0, 401.0, Ends::Reflect)];
    problem.initial.h = vec![Law::Uniform { low: 400.0, high: 401.0 }];
    problem.initial.theta = InitialTheta::Law(vec![Law::Uniform { low: 0.0, high: 1.0 }]);
    for steps in 1..30 {
        let (windows, _) = recent(problem.clone(), f64::from(steps));
        let newest = steps as usize % 4;
        for mut window in windows.into_iter().filter(|_| steps >= 3) {
            window.rotate_left((newest + 1) % 4);
            // Where a checkpoint held fewer than four, their mean stands in the oldest places; the first one held one.
            let increases = if steps < 20 { window[2] <= window[3] } else { window[2] < window[3] };
            assert!(increases && window[0].min(window[1]) <= window[3], "{steps} {window:?}");
        }
    }
}

#[test]
fn annealed_weights_are_those_of_the_event() {
    let run = |rule: Rule, clock, time| {
        let problem = Population { selection: Selection::Events { rule, clock }, ..problem() };
        let mut agents = Agents::new(problem, settings(2000))?;
        agents.advance_to(time)?;
        Ok::<_, crate::Error>(agents.h(0).to_vec())
    };
    let beta = Schedule::Piecewise { times: vec![0.15], rates: vec![1.0, 3.0] };
    for clock in [Clock::Periodic { every: 0.1 }, Clock::Poisson { rate: 3.0 }, Clock::Staggered { every: 0.1 }] {
        let annealed = |time| run(Rule::Annealed { beta: beta.clone() }, clock, time).unwrap();
        let constant = |time| run(BOLTZMANN, clock, time).unwrap();
        assert!(annealed(0.14) == constant(0.14) && annealed(0.25) != constant(0.25), "{clock:?}");
        let negative = Rule::Annealed { beta: Schedule::Function(Arc::new(|t| 0.15 - t)) };
        let text = run(negative, clock, 0.3).unwrap_err().to_string();
        assert!(text.contains("selection.beta at t = ") && text.contains("expected a finite number ≥ 0"), "{text}");
    }
}

#[test]
fn a_negative_fitness_under_proportional_selection_is_named() {
    let run = |clock, shift: f64| {
        let selection = Selection::Events { rule: Rule::Proportional, clock };
        let fitness = Arc::new(FitnessFn(move |t: f64, _| t.abs() + shift));
        let mut agents = Agents::new(Population { selection, fitness, ..problem() }, settings(2000))?;
        agents.advance_to(0.25)
    };
    for clock in [Clock::Periodic { every: 0.1 }, Clock::Poisson { rate: 3.0 }, Clock::Staggered { every: 0.1 }] {
        assert!(run(clock, 0.0).is_ok());
        let error = run(clock, -0.1).unwrap_err();
        let named = matches!(&error, crate::Error::Parameter { key, value, .. } if key.contains("proportional") && *value < 0.0);
        assert!(named, "{error}");
    }
}

#[test]
fn few_are_truncated_by_the_ranks_of_all() {
    // F = h, and copies keep it: one step of κΔt = 0.02 replaces that share of the worst fifth by the best.
    let rate = 2.0;
    let rule = Rule::Truncation { fraction: 0.2 };
    let mut problem = Population { selection: poisson(rule), mutation: vec![Kernel::None], ..problem() };
    problem.fitness = Arc::new(FitnessFn(|_, h| h));
    let n = 100_000;
    let trace = trace(problem, sgd(n), 1);
    let (before, after) = (&trace[0].1, &trace[1].1);
    let mut sorted = before.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let (low, high) = (sorted[n / 5 - 1], sorted[n - n / 5]);
    let mut changed = 0.0;
    for (a, b) in before.iter().zip(after).filter(|(a, b)| a != b) {
        assert!(*a <= low && *b >= high, "{a} {b}");
        changed += 1.0;
    }
    let expected = 0.2 * n as f64 * -(-rate * 0.01_f64).exp_m1();
    assert!((changed - expected).abs() < 5.0 * expected.sqrt(), "{changed} {expected}");
}
