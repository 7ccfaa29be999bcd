//! Stopped, saved, loaded and gone on with: the bits are those of one run.

use super::*;
use crate::grid::Axis;
use crate::problem::{Activation, Law, NeuronLaw, SingleIndex};
use crate::resume_tests::{refused, resumes, survives_damage};

fn flow(activation: Activation, flow: Flow, series: Option<usize>) -> NeuronFlow {
    let mut problem = SingleIndex::new(activation, [0.8, 0.5, -0.6], 0.02, vec![1.0, -0.4, 0.7, 0.2, -1.3]);
    problem.s = vec![0.1, -0.2, 0.05, 0.3, -0.4];
    NeuronFlow::new(problem, FlowSettings { flow, series, tolerance: 1e-6, degrees: 4 }).unwrap()
}

#[test]
fn flows_of_all_kinds() {
    for activation in [Activation::Relu, Activation::Tanh] {
        for series in [None, Some(6)] {
            for which in [Flow::Simplified, Flow::Full] {
                let calls = resumes(|| flow(activation.clone(), which, series), &[0.0, 0.05, 0.3, 1.5]);
                assert!(calls > 20, "{calls}");
            }
        }
    }
    survives_damage(|| flow(Activation::Relu, Flow::Simplified, None), 0.1);
    let full = flow(Activation::Relu, Flow::Full, None);
    refused(&mut flow(Activation::Relu, Flow::Simplified, None), &full);
}

fn density(steps: DensitySteps, cells: usize) -> NeuronDensity {
    let law = NeuronLaw {
        activation: [0.4, 0.5, 0.3].into(),
        target: [0.8, 0.5, -0.6].into(),
        epsilon: 0.3,
        a: Law::Gaussian { mean: 0.3, std: 0.8 },
        s: Law::Gaussian { mean: 0.1, std: 0.15 },
    };
    let a = Axis::uniform("a", -6.0, 8.0, cells).unwrap();
    NeuronDensity::new(law, a, cells, DensitySettings { steps, ..DensitySettings::default() }).unwrap()
}

#[test]
fn densities_with_both_kinds_of_steps() {
    for (steps, least) in [(DensitySteps::Tolerance(1e-5), 8), (DensitySteps::Fixed(0.07), 11)] {
        let calls = resumes(|| density(steps, 40), &[0.0, 0.2, 0.21, 0.7]);
        assert!(calls >= least, "{steps:?} {calls}");
        survives_damage(|| density(steps, 5), 0.03);
    }
    let other = density(DensitySteps::Fixed(0.1), 6);
    refused(&mut density(DensitySteps::Fixed(0.1), 5), &other);
}
