//! The Gibbs law in one or two dimensions as a table, with a measured error.

use rand::Rng;
use rayon::prelude::*;

use super::settings::GibbsGrid;
use crate::error::{Error, Result, Warning, require};
use crate::numerics::normal::uniform;
use crate::problem::{Domain, Population};

/// `G_h ∝ exp(−μL/D)` as masses of equal cells of a θ box, for h equally spaced in the coordinate of its scale. Inside a cell
/// the law is uniform; between two slices it is their mixture.
#[derive(Debug, Clone)]
pub(super) struct Table {
    grid: GibbsGrid,
    dimension: usize,
    domain: Domain,
    slices: Vec<Slice>,
    /// Largest difference of its cumulative functions from those of a table with twice the cells and slices.
    pub error: f64,
    /// The same for `F̄`.
    pub effective_error: f64,
    /// If much mass lies at the ends of the θ grid.
    pub warning: Option<Warning>,
}

/// The law at one h.
#[derive(Debug, Clone)]
struct Slice {
    /// Masses of the cells before each, row-major, and of all.
    cumulative: Vec<f64>,
    /// `F̄`.
    effective: f64,
    /// Mass of the outermost cells.
    wall: f64,
}

/// Mass in the outermost cells from which the table warns.
const WALL: f64 = 1e-9;

/// Numbers that a table may hold: 2 GB.
const MOST: f64 = (1_u64 << 28) as f64;

impl Table {
    /// Tabulates; `domain` is that of the one hyperparameter.
    pub fn new(problem: &Population, domain: Domain, grid: GibbsGrid) -> Result<Self> {
        let dimension = problem.loss.dimension();
        let numbers = (grid.cells as f64).powi(dimension as i32) * (grid.slices as f64 + 1.0);
        require(
            numbers <= MOST,
            "population.gibbs: cells^dθ (slices + 1)",
            numbers,
            "at most 2^28, which is 2 GB; take fewer cells or slices",
        )?;
        let slices: Vec<Result<Slice>> =
            (0..=grid.slices).into_par_iter().map(|slice| Slice::new(problem, domain, grid, slice)).collect();
        let slices = slices.into_iter().collect::<Result<Vec<_>>>()?;
        let wall = slices.iter().fold(0.0_f64, |wall, slice| wall.max(slice.wall));
        let warning = (wall > WALL).then_some(Warning::MassAtWall { mass: wall, time: 0.0, allowed: WALL });
        let mut table = Self { grid, dimension, domain, slices, error: 0.0, effective_error: 0.0, warning };
        let finer = GibbsGrid { cells: 2 * grid.cells, slices: 2 * grid.slices, ..grid };
        let errors: Vec<Result<(f64, f64)>> = (0..=finer.slices)
            .into_par_iter()
            .map(|slice| Ok(table.difference(slice, &Slice::new(problem, domain, finer, slice)?)))
            .collect();
        for errors in errors {
            let (error, effective_error) = errors?;
            table.error = table.error.max(error);
            table.effective_error = table.effective_error.max(effective_error);
        }
        Ok(table)
    }

    /// Largest difference of the cumulative function `P(θ_1 ≤ ·, θ_2 ≤ ·)` from that of a slice of the table with twice the
    /// cells and slices, and the difference of `F̄`.
    fn difference(&self, slice: usize, fine: &Slice) -> (f64, f64) {
        let (a, b) = (&self.slices[slice / 2], &self.slices[slice.div_ceil(2)]);
        let cells = self.grid.cells;
        let (rows, parts) = if self.dimension == 2 { (2 * cells, 4.0) } else { (1, 2.0) };
        let mass = |slice: &Slice, cell: usize| slice.cumulative[cell + 1] - slice.cumulative[cell];
        let (mut below, mut error) = (vec![0.0; 2 * cells], 0.0_f64);
        for row in 0..rows {
            let mut sum = 0.0;
            for (column, below) in below.iter_mut().enumerate() {
                let cell = row / 2 * cells + column / 2;
                sum += mass(fine, row * 2 * cells + column) - 0.5 / parts * (mass(a, cell) + mass(b, cell));
                *below += sum;
                error = error.max(below.abs());
            }
        }
        (error, (0.5 * (a.effective + b.effective) - fine.effective).abs())
    }

