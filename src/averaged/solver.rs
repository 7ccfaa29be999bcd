//! The solver: state and what it is made from.

use std::ops::ControlFlow;

use super::advance::Way;
use super::checkpoint;
use super::effective::{Effective, Weight, log_gibbs, unsupported};
use super::gain::{Gain, GainRule};
use super::replicator::Replicator;
use super::staggered::Staggered;
use crate::error::{Error, Result, Warning, require};
use crate::frame::{Field, Frame, Solver, Visit, Watch, Watcher};
use crate::grid::{HyperCoordinates, HyperGrid, ThetaGrid, Wells, well_cut};
use crate::numerics::memory;
use crate::numerics::state::Course;
use crate::problem::{Clock, Donors, InitialTheta, Kernel, Population, Regions, Selection};

/// How to solve.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How w̄ and F̄ are computed.
    pub weight: Weight,
    /// The L1 error of ρ that the time stepping may make over one call of `run`, 1e-13 … 0.1. (The h-grid adds its own.)
    /// For steady weights with present donors and a Poisson clock, and for the replicator form, it is a bound, up to rounding:
    /// each place is right relative to itself, also where a population grows out of a far tail of its initial law. The error
    /// stays far below: 1e-7 … 1e-2 of the bound was measured, until rounding shows.
    /// For rules on ranks or that change in time and for published donors, with a Poisson clock, it is the aim of the step
    /// control; with a staggered clock it sets the number of steps a period.
    /// With a periodic clock there is no such error.
    pub tolerance: f64,
}

/// The averaged equation on a grid of one or two hyperparameters.
///
/// Fields shown (densities per unit of h, also on log axes):
///
/// | group | fields | axes |
/// |---|---|---|
/// | `density` | `rho`; `rho_atom` where ends clip; `published`, the density of published states, where donors are those | `h`; `end`; `h` |
/// | `moments` | `mass`, `mean_h`, `var_h`, `mean_fitness`, `minimum`; `price_rate` for weights with present donors | |
/// | `diagnostics` | `entropy`, `diversity`, `effective_sample_size` | |
/// | `wells` | `probability`, after [`Averaged::with_regions`] | `region` |
///
/// With two hyperparameters the axes are `h_1`, `h_2`; moments of h and `price_rate` are arrays on `h_component`, and there is
/// the matrix `cov_h(h_component, h_component_2)`. Where ends clip, `density/mass(place_1, place_2)` are the masses of all
/// places, atoms at edges and corners included. Diagnostics as [`Kinetic`](crate::kinetic::Kinetic) has them, with the weight w̄(h).
///
/// Since θ is at its Gibbs law right after any event, [`Inheritance`](crate::problem::Inheritance) changes nothing here.
#[derive(Debug, Clone)]
pub struct Averaged {
    /// The statement.
    pub problem: Population,
    /// The places of h.
    pub grid: HyperGrid,
    /// w̄ and F̄ at the places.
    pub effective: Effective,
    /// The masses at the places.
    pub(super) mass: Vec<f64>,
    pub(super) time: f64,
    /// Periodic events so far.
    pub(super) events: u64,
    /// Mass moved by the positivity limiter so far.
    pub(super) moved: f64,
    pub(super) tolerance: f64,
    /// The last step of the integration of what is not linear in disguise.
    pub(super) step: f64,
    /// Steps of the series for weights in the present run.
    pub(super) series_steps: u64,
    /// The run that was stopped last, if it was, and where on the way to its next stop.
    pub(super) course: Option<Course>,
    pub(super) way: Option<Way>,
    pub(super) watch: Watcher,
    pub(super) dynamics: Dynamics,
    /// The cells of θ, where there are any.
    theta: Option<ThetaGrid>,
    pub(super) coordinates: HyperCoordinates,
    pub(super) wells: Option<(Wells, Vec<f64>)>,
    pub(super) warnings: Vec<Warning>,
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
    /// Donors hand on what they published at their own last event; Poisson clock.
    Published {
        rate: f64,
        gain: Gain,
        pool: Vec<f64>,
    },
    Staggered(Box<(Staggered, Option<Vec<f64>>)>),
    Replicator(Replicator),
}

/// The wall mass from which a run warns.
pub(super) const WALL: f64 = 1e-6;

