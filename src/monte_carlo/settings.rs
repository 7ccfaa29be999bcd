//! How a population of agents is run.

use crate::error::{Error, Result, require};
use crate::problem::{Clock, Population, ROUNDING, Regions, Selection, whole_periods};

/// How long one training step lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrainingStep {
    /// By the learning rate η of SGD: `Δt = εη`.
    LearningRate(f64),
    /// `Δt` itself, in physical time.
    Step(f64),
    /// So many steps between two selection events (periodic and staggered clock): `Δt = T_s/n`.
    StepsPerSelection(usize),
}

/// How θ moves between selection events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dynamics {
    /// Euler–Maruyama, that is SGD with Gaussian noise: `θ ← θ − (μΔt/ε) ∂L/∂θ + √(2DΔt/ε) ξ`.
    ///
    /// Its stationary law is not quite the Gibbs law: for `L = ½k(θ−h)²`, μ = 1 and `η = Δt/ε` the variance is
    /// `D/(k(1 − ηk/2))` instead of `D/k`. Compare with the mean field of the same discrete time, or use
    /// [`Dynamics::ExactOu`].
    #[default]
    Langevin,
    /// Plain gradient steps, without noise.
    Sgd,
    /// The exact transition of the Ornstein–Uhlenbeck process, for losses that are quadratic in θ
    /// ([`Loss::quadratic`](crate::problem::Loss::quadratic)); free of the bias of `Langevin`.
    ExactOu,
    /// Algorithm 2, the limit ε → 0: θ is drawn from its Gibbs law before each event and whenever it is recorded. With a
    /// periodic clock there are no training steps; with the others the step only bins the events.
    Equilibrium,
}

/// The table from which θ is drawn where the loss does not know its Gibbs law, and `F̄` is integrated: for dθ = 1 or 2 and
/// dh = 1.
///
/// It holds `cells^dθ (slices + 1)` numbers of 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GibbsGrid {
    /// Lower end of each component of θ.
    pub low: f64,
    /// Upper end of each component of θ.
    pub high: f64,
    /// Cells in each component of θ, ≥ 2.
    pub cells: usize,
    /// Intervals over the domain of h, equal in the coordinate of its scale, ≥ 1.
    pub slices: usize,
}

/// Bins of one component of θ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThetaBins {
    /// Lower end.
    pub low: f64,
    /// Upper end, > `low`.
    pub high: f64,
    /// Equal bins between them, ≥ 1.
    pub bins: usize,
}

/// How a population of agents is run.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentSettings {
    /// N, in each replicate.
    pub agents: usize,
    /// Independent populations; standard errors need at least two.
    pub replicates: usize,
    /// Length of a training step.
    pub step: TrainingStep,
    /// How θ moves.
    pub dynamics: Dynamics,
    /// All randomness follows from it.
    pub seed: u64,
    /// The trajectories of the first so many agents of the first replicate are recorded.
    pub recorded_agents: usize,
    /// Which quantiles of fitness and loss are recorded, in [0, 1].
    pub quantiles: Vec<f64>,
    /// Bins of the histogram of h over the domain of each component, equal in the coordinate of its scale.
    pub bins: usize,
    /// The box of the histogram of θ (dθ = 1 or 2), one entry a component; none if empty. Agents outside are not counted.
    pub theta_bins: Vec<ThetaBins>,
    /// Regions of θ whose probabilities are shown.
    pub regions: Option<Regions>,
    /// Whether every agent carries the number of its ancestor at t = 0 (4 bytes, and 4 in each copy of the state).
    pub lineage: bool,
    /// Whether the state just before each periodic event is shown too, at the last number below its time.
    pub before_events: bool,
    /// Needed where the Gibbs law must be tabulated.
    pub gibbs: Option<GibbsGrid>,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            agents: 1000,
            replicates: 1,
            step: TrainingStep::LearningRate(0.01),
            dynamics: Dynamics::Langevin,
            seed: 1,
            recorded_agents: 0,
            quantiles: Vec::new(),
            bins: 100,
            theta_bins: Vec::new(),
            regions: None,
            lineage: false,
            before_events: false,
            gibbs: None,
        }
    }
}

