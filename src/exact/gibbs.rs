//! Gibbs laws on cells, relaxation rates and the bilevel optimum.

use faer::{Mat, Side};

use crate::error::{Error, Result};
use crate::grid::Axis;
use crate::problem::{Fitness, Loss};

/// Masses of the Gibbs law `G ∝ exp(−u)` on cells: `potential` is `u = μL/D` at the centres, `widths` those of the
/// cells. Only differences of `u` enter, so its size does not matter.
pub fn cell_masses(potential: &[f64], widths: &[f64]) -> Vec<f64> {
    let lowest = potential.iter().copied().fold(f64::INFINITY, f64::min);
    let mut masses: Vec<f64> = potential.iter().zip(widths).map(|(u, width)| width * (lowest - u).exp()).collect();
    let sum: f64 = masses.iter().sum();
    masses.iter_mut().for_each(|mass| *mass /= sum);
    masses
}

/// `log Z = log Σ width·exp(−u)`.
pub fn log_partition(potential: &[f64], widths: &[f64]) -> f64 {
    let lowest = potential.iter().copied().fold(f64::INFINITY, f64::min);
    potential.iter().zip(widths).map(|(u, width)| width * (lowest - u).exp()).sum::<f64>().ln() - lowest
}

/// The rate `μk/ε` at which θ forgets its start on `L = ½kθ²`: the gap of the Ornstein–Uhlenbeck operator
/// (Risken 1989, §5.5: eigenvalues `nμk/ε`).
pub fn quadratic_gap(stiffness: f64, mobility: f64, epsilon: f64) -> f64 {
    mobility * stiffness / epsilon
}

/// Eigenvalues, increasing, of minus the generator of a chain on cells with rates `right[i]` for i → i+1 and `left[i]`
/// for i+1 → i (both of length cells − 1). The first is 0, the second the spectral gap.
///
/// The generator is similar to the symmetric tridiagonal matrix with off-diagonals `√(right·left)` (Karlin & McGregor
/// 1957); dense solution, O(cells³).
///
/// # Errors
/// [`Error::Library`] if the eigenvalues do not converge; [`Error::Shape`].
pub fn relaxation_rates(right: &[f64], left: &[f64]) -> Result<Vec<f64>> {
    if right.len() != left.len() {
        return Err(Error::Shape { what: "rates to the left".into(), found: left.len(), expected: right.len() });
    }
    let cells = right.len() + 1;
    let mut matrix = Mat::<f64>::zeros(cells, cells);
    for (i, (r, l)) in right.iter().zip(left).enumerate() {
        matrix[(i, i)] += r;
        matrix[(i + 1, i + 1)] += l;
        matrix[(i + 1, i)] = -(r * l).sqrt();
        matrix[(i, i + 1)] = matrix[(i + 1, i)];
    }
    matrix
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|error| Error::Library { library: "faer", message: format!("eigenvalues: {error:?}") })
}

/// `θ*(h) = argmin_θ L(θ,h)` on the axis (dθ = 1): the lowest cell, then golden-section search around it.
pub fn minimiser(loss: &dyn Loss, theta: &Axis, h: &[f64]) -> f64 {
    maximise(|t| -loss.value(&[t], h), theta)
}

/// The bilevel optimum `h° = argmax_h F(θ*(h), h)`, to which `argmax F̄` tends as D → 0 (dθ = dh = 1). Returns
/// `(h°, θ*(h°))`; accurate to the square root of rounding, as any search by values.
pub fn bilevel_optimum(loss: &dyn Loss, fitness: &dyn Fitness, theta: &Axis, h: &Axis) -> (f64, f64) {
    let best = maximise(|h| fitness.value(&[minimiser(loss, theta, &[h])], &[h]), h);
    (best, minimiser(loss, theta, &[best]))
}

/// The best centre of the axis, refined by golden-section search between its neighbours (Kiefer 1953).
fn maximise(value: impl Fn(f64) -> f64, axis: &Axis) -> f64 {
    let mut best = (f64::NEG_INFINITY, axis.centres[0]);
    for &x in &axis.centres {
        let y = value(x);
        if y > best.0 {
            best = (y, x);
        }
    }
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    let (mut low, mut high) = ((best.1 - axis.width()).max(axis.low()), (best.1 + axis.width()).min(axis.high()));
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_a, mut at_b) = (value(a), value(b));
    // Below √rounding values no longer tell points apart.
    while high - low > 1e-9 * (axis.high() - axis.low()) {
        if at_a >= at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - golden * (high - low);
            at_a = value(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + golden * (high - low);
            at_b = value(b);
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{DoubleWell, Quadratic, QuadraticFitness};

    #[test]
    fn masses_depend_on_differences_only() {
        let potential: Vec<f64> = (0..200).map(|i| f64::from(i * i) * 0.5).collect();
        let lifted: Vec<f64> = potential.iter().map(|u| u + 65536.0).collect();
        let widths = vec![0.1; 200];
        let (plain, high) = (cell_masses(&potential, &widths), cell_masses(&lifted, &widths));
        assert_eq!(plain, high);
        assert!((plain.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        let shift = log_partition(&potential, &widths) - log_partition(&lifted, &widths);
        assert!((shift - 65536.0).abs() < 1e-10);
    }

    #[test]
    fn gap_of_the_discretised_ornstein_uhlenbeck_operator() {
        // Scharfetter–Gummel rates of ½θ² with D = 0.2: gap 1 up to O(width²).
        let (cells, half, d) = (240, 3.5, 0.2);
        let width = 2.0 * half / f64::from(cells);
        let at = |i: i32| (f64::from(i) + 0.5) * width - half;
        let bernoulli = |u: f64| if u.abs() < 1e-8 { 1.0 - 0.5 * u } else { u / u.exp_m1() };
        let rise = |i: i32| 0.5 * (at(i + 1).powi(2) - at(i).powi(2)) / d;
        let right: Vec<f64> = (0..cells - 1).map(|i| d / width.powi(2) * bernoulli(rise(i))).collect();
        let left: Vec<f64> = (0..cells - 1).map(|i| d / width.powi(2) * bernoulli(-rise(i))).collect();
        let rates = relaxation_rates(&right, &left).unwrap();
        // Tolerance: 1e-10 is rounding times the largest rate (5e2); the gap is off by O(width²) = 1e-3.
        assert!(rates[0].abs() < 1e-10, "{}", rates[0]);
        assert!((rates[1] - quadratic_gap(1.0, 1.0, 1.0)).abs() < 1e-3, "{}", rates[1]);
    }

    #[test]
    fn bilevel_optima() {
        let (theta, h) = (Axis::uniform("theta", -3.0, 3.0, 120).unwrap(), Axis::uniform("h", -2.0, 2.0, 80).unwrap());
        let fitness = QuadraticFitness { optimum: vec![0.5], curvature: 1.0 };
        let (best, at) = bilevel_optimum(&Quadratic::new(2.0, 1), &fitness, &theta, &h);
        // Tolerance: √rounding, once for each of the nested searches.
        assert!((best - 0.5).abs() < 1e-6 && (at - 0.5).abs() < 1e-6);
        // θ* solves 4θ(θ² − 1) = h: θ* = 1.2 at h = 2.112 lies outside, 1.1 at 0.924.
        let fitness = QuadraticFitness { optimum: vec![1.1], curvature: 1.0 };
        let (best, _) = bilevel_optimum(&DoubleWell { barrier: 1.0, coupling: 1.0 }, &fitness, &theta, &h);
        assert!((best - 0.924).abs() < 1e-5, "{best}");
    }
}
