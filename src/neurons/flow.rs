//! The flows behind one face.

use std::ops::ControlFlow;
use std::sync::Arc;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::closed::ClosedFlow;
use super::full::{FullFlow, pair};
use super::series::SeriesFlow;
use crate::error::{Error, Result, Warning, require};
use crate::frame::{Coordinate, Field, Frame, Solver, Visit, Watch, Watcher};
use crate::gaussian::{DualKernel, Risk, RiskParts};
use crate::numerics::rosenbrock::{Rosenbrock, Stiff};
use crate::numerics::state::{MOST, decode, encode, ensure, ensure_finite, ensure_time};
use crate::problem::SingleIndex;

/// Which equations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// Second layer and alignments; `r_ij = s_i s_j` for all i, j.
    #[default]
    Simplified,
    /// All overlaps as well.
    Full,
}

/// How a flow is solved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowSettings {
    /// Which equations.
    pub flow: Flow,
    /// `None`: kernels in closed form where there are any (ReLU, erf), at a cost of m² a right-hand side and m³ a step; otherwise
    /// and with `Some(degree)` the series of U and V up to that degree (40 if `None`), of which
    /// [`NeuronFlow::truncation`] tells the error, at a cost of m·degree.
    pub series: Option<usize>,
    /// Error of the result wanted, relative above 1 and absolute below: steps are held to a hundredth of it, since
    /// errors grow while neurons leave a plateau (study `learning-order` measures how much).
    pub tolerance: f64,
    /// How many degrees of the risk are recorded.
    pub degrees: usize,
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self { flow: Flow::Simplified, series: None, tolerance: 1e-8, degrees: 6 }
    }
}

/// What a step may add to the error, of the tolerance.
const A_STEP: f64 = 0.01;

/// Degree of series where nothing is said.
const DEGREE: usize = 40;

#[derive(Clone)]
enum System {
    Series(Box<SeriesFlow>),
    Closed(Box<ClosedFlow>),
    Full(Box<FullFlow>),
}

impl Stiff for System {
    fn rhs(&mut self, y: &[f64], out: &mut [f64]) -> Result<()> {
        match self {
            Self::Series(flow) => flow.rhs(y, out),
            Self::Closed(flow) => flow.rhs(y, out),
            Self::Full(flow) => flow.rhs(y, out),
        }
    }

    fn prepare(&mut self, y: &[f64], shift: f64, weight: &[f64]) -> Result<()> {
        match self {
            Self::Series(flow) => flow.prepare(y, shift, weight),
            Self::Closed(flow) => flow.prepare(y, shift, weight),
            Self::Full(flow) => flow.prepare(y, shift, weight),
        }
    }

    fn solve(&mut self, b: &mut [f64]) -> Result<()> {
        match self {
            Self::Series(flow) => flow.solve(b),
            Self::Closed(flow) => flow.solve(b),
            Self::Full(flow) => flow.solve(b),
        }
    }
}

/// The neurons `(a_i, s_i)` (and `r_ij`) of a [`SingleIndex`] problem in time, by a method for stiff equations
/// ([`Rosenbrock`]) that uses the structure of the Jacobian.
///
/// Frames hold the groups `neurons` (`a`, `s` over `neuron`; of the full flow `r` over `neuron`, `neuron_2`), `moments` (mean
/// `alignment` |s|, `largest_a`) and `risk` ([`Risk::fields`]).
///
/// ```
/// use learning_dynamics::{neurons::*, problem::*};
/// // φ = 0.8 h₀ + 0.5 h₁ − 0.6 h₂ is learnt in order: constant, linear, quadratic.
/// let problem = SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 1e-3, vec![1.0, -0.4, 0.7, 0.2, -1.3]);
/// let mut flow = NeuronFlow::new(problem, FlowSettings::default())?;
/// flow.advance_to(0.05)?;
/// let [constant, linear, ..] = flow.risk().residuals[..] else { unreachable!() };
/// assert!(constant.abs() < 0.02 && linear > 0.4, "{constant} {linear}");
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
#[derive(Clone)]
pub struct NeuronFlow {
    problem: SingleIndex,
    settings: FlowSettings,
    system: System,
    method: Rosenbrock,
    risk: Risk,
    truncation: [f64; 2],
    time: f64,
    /// a, s, and of the full flow r_ij for i < j.
    state: Vec<f64>,
    scale: Vec<f64>,
    axes: [Arc<Coordinate>; 2],
    watch: Watcher,
}

