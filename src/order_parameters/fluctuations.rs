//! Fluctuations of online SGD at large but finite dimension about its order parameters.
//!
//! One step is `φ ← φ + Y/d` with the mean `F(φ) + F₁(φ)/d`. To leading order in `1/√d` (van Kampen 1961; Kurtz 1978) the
//! covariance `C` of `√d(φ_d − φ)` and the bias `b = d E[φ_d − φ]` obey
//!
//! ```text
//! C' = JC + CJᵀ + G        b' = Jb + ½D²F:C + F₁ − ½(JF + ∂_tF)        G = E[YYᵀ] − FFᵀ,    J = ∂F/∂φ
//! Y_M = −τΓδṽᵀ − τλM      Y_Q = −τΓ(δũᵀ + ũδᵀ) + (τ²/B)Γ²δδᵀ − 2τλQ      Y_a = −τ_aΓg      Y_b = −τ_bΓδ
//! F₁^Q = τ²λ²Q + τ²λE[Γ(δũᵀ + ũδᵀ)] + (τ²/B)E[Γ²δδᵀ(|x_∥|² − r)] + τ²(1 − 1/B) E[Γδx_∥]·E[Γδx_∥]ᵀ
//! ```
//! `Y` is that of one sample, and `G` of a batch is that of `Y` over B. `x_∥` is the part of x in the span of the r weight
//! vectors; `F₁` of M, a and b is zero. The last term of `F₁`, from pairs of samples of one batch, is absent at B = 1.

use std::sync::Arc;

use faer::{Mat, Side};
use ndarray::Array2;

use super::committee::CommitteeEquations;
use super::step_noise::{Place, StepNoise};
use super::trajectory::{Equations, Trajectory};
use crate::error::{Error, Result, require};
use crate::frame::{Coordinate, Field};
use crate::gaussian::Quadrature;
use crate::problem::{Committee, LearningRate, Momentum};

/// Order parameters with the covariance and the bias of a run at finite dimension. A [`crate::frame::Solver`].
///
/// Frames hold the groups `order_parameters` and `errors` of [`super::OrderParameters`], and
/// * `covariance/C`: covariance of `√d(φ_d − φ)`, order_parameter × order_parameter_2 in the order of
///   [`crate::problem::Layout`]; divide by d for that of a run;
/// * `bias/b`: `d E[φ_d − φ]`, one an order parameter;
/// * `errors/generalization_error_deviation` and `errors/generalization_error_bias`: `√d` times the standard
///   deviation and `d` times the bias of `E_g`.
pub type Fluctuations = Trajectory<FluctuationEquations>;

/// How [`Fluctuations`] are computed.
#[derive(Debug, Clone, PartialEq)]
pub struct FluctuationSettings {
    /// Points a dimension of the quadrature of `G`, even, 4 … 128. Polynomial activations need no more than eight, whatever
    /// stands here. For smooth activations the error falls exponentially; at kinks like points⁻².
    pub points: usize,
    /// Points of a lattice over all but one dimension where there are more than four fields, 16 … 2²⁰; a power of two is best.
    /// Five fields of erf: `G` to 2e-3 with 1024, 3e-4 with 4096, 2e-5 with 16384.
    pub lattice: usize,
    /// The error allowed a step, relative and absolute.
    pub tolerance: f64,
    /// d times the covariance of the initial order parameters; `None`: they are given.
    pub initial_covariance: Option<Array2<f64>>,
}

impl Default for FluctuationSettings {
    fn default() -> Self {
        Self { points: 20, lattice: 1 << 12, tolerance: 1e-6, initial_covariance: None }
    }
}

