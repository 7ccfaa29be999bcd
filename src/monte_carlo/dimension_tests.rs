//! More than one parameter or hyperparameter: what is shown, and the Gibbs law.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::tests::{every, plane, problem, settings};
use super::*;
use crate::Error;
use crate::frame::Solver;
use crate::numerics::normal::normal_cdf;
use crate::problem::*;
use crate::record::Series;

fn seen(problem: Population, settings: AgentSettings, times: &[f64]) -> (Agents, Series) {
    let (mut agents, mut series) = (Agents::new(problem, settings).unwrap(), Series::new());
    agents.run(times, &mut |frame| series.visit(frame)).unwrap();
    (agents, series)
}

fn axes(series: &Series, group: &str, name: &str) -> Vec<&'static str> {
    series.axes(group, name).unwrap().iter().map(|axis| axis.name).collect()
}

#[test]
fn moments_of_several_components_are_arrays() {
    let bins = ThetaBins { low: -8.0, high: 8.0, bins: 20 };
    let settings = AgentSettings { recorded_agents: 3, bins: 30, theta_bins: vec![bins; 2], ..settings(2000) };
    let (agents, series) = seen(Population { selection: every(0.1), ..plane() }, settings, &[0.0, 0.3]);
    for (name, expected) in [
        ("mean_theta", vec!["theta_component"]),
        ("var_theta", vec!["theta_component"]),
        ("cov_theta", vec!["theta_component", "theta_component_2"]),
        ("cov_theta_error", vec!["theta_component", "theta_component_2"]),
        ("mean_h", vec!["h_component"]),
        ("cov_h", vec!["h_component", "h_component_2"]),
        ("cov_theta_h", vec!["theta_component", "h_component"]),
        ("mean_loss", vec![]),
    ] {
        assert_eq!(axes(&series, "moments", name), expected);
    }
    assert_eq!(axes(&series, "trajectories", "theta"), ["agent", "theta_component"]);
    assert_eq!(axes(&series, "trajectories", "h"), ["agent", "h_component"]);
    assert_eq!(axes(&series, "marginal_h", "rho"), ["h_1", "h_2"]);
    assert_eq!(axes(&series, "marginal_theta", "rho"), ["theta_1", "theta_2"]);
    let mean = |f: &dyn Fn(&[f64], &[f64]) -> f64| {
        let of = |r| {
            let agents = agents.theta(r).chunks_exact(2).zip(agents.h(r).chunks_exact(2));
            agents.map(|(t, h)| f(t, h)).sum::<f64>() / 2000.0
        };
        [of(0), of(1)]
    };
    let covariance = |f: &dyn Fn(&[f64], &[f64]) -> f64, g: &dyn Fn(&[f64], &[f64]) -> f64| {
        let (fg, f, g) = (mean(&|t, h| f(t, h) * g(t, h)), mean(f), mean(g));
        0.5 * (fg[0] - f[0] * g[0] + fg[1] - f[1] * g[1])
    };
    let last = |name| series.last("moments", name).unwrap();
    for i in 0..2 {
        for j in 0..2 {
            for (found, expected) in [
                (last("cov_theta")[2 * i + j], covariance(&|t, _| t[i], &|t, _| t[j])),
                (last("cov_h")[2 * i + j], covariance(&|_, h| h[i], &|_, h| h[j])),
                (last("cov_theta_h")[2 * i + j], covariance(&|t, _| t[i], &|_, h| h[j])),
            ] {
                // Rounding of sums of 2000 numbers near 10.
                assert!((found - expected).abs() < 1e-11, "{found} {expected}");
            }
        }
        assert_eq!(last("var_h")[i], last("cov_h")[3 * i]);
    }
    // Densities integrate to one; bins of the second hyperparameter are equal in its logarithm.
    let areas: Vec<Vec<f64>> = ["h_1", "h_2"]
        .iter()
        .map(|name| {
            let axis = series.axes("marginal_h", "rho").unwrap().iter().find(|axis| axis.name == *name).unwrap();
            axis.bounds.as_ref().unwrap().iter().map(|[a, b]| b - a).collect()
        })
        .collect();
    let rho = series.last("marginal_h", "rho").unwrap();
    let mass: f64 = rho.iter().enumerate().map(|(k, rho)| rho * areas[0][k / 30] * areas[1][k % 30]).sum();
    assert!((mass - 1.0).abs() < 1e-12 && (areas[1][29] / areas[1][0]).log(200.0) > 0.9, "{mass}");
    let inside: f64 = series.last("marginal_theta", "rho").unwrap().iter().sum::<f64>() * 0.8 * 0.8;
    assert!((inside - 1.0).abs() < 1e-12, "{inside}");
}

