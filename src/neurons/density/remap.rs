//! Conservative remapping on one axis: each cell's mass moves as a parabola, whatever the length of the step.
//!
//! Faces of order 4 (Colella & Woodward 1984, eq. 1.6, equal cells) without their monotonicity limiter, which would flatten
//! smooth extrema; instead the parabola of a cell is drawn towards its mean just so far that it is nowhere negative (Zhang &
//! Shu 2010; in semi-Lagrangian schemes Rossmanith & Seal 2011). That keeps the order wherever the density is smooth, and what
//! moves is a part between 0 and all of a cell: mass is kept and no cell falls below 0, for steps of any length.

/// Cells that the one-sided formulas at the ends need.
pub(super) const FEWEST: usize = 4;

/// The parabola of a cell of width 1: integral `left·ξ + ½(rise + curve)ξ² − ⅓curve·ξ³` from its left face to ξ.
#[derive(Debug, Clone, Copy, Default)]
struct Parabola {
    mass: f64,
    left: f64,
    half: f64,
    third: f64,
}

impl Parabola {
    #[inline]
    fn new(mass: f64, mut left: f64, mut right: f64) -> Self {
        let mut curve = 6.0 * (mass - 0.5 * (left + right));
        let mut lowest = left.min(right);
        // A minimum inside: p' = rise + curve − 2 curve ξ = 0 where p is convex.
        if curve < 0.0 && (right - left).abs() < -curve {
            let at = 0.5 * (right - left + curve) / curve;
            lowest = left + curve * at * at;
        }
        if lowest < 0.0 {
            let keep = mass / (mass - lowest);
            left = mass + keep * (left - mass);
            right = mass + keep * (right - mass);
            curve *= keep;
        }
        Self { mass, left, half: 0.5 * (right - left + curve), third: curve / 3.0 }
    }

    /// Mass left of ξ ∈ [0, 1], between 0 and all of it.
    #[inline]
    fn below(&self, x: f64) -> f64 {
        (x * (self.left + x * (self.half - x * self.third))).max(0.0).min(self.mass)
    }
}

/// The density (cell width 1) at the n + 1 faces.
fn faces(mass: &[f64], out: &mut [f64]) {
    let n = mass.len();
    for (face, m) in out[2..n - 1].iter_mut().zip(mass.windows(4)) {
        *face = (7.0 * (m[1] + m[2]) - (m[0] + m[3])) / 12.0;
    }
    let end = |m: [f64; 4]| {
        [
            (25.0 * m[0] - 23.0 * m[1] + 13.0 * m[2] - 3.0 * m[3]) / 12.0,
            (3.0 * m[0] + 13.0 * m[1] - 5.0 * m[2] + m[3]) / 12.0,
        ]
    };
    [out[0], out[1]] = end([mass[0], mass[1], mass[2], mass[3]]);
    [out[n], out[n - 1]] = end([mass[n - 1], mass[n - 2], mass[n - 3], mass[n - 4]]);
}

/// Room for the faces of one line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    faces: Vec<f64>,
}

impl Line {
    /// For lines of up to `cells` cells.
    pub fn new(cells: usize) -> Self {
        Self { faces: vec![0.0; cells + 1] }
    }

    /// Adds to `out` the masses moved by `shift` cell widths; what would leave ends in the outermost cells.
    pub fn shift(&mut self, mass: &[f64], shift: f64, out: &mut [f64]) {
        let n = mass.len();
        // Farther than across the box is all the same.
        let shift = shift.clamp(-(n as f64), n as f64);
        let whole = shift.floor();
        let stays = 1.0 - (shift - whole);
        let faces_of = &mut self.faces[..n + 1];
        faces(mass, faces_of);
        let target = |cell: isize| cell.clamp(0, n as isize - 1) as usize;
        for (cell, (m, face)) in mass.iter().zip(faces_of.windows(2)).enumerate() {
            let part = if *m > 0.0 { Parabola::new(*m, face[0], face[1]).below(stays) } else { 0.0 };
            let first = cell as isize + whole as isize;
            out[target(first)] += part;
            out[target(first + 1)] += m - part;
        }
    }

