use std::ops::ControlFlow;
use std::sync::Arc;

use super::statistics::{kolmogorov_smirnov, mean_and_error, quantiles, wasserstein_cells, wasserstein_samples};
use super::*;
use crate::Error;
use crate::frame::Solver;
use crate::numerics::normal::normal_cdf;
use crate::problem::*;

pub(super) fn problem() -> Population {
    Population {
        epsilon: 0.1,
        diffusion: 0.1.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.5], curvature: 1.0 }),
        h: vec![Domain::linear(-3.0, 3.0, Ends::Reflect)],
        selection: Selection::Off,
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.2 }],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 0.0, std: 1.0 }]),
        },
    }
}

pub(super) fn settings(agents: usize) -> AgentSettings {
    AgentSettings { agents, replicates: 2, step: TrainingStep::LearningRate(0.1), ..AgentSettings::default() }
}

pub(super) const BOLTZMANN: Rule = Rule::Boltzmann { beta: 1.0 };

pub(super) fn every(every: f64) -> Selection {
    Selection::Events { rule: BOLTZMANN, clock: Clock::Periodic { every } }
}

pub(super) fn poisson(rule: Rule) -> Selection {
    Selection::Events { rule, clock: Clock::Poisson { rate: 2.0 } }
}

pub(super) fn replicator() -> Population {
    let mutation = vec![Kernel::Diffusion { diffusion: 0.02 }];
    Population { selection: Selection::Replicator { beta: 2.0 }, mutation, ..problem() }
}

/// All problems whose mechanics differ.
pub(super) fn variants() -> Vec<(Population, Dynamics)> {
    let truncation = Rule::Truncation { fraction: 0.2 };
    let evaluated = |noise, window, sees, selection| Population {
        evaluation: Evaluation { sees, noise, window, ..Evaluation::default() },
        inheritance: Inheritance::default(),
        selection,
        ..problem()
    };
    vec![
        (Population { selection: every(0.1), ..problem() }, Dynamics::Langevin),
        (Population { selection: every(0.1), ..problem() }, Dynamics::Equilibrium),
        (evaluated(0.3, 4, Sees::Fitness, every(0.1)), Dynamics::Sgd),
        (evaluated(0.0, 1, Sees::Effective, poisson(BOLTZMANN)), Dynamics::ExactOu),
        (evaluated(0.1, 3, Sees::Fitness, poisson(truncation)), Dynamics::Langevin),
        (Population { selection: poisson(BOLTZMANN), ..problem() }, Dynamics::Equilibrium),
        (replicator(), Dynamics::Langevin),
        (Population { selection: staggered(BOLTZMANN), ..problem() }, Dynamics::Langevin),
        (Population { selection: staggered(Rule::Tournament), ..published(3) }, Dynamics::Langevin),
        (Population { selection: poisson(Rule::Truncation { fraction: 0.2 }), ..rejuvenating() }, Dynamics::Sgd),
        (Population { selection: every(0.1), ..rejuvenating() }, Dynamics::Langevin),
        (Population { selection: staggered(BOLTZMANN), ..plane() }, Dynamics::Langevin),
        (Population { selection: every(0.1), ..plane() }, Dynamics::Langevin),
    ]
}

pub(super) fn staggered(rule: Rule) -> Selection {
    Selection::Events { rule, clock: Clock::Staggered { every: 0.1 } }
}

/// Selection on noisy checkpoints.
pub(super) fn published(window: usize) -> Population {
    let evaluation = Evaluation { noise: 0.3, window, donors: Donors::Published, ..Evaluation::default() };
    Population { evaluation, ..problem() }
}

pub(super) fn rejuvenating() -> Population {
    let inheritance = Inheritance::Hyperparameters;
    let evaluation = Evaluation { window: 3, ..Evaluation::default() };
    Population { inheritance, evaluation, ..problem() }
}

