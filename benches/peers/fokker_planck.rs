//! The Fokker–Planck equation in two dimensions, against SciPy with one sparse LU; the joint equation against its own factors.

use std::ops::ControlFlow;
use std::sync::Arc;

use learning_dynamics::Result;
use learning_dynamics::frame::Solver;
use learning_dynamics::grid::Axis;
use learning_dynamics::kinetic::{Kinetic, Steps};
use learning_dynamics::problem::*;

use super::{distance, peer, timed};

fn problem(epsilon: f64) -> Population {
    Population {
        epsilon,
        diffusion: 0.5.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Himmelblau::new(50.0)),
        fitness: Arc::new(Himmelblau::new(50.0)),
        h: vec![Domain::linear(0.0, 1.0, Ends::Reflect)],
        selection: Selection::Off,
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![Kernel::None],
        initial: Initial {
            h: vec![Law::Uniform { low: 0.0, high: 1.0 }],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 0.0, std: 1.0 }; 2]),
        },
    }
}

fn square(half: f64, cells: usize) -> Result<[Axis; 2]> {
    Ok([Axis::uniform("theta_1", -half, half, cells)?, Axis::uniform("theta_2", -half, half, cells)?])
}

/// As the peer begins: the density at the centres, not the mass of the cells.
fn start(axes: &[Axis; 2]) -> Vec<f64> {
    let row = |axis: &Axis| axis.centres.iter().map(|x| (-0.5 * x * x).exp()).collect::<Vec<_>>();
    let (a, b) = (row(&axes[0]), row(&axes[1]));
    a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect()
}

fn train(epsilon: f64, end: f64, tolerance: f64) -> Result<Kinetic> {
    let axes = square(6.0, 256)?;
    let masses = start(&axes);
    let mut kinetic = Kinetic::new(problem(epsilon), axes, 1, Steps::Tolerance(tolerance))?;
    kinetic.set_masses(masses)?;
    kinetic.run(&[end], &mut |_| Ok(ControlFlow::Continue(())))?;
    Ok(kinetic)
}

/// Masses of the quadrants (+,+), (+,−), (−,+), (−,−).
fn quadrants(masses: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; 4];
    for (cell, mass) in masses.iter().enumerate() {
        sums[2 * usize::from(cell / 256 < 128) + usize::from(cell % 256 < 128)] += mass;
    }
    sums
}

/// Prints the table.
pub fn compare() -> Result<()> {
    let peers = peer("fokker_planck.py");
    println!("| what | here, CPU s | error | peer, CPU s | its error | ratio |");
    println!("|---|---|---|---|---|---|");
    for (key, epsilon, end, tolerance, bound) in
        [("transient", 1.0, 20.0, 3e-7, 4e-7), ("stiff", 1e-4, 1.0, 1e-10, 1e-9)]
    {
        let exact = train(epsilon, end, 1e-11)?;
        let (seconds, run) = timed(5, || train(epsilon, end, tolerance))?;
        let error = distance(run.masses(), exact.masses());
        let best =
            peers.iter().filter(|(name, _, error)| name == key && *error <= bound).min_by(|a, b| a.1.total_cmp(&b.1));
        let beside = best.map_or("| | |".to_owned(), |(_, cpu, error)| {
            format!("| {cpu:.3} | {error:.1e} | 1/{:.1} |", cpu / seconds)
        });
        println!("| Himmelblau/50, 256², {key} | {seconds:.4} | {error:.1e} {beside}");
        println!("| quadrants of the exponential, {key}: {:?} | | | | | |", quadrants(exact.masses()));
    }
    Ok(())
}
