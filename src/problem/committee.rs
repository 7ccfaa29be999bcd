//! Teacher and student: a soft committee machine that learns from another one by online SGD.

use faer::{Mat, Side};
use ndarray::Array2;

use super::activation::Activation;
use super::layout::Layout;
use super::rate::LearningRate;
use crate::error::{Error, Result, require};

/// The committee that gives the labels: `y* = Σ_n a*_n g*(v_n) + σξ`, `v_n = w*_n·x/√d + b*_n`.
#[derive(Debug, Clone)]
pub struct Teacher {
    /// `P = W*ᵀW*/d` (M×M, symmetric, positive semidefinite). `T` in part of the literature.
    #[doc(alias = "T")]
    #[doc(alias = "P")]
    pub overlaps: Array2<f64>,
    /// `a*`, one a unit.
    pub weights: Vec<f64>,
    /// `b*`, one a unit.
    pub biases: Vec<f64>,
    /// `g*`.
    pub activation: Activation,
}

impl Teacher {
    /// `units` orthonormal weight vectors, `a* = 1`, `b* = 0`.
    pub fn orthonormal(units: usize, activation: Activation) -> Self {
        Self { overlaps: Array2::eye(units), weights: vec![1.0; units], biases: vec![0.0; units], activation }
    }

    /// `P` under its other name.
    #[doc(alias = "P")]
    pub fn t(&self) -> &Array2<f64> {
        &self.overlaps
    }
}

/// The committee that learns, as it starts: `ŷ = Σ_l a_l g(u_l)`, `u_l = w_l·x/√d + b_l`.
#[derive(Debug, Clone)]
pub struct Student {
    /// `Q = WᵀW/d` (K×K, symmetric).
    pub q: Array2<f64>,
    /// `M = WᵀW*/d` (K×M). `R` in part of the literature.
    #[doc(alias = "R")]
    pub m: Array2<f64>,
    /// `a`, one a unit.
    pub weights: Vec<f64>,
    /// `b`, one a unit.
    pub biases: Vec<f64>,
    /// `g`.
    pub activation: Activation,
}

impl Student {
    /// Weight vectors with overlaps `q`, `m`; `a = 1`, `b = 0`.
    pub fn new(q: Array2<f64>, m: Array2<f64>, activation: Activation) -> Self {
        let units = q.nrows();
        Self { q, m, weights: vec![1.0; units], biases: vec![0.0; units], activation }
    }

    /// `M` under its other name.
    #[doc(alias = "M")]
    pub fn r(&self) -> &Array2<f64> {
        &self.m
    }
}

/// Momentum of the first layer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Momentum {
    /// Plain SGD.
    #[default]
    None,
    /// `p ← βp + gradient`, `w ← w − τp`, weight decay inside the gradient. As `d → ∞`, plain SGD with rate `τ/(1−β)`.
    Constant {
        /// `0 ≤ β < 1`.
        beta: f64,
    },
    /// `p ← (1 − γ/d)p − α( Γ a g'(u) x/√d + (λ/d) w )`, `w ← w + p/d`: second-order dynamics. `learning_rate` is not used.
    Scaled {
        /// Friction `γ > 0`.
        gamma: f64,
        /// Force `α ≥ 0`.
        alpha: f64,
    },
}

