//! A wide two-layer network on real vectors, trained by projected gradient descent or one-pass SGD.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use ndarray::{Array2, array};
use rayon::prelude::*;

use super::network_run::TwoLayers;
use super::pace::between_looks;
use super::random_neurons::NeuronState;
use super::replica::first_error;
use super::rng::{Key, Purpose};
use super::root::Roots;
use super::statistics::mean_and_error;
use crate::error::{Error, Result, require};
use crate::frame::{Coordinate, Field, Frame, Solver, Visit, Watch, Watcher};
use crate::gaussian::{DualKernel, Risk};
use crate::numerics::state::{decode, encode, ensure, ensure_count, ensure_finite, ensure_time};
use crate::problem::SingleIndex;

/// Whose gradient a [`Network`] descends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gradient {
    /// That of the risk itself.
    #[default]
    Population,
    /// That of the mean over `batch` fresh inputs (one-pass SGD).
    Sample {
        /// `B`.
        batch: usize,
    },
}

/// How a [`Network`] is simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSettings {
    /// `d`, the number of inputs.
    pub dimension: usize,
    /// Whose gradient is descended.
    pub gradient: Gradient,
    /// `η`, the step in the time of the flow.
    pub step: f64,
    /// Steps of the second layer, each of `η/second_layer_steps`, in one step of the first: for `ε ≪ η`, where a single one would
    /// be unstable. They cost m² operations each, beside 4m²d for the first layer. Population gradient only.
    pub second_layer_steps: usize,
    /// Independent runs; standard errors need at least two.
    pub runs: usize,
    /// All randomness follows from it.
    pub seed: u64,
    /// How many Hermite degrees of the risk frames hold.
    pub degrees: usize,
    /// Degree up to which the kernels `U` and `V` are summed where they have no closed form.
    pub series_degree: usize,
    /// Whether frames hold risk and neurons of each run.
    pub record_runs: bool,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            dimension: 1000,
            gradient: Gradient::Population,
            step: 1e-3,
            second_layer_steps: 1,
            runs: 1,
            seed: 1,
            degrees: 6,
            series_degree: 200,
            record_runs: false,
        }
    }
}

/// What all runs share.
#[derive(Debug)]
pub(super) struct Plan {
    pub problem: SingleIndex,
    pub settings: NetworkSettings,
    pub u: DualKernel,
    pub v: DualKernel,
    pub risk: Risk,
    /// Of the initial overlaps; `None` for random directions.
    pub roots: Option<Roots>,
}

impl Plan {
    fn new(problem: SingleIndex, settings: NetworkSettings) -> Result<Self> {
        /// Numbers in all runs together: 512 GiB.
        const MOST: f64 = (1u64 << 36) as f64;
        let problem = problem.validated()?;
        let NetworkSettings { dimension, runs, step, second_layer_steps, degrees, .. } = settings;
        require((1..=1 << 50).contains(&dimension), "dimension", dimension as f64, "at least 1, at most 2^50")?;
        require((1..=1 << 32).contains(&runs), "runs", runs as f64, "at least 1, at most 2^32")?;
        require(step > 0.0 && step.is_finite(), "step", step, "a finite number above 0")?;
        let expected = "at least 1, at most 2^20";
        require(
            (1..=1 << 20).contains(&second_layer_steps),
            "second_layer_steps",
            second_layer_steps as f64,
            expected,
        )?;
        require(degrees <= 2000, "degrees", degrees as f64, "at most 2000")?;
        let (d, m) = (dimension as f64, problem.neurons() as f64);
        let scratch = match settings.gradient {
            Gradient::Population => d * m + 4.0 * m * m,
            Gradient::Sample { batch } => {
                require((1..=1 << 24).contains(&batch), "batch", batch as f64, "at least 1, at most 2^24")?;
                batch as f64 * (d + 4.0 * m)
            }
        };
        let numbers = runs as f64 * (d * m + m * m + scratch);
        require(numbers <= MOST, "dimension × runs × neurons", numbers, "at most 2^36 numbers in memory")?;
        let kernel = |g| DualKernel::new(&problem.activation, g, settings.series_degree);
        let (u, v) = (kernel(&problem.activation)?, kernel(&problem.target)?);
        if settings.gradient == Gradient::Population {
            // No eigenvalue of U(r)/m is above its trace U(1).
            let most = 2.0 * problem.epsilon * second_layer_steps as f64 / u.at(1.0)[0];
            let expected =
                "below 2ε·second_layer_steps/E[σ²], where the second layer is stable; raise second_layer_steps";
            require(!(step >= most), "step", step, expected)?;
        } else if second_layer_steps > 1 {
            return Err(Error::Unsupported {
                solver: "the network on samples",
                what: format!("second_layer_steps = {second_layer_steps}, which would use an input more than once"),
                instead: "use 1 and a smaller step, or the population gradient",
            });
        }
        let roots = if problem.r.is_none() && problem.s.iter().all(|s| *s == 0.0) {
            None
        } else {
            let s = Array2::from_shape_fn((problem.neurons(), 1), |(i, _)| problem.s[i]);
            let roots = Roots::new(array![[1.0]].view(), s.view(), problem.overlaps().view());
            require(dimension >= roots.rank(), "dimension", d, "at least the rank of the initial overlaps")?;
            Some(roots)
        };
        let risk = Risk::new(&problem, degrees, u.clone(), v.clone())?;
        Ok(Self { problem, settings, u, v, risk, roots })
    }

