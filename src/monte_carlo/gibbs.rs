//! Draws from the Gibbs law `G_h ∝ exp(−μL/D)` and the effective fitness `F̄(h) = ∫ F G_h dθ`, exactly where the loss is
//! quadratic, else from a table with a known error.

use rand::Rng;

use super::rng::{Generator, Key, fill_normals};
use super::settings::GibbsGrid;
use super::training::positive;
use crate::error::{Error, Result, Warning};
use crate::numerics::normal::uniform;
use crate::problem::{Coefficient, Domain, Population};

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
            (Some(grid), [domain]) if centre.len() == 1 => Ok(Gibbs::Table(Table::new(problem, domain, grid)?)),
            (None, _) => Err(Error::Unsupported {
                solver: "the Gibbs law of the agents",
                what: format!("{:?} without a table", problem.loss),
                instead: "give population.gibbs (ends and cells of a θ grid), or a loss that knows `quadratic`",
            }),
            _ => Err(Error::Unsupported {
                solver: "the tabulated Gibbs law",
                what: format!("dθ = {}, dh = {}", centre.len(), problem.h.len()),
                instead: "only dθ = dh = 1 is tabulated; let the loss know `quadratic`",
            }),
        }
    }

    /// Draws θ for each agent of a block.
    pub fn draw(&self, problem: &Population, key: Key, h: &[f64], theta: &mut [f64]) -> Result<()> {
        let (dim_theta, dim_h) = (problem.loss.dimension(), problem.h.len());
        match self {
            Gibbs::Table(table) => {
                let mut rng = Generator::new(key);
                theta.iter_mut().zip(h).for_each(|(theta, h)| *theta = table.draw(*h, &mut rng));
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

/// Cumulative functions of `G_h` on a θ grid, for equally spaced h; between two of them the law is their mixture.
#[derive(Debug, Clone)]
pub(super) struct Table {
    grid: GibbsGrid,
    h_low: f64,
    h_width: f64,
    /// `cells + 1` values a slice.
    cumulative: Vec<f64>,
    /// `F̄` of each slice.
    effective: Vec<f64>,
    /// Largest difference of its cumulative functions from those of a table with twice the cells and slices.
    pub error: f64,
    /// The same for `F̄`.
    pub effective_error: f64,
    /// If much mass lies at the ends of the θ grid.
    pub warning: Option<Warning>,
}

/// Mass in the outermost cells from which the table warns.
const WALL: f64 = 1e-9;

impl Table {
    fn new(problem: &Population, domain: &Domain, grid: GibbsGrid) -> Result<Self> {
        let mut table = Self::tabulate(problem, domain, grid)?;
        let finer = GibbsGrid { cells: 2 * grid.cells, slices: 2 * grid.slices, ..grid };
        let fine = Self::tabulate(problem, domain, finer)?;
        let (mut error, mut effective_error) = (0.0_f64, 0.0_f64);
        for slice in 0..=finer.slices {
            let (a, b) = (table.slice(slice / 2), table.slice(slice.div_ceil(2)));
            let exact = fine.slice(slice);
            for (k, exact) in exact.iter().enumerate() {
                let here = 0.25 * (a[k / 2] + a[k.div_ceil(2)] + b[k / 2] + b[k.div_ceil(2)]);
                error = error.max((here - exact).abs());
            }
            let here = 0.5 * (table.effective[slice / 2] + table.effective[slice.div_ceil(2)]);
            effective_error = effective_error.max((here - fine.effective[slice]).abs());
        }
        (table.error, table.effective_error) = (error, effective_error);
        Ok(table)
    }

    fn slice(&self, slice: usize) -> &[f64] {
        &self.cumulative[slice * (self.grid.cells + 1)..][..self.grid.cells + 1]
    }

    fn tabulate(problem: &Population, domain: &Domain, grid: GibbsGrid) -> Result<Self> {
        let GibbsGrid { low, high, cells, slices } = grid;
        let (width, h_width) = ((high - low) / cells as f64, (domain.high - domain.low) / slices as f64);
        let mut cumulative = Vec::with_capacity((slices + 1) * (cells + 1));
        let mut effective = Vec::with_capacity(slices + 1);
        let (mut potential, mut wall) = (vec![0.0; cells], 0.0_f64);
        for slice in 0..=slices {
            let h = [domain.low + slice as f64 * h_width];
            let scale =
                problem.mobility.positive_at("mobility", &h)? / problem.diffusion.positive_at("diffusion", &h)?;
            let checked = |quantity, value: f64, theta: f64| {
                let error = || Error::NonFinite { quantity, value, theta: vec![theta], h: h.to_vec(), time: 0.0 };
                if value.is_finite() { Ok(value) } else { Err(error()) }
            };
            for (k, potential) in potential.iter_mut().enumerate() {
                let theta = low + (k as f64 + 0.5) * width;
                *potential = checked("loss", scale * problem.loss.value(&[theta], &h), theta)?;
            }
            let lowest = potential.iter().copied().fold(f64::INFINITY, f64::min);
            let start = cumulative.len();
            let (mut sum, mut fitness) = (0.0, 0.0);
            cumulative.push(0.0);
            for (k, potential) in potential.iter().enumerate() {
                let theta = low + (k as f64 + 0.5) * width;
                // Of this crate's own making, so that the bits of draws do not depend on the system.
                let mass = libm::exp(lowest - potential);
                sum += mass;
                cumulative.push(sum);
                if mass > 0.0 {
                    fitness += mass * checked("fitness", problem.fitness.value(&[theta], &h), theta)?;
                }
            }
            cumulative[start..].iter_mut().for_each(|c| *c /= sum);
            wall = wall.max(cumulative[start + 1] + (1.0 - cumulative[start + cells - 1]));
            effective.push(fitness / sum);
        }
        let warning = (wall > WALL).then_some(Warning::MassAtWall { mass: wall, time: 0.0, allowed: WALL });
        Ok(Self { grid, h_low: domain.low, h_width, cumulative, effective, error: 0.0, effective_error: 0.0, warning })
    }

    /// The slice below `h` and the weight of the one above.
    fn place(&self, h: f64) -> (usize, f64) {
        let place = ((h - self.h_low) / self.h_width).clamp(0.0, self.grid.slices as f64);
        let slice = (place as usize).min(self.grid.slices - 1);
        (slice, place - slice as f64)
    }

    fn draw<R: Rng + ?Sized>(&self, h: f64, rng: &mut R) -> f64 {
        let (slice, upper) = self.place(h);
        let cumulative = self.slice(slice + usize::from(uniform(rng) < upper));
        let u = uniform(rng);
        let cell = cumulative.partition_point(|c| *c <= u).clamp(1, self.grid.cells) - 1;
        let part = (u - cumulative[cell]) / (cumulative[cell + 1] - cumulative[cell]);
        self.grid.low + (self.grid.high - self.grid.low) / self.grid.cells as f64 * (cell as f64 + part)
    }

    fn effective_fitness(&self, h: f64) -> f64 {
        let (slice, upper) = self.place(h);
        self.effective[slice] + upper * (self.effective[slice + 1] - self.effective[slice])
    }
}
