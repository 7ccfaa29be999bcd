//! The joint equation on a (θ,h) grid.
//!
//! ```text
//! ∂_t f = (1/ε) ∂_θ·( μ f ∂_θL + D ∂_θ f ) + κ( kept + M_h[copied] − f )
//! ```
//! Space: exponentially fitted finite volumes in θ, cell masses in h. Time: variable-step SBDF of orders 1 to 3; training and
//! the loss by events are implicit, the gain is extrapolated. The density is non-negative and its mass 1 at any ε.
//!
//! With two parameters a factorisation costs as much as several steps. So the steps there lie on a ladder of powers of two,
//! and the formulas have a leading coefficient that depends on the step alone (Jackson & Sacks-Davis 1980): few matrices occur.
//! Where there is training alone (without selection, between the events of a periodic clock) its exponential takes the place
//! of all steps ([`Propagator`](crate::grid::Propagator)).

mod checkpoint;
mod control;
mod factors;
mod frames;
mod gain;
mod initial;
mod ladder;
mod multistep;
mod stationary;
mod stepper;

use std::ops::ControlFlow;

pub use control::{Statistics, Steps};
pub use stationary::Stationary;

use crate::error::{Error, Result, Warning, require};
use crate::frame::{Frame, Solver, Visit, Watch};
use crate::grid::{Axis, Cells, HyperGrid, ThetaGrid, ThetaOperator, Wells, well_cut};
use crate::numerics::buffer::{Buffer, copy};
use crate::numerics::memory;
use crate::numerics::state::Course;
use crate::numerics::sum::sum;
use crate::problem::{Clock, Donors, Evaluation, Inheritance, Population, Regions, Rule, Selection, whole_periods};
use control::Control;
use gain::Slow;
use stepper::{Operators, Stepper};

/// Mass in the outermost θ cells from which [`Warning::MassAtWall`] is given.
const WALL_MASS_ALLOWED: f64 = 1e-8;

/// The joint equation of a population problem with one or two parameters and one or two hyperparameters on a grid.
///
/// Fields shown (densities per unit of θ and h, also on log axes; row-major, θ slowest):
///
/// | group | fields | axes |
/// |---|---|---|
/// | `density` | `f`; `f_atom` where ends clip | `theta`, `h`; `theta`, `end` |
/// | `marginal_h` | `rho`; `rho_atom` where ends clip | `h`; `end` |
/// | `marginal_theta` | `rho` | `theta` |
/// | `moments` | `mass`, `mean_h`, `var_h`, `mean_theta`, `var_theta`, `cov_theta_h`, `mean_fitness`, `mean_loss`, `free_energy`, `minimum` | |
/// | `diagnostics` | `entropy`, `diversity`, `effective_sample_size` | |
/// | `wells` | `probability`, after [`Kinetic::with_regions`] | `region` |
///
/// With two hyperparameters the axes are `h_1`, `h_2`, with two parameters `theta_1`, `theta_2`; their moments are then arrays on
/// `h_component`, `theta_component`, and there are the matrices `cov_h(h_component, h_component_2)`,
/// `cov_theta(theta_component, theta_component_2)`. Where ends clip and there are two hyperparameters, `mass` of all places, atoms
/// at edges and corners included, takes the place of the atoms: `density/mass(theta, place_1, place_2)`, per unit of θ, and
/// `marginal_h/mass(place_1, place_2)`.
///
/// Diagnostics: `entropy` is `−Σ m log(m/v)` over the places of the h-marginal with masses m and volumes v (widths in h; 1
/// along axes on which the place is an atom). `diversity` is `2 Σ_k Var(y_k)/(width of the domain in y_k)²`, the mean squared
/// distance of two random members, y the coordinate of the scale of h_k. `effective_sample_size` is `⟨w⟩²/⟨w²⟩`; rules on ranks
/// replace a known share and show 1.
///
/// Memory: [`Kinetic::memory`]. A watch looks after each step, and where training alone is taken at once, after that. A saved
/// state has the whole history of steps, [`Kinetic::statistics`] with the mesh included.
#[derive(Debug, Clone)]
pub struct Kinetic {
    problem: Population,
    theta: ThetaGrid,
    h: HyperGrid,
    operators: Operators,
    stepper: Stepper,
    control: Control,
    /// Time of the last restart of the step history.
    origin: f64,
    /// Events that have happened (periodic clock).
    events: u64,
    /// The run that was stopped last, if it was.
    course: Option<Course>,
    coordinates: frames::Coordinates,
    wells: Option<Wells>,
    wall: Option<Warning>,
    cut: Option<Warning>,
}

