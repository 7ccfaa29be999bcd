//! Stopped, saved, loaded and gone on with: the bits are those of one run.

use std::sync::Arc;

use super::*;
use crate::grid::Axis;
use crate::problem::*;
use crate::resume_tests::{in_pools, refused, resumes, survives_damage};

/// `½|θ − h_1|²` and a fitness that sees all there is.
#[derive(Debug)]
struct Joint(usize);

impl Loss for Joint {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        theta.iter().map(|x| 0.5 * (x - h[0]) * (x - h[0])).sum()
    }
    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        out.iter_mut().zip(theta).for_each(|(out, x)| *out = x - h[0]);
    }
    fn dimension(&self) -> usize {
        self.0
    }
}

impl Fitness for Joint {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        -theta.iter().map(|x| (x - 0.6) * (x - 0.6)).sum::<f64>() - 0.3 * h.iter().map(|h| h * h).sum::<f64>()
    }
}

const BOLTZMANN: Rule = Rule::Boltzmann { beta: 0.8 };
const POISSON: Clock = Clock::Poisson { rate: 1.3 };
const PERIODIC: Clock = Clock::Periodic { every: 0.3 };

fn events(rule: Rule, clock: Clock) -> Selection {
    Selection::Events { rule, clock }
}

fn problem([d_theta, d_h]: [usize; 2], selection: Selection) -> Population {
    let replicator = matches!(selection, Selection::Replicator { .. });
    let kernel = if replicator { Kernel::Diffusion { diffusion: 0.05 } } else { Kernel::Gaussian { std: 0.3 } };
    Population {
        epsilon: 0.2,
        diffusion: 0.4.into(),
        mobility: 1.0.into(),
        loss: Arc::new(Joint(d_theta)),
        fitness: Arc::new(Joint(d_theta)),
        h: vec![Domain::linear(-2.0, 2.0, Ends::Reflect); d_h],
        selection,
        evaluation: Evaluation::default(),
        inheritance: Inheritance::default(),
        mutation: vec![kernel; d_h],
        initial: Initial {
            h: vec![Law::Gaussian { mean: -0.4, std: 0.25 }; d_h],
            theta: InitialTheta::Law(vec![Law::Gaussian { mean: 0.9, std: 0.5 }; d_theta]),
        },
    }
}

fn theta(d_theta: usize, cells: usize) -> ThetaGrid {
    let axis = || Axis::uniform("theta", -3.5, 3.5, cells).unwrap();
    if d_theta == 1 { axis().into() } else { [axis(), axis()].into() }
}

fn kinetic(dims: [usize; 2], selection: Selection, steps: Steps) -> Kinetic {
    let (problem, cells) = (problem(dims, selection), if dims[0] == 1 { 24 } else { 10 });
    let theta = theta(dims[0], cells);
    if dims[1] == 1 { Kinetic::new(problem, theta, 12, steps) } else { Kinetic::new(problem, theta, [6, 5], steps) }
        .unwrap()
}

/// Not multiples of anything; one at an event, and one twice.
const TIMES: [f64; 5] = [0.0, 0.17, 0.6, 0.6123, 1.1];

#[test]
fn all_dimensions_and_kinds_of_selection() {
    let annealed = LearningRate::Piecewise { times: vec![0.25, 0.6, 0.8], rates: vec![0.2, 1.0, 0.5, 2.0] };
    for dims in [[1, 1], [2, 1], [1, 2], [2, 2]] {
        for selection in [
            Selection::Off,
            events(BOLTZMANN, POISSON),
            events(BOLTZMANN, PERIODIC),
            events(Rule::Annealed { beta: annealed.clone() }, POISSON),
            events(Rule::Annealed { beta: annealed.clone() }, PERIODIC),
            events(Rule::Truncation { fraction: 0.2 }, POISSON),
            events(Rule::Truncation { fraction: 0.2 }, PERIODIC),
            Selection::Replicator { beta: 0.7 },
        ] {
            let calls = resumes(|| kinetic(dims, selection.clone(), Steps::Tolerance(1e-3)), &TIMES);
            // Alone, training of two parameters takes one step from stop to stop.
            assert!(calls >= 4, "{dims:?} {selection:?} {calls}");
        }
    }
}

/// Step lengths that are equal up to rounding share a matrix, that of the first.
#[test]
fn equal_distances_of_times() {
    let times: Vec<f64> = (1..=8).map(|k| 0.1 * f64::from(k)).collect();
    for selection in [Selection::Off, events(BOLTZMANN, POISSON), events(BOLTZMANN, Clock::Periodic { every: 0.1 })] {
        resumes(|| kinetic([2, 1], selection.clone(), Steps::Tolerance(1e-2)), &times);
    }
}

#[test]
fn steps_that_are_given() {
    for dims in [[1, 1], [2, 1]] {
        for selection in [Selection::Off, events(BOLTZMANN, POISSON), events(BOLTZMANN, PERIODIC)] {
            for steps in [Steps::Uniform(0.07), Steps::Mesh(vec![0.01, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.9])] {
                resumes(|| kinetic(dims, selection.clone(), steps.clone()), &TIMES);
            }
        }
    }
}

#[test]
fn tight_tolerances_with_steps_rejected_and_kept_matrices() {
    for dims in [[1, 1], [2, 1]] {
        let make = || {
            // A jump that the steps are not told of.
            let beta = LearningRate::Function(Arc::new(|t| if t < 0.45 { 0.1 } else { 3.0 }));
            let problem = problem(dims, events(Rule::Annealed { beta }, POISSON));
            Kinetic::new(problem, theta(dims[0], 10), 8, Steps::Tolerance(1e-5)).unwrap()
        };
        let calls = resumes(make, &[0.2, 0.9]);
        let mut all = make();
        all.run(&[0.2, 0.9], &mut |_| Ok(ControlFlow::Continue(()))).unwrap();
        assert!(calls > 40 && all.statistics().rejected > 0, "{calls} {:?}", all.statistics().rejected);
    }
}

#[test]
fn statistics_and_both_numbers_of_threads() {
    let make = || kinetic([2, 1], events(BOLTZMANN, POISSON), Steps::Tolerance(1e-3));
    in_pools(|| {
        resumes(make, &[0.3, 1.0]);
    });
    let quiet: &mut Visit<'_> = &mut |_| Ok(ControlFlow::Continue(()));
    let (mut whole, mut half) = (make(), make());
    whole.run(&[0.3, 1.0], quiet).unwrap();
    half.run(&[0.3, 1.0], &mut |_| Ok(ControlFlow::Break(()))).unwrap();
    let mut rest = make();
    rest.load(&half.save().unwrap()).unwrap();
    rest.run(&[1.0], quiet).unwrap();
    assert_eq!((rest.statistics(), rest.masses()), (whole.statistics(), whole.masses()));
    // A run to another end is another run: its tolerance is for what is left.
    half.run(&[0.9], quiet).unwrap();
    let mut other = make();
    other.run(&[0.3], quiet).unwrap();
    assert!(other.time() < half.time() && half.time() == 0.9);
}

#[test]
fn bytes_that_are_damaged_or_of_others() {
    let steps = || Steps::Tolerance(1e-2);
    let small = |dims: [usize; 2], selection: Selection| {
        Kinetic::new(problem(dims, selection), theta(dims[0], 4), 2, steps()).unwrap()
    };
    survives_damage(|| small([1, 1], events(BOLTZMANN, PERIODIC)), 1.0);
    survives_damage(|| small([2, 1], events(BOLTZMANN, POISSON)), 1.0);
    let one = small([1, 1], Selection::Off);
    refused(&mut small([2, 1], Selection::Off), &one);
}
