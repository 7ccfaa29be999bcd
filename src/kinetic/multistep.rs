//! Coefficients of the semi-implicit backward differentiation formulas (SBDF) on variable steps, from Lagrange polynomials.

/// Highest order used. (SBDF4 is no longer L(α)-stable enough for the initial layer on growing steps.)
pub(super) const MAX_ORDER: usize = 3;

/// The formula `a_0 f_new + Σ a_i f_i = A f_new + Σ b_i g_i` that steps from the times `past` (newest first) to `new`.
#[derive(Debug, Clone)]
pub(super) struct Formula {
    /// `a_0`.
    pub leading: f64,
    /// `a_1 …`: weights of past states in the derivative at the new time.
    pub derivative: Vec<f64>,
    /// `b_1 …`: weights of past gains in their extrapolation to the new time.
    pub extrapolation: Vec<f64>,
}

impl Formula {
    /// The formula of order `past.len()` (Ascher, Ruuth & Wetton 1995, on variable steps).
    pub fn new(new: f64, past: &[f64]) -> Self {
        let derivative: Vec<f64> = (0..past.len())
            .map(|i| {
                // Derivative at `new` of the Lagrange polynomial of node i on the nodes {new} ∪ past.
                let others = past.iter().enumerate().filter(|(j, _)| *j != i);
                others.map(|(_, t)| (new - t) / (past[i] - t)).product::<f64>() / (past[i] - new)
            })
            .collect();
        // Constants have derivative 0: this is what conserves mass.
        let leading = -derivative.iter().sum::<f64>();
        Self { leading, derivative, extrapolation: lagrange(new, past) }
    }

    /// The formula of order `order` whose leading coefficient depends on the step `h` alone (Jackson & Sacks-Davis 1980):
    ///
    /// ```text
    /// f'(t) ≈ P'(t) + a_0 (f_new − P(t)),    a_0 = (1 + 1/2 + … + 1/order)/h
    /// ```
    /// with the polynomial `P` through `past`, `order + 1` times of it where there are. It is the classical formula of equal
    /// steps through the new value and the values of `P` at `new − h, new − 2h, …`, and that itself where the steps are equal.
    /// `leading` is `a_0` up to rounding.
    pub fn fixed(new: f64, past: &[f64], order: usize, leading: f64) -> Self {
        let (values, slopes) = (lagrange(new, past), lagrange_slopes(new, past));
        let mut derivative: Vec<f64> =
            slopes.iter().zip(&values).map(|(slope, value)| slope - leading * value).collect();
        // Constants have derivative 0: this is what conserves mass.
        derivative[0] = -leading - derivative[1..].iter().sum::<f64>();
        Self { leading, derivative, extrapolation: lagrange(new, &past[..order.min(past.len())]) }
    }
}

/// `1 + 1/2 + … + 1/order`.
pub(super) fn leading_of_equal_steps(order: usize) -> f64 {
    (1..=order).map(|k| 1.0 / k as f64).sum()
}

/// Weights of the values at `nodes` in the derivative at `x` of the polynomial through them.
fn lagrange_slopes(x: f64, nodes: &[f64]) -> Vec<f64> {
    (0..nodes.len())
        .map(|i| {
            let others = || nodes.iter().enumerate().filter(move |(j, _)| *j != i);
            let without = |m: usize| others().filter(move |(j, _)| *j != m).map(|(_, t)| (x - t) / (nodes[i] - t));
            others().map(|(m, t)| without(m).product::<f64>() / (nodes[i] - t)).sum()
        })
        .collect()
}

/// Weights of the values at `nodes` in the value at `x` of the polynomial through them.
pub(super) fn lagrange(x: f64, nodes: &[f64]) -> Vec<f64> {
    (0..nodes.len())
        .map(|i| {
            let others = nodes.iter().enumerate().filter(|(j, _)| *j != i);
            others.map(|(_, t)| (x - t) / (nodes[i] - t)).product()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn exact_for_polynomials_up_to_the_order() {
        let past = [0.9, 0.5, 0.35];
        for order in 1..=3 {
            let past = &past[..order];
            let formula = Formula::new(1.3, past);
            for power in 0..=order as i32 {
                let d: f64 = past.iter().zip(&formula.derivative).map(|(t, a)| a * t.powi(power)).sum();
                let exact = f64::from(power) * 1.3f64.powi(power - 1);
                assert_abs_diff_eq!(d + formula.leading * 1.3f64.powi(power), exact, epsilon = 1e-12); // rounding
            }
            for power in 0..order as i32 {
                let g: f64 = past.iter().zip(&formula.extrapolation).map(|(t, b)| b * t.powi(power)).sum();
                assert_abs_diff_eq!(g, 1.3f64.powi(power), epsilon = 1e-12); // rounding
            }
        }
    }

    #[test]
    fn a_fixed_leading_coefficient_keeps_the_order() {
        let past = [0.9, 0.5, 0.35, 0.3];
        for order in 1..=3 {
            let formula = Formula::fixed(1.3, &past[..=order], order, leading_of_equal_steps(order) / 0.4);
            for power in 0..=order as i32 {
                let d: f64 = past.iter().zip(&formula.derivative).map(|(t, a)| a * t.powi(power)).sum();
                let exact = f64::from(power) * 1.3f64.powi(power - 1);
                assert_abs_diff_eq!(d + formula.leading * 1.3f64.powi(power), exact, epsilon = 1e-12); // rounding
            }
        }
        let fixed = Formula::fixed(3.0, &[2.0, 1.0, 0.0, -1.0], 3, leading_of_equal_steps(3));
        let classical = Formula::new(3.0, &[2.0, 1.0, 0.0]);
        for (a, b) in fixed.derivative.iter().zip(classical.derivative.iter().chain(&[0.0])) {
            assert_abs_diff_eq!(*a, b, epsilon = 1e-14); // rounding
        }
    }

    #[test]
    fn constant_steps_give_the_classical_coefficients() {
        let formula = Formula::new(3.0, &[2.0, 1.0, 0.0]);
        assert_abs_diff_eq!(formula.leading, 11.0 / 6.0, epsilon = 1e-14); // rounding
        for (a, b) in formula.derivative.iter().zip([-3.0, 1.5, -1.0 / 3.0]) {
            assert_abs_diff_eq!(*a, b, epsilon = 1e-14); // rounding
        }
        for (a, b) in formula.extrapolation.iter().zip([3.0, -3.0, 1.0]) {
            assert_abs_diff_eq!(*a, b, epsilon = 1e-14); // rounding
        }
    }
}
