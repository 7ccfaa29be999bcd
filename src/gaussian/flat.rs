//! Four zero-mean Gaussian fields that are linear functions of two, all positive: second moments in closed form.

use std::f64::consts::{FRAC_1_PI, FRAC_PI_2};

/// Shares δ of the variance of a field outside the plane that are more than this are never neglected.
pub(super) const OUTSIDE: f64 = 6e-11;

/// Whether to neglect δ where the least angle of two fields has the sine s: that changes the moments by up to δ/2s, and rounding
/// those of the general formulas by up to about 1e-11 (1e-10/δ)².
fn negligible(share: f64, sine: f64) -> bool {
    share <= OUTSIDE && share * share * share <= 2e-31 * sine
}

/// Fields `x_k = σ_k ρ cos(φ − φ_k)` with `ρ² ~ χ²_2` and φ uniform: all are positive on one arc.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat {
    deviation: [f64; 4],
    direction: [f64; 4],
    arc: (f64, f64),
}

impl Flat {
    /// `None` if the fields `at` (none of which vanishes) do not lie in a plane; `c` is the covariance (n×n), `sine` that of the
    /// least angle.
    pub(super) fn new(c: &[f64], n: usize, at: [usize; 4], sine: f64) -> Option<Self> {
        let deviation = at.map(|a| c[a * n + a].sqrt());
        let cosine = |p: usize, q: usize| (c[at[p] * n + at[q]] / (deviation[p] * deviation[q])).clamp(-1.0, 1.0);
        // The plane is best known from the two most different fields.
        let (mut p, mut q) = (0, 1);
        for i in 0..4 {
            for k in i + 1..4 {
                if cosine(i, k).abs() < cosine(p, q).abs() {
                    (p, q) = (i, k);
                }
            }
        }
        let along = cosine(p, q);
        let across = (1.0 - along * along).sqrt();
        if across < 1e-3 {
            return None;
        }
        let mut direction = [0.0; 4];
        let (mut low, mut high) = (-FRAC_PI_2, FRAC_PI_2);
        for (k, direction) in direction.iter_mut().enumerate() {
            let x = if k == p { 1.0 } else { cosine(p, k) };
            let y = if k == p {
                0.0
            } else if k == q {
                across
            } else {
                (cosine(q, k) - along * x) / across
            };
            if !negligible(1.0 - x * x - y * y, sine) {
                return None;
            }
            *direction = libm::atan2(y, x);
            low = low.max(*direction - FRAC_PI_2);
            high = high.min(*direction + FRAC_PI_2);
        }
        Some(Self { deviation, direction, arc: (low, high.max(low)) })
    }

    /// `E[x_a x_b 1_0 1_1 1_2 1_3]` for two of the fields.
    pub(super) fn second_moment(&self, a: usize, b: usize) -> f64 {
        let (low, high) = self.arc;
        let (sum, difference) = (self.direction[a] + self.direction[b], self.direction[a] - self.direction[b]);
        let turning = 0.5 * (libm::sin(2.0 * high - sum) - libm::sin(2.0 * low - sum));
        let size = 0.5 * FRAC_1_PI * self.deviation[a] * self.deviation[b];
        size * ((high - low) * libm::cos(difference) + turning)
    }
}
