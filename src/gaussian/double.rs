//! Numbers of twice the precision, several side by side, for determinants that nearly vanish (Dekker 1971).

/// Numbers side by side.
pub(super) const LANES: usize = 8;
pub(super) type Lane = [f64; LANES];

/// `hi + lo`, `lo` below half a unit in the last place of `hi`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Double {
    hi: Lane,
    lo: Lane,
}

#[inline(always)]
fn map(f: impl Fn(usize) -> (f64, f64)) -> Double {
    let (mut hi, mut lo) = ([0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        (hi[lane], lo[lane]) = f(lane);
    }
    Double { hi, lo }
}

#[inline(always)]
fn normal(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    (s, b - (s - a))
}

/// `ab`, exactly.
#[inline(always)]
fn exact(a: f64, b: f64) -> (f64, f64) {
    let split = |x: f64| {
        let c = 134_217_729.0 * x;
        let high = c - (c - x);
        (high, x - high)
    };
    let (p, (a1, a2), (b1, b2)) = (a * b, split(a), split(b));
    (p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2)
}

impl Double {
    #[inline(always)]
    pub(super) fn new(hi: Lane) -> Self {
        Self { hi, lo: [0.0; LANES] }
    }

    /// `ab`, exactly.
    #[inline(always)]
    pub(super) fn product(a: &Lane, b: &Lane) -> Self {
        map(|k| exact(a[k], b[k]))
    }

    #[inline(always)]
    pub(super) fn plus(&self, other: &Self) -> Self {
        map(|k| {
            let s = self.hi[k] + other.hi[k];
            let v = s - self.hi[k];
            let e = (self.hi[k] - (s - v)) + (other.hi[k] - v);
            normal(s, e + (self.lo[k] + other.lo[k]))
        })
    }

    #[inline(always)]
    pub(super) fn minus(&self, other: &Self) -> Self {
        self.plus(&other.scaled(-1.0))
    }

    #[inline(always)]
    pub(super) fn times(&self, other: &Self) -> Self {
        map(|k| {
            let (hi, lo) = exact(self.hi[k], other.hi[k]);
            normal(hi, lo + (self.hi[k] * other.lo[k] + self.lo[k] * other.hi[k]))
        })
    }

    /// Times a power of two, or −1.
    #[inline(always)]
    pub(super) fn scaled(&self, factor: f64) -> Self {
        map(|k| (self.hi[k] * factor, self.lo[k] * factor))
    }

    /// Each lane from another.
    #[inline(always)]
    pub(super) fn shuffled(&self, from: [usize; LANES]) -> Self {
        map(|k| (self.hi[from[k]], self.lo[from[k]]))
    }

    #[inline(always)]
    pub(super) fn value(&self) -> Lane {
        std::array::from_fn(|k| self.hi[k] + self.lo[k])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiny_differences_survive() {
        // (1 + 2⁻⁵²)² − 1 − 2⁻⁵¹ = 2⁻¹⁰⁴.
        let x = Double::new([1.0 + f64::EPSILON; LANES]);
        let one = Double::new([1.0; LANES]);
        let rest = x.times(&x).minus(&one).minus(&Double::new([2.0 * f64::EPSILON; LANES]));
        assert_eq!(rest.value(), [f64::EPSILON * f64::EPSILON; LANES]);
    }
}
