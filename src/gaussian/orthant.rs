//! Four zero-mean Gaussian fields, all positive: probability and second moments.
//!
//! The angles `ψ_{rs|pq} = atan2(s_pq √det C, −N_{rs|pq})`, with `N_{rs|pq} = s²_pq Cov(x_r, x_s | x_p, x_q)`, are badly
//! conditioned where fields nearly coincide, as student and teacher do at the end of a training, although what they add up to is
//! not. So determinants are formed in twice the precision, from a matrix that is made positive first.

use std::f64::consts::{FRAC_1_PI, FRAC_PI_2, PI};

use multiversion::multiversion;

use super::double::{Double, LANES, Lane};
use super::lanes::{angle, sine};

/// The pairs (p, q) of four fields, and those (r, s) that are left; padded.
const P: [usize; LANES] = [0, 0, 0, 1, 1, 2, 0, 0];
const Q: [usize; LANES] = [1, 2, 3, 2, 3, 3, 1, 1];
const R: [usize; LANES] = [2, 1, 1, 0, 0, 0, 2, 2];
const S: [usize; LANES] = [3, 3, 2, 3, 2, 1, 3, 3];

/// Which pair (p, q) is.
const AT: [[usize; 4]; 4] = [[6, 0, 1, 2], [0, 6, 3, 4], [1, 3, 6, 5], [2, 4, 5, 6]];

/// What is taken off all correlations, so that rounding leaves the matrix positive.
const RIDGE: f64 = 2e-15;

/// Four fields scaled to variance 1, no two of them parallel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orthant {
    correlation: [[f64; 4]; 4],
    deviation: [f64; 4],
    /// `s_pq`, its inverse and `ψ_{rs|pq}` for each pair.
    s: Lane,
    inverse: Lane,
    angle: Lane,
    /// `P(x > 0)`.
    probability: f64,
}

impl Orthant {
    /// Of the fields `at` with covariance `c` (n×n) and `1/C_aa` in `inverse`.
    pub(super) fn new(c: &[f64], inverse: &[f64], at: [usize; 4]) -> Self {
        let n = inverse.len();
        let scale = at.map(|a| inverse[a].sqrt());
        let mut pairs = [0.0; LANES];
        for (pair, (&p, &q)) in pairs.iter_mut().zip(P.iter().zip(&Q)) {
            *pair = (c[at[p] * n + at[q]] * (scale[p] * scale[q]) * (1.0 - RIDGE)).clamp(-1.0, 1.0);
        }
        orthant(&pairs, scale.map(|x| 1.0 / x))
    }

    /// `E[x_a x_b 1_0 1_1 1_2 1_3]` for two of the fields.
    #[inline(always)]
    pub(super) fn second_moment(&self, a: usize, b: usize) -> f64 {
        let (ca, cb) = (&self.correlation[a], &self.correlation[b]);
        let mut sum = 0.0;
        for at in 0..6 {
            let (p, q) = (P[at], Q[at]);
            let cpq = self.correlation[p][q];
            // Covariance of b and q given p, and of a and p given q; the first over s_pq is at most 1.
            let first = ((cb[q] - cb[p] * cpq) * self.inverse[at]).clamp(-1.0, 1.0);
            sum += self.angle[at] * (first * (ca[p] - ca[q] * cpq) + self.s[at] * ca[q] * cb[p]);
        }
        let moment = ca[b] * self.probability + sum * (0.25 * FRAC_1_PI * FRAC_1_PI);
        moment * self.deviation[a] * self.deviation[b]
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn orthant(c: &Lane, deviation: [f64; 4]) -> Orthant {
    let mut correlation = [[1.0; 4]; 4];
    for at in 0..6 {
        correlation[P[at]][Q[at]] = c[at];
        correlation[Q[at]][P[at]] = c[at];
    }
    let from = |first: [usize; LANES], second: [usize; LANES]| -> Lane {
        let mut out = [0.0; LANES];
        for k in 0..LANES {
            out[k] = correlation[first[k]][second[k]];
        }
        out
    };
    let one = Double::new([1.0; LANES]);
    let (pq, rs, pr, ps, qr, qs) = (*c, from(R, S), from(P, R), from(P, S), from(Q, R), from(Q, S));
    let square = Double::product(&pq, &pq);
    let rest = one.minus(&square);
    // N_{rs|pq}
    let direct = Double::product(&pr, &ps).plus(&Double::product(&qr, &qs));
    let crossed = Double::product(&pr, &qs).plus(&Double::product(&qr, &ps));
    let whole_rs = Double::new(rs);
    let minor = whole_rs.times(&rest).minus(&direct).plus(&crossed.times(&Double::new(pq)));
    // Cov(x_r, x_s | x_q) and given x_p, less N.
    let given_p = whole_rs.minus(&Double::product(&pr, &ps)).minus(&minor).value();
    let given_q = whole_rs.minus(&Double::product(&qr, &qs)).minus(&minor).value();
    // Determinants of the three fields without field k (lanes 0 to 3), then of all four.
    let triple = |x: [usize; LANES], y: [usize; LANES], z: [usize; LANES]| {
        let squares = square.shuffled(x).plus(&square.shuffled(y)).plus(&square.shuffled(z));
        let (x, y, z) = (x.map(|k| c[k]), y.map(|k| c[k]), z.map(|k| c[k]));
        let product = Double::product(&x, &y).times(&Double::new(z)).scaled(2.0);
        (one.minus(&squares).plus(&product), product)
    };
    let (without, product) = triple([3, 1, 0, 0, 0, 0, 0, 0], [4, 2, 2, 1, 0, 0, 0, 0], [5, 5, 4, 3, 0, 0, 0, 0]);
    // Products of opposite pairs in lanes 0 to 2.
    let opposite = Double::product(&pq, &rs);
    let next = opposite.shuffled([1, 2, 0, 0, 0, 0, 0, 0]);
    let around = opposite.times(&opposite).minus(&opposite.times(&next).scaled(2.0));
    let lane = |x: &Double, k: usize| x.shuffled([k; LANES]);
    let mut determinant = one;
    for k in 0..6 {
        determinant = determinant.minus(&lane(&square, k));
    }
    for k in 0..4 {
        determinant = determinant.plus(&lane(&product, k));
    }
    for k in 0..3 {
        determinant = determinant.plus(&lane(&around, k));
    }
    let left = without.minus(&determinant).value();
    let (minor, without, rest) = (minor.value(), without.value(), rest.value());
    let determinant = determinant.value()[0].max(0.0);

    let (mut s, mut inverse, mut angles, mut pair) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
    let root = determinant.sqrt();
    for k in 0..LANES {
        s[k] = rest[k].max(0.0).sqrt();
        inverse[k] = if s[k] > 0.0 { 1.0 / s[k] } else { 0.0 };
        angles[k] = angle(root * s[k], -minor[k]);
        pair[k] = angle(s[k], -c[k]);
    }
    // The field that the others determine least.
    let mut b = 0;
    for k in 1..4 {
        if without[k] < without[b] {
            b = k;
        }
    }
    let (whole, left) = (without[b].max(0.0), left[b].max(0.0));
    let mut probability = -PI;
    let mut terms = [[0.0; 5]; 3];
    let others = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]][b];
    for (term, p) in terms.iter_mut().zip(others) {
        let at = AT[p][b];
        probability += pair[AT[R[at]][S[at]]];
        let more = if P[at] == p { given_p[at] } else { given_q[at] };
        *term = [c[at], rest[at], c[at] * c[at], minor[at], more];
    }
    probability *= 0.125 * FRAC_1_PI;
    if left > 0.0 {
        probability += along(root.atan2(left.sqrt()), whole, left, &terms);
    }
    Orthant { correlation, deviation, s, inverse, angle: angles, probability }
}

