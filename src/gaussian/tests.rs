//! Closed forms against quadrature.

use super::*;

const COVARIANCE: [f64; 25] = [
    0.7, 0.2, 0.3, -0.1, 0.05, //
    0.2, 1.3, 0.1, 0.4, 0.2, //
    0.3, 0.1, 0.9, 0.0, 0.1, //
    -0.1, 0.4, 0.0, 1.0, 0.3, //
    0.05, 0.2, 0.1, 0.3, 1.1,
];
pub(super) const OUTPUTS: [f64; 5] = [1.0, -0.5, 0.8, -1.0, -0.7];

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

pub(super) fn largest(a: &[f64], b: &[f64]) -> f64 {
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

/// Largest difference between closed form and rule.
pub(super) fn check(
    student: &Activation,
    teacher: &Activation,
    fields: Fields<'_>,
    outputs: &[f64],
    rule: Quadrature,
) -> f64 {
    let unbiased = fields.mean.iter().all(|&b| b == 0.0);
    let closed = all(&mut *expectations(student, teacher, unbiased, Quadrature::Automatic).unwrap(), fields, outputs);
    let numbers = all(&mut *expectations(student, teacher, unbiased, rule).unwrap(), fields, outputs);
    largest(&closed, &numbers)
}

/// Covariance of fields with these weight vectors.
pub(super) fn gram(vectors: &[&[f64]]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    vectors.iter().flat_map(|a| vectors.iter().map(move |b| dot(a, b))).collect()
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

/// Student vectors that differ from the teacher's by η.
fn converging(eta: f64) -> Vec<f64> {
    let base = [[0.9, 0.3, -0.2, 0.1], [0.1, 0.8, 0.4, -0.3]];
    let shift = |v: [f64; 4], w: [f64; 4]| -> [f64; 4] { std::array::from_fn(|k| v[k] + eta * w[k]) };
    let students = [shift(base[0], [0.3, -0.5, 0.8, 0.2]), shift(base[1], [-0.4, 0.6, 0.1, 0.7])];
    gram(&[&students[0], &students[1], &base[0], &base[1]])
}

#[test]
fn students_may_come_close_to_their_teachers() {
    for power in 0..=16 {
        let c = converging(10f64.powi(-power));
        let fields = Fields { students: 2, covariance: &c, mean: &[0.0; 4] };
        let outputs = [1.0, 0.7, -1.0, -0.8];
        let relu = check(&Activation::Relu, &Activation::Relu, fields, &outputs, Quadrature::Split { points: 32 });
        // Twelve points a panel in the orthant probability; where C itself is rounded, an angle knows its square root.
        let allowed = if power < 7 { 5e-10 } else { 1e-8 };
        assert!(relu < allowed, "1e-{power}: {relu:e}");
        let erf = check(&Activation::Erf, &Activation::Erf, fields, &outputs, Quadrature::Trapezoidal { points: 48 });
        // Not yet converged where all four fields are far from each other.
        assert!(erf < 1e-9, "1e-{power}: {erf:e}");
    }
}

#[test]
fn two_students_may_come_close_to_one_teacher() {
    let base = [[0.9, 0.3, -0.2, 0.1, 0.0], [0.1, 0.8, 0.4, -0.3, 0.2]];
    let away = [[0.3, -0.5, 0.8, 0.2, -0.4], [-0.4, 0.6, 0.1, 0.7, 0.5], [0.6, 0.2, -0.3, 0.4, -0.7]];
    for power in 1..=7 {
        let eta = 10f64.powi(-power);
        let student = |i: usize| -> [f64; 5] { std::array::from_fn(|k| base[i % 2][k] + eta * away[i][k]) };
        let c = gram(&[&student(0), &student(1), &student(2), &base[0], &base[1]]);
        let fields = Fields { students: 3, covariance: &c, mean: &[0.0; 5] };
        let relu = check(&Activation::Relu, &Activation::Relu, fields, &OUTPUTS, Quadrature::Split { points: 32 });
        assert!(relu < 1e-8, "1e-{power}: {relu:e}");
    }
}

#[test]
fn fields_may_coincide_oppose_or_vanish() {
    let (u, v, zero) = ([0.8, 0.3, 0.1], [-0.2, 0.9, 0.4], [0.0; 3]);
    let (twice, minus, other) = (u.map(|x| 2.0 * x), u.map(|x| -0.5 * x), [0.1, -0.4, 1.0]);
    let outputs = [1.0, 0.6, -1.0, -0.7];
    for vectors in [
        [u, v, u, v],
        [u, u, v, other],
        [u, twice, v, other],
        [u, v, twice, other],
        [u, minus, v, other],
        [u, v, minus, other],
        [u, v, other, other],
        [u, v, v, minus],
        [u, zero, v, other],
        [zero, u, zero, v],
        [u, v, zero, zero],
        [u, u, u, u],
        [zero; 4],
    ] {
        let c = gram(&vectors.each_ref().map(|v| &v[..]));
        let fields = Fields { students: 2, covariance: &c, mean: &[0.0; 4] };
        let relu = check(&Activation::Relu, &Activation::Relu, fields, &outputs, Quadrature::Split { points: 32 });
        // The square root of rounding in the angle between parallel vectors.
        assert!(relu < 3e-8, "{vectors:?}: {relu:e}");
        let erf = check(&Activation::Erf, &Activation::Erf, fields, &outputs, Quadrature::Trapezoidal { points: 64 });
        // Deviations up to 1.7.
        assert!(erf < 1e-9, "{vectors:?}: {erf:e}");
    }
}

/// Everything by a plain tensor rule in all directions, from the definitions.
fn plain(student: &Activation, teacher: &Activation, l: &[[f64; 3]; 3], mean: [f64; 3], outputs: [f64; 3]) -> Vec<f64> {
    let rule = gauss_quad::GaussHermite::new(80.try_into().unwrap());
    let (mut values, mut mixed, mut slopes, mut drift, mut noise) = ([0.0; 9], [0.0; 6], [0.0; 6], [0.0; 6], [0.0; 4]);
    let g = [student, student, teacher];
    for (z0, w0) in rule.iter() {
        for (z1, w1) in rule.iter() {
            for (z2, w2) in rule.iter() {
                let z = [z0, z1, z2].map(|z| z * std::f64::consts::SQRT_2);
                let w = w0 * w1 * w2 / std::f64::consts::PI.powf(1.5);
                let x: [f64; 3] = std::array::from_fn(|a| l[a].iter().zip(z).map(|(l, z)| l * z).sum());
                let value: [f64; 3] = std::array::from_fn(|a| g[a].value(x[a] + mean[a]));
                let slope: [f64; 3] = std::array::from_fn(|a| g[a].derivative(x[a] + mean[a]));
                let gamma: f64 = value.iter().zip(outputs).map(|(v, c)| v * c).sum();
                for a in 0..3 {
                    for b in 0..3 {
                        values[a * 3 + b] += w * value[a] * value[b];
                        if a < 2 {
                            mixed[a * 3 + b] += w * slope[a] * value[b];
                            slopes[a * 3 + b] += w * slope[a] * slope[b];
                            drift[a * 3 + b] += w * gamma * slope[a] * x[b];
                        }
                        if a < 2 && b < 2 {
                            noise[a * 2 + b] += w * gamma * gamma * slope[a] * slope[b];
                        }
                    }
                }
            }
        }
    }
    [&values[..], &mixed, &slopes, &drift, &noise].concat()
}

#[test]
fn biases_and_mixtures_agree_with_a_plain_tensor_rule() {
    let l = [[0.6, 0.0, 0.0], [0.2, 0.5, 0.0], [-0.1, 0.3, 0.4]];
    let c = gram(&[&l[0], &l[1], &l[2]]);
    let (mean, outputs) = ([0.4, -0.3, 0.2], [1.0, -0.6, -0.9]);
    let fields = Fields { students: 2, covariance: &c, mean: &mean };
    for (student, teacher) in [
        (Activation::Tanh, Activation::Erf),
        (Activation::Gelu, Activation::Softplus),
        (Activation::Softplus, Activation::Quadratic),
        (Activation::Linear, Activation::Tanh),
        (Activation::Erf, Activation::Erf),
    ] {
        let expected = plain(&student, &teacher, &l, mean, outputs);
        for rule in [Quadrature::Automatic, Quadrature::Split { points: 32 }] {
            let mut by = expectations(&student, &teacher, false, rule).unwrap();
            let found = all(&mut *by, fields, &outputs);
            let error = by.estimated_error(fields, &outputs).unwrap();
            // What 32 points leave at poles at a distance of two deviations.
            assert!(
                largest(&expected, &found) < 2e-8,
                "{student:?} {teacher:?} {rule:?}: {:e}",
                largest(&expected, &found)
            );
            assert!(
                largest(&expected, &found) < error + 1e-11,
                "{student:?} {teacher:?} {rule:?}: estimated {error:e}"
            );
        }
    }
}

#[test]
fn kinks_with_biases_agree_with_finer_panels() {
    let c = converging(0.6);
    let mean = [0.3, -0.2, 0.5, 0.1];
    let fields = Fields { students: 2, covariance: &c, mean: &mean };
    let outputs = [1.0, 0.7, -1.0, -0.8];
    for (student, teacher) in [(Activation::Relu, Activation::Relu), (Activation::Tanh, Activation::Relu)] {
        let run = |points| {
            all(&mut *expectations(&student, &teacher, false, Quadrature::Split { points }).unwrap(), fields, &outputs)
        };
        let difference = largest(&run(32), &run(48));
        // What tanh leaves at 32 points a panel.
        assert!(difference < 1e-9, "{student:?} {teacher:?}: {difference:e}");
    }
}

#[derive(Debug)]
struct Broken;

impl crate::problem::Nonlinearity for Broken {
    fn value(&self, x: f64) -> f64 {
        x.sqrt()
    }
    fn derivative(&self, _x: f64) -> f64 {
        1.0
    }
}

#[test]
fn bad_input_is_named() {
    let tanh = Activation::Tanh;
    for rule in [
        Quadrature::GaussHermite { points: 1 },
        Quadrature::GaussHermite { points: 129 },
        Quadrature::Trapezoidal { points: 7 },
        Quadrature::Split { points: 0 },
    ] {
        let error = expectations(&tanh, &tanh, true, rule).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("points"), "{error}");
    }
    let broken = Activation::Custom(std::sync::Arc::new(Broken));
    let fields = Fields { students: 2, covariance: &COVARIANCE, mean: &[0.0; 5] };
    let mut by = expectations(&broken, &tanh, true, Quadrature::Automatic).unwrap();
    let error = by.noise(fields, &OUTPUTS, &mut [0.0; 4]).unwrap_err();
    assert!(matches!(error, crate::Error::Activation { function: "g", x, .. } if x < 0.0), "{error}");
    let error = i2([&tanh, &tanh], [[1.0, 2.0], [2.0, 1.0]], [0.0; 2], Quadrature::Automatic).unwrap_err();
    assert!(matches!(error, crate::Error::Indefinite { .. }), "{error}");
    let error = i2([&tanh, &tanh], [[1.0, 0.2], [0.1, 1.0]], [0.0; 2], Quadrature::Automatic).unwrap_err();
    assert!(matches!(error, crate::Error::Asymmetric { .. }), "{error}");
}

#[test]
fn single_expectations_are_those_of_the_sums() {
    let c = [[1.0, 0.3, 0.2, -0.1], [0.3, 0.8, 0.1, 0.4], [0.2, 0.1, 1.2, 0.3], [-0.1, 0.4, 0.3, 0.9]];
    let third = |n: [usize; 3]| n.map(|a| n.map(|b| c[a][b]));
    let second = |n: [usize; 2]| n.map(|a| n.map(|b| c[a][b]));
    for g in Activation::NAMED {
        let rule = if g.kinks().is_empty() {
            Quadrature::Trapezoidal { points: 48 }
        } else {
            Quadrature::Split { points: 32 }
        };
        let both =
            |f: &dyn Fn(Quadrature) -> crate::Result<f64>| (f(Quadrature::Automatic).unwrap() - f(rule).unwrap()).abs();
        let errors = [
            both(&|q| i2([&g, &g], second([0, 1]), [0.0; 2], q)),
            both(&|q| j2([&g, &g], second([0, 1]), [0.0; 2], q)),
            both(&|q| i3([&g, &g], third([0, 1, 2]), [0.0; 3], q)),
            both(&|q| i4([&g, &g, &g, &g], c, [0.0; 4], q)),
        ];
        // What 32 points leave for tanh, where there is no closed form.
        assert!(errors.iter().all(|&error| error < 1e-6), "{g:?}: {errors:?}");
    }
}

#[test]
fn four_fields_in_or_near_a_plane() {
    let plane: [[f64; 4]; 4] =
        [[0.0, 0.96, 0.0, 0.0], [0.79, 0.0, 0.0, 0.0], [0.56, -0.76, 0.0, 0.0], [-0.22, -0.58, 0.0, 0.0]];
    for outside in [0.0, 1e-9, 1e-7, 1e-6, 1e-5, 2e-5, 1e-4, 1e-3, 1e-2] {
        let mut vectors = plane;
        (vectors[1][2], vectors[2][3], vectors[3][2]) = (outside, -outside, 0.5 * outside);
        // So turned that all four are positive somewhere.
        (vectors[2][1], vectors[3][0]) = (0.76, 0.22);
        let c = gram(&[&vectors[0], &vectors[1], &vectors[2], &vectors[3]]);
        let fields = Fields { students: 2, covariance: &c, mean: &[0.0; 4] };
        let rule = Quadrature::Split { points: 48 };
        let difference = check(&Activation::Relu, &Activation::Relu, fields, &OUTPUTS[..4], rule);
        // What little lies outside the plane may be left out; the rest is the error of the rule.
        assert!(difference < 3e-9, "{outside:e}: {difference:e}");
    }
}
