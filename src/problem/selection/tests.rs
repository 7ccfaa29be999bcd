//! The two faces of each rule, held together: what a cell keeps and gives to copies is what its agents do on average.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::SeedableRng;

use super::*;
use crate::numerics::normal::uniform;

/// When the events of the tests happen.
const TIME: f64 = 0.7;

fn rules() -> impl Strategy<Value = Rule> {
    prop_oneof![
        (0.0..3.0f64).prop_map(|beta| Rule::Boltzmann { beta }),
        (0.0..3.0f64).prop_map(|initial| Rule::Annealed { beta: Schedule::Exponential { initial, scale: 0.5 } }),
        (0.05..=0.5f64).prop_map(|fraction| Rule::Truncation { fraction }),
        Just(Rule::Tournament),
        Just(Rule::Proportional),
        Just(Rule::Weight(Arc::new(|f: f64| (2.0 * f + 1.0).ln()))),
    ]
}

/// Counts what agents do, of whom `agents[i]` lies in cell i, and compares.
fn compare(
    rule: &Rule,
    splitter: &mut Splitter,
    agents: &[usize],
    seen: &[f64],
    seed: u64,
) -> std::result::Result<(), TestCaseError> {
    let (n, cells) = (agents.len(), agents[agents.len() - 1] + 1);
    let mut mass = vec![0.0; cells];
    agents.iter().for_each(|cell| mass[*cell] += 1.0);
    mass.iter_mut().for_each(|m| *m /= n as f64);
    let (mut kept, mut copied) = (vec![0.0; cells], vec![0.0; cells]);
    splitter.split(&mass, &mut kept, &mut copied, TIME).unwrap();
    let total: f64 = kept.iter().chain(&copied).sum();
    prop_assert!((total - 1.0).abs() < 1e-14, "mass {total}"); // rounding
    prop_assert!(kept.iter().chain(&copied).all(|m| *m >= 0.0));

    let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(seed);
    let donors = rule.donors(seen, TIME, &mut rng).unwrap();
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
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cells_and_agents_follow_the_same_rule(
        rule in rules(),
        // Whole numbers, so that cells tie.
        fitness in prop::collection::vec((0i32..9).prop_map(f64::from), 2..12),
        counts in prop::collection::vec(1usize..400, 12),
        seed in 0u64..1000,
    ) {
        prop_assume!(!matches!(rule, Rule::Proportional) || fitness.iter().any(|f| *f > 0.0));
        let agents: Vec<usize> = (0..fitness.len()).flat_map(|c| std::iter::repeat_n(c, 10 * counts[c])).collect();
        let seen: Vec<f64> = agents.iter().map(|c| fitness[*c]).collect();
        compare(&rule, &mut Splitter::new(&rule, &fitness).unwrap(), &agents, &seen, seed)?;
    }

    #[test]
    fn spread_cells_and_agents_follow_the_same_rule(
        rule in prop_oneof![(0.05..=0.5f64).prop_map(|fraction| Rule::Truncation { fraction }), Just(Rule::Tournament)],
        // Spans overlap, begin and end together, and some are points.
        spans in prop::collection::vec((0i32..9, 0i32..4), 2..12),
        counts in prop::collection::vec(1usize..400, 12),
        seed in 0u64..1000,
    ) {
        let spans: Vec<[f64; 2]> = spans.into_iter().map(|(low, width)| [low, low + width].map(f64::from)).collect();
        let agents: Vec<usize> = (0..spans.len()).flat_map(|c| std::iter::repeat_n(c, 10 * counts[c])).collect();
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(seed + 1000);
        let seen: Vec<f64> =
            agents.iter().map(|c| spans[*c][0] + (spans[*c][1] - spans[*c][0]) * uniform(&mut rng)).collect();
        let fitness: Vec<f64> = spans.iter().map(|s| 0.5 * (s[0] + s[1])).collect();
        compare(&rule, &mut Splitter::spread(&rule, &fitness, &spans).unwrap(), &agents, &seen, seed)?;
    }

    /// However many cells there are, and however bins are joined, mass is exact and shares are shares.
    #[test]
    fn many_overlapping_cells(
        cells in 100usize..3_000, width in 0.0..2.0f64, points in 0usize..3, fraction in 0.01..=0.5f64, tournament in any::<bool>(),
    ) {
        let rule = if tournament { Rule::Tournament } else { Rule::Truncation { fraction } };
        let centre = |k: usize| (k as f64 * 0.37).sin();
        let spans: Vec<[f64; 2]> = (0..cells).map(|k| {
            let half = if k % 4 < points { 0.0 } else { width * (k as f64).cos().abs() };
            [centre(k) - half, centre(k) + half]
        }).collect();
        let fitness: Vec<f64> = (0..cells).map(centre).collect();
        let mass: Vec<f64> = (0..cells).map(|k| (k % 11) as f64).collect();
        let (mut kept, mut copied) = (vec![0.0; cells], vec![0.0; cells]);
        let mut splitter = Splitter::spread(&rule, &fitness, &spans).unwrap();
        splitter.split(&mass, &mut kept, &mut copied, 0.0).unwrap();
        let sum = |x: &[f64]| x.iter().sum::<f64>();
        prop_assert!(((sum(&kept) + sum(&copied)) / sum(&mass) - 1.0).abs() < 1e-12); // rounding of as many terms
        prop_assert!(kept.iter().zip(&mass).all(|(k, m)| (0.0..=m * (1.0 + 1e-14)).contains(k)));
        prop_assert!(copied.iter().zip(&mass).all(|(c, m)| (0.0..=m * (1.0 + 1e-14)).contains(c)));
        if !tournament {
            prop_assert!((sum(&copied) / sum(&mass) - fraction).abs() < 1e-12);
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
    // Ties copy nobody.
    Splitter::new(&Rule::Tournament, &[1.0; 3]).unwrap().split(&mass, &mut kept, &mut copied, 0.0).unwrap();
    for c in 0..3 {
        assert!((kept[c] - mass[c]).abs() < 1e-15 && copied[c] == 0.0);
    }
}

#[test]
fn annealed_weights_are_those_of_the_time() {
    let beta = Schedule::Tabulated { times: vec![0.0, 1.0], rates: vec![0.0, 2.0] };
    let mut splitter = Splitter::new(&Rule::Annealed { beta }, &[0.0, 1.0]).unwrap();
    for time in [0.0, 0.5, 1.0, 0.25] {
        let weights = splitter.weights(time).unwrap().unwrap();
        assert!((weights[0] - (-2.0 * time).exp()).abs() < 1e-15 && weights[1] == 1.0, "{time}");
        assert!((splitter.log_scale().unwrap() - 2.0 * time).abs() < 1e-15);
    }
    // Equal masses: ⟨w⟩²/⟨w²⟩.
    let w = f64::exp(-1.0);
    let expected = (1.0 + w).powi(2) / (2.0 * (1.0 + w * w));
    assert!((splitter.effective_sample_size(&[0.5, 0.5], 0.5).unwrap() - expected).abs() < 1e-15);
}

#[test]
fn bad_rules_are_named() {
    let text = |rule: Rule, fitness: &[f64]| {
        let error = rule.validated().and_then(|()| Splitter::new(&rule, fitness).map(|_| ())).unwrap_err();
        error.to_string()
    };
    assert!(text(Rule::Truncation { fraction: 0.6 }, &[1.0]).starts_with("selection.fraction = 0.6"));
    assert!(text(Rule::Annealed { beta: Schedule::Greedy { most: 1.0 } }, &[1.0]).contains("greedy"));
    assert!(text(Rule::Annealed { beta: Schedule::Constant(-1.0) }, &[1.0]).starts_with("selection.beta = -1"));
    assert!(text(Rule::Proportional, &[1.0, -0.5]).starts_with("fitness, as a weight = -0.5"));
    assert!(text(Rule::Proportional, &[0.0, 0.0]).contains("some weight must be positive"));
    assert!(text(Rule::Tournament, &[f64::NAN]).starts_with("fitness"));
}
