//! A smooth function of one variable, tabulated.

/// Points of the interpolation.
pub(super) const ORDER: usize = 12;
/// Grid points to the left of the cell that a polynomial belongs to.
const LEFT: usize = ORDER / 2 - 1;

/// Piecewise polynomials through 12 neighbouring points of a uniform grid, one a cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Curve {
    low: f64,
    per: f64,
    /// Coefficients in `u ∈ [−½, ½]`, from the constant up.
    cells: Vec<[f64; ORDER]>,
}

/// `basis[r][k]`: coefficient of `u^k` in the r-th Lagrange polynomial on the nodes `r − LEFT − ½`.
fn basis() -> [[f64; ORDER]; ORDER] {
    let node = |r: usize| r as f64 - LEFT as f64 - 0.5;
    std::array::from_fn(|r| {
        let mut poly = [0.0; ORDER];
        poly[0] = 1.0;
        for (degree, q) in (0..ORDER).filter(|&q| q != r).enumerate() {
            let scale = 1.0 / (node(r) - node(q));
            for k in (0..=degree + 1).rev() {
                let lower = if k > 0 { poly[k - 1] } else { 0.0 };
                poly[k] = (lower - node(q) * poly[k]) * scale;
            }
        }
        poly
    })
}

thread_local! {
    static BASIS: [[f64; ORDER]; ORDER] = basis();
}

impl Curve {
    /// Samples that the cells `[low + kδ, low + (k+1)δ]`, k < `cells`, need: at `low + (k − LEFT)δ` for k below this number.
    pub(super) fn samples(cells: usize) -> usize {
        cells + ORDER - 1
    }

    /// Where sample `k` lies.
    pub(super) fn abscissa(low: f64, spacing: f64, k: usize) -> f64 {
        low + spacing * (k as f64 - LEFT as f64)
    }

    /// Replaces the curve by that through `samples`.
    pub(super) fn fill(&mut self, low: f64, spacing: f64, samples: &[f64]) {
        self.low = low;
        self.per = 1.0 / spacing;
        self.cells.clear();
        BASIS.with(|basis| {
            self.cells.extend(samples.windows(ORDER).map(|window| {
                let mut cell = [0.0; ORDER];
                for (value, basis) in window.iter().zip(basis) {
                    for (sum, b) in cell.iter_mut().zip(basis) {
                        *sum += value * b;
                    }
                }
                cell
            }));
        });
    }

    /// Weights of the 12 samples around a cell for the value at `u` of it.
    pub(super) fn weights(u: f64) -> [f64; ORDER] {
        BASIS.with(|basis| basis.map(|poly| poly.iter().rev().fold(0.0, |sum, c| sum * u + c)))
    }

    /// Whether `x` lies where the curve is known.
    #[inline]
    pub(super) fn covers(&self, low: f64, high: f64) -> bool {
        !self.cells.is_empty() && low >= self.low && high <= self.low + self.cells.len() as f64 / self.per
    }

    /// The value at `x`; beyond the ends that of the last polynomial.
    #[inline]
    pub(super) fn at(&self, x: f64) -> f64 {
        let t = (x - self.low) * self.per;
        let k = (t.max(0.0) as usize).min(self.cells.len().saturating_sub(1));
        let u = t - k as f64 - 0.5;
        self.cells.get(k).map_or(0.0, |c| {
            let v = u * u;
            // Even and odd part side by side.
            let even = c[0] + v * (c[2] + v * (c[4] + v * (c[6] + v * (c[8] + v * c[10]))));
            let odd = c[1] + v * (c[3] + v * (c[5] + v * (c[7] + v * (c[9] + v * c[11]))));
            even + u * odd
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_hold_twelve_digits() {
        let (low, spacing, cells) = (-3.0, 1.0 / 16.0, 96);
        let samples: Vec<f64> =
            (0..Curve::samples(cells)).map(|k| libm::tanh(Curve::abscissa(low, spacing, k))).collect();
        let mut curve = Curve::default();
        curve.fill(low, spacing, &samples);
        for k in 0..=6000 {
            let x = -3.0 + 1e-3 * f64::from(k);
            // 26380 (h/4)^12 times the 12th derivative over 12!, (2/π)^12.
            assert!((curve.at(x) - libm::tanh(x)).abs() < 1e-12, "{x}");
        }
    }
}
