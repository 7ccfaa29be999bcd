//! What a case will cost, before it costs it.

use super::averaged::{AveragedCase, Weighting};
use super::case::{Case, Statement};
use super::committee::Method;
use super::grids::product;
use crate::averaged::Averaged;
use crate::grid::Cells as Counts;
use crate::kinetic::{Kinetic, Steps};
use crate::monte_carlo::{AgentSettings, Gradient, TrainingStep};
use crate::problem::{Clock, Donors, Population, Selection};

/// What a case will cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Bytes of memory at most, the frames of a file aside.
    pub bytes: u64,
    /// Roughly how many updates of one number it takes: cells × steps, agents × steps, …
    pub work: f64,
    /// Both in words.
    pub text: String,
}

/// Steps of a method of order 3 over the whole run, by its tolerance: the order of magnitude.
fn steps_by_tolerance(tolerance: f64, end: f64) -> f64 {
    20.0 + 2.0 * ((1.0 + end) / tolerance).cbrt()
}

impl Case {
    /// What it will cost.
    pub fn estimate(&self) -> Estimate {
        let end = self.times.last().copied().unwrap_or(0.0);
        let (bytes, work, text) = match &self.statement {
            Statement::Kinetic { problem, theta, h, steps, .. } => {
                let cells: Vec<usize> = theta.iter().map(|cells| cells.cells).collect();
                let places = Counts(h.clone()).places(&problem.h);
                let all = product(cells.iter().copied()).saturating_mul(places);
                let steps = match steps {
                    Steps::Tolerance(tolerance) => steps_by_tolerance(*tolerance, end),
                    Steps::Uniform(step) => end / step,
                    Steps::Mesh(times) => times.len() as f64,
                };
                // The grid itself, two numbers a cell of θ.
                let grid = product(cells.iter().copied()).saturating_mul(32).saturating_add(places.saturating_mul(64));
                let bytes = Kinetic::memory_of(problem, &cells, places).saturating_add(grid);
                (bytes, all as f64 * steps, format!("{all} cells, about {steps:.0} steps"))
            }
            Statement::Averaged(case) => averaged(case, end),
            Statement::Agents { problem, settings } => agents(problem, settings, end),
            Statement::Committee { statement, tolerance, fluctuations } => {
                let (k, m) = (statement.students() as f64, statement.teachers() as f64);
                let numbers = k * (k + 1.0) / 2.0 + k * m + 2.0 * k;
                // Runge–Kutta of fifth order.
                let steps = (1.0 + end) * tolerance.powf(-0.2);
                let sums = (k + m) * (k + m) * k * k;
                let (state, sums) = match fluctuations {
                    Some(settings) => {
                        (numbers * numbers, sums + settings.lattice as f64 * settings.points as f64 * numbers)
                    }
                    None => (numbers, sums),
                };
                (
                    to_bytes(8.0 * (20.0 * state + 64.0 * (k + m) * (k + m))),
                    steps * sums,
                    format!("{numbers} order parameters"),
                )
            }
            Statement::Sgd { statement, settings, method } => {
                let (k, m) = (statement.students() as f64, statement.teachers() as f64);
                let batch = statement.committee.batch as f64;
                let (d, runs) = (settings.dimension as f64, settings.runs as f64);
                let vectors = match method {
                    Method::Weights => d * (2.0 * k + m + batch),
                    Method::Overlaps => (2.0 * k + m + batch) * (2.0 * k + m + batch),
                };
                let steps = end * d;
                (
                    to_bytes(8.0 * runs * vectors + 512.0 * runs),
                    runs * steps * vectors,
                    format!("{runs} runs of {steps:.0} steps"),
                )
            }
            Statement::Neurons { statement, settings } => {
                let m = statement.neurons() as f64;
                let full = settings.flow == crate::neurons::Flow::Full;
                let numbers = if full { m * m / 2.0 + 2.0 * m } else { 2.0 * m };
                let steps = 100.0 * settings.tolerance.powf(-0.25);
                // The Jacobian has structure in the simplified flow with series only.
                let series = settings.series.unwrap_or(40) as f64;
                let matrix = if settings.series.is_some() && !full { m * series } else { 4.0 * m * m };
                (
                    to_bytes(8.0 * (3.0 * matrix + 40.0 * numbers)),
                    steps * matrix * m.min(series.max(1.0)),
                    format!("{m} neurons"),
                )
            }
            Statement::Network { statement, settings } => {
                let (m, d, runs) = (statement.neurons() as f64, settings.dimension as f64, settings.runs as f64);
                let scratch = match settings.gradient {
                    Gradient::Population => d * m + 4.0 * m * m,
                    Gradient::Sample { batch } => batch as f64 * (d + 4.0 * m),
                };
                let steps = end / settings.step;
                let numbers = runs * (d * m + m * m + scratch);
                (to_bytes(8.0 * numbers), steps * runs * 4.0 * m * m * d, format!("{runs} runs of {steps:.0} steps"))
            }
            Statement::NeuronDensity { law: _, a, s, settings } => {
                let cells = product([a.cells, *s]);
                let steps = match settings.steps {
                    crate::neurons::DensitySteps::Tolerance(tolerance) => 10.0 * (1.0 + end) / tolerance.sqrt(),
                    crate::neurons::DensitySteps::Fixed(step) => end / step,
                };
                let table = (*s as u64).saturating_mul(*s as u64);
                let bytes = cells.saturating_mul(12).saturating_add(table).saturating_mul(8);
                (bytes, cells as f64 * steps, format!("{cells} cells, about {steps:.0} steps"))
            }
        };
        let text = format!("{text}; {} of memory, about {work:.1e} updates", size(bytes));
        Estimate { bytes, work, text }
    }
}

