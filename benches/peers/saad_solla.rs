//! Order parameters of an erf committee, against SciPy with right-hand sides compiled by numba.

use std::time::Instant;

use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::random_student;
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use learning_dynamics::{Error, Result};
use ndarray::Array2;
use rayon::prelude::*;

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
    println!("| what | here, CPU ms | worst error | right-hand sides | peer, CPU ms | its error | ratio |");
    println!("|---|---|---|---|---|---|---|");
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
    for units in [2, 4] {
        let (erf, (_, erfs)) = timed(9, || solve(units, &Activation::Erf, 1e-8))?;
        let (relu, (_, relus)) = timed(9, || solve(units, &Activation::Relu, 1e-8))?;
        println!(
            "| ReLU K = M = {units}, tolerance 1e-8 | {:.3} | | {relus} | erf: {:.3} | {erfs} right-hand sides | a right-hand side costs {:.1} times that of erf |",
            relu * 1e3,
            erf * 1e3,
            relu / relus as f64 / (erf / erfs as f64)
        );
    }
    ensemble()
}

/// Many trajectories from random initial overlaps: wall time with one and with two threads.
fn ensemble() -> Result<()> {
    let teacher = Teacher::orthonormal(2, Activation::Erf);
    let problems: Vec<Committee> = (0..400)
        .map(|seed| {
            Ok(Committee::new(teacher.clone(), random_student(&teacher, Activation::Erf, 2, 1000, 0.5, seed)?, 0.5))
        })
        .collect::<Result<_>>()?;
    let mut seconds = Vec::new();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| Error::Library { library: "rayon", message: error.to_string() })?;
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            pool.install(|| {
                problems.par_iter().try_for_each(|problem| {
                    OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-6)?.advance_to(300.0)
                })
            })?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        seconds.push(best);
    }
    println!(
        "\n400 trajectories to t = 300 from random overlaps: {:.0} ms on one thread, {:.0} ms on two: efficiency {:.0} %.",
        seconds[0] * 1e3,
        seconds[1] * 1e3,
        50.0 * seconds[0] / seconds[1]
    );
    Ok(())
}
