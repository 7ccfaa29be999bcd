//! Elementary functions without branches, so that loops over them run in vector registers.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// `atan2(y, x)` for y ≥ 0; 0 at the origin. Polynomial of FreeBSD's msun, error below 1 unit in the last place before rounding.
#[inline(always)]
pub(super) fn angle(y: f64, x: f64) -> f64 {
    let size = x.abs();
    let steep = y > size;
    let (low, high) = if steep { (size, y) } else { (y, size) };
    // Above tan(π/8), atan(l/h) = π/4 + atan((l − h)/(l + h)).
    let far = low > 0.414_213_562_373_095_05 * high;
    let (numerator, denominator) = if far { (low - high, low + high) } else { (low, high) };
    let t = numerator / if denominator > 0.0 { denominator } else { 1.0 };
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
                + w * (-7.691_876_205_044_83e-2 + w * (-5.833_570_133_790_573e-2 + w * -3.653_157_274_421_691_6e-2))));
    let arc = if far { FRAC_PI_4 } else { 0.0 } + (t - t * (even + odd));
    let arc = if steep { FRAC_PI_2 - arc } else { arc };
    if x < 0.0 { PI - arc } else { arc }
}

/// `sin x` for 0 ≤ x ≤ π/2 (Taylor).
#[inline(always)]
pub(super) fn sine(x: f64) -> f64 {
    let z = x * x;
    let mut sum = 1.0;
    let mut k = 20.0;
    while k > 0.0 {
        sum = 1.0 - z * sum * (1.0 / (k * (k + 1.0)));
        k -= 2.0;
    }
    x * sum
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
            let x = f64::from(k) * 1e-5 * FRAC_PI_2;
            assert!((sine(x) - libm::sin(x)).abs() <= 3e-16 * x.max(1e-300), "{x}");
        }
        assert_eq!((angle(0.0, 0.0), angle(0.0, 1.0), angle(0.0, -1.0), angle(1.0, 0.0)), (0.0, 0.0, PI, FRAC_PI_2));
        assert!((angle(1e-200, 1e-190) / 1e-10 - 1.0).abs() < 1e-15);
    }
}
