//! Samplers against the cumulative functions they belong to, and donors against weights.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::rng::{Generator, Key, Purpose};
use super::statistics::kolmogorov_smirnov;
use crate::problem::{Domain, DonorTable, Ends, KEPT, Kernel, Law, Rule};

const N: usize = 4000;

/// `√n D` exceeds this with probability 2·exp(−2·2.6²) = 3e-6 for the right law; seeds are fixed.
const GATE: f64 = 2.6;

fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..Config::default() }
}

fn laws() -> impl Strategy<Value = Law> {
    prop_oneof![
        (-2.0..2.0, 0.1..2.0).prop_map(|(mean, std)| Law::Gaussian { mean, std }),
        (-2.0..0.0, 0.1..2.0).prop_map(|(low, high)| Law::Uniform { low, high }),
        (0.01..0.5, 0.6..9.0).prop_map(|(low, high)| Law::LogUniform { low, high }),
        (-1.0..1.0).prop_map(|at| Law::Point { at }),
    ]
}

fn kernels() -> impl Strategy<Value = Kernel> {
    let factors = prop_oneof![Just(vec![0.8, 1.2]), Just(vec![0.5, 1.0, 2.0])];
    prop_oneof![
        Just(Kernel::None),
        (0.05..1.5).prop_map(|std| Kernel::Gaussian { std }),
        (0.05..2.5).prop_map(|width| Kernel::Uniform { width }),
        factors.prop_map(|factors| Kernel::Factor { factors }),
        (0.0..1.0).prop_map(|probability| Kernel::Resample { probability, law: Law::Uniform { low: 0.3, high: 2.5 } }),
    ]
}

/// The distance of a sample from a law with atoms: both are compared on a lattice finer than any resolved difference.
fn distance(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    const FINE: f64 = 1e-9;
    sample.iter_mut().for_each(|x| *x = (*x / FINE).round() * FINE);
    sample.sort_unstable_by(f64::total_cmp);
    kolmogorov_smirnov(&sample, |x| cdf(x + FINE), |x| cdf(x - FINE)) * (sample.len() as f64).sqrt()
}

