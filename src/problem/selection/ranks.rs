//! Ranks on cells: the law of the fitness as bins, and what a rule keeps and copies of each bin.

use multiversion::multiversion;
use rayon::prelude::*;

use super::Rule;
use crate::error::{Result, require};

/// Cells that are worth handing to a thread at once.
const PIECE: usize = 1 << 16;
/// Bins of one record.
const WIDTH: usize = 4;
/// Records beyond the first of a cell, as a share of the cells and for all of them, above which bins are made wider.
const EXTRA: (f64, usize) = (0.25, 2048);
/// Shares are multiples of one over this, so that those of a cell sum to 1 in spite of their short format.
const UNIT: f64 = (1 << 24) as f64;

/// The fitness axis cut into bins, and the share of each cell's mass that lies in each bin.
///
/// Bins are intervals, in which mass is spread evenly, and points, whose mass ties. Where they would be many, intervals
/// are joined (by the number of cells that end in them), which costs their width squared; points stay exact.
#[derive(Debug, Clone)]
pub(crate) struct Ranks {
    rule: Rule,
    /// Whether a bin is a point.
    tie: Vec<bool>,
    /// Of each cell.
    first: Vec<Record>,
    /// Of cells that lie in more bins than a record holds, in their order.
    more: Vec<(u32, Record)>,
}

/// Shares of a cell in consecutive bins.
#[derive(Debug, Clone, Copy)]
struct Record {
    bin: u32,
    share: [f32; WIDTH],
}