/// Himmelblau's function, moved by two hyperparameters, one of them on the log scale.
pub(super) fn plane() -> Population {
    let loss = Himmelblau { scale: 100.0, role: Role::Shift };
    Population {
        loss: Arc::new(loss.clone()),
        fitness: Arc::new(loss),
        h: vec![Domain::linear(-2.0, 2.0, Ends::Clip), Domain::log(0.01, 2.0, Ends::Reflect)],
        mutation: vec![Kernel::Gaussian { std: 0.5 }; 2],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }, Law::LogUniform { low: 0.02, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Uniform { low: -0.5, high: 0.5 }; 2]),
        },
        ..problem()
    }
}

fn bits(agents: &Agents) -> Vec<u64> {
    (0..2).flat_map(|r| agents.theta(r).iter().chain(agents.h(r)).map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}

#[test]
fn threads_do_not_matter() {
    for (problem, dynamics) in variants() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let regions = Some(Regions::new(vec!["right".into()], |theta| (theta[0] > 0.0).then_some(0)));
                let lineage = true;
                let settings =
                    AgentSettings { dynamics, quantiles: vec![0.1, 0.5], lineage, regions, ..settings(5000) };
                let mut agents = Agents::new(problem.clone(), settings).unwrap();
                let mut seen = Vec::new();
                let mut visit = |frame: &crate::frame::Frame<'_>| {
                    seen.extend(frame.fields.iter().flat_map(|f| f.values.iter().map(|x| x.to_bits())));
                    Ok(ControlFlow::Continue(()))
                };
                agents.run(&[0.1, 0.2], &mut visit).unwrap();
                (bits(&agents), seen)
            })
        };
        let one = run(1);
        assert!(one == run(2) && one == run(3), "{:?} {dynamics:?}", problem.selection);
    }
}

#[test]
fn recorded_times_do_not_matter() {
    for (problem, dynamics) in variants() {
        let run = |times: &[f64]| {
            let settings = AgentSettings { dynamics, ..settings(500) };
            let mut agents = Agents::new(problem.clone(), settings).unwrap();
            let mut last = 0.0;
            agents
                .run(times, &mut |frame| {
                    last = frame.get("moments", "mean_theta").unwrap()[0];
                    Ok(ControlFlow::Continue(()))
                })
                .unwrap();
            (bits(&agents), last.to_bits())
        };
        assert!(run(&[0.5]) == run(&[0.0, 0.01, 0.013, 0.2, 0.2, 0.3999, 0.5]), "{:?}", problem.selection);
    }
}

/// Mean, variance of h and of θ in the first replicate.
fn moments(agents: &Agents) -> [f64; 4] {
    let of = |x: &[f64]| {
        let mean = statistics::mean(x);
        (mean, x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / x.len() as f64)
    };
    let ((mean_h, var_h), (mean_theta, var_theta)) = (of(agents.h(0)), of(agents.theta(0)));
    [mean_h, var_h, mean_theta, var_theta]
}

#[test]
fn stationary_variance_is_that_of_the_scheme() {
    let at_zero = Initial { h: vec![Law::Point { at: 0.5 }], theta: InitialTheta::Law(vec![Law::Point { at: 0.0 }]) };
    let problem = Population { initial: at_zero, mobility: 2.0.into(), ..problem() };
    let n = 200_000;
    for (dynamics, variance) in
        [(Dynamics::Langevin, 0.05 / (1.0 - 0.1)), (Dynamics::ExactOu, 0.05), (Dynamics::Sgd, 0.0)]
    {
        let settings = AgentSettings { dynamics, replicates: 1, ..settings(n) };
        let mut agents = Agents::new(problem.clone(), settings).unwrap();
        // Twenty relaxation times ε/(μk) = 0.05 leave e^{-20}.
        agents.advance_to(1.0).unwrap();
        let [_, _, mean, var] = moments(&agents);
        // Four standard errors: √(v/n) and v√(2/n); e^{-20} = 2e-9 remains of the start.
        assert!((mean - 0.5).abs() < 4.0 * (variance / n as f64).sqrt() + 1e-8, "{dynamics:?} {mean}");
        assert!((var - variance).abs() < 4.0 * variance * (2.0 / n as f64).sqrt() + 1e-12, "{dynamics:?} {var}");
    }
}

