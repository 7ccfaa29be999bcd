//! `kind = "committee"` and `kind = "sgd"`: teacher, student and training.

use ndarray::Array2;

use super::formulas;
use super::reader::{FINITE, Item, NONNEGATIVE, POSITIVE, Range, Read, Table};
use super::schedule::schedule;
use crate::error::Result;
use crate::gaussian::Quadrature;
use crate::monte_carlo::{SgdSettings, random_student};
use crate::order_parameters::FluctuationSettings;
use crate::problem::{Activation, Committee, LearningRate, Momentum, Student, Teacher};

/// The most units of a teacher or student.
const MOST: usize = 4096;

/// The start of the student.
#[derive(Debug, Clone)]
pub(super) enum Start {
    Given(Student),
    /// Drawn when the solver is made.
    Random {
        units: usize,
        dimension: usize,
        std: f64,
        seed: u64,
        weights: Vec<f64>,
        biases: Vec<f64>,
        activation: Activation,
    },
}

/// A committee whose student may have to be drawn first.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// With a student of no units where it is to be drawn.
    pub committee: Committee,
    pub start: Start,
    pub quadrature: Quadrature,
}

impl Statement {
    /// `K`.
    pub fn students(&self) -> usize {
        match &self.start {
            Start::Given(student) => student.q.nrows(),
            Start::Random { units, .. } => *units,
        }
    }

    /// `M`.
    pub fn teachers(&self) -> usize {
        self.committee.teachers()
    }

    /// The committee, its student drawn.
    pub fn committee(&self) -> Result<Committee> {
        let student = match &self.start {
            Start::Given(student) => student.clone(),
            Start::Random { units, dimension, std, seed, weights, biases, activation } => {
                let teacher = &self.committee.teacher;
                let student = random_student(teacher, activation.clone(), *units, *dimension, *std, *seed)?;
                Student { weights: weights.clone(), biases: biases.clone(), ..student }
            }
        };
        Ok(Committee { student, ..self.committee.clone() })
    }

    pub fn seed(&self) -> Option<u64> {
        match self.start {
            Start::Random { seed, .. } => Some(seed),
            Start::Given(_) => None,
        }
    }
}

/// An activation by its name or as a formula in x.
pub(super) fn activation(item: &Item<'_>) -> Read<Activation> {
    let text = item.as_text().ok_or_else(|| item.expected("the name of an activation, or a formula in x"))?;
    Ok(match text {
        "erf" => Activation::Erf,
        "relu" => Activation::Relu,
        "linear" => Activation::Linear,
        "quadratic" => Activation::Quadratic,
        "tanh" => Activation::Tanh,
        "gelu" => Activation::Gelu,
        "softplus" => Activation::Softplus,
        _ => {
            let names = ["erf", "relu", "linear", "quadratic", "tanh", "gelu", "softplus"];
            formulas::activation(item).map_err(|error| formulas::or_named(item, &names, error))?
        }
    })
}

/// Reads `[problem]`.
pub(super) fn statement(root: &Table<'_>) -> Read<Statement> {
    let table = root.need("problem", "the problem")?.table("a table")?;
    let g = activation(&table.need("activation", "the name of an activation, or a formula in x")?)?;
    let learning_rate = match table.at_most_one_of(&["learning_rate", "eta", "tau"])? {
        Some(rate) => schedule(&rate, NONNEGATIVE)?,
        // With scaled momentum it is not used.
        None if table.has("momentum") && table.need("momentum", "")?.is_table() => LearningRate::Constant(0.0),
        None => schedule(&table.need("learning_rate", "a number ≥ 0, or a schedule")?, NONNEGATIVE)?,
    };
    let teacher = table.need("teacher", "a table with the overlaps and weights of the teacher")?;
    let teacher = teacher_of(teacher.table("a table")?, &g)?;
    let student = table.need("student", "a table with Q, M and weights, or { random = true, … }")?;
    let start = student_of(student.table("a table")?, &g, teacher.weights.len())?;
    let quadrature = table.get("quadrature").map_or(Ok(Quadrature::Automatic), |item| quadrature(&item))?;
    let blank =
        Student { weights: vec![], biases: vec![], ..Student::new(Array2::zeros((0, 0)), Array2::zeros((0, 0)), g) };
    let committee = Committee {
        teacher,
        student: blank,
        learning_rate,
        second_layer_rate: table.number_or("second_layer_rate", 0.0, NONNEGATIVE)?,
        bias_rate: table.number_or("bias_rate", 0.0, NONNEGATIVE)?,
        weight_decay: table.number_or("weight_decay", 0.0, NONNEGATIVE)?,
        noise_variance: table.number_or("noise_variance", 0.0, NONNEGATIVE)?,
        batch: table.count_or("batch", 1, 1..=1 << 24)?,
        momentum: table.get("momentum").map_or(Ok(Momentum::None), |item| momentum(&item))?,
    };
    table.finish()?;
    Ok(Statement { committee, start, quadrature })
}

