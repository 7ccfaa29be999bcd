//! The accuracy of rules on ranks on cells, where the fitness has two branches.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::grid::Axis;
use crate::numerics::normal::{normal_cdf, normal_density};
use crate::problem::*;

/// Where F = −(θ − c)² is largest: on no face, centre or symmetric place.
const OPTIMUM: f64 = 0.3141;
const STD: f64 = 0.45;
const PLACES: usize = 24;

/// Nobody trains (ε is enormous); θ given h is normal around h.
fn problem(rule: Rule, fitness: Arc<dyn Fitness>) -> Population {
    Population {
        epsilon: 1e12,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Quadratic::new(1.0, 1)),
        fitness,
        h: vec![Domain::linear(-1.5, 1.5, Ends::Reflect)],
        selection: Selection::Events { rule, clock: Clock::Periodic { every: 1.0 } },
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::None],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.5 }],
            theta: InitialTheta::Given(Arc::new(|h| vec![Law::Gaussian { mean: h[0], std: STD }])),
        },
    }
}

/// `P(|θ − c| < r)` given h.
fn within(h: f64, r: f64) -> f64 {
    normal_cdf((OPTIMUM + r - h) / STD) - normal_cdf((OPTIMUM - r - h) / STD)
}

/// What one event makes of the masses of h, with θ a continuous variable (EQUATIONS 1b).
fn exact(rule: &Rule, rho: &[f64], points: &[f64]) -> Vec<f64> {
    let inside = |r: f64| -> f64 { rho.iter().zip(points).map(|(m, h)| m * within(*h, r)).sum() };
    let radius = |share: f64| {
        let (mut low, mut high) = (0.0, 10.0);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if inside(middle) < share { low = middle } else { high = middle }
        }
        low
    };
    match rule {
        Rule::Truncation { fraction } => {
            let (kept, best) = (radius(1.0 - fraction), radius(*fraction));
            rho.iter().zip(points).map(|(m, h)| m * (within(*h, kept) + within(*h, best))).collect()
        }
        // Kept C and copied C, C the mass of lower fitness: f·2C, where nobody ties.
        _ => {
            let nodes = 8000;
            let mut after = vec![0.0; rho.len()];
            for k in 0..nodes {
                let theta = -6.0 + 12.0 * (f64::from(k) + 0.5) / f64::from(nodes);
                let less_fit = 1.0 - inside((theta - OPTIMUM).abs());
                for ((after, m), h) in after.iter_mut().zip(rho).zip(points) {
                    *after += 2.0 * less_fit * m * normal_density((theta - h) / STD) / STD * 12.0 / f64::from(nodes);
                }
            }
            after
        }
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// The error of one event on so many cells: with spread cells, and with all of a cell at its centre.
fn errors(rule: &Rule, cells: usize) -> [f64; 2] {
    let fitness = Arc::new(QuadraticFitness { optimum: vec![OPTIMUM], curvature: 1.0 });
    let theta = Axis::uniform("theta", -4.1, 4.4, cells).unwrap();
    let mut kinetic = Kinetic::new(problem(rule.clone(), fitness), theta, PLACES, Steps::Uniform(1.0)).unwrap();
    let start = kinetic.masses().to_vec();
    let rho = kinetic.marginal_h();
    let exact = exact(rule, &rho, &kinetic.h().points);
    let centres: Vec<f64> = kinetic.theta().points().iter().map(|t| -(t - OPTIMUM).powi(2)).collect();
    let by_theta = kinetic.marginal_theta();
    kinetic.run(&[1.0], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
    let (mut kept, mut copied) = (vec![0.0; cells], vec![0.0; cells]);
    Splitter::new(rule, &centres).unwrap().split(&by_theta, &mut kept, &mut copied, 0.0).unwrap();
    let mut plain = vec![0.0; PLACES];
    for (cell, row) in start.chunks_exact(PLACES).enumerate().filter(|(cell, _)| by_theta[*cell] > 0.0) {
        let share = (kept[cell] + copied[cell]) / by_theta[cell];
        plain.iter_mut().zip(row).for_each(|(sum, m)| *sum += share * m);
    }
    [distance(&kinetic.marginal_h(), &exact), distance(&plain, &exact)]
}

#[test]
fn one_event_is_of_second_order_in_the_cells() {
    for rule in [Rule::Truncation { fraction: 0.25 }, Rule::Truncation { fraction: 0.1 }, Rule::Tournament] {
        let sizes = [32, 64, 128, 256, 512];
        let errors = sizes.map(|cells| errors(&rule, cells));
        let order = |k: usize, from: usize| (errors[from][k] / errors[4][k]).log2() / (4 - from) as f64;
        // Over four halvings, as the place of the quantile within its cell makes single ones differ.
        assert!(order(0, 0) > 1.8, "{rule:?} {errors:?}");
        assert!(errors[4][0] < 0.1 * errors[4][1], "{rule:?} {errors:?}");
    }
}

#[test]
fn a_fitness_of_h_too_is_of_second_order() {
    for rule in [Rule::Truncation { fraction: 0.25 }, Rule::Tournament] {
        let after = |cells: usize| {
            let fitness = Arc::new(FitnessFn(|t: f64, h: f64| (1.7 * t + h).sin() - 0.3 * h * h));
            let theta = Axis::uniform("theta", -4.1, 4.4, cells).unwrap();
            let mut kinetic =
                Kinetic::new(problem(rule.clone(), fitness), theta, 60 * cells / 64, Steps::Uniform(1.0)).unwrap();
            kinetic.run(&[1.0], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
            assert!((sum(kinetic.masses()) - 1.0).abs() < 1e-13, "mass");
            kinetic.marginal_h().chunks(cells / 64).map(sum).collect::<Vec<f64>>()
        };
        let fine = after(512);
        let errors = [64, 128, 256].map(|cells| distance(&after(cells), &fine));
        assert!((errors[0] / errors[2]).log2() / 2.0 > 1.7, "{rule:?} {errors:?}");
    }
}