#[test]
fn a_generation_of_algorithm_2_is_gaussian() {
    let (beta, mutation, n): (f64, f64, usize) = (1.0, 0.2, 400_000);
    let initial = Initial { h: vec![Law::Gaussian { mean: -0.4, std: 0.3 }], theta: InitialTheta::Equilibrium };
    let domain = Domain::linear(-9.0, 9.0, Ends::Reflect);
    let problem = Population { selection: every(1.0), initial, h: vec![domain], ..problem() };
    let settings = AgentSettings { dynamics: Dynamics::Equilibrium, replicates: 1, ..settings(n) };
    let mut agents = Agents::new(problem, settings).unwrap();
    agents.advance_to(1.0).unwrap();
    let [mean, var, ..] = moments(&agents);
    let lambda = 2.0 * beta / (1.0 + 2.0 * beta * 0.1);
    let (m, s) =
        ((-0.4 + lambda * 0.09 * 0.5) / (1.0 + lambda * 0.09), 0.09 / (1.0 + lambda * 0.09) + mutation * mutation);
    // Resampling doubles the variance of the mean, at most quadruples it with unequal weights: 4 × 2 standard errors.
    assert!((mean - m).abs() < 8.0 * (s / n as f64).sqrt(), "{mean} {m}");
    assert!((var - s).abs() < 8.0 * s * (2.0 / n as f64).sqrt(), "{var} {s}");
}

#[test]
fn poisson_events_leave_the_untouched_exponentially() {
    let problem = Population { selection: poisson(BOLTZMANN), ..problem() };
    let n = 100_000;
    let mut agents = Agents::new(problem, settings(n)).unwrap();
    let before = agents.h(0).to_vec();
    agents.advance_to(0.5).unwrap();
    let kept = before.iter().zip(agents.h(0)).filter(|(a, b)| a == b).count() as f64 / n as f64;
    let expected = (-1.0_f64).exp();
    assert!((kept - expected).abs() < 4.0 * (expected * (1.0 - expected) / n as f64).sqrt(), "{kept}");
}

#[test]
fn tabulated_gibbs_law_is_the_normal_one() {
    let hidden = LossFn { value: |t: f64, h: f64| 0.5 * (t - h) * (t - h), gradient: |t, h| t - h };
    let mut problem = Population { loss: Arc::new(hidden), ..problem() };
    problem.initial = Initial { h: vec![Law::Point { at: 0.37 }], theta: InitialTheta::Equilibrium };
    problem.evaluation.sees = Sees::Effective;
    let gibbs = Some(GibbsGrid { low: -6.0, high: 6.0, cells: 1024, slices: 256 });
    let agents = Agents::new(problem.clone(), AgentSettings { gibbs, ..settings(100_000) }).unwrap();
    let mut theta = agents.theta(0).to_vec();
    theta.sort_unstable_by(f64::total_cmp);
    let cdf = |x: f64| normal_cdf((x - 0.37) / 0.1_f64.sqrt());
    let (error, effective) = agents.table_errors().unwrap();
    // Twice the table is off by a quarter as much: the whole error is 4/3 of the difference.
    assert!(error < 1e-3 && effective < 1e-3, "{error} {effective}");
    let distance = kolmogorov_smirnov(&theta, cdf, cdf);
    assert!(distance < 2.0 / (theta.len() as f64).sqrt() + 4.0 / 3.0 * error, "{distance}");
    assert!(agents.warnings().is_empty());
    let missing = Agents::new(problem.clone(), settings(10));
    assert!(matches!(missing, Err(Error::Unsupported { .. })), "{missing:?}");
    let narrow = Some(GibbsGrid { low: -3.0, high: 3.0, cells: 64, slices: 8 });
    let narrow = Agents::new(problem, AgentSettings { gibbs: narrow, ..settings(10) }).unwrap();
    assert!(matches!(narrow.warnings()[..], [crate::Warning::MassAtWall { .. }]));
}