#[test]
fn unequal_dimensions() {
    // Two parameters, one hyperparameter: axes of one component fall away.
    let loss = Arc::new(Himmelblau { scale: 100.0, role: Role::Coefficient });
    let two = Population { loss: loss.clone(), fitness: loss, selection: every(0.1), ..problem() };
    let theta = InitialTheta::Law(vec![Law::Uniform { low: -0.5, high: 0.5 }; 2]);
    let two = Population { initial: Initial { theta, ..two.initial }, ..two };
    let (_, series) = seen(two, settings(500), &[0.2]);
    assert_eq!(axes(&series, "moments", "cov_theta_h"), ["theta_component"]);
    assert_eq!(axes(&series, "moments", "mean_h"), [""; 0]);
    assert_eq!(axes(&series, "marginal_h", "rho"), ["h"]);
    // One parameter, three hyperparameters.
    let three = Population {
        h: vec![Domain::linear(-3.0, 3.0, Ends::Reflect); 3],
        mutation: vec![Kernel::Gaussian { std: 0.2 }; 3],
        initial: Initial { h: vec![Law::Uniform { low: -1.0, high: 1.0 }; 3], ..problem().initial },
        loss: Arc::new(LossFn { value: |t: f64, h: f64| 0.5 * (t - h).powi(2), gradient: |t, h| t - h }),
        selection: every(0.1),
        ..problem()
    };
    let (_, series) = seen(three, AgentSettings { bins: 12, ..settings(500) }, &[0.2]);
    assert_eq!(axes(&series, "marginal_h", "rho"), ["h_component", "bin"]);
    for rho in series.last("marginal_h", "rho").unwrap().chunks_exact(12) {
        assert!((rho.iter().sum::<f64>() * 0.5 - 1.0).abs() < 1e-12);
    }
}

#[test]
fn an_exact_gibbs_law_in_three_dimensions() {
    let n = 100_000;
    let h = vec![Domain::linear(-3.0, 3.0, Ends::Reflect); 3];
    let initial =
        Initial { h: [-1.0, 0.0, 2.0].map(|at| Law::Point { at }).to_vec(), theta: InitialTheta::Equilibrium };
    let mutation = vec![Kernel::None; 3];
    let fitness = Arc::new(QuadraticFitness { optimum: vec![0.5; 3], curvature: 1.0 });
    let problem = Population { loss: Arc::new(Quadratic::new(2.0, 3)), fitness, h, initial, mutation, ..problem() };
    let (_, series) = seen(problem, AgentSettings { replicates: 1, ..settings(n) }, &[0.0]);
    let (mean, cov) = (series.last("moments", "mean_theta").unwrap(), series.last("moments", "cov_theta").unwrap());
    // Variance D/k = 0.05; five standard errors.
    for (mean, at) in mean.iter().zip([-1.0, 0.0, 2.0]) {
        assert!((mean - at).abs() < 5.0 * (0.05 / n as f64).sqrt(), "{mean}");
    }
    for (k, cov) in cov.iter().enumerate() {
        let expected = if k % 4 == 0 { 0.05 } else { 0.0 };
        assert!((cov - expected).abs() < 5.0 * 0.05 * (2.0 / n as f64).sqrt(), "{cov}");
    }
}

