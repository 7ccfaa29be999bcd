//! Numbers of twice the precision, for determinants that nearly vanish (Dekker 1971); without branches, so that loops over them
//! run in vector registers.
//!
//! `FUSED` says whether the target has fused multiply–add. The rounding error of a product is a double, so both ways to get it
//! give the same bits.

/// `hi + lo`, `lo` below half a unit in the last place of `hi`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Double<const FUSED: bool> {
    hi: f64,
    lo: f64,
}

impl<const FUSED: bool> Double<FUSED> {
    #[inline(always)]
    pub(super) fn new(hi: f64) -> Self {
        Self { hi, lo: 0.0 }
    }

    #[inline(always)]
    fn normal(a: f64, b: f64) -> Self {
        let hi = a + b;
        Self { hi, lo: b - (hi - a) }
    }

    /// `ab`, exactly.
    #[inline(always)]
    pub(super) fn product(a: f64, b: f64) -> Self {
        let hi = a * b;
        if FUSED {
            return Self { hi, lo: a.mul_add(b, -hi) };
        }
        let split = |x: f64| {
            let c = 134_217_729.0 * x;
            let high = c - (c - x);
            (high, x - high)
        };
        let ((a1, a2), (b1, b2)) = (split(a), split(b));
        Self { hi, lo: ((a1 * b1 - hi) + a1 * b2 + a2 * b1) + a2 * b2 }
    }

    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Self {
        let s = self.hi + other.hi;
        let v = s - self.hi;
        let e = (self.hi - (s - v)) + (other.hi - v);
        Self::normal(s, e + (self.lo + other.lo))
    }

    #[inline(always)]
    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(Self { hi: -other.hi, lo: -other.lo })
    }

    #[inline(always)]
    pub(super) fn times(self, other: f64) -> Self {
        let Self { hi, lo } = Self::product(self.hi, other);
        Self::normal(hi, lo + self.lo * other)
    }

    #[inline(always)]
    pub(super) fn value(self) -> f64 {
        self.hi + self.lo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiny_differences_survive() {
        fn rest<const FUSED: bool>() -> f64 {
            // (1 + 2⁻⁵²)² − 1 − 2⁻⁵¹ = 2⁻¹⁰⁴.
            let x = 1.0 + f64::EPSILON;
            let rest = Double::<FUSED>::product(x, x).minus(Double::new(1.0)).minus(Double::new(2.0 * f64::EPSILON));
            assert_eq!(Double::<FUSED>::new(x).times(x).value(), x * x);
            rest.value()
        }
        assert_eq!(rest::<false>(), f64::EPSILON * f64::EPSILON);
        assert_eq!(rest::<true>(), rest::<false>());
    }
}