fn momentum(item: &Item<'_>) -> Read<Momentum> {
    if !item.is_table() {
        let range =
            Range { text: "a number in [0, 1), or { scaled = γ, rate = α }", holds: |x| (0.0..1.0).contains(&x) };
        let beta = item.number(range)?;
        return Ok(if beta == 0.0 { Momentum::None } else { Momentum::Constant { beta } });
    }
    let table = item.table("a table")?;
    let gamma = table.number("scaled", POSITIVE)?;
    let alpha = table.number("rate", NONNEGATIVE)?;
    table.finish()?;
    Ok(Momentum::Scaled { gamma, alpha })
}

fn quadrature(item: &Item<'_>) -> Read<Quadrature> {
    if item.as_text().is_some() {
        return item.choice(&[("automatic", Quadrature::Automatic)]);
    }
    let expected =
        "\"automatic\", { gauss-hermite = 32 }, { trapezoidal = 32 } or { split = 24 }, with the number of points";
    let table = item.table(expected)?;
    let points = table.one_of(&["gauss-hermite", "trapezoidal", "split"])?;
    table.finish()?;
    Ok(match points.path.rsplit('.').next() {
        Some("gauss-hermite") => Quadrature::GaussHermite { points: points.count(2..=128)? },
        Some("split") => Quadrature::Split { points: points.count(2..=128)? },
        _ => Quadrature::Trapezoidal { points: points.count(8..=4096)? },
    })
}

/// A list with one number a unit.
fn units(table: &Table<'_>, key: &'static str, count: usize, default: f64) -> Read<Vec<f64>> {
    let Some(item) = table.get(key) else { return Ok(vec![default; count]) };
    let numbers = item.numbers(FINITE)?;
    if numbers.len() == count {
        Ok(numbers)
    } else {
        Err(item.expected(&format!("a list of {count}, one number a unit")))
    }
}

fn square(item: &Item<'_>) -> Read<Array2<f64>> {
    let matrix = item.matrix()?;
    let (rows, columns) = matrix.dim();
    if rows != columns {
        return Err(item
            .error(format!("bad value of `{}`", item.path))
            .detail(format!("found {rows} rows of {columns}, expected a square matrix")));
    }
    if rows > MOST {
        return Err(item.expected(&format!("at most {MOST} units")));
    }
    for ((i, j), &entry) in matrix.indexed_iter() {
        let mirrored = matrix.get((j, i)).copied().unwrap_or(f64::NAN);
        // Rounding of what was computed elsewhere.
        if !((entry - mirrored).abs() <= 1e-12 * entry.abs().max(mirrored.abs())) {
            return Err(item
                .error(format!("bad value of `{}`", item.path))
                .detail(format!("found {entry} in row {i}, column {j} (from 0), but {mirrored} across the diagonal, expected a symmetric matrix")));
        }
    }
    Ok(matrix)
}

