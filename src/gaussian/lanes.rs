//! Elementary functions without branches, so that loops over them run in vector registers.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// Numbers side by side.
pub(super) const LANES: usize = 8;
pub(super) type Lane = [f64; LANES];

/// `atan2(y, x)` for y ≥ 0; 0 at the origin.
#[inline(always)]
pub(super) fn angle(y: f64, x: f64) -> f64 {
    let reduced = Reduced::new(y, x.abs());
    // At the origin, 0.
    let arc = reduced.arc(reduced.numerator / (reduced.denominator + f64::MIN_POSITIVE));
    if x < 0.0 { PI - arc } else { arc }
}

/// `atan(y/x)/s` for x ≥ 0 and s > 0, with one division; 0 at the origin.
#[inline(always)]
pub(super) fn arctan_over(y: f64, x: f64, s: f64) -> f64 {
    let reduced = Reduced::new(y.abs(), x);
    let denominator = reduced.denominator + f64::MIN_POSITIVE;
    let inverse = 1.0 / (denominator * s);
    let arc = reduced.arc(reduced.numerator * (s * inverse));
    (arc * (denominator * inverse)).copysign(y)
}

/// The arc of a quotient, brought below tan(π/8).
struct Reduced {
    numerator: f64,
    denominator: f64,
    steep: bool,
    far: bool,
}

impl Reduced {
    /// `atan2(y, x)` for x, y ≥ 0.
    #[inline(always)]
    fn new(y: f64, x: f64) -> Self {
        let steep = y > x;
        let (low, high) = if steep { (x, y) } else { (y, x) };
        // Above tan(π/8), atan(l/h) = π/4 + atan((l − h)/(l + h)).
        let far = low > 0.414_213_562_373_095_05 * high;
        let (numerator, denominator) = if far { (low - high, low + high) } else { (low, high) };
        Self { numerator, denominator, steep, far }
    }

    /// Given the quotient. Polynomial of FreeBSD's msun, error below 1 unit in the last place before rounding.
    #[inline(always)]
    fn arc(&self, t: f64) -> f64 {
        let z = t * t;
        let w = z * z;
        let even = z
            * (3.333_333_333_333_293e-1
                + w * (1.428_571_427_250_346_6e-1
                    + w * (9.090_887_133_436_507e-2
                        + w * (6.661_073_137_387_531e-2
                            + w * (4.976_877_994_615_932e-2 + w * 1.628_582_011_536_578_2e-2)))));
        let odd = w
            * (-1.999_999_999_987_648_3e-1
                + w * (-1.111_111_040_546_235_6e-1
                    + w * (-7.691_876_205_044_83e-2
                        + w * (-5.833_570_133_790_573e-2 + w * -3.653_157_274_421_691_6e-2))));
        let arc = if self.far { FRAC_PI_4 } else { 0.0 } + (t - t * (even + odd));
        if self.steep { FRAC_PI_2 - arc } else { arc }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_library() {
        for k in 0..=100_000 {
            let x = f64::from(k) * 1e-5 * PI;
            let (y, x) = (x.sin().max(0.0), x.cos());
            // A few units in the last place.
            assert!((angle(3.0 * y, 3.0 * x) - libm::atan2(3.0 * y, 3.0 * x)).abs() < 1e-15, "{x} {y}");
            let quarter = arctan_over(3.0 * x, 3.0 * y, 4.0);
            assert!((quarter - 0.25 * libm::atan2(3.0 * x, 3.0 * y)).abs() < 3e-16, "{x} {y}");
        }
        assert_eq!((angle(0.0, 0.0), angle(0.0, 1.0), angle(0.0, -1.0), angle(1.0, 0.0)), (0.0, 0.0, PI, FRAC_PI_2));
        assert_eq!((arctan_over(0.0, 0.0, 1.0), arctan_over(-1.0, 0.0, 1.0)), (0.0, -FRAC_PI_2));
        assert!((angle(1e-200, 1e-190) / 1e-10 - 1.0).abs() < 1e-15);
    }
}
