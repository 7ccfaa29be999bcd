//! The learning rate above which training has no stable end.

use super::OrderParameters;
use super::committee::CommitteeEquations;
use super::steady::Steady;
use crate::error::{Error, Result, require};
use crate::gaussian::Quadrature;
use crate::problem::{Committee, LearningRate, Momentum};

/// Where a steady state loses its stability.
#[derive(Debug, Clone, PartialEq)]
pub struct CriticalRate {
    /// `τ_c`, within the tolerance.
    pub rate: f64,
    /// The steady state less than the tolerance below `τ_c`, stable.
    pub below: Steady,
    /// Its continuation a quarter of the tolerance or less above `below`, unstable; `None` if it does not exist there, or only with overlaps that no vectors
    /// have. So it is where the steady state runs to infinity at `τ_c` (linear student with label noise) or meets an unstable
    /// one and ends.
    pub above: Option<Steady>,
}

/// Newton's tolerance.
const STEADY: f64 = 1e-11;
/// The largest change of the state in one step of the continuation, of 1 + the largest order parameter.
const JUMP: f64 = 0.5;
/// Relative size of a negative eigenvalue of the overlaps that still counts as rounding of Newton's method.
const ROUNDING: f64 = 1e-7;
/// Time to which the first steady state is integrated at most, in units of `1/τ`.
const LONGEST: f64 = 1e5;

/// The critical learning rate `τ_c` in the bracket `(low, high)`, within `tolerance`.
///
/// At `low` the equations are integrated from the initial state of `problem` until Newton's method finds a stable steady
/// state nearby (so the choice among several is that of the dynamics, and plateaus, being unstable, are passed). This
/// steady state is followed upwards in τ, each Newton iteration starting from the state before. A step is halved where the steady
/// state is unstable (an eigenvalue of the Jacobian with positive real part), is not found, or has changed by much; the last
/// stable τ is `τ_c` when the step has shrunk to a quarter of the tolerance. What fails is tried again from nearer by, so that a
/// Newton iteration that fails for want of a good guess alone is not taken for an instability.
///
/// The learning rate of `problem` is replaced; for scaled momentum `α = γτ`. The rates of second layer and biases stay.
///
/// A steady state need not lose stability: with bounded activations and label noise it may go over smoothly into one with
/// a large error. No transition in the bracket is an error.
///
/// # Errors
/// [`Error::Parameter`] for a bracket that is not `0 < low < high`, whose lower end has no stable steady state that the
/// dynamics reach, or at whose upper end it is still stable, and for a tolerance that is not positive; those of
/// [`Committee::validated`] and of the expectations.
pub fn critical_learning_rate(
    problem: &Committee,
    (low, high): (f64, f64),
    tolerance: f64,
    quadrature: Quadrature,
) -> Result<CriticalRate> {
    require(low > 0.0 && low.is_finite(), "bracket.low", low, "a finite learning rate > 0")?;
    require(high > low && high.is_finite(), "bracket.high", high, "a finite learning rate above the lower end")?;
    require(tolerance > 0.0 && tolerance < high - low, "tolerance", tolerance, "a number > 0, less than the bracket")?;
    let (mut rate, mut below) = (low, first(problem, low, quadrature)?);
    let mut step = 0.125 * (high - low);
    loop {
        let next = (rate + step).min(high);
        match follow(problem, next, &below, quadrature)? {
            Some(steady) if steady.stable() => {
                require(next < high, "bracket.high", high, "a learning rate at which the steady state is unstable")?;
                (rate, below) = (next, steady);
            }
            // Where it runs to infinity, the largest change allowed is passed three steps below.
            above if next - rate <= 0.25 * tolerance => {
                let followed = rate > low || above.is_some();
                let expected = "a learning rate from which the steady state can be followed; try finer quadrature";
                require(followed, "bracket.low", low, expected)?;
                return Ok(CriticalRate { rate: 0.5 * (rate + next), below, above });
            }
            _ => step = 0.5 * (next - rate),
        }
    }
}

/// The equations at a constant learning rate.
fn at(problem: &Committee, rate: f64) -> Committee {
    let mut problem = problem.clone();
    match &mut problem.momentum {
        Momentum::Scaled { gamma, alpha } => *alpha = *gamma * rate,
        _ => problem.learning_rate = LearningRate::Constant(rate),
    }
    problem
}

/// The stable steady state that the dynamics reach.
fn first(problem: &Committee, rate: f64, quadrature: Quadrature) -> Result<Steady> {
    let mut run = OrderParameters::of(at(problem, rate), quadrature, 1e-8)?;
    let mut time = 10.0 / rate;
    while time <= LONGEST / rate {
        match run.advance_to(time) {
            Err(Error::RanAway { .. } | Error::StepTooSmall { .. }) => break,
            outcome => outcome?,
        }
        let state = run.state().to_vec();
        match run.equations().steady_state(&state, STEADY) {
            Ok(steady) if steady.stable() && near(&steady.state, &state, 0.1) => return Ok(steady),
            Ok(_) | Err(Error::NotConverged { .. }) => time *= 2.0,
            Err(error) => return Err(error),
        }
    }
    let expected = "a learning rate at which training ends in a stable steady state";
    Err(Error::Parameter { key: "bracket.low".into(), value: rate, expected })
}

/// The steady state at `rate` that continues `before`, if there is one and it is admissible.
fn follow(problem: &Committee, rate: f64, before: &Steady, quadrature: Quadrature) -> Result<Option<Steady>> {
    let mut equations = CommitteeEquations::new(at(problem, rate), quadrature)?;
    // What quadrature leaves bounds how well a steady state is known.
    let blur = equations.quadrature_error(&before.state)?;
    match equations.steady_state(&before.state, STEADY.max(blur)) {
        Ok(steady) => {
            let size = steady.state.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
            let admissible = equations.smallest_eigenvalue(&steady.state)? >= -(ROUNDING + 100.0 * blur) * size;
            Ok((admissible && near(&steady.state, &before.state, JUMP)).then_some(steady))
        }
        Err(Error::NotConverged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn near(a: &[f64], b: &[f64], allowed: f64) -> bool {
    let size = b.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= allowed * size)
}

#[cfg(test)]
#[path = "critical_rate_tests.rs"]
mod tests;
