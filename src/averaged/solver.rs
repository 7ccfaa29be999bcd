//! The solver: state, time stepping, frames.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::effective::{Effective, Weight};
use super::gain::{Gain, GainRule, Scratch};
use super::jump;
use super::replicator::Replicator;
use crate::error::{Error, Result, Warning, require};
use crate::frame::{Coordinate, Field, Frame, Solver, Visit};
use crate::grid::HyperGrid;
use crate::numerics::ode::{StepTolerance, integrate};
use crate::problem::{Clock, Ends, Kernel, Population, Selection, whole_periods};

/// How to solve.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How w̄ and F̄ are computed.
    pub weight: Weight,
    /// The L1 error of ρ that the time stepping may make over one call of `run`, 1e-13 … 0.1. (The h-grid adds its own.)
    /// For weights and for the replicator form it is a bound, up to rounding: each place is right relative to itself, also
    /// where a population grows out of a far tail of its initial law. The error stays far below: 1e-7 … 1e-2 of the bound
    /// was measured, until rounding shows.
    /// For rules on ranks with a Poisson clock it is the aim of the step control, not a bound.
    /// With a periodic clock there is no such error.
    pub tolerance: f64,
}

/// The averaged equation on an h-grid.
#[derive(Debug, Clone)]
pub struct Averaged {
    /// The statement.
    pub problem: Population,
    /// The places of h.
    pub grid: HyperGrid,
    /// w̄ and F̄ at the places.
    pub effective: Effective,
    /// The masses at the places.
    mass: Vec<f64>,
    time: f64,
    /// Periodic events so far.
    events: u64,
    /// Mass moved by the positivity limiter so far.
    moved: f64,
    tolerance: f64,
    /// The last step of the integration for rules on ranks.
    step: f64,
    /// Steps of the series for weights in the present run.
    series_steps: u64,
    pub(super) dynamics: Dynamics,
    h: Arc<Coordinate>,
    ends: Arc<Coordinate>,
    warnings: Vec<Warning>,
}

#[derive(Debug, Clone)]
pub(super) enum Dynamics {
    /// No selection: nobody is copied, so h stays.
    Still,
    Jump {
        rate: f64,
        gain: Gain,
    },
    Generations {
        every: f64,
        gain: Gain,
    },
    Replicator(Replicator),
}

/// κ times the length of one piece of the jump form, for rules on ranks.
const PIECE: f64 = 8.0;
/// Events or pieces between two outputs above which a run would seem to hang.
const MOST: f64 = 1e8;
/// The wall mass from which a run warns.
const WALL: f64 = 1e-6;

impl Averaged {
    /// Prepares a run: validates the problem, computes w̄ and F̄, puts the initial law on the grid.
    ///
    /// # Errors
    /// [`Error::Parameter`], [`Error::Shape`], [`Error::Unsupported`], [`Error::NonFinite`],
    /// [`Error::InitialMassOutside`], [`Error::Weights`].
    pub fn new(problem: Population, grid: HyperGrid, settings: Settings) -> Result<Self> {
        let problem = problem.validated()?;
        if problem.h.len() != 1 {
            let (what, found) = ("h: hyperparameters of the averaged equation".into(), problem.h.len());
            return Err(Error::Shape { what, found, expected: 1 });
        }
        let domain = problem.h[0];
        require(grid.domain == domain, "grid.h.low", grid.domain.low, "the domain of h of the problem")?;
        let tolerance = settings.tolerance;
        require((1e-13..=0.1).contains(&tolerance), "time.tolerance", tolerance, "1e-13 (rounding) to 0.1")?;
        let mass = grid.masses(&problem.initial.h[0])?;
        let effective = Effective::new(&problem, &grid.points, &settings.weight)?;
        let dynamics = match &problem.selection {
            Selection::Off => Dynamics::Still,
            Selection::Events { rule, clock } => {
                let gain = Gain::new(&problem, rule, &grid, &effective, &settings.weight)?;
                match *clock {
                    Clock::Poisson { rate } => Dynamics::Jump { rate, gain },
                    Clock::Periodic { every } => Dynamics::Generations { every, gain },
                    Clock::Staggered { .. } => {
                        return Err(Error::Unsupported {
                            solver: "the averaged equation",
                            what: format!("{clock:?}"),
                            instead: "a Poisson or periodic clock, or agents",
                        });
                    }
                }
            }
            Selection::Replicator { beta } => {
                let diffusion = match problem.mutation[0] {
                    Kernel::Diffusion { diffusion } => diffusion,
                    _ => 0.0,
                };
                let growth: Vec<f64> = match (&settings.weight, &effective.log_weight) {
                    // There the growth rate βF̄ is what was given.
                    (Weight::Formula(_), Some(logs)) => logs[grid.cells()].to_vec(),
                    _ => effective.fitness[grid.cells()].iter().map(|f| beta * f).collect(),
                };
                Dynamics::Replicator(Replicator::new(diffusion, grid.axis.width(), &growth)?)
            }
        };
        let h = Arc::new(Coordinate {
            name: "h",
            description: "hyperparameter",
            values: grid.axis.centres.clone(),
            bounds: Some(grid.axis.bounds()),
        });
        let ends = Arc::new(Coordinate {
            name: "end",
            description: "ends of the domain of the hyperparameter",
            values: vec![domain.low, domain.high],
            bounds: None,
        });
        Ok(Self {
            problem,
            grid,
            effective,
            mass,
            time: 0.0,
            events: 0,
            moved: 0.0,
            tolerance,
            step: 0.0,
            series_steps: 0,
            dynamics,
            h,
            ends,
            warnings: Vec::new(),
        })
    }

