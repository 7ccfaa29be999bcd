//! The ways in which a case can be made more precise, each alone.

use super::averaged::{AveragedCase, Weighting};
use super::case::{Case, Statement};
use super::committee::Method;
use super::grids::Cells;
use crate::gaussian::Quadrature;
use crate::kinetic::Steps;
use crate::monte_carlo::TrainingStep;
use crate::neurons::DensitySteps;

fn finer(cells: &[Cells], factor: usize) -> Vec<Cells> {
    cells.iter().map(|cells| cells.finer(factor)).collect()
}

fn more(counts: &[usize], factor: usize) -> Vec<usize> {
    counts.iter().map(|count| count.saturating_mul(factor)).collect()
}

/// Sharper by a factor of ten a level, down to what the solvers take.
fn sharper(tolerance: f64, level: u32, least: f64) -> Option<f64> {
    let sharper = tolerance / 10f64.powi(i32::try_from(level).unwrap_or(i32::MAX));
    (sharper >= least).then_some(sharper)
}

impl Case {
    /// The case with each available refinement alone, `level` times over: twice the cells, a tenth of the tolerance, four times the
    /// agents or runs, four times the dimension, half the step, twice the points of a quadrature. What would go beyond what a
    /// solver takes is left out; level 0 gives the case itself, once for each.
    pub fn refined(&self, level: u32) -> Vec<(&'static str, Self)> {
        let factor = 1usize.checked_shl(level.min(40)).unwrap_or(usize::MAX);
        let square = factor.saturating_mul(factor);
        let halves = 0.5f64.powi(i32::try_from(level).unwrap_or(i32::MAX));
        let mut found: Vec<(&'static str, Statement, Option<f64>)> = Vec::new();
        let mut add = |what, statement, tolerance| found.push((what, statement, tolerance));
        match &self.statement {
            Statement::Kinetic { problem, theta, h, steps, regions } => {
                let with = |theta: &[Cells], h: &[usize], steps: Steps| Statement::Kinetic {
                    problem: problem.clone(),
                    theta: theta.to_vec(),
                    h: h.to_vec(),
                    steps,
                    regions: regions.clone(),
                };
                add("grid", with(&finer(theta, factor), &more(h, factor), steps.clone()), self.tolerance);
                match steps {
                    Steps::Tolerance(tolerance) => {
                        if let Some(tolerance) = sharper(*tolerance, level, 1e-11) {
                            add("tolerance", with(theta, h, Steps::Tolerance(tolerance)), Some(tolerance));
                        }
                    }
                    Steps::Uniform(step) => add("step", with(theta, h, Steps::Uniform(step * halves)), None),
                    Steps::Mesh(_) => {}
                }
            }
            Statement::Averaged(case) => {
                let grid = AveragedCase { h: more(&case.h, factor), ..case.clone() };
                add("grid", Statement::Averaged(grid), self.tolerance);
                if let Some(tolerance) = sharper(case.tolerance, level, 1e-13) {
                    add("tolerance", Statement::Averaged(AveragedCase { tolerance, ..case.clone() }), Some(tolerance));
                }
                let quadrature = match &case.weight {
                    Weighting::Quadrature => {
                        Some(("quadrature", AveragedCase { theta: finer(&case.theta, factor), ..case.clone() }))
                    }
                    Weighting::GaussHermite(points) => {
                        Some(points.saturating_mul(factor)).filter(|points| *points <= 128).map(|points| {
                            ("quadrature", AveragedCase { weight: Weighting::GaussHermite(points), ..case.clone() })
                        })
                    }
                    Weighting::Population { particles, seed } => {
                        let weight = Weighting::Population { particles: particles.saturating_mul(square), seed: *seed };
                        Some(("population", AveragedCase { weight, ..case.clone() }))
                    }
                    _ => None,
                };
                if let Some((what, case)) = quadrature {
                    add(what, Statement::Averaged(case), self.tolerance);
                }
            }
            Statement::Agents { problem, settings } => {
                let agents = settings.agents.saturating_mul(square);
                let mut more = settings.clone();
                if u32::try_from(agents).is_ok_and(|agents| agents < u32::MAX) {
                    more.agents = agents;
                    add("agents", Statement::Agents { problem: problem.clone(), settings: more }, None);
                }
                let step = match settings.step {
                    TrainingStep::LearningRate(rate) => TrainingStep::LearningRate(rate * halves),
                    TrainingStep::Step(step) => TrainingStep::Step(step * halves),
                    TrainingStep::StepsPerSelection(steps) => {
                        TrainingStep::StepsPerSelection(steps.saturating_mul(factor))
                    }
                };
                let mut shorter = settings.clone();
                shorter.step = step;
                add("step", Statement::Agents { problem: problem.clone(), settings: shorter }, None);
            }
            Statement::Committee { statement, tolerance, fluctuations } => {
                if let Some(sharp) = sharper(self.tolerance.unwrap_or(*tolerance), level, 1e-14) {
                    let fluctuations = fluctuations
                        .clone()
                        .map(|settings| crate::order_parameters::FluctuationSettings { tolerance: sharp, ..settings });
                    let statement = statement.clone();
                    add("tolerance", Statement::Committee { statement, tolerance: sharp, fluctuations }, Some(sharp));
                }
                let quadrature = match statement.quadrature {
                    Quadrature::Automatic => None,
                    Quadrature::GaussHermite { points } => {
                        Some(Quadrature::GaussHermite { points: points.saturating_mul(factor) })
                            .filter(|_| points.saturating_mul(factor) <= 128)
                    }
                    Quadrature::Split { points } => Some(Quadrature::Split { points: points.saturating_mul(factor) })
                        .filter(|_| points.saturating_mul(factor) <= 128),
                    Quadrature::Trapezoidal { points } => {
                        Some(Quadrature::Trapezoidal { points: points.saturating_mul(factor) })
                            .filter(|_| points.saturating_mul(factor) <= 4096)
                    }
                };
                if let Some(quadrature) = quadrature {
                    let statement = super::committee::Statement { quadrature, ..statement.clone() };
                    let (tolerance, fluctuations) = (*tolerance, fluctuations.clone());
                    add("quadrature", Statement::Committee { statement, tolerance, fluctuations }, self.tolerance);
                }
                if let Some(settings) = fluctuations {
                    let lattice = settings.lattice.saturating_mul(square);
                    let points = settings.points.saturating_mul(factor);
                    if lattice <= 1 << 20 && points <= 128 {
                        let settings =
                            crate::order_parameters::FluctuationSettings { lattice, points, ..settings.clone() };
                        let (statement, tolerance) = (statement.clone(), *tolerance);
                        let fluctuations = Some(settings);
                        add("noise", Statement::Committee { statement, tolerance, fluctuations }, self.tolerance);
                    }
                }
            }
            Statement::Sgd { statement, settings, method } => {
                let method: Method = *method;
                let mut larger = settings.clone();
                larger.dimension = settings.dimension.saturating_mul(square);
                if larger.dimension <= 1 << 50 {
                    add("dimension", Statement::Sgd { statement: statement.clone(), settings: larger, method }, None);
                }
                let mut more = settings.clone();
                more.runs = settings.runs.saturating_mul(square);
                if more.runs <= 1 << 32 {
                    add("runs", Statement::Sgd { statement: statement.clone(), settings: more, method }, None);
                }
            }
            Statement::Neurons { statement, settings } => {
                if let Some(tolerance) = sharper(settings.tolerance, level, 1e-11) {
                    let settings = crate::neurons::FlowSettings { tolerance, ..*settings };
                    add("tolerance", Statement::Neurons { statement: statement.clone(), settings }, Some(tolerance));
                }
                if let Some(degree) = settings.series.map(|degree| degree.saturating_mul(factor)).filter(|d| *d <= 2000)
                {
                    let settings = crate::neurons::FlowSettings { series: Some(degree), ..*settings };
                    add("series", Statement::Neurons { statement: statement.clone(), settings }, self.tolerance);
                }
            }
            Statement::Network { statement, settings } => {
                let mut larger = settings.clone();
                larger.dimension = settings.dimension.saturating_mul(square);
                if larger.dimension <= 1 << 50 {
                    add("dimension", Statement::Network { statement: statement.clone(), settings: larger }, None);
                }
                let mut shorter = settings.clone();
                shorter.step = settings.step * halves;
                add("step", Statement::Network { statement: statement.clone(), settings: shorter }, None);
                let mut more = settings.clone();
                more.runs = settings.runs.saturating_mul(square);
                if more.runs <= 1 << 32 {
                    add("runs", Statement::Network { statement: statement.clone(), settings: more }, None);
                }
            }
            Statement::NeuronDensity { law, a, s, settings } => {
                let with = |a: Cells, s: usize, settings| Statement::NeuronDensity { law: law.clone(), a, s, settings };
                // An odd number of cells of s stays odd.
                let odd = if s % 2 == 1 { 1 } else { 0 };
                let cells = (s - odd).saturating_mul(factor).saturating_add(odd);
                add("grid", with(a.finer(factor), cells, *settings), self.tolerance);
                let steps = match settings.steps {
                    DensitySteps::Tolerance(tolerance) => {
                        sharper(tolerance, level, 1e-10).map(|t| ("tolerance", DensitySteps::Tolerance(t), Some(t)))
                    }
                    DensitySteps::Fixed(step) => Some(("step", DensitySteps::Fixed(step * halves), None)),
                };
                if let Some((what, steps, tolerance)) = steps {
                    add(what, with(*a, *s, crate::neurons::DensitySettings { steps, ..*settings }), tolerance);
                }
            }
        }
        let case = |(what, statement, tolerance)| (what, Self { statement, tolerance, ..self.clone() });
        found.into_iter().map(case).collect()
    }
}
