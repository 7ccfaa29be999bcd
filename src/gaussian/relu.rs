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
//! [`super::orthant`]; `D^p_bq = C_bq − C_bp C_pq/C_pp` is a covariance given `x_p`, and `ψ_{rs|pq}` belongs to the law given
//! `x_p = x_q = 0`. Written so, nothing is divided by a small number that is not itself in the numerator. Fields that coincide
//! need the first two lines only.

use std::f64::consts::{FRAC_1_PI, PI, TAU};

use super::flat::Flat;
use super::fours::add_fours;
use super::lanes::angle;
use super::orthant::Orthant;
use super::{Expectations, Fields};
use crate::error::Result;

/// The closed forms; keeps its scratch.
#[derive(Debug, Default)]
pub(super) struct Relu {
    pairs: Pairs,
    /// Sets of four fields that need care.
    hard: Vec<[usize; 4]>,
}

/// `s` and `ψ` of all pairs of fields.
#[derive(Debug, Default)]
struct Pairs {
    n: usize,
    s: Vec<f64>,
    psi: Vec<f64>,
    /// `1/C_aa`, 0 for a field that vanishes.
    inverse: Vec<f64>,
}

/// `s_pq` and `ψ_pq` of two fields; a field that vanishes is never active.
pub(super) fn pair(p: f64, q: f64, pq: f64) -> (f64, f64) {
    if !(p > 0.0 && q > 0.0) {
        return (0.0, 0.0);
    }
    let s = (p * q - pq * pq).max(0.0).sqrt();
    (s, angle(s, -pq))
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

impl Pairs {
    fn load(&mut self, fields: Fields<'_>) {
        let (n, c) = (fields.len(), fields.covariance);
        self.n = n;
        self.s.resize(n * n, 0.0);
        self.psi.resize(n * n, 0.0);
        self.inverse.resize(n, 0.0);
        for a in 0..n {
            let variance = c[a * n + a];
            let active = variance > 0.0;
            self.inverse[a] = if active { 1.0 / variance } else { 0.0 };
            self.s[a * n + a] = 0.0;
            self.psi[a * n + a] = if active { PI } else { 0.0 };
            for b in a + 1..n {
                let (s, psi) = pair(variance, c[b * n + b], c[a * n + b]);
                (self.s[a * n + b], self.s[b * n + a]) = (s, s);
                (self.psi[a * n + b], self.psi[b * n + a]) = (psi, psi);
            }
        }
    }

    /// `4π E[1_i r_a r_b]`.
    fn triple(&self, c: &[f64], i: usize, a: usize, b: usize) -> f64 {
        let n = self.n;
        if self.inverse[i] == 0.0 || self.inverse[a] == 0.0 || self.inverse[b] == 0.0 {
            return 0.0;
        }
        let (ia, ib, ab) = (i * n + a, i * n + b, a * n + b);
        let orthant = self.psi[ia] + self.psi[ib] + self.psi[ab] - PI;
        c[ab] * orthant + self.s[ab] + (c[ia] * self.s[ib] + c[ib] * self.s[ia]) * self.inverse[i]
    }

    /// Whether the sine of the angle between two fields is at most √`square`, and if so whether they point the same way.
    fn parallel(&self, c: &[f64], a: usize, b: usize, square: f64) -> Option<bool> {
        let at = a * self.n + b;
        let s = self.s[at];
        (s * s * self.inverse[a] * self.inverse[b] <= square).then_some(c[at] > 0.0)
    }

    /// Adds to the upper triangle of `out` what four different fields, in ascending order, contribute in all their roles.
    fn set(&self, c: &[f64], outputs: &[f64], students: usize, at: [usize; 4], out: &mut [f64]) {
        const ROLES: [[usize; 4]; 6] =
            [[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2], [1, 2, 0, 3], [1, 3, 0, 2], [2, 3, 0, 1]];
        let special = at.iter().any(|&p| self.inverse[p] == 0.0)
            || ROLES.iter().any(|[p, q, ..]| self.parallel(c, at[*p], at[*q], 1e-12).is_some());
        let flat = if special { None } else { Flat::new(c, self.n, at) };
        let orthant = (!special && flat.is_none()).then(|| Orthant::new(c, &self.inverse, at));
        for [i, k, a, b] in ROLES {
            if at[k] < students {
                let value = match (&flat, &orthant) {
                    (Some(flat), _) => flat.second_moment(a, b),
                    (None, Some(orthant)) => orthant.second_moment(a, b),
                    (None, None) => self.four(c, [at[i], at[k], at[a], at[b]]),
                };
                out[at[i] * students + at[k]] += 2.0 * outputs[at[a]] * outputs[at[b]] * value;
            }
        }
    }

    /// `E[1_i 1_k r_a r_b]` for four different fields.
    fn four(&self, c: &[f64], [i, k, a, b]: [usize; 4]) -> f64 {
        if [i, k, a, b].iter().any(|&p| self.inverse[p] == 0.0) {
            return 0.0;
        }
        // An angle θ between two fields that are taken for one costs θ for two steps, else θ².
        let same = match self.parallel(c, i, k, 4e-15) {
            Some(true) => Some(self.triple(c, i, a, b)),
            Some(false) => Some(0.0),
            None => None,
        };
        let same = same.or_else(|| {
            [(i, a, k), (i, b, k), (k, a, i), (k, b, i)].into_iter().find_map(|(p, q, step)| {
                let along = self.parallel(c, p, q, 1e-12)?;
                Some(if along { self.triple(c, step, a, b) } else { 0.0 })
            })
        });
        let same = same.or_else(|| {
            if !self.parallel(c, a, b, 1e-12)? {
                return Some(0.0);
            }
            let n = self.n;
            let scale = (c[b * n + b] * self.inverse[a]).sqrt();
            Some(0.5 * (scale * self.square(c, i, k, a) + self.square(c, i, k, b) / scale))
        });
        same.map_or_else(
            || Orthant::new(c, &self.inverse, [i, k, a, b]).second_moment(2, 3),
            |value| value * 0.25 * FRAC_1_PI,
        )
    }

    /// `4π E[1_i 1_k r_a²]` for three different fields.
    fn square(&self, c: &[f64], i: usize, k: usize, a: usize) -> f64 {
        let n = self.n;
        let (ii, kk) = (self.inverse[i], self.inverse[k]);
        if ii == 0.0 || kk == 0.0 || self.inverse[a] == 0.0 {
            return 0.0;
        }
        let (ia, ka, ik) = (i * n + a, k * n + a, i * n + k);
        let orthant = self.psi[ia] + self.psi[ka] + self.psi[ik] - PI;
        let s = self.s[ik];
        let cross = ratio(c[ka] - c[ik] * c[ia] * ii, s, self.s[ia] * ii) * (c[ia] - c[ik] * c[ka] * kk);
        c[a * n + a] * orthant + c[ia] * self.s[ia] * ii + c[ka] * self.s[ka] * kk + cross + s * c[ia] * c[ka] * ii * kk
    }
}

/// `numerator/denominator`, which is at most `most` in size but for rounding.
pub(super) fn ratio(numerator: f64, denominator: f64, most: f64) -> f64 {
    if denominator > 0.0 { (numerator / denominator).clamp(-most, most) } else { 0.0 }
}

impl Expectations for Relu {
    fn values(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        let (n, c) = (fields.len(), fields.covariance);
        self.pairs.load(fields);
        for (at, value) in out[..n * n].iter_mut().enumerate() {
            *value = product(self.pairs.s[at], self.pairs.psi[at], c[at]) / TAU;
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
        for (value, psi) in out.iter_mut().zip(&self.pairs.psi) {
            *value = psi / TAU;
        }
        Ok(())
    }

    fn drift(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()> {
        let (n, c) = (fields.len(), fields.covariance);
        self.pairs.load(fields);
        for (i, row) in out.chunks_exact_mut(n).enumerate().take(fields.students) {
            row.fill(0.0);
            let mut along = 0.0;
            for b in 0..n {
                along += outputs[b] * self.pairs.s[i * n + b];
                let weight = outputs[b] * self.pairs.psi[i * n + b] / TAU;
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
        let (n, students, c) = (fields.len(), fields.students, fields.covariance);
        self.pairs.load(fields);
        let pairs = &self.pairs;
        for i in 0..students {
            for k in i..students {
                let mut sum = 0.0;
                for a in 0..n {
                    let other = a != i && a != k;
                    let square = if other && i != k {
                        pairs.square(c, i, k, a)
                    } else {
                        // A field that is i drops out as a step.
                        pairs.triple(c, if a == i { k } else { i }, a, a)
                    };
                    sum += outputs[a] * outputs[a] * square;
                    for b in a + 1..n {
                        let four = i != k && other && b != i && b != k;
                        if !four {
                            // The step that is not also a value.
                            let step = if i == k || k == a || k == b { i } else { k };
                            sum += 2.0 * outputs[a] * outputs[b] * pairs.triple(c, step, a, b);
                        }
                    }
                }
                (out[i * students + k], out[k * students + i]) = (sum / (2.0 * TAU), sum / (2.0 * TAU));
            }
        }
        self.hard.clear();
        add_fours(students, c, outputs, out, &mut self.hard);
        for &set in &self.hard {
            pairs.set(c, outputs, students, set, out);
        }
        for i in 0..students {
            for k in 0..i {
                out[i * students + k] = out[k * students + i];
            }
        }
        Ok(())
    }
}
