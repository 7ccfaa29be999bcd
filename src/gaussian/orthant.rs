//! Four zero-mean Gaussian fields, all positive: probability and second moments.

use std::f64::consts::{FRAC_1_PI, PI};

use super::relu::{pair, ratio};

/// The pairs of four fields, each with its complement.
const PAIRS: [[usize; 4]; 6] = [[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2], [1, 2, 0, 3], [1, 3, 0, 2], [2, 3, 0, 1]];

/// Four fields scaled to variance 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orthant {
    correlation: [[f64; 4]; 4],
    deviation: [f64; 4],
    /// A field vanishes.
    empty: bool,
}

impl Orthant {
    pub(super) fn new(c: &[f64], n: usize, at: [usize; 4]) -> Self {
        let deviation = at.map(|a| c[a * n + a].max(0.0).sqrt());
        let empty = deviation.contains(&0.0);
        let mut correlation = [[1.0; 4]; 4];
        if !empty {
            for p in 0..4 {
                for q in 0..4 {
                    if p != q {
                        let value = c[at[p] * n + at[q]] / (deviation[p] * deviation[q]);
                        correlation[p][q] = value.clamp(-1.0, 1.0);
                    }
                }
            }
        }
        Self { correlation, deviation, empty }
    }

    /// `E[x_a x_b 1_0 1_1 1_2 1_3]` for two of the fields.
    pub(super) fn second_moment(&self, a: usize, b: usize) -> f64 {
        if self.empty {
            return 0.0;
        }
        let c = &self.correlation;
        let mut sum = 0.0;
        for [p, q, r, s] in PAIRS {
            let spq = (1.0 - c[p][q] * c[p][q]).max(0.0).sqrt();
            let given = |v: usize, w: usize, x: usize| c[w][x] - c[v][w] * c[v][x];
            let most = (1.0 - c[p][b] * c[p][b]).max(0.0).sqrt();
            let cross = ratio(given(p, b, q), spq, most) * given(q, a, p) + spq * c[a][q] * c[b][p];
            sum += angle(c, [p, q, r, s]) * cross;
        }
        let moment = c[a][b] * self.probability() + sum * (0.25 * FRAC_1_PI * FRAC_1_PI);
        moment * self.deviation[a] * self.deviation[b]
    }

    /// `P(x > 0)`.
    pub(super) fn probability(&self) -> f64 {
        if self.empty {
            return 0.0;
        }
        let c = &self.correlation;
        // Field 3 comes in along t·C_p3 (Plackett 1954): P(0) = P(0,1,2)/2, dP/dt = Σ_p C_p3 ψ_{rs|p3}/(4π² s_p3).
        let psi = |p: usize, q: usize| pair(1.0, 1.0, c[p][q]).1;
        let mut probability = (psi(0, 1) + psi(0, 2) + psi(1, 2) - PI) / (8.0 * PI);
        for (x, w) in LEGENDRE {
            // t = 1 − u².
            for u in [0.5 * (1.0 + x), 0.5 * (1.0 - x)] {
                let t = 1.0 - u * u;
                let mut moved = *c;
                for p in 0..3 {
                    moved[p][3] *= t;
                    moved[3][p] *= t;
                }
                let mut slope = 0.0;
                for [p, q, r, s] in PAIRS {
                    let (p, q) = if q == 3 {
                        (p, q)
                    } else if s == 3 || r == 3 {
                        continue;
                    } else {
                        (p, q)
                    };
                    let spq = (1.0 - moved[p][q] * moved[p][q]).max(1e-300).sqrt();
                    slope += c[p][q] * angle(&moved, [p, q, r, s]) / spq;
                }
                probability += 0.5 * w * 2.0 * u * slope * (0.25 * FRAC_1_PI * FRAC_1_PI);
            }
        }
        probability
    }
}

/// `ψ_{rs|pq}`.
fn angle(c: &[[f64; 4]; 4], [p, q, r, s]: [usize; 4]) -> f64 {
    let determinant = 1.0 - c[p][q] * c[p][q];
    if determinant <= 0.0 {
        let given = |v: usize, w: usize| c[v][w] - c[p][v] * c[p][w];
        return pair(given(r, r), given(s, s), given(r, s)).1;
    }
    let given = |v: usize, w: usize| {
        c[v][w] * determinant - c[p][v] * c[p][w] - c[q][v] * c[q][w]
            + c[p][q] * (c[p][v] * c[q][w] + c[q][v] * c[p][w])
    };
    pair(given(r, r), given(s, s), given(r, s)).1
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
