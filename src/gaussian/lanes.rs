//! Elementary functions without branches, so that loops over them run in vector registers.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// `atan2(y, x)` for y ≥ 0; 0 at the origin. Rational function of Cephes (Moshier 1989), error below 2 units in the last place.
#[inline(always)]
pub(super) fn angle(y: f64, x: f64) -> f64 {
    let size = x.abs();
    let steep = y > size;
    let (small, large) = if steep { (size, y) } else { (y, size) };
    let t = small / if large > 0.0 { large } else { 1.0 };
    let far = t > 0.414_213_562_373_095_03;
    let t = if far { (t - 1.0) / (t + 1.0) } else { t };
    let z = t * t;
    let p = -6.485_021_904_942_025e1
        + z * (-1.228_866_684_490_136_1e2
            + z * (-7.500_855_792_314_705e1 + z * (-1.615_753_718_733_365_2e1 + z * -8.750_608_600_031_904e-1)));
    let q = 1.945_506_571_482_614e2
        + z * (4.853_903_996_359_137e2
            + z * (4.328_810_604_912_903e2 + z * (1.650_270_098_316_988_5e2 + z * (2.485_846_490_142_306e1 + z))));
    let arc = t + t * (z * p / q);
    let arc = if far { arc + FRAC_PI_4 } else { arc };
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
