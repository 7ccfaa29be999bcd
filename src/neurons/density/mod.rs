//! The mean-field limit m → ∞ of the simplified flow: a density of neurons.

mod checkpoint;
mod control;
#[cfg(test)]
mod face_tests;
mod potential;
mod remap;
#[cfg(test)]
mod tests;
mod transport;

use std::sync::Arc;

use control::Stepper;
pub use control::{DensityStatistics, DensitySteps};
use potential::Potential;
use transport::Transport;

use crate::error::{Error, Result, Warning, require};
use crate::frame::{Coordinate, Field, Frame, Solver, Visit, Watch};
use crate::gaussian::{Risk, RiskParts};
use crate::grid::{Axis, axis_masses};
use crate::numerics::state::Course;
use crate::numerics::sum::{dot, sum};
use crate::problem::{Law, NeuronLaw, SingleIndex};

/// How to solve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensitySettings {
    /// The time steps.
    pub steps: DensitySteps,
    /// Degrees of the target, from 0 on, whose residuals are shown.
    pub degrees: usize,
    /// Degree of the series of kernels that have no closed form.
    pub kernel_degree: usize,
    /// Error of a kernel, |r| ≤ 1, from which [`Warning::KernelTruncated`] is given.
    pub kernel_error: f64,
}

impl Default for DensitySettings {
    fn default() -> Self {
        Self { steps: DensitySteps::Tolerance(1e-4), degrees: 6, kernel_degree: 100, kernel_error: 1e-6 }
    }
}

/// The density μ(t; a, s) of the neurons of an infinitely wide network on a grid:
///
/// ```text
/// ∂_t μ + ∂_a(μ A) + ∂_s(μ S) = 0,      G(s) = V(s) − ∫ a' U(s s') dμ',      ε A = G(s),      S = a (1 − s²) G'(s)
/// ```
/// (Mei, Montanari & Nguyen 2018; Berthier, Montanari & Zhou 2024, simplified flow.) Everything is dimensionless.
///
/// Time: Strang splitting. While s stands still each column of cells moves as a whole, by the exact solution of its linear
/// equation, however small ε is; while a stands still each row follows the flow of `(1 − s²)G'` for `a` times the step. Space:
/// both are conservative remaps by parabolas that are drawn towards their mean where they would be negative. So mass is kept
/// to rounding, no cell is negative, no step is unstable, and the order is 2 in time and on both axes. Densities with jumps
/// ring at them by some ten per cent of the jump; an atom in s stays as narrow as its cells allow.
///
/// An odd number of s-cells has a centre at s = 0, which an atom there should start from.
///
/// Work: some 40 ns a cell and step (bench `density`), plus (s-cells)² where the kernel has a closed form. Fields shown:
///
/// | group | fields | axes |
/// |---|---|---|
/// | `density` | `mu` | `a`, `s` |
/// | `marginal_a` | `mu` | `a` |
/// | `marginal_s` | `mu` | `s` |
/// | `risk` | `risk`, `tail`; `component`, `component_risk` | ; `degree` |
/// | `moments` | `mass`, `mean_a`, `var_a`, `mean_s`, `var_s`, `minimum` | |
///
/// ```
/// use learning_dynamics::{frame::Solver, grid::Axis, neurons::*, problem::*};
/// let law = NeuronLaw {
///     activation: [0.4, 0.5, 0.3].into(),
///     target: [0.8, 0.5, -0.6].into(),
///     epsilon: 0.1,
///     a: Law::Gaussian { mean: 0.0, std: 1.0 },
///     s: Law::Gaussian { mean: 0.0, std: 0.2 },
/// };
/// let mut density = NeuronDensity::new(law, Axis::uniform("a", -8.0, 12.0, 80)?, 61, DensitySettings::default())?;
/// let start = density.risk().risk;
/// density.run(&[2.0], &mut |_| Ok(std::ops::ControlFlow::Continue(())))?;
/// // The constant is learnt first.
/// assert!(density.risk().risk < 0.5 * start && density.risk().residuals[0].abs() < 0.1);
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NeuronDensity {
    law: NeuronLaw,
    stepper: Stepper,
    risk: Risk,
    axes: [Arc<Coordinate>; 2],
    warnings: Vec<Warning>,
    wall: Option<Warning>,
    /// The run that was stopped last, if it was.
    course: Option<Course>,
}

