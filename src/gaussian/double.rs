//! Numbers of twice the precision, for determinants that nearly vanish (Dekker 1971).

/// `hi + lo`, `lo` below half a unit in the last place of `hi`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Double {
    hi: f64,
    lo: f64,
}

impl Double {
    #[inline]
    pub(super) fn new(x: f64) -> Self {
        Self { hi: x, lo: 0.0 }
    }

    /// `ab`, exactly.
    #[inline]
    pub(super) fn product(a: f64, b: f64) -> Self {
        let split = |x: f64| {
            let c = 134_217_729.0 * x;
            let high = c - (c - x);
            (high, x - high)
        };
        let (p, (a1, a2), (b1, b2)) = (a * b, split(a), split(b));
        Self { hi: p, lo: ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2 }
    }

    #[inline]
    pub(super) fn plus(self, other: Self) -> Self {
        let s = self.hi + other.hi;
        let v = s - self.hi;
        let e = (self.hi - (s - v)) + (other.hi - v);
        Self::normal(s, e + (self.lo + other.lo))
    }

    #[inline]
    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(other.scaled(-1.0))
    }

    #[inline]
    pub(super) fn times(self, other: Self) -> Self {
        let p = Self::product(self.hi, other.hi);
        Self::normal(p.hi, p.lo + (self.hi * other.lo + self.lo * other.hi))
    }

    /// Times a power of two, or −1.
    #[inline]
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { hi: self.hi * factor, lo: self.lo * factor }
    }

    #[inline]
    fn normal(a: f64, b: f64) -> Self {
        let s = a + b;
        Self { hi: s, lo: b - (s - a) }
    }

    #[inline]
    pub(super) fn value(self) -> f64 {
        self.hi + self.lo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiny_differences_survive() {
        // (1 + 2⁻⁵²)² − 1 − 2⁻⁵¹ = 2⁻¹⁰⁴.
        let x = Double::new(1.0 + f64::EPSILON);
        let rest = x.times(x).minus(Double::new(1.0)).minus(Double::new(2.0 * f64::EPSILON));
        assert_eq!(rest.value(), f64::EPSILON * f64::EPSILON);
    }
}