#[test]
fn replicator_agents_follow_the_riccati_equation() {
    // F depends on h alone: F = −h², β = 2, D_h = 0.02, so V' = 2s² − aV² with a/2 = β, and the mean stays at 0.
    let mut problem = replicator();
    problem.fitness = Arc::new(FitnessFn(|_, h: f64| -h * h));
    problem.initial.h = vec![Law::Gaussian { mean: 0.0, std: 0.5 }];
    let n = 100_000;
    let mut agents = Agents::new(problem, AgentSettings { replicates: 1, ..settings(n) }).unwrap();
    agents.advance_to(0.5).unwrap();
    let [_, var, ..] = moments(&agents);
    let (a, s2, t, v0): (f64, f64, f64, f64) = (4.0, 0.02, 0.5, 0.25);
    let (limit, omega) = ((2.0 * s2 / a).sqrt(), (2.0 * s2 * a).sqrt());
    let tanh = (omega * t).tanh();
    let exact = limit * (v0 + limit * tanh) / (limit + v0 * tanh);
    // Four standard errors (doubled by copying) and the binning bias of order Δt = 0.01, relative.
    assert!((var - exact).abs() < 8.0 * exact * (2.0 / n as f64).sqrt() + 0.01 * exact, "{var} {exact}");
}

#[test]
fn bad_input_is_named() {
    let run = |problem: Population, dynamics| {
        let mut agents = Agents::new(problem, AgentSettings { dynamics, ..settings(100) })?;
        agents.advance_to(50.0)
    };
    let off = run(Population { selection: every(0.105), ..problem() }, Dynamics::Langevin);
    assert!(matches!(off, Err(Error::Parameter { value, .. }) if (value - 10.5).abs() < 1e-9), "{off:?}");
    let steep = run(Population { mobility: 30.0.into(), ..problem() }, Dynamics::Langevin);
    assert!(matches!(steep, Err(Error::Diverged { replicate: 0, agent: 0..100, .. })), "{steep:?}");
    let well = Arc::new(DoubleWell { barrier: 1.0, coupling: 1.0 });
    let exact = run(Population { loss: well, ..problem() }, Dynamics::ExactOu);
    assert!(matches!(exact, Err(Error::Unsupported { .. })), "{exact:?}");
    let loss = LossFn { value: |_, _| 0.0, gradient: |t: f64, h| if t > 1.0 { f64::NAN } else { t - h } };
    let nan = run(Population { loss: Arc::new(loss), ..problem() }, Dynamics::Sgd);
    let at_fault =
        matches!(&nan, Err(Error::NonFinite { quantity: "gradient", theta, time: 0.0, .. }) if theta[0] > 1.0);
    assert!(at_fault, "{nan:?}");
    let fitness = Arc::new(FitnessFn(|t: f64, _| if t > 0.0 { f64::INFINITY } else { t }));
    let infinite = run(Population { fitness, selection: every(0.1), ..problem() }, Dynamics::Langevin);
    assert!(matches!(infinite, Err(Error::NonFinite { quantity: "fitness", .. })), "{infinite:?}");
    let none = Rule::Weight(Arc::new(|_| f64::NEG_INFINITY));
    let zero = run(Population { selection: poisson(none), ..problem() }, Dynamics::Langevin);
    assert!(matches!(zero, Err(Error::Weights { .. })), "{zero:?}");
    let mut outside = problem();
    outside.initial.h = vec![Law::Gaussian { mean: 0.0, std: 2.0 }];
    let outside = run(outside, Dynamics::Langevin);
    assert!(matches!(outside, Err(Error::InitialMassOutside { .. })), "{outside:?}");
}