/// What bytes hold: a slice to save, a vector to load.
#[derive(Serialize, Deserialize)]
struct State<A> {
    time: f64,
    state: A,
    step: f64,
    steps: [u64; 2],
}

const NAME: &str = "neuron flow";

impl NeuronFlow {
    /// States the flow.
    ///
    /// # Errors
    /// Those of [`SingleIndex::validated`]; [`crate::Error::Parameter`] for a tolerance outside [1e-11, 0.1];
    /// those of [`crate::gaussian::HermiteSeries::new`].
    pub fn new(problem: SingleIndex, settings: FlowSettings) -> Result<Self> {
        let problem = problem.validated()?;
        let tolerance = settings.tolerance;
        require((1e-11..=0.1).contains(&tolerance), "tolerance", tolerance, "a number from 1e-11 to 0.1")?;
        let (sigma, phi) = (&problem.activation, &problem.target);
        let [u, v] = match settings.series {
            None => [DualKernel::new(sigma, sigma, DEGREE)?, DualKernel::new(sigma, phi, DEGREE)?],
            Some(degree) => [DualKernel::series(sigma, sigma, degree)?, DualKernel::series(sigma, phi, degree)?],
        };
        let (m, epsilon) = (problem.neurons(), problem.epsilon);
        let risk = Risk::new(&problem, settings.degrees, u.clone(), v.clone())?;
        let truncation = [u.truncation(), v.truncation()];
        let mut state = problem.a.clone();
        state.extend_from_slice(&problem.s);
        let system = match (settings.flow, u, v) {
            (Flow::Full, u, v) => {
                let r = problem.overlaps();
                state.resize(2 * m + m * (m - 1) / 2, 0.0);
                for i in 0..m {
                    for j in i + 1..m {
                        state[pair(m, i, j)] = r[[i, j]];
                    }
                }
                System::Full(Box::new(FullFlow::new(epsilon, m, u, v)))
            }
            (
                Flow::Simplified,
                DualKernel::Series { coefficients: u, .. },
                DualKernel::Series { coefficients: v, .. },
            ) => System::Series(Box::new(SeriesFlow::new(epsilon, m, &u, &v))),
            (Flow::Simplified, u, v) => System::Closed(Box::new(ClosedFlow::new(epsilon, m, u, v))),
        };
        let axis = |name, description| {
            let values = (0..m).map(|i| i as f64).collect();
            Arc::new(Coordinate { name, description, values, bounds: None })
        };
        Ok(Self {
            settings,
            system,
            method: Rosenbrock::new(A_STEP * tolerance),
            risk,
            truncation,
            time: 0.0,
            scale: vec![1.0; state.len()],
            state,
            axes: [axis("neuron", "neuron"), axis("neuron_2", "other neuron")],
            watch: Watcher::default(),
            problem,
        })
    }

    /// The statement.
    pub fn problem(&self) -> &SingleIndex {
        &self.problem
    }

    /// The settings.
    pub fn settings(&self) -> &FlowSettings {
        &self.settings
    }

    /// Bounds of what the series of U and V leave out for arguments in [−1, 1]; 0 for closed forms.
    pub fn truncation(&self) -> [f64; 2] {
        self.truncation
    }

    /// Steps accepted and rejected so far.
    pub fn steps(&self) -> [u64; 2] {
        self.method.steps
    }

    /// Integrates to `time` without showing anything. The watch does not look.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] for a time before the one reached; those of [`Rosenbrock::advance`], after which state and
    /// [`Solver::time`] are those of the last step that was made.
    pub fn advance_to(&mut self, time: f64) -> Result<()> {
        self.go(time, &Watcher::default()).map(|_| ())
    }

    fn go(&mut self, time: f64, watch: &Watcher) -> Result<ControlFlow<()>> {
        let state = (&mut self.state[..], &self.scale[..]);
        let outcome = self.method.advance_watched(&mut self.system, &mut self.time, time, state, watch);
        outcome.map_err(|error| match error {
            Error::StiffStep { time, step, component, .. } => {
                let tolerance = self.settings.tolerance;
                Error::StiffStep { time, step, component: self.name(&component), tolerance }
            }
            other => other,
        })
    }

    /// `a[i]`, `s[i]` or `r[i, j]` for `y[k]`.
    pub(super) fn name(&self, component: &str) -> String {
        let m = self.problem.neurons();
        let digits = component.trim_start_matches("y[").trim_end_matches(']');
        match digits.parse::<usize>() {
            Ok(k) if k < m => format!("a[{k}]"),
            Ok(k) if k < 2 * m => format!("s[{}]", k - m),
            Ok(k) => (0..m)
                .flat_map(|i| (i + 1..m).map(move |j| (i, j)))
                .find(|&(i, j)| pair(m, i, j) == k)
                .map_or_else(|| component.into(), |(i, j)| format!("r[{i}, {j}]")),
            Err(_) => component.into(),
        }
    }

