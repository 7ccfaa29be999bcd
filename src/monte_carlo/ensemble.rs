//! Independent runs of SGD side by side: their means, standard errors and frames.

use std::ops::ControlFlow;
use std::sync::Arc;

use std::borrow::Cow;

use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::pace::between_looks;
use super::replica::first_error;
use super::rng::{Key, Purpose};
use super::statistics::mean_and_error;
use crate::error::{Error, Result, require};
use crate::frame::{Coordinate, Field, Frame, Visit, Watcher};
use crate::gaussian::{Expectations, Fields, Quadrature, expectations};
use crate::numerics::state::{decode, encode, ensure, ensure_count, ensure_finite, ensure_time};
use crate::problem::{Committee, Layout, LearningRate, Momentum, OverlapAxes, RUNAWAY, correlation, specialization};

/// How SGD on a committee is simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct SgdSettings {
    /// `d`, the number of inputs.
    pub dimension: usize,
    /// Independent runs; standard errors need at least two.
    pub runs: usize,
    /// All randomness follows from it.
    pub seed: u64,
    /// Whether frames hold the order parameters of each run.
    pub record_runs: bool,
}

impl Default for SgdSettings {
    fn default() -> Self {
        Self { dimension: 1000, runs: 1, seed: 1, record_runs: false }
    }
}

/// What all runs share.
#[derive(Debug)]
pub(super) struct Plan {
    pub problem: Committee,
    pub settings: SgdSettings,
    pub layout: Layout,
    /// `σ`.
    pub sigma: f64,
    /// `1/d`.
    pub inverse: f64,
}

impl Plan {
    /// Checks what both samplers ask of problem and settings.
    pub fn new(problem: Committee, settings: SgdSettings, solver: &'static str) -> Result<Self> {
        let problem = problem.validated()?;
        let SgdSettings { dimension, runs, .. } = settings;
        // Steps are counted in doubles.
        require((1..=1 << 50).contains(&dimension), "dimension", dimension as f64, "at least 1, at most 2^50")?;
        require((1..=1 << 32).contains(&runs), "runs", runs as f64, "at least 1, at most 2^32")?;
        require(problem.batch <= 1 << 12, "batch", problem.batch as f64, "at most 4096 in a simulation")?;
        let scaled = matches!(problem.momentum, Momentum::Scaled { .. });
        if matches!(problem.learning_rate, LearningRate::Greedy { .. }) && !scaled {
            let what = "the greedy learning rate, which needs the order parameters".into();
            let instead = "record learning_rate of the order parameters and replay it as Tabulated";
            return Err(Error::Unsupported { solver, what, instead });
        }
        let (layout, sigma) = (problem.layout(), problem.noise_variance.sqrt());
        Ok(Self { problem, layout, sigma, inverse: 1.0 / dimension as f64, settings })
    }

    /// The dimension must hold the initial vectors.
    pub fn check_rank(&self, rank: usize) -> Result<()> {
        let dimension = self.settings.dimension;
        let expected = "at least the rank of the initial overlaps";
        require(dimension >= rank, "dimension", dimension as f64, expected)
    }

    pub fn key(&self, purpose: Purpose, run: usize) -> Key {
        Key::new(self.settings.seed, purpose, run)
    }

    /// What reads `E_g` off the order parameters, with these tables; `None` without.
    fn expectations(&self, tables: Option<&[Option<[f64; 2]>]>) -> Result<Option<Box<dyn Expectations>>> {
        let Some(tables) = tables else { return Ok(None) };
        let (student, teacher) = (&self.problem.student.activation, &self.problem.teacher.activation);
        let mut expectations = expectations(student, teacher, self.problem.unbiased(), Quadrature::Automatic)?;
        expectations.tabulate(tables);
        Ok(Some(expectations))
    }

    /// The time of `step`.
    pub fn time(&self, step: u64) -> f64 {
        step as f64 / self.settings.dimension as f64
    }

