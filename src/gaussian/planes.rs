//! Where integrands over several normal variables are not smooth, so that panels can end there.

use super::factor::{Factor, MOST};

/// `coefficients · z + offset = 0`, smeared over `width`.
#[derive(Debug, Clone, Copy)]
struct Plane {
    coefficients: [f64; MOST],
    offset: f64,
    width: f64,
}

/// Width, in deviations of the variable, up to which a kink deserves panels of its own.
const SHARP: f64 = 0.5;
/// Most planes a direction.
const CROWD: usize = 12;

impl Plane {
    /// Its width in units of the direction d, if it cuts that direction sharply.
    fn sharpness(&self, d: usize) -> Option<f64> {
        let width = self.width / self.coefficients[d].abs();
        (width < SHARP).then_some(width)
    }

    /// Scaled so that the coefficients before direction d have norm 1, if that leaves a sharp plane.
    fn below(mut self, d: usize) -> Option<Self> {
        let norm = self.coefficients[..d].iter().map(|x| x * x).sum::<f64>().sqrt();
        self.coefficients[d..].fill(0.0);
        self.coefficients.iter_mut().for_each(|x| *x /= norm);
        (self.offset, self.width) = (self.offset / norm, self.width / norm);
        (norm > 1e-12 && self.width < SHARP).then_some(self)
    }
}

/// For each direction, the planes that panels along it should end at, given the variables before it.
#[derive(Debug, Clone, Default)]
pub(super) struct Planes {
    levels: [Vec<Plane>; MOST],
}

impl Planes {
    /// For fields with these means and kinks, integrated over the first `dims` directions (the others having been averaged).
    pub(super) fn fill(&mut self, factor: &Factor, dims: usize, mean: &[f64; MOST], kinks: [&[f64]; MOST]) {
        self.levels.iter_mut().for_each(Vec::clear);
        let Some(top) = dims.checked_sub(1) else { return };
        for t in 0..factor.len {
            let width = factor.l[t][dims..].iter().map(|x| x * x).sum::<f64>().sqrt();
            for kink in kinks[t] {
                let plane = Plane { coefficients: factor.l[t], offset: mean[t] - kink, width };
                self.levels[top].extend(plane.below(dims));
            }
        }
        // What is left of them once direction d is integrated: kinks that it did not smear, and where two of them met.
        for d in (1..=top).rev() {
            let (lower, upper) = self.levels.split_at_mut(d);
            let (lower, upper) = (&mut lower[d - 1], &upper[0]);
            for (at, plane) in upper.iter().enumerate() {
                let mut smeared = *plane;
                smeared.width = plane.width.hypot(plane.coefficients[d]);
                lower.extend(smeared.below(d));
                for other in &upper[..at] {
                    if let (Some(v), Some(w)) = (plane.sharpness(d), other.sharpness(d)) {
                        let (p, q) = (plane.coefficients[d], other.coefficients[d]);
                        let crossing = Plane {
                            coefficients: std::array::from_fn(|e| {
                                plane.coefficients[e] / p - other.coefficients[e] / q
                            }),
                            offset: plane.offset / p - other.offset / q,
                            width: v.hypot(w),
                        };
                        lower.extend(crossing.below(d));
                    }
                }
            }
            lower.truncate(CROWD);
        }
    }

    /// Appends where panels along direction d should end, given the variables before it.
    pub(super) fn ends(&self, d: usize, z: &[f64; MOST], ends: &mut Vec<f64>) {
        for plane in &self.levels[d] {
            if let Some(width) = plane.sharpness(d) {
                let before: f64 = plane.coefficients[..d].iter().zip(z).map(|(c, z)| c * z).sum();
                let at = -(plane.offset + before) / plane.coefficients[d];
                ends.push(at);
                if width > 0.0 {
                    ends.extend([at - 5.0 * width, at + 5.0 * width]);
                }
            }
        }
    }
}
