//! Populations of agents as a [`Solver`].

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::checkpoint;
use super::gibbs::Gibbs;
use super::observe::{Axes, frame};
use super::pace::between_looks;
use super::replica::{Plan, Replica};
use super::rng::Purpose;
use super::settings::{AgentSettings, Dynamics, Timetable};
use crate::error::{Error, Result, Warning, require};
use crate::frame::{Solver, Visit, Watch, Watcher};
#[cfg(doc)]
use crate::problem::Inheritance;
use crate::problem::{Clock, Donors, InitialTheta, Population, Sees, Selection};

/// N agents that train, are selected and mutate, in independent replicates: the particle twin of the mean-field equations,
/// and population based training itself (Jaderberg et al. 2017), for any numbers dθ of parameters and dh of hyperparameters.
///
/// Between events each agent makes training steps ([`Dynamics`]). At a periodic event everybody selects at once. Poisson
/// events are binned to the training step: at its start each agent has an event with probability `1 − e^{−κΔt}`, donors are
/// taken from the population as it is then, and the step of training follows; against a true Poisson clock this is a bias of
/// order κΔt. With a staggered clock agent i has its events after the training steps whose number plus `phase_i` is a
/// multiple of the period, `phase_i` uniform in `0..period`. With either clock an agent that has an event is replaced if and
/// only if the rule replaces it given the whole population at that moment. In the replicator form agent `i` copies a random
/// `j` with probability `1 − exp(−β(F_j − F_i)₊ δ)`, binned to the step or to parts δ of it short enough that `βΔF δ ≤ 0.1`
/// for all pairs; then it trains, then h diffuses.
///
/// Selection sees F(θ,h), the mean of the last `window` evaluations (one at t = 0 and one a training step; fewer while there are
/// fewer), or F̄(h); noise is drawn afresh at each event (or binned step) and added to that. With [`Donors::Published`] it
/// compares and copies checkpoints (θ, h, window and fitness): at its event an agent first publishes its own, all agents with
/// an event at this moment before any of them chooses. At t = 0 everybody publishes the initial state. A window follows its
/// θ: it is copied with it, and the window of a θ that is drawn anew ([`Inheritance::Hyperparameters`]) is filled with its
/// first evaluation. A checkpoint's window is copied as it was, its newest evaluation taken for that of now.
///
/// *Recording.* The visitor sees the state after the event, if one happens at that time. With `before_events` it also sees the
/// state just before each periodic event, recorded or not, at the last floating-point number below the time of the event
/// (times in files must increase); `moments/after_event` is 0 there and 1 elsewhere. A time that is not a multiple of the
/// step (up to 10⁻¹², relative) is reached by one shorter training step (without events and without diffusion of h) on a copy
/// that is then dropped. So no choice of recorded times changes a trajectory.
///
/// *Memory.* Bytes an agent: `8(dθ + dh)` for the state, as much again for its copy with a periodic clock or for its
/// checkpoint; 8 for fitness (with checkpoints 16), 4 for donors, 12 to 24 while donors are drawn; `8 window` more a state if
/// the window is longer than one; 4 more a state for the lineage; 8 for a staggered clock. About 60 for dθ = dh = 1.
///
/// Fields shown, each with `…_error` (standard error of the mean over replicates) if there is more than one replicate. Axes
/// of components are there for two components or more:
///
/// | group | fields | axes |
/// |---|---|---|
/// | `marginal_h` | `rho`: density of h, per unit of h; an atom at an end counts in the outermost bin | `h`; `h_1`, `h_2`; for dh ≥ 3 of each component, `h_component`, `bin` |
/// | `moments` | `mass`, `mean_fitness`, `mean_loss` | |
/// | | `mean_h`, `var_h`, `mean_theta`, `var_theta` | `h_component` or `theta_component` |
/// | | `cov_theta_h` | `theta_component`, `h_component` |
/// | | `cov_theta`, `cov_h`, for two components or more | `theta_component`, `theta_component_2` (`h_…`) |
/// | | `after_event`, with `before_events` | |
/// | `quantiles` | `fitness`, `loss` of the agents | `quantile` |
/// | `marginal_theta` | `rho`: density of θ in the box of `theta_bins`, which integrates to the share inside | `theta`; `theta_1`, `theta_2` |
/// | `wells` | `probability` of each of the `regions` | `region` |
/// | `lineage` | with `lineage`: `surviving`, the number of ancestors with living descendants; the `largest_share` of one of them; `effective_number` = 1/Σ share²; the ten largest as `share` | `rank` |
/// | `diagnostics` | `effective_sample_size` = (Σw)²/(N Σw²) of what selection would see now without noise (NaN if no weight is positive; 1 for rules on ranks; only with events) | |
/// | | `diversity` = 2 Σ_k Var(y_k)/(width of the domain in y_k)²: mean squared distance of two agents' h in units of the domain, in the coordinates of the scales | |
/// | | `entropy` = −Σ m ln(m/volume) of the bins of `marginal_h`, dh ≤ 2 | |
/// | `trajectories` | `theta`, `h` of the first agents of the first replicate; no errors | `agent`, and `theta_component` or `h_component` (`component` for dθ = dh = 1) |
///
/// Variances are those of the empirical law (divided by N), whose bias against the mean field is part of what they show.
#[derive(Debug, Clone)]
pub struct Agents {
    pub(super) plan: Plan,
    pub(super) replicas: Vec<Replica>,
    axes: Axes,
    pub(super) time: f64,
    watch: Watcher,
}

