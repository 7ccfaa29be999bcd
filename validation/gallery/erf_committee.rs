//! The plateau of an erf committee and its specialisation.
//!
//! Saad & Solla (1995), Phys. Rev. E 52, 4225: soft committee machines of two and three hidden units learn from one of two. The
//! overlaps with the teacher stay alike on a plateau before the units specialise. Lines: order parameters; points: 24 runs of SGD on
//! weight vectors in dimension 500, with standard errors. On the command line: `kind = "committee"` and `kind = "sgd"` with these
//! overlaps. The study `erf-committee` measures the differences and the height of the plateau.

use learning_dynamics::gaussian::Quadrature;
use learning_dynamics::monte_carlo::{OnlineSgd, SgdSettings};
use learning_dynamics::order_parameters::OrderParameters;
use learning_dynamics::output::plot::{Panel, Picture};
use learning_dynamics::problem::{Activation, Committee, Student, Teacher};
use learning_dynamics::record::logarithmic;
use ndarray::{Array2, array};

use crate::common::{Outcome, column, record};

const LOOKS: [f64; 8] = [0.5, 2.0, 5.0, 12.0, 25.0, 40.0, 55.0, 70.0];

/// Initial overlaps `M` with the two units of the teacher; `Q = ¼ + MMᵀ`, learning rate 1.
pub fn problem(m: Array2<f64>) -> Committee {
    let student = Student::new(Array2::eye(m.nrows()) * 0.25 + m.dot(&m.t()), m, Activation::Erf);
    Committee::new(Teacher::orthonormal(2, Activation::Erf), student, 1.0)
}

pub fn picture() -> Outcome<Picture> {
    let times = logarithmic(0.3, 80.0, 50)?;
    let mut errors = Panel::new("Generalisation error", "t = steps/d", "E_g").log_x().log_y();
    let mut picture = Picture::new(3);
    for m in [array![[0.09, 0.02], [0.03, 0.08]], array![[0.09, 0.02], [0.03, 0.08], [0.05, 0.05]]] {
        let (students, problem) = (m.nrows(), problem(m));
        let theory = record(&mut OrderParameters::of(problem.clone(), Quadrature::Automatic, 1e-9)?, &times)?;
        let settings = SgdSettings { dimension: 500, runs: 24, seed: 71, record_runs: false };
        let found = record(&mut OnlineSgd::new(problem, settings)?, &LOOKS)?;
        let error = "generalization_error";
        errors = errors
            .line(&format!("K = {students}"), &times, theory.values("errors", error)?)
            .points(
                "SGD",
                &LOOKS,
                found.values("errors", error)?,
                found.values("errors", "generalization_error_error")?,
            )
            .same_colour();
        let mut panel = Panel::new(&format!("K = {students}, M = 2"), "t = steps/d", "overlaps R with the teacher")
            .log_x()
            .x_range(0.3, 100.0)
            .y_range(-0.2, 1.0);
        for at in 0..2 * students {
            let of = |series: &learning_dynamics::record::Series, name| -> Outcome<Vec<f64>> {
                Ok(column(series.values("order_parameters", name)?, at, 2 * students))
            };
            panel = panel
                .line(&format!("R{}{}", at / 2 + 1, at % 2 + 1), &times, &of(&theory, "M")?)
                .points("", &LOOKS, &of(&found, "M")?, &of(&found, "M_error")?)
                .same_colour();
        }
        picture = picture.panel(panel);
    }
    Ok(picture.panel(errors))
}
