//! The two faces of each rule, held together: what a cell keeps and gives to copies is what its agents do on average.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::SeedableRng;

use super::*;

fn rules() -> impl Strategy<Value = Rule> {
    prop_oneof![
        (0.0..3.0f64).prop_map(|beta| Rule::Boltzmann { beta }),
        (0.05..=0.5f64).prop_map(|fraction| Rule::Truncation { fraction }),
        Just(Rule::Weight(Arc::new(|f: f64| (f + 7.0).ln()))), // fitness-proportional
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cells_and_agents_follow_the_same_rule(
        rule in rules(),
        // Whole numbers, so that cells tie.
        fitness in prop::collection::vec((-6i32..3).prop_map(f64::from), 2..12),
        counts in prop::collection::vec(1usize..400, 12),
        seed in 0u64..1000,
    ) {
        let cells = fitness.len();
        let agents: Vec<usize> = (0..cells).flat_map(|c| std::iter::repeat_n(c, 10 * counts[c])).collect();
        let n = agents.len();
        let mass: Vec<f64> = counts[..cells].iter().map(|k| 10.0 * *k as f64 / n as f64).collect();
        let (mut kept, mut copied) = (vec![0.0; cells], vec![0.0; cells]);
        Splitter::new(&rule, &fitness).unwrap().split(&mass, &mut kept, &mut copied, 0.0).unwrap();
        let total: f64 = kept.iter().chain(&copied).sum();
        prop_assert!((total - 1.0).abs() < 1e-14, "mass {total}"); // rounding
        prop_assert!(kept.iter().chain(&copied).all(|m| *m >= 0.0));

        let seen: Vec<f64> = agents.iter().map(|c| fitness[*c]).collect();
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(seed);
        let donors = rule.donors(&seen, 0.0, &mut rng).unwrap();
        let (mut stay, mut donate) = (vec![0.0; cells], vec![0.0; cells]);
        for (agent, donor) in donors.iter().enumerate() {
            if *donor == KEPT {
                stay[agents[agent]] += 1.0 / n as f64;
            } else {
                donate[agents[*donor as usize]] += 1.0 / n as f64;
            }
        }
        for c in 0..cells {
            // Six standard deviations of a count (about 1e-6 a case, over a few hundred cells) and the rounding up of qN.
            let allowed = |m: f64| 6.0 * (m.max(1.0 / n as f64) / n as f64).sqrt() + 1.0 / n as f64;
            prop_assert!((stay[c] - kept[c]).abs() <= allowed(mass[c]), "kept {} {}", stay[c], kept[c]);
            prop_assert!((donate[c] - copied[c]).abs() <= allowed(copied[c]), "copied {} {}", donate[c], copied[c]);
        }
    }
}

#[test]
fn flat_fitness_turns_over_neutrally() {
    let mass = [0.2, 0.5, 0.3];
    let (mut kept, mut copied) = ([0.0; 3], [0.0; 3]);
    let rule = Rule::Truncation { fraction: 0.25 };
    Splitter::new(&rule, &[1.0; 3]).unwrap().split(&mass, &mut kept, &mut copied, 0.0).unwrap();
    for c in 0..3 {
        assert!((kept[c] - 0.75 * mass[c]).abs() < 1e-15 && (copied[c] - 0.25 * mass[c]).abs() < 1e-15);
    }
}