impl Agents {
    /// States the run and draws the initial population.
    ///
    /// # Errors
    /// Those of [`Population::validated`] and [`AgentSettings::validated`]; [`Error::Parameter`] if the period of selection is
    /// not a whole number of training steps; [`Error::Unsupported`] for dynamics that the loss does not allow;
    /// [`Error::InitialMassOutside`]; [`Error::NonFinite`].
    pub fn new(problem: Population, settings: AgentSettings) -> Result<Self> {
        let problem = problem.validated()?;
        settings.validated()?;
        require(problem.loss.dimension() > 0, "loss (number of parameters)", 0.0, "at least one")?;
        let clock = problem.events().map(|(_, clock)| clock);
        if settings.before_events && !matches!(clock, Some(Clock::Periodic { .. })) {
            return Err(Error::Unsupported {
                solver: "the record before events",
                what: format!("{:?}", problem.selection),
                instead: "only a periodic clock has events of everybody at once",
            });
        }
        if matches!(problem.selection, Selection::Replicator { .. }) && problem.evaluation.donors == Donors::Published {
            return Err(Error::Unsupported {
                solver: "the replicator form of the agents",
                what: "published donors".into(),
                instead: "it has no events at which to publish; select by events",
            });
        }
        let timetable = Timetable::new(&problem, &settings)?;
        super::initial::check(&problem.initial.h, &problem.h)?;
        let (equilibrium, effective) =
            (settings.dynamics == Dynamics::Equilibrium, problem.evaluation.sees == Sees::Effective);
        if problem.evaluation.window > 1 && (equilibrium || effective) {
            return Err(Error::Unsupported {
                solver: "the agents",
                what: format!("a window of {} evaluations", problem.evaluation.window),
                instead: "with θ drawn from equilibrium, or selection on F̄(h), the window is 1",
            });
        }
        if settings.dynamics == Dynamics::ExactOu {
            let middle: Vec<f64> = problem.h.iter().map(|d| 0.5 * (d.low + d.high)).collect();
            let mut centre = vec![0.0; problem.loss.dimension()];
            problem.loss.quadratic(&middle, &mut centre).ok_or_else(super::training::not_quadratic)?;
        }
        let gibbs = (equilibrium || effective || matches!(problem.initial.theta, InitialTheta::Equilibrium))
            .then(|| Gibbs::new(&problem, settings.gibbs, effective))
            .transpose()?;
        let axes = Axes::new(&problem, &settings)?;
        let plan = Plan { problem, settings, timetable, gibbs };
        let replicas: Vec<Result<Replica>> =
            (0..plan.settings.replicates).into_par_iter().map(|index| Replica::new(&plan, index)).collect();
        let replicas = replicas.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(Self { plan, replicas, axes, time: 0.0, watch: Watcher::default() })
    }

