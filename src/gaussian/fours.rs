//! Second moments of four zero-mean Gaussian fields that are all positive, for all sets of four that are well conditioned.
//!
//! The formulas are those of [`super::orthant`], in plain doubles, with all angles of a set side by side in vector registers.

use std::f64::consts::{FRAC_1_PI, PI};

use multiversion::multiversion;

use super::lanes::angle;

/// The pairs of four fields, each with its complement.
const PAIRS: [[usize; 4]; 6] = [[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2], [1, 2, 0, 3], [1, 3, 0, 2], [2, 3, 0, 1]];

/// Adds to `out` (K×K) what sets of four different fields contribute to `Σ_ab c_a c_b E[1_i 1_k r_a r_b]`; `c` is the covariance
/// (n×n), `outputs` are the c_a. Only `i < k` is filled; sets that are nearly degenerate are left to `hard`. What the ways to split a set into (i, k) and (a, b) have in common is computed once.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn add_fours(students: usize, c: &[f64], outputs: &[f64], out: &mut [f64], hard: &mut Vec<[usize; 4]>) {
    let n = outputs.len();
    for p in 0..students {
        for q in p + 1..students {
            for r in q + 1..n {
                for s in r + 1..n {
                    let at = [p, q, r, s];
                    let Some(orthant) = Orthant::new(c, n, at) else { continue };
                    if orthant.determinant < WELL_CONDITIONED {
                        hard.push(at);
                        continue;
                    }
                    // Orthogonal values do not need it, and it is most of the work.
                    let correlated = |[_, k, a, b]: [usize; 4]| at[k] < students && orthant.correlation[a][b] != 0.0;
                    let probability = if PAIRS.into_iter().any(correlated) {
                        probability(&orthant.correlation, orthant.determinant)
                    } else {
                        Some(0.0)
                    };
                    let Some(probability) = probability else {
                        hard.push(at);
                        continue;
                    };
                    for [i, k, a, b] in PAIRS {
                        if at[k] < students {
                            let weight = 2.0 * outputs[at[a]] * outputs[at[b]];
                            out[at[i] * students + at[k]] += weight * orthant.second_moment(a, b, probability);
                        }
                    }
                }
            }
        }
    }
}

/// Determinant of the correlations from which on the rounding of doubles does no harm.
const WELL_CONDITIONED: f64 = 1e-3;

/// `1 − R²` of the least determined field from which on the points of the path do: their error is some 3⁻²⁴ at this value.
const UNDETERMINED: f64 = 0.08;

/// Four fields scaled to variance 1, with what their moments are made of.
#[derive(Debug, Clone, Copy)]
struct Orthant {
    correlation: [[f64; 4]; 4],
    deviation: [f64; 4],
    /// `s_pq = √(1 − c_pq²)`.
    sine: [[f64; 4]; 4],
    /// `1/s_pq` of each of [`PAIRS`].
    inverse: [f64; 6],
    /// `ψ_{rs|pq}` of each of [`PAIRS`].
    angles: [f64; 8],
    /// Of the correlations.
    determinant: f64,
}

impl Orthant {
    /// `None` if a field vanishes: it is never positive.
    #[inline(always)]
    fn new(c: &[f64], n: usize, at: [usize; 4]) -> Option<Self> {
        let deviation = at.map(|a| c[a * n + a].max(0.0).sqrt());
        if deviation.contains(&0.0) {
            return None;
        }
        let inverse = deviation.map(|deviation| 1.0 / deviation);
        let (mut correlation, mut sine) = ([[1.0; 4]; 4], [[0.0; 4]; 4]);
        for [p, q, ..] in PAIRS {
            let value = (c[at[p] * n + at[q]] * (inverse[p] * inverse[q])).clamp(-1.0, 1.0);
            (correlation[p][q], correlation[q][p]) = (value, value);
            let root = (1.0 - value * value).sqrt();
            (sine[p][q], sine[q][p]) = (root, root);
        }
        let (angles, determinant) = conditional_angles(&correlation);
        let inverse = PAIRS.map(|[p, q, ..]| 1.0 / sine[p][q]);
        Some(Self { correlation, deviation, sine, inverse, angles, determinant })
    }

