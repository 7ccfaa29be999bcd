//! `g(x) = max(0, x)` for students and teachers, zero means.
//!
//! With `s_pq = √(C_pp C_qq − C_pq²)` and `ψ_pq = π − ∠(p, q)` (so that `P(x_p, x_q > 0) = ψ_pq/2π`; Sheppard 1899, Cho & Saul
//! 2009), Stein's lemma gives
//!
//! ```text
//! I2(a,b)   = (s_ab + C_ab ψ_ab)/2π         J2(i,b) = ψ_ib/2π         I3(i,a,b) = (C_ai s_ib/C_ii + C_ab ψ_ib)/2π
//! E[1_i r_a r_b]    = C_ab P(i,a,b) + [ s_ab + (C_ia s_ib + C_ib s_ia)/C_ii ]/4π
//! E[1_i 1_k r_a r_b] = C_ab P(i,k,a,b) + Σ_{p<q} ψ_{rs|pq} [ D^p_bq D^q_ap/s_pq + s_pq C_aq C_bp/(C_pp C_qq) ]/4π²
//! ```
//! with the orthant probabilities `P(p,q,r) = (ψ_pq + ψ_pr + ψ_qr − π)/4π` and, over `{p,q,r,s} = {i,k,a,b}`, `P(i,k,a,b)` of
//! [`super::path`]; `D^p_bq = C_bq − C_bp C_pq/C_pp` is a covariance given `x_p`, and `ψ_{rs|pq}` belongs to the law given
//! `x_p = x_q = 0`. Written so, nothing is divided by a small number that is not itself in the numerator. Fields that coincide
//! need the first two lines only.

use std::f64::consts::{FRAC_1_PI, PI, TAU};

use multiversion::multiversion;

use super::angles::PAIRS;
use super::fours::{Fours, Law, Set, sets};
use super::lanes::{LANES, Lane};
use super::pairs::{Pairs, product, square, triple};
use super::{Expectations, Fields};
use crate::error::Result;

/// The closed forms; keeps its scratch.
#[derive(Debug, Default)]
pub(super) struct Relu {
    pairs: Pairs,
    fours: Fours,
    /// All sets of four fields of K students among n, and `(K, n)`.
    sets: Vec<Set>,
    size: (usize, usize),
    /// Those of them that are left where some fields are parallel or vanish.
    left: Vec<Set>,
    /// The second layer c_a in whole vectors; that times `√C_aa`, and `Σ_b c_b C_ab`.
    outputs: Vec<Lane>,
    scaled: Vec<f64>,
    along: Vec<Lane>,
}

/// What at most three different fields contribute to the noise.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn few(pairs: &Pairs, students: usize, outputs: &[Lane], along: &mut [Lane], out: &mut [f64]) {
    let blocks = outputs.len();
    fn row(table: &[Lane], a: usize, blocks: usize) -> &[Lane] {
        &table[a * blocks..][..blocks]
    }
    let output = |a: usize| outputs[a / LANES][a % LANES];
    // What all students have in common.
    let mut common = [0.0; LANES];
    along.fill([0.0; LANES]);
    for a in 0..pairs.n {
        let (oa, c, s, psi) =
            (output(a), row(&pairs.c, a, blocks), row(&pairs.s, a, blocks), row(&pairs.psi, a, blocks));
        for b in 0..blocks {
            for k in 0..LANES {
                along[b][k] += oa * c[b][k];
                common[k] += oa * outputs[b][k] * (c[b][k] * (psi[b][k] - PI) + s[b][k]);
            }
        }
    }
    let common: f64 = common.iter().sum();
    for i in 0..students {
        let inverse = pairs.inverse[i];
        let (ci, si, psi_i) = (row(&pairs.c, i, blocks), row(&pairs.s, i, blocks), row(&pairs.psi, i, blocks));
        let (mut turned, mut across) = ([0.0; LANES], [0.0; LANES]);
        for b in 0..blocks {
            for k in 0..LANES {
                turned[k] += outputs[b][k] * psi_i[b][k] * along[b][k];
                across[k] += outputs[b][k] * si[b][k];
            }
        }
        let (turned, across): (f64, f64) = (turned.iter().sum(), across.iter().sum());
        let sum = common + 2.0 * (turned + inverse * along[i / LANES][i % LANES] * across);
        out[i * students + i] = if inverse > 0.0 { 0.25 * FRAC_1_PI * sum } else { 0.0 };
        for k in i + 1..students {
            let inverses = [inverse, pairs.inverse[k]];
            let (ck, sk, psi_k) = (row(&pairs.c, k, blocks), row(&pairs.s, k, blocks), row(&pairs.psi, k, blocks));
            let (oi, ok) = (output(i), output(k));
            let (cik, sik, psi) = (pairs.covariance(i, k), pairs.sine(i, k), pairs.psi(i, k));
            let mut sums = [0.0; LANES];
            for b in 0..blocks {
                let mut others = outputs[b];
                for own in [i, k].into_iter().filter(|own| own / LANES == b) {
                    others[own % LANES] = 0.0;
                }
                for lane in 0..LANES {
                    let ob = others[lane];
                    let (c, s) = ([ci[b][lane], ck[b][lane], cik], [si[b][lane], sk[b][lane], sik]);
                    let orthant = psi + psi_i[b][lane] + psi_k[b][lane] - PI;
                    // A field that is i drops out as a step, and so does k.
                    let with_i = triple(orthant, inverses[1], [cik, c[1], c[0]], [sik, s[1], s[0]]);
                    let with_k = triple(orthant, inverses[0], [cik, c[0], c[1]], [sik, s[0], s[1]]);
                    let both = square(orthant, inverses, pairs.variance[b][lane], c, s);
                    sums[lane] += ob * (ob * both + 2.0 * (oi * with_i + ok * with_k));
                }
            }
            let (cii, ckk) = (pairs.covariance(i, i), pairs.covariance(k, k));
            let own = oi * oi * (cii * psi + cik * sik * inverses[1]) + ok * ok * (ckk * psi + cik * sik * inverses[0]);
            let sum = sums.iter().sum::<f64>() + 2.0 * own + 4.0 * oi * ok * (cik * psi + sik);
            out[i * students + k] = if inverses.contains(&0.0) { 0.0 } else { 0.25 * FRAC_1_PI * sum };
        }
    }
}