impl Ranks {
    pub fn new(rule: &Rule, spans: &[[f64; 2]]) -> Result<Self> {
        for span in spans {
            require(span[1] >= span[0] && span[1] < f64::INFINITY, "fitness", span[0], "a number below +∞")?;
        }
        // −0 is as fit as 0.
        let spans: Vec<[f64; 2]> = spans.iter().map(|s| [s[0] + 0.0, s[1] + 0.0]).collect();
        let sorted = |mut values: Vec<f64>| {
            values.sort_unstable_by(f64::total_cmp);
            values.dedup();
            values
        };
        let points = sorted(spans.iter().filter(|s| s[0] == s[1]).map(|s| s[0]).collect());
        let ends = sorted(spans.iter().filter(|s| s[0] < s[1]).flatten().copied().collect());
        let most = (EXTRA.0 * spans.len() as f64) as usize + EXTRA.1;
        // More bins than this hold too little mass each to matter.
        let mut stride = (ends.len() / (64 * spans.len().isqrt().max(32))).max(1);
        loop {
            let edges = sorted(ends.iter().step_by(stride).chain(ends.last()).chain(&points).copied().collect());
            let extra =
                |s: &[f64; 2]| (edges.partition_point(|e| *e < s[1]) - edges.partition_point(|e| *e <= s[0])) / WIDTH;
            if stride * 32 > ends.len() || spans.iter().map(extra).sum::<usize>() <= most {
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
        let (mut first, mut more) = (Vec::with_capacity(spans.len()), Vec::new());
        let mut shares = Vec::new();
        for (cell, &[low, high]) in spans.iter().enumerate() {
            shares.clear();
            let from = if low == high {
                shares.push(1.0);
                point[edges.partition_point(|e| *e < low)]
            } else {
                let mut edge = edges.partition_point(|e| *e <= low).saturating_sub(1);
                let from = interval[edge];
                while edge + 1 < edges.len() && edges[edge] < high {
                    shares.resize(interval[edge] - from, 0.0);
                    shares.push((high.min(edges[edge + 1]) - low.max(edges[edge])).max(0.0));
                    edge += 1;
                }
                from
            };
            round(&mut shares);
            for (k, shares) in shares.chunks(WIDTH).enumerate() {
                let mut record = Record { bin: (from + k * WIDTH) as u32, share: [0.0; WIDTH] };
                record.share.iter_mut().zip(shares).for_each(|(to, share)| *to = *share as f32);
                if k == 0 {
                    first.push(record);
                } else if shares.iter().any(|share| *share > 0.0) {
                    more.push((cell as u32, record));
                }
            }
        }
        // Room for the last bins of a record that starts at the last of all.
        tie.resize(tie.len() + WIDTH - 1, false);
        Self { rule: rule.clone(), tie, first, more }
    }

    /// Number of bins.
    pub fn bins(&self) -> usize {
        self.tie.len()
    }

    /// Adds `mass` in a cell to its bins.
    pub fn add(&self, cell: usize, mass: f64, bins: &mut [f64]) {
        self.first[cell].add(mass, bins);
        let from = self.more.partition_point(|(c, _)| (*c as usize) < cell);
        for (_, record) in self.more[from..].iter().take_while(|(c, _)| *c as usize == cell) {
            record.add(mass, bins);
        }
    }

    /// The mass of each bin.
    pub fn gather(&self, mass: &[f64], bins: &mut [f64]) {
        let piece = |(records, mass): (&[Record], &[f64])| {
            let mut bins = vec![0.0; LANES * self.bins()];
            gather(records, mass, &mut bins);
            bins
        };
        let parts: Vec<Vec<f64>> = if mass.len() <= PIECE {
            vec![piece((&self.first, mass))]
        } else {
            self.first.par_chunks(PIECE).zip(mass.par_chunks(PIECE)).map(piece).collect()
        };
        bins.fill(0.0);
        for part in parts {
            for part in part.chunks_exact(bins.len()) {
                bins.iter_mut().zip(part).for_each(|(bin, part)| *bin += part);
            }
        }
        self.more.iter().for_each(|(cell, record)| record.add(mass[*cell as usize], bins));
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
        if self.first.len() <= PIECE {
            means(&self.first, profiles, a, b);
        } else {
            let pieces = self.first.par_chunks(PIECE).zip(a.par_chunks_mut(PIECE)).zip(b.par_chunks_mut(PIECE));
            pieces.for_each(|((records, a), b)| means(records, profiles, a, b));
        }
        for (cell, record) in &self.more {
            a[*cell as usize] += record.mean(profiles[0]);
            b[*cell as usize] += record.mean(profiles[1]);
        }
    }
}

impl Record {
    #[inline(always)]
    fn add(&self, mass: f64, bins: &mut [f64]) {
        let bins = &mut bins[self.bin as usize..][..WIDTH];
        for (bin, share) in bins.iter_mut().zip(self.share) {
            *bin += mass * f64::from(share);
        }
    }

    #[inline(always)]
    fn mean(&self, profile: &[f64]) -> f64 {
        let profile = &profile[self.bin as usize..][..WIDTH];
        let [a, b, c, d] = self.share;
        (profile[0] * f64::from(a) + profile[1] * f64::from(b))
            + (profile[2] * f64::from(c) + profile[3] * f64::from(d))
    }
}

/// Copies of the bins that neighbouring cells fill in turn: on one alone each sum would wait for the one before.
const LANES: usize = 4;

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn gather(records: &[Record], mass: &[f64], bins: &mut [f64]) {
    let size = bins.len() / LANES;
    let (first, rest) = bins.split_at_mut(size);
    let (second, rest) = rest.split_at_mut(size);
    let (third, fourth) = rest.split_at_mut(size);
    let mut lanes: [&mut [f64]; LANES] = [first, second, third, fourth];
    for (records, mass) in records.chunks(LANES).zip(mass.chunks(LANES)) {
        for ((record, mass), lane) in records.iter().zip(mass).zip(&mut lanes) {
            record.add(*mass, lane);
        }
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn means(records: &[Record], profiles: [&[f64]; 2], a: &mut [f64], b: &mut [f64]) {
    for ((record, a), b) in records.iter().zip(a).zip(b) {
        (*a, *b) = (record.mean(profiles[0]), record.mean(profiles[1]));
    }
}

/// Scales shares to multiples of one over [`UNIT`] that sum to 1.
fn round(shares: &mut [f64]) {
    let sum: f64 = shares.iter().sum();
    // From the ends of rounded cumulative sums, so that no error adds up.
    let (mut exact, mut before) = (0.0, 0.0);
    let last = shares.len() - 1;
    for (k, share) in shares.iter_mut().enumerate() {
        exact += *share;
        let after = if k == last { UNIT } else { (exact / sum * UNIT).round().min(UNIT) };
        *share = (after - before) / UNIT;
        before = after;
    }
}
