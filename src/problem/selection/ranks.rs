//! Ranks on cells: the law of the fitness as bins, and what a rule keeps and copies of each bin.

use rayon::prelude::*;

use super::Rule;
use crate::error::{Result, require};

/// Cells that are worth handing to a thread at once.
const PIECE: usize = 1 << 16;
/// Entries a cell (and for all cells together) above which bins are made wider.
const ENTRIES: (usize, usize) = (3, 1 << 13);

/// The fitness axis cut into bins, and the share of each cell's mass that lies in each bin.
///
/// Bins are intervals, in which mass is spread evenly, and points, whose mass ties. Where they would be many, intervals
/// are joined (by the number of cells that end in them), which costs their width squared; points stay exact.
#[derive(Debug, Clone)]
pub(crate) struct Ranks {
    rule: Rule,
    /// Whether a bin is a point.
    tie: Vec<bool>,
    /// Each cell's first bin; it goes on in those after.
    first: Vec<u32>,
    /// Where each cell's shares end in `share`.
    end: Vec<u32>,
    share: Vec<f64>,
}

impl Ranks {
    pub fn new(rule: &Rule, spans: &[[f64; 2]]) -> Result<Self> {
        for span in spans {
            require(span[1] >= span[0] && span[1] < f64::INFINITY, "fitness", span[0], "a number below +∞")?;
        }
        // −0 is as fit as 0.
        let spans: Vec<[f64; 2]> = spans.iter().map(|s| [s[0] + 0.0, s[1] + 0.0]).collect();
        let sorted = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values.dedup();
            values
        };
        let points = sorted(spans.iter().filter(|s| s[0] == s[1]).map(|s| s[0]).collect());
        let ends = sorted(spans.iter().filter(|s| s[0] < s[1]).flatten().copied().collect());
        let most = ENTRIES.0 * spans.len() + ENTRIES.1;
        let mut stride = 1;
        loop {
            let edges = sorted(ends.iter().step_by(stride).chain(ends.last()).chain(&points).copied().collect());
            let covered =
                |s: &[f64; 2]| edges.partition_point(|e| *e < s[1]) - edges.partition_point(|e| *e <= s[0]) + 1;
            if stride * 32 > ends.len() || spans.iter().map(covered).sum::<usize>() <= most {
                return Ok(Self::with_edges(rule, &spans, &edges, &points));
            }
            stride *= 2;
        }
    }

    fn with_edges(rule: &Rule, spans: &[[f64; 2]], edges: &[f64], points: &[f64]) -> Self {
        // Before each edge the point that it may be, after it the interval up to the next.
        let is_point = |edge: &f64| points.binary_search_by(|p| p.total_cmp(edge)).is_ok();
        let (mut tie, mut point, mut interval) = (Vec::new(), Vec::new(), Vec::new());
        for edge in edges {
            point.push(tie.len());
            if is_point(edge) {
                tie.push(true);
            }
            interval.push(tie.len());
            tie.push(false);
        }
        let (mut first, mut end, mut share) = (Vec::new(), Vec::new(), Vec::new());
        for &[low, high] in spans {
            if low == high {
                let edge = edges.partition_point(|e| *e < low);
                first.push(point[edge] as u32);
                share.push(1.0);
            } else {
                let mut edge = edges.partition_point(|e| *e <= low).saturating_sub(1);
                let from = interval[edge];
                first.push(from as u32);
                let start = share.len();
                while edge + 1 < edges.len() && edges[edge] < high {
                    share.resize(start + interval[edge] - from, 0.0);
                    share.push((high.min(edges[edge + 1]) - low.max(edges[edge])).max(0.0));
                    edge += 1;
                }
                let sum: f64 = share[start..].iter().sum();
                share[start..].iter_mut().for_each(|s| *s /= sum);
            }
            end.push(share.len() as u32);
        }
        Self { rule: rule.clone(), tie, first, end, share }
    }

    /// Number of bins.
    pub fn bins(&self) -> usize {
        self.tie.len()
    }

    /// The bins and shares of a cell.
    pub fn of(&self, cell: usize) -> (usize, &[f64]) {
        let start = if cell == 0 { 0 } else { self.end[cell - 1] as usize };
        (self.first[cell] as usize, &self.share[start..self.end[cell] as usize])
    }

    /// The mass of each bin.
    pub fn gather(&self, mass: &[f64], bins: &mut [f64]) {
        let piece = |from: usize, mass: &[f64], bins: &mut [f64]| {
            bins.fill(0.0);
            for (cell, mass) in mass.iter().enumerate() {
                let (first, shares) = self.of(from + cell);
                bins[first..first + shares.len()].iter_mut().zip(shares).for_each(|(bin, share)| *bin += mass * share);
            }
        };
        if mass.len() <= PIECE {
            return piece(0, mass, bins);
        }
        let pieces = mass.par_chunks(PIECE).enumerate().map(|(k, mass)| {
            let mut bins = vec![0.0; self.bins()];
            piece(k * PIECE, mass, &mut bins);
            bins
        });
        bins.fill(0.0);
        for part in pieces.collect::<Vec<_>>() {
            bins.iter_mut().zip(part).for_each(|(bin, part)| *bin += part);
        }
    }

    /// What those with the masses `own` of the bins keep of them, and what the pool hands on of its own masses `pool`, as
    /// shares of each bin: `Σ own·kept + Σ pool·copied = Σ own`. In the same population `pool` is `own`.
    ///
    /// Truncation with `q`: who lies among the worst `q` of the pool becomes a copy of one of its best `q`. Tournament:
    /// who is less fit than one of the pool drawn at random becomes its copy, and within an interval that is half of them.
    pub fn profiles(&self, own: &[f64], pool: &[f64], kept: &mut [f64], copied: &mut [f64]) {
        let total: f64 = pool.iter().sum();
        let Rule::Truncation { fraction } = self.rule else {
            let (mut own_below, mut pool_below) = (0.0, 0.0);
            for bin in 0..self.bins() {
                let tie = if self.tie[bin] { (1.0, 0.0) } else { (0.5, 0.5) };
                kept[bin] = (pool_below + tie.0 * pool[bin]) / total;
                copied[bin] = (own_below + tie.1 * own[bin]) / total;
                own_below += own[bin];
                pool_below += pool[bin];
            }
            return;
        };
        let quota = fraction * total;
        // The part of each bin that still fits into the quota.
        let fill = |bins: &mut dyn Iterator<Item = usize>, share: &mut [f64]| {
            let mut left = quota;
            for bin in bins {
                share[bin] = if left <= 0.0 { 0.0 } else { (left / pool[bin]).min(1.0) };
                left -= pool[bin];
            }
        };
        fill(&mut (0..self.bins()), kept);
        fill(&mut (0..self.bins()).rev(), copied);
        let replaced: f64 = own.iter().zip(&*kept).map(|(m, k)| m * k).sum();
        let best: f64 = pool.iter().zip(&*copied).map(|(m, c)| m * c).sum();
        kept.iter_mut().for_each(|k| *k = 1.0 - *k);
        copied.iter_mut().for_each(|c| *c *= replaced / best);
    }

    /// The mean over each cell of two profiles over the bins.
    pub fn shares(&self, profiles: [&[f64]; 2], shares: [&mut [f64]; 2]) {
        let [a, b] = shares;
        let pieces = a.par_chunks_mut(PIECE).zip(b.par_chunks_mut(PIECE)).enumerate();
        pieces.for_each(|(piece, (a, b))| {
            for (cell, (a, b)) in a.iter_mut().zip(b).enumerate() {
                let (first, shares) = self.of(piece * PIECE + cell);
                let mean = |profile: &[f64]| -> f64 {
                    shares.iter().zip(&profile[first..]).map(|(share, value)| share * value).sum()
                };
                (*a, *b) = (mean(profiles[0]), mean(profiles[1]));
            }
        });
    }
}
