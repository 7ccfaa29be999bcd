//! Closed forms against quadrature.

use super::*;

const COVARIANCE: [f64; 25] = [
    0.7, 0.2, 0.3, -0.1, 0.05, //
    0.2, 1.3, 0.1, 0.4, 0.2, //
    0.3, 0.1, 0.9, 0.0, 0.1, //
    -0.1, 0.4, 0.0, 1.0, 0.3, //
    0.05, 0.2, 0.1, 0.3, 1.1,
];
const OUTPUTS: [f64; 5] = [1.0, -0.5, 0.8, -1.0, -0.7];

/// Everything, in one list.
fn all(by: &mut dyn Expectations, fields: Fields<'_>, outputs: &[f64]) -> Vec<f64> {
    let (n, k) = (fields.len(), fields.students);
    let mut out = vec![0.0; n * n + 3 * k * n + k * k];
    let (values, rest) = out.split_at_mut(n * n);
    let (value_slopes, rest) = rest.split_at_mut(k * n);
    let (slopes, rest) = rest.split_at_mut(k * n);
    let (drift, noise) = rest.split_at_mut(k * n);
    by.values(fields, values).unwrap();
    by.value_slopes(fields, value_slopes).unwrap();
    by.slopes(fields, slopes).unwrap();
    by.drift(fields, outputs, drift).unwrap();
    by.noise(fields, outputs, noise).unwrap();
    out
}

fn largest(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |most: f64, (a, b)| if (a - b).is_nan() { f64::NAN } else { most.max((a - b).abs()) })
}

#[test]
fn closed_forms_are_those_of_quadrature() {
    for (activation, rule, tolerance) in [
        (Activation::Erf, Quadrature::Trapezoidal { points: 48 }, 1e-10),
        (Activation::Erf, Quadrature::GaussHermite { points: 48 }, 1e-7),
        (Activation::Relu, Quadrature::Split { points: 32 }, 1e-10),
    ] {
        for students in [1, 2, 3] {
            let fields = Fields { students, covariance: &COVARIANCE, mean: &[0.0; 5] };
            let closed = all(
                &mut *expectations(&activation, &activation, true, Quadrature::Automatic).unwrap(),
                fields,
                &OUTPUTS,
            );
            let mut by = expectations(&activation, &activation, true, rule).unwrap();
            let numbers = all(&mut *by, fields, &OUTPUTS);
            assert!(largest(&closed, &numbers) < tolerance);
        }
    }
}

fn check(student: &Activation, teacher: &Activation, fields: Fields<'_>, outputs: &[f64], rule: Quadrature) -> f64 {
    let unbiased = fields.mean.iter().all(|&b| b == 0.0);
    let closed = all(&mut *expectations(student, teacher, unbiased, Quadrature::Automatic).unwrap(), fields, outputs);
    let numbers = all(&mut *expectations(student, teacher, unbiased, rule).unwrap(), fields, outputs);
    largest(&closed, &numbers)
}

/// Covariance of W with d = rows, from columns given.
fn gram(vectors: &[&[f64]]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    vectors.iter().flat_map(|a| vectors.iter().map(move |b| dot(a, b))).collect()
}

#[test]
fn explore() {
    let base: [[f64; 4]; 2] = [[0.9, 0.3, -0.2, 0.1], [0.1, 0.8, 0.4, -0.3]];
    for power in 0..16 {
        let eta = 10f64.powi(-power);
        let shift = |v: [f64; 4], w: [f64; 4]| -> [f64; 4] { std::array::from_fn(|k| v[k] + eta * w[k]) };
        let (s0, s1) = (shift(base[0], [0.3, -0.5, 0.8, 0.2]), shift(base[1], [-0.4, 0.6, 0.1, 0.7]));
        let c = gram(&[&s0, &s1, &base[0], &base[1]]);
        let fields = Fields { students: 2, covariance: &c, mean: &[0.0; 4] };
        let out = [1.0, 0.7, -1.0, -0.8];
        let r = check(&Activation::Relu, &Activation::Relu, fields, &out, Quadrature::Split { points: 40 });
        let r2 = check(&Activation::Relu, &Activation::Relu, fields, &out, Quadrature::Split { points: 24 });
        let e = check(&Activation::Erf, &Activation::Erf, fields, &out, Quadrature::Trapezoidal { points: 48 });
        let e32 = check(&Activation::Erf, &Activation::Erf, fields, &out, Quadrature::Trapezoidal { points: 32 });
        let g32 = check(&Activation::Erf, &Activation::Erf, fields, &out, Quadrature::GaussHermite { points: 32 });
        eprintln!("{eta:e}: relu {r:e} {r2:e} erf {e:e} {e32:e} GH32 {g32:e}");
    }
    let mut rhs = |student: Activation, teacher: Activation, k: usize, rule| {
        let n = 2 * k;
        let c: Vec<f64> =
            (0..n * n).map(|at| if at / n == at % n { 1.0 } else { 0.3 / (1.0 + (at / n + at % n) as f64) }).collect();
        let fields = Fields { students: k, covariance: &c, mean: &vec![0.0; n] };
        let out: Vec<f64> = (0..n).map(|a| if a < k { 1.0 } else { -1.0 }).collect();
        let mut by = expectations(&student, &teacher, true, rule).unwrap();
        let (mut drift, mut noise) = (vec![0.0; k * n], vec![0.0; k * k]);
        by.noise(fields, &out, &mut noise).unwrap();
        let start = std::time::Instant::now();
        let mut count = 0;
        while start.elapsed().as_secs_f64() < 0.2 {
            for _ in 0..10 {
                by.drift(fields, &out, &mut drift).unwrap();
                by.noise(fields, &out, &mut noise).unwrap();
            }
            count += 10;
        }
        eprintln!(
            "{student:?} {teacher:?} K={k} {rule:?}: {:e} s, error {:e}",
            start.elapsed().as_secs_f64() / f64::from(count),
            by.estimated_error(fields, &out).unwrap()
        );
    };
    for k in [2, 3, 4] {
        rhs(Activation::Erf, Activation::Erf, k, Quadrature::Automatic);
        rhs(Activation::Relu, Activation::Relu, k, Quadrature::Automatic);
    }
    for k in [2, 3] {
        rhs(Activation::Tanh, Activation::Tanh, k, Quadrature::Automatic);
        rhs(Activation::Tanh, Activation::Tanh, k, Quadrature::GaussHermite { points: 32 });
        rhs(Activation::Gelu, Activation::Gelu, k, Quadrature::Automatic);
    }
    rhs(Activation::Relu, Activation::Tanh, 2, Quadrature::Automatic);
    rhs(Activation::Tanh, Activation::Relu, 2, Quadrature::Automatic);
}

#[test]
fn polynomials_are_exact() {
    let mean = [0.3, -0.7, 0.2, 1.1, -0.4];
    for (student, teacher) in [
        (Activation::Linear, Activation::Linear),
        (Activation::Linear, Activation::Quadratic),
        (Activation::Quadratic, Activation::Linear),
        (Activation::Quadratic, Activation::Quadratic),
    ] {
        for mean in [[0.0; 5], mean] {
            let fields = Fields { students: 2, covariance: &COVARIANCE, mean: &mean };
            let error = check(&student, &teacher, fields, &OUTPUTS, Quadrature::GaussHermite { points: 16 });
            // Gauss–Hermite is exact here; rounding of numbers up to a hundred.
            assert!(error < 2e-12, "{student:?} {teacher:?} {mean:?}: {error:e}");
        }
    }
}