impl Kinetic {
    /// States the equation of `problem` on `theta` × (`h_cells` cells over the domain of each hyperparameter) and puts the
    /// initial law on it.
    ///
    /// # Errors
    /// Those of [`Population::validated`], [`HyperGrid::new`], [`ThetaOperator::new`] and of the initial law
    /// ([`Error::InitialMassOutside`]); [`Error::Shape`] for axes that are not one a parameter;
    /// [`Error::TooMuchMemory`]; [`Error::Unsupported`] for dθ or dh above what it holds, and for evaluations that have no mean field.
    pub fn new(
        problem: Population,
        theta: impl Into<ThetaGrid>,
        h_cells: impl Into<Cells>,
        steps: Steps,
    ) -> Result<Self> {
        let (problem, theta) = (problem.validated()?, theta.into());
        steps.validated()?;
        theta.validated(problem.loss.dimension())?;
        let unsupported = |what, instead| Err(Error::Unsupported { solver: "the kinetic equation", what, instead });
        // At periodic events everybody publishes, then chooses: what is published is present.
        let periodic = matches!(problem.events(), Some((_, Clock::Periodic { .. })));
        let donors = if periodic { Donors::Present } else { problem.evaluation.donors };
        if !(Evaluation { donors, ..problem.evaluation }).is_plain() {
            let instead = "let selection see the present fitness without noise, or use averaged::Averaged (published donors, F̄) or agents";
            return unsupported(format!("{:?}", problem.evaluation), instead);
        }
        if let Some((_, clock @ Clock::Staggered { .. })) = problem.events() {
            return unsupported(format!("{clock:?}"), "a Poisson or periodic clock, or averaged::Averaged or agents");
        }
        let h_cells = h_cells.into();
        // Before anything of that size is asked for.
        memory::ensure("the joint equation", Self::memory(&problem, &theta, h_cells.places(&problem.h)))?;
        let h = HyperGrid::new(&problem.h, h_cells)?;
        let fast = ThetaOperator::new(&problem, &theta, &h)?;
        let slow = Slow::new(&problem, &theta, &h)?;
        let density = initial::masses(&problem, &theta, &h)?;
        let operators = Operators { fast, slow, epsilon: problem.epsilon };
        let stepper = Stepper::new(&operators);
        let coordinates = frames::Coordinates::new(&theta, &h);
        let control = Control::new(steps);
        let cut = well_cut(&problem, &theta, &h);
        let mut this = Self {
            problem,
            theta,
            h,
            operators,
            stepper,
            control,
            origin: 0.0,
            events: 0,
            course: None,
            coordinates,
            wells: None,
            wall: None,
            cut,
        };
        this.restart(copy(&density))?;
        Ok(this)
    }

    /// Bytes that a run takes at most, of a problem on these cells of θ and so many places of h ([`Cells::places`]): 16
    /// arrays of the size of the grid and those of the rule, and two for a frame. For dθ = 2 also four of rates, and the
    /// factors of two matrices ([`PlaneFokkerPlanck`](crate::grid::PlaneFokkerPlanck)), or of one if two take more than 2 GiB.
    pub fn memory(problem: &Population, theta: &ThetaGrid, places: u64) -> u64 {
        let cells: Vec<usize> = theta.axes().iter().map(Axis::len).collect();
        Self::memory_of(problem, &cells, places)
    }

