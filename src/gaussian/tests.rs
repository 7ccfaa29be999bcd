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