impl Fluctuations {
    /// Starts from the initial overlaps of `problem`.
    ///
    /// # Errors
    /// Those of [`FluctuationEquations::new`]; [`Error::Shape`], [`Error::Asymmetric`], [`Error::Parameter`] for a bad initial
    /// covariance.
    pub fn of(problem: Committee, quadrature: Quadrature, settings: &FluctuationSettings) -> Result<Self> {
        let equations = FluctuationEquations::new(problem, quadrature, settings)?;
        let mut initial = equations.committee.problem().initial_state();
        let len = initial.len();
        initial.resize(len + len * (len + 1) / 2 + len, 0.0);
        if let Some(covariance) = &settings.initial_covariance {
            for (found, expected) in [(covariance.nrows(), len), (covariance.ncols(), len)] {
                if found != expected {
                    return Err(Error::Shape { what: "initial_covariance".into(), found, expected });
                }
            }
            for ((row, column), at) in pairs(len).zip(len..) {
                let (found, mirrored) = (covariance[[row, column]], covariance[[column, row]]);
                if !((found - mirrored).abs() <= 1e-12 * found.abs()) {
                    return Err(Error::Asymmetric { matrix: "initial_covariance", row, column, found, mirrored });
                }
                if row == column {
                    require(found >= 0.0, "initial_covariance: a variance", found, "a number ≥ 0")?;
                }
                initial[at] = found;
            }
        }
        Self::new(equations, initial, settings.tolerance)
    }
}

/// The equations of [`Fluctuations`]. State: the order parameters, the upper triangle of C by rows, b.
///
/// Derivatives of F are differences of fourth order along the eigenvectors of C, with steps up to 0.01 that keep the overlaps
/// semidefinite: J to 1e-9 and D²F to 1e-8 of F's own derivatives while the smallest eigenvalue of `[[Q, M], [Mᵀ, P]]` is above
/// 0.1; three digits less where it vanishes.
#[derive(Debug)]
pub struct FluctuationEquations {
    committee: CommitteeEquations,
    noise: StepNoise,
    axes: [Arc<Coordinate>; 2],
    work: Work,
}

#[derive(Debug)]
struct Work {
    drift: Vec<f64>,
    moved: Vec<f64>,
    shifted: [Vec<f64>; 4],
    covariance: Vec<f64>,
    correction: Vec<f64>,
}

/// The upper triangle by rows.
fn pairs(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).flat_map(move |i| (i..len).map(move |j| (i, j)))
}

impl FluctuationEquations {
    /// # Errors
    /// Those of [`CommitteeEquations::new`]; [`Error::Unsupported`] for momentum and the greedy rate; [`Error::Parameter`] for
    /// settings out of range.
    pub fn new(problem: Committee, quadrature: Quadrature, settings: &FluctuationSettings) -> Result<Self> {
        let unsupported =
            |what: &str, instead| Err(Error::Unsupported { solver: "Fluctuations", what: what.into(), instead });
        if problem.momentum != Momentum::None {
            return unsupported("momentum", "give plain SGD its effective rate, which is right to leading order only");
        }
        if matches!(problem.learning_rate, LearningRate::Greedy { .. }) {
            return unsupported("the greedy rate", "record learning_rate and replay it as Tabulated");
        }
        let points = settings.points as f64;
        let even = (4..=128).contains(&settings.points) && settings.points.is_multiple_of(2);
        require(even, "points", points, "an even number from 4 to 128")?;
        let lattice = (16..=1 << 20).contains(&settings.lattice);
        require(lattice, "lattice", settings.lattice as f64, "16 to 2²⁰ points")?;
        let committee = CommitteeEquations::new(problem, quadrature)?;
        let noise = StepNoise::new(committee.problem(), settings.points, settings.lattice);
        let len = committee.layout().len();
        let axis = |name, description| {
            Arc::new(Coordinate { name, description, values: (0..len).map(|k| k as f64).collect(), bounds: None })
        };
        let zeros = || vec![0.0; len];
        Ok(Self {
            axes: [
                axis("order_parameter", "order parameter: upper triangle of Q, M, a, b"),
                axis("order_parameter_2", "order parameter, second index"),
            ],
            work: Work {
                drift: zeros(),
                moved: zeros(),
                shifted: std::array::from_fn(|_| zeros()),
                covariance: vec![0.0; len * (len + 1) / 2],
                correction: zeros(),
            },
            committee,
            noise,
        })
    }

