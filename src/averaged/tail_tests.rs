//! The jump form where the population grows out of a tail, and against an integration in physical time.

use super::Weight;
use super::tests::{at, jump_matrix, l1, solver, toy};
use crate::exact::propagator;
use crate::grid::MutationOperator;
use crate::numerics::ode::{StepTolerance, integrate};
use crate::problem::*;

/// A population at the far left; the fittest are some 12 standard deviations away.
fn tail(beta: f64, std: f64, start: (f64, f64)) -> Population {
    let mut problem = toy();
    problem.initial.h = vec![Law::Gaussian { mean: start.0, std: start.1 }];
    problem.mutation = vec![Kernel::Gaussian { std }];
    let rule = Rule::Boltzmann { beta };
    problem.selection = Selection::Events { rule, clock: Clock::Poisson { rate: 1.0 } };
    problem
}

#[test]
fn a_population_that_grows_out_of_a_tail_is_as_right_as_any() {
    let times = [1.0, 2.0, 5.0, 8.0];
    for beta in [1.0, 2.0, 4.0] {
        for std in [0.02, 0.05, 0.1, 0.3] {
            for start in [(-2.0, 0.2), (-2.5, 0.1), (-1.0, 0.15), (2.0, 0.15)] {
                let problem = tail(beta, std, start);
                let run = solver(problem.clone(), 200, Weight::ClosedForm, 1e-4);
                let exact = propagator::jump(&jump_matrix(&run), 1.0, run.mass(), &times).unwrap();
                for tolerance in [1e-4, 1e-5, 1e-6, 1e-8, 1e-10] {
                    let mut run = solver(problem.clone(), 200, Weight::ClosedForm, tolerance);
                    for (time, exact) in times.iter().zip(&exact) {
                        run = at(run, &[*time]);
                        let error = l1(run.mass(), &exact.mass);
                        // The bound, once a call; earlier calls add far less. Rounding of some 1000 products.
                        assert!(error < tolerance + 1e-12, "{beta} {std} {start:?} {time} {tolerance:e} {error:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn jump_form_solves_the_equation_in_physical_time() {
    // Nothing here knows of the linear clock.
    let run = solver(toy(), 100, Weight::ClosedForm, 1e-11);
    let weights = run.effective.scaled_weights().unwrap().0;
    let mutation = MutationOperator::new(&run.problem.mutation, &run.grid).unwrap();
    let mut masses = run.mass().to_vec();
    let rhs = |_: f64, rho: &[f64], out: &mut [f64]| {
        let mean: f64 = rho.iter().zip(&weights).map(|(m, w)| m * w).sum();
        let copied: Vec<f64> = rho.iter().zip(&weights).map(|(m, w)| m * w / mean).collect();
        mutation.apply(&copied, out);
        out.iter_mut().zip(rho).for_each(|(o, m)| *o -= m);
        Ok(())
    };
    let tolerance = StepTolerance { relative: 0.0, absolute: 1e-15 };
    integrate(rhs, (0.0, 3.0), &mut masses, tolerance, &mut 0.0).unwrap();
    let end = at(run, &[3.0]);
    // Tolerance: that of the run; the integration is good to 100 places of 1e-15 times some 50 steps.
    assert!(l1(end.mass(), &masses) < 1.5e-11, "{:e}", l1(end.mass(), &masses));
}
