//! Dual kernels of many correlations at once, in vector registers.

use std::f64::consts::{FRAC_1_PI, FRAC_2_PI};

use multiversion::multiversion;

use super::dual::DualKernel;
use super::lanes::angle;

/// Correlations that go through a series side by side.
const WIDTH: usize = 16;

impl DualKernel {
    /// `K(r)` and `K'(r)` of every correlation of a list, the numbers of [`DualKernel::at`] to rounding (near |r| = 1 the slope
    /// of ReLU is more accurate here), the same bits on every machine. Goes as far as the shortest list.
    pub fn fill(&self, r: &[f64], values: &mut [f64], slopes: &mut [f64]) {
        let n = r.len().min(values.len()).min(slopes.len());
        let (r, values, slopes) = (&r[..n], &mut values[..n], &mut slopes[..n]);
        match self {
            Self::ArcCosine => arc_cosine(r, values, slopes),
            Self::ArcSine => arc_sine(r, values, slopes),
            Self::Series { coefficients, .. } => series(coefficients, r, values, slopes),
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn arc_cosine(r: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    for ((&r, value), slope) in r.iter().zip(values).zip(slopes) {
        let r = r.clamp(-1.0, 1.0);
        let root = ((1.0 - r) * (1.0 + r)).sqrt();
        let angle = angle(root, -r);
        *value = (root + r * angle) * (0.5 * FRAC_1_PI);
        *slope = angle * (0.5 * FRAC_1_PI);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn arc_sine(r: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    for ((&r, value), slope) in r.iter().zip(values).zip(slopes) {
        let r = r.clamp(-1.0, 1.0);
        let size = 0.5 * r.abs();
        let root = ((1.0 - size) * (1.0 + size)).sqrt();
        let arc = angle(size, root);
        *value = FRAC_2_PI * if r < 0.0 { -arc } else { arc };
        *slope = 0.5 * FRAC_2_PI / root;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn series(coefficients: &[f64], r: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    for ((r, values), slopes) in r.chunks(WIDTH).zip(values.chunks_mut(WIDTH)).zip(slopes.chunks_mut(WIDTH)) {
        let mut x = [0.0; WIDTH];
        x[..r.len()].copy_from_slice(r);
        let (mut value, mut slope) = ([0.0; WIDTH], [0.0; WIDTH]);
        for c in coefficients.iter().rev() {
            for lane in 0..WIDTH {
                slope[lane] = slope[lane] * x[lane] + value[lane];
                value[lane] = value[lane] * x[lane] + c;
            }
        }
        values.copy_from_slice(&value[..r.len()]);
        slopes.copy_from_slice(&slope[..r.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Activation;

    #[test]
    fn lists_are_their_numbers() {
        let tanh = Activation::Tanh.into();
        let kernels = [DualKernel::ArcCosine, DualKernel::ArcSine, DualKernel::series(&tanh, &tanh, 60).unwrap()];
        let r: Vec<f64> = (0..=1003).map(|k| (f64::from(k) / 501.5 - 1.0).clamp(-1.0, 1.0)).collect();
        for kernel in &kernels {
            let (mut values, mut slopes) = (vec![0.0; r.len()], vec![0.0; r.len()]);
            kernel.fill(&r, &mut values, &mut slopes);
            for ((&r, value), slope) in r.iter().zip(values).zip(slopes) {
                let expected = kernel.at(r);
                // A few units in the last place of numbers up to 1; sixty terms in the slope of the series.
                assert!((value - expected[0]).abs() < 1e-15, "{kernel:?} {r}: {value} {}", expected[0]);
                assert!((slope - expected[1]).abs() < 5e-15, "{kernel:?} {r}: {slope} {}", expected[1]);
            }
        }
    }
}
