//! What holds for every problem: mass, positivity, finite numbers, and bits that no thread changes.

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::grid::Axis;
use crate::problem::*;

fn problems() -> impl Strategy<Value = Population> {
    let selection = prop_oneof![
        Just(Selection::Off),
        (0.0..4.0f64, 0.1..3.0f64).prop_map(|(beta, rate)| {
            Selection::Events { rule: Rule::Boltzmann { beta }, clock: Clock::Poisson { rate } }
        }),
        (0.05..=0.5f64, 0.1..3.0f64).prop_map(|(fraction, rate)| {
            Selection::Events { rule: Rule::Truncation { fraction }, clock: Clock::Poisson { rate } }
        }),
        (0.0..4.0f64, 0.05..0.5f64).prop_map(|(beta, every)| {
            Selection::Events { rule: Rule::Boltzmann { beta }, clock: Clock::Periodic { every } }
        }),
        (0.0..2.0f64).prop_map(|beta| Selection::Replicator { beta }),
    ];
    let kernel = prop_oneof![
        Just(Kernel::None),
        (0.01..0.5f64).prop_map(|std| Kernel::Gaussian { std }),
        (0.05..1.0f64).prop_map(|width| Kernel::Uniform { width }),
        Just(Kernel::Factor { factors: vec![0.8, 1.2] }),
        (0.0..=1.0f64)
            .prop_map(|probability| { Kernel::Resample { probability, law: Law::Uniform { low: 0.6, high: 1.4 } } }),
    ];
    let ends = prop_oneof![Just(Ends::Reflect), Just(Ends::Clip), Just(Ends::Retry)];
    (selection, kernel, ends, -8.0..0.0f64, 0.05..1.0f64, 0.0..1.0f64, any::<bool>()).prop_map(
        |(selection, kernel, ends, log_epsilon, diffusion, coupling, far)| {
            let replicator = matches!(selection, Selection::Replicator { .. });
            let theta = if far {
                InitialTheta::Law(vec![Law::Uniform { low: -1.5, high: -0.5 }])
            } else {
                InitialTheta::Equilibrium
            };
            Population {
                epsilon: 10f64.powf(log_epsilon),
                diffusion: diffusion.into(),
                mobility: 1.0.into(),
                loss: Arc::new(DoubleWell { barrier: 0.5, coupling }),
                fitness: Arc::new(QuadraticFitness { optimum: vec![0.7], curvature: 1.0 }),
                h: vec![Domain::linear(0.2, 2.2, if replicator { Ends::Reflect } else { ends })],
                selection,
                evaluation: Evaluation::default(),
                inheritance: Inheritance::default(),
                mutation: vec![if replicator { Kernel::Diffusion { diffusion: 0.01 } } else { kernel }],
                initial: Initial { h: vec![Law::Uniform { low: 0.7, high: 1.7 }], theta },
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mass_positivity_and_bits(problem in problems()) {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let theta = Axis::uniform("theta", -3.5, 3.5, 40).unwrap();
                let mut kinetic = Kinetic::new(problem.clone(), theta, 40, Steps::Tolerance(1e-3)).unwrap();
                kinetic.run(&[0.0, 0.3, 1.0], &mut |frame| {
                    for field in &frame.fields {
                        assert!(field.values.iter().all(|x| x.is_finite()), "{} at {}", field.name, frame.time);
                    }
                    Ok(ControlFlow::Continue(()))
                }).unwrap();
                kinetic.masses().to_vec()
            })
        };
        let masses = run(1);
        prop_assert!((sum(&masses) - 1.0).abs() < 1e-12, "mass {}", sum(&masses)); // hundreds of steps, each to rounding
        prop_assert!(masses.iter().all(|m| *m >= 0.0));
        prop_assert!(masses == run(2));
    }
}