/// `P(x > 0) − P(p, q, r)/2`: the field x_b comes in along `t C_pb` (Plackett 1954), `dP/dt = Σ_p C_pb ψ_{rs|pb}/(4π² s_pb)`. With
/// `R² t² = cos² χ`, `R² = left/whole` the multiple correlation of x_b with the others, `det C(t) = whole·sin² χ`, and panels that
/// grow geometrically from `start`, where t = 1, resolve what happens near that end. A term has `C_pb`, `s²_pb`, `C²_pb`,
/// `N_{rs|pb}` and what N gains until t = 0.
#[inline(always)]
fn along(start: f64, whole: f64, left: f64, terms: &[[f64; 5]; 3]) -> f64 {
    const N: usize = NODES.len();
    let (mut low, mut total) = (start, 0.0);
    let (begin, ratio, size) = (sine(start) * sine(start), whole / left, whole.sqrt());
    while low < FRAC_PI_2 {
        let high = if low > 0.3 { FRAC_PI_2 } else { (3.5 * low).max(1e-10) };
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        let (mut root, mut back, mut weight) = ([0.0; N], [0.0; N], [0.0; N]);
        for k in 0..N {
            let sine = sine(middle + half * NODES[k]);
            // 1 − t²
            back[k] = ((sine * sine - begin) * ratio).clamp(0.0, 1.0);
            root[k] = size * sine;
            weight[k] = half * WEIGHTS[k] * sine;
        }
        let mut sum = [0.0; N];
        for [c, s2, more_s2, minor, more] in terms {
            for k in 0..N {
                let s = (s2 + back[k] * more_s2).sqrt();
                sum[k] += weight[k] * c * angle(root[k] * s, -(minor + back[k] * more)) / s;
            }
        }
        total += sum.iter().sum::<f64>();
        low = high;
    }
    total * ratio.sqrt() * (0.25 * FRAC_1_PI * FRAC_1_PI)
}

/// Gauss–Legendre with 12 points.
const NODES: [f64; 12] = [
    0.125_233_408_511_468_9,
    -0.125_233_408_511_468_9,
    0.367_831_498_998_180_2,
    -0.367_831_498_998_180_2,
    0.587_317_954_286_617_4,
    -0.587_317_954_286_617_4,
    0.769_902_674_194_304_7,
    -0.769_902_674_194_304_7,
    0.904_117_256_370_474_9,
    -0.904_117_256_370_474_9,
    0.981_560_634_246_719_3,
    -0.981_560_634_246_719_3,
];
const WEIGHTS: [f64; 12] = [
    0.249_147_045_813_402_8,
    0.249_147_045_813_402_8,
    0.233_492_536_538_354_8,
    0.233_492_536_538_354_8,
    0.203_167_426_723_065_92,
    0.203_167_426_723_065_92,
    0.160_078_328_543_346_23,
    0.160_078_328_543_346_23,
    0.106_939_325_995_318_43,
    0.106_939_325_995_318_43,
    0.047_175_336_386_511_83,
    0.047_175_336_386_511_83,
];
