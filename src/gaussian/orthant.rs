//! Four zero-mean Gaussian fields, all positive: probability and second moments.
//!
//! The angles `ψ_{rs|pq} = atan2(s_pq √det C, −N_{rs|pq})`, with `N_{rs|pq} = s²_pq Cov(x_r, x_s | x_p, x_q)`, are badly
//! conditioned where fields nearly coincide, as student and teacher do at the end of a training, although what they add up to is
//! not. So determinants are formed in twice the precision, from a matrix that is made positive first.

use std::f64::consts::{FRAC_1_PI, FRAC_PI_2, PI};

use super::double::Double;
use super::relu::ratio;

/// The pairs of four fields, each with its complement.
const PAIRS: [[usize; 4]; 6] = [[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2], [1, 2, 0, 3], [1, 3, 0, 2], [2, 3, 0, 1]];

/// Where [`PAIRS`] has the pair (p, q).
const AT: [[usize; 4]; 4] = [[6, 0, 1, 2], [0, 6, 3, 4], [1, 3, 6, 5], [2, 4, 5, 6]];

/// What is taken off all correlations, so that rounding leaves the matrix positive.
const RIDGE: f64 = 2e-15;

/// Four fields scaled to variance 1, no two of them parallel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orthant {
    correlation: [[f64; 4]; 4],
    deviation: [f64; 4],
    /// `s_pq`, `N_{rs|pq}` and `ψ_{rs|pq}` for each of [`PAIRS`].
    s: [f64; 6],
    minor: [f64; 6],
    angle: [f64; 6],
    determinant: Double,
}

impl Orthant {
    pub(super) fn new(c: &[f64], n: usize, at: [usize; 4]) -> Self {
        let deviation = at.map(|a| c[a * n + a].sqrt());
        let mut correlation = [[1.0; 4]; 4];
        for [p, q, ..] in PAIRS {
            let value = c[at[p] * n + at[q]] / (deviation[p] * deviation[q]) * (1.0 - RIDGE);
            correlation[p][q] = value.clamp(-1.0, 1.0);
            correlation[q][p] = correlation[p][q];
        }
        let r = &correlation;
        let (mut s, mut minor, mut angle) = ([0.0; 6], [0.0; 6], [0.0; 6]);
        let one = Double::new(1.0);
        let square = |p: usize, q: usize| Double::product(r[p][q], r[p][q]);
        // Σ of products around the three closed ways through all four, and of squares of opposite pairs.
        let mut determinant = one;
        for (at, [p, q, t, u]) in PAIRS.into_iter().enumerate() {
            determinant = determinant.minus(square(p, q));
            let left = Double::new(r[t][u]).minus(Double::new(r[t][u]).times(square(p, q)));
            let direct = Double::product(r[p][t], r[p][u]).plus(Double::product(r[q][t], r[q][u]));
            let crossed = Double::product(r[p][t], r[q][u]).plus(Double::product(r[q][t], r[p][u]));
            minor[at] = left.minus(direct).plus(crossed.times(Double::new(r[p][q]))).value();
            s[at] = one.minus(square(p, q)).value().max(0.0).sqrt();
        }
        let opposite = [[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2]].map(|[p, q, t, u]| Double::product(r[p][q], r[t][u]));
        for (at, &x) in opposite.iter().enumerate() {
            let next = opposite[(at + 1) % 3];
            determinant = determinant.plus(x.times(x)).minus(x.times(next).scaled(2.0));
        }
        for without in 0..4 {
            determinant = determinant.plus(triangle(r, without).scaled(2.0));
        }
        let root = determinant.value().max(0.0).sqrt();
        for (angle, (s, minor)) in angle.iter_mut().zip(s.iter().zip(&minor)) {
            *angle = libm::atan2(root * s, -minor);
        }
        Self { correlation, deviation, s, minor, angle, determinant }
    }

    /// `E[x_a x_b 1_0 1_1 1_2 1_3]` for two of the fields, given [`Orthant::probability`].
    pub(super) fn second_moment(&self, probability: f64, a: usize, b: usize) -> f64 {
        let c = &self.correlation;
        let given = |v: usize, w: usize, x: usize| c[w][x] - c[v][w] * c[v][x];
        let mut sum = 0.0;
        for (at, [p, q, ..]) in PAIRS.into_iter().enumerate() {
            let most = (1.0 - c[p][b] * c[p][b]).max(0.0).sqrt();
            let cross = ratio(given(p, b, q), self.s[at], most) * given(q, a, p) + self.s[at] * c[a][q] * c[b][p];
            sum += self.angle[at] * cross;
        }
        let moment = c[a][b] * probability + sum * (0.25 * FRAC_1_PI * FRAC_1_PI);
        moment * self.deviation[a] * self.deviation[b]
    }