impl Averaged {
    /// Prepares a run: validates the problem, computes w̄ and F̄, puts the initial law on the grid.
    ///
    /// # Errors
    /// [`Error::Parameter`], [`Error::Shape`], [`Error::Unsupported`], [`Error::NonFinite`],
    /// [`Error::InitialMassOutside`], [`Error::Weights`], [`Error::TooMuchMemory`].
    pub fn new(problem: Population, grid: HyperGrid, settings: Settings) -> Result<Self> {
        let problem = problem.validated()?;
        if problem.h.len() != grid.dimension() {
            let (what, found) = ("grid.h (one axis a hyperparameter)".into(), grid.dimension());
            return Err(Error::Shape { what, found, expected: problem.h.len() });
        }
        for (axis, domain) in grid.axes.iter().zip(&problem.h) {
            require(axis.domain == *domain, "grid.h.low", axis.domain.low, "the domain of h of the problem")?;
        }
        let tolerance = settings.tolerance;
        require((1e-13..=0.1).contains(&tolerance), "time.tolerance", tolerance, "1e-13 (rounding) to 0.1")?;
        memory::ensure("the averaged equation", Self::memory(&problem, &settings, grid.len() as u64))?;
        let mass = grid.masses(&problem.initial.h)?;
        let effective = Effective::new(&problem, &grid.points, &settings.weight)?;
        let dynamics = dynamics(&problem, &grid, &effective, &settings, &mass)?;
        let theta = match settings.weight {
            Weight::Quadrature { theta } | Weight::Population { theta: Some(theta), .. } => Some(theta),
            _ => None,
        };
        let warnings = theta.iter().filter_map(|theta| well_cut(&problem, theta, &grid)).collect();
        Ok(Self {
            coordinates: HyperCoordinates::new(&grid),
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
            course: None,
            way: None,
            watch: Watcher::default(),
            dynamics,
            theta,
            wells: None,
            warnings,
        })
    }

    /// Bytes that a run takes at most on so many places ([`Cells::places`](crate::grid::Cells::places)).
    pub fn memory(problem: &Population, settings: &Settings, places: u64) -> u64 {
        let cells = match &settings.weight {
            Weight::Quadrature { theta } => theta.len(),
            Weight::GaussHermite { points } => *points,
            Weight::Population { particles, .. } => *particles,
            Weight::ClosedForm | Weight::Formula(_) => 1,
        };
        Self::memory_of(problem, cells as u64, settings.tolerance, places)
    }

    /// [`Averaged::memory`] before there is a grid: `cells` of θ, or particles, or points.
    pub(crate) fn memory_of(problem: &Population, cells: u64, tolerance: f64, places: u64) -> u64 {
        let a_place = match problem.events() {
            // The law of the fitness in bins, about as many as there are cells of θ or places, and the Gibbs law.
            Some((rule, _)) if !rule.is_weight() => places.max(cells).saturating_mul(6),
            Some((rule, _)) if !rule.is_steady() => cells.saturating_mul(2),
            _ => 0,
        };
        let history = match problem.events() {
            Some((_, Clock::Staggered { .. })) => 6 * Staggered::steps_for(tolerance) + 20,
            Some((_, Clock::Periodic { .. })) => 10,
            // Terms of a power series.
            _ => 520,
        };
        places.saturating_mul(a_place.saturating_add(history as u64 + 20)).saturating_mul(8)
    }

    /// Shows, from now on, the probability of each of these regions of θ under the Gibbs law, as `wells/probability(region)`;
    /// the names stand in the description of the axis `region`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless w̄ is computed by quadrature on cells of θ, those of which the regions take.
    pub fn with_regions(mut self, regions: &Regions) -> Result<Self> {
        let Some(theta) = &self.theta else {
            return Err(unsupported("regions of θ without cells of θ", "use quadrature"));
        };
        let mut gibbs = Vec::with_capacity(theta.len() * self.grid.len());
        for h in self.grid.iter() {
            gibbs.extend(log_gibbs(&self.problem, theta.points(), h)?.iter().map(|log| log.exp()));
        }
        self.wells = Some((Wells::new(regions, theta), gibbs));
        Ok(self)
    }

    /// The masses at the places of the grid; their sum is 1 to rounding.
    pub fn mass(&self) -> &[f64] {
        &self.mass
    }

    /// The masses of what is published, where donors hand on that.
    pub fn published(&self) -> Option<&[f64]> {
        match &self.dynamics {
            Dynamics::Published { pool, .. } => Some(pool),
            Dynamics::Staggered(march) => march.1.as_deref(),
            _ => None,
        }
    }

