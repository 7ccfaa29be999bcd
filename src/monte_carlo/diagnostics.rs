//! What selection does to the diversity of a population.

use rayon::prelude::*;

use super::replica::{BLOCK, Plan};
use crate::problem::{Domain, Rule, Scale};

/// How many ancestors are shown.
pub(super) const LARGEST: usize = 10;

/// Shares of the ancestors in the population.
pub(super) struct Lineage {
    /// Ancestors with living descendants.
    pub surviving: f64,
    /// `1/Σ share²`.
    pub effective_number: f64,
    /// The largest shares, in falling order; 0 where there are fewer.
    pub largest: Vec<f64>,
}

impl Lineage {
    pub fn new(ancestors: &[u32]) -> Self {
        let mut counts = vec![0_u32; ancestors.len()];
        ancestors.iter().for_each(|a| counts[*a as usize] += 1);
        counts.retain(|count| *count > 0);
        let n = ancestors.len() as f64;
        let squares: f64 = counts.iter().map(|count| f64::from(*count) * f64::from(*count)).sum();
        let surviving = counts.len();
        if surviving > LARGEST {
            counts.select_nth_unstable_by(LARGEST - 1, |a, b| b.cmp(a));
            counts.truncate(LARGEST);
        }
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let mut largest: Vec<f64> = counts.into_iter().map(|count| f64::from(count) / n).collect();
        largest.resize(LARGEST, 0.0);
        Self { surviving: surviving as f64, effective_number: n * n / squares, largest }
    }
}

/// Shares of the agents in the regions.
pub(super) fn probabilities(plan: &Plan, theta: &[f64]) -> Option<Vec<f64>> {
    let regions = plan.settings.regions.as_ref()?;
    let (dim_theta, cells) = (plan.dims().0, regions.names().len());
    let count = |mut counts: Vec<u32>, theta: &[f64]| {
        theta.chunks_exact(dim_theta).filter_map(|theta| regions.of(theta)).for_each(|region| counts[region] += 1);
        counts
    };
    let add = |mut a: Vec<u32>, b: Vec<u32>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let pieces = theta.par_chunks(BLOCK * dim_theta).fold(|| vec![0; cells], count);
    let counts = pieces.reduce(|| vec![0; cells], add);
    Some(counts.into_iter().map(|count| f64::from(count) / plan.settings.agents as f64).collect())
}

/// `(Σw)²/(N Σw²)` of the weights `w(F)`; 1 for rules on ranks, NaN where there is no positive weight or a weight is unknown.
pub(super) fn effective_sample_size(rule: &Rule, fitness: &[f64], time: f64) -> f64 {
    let Ok(rule) = rule.at(time) else { return f64::NAN };
    if !rule.is_weight() {
        return 1.0;
    }
    let log_weight = |f: &f64| rule.log_weight(*f, time).unwrap_or(f64::NAN);
    let tops: Vec<f64> = fitness
        .par_chunks(BLOCK)
        .map(|block| {
            block.iter().map(log_weight).fold(f64::NEG_INFINITY, |a, w| if w > a || w.is_nan() { w } else { a })
        })
        .collect();
    let top = tops.into_iter().fold(f64::NEG_INFINITY, |a, w| if w > a || w.is_nan() { w } else { a });
    let sums: Vec<(f64, f64)> = fitness
        .par_chunks(BLOCK)
        .map(|block| {
            block.iter().fold((0.0, 0.0), |(sum, squares), f| {
                let weight = libm::exp(log_weight(f) - top);
                (sum + weight, squares + weight * weight)
            })
        })
        .collect();
    let (sum, squares) = sums.into_iter().fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
    sum * sum / (fitness.len() as f64 * squares)
}

/// `2 Σ_k Var(y_k)/(width of the domain in y)²`: the mean squared distance of two agents in units of the domain.
/// `variances` are those of h.
pub(super) fn diversity(domains: &[Domain], h: &[f64], variances: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (k, (domain, variance)) in domains.iter().zip(variances).enumerate() {
        let (low, high) = domain.coordinates();
        let variance = match domain.scale {
            Scale::Linear => *variance,
            scale => {
                let y: Vec<f64> = h.par_chunks(domains.len()).map(|h| scale.coordinate(h[k])).collect();
                super::moments::Moments::new(&y, 1, &y, 1).covariance[0]
            }
        };
        sum += 2.0 * variance / ((high - low) * (high - low));
    }
    sum
}

/// `−Σ m ln(m/width)` of the cells' masses m, from counts and densities.
pub(super) fn entropy(counts: &[f64], density: &[f64], agents: usize) -> f64 {
    let full = counts.iter().zip(density).filter(|(count, _)| **count > 0.0);
    -full.map(|(count, density)| count / agents as f64 * libm::log(*density)).sum::<f64>()
}
