//! `kind = "averaged"`, and what it shares with `kind = "kinetic"`.

use std::sync::Arc;

use super::case::Extras;
use super::formulas;
use super::grids::{self, Cells};
use super::losses;
use super::population::{Need, population};
use super::reader::{Item, Range, Read, Table};
use super::time::{self, Precision, Times};
use crate::averaged::{Averaged, Settings, Weight};
use crate::error::Result;
use crate::grid::HyperGrid;
use crate::problem::{Population, Regions};

/// The averaged equation and how to solve it.
#[derive(Debug, Clone)]
pub(super) struct AveragedCase {
    pub problem: Population,
    /// Empty where the weight needs none.
    pub theta: Vec<Cells>,
    pub h: Vec<usize>,
    pub weight: Weighting,
    pub tolerance: f64,
    pub regions: Option<Regions>,
}

/// How the effective weight comes about.
#[derive(Debug, Clone)]
pub(super) enum Weighting {
    Quadrature,
    ClosedForm,
    GaussHermite(usize),
    Population { particles: usize, seed: u64 },
    Given(Weight),
}

/// Reads the whole file but `kind`.
pub(super) fn averaged(root: &Table<'_>, extras: &mut Extras) -> Read<(AveragedCase, Times)> {
    let table = root.need("problem", "the problem")?.table("a table")?;
    let given = table.get("weight").filter(Item::is_table).and_then(|item| item.table("").ok());
    let given = given.is_some_and(|weight| weight.has("formula") || weight.has("log_formula"));
    let (problem, mut regions) = population(&table, if given { Need::WeightGiven } else { Need::Averaged })?;
    let weight = table.get("weight").map_or(Ok(Weighting::Quadrature), |item| weighting(&item, problem.h.len()))?;
    table.finish()?;
    let grid = root.need("grid", "a table with the cells of h")?.table("a table")?;
    let needs_theta = matches!(weight, Weighting::Quadrature);
    let theta = if needs_theta || grid.has("theta") { grids::theta(&grid, problem.loss.dimension())? } else { vec![] };
    let h = grids::h(&grid, &problem.h)?;
    grid.finish()?;
    let tolerance = Some(Range { text: "a number from 1e-13 to 0.1", holds: |x| (1e-13..=0.1).contains(&x) });
    let times = time::times(root, Precision { tolerance, step: false, mesh: false })?;
    extras.stationary = true;
    record_of_density(root, problem.loss.dimension(), &mut regions, &mut extras.stationary)?;
    let tolerance = times.tolerance.unwrap_or(1e-8);
    Ok((AveragedCase { problem, theta, h, weight, tolerance, regions }, times))
}

fn weighting(item: &Item<'_>, dim_h: usize) -> Read<Weighting> {
    if item.as_text().is_some() {
        let gauss = Weighting::GaussHermite(64);
        let names =
            [("quadrature", Weighting::Quadrature), ("closed-form", Weighting::ClosedForm), ("gauss-hermite", gauss)];
        return item.choice(&names);
    }
    let table = item.table(
        "\"quadrature\", \"closed-form\", { population = 10000 }, { gauss-hermite = 64 } or { formula = \"…\" }",
    )?;
    let one = table.one_of(&["population", "gauss-hermite", "formula", "log_formula"])?;
    let weight = match one.path.rsplit('.').next() {
        Some("population") => Weighting::Population { particles: one.count(2..=1 << 30)?, seed: table.seed_or(1)? },
        Some("gauss-hermite") => {
            let points = if one.is_table() {
                let inner = one.table("")?;
                let points = inner.count("points", 2..=128)?;
                inner.finish()?;
                points
            } else {
                one.count(2..=128)?
            };
            Weighting::GaussHermite(points)
        }
        Some("formula") => {
            Weighting::Given(formulas::read(&one, "a formula in h", |text| Weight::formula(text, dim_h))?)
        }
        _ => {
            let formula = formulas::of_h(&one, dim_h)?;
            Weighting::Given(Weight::Formula(Arc::new(move |h| formula.value(h))))
        }
    };
    table.finish()?;
    Ok(weight)
}

/// `[record]` of the mean-field equations of populations.
pub(super) fn record_of_density(
    root: &Table<'_>,
    dim_theta: usize,
    regions: &mut Option<Regions>,
    stationary: &mut bool,
) -> Read<()> {
    let Some(record) = root.table("record")? else { return Ok(()) };
    if let Some(item) = record.get("regions") {
        *regions = Some(losses::regions(&item, dim_theta)?);
    }
    *stationary = record.flag_or("stationary", *stationary)?;
    record.finish()
}

impl AveragedCase {
    /// The solver, after its memory was checked.
    pub fn solver(&self) -> Result<Averaged> {
        let problem = self.problem.clone();
        let theta = || grids::theta_grid(&self.theta);
        let weight = match &self.weight {
            Weighting::Quadrature => Weight::Quadrature { theta: theta()? },
            Weighting::ClosedForm => Weight::ClosedForm,
            Weighting::GaussHermite(points) => Weight::GaussHermite { points: *points },
            Weighting::Population { particles, seed } => {
                let theta = if self.theta.is_empty() { None } else { Some(theta()?) };
                Weight::Population { particles: *particles, seed: *seed, theta }
            }
            Weighting::Given(weight) => weight.clone(),
        };
        let grid = HyperGrid::new(&problem.h, self.h.clone())?;
        let solver = Averaged::new(problem, grid, Settings { weight, tolerance: self.tolerance })?;
        match &self.regions {
            Some(regions) => solver.with_regions(regions),
            None => Ok(solver),
        }
    }
}