    /// The statement.
    pub fn problem(&self) -> &Population {
        &self.plan.problem
    }

    /// The settings.
    pub fn settings(&self) -> &AgentSettings {
        &self.plan.settings
    }

    /// Length Δt of a training step, in physical time.
    pub fn step(&self) -> f64 {
        self.plan.timetable.step
    }

    /// θ of all agents of a replicate after the last whole step, agent-major; empty if there is no such replicate.
    pub fn theta(&self, replicate: usize) -> &[f64] {
        self.replicas.get(replicate).map_or(&[], |r| &r.state.theta)
    }

    /// h of all agents of a replicate after the last whole step, agent-major; empty if there is no such replicate.
    pub fn h(&self, replicate: usize) -> &[f64] {
        self.replicas.get(replicate).map_or(&[], |r| &r.state.h)
    }

    /// The ancestor at t = 0 of each agent of a replicate; empty if there is no such replicate or no lineage is kept.
    pub fn ancestors(&self, replicate: usize) -> &[u32] {
        self.replicas.get(replicate).map_or(&[], |r| &r.state.ancestors)
    }

    /// Where the Gibbs law was tabulated: the largest differences of its cumulative functions, and of F̄, from those of a table
    /// of twice the resolution. `None` where it is exact or not needed.
    pub fn table_errors(&self) -> Option<(f64, f64)> {
        match &self.plan.gibbs {
            Some(Gibbs::Table(table)) => Some((table.error, table.effective_error)),
            _ => None,
        }
    }

