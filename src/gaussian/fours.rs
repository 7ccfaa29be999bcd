//! Second moments of four zero-mean Gaussian fields that are all positive, for all sets of four at once, eight sets in a vector.
//!
//! The angles of [`super::angles`] make up a moment but for `C_ab P`; the probability P, of [`super::path`], takes sets that need
//! many points together, and is left out where nothing needs it.

use std::f64::consts::FRAC_1_PI;

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

use super::angles::{Angles, Chunk, PAIRS};
use super::flat::{Flat, OUTSIDE};
use super::lanes::LANES;
use super::pairs::Pairs;
use super::path::{HARDEST, Path, RULES};

/// Determinant of correlations below which the four fields may lie in a plane.
const FLAT: f64 = OUTSIDE * OUTSIDE;

/// Four different fields, in ascending order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    pub(super) at: [usize; 4],
    /// Bit e: whether [`PAIRS`]`[e]` may be the steps (i, k), the others being the values (a, b).
    pub(super) roles: u8,
}

impl Set {
    /// `(i, k, a, b)` in all its roles.
    #[inline(always)]
    pub(super) fn in_roles(&self) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        let Self { at, roles } = *self;
        (0..6).filter(move |e| roles >> e & 1 == 1).map(move |e| {
            let ([i, k], [a, b]) = (PAIRS[e], PAIRS[5 - e]);
            (at[i], at[k], at[a], at[b])
        })
    }
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

impl Law<'_> {
    /// Adds what a set contributes if it lies in a plane; `sine` is that of its least angle.
    fn flat(&self, set: &Set, sine: f64, students: usize, out: &mut [f64]) -> bool {
        let Some(flat) = Flat::new(self.covariance, self.outputs.len(), set.at, sine) else { return false };
        for (e, (i, k, a, b)) in (0..6).filter(|e| set.roles >> e & 1 == 1).zip(set.in_roles()) {
            let [p, q] = PAIRS[5 - e];
            out[i * students + k] += 2.0 * self.outputs[a] * self.outputs[b] * flat.second_moment(p, q);
        }
        true
    }
}

/// Scratch.
#[derive(Debug, Default)]
pub(super) struct Fours {
    chunks: Vec<Chunk>,
    /// Rung and place in `sets` of what needs a probability; then by rung.
    order: Vec<(u8, u32)>,
    sorted: Vec<(u8, u32)>,
}

impl Fours {
    /// Adds to `out` (K×K, i < k) what `sets` contribute to `Σ_ab c_a c_b E[1_i 1_k r_a r_b]` in their roles.
    pub(super) fn add(&mut self, law: &Law<'_>, sets: &[Set], students: usize, out: &mut [f64]) {
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
    fours.order.clear();
    fours.sorted.clear();
    fours.chunks.resize(sets.len().div_ceil(LANES).max(fours.chunks.len()), Chunk::EMPTY);
    for (chunk, group) in sets.chunks(LANES).enumerate() {
        let (mut c, mut scaled) = ([[0.0; LANES]; 6], [[0.0; LANES]; 4]);
        let mut any = 0;
        for (lane, set) in group.iter().enumerate() {
            any |= set.roles;
            for (c, [p, q]) in c.iter_mut().zip(PAIRS) {
                c[lane] = law.pairs.ridged(set.at[p], set.at[q])[0];
            }
            for (scaled, at) in scaled.iter_mut().zip(set.at) {
                scaled[lane] = law.scaled[at];
            }
        }
        let angles = Angles::new::<FUSED>(&c);
        let (mut roles, mut correlated) = ([0_u8; LANES], [false; LANES]);
        for (lane, set) in group.iter().enumerate() {
            if angles.determinant[lane] < FLAT && law.flat(set, angles.least_sine(lane), students, out) {
                continue;
            }
            roles[lane] = set.roles;
            // Uncorrelated values do without the probability, which is half the work.
            correlated[lane] = (0..6).any(|e| set.roles >> e & 1 == 1 && c[5 - e][lane] != 0.0);
        }
        for e in (0..6).filter(|e| any >> e & 1 == 1) {
            let ([i, k], [a, b]) = (PAIRS[e], PAIRS[5 - e]);
            let moment = angles.moment(&c, e);
            for (lane, set) in group.iter().enumerate().filter(|(lane, _)| roles[*lane] >> e & 1 == 1) {
                out[set.at[i] * students + set.at[k]] += scaled[a][lane] * scaled[b][lane] * moment[lane];
            }
        }
        if correlated.contains(&true) {
            let mut psi = [[0.0; LANES]; 6];
            for (lane, set) in group.iter().enumerate() {
                for (psi, [p, q]) in psi.iter_mut().zip(PAIRS) {
                    psi[lane] = law.pairs.ridged(set.at[p], set.at[q])[1];
                }
            }
            let (numbers, rungs) = angles.path(&c, &psi);
            fours.chunks[chunk] = numbers;
            for lane in (0..group.len()).filter(|&lane| correlated[lane]) {
                fours.order.push((rungs[lane], (chunk * LANES + lane) as u32));
            }
        }
    }
    probabilities(fours, law, sets, students, out);
}

/// Adds what the probabilities contribute.
#[inline(always)]
fn probabilities(fours: &mut Fours, law: &Law<'_>, sets: &[Set], students: usize, out: &mut [f64]) {
    let rules = &*RULES;
    // The hardest first, so that few vectors mix rungs.
    let present = fours.order.iter().fold(0_u32, |present, (rung, _)| present | 1 << rung);
    for rung in (0..=HARDEST).rev().filter(|rung| present >> rung & 1 == 1) {
        fours.sorted.extend(fours.order.iter().filter(|x| x.0 == rung));
    }
    for group in fours.sorted.chunks(LANES) {
        let first = group[0].1 as usize;
        let mut chunk = fours.chunks[first / LANES];
        // Most often they still stand side by side.
        if !first.is_multiple_of(LANES) || group.windows(2).any(|pair| pair[1].1 != pair[0].1 + 1) {
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
            for (i, k, a, b) in set.in_roles() {
                let weight = law.scaled[a] * law.scaled[b] * law.pairs.ridged(a, b)[0];
                out[i * students + k] += weight * probability;
            }
        }
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
                        [c[e][lane], psi[e][lane]] = pairs.ridged(set.at[p], set.at[q]);
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