    pub fn key(&self, purpose: Purpose, run: usize) -> Key {
        Key::new(self.settings.seed, purpose, run)
    }

    /// The time of `step`.
    pub fn time(&self, step: u64) -> f64 {
        step as f64 * self.settings.step
    }
}

/// The network of a [`SingleIndex`] problem on m vectors in `d` dimensions: the particle twin of the neuron flows.
///
/// One step of projected gradient descent (m times the gradient of the risk, the second layer faster by `1/ε`; all at the values
/// before the step) on the population risk, and on `B` fresh inputs `x_b ~ N(0, I_d)` with errors `e_b = f(x_b) − φ(⟨u*, x_b⟩)`:
///
/// ```text
/// a_i ← a_i + (η/ε) ( V(s_i) − (1/m) Σ_j a_j U(r_ij) )                                         u_i ← u_i/|u_i| after
/// u_i ← u_i + η a_i ( V'(s_i)(u* − s_i u_i) − (1/m) Σ_{j≠i} a_j U'(r_ij)(u_j − r_ij u_i) )
///
/// a_i ← a_i − (η/ε) (1/B) Σ_b e_b σ(⟨u_i, x_b⟩)
/// u_i ← u_i − η a_i (1/B) Σ_b e_b σ'(⟨u_i, x_b⟩)( x_b − ⟨u_i, x_b⟩u_i )
/// ```
/// Time is `steps·η`; a requested time means the nearest whole number of steps. As `η → 0` both become the full flow, started
/// from the same `a, s, r` (at a distance of order η, on samples √(ηd/B) besides). On the population risk `s` and `r` do so in
/// any dimension.
///
/// Where the statement has `s = 0` and `r = None` (the limit d → ∞ of random directions) the `u_i` start uniform on the unit
/// sphere, different in each run; other overlaps are met exactly. `a` starts the same in all runs.
///
/// A step on the risk costs two products of m×m×d, one on samples two of m×B×d and the drawing of `Bd` normals. Memory:
/// `8(2md + 4m²)` bytes a run, on samples `8(md + Bd + 4Bm)`. Runs go in parallel, each on one thread; results do not depend on
/// the number of threads, nor on the times recorded.
///
/// Frames hold the group `risk` (`risk`, `component` (residuals by degree), `component_risk`, `tail` of [`Risk`], all of the
/// population risk, as means over runs with `…_error`, the standard errors of these means; 0 with a single run), `neurons` (`a`
/// and `s` of each neuron, likewise), `alignment` (`alignment`, the mean of |s|, likewise) and, if asked for, `runs` (`risk`, `a`
/// and `s` of each run).
///
/// ```
/// use learning_dynamics::{frame::Solver, monte_carlo::*, problem::*, record::Series};
/// let problem = random_neurons(10, 1.0, None, 1)?.start(&SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 0.1, vec![]));
/// let settings = NetworkSettings { dimension: 100, step: 0.05, runs: 3, ..NetworkSettings::default() };
/// let mut series = Series::new();
/// Network::new(problem, settings)?.run(&[0.0, 10.0], &mut |frame| series.visit(frame))?;
/// assert!(series.last("risk", "risk")?[0] < 0.3);
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
/// Berthier, Montanari & Zhou (2024), Found. Comput. Math., "Learning time-scales in two-layers neural networks".
pub struct Network {
    plan: Plan,
    runs: Vec<TwoLayers>,
    neurons: Arc<Coordinate>,
    numbers: Arc<Coordinate>,
    time: f64,
    watch: Watcher,
}

