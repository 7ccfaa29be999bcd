//! What the studies of order parameters share: the error of a committee in theory and in simulation.

use std::ops::ControlFlow;

use learning_dynamics::Result;
use learning_dynamics::frame::Solver;
use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::{OverlapChain, SgdSettings};
use learning_dynamics::order_parameters::{CommitteeEquations, OrderParameters};
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use ndarray::Array2;

/// A mean over runs and its standard error.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Mean.
    pub mean: f64,
    /// Standard error.
    pub error: f64,
}

impl Measured {
    /// Distance from `value` in standard errors.
    pub fn deviation(self, value: f64) -> f64 {
        (self.mean - value).abs() / self.error
    }
}

/// Orthonormal teacher; students with unequal overlaps with it, `size` at most, and squared norm ¼ across.
pub fn committee(students: usize, teachers: usize, size: f64, rate: f64) -> Committee {
    let m = Array2::from_shape_fn((students, teachers), |(i, n)| size * (1.0 + 3.0 * i as f64 + 7.0 * n as f64).sin());
    let student = Student::new(Array2::eye(students) * 0.25 + m.dot(&m.t()), m, Activation::Erf);
    Committee::new(Teacher::orthonormal(teachers, Activation::Erf), student, rate)
}

/// `problem` with the overlaps (and second layer) of `state`.
pub fn started_at(problem: &Committee, state: &[f64]) -> Committee {
    let (layout, mut problem) = (problem.layout(), problem.clone());
    for i in 0..layout.students {
        (0..layout.students).for_each(|k| problem.student.q[[i, k]] = state[layout.q(i, k)]);
        (0..layout.teachers).for_each(|n| problem.student.m[[i, n]] = state[layout.m(i, n)]);
        if layout.second_layer {
            problem.student.weights[i] = state[layout.a(i)];
        }
    }
    problem
}

/// `E_g` in theory at `times`.
pub fn theory(problem: &Committee, times: &[f64], tolerance: f64) -> Result<Vec<f64>> {
    let mut run = OrderParameters::of(problem.clone(), Quadrature::Automatic, tolerance)?;
    times
        .iter()
        .map(|&time| {
            run.advance_to(time)?;
            let state = run.state().to_vec();
            run.equations().generalization_error(&state)
        })
        .collect()
}

/// `E_g` of one state.
pub fn error_of(problem: &Committee, state: &[f64]) -> Result<f64> {
    CommitteeEquations::new(problem.clone(), Quadrature::Automatic)?.generalization_error(state)
}

/// At each time `E_g` and, where it moves, the second layer: means over the runs of a simulation.
pub fn observe(simulation: &mut dyn Solver, times: &[f64]) -> Result<Vec<Vec<Measured>>> {
    let mut found = Vec::new();
    simulation.run(times, &mut |frame| {
        let get = |group, name| frame.get(group, name).unwrap_or_default();
        let [mut a, mut a_error] = ["a", "a_error"].map(|name| get("order_parameters", name));
        if a_error.iter().all(|error| *error == 0.0) {
            (a, a_error) = (&[], &[]);
        }
        let means = [get("errors", "generalization_error"), a].concat();
        let errors = [get("errors", "generalization_error_error"), a_error].concat();
        found.push(means.iter().zip(errors).map(|(&mean, error)| Measured { mean, error }).collect());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// [`observe`] for `runs` chains in `dimension` dimensions.
pub fn chain(
    problem: &Committee,
    dimension: usize,
    runs: usize,
    seed: u64,
    times: &[f64],
) -> Result<Vec<Vec<Measured>>> {
    let settings = SgdSettings { dimension, runs, seed, record_runs: false };
    observe(&mut OverlapChain::new(problem.clone(), settings)?, times)
}

/// What the chain gives for `d → ∞`, up to 1/d²: from dimension `d` and, with four times the runs, `d/4`.
pub fn extrapolated_chain(
    problem: &Committee,
    dimension: usize,
    runs: usize,
    seed: u64,
    times: &[f64],
) -> Result<Vec<Vec<Measured>>> {
    let fine = chain(problem, dimension, runs, seed, times)?;
    let coarse = chain(problem, dimension / 4, runs * 4, seed + 1, times)?;
    let limit = |(fine, coarse): (&Measured, &Measured)| Measured {
        mean: (4.0 * fine.mean - coarse.mean) / 3.0,
        error: (4.0 * fine.error).hypot(coarse.error) / 3.0,
    };
    Ok(fine.iter().zip(&coarse).map(|(fine, coarse)| fine.iter().zip(coarse).map(limit).collect()).collect())
}

/// `n` times from `from` to `to` at equal ratios.
pub fn spread(from: f64, to: f64, n: usize) -> Vec<f64> {
    (0..n).map(|k| from * (to / from).powf(k as f64 / (n - 1) as f64)).collect()
}
