use rand::Rng;

use super::*;
use crate::monte_carlo::statistics::kolmogorov_smirnov;
use crate::numerics::normal::normal_cdf;

fn sample(n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n];
    fill_normals(Key::new(7, Purpose::Training, 0).at(3, 11), &mut out);
    out
}

/// Mixed steps of odd length, so that the remainder is exercised too.
fn run(body: impl Fn(Key, &mut [f64]), step: impl Fn(Key, &mut [f64], &[f64], &[f64], &[f64]) -> bool) -> Vec<u64> {
    let mut theta = vec![0.0; 10_007];
    body(Key::new(1, Purpose::Training, 2).at(5, 9), &mut theta);
    let (gradient, drift, amplitude) = (theta.clone(), vec![0.3; 10_007], vec![0.7; 10_007]);
    assert!(step(Key::new(1, Purpose::Training, 2).at(5, 10), &mut theta, &gradient, &drift, &amplitude));
    theta.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn bits_are_the_same_with_every_instruction_set() {
    let plain = run(fill_body, step_body);
    assert_eq!(run(fill_normals, noisy_step), plain);
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn fill_avx2(key: Key, out: &mut [f64]) {
            fill_body(key, out);
        }
        #[target_feature(enable = "avx2,fma")]
        fn step_avx2(key: Key, t: &mut [f64], g: &[f64], d: &[f64], a: &[f64]) -> bool {
            step_body(key, t, g, d, a)
        }
        #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
        fn fill_avx512(key: Key, out: &mut [f64]) {
            fill_body(key, out);
        }
        #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
        fn step_avx512(key: Key, t: &mut [f64], g: &[f64], d: &[f64], a: &[f64]) -> bool {
            step_body(key, t, g, d, a)
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were detected.
            assert_eq!(
                run(|k, o| unsafe { fill_avx2(k, o) }, |k, t, g, d, a| unsafe { step_avx2(k, t, g, d, a) }),
                plain
            );
        }
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            // SAFETY: the features were detected.
            let avx512 =
                run(|k, o| unsafe { fill_avx512(k, o) }, |k, t, g, d, a| unsafe { step_avx512(k, t, g, d, a) });
            assert_eq!(avx512, plain);
        }
    }
}

#[test]
fn polynomials_agree_with_the_library() {
    let mut rng = Generator::new(Key::new(3, Purpose::Donors, 0));
    for _ in 0..100_000 {
        let bits = rng.next_u64();
        let u = ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        // Four roundings in each of three sums: 4 ulp.
        assert!((log_unit(bits) - u.ln()).abs() <= 4.0 * f64::EPSILON * u.ln().abs(), "{u}");
        let x = (u - 0.5) * std::f64::consts::FRAC_PI_2;
        let (sin, cos) = sin_cos_eighth(bits);
        assert!((sin - x.sin()).abs() <= 4.0 * f64::EPSILON && (cos - x.cos()).abs() <= 4.0 * f64::EPSILON, "{x}");
    }
    // The ends: u = 2⁻⁵³ and u = 1 − 2⁻⁵³.
    assert!((log_unit(0) + 53.0 * std::f64::consts::LN_2).abs() < 1e-13);
    assert!((log_unit(u64::MAX) / -(0.5f64.powi(53)) - 1.0).abs() < 1e-3);
}

#[test]
fn moments_tails_and_law_are_normal() {
    let n = 1 << 24;
    let mut x = sample(n);
    // Variances of x, x², x³, x⁴ under the normal law: 1, 2, 15, 96; gates at 4.5 standard errors.
    for (power, exact, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
        let mean = x.iter().map(|x: &f64| x.powi(power)).sum::<f64>() / n as f64;
        assert!((mean - exact).abs() < 4.5 * (variance / n as f64).sqrt(), "moment {power}: {mean}");
    }
    for sigma in [3.0, 4.0, 5.0] {
        for sign in [-1.0, 1.0] {
            let count = x.iter().filter(|x| sign * **x > sigma).count() as f64;
            let expected = n as f64 * normal_cdf(-sigma);
            // Poisson counts; at 5σ some 4.8 are expected, and the gate would see none or a dozen more.
            assert!((count - expected).abs() < 4.5 * expected.sqrt(), "{sigma}: {count} for {expected}");
        }
    }
    for lag in [1, 2, 7, 8, 15, 16, 17, 32] {
        let r = x.windows(lag + 1).map(|w| w[0] * w[lag]).sum::<f64>() / n as f64;
        let squares = x.windows(lag + 1).map(|w| (w[0] * w[0] - 1.0) * (w[lag] * w[lag] - 1.0)).sum::<f64>() / n as f64;
        assert!(r.abs() < 4.5 / (n as f64).sqrt(), "lag {lag}: {r}");
        assert!(squares.abs() < 4.5 * 2.0 / (n as f64).sqrt(), "squares at lag {lag}: {squares}");
    }
    x.sort_unstable_by(f64::total_cmp);
    // P(√n D > 2.1) = 3e-4.
    assert!(kolmogorov_smirnov(&x, normal_cdf, normal_cdf) < 2.1 / (n as f64).sqrt());
}

#[test]
fn tails_reach_beyond_six_sigma() {
    // The radius at the smallest and at a small u: √(2·53 ln 2) and √(2·30 ln 2).
    assert!((-2.0 * log_unit(0)).sqrt() > 8.5);
    assert!(((-2.0 * log_unit(1 << 34)).sqrt() - (60.0 * std::f64::consts::LN_2).sqrt()).abs() < 1e-4);
}

#[test]
fn neighbouring_keys_are_uncorrelated() {
    let n = 1 << 16;
    let base = Key::new(1, Purpose::Training, 0);
    let mut draws: Vec<Vec<f64>> = Vec::new();
    for key in [
        base.at(0, 0),
        base.at(0, 1),
        base.at(1, 0),
        Key::new(2, Purpose::Training, 0).at(0, 0),
        Key::new(1, Purpose::Mutation, 0).at(0, 0),
        Key::new(1, Purpose::Training, 1).at(0, 0),
    ] {
        let mut out = vec![0.0; n];
        fill_normals(key, &mut out);
        for other in &draws {
            let r = out.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() / n as f64;
            assert!(r.abs() < 4.5 / (n as f64).sqrt(), "{key:?}: {r}");
        }
        draws.push(out);
    }
}
