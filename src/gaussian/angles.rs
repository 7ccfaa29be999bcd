//! The angles between four Gaussian fields of which two vanish, eight sets of four side by side.
//!
//! `ψ_{rs|pq} = atan2(s_pq √det C, −N_{rs|pq})`, with `N_{rs|pq} = s²_pq Cov(x_r, x_s | x_p, x_q)`, is badly conditioned where
//! fields nearly coincide, as student and teacher do at the end of a training, although what these angles add up to is not. So
//! determinants are formed in twice the precision, from a matrix that was made positive first.

use std::f64::consts::{FRAC_1_PI, FRAC_PI_2, PI};

use super::double::Double;
use super::lanes::{LANES, Lane, angle};
use super::path::{Path, ROWS, hardness, rungs};

/// The pairs of four fields; the complement of pair e is 5 − e.
pub(super) const PAIRS: [[usize; 2]; 6] = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
/// For each pair (p, q) with complement (r, s): the pairs (p, r), (p, s), (q, r), (q, s).
const AROUND: [[usize; 4]; 6] = [[1, 2, 3, 4], [0, 2, 3, 5], [0, 1, 4, 5], [0, 4, 1, 5], [0, 3, 2, 5], [1, 3, 2, 4]];

/// What the integrals of eight sets need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) rows: [Lane; ROWS],
    /// `4π² P` but for the integral.
    pub(super) start: Lane,
}

impl Chunk {
    pub(super) const EMPTY: Self = Self { rows: [[0.0; LANES]; ROWS], start: [0.0; LANES] };
}

/// Of eight sets, for each pair.
pub(super) struct Angles {
    /// `s_pq` and its square.
    s: [Lane; 6],
    rest: [Lane; 6],
    /// `N_{rs|pq}` and `ψ_{rs|pq}`.
    minor: [Lane; 6],
    psi: [Lane; 6],
    pub(super) determinant: Lane,
    /// `C_01 C_23 − C_02 C_13`, `C_01 C_23 − C_03 C_12`, `C_02 C_13 − C_03 C_12`.
    cross: [Lane; 3],
}

impl Angles {
    #[inline(always)]
    pub(super) fn new<const FUSED: bool>(c: &[Lane; 6]) -> Self {
        let (mut s, mut rest, mut psi, mut minor) =
            ([[0.0; LANES]; 6], [[0.0; LANES]; 6], [[0.0; LANES]; 6], [[0.0; LANES]; 6]);
        let (mut determinant, mut root, mut cross) = ([0.0; LANES], [0.0; LANES], [[0.0; LANES]; 3]);
        for k in 0..LANES {
            let c = [c[0][k], c[1][k], c[2][k], c[3][k], c[4][k], c[5][k]];
            let product = |e: usize, f: usize| Double::<FUSED>::product(c[e], c[f]);
            let opposite = [product(0, 5), product(1, 4), product(2, 3)];
            let crossed = [opposite[1].plus(opposite[2]), opposite[0].plus(opposite[2]), opposite[0].plus(opposite[1])];
            let minor_of = |e: usize| {
                let [pr, ps, qr, qs] = AROUND[e];
                let direct = product(pr, ps).plus(product(qr, qs));
                let inner = crossed[if e < 3 { e } else { 5 - e }].minus(product(e, 5 - e));
                Double::new(c[5 - e]).minus(direct).plus(inner.times(c[e]))
            };
            let minors = [minor_of(0), minor_of(1), minor_of(2), minor_of(3), minor_of(4), minor_of(5)];
            // Along the first row: the cofactor of C_0k is −N_{0k}.
            let three = Double::new(1.0).minus(product(3, 3)).minus(product(4, 4)).minus(product(5, 5));
            let row = minors[5].times(c[0]).plus(minors[4].times(c[1])).plus(minors[3].times(c[2]));
            let value = three.plus(product(3, 4).times(2.0 * c[5])).minus(row).value();
            determinant[k] = if value > 0.0 { value } else { 0.0 };
            root[k] = determinant[k].sqrt();
            minor[0][k] = minors[0].value();
            minor[1][k] = minors[1].value();
            minor[2][k] = minors[2].value();
            minor[3][k] = minors[3].value();
            minor[4][k] = minors[4].value();
            minor[5][k] = minors[5].value();
            cross[0][k] = opposite[0].minus(opposite[1]).value();
            cross[1][k] = opposite[0].minus(opposite[2]).value();
            cross[2][k] = opposite[1].minus(opposite[2]).value();
        }
        for e in 0..6 {
            for k in 0..LANES {
                rest[e][k] = (1.0 - c[e][k]) * (1.0 + c[e][k]);
                s[e][k] = rest[e][k].sqrt();
                psi[e][k] = angle(root[k] * s[e][k], -minor[e][k]);
            }
        }
        Self { s, rest, minor, psi, determinant, cross }
    }