    /// Replaces `out` by the masses between `departures`: n + 1 increasing points in cell widths from the lower end, the first 0
    /// and the last n.
    pub fn gather(&mut self, mass: &[f64], departures: &[f64], out: &mut [f64]) {
        let n = mass.len();
        let faces_of = &mut self.faces[..n + 1];
        faces(mass, faces_of);
        let parabola = |cell: usize| Parabola::new(mass[cell], faces_of[cell], faces_of[cell + 1]);
        let (mut cell, mut source, mut given) = (0, parabola(0), 0.0);
        for (out, &end) in out.iter_mut().zip(&departures[1..]) {
            let mut sum = 0.0;
            let last = (end as usize).min(n - 1);
            while cell < last {
                sum += source.mass - given;
                (cell, given) = (cell + 1, 0.0);
                source = parabola(cell);
            }
            // Monotone also where rounding is not.
            let below = if end >= n as f64 { source.mass } else { source.below(end - cell as f64).max(given) };
            *out = sum + (below - given);
            given = below;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(n: usize, at: f64) -> Vec<f64> {
        let law = crate::problem::Law::Gaussian { mean: at, std: 0.06 };
        (0..n).map(|k| law.mass(k as f64 / n as f64, (k + 1) as f64 / n as f64)).collect()
    }

    #[test]
    fn shifts_and_gathers_converge_with_order_three_at_least() {
        let errors: Vec<[f64; 2]> = [32, 64, 128]
            .map(|n| {
                let (start, exact) = (gaussian(n, 0.4), gaussian(n, 0.4 + 0.1234));
                let mut line = Line::new(n);
                let mut shifted = vec![0.0; n];
                line.shift(&start, 0.1234 * n as f64, &mut shifted);
                let departures: Vec<f64> =
                    (0..=n).map(|f| if f == n { n as f64 } else { (f as f64 - 0.1234 * n as f64).max(0.0) }).collect();
                let mut gathered = vec![0.0; n];
                line.gather(&start, &departures, &mut gathered);
                let error = |found: &[f64]| found.iter().zip(&exact).map(|(a, b)| (a - b).abs()).sum::<f64>();
                [error(&shifted), error(&gathered)]
            })
            .to_vec();
        for kind in 0..2 {
            for pair in errors.windows(2) {
                assert!(pair[1][kind] < pair[0][kind] / 7.0, "{errors:?}");
            }
        }
    }

    #[test]
    fn mass_and_sign_survive_any_step() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let n = 17;
        let mut line = Line::new(n);
        for trial in 0..2000 {
            // Rough data with holes.
            let mass: Vec<f64> = (0..n).map(|_| (random() - 0.4).max(0.0)).collect();
            let total: f64 = mass.iter().sum();
            let (mut shifted, mut gathered) = (vec![0.0; n], vec![0.0; n]);
            line.shift(&mass, (random() - 0.5) * if trial % 5 == 0 { 1e20 } else { 20.0 }, &mut shifted);
            let mut departures: Vec<f64> = (0..=n).map(|_| random() * n as f64).collect();
            departures.sort_by(f64::total_cmp);
            (departures[0], departures[n]) = (0.0, n as f64);
            line.gather(&mass, &departures, &mut gathered);
            for found in [shifted, gathered] {
                assert!(found.iter().all(|m| *m >= 0.0), "{found:?}");
                // Rounding of a sum of 17.
                assert!((found.iter().sum::<f64>() - total).abs() < 1e-14 * total);
            }
        }
    }

    #[test]
    fn an_atom_keeps_its_mean() {
        let mut line = Line::new(9);
        let mut mass = vec![0.0; 9];
        mass[4] = 1.0;
        let mut out = vec![0.0; 9];
        line.shift(&mass, 1.3, &mut out);
        let mean: f64 = out.iter().enumerate().map(|(k, m)| k as f64 * m).sum();
        // The face values of the cell are equal, so its parabola is symmetric: 0.3 of the mass or a little less goes on.
        assert!((mean - 5.3).abs() < 0.1 && out[5] + out[6] == 1.0, "{out:?}");
    }
}
