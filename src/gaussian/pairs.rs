//! Pairs of zero-mean Gaussian fields: `s_pq = √(C_pp C_qq − C_pq²)` and `ψ_pq = π − ∠(p, q)`, and what up to three fields that
//! are positive contribute.

use std::f64::consts::PI;

use multiversion::multiversion;

use super::Fields;
use super::lanes::{LANES, Lane, angle};

/// What is taken off all correlations of four fields, so that rounding leaves their matrix positive.
const RIDGE: f64 = 2e-15;

/// Squared sine of the angle between two fields up to which they may count as one.
const PARALLEL: f64 = 1e-12;

/// All pairs of fields, in rows that are filled up to whole vectors with fields that vanish.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) n: usize,
    /// Vectors of a row.
    pub(super) blocks: usize,
    /// What the rest was computed from.
    loaded: Vec<f64>,
    pub(super) c: Vec<Lane>,
    pub(super) s: Vec<Lane>,
    pub(super) psi: Vec<Lane>,
    /// Correlations less [`RIDGE`], and their ψ.
    ridged: Vec<[Lane; 2]>,
    /// `C_aa`, and `1/√C_aa` or 0.
    pub(super) variance: Vec<Lane>,
    scale: Vec<Lane>,
    /// `1/C_aa`, 0 for a field that vanishes.
    pub(super) inverse: Vec<f64>,
    /// Whether two fields are parallel or one vanishes.
    pub(super) degenerate: bool,
}

/// `2π E[r_p r_q] = s + C_pq ψ`, which falls like `ψ³` at an angle near π.
pub(super) fn product(s: f64, psi: f64, pq: f64) -> f64 {
    if psi > 0.2 {
        return s + pq * psi;
    }
    // sin ψ − ψ cos ψ over sin ψ.
    let x = psi * psi;
    let series = psi * x * (1.0 / 3.0 - x * (1.0 / 30.0 - x * (1.0 / 840.0 - x * (1.0 / 45_360.0 - x / 3_991_680.0))));
    if psi > 0.0 { s * series / psi.sin() } else { 0.0 }
}

/// `4π E[1_i r_a r_b]` from `4π P(i,a,b)`, `1/C_ii`, `C_ia, C_ib, C_ab` and the s of these pairs.
#[inline(always)]
pub(super) fn triple(orthant: f64, inverse: f64, [ia, ib, ab]: [f64; 3], s: [f64; 3]) -> f64 {
    ab * orthant + s[2] + (ia * s[1] + ib * s[0]) * inverse
}