    /// `E[x_a x_b 1_0 1_1 1_2 1_3]` for two of the fields; `probability` is that of all four being positive, of no account where
    /// the two are uncorrelated.
    #[inline(always)]
    fn second_moment(&self, a: usize, b: usize, probability: f64) -> f64 {
        let (c, sine) = (&self.correlation, &self.sine);
        let mut sum = 0.0;
        for ((angle, inverse), [p, q, ..]) in self.angles.iter().zip(self.inverse).zip(PAIRS) {
            let numerator = c[b][q] - c[p][b] * c[p][q];
            sum += angle * (numerator * inverse * (c[a][p] - c[q][a] * c[q][p]) + sine[p][q] * c[a][q] * c[b][p]);
        }
        let moment = c[a][b] * probability + sum * (0.25 * FRAC_1_PI * FRAC_1_PI);
        moment * self.deviation[a] * self.deviation[b]
    }
}

/// `ψ_{rs|pq}` of each of [`PAIRS`], and the determinant of all.
#[inline(always)]
fn conditional_angles(c: &[[f64; 4]; 4]) -> ([f64; 8], f64) {
    let (mut rr, mut ss, mut rs) = ([1.0; 8], [1.0; 8], [0.0; 8]);
    for (lane, [p, q, r, s]) in PAIRS.into_iter().enumerate() {
        let determinant = 1.0 - c[p][q] * c[p][q];
        let given = |v: usize, w: usize| {
            c[v][w] * determinant - c[p][v] * c[p][w] - c[q][v] * c[q][w]
                + c[p][q] * (c[p][v] * c[q][w] + c[q][v] * c[p][w])
        };
        (rr[lane], ss[lane], rs[lane]) = (given(r, r), given(s, s), given(r, s));
    }
    let mut angles = [0.0; 8];
    for lane in 0..8 {
        angles[lane] = between(rr[lane], ss[lane], rs[lane]);
    }
    let whole = (rr[0] * ss[0] - rs[0] * rs[0]) / (1.0 - c[0][1] * c[0][1]);
    // NaN where two fields coincide.
    (angles, if whole > 0.0 { whole } else { 0.0 })
}

/// Points of the path.
const POINTS: usize = 12;

/// `P(x > 0)` of four fields with correlations `c` of the given determinant; `None` if each is nearly determined by the others.
///
/// The field b that the others determine least comes in along `t c_pb` (Plackett 1954): `P(0)` is half the probability of the other
/// three, and `dP/dt = Σ_p c_pb ψ_{rs|pb}/(4π² s_pb)`. With R the multiple correlation of x_b and `Rt = 2y/(1+y²)` the root of the
/// determinant, `√(1 − R²t²)`, is a rational function of y.
#[inline(always)]
fn probability(c: &[[f64; 4]; 4], determinant: f64) -> Option<f64> {
    let mut others = [0.0; 4];
    for (b, others) in others.iter_mut().enumerate() {
        let [p, q, r] = [(b + 1) % 4, (b + 2) % 4, (b + 3) % 4];
        let (x, y, z) = (c[p][q], c[p][r], c[q][r]);
        *others = 1.0 - x * x - y * y - z * z + 2.0 * x * y * z;
    }
    let mut b = 0;
    for other in 1..4 {
        if others[other] < others[b] {
            b = other;
        }
    }
    let left = determinant / others[b];
    if left < UNDETERMINED {
        return None;
    }
    let others: [usize; 3] = std::array::from_fn(|k| (b + 1 + k) % 4);
    let mut three = [0.0; 4];
    for k in 0..3 {
        three[k] = c[others[k]][others[(k + 1) % 3]];
    }
    for cosine in &mut three {
        *cosine = between(1.0, 1.0, *cosine);
    }
    let alone = (three[0] + three[1] + three[2] - PI) / (8.0 * PI);
    let multiple = (1.0 - left).max(0.0).sqrt();
    let end = multiple / (1.0 + left.sqrt());
    if end < 1e-8 {
        return Some(alone);
    }
    let (mut times, mut weights) = ([0.0; POINTS], [0.0; POINTS]);
    for k in 0..POINTS {
        let y = end * LEGENDRE[k][0];
        let inverse = 1.0 / (1.0 + y * y);
        times[k] = 2.0 * y * inverse / multiple;
        weights[k] = end * LEGENDRE[k][1] * 2.0 * (1.0 - y * y) * inverse * inverse / multiple;
    }
    let mut slopes = [0.0; POINTS];
    for k in 0..3 {
        let [p, r, s] = [others[k], others[(k + 1) % 3], others[(k + 2) % 3]];
        let (along, cpr, cps, crs) = (c[p][b], c[p][r], c[p][s], c[r][s]);
        let (cbr, cbs) = (c[b][r], c[b][s]);
        for k in 0..POINTS {
            let t = times[k];
            let (ep, er, es) = (t * along, t * cbr, t * cbs);
            let determinant = 1.0 - ep * ep;
            let rr = determinant - cpr * cpr - er * er + 2.0 * ep * cpr * er;
            let ss = determinant - cps * cps - es * es + 2.0 * ep * cps * es;
            let rs = crs * determinant - cpr * cps - er * es + ep * (cpr * es + er * cps);
            slopes[k] += along * between(rr, ss, rs) / determinant.sqrt();
        }
    }
    let mut integral = 0.0;
    for k in 0..POINTS {
        integral += weights[k] * slopes[k];
    }
    Some(alone + integral * (0.25 * FRAC_1_PI * FRAC_1_PI))
}