    /// [`Kinetic::memory`] before there is a grid: `cells` on each axis of θ.
    pub(crate) fn memory_of(problem: &Population, cells: &[usize], places: u64) -> u64 {
        let rule = match problem.events().map(|(rule, _)| rule) {
            Some(rule) if !rule.is_weight() => 7,
            Some(Rule::Annealed { .. }) => 2,
            _ => 1,
        };
        let fresh = u64::from(problem.inheritance == Inheritance::Hyperparameters);
        let of_theta = cells.iter().fold(1, |product: u64, cells| product.saturating_mul(*cells as u64));
        let arrays = places.saturating_mul(of_theta).saturating_mul(8 * (18 + rule + fresh));
        let [first, second] = cells else { return arrays };
        let training_alone = matches!(problem.selection, Selection::Off);
        arrays.saturating_add(factors::bytes([*first, *second], places, training_alone))
    }

    /// Shows, from now on, the probability of each of these regions of θ, as `wells/probability(region)`; the names stand in
    /// the description of the axis `region`.
    #[must_use]
    pub fn with_regions(mut self, regions: &Regions) -> Self {
        self.wells = Some(Wells::new(regions, &self.theta));
        self
    }

    /// The problem.
    pub fn problem(&self) -> &Population {
        &self.problem
    }

    /// The cells of θ.
    pub fn theta(&self) -> &ThetaGrid {
        &self.theta
    }

    /// The places of h.
    pub fn h(&self) -> &HyperGrid {
        &self.h
    }

    /// The θ operator.
    pub fn fokker_planck(&self) -> &ThetaOperator {
        &self.operators.fast
    }

    /// The masses of the cells, `[θ][h]` (row-major), summing to 1.
    pub fn masses(&self) -> &[f64] {
        self.stepper.state()
    }

    /// `∫ f dθ` as masses of the places of h.
    pub fn marginal_h(&self) -> Vec<f64> {
        let mut marginal = vec![0.0; self.h.len()];
        for row in self.masses().chunks_exact(self.h.len()) {
            marginal.iter_mut().zip(row).for_each(|(m, f)| *m += f);
        }
        marginal
    }

    /// `∫ f dh` as masses of the cells of θ.
    pub fn marginal_theta(&self) -> Vec<f64> {
        self.masses().chunks_exact(self.h.len()).map(sum).collect()
    }

    /// Replaces the present state by other masses (`[θ][h]`, non-negative); they are divided by their sum.
    ///
    /// # Errors
    /// [`Error::Shape`], or [`Error::Parameter`] for a negative or infinite mass or an empty density.
    pub fn set_masses(&mut self, mut masses: Vec<f64>) -> Result<()> {
        let expected = self.theta.len() * self.h.len();
        if masses.len() != expected {
            return Err(Error::Shape { what: "masses".into(), found: masses.len(), expected });
        }
        for &mass in &masses {
            require(mass >= 0.0 && mass.is_finite(), "masses", mass, "finite numbers ≥ 0")?;
        }
        let total = sum(&masses);
        require(total > 0.0 && total.is_finite(), "masses (their sum)", total, "a positive finite number")?;
        masses.iter_mut().for_each(|m| *m /= total);
        self.origin = self.time();
        self.course = None;
        self.restart(copy(&masses))
    }

    /// What the run has cost so far.
    pub fn statistics(&self) -> &Statistics {
        &self.control.statistics
    }