impl NeuronDensity {
    /// Mass in the outermost a-cells from which [`Warning::MassAtEnds`] is given.
    pub const END_MASS_WARNED: f64 = 1e-8;
    /// Mass there at which a run ends with [`Error::MassAtEnds`]: what is shown would be wrong in its fourth digit.
    pub const END_MASS_ALLOWED: f64 = 1e-4;

    /// Puts the initial law on `a` × (`s_cells` cells over [−1, 1]). What the initial law of a has outside the box (at most
    /// 1e-6) is divided out; an atom lies in its cell, or half in each of the two that it is the face of.
    ///
    /// # Errors
    /// Those of [`NeuronLaw::validated`], [`Axis::uniform`] and [`crate::gaussian::HermiteSeries::new`];
    /// [`Error::InitialMassOutside`]; [`Error::Parameter`] for fewer than 4 cells, tolerances outside 1e-10 … 0.1 and steps not
    /// above 0.
    pub fn new(law: NeuronLaw, a: Axis, s_cells: usize, settings: DensitySettings) -> Result<Self> {
        let law = law.validated()?;
        settings.steps.validated()?;
        let s = Axis::uniform("s", -1.0, 1.0, s_cells)?;
        for (key, axis) in [("grid.a.cells", &a), ("grid.s.cells", &s)] {
            require(axis.len() >= remap::FEWEST, key, axis.len() as f64, "at least 4 cells")?;
        }
        let [of_a, of_s] = [masses(&a, &law.a, "a")?, masses(&s, &law.s, "s")?];
        let state = of_a.iter().flat_map(|a| of_s.iter().map(move |s| a * s)).collect();
        let (potential, warnings) = Potential::new(&law, &s, &settings)?;
        let (u, v) = potential::kernels(&law, settings.kernel_degree)?;
        let names = SingleIndex::new(law.activation.clone(), law.target.clone(), law.epsilon, Vec::new());
        let risk = Risk::new(&names, settings.degrees, u, v)?;
        let coordinate = |name, description, axis: &Axis| {
            Arc::new(Coordinate { name, description, values: axis.centres.clone(), bounds: Some(axis.bounds()) })
        };
        let axes = [coordinate("a", "second layer", &a), coordinate("s", "alignment with the target", &s)];
        let stepper = Stepper::new(Transport::new(a, s, law.epsilon, potential), settings.steps, state);
        Ok(Self { law, stepper, risk, axes, warnings, wall: None, course: None })
    }

    /// The statement.
    pub fn law(&self) -> &NeuronLaw {
        &self.law
    }

    /// The axis of the second layer.
    pub fn a(&self) -> &Axis {
        &self.stepper.transport.a
    }

    /// The axis of the alignment.
    pub fn s(&self) -> &Axis {
        &self.stepper.transport.s
    }

    /// The masses of the cells, `[a][s]` (row-major), summing to 1.
    pub fn masses(&self) -> &[f64] {
        &self.stepper.state
    }

    /// `∫ μ ds` as masses of the cells of a.
    pub fn marginal_a(&self) -> Vec<f64> {
        self.masses().chunks_exact(self.s().len()).map(sum).collect()
    }

    /// `∫ μ da` as masses of the cells of s.
    pub fn marginal_s(&self) -> Vec<f64> {
        self.stepper.transport.sums(self.masses()).mass
    }

    /// The risk and its parts by degree: those of a network that has in each column of cells a neuron of the mean a.
    pub fn risk(&self) -> RiskParts {
        let n = self.s().len() as f64;
        let second_layer: Vec<f64> =
            self.stepper.transport.sums(self.masses()).first.iter().map(|first| n * first).collect();
        self.risk.of(&second_layer, &self.s().centres, None)
    }

    /// What the time steps have cost so far.
    pub fn statistics(&self) -> DensityStatistics {
        self.stepper.statistics
    }