    /// What its user should know: kernels that are series and leave out more than a thousandth of the tolerance.
    pub fn warnings(&self) -> Vec<Warning> {
        let degrees = self.settings.series.unwrap_or(DEGREE);
        let kernels = ["U", "V"].into_iter().zip(self.truncation);
        let noted = kernels.filter(|(_, error)| *error > 1e-3 * self.settings.tolerance);
        noted.map(|(kernel, error)| Warning::KernelTruncated { kernel, error, degrees }).collect()
    }

    /// The time reached.
    pub(super) fn at(&self) -> f64 {
        self.time
    }

    /// Second layer, m numbers.
    pub fn a(&self) -> &[f64] {
        &self.state[..self.problem.neurons()]
    }

    /// Alignments, m numbers.
    pub fn s(&self) -> &[f64] {
        &self.state[self.problem.neurons()..2 * self.problem.neurons()]
    }

    /// Overlaps (m×m) of the full flow; of the simplified one `s_i s_j`, 1 on the diagonal.
    pub fn r(&self) -> Array2<f64> {
        let (m, s) = (self.problem.neurons(), self.s());
        Array2::from_shape_fn((m, m), |(i, j)| {
            if i == j {
                1.0
            } else if self.settings.flow == Flow::Full {
                self.state[pair(m, i.min(j), i.max(j))]
            } else {
                s[i] * s[j]
            }
        })
    }

    /// The risk, by degree.
    pub fn risk(&self) -> RiskParts {
        match self.settings.flow {
            Flow::Simplified => self.risk.of(self.a(), self.s(), None),
            Flow::Full => self.risk.of(self.a(), self.s(), Some(self.r().view())),
        }
    }

    fn fields(&self) -> Vec<Field<'_>> {
        let [neuron, other] = [&self.axes[0], &self.axes[1]];
        let mut fields = vec![
            Field::array("neurons", "a", "second-layer weight", &[neuron], self.a()),
            Field::array("neurons", "s", "alignment with the target", &[neuron], self.s()),
        ];
        if self.settings.flow == Flow::Full {
            let r = self.r().into_raw_vec_and_offset().0;
            fields.push(Field::array("neurons", "r", "overlap of two neurons", &[neuron, other], r));
        }
        let mean = self.s().iter().map(|s| s.abs()).sum::<f64>() / self.s().len() as f64;
        let largest = self.a().iter().fold(0.0, |most: f64, a| most.max(a.abs()));
        fields.push(Field::scalar("moments", "alignment", "mean of |s|", mean));
        fields.push(Field::scalar("moments", "largest_a", "largest |a|", largest));
        fields.extend(self.risk.fields(&self.risk()));
        fields
    }
}

impl std::fmt::Debug for NeuronFlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NeuronFlow").field("problem", &self.problem).field("time", &self.time).finish_non_exhaustive()
    }
}

impl Solver for NeuronFlow {
    fn time(&self) -> f64 {
        self.time
    }

    fn run(&mut self, times: &[f64], visit: &mut Visit<'_>) -> Result<()> {
        let watch = self.watch.clone();
        for &time in times {
            if self.go(time, &watch)?.is_break() || visit(&Frame { time, fields: self.fields() })?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn notes(&self) -> Vec<Warning> {
        self.warnings()
    }

    /// It looks after each step.
    fn watch(&mut self, watch: Watch) {
        self.watch = watch.into();
    }

    fn save(&self) -> Result<Vec<u8>> {
        let (step, steps) = (self.method.step, self.method.steps);
        encode(NAME, &State { time: self.time, state: &self.state[..], step, steps })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let found: State<Vec<f64>> = decode(NAME, state)?;
        ensure_time(found.time)?;
        ensure_finite("numbers of neurons", &found.state, self.state.len())?;
        // It is infinite where nothing moves.
        ensure(found.step >= 0.0, || format!("the step {}", found.step))?;
        ensure(found.steps.iter().all(|count| *count <= MOST), || format!("{:?} steps", found.steps))?;
        (self.time, self.state) = (found.time, found.state);
        (self.method.step, self.method.steps) = (found.step, found.steps);
        Ok(())
    }
}
