//! The standard normal law, and uniform numbers from raw bits.

use rand::Rng;

/// `Φ(x)`, the cumulative function of the standard normal law, accurate in the lower tail.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// `φ(x)`, the density of the standard normal law.
pub fn normal_density(x: f64) -> f64 {
    const INVERSE_SQRT_TAU: f64 = 0.398_942_280_401_432_7;
    INVERSE_SQRT_TAU * (-0.5 * x * x).exp()
}

/// One draw from the standard normal law, by the polar method (Marsaglia & Bray 1964). The logarithm is not the system's, so
/// that the bits do not depend on the machine.
pub fn standard_normal<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    loop {
        let (x, y) = (2.0 * uniform(rng) - 1.0, 2.0 * uniform(rng) - 1.0);
        let s = x * x + y * y;
        if s > 0.0 && s < 1.0 {
            return x * (-2.0 * libm::log(s) / s).sqrt();
        }
    }
}

/// One number, uniform on [0, 1), from the upper 53 bits.
pub fn uniform<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A whole number, uniform on `0..n` (n > 0; bias below n/2⁶⁴).
pub fn below<R: Rng + ?Sized>(rng: &mut R, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}