fn teacher_of(table: Table<'_>, g: &Activation) -> Read<Teacher> {
    let overlaps = match table.at_most_one_of(&["overlaps", "P", "T", "units"])? {
        Some(item) if item.path.ends_with("units") => Array2::eye(item.count(1..=MOST)?),
        Some(item) => square(&item)?,
        None => square(&table.need("overlaps", "the matrix P of overlaps, or `units` for orthonormal vectors")?)?,
    };
    let count = overlaps.nrows();
    let (weights, biases) = (units(&table, "weights", count, 1.0)?, units(&table, "biases", count, 0.0)?);
    let activation = table.get("activation").map_or(Ok(g.clone()), |item| activation(&item))?;
    table.finish()?;
    Ok(Teacher { overlaps, weights, biases, activation })
}

fn student_of(table: Table<'_>, g: &Activation, teachers: usize) -> Read<Start> {
    let activation = g.clone();
    if table.flag_or("random", false)? {
        let units = table.count("units", 1..=MOST)?;
        let start = Start::Random {
            units,
            dimension: table.count("dimension", 1..=1 << 50)?,
            std: table.number_or("std", 1.0, NONNEGATIVE)?,
            seed: table.seed_or(1)?,
            weights: self::units(&table, "weights", units, 1.0)?,
            biases: self::units(&table, "biases", units, 0.0)?,
            activation,
        };
        table.finish()?;
        return Ok(start);
    }
    let q = square(&table.need("Q", "the matrix of the overlaps w·w/d, or random = true")?)?;
    let item = match table.at_most_one_of(&["M", "R"])? {
        Some(item) => item,
        None => table.need("M", "the matrix of the overlaps w·w*/d")?,
    };
    let m = item.matrix()?;
    if m.dim() != (q.nrows(), teachers) {
        let (rows, columns) = m.dim();
        return Err(item.error(format!("bad value of `{}`", item.path)).detail(format!(
            "found {rows} rows of {columns}, expected {} rows (units of the student) of {teachers} (of the teacher)",
            q.nrows()
        )));
    }
    let count = q.nrows();
    let (weights, biases) = (units(&table, "weights", count, 1.0)?, units(&table, "biases", count, 0.0)?);
    table.finish()?;
    Ok(Start::Given(Student { q, m, weights, biases, activation }))
}

/// `[fluctuations]`.
pub(super) fn fluctuations(root: &Table<'_>, tolerance: Option<f64>) -> Read<Option<FluctuationSettings>> {
    let Some(table) = root.table("fluctuations")? else { return Ok(None) };
    let default = FluctuationSettings::default();
    let points = table.get("points");
    let settings = FluctuationSettings {
        points: points.as_ref().map_or(Ok(default.points), |item| item.count(4..=128))?,
        lattice: table.count_or("lattice", default.lattice, 16..=1 << 20)?,
        tolerance: tolerance.unwrap_or(default.tolerance),
        initial_covariance: table.get("initial_covariance").map(|item| square(&item)).transpose()?,
    };
    if let Some(points) = points.filter(|_| settings.points % 2 == 1) {
        return Err(points.expected("an even number"));
    }
    table.finish()?;
    Ok(Some(settings))
}

/// How SGD is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Weights,
    Overlaps,
}

/// `[simulation]` and `[record]` of `kind = "sgd"`.
pub(super) fn simulation(root: &Table<'_>) -> Read<(SgdSettings, Method)> {
    let expected = "a table with the dimension";
    let table = root.need("simulation", expected)?.table(expected)?;
    let methods = [("weights", Method::Weights), ("overlaps", Method::Overlaps)];
    let method = table.choice_or("method", Method::Weights, &methods)?;
    let mut settings = SgdSettings {
        dimension: table.count("dimension", 1..=1 << 50)?,
        runs: table.count_or("runs", 1, 1..=1 << 32)?,
        seed: table.seed_or(1)?,
        record_runs: false,
    };
    table.finish()?;
    if let Some(record) = root.table("record")? {
        settings.record_runs = record.flag_or("runs", false)?;
        record.finish()?;
    }
    Ok((settings, method))
}