    /// The slice below `h` and the weight of the one above.
    fn place(&self, h: f64) -> (usize, f64) {
        let (low, high) = self.domain.coordinates();
        let width = (high - low) / self.grid.slices as f64;
        let place = ((self.domain.scale.coordinate(h) - low) / width).clamp(0.0, self.grid.slices as f64);
        let slice = (place as usize).min(self.grid.slices - 1);
        (slice, place - slice as f64)
    }

    /// Draws θ at `h`.
    pub fn draw<R: Rng + ?Sized>(&self, h: f64, rng: &mut R, theta: &mut [f64]) {
        let (slice, upper) = self.place(h);
        let cumulative = &self.slices[slice + usize::from(uniform(rng) < upper)].cumulative[..];
        let u = uniform(rng);
        let GibbsGrid { low, high, cells, .. } = self.grid;
        let cell = cumulative.partition_point(|c| *c <= u).clamp(1, cumulative.len() - 1) - 1;
        let part = (u - cumulative[cell]) / (cumulative[cell + 1] - cumulative[cell]);
        let at = |place: f64| low + (high - low) / cells as f64 * place;
        match theta {
            [x, y] => {
                *x = at((cell / cells) as f64 + uniform(rng));
                *y = at((cell % cells) as f64 + part);
            }
            _ => theta.iter_mut().for_each(|theta| *theta = at(cell as f64 + part)),
        }
    }

    /// `F̄(h)`.
    pub fn effective_fitness(&self, h: f64) -> f64 {
        let (slice, upper) = self.place(h);
        let (a, b) = (self.slices[slice].effective, self.slices[slice + 1].effective);
        a + upper * (b - a)
    }
}

impl Slice {
    fn new(problem: &Population, domain: Domain, grid: GibbsGrid, slice: usize) -> Result<Self> {
        let GibbsGrid { low, high, cells, slices } = grid;
        let dimension = problem.loss.dimension();
        let width = (high - low) / cells as f64;
        let (y_low, y_high) = domain.coordinates();
        let y_width = (y_high - y_low) / slices as f64;
        let h = [domain.scale.value(y_low + slice as f64 * y_width)];
        let scale = problem.mobility.positive_at("mobility", &h)? / problem.diffusion.positive_at("diffusion", &h)?;
        let at = |k: usize| low + (k as f64 + 0.5) * width;
        let point = |cell: usize| if dimension == 2 { [at(cell / cells), at(cell % cells)] } else { [at(cell), 0.0] };
        let checked = |quantity, value: f64, theta: &[f64]| {
            let error = || Error::NonFinite { quantity, value, theta: theta.to_vec(), h: h.to_vec(), time: 0.0 };
            if value.is_finite() { Ok(value) } else { Err(error()) }
        };
        let count = cells.pow(dimension as u32);
        // First the potentials, then in their place the cumulative masses.
        let mut cumulative = vec![0.0; count + 1];
        let mut lowest = f64::INFINITY;
        for (cell, potential) in cumulative[1..].iter_mut().enumerate() {
            let theta = &point(cell)[..dimension];
            *potential = checked("loss", scale * problem.loss.value(theta, &h), theta)?;
            lowest = lowest.min(*potential);
        }
        let on_wall = |cell: usize| {
            let edge = |k: usize| k == 0 || k + 1 == cells;
            edge(cell % cells) || (dimension == 2 && edge(cell / cells))
        };
        let (mut sum, mut fitness, mut wall) = (0.0, 0.0, 0.0);
        for (cell, potential) in cumulative[1..].iter_mut().enumerate() {
            // Of this crate's own making, so that the bits of draws do not depend on the system.
            let mass = libm::exp(lowest - *potential);
            sum += mass;
            *potential = sum;
            if on_wall(cell) {
                wall += mass;
            }
            if mass > 0.0 {
                let theta = &point(cell)[..dimension];
                fitness += mass * checked("fitness", problem.fitness.value(theta, &h), theta)?;
            }
        }
        cumulative.iter_mut().for_each(|c| *c /= sum);
        Ok(Self { cumulative, effective: fitness / sum, wall: wall / sum })
    }
}
