//! Steady states by Newton's method, and their stability.

use faer::{Mat, Side};
use ndarray::Array2;

use super::committee::CommitteeEquations;
use super::trajectory::Equations;
use crate::error::{Error, Result, require};

/// Where the order parameters do not move.
#[derive(Debug, Clone, PartialEq)]
pub struct Steady {
    /// The order parameters.
    pub state: Vec<f64>,
    /// The largest |time derivative| of one of them there.
    pub residual: f64,
    /// Eigenvalues (real part, imaginary part) of the Jacobian, by falling real part. Small deviations grow as `e^{λt}`.
    pub eigenvalues: Vec<(f64, f64)>,
}

impl Steady {
    /// The largest real part of an eigenvalue: the rate at which a general small deviation grows; on a plateau, the rate of
    /// escape.
    pub fn growth(&self) -> f64 {
        self.eigenvalues.first().map_or(f64::NEG_INFINITY, |&(real, _)| real)
    }

    /// Whether no small deviation grows. Neutral directions count as stable: real parts up to 1e-8 of the largest |λ|, the
    /// accuracy of [`jacobian`].
    pub fn stable(&self) -> bool {
        let largest = self.eigenvalues.iter().map(|(real, imaginary)| real.hypot(*imaginary)).fold(0.0, f64::max);
        self.growth() <= 1e-8 * largest
    }
}

/// `∂(rate of component i)/∂(component j)` at entry (i, j), by central differences with a step of 6e-6 times the larger of 1
/// and the component. For rates that are smooth around `state` the error is some 1e-10 of the rates and their third
/// derivatives.
///
/// The points lie on both sides of `state`. At the edge of what overlaps of vectors can be (a student equal to its teacher)
/// that asks for rates beyond it; [`CommitteeEquations::jacobian`] knows the edge.
///
/// # Errors
/// Those of the equations; [`Error::Shape`]; [`Error::NonFinite`].
pub fn jacobian<E: Equations + ?Sized>(equations: &mut E, time: f64, state: &[f64]) -> Result<Array2<f64>> {
    differences(equations, time, state, f64::EPSILON.cbrt())
}

/// By central differences with steps `relative·max(1, |component|)`.
fn differences<E: Equations + ?Sized>(
    equations: &mut E,
    time: f64,
    state: &[f64],
    relative: f64,
) -> Result<Array2<f64>> {
    let n = checked_len(equations, state)?;
    let mut matrix = Array2::zeros((n, n));
    let (mut point, mut above, mut below) = (state.to_vec(), vec![0.0; n], vec![0.0; n]);
    for j in 0..n {
        let step = relative * state[j].abs().max(1.0);
        point[j] = state[j] + step;
        let high = point[j];
        equations.rhs(time, &point, &mut above)?;
        point[j] = state[j] - step;
        let width = high - point[j];
        equations.rhs(time, &point, &mut below)?;
        point[j] = state[j];
        for i in 0..n {
            let value = (above[i] - below[i]) / width;
            finite("entry of the Jacobian", value, time)?;
            matrix[[i, j]] = value;
        }
    }
    Ok(matrix)
}

/// How far inside the edge a Jacobian is taken, of the larger of 1 and the largest overlap.
const INSIDE: f64 = 1e-3;

impl CommitteeEquations {
    /// [`jacobian`], also where overlaps lie at the edge of what vectors can have (a student equal to its teacher, two
    /// students equal to each other).
    ///
    /// Closed forms are differentiated across the edge. Quadrature knows no overlaps beyond it: there the Jacobian is
    /// extrapolated from `Q + h`, `Q + 2h`, `Q + 3h` on the diagonal, `h = 10⁻³`, to some 1e-7 of the rates for smooth activations; a
    /// kink makes the Jacobian itself depend on √h, and 1e-2 is all that is left at the edge.
    ///
    /// # Errors
    /// As for [`jacobian`].
    pub fn jacobian(&mut self, time: f64, state: &[f64]) -> Result<Array2<f64>> {
        checked_len(self, state)?;
        let h = INSIDE * largest(state).max(1.0);
        if self.smallest_eigenvalue(state)? > h || self.quadrature_error(state)? == 0.0 {
            return jacobian(self, time, state);
        }
        let layout = self.layout();
        let mut inside = |times: f64| {
            let mut moved = state.to_vec();
            (0..layout.students).for_each(|i| moved[layout.q(i, i)] += times * h);
            // Less than half of the way back to the edge.
            differences(self, time, &moved, 0.125 * INSIDE)
        };
        Ok(3.0 * inside(1.0)? - 3.0 * inside(2.0)? + inside(3.0)?)
    }

    /// [`steady_state`] with the Jacobian of [`CommitteeEquations::jacobian`].
    ///
    /// # Errors
    /// As for [`steady_state`].
    pub fn steady_state(&mut self, guess: &[f64], tolerance: f64) -> Result<Steady> {
        newton(self, guess, tolerance, |equations, state| equations.jacobian(0.0, state))
    }

    /// The smallest eigenvalue of `[[Q, M], [Mᵀ, P]]`.
    pub(super) fn smallest_eigenvalue(&self, state: &[f64]) -> Result<f64> {
        let (layout, teacher) = (self.layout(), &self.problem().teacher);
        let (k, n) = (layout.students, layout.students + layout.teachers);
        let overlaps = Mat::from_fn(n, n, |i, j| match (i < k, j < k) {
            (true, true) => state[layout.q(i, j)],
            (true, false) => state[layout.m(i, j - k)],
            (false, true) => state[layout.m(j, i - k)],
            (false, false) => teacher.overlaps[[i - k, j - k]],
        });
        let eigenvalues = overlaps.self_adjoint_eigenvalues(Side::Lower).map_err(failed)?;
        Ok(eigenvalues.iter().copied().fold(f64::INFINITY, f64::min))
    }
}