#[test]
fn a_table_in_two_dimensions() {
    let (n, theta) = (200_000, InitialTheta::Equilibrium);
    // Under the Gibbs law of H/s E[xy] = ¼ at any temperature.
    let loss = Arc::new(Himmelblau::new(100.0));
    let hill = Population {
        loss: loss.clone(),
        fitness: loss,
        diffusion: 1.0.into(),
        initial: Initial { theta: theta.clone(), ..problem().initial },
        ..problem()
    };
    let gibbs = Some(GibbsGrid { low: -9.0, high: 9.0, cells: 180, slices: 1 });
    let agents = Agents::new(hill.clone(), AgentSettings { gibbs, replicates: 1, ..settings(n) }).unwrap();
    let (sum, squares) =
        agents.theta(0).chunks_exact(2).map(|t| t[0] * t[1]).fold((0.0, 0.0), |(a, b), x| (a + x, b + x * x));
    let mean = sum / n as f64;
    // Four standard errors; cells of 0.1 leave E[xy] as it is to 1e-8 (midpoint sums of analytic functions).
    assert!((mean - 0.25).abs() < 4.0 * (squares / n as f64 / n as f64).sqrt(), "{mean}");
    assert!(agents.table_errors().unwrap().0 < 2e-3 && agents.warnings().is_empty(), "{:?}", agents.table_errors());
    let narrow = Some(GibbsGrid { low: -3.0, high: 3.0, cells: 30, slices: 1 });
    let narrow = Agents::new(hill.clone(), AgentSettings { gibbs: narrow, ..settings(10) }).unwrap();
    assert!(matches!(narrow.warnings()[..], [crate::Warning::MassAtWall { .. }]));
    // A normal law that does not say so, whose temperature is a hyperparameter on the log scale.
    #[derive(Debug)]
    struct Hidden;
    impl Loss for Hidden {
        fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
            (0.5 * (theta[0] - 1.0).powi(2) + theta[1] * theta[1]) / h[0]
        }
        fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
            (out[0], out[1]) = ((theta[0] - 1.0) / h[0], 2.0 * theta[1] / h[0]);
        }
        fn dimension(&self) -> usize {
            2
        }
    }
    let mut hidden = hill;
    hidden.loss = Arc::new(Hidden);
    hidden.fitness = Arc::new(QuadraticFitness { optimum: vec![0.0; 2], curvature: 1.0 });
    hidden.h = vec![Domain::log(0.1, 1.0, Ends::Reflect)];
    hidden.initial.h = vec![Law::Point { at: 0.3 }];
    hidden.evaluation.sees = Sees::Effective;
    let gibbs = Some(GibbsGrid { low: -6.0, high: 6.0, cells: 240, slices: 32 });
    let agents = Agents::new(hidden.clone(), AgentSettings { gibbs, replicates: 1, ..settings(n) }).unwrap();
    let (error, effective_error) = agents.table_errors().unwrap();
    assert!(error < 2e-3 && effective_error < 1e-3, "{error} {effective_error}");
    for (component, centre, variance) in [(0, 1.0, 0.3_f64), (1, 0.0, 0.15)] {
        let mut theta: Vec<f64> = agents.theta(0).iter().skip(component).step_by(2).copied().collect();
        theta.sort_unstable_by(f64::total_cmp);
        let cdf = |x: f64| normal_cdf((x - centre) / variance.sqrt());
        let distance = statistics::kolmogorov_smirnov(&theta, cdf, cdf);
        // Twice the table is off by a quarter as much: the whole error is 4/3 of the difference.
        assert!(distance < 2.0 / (n as f64).sqrt() + 4.0 / 3.0 * error, "{distance}");
    }
    let too_many =
        AgentSettings { gibbs: Some(GibbsGrid { low: -6.0, high: 6.0, cells: 10_000, slices: 9 }), ..settings(10) };
    assert!(matches!(Agents::new(hidden.clone(), too_many), Err(Error::Parameter { .. })));
    hidden.h.push(Domain::linear(0.0, 1.0, Ends::Reflect));
    hidden.mutation.push(Kernel::None);
    hidden.initial.h.push(Law::Point { at: 0.5 });
    let both = Agents::new(hidden, AgentSettings { gibbs, ..settings(10) });
    assert!(matches!(both, Err(Error::Unsupported { .. })), "{both:?}");
}

#[test]
fn blocks_of_several_components_diverge_with_a_name() {
    let mut agents = Agents::new(Population { mobility: 1e4.into(), ..plane() }, settings(100)).unwrap();
    let error = agents.run(&[1.0], &mut |_| Ok(ControlFlow::Continue(()))).unwrap_err();
    assert!(matches!(error, Error::Diverged { .. } | Error::NonFinite { .. }), "{error}");
}