    /// Order parameters, C and b of a state.
    fn parts<'a>(&self, state: &'a [f64]) -> (&'a [f64], Mat<f64>, &'a [f64]) {
        let len = self.work.drift.len();
        let (order, rest) = state.split_at(len);
        let (packed, bias) = rest.split_at(rest.len() - len);
        let mut covariance = Mat::zeros(len, len);
        for ((i, j), &value) in pairs(len).zip(packed) {
            covariance[(i, j)] = value;
            covariance[(j, i)] = value;
        }
        (order, covariance, bias)
    }

    /// A length over which differences of fourth order stay among overlaps that vectors can have, as far as that is possible.
    fn stretch(&mut self, order: &[f64]) -> Result<f64> {
        let [covariance, mean, _] = self.committee.fields_at(order);
        let n = mean.len();
        let fields = Mat::from_fn(n, n, |i, j| covariance[i * n + j]);
        let smallest = fields.self_adjoint_eigenvalues(Side::Lower).map_err(no_eigenvalues)?;
        // Two such steps move an eigenvalue by less than four of them.
        Ok((smallest.first().copied().unwrap_or(0.0) / 8.0).clamp(1e-4, 1e-2))
    }

    /// First and second derivative of the drift along `direction`, through `first` and `second`.
    fn differentiate(
        &mut self,
        time: f64,
        order: &[f64],
        direction: impl Fn(usize) -> f64,
        h: f64,
        mut each: impl FnMut(usize, f64, f64),
    ) -> Result<()> {
        let Work { drift, moved, shifted, .. } = &mut self.work;
        for (steps, shifted) in [-2.0, -1.0, 1.0, 2.0].into_iter().zip(&mut *shifted) {
            moved.iter_mut().zip(order).enumerate().for_each(|(i, (m, x))| *m = x + steps * h * direction(i));
            self.committee.rhs(time, moved, shifted)?;
        }
        let [left2, left, right, right2] = shifted;
        for i in 0..order.len() {
            let (first, second) = stencil([left2[i], left[i], drift[i], right[i], right2[i]], h);
            each(i, first, second);
        }
        Ok(())
    }

    /// `∂_tF` at fixed order parameters, on the smooth stretch of the learning rate around `time`, into `into`.
    fn drift_in_time(&mut self, time: f64, order: &[f64], into: &mut [f64]) -> Result<()> {
        const STEP: f64 = 1e-4;
        let breaks = self.committee.breaks();
        let before = breaks.iter().copied().rfind(|&at| at <= time).unwrap_or(0.0).max(0.0);
        let after = breaks.iter().copied().find(|&at| at > time).unwrap_or(f64::INFINITY);
        let (low, high) = ((time - STEP).max(before), (time + STEP).min(after.next_down()));
        let [left, right, ..] = &mut self.work.shifted;
        self.committee.rhs(low, order, left)?;
        self.committee.rhs(high, order, right)?;
        for ((into, left), right) in into.iter_mut().zip(left).zip(right) {
            *into = (*right - *left) / (high - low);
        }
        Ok(())
    }
}

/// First and second derivative, to fourth order, from values at −2h … 2h.
fn stencil([left2, left, centre, right, right2]: [f64; 5], h: f64) -> (f64, f64) {
    let first = (8.0 * (right - left) - (right2 - left2)) / (12.0 * h);
    (first, (16.0 * (right + left) - (right2 + left2) - 30.0 * centre) / (12.0 * h * h))
}

fn no_eigenvalues(error: impl std::fmt::Debug) -> Error {
    Error::Library { library: "faer", message: format!("eigenvalues of a covariance: {error:?}") }
}

impl Equations for FluctuationEquations {
    fn names(&self) -> Vec<String> {
        let names = self.committee.names();
        let covariances = pairs(names.len()).map(|(i, j)| format!("cov({}, {})", names[i], names[j]));
        let biases = names.iter().map(|name| format!("bias({name})"));
        names.iter().cloned().chain(covariances).chain(biases).collect()
    }

