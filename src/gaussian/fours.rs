//! Second moments of four zero-mean Gaussian fields that are all positive, for all sets of four that are well conditioned.
//!
//! The formulas are those of [`super::orthant`], in plain doubles, with all angles of a set side by side in vector registers.

use std::f64::consts::{FRAC_1_PI, FRAC_PI_2, FRAC_PI_4, PI};

use multiversion::multiversion;

/// The pairs of four fields, each with its complement.
pub(super) const PAIRS: [[usize; 4]; 6] =
    [[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2], [1, 2, 0, 3], [1, 3, 0, 2], [2, 3, 0, 1]];

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
                    let probability = if PAIRS.into_iter().any(correlated) { orthant.probability() } else { 0.0 };
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

/// Determinant of the correlations from which on the rounding of doubles and 12 points of the path do.
const WELL_CONDITIONED: f64 = 1e-2;

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

    /// `P(x > 0)`.
    #[inline(always)]
    fn probability(&self) -> f64 {
        probability(&self.correlation)
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
        angles[lane] = angle(rr[lane], ss[lane], rs[lane]).1;
    }
    let whole = (rr[0] * ss[0] - rs[0] * rs[0]) / (1.0 - c[0][1] * c[0][1]);
    // NaN where two fields coincide.
    (angles, if whole > 0.0 { whole } else { 0.0 })
}

/// Points of the path.
const POINTS: usize = 12;

/// `P(x > 0)` of four fields with correlations `c`.
#[inline(always)]
fn probability(c: &[[f64; 4]; 4]) -> f64 {
    // Field 3 comes in along t·c_p3 (Plackett 1954): P(0) = P(0,1,2)/2, dP/dt = Σ_p c_p3 ψ_{rs|p3}/(4π² s_p3).
    let (mut one, mut slopes) = ([0.0; 4], [0.0; POINTS]);
    for (lane, (p, q)) in [(0, 1), (0, 2), (1, 2), (0, 0)].into_iter().enumerate() {
        one[lane] = c[p][q];
    }
    let mut three = [0.0; 4];
    for lane in 0..4 {
        three[lane] = angle(1.0, 1.0, one[lane]).1;
    }
    for [r, s, p] in [[1, 2, 0], [0, 2, 1], [0, 1, 2]] {
        let (e, cpr, cps, crs) = (c[p][3], c[p][r], c[p][s], c[r][s]);
        let (er, es) = (c[r][3], c[s][3]);
        for k in 0..POINTS {
            let t = PATH[k][0];
            let (ep, er, es) = (t * e, t * er, t * es);
            let determinant = 1.0 - ep * ep;
            let rr = determinant - cpr * cpr - er * er + 2.0 * ep * cpr * er;
            let ss = determinant - cps * cps - es * es + 2.0 * ep * cps * es;
            let rs = crs * determinant - cpr * cps - er * es + ep * (cpr * es + er * cps);
            slopes[k] += e * angle(rr, ss, rs).1 / determinant.sqrt();
        }
    }
    let mut integral = 0.0;
    for k in 0..POINTS {
        integral += PATH[k][1] * slopes[k];
    }
    (three[0] + three[1] + three[2] - PI) / (8.0 * PI) + integral * (0.25 * FRAC_1_PI * FRAC_1_PI)
}

/// `s = √(pp·qq − pq²)` and the angle `ψ = atan2(s, −pq)` of two fields; both 0 if a field vanishes. Without branches, so that it
/// runs in vector registers (polynomial of FreeBSD's msun, error below 1 ulp before rounding).
#[inline(always)]
pub(super) fn angle(pp: f64, qq: f64, pq: f64) -> (f64, f64) {
    let square = pp * qq - pq * pq;
    let s = if square > 0.0 { square.sqrt() } else { 0.0 };
    let size = pq.abs();
    let (low, high) = if s < size { (s, size) } else { (size, s) };
    // Above tan(π/8), atan(l/h) = π/4 + atan((l − h)/(l + h)).
    let far = low > 0.414_213_562_373_095_05 * high;
    let (numerator, denominator) = if far { (low - high, low + high) } else { (low, high) };
    let x = numerator / if denominator > 0.0 { denominator } else { 1.0 };
    let z = x * x;
    let w = z * z;
    let even = z
        * (3.333_333_333_333_293e-1
            + w * (1.428_571_427_250_346_6e-1
                + w * (9.090_887_133_436_507e-2
                    + w * (6.661_073_137_387_531e-2
                        + w * (4.976_877_994_615_932e-2 + w * 1.628_582_011_536_578_2e-2)))));
    let odd = w
        * (-1.999_999_999_987_648_3e-1
            + w * (-1.111_111_040_546_235_6e-1
                + w * (-7.691_876_205_044_83e-2 + w * (-5.833_570_133_790_573e-2 + w * -3.653_157_274_421_691_6e-2))));
    let arc = if far { FRAC_PI_4 } else { 0.0 } + (x - x * (even + odd));
    let arc = if s < size { arc } else { FRAC_PI_2 - arc };
    let psi = if pq > 0.0 { PI - arc } else { arc };
    if pp > 0.0 && qq > 0.0 { (s, psi) } else { (0.0, 0.0) }
}

/// `t = 1 − u²` and the weight `2u·w`, Gauss–Legendre with 12 points in u on (0, 1): the slope ends in a root at t = 1.
const PATH: [[f64; 2]; POINTS] = path();

const fn path() -> [[f64; 2]; POINTS] {
    const LEGENDRE: [(f64, f64); 6] = [
        (0.125_233_408_511_468_92, 0.249_147_045_813_402_8),
        (0.367_831_498_998_180_2, 0.233_492_536_538_354_8),
        (0.587_317_954_286_617_4, 0.203_167_426_723_065_92),
        (0.769_902_674_194_304_7, 0.160_078_328_543_346_23),
        (0.904_117_256_370_474_9, 0.106_939_325_995_318_43),
        (0.981_560_634_246_719_3, 0.047_175_336_386_511_83),
    ];
    let mut path = [[0.0; 2]; POINTS];
    let mut k = 0;
    while k < 6 {
        let (x, w) = LEGENDRE[k];
        let (above, below) = (0.5 * (1.0 + x), 0.5 * (1.0 - x));
        path[2 * k] = [1.0 - above * above, w * above];
        path[2 * k + 1] = [1.0 - below * below, w * below];
        k += 1;
    }
    path
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
            let careful = Careful::new(&c, 4, [0, 1, 2, 3]);
            let expected = 2.0 * careful.second_moment(careful.probability(), 2, 3);
            worst = worst.max((out[1] - expected).abs() / (c[10] * c[15]).sqrt());
        }
        assert!(easy > 5000, "{easy}");
        // The path with 12 points where the determinant is at its least.
        assert!(worst < 1e-9, "{worst:e}");
    }

    #[test]
    fn angles_are_those_of_the_library() {
        for k in 0..=2000 {
            let x = f64::from(k - 1000) * 1e-3;
            let (s, psi) = angle(1.0, 1.0, x);
            assert!((psi - libm::atan2(s, -x)).abs() < 1e-15, "{x}");
        }
        assert_eq!(angle(1.0, 0.0, 0.0), (0.0, 0.0));
        assert_eq!(angle(1.0, 1.0, 1.0), (0.0, PI));
        assert_eq!(angle(1.0, 1.0, -1.0), (0.0, 0.0));
    }
}
