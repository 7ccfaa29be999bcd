//! What the studies with two parameters share: problems, runs, quadrants, heat maps.

use std::sync::Arc;

use learning_dynamics::grid::{Axis, ThetaGrid};
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::problem::*;

use super::toy::{Outcome, boltzmann, record};

/// Himmelblau's function over 100 with the wells moved by h along the first direction, `D = 0.1`; fitness `−H(θ)/100`, so that
/// h = 0 is best; h uniform on [−1, 1], steps 0.1; θ uniform on `[−½, ½]²`, on the hill between the wells.
pub fn himmelblau(epsilon: f64, selection: Selection) -> Population {
    Population {
        epsilon,
        diffusion: 0.1.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Himmelblau { scale: 100.0, role: Role::Shift }),
        fitness: Arc::new(Himmelblau::new(100.0)),
        h: vec![Domain::linear(-1.0, 1.0, Ends::Reflect)],
        selection,
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::Gaussian { std: 0.1 }],
        initial: Initial {
            h: vec![Law::Uniform { low: -1.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Uniform { low: -0.5, high: 0.5 }; 2]),
        },
    }
}

/// Boltzmann events at rate 1 with β.
pub fn events(beta: f64) -> Selection {
    boltzmann(beta, Clock::Poisson { rate: 1.0 })
}

/// `cells²` on `[−half, half]²`.
pub fn square(half: f64, cells: usize) -> Outcome<[Axis; 2]> {
    Ok([Axis::uniform("theta_1", -half, half, cells)?, Axis::uniform("theta_2", -half, half, cells)?])
}

/// Training alone on a square, one cell of h, to `end`.
pub fn train(mut problem: Population, axes: [Axis; 2], tolerance: f64, end: f64) -> Outcome<Kinetic> {
    problem.selection = Selection::Off;
    let mut kinetic = Kinetic::new(problem, axes, 1, Steps::Tolerance(tolerance))?;
    record(&mut kinetic, &[end])?;
    Ok(kinetic)
}

/// The four wells.
pub fn wells() -> Outcome<Regions> {
    let centres: Vec<Vec<f64>> = Himmelblau::WELLS.iter().map(|w| w.to_vec()).collect();
    Ok(Regions::nearest(&["north-east", "north-west", "south-west", "south-east"], &centres)?)
}

/// `E[θ₁θ₂]` under masses of cells.
pub fn mean_product(theta: &ThetaGrid, masses: &[f64]) -> f64 {
    let products = masses.iter().enumerate().map(|(cell, m)| {
        let point = theta.point(cell);
        m * point[0] * point[1]
    });
    products.sum::<f64>() / masses.iter().sum::<f64>()
}

/// Adds up blocks of 2×2 cells of an n×n grid.
pub fn coarse(masses: &[f64], n: usize) -> Vec<f64> {
    let half = n / 2;
    let mut sums = vec![0.0; half * half];
    for (cell, mass) in masses.iter().enumerate() {
        sums[cell / n / 2 * half + cell % n / 2] += mass;
    }
    sums
}