/// `4π E[1_i 1_k r_a²]` from `4π P(i,k,a)`, `1/C_ii`, `1/C_kk`, `C_aa`, `C_ia, C_ka, C_ik` and the s of these pairs.
#[inline(always)]
pub(super) fn square(orthant: f64, [ii, kk]: [f64; 2], aa: f64, [ia, ka, ik]: [f64; 3], s: [f64; 3]) -> f64 {
    // The first factor is at most s_ia/C_ii in size but for rounding.
    let most = s[0] * ii;
    let first = if s[2] > 0.0 { ((ka - ik * ia * ii) / s[2]).min(most).max(-most) } else { 0.0 };
    aa * orthant + ia * s[0] * ii + ka * s[1] * kk + first * (ia - ik * ka * kk) + s[2] * ia * ka * ii * kk
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn fill(pairs: &mut Pairs) {
    let blocks = pairs.blocks;
    let mut parallel = [0.0; LANES];
    for a in 0..pairs.n {
        let (va, ra) = (pairs.variance[a / LANES][a % LANES], pairs.scale[a / LANES][a % LANES]);
        for b in 0..blocks {
            let at = a * blocks + b;
            let (c, vb, rb) = (pairs.c[at], pairs.variance[b], pairs.scale[b]);
            let (mut s, mut psi, mut x, mut ridged) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
            for k in 0..LANES {
                let square = va * vb[k] - c[k] * c[k];
                s[k] = if square > 0.0 { square.sqrt() } else { 0.0 };
                psi[k] = angle(s[k], -c[k]);
                x[k] = (c[k] * (ra * rb[k])).clamp(-1.0, 1.0) * (1.0 - RIDGE);
                let rest = (1.0 - x[k]) * (1.0 + x[k]);
                ridged[k] = angle(rest.sqrt(), -x[k]);
                parallel[k] += if rest <= 2.0 * PARALLEL { 1.0 } else { 0.0 };
            }
            (pairs.s[at], pairs.psi[at], pairs.ridged[at]) = (s, psi, [x, ridged]);
        }
    }
    // Each field is parallel to itself.
    pairs.degenerate = parallel.iter().sum::<f64>() != pairs.n as f64;
}

impl Pairs {
    pub(super) fn load(&mut self, fields: Fields<'_>) {
        let (n, c) = (fields.len(), fields.covariance);
        if self.n == n && self.loaded == c {
            return;
        }
        let blocks = n.div_ceil(LANES);
        (self.n, self.blocks) = (n, blocks);
        self.loaded.clear();
        self.loaded.extend_from_slice(c);
        self.inverse.clear();
        self.inverse.extend((0..n).map(|a| if c[a * n + a] > 0.0 { 1.0 / c[a * n + a] } else { 0.0 }));
        for table in [&mut self.variance, &mut self.scale] {
            table.clear();
            table.resize(blocks, [0.0; LANES]);
        }
        self.c.clear();
        for table in [&mut self.c, &mut self.s, &mut self.psi] {
            table.resize(n * blocks, [0.0; LANES]);
        }
        self.ridged.resize(n * blocks, [[0.0; LANES]; 2]);
        for a in (0..n).filter(|&a| self.inverse[a] > 0.0) {
            self.variance[a / LANES][a % LANES] = c[a * n + a];
            self.scale[a / LANES][a % LANES] = self.inverse[a].sqrt();
            self.c.as_flattened_mut()[a * blocks * LANES..][..n].copy_from_slice(&c[a * n..][..n]);
        }
        if self.inverse.contains(&0.0) {
            for b in (0..n).filter(|&b| self.inverse[b] == 0.0) {
                self.c.iter_mut().skip(b / LANES).step_by(blocks).for_each(|row| row[b % LANES] = 0.0);
            }
        }
        fill(self);
    }

    fn row<'a>(&self, table: &'a [Lane], a: usize) -> &'a [f64] {
        table[a * self.blocks..][..self.blocks].as_flattened()
    }

    pub(super) fn sine_row(&self, a: usize) -> &[f64] {
        self.row(&self.s, a)
    }

    pub(super) fn psi_row(&self, a: usize) -> &[f64] {
        self.row(&self.psi, a)
    }

    #[inline(always)]
    pub(super) fn covariance(&self, a: usize, b: usize) -> f64 {
        self.c[a * self.blocks + b / LANES][b % LANES]
    }

    #[inline(always)]
    pub(super) fn sine(&self, a: usize, b: usize) -> f64 {
        self.s[a * self.blocks + b / LANES][b % LANES]
    }

    #[inline(always)]
    pub(super) fn psi(&self, a: usize, b: usize) -> f64 {
        self.psi[a * self.blocks + b / LANES][b % LANES]
    }

    /// Correlation less a ridge, and ψ for that.
    #[inline(always)]
    pub(super) fn ridged(&self, a: usize, b: usize) -> [f64; 2] {
        let [correlation, psi] = &self.ridged[a * self.blocks + b / LANES];
        [correlation[b % LANES], psi[b % LANES]]
    }

    /// Whether the sine of the angle between two fields is at most √`square`, and if so whether they point the same way.
    fn parallel(&self, a: usize, b: usize, square: f64) -> Option<bool> {
        let s = self.sine(a, b);
        (s * s * self.inverse[a] * self.inverse[b] <= square).then_some(self.covariance(a, b) > 0.0)
    }

    fn orthant(&self, p: usize, q: usize, r: usize) -> f64 {
        self.psi(p, q) + self.psi(p, r) + self.psi(q, r) - PI
    }

    fn triple(&self, i: usize, a: usize, b: usize) -> f64 {
        let pairs = [(i, a), (i, b), (a, b)];
        let (c, s) = (pairs.map(|(p, q)| self.covariance(p, q)), pairs.map(|(p, q)| self.sine(p, q)));
        triple(self.orthant(i, a, b), self.inverse[i], c, s)
    }

    fn square(&self, i: usize, k: usize, a: usize) -> f64 {
        let pairs = [(i, a), (k, a), (i, k)];
        let (c, s) = (pairs.map(|(p, q)| self.covariance(p, q)), pairs.map(|(p, q)| self.sine(p, q)));
        square(self.orthant(i, k, a), [self.inverse[i], self.inverse[k]], self.covariance(a, a), c, s)
    }

    /// `4π E[1_i 1_k r_a r_b]` for four different fields, none of which vanishes, if some of them count as one.
    pub(super) fn coinciding(&self, [i, k, a, b]: [usize; 4]) -> Option<f64> {
        // An angle θ between two fields that are taken for one costs θ for two steps, else θ².
        if let Some(along) = self.parallel(i, k, 4e-15) {
            return Some(if along { self.triple(i, a, b) } else { 0.0 });
        }
        for (p, q, step) in [(i, a, k), (i, b, k), (k, a, i), (k, b, i)] {
            if let Some(along) = self.parallel(p, q, PARALLEL) {
                return Some(if along { self.triple(step, a, b) } else { 0.0 });
            }
        }
        if !self.parallel(a, b, PARALLEL)? {
            return Some(0.0);
        }
        let scale = (self.covariance(b, b) * self.inverse[a]).sqrt();
        Some(0.5 * (scale * self.square(i, k, a) + self.square(i, k, b) / scale))
    }
}