    fn rhs(&mut self, time: f64, state: &[f64], rate: &mut [f64]) -> Result<()> {
        let (order, covariance, bias) = self.parts(state);
        let len = order.len();
        self.committee.rhs(time, order, &mut self.work.drift)?;
        let (order_rate, rest) = rate.split_at_mut(len);
        order_rate.copy_from_slice(&self.work.drift);

        let spectrum = covariance.self_adjoint_eigen(Side::Lower).map_err(no_eigenvalues)?;
        let (vectors, variances) = (spectrum.U(), spectrum.S());
        let h = self.stretch(order)?;
        // Columns J v_k; ½D²F:C = ½ Σ s_k D²F(v_k, v_k).
        let mut slopes = Mat::<f64>::zeros(len, len);
        let mut curvature = vec![0.0; len];
        for k in 0..len {
            let along = |i: usize, first: f64, second: f64| {
                slopes[(i, k)] = first;
                curvature[i] += 0.5 * variances[k] * second;
            };
            self.differentiate(time, order, |i| vectors[(i, k)], h, along)?;
        }
        let jacobian = &slopes * vectors.transpose();
        let carried = &jacobian * &covariance;

        let tau = self.committee.problem().learning_rate.at(time).unwrap_or(f64::NAN);
        let mut unsteady = vec![0.0; len];
        if !matches!(self.committee.problem().learning_rate, LearningRate::Constant(_)) {
            self.drift_in_time(time, order, &mut unsteady)?;
        }
        let [fields, mean, outputs] = self.committee.fields_at(order);
        let place = Place { covariance: fields, mean, outputs, rate: tau };
        let Work { drift, covariance: noise, correction, .. } = &mut self.work;
        self.noise.evaluate(place, noise, correction)?;

        let (covariance_rate, bias_rate) = rest.split_at_mut(noise.len());
        for ((rate, noise), (i, j)) in covariance_rate.iter_mut().zip(&*noise).zip(pairs(len)) {
            *rate = carried[(i, j)] + carried[(j, i)] + noise;
        }
        for (i, rate) in bias_rate.iter_mut().enumerate() {
            let linear: f64 = (0..len).map(|j| jacobian[(i, j)] * (bias[j] - 0.5 * drift[j])).sum();
            *rate = linear + curvature[i] + correction[i] - 0.5 * unsteady[i];
        }
        Ok(())
    }

    fn fields(&mut self, time: f64, state: &[f64]) -> Result<Vec<Field<'static>>> {
        let (order, covariance, bias) = self.parts(state);
        let len = order.len();
        let mut fields = self.committee.fields(time, order)?;
        let [rows, columns] = &self.axes;
        let whole: Vec<f64> = (0..len * len).map(|at| covariance[(at / len, at % len)]).collect();
        let about = "covariance of √d(φ_d − φ), order parameters at dimension d about those at d = ∞";
        fields.push(Field::array("covariance", "C", about, &[rows, columns], whole));
        fields.push(Field::array("bias", "b", "d times the mean of φ_d − φ", &[rows], bias.to_vec()));

        let spectrum = covariance.self_adjoint_eigen(Side::Lower).map_err(no_eigenvalues)?;
        let h = self.stretch(order)?;
        let centre = self.committee.generalization_error(order)?;
        let (mut variance, mut shift) = (0.0, 0.0);
        for k in 0..len {
            let direction: Vec<f64> = (0..len).map(|i| spectrum.U()[(i, k)]).collect();
            let mut values = [0.0, 0.0, centre, 0.0, 0.0];
            for (steps, value) in [-2.0, -1.0, 0.0, 1.0, 2.0].into_iter().zip(&mut values) {
                let moved: Vec<f64> = order.iter().zip(&direction).map(|(x, v)| x + steps * h * v).collect();
                *value = self.committee.generalization_error(&moved)?;
            }
            let (first, second) = stencil(values, h);
            let along: f64 = direction.iter().zip(bias).map(|(v, b)| v * b).sum();
            // Rounding and the tolerance of the steps leave tiny negative variances.
            variance += spectrum.S()[k].max(0.0) * first * first;
            shift += first * along + 0.5 * spectrum.S()[k] * second;
        }
        let group = "errors";
        let deviation = "√d times the standard deviation of E_g";
        fields.push(Field::scalar(group, "generalization_error_deviation", deviation, variance.sqrt()));
        fields.push(Field::scalar(group, "generalization_error_bias", "d times the bias of the mean E_g", shift));
        Ok(fields)
    }

    fn tables(&self) -> Vec<Option<[f64; 2]>> {
        self.committee.tables()
    }

    fn tabulate(&mut self, tables: &[Option<[f64; 2]>]) {
        self.committee.tabulate(tables);
    }

    fn breaks(&self) -> &[f64] {
        self.committee.breaks()
    }
}

#[cfg(test)]
#[path = "fluctuations_tests.rs"]
mod tests;