impl Relu {
    /// Adds what sets with parallel fields contribute, and leaves the others in `left`.
    fn special(&mut self, outputs: &[f64], students: usize, out: &mut [f64]) {
        self.left.clear();
        for set in &self.sets {
            let mut set = *set;
            // A field that vanishes is never positive.
            if set.at.iter().any(|&a| self.pairs.inverse[a] == 0.0) {
                continue;
            }
            for (e, [i, k]) in PAIRS.into_iter().enumerate() {
                let [i, k, a, b] = [i, k, PAIRS[5 - e][0], PAIRS[5 - e][1]].map(|p| set.at[p]);
                if set.roles >> e & 1 == 1
                    && let Some(value) = self.pairs.coinciding([i, k, a, b])
                {
                    out[i * students + k] += 0.5 * FRAC_1_PI * outputs[a] * outputs[b] * value;
                    set.roles &= !(1 << e);
                }
            }
            if set.roles != 0 {
                self.left.push(set);
            }
        }
    }
}

impl Expectations for Relu {
    fn values(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        let (n, pairs) = (fields.len(), &mut self.pairs);
        pairs.load(fields);
        for (a, row) in out.chunks_exact_mut(n).enumerate().take(n) {
            for (b, value) in row.iter_mut().enumerate() {
                *value = product(pairs.sine(a, b), pairs.psi(a, b), pairs.covariance(a, b)) / TAU;
            }
        }
        Ok(())
    }

    fn value_slopes(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        // E[1_i r_b] = (√C_bb + C_ib/√C_ii)/√8π.
        let (n, c) = (fields.len(), fields.covariance);
        for (i, row) in out.chunks_exact_mut(n).enumerate().take(fields.students) {
            let variance = c[i * n + i];
            for (b, value) in row.iter_mut().enumerate() {
                let along = if variance > 0.0 { c[i * n + b] / variance.sqrt() } else { f64::NEG_INFINITY };
                *value = (c[b * n + b].max(0.0).sqrt() + along).max(0.0) / (4.0 * TAU).sqrt();
            }
        }
        Ok(())
    }

    fn slopes(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        self.pairs.load(fields);
        for (i, row) in out.chunks_exact_mut(fields.len()).enumerate().take(fields.students) {
            for (value, psi) in row.iter_mut().zip(self.pairs.psi_row(i)) {
                *value = psi / TAU;
            }
        }
        Ok(())
    }

    fn drift(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()> {
        let (n, c) = (fields.len(), fields.covariance);
        self.pairs.load(fields);
        for (i, row) in out.chunks_exact_mut(n).enumerate().take(fields.students) {
            row.fill(0.0);
            let mut along = 0.0;
            for (b, (s, psi)) in self.pairs.sine_row(i).iter().zip(self.pairs.psi_row(i)).enumerate().take(n) {
                along += outputs[b] * s;
                let weight = outputs[b] * psi / TAU;
                for (sum, cab) in row.iter_mut().zip(&c[b * n..][..n]) {
                    *sum += weight * cab;
                }
            }
            let along = along * self.pairs.inverse[i] / TAU;
            for (sum, cia) in row.iter_mut().zip(&c[i * n..][..n]) {
                *sum += along * cia;
            }
        }
        Ok(())
    }

    fn noise(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()> {
        let (n, students) = (fields.len(), fields.students);
        self.pairs.load(fields);
        let blocks = self.pairs.blocks;
        self.along.resize(blocks, [0.0; LANES]);
        self.outputs.clear();
        self.outputs.resize(blocks, [0.0; LANES]);
        self.outputs.as_flattened_mut()[..n].copy_from_slice(&outputs[..n]);
        few(&self.pairs, students, &self.outputs, &mut self.along, out);

        if self.size != (students, n) {
            (self.sets, self.size) = (sets(students, n), (students, n));
        }
        if self.pairs.degenerate {
            self.special(outputs, students, out);
        }
        self.scaled.clear();
        self.scaled.extend(
            outputs.iter().zip(&self.pairs.inverse).map(
                |(c, inverse)| {
                    if *inverse > 0.0 { c / inverse.sqrt() } else { 0.0 }
                },
            ),
        );
        let law = Law { covariance: fields.covariance, pairs: &self.pairs, outputs, scaled: &self.scaled };
        let sets = if self.pairs.degenerate { &self.left } else { &self.sets };
        self.fours.add(&law, sets, students, out);
        for i in 0..students {
            for k in 0..i {
                out[i * students + k] = out[k * students + i];
            }
        }
        Ok(())
    }
}
