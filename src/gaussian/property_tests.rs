//! Closed forms for random weight vectors.

use super::tests::{OUTPUTS, check, gram, largest};
use super::*;

/// `E[Γ² g'_i g'_k]` of ReLU fields `v · (x, y)` with independent standard normals x, y: on each sector between two kinks a quadratic
/// form in the cosine and sine of the polar angle, `E[x² + y²] = 2`.
fn noise_in_a_plane(vectors: &[[f64; 2]], outputs: &[f64], students: usize) -> Vec<f64> {
    use std::f64::consts::{FRAC_PI_2, PI, TAU};
    let mut ends = vec![0.0, TAU];
    for [x, y] in vectors {
        ends.extend([-1.0, 1.0].map(|side| (y.atan2(*x) + side * FRAC_PI_2).rem_euclid(TAU)));
    }
    ends.sort_by(f64::total_cmp);
    let mut out = vec![0.0; students * students];
    for sector in ends.windows(2) {
        let (size, middle) = (sector[1] - sector[0], 0.5 * (sector[0] + sector[1]));
        let active: Vec<bool> = vectors.iter().map(|[x, y]| x * middle.cos() + y * middle.sin() > 0.0).collect();
        let mut gamma = [0.0; 2];
        for (a, vector) in vectors.iter().enumerate().filter(|&(a, _)| active[a]) {
            gamma = std::array::from_fn(|d| gamma[d] + outputs[a] * vector[d]);
        }
        let [x, y] = gamma;
        let (sine, cosine) = ((2.0 * middle).sin() * size.sin(), (2.0 * middle).cos() * size.sin());
        let value = (0.5 * (x * x * (size + cosine) + y * y * (size - cosine)) + x * y * sine) / PI;
        for (at, out) in out.iter_mut().enumerate() {
            *out += if active[at / students] && active[at % students] { value } else { 0.0 };
        }
    }
    out
}

/// Largest error of the noise of ReLU fields in a plane.
fn plane_error(vectors: &[[f64; 2]], students: usize) -> f64 {
    let rows: Vec<&[f64]> = vectors.iter().map(|v| &v[..]).collect();
    let (covariance, mean) = (gram(&rows), vec![0.0; vectors.len()]);
    let fields = Fields { students, covariance: &covariance, mean: &mean };
    let mut noise = vec![0.0; students * students];
    let relu = Activation::Relu;
    let mut by = expectations(&relu, &relu, true, Quadrature::Automatic).unwrap();
    by.noise(fields, &OUTPUTS, &mut noise).unwrap();
    largest(&noise, &noise_in_a_plane(vectors, &OUTPUTS, students))
}

#[test]
fn parallel_fields_in_a_plane() {
    // The first two, or a student and a teacher, make an angle of about 1e-6.
    for vectors in [
        [
            [-0.6199040864568579, -0.7868947033842479],
            [-0.5744722750774107, -0.37170886136245285],
            [0.48066542524094036, 0.311011430424059],
            [0.6178381946817886, -0.6619816257310915],
            [-0.32563707510223794, -0.6157980364482463],
        ],
        [
            [0.8483033936199462, 0.8898952977224934],
            [0.16871265521008838, 0.1769844618144487],
            [0.8964124094071702, -0.8216160175236136],
            [-0.22690797658784656, -0.9032475420630026],
            [0.9944456143078473, 0.10256015155889164],
        ],
        [
            [0.0, 0.9590951777033085],
            [0.7902398665851706, 0.0],
            [0.0, 0.0],
            [0.562329414837919, -0.7563828944049901],
            [-0.21686975022878763, -0.5805579256197578],
        ],
    ] {
        for students in [1, 2, 3] {
            let error = plane_error(&vectors, students);
            assert!(error < 1e-10, "{vectors:?}: {error:e}");
        }
    }
}

/// Of the erf closed form. At deviations up to 2, 40 points leave 1e-7, 56 leave 1e-9.
fn erf_error(vectors: &[[f64; 4]], depth: usize, students: usize) -> f64 {
    let rows: Vec<&[f64]> = vectors.iter().map(|v| &v[..depth]).collect();
    let c = gram(&rows);
    let fields = Fields { students, covariance: &c, mean: &[0.0; 5] };
    check(&Activation::Erf, &Activation::Erf, fields, &OUTPUTS, Quadrature::Trapezoidal { points: 72 })
}

#[test]
fn wide_erf_fields() {
    let vectors = [
        [-0.8239721224898144, -0.9626020293619248, 0.9940288294083737, -0.5507103058373501],
        [0.8751746563595559, -0.3142981732611112, 0.3982164861690807, 0.47874531006178445],
        [-0.7522096061036498, 0.6498307454136829, 0.4509952957394856, 0.499857354263193],
        [-0.20583581625146086, -0.8826509364665422, 0.852222271733307, 0.08686075636883017],
        [0.5006181215794165, 0.019308218636892915, 0.6885225009848943, -0.4251690551709939],
    ];
    let error = erf_error(&vectors, 4, 3);
    assert!(error < 1e-10, "{error:e}");
}

/// The same cases wherever the test runs.
fn cases(cases: u32) -> proptest::prelude::ProptestConfig {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(1);
    proptest::prelude::ProptestConfig { cases, rng_seed, failure_persistence: None, ..Default::default() }
}

proptest::proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn relu_holds_everywhere(
        vectors in proptest::collection::vec(proptest::array::uniform4(-1.0..1.0f64), 5),
        depth in 1..=4usize,
        students in 1..=3usize,
    ) {
        let rows: Vec<&[f64]> = vectors.iter().map(|v| &v[..depth]).collect();
        let c = gram(&rows);
        let fields = Fields { students, covariance: &c, mean: &[0.0; 5] };
        let relu = check(&Activation::Relu, &Activation::Relu, fields, &OUTPUTS, Quadrature::Split { points: 40 });
        // The angle of parallel fields knows the square root of rounding only.
        proptest::prop_assert!(relu < 2e-8, "{:e}", relu);
    }
}

proptest::proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn relu_holds_in_a_plane(
        vectors in proptest::collection::vec(proptest::array::uniform2(-1.0..1.0f64), 5),
        line in proptest::bool::ANY,
        students in 1..=3usize,
    ) {
        let vectors: Vec<[f64; 2]> = vectors.iter().map(|&[x, y]| [x, if line { 0.0 } else { y }]).collect();
        let error = plane_error(&vectors, students);
        proptest::prop_assert!(error < 1e-9, "{:e}", error);
    }
}

proptest::proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn erf_holds_everywhere(
        vectors in proptest::collection::vec(proptest::array::uniform4(-1.0..1.0f64), 5),
        depth in 1..=4usize,
        students in 1..=3usize,
    ) {
        let error = erf_error(&vectors, depth, students);
        proptest::prop_assert!(error < 1e-10, "{:e}", error);
    }
}
