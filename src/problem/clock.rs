//! When selection events happen.

/// When selection events happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clock {
    /// Each agent's own events at rate κ.
    Poisson {
        /// `κ ≥ 0`, in events per unit of physical time.
        rate: f64,
    },
    /// Everybody at once at `T_s, 2T_s, …`; the event at a recorded time belongs to it, up to rounding (10⁻¹², relative).
    Periodic {
        /// `T_s > 0`.
        every: f64,
    },
    /// Each agent at times of its own, `φ + T_s, φ + 2T_s, …` with φ uniform on `(−T_s, 0]`: asynchronous training, in which
    /// nobody waits for anybody.
    Staggered {
        /// `T_s > 0`.
        every: f64,
    },
}

/// What a time may differ from a multiple of a period and still be called one, relative: thousands of roundings, so that
/// decimal literals, products and running sums of steps all hit.
pub(crate) const ROUNDING: f64 = 1e-12;

/// The number of `k ≥ 1` with `k·every ≤ time` up to rounding: all solvers count their events, and agents their steps, by it.
pub(crate) fn whole_periods(time: f64, every: f64) -> u64 {
    (time / every * (1.0 + ROUNDING)).floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_hit_however_they_are_written() {
        // 0.29/0.01 = 28.999999999999996.
        assert!(0.29 / 0.01 < 29.0 && whole_periods(0.29, 0.01) == 29);
        for every in [0.01, 0.1 * 0.1, 1.0 / 3.0, 0.7, 1e-4, 1.0 / 64.0, 12.3] {
            let mut sum = 0.0;
            for k in 1..=2000u64 {
                let product = k as f64 * every;
                sum += every;
                assert_eq!([whole_periods(product, every), whole_periods(sum, every)], [k, k], "{k} {every}");
                // Nearer than that it is the same time; not much farther it is not.
                assert_eq!(whole_periods(product * (1.0 - 1e-11), every), k - 1, "{k} {every}");
                assert_eq!(whole_periods(product * (1.0 + 1e-11), every), k, "{k} {every}");
            }
        }
        for k in 1..=1000u64 {
            let literal: f64 = format!("{}.{:02}", k / 100, k % 100).parse().unwrap();
            assert_eq!(whole_periods(literal, 0.01), k);
        }
        assert_eq!([whole_periods(0.0, 0.1), whole_periods(5.0, f64::INFINITY)], [0, 0]);
    }
}
