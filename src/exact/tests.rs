//! The propagator and the eigenpairs against small cases solved by hand and against each other.

use sprs::TriMat;

use super::{perron, propagator};

/// `[[2, 1], [1, 2]]`: eigenvalues 3 and 1.
fn pair() -> sprs::CsMat<f64> {
    let mut matrix = TriMat::new((2, 2));
    for (i, j, v) in [(0, 0, 2.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 2.0)] {
        matrix.add_triplet(i, j, v);
    }
    matrix.to_csr()
}

#[test]
fn jump_by_hand() {
    // exp(τA)(1,0) = ½(e^{3τ} + e^τ, e^{3τ} − e^τ); its sum is e^{3τ} = e^{κt}.
    let states = propagator::jump(&pair(), 3.0, &[1.0, 0.0], &[0.0, 0.3, 40.0, 2000.0]).unwrap();
    for (state, kt) in states.iter().zip([0.0, 0.3, 40.0, 2000.0f64]) {
        assert!((state.clock - kt / 3.0).abs() <= 4e-15 * kt, "{} {kt}", state.clock);
        let small = -0.5 * (-2.0 * kt / 3.0).exp_m1();
        // Tolerance: one rounding or two for each of up to 130 pieces.
        assert!((state.mass[1] - small).abs() <= 1e-14 * small, "{} {small}", state.mass[1]);
    }
}

#[test]
fn replicator_by_hand_with_growth() {
    let states = propagator::replicator(&pair(), 3.0, 5.0, &[1.0, 0.0], &[0.5, 300.0]).unwrap();
    for (state, t) in states.iter().zip([0.5, 300.0f64]) {
        assert!((state.log_growth + 2.0 * t).abs() < 1e-12 * t, "{}", state.log_growth);
        let small = -0.5 * (-2.0 * t).exp_m1();
        assert!((state.mass[1] - small).abs() < 1e-14);
    }
}

#[test]
fn far_tails_keep_their_relative_accuracy() {
    // A chain i → i+1 at rate 1 with no return: Poisson probabilities, the last ones near 1e-200.
    let cells = 120;
    let step = |x: &[f64], out: &mut [f64]| {
        out[0] = 0.0;
        out[1..].copy_from_slice(&x[..cells - 1]);
    };
    let mut start = vec![0.0; cells];
    start[0] = 1.0;
    let t = 0.7f64;
    let state = &propagator::replicator(&step, 1.0, 0.0, &start, &[t]).unwrap()[0];
    let mut expected = (-t).exp();
    for (k, mass) in state.mass.iter().enumerate() {
        // Tolerance: three roundings a term.
        assert!((mass / expected - 1.0).abs() < 3e-16 * (k + 20) as f64, "{k}: {mass:e} {expected:e}");
        expected *= t / (k + 1) as f64;
    }
}

#[test]
fn eigenpairs_by_hand() {
    let dense = perron::nonnegative(&pair()).unwrap();
    let symmetric = perron::tridiagonal(&[2.0, 2.0], &[1.0]).unwrap();
    for found in [dense, symmetric] {
        assert!((found.value - 3.0).abs() < 1e-14 && (found.next - 1.0).abs() < 1e-14);
        assert!((found.vector[0] - 0.5).abs() < 1e-15);
    }
}

#[test]
fn bad_input_is_named() {
    assert!(propagator::jump(&pair(), 3.0, &[1.0, f64::NAN], &[1.0]).is_err());
    assert!(propagator::jump(&pair(), 3.0, &[1.0, -1.0], &[1.0]).is_err());
    assert!(propagator::jump(&pair(), 3.0, &[0.0, 0.0], &[1.0]).is_err());
    assert!(propagator::jump(&pair(), 3.0, &[1.0, 0.0], &[2.0, 1.0]).is_err());
    let dead = |_: &[f64], out: &mut [f64]| out.fill(0.0);
    assert!(propagator::jump(&dead, 1.0, &[1.0, 0.0], &[1.0]).is_err());
}