    /// What the user should know.
    pub fn warnings(&self) -> Vec<Warning> {
        match &self.plan.gibbs {
            Some(Gibbs::Table(table)) => table.warning.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Goes to the last whole step at or before `time` without showing anything. The watch does not look.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a time before the one reached; [`Error::Diverged`], [`Error::NonFinite`], [`Error::Weights`].
    pub fn advance_to(&mut self, time: f64) -> Result<()> {
        self.go(time, &Watcher::default()).map(|_| ())
    }

    fn go(&mut self, time: f64, watch: &Watcher) -> Result<ControlFlow<()>> {
        require(time >= self.time && time.is_finite(), "time", time, "a finite time, none before the one reached")?;
        let (steps, _) = self.plan.timetable.whole_steps(time);
        let flow = self.go_steps(steps, watch)?;
        if self.steps() >= steps {
            self.time = time;
        }
        Ok(flow)
    }

    /// Goes to `steps`; the watch looks where all replicates have made the same number of steps.
    fn go_steps(&mut self, steps: u64, watch: &Watcher) -> Result<ControlFlow<()>> {
        /// Steps between two looks at least where many are made at once: a block stays in the cache over them.
        const AT_ONCE: u64 = if cfg!(test) { 3 } else { 32 };
        let plan = &self.plan;
        let clock = plan.problem.events().map(|(_, clock)| clock);
        let one_by_one =
            !matches!((&plan.problem.selection, clock), (Selection::Off, _) | (_, Some(Clock::Periodic { .. })));
        let fewest = if one_by_one { 1 } else { AT_ONCE };
        let work = (plan.settings.agents * plan.dims().0) as f64;
        let pace = between_looks(work, self.replicas.len()).max(fewest);
        let (mut made, mut flow) = (self.steps(), ControlFlow::Continue(()));
        while made < steps && flow.is_continue() {
            made = if watch.is_on() { steps.min(made + pace) } else { steps };
            let results: Vec<Result<()>> = self.replicas.par_iter_mut().map(|r| r.advance(plan, made)).collect();
            results.into_iter().collect::<Result<()>>()?;
            flow = watch.look(plan.timetable.time(made), plan.timetable.step);
            self.time = self.time.max(plan.timetable.time(made));
        }
        Ok(flow)
    }

    /// Steps made.
    pub(super) fn steps(&self) -> u64 {
        self.replicas.first().map_or(0, |replica| replica.step)
    }

    /// Shows the state at the time reached.
    fn show(&mut self, visit: &mut Visit<'_>) -> Result<ControlFlow<()>> {
        let (_, remainder) = self.plan.timetable.whole_steps(self.time);
        let plan = &self.plan;
        if remainder > 0.0 && plan.settings.dynamics != Dynamics::Equilibrium {
            let before: Vec<Vec<f64>> = self.replicas.iter().map(|r| r.state.theta.clone()).collect();
            let results: Vec<Result<()>> =
                self.replicas.par_iter_mut().map(|r| r.partial_step(plan, remainder)).collect();
            let shown = results
                .into_iter()
                .collect::<Result<()>>()
                .and_then(|()| frame(plan, &mut self.replicas, &self.axes, self.time, true))
                .and_then(|frame| visit(&frame));
            self.replicas.iter_mut().zip(before).for_each(|(r, theta)| r.state.theta = theta);
            return shown;
        }
        let results: Vec<Result<()>> =
            self.replicas.par_iter_mut().map(|r| r.redraw(plan, Purpose::GibbsRecord)).collect();
        results.into_iter().collect::<Result<()>>()?;
        visit(&frame(plan, &mut self.replicas, &self.axes, self.time, true)?)
    }

    /// Shows the state before each periodic event up to `time`, and goes through those events.
    fn show_events(&mut self, time: f64, visit: &mut Visit<'_>, watch: &Watcher) -> Result<ControlFlow<()>> {
        let (steps, _) = self.plan.timetable.whole_steps(time);
        let Some((period, _)) = self.plan.timetable.period else { return Ok(ControlFlow::Continue(())) };
        for event in self.steps() / period + 1..=steps / period {
            let step = event * period;
            if self.go_steps(step - 1, watch)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let plan = &self.plan;
            let Some((rule, _)) = plan.problem.events() else { return Ok(ControlFlow::Continue(())) };
            let results: Vec<Result<()>> = self.replicas.par_iter_mut().map(|r| r.approach(plan, step)).collect();
            results.into_iter().collect::<Result<()>>()?;
            self.time = plan.timetable.time(step).min(time);
            let before = self.time.next_down();
            let shown = frame(plan, &mut self.replicas, &self.axes, before, false).and_then(|frame| visit(&frame));
            // Whatever the visitor says, the state left behind is that after the event.
            let results: Vec<Result<()>> =
                self.replicas.par_iter_mut().map(|r| r.everybody_selects(plan, rule)).collect();
            results.into_iter().collect::<Result<()>>()?;
            if shown?.is_break() || watch.look(self.time, plan.timetable.step).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Solver for Agents {
    fn time(&self) -> f64 {
        self.time
    }

    fn run(&mut self, times: &[f64], visit: &mut Visit<'_>) -> Result<()> {
        let watch = self.watch.clone();
        for &time in times {
            if self.plan.settings.before_events && self.show_events(time, visit, &watch)?.is_break() {
                break;
            }
            if self.go(time, &watch)?.is_break() || self.show(visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn notes(&self) -> Vec<Warning> {
        self.warnings()
    }

    fn watch(&mut self, watch: Watch) {
        self.watch = watch.into();
    }

    fn save(&self) -> Result<Vec<u8>> {
        checkpoint::save(self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        checkpoint::load(self, state)
    }
}