/// `ψ = atan2(√(pp·qq − pq²), −pq)`, the angle of two fields.
#[inline(always)]
fn between(pp: f64, qq: f64, pq: f64) -> f64 {
    let square = pp * qq - pq * pq;
    angle(if square > 0.0 { square.sqrt() } else { 0.0 }, -pq)
}

/// Gauss–Legendre on (0, 1): points and weights.
const LEGENDRE: [[f64; 2]; POINTS] = legendre();

const fn legendre() -> [[f64; 2]; POINTS] {
    const HALF: [(f64, f64); 6] = [
        (0.125_233_408_511_468_9, 0.249_147_045_813_402_8),
        (0.367_831_498_998_180_2, 0.233_492_536_538_354_8),
        (0.587_317_954_286_617_4, 0.203_167_426_723_065_92),
        (0.769_902_674_194_304_7, 0.160_078_328_543_346_23),
        (0.904_117_256_370_474_9, 0.106_939_325_995_318_43),
        (0.981_560_634_246_719_3, 0.047_175_336_386_511_83),
    ];
    let mut rule = [[0.0; 2]; POINTS];
    let mut k = 0;
    while k < 6 {
        let (x, w) = HALF[k];
        rule[2 * k] = [0.5 * (1.0 + x), 0.5 * w];
        rule[2 * k + 1] = [0.5 * (1.0 - x), 0.5 * w];
        k += 1;
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::orthant::Orthant as Careful;

    /// Covariances of four random vectors in `2 + spread` dimensions: the fewer, the nearer to singular.
    fn covariances() -> impl Iterator<Item = [f64; 16]> {
        let mut state = 1_u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        };
        (0..20_000).map(move |k| {
            let vectors: [[f64; 6]; 4] =
                std::array::from_fn(|_| std::array::from_fn(|j| if j < 4 + k % 3 { uniform() } else { 0.0 }));
            std::array::from_fn(|at| vectors[at / 4].iter().zip(vectors[at % 4]).map(|(a, b)| a * b).sum())
        })
    }

    #[test]
    fn fast_and_careful_agree() {
        let (mut easy, mut worst) = (0, 0.0_f64);
        for c in covariances() {
            let (mut out, mut hard) = ([0.0; 4], Vec::new());
            add_fours(2, &c, &[1.0; 4], &mut out, &mut hard);
            if !hard.is_empty() {
                continue;
            }
            easy += 1;
            let inverse: [f64; 4] = std::array::from_fn(|a| 1.0 / c[5 * a]);
            let expected = 2.0 * Careful::new(&c, &inverse, [0, 1, 2, 3]).second_moment(2, 3);
            worst = worst.max((out[1] - expected).abs() / (c[10] * c[15]).sqrt());
        }
        assert!(easy > 5000, "{easy}");
        // Points of the path, and rounding over the root of the determinant.
        assert!(worst < 1e-11, "{worst:e}");
    }
}