/// Time, steps, and of each run second layer and vectors: slices to save, vectors to load.
type State<A> = (f64, u64, Vec<[A; 2]>);

const NAME: &str = "network";

/// Keys of random numbers hold so many steps.
const STEPS: u64 = 1 << 40;

impl Network {
    /// States the runs and draws the initial vectors.
    ///
    /// # Errors
    /// Those of [`SingleIndex::validated`] and [`crate::gaussian::HermiteSeries::new`]; [`Error::Parameter`] for a dimension that is
    /// 0, smaller than the rank of given overlaps or too large for memory, for no runs, an empty batch, a step that is not a
    /// finite number above 0, and one from `2ε·second_layer_steps/E[σ²]` on, where steps on the risk may be unstable;
    /// [`Error::Unsupported`] for several second-layer steps on samples.
    pub fn new(problem: SingleIndex, settings: NetworkSettings) -> Result<Self> {
        let plan = Plan::new(problem, settings)?;
        let runs = (0..plan.settings.runs).into_par_iter().map(|run| TwoLayers::new(&plan, run)).collect();
        let numbers = |name, description, count: usize| {
            let values = (0..count).map(|k| k as f64).collect();
            Arc::new(Coordinate { name, description, values, bounds: None })
        };
        let neurons = numbers("neuron", "number of the neuron", plan.problem.neurons());
        let numbers = numbers("run", "number of the run", plan.settings.runs);
        Ok(Self { plan, runs, neurons, numbers, time: 0.0, watch: Watcher::default() })
    }

    /// The statement.
    pub fn problem(&self) -> &SingleIndex {
        &self.plan.problem
    }

    /// The settings.
    pub fn settings(&self) -> &NetworkSettings {
        &self.plan.settings
    }

    /// Bound of what the series of the kernels leave out of the population risk's gradient in `a`; 0 for closed forms.
    pub fn truncation(&self) -> f64 {
        self.plan.u.truncation().max(self.plan.v.truncation())
    }

    /// Goes to the whole step nearest to `time` without showing anything. The watch does not look.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a time before the one reached; [`Error::RanAway`] where the second layer passes 1e12, with the time;
    /// [`Error::Activation`].
    pub fn advance_to(&mut self, time: f64) -> Result<()> {
        self.go(time, &Watcher::default()).map(|_| ())
    }

    /// The watch looks where all runs have made the same number of steps.
    fn go(&mut self, time: f64, watch: &Watcher) -> Result<ControlFlow<()>> {
        require(time >= self.time && time.is_finite(), "time", time, "a finite time, none before the one reached")?;
        let steps = (time / self.plan.settings.step).round();
        require(steps < STEPS as f64, "time / step", steps, "less than 2^40 steps")?;
        let (plan, steps) = (&self.plan, steps as u64);
        let (mut made, mut flow) = (self.steps(), ControlFlow::Continue(()));
        let pace = self.runs.first().map_or(1, |run| between_looks(run.work(), self.runs.len()));
        while made < steps && flow.is_continue() {
            made = if watch.is_on() { steps.min(made + pace) } else { steps };
            first_error(self.runs.par_iter_mut().map(|run| run.advance(plan, made)))?;
            flow = watch.look(plan.time(made), plan.settings.step);
        }
        // Before the nearest whole step, where rounding might put it after `time`.
        self.time = if made < steps { plan.time(made).min(time) } else { time };
        Ok(flow)
    }

    fn steps(&self) -> u64 {
        self.runs.first().map_or(0, TwoLayers::steps)
    }

    /// Second layer and overlaps of each run, from which a flow can be started.
    pub fn states(&self) -> Vec<NeuronState> {
        self.runs.par_iter().map(TwoLayers::state).collect()
    }

    /// The vectors `u_i` of one run (m×d; the target is the first axis); `None` if there is no such run.
    pub fn directions(&self, run: usize) -> Option<Array2<f64>> {
        self.runs.get(run).map(TwoLayers::directions)
    }

