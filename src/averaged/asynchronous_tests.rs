//! Published donors and staggered clocks, against agents and against themselves.

use super::Weight;
use super::solver::Averaged;
use super::tests::{at, l1, solver, toy};
use crate::problem::*;

const PERIOD: f64 = 0.8;
const BETA: f64 = 1.5;

fn problem(rule: Rule, clock: Clock, donors: Donors) -> Population {
    let mut problem = toy();
    problem.selection = Selection::Events { rule, clock };
    problem.evaluation.donors = donors;
    problem.initial.h = vec![Law::Gaussian { mean: -0.8, std: 0.3 }];
    problem
}

fn mean_and_variance(run: &Averaged) -> [f64; 2] {
    let moment = |p: i32| -> f64 { run.mass().iter().zip(&run.grid.points).map(|(m, h)| m * h.powi(p)).sum() };
    [moment(1), moment(2) - moment(1).powi(2)]
}

#[test]
fn staggered_steps_meet_the_tolerance() {
    for donors in [Donors::Present, Donors::Published] {
        let problem = problem(Rule::Boltzmann { beta: BETA }, Clock::Staggered { every: PERIOD }, donors);
        let run =
            |tolerance: f64, times: &[f64]| at(solver(problem.clone(), 100, Weight::ClosedForm, tolerance), times);
        let exact = run(1e-11, &[3.3]);
        let mut errors = Vec::new();
        for tolerance in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8] {
            let end = run(tolerance, &[3.3]);
            errors.push(l1(end.mass(), exact.mass()));
            assert!((end.mass().iter().sum::<f64>() - 1.0).abs() < 1e-14);
            assert!(end.moved() < 1e-15, "{:e}", end.moved());
            // What is looked at on the way changes nothing.
            let looked = run(tolerance, &[0.123, 0.8, 1.777, 3.3]);
            assert!(l1(end.mass(), looked.mass()) < 1e-14);
        }
        for (error, tolerance) in errors.iter().zip([1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8]) {
            assert!(*error < tolerance, "{donors:?} {errors:?}");
        }
    }
}

#[test]
fn a_staggered_population_after_one_period_holds_no_original() {
    // Mutants land far away: what is left of the initial law is seen.
    let mut problem = problem(Rule::Boltzmann { beta: 0.0 }, Clock::Staggered { every: 1.0 }, Donors::Present);
    problem.h = vec![Domain::linear(-2.0, 2.0, Ends::Reflect)];
    problem.initial.h = vec![Law::Uniform { low: -2.0, high: -1.0 }];
    problem.mutation = vec![Kernel::Resample { probability: 1.0, law: Law::Uniform { low: 1.0, high: 2.0 } }];
    for (time, left) in [(0.25, 0.75), (0.9, 0.1), (1.0, 0.0), (1.7, 0.0)] {
        let end = at(solver(problem.clone(), 40, Weight::ClosedForm, 1e-4), &[time]);
        let originals: f64 = end.mass()[..10].iter().sum();
        assert!((originals - left).abs() < 1e-12, "{time} {originals}");
    }
}

#[test]
fn published_donors_lag_behind() {
    // β large enough that stale donors show; the pool relaxes towards the population at rate κ.
    let with = |donors| problem(Rule::Boltzmann { beta: BETA }, Clock::Poisson { rate: 1.0 }, donors);
    let present = at(solver(with(Donors::Present), 120, Weight::ClosedForm, 1e-9), &[1.0]);
    let published = at(solver(with(Donors::Published), 120, Weight::ClosedForm, 1e-9), &[1.0]);
    assert!(mean_and_variance(&published)[0] < mean_and_variance(&present)[0] - 0.01);
    // Integrated here, in physical time.
    let start = solver(with(Donors::Published), 120, Weight::ClosedForm, 1e-9);
    let weights = start.effective.scaled_weights().unwrap().0;
    let mutation = crate::grid::MutationOperator::new(&start.problem.mutation, &start.grid).unwrap();
    let mut both = [start.mass(), start.mass()].concat();
    let rhs = |_: f64, y: &[f64], out: &mut [f64]| {
        let (rho, pool) = y.split_at(120);
        let copied: Vec<f64> = pool.iter().zip(&weights).map(|(m, w)| m * w).collect();
        let mean: f64 = copied.iter().sum();
        let (to_rho, to_pool) = out.split_at_mut(120);
        mutation.apply(&copied, to_rho);
        to_rho.iter_mut().zip(rho).for_each(|(o, m)| *o = *o / mean - m);
        to_pool.iter_mut().zip(rho.iter().zip(pool)).for_each(|(o, (m, p))| *o = m - p);
        Ok(())
    };
    let tolerance = crate::numerics::ode::StepTolerance { relative: 0.0, absolute: 1e-15 };
    crate::numerics::ode::integrate(rhs, (0.0, 1.0), &mut both, tolerance, &mut 0.0).unwrap();
    let gap = l1(published.mass(), &both[..120]) + l1(published.published().unwrap(), &both[120..]);
    assert!(gap < 1e-8, "{gap:e}");
}