    /// `s_pq` of the two fields of a set that are nearest to parallel.
    pub(super) fn least_sine(&self, lane: usize) -> f64 {
        self.s.iter().fold(1.0, |least, s| s[lane].min(least))
    }

    /// `2 E[x_a x_b 1_0 1_1 1_2 1_3]` where (a, b) is the complement of pair e, for variances 1, but for `2 C_ab P`.
    #[inline(always)]
    pub(super) fn moment(&self, c: &[Lane; 6], e: usize) -> Lane {
        let [ia, ib, ka, kb] = AROUND[e];
        let mut out = [0.0; LANES];
        for lane in 0..LANES {
            let c = |e: usize| c[e][lane];
            let arc = |e: usize| self.psi[e][lane] * self.s[e][lane];
            let s = self.s[e][lane];
            // Covariance of b and k given i, and of a and i given k; the first over s_ik is at most 1.
            let first = ((c(kb) - c(ib) * c(e)) / s).clamp(-1.0, 1.0);
            let steps = first * (c(ia) - c(ka) * c(e)) + s * (c(ka) * c(ib));
            let sum = arc(5 - e)
                + (arc(ib) * c(ia) + arc(ia) * c(ib))
                + (arc(kb) * c(ka) + arc(ka) * c(kb))
                + self.psi[e][lane] * steps;
            out[lane] = sum * (0.5 * FRAC_1_PI * FRAC_1_PI);
        }
        out
    }

    /// What the probabilities need, and how many points. The fields are so paired that the pairs have little to do with each
    /// other: that is where the determinant without their correlations is least.
    #[inline(always)]
    pub(super) fn path(&self, c: &[Lane; 6], start: &[Lane; 6]) -> (Chunk, [u8; LANES]) {
        let zero = [0.0; LANES];
        let mut path =
            Path { correlation: [zero; 4], minor: [zero; 4], cross: zero, size: zero, near: zero, far: zero };
        let (mut begin, mut hard) = (zero, zero);
        for k in 0..LANES {
            let [d0, d1, d2] = [0, 1, 2].map(|e| self.rest[e][k] * self.rest[5 - e][k]);
            let first = d0 <= d1 && d0 <= d2;
            let third = !first && d2 < d1;
            // One of the pairs on a side, and of those between the sides.
            let pick = |x: [f64; 3]| {
                let side = if first {
                    x[0]
                } else if third {
                    x[2]
                } else {
                    x[1]
                };
                [side, if first { x[1] } else { x[0] }, if third { x[1] } else { x[2] }]
            };
            let six = |x: &[Lane; 6]| {
                let [a, p, q] = pick([x[0][k], x[1][k], x[2][k]]);
                let [b, r, s] = pick([x[5][k], x[4][k], x[3][k]]);
                ([a, b], [p, r, q, s])
            };
            let (_, between) = six(c);
            let (_, minors) = six(&self.minor);
            let ([psi_a, psi_b], psi) = six(start);
            let ([rest_a, rest_b], _) = six(&self.rest);
            for e in 0..4 {
                path.correlation[e][k] = between[e];
                path.minor[e][k] = minors[e];
            }
            let cross = if first {
                self.cross[2][k]
            } else if third {
                self.cross[0][k]
            } else {
                self.cross[1][k]
            };
            let whole = rest_a * rest_b;
            path.cross[k] = cross;
            path.size[k] = whole.sqrt();
            begin[k] = psi_a * psi_b + FRAC_PI_2 * (psi[0] + psi[1] + psi[2] + psi[3] - 2.0 * PI);
            // 1 − σ² solve a quadratic equation.
            let (product, sum) = (self.determinant[k] / whole, 1.0 + (self.determinant[k] - cross * cross) / whole);
            let square = sum * sum - 4.0 * product;
            let twice = sum + if square > 0.0 { square.sqrt() } else { 0.0 };
            let far = (0.5 * twice).clamp(1e-300, 1.0);
            path.far[k] = far;
            path.near[k] = (product / far).min(1.0).sqrt();
            // 1 − R² of a field given both of the other side.
            let left = |rest: f64, side: f64, x: f64, y: f64| {
                let other = x - side * y;
                1.0 - y * y - other * other / rest
            };
            let ([a, b], [pr, qs, ps, qr]) = six(c);
            let next = far
                .min(left(rest_a, a, pr, qr))
                .min(left(rest_a, a, ps, qs))
                .min(left(rest_b, b, pr, ps))
                .min(left(rest_b, b, qr, qs));
            hard[k] = hardness(path.near[k], next.max(0.0));
        }
        (Chunk { rows: path.rows(), start: begin }, rungs(&hard))
    }
}
