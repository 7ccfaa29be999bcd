//! Stopped, saved, loaded and gone on with: the bits are those of one run.

use super::Weight;
use super::solver::Averaged;
use super::tests::{solver, toy};
use crate::grid::{Axis, Cells};
use crate::problem::*;
use crate::resume_tests::{in_pools, refused, resumes, survives_damage};

const POISSON: Clock = Clock::Poisson { rate: 30.0 };
const PERIODIC: Clock = Clock::Periodic { every: 0.3 };
const STAGGERED: Clock = Clock::Staggered { every: 0.3 };
const BOLTZMANN: Rule = Rule::Boltzmann { beta: 1.5 };
const TRUNCATION: Rule = Rule::Truncation { fraction: 0.2 };

/// The rule jumps at one of [`TIMES`], and between them.
fn annealed() -> Rule {
    let (times, rates) = (vec![0.2, 0.6, 0.9], vec![0.1, 1.0, 0.3, 2.0]);
    Rule::Annealed { beta: LearningRate::Piecewise { times, rates } }
}

const TIMES: [f64; 5] = [0.0, 0.17, 0.6, 0.6123, 1.3];

fn averaged(selection: Selection, donors: Donors, cells: impl Into<Cells>) -> Averaged {
    let cells = cells.into();
    let mut problem = toy();
    if matches!(selection, Selection::Replicator { .. }) {
        problem.mutation = vec![Kernel::Diffusion { diffusion: 0.2 }];
    }
    if cells.0.len() == 2 {
        problem.h = vec![problem.h[0]; 2];
        problem.mutation = vec![problem.mutation[0].clone(); 2];
        problem.initial.h = vec![problem.initial.h[0].clone(); 2];
        problem.loss = std::sync::Arc::new(LossFn {
            value: |theta: f64, h: f64| 0.5 * (theta - h) * (theta - h),
            gradient: |theta: f64, h: f64| theta - h,
        });
    }
    problem.selection = selection;
    problem.evaluation.donors = donors;
    let theta = Axis::uniform("theta", -6.0, 6.0, 64).unwrap().into();
    solver(problem, cells, Weight::Quadrature { theta }, 1e-5)
}

fn events(rule: Rule, clock: Clock) -> Selection {
    Selection::Events { rule, clock }
}

#[test]
fn all_dynamics() {
    for (selection, least) in [
        (Selection::Off, 0),
        (Selection::Replicator { beta: 20.0 }, 5),
        (events(BOLTZMANN, POISSON), 5),
        (events(annealed(), POISSON), 8),
        (events(TRUNCATION, POISSON), 7),
        (events(BOLTZMANN, PERIODIC), 4),
        (events(annealed(), PERIODIC), 4),
        (events(TRUNCATION, PERIODIC), 4),
        (events(BOLTZMANN, STAGGERED), 20),
        (events(annealed(), STAGGERED), 20),
        (events(TRUNCATION, STAGGERED), 20),
    ] {
        let calls = resumes(|| averaged(selection.clone(), Donors::Present, 40), &TIMES);
        assert!(calls >= least, "{selection:?} {calls}");
    }
}

#[test]
fn published_donors() {
    for clock in [POISSON, PERIODIC, STAGGERED] {
        for rule in [BOLTZMANN, annealed(), TRUNCATION] {
            resumes(|| averaged(events(rule.clone(), clock), Donors::Published, 30), &TIMES);
        }
    }
}

#[test]
fn threads_and_two_hyperparameters() {
    in_pools(|| {
        for selection in [Selection::Replicator { beta: 2.0 }, events(BOLTZMANN, POISSON)] {
            resumes(|| averaged(selection.clone(), Donors::Present, [12, 10]), &TIMES);
        }
    });
}

#[test]
fn bytes_that_are_damaged_or_of_others() {
    let off = averaged(Selection::Off, Donors::Present, 4);
    for (selection, donors) in [
        (events(BOLTZMANN, POISSON), Donors::Present),
        (events(BOLTZMANN, POISSON), Donors::Published),
        (Selection::Replicator { beta: 2.0 }, Donors::Present),
    ] {
        survives_damage(|| averaged(selection.clone(), donors, 4), 1.0);
        refused(&mut averaged(selection, donors, 5), &off);
    }
    // Between two events, so that few numbers are held.
    survives_damage(|| averaged(events(BOLTZMANN, STAGGERED), Donors::Published, 2), 0.02);
    refused(&mut averaged(events(BOLTZMANN, STAGGERED), Donors::Present, 4), &off);
}
