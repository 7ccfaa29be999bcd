//! `g(x) = erf(x/√2)` for students and teachers, zero means: Saad & Solla (1995), Phys. Rev. E 52, 4225, eqs. (A1)–(A6).
//!
//! The two Gaussian factors `g'_i g'_k` of I4 turn `N(0, C)` into `N(0, C̃)` with
//! `C̃ = C − C_S (1 + C_SS)⁻¹ C_Sᵀ`, `S = {i, k}`, and what is left is I2 under `C̃`. All pairs (i, k) are treated side by side in
//! vector registers; with the symmetries i ↔ k and a ↔ b there remain `K(K+1)/2 · n(n+1)/2` arcsines.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

use multiversion::multiversion;

use super::{Expectations, Fields};
use crate::error::Result;

/// Pairs (i, k) in one vector.
const LANES: usize = 4;
type Lane = [f64; LANES];

/// The closed forms; keeps its scratch.
#[derive(Debug, Default)]
pub(super) struct Erf {
    /// `C_ai` and `C_ak` for each field a.
    columns: Vec<[Lane; 2]>,
    /// `1/√(1 + C̃_aa)`.
    scale: Vec<Lane>,
    /// What field b contributes to the drift of one student.
    weights: Vec<f64>,
}

impl Expectations for Erf {
    fn values(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        let (n, c) = (fields.len(), fields.covariance);
        for a in 0..n {
            for b in a..n {
                let sine = c[a * n + b] / ((1.0 + c[a * n + a]) * (1.0 + c[b * n + b])).sqrt();
                let value = FRAC_2_PI * asin(sine);
                (out[a * n + b], out[b * n + a]) = (value, value);
            }
        }
        Ok(())
    }

    /// Zero: odd functions.
    fn value_slopes(&mut self, _fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        out.fill(0.0);
        Ok(())
    }

    fn slopes(&mut self, fields: Fields<'_>, out: &mut [f64]) -> Result<()> {
        let (n, c) = (fields.len(), fields.covariance);
        for (i, row) in out.chunks_exact_mut(n).enumerate() {
            for (b, value) in row.iter_mut().enumerate() {
                // For b = i the two fields coincide and the same expression gives 1 + 2 C_ii.
                let determinant = (1.0 + c[i * n + i]) * (1.0 + c[b * n + b]) - c[i * n + b] * c[i * n + b];
                *value = FRAC_2_PI / determinant.sqrt();
            }
        }
        Ok(())
    }