/// Online SGD of a student on the labels of a teacher; one fresh batch of Gaussian inputs a step, `t = steps/d`.
///
/// ```text
/// w_l ← w_l − τ ⟨Γ a_l g'(u_l) x⟩/√d − (τλ/d) w_l       a_l ← a_l − (τ_a/d) ⟨Γ g(u_l)⟩       b_l ← b_l − (τ_b/d) ⟨Γ a_l g'(u_l)⟩
/// ```
/// with `Γ = ŷ − y`, loss `½Γ²`, and `⟨·⟩` the mean over the batch. Note the scaling of the weight decay, `λ/d` a step.
/// Saad & Solla (1995); trained second layers after Goldt et al. (2019).
#[derive(Debug, Clone)]
pub struct Committee {
    /// Who gives the labels.
    pub teacher: Teacher,
    /// Who learns, as it starts.
    pub student: Student,
    /// `τ(t)`. `η` in part of the literature.
    #[doc(alias = "eta")]
    pub learning_rate: LearningRate,
    /// `τ_a ≥ 0`; 0 keeps the second layer fixed.
    pub second_layer_rate: f64,
    /// `τ_b ≥ 0`; 0 keeps the biases fixed.
    pub bias_rate: f64,
    /// `λ ≥ 0`.
    pub weight_decay: f64,
    /// `σ² ≥ 0`, variance of the label noise.
    pub noise_variance: f64,
    /// Batch size `B ≥ 1`.
    pub batch: usize,
    /// Momentum.
    pub momentum: Momentum,
}

impl Committee {
    /// Plain SGD: fixed second layer and biases, no decay, no noise, one sample a step.
    pub fn new(teacher: Teacher, student: Student, learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            teacher,
            student,
            learning_rate: learning_rate.into(),
            second_layer_rate: 0.0,
            bias_rate: 0.0,
            weight_decay: 0.0,
            noise_variance: 0.0,
            batch: 1,
            momentum: Momentum::None,
        }
    }

    /// The learning rate under its other name, `η`.
    #[doc(alias = "tau")]
    pub fn eta(&self) -> &LearningRate {
        &self.learning_rate
    }

    /// `K`.
    pub fn students(&self) -> usize {
        self.student.q.nrows()
    }

    /// `M`.
    pub fn teachers(&self) -> usize {
        self.teacher.overlaps.nrows()
    }

    /// Which order parameters move.
    pub fn layout(&self) -> Layout {
        Layout {
            students: self.students(),
            teachers: self.teachers(),
            second_layer: self.second_layer_rate > 0.0,
            biases: self.bias_rate > 0.0,
            momentum: matches!(self.momentum, Momentum::Scaled { .. }),
        }
    }

    /// The initial state in the order of [`Committee::layout`]; the overlaps of the momentum are 0.
    pub fn initial_state(&self) -> Vec<f64> {
        let layout = self.layout();
        let mut state = vec![0.0; layout.len()];
        for i in 0..layout.students {
            for k in i..layout.students {
                state[layout.q(i, k)] = self.student.q[[i, k]];
            }
            for n in 0..layout.teachers {
                state[layout.m(i, n)] = self.student.m[[i, n]];
            }
            if layout.second_layer {
                state[layout.a(i)] = self.student.weights[i];
            }
            if layout.biases {
                state[layout.b(i)] = self.student.biases[i];
            }
        }
        state
    }

    /// Whether all biases are 0 and stay so, so that the fields have mean zero.
    pub fn unbiased(&self) -> bool {
        self.bias_rate == 0.0 && self.student.biases.iter().chain(&self.teacher.biases).all(|&bias| bias == 0.0)
    }

    /// Checks the statement.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Parameter`], [`Error::Asymmetric`], [`Error::Indefinite`].
    pub fn validated(self) -> Result<Self> {
        let (students, teachers) = (self.students(), self.teachers());
        let shape = |what: &str, found: usize, expected: usize| {
            if found == expected { Ok(()) } else { Err(Error::Shape { what: what.into(), found, expected }) }
        };
        require(students > 0, "student units", students as f64, "at least one")?;
        require(teachers > 0, "teacher units", teachers as f64, "at least one")?;
        shape("student.Q: columns", self.student.q.ncols(), students)?;
        shape("student.M: rows", self.student.m.nrows(), students)?;
        shape("student.M: columns", self.student.m.ncols(), teachers)?;
        shape("student.weights", self.student.weights.len(), students)?;
        shape("student.biases", self.student.biases.len(), students)?;
        shape("teacher.overlaps: columns", self.teacher.overlaps.ncols(), teachers)?;
        shape("teacher.weights", self.teacher.weights.len(), teachers)?;
        shape("teacher.biases", self.teacher.biases.len(), teachers)?;
        let lists = [
            ("student.weights", &self.student.weights),
            ("student.biases", &self.student.biases),
            ("teacher.weights", &self.teacher.weights),
            ("teacher.biases", &self.teacher.biases),
        ];
        for (key, list) in lists {
            list.iter().try_for_each(|&value| require(value.is_finite(), key, value, "a finite number"))?;
        }
        let nonnegative = [
            ("second_layer_rate", self.second_layer_rate),
            ("bias_rate", self.bias_rate),
            ("weight_decay", self.weight_decay),
            ("noise_variance", self.noise_variance),
        ];
        for (key, value) in nonnegative {
            require(value >= 0.0 && value.is_finite(), key, value, "a finite number ≥ 0")?;
        }
        require(self.batch > 0, "batch", self.batch as f64, "at least one")?;
        self.learning_rate.validated("learning_rate")?;
        match self.momentum {
            Momentum::None => {}
            Momentum::Constant { beta } => {
                require((0.0..1.0).contains(&beta), "momentum.beta", beta, "a number in [0, 1)")?;
            }
            Momentum::Scaled { gamma, alpha } => {
                require(gamma > 0.0 && gamma.is_finite(), "momentum.gamma", gamma, "a finite number > 0")?;
                require(alpha >= 0.0 && alpha.is_finite(), "momentum.alpha", alpha, "a finite number ≥ 0")?;
            }
        }
        symmetric("student.Q", &self.student.q)?;
        symmetric("teacher.overlaps", &self.teacher.overlaps)?;
        semidefinite("student.Q", &self.student.q)?;
        semidefinite("teacher.overlaps", &self.teacher.overlaps)?;
        semidefinite("[[Q, M], [Mᵀ, P]]", &self.covariance())?;
        Ok(self)
    }

    /// `[[Q, M], [Mᵀ, P]]` at the start ((K+M)×(K+M)).
    pub fn covariance(&self) -> Array2<f64> {
        let students = self.students();
        let n = students + self.teachers();
        Array2::from_shape_fn((n, n), |(i, j)| match (i < students, j < students) {
            (true, true) => self.student.q[[i, j]],
            (true, false) => self.student.m[[i, j - students]],
            (false, true) => self.student.m[[j, i - students]],
            (false, false) => self.teacher.overlaps[[i - students, j - students]],
        })
    }
}

