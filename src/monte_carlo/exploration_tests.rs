//! Mutation of agents on domains of several shapes.

use std::sync::Arc;

use super::tests::{every, problem, replicator, settings};
use super::*;
use crate::problem::*;

fn run(problem: Population, agents: usize, time: f64) -> Agents {
    let mut agents = Agents::new(problem, AgentSettings { replicates: 1, ..settings(agents) }).unwrap();
    agents.advance_to(time).unwrap();
    agents
}

/// Quadratic losses of as many parameters as hyperparameters on these domains, which start at `at`.
fn on(h: Vec<Domain>, kernel: Kernel, at: f64) -> Population {
    let d = h.len();
    Population {
        loss: Arc::new(Quadratic::new(1.0, d)),
        fitness: Arc::new(QuadraticFitness { optimum: vec![0.5; d], curvature: 1.0 }),
        mutation: vec![kernel; d],
        initial: Initial { h: vec![Law::Point { at }; d], theta: InitialTheta::Equilibrium },
        h,
        selection: every(0.1),
        ..problem()
    }
}

#[test]
fn factors_on_a_log_axis_stay_on_their_lattice() {
    // Powers of two, ends included.
    for ends in [Ends::Clip, Ends::Retry] {
        let domain = Domain::log(2.0_f64.powi(-6), 1.0, ends);
        let kernel = Kernel::perturb(vec![0.5, 2.0], 0.25, Law::Point { at: 0.125 });
        let agents = run(on(vec![domain], kernel, 0.25), 3000, 1.0);
        let mut seen = [0; 7];
        for h in agents.h(0) {
            let power = -h.log2();
            assert!(power.fract() == 0.0, "{h}");
            seen[power as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    }
}

#[test]
fn clipped_steps_pile_up_at_ends_and_corners() {
    // Steps of ten widths (in y) from the middle: each end of each axis takes P(ξ > 0.05) of them.
    let (linear, log) = (Domain::linear(0.25, 1.25, Ends::Clip), Domain::log(0.5, 2.0, Ends::Clip));
    let n = 40_000;
    let end = crate::numerics::normal::normal_cdf(-0.05);
    for (a, b) in [(linear, linear), (linear, log), (log, log)] {
        let mut problem = on(vec![a, b], Kernel::None, 1.0);
        let width = |d: &Domain| d.coordinates().1 - d.coordinates().0;
        problem.mutation = vec![Kernel::Gaussian { std: 10.0 * width(&a) }, Kernel::Gaussian { std: 10.0 * width(&b) }];
        let middle = |d: &Domain| d.scale.value(0.5 * (d.coordinates().0 + d.coordinates().1));
        problem.initial.h = vec![Law::Point { at: middle(&a) }, Law::Point { at: middle(&b) }];
        let agents = run(problem, n, 0.1);
        let mut corners = [0.0_f64; 4];
        for h in agents.h(0).chunks_exact(2) {
            let place = |h: f64, d: &Domain| [d.low, d.high].iter().position(|end| *end == h);
            if let (Some(i), Some(j)) = (place(h[0], &a), place(h[1], &b)) {
                corners[2 * i + j] += 1.0 / n as f64;
            }
        }
        // Binomial, five standard deviations.
        assert!(corners.iter().all(|p| (p - end * end).abs() < 5.0 * (0.18 / n as f64).sqrt()), "{corners:?}");
    }
}

#[test]
fn steps_drawn_again_stay_inside() {
    let domains = vec![Domain::linear(0.25, 1.25, Ends::Retry), Domain::log(0.5, 2.0, Ends::Retry)];
    let agents = run(on(domains, Kernel::Gaussian { std: 2.0 }, 1.0), 5000, 0.3);
    assert!(agents.h(0).chunks_exact(2).all(|h| 0.25 < h[0] && h[0] < 1.25 && 0.5 < h[1] && h[1] < 2.0));
}

#[test]
fn the_fast_path_of_normal_steps_is_the_kernel() {
    // Everybody a copy (fast) or truncation's copies (one by one): both follow the kernel's law on a mirrored log axis.
    let domain = Domain::log(0.1, 10.0, Ends::Reflect);
    let kernel = Kernel::Gaussian { std: 1.5 };
    let n = 50_000;
    let truncation =
        Selection::Events { rule: Rule::Truncation { fraction: 0.5 }, clock: Clock::Periodic { every: 0.1 } };
    for selection in [every(0.1), truncation] {
        let agents = run(Population { selection, ..on(vec![domain], kernel.clone(), 0.2) }, n, 0.1);
        let mut y: Vec<f64> = agents.h(0).iter().filter(|h| **h != 0.2).map(|h| h.ln()).collect();
        y.sort_unstable_by(f64::total_cmp);
        let (low, high) = domain.coordinates();
        let images = |y: f64| -> f64 {
            let at = |y| kernel.cdf(domain.scale, 0.2_f64.ln(), y);
            (-3..=3).map(|k| 2.0 * f64::from(k) * (high - low)).map(|s| at(y + s) - at(2.0 * low - y + s)).sum()
        };
        let distance = statistics::kolmogorov_smirnov(&y, images, images) * (y.len() as f64).sqrt();
        assert!(distance < 2.6, "{distance}"); // P = 3e-6
    }
}

#[test]
fn diffusion_acts_in_the_coordinate() {
    // No selection: the variance of log h grows by 2 D_h t.
    let mut problem = replicator();
    problem.selection = Selection::Replicator { beta: 0.0 };
    problem.h = vec![Domain::log(1e-6, 1e6, Ends::Clip)];
    problem.initial.h = vec![Law::Point { at: 1.0 }];
    let n = 100_000;
    let agents = run(problem.clone(), n, 1.0);
    let square = agents.h(0).iter().map(|h| h.ln() * h.ln()).sum::<f64>() / n as f64;
    assert!((square - 0.04).abs() < 5.0 * 0.04 * (2.0 / n as f64).sqrt(), "{square}");
    // Between mirrors, whatever the rule for jumps, y becomes uniform.
    problem.h = vec![Domain::log(0.9, 1.1, Ends::Clip)];
    let mut y: Vec<f64> = run(problem, n, 1.0).h(0).iter().map(|h| (h / 0.9).ln() / (1.1_f64 / 0.9).ln()).collect();
    y.sort_unstable_by(f64::total_cmp);
    let uniform = |x: f64| x.clamp(0.0, 1.0);
    assert!(statistics::kolmogorov_smirnov(&y, uniform, uniform) * (n as f64).sqrt() < 2.6);
}
