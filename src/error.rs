//! Errors and warnings, each with the quantity, its value and what was expected.

use thiserror::Error;

/// What a call of this library returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a problem could not be stated, or a run could not go on.
///
/// Whatever a run had handed to its visitor before the error stays valid: files and series keep it.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter outside its range.
    #[error("{key} = {value}: expected {expected}")]
    Parameter {
        /// The name of the parameter, as in the statement of the problem.
        key: String,
        /// The value found.
        value: f64,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// A list or grid with the wrong shape.
    #[error("{what}: found {found}, expected {expected}")]
    Shape {
        /// What has the wrong shape.
        what: String,
        /// The size found.
        found: usize,
        /// The size expected.
        expected: usize,
    },
    /// A formula that cannot be read.
    #[error("{}", formula_line(text, *at, found, expected))]
    Formula {
        /// The formula.
        text: String,
        /// The byte of `text` where the trouble begins; its length if that is the end.
        at: usize,
        /// What stands there.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
    /// A saved state that does not fit.
    #[error("the checkpoint cannot be used: {what}")]
    Checkpoint {
        /// What is wrong with it.
        what: String,
    },
    /// Two parts of a statement that do not go together, or that a solver cannot treat.
    #[error("{solver} cannot treat {what}: {instead}")]
    Unsupported {
        /// The solver that was asked.
        solver: &'static str,
        /// What it cannot treat.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// NaN or infinity from a loss, gradient, fitness or coefficient.
    #[error("{quantity} is {value} at θ = {theta:?}, h = {h:?}, t = {time}: expected a finite number")]
    NonFinite {
        /// Which function returned it: `"loss"`, `"gradient"`, `"fitness"`, …
        quantity: &'static str,
        /// The value returned.
        value: f64,
        /// Where, in parameters.
        theta: Vec<f64>,
        /// Where, in hyperparameters.
        h: Vec<f64>,
        /// When (the time of the run).
        time: f64,
    },
    /// Part of the initial law lies outside the box.
    #[error(
        "the initial law of {coordinate} puts mass {outside:e} outside [{low}, {high}]: expected at most {allowed:e}; widen the box"
    )]
    InitialMassOutside {
        /// `"theta"` or `"h"`.
        coordinate: &'static str,
        /// The mass outside.
        outside: f64,
        /// Lower end of the box.
        low: f64,
        /// Upper end of the box.
        high: f64,
        /// What is tolerated.
        allowed: f64,
    },
    /// The potential difference between neighbouring cells is so large that the transition rate underflows.
    #[error(
        "between the cells at θ = {theta} (h = {h}) the loss rises by {difference:e} diffusions and the rate underflows: expected less than 700; refine the θ axis, shrink the box or raise the diffusion"
    )]
    RateUnderflow {
        /// The face between the cells.
        theta: f64,
        /// The slice.
        h: f64,
        /// `μ ΔL / D`.
        difference: f64,
    },
    /// Weights that are all zero (or a sum that overflows).
    #[error(
        "the selection weights of the whole population sum to {sum} at t = {time}: expected a positive finite number; {hint}"
    )]
    Weights {
        /// The sum found.
        sum: f64,
        /// When.
        time: f64,
        /// What to change.
        hint: &'static str,
    },
    /// Arrays that would not fit into the memory that is free.
    #[error("{what} needs {needed} bytes of memory, but {available} are free: expected fewer cells")]
    TooMuchMemory {
        /// What for.
        what: &'static str,
        /// Bytes it would take.
        needed: u64,
        /// Bytes there are, by the system and by the limit of the container.
        available: u64,
    },
    /// The step control could not reach the tolerance.
    #[error("at t = {time} the step fell to {step:e}: the tolerance {tolerance:e} cannot be reached")]
    StepTooSmall {
        /// When.
        time: f64,
        /// The last step tried.
        step: f64,
        /// The tolerance asked.
        tolerance: f64,
    },
    /// Stiff equations whose step fell to rounding.
    #[error(
        "at t = {time} the step fell to {step:e}, held back by {component}: the tolerance {tolerance:e} cannot be reached"
    )]
    StiffStep {
        /// When.
        time: f64,
        /// The last step tried.
        step: f64,
        /// What changes fastest in units of the error allowed, as `a[3]`.
        component: String,
        /// The tolerance asked.
        tolerance: f64,
    },
    /// An iteration that did not converge.
    #[error("{what} did not converge in {iterations} iterations: residual {residual:e}, expected {tolerance:e}")]
    NotConverged {
        /// Which iteration.
        what: &'static str,
        /// How many were made.
        iterations: usize,
        /// Where it stood.
        residual: f64,
        /// Where it should have come.
        tolerance: f64,
    },
    /// Particles that ran away.
    #[error(
        "agent {agent} of replicate {replicate} left the finite numbers at t = {time}: θ = {theta}; reduce the learning rate"
    )]
    Diverged {
        /// Its number.
        agent: usize,
        /// Its replicate.
        replicate: usize,
        /// When it was noticed.
        time: f64,
        /// Its θ.
        theta: f64,
    },
    /// A file that could not be written or read.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: String,
        /// What the system or library said.
        message: String,
    },
    /// A library that this one stands on reported a failure.
    #[error("{library}: {message}")]
    Library {
        /// Which.
        library: &'static str,
        /// What it said.
        message: String,
    },
    /// A field that was not recorded.
    #[error("no field {name} was recorded: expected one of {known}")]
    UnknownField {
        /// The group and name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// NaN or infinity in what a solver showed; nothing of that frame is kept.
    #[error("{field}[{index}] is {value} at t = {time}: expected a finite number")]
    NonFiniteField {
        /// Its group and name.
        field: String,
        /// Which of its values, counted row-major.
        index: usize,
        /// The value.
        value: f64,
        /// When.
        time: f64,
    },
    /// A matrix that should equal its transpose.
    #[error(
        "{matrix}[{row}, {column}] = {found}, but {matrix}[{column}, {row}] = {mirrored}: expected a symmetric matrix"
    )]
    Asymmetric {
        /// Its name.
        matrix: &'static str,
        /// Row of the entry.
        row: usize,
        /// Its column.
        column: usize,
        /// The entry.
        found: f64,
        /// The one across the diagonal.
        mirrored: f64,
    },
    /// A matrix of overlaps that no vectors can have.
    #[error(
        "{matrix} has the eigenvalue {eigenvalue:e}: expected a positive semidefinite matrix, as overlaps of vectors are"
    )]
    Indefinite {
        /// Its name.
        matrix: &'static str,
        /// The most negative eigenvalue.
        eigenvalue: f64,
    },
    /// NaN or infinity from an activation.
    #[error("the activation {function} is {value} at x = {x}: expected a finite number")]
    Activation {
        /// `"g"` or `"g'"`, with a star for the teacher's.
        function: &'static str,
        /// The value returned.
        value: f64,
        /// The argument.
        x: f64,
    },
    /// Order parameters that grow without bound, as above the critical learning rate.
    #[error("{name} = {value:e} at t = {time}: the training diverges; reduce the learning rate (last state: {state})")]
    RanAway {
        /// Which order parameter left first.
        name: String,
        /// Its value.
        value: f64,
        /// When.
        time: f64,
        /// All of them, as `name = value`.
        state: String,
    },
    /// Mass reached an end of the box, where the equation goes on.
    #[error(
        "mass {mass:e} lies in the outermost cells of {coordinate} at t = {time}: expected at most {allowed:e}; widen the box [{low}, {high}]"
    )]
    MassAtEnds {
        /// Which coordinate.
        coordinate: &'static str,
        /// Mass in its first and last cells together.
        mass: f64,
        /// Lower end of the box.
        low: f64,
        /// Upper end of the box.
        high: f64,
        /// When.
        time: f64,
        /// What is tolerated.
        allowed: f64,
    },
}

