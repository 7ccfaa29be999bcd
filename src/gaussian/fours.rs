//! Second moments of four zero-mean Gaussian fields that are all positive, for all sets of four at once, eight sets in a vector.
//!
//! The angles `ψ_{rs|pq} = atan2(s_pq √det C, −N_{rs|pq})`, with `N_{rs|pq} = s²_pq Cov(x_r, x_s | x_p, x_q)`, are badly
//! conditioned where fields nearly coincide, as student and teacher do at the end of a training, although what they add up to is
//! not. So determinants are formed in twice the precision, from a matrix that is made positive first.

use std::f64::consts::{FRAC_1_PI, FRAC_PI_2, PI};

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

use super::double::Double;
use super::flat::{Flat, OUTSIDE};
use super::lanes::{LANES, Lane, angle};
use super::pairs::Pairs;
use super::path::{HARDEST, Path, ROWS, RULES, hardness, rungs};

/// The pairs of four fields; the complement of pair e is 5 − e.
pub(super) const PAIRS: [[usize; 2]; 6] = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
/// For each pair (p, q) with complement (r, s): the pairs (p, r), (p, s), (q, r), (q, s).
const AROUND: [[usize; 4]; 6] = [[1, 2, 3, 4], [0, 2, 3, 5], [0, 1, 4, 5], [0, 4, 1, 5], [0, 3, 2, 5], [1, 3, 2, 4]];

/// Determinant of correlations below which the four fields may lie in a plane.
const FLAT: f64 = OUTSIDE * OUTSIDE;

/// Four different fields, in ascending order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    pub(super) at: [usize; 4],
    /// Bit e: whether [`PAIRS`]`[e]` may be the steps (i, k), the others being the values (a, b).
    pub(super) roles: u8,
}

/// All sets with at least two students, those with few roles first, and then so that neighbours add to different entries.
pub(super) fn sets(students: usize, n: usize) -> Vec<Set> {
    let mut sets = Vec::new();
    for p in 0..students {
        for q in p + 1..students {
            for r in q + 1..n {
                for s in r + 1..n {
                    let at = [p, q, r, s];
                    let roles = PAIRS.iter().enumerate().map(|(e, &[_, k])| u8::from(at[k] < students) << e).sum();
                    sets.push(Set { at, roles });
                }
            }
        }
    }
    sets.sort_by_key(|set| (set.roles, set.at[3], set.at[2]));
    sets
}

/// The fields that sets are taken from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Law<'a> {
    /// n×n.
    pub(super) covariance: &'a [f64],
    pub(super) pairs: &'a Pairs,
    /// Second layer c_a, and that times `√C_aa`.
    pub(super) outputs: &'a [f64],
    pub(super) scaled: &'a [f64],
}

/// Scratch.
#[derive(Debug, Default)]
pub(super) struct Fours {
    chunks: Vec<Chunk>,
    /// Place in `sets` and rung of what needs a probability.
    order: Vec<(u8, u32)>,
    sorted: Vec<(u8, u32)>,
}

/// What the integrals of eight sets need.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    rows: [Lane; ROWS],
    /// `4π² P` but for the integral.
    start: Lane,
}

