//! Students that start from random weights.

use ndarray::Array2;

use super::chi_square::ChiSquare;
use super::rng::{Generator, Key, Purpose};
use super::root::root;
use crate::error::{Result, require};
use crate::numerics::normal::standard_normal;
use crate::problem::{Activation, Committee, Student, Teacher};

/// A student of `units` units whose weight vectors are independent, `N(0, std²)` in each of `dimension` coordinates: the overlaps
/// that they have with each other and with the teacher's vectors, exactly in law, at a cost that does not depend on the
/// dimension. `a = 1`, `b = 0`.
///
/// Along the teacher's span the coordinates are normal; what is perpendicular to it has the Gram matrix of a Wishart law with
/// `dimension − rank` degrees of freedom (Bartlett 1933).
///
/// # Errors
/// Those of [`Committee::validated`] for the teacher; [`crate::Error::Parameter`] for no units, a negative `std`, and a dimension that is 0 or smaller than the rank of the
/// teacher's overlaps.
pub fn random_student(
    teacher: &Teacher,
    activation: Activation,
    units: usize,
    dimension: usize,
    std: f64,
    seed: u64,
) -> Result<Student> {
    let blank = Student::new(Array2::zeros((units, units)), Array2::zeros((units, teacher.weights.len())), activation);
    let mut student = Committee::new(teacher.clone(), blank, 0.0).validated()?.student;
    require(std >= 0.0 && std.is_finite(), "std", std, "a finite number ≥ 0")?;
    let span = root(teacher.overlaps.view());
    let rank = span.ncols();
    let expected = "at least 1, and the rank of the teacher's overlaps";
    require(dimension >= rank.max(1), "dimension", dimension as f64, expected)?;
    let mut rng = Generator::new(Key::new(seed, Purpose::RandomStudent, 0));
    let scale = std / (dimension as f64).sqrt();
    let along = Array2::from_shape_simple_fn((units, rank), || scale * standard_normal(&mut rng));
    let across = Array2::from_shape_fn((units, units.min(dimension - rank)), |(i, j)| {
        if i > j {
            scale * standard_normal(&mut rng)
        } else if i == j {
            scale * ChiSquare::new(dimension - rank - j).draw(&mut rng).sqrt()
        } else {
            0.0
        }
    });
    let q = along.dot(&along.t()) + across.dot(&across.t());
    (student.q, student.m) = (q, along.dot(&span.t()));
    Ok(student)
}