    fn drift(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()> {
        self.weights.resize(fields.len(), 0.0);
        drift(fields.covariance, outputs, &mut self.weights, out);
        Ok(())
    }

    fn noise(&mut self, fields: Fields<'_>, outputs: &[f64], out: &mut [f64]) -> Result<()> {
        let (n, k) = (fields.len(), fields.students);
        self.columns.resize(n, [[0.0; LANES]; 2]);
        self.scale.resize(n, [0.0; LANES]);
        noise(k, fields.covariance, outputs, &mut self.columns, &mut self.scale, out);
        Ok(())
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn drift(c: &[f64], outputs: &[f64], weights: &mut [f64], out: &mut [f64]) {
    let n = outputs.len();
    let (c, weights) = (&c[..n * n], &mut weights[..n]);
    for (i, row) in out.chunks_exact_mut(n).enumerate() {
        let ci = &c[i * n..][..n];
        let qi = 1.0 + ci[i];
        for b in 0..n {
            weights[b] = FRAC_2_PI * outputs[b] / (qi * (1.0 + c[b * n + b]) - ci[b] * ci[b]).sqrt();
        }
        let along: f64 = weights.iter().zip(ci).map(|(weight, cib)| weight * cib).sum::<f64>() / qi;
        for (sum, cia) in row.iter_mut().zip(ci) {
            *sum = -along * cia;
        }
        for (weight, cb) in weights.iter().zip(c.chunks_exact(n)) {
            for (sum, cab) in row.iter_mut().zip(cb) {
                *sum += weight * cab;
            }
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn noise(students: usize, c: &[f64], outputs: &[f64], columns: &mut [[Lane; 2]], scale: &mut [Lane], out: &mut [f64]) {
    let n = columns.len();
    let (mut i, mut k) = (0, 0);
    while i < students {
        let mut group = [(0, 0); LANES];
        let mut filled = 0;
        while filled < LANES && i < students {
            group[filled] = (i, k);
            filled += 1;
            k += 1;
            if k == students {
                i += 1;
                k = i;
            }
        }
        // 1/det(1 + C_SS), and the entries of (1 + C_SS)⁻¹.
        let (mut root, mut ii, mut kk, mut ik) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for (lane, &(i, k)) in group.iter().enumerate() {
            for (a, column) in columns.iter_mut().enumerate() {
                column[0][lane] = c[i * n + a];
                column[1][lane] = c[k * n + a];
            }
            let (qi, qk, cik) = (1.0 + c[i * n + i], 1.0 + c[k * n + k], c[i * n + k]);
            let inverse = 1.0 / (qi * qk - cik * cik);
            root[lane] = inverse;
            (ii[lane], kk[lane], ik[lane]) = (qk * inverse, qi * inverse, -cik * inverse);
        }
        for (a, (scale, [u, v])) in scale.iter_mut().zip(&*columns).enumerate() {
            let diagonal = c[a * n + a];
            for lane in 0..LANES {
                let (x, y) = (u[lane], v[lane]);
                let removed = ii[lane] * x * x + 2.0 * ik[lane] * x * y + kk[lane] * y * y;
                scale[lane] = 1.0 / (1.0 + diagonal - removed).sqrt();
            }
        }
        let mut sum = [0.0; LANES];
        for a in 0..n {
            let ([u, v], s, ca) = (columns[a], scale[a], outputs[a]);
            let (mut left, mut right) = ([0.0; LANES], [0.0; LANES]);
            for lane in 0..LANES {
                left[lane] = ii[lane] * u[lane] + ik[lane] * v[lane];
                right[lane] = ik[lane] * u[lane] + kk[lane] * v[lane];
            }
            for b in a..n {
                let ([x, y], t) = (&columns[b], &scale[b]);
                let weight = if a == b { ca * ca } else { 2.0 * ca * outputs[b] };
                let cab = c[a * n + b];
                let mut sine = [0.0; LANES];
                for lane in 0..LANES {
                    let tilted = cab - left[lane] * x[lane] - right[lane] * y[lane];
                    sine[lane] = tilted * s[lane] * t[lane];
                }
                // Variances up to 1 give arguments up to ½: the root is seldom needed.
                let mut small = true;
                for x in sine {
                    small &= x.abs() < 0.5;
                }
                if small {
                    for lane in 0..LANES {
                        sum[lane] += weight * asin_small(sine[lane], sine[lane] * sine[lane]);
                    }
                } else {
                    for lane in 0..LANES {
                        sum[lane] += weight * asin(sine[lane]);
                    }
                }
            }
        }
        for (lane, &(i, k)) in group[..filled].iter().enumerate() {
            let value = FRAC_2_PI * FRAC_2_PI * root[lane].sqrt() * sum[lane];
            (out[i * students + k], out[k * students + i]) = (value, value);
        }
    }
}

/// Arcsine without branches, so that it runs in vector registers (the rational function of FreeBSD's msun, error below 1 ulp
/// before rounding). Arguments beyond ±1 by rounding count as ±1.
#[inline(always)]
fn asin(x: f64) -> f64 {
    let size = x.abs();
    let small = size < 0.5;
    let half = 0.5 * (1.0 - if size > 1.0 { 1.0 } else { size });
    let z = if small { x * x } else { half };
    let s = if small { size } else { half.sqrt() };
    let arc = asin_small(s, z);
    let arc = if small { arc } else { FRAC_PI_2 - 2.0 * arc };
    arc.copysign(x)
}

/// `asin s` for `0 ≤ s ≤ ½` (or of the same sign for negative s), given `z = s²`.
#[inline(always)]
fn asin_small(s: f64, z: f64) -> f64 {
    let p = z
        * (1.666_666_666_666_666_6e-1
            + z * (-3.255_658_186_224_009e-1
                + z * (2.012_125_321_348_629_3e-1
                    + z * (-4.005_553_450_067_941e-2
                        + z * (7.915_349_942_898_145e-4 + z * 3.479_331_075_960_212e-5)))));
    let q = 1.0
        + z * (-2.403_394_911_734_414
            + z * (2.020_945_760_233_505_7 + z * (-6.882_839_716_054_533e-1 + z * 7.703_815_055_590_194e-2)));
    s + s * (p / q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arcsine_is_that_of_the_library() {
        for k in -100_000..=100_000 {
            let x = f64::from(k) * 1e-5;
            // A few units in the last place.
            assert!((asin(x) - libm::asin(x)).abs() <= 4.5e-16 * x.abs(), "{x}: {} {}", asin(x), libm::asin(x));
        }
        assert_eq!((asin(1.0 + 1e-15), asin(-1.0 - 1e-15)), (FRAC_PI_2, -FRAC_PI_2));
        assert!(asin(f64::NAN).is_nan());
    }

    /// I4 as printed by Saad & Solla.
    fn i4(c: [[f64; 4]; 4]) -> f64 {
        let q = |a: usize| 1.0 + c[a][a];
        let l4 = q(0) * q(1) - c[0][1].powi(2);
        let l =
            |a: usize| l4 * q(a) - c[1][a].powi(2) * q(0) - c[0][a].powi(2) * q(1) + 2.0 * c[0][1] * c[0][a] * c[1][a];
        let l0 = l4 * c[2][3] - c[1][2] * c[1][3] * q(0) - c[0][2] * c[0][3] * q(1)
            + c[0][1] * (c[0][2] * c[1][3] + c[0][3] * c[1][2]);
        4.0 / std::f64::consts::PI.powi(2) / l4.sqrt() * (l0 / (l(2) * l(3)).sqrt()).asin()
    }

    #[test]
    fn noise_sums_the_printed_i4() {
        let c = [
            [0.7, 0.2, 0.3, -0.1, 0.05],
            [0.2, 1.3, 0.1, 0.4, 0.2],
            [0.3, 0.1, 0.9, 0.0, 0.1],
            [-0.1, 0.4, 0.0, 1.0, 0.3],
            [0.05, 0.2, 0.1, 0.3, 1.1],
        ];
        let outputs = [1.0, -0.5, 0.8, -1.0, -0.7];
        for students in [1, 2, 3] {
            let mut out = vec![0.0; students * students];
            let fields = Fields { students, covariance: c.as_flattened(), mean: &[0.0; 5] };
            Erf::default().noise(fields, &outputs, &mut out).unwrap();
            for i in 0..students {
                for k in 0..students {
                    let mut sum = 0.0;
                    for a in 0..5 {
                        for b in 0..5 {
                            let at = [i, k, a, b];
                            let cov = std::array::from_fn(|r| std::array::from_fn(|s| c[at[r]][at[s]]));
                            sum += outputs[a] * outputs[b] * i4(cov);
                        }
                    }
                    // Rounding of 25 terms of order 0.1.
                    assert!((out[i * students + k] - sum).abs() < 1e-15, "{i} {k}");
                }
            }
        }
    }
}
