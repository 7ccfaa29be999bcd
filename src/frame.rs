//! What every solver shows of itself: named fields on named axes at one time.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{Error, Result, Warning};

/// A named axis: the centres of its cells (or whatever its points are) and, for cells, their ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinate {
    /// Short name, also the name of the dimension in files: `theta`, `h`, `quantile`, …
    pub name: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// One value a point.
    pub values: Vec<f64>,
    /// Lower and upper end of each cell, where the points are cells.
    pub bounds: Option<Vec<[f64; 2]>>,
}

/// A named array over named axes, slowest first (row-major). No axes: a scalar.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    /// Fields of one group share their axes by name: `density`, `moments`, …
    pub group: &'static str,
    /// Name within the group.
    pub name: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// The axes, slowest first, time excluded.
    pub axes: Vec<Arc<Coordinate>>,
    /// The values, row-major.
    pub values: Cow<'a, [f64]>,
}

impl<'a> Field<'a> {
    /// A number without axes.
    pub fn scalar(group: &'static str, name: &'static str, description: &'static str, value: f64) -> Self {
        Self { group, name, description, axes: Vec::new(), values: Cow::Owned(vec![value]) }
    }

    /// An array over `axes`, slowest first.
    pub fn array(
        group: &'static str,
        name: &'static str,
        description: &'static str,
        axes: &[&Arc<Coordinate>],
        values: impl Into<Cow<'a, [f64]>>,
    ) -> Self {
        let axes = axes.iter().map(|&axis| Arc::clone(axis)).collect();
        Self { group, name, description, axes, values: values.into() }
    }
}

/// The state of a run at one time, as its visitor sees it.
///
/// All frames of a run hold the same fields in the same order with the same axes.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// Physical time (dimensionless).
    pub time: f64,
    /// What there is to see.
    pub fields: Vec<Field<'a>>,
}

impl Frame<'_> {
    /// The values of field `name` of `group`, if the frame has it.
    pub fn get(&self, group: &str, name: &str) -> Option<&[f64]> {
        self.fields.iter().find(|field| field.group == group && field.name == name).map(|field| &*field.values)
    }
}

/// Called with each frame; `Break` ends the run early without an error.
pub type Visit<'v> = dyn FnMut(&Frame<'_>) -> Result<ControlFlow<()>> + 'v;

/// What a solver tells of itself between frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The time reached.
    pub time: f64,
    /// Length of the last step in physical time.
    pub step: f64,
}

/// Called between steps, some times a second where steps are short; after `Break` the run stops there.
pub type Watch = Arc<dyn Fn(Progress) -> ControlFlow<()> + Send + Sync>;

/// The watch of a solver, if it has one.
#[derive(Clone, Default)]
pub(crate) struct Watcher(Option<Watch>);

impl Watcher {
    /// Lets it look.
    pub fn look(&self, time: f64, step: f64) -> ControlFlow<()> {
        self.0.as_ref().map_or(ControlFlow::Continue(()), |watch| watch(Progress { time, step }))
    }

    /// Whether there is one.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

impl From<Watch> for Watcher {
    fn from(watch: Watch) -> Self {
        Self(Some(watch))
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watcher").field(&self.is_on()).finish()
    }
}

/// The one face of all solvers: grids and Monte Carlo alike.
pub trait Solver {
    /// The time reached.
    fn time(&self) -> f64;

    /// Runs through `times` (increasing, none before [`Solver::time`]) and shows the state at each.
    ///
    /// What is shown at the time of a selection event is the state after the event.
    ///
    /// # Errors
    /// Those of the solver and of the visitor. Every frame visited before the error was valid.
    fn run(&mut self, times: &[f64], visit: &mut Visit<'_>) -> Result<()>;

    /// Fields that do not change in time (effective fitness, …).
    fn constants(&self) -> Vec<Field<'_>> {
        Vec::new()
    }

    /// What a user should know about the run so far.
    fn notes(&self) -> Vec<Warning> {
        Vec::new()
    }

    /// Lets `watch` look on from now on. Where it breaks, [`Solver::run`] returns `Ok` without having reached the next time
    /// (see [`Solver::time`]); a further `run` to the times that are left goes on to the very bits of a run that was not
    /// stopped. One to another last time is another run, whose tolerance is for what is left.
    fn watch(&mut self, watch: Watch) {
        let _ = watch;
    }

    /// The whole state, the history of steps and the place in the present run included: after [`Solver::load`] into a solver
    /// made from the same statement and settings, a run to the times that are left gives the very bits that this one would.
    ///
    /// May be called whenever the solver is not running, also after `watch` or the visitor stopped it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a solver that cannot.
    fn save(&self) -> Result<Vec<u8>> {
        Err(Error::Unsupported {
            solver: "this solver",
            what: "checkpoints".into(),
            instead: "implement Solver::save and Solver::load",
        })
    }

    /// Takes the state that [`Solver::save`] gave.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for bytes of another solver, other sizes, or damaged ones; the state is then as it was.
    fn load(&mut self, state: &[u8]) -> Result<()> {
        let _ = state;
        Err(Error::Unsupported {
            solver: "this solver",
            what: "checkpoints".into(),
            instead: "implement Solver::save and Solver::load",
        })
    }
}
