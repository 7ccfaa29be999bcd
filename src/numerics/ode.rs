//! Explicit integration of ordinary differential equations: Dopri5 and Dop853 of the crate `ode_solvers`.

use std::cell::RefCell;

use nalgebra::allocator::Allocator;
use nalgebra::{DefaultAllocator, Dim, OVector};
use ode_solvers::dop_shared::IntegrationError;
use ode_solvers::{DVector, Dop853, Dopri5, OutputType, SVector, System};

use crate::error::{Error, Result, require};

/// The error allowed in one step of [`integrate`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepTolerance {
    /// Relative part.
    pub relative: f64,
    /// Absolute part.
    pub absolute: f64,
}

/// Tolerance from which the method of order 5 is cheaper than that of order 8.
const FIFTH_ORDER: f64 = 1e-6;

/// Time runs as one more component, since `Dop853` of ode_solvers 0.6.2 evaluates its stages at the times of their successors;
/// so short (a power of two, which rounds nothing) that it has no part in the choice of steps.
const CLOCK: f64 = f64::from_bits(0x20b0_0000_0000_0000);

/// Steps after which [`integrate`] gives up.
const MAX_STEPS: u32 = 2_000_000;

/// Integrates `y' = rhs(t, y)` over `interval` in place by an explicit Runge–Kutta method of Dormand & Prince (Hairer,
/// Nørsett & Wanner 1993): DOP853 of order 8, from tolerance 1e-6 DOPRI5 of order 5. The root mean square over the
/// components of error/(absolute + relative·|y|) is held below 1 in each step.
///
/// `step` is the first step tried (0: chosen automatically) and returns the longest step that was accepted, to start
/// the next interval with.
///
/// # Errors
/// That of `rhs`; [`Error::NonFinite`] where `rhs` is not finite; [`Error::StepTooSmall`]; [`Error::NotConverged`] after
/// two million steps.
pub fn integrate(
    rhs: impl Fn(f64, &[f64], &mut [f64]) -> Result<()>,
    interval: (f64, f64),
    y: &mut [f64],
    tolerance: StepTolerance,
    step: &mut f64,
) -> Result<()> {
    let (start, end) = interval;
    require(end >= start && end.is_finite(), "time", end, "a finite time, not before the one reached")?;
    if end == start {
        return Ok(());
    }
    // What fails at the start fails for good; in a stage it only says that the step was too long.
    let mut slope = vec![0.0; y.len()];
    evaluate(&rhs, start, y, &mut slope)?;
    let failures = RefCell::new((0, None));
    let run = Run { interval, tolerance, step, failures: &failures };
    let fifth = tolerance.relative.max(tolerance.absolute) >= FIFTH_ORDER;
    // Vectors on the stack, zero beyond the components and the clock, where they are short enough: the crate makes many copies.
    let outcome = match y.len() + 1 {
        0..=4 => run.solve(&rhs, fifth, y, SVector::<f64, 4>::zeros()),
        5..=8 => run.solve(&rhs, fifth, y, SVector::<f64, 8>::zeros()),
        9..=16 => run.solve(&rhs, fifth, y, SVector::<f64, 16>::zeros()),
        17..=32 => run.solve(&rhs, fifth, y, SVector::<f64, 32>::zeros()),
        n => run.solve(&rhs, fifth, y, DVector::zeros(n)),
    };
    match (failures.take(), outcome) {
        // Steps that fell to nothing because none could be evaluated.
        ((FAILURES.., Some(error)), _) | ((_, Some(error)), Err(Error::StepTooSmall { .. })) => Err(error),
        (_, outcome) => outcome,
    }
}

/// What an integration has besides its right-hand side.
struct Run<'a> {
    interval: (f64, f64),
    tolerance: StepTolerance,
    step: &'a mut f64,
    failures: &'a RefCell<(u32, Option<Error>)>,
}

/// `Dopri5` and `Dop853` have the same face but no common trait.
macro_rules! solve_by {
    ($solver:ident, $system:expr, $start:expr, $end:expr, $y:expr, $relative:expr, $absolute:expr, $step:expr, $safety:expr) => {{
        let (beta, shrink, grow) = ($safety.1, $safety.2, $safety.3);
        let length = $end - $start;
        let mut solver = $solver::from_param(
            $system,
            $start,
            $end,
            length,
            $y,
            $relative,
            $absolute,
            $safety.0,
            beta,
            shrink,
            grow,
            length,
            $step,
            MAX_STEPS,
            // Its test for stiffness would end a run that is merely long.
            u32::MAX,
            OutputType::Sparse,
        );
        let outcome = solver.integrate().map(|_| ());
        let longest = solver.x_out().windows(2).map(|t| t[1] - t[0]).fold(0.0, f64::max);
        (outcome, longest, solver.y_out().last().cloned())
    }};
}