    /// What a user should know: mass at the ends of the a-axis, kernels whose series is cut off.
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings.iter().chain(&self.wall).cloned().collect()
    }

    /// The present state as a frame, without running.
    pub fn frame(&self) -> Frame<'static> {
        let [axis_a, axis_s] = &self.axes;
        let (d_a, d_s) = (self.a().width(), self.s().width());
        let per = |masses: &[f64], width: f64| -> Vec<f64> { masses.iter().map(|m| m / width).collect() };
        let (of_a, of_s) = (self.marginal_a(), self.marginal_s());
        let density = per(self.masses(), d_a * d_s);
        let minimum = density.iter().copied().fold(f64::INFINITY, f64::min);
        let mass = sum(&of_a);
        let moments = |masses: &[f64], points: &[f64]| {
            let mean = dot(masses, points) / mass;
            (mean, masses.iter().zip(points).map(|(m, x)| m * (x - mean) * (x - mean)).sum::<f64>() / mass)
        };
        let ((mean_a, var_a), (mean_s, var_s)) = (moments(&of_a, &self.a().centres), moments(&of_s, &self.s().centres));
        let mut fields = vec![
            Field::array("density", "mu", "density of neurons", &[axis_a, axis_s], density),
            Field::array("marginal_a", "mu", "density of the second layer", &[axis_a], per(&of_a, d_a)),
            Field::array("marginal_s", "mu", "density of the alignment", &[axis_s], per(&of_s, d_s)),
        ];
        fields.extend(self.risk.fields(&self.risk()));
        for (name, description, value) in [
            ("mass", "total mass", mass),
            ("mean_a", "mean of the second layer", mean_a),
            ("var_a", "variance of the second layer", var_a),
            ("mean_s", "mean alignment", mean_s),
            ("var_s", "variance of the alignment", var_s),
            ("minimum", "smallest value of the density", minimum),
        ] {
            fields.push(Field::scalar("moments", name, description, value));
        }
        Frame { time: self.time(), fields }
    }
}

/// The mass of a law in each cell.
fn masses(axis: &Axis, law: &Law, coordinate: &'static str) -> Result<Vec<f64>> {
    let mut masses = axis_masses(axis, law, coordinate)?;
    if let Law::Point { at } = law {
        // Faces are rounded, and −1 + 2·(k/n) is not always what a user would write.
        let near = |face: &f64| (face - at).abs() <= 4.0 * f64::EPSILON * axis.high().abs().max(axis.low().abs());
        if let Some(face) = axis.faces[1..axis.len()].iter().position(near) {
            masses.fill(0.0);
            masses[face..face + 2].fill(0.5);
        }
    }
    Ok(masses)
}

impl Solver for NeuronDensity {
    fn time(&self) -> f64 {
        self.stepper.time
    }

    fn run(&mut self, times: &[f64], visit: &mut Visit<'_>) -> Result<()> {
        let Some(&end) = times.last() else { return Ok(()) };
        let mut before = self.time();
        for &time in times {
            let expected = "finite increasing times, none before the one reached";
            require(time >= before && time.is_finite(), "times", time, expected)?;
            before = time;
        }
        let course = Course::to(end, self.time(), self.course);
        // Another run goes its own way from here.
        self.stepper.way = self.stepper.way.take().filter(|_| self.course == Some(course));
        self.course = Some(course);
        for &time in times {
            let wall = &mut self.wall;
            let flow = self.stepper.advance(time, course.length, &mut |stepper| watch_ends(stepper, wall))?;
            if flow.is_break() {
                return Ok(());
            }
            if visit(&self.frame())?.is_break() {
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

    /// It looks after each step, or each pair of steps.
    fn watch(&mut self, watch: Watch) {
        self.stepper.watch = watch.into();
    }

    fn save(&self) -> Result<Vec<u8>> {
        checkpoint::save(self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        checkpoint::load(self, state)
    }
}

/// Mass in the outermost a-cells: an error above [`NeuronDensity::END_MASS_ALLOWED`]; what is less is kept, if it is the most.
fn watch_ends(stepper: &Stepper, wall: &mut Option<Warning>) -> Result<()> {
    let (a, n, state) = (&stepper.transport.a, stepper.transport.s.len(), &stepper.state);
    let (mass, time, coordinate) = (sum(&state[..n]) + sum(&state[state.len() - n..]), stepper.time, "a");
    let allowed = NeuronDensity::END_MASS_ALLOWED;
    if !(mass <= allowed) {
        return Err(Error::MassAtEnds { coordinate, mass, low: a.low(), high: a.high(), time, allowed });
    }
    let allowed = NeuronDensity::END_MASS_WARNED;
    let worst = if let Some(Warning::MassAtEnds { mass, .. }) = wall { *mass } else { allowed };
    if mass > worst {
        *wall = Some(Warning::MassAtEnds { coordinate, mass, time, allowed });
    }
    Ok(())
}