    /// `P(x > 0)`. The field x_b that the others determine least comes in along `t C_pb` (Plackett 1954):
    /// `P(0) = P(p, q, r)/2` and `dP/dt = Σ_p C_pb ψ_{rs|pb}/(4π² s_pb)`. With `R² t² = cos² χ`, `R` the multiple correlation of
    /// x_b with the others, `det C(t)` is proportional to `sin² χ`, and panels that grow geometrically resolve what happens near
    /// the end, where `sin² χ = 1 − R²`.
    pub(super) fn probability(&self) -> f64 {
        let c = &self.correlation;
        let others: [Double; 4] = std::array::from_fn(|without| {
            let mut sum = Double::new(1.0).plus(triangle(c, without).scaled(2.0));
            for [p, q, ..] in PAIRS {
                if p != without && q != without {
                    sum = sum.minus(Double::product(c[p][q], c[p][q]));
                }
            }
            sum
        });
        let mut b = 0;
        for without in 1..4 {
            if others[without].value() < others[b].value() {
                b = without;
            }
        }
        let rest = others[b].minus(self.determinant).value().max(0.0);
        let whole = others[b].value().max(0.0);
        let multiple = (rest / whole).sqrt();
        let start = libm::atan2(self.determinant.value().max(0.0).sqrt(), rest.sqrt());
        let mut probability = -PI;
        let mut terms = [(0.0, 0.0, 0.0, 0.0, 0.0); 3];
        let mut term = 0;
        for p in (0..4).filter(|&p| p != b) {
            let at = AT[p][b];
            let [_, _, r, s] = PAIRS[at];
            probability += libm::atan2(self.s[AT[r][s]], -c[r][s]);
            let alone = Double::new(c[r][s]).minus(Double::product(c[p][r], c[p][s]));
            let more = alone.minus(Double::new(self.minor[at])).value();
            terms[term] = (c[p][b], self.s[at] * self.s[at], c[p][b] * c[p][b], self.minor[at], more);
            term += 1;
        }
        probability *= 0.125 * FRAC_1_PI;
        if !(multiple > 0.0) {
            return probability;
        }
        let (mut low, mut sum) = (start, 0.0);
        while low < FRAC_PI_2 {
            let high = if low > 0.3 { FRAC_PI_2 } else { (3.5 * low).max(1e-10) };
            let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
            for (x, w) in LEGENDRE {
                for x in [x, -x] {
                    let chi = middle + half * x;
                    let sine = chi.sin();
                    // 1 − t²
                    let back = (chi - start).sin() * (chi + start).sin() * whole / rest;
                    let root = whole.sqrt() * sine;
                    for (along, s2, more_s2, minor, more) in terms {
                        let s = (s2 + back * more_s2).sqrt();
                        let psi = libm::atan2(root * s, -(minor + back * more));
                        sum += half * w * sine * along * psi / s;
                    }
                }
            }
            low = high;
        }
        probability + sum / multiple * (0.25 * FRAC_1_PI * FRAC_1_PI)
    }
}

/// Product of the three correlations among the fields other than `without`.
fn triangle(c: &[[f64; 4]; 4], without: usize) -> Double {
    let [p, q, r] = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]][without];
    Double::product(c[p][q], c[p][r]).times(Double::new(c[q][r]))
}

/// Gauss–Legendre with 12 points: positive nodes and weights.
const LEGENDRE: [(f64, f64); 6] = [
    (0.125_233_408_511_468_92, 0.249_147_045_813_402_8),
    (0.367_831_498_998_180_2, 0.233_492_536_538_354_8),
    (0.587_317_954_286_617_4, 0.203_167_426_723_065_92),
    (0.769_902_674_194_304_7, 0.160_078_328_543_346_23),
    (0.904_117_256_370_474_9, 0.106_939_325_995_318_43),
    (0.981_560_634_246_719_3, 0.047_175_336_386_511_83),
];