    /// The masses at the places of the grid; their sum is 1 to rounding.
    pub fn mass(&self) -> &[f64] {
        &self.mass
    }

    /// What the user should know about the run so far.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Mass moved by the positivity limiter so far: what the time stepping had left below zero.
    pub fn moved(&self) -> f64 {
        self.moved
    }

    /// `d⟨h⟩/dt` by the equation of Price (1970, *Nature* 227), without the terms of a biased mutation or of the ends:
    /// `κ Cov(w̄, h)/⟨w̄⟩` (Poisson clock), `Cov(w̄, h)/⟨w̄⟩` an event (periodic clock), `β Cov(F̄, h)` (replicator).
    /// `None` for rules on ranks.
    pub fn price_rate(&self) -> Option<f64> {
        let factor = match &self.dynamics {
            Dynamics::Still => return Some(0.0),
            Dynamics::Replicator(operator) => {
                let cells = self.grid.cells();
                let (mass, h) = (&self.mass[cells.clone()], &self.grid.points[cells]);
                return Some(covariance(mass, &operator.growth(), h));
            }
            Dynamics::Jump { rate, .. } => *rate,
            Dynamics::Generations { .. } => 1.0,
        };
        let (Dynamics::Jump { gain, .. } | Dynamics::Generations { gain, .. }) = &self.dynamics else {
            return None;
        };
        let GainRule::Weights(weights) = &gain.rule else {
            return None;
        };
        let mean: f64 = self.mass.iter().zip(weights).map(|(m, w)| m * w).sum();
        Some(factor * covariance(&self.mass, weights, &self.grid.points) / mean)
    }

    /// Advances to `target`; `budget` is the error allowed per unit of time.
    fn advance(&mut self, target: f64, budget: f64) -> Result<()> {
        let Self { mass, dynamics, time, step, moved, events, series_steps, tolerance, .. } = self;
        match dynamics {
            Dynamics::Still => {}
            Dynamics::Replicator(operator) => {
                let duration = target - *time;
                operator.advance(&mut mass[self.grid.cells()], duration, budget * duration)?;
            }
            Dynamics::Generations { every, gain } => {
                let (mut next, mut scratch) = (vec![0.0; mass.len()], Scratch::default());
                require(
                    (target - *time) / *every <= MOST,
                    "selection.clock.every",
                    *every,
                    "at most 1e8 events between two outputs",
                )?;
                // An event at the time shown belongs to it.
                while *events < whole_periods(target, *every) {
                    *events += 1;
                    gain.apply(mass, &mut next, &mut scratch, *events as f64 * *every)?;
                    std::mem::swap(mass, &mut next);
                    *moved += normalise(mass);
                }
            }
            Dynamics::Jump { rate, gain } => {
                let rate = *rate;
                let growth = rate * (target - *time);
                let pieces = (growth / PIECE).ceil();
                require(
                    pieces <= MOST,
                    "selection.clock.rate",
                    rate,
                    "at most 8e8 events an agent between two outputs",
                )?;
                if let GainRule::Weights(weights) = &gain.rule {
                    jump::advance(gain, weights, mass, growth, *tolerance, *time, series_steps)?;
                    *time = target;
                    return Ok(());
                }
                let length = (target - *time) / pieces.max(1.0);
                let growth = (rate * length).exp();
                // `n = ρe^{κs}` has no loss term, so positive stages stay positive up to the error of the step.
                // Holding the root mean square below `absolute` holds the L1 norm below places·absolute.
                let absolute = SAFETY * budget * length * growth / mass.len() as f64;
                // What is rare and best ranked may grow by e^{κt} before the end: it must be right relative to itself.
                let relative = SAFETY * budget * length;
                let tolerance = StepTolerance { relative, absolute: TAIL * absolute };
                let scratch = RefCell::new(Scratch::default());
                let start = *time;
                for piece in 0..pieces as u64 {
                    let begin = start + piece as f64 * length;
                    let rhs = |s: f64, n: &[f64], out: &mut [f64]| {
                        gain.apply(n, out, &mut scratch.borrow_mut(), begin + s)?;
                        out.iter_mut().for_each(|o| *o *= rate);
                        Ok(())
                    };
                    integrate(rhs, (0.0, length), mass, tolerance, step)?;
                    *moved += normalise(mass);
                }
            }
        }
        *time = target;
        Ok(())
    }

