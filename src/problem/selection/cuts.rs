//! Truncation of a few agents without ranking everybody.

use rand::Rng;
use rayon::prelude::*;

use super::donors::{KEPT, replaced};
use crate::numerics::normal::{below, uniform};

/// The two quantiles of the fitness that truncation needs.
///
/// An agent is replaced if its fitness is below the lower one, and gives copies if its fitness is above the upper one. Among
/// agents at a quantile so many belong to the group, at random, as make its number `⌈qN⌉` on average: agents whose events are
/// at different moments break ties independently.
#[derive(Debug)]
pub(crate) struct TruncationCuts<'a> {
    fitness: &'a [f64],
    low: Cut,
    high: Cut,
}

/// An order statistic, and the share of those equal to it that count as beyond it.
#[derive(Debug, Clone, Copy)]
struct Cut {
    value: f64,
    share: f64,
}

impl<'a> TruncationCuts<'a> {
    pub fn new(fraction: f64, fitness: &'a [f64]) -> Self {
        let n = fitness.len();
        let count = replaced(fraction, n);
        let cut = |rank: usize, group: &dyn Fn(usize, usize) -> usize| {
            let (value, below, equal) = order_statistic(fitness, rank);
            Cut { value, share: group(below, equal) as f64 / equal.max(1) as f64 }
        };
        let low = cut(count.saturating_sub(1), &|below, _| count - below);
        let high = cut(n - count.min(n), &|below, equal| count - (n - below - equal));
        Self { fitness, low, high }
    }

    /// The donor of an agent that has an event, or [`KEPT`].
    pub fn donor<R: Rng + ?Sized>(&self, agent: usize, rng: &mut R) -> u32 {
        let n = self.fitness.len();
        let beyond = |beyond: bool, at: f64, cut: Cut, rng: &mut R| {
            beyond || (at == cut.value && (cut.share >= 1.0 || uniform(rng) < cut.share))
        };
        let own = self.fitness[agent];
        if !beyond(own < self.low.value, own, self.low, rng) {
            return KEPT;
        }
        // One try in 1/q finds a donor, for one event in 1/q.
        loop {
            let other = below(rng, n);
            let seen = self.fitness[other];
            if (other != agent || n == 1) && beyond(seen > self.high.value, seen, self.high, rng) {
                return other as u32;
            }
        }
    }
}

/// The `rank`-th smallest value (from 0), how many are below it, and how many equal it. No value is NaN.
///
/// A sample brackets it and only what lies in the bracket is sorted out (Floyd & Rivest 1975); exact whatever the sample.
fn order_statistic(values: &[f64], rank: usize) -> (f64, usize, usize) {
    const SAMPLE: usize = 4096;
    const PIECE: usize = 1 << 14;
    let n = values.len();
    let settle = |mut inside: Vec<f64>, below: usize| {
        let (_, &mut value, _) = inside.select_nth_unstable_by(rank - below, f64::total_cmp);
        // −0 is as large as 0.
        let less = inside.iter().filter(|v| **v < value).count();
        let equal = inside.iter().filter(|v| **v == value).count();
        (value, below + less, equal)
    };
    if n >= 8 * SAMPLE {
        let mut sample: Vec<f64> = values.iter().step_by(n / SAMPLE).copied().collect();
        sample.sort_unstable_by(f64::total_cmp);
        // Two standard deviations of the rank of a random sample.
        let (middle, spread) = (rank as f64 / n as f64 * sample.len() as f64, (sample.len() as f64).sqrt());
        let last = sample.len() - 1;
        let low = if middle > spread { sample[(middle - spread) as usize] } else { f64::NEG_INFINITY };
        let high = if middle + spread < last as f64 { sample[(middle + spread) as usize] } else { f64::INFINITY };
        let pieces: Vec<(usize, Vec<f64>)> = values
            .par_chunks(PIECE)
            .map(|piece| {
                let below = piece.iter().filter(|v| **v < low).count();
                (below, piece.iter().filter(|v| (low..=high).contains(*v)).copied().collect())
            })
            .collect();
        let below: usize = pieces.iter().map(|(below, _)| below).sum();
        let inside: Vec<f64> = pieces.into_iter().flat_map(|(_, inside)| inside).collect();
        if (below..below + inside.len()).contains(&rank) {
            return settle(inside, below);
        }
    }
    if n == 0 { (f64::NAN, 0, 0) } else { settle(values.to_vec(), 0) }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn order_statistics_are_those_of_the_sorted_values() {
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(3);
        for n in [1, 2, 100, 40_000, 100_001] {
            let distinct: Vec<f64> = (0..n).map(|_| uniform(&mut rng) - 0.5).collect();
            let increasing = distinct.iter().enumerate().map(|(k, _)| k as f64).collect();
            let tied = distinct.iter().map(|v| (4.0 * v).round()).collect();
            for values in [distinct, increasing, tied, vec![-0.0; n]] {
                let mut sorted = values.clone();
                sorted.sort_unstable_by(f64::total_cmp);
                for rank in [0, n / 5, n / 2, n - 1] {
                    let (value, below, equal) = order_statistic(&values, rank);
                    assert_eq!(value, sorted[rank]);
                    assert_eq!(below, sorted.iter().filter(|v| **v < value).count());
                    assert_eq!(equal, sorted.iter().filter(|v| **v == value).count());
                }
            }
        }
    }

    #[test]
    fn few_are_truncated_as_everybody_is() {
        // Levels with ties, all agents asked one by one: replaced and chosen as often as the exact count says.
        let fitness: Vec<f64> = (0..1000).map(|k| f64::from(k % 4)).collect();
        let cuts = TruncationCuts::new(0.4, &fitness);
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(4);
        let (mut replaced, mut gave) = ([0.0_f64; 4], [0.0_f64; 4]);
        for _ in 0..100 {
            for agent in 0..1000 {
                let donor = cuts.donor(agent, &mut rng);
                if donor != KEPT {
                    assert_ne!(donor as usize, agent);
                    replaced[agent % 4] += 1e-5;
                    gave[donor as usize % 4] += 1e-5;
                }
            }
        }
        // All of the worst quarter and 0.15 of the next; binomial errors of 1e5 draws are at most 1.6e-3.
        for (found, expected) in
            replaced.iter().zip([0.25_f64, 0.15, 0.0, 0.0]).chain(gave.iter().zip([0.0, 0.0, 0.15, 0.25]))
        {
            assert!((found - expected).abs() < 5e-3, "{replaced:?} {gave:?}");
        }
    }
}