/// Relative size of what counts as rounding in a matrix that a user typed or computed.
const ROUNDING: f64 = 1e-12;

fn symmetric(matrix: &'static str, values: &Array2<f64>) -> Result<()> {
    for ((row, column), &found) in values.indexed_iter() {
        require(found.is_finite(), format!("{matrix}[{row}, {column}]"), found, "a finite number")?;
        let mirrored = values[[column, row]];
        if (found - mirrored).abs() > ROUNDING * found.abs().max(mirrored.abs()) {
            return Err(Error::Asymmetric { matrix, row, column, found, mirrored });
        }
    }
    Ok(())
}

fn semidefinite(matrix: &'static str, values: &Array2<f64>) -> Result<()> {
    for ((row, column), &value) in values.indexed_iter() {
        require(value.is_finite(), format!("{matrix}[{row}, {column}]"), value, "a finite number")?;
    }
    let n = values.nrows();
    let copy = Mat::from_fn(n, n, |i, j| values[[i, j]]);
    let eigenvalues = copy
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|error| Error::Library { library: "faer", message: format!("eigenvalues of {matrix}: {error:?}") })?;
    let largest = eigenvalues.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    match eigenvalues.first() {
        Some(&eigenvalue) if eigenvalue < -ROUNDING * n as f64 * largest => {
            Err(Error::Indefinite { matrix, eigenvalue })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "committee_tests.rs"]
mod tests;
