//! Explicit integration of ordinary differential equations: Dop853 of the crate `ode_solvers`.

use std::cell::RefCell;

use ode_solvers::dop_shared::IntegrationError;
use ode_solvers::{DVector, Dop853, OutputType, System};

use crate::error::{Error, Result, require};

/// The error allowed in one step of [`integrate`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepTolerance {
    /// Relative part.
    pub relative: f64,
    /// Absolute part.
    pub absolute: f64,
}

/// Steps after which [`integrate`] gives up.
const MAX_STEPS: u32 = 2_000_000;

/// Integrates `y' = rhs(t, y)` from `start` to `end` in place by the explicit Runge–Kutta method of order 8 of
/// Dormand & Prince (Hairer, Nørsett & Wanner 1993, DOP853). The root mean square over the components of
/// error/(absolute + relative·|y|) is held below 1 in each step.
///
/// `step` is the first step tried (0: chosen automatically) and returns the longest step that was accepted, to start
/// the next interval with.
///
/// # Errors
/// That of `rhs`; [`Error::NonFinite`] where `rhs` is not finite; [`Error::StepTooSmall`]; [`Error::NotConverged`] after
/// two million steps.
pub fn integrate(
    rhs: impl Fn(f64, &[f64], &mut [f64]) -> Result<()>,
    (start, end): (f64, f64),
    y: &mut [f64],
    tolerance: StepTolerance,
    step: &mut f64,
) -> Result<()> {
    require(end >= start && end.is_finite(), "time", end, "a finite time, not before the one reached")?;
    if end == start {
        return Ok(());
    }
    // What fails at the start fails for good; in a stage it only says that the step was too long.
    let mut slope = vec![0.0; y.len()];
    evaluate(&rhs, start, y, &mut slope)?;
    let failures = RefCell::new((0, None));
    let system = Guarded { rhs, failures: &failures };
    let StepTolerance { relative, absolute } = tolerance;
    let (safety, no_pi, shrink, grow) = (0.9, 0.0, 0.333, 6.0);
    let length = end - start;
    let mut solver = Dop853::from_param(
        system,
        start,
        end,
        length,
        DVector::from_column_slice(y),
        relative,
        absolute,
        safety,
        no_pi,
        shrink,
        grow,
        length,
        step.min(length),
        MAX_STEPS,
        // Its test for stiffness would end a run that is merely long.
        u32::MAX,
        OutputType::Sparse,
    );
    let outcome = solver.integrate();
    if let (FAILURES.., Some(error)) = failures.take() {
        return Err(error);
    }
    outcome.map_err(|error| match error {
        IntegrationError::MaxNumStepReached { n_step, .. } => Error::NotConverged {
            what: "the explicit integration",
            iterations: n_step as usize,
            residual: f64::INFINITY,
            tolerance: absolute,
        },
        IntegrationError::StepSizeUnderflow { x } | IntegrationError::StiffnessDetected { x } => {
            Error::StepTooSmall { time: x, step: f64::EPSILON * x, tolerance: absolute.max(relative) }
        }
    })?;
    *step = solver.x_out().windows(2).map(|t| t[1] - t[0]).fold(0.0, f64::max);
    if let Some(last) = solver.y_out().last() {
        y.copy_from_slice(last.as_slice());
    }
    Ok(())
}

fn evaluate<F>(rhs: &F, time: f64, y: &[f64], dy: &mut [f64]) -> Result<()>
where
    F: Fn(f64, &[f64], &mut [f64]) -> Result<()>,
{
    rhs(time, y, dy)?;
    match dy.iter().find(|d| !d.is_finite()) {
        None => Ok(()),
        Some(&value) => {
            let (theta, h) = (Vec::new(), Vec::new());
            Err(Error::NonFinite { quantity: "time derivative", value, theta, h, time })
        }
    }
}

/// Failed evaluations after which the integration ends with the last error: some hundred rejected steps, each a third of
/// the one before.
const FAILURES: u32 = 1000;

/// Turns failures of the right-hand side into NaN, on which the integrator rejects its step, and after many into zero,
/// with which it soon ends: left to itself it would never give up at time 0.
struct Guarded<'a, F> {
    rhs: F,
    failures: &'a RefCell<(u32, Option<Error>)>,
}

impl<F: Fn(f64, &[f64], &mut [f64]) -> Result<()>> System<f64, DVector<f64>> for Guarded<'_, F> {
    fn system(&self, time: f64, y: &DVector<f64>, dy: &mut DVector<f64>) {
        let (count, last) = &mut *self.failures.borrow_mut();
        if *count < FAILURES {
            match evaluate(&self.rhs, time, y.as_slice(), dy.as_mut_slice()) {
                Ok(()) => return,
                Err(error) => *last = Some(error),
            }
            *count += 1;
            dy.fill(f64::NAN);
        } else {
            dy.fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIGHT: StepTolerance = StepTolerance { relative: 1e-13, absolute: 1e-13 };

    #[test]
    fn follows_an_oscillation() {
        let mut y = [1.0, 0.0];
        let mut step = 0.0;
        for k in 0..10 {
            let rhs = |_: f64, y: &[f64], dy: &mut [f64]| {
                dy[0] = y[1];
                dy[1] = -y[0];
                Ok(())
            };
            integrate(rhs, (f64::from(k), f64::from(k + 1)), &mut y, TIGHT, &mut step).unwrap();
        }
        // Tolerance: some 20 steps an interval, each within 1e-13.
        assert!((y[0] - 10f64.cos()).abs() < 1e-11 && (y[1] + 10f64.sin()).abs() < 1e-11);
    }

    #[test]
    fn blow_up_is_a_named_error() {
        let rhs = |_: f64, y: &[f64], dy: &mut [f64]| {
            dy[0] = y[0] * y[0];
            Ok(())
        };
        let outcome = integrate(rhs, (0.0, 2.0), &mut [1.0], TIGHT, &mut 0.0);
        assert!(matches!(outcome, Err(Error::StepTooSmall { .. } | Error::NonFinite { .. })), "{outcome:?}");
    }
}