impl Run<'_> {
    fn solve<F, D>(self, rhs: &F, fifth: bool, y: &mut [f64], mut padded: OVector<f64, D>) -> Result<()>
    where
        F: Fn(f64, &[f64], &mut [f64]) -> Result<()>,
        D: Dim,
        DefaultAllocator: Allocator<D>,
    {
        let (start, end) = self.interval;
        let (n, n_padded) = (y.len(), padded.len());
        padded.as_mut_slice()[..n].copy_from_slice(y);
        // The mean square over the components counts those that are always zero.
        let share = (n as f64 / n_padded as f64).sqrt();
        let (relative, absolute) = (self.tolerance.relative * share, self.tolerance.absolute * share);
        let system = Guarded { rhs, start, components: n, failures: self.failures };
        let step = self.step.min(end - start);
        let (outcome, longest, last) = if fifth {
            solve_by!(Dopri5, system, start, end, padded, relative, absolute, step, (0.9, 0.04, 0.2, 10.0))
        } else {
            solve_by!(Dop853, system, start, end, padded, relative, absolute, step, (0.9, 0.0, 0.333, 6.0))
        };
        outcome.map_err(|error| match error {
            IntegrationError::MaxNumStepReached { n_step, .. } => Error::NotConverged {
                what: "the explicit integration",
                iterations: n_step as usize,
                residual: f64::INFINITY,
                tolerance: self.tolerance.absolute,
            },
            IntegrationError::StepSizeUnderflow { x } | IntegrationError::StiffnessDetected { x } => {
                Error::StepTooSmall {
                    time: x,
                    step: f64::EPSILON * x,
                    tolerance: self.tolerance.absolute.max(self.tolerance.relative),
                }
            }
        })?;
        *self.step = longest;
        if let Some(last) = last {
            y.copy_from_slice(&last.as_slice()[..n]);
        }
        Ok(())
    }
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
    rhs: &'a F,
    start: f64,
    components: usize,
    failures: &'a RefCell<(u32, Option<Error>)>,
}

impl<F, D> System<f64, OVector<f64, D>> for Guarded<'_, F>
where
    F: Fn(f64, &[f64], &mut [f64]) -> Result<()>,
    D: Dim,
    DefaultAllocator: Allocator<D>,
{
    fn system(&self, _time: f64, y: &OVector<f64, D>, dy: &mut OVector<f64, D>) {
        let time = self.start + y[self.components] / CLOCK;
        dy[self.components] = CLOCK;
        let (y, dy) = (&y.as_slice()[..self.components], &mut dy.as_mut_slice()[..self.components]);
        let (count, last) = &mut *self.failures.borrow_mut();
        // A stage after one that failed: the first failure is what is worth telling.
        if last.is_some() && *count < FAILURES && y.iter().any(|value| !value.is_finite()) {
            *count += 1;
            dy.fill(f64::NAN);
        } else if *count < FAILURES {
            match evaluate(self.rhs, time, y, dy) {
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
    fn time_in_the_equations_counts() {
        for (tolerance, allowed) in [(1e-12, 1e-11), (1e-7, 1e-6), (1e-4, 1e-3)] {
            let (mut y, mut step) = ([0.0], 0.0);
            let tolerance = StepTolerance { relative: tolerance, absolute: tolerance };
            let calls = RefCell::new(0);
            let rhs = |t: f64, _: &[f64], dy: &mut [f64]| {
                *calls.borrow_mut() += 1;
                dy[0] = t.cos();
                Ok(())
            };
            for k in 0..5 {
                integrate(rhs, (2.0 * f64::from(k), 2.0 * f64::from(k + 1)), &mut y, tolerance, &mut step).unwrap();
            }
            // Some ten steps within the tolerance each; at order 8 a hundred evaluations, where order 1 takes a million.
            assert!((y[0] - 10f64.sin()).abs() < allowed, "{tolerance:?}: {}", y[0] - 10f64.sin());
            assert!(calls.into_inner() < 600, "{tolerance:?}");
        }
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
