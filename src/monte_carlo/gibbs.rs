//! Draws from the Gibbs law `G_h ∝ exp(−μL/D)` and the effective fitness `F̄(h) = ∫ F G_h dθ`, exactly where the loss is
//! quadratic, else from a table with a known error.

use super::gibbs_table::Table;
use super::rng::{Generator, Key, fill_normals};
use super::settings::GibbsGrid;
use super::training::positive;
use crate::error::{Error, Result};
use crate::problem::{Coefficient, Population};

/// What a run needs to know of the Gibbs law.
#[derive(Debug, Clone)]
pub(super) enum Gibbs {
    /// A normal law, and `F̄` in closed form if the fitness is quadratic too.
    Normal,
    /// Tabulated.
    Table(Table),
}

/// Centre, variance of the Gibbs law at `h` if the loss is quadratic there.
fn normal_law(problem: &Population, h: &[f64], centre: &mut [f64]) -> Result<Option<f64>> {
    let Some(stiffness) = problem.loss.quadratic(h, centre) else { return Ok(None) };
    positive(&Coefficient::Constant(stiffness), "stiffness", h)?;
    let mobility = positive(&problem.mobility, "mobility", h)?;
    Ok(Some(positive(&problem.diffusion, "diffusion", h)? / (mobility * stiffness)))
}

impl Gibbs {
    /// Decides how, and tabulates if it must. `effective`: whether `F̄` is needed.
    pub fn new(problem: &Population, grid: Option<GibbsGrid>, effective: bool) -> Result<Self> {
        let middle: Vec<f64> = problem.h.iter().map(|d| 0.5 * (d.low + d.high)).collect();
        let mut centre = vec![0.0; problem.loss.dimension()];
        let known = normal_law(problem, &middle, &mut centre)?.is_some();
        if known && (!effective || problem.fitness.quadratic().is_some()) {
            return Ok(Gibbs::Normal);
        }
        match (grid, &problem.h[..]) {
            (Some(grid), [domain]) if centre.len() <= 2 => Ok(Gibbs::Table(Table::new(problem, *domain, grid)?)),
            (None, _) => Err(Error::Unsupported {
                solver: "the Gibbs law of the agents",
                what: format!("{:?} without a table", problem.loss),
                instead: "give population.gibbs (ends and cells of a θ grid), or a loss that knows `quadratic`",
            }),
            _ => Err(Error::Unsupported {
                solver: "the tabulated Gibbs law",
                what: format!("dθ = {}, dh = {}", centre.len(), problem.h.len()),
                instead: "dθ = 1 or 2 and dh = 1 are tabulated; let the loss know `quadratic`",
            }),
        }
    }

    /// Draws θ for each agent of a block.
    pub fn draw(&self, problem: &Population, key: Key, h: &[f64], theta: &mut [f64]) -> Result<()> {
        let (dim_theta, dim_h) = (problem.loss.dimension(), problem.h.len());
        match self {
            Gibbs::Table(table) => {
                let mut rng = Generator::new(key);
                theta.chunks_exact_mut(dim_theta).zip(h).for_each(|(theta, h)| table.draw(*h, &mut rng, theta));
            }
            Gibbs::Normal => {
                fill_normals(key, theta);
                let mut centre = vec![0.0; dim_theta];
                for (theta, h) in theta.chunks_exact_mut(dim_theta).zip(h.chunks_exact(dim_h)) {
                    let variance = normal_law(problem, h, &mut centre)?.ok_or_else(|| not_quadratic(h))?;
                    theta.iter_mut().zip(&centre).for_each(|(x, c)| *x = c + variance.sqrt() * *x);
                }
            }
        }
        Ok(())
    }

    /// `F̄` at the h of each agent of a block.
    pub fn effective_fitness(&self, problem: &Population, h: &[f64], out: &mut [f64]) -> Result<()> {
        match (self, problem.fitness.quadratic()) {
            (Gibbs::Table(table), _) => out.iter_mut().zip(h).for_each(|(f, h)| *f = table.effective_fitness(*h)),
            (Gibbs::Normal, Some((curvature, optimum))) => {
                let mut centre = vec![0.0; problem.loss.dimension()];
                for (f, h) in out.iter_mut().zip(h.chunks_exact(problem.h.len())) {
                    let variance = normal_law(problem, h, &mut centre)?.ok_or_else(|| not_quadratic(h))?;
                    let distance: f64 = centre.iter().zip(optimum).map(|(a, b)| (a - b) * (a - b)).sum();
                    *f = -curvature * (distance + centre.len() as f64 * variance);
                }
            }
            (Gibbs::Normal, None) => return Err(not_quadratic(h)),
        }
        Ok(())
    }
}

fn not_quadratic(h: &[f64]) -> Error {
    Error::Unsupported {
        solver: "the exact Gibbs law",
        what: format!("a loss or fitness that is quadratic at the middle of the domain but not at h = {h:?}"),
        instead: "return None from `quadratic` everywhere, and give population.gibbs",
    }
}