/// The cumulative function of a kernel with the rule at the ends.
fn bounded_cdf(kernel: &Kernel, domain: &Domain, from: f64, x: f64) -> f64 {
    let Domain { low, high, ends, .. } = *domain;
    if x >= high {
        return 1.0;
    }
    if x < low {
        return 0.0;
    }
    match ends {
        Ends::Clip => kernel.cdf(domain.scale, from, x),
        Ends::Retry => {
            let below = kernel.cdf(domain.scale, from, low.next_down());
            (kernel.cdf(domain.scale, from, x) - below) / (kernel.cdf(domain.scale, from, high) - below)
        }
        // Sum over the mirror images of [low, x].
        Ends::Reflect => (-9..=9)
            .map(|k| {
                let image = low + 2.0 * f64::from(k) * (high - low);
                kernel.cdf(domain.scale, from, image + (x - low))
                    - kernel.cdf(domain.scale, from, (image - (x - low)).next_down())
            })
            .sum(),
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn laws_are_sampled_from_their_cumulative_function(law in laws(), seed in 0u64..1000) {
        let mut rng = Generator::new(Key::new(seed, Purpose::InitialH, 0));
        let sample = (0..N).map(|_| law.sample(&mut rng)).collect();
        prop_assert!(distance(sample, |x| law.cdf(x)) < GATE);
    }

    #[test]
    fn kernels_are_sampled_from_their_cumulative_function(
        kernel in kernels(), from in 0.21f64..1.9, ends in 0usize..3, seed in 0u64..1000,
    ) {
        let ends = [Ends::Reflect, Ends::Clip, Ends::Retry][ends];
        let domain = Domain::linear(0.2, 2.0, ends);
        let mut rng = Generator::new(Key::new(seed, Purpose::Mutation, 0));
        let sample: Vec<f64> = (0..N).map(|_| kernel.sample(from, &domain, &mut rng).unwrap()).collect();
        prop_assert!(sample.iter().all(|h| (0.2..=2.0).contains(h)));
        prop_assert!(distance(sample, |x| bounded_cdf(&kernel, &domain, from, x)) < GATE);
    }

    #[test]
    fn donors_follow_their_weights(fitness in prop::collection::vec(-6.0f64..3.0, 1..40), beta in 0.0f64..3.0, seed in 0u64..1000) {
        let rule = Rule::Boltzmann { beta };
        let table = DonorTable::new(&rule, &fitness, 0.0).unwrap();
        let mut donors = vec![0; N];
        table.fill(&mut Generator::new(Key::new(seed, Purpose::Donors, 0)), &mut donors);
        let sum: f64 = fitness.iter().map(|f| (beta * f).exp()).sum();
        for (i, f) in fitness.iter().enumerate() {
            let p = (beta * f).exp() / sum;
            let count = donors.iter().filter(|d| **d as usize == i).count() as f64;
            // Binomial: 5 standard deviations and 5 counts for the skew of rare ones.
            prop_assert!((count - N as f64 * p).abs() < 5.0 * (N as f64 * p * (1.0 - p)).sqrt() + 5.0);
        }
    }

    #[test]
    fn truncation_replaces_exactly_the_worst_by_the_best(
        levels in prop::collection::vec(0u8..5, 2..60), fraction in 0.01f64..0.5, seed in 0u64..1000,
    ) {
        let fitness: Vec<f64> = levels.iter().map(|l| f64::from(*l) - 2.0).collect();
        let n = fitness.len();
        let count = (fraction * n as f64).ceil() as usize;
        let mut rng = Generator::new(Key::new(seed, Purpose::Donors, 0));
        let donors = Rule::Truncation { fraction }.donors(&fitness, 0.0, &mut rng).unwrap();
        let mut sorted = fitness.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        prop_assert_eq!(donors.iter().filter(|d| **d != KEPT).count(), count);
        for (f, donor) in fitness.iter().zip(&donors) {
            if *donor == KEPT {
                prop_assert!(*f >= sorted[count - 1]);
            } else {
                prop_assert!(*f <= sorted[count - 1] && fitness[*donor as usize] >= sorted[n - count]);
            }
        }
    }
}

#[test]
fn truncation_of_flat_fitness_is_neutral() {
    // Each of 10 agents is replaced with probability 0.3 and is a given donor equally often.
    let (mut replaced, mut gave) = ([0.0; 10], [0.0; 10]);
    let mut rng = Generator::new(Key::new(1, Purpose::Donors, 0));
    let runs = 20_000;
    for _ in 0..runs {
        let donors = Rule::Truncation { fraction: 0.3 }.donors(&[-0.0, 0.0].repeat(5), 0.0, &mut rng).unwrap();
        for (i, donor) in donors.iter().enumerate().filter(|(_, d)| **d != KEPT) {
            replaced[i] += 1.0;
            gave[*donor as usize] += 1.0;
        }
    }
    let expected = 0.3 * f64::from(runs);
    for i in 0..10 {
        // Five standard deviations: binomial for the replaced; given thrice or not at all, the donor counts vary more.
        assert!((replaced[i] - expected).abs() < 5.0 * (0.7 * expected).sqrt(), "{replaced:?}");
        assert!((gave[i] - expected).abs() < 5.0 * (2.0 * expected).sqrt(), "{gave:?}");
    }
}

#[test]
fn weights_that_vanish_or_overflow_are_named() {
    let none = Rule::Weight(std::sync::Arc::new(|_| f64::NEG_INFINITY));
    assert!(matches!(DonorTable::new(&none, &[1.0, 2.0], 0.5), Err(crate::Error::Weights { time: 0.5, .. })));
    let too_much = Rule::Weight(std::sync::Arc::new(|f| if f > 1.0 { f64::NAN } else { 0.0 }));
    assert!(matches!(DonorTable::new(&too_much, &[1.0, 2.0], 0.0), Err(crate::Error::Parameter { .. })));
}
