//! One driver for all equations of order parameters.

use std::cell::RefCell;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, require};
use crate::frame::{Field, Frame, Solver, Visit, Watch, Watcher};
use crate::numerics::ode::{StepTolerance, integrate};
use crate::numerics::state::{MOST, decode, encode, ensure, ensure_count, ensure_finite, ensure_time};
use crate::problem::RUNAWAY;

/// Ordinary differential equations of named order parameters.
pub trait Equations {
    /// The names of the order parameters, in order.
    fn names(&self) -> Vec<String>;

    /// Writes the time derivative of `state` at `time` to `rate`.
    ///
    /// # Errors
    /// Whatever makes the state inadmissible; the integration then tries a shorter step, and ends with the error if none helps.
    fn rhs(&mut self, time: f64, state: &[f64], rate: &mut [f64]) -> Result<()>;

    /// What a frame shows.
    ///
    /// # Errors
    /// As [`Equations::rhs`].
    fn fields(&mut self, time: f64, state: &[f64]) -> Result<Vec<Field<'static>>>;

    /// What the last bits of the right-hand side depend on besides time and state, for checkpoints: places of tables
    /// ([`Expectations::tables`](crate::gaussian::Expectations::tables)).
    fn tables(&self) -> Vec<Option<[f64; 2]>> {
        Vec::new()
    }

    /// Takes what [`Equations::tables`] gave.
    fn tabulate(&mut self, tables: &[Option<[f64; 2]>]) {
        let _ = tables;
    }

    /// Times at which the right-hand side is not smooth.
    fn breaks(&self) -> &[f64] {
        &[]
    }
}

/// Equations given as a closure; frames show each order parameter as a scalar of the group `order_parameters`.
///
/// ```
/// use std::ops::ControlFlow;
/// use learning_dynamics::{frame::Solver, order_parameters::{FromFn, Trajectory}};
///
/// // Online linear regression: overlap and norm at learning rate 0.5.
/// let equations = FromFn::new(["m", "q"], |_t: f64, y: &[f64], dy: &mut [f64]| {
///     dy[0] = 0.5 * (1.0 - y[0]);
///     dy[1] = 0.25 * (1.0 - 2.0 * y[0] + y[1]) + (y[0] - y[1]);
///     Ok(())
/// });
/// let mut run = Trajectory::new(equations, vec![0.0, 0.0], 1e-9)?;
/// run.run(&[1.0, 40.0], &mut |_frame| Ok(ControlFlow::Continue(())))?;
/// assert!((run.state()[1] - 1.0).abs() < 1e-6);
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FromFn<F> {
    names: Vec<&'static str>,
    rhs: F,
}

impl<F: FnMut(f64, &[f64], &mut [f64]) -> Result<()>> FromFn<F> {
    /// `rhs(t, state, rate)` writes the time derivative of the order parameters `names`.
    pub fn new(names: impl IntoIterator<Item = &'static str>, rhs: F) -> Self {
        Self { names: names.into_iter().collect(), rhs }
    }
}

impl<F: FnMut(f64, &[f64], &mut [f64]) -> Result<()>> Equations for FromFn<F> {
    fn names(&self) -> Vec<String> {
        self.names.iter().map(|&name| name.into()).collect()
    }

    fn rhs(&mut self, time: f64, state: &[f64], rate: &mut [f64]) -> Result<()> {
        (self.rhs)(time, state, rate)
    }

    fn fields(&mut self, _time: f64, state: &[f64]) -> Result<Vec<Field<'static>>> {
        let field =
            |(&name, &value): (&&'static str, &f64)| Field::scalar("order_parameters", name, "order parameter", value);
        Ok(self.names.iter().zip(state).map(field).collect())
    }
}

/// A solution in the making.
#[derive(Debug)]
pub struct Trajectory<E> {
    equations: RefCell<E>,
    names: Vec<String>,
    state: Vec<f64>,
    time: f64,
    tolerance: f64,
    step: f64,
    evaluations: u64,
    watch: Watcher,
}

/// What bytes hold: a slice to save, a vector to load.
#[derive(Serialize, Deserialize)]
struct State<N, A> {
    names: N,
    state: A,
    time: f64,
    step: f64,
    evaluations: u64,
    tables: Vec<Option<[f64; 2]>>,
}

const NAME: &str = "order parameters";

impl<E: Equations> Trajectory<E> {
    /// Starts from `initial` at t = 0. `tolerance` is the error allowed a step, relative and absolute.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not as many numbers as names; [`Error::Parameter`] for numbers that are not finite and for
    /// tolerances outside `[1e-14, 0.1]`.
    pub fn new(equations: E, initial: Vec<f64>, tolerance: f64) -> Result<Self> {
        let names = equations.names();
        if names.len() != initial.len() {
            let what = "initial order parameters".into();
            return Err(Error::Shape { what, found: initial.len(), expected: names.len() });
        }
        for (name, &value) in names.iter().zip(&initial) {
            require(value.is_finite(), name.as_str(), value, "a finite number")?;
        }
        require((1e-14..=0.1).contains(&tolerance), "tolerance", tolerance, "a number in [1e-14, 0.1]")?;
        Ok(Self {
            equations: RefCell::new(equations),
            names,
            state: initial,
            time: 0.0,
            tolerance,
            step: 0.0,
            evaluations: 0,
            watch: Watcher::default(),
        })
    }