    /// What a user should know: mass at a wall, wells outside the box, mass moved by the limiter above the rounding.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = self.wall.iter().chain(&self.cut).cloned().collect();
        if self.stepper.moved > 1e-12 {
            warnings.push(Warning::MassMoved { mass: self.stepper.moved, time: self.time() });
        }
        warnings
    }

    fn restart(&mut self, density: Buffer) -> Result<()> {
        let slope = self.stepper.restart(&mut self.operators, density, self.origin)?;
        self.control.restart(slope);
        Ok(())
    }

    /// Everybody selects and mutates at once, at `time`, which has been reached.
    fn event(&mut self, time: f64) -> Result<()> {
        let before = self.stepper.take_state();
        let mut after = self.stepper.buffer();
        let scale = self.operators.slow.event(&before, &mut after, time)?;
        after.iter_mut().for_each(|f| *f *= scale);
        self.stepper.give_back(before);
        self.events += 1;
        self.origin = time;
        self.restart(after)
    }

    /// `Break` where the watch ended it; `Break(true)` if `to` has been reached all the same.
    fn advance(&mut self, to: f64, horizon: f64) -> Result<ControlFlow<bool>> {
        // The gain of a rule that changes in time has kinks of its own: the history of steps ends there.
        let breaks = match self.problem.events() {
            Some((Rule::Annealed { beta }, Clock::Poisson { .. })) => beta.breaks().to_vec(),
            _ => Vec::new(),
        };
        for time in breaks {
            if time > self.time() && time < to {
                let flow = self.advance_smoothly(time, horizon)?;
                if flow != ControlFlow::Break(false) {
                    let state = self.stepper.take_state();
                    self.origin = time;
                    self.restart(state)?;
                }
                if flow.is_break() {
                    return Ok(ControlFlow::Break(false));
                }
            }
        }
        self.advance_smoothly(to, horizon)
    }

    fn advance_smoothly(&mut self, to: f64, horizon: f64) -> Result<ControlFlow<bool>> {
        if to <= self.time() {
            return Ok(ControlFlow::Continue(()));
        }
        let length = to - self.origin;
        let flow = self.control.advance(&mut self.operators, &mut self.stepper, self.origin, length, horizon)?;
        let reached = self.stepper.time() >= length;
        if reached {
            self.watch_walls();
        }
        Ok(flow.map_break(|()| reached))
    }

    fn watch_walls(&mut self) {
        let rows = self.stepper.state().chunks_exact(self.h.len()).enumerate();
        let mass: f64 = rows.filter(|(cell, _)| self.theta.at_wall(*cell)).map(|(_, row)| sum(row)).sum();
        let worst = if let Some(Warning::MassAtWall { mass, .. }) = self.wall { mass } else { WALL_MASS_ALLOWED };
        if mass > worst {
            self.wall = Some(Warning::MassAtWall { mass, time: self.time(), allowed: WALL_MASS_ALLOWED });
        }
    }
}

impl Solver for Kinetic {
    fn time(&self) -> f64 {
        self.origin + self.stepper.time()
    }

    fn run(&mut self, times: &[f64], visit: &mut Visit<'_>) -> Result<()> {
        let Some(&end) = times.last() else { return Ok(()) };
        let mut before = self.time();
        for &time in times {
            require(
                time >= before && time.is_finite(),
                "time.outputs",
                time,
                "increasing times, none before the present",
            )?;
            before = time;
        }
        let course = Course::to(end, self.time(), self.course);
        // Another run goes its own way from here.
        self.control.way = self.control.way.take().filter(|_| self.course == Some(course));
        self.course = Some(course);
        let horizon = course.length;
        let period = match self.problem.events() {
            Some((_, Clock::Periodic { every })) => every,
            _ => f64::INFINITY,
        };
        for &time in times {
            // An event at the time of a record comes first.
            while self.events < whole_periods(time, period) {
                let event = (self.events + 1) as f64 * period;
                let flow = self.advance(event, horizon)?;
                if flow != ControlFlow::Break(false) {
                    self.event(event)?;
                }
                if flow.is_break() {
                    return Ok(());
                }
            }
            if self.advance(time, horizon)?.is_break() {
                return Ok(());
            }
            if visit(&self.frame()?)?.is_break() {
                self.course = self.course.filter(|_| time < end);
                return Ok(());
            }
        }
        self.course = None;
        Ok(())
    }

    fn notes(&self) -> Vec<Warning> {
        self.warnings()
    }

    fn watch(&mut self, watch: Watch) {
        self.control.watch = watch.into();
    }

    fn save(&self) -> Result<Vec<u8>> {
        checkpoint::save(self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        checkpoint::load(self, state)
    }
}

impl Kinetic {
    /// The present state as a frame, without running.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if the loss or fitness is not a number at a cell.
    pub fn frame(&self) -> Result<Frame<'static>> {
        let weights = self.operators.slow.effective_sample_size(self.stepper.state(), self.time())?;
        frames::frame(self, weights)
    }
}

#[cfg(test)]
mod plane_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod rank_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_tests;