    /// Whether the order parameters of `run` after `step` are still in bounds, and its forces were.
    pub fn check(&self, state: &[f64], run: usize, step: u64, overflow: bool) -> Result<()> {
        let names = self.layout.names();
        let (name, value) = match state.iter().position(|value| !(value.abs() <= RUNAWAY)) {
            Some(at) => (names[at].as_str(), state[at]),
            None if overflow => ("Γ a g'", f64::INFINITY),
            None => return Ok(()),
        };
        let list: Vec<String> = names.iter().zip(state).map(|(name, value)| format!("{name} = {value:e}")).collect();
        Err(Error::RanAway {
            name: format!("{name} of run {run}"),
            value,
            time: self.time(step),
            state: list.join(", "),
        })
    }
}

/// What a run goes on from, between two steps.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved<'a> {
    /// The vectors, or their coordinates.
    pub vectors: Cow<'a, [f64]>,
    /// Second layer.
    pub weights: Cow<'a, [f64]>,
    pub biases: Cow<'a, [f64]>,
    pub overflow: bool,
}

/// What an ensemble goes on from.
#[derive(Serialize, Deserialize)]
struct State<'a> {
    time: f64,
    steps: u64,
    /// With the tables of its expectations, if there are any.
    runs: Vec<(Saved<'a>, Option<Vec<Option<[f64; 2]>>>)>,
}

/// Keys of random numbers hold so many steps.
const STEPS: u64 = 1 << 40;

/// One run.
pub(super) trait Run: Send {
    /// The steps made.
    fn steps(&self) -> u64;

    /// About how many numbers a step goes through.
    fn work(&self) -> f64;

    fn save(&self) -> Saved<'_>;

    /// Takes what has as many numbers as [`Run::save`] gives.
    fn load(&mut self, saved: Saved<'_>, steps: u64);

    /// Ends the last step, of which [`Run::advance`] may leave a part to be made with the next one.
    fn settle(&mut self, plan: &Plan) {
        let _ = plan;
    }

    /// Goes on until `steps` steps have been made in all.
    ///
    /// # Errors
    /// [`Error::RanAway`], [`Error::Activation`], and those of the learning rate.
    fn advance(&mut self, plan: &Plan, steps: u64) -> Result<()>;

    /// Writes the order parameters in the order of the layout.
    fn state(&self, plan: &Plan, state: &mut [f64]);
}

/// Runs with one statement and different random numbers.
pub(super) struct Ensemble<R> {
    pub plan: Plan,
    pub members: Vec<Member<R>>,
    axes: OverlapAxes,
    run_axes: [Arc<Coordinate>; 2],
    time: f64,
    pub watch: Watcher,
}

/// One run and what was last seen of it.
pub(super) struct Member<R> {
    pub run: R,
    state: Vec<f64>,
    /// Made when first needed.
    expectations: Option<Box<dyn Expectations>>,
    generalization_error: f64,
    specialization: f64,
}

impl<R: Run> Ensemble<R> {
    /// `start(plan, run)` makes one run.
    pub fn new(plan: Plan, start: impl Fn(&Plan, usize) -> Result<R> + Sync) -> Result<Self> {
        let member = |index| -> Result<Member<R>> {
            let run = start(&plan, index)?;
            let mut state = vec![0.0; plan.layout.len()];
            run.state(&plan, &mut state);
            Ok(Member { run, state, expectations: None, generalization_error: 0.0, specialization: 0.0 })
        };
        let members: Vec<Result<Member<R>>> = (0..plan.settings.runs).into_par_iter().map(member).collect();
        let members = members.into_iter().collect::<Result<Vec<_>>>()?;
        let numbers = |name, description, count: usize| {
            let values = (0..count).map(|k| k as f64).collect();
            Arc::new(Coordinate { name, description, values, bounds: None })
        };
        let shown = if plan.settings.record_runs { plan.settings.runs } else { 0 };
        let run_axes = [
            numbers("run", "number of the run", shown),
            numbers(
                "order_parameter",
                "upper triangle of Q, M, then a, b, R, S, T as far as they move",
                plan.layout.len(),
            ),
        ];
        Ok(Self { axes: plan.layout.axes(), plan, members, run_axes, time: 0.0, watch: Watcher::default() })
    }

    pub fn time(&self) -> f64 {
        self.time
    }

