//! Order parameters of an erf committee, against SciPy with right-hand sides compiled by numba.

use learning_dynamics::Result;
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use ndarray::Array2;

use super::{peer, timed};

const TIMES: [f64; 6] = [1.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

fn problem(units: usize, activation: &Activation) -> Committee {
    let m = Array2::from_shape_fn((units, units), |(i, n)| 1e-3 * (1.0 + 3.0 * i as f64 + 7.0 * n as f64).sin());
    let student = Student::new(Array2::eye(units) * 0.25, m, activation.clone());
    Committee::new(Teacher::orthonormal(units, activation.clone()), student, 0.5)
}

/// The states at [`TIMES`], one after the other, and the number of evaluations.
fn solve(units: usize, activation: &Activation, tolerance: f64) -> Result<(Vec<f64>, u64)> {
    let mut run = OrderParameters::of(problem(units, activation), Quadrature::Automatic, tolerance)?;
    let mut states = Vec::new();
    for time in TIMES {
        run.advance_to(time)?;
        states.extend_from_slice(run.state());
    }
    Ok((states, run.evaluations()))
}

/// Prints the rows.
pub fn compare() -> Result<()> {
    let peers = peer("saad_solla.py");
    for (units, name) in [(2, "erf K = M = 2"), (4, "erf K = M = 4")] {
        let (exact, _) = solve(units, &Activation::Erf, 1e-13)?;
        for (tool, worst, tolerances) in
            [("LSODA", 1e-6, [3e-6, 1e-6, 3e-7, 1e-7]), ("DOP853", 1e-10, [1e-9, 3e-10, 1e-10, 3e-11])]
        {
            for tolerance in tolerances {
                let (seconds, (states, evaluations)) = timed(21, || solve(units, &Activation::Erf, tolerance))?;
                let error = states.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                let mark = if error <= worst { "" } else { " (too large)" };
                let beside = peers.iter().find(|(key, ..)| *key == format!("{tool} {units}"));
                let beside = beside.map_or("| | |".to_owned(), |(_, cpu, error)| {
                    format!("| {:.2} ms | {error:.1e} | 1/{:.1} |", cpu * 1e3, cpu / seconds)
                });
                println!(
                    "| {name} against {tool}, tolerance {tolerance:e} | {:.3} ms | {error:.1e}{mark} | {evaluations} {beside}",
                    seconds * 1e3
                );
            }
        }
    }
    Ok(())
}
