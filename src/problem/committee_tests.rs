use ndarray::array;

use super::*;

fn good() -> Committee {
    let student = Student::new(array![[0.5, 0.1], [0.1, 0.3]], array![[0.1, 0.2], [0.0, 0.1]], Activation::Erf);
    Committee::new(Teacher::orthonormal(2, Activation::Erf), student, 0.5)
}

/// What the error says after `change`.
fn complaint(change: impl FnOnce(&mut Committee)) -> String {
    let mut committee = good();
    change(&mut committee);
    committee.validated().unwrap_err().to_string()
}

#[test]
fn bad_statements_are_named() {
    assert!(good().validated().is_ok());
    let wrong = [
        (complaint(|c| c.student.m = array![[0.0, 0.0]]), "student.M: rows"),
        (complaint(|c| c.student.m = array![[0.0], [0.0]]), "student.M: columns"),
        (complaint(|c| c.student.weights.push(1.0)), "student.weights: found 3, expected 2"),
        (complaint(|c| c.teacher.biases.clear()), "teacher.biases: found 0, expected 2"),
        (complaint(|c| c.teacher.weights[0] = f64::NAN), "teacher.weights = NaN"),
        (complaint(|c| c.student.q[[0, 1]] = 0.2), "student.Q[0, 1] = 0.2, but student.Q[1, 0] = 0.1"),
        (complaint(|c| c.student.m[[0, 1]] = f64::INFINITY), "[[Q, M], [Mᵀ, P]][0, 3] = inf"),
        (complaint(|c| c.noise_variance = -0.1), "noise_variance = -0.1: expected a finite number ≥ 0"),
        (complaint(|c| c.weight_decay = f64::NAN), "weight_decay = NaN"),
        (complaint(|c| c.batch = 0), "batch = 0: expected at least one"),
        (complaint(|c| c.momentum = Momentum::Constant { beta: 1.0 }), "momentum.beta = 1"),
        (complaint(|c| c.momentum = Momentum::Scaled { gamma: 0.0, alpha: 1.0 }), "momentum.gamma = 0"),
        (complaint(|c| c.learning_rate = (-0.5).into()), "learning_rate = -0.5"),
    ];
    for (text, part) in wrong {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn impossible_overlaps_name_their_eigenvalue() {
    // Eigenvalues 0.4 ± 0.6.
    let text = complaint(|c| c.student.q = array![[0.4, 0.6], [0.6, 0.4]]);
    assert!(text.contains("student.Q has the eigenvalue -1.99"), "{text}");
    // |w·w*| > |w||w*|, though Q and P alone are fine.
    let text = complaint(|c| c.student.m[[0, 0]] = 1.0);
    assert!(text.contains("[[Q, M], [Mᵀ, P]] has the eigenvalue -"), "{text}");
}

#[test]
fn the_student_may_be_the_teacher_or_nothing() {
    let mut same = good();
    (same.student.q, same.student.m) = (Array2::eye(2), Array2::eye(2));
    assert!(same.validated().is_ok());
    let mut zero = good();
    (zero.student.q, zero.student.m) = (Array2::zeros((2, 2)), Array2::zeros((2, 2)));
    assert!(zero.validated().is_ok());
}