const ITERATIONS: usize = 200;

/// Singular values below this share of the largest count as zero, as [`jacobian`] does not resolve them.
const SINGULAR: f64 = 1e-9;

/// The steady state that Newton's method finds from `guess`, stable or not, for the rates at t = 0.
///
/// Steps are the shortest that solve the linearised equations (pseudo-inverse by singular values), so that directions in
/// which nothing changes, as along a family of steady states, are harmless; a step that does not reduce the Euclidean norm
/// of the rates is halved. It ends when all rates are below `tolerance` times the larger of 1 and the largest order parameter.
/// What is exactly symmetric in the guess stays so: the saddle of a symmetric plateau is found from a symmetric guess.
///
/// # Errors
/// [`Error::NotConverged`]; [`Error::Parameter`] for a tolerance that is not positive; [`Error::Shape`]; those of the
/// equations at `guess`.
pub fn steady_state<E: Equations + ?Sized>(equations: &mut E, guess: &[f64], tolerance: f64) -> Result<Steady> {
    newton(equations, guess, tolerance, |equations, state| jacobian(equations, 0.0, state))
}

fn newton<E: Equations + ?Sized>(
    equations: &mut E,
    guess: &[f64],
    tolerance: f64,
    mut jacobian: impl FnMut(&mut E, &[f64]) -> Result<Array2<f64>>,
) -> Result<Steady> {
    require(tolerance > 0.0 && tolerance.is_finite(), "tolerance", tolerance, "a finite number > 0")?;
    let n = checked_len(equations, guess)?;
    let (mut state, mut rate) = (guess.to_vec(), vec![0.0; n]);
    equations.rhs(0.0, &state, &mut rate)?;
    for &value in &rate {
        finite("time derivative", value, 0.0)?;
    }
    let (mut trial, mut trial_rate) = (state.clone(), rate.clone());
    for iteration in 0..=ITERATIONS {
        let residual = largest(&rate);
        let allowed = tolerance * largest(&state).max(1.0);
        let matrix = jacobian(equations, &state)?;
        if residual <= allowed {
            return Ok(Steady { eigenvalues: eigenvalues(&matrix)?, state, residual });
        }
        let failed =
            Error::NotConverged { what: "Newton's method", iterations: iteration, residual, tolerance: allowed };
        if iteration == ITERATIONS {
            return Err(failed);
        }
        let step = shortest_step(&matrix, &rate)?;
        let mut damping = 1.0;
        loop {
            for (trial, (state, step)) in trial.iter_mut().zip(state.iter().zip(&step)) {
                *trial = state + damping * step;
            }
            // What cannot be evaluated is too far, like what is worse.
            let evaluated = equations.rhs(0.0, &trial, &mut trial_rate).is_ok();
            if evaluated && norm(&trial_rate) < (1.0 - 1e-4 * damping) * norm(&rate) {
                break;
            }
            damping *= 0.5;
            if damping < 1e-9 {
                return Err(failed);
            }
        }
        std::mem::swap(&mut state, &mut trial);
        std::mem::swap(&mut rate, &mut trial_rate);
    }
    Err(Error::NotConverged { what: "Newton's method", iterations: ITERATIONS, residual: largest(&rate), tolerance })
}

/// The shortest `x` that minimises `|Jx + rate|`.
fn shortest_step(matrix: &Array2<f64>, rate: &[f64]) -> Result<Vec<f64>> {
    let n = rate.len();
    let svd = Mat::from_fn(n, n, |i, j| matrix[[i, j]]).svd().map_err(failed)?;
    let (u, s, v) = (svd.U(), svd.S().column_vector(), svd.V());
    let most = s.iter().fold(0.0, |most: f64, value| most.max(*value));
    let mut step = vec![0.0; n];
    for k in (0..n).filter(|&k| s[k] > SINGULAR * most) {
        let along = -(0..n).map(|i| u[(i, k)] * rate[i]).sum::<f64>() / s[k];
        step.iter_mut().enumerate().for_each(|(i, step)| *step += along * v[(i, k)]);
    }
    Ok(step)
}

fn eigenvalues(matrix: &Array2<f64>) -> Result<Vec<(f64, f64)>> {
    let values = Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[[i, j]]).eigenvalues().map_err(failed)?;
    let mut values: Vec<(f64, f64)> = values.iter().map(|value| (value.re, value.im)).collect();
    values.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    Ok(values)
}

fn failed<E: std::fmt::Debug>(error: E) -> Error {
    Error::Library { library: "faer", message: format!("eigenvalues or singular values: {error:?}") }
}

fn checked_len<E: Equations + ?Sized>(equations: &E, state: &[f64]) -> Result<usize> {
    let (found, expected) = (state.len(), equations.names().len());
    if found == expected { Ok(found) } else { Err(Error::Shape { what: "order parameters".into(), found, expected }) }
}

fn finite(quantity: &'static str, value: f64, time: f64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::NonFinite { quantity, value, theta: Vec::new(), h: Vec::new(), time })
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, value| most.max(value.abs()))
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
#[path = "steady_tests.rs"]
mod tests;