    fn warn(&mut self) {
        let wall: f64 = self.mass.iter().zip(&self.effective.wall_mass).map(|(m, w)| m * w).sum();
        if wall > WALL && !self.warnings.iter().any(|w| matches!(w, Warning::MassAtWall { .. })) {
            self.warnings.push(Warning::MassAtWall { mass: wall, time: self.time, allowed: WALL });
        }
        self.warnings.retain(|w| !matches!(w, Warning::MassMoved { .. }));
        if self.moved > 0.0 {
            self.warnings.push(Warning::MassMoved { mass: self.moved, time: self.time });
        }
    }

    fn frame(&self) -> Frame<'static> {
        let (mass, width) = (&self.mass, self.grid.axis.width());
        let density: Vec<f64> = mass[self.grid.cells()].iter().map(|m| m / width).collect();
        let mut fields =
            vec![Field::array("density", "rho", "density of the hyperparameter in the cells", &[&self.h], density)];
        if self.grid.domain.ends == Ends::Clip {
            let atoms = vec![mass[0], mass[mass.len() - 1]];
            fields.push(Field::array("density", "rho_atom", "mass at the ends of the domain", &[&self.ends], atoms));
        }
        let total: f64 = mass.iter().sum();
        let mean = mass.iter().zip(&self.grid.points).map(|(m, h)| m * h).sum::<f64>();
        let minimum = mass.iter().copied().fold(f64::INFINITY, f64::min);
        // An empty place of fitness −∞ adds nothing.
        let fitness = mass.iter().zip(&self.effective.fitness).filter(|(m, _)| **m > 0.0).map(|(m, f)| m * f).sum();
        let variance = covariance(mass, &self.grid.points, &self.grid.points);
        let mut moment = |name, description, value| fields.push(Field::scalar("moments", name, description, value));
        moment("mass", "total mass", total);
        moment("mean_h", "mean of h", mean);
        moment("var_h", "variance of h", variance);
        moment("mean_fitness", "mean of the effective fitness", fitness);
        moment("minimum", "smallest mass of a place", minimum);
        if let Some(rate) = self.price_rate() {
            moment("price_rate", "rate of change of the mean of h by selection (Price's equation)", rate);
        }
        Frame { time: self.time, fields }
    }
}

/// How far the error bound of a step exceeds the error that is left at the next output, found by measurement
/// against the exact propagator with weights: the bound adds all places and the estimate is of lower order than the step.
const SAFETY: f64 = 20.0;
/// Absolute over relative error of a step: places with less than this share of the mass may be wrong by that much.
const TAIL: f64 = 1e-4;

impl Solver for Averaged {
    fn time(&self) -> f64 {
        self.time
    }

    fn run(&mut self, times: &[f64], visit: &mut Visit<'_>) -> Result<()> {
        let mut previous = self.time;
        for &time in times {
            require(time.is_finite() && time >= previous, "time.outputs", time, "increasing finite times")?;
            previous = time;
        }
        let budget = if previous > self.time { self.tolerance / (previous - self.time) } else { 0.0 };
        self.series_steps = 0;
        for &time in times {
            self.advance(time, budget)?;
            self.warn();
            if visit(&self.frame())? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn constants(&self) -> Vec<Field<'_>> {
        let cells = self.grid.cells();
        let on = |name, description, values: &[f64]| {
            Field::array("density", name, description, &[&self.h], values[cells.clone()].to_vec())
        };
        let mut fields = vec![on("effective_fitness", "F under the Gibbs law of θ given h", &self.effective.fitness)];
        if let (Some(logs), Ok((weights, _))) = (&self.effective.log_weight, self.effective.scaled_weights()) {
            fields.push(on("effective_weight", "effective weight over its maximum", &weights));
            fields.push(on("log_effective_weight", "logarithm of the effective weight", logs));
            fields.push(on("log_effective_weight_error", "its estimated error", &self.effective.log_weight_error));
        }
        fields.push(on("effective_fitness_error", "its estimated error", &self.effective.fitness_error));
        fields
    }
}

/// Sets negative masses to 0 and scales the sum to 1; returns the mass moved.
fn normalise(mass: &mut [f64]) -> f64 {
    let (mut sum, mut negative) = (0.0, 0.0);
    for m in mass.iter_mut() {
        if *m < 0.0 {
            negative -= *m;
            *m = 0.0;
        }
        sum += *m;
    }
    mass.iter_mut().for_each(|m| *m /= sum);
    negative / sum
}

/// Covariance under masses, from centred values.
fn covariance(mass: &[f64], a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| mass.iter().zip(x).map(|(m, x)| m * x).sum::<f64>();
    let (mean_a, mean_b) = (mean(a), mean(b));
    mass.iter().zip(a).zip(b).map(|((m, a), b)| m * (a - mean_a) * (b - mean_b)).sum()
}
