use ndarray::Array2;

use super::*;
use crate::problem::{Activation, Student, Teacher};

fn peer(units: usize) -> Committee {
    let m = Array2::from_shape_fn((units, units), |(i, n)| 1e-3 * (1.0 + 3.0 * i as f64 + 7.0 * n as f64).sin());
    let student = Student::new(Array2::eye(units) * 0.25, m, Activation::Erf);
    Committee::new(Teacher::orthonormal(units, Activation::Erf), student, 0.5)
}

#[test]
fn erf_committee_follows_the_reference() {
    // E_g of the problem of benches/peers/saad_solla.py by SciPy's DOP853 at tolerance 1e-13.
    let reference = [
        (1.0, 0.2290043000228349),
        (10.0, 0.016043932808884147),
        (100.0, 0.014778008634333123),
        (300.0, 0.005656279414460208),
    ];
    let mut run = OrderParameters::of(peer(2), Quadrature::Automatic, 1e-12).unwrap();
    for (time, expected) in reference {
        run.advance_to(time).unwrap();
        let state = run.state().to_vec();
        let error = run.equations().generalization_error(&state).unwrap();
        // The plateau amplifies errors of a step a thousandfold.
        assert!((error - expected).abs() < 1e-10, "{time}: {error} {expected}");
    }
}