fn averaged(case: &AveragedCase, end: f64) -> (u64, f64, String) {
    let AveragedCase { problem, theta, h, weight, tolerance, .. } = case;
    let places = Counts(h.clone()).places(&problem.h);
    let grid = if theta.is_empty() { 1 } else { product(theta.iter().map(|cells| cells.cells)) };
    let cells = match weight {
        Weighting::Quadrature => grid,
        Weighting::GaussHermite(points) => *points as u64,
        Weighting::Population { particles, .. } => *particles as u64,
        Weighting::ClosedForm | Weighting::Given(_) => 1,
    };
    let run = Averaged::memory_of(problem, cells, *tolerance, places);
    // The mutation matrix is sparse, but may be full; regions need the Gibbs law of each place.
    let regions = if case.regions.is_some() { grid.saturating_mul(places).saturating_mul(8) } else { 0 };
    let bytes = run.saturating_add(regions).saturating_add(grid.max(cells).saturating_mul(64));
    let steps = steps_by_tolerance(*tolerance, end);
    let work = places as f64 * (cells as f64 + 10.0 * steps);
    (bytes, work, format!("{places} places of h, {cells} of theta"))
}

/// By the documentation of [`crate::monte_carlo::Agents`].
fn agents(problem: &Population, settings: &AgentSettings, end: f64) -> (u64, f64, String) {
    let (dim_theta, dim_h) = (problem.loss.dimension() as u64, problem.h.len() as u64);
    let window = problem.evaluation.window as u64;
    let window = if window > 1 { 8 * window } else { 0 };
    let state = 8 * (dim_theta + dim_h) + window + if settings.lineage { 4 } else { 0 };
    let staggered = matches!(problem.events(), Some((_, Clock::Staggered { .. })));
    let published = if problem.evaluation.donors == Donors::Published { 16 } else { 8 };
    let one = state.saturating_mul(2).saturating_add(published + 28 + if staggered { 8 } else { 0 });
    let count = (settings.agents as u64).saturating_mul(settings.replicates as u64);
    let table = settings.gibbs.map_or(0, |grid| {
        let cells = (0..dim_theta.min(2)).fold(1, |product: u64, _| product.saturating_mul(grid.cells as u64));
        cells.saturating_mul(8).saturating_mul(grid.slices as u64 + 1)
    });
    let bins = (settings.bins as u64).saturating_pow(dim_h.min(2) as u32);
    let of_theta = product(settings.theta_bins.iter().map(|bins| bins.bins));
    let histograms = bins.saturating_add(of_theta).saturating_mul(32).saturating_mul(settings.replicates as u64);
    let bytes = count.saturating_mul(one).saturating_add(table).saturating_add(histograms);
    let step = match (settings.step, &problem.selection) {
        (TrainingStep::LearningRate(rate), _) => rate * problem.epsilon,
        (TrainingStep::Step(step), _) => step,
        (
            TrainingStep::StepsPerSelection(steps),
            Selection::Events { clock: Clock::Periodic { every } | Clock::Staggered { every }, .. },
        ) => every / steps as f64,
        _ => 1.0,
    };
    let steps = end / step;
    (bytes, count as f64 * steps, format!("{count} agents, {steps:.0} steps"))
}

fn to_bytes(bytes: f64) -> u64 {
    // Saturates.
    bytes.max(0.0) as u64
}

/// Bytes in words.
fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut amount, mut unit) = (bytes as f64, 0);
    while amount >= 1024.0 && unit + 1 < units.len() {
        (amount, unit) = (amount / 1024.0, unit + 1);
    }
    let name = units.get(unit).unwrap_or(&"bytes");
    if unit == 0 { format!("{amount} {name}") } else { format!("{amount:.1} {name}") }
}
