//! `[grid]`: axes as numbers, so that their size is known before anything is made of them.

use super::laws::each;
use super::reader::{FINITE, Item, Read, Table};
use crate::error::Result;
use crate::grid::{Axis, ThetaGrid};
use crate::problem::Domain;

/// The most cells of an axis.
const MOST: usize = u32::MAX as usize;

/// Equal cells on `[low, high]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cells {
    pub low: f64,
    pub high: f64,
    pub cells: usize,
}

impl Cells {
    pub fn axis(self, key: &str) -> Result<Axis> {
        Axis::uniform(key, self.low, self.high, self.cells)
    }

    pub fn finer(self, factor: usize) -> Self {
        Self { cells: self.cells.saturating_mul(factor), ..self }
    }
}

/// The cells of θ.
pub(super) fn theta_grid(cells: &[Cells]) -> Result<ThetaGrid> {
    let axes: Vec<Axis> = cells.iter().map(|cells| cells.axis("theta")).collect::<Result<_>>()?;
    Ok(axes.into())
}

/// Cells in all.
pub(super) fn product(cells: impl IntoIterator<Item = usize>) -> u64 {
    cells.into_iter().fold(1, |product: u64, cells| product.saturating_mul(cells as u64))
}

/// An axis with low, high and cells.
pub(super) fn cells(item: &Item<'_>) -> Read<Cells> {
    let table = item.table("a table, as { low = -3.0, high = 3.0, cells = 256 }")?;
    let (low, high) = (table.number("low", FINITE)?, table.number("high", FINITE)?);
    if !(high > low) {
        return Err(table.need("high", "")?.expected("a number above low"));
    }
    let cells = table.count("cells", 1..=MOST)?;
    table.finish()?;
    Ok(Cells { low, high, cells })
}

/// `grid.theta`.
pub(super) fn theta(grid: &Table<'_>, dim_theta: usize) -> Read<Vec<Cells>> {
    let item = grid.need("theta", "{ low = …, high = …, cells = … }")?;
    if dim_theta > 2 {
        return Err(item
            .error(format!("grids hold one or two parameters, and the loss has {dim_theta}"))
            .detail("expected kind = \"agents\" for more"));
    }
    each(&item, dim_theta, "parameter", cells)
}

/// `grid.h`, which spans the domain.
pub(super) fn h(grid: &Table<'_>, domains: &[Domain]) -> Read<Vec<usize>> {
    let item = grid.need("h", "{ cells = … }")?;
    if domains.len() > 2 {
        return Err(item
            .error(format!("grids hold one or two hyperparameters, and the problem has {}", domains.len()))
            .detail("expected kind = \"agents\" for more"));
    }
    let items = each(&item, domains.len(), "hyperparameter", |item| Ok(item.clone()))?;
    items
        .iter()
        .zip(domains)
        .map(|(item, domain)| {
            let table = item.table("a table, as { cells = 240 }")?;
            for (key, end) in [("low", domain.low), ("high", domain.high)] {
                let given = table.get(key);
                if let Some(given) = given
                    && given.number(FINITE)? != end
                {
                    return Err(given.expected(&format!("{end}, the end of the domain problem.h, or nothing")));
                }
            }
            let cells = table.count("cells", 1..=MOST)?;
            table.finish()?;
            Ok(cells)
        })
        .collect()
}