/// Something that does not stop a run but that its user should know, with the number.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Warning {
    /// Mass reached a wall of the θ box, where the truncation of the line is no longer negligible.
    #[error("mass {mass:e} lies in the outermost θ cells at t = {time}: widen the θ axis (expected below {allowed:e})")]
    MassAtWall {
        /// Mass in the first and last θ cell together.
        mass: f64,
        /// When.
        time: f64,
        /// The level from which this is reported.
        allowed: f64,
    },
    /// The θ box leaves out part of the law that training leads to.
    #[error(
        "at h = {h:?} the Gibbs law of θ has mass {outside:e} outside the box: widen the θ axes (expected below {allowed:e})"
    )]
    WellCut {
        /// Mass outside, of the Gibbs law on a box three times as wide in each direction.
        outside: f64,
        /// Where it is largest, of a few places of h.
        h: Vec<f64>,
        /// The level from which this is reported.
        allowed: f64,
    },
    /// Mass reached an end of a box, where the equation goes on.
    #[error(
        "mass {mass:e} lies in the outermost cells of {coordinate} at t = {time}: widen its box (expected below {allowed:e})"
    )]
    MassAtEnds {
        /// Which coordinate.
        coordinate: &'static str,
        /// Mass in its first and last cells together.
        mass: f64,
        /// When.
        time: f64,
        /// The level from which this is reported.
        allowed: f64,
    },
    /// A dual kernel given by a series that does not end within the degrees asked.
    #[error("{kernel} is known up to {error:e} from its {degrees} first degrees: ask for more")]
    KernelTruncated {
        /// `"U"` or `"V"`.
        kernel: &'static str,
        /// Bound of what is left out.
        error: f64,
        /// The degrees of the series.
        degrees: usize,
    },
    /// The positivity limiter moved mass.
    #[error("the positivity limiter moved mass {mass:e} in all, up to t = {time}")]
    MassMoved {
        /// Mass moved so far.
        mass: f64,
        /// When.
        time: f64,
    },
}

/// One line, however long the formula: the 30 characters on each side of the trouble.
fn formula_line(text: &str, at: usize, found: &str, expected: &str) -> String {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let start = before.char_indices().rev().take(30).last().map_or(before.len(), |(k, _)| k);
    let end = after.char_indices().nth(30).map_or(after.len(), |(k, _)| k);
    let dots = |cut: bool| if cut { "…" } else { "" };
    let (left, right) = (dots(start > 0), dots(end < after.len()));
    let part = format!("{left}{}{}{right}", &before[start..], &after[..end]).replace(['\n', '\r'], " ");
    let place = before.chars().count() + 1;
    format!("formula \"{part}\": found {found} at character {place}, expected {expected}")
}

/// `Ok` if `ok`, else [`Error::Parameter`]. Write conditions so that NaN fails.
pub(crate) fn require(ok: bool, key: impl Into<String>, value: f64, expected: &'static str) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::Parameter { key: key.into(), value, expected }) }
}