    fn fields(&mut self) -> Vec<Field<'static>> {
        let plan = &self.plan;
        self.runs.par_iter_mut().for_each(|run| run.observe(plan));
        let runs = &self.runs;
        let mut column = Vec::with_capacity(runs.len());
        // Mean and standard error of `count` numbers of each run.
        let mut over = |count: usize, value: &dyn Fn(&TwoLayers, usize) -> f64| -> (Vec<f64>, Vec<f64>) {
            let of = |at| {
                column.clear();
                column.extend(runs.iter().map(|run| value(run, at)));
                let (mean, error) = mean_and_error(&column);
                (mean, error.unwrap_or(0.0))
            };
            (0..count).map(of).unzip()
        };
        const OF: &str = "standard error of the mean over runs";
        let degrees = self.plan.risk.axis();
        let (none, by_degree, by_neuron) = (&[][..], &[degrees][..], &[&self.neurons][..]);
        let (few, m) = (degrees.values.len(), self.neurons.values.len());
        let mut fields = Vec::new();
        let mut add = |group, names: [&'static str; 2], text, axes: &[&Arc<Coordinate>], (means, errors)| {
            let (means, errors): (Vec<f64>, Vec<f64>) = (means, errors);
            fields.push(Field::array(group, names[0], text, axes, means));
            fields.push(Field::array(group, names[1], OF, axes, errors));
        };
        add("risk", ["risk", "risk_error"], "risk, mean over runs", none, over(1, &|run, _| run.parts.risk));
        let residual = over(few, &|run, k| run.parts.residuals[k]);
        add("risk", ["component", "component_error"], "residual of a degree, mean over runs", by_degree, residual);
        let part = over(few, &|run, k| run.parts.parts[k]);
        let names = ["component_risk", "component_risk_error"];
        add("risk", names, "risk of a degree, mean over runs", by_degree, part);
        let tail = over(1, &|run, _| run.parts.tail);
        add("risk", ["tail", "tail_error"], "risk beyond the degrees recorded, mean over runs", none, tail);
        let a = over(m, &|run, i| run.second_layer()[i]);
        add("neurons", ["a", "a_error"], "second layer, mean over runs", by_neuron, a);
        let s = over(m, &|run, i| run.alignment(i));
        add("neurons", ["s", "s_error"], "alignment with the target, mean over runs", by_neuron, s);
        let names = ["alignment", "alignment_error"];
        let alignment = over(1, &|run, _| (0..m).map(|i| run.alignment(i).abs()).sum::<f64>() / m as f64);
        add("alignment", names, "mean of |s| over neurons and runs", none, alignment);
        if plan.settings.record_runs {
            let mut add = |name, text, axes: &[&Arc<Coordinate>], values: Vec<f64>| {
                fields.push(Field::array("runs", name, text, axes, values));
            };
            let (one, two) = (&[&self.numbers][..], &[&self.numbers, &self.neurons][..]);
            add("risk", "risk of each run", one, runs.iter().map(|run| run.parts.risk).collect());
            let a = runs.iter().flat_map(|run| run.second_layer()).copied().collect();
            add("a", "second layer of each run", two, a);
            let s = runs.iter().flat_map(|run| (0..m).map(|i| run.alignment(i))).collect();
            add("s", "alignment with the target in each run", two, s);
        }
        fields
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Solver for Network {
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

    fn watch(&mut self, watch: Watch) {
        self.watch = watch.into();
    }

    fn save(&self) -> Result<Vec<u8>> {
        let state: State<&[f64]> = (self.time, self.steps(), self.runs.iter().map(TwoLayers::save).collect());
        encode(NAME, &state)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let (time, steps, runs): State<Vec<f64>> = decode(NAME, state)?;
        ensure_time(time)?;
        ensure(steps < STEPS, || format!("{steps} steps"))?;
        ensure_count("runs", runs.len(), self.runs.len())?;
        for (own, found) in self.runs.iter().zip(&runs) {
            for (own, found) in own.save().into_iter().zip(found) {
                ensure_finite("weights", found, own.len())?;
            }
        }
        self.runs.iter_mut().zip(&runs).for_each(|(own, found)| own.load(found.each_ref().map(|x| &x[..]), steps));
        self.time = time;
        Ok(())
    }
}
