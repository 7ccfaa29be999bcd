//! Linear and quadratic activations, in any mixture and with any means.
//!
//! With `y = x − mean`, the error `Γ = A + B·y + yᵀGy` (G diagonal) is a quadratic polynomial of a Gaussian vector and
//! `g'_i = p_i + q_i y_i`. By Stein's lemma, with `m = A + tr GC`, `V = m² + BᵀCB + 2 tr GCGC` and `h = mB + 2GCB`,
//!
//! ```text
//! E[Γ y] = CB     E[Γ y yᵀ] = mC + 2CGC     E[Γ²] = V     E[Γ² y] = 2Ch
//! E[Γ² y yᵀ] = VC + 2 CB(CB)ᵀ + 8 CGCGC + 4m CGC
//! ```

use super::{Expectations, Fields};
use crate::error::Result;

/// The closed forms; keeps its scratch.
#[derive(Debug)]
pub(super) struct Polynomial {
    /// Whether students and teachers are quadratic (else linear).
    pub(super) quadratic: [bool; 2],
    work: Work,
}

#[derive(Debug, Default)]
struct Work {
    /// `g = α + βy + γy²`.
    value: Vec<[f64; 3]>,
    /// `g' = p + qy`.
    slope: Vec<[f64; 2]>,
    cb: Vec<f64>,
    ch: Vec<f64>,
    /// `CGC` and `CGCGC`, n×n.
    cgc: Vec<f64>,
    cgcgc: Vec<f64>,
}

impl Polynomial {
    pub(super) fn new(quadratic: [bool; 2]) -> Self {
        Self { quadratic, work: Work::default() }
    }

    fn load(&mut self, fields: Fields<'_>) {
        let Work { value, slope, .. } = &mut self.work;
        value.clear();
        slope.clear();
        for (a, &mean) in fields.mean.iter().enumerate() {
            if self.quadratic[usize::from(a >= fields.students)] {
                value.push([mean * mean, 2.0 * mean, 1.0]);
                slope.push([2.0 * mean, 2.0]);
            } else {
                value.push([mean, 1.0, 0.0]);
                slope.push([1.0, 0.0]);
            }
        }
    }

    /// Fills `CB` and `CGC`; returns m.
    fn first(&mut self, fields: Fields<'_>, outputs: &[f64]) -> f64 {
        self.load(fields);
        let (n, c) = (fields.len(), fields.covariance);
        let Work { value, cb, cgc, .. } = &mut self.work;
        cb.clear();
        cb.extend(c.chunks_exact(n).map(|row| (0..n).map(|a| row[a] * outputs[a] * value[a][1]).sum::<f64>()));
        cgc.clear();
        cgc.resize(n * n, 0.0);
        for i in 0..n {
            for a in (0..n).filter(|&a| value[a][2] != 0.0) {
                let weight = c[i * n + a] * outputs[a] * value[a][2];
                for (sum, cak) in cgc[i * n..][..n].iter_mut().zip(&c[a * n..][..n]) {
                    *sum += weight * cak;
                }
            }
        }
        (0..n).map(|a| outputs[a] * (value[a][0] + value[a][2] * c[a * n + a])).sum()
    }
}

impl Expectations for Polynomial {
    fn values(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        self.load(fields);
        let (n, c) = (fields.len(), fields.covariance);
        for a in 0..n {
            for b in 0..n {
                let ([x0, x1, x2], [y0, y1, y2]) = (self.work.value[a], self.work.value[b]);
                let (aa, bb, ab) = (c[a * n + a], c[b * n + b], c[a * n + b]);
                out[a * n + b] =
                    x0 * y0 + x1 * y1 * ab + x0 * y2 * bb + y0 * x2 * aa + x2 * y2 * (aa * bb + 2.0 * ab * ab);
            }
        }
        Ok(())
    }

    fn value_slopes(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        self.load(fields);
        let (n, c) = (fields.len(), fields.covariance);
        for i in 0..fields.students {
            for b in 0..n {
                let ([p, q], [y0, y1, y2]) = (self.work.slope[i], self.work.value[b]);
                out[i * n + b] = p * (y0 + y2 * c[b * n + b]) + q * y1 * c[i * n + b];
            }
        }
        Ok(())
    }

    fn slopes(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        self.load(fields);
        let (n, c) = (fields.len(), fields.covariance);
        for i in 0..fields.students {
            for b in 0..n {
                let ([p, q], [r, s]) = (self.work.slope[i], self.work.slope[b]);
                out[i * n + b] = p * r + q * s * c[i * n + b];
            }
        }
        Ok(())
    }

    fn drift(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()> {
        let m = self.first(fields, outputs);
        let (n, c) = (fields.len(), fields.covariance);
        let Work { slope, cb, cgc, .. } = &self.work;
        for i in 0..fields.students {
            let [p, q] = slope[i];
            for a in 0..n {
                out[i * n + a] = p * cb[a] + q * (m * c[i * n + a] + 2.0 * cgc[i * n + a]);
            }
        }
        Ok(())
    }

    fn noise(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()> {
        let m = self.first(fields, outputs);
        let (n, c, students) = (fields.len(), fields.covariance, fields.students);
        let Work { value, slope, cb, ch, cgc, cgcgc } = &mut self.work;
        let mut second = m * m;
        cgcgc.clear();
        cgcgc.resize(students * n, 0.0);
        ch.clear();
        ch.resize(n, 0.0);
        for a in 0..n {
            let (linear, square) = (outputs[a] * value[a][1], outputs[a] * value[a][2]);
            second += linear * cb[a] + 2.0 * square * cgc[a * n + a];
            let h = m * linear + 2.0 * square * cb[a];
            for (i, sum) in ch.iter_mut().enumerate() {
                *sum += c[i * n + a] * h;
            }
            if square != 0.0 {
                for i in 0..students {
                    let weight = cgc[i * n + a] * square;
                    for (sum, cak) in cgcgc[i * n..][..n].iter_mut().zip(&c[a * n..][..n]) {
                        *sum += weight * cak;
                    }
                }
            }
        }
        for i in 0..students {
            for k in 0..students {
                let ([p, q], [r, s]) = (slope[i], slope[k]);
                let at = i * n + k;
                let product = second * c[at] + 2.0 * cb[i] * cb[k] + 8.0 * cgcgc[at] + 4.0 * m * cgc[at];
                out[i * students + k] = p * r * second + 2.0 * (p * s * ch[k] + r * q * ch[i]) + q * s * product;
            }
        }
        Ok(())
    }
}
