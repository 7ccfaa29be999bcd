//! `erf(x/√2)` and its slope together, from a table: a step of the overlap chain would otherwise spend most of its time on them.

use std::sync::LazyLock;

use crate::problem::Activation;

/// Nodes a unit of x.
const DENSITY: f64 = 64.0;
/// Beyond this x the table ends.
const END: f64 = 8.0;
/// One for each pattern of the lowest ten bits, so that no index is out of range; those beyond the end are not used.
const NODES: usize = 1024;
/// Of the Taylor polynomial at a node. Half a step away the next term is below 1e-17, also in the slope.
const DEGREE: usize = 7;

/// Taylor coefficients of `erf(x/√2)` at the nodes; one node is one cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct ErfTable([[f64; DEGREE + 1]; NODES]);

static TABLE: LazyLock<ErfTable> = LazyLock::new(|| {
    ErfTable(std::array::from_fn(|node| {
        let x = node as f64 / DENSITY;
        // The n-th derivative of the slope s is (−1)ⁿ He_n(x) s, with Hermite polynomials He_{n+1} = x He_n − n He_{n−1}.
        let mut coefficients = [Activation::Erf.value(x); DEGREE + 1];
        let (mut factor, mut before, mut hermite) = (Activation::Erf.derivative(x), 0.0, 1.0);
        for n in 0..DEGREE {
            factor /= (n + 1) as f64;
            coefficients[n + 1] = factor * hermite;
            (before, hermite) = (hermite, x * hermite - n as f64 * before);
            factor = -factor;
        }
        coefficients
    }))
});

/// The table.
#[inline(always)]
pub(super) fn erf_table() -> &'static ErfTable {
    &TABLE
}

impl ErfTable {
    /// `(g(x), g'(x))` to an absolute 3e-16.
    #[inline(always)]
    pub fn value_and_slope(&self, x: f64) -> (f64, f64) {
        let size = x.abs();
        // NaN too.
        if !(size < END) {
            return beyond(x);
        }
        // Adding this number rounds to a whole one, which then stands in the lowest bits.
        const SHIFT: f64 = 6_755_399_441_055_744.0; // 1.5·2⁵²
        let shifted = size * DENSITY + SHIFT;
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.0[(shifted.to_bits() % NODES as u64) as usize];
        let h = size - (shifted - SHIFT) / DENSITY;
        // In pairs, for speed.
        let (h2, h4) = (h * h, h * h * (h * h));
        let value = (c0 + c1 * h) + h2 * (c2 + c3 * h) + h4 * ((c4 + c5 * h) + h2 * (c6 + c7 * h));
        let slope =
            (c1 + 2.0 * c2 * h) + h2 * (3.0 * c3 + 4.0 * c4 * h) + h4 * ((5.0 * c5 + 6.0 * c6 * h) + h2 * (7.0 * c7));
        (value.copysign(x), slope)
    }
}

#[cold]
fn beyond(x: f64) -> (f64, f64) {
    (Activation::Erf.value(x), Activation::Erf.derivative(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_agrees_with_the_activation() {
        for k in -90_000..=90_000 {
            let x = f64::from(k) * 1.001e-4;
            let (value, slope) = erf_table().value_and_slope(x);
            let (exact, exact_slope) = (Activation::Erf.value(x), Activation::Erf.derivative(x));
            // A few roundings of numbers up to 1.
            assert!((value - exact).abs() <= 3e-16, "{x}: {value} {exact}");
            assert!((slope - exact_slope).abs() <= 3e-16, "{x}: {slope} {exact_slope}");
            // Odd and relatively accurate at small x.
            let small = x * 1e-3;
            let (value, exact) = (erf_table().value_and_slope(small).0, Activation::Erf.value(small));
            assert!(k == 0 || (value / exact - 1.0).abs() < 1e-13 * (1.0 + 1.0 / (64.0 * small.abs())), "{small}");
        }
        assert!(erf_table().value_and_slope(f64::NAN).0.is_nan());
        assert_eq!(erf_table().value_and_slope(f64::INFINITY), (1.0, 0.0));
    }
}