    /// The order parameters now.
    pub fn state(&self) -> &[f64] {
        &self.state
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The equations.
    pub fn equations(&mut self) -> &mut E {
        self.equations.get_mut()
    }

    /// How often the right-hand side was evaluated.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// Integrates to `time`. The watch does not look.
    ///
    /// # Errors
    /// Those of the equations, [`Error::RanAway`] where an order parameter passes 1e12, [`Error::StepTooSmall`]. The state is then
    /// that of the last time reached before the call, or of the last break of the equations since.
    pub fn advance_to(&mut self, time: f64) -> Result<()> {
        self.go(time, &Watcher::default()).map(|_| ())
    }

    /// The watch looks after each smooth piece.
    fn go(&mut self, time: f64, watch: &Watcher) -> Result<ControlFlow<()>> {
        require(time >= self.time && time.is_finite(), "time", time, "a finite time, not before the one reached")?;
        while self.time < time {
            let start = self.time;
            let next = self.equations.borrow().breaks().iter().copied().find(|&jump| jump > start && jump < time);
            self.integrate_to(next.unwrap_or(time))?;
            if watch.look(self.time, self.time - start).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn integrate_to(&mut self, end: f64) -> Result<()> {
        let (equations, names, evaluations) = (&self.equations, &self.names, RefCell::new(0));
        // A rate that jumps at the end of the interval has not jumped yet.
        let last = end.next_down();
        let rhs = |time: f64, state: &[f64], rate: &mut [f64]| {
            *evaluations.borrow_mut() += 1;
            if let Some(at) = state.iter().position(|value| !(value.abs() <= RUNAWAY)) {
                return Err(ran_away(names, state, at, time));
            }
            equations.borrow_mut().rhs(time.min(last), state, rate)
        };
        // A failed interval leaves the state as it was.
        let mut state = self.state.clone();
        let tolerance = StepTolerance { relative: self.tolerance, absolute: self.tolerance };
        let outcome = integrate(rhs, (self.time, end), &mut state, tolerance, &mut self.step);
        self.evaluations += evaluations.into_inner();
        outcome?;
        if let Some(at) = state.iter().position(|value| !(value.abs() <= RUNAWAY)) {
            return Err(ran_away(&self.names, &state, at, end));
        }
        (self.state, self.time) = (state, end);
        Ok(())
    }
}

fn ran_away(names: &[String], state: &[f64], at: usize, time: f64) -> Error {
    let list: Vec<String> = names.iter().zip(state).map(|(name, value)| format!("{name} = {value:e}")).collect();
    let name = names.get(at).cloned().unwrap_or_default();
    Error::RanAway { name, value: state.get(at).copied().unwrap_or(f64::NAN), time, state: list.join(", ") }
}

impl<E: Equations> Solver for Trajectory<E> {
    fn time(&self) -> f64 {
        self.time
    }

    fn run(&mut self, times: &[f64], visit: &mut Visit<'_>) -> Result<()> {
        let watch = self.watch.clone();
        for &time in times {
            if self.go(time, &watch)?.is_break() {
                break;
            }
            let fields = self.equations.get_mut().fields(time, &self.state)?;
            if let ControlFlow::Break(()) = visit(&Frame { time, fields })? {
                break;
            }
        }
        Ok(())
    }

    /// It looks between the times of a run, and where the equations are not smooth.
    fn watch(&mut self, watch: Watch) {
        self.watch = watch.into();
    }

    /// What equations of one's own hold besides must be in [`Equations::tables`], or not matter.
    fn save(&self) -> Result<Vec<u8>> {
        let tables = self.equations.borrow().tables();
        let Self { names, state, time, step, evaluations, .. } = self;
        encode(NAME, &State { names, state, time: *time, step: *step, evaluations: *evaluations, tables })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let found: State<Vec<String>, Vec<f64>> = decode(NAME, state)?;
        ensure_finite("order parameters", &found.state, self.names.len())?;
        ensure(found.names == self.names, || "order parameters of other names".into())?;
        ensure_time(found.time)?;
        ensure(found.step >= 0.0 && found.step.is_finite(), || format!("the step {}", found.step))?;
        ensure(found.evaluations <= MOST, || format!("{} evaluations", found.evaluations))?;
        let equations = self.equations.get_mut();
        ensure_count("tables", found.tables.len(), equations.tables().len())?;
        equations.tabulate(&found.tables);
        (self.state, self.time, self.step, self.evaluations) = (found.state, found.time, found.step, found.evaluations);
        Ok(())
    }
}