#[test]
fn frames_hold_what_is_promised() {
    let settings = AgentSettings { recorded_agents: 3, quantiles: vec![0.1, 0.5, 0.9], bins: 60, ..settings(1000) };
    let mut agents = Agents::new(Population { selection: every(0.1), ..problem() }, settings).unwrap();
    let mut frames = 0;
    agents
        .run(&[0.0, 0.1, 0.15], &mut |frame| {
            let mass: f64 = frame.get("marginal_h", "rho").unwrap().iter().sum::<f64>() * 0.1;
            // Sums of 60 numbers near 1.
            assert!((mass - 1.0).abs() < 1e-12, "{mass}");
            assert_eq!(frame.get("trajectories", "theta").unwrap().len(), 3);
            let fitness = frame.get("quantiles", "fitness").unwrap();
            assert!(fitness[0] <= fitness[1] && fitness[1] <= fitness[2]);
            assert!(frame.get("moments", "var_h_error").unwrap()[0] > 0.0);
            frames += 1;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(frames, 3);
}

#[test]
fn statistics_of_known_samples() {
    assert_eq!(mean_and_error(&[1.0, 3.0]), (2.0, Some(1.0)));
    assert_eq!(mean_and_error(&[1.0]), (1.0, None));
    assert_eq!(quantiles(&mut [4.0, 1.0, 3.0, 2.0], &[0.0, 0.5, 1.0]), [1.0, 2.5, 4.0]);
    assert_eq!(wasserstein_samples(&[0.0, 1.0], &[2.0, 2.0, 3.0, 3.0]), wasserstein_samples(&[0.0, 1.0], &[2.0, 3.0]));
    assert_eq!(wasserstein_samples(&[0.0, 1.0], &[2.0, 3.0]), 2.0);
    // One point at ¼ against the uniform law: ∫|x − ¼| dx = 1/32 + 9/32.
    let distance = wasserstein_cells(&[0.25], &[0.0, 0.5, 1.0], &[0.0, 0.5, 1.0]);
    assert!((distance - 10.0 / 32.0).abs() < 1e-15, "{distance}");
    // A point outside is as far as its distance to all of the mass.
    assert!((wasserstein_cells(&[2.0], &[0.0, 1.0], &[0.0, 1.0]) - 1.5).abs() < 1e-15);
    assert_eq!(statistics::histogram(&[-1.0, 0.1, 0.9, 1.0], 0.0, 1.0, 2), [2.0, 2.0]);
}

#[test]
fn rejection_and_table_have_the_same_law() {
    // Steep weights make rejection give up for some 4 % of the events, whose donors then come from the table.
    let rule = Rule::Boltzmann { beta: 200.0 };
    let n = 20_000;
    let clock = Clock::Poisson { rate: 1000.0 };
    // With κΔt = 10 practically everybody has one event in the first step, at the start state, then h has moved.
    let all = |clock| {
        let selection = Selection::Events { rule: rule.clone(), clock };
        let problem = Population { selection, mutation: vec![Kernel::None], ..problem() };
        let mut agents = Agents::new(problem, AgentSettings { dynamics: Dynamics::Sgd, ..settings(n) }).unwrap();
        agents.advance_to(0.01).unwrap();
        moments(&agents)
    };
    let [mean_h, var_h, mean_theta, var_theta] = all(clock);
    // Selection at the start keeps θ within a few 1/√400 = 0.05 of 0.5; one gradient step of 0.1 then shrinks towards h,
    // uniform on [−1, 1] and independent of θ: 0.45 + 0.1 h. Donors: 0.05 √(2π) N/√(2π) e^{-1/8} ≈ 900 distinct.
    let error = 4.0 / 900.0_f64.sqrt();
    assert!(mean_h.abs() < error / 3.0_f64.sqrt(), "{mean_h}");
    assert!((var_h - 1.0 / 3.0).abs() < error / 3.0, "{var_h}");
    assert!((mean_theta - 0.45 - 0.1 * mean_h).abs() < 0.05 * error, "{mean_theta}");
    let expected = 0.81 / 400.0 + 0.01 / 3.0;
    assert!((var_theta - expected).abs() < 2.0 * error * expected, "{var_theta} {expected}");
}