    /// Goes to the whole step nearest to `time`. The watch does not look.
    pub fn advance_to(&mut self, time: f64) -> Result<()> {
        self.go(time, &Watcher::default()).map(|_| ())
    }

    /// The watch looks where all runs have made the same number of steps.
    fn go(&mut self, time: f64, watch: &Watcher) -> Result<ControlFlow<()>> {
        require(time >= self.time && time.is_finite(), "time", time, "a finite time, none before the one reached")?;
        let steps = (time * self.plan.settings.dimension as f64).round();
        require(steps < STEPS as f64, "time × dimension", steps, "less than 2^40 steps")?;
        let (plan, steps, runs) = (&self.plan, steps as u64, self.members.len());
        let (mut made, mut flow) = (self.steps(), ControlFlow::Continue(()));
        let pace = self.members.first().map_or(1, |member| between_looks(member.run.work(), runs));
        while made < steps && flow.is_continue() {
            made = if watch.is_on() { steps.min(made + pace) } else { steps };
            first_error(self.members.par_iter_mut().map(|member| member.run.advance(plan, made)))?;
            flow = watch.look(plan.time(made), plan.inverse);
        }
        first_error(self.members.par_iter_mut().enumerate().map(|(index, member)| {
            member.run.settle(plan);
            member.run.state(plan, &mut member.state);
            plan.check(&member.state, index, made, false)
        }))?;
        self.time = if made < steps { plan.time(made) } else { time };
        Ok(flow)
    }

    fn steps(&self) -> u64 {
        self.members.first().map_or(0, |member| member.run.steps())
    }

    pub fn save(&self, name: &str) -> Result<Vec<u8>> {
        let tables = |member: &Member<R>| member.expectations.as_ref().map(|by| by.tables());
        let runs = self.members.iter().map(|member| (member.run.save(), tables(member))).collect();
        encode(name, &State { time: self.time, steps: self.steps(), runs })
    }

    pub fn load(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let state: State<'_> = decode(name, bytes)?;
        ensure_time(state.time)?;
        ensure(state.steps < STEPS, || format!("{} steps", state.steps))?;
        ensure_count("runs", state.runs.len(), self.members.len())?;
        for (member, (saved, tables)) in self.members.iter().zip(&state.runs) {
            let own = member.run.save();
            ensure_finite("coordinates", &saved.vectors, own.vectors.len())?;
            ensure_finite("second-layer weights", &saved.weights, own.weights.len())?;
            ensure_finite("biases", &saved.biases, own.biases.len())?;
            let most = 2; // One a student's activation, one a teacher's.
            ensure(tables.iter().all(|tables| tables.len() <= most), || "too many tables".into())?;
        }
        let plan = &self.plan;
        let expectations: Vec<_> = state.runs.iter().map(|(_, tables)| plan.expectations(tables.as_deref())).collect();
        let expectations = expectations.into_iter().collect::<Result<Vec<_>>>()?;
        for ((member, (saved, _)), expectations) in self.members.iter_mut().zip(state.runs).zip(expectations) {
            member.run.load(saved, state.steps);
            member.expectations = expectations;
            member.run.state(plan, &mut member.state);
        }
        self.time = state.time;
        Ok(())
    }

