//! Stopped, saved, loaded and gone on with: the bits are those of one run.

use ndarray::array;

use super::tests::{BOLTZMANN, every, poisson, problem, published, replicator, settings, staggered, variants};
use super::*;
use crate::problem::*;
use crate::resume_tests::{in_pools, refused, resumes, survives_damage};

/// Some between two steps (of 0.01), some at events (at 0.1, 0.2, …).
const TIMES: [f64; 6] = [0.0, 0.05, 0.1, 0.213, 0.3145, 0.4];

#[test]
fn agents_of_all_kinds() {
    for (problem, dynamics) in variants() {
        let settings =
            AgentSettings { dynamics, lineage: true, quantiles: vec![0.3], recorded_agents: 2, ..settings(150) };
        let calls = resumes(|| Agents::new(problem.clone(), settings.clone()).unwrap(), &TIMES);
        assert!(calls >= 4, "{:?} {calls}", problem.selection);
    }
}

#[test]
fn agents_before_and_after_events() {
    for (problem, dynamics) in variants() {
        if !matches!(problem.selection, Selection::Events { clock: Clock::Periodic { .. }, .. }) {
            continue;
        }
        let settings = AgentSettings { dynamics, before_events: true, lineage: true, ..settings(150) };
        let calls = resumes(|| Agents::new(problem.clone(), settings.clone()).unwrap(), &TIMES);
        assert!(calls >= 4, "{dynamics:?} {calls}");
    }
}

/// The window reaches back over several events of an agent and of its donors.
#[test]
fn windows_longer_than_periods() {
    for selection in [staggered(BOLTZMANN), poisson(BOLTZMANN), every(0.1)] {
        let problem = Population { selection, ..published(25) };
        resumes(|| Agents::new(problem.clone(), settings(150)).unwrap(), &TIMES);
    }
}

#[test]
fn agents_on_one_and_two_threads() {
    let settings = AgentSettings { lineage: true, ..settings(5000) };
    let problem = Population { selection: staggered(Rule::Tournament), ..published(3) };
    in_pools(|| {
        resumes(|| Agents::new(problem.clone(), settings.clone()).unwrap(), &[0.05, 0.113]);
    });
}

#[test]
fn damaged_bytes_of_agents() {
    let published = Population { selection: poisson(BOLTZMANN), ..published(2) };
    for problem in [Population { selection: every(0.1), ..problem() }, replicator(), published] {
        let settings = AgentSettings { lineage: true, replicates: 1, ..settings(3) };
        survives_damage(|| Agents::new(problem.clone(), settings.clone()).unwrap(), 0.2);
    }
    let of = |agents| Agents::new(problem(), settings(agents)).unwrap();
    refused(&mut of(3), &of(4));
}

fn committee(activation: Activation) -> Committee {
    let student = Student::new(array![[0.8, 0.2], [0.2, 0.5]], array![[0.3, 0.1], [-0.2, 0.4]], activation.clone());
    Committee::new(Teacher::orthonormal(2, activation), student, 0.7)
}

/// Plain, with all that plain SGD may have, and with either momentum.
fn committees() -> Vec<Committee> {
    let plain = committee(Activation::Erf);
    let rate = LearningRate::Piecewise { times: vec![0.4, 1.0], rates: vec![0.7, 0.2, 1.0] };
    let laden = Committee {
        learning_rate: rate,
        second_layer_rate: 0.5,
        noise_variance: 0.3,
        weight_decay: 0.1,
        batch: 3,
        ..plain.clone()
    };
    let with = |momentum| Committee { momentum, ..laden.clone() };
    vec![
        with(Momentum::Constant { beta: 0.5 }),
        with(Momentum::Scaled { gamma: 0.8, alpha: 0.5 }),
        // E_g by tables that follow the order parameters.
        Committee { bias_rate: 0.4, second_layer_rate: 0.5, ..committee(Activation::Tanh) },
        Committee {
            weight_decay: 1.5,
            student: Student { q: array![[9.0, 0.2], [0.2, 0.5]], ..committee(Activation::Tanh).student },
            ..committee(Activation::Tanh)
        },
        Committee { noise_variance: 0.1, weight_decay: 0.1, ..plain.clone() },
        laden,
        plain,
    ]
}

fn sgd(runs: usize) -> SgdSettings {
    SgdSettings { dimension: 21, runs, record_runs: true, ..SgdSettings::default() }
}

#[test]
fn both_samplers_of_sgd() {
    for problem in committees() {
        let times = [0.0, 0.5, 0.51, 1.7];
        let calls = resumes(|| OnlineSgd::new(problem.clone(), sgd(2)).unwrap(), &times);
        assert!(calls > 3, "{calls}");
        let calls = resumes(|| OverlapChain::new(problem.clone(), sgd(2)).unwrap(), &times);
        assert!(calls >= 3, "{calls}");
    }
    in_pools(|| {
        let problem = committee(Activation::Erf);
        resumes(|| OnlineSgd::new(problem.clone(), sgd(3)).unwrap(), &[0.6]);
        resumes(|| OverlapChain::new(problem.clone(), sgd(3)).unwrap(), &[0.6]);
    });
}

#[test]
fn damaged_bytes_of_sgd() {
    let problem = committee(Activation::Tanh);
    let small = SgdSettings { dimension: 4, ..sgd(1) };
    survives_damage(|| OnlineSgd::new(problem.clone(), small.clone()).unwrap(), 2.0);
    survives_damage(|| OverlapChain::new(problem.clone(), small.clone()).unwrap(), 2.0);
    let (mut vectors, mut chain) =
        (OnlineSgd::new(problem.clone(), sgd(2)).unwrap(), OverlapChain::new(problem.clone(), sgd(2)).unwrap());
    refused(&mut vectors, &chain);
    refused(&mut chain, &vectors);
    refused(&mut vectors, &OnlineSgd::new(problem.clone(), sgd(1)).unwrap());
    refused(&mut chain, &OverlapChain::new(problem.clone(), SgdSettings { dimension: 4, ..sgd(2) }).unwrap());
}

fn network(gradient: Gradient, activation: Activation) -> Network {
    let start = random_neurons(5, 1.0, None, 5).unwrap();
    let problem = start.start(&SingleIndex::new(activation, [0.8, 0.5, -0.6], 0.2, vec![]));
    let settings = NetworkSettings {
        dimension: 11,
        gradient,
        step: 0.02,
        runs: 2,
        record_runs: true,
        series_degree: 12,
        ..NetworkSettings::default()
    };
    Network::new(problem, settings).unwrap()
}

#[test]
fn networks_on_the_risk_and_on_samples() {
    for gradient in [Gradient::Population, Gradient::Sample { batch: 3 }] {
        for activation in [Activation::Relu, Activation::Erf, Activation::Tanh] {
            let calls = resumes(|| network(gradient, activation.clone()), &[0.0, 0.3, 0.31, 0.7]);
            assert!(calls > 3, "{calls}");
        }
    }
    in_pools(|| {
        resumes(|| network(Gradient::Population, Activation::Relu), &[0.5]);
    });
    survives_damage(|| network(Gradient::Sample { batch: 2 }, Activation::Relu), 0.2);
    refused(&mut network(Gradient::Population, Activation::Relu), &Agents::new(problem(), settings(3)).unwrap());
}
