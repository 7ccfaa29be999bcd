//! Moments and histograms of a population.

use rayon::prelude::*;

use super::replica::BLOCK;
use crate::problem::Domain;

/// Means and covariances of the components of (θ, h), θ first; those of the empirical law, divided by N.
#[derive(Debug)]
pub(super) struct Moments {
    pub mean: Vec<f64>,
    /// Row-major, dθ + dh each way.
    pub covariance: Vec<f64>,
}

/// Component `c` of agent-major values.
fn column(values: &[f64], width: usize, c: usize) -> impl Iterator<Item = f64> + '_ {
    values.iter().skip(c).step_by(width).copied()
}

/// Sums over blocks in the order of the blocks, so that threads do not matter.
fn in_blocks(
    theta: (&[f64], usize),
    h: (&[f64], usize),
    sums: usize,
    term: impl Fn(&[f64], &[f64], &mut [f64]) + Sync,
) -> Vec<f64> {
    let blocks = theta.0.par_chunks(BLOCK * theta.1).zip(h.0.par_chunks(BLOCK * h.1));
    let blocks: Vec<Vec<f64>> = blocks
        .map(|(theta, h)| {
            let mut sum = vec![0.0; sums];
            term(theta, h, &mut sum);
            sum
        })
        .collect();
    let mut total = vec![0.0; sums];
    for block in blocks {
        total.iter_mut().zip(block).for_each(|(total, sum)| *total += sum);
    }
    total
}

impl Moments {
    /// Of agent-major θ and h, `dim_theta` and `dim_h` numbers an agent.
    pub fn new(theta: &[f64], dim_theta: usize, h: &[f64], dim_h: usize) -> Self {
        let (n, d) = ((h.len() / dim_h) as f64, dim_theta + dim_h);
        let means = in_blocks((theta, dim_theta), (h, dim_h), d, |theta, h, sums| {
            let (of_theta, of_h) = sums.split_at_mut(dim_theta);
            let add = |sum: &mut f64, values| *sum = Iterator::fold(values, 0.0, |a, x| a + x);
            of_theta.iter_mut().enumerate().for_each(|(c, sum)| add(sum, column(theta, dim_theta, c)));
            of_h.iter_mut().enumerate().for_each(|(c, sum)| add(sum, column(h, dim_h, c)));
        });
        let mean: Vec<f64> = means.into_iter().map(|sum| sum / n).collect();
        let pairs = in_blocks((theta, dim_theta), (h, dim_h), d * d, |theta, h, sums| {
            // Deviations, component after component.
            let agents = h.len() / dim_h;
            let mut deviations = Vec::with_capacity(d * agents);
            for (c, mean) in mean.iter().enumerate() {
                if c < dim_theta {
                    deviations.extend(column(theta, dim_theta, c).map(|x| x - mean));
                } else {
                    deviations.extend(column(h, dim_h, c - dim_theta).map(|x| x - mean));
                }
            }
            for (i, a) in deviations.chunks_exact(agents).enumerate() {
                for (j, b) in deviations.chunks_exact(agents).enumerate().skip(i) {
                    let sum = a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b);
                    (sums[i * d + j], sums[j * d + i]) = (sum, sum);
                }
            }
        });
        Self { mean, covariance: pairs.into_iter().map(|sum| sum / n).collect() }
    }
}

/// Bins of one component, equal in `y(x)`.
#[derive(Debug, Clone)]
pub(super) struct Bins {
    domain: Domain,
    low: f64,
    scale: f64,
    count: usize,
    /// One over the width of each, in x.
    inverse_widths: Vec<f64>,
    /// Whether what lies outside counts in the outermost bins, or not at all.
    clamped: bool,
}

impl Bins {
    pub fn new(domain: Domain, count: usize, clamped: bool) -> Self {
        let (low, high) = domain.coordinates();
        let bins = Self { domain, low, scale: count as f64 / (high - low), count, inverse_widths: vec![], clamped };
        let linear = domain.scale == crate::problem::Scale::Linear;
        let inverse_width = |[a, b]: [f64; 2]| if linear { bins.scale } else { 1.0 / (b - a) };
        let inverse_widths = bins.bounds().into_iter().map(inverse_width).collect();
        Self { inverse_widths, ..bins }
    }

    /// Where `part` of all bins lie below.
    fn at(&self, part: f64) -> f64 {
        let (low, high) = self.domain.coordinates();
        self.domain.scale.value(low + (high - low) * part).clamp(self.domain.low, self.domain.high)
    }

    /// The middle of each, in y.
    pub fn centres(&self) -> Vec<f64> {
        (0..self.count).map(|k| self.at((k as f64 + 0.5) / self.count as f64)).collect()
    }

    /// The ends of each.
    pub fn bounds(&self) -> Vec<[f64; 2]> {
        let at = |k: usize| self.at(k as f64 / self.count as f64);
        (0..self.count).map(|k| [at(k), at(k + 1)]).collect()
    }

    fn bin(&self, x: f64) -> Option<usize> {
        if !self.clamped && !self.domain.contains(x) {
            return None;
        }
        let place = (self.domain.scale.coordinate(x) - self.low) * self.scale;
        Some((place.max(0.0) as usize).min(self.count - 1))
    }
}

/// Counts of the agents in the cells of a product of bins (one entry a component), row-major.
pub(super) fn histogram(values: &[f64], bins: &[Bins]) -> Vec<f64> {
    let cells = bins.iter().map(|b| b.count).product();
    let count = |mut counts: Vec<u32>, values: &[f64]| {
        for agent in values.chunks_exact(bins.len()) {
            let cell = agent.iter().zip(bins).try_fold(0, |cell, (x, bins)| Some(cell * bins.count + bins.bin(*x)?));
            if let Some(cell) = cell {
                counts[cell] += 1;
            }
        }
        counts
    };
    // Whole numbers: their sums do not depend on the order.
    let add = |mut a: Vec<u32>, b: Vec<u32>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let pieces = values.par_chunks(16 * BLOCK * bins.len()).fold(|| vec![0; cells], count);
    pieces.reduce(|| vec![0; cells], add).into_iter().map(f64::from).collect()
}

/// Counts as a density: mass a cell over its volume.
pub(super) fn density(counts: &[f64], bins: &[Bins], agents: usize) -> Vec<f64> {
    let mut inverse = vec![1.0];
    for bins in bins {
        inverse = inverse.iter().flat_map(|a| bins.inverse_widths.iter().map(move |b| a * b)).collect();
    }
    counts.iter().zip(&inverse).map(|(count, inverse)| count * (inverse / agents as f64)).collect()
}