    /// The order parameters of each run.
    pub fn states(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.members.len(), self.plan.layout.len()), |(run, at)| self.members[run].state[at])
    }

    pub fn member(&self, run: usize) -> Option<&R> {
        self.members.get(run).map(|member| &member.run)
    }

    pub fn run(&mut self, times: &[f64], visit: &mut Visit<'_>) -> Result<()> {
        let watch = self.watch.clone();
        for &time in times {
            if self.go(time, &watch)?.is_break() {
                break;
            }
            let fields = self.fields()?;
            if let ControlFlow::Break(()) = visit(&Frame { time, fields })? {
                break;
            }
        }
        Ok(())
    }

    fn fields(&mut self) -> Result<Vec<Field<'static>>> {
        let plan = &self.plan;
        first_error(self.members.par_iter_mut().map(|member| member.observe(plan)))?;
        let (mut means, mut errors) = (Vec::new(), Vec::new());
        let mut column = Vec::with_capacity(self.members.len());
        for at in 0..plan.layout.len() {
            column.clear();
            column.extend(self.members.iter().map(|member| member.state[at]));
            let (mean, error) = mean_and_error(&column);
            means.push(mean);
            errors.push(error.unwrap_or(0.0));
        }
        let mut fields = plan.layout.fields(&self.axes, &means, &plan.problem.student.weights);
        fields.extend(plan.layout.error_fields(&self.axes, &errors));
        let mut scalar = |name, description, name_of_error, description_of_error, value: &dyn Fn(&Member<R>) -> f64| {
            column.clear();
            column.extend(self.members.iter().map(value));
            let (mean, error) = mean_and_error(&column);
            let group = "errors";
            fields.push(Field::scalar(group, name, description, mean));
            fields.push(Field::scalar(group, name_of_error, description_of_error, error.unwrap_or(0.0)));
        };
        scalar(
            "generalization_error",
            "E_g, half the mean squared error without label noise, mean over runs",
            "generalization_error_error",
            "standard error of the mean over runs",
            &|member| member.generalization_error,
        );
        scalar(
            "specialization",
            "margin of the best teacher of a student, mean over students and runs",
            "specialization_error",
            "standard error of the mean over runs",
            &|member| member.specialization,
        );
        let rate = match plan.problem.momentum {
            Momentum::Scaled { gamma, alpha } => alpha / gamma,
            _ => plan.problem.learning_rate.at(self.time).unwrap_or(0.0),
        };
        fields.push(Field::scalar("errors", "learning_rate", "learning rate", rate));
        if plan.settings.record_runs {
            let states: Vec<f64> = self.members.iter().flat_map(|member| member.state.iter().copied()).collect();
            let axes = [&self.run_axes[0], &self.run_axes[1]];
            fields.push(Field::array("runs", "state", "order parameters of each run", &axes, states));
        }
        Ok(fields)
    }
}

impl<R> Member<R> {
    /// What is read off the order parameters.
    fn observe(&mut self, plan: &Plan) -> Result<()> {
        let (layout, problem, state) = (plan.layout, &plan.problem, &self.state);
        let (k, n) = (layout.students, layout.students + layout.teachers);
        let mut covariance = problem.covariance();
        for i in 0..k {
            for j in 0..k {
                covariance[[i, j]] = state[layout.q(i, j)];
            }
            for t in 0..layout.teachers {
                covariance[[i, k + t]] = state[layout.m(i, t)];
                covariance[[k + t, i]] = state[layout.m(i, t)];
            }
        }
        let own = |moves: bool, at: &dyn Fn(usize) -> usize, fixed: &[f64]| -> Vec<f64> {
            (0..k).map(|i| if moves { state[at(i)] } else { fixed[i] }).collect()
        };
        let mut outputs = own(layout.second_layer, &|i| layout.a(i), &problem.student.weights);
        outputs.extend(problem.teacher.weights.iter().map(|a| -a));
        let mut mean = own(layout.biases, &|i| layout.b(i), &problem.student.biases);
        mean.extend(&problem.teacher.biases);

        let covariance: Vec<f64> = covariance.into_iter().collect();
        if self.expectations.is_none() {
            self.expectations = plan.expectations(Some(&[]))?;
        }
        if let Some(expectations) = &mut self.expectations {
            let mut values = vec![0.0; n * n];
            expectations.values(Fields { students: k, covariance: &covariance, mean: &mean }, &mut values)?;
            let rows = values.chunks_exact(n).zip(&outputs);
            let square: f64 = rows.map(|(row, a)| a * row.iter().zip(&outputs).map(|(v, b)| v * b).sum::<f64>()).sum();
            // Rounding may leave −1e-17 where the student is the teacher. NaN stays.
            self.generalization_error = if square < 0.0 { 0.0 } else { 0.5 * square };
        }
        let norms: Vec<f64> = (0..k).map(|i| state[layout.q(i, i)]).collect();
        let m: Vec<f64> = (0..k).flat_map(|i| (0..n - k).map(move |t| state[layout.m(i, t)])).collect();
        let cosines = correlation(&norms, &m, &problem.teacher.overlaps.diag().to_vec());
        self.specialization = specialization(&cosines, layout.teachers);
        Ok(())
    }
}