    /// The places that are cells on all axes.
    pub(super) fn cells(&self) -> &[usize] {
        &self.coordinates.cell_places
    }

    /// What the user should know about the run so far.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Mass moved by the positivity limiter so far: what the time stepping had left below zero.
    pub fn moved(&self) -> f64 {
        self.moved
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
}

fn dynamics(
    problem: &Population,
    grid: &HyperGrid,
    effective: &Effective,
    settings: &Settings,
    mass: &[f64],
) -> Result<Dynamics> {
    let published = problem.evaluation.donors == Donors::Published;
    let (rule, clock) = match &problem.selection {
        Selection::Off => return Ok(Dynamics::Still),
        Selection::Replicator { .. } if published => {
            return Err(unsupported("published donors in the replicator form", "use selection by events"));
        }
        Selection::Replicator { beta } => {
            let cells = grid.cell_places();
            let growth: Vec<f64> = match (&settings.weight, &effective.log_weight) {
                // There the growth rate βF̄ is what was given.
                (Weight::Formula(_), Some(logs)) => cells.iter().map(|&cell| logs[cell]).collect(),
                _ => cells.iter().map(|&cell| beta * effective.fitness[cell]).collect(),
            };
            let diffusion = |k: usize| match problem.mutation[k] {
                Kernel::Diffusion { diffusion } => diffusion,
                _ => 0.0,
            };
            let width = |k: usize| grid.axes[k].axis.width();
            return Ok(Dynamics::Replicator(if grid.dimension() == 1 {
                Replicator::new(diffusion(0), width(0), &growth)?
            } else {
                let exchanges = [0, 1].map(|k| diffusion(k) / (width(k) * width(k)));
                Replicator::product(exchanges, [0, 1].map(|k| grid.axes[k].axis.len()), &growth)?
            }));
        }
        Selection::Events { rule, clock } => (rule, *clock),
    };
    // What was published before the first event is the initial state, which need not have relaxed.
    let published = published && !matches!(clock, Clock::Periodic { .. });
    if published && !matches!(problem.initial.theta, InitialTheta::Equilibrium) {
        let instead = "start θ from equilibrium, or use agents";
        return Err(unsupported("published donors whose θ starts elsewhere than in its Gibbs law", instead));
    }
    let gain = Gain::new(problem, rule, grid, effective, &settings.weight)?;
    Ok(match clock {
        Clock::Poisson { rate } if published => Dynamics::Published { rate, gain, pool: mass.to_vec() },
        Clock::Poisson { rate } => Dynamics::Jump { rate, gain },
        // There everybody publishes, then chooses: what is published is present.
        Clock::Periodic { every } => Dynamics::Generations { every, gain },
        Clock::Staggered { every } => {
            let steps = Staggered::steps_for(settings.tolerance);
            let march = Staggered::new(every, gain, mass, published, steps);
            Dynamics::Staggered(Box::new((march, published.then(|| mass.to_vec()))))
        }
    })
}

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
        let Some(&end) = times.last() else { return Ok(()) };
        let course = Course::to(end, self.time, self.course);
        if self.course != Some(course) {
            (self.course, self.way, self.series_steps) = (Some(course), None, 0);
        }
        let budget = if course.length > 0.0 { self.tolerance / course.length } else { 0.0 };
        for &time in times {
            if self.advance(time, budget)?.is_break() {
                return Ok(());
            }
            self.warn();
            let frame: Frame<'_> = self.frame()?;
            if visit(&frame)? == ControlFlow::Break(()) {
                self.course = self.course.filter(|_| time < end);
                return Ok(());
            }
        }
        self.course = None;
        Ok(())
    }

    fn notes(&self) -> Vec<Warning> {
        self.warnings.clone()
    }

    /// It looks after each event of a periodic clock, each step of a staggered one, and each piece or long step of the others.
    fn watch(&mut self, watch: Watch) {
        self.watch = watch.into();
    }

    fn save(&self) -> Result<Vec<u8>> {
        checkpoint::save(self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        checkpoint::load(self, state)
    }

    fn constants(&self) -> Vec<Field<'_>> {
        self.constant_fields()
    }
}

impl Gain {
    /// The steady weights, if it has such.
    pub(super) fn steady_weights(&self) -> Option<&[f64]> {
        if let GainRule::Weights(weights) = &self.rule { Some(weights) } else { None }
    }
}