impl Fours {
    /// Adds to `out` (K×K, i < k) what `sets` contribute to `Σ_ab c_a c_b E[1_i 1_k r_a r_b]` in their roles.
    pub(super) fn add(&mut self, law: &Law<'_>, sets: &[Set], students: usize, out: &mut [f64]) {
        self.order.clear();
        self.chunks.clear();
        if !sets.is_empty() {
            add(self, law, sets, students, out);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+fma", "x86_64+avx2+fma"))]
fn add(fours: &mut Fours, law: &Law<'_>, sets: &[Set], students: usize, out: &mut [f64]) {
    if target_cfg_f!(target_feature = "fma") {
        add_body::<true>(fours, law, sets, students, out);
    } else {
        add_body::<false>(fours, law, sets, students, out);
    }
}

#[inline(always)]
fn add_body<const FUSED: bool>(fours: &mut Fours, law: &Law<'_>, sets: &[Set], students: usize, out: &mut [f64]) {
    let rules = &*RULES;
    let mut any_rung = 0_u32;
    for (first, group) in sets.chunks(LANES).enumerate() {
        let (mut c, mut psi, mut scaled) = ([[0.0; LANES]; 6], [[0.0; LANES]; 6], [[0.0; LANES]; 4]);
        let mut any = 0;
        for (lane, set) in group.iter().enumerate() {
            any |= set.roles;
            for (e, [p, q]) in PAIRS.into_iter().enumerate() {
                (c[e][lane], psi[e][lane]) = law.pairs.ridged(set.at[p], set.at[q]);
            }
            for (scaled, at) in scaled.iter_mut().zip(set.at) {
                scaled[lane] = law.scaled[at];
            }
        }
        let angles = Angles::new::<FUSED>(&c);
        let (chunk, rungs) = angles.path(&c, &psi);
        fours.chunks.push(chunk);
        let mut roles = [0_u8; LANES];
        for (lane, set) in group.iter().enumerate() {
            roles[lane] = set.roles;
            if angles.determinant[lane] < FLAT
                && let Some(flat) = Flat::new(law.covariance, law.outputs.len(), set.at)
            {
                roles[lane] = 0;
                for (e, [i, k]) in PAIRS.into_iter().enumerate() {
                    if set.roles >> e & 1 == 1 {
                        let [a, b] = PAIRS[5 - e];
                        let weight = 2.0 * law.outputs[set.at[a]] * law.outputs[set.at[b]];
                        out[set.at[i] * students + set.at[k]] += weight * flat.second_moment(a, b);
                    }
                }
            }
            // Uncorrelated values do without the probability, which is half the work.
            let correlated = |e: usize| roles[lane] >> e & 1 == 1 && c[5 - e][lane] != 0.0;
            if (0..6).any(correlated) {
                any_rung |= 1 << rungs[lane];
                fours.order.push((rungs[lane], (first * LANES + lane) as u32));
            }
        }
        for e in 0..6 {
            if any >> e & 1 == 1 {
                let [i, k] = PAIRS[e];
                let [a, b] = PAIRS[5 - e];
                let moment = angles.moment(&c, e);
                for (lane, set) in group.iter().enumerate() {
                    if roles[lane] >> e & 1 == 1 {
                        out[set.at[i] * students + set.at[k]] += scaled[a][lane] * scaled[b][lane] * moment[lane];
                    }
                }
            }
        }
    }
    // The hardest first, so that few vectors mix rungs.
    fours.sorted.clear();
    for rung in (0..=HARDEST).rev() {
        if any_rung >> rung & 1 == 1 {
            fours.sorted.extend(fours.order.iter().filter(|x| x.0 == rung));
        }
    }
    for group in fours.sorted.chunks(LANES) {
        let first = group[0].1 as usize;
        let mut chunk = fours.chunks[first / LANES];
        // Most often they still stand side by side.
        if first % LANES != 0 || group.windows(2).any(|pair| pair[1].1 != pair[0].1 + 1) {
            for lane in 0..LANES {
                let set = group[lane.min(group.len() - 1)].1 as usize;
                let (other, from) = (&fours.chunks[set / LANES], set % LANES);
                chunk.start[lane] = other.start[from];
                for (row, other) in chunk.rows.iter_mut().zip(&other.rows) {
                    row[lane] = other[from];
                }
            }
        }
        let integral = Path::from_rows(&chunk.rows).integral(rules, group[0].0);
        for (lane, &(_, set)) in group.iter().enumerate() {
            let set = &sets[set as usize];
            let probability = (chunk.start[lane] + integral[lane]) * (0.5 * FRAC_1_PI * FRAC_1_PI);
            for (e, [i, k]) in PAIRS.into_iter().enumerate() {
                if set.roles >> e & 1 == 1 {
                    let [a, b] = PAIRS[5 - e].map(|a| set.at[a]);
                    let weight = law.scaled[a] * law.scaled[b] * law.pairs.ridged(a, b).0;
                    out[set.at[i] * students + set.at[k]] += weight * probability;
                }
            }
        }
    }
}

/// Of eight sets, for each pair.
struct Angles {
    /// `s_pq` and its square.
    s: [Lane; 6],
    rest: [Lane; 6],
    /// `N_{rs|pq}` and `ψ_{rs|pq}`.
    minor: [Lane; 6],
    psi: [Lane; 6],
    determinant: Lane,
    /// `C_01 C_23 − C_02 C_13`, `C_01 C_23 − C_03 C_12`, `C_02 C_13 − C_03 C_12`.
    cross: [Lane; 3],
}

impl Angles {
    #[inline(always)]
    fn new<const FUSED: bool>(c: &[Lane; 6]) -> Self {
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

    /// `2 E[x_a x_b 1_0 1_1 1_2 1_3]` where (a, b) is the complement of pair e, for variances 1, but for `2 C_ab P`.
    #[inline(always)]
    fn moment(&self, c: &[Lane; 6], e: usize) -> Lane {
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
    fn path(&self, c: &[Lane; 6], start: &[Lane; 6]) -> (Chunk, [u8; LANES]) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::Fields;
    use crate::gaussian::pairs::Pairs;

    fn uniform(state: &mut u64) -> f64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// Pairs and covariance of seven vectors, the first three of which differ from the next three by `closeness`.
    fn pairs(dims: usize, closeness: f64, state: &mut u64) -> (Pairs, Vec<f64>) {
        let mut vector = || -> [f64; 7] { std::array::from_fn(|k| if k < dims { uniform(state) } else { 0.0 }) };
        let mut vectors: [[f64; 7]; 7] = std::array::from_fn(|_| vector());
        for i in 0..3 {
            let other = vector();
            vectors[i] = std::array::from_fn(|k| vectors[i + 3][k] + closeness * other[k]);
        }
        let dot = |a: usize, b: usize| vectors[a].iter().zip(vectors[b]).map(|(x, y)| x * y).sum::<f64>();
        let covariance: Vec<f64> = (0..49).map(|at| dot(at / 7, at % 7)).collect();
        let mut pairs = Pairs::default();
        pairs.load(Fields { students: 3, covariance: &covariance, mean: &[0.0; 7] });
        (pairs, covariance)
    }

    #[test]
    fn bits_do_not_depend_on_the_instruction_set() {
        let mut state = 1;
        for closeness in [1.0, 1e-2, 1e-4, 1e-7] {
            let (pairs, covariance) = pairs(7, closeness, &mut state);
            let law = Law { covariance: &covariance, pairs: &pairs, outputs: &[1.0; 7], scaled: &[1.0; 7] };
            let sets = sets(3, 7);
            let [mut dispatched, mut split, mut fused] = [[0.0; 9]; 3];
            Fours::default().add(&law, &sets, 3, &mut dispatched);
            add_body::<false>(&mut Fours::default(), &law, &sets, 3, &mut split);
            add_body::<true>(&mut Fours::default(), &law, &sets, 3, &mut fused);
            assert_eq!(dispatched.map(f64::to_bits), split.map(f64::to_bits));
            assert_eq!(dispatched.map(f64::to_bits), fused.map(f64::to_bits));
        }
    }

    #[test]
    fn points_are_as_many_as_it_takes() {
        let (mut state, mut seen) = (3, [0; HARDEST as usize + 1]);
        for case in 0..4000 {
            let (pairs, _) = pairs(4 + case % 3, [1.0, 0.1, 1e-2, 1e-4][case % 4], &mut state);
            for group in sets(3, 7).chunks_exact(LANES) {
                let (mut c, mut psi) = ([[0.0; LANES]; 6], [[0.0; LANES]; 6]);
                for (lane, set) in group.iter().enumerate() {
                    for (e, [p, q]) in PAIRS.into_iter().enumerate() {
                        (c[e][lane], psi[e][lane]) = pairs.ridged(set.at[p], set.at[q]);
                    }
                }
                let (chunk, rungs) = Angles::new::<false>(&c).path(&c, &psi);
                let path = Path::from_rows(&chunk.rows);
                let panels = path.integral(&RULES, HARDEST);
                for lane in 0..LANES {
                    seen[usize::from(rungs[lane])] += 1;
                    let error = (path.integral(&RULES, rungs[lane])[lane] - panels[lane]).abs();
                    // Of 4π² P: what points leave at the edge of a rung, and the panels' own.
                    assert!(error < 5e-12, "{} {}: {error:e}", rungs[lane], path.near[lane]);
                }
            }
        }
        assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
    }
}