impl AgentSettings {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validated(&self) -> Result<()> {
        let count = |key: &str, value: usize, low: usize, high: usize, expected| {
            require((low..=high).contains(&value), key, value as f64, expected)
        };
        // Donors are 32-bit numbers, of which the last means "kept".
        count("population.agents", self.agents, 1, u32::MAX as usize - 1, "at least 1, below 2^32 - 1")?;
        count("population.replicates", self.replicates, 1, usize::MAX, "at least 1")?;
        count("record.bins", self.bins, 1, 1 << 24, "at least 1, at most 2^24")?;
        count("record.agents", self.recorded_agents, 0, self.agents, "at most the number of agents")?;
        for &ThetaBins { low, high, bins } in &self.theta_bins {
            require(low.is_finite(), "record.theta.low", low, "a finite number")?;
            require(high > low && high.is_finite(), "record.theta.high", high, "a finite number above low")?;
            count("record.theta.bins", bins, 1, 1 << 12, "at least 1, at most 2^12")?;
        }
        for &q in &self.quantiles {
            require((0.0..=1.0).contains(&q), "record.quantiles", q, "numbers in [0, 1]")?;
        }
        if let Some(GibbsGrid { low, high, cells, slices }) = self.gibbs {
            require(low.is_finite(), "population.gibbs.low", low, "a finite number")?;
            require(high > low && high.is_finite(), "population.gibbs.high", high, "a finite number above low")?;
            count("population.gibbs.cells", cells, 2, 1 << 24, "at least 2, at most 2^24")?;
            count("population.gibbs.slices", slices, 1, 1 << 16, "at least 1, at most 2^16")?;
        }
        Ok(())
    }
}

/// The times of training steps and events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timetable {
    /// Length of one step.
    pub step: f64,
    /// Periodic and staggered clock: the steps from event to event of an agent and their distance in time.
    pub period: Option<(u64, f64)>,
}

impl Timetable {
    pub fn new(problem: &Population, settings: &AgentSettings) -> Result<Self> {
        let every = match problem.selection {
            Selection::Events { clock: Clock::Periodic { every } | Clock::Staggered { every }, .. } => Some(every),
            _ => None,
        };
        let periodic = matches!(problem.selection, Selection::Events { clock: Clock::Periodic { .. }, .. });
        if let (Some(every), true, Dynamics::Equilibrium) = (every, periodic, settings.dynamics) {
            return Ok(Self { step: every, period: Some((1, every)) });
        }
        let step = match settings.step {
            TrainingStep::LearningRate(rate) => {
                require(rate > 0.0 && rate.is_finite(), "population.learning_rate", rate, "a positive number")?;
                rate * problem.epsilon
            }
            TrainingStep::Step(step) => step,
            TrainingStep::StepsPerSelection(steps) => {
                require(steps >= 1, "population.steps_per_selection", steps as f64, "at least 1")?;
                let every = every.ok_or_else(|| Error::Unsupported {
                    solver: "steps per selection",
                    what: format!("{:?}, which has no period", problem.selection),
                    instead: "give the learning rate or the step",
                })?;
                every / steps as f64
            }
        };
        require(step > 0.0 && step.is_finite(), "population.step", step, "a positive number")?;
        let period = every
            .map(|every| {
                let steps = (every / step).round();
                require(
                    steps >= 1.0 && (every / step - steps).abs() <= ROUNDING * steps,
                    format!("selection.clock.every / step = {every} / {step}"),
                    every / step,
                    "a whole number of training steps between selections",
                )?;
                Ok((steps as u64, every))
            })
            .transpose()?;
        Ok(Self { step: period.map_or(step, |(steps, every)| every / steps as f64), period })
    }

    /// The time after `step` steps; events lie at products k·T_s.
    pub fn time(&self, step: u64) -> f64 {
        match self.period {
            Some((steps, every)) => (step / steps) as f64 * every + (step % steps) as f64 * self.step,
            None => step as f64 * self.step,
        }
    }

    /// The number of whole steps up to `time`, and what is left over (0 if `time` is a multiple of the step up to rounding).
    pub fn whole_steps(&self, time: f64) -> (u64, f64) {
        let steps = whole_periods(time, self.step);
        let remainder = time - self.time(steps);
        (steps, if remainder <= ROUNDING * time { 0.0 } else { remainder })
    }
}
