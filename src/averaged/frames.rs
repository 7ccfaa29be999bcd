//! What the averaged equation shows: density, moments, diagnostics.

use std::sync::Arc;

use super::gain::Gain;
use super::solver::{Averaged, Dynamics};
use crate::error::Result;
use crate::frame::{Coordinate, Field, Frame};
use crate::grid::{AxisMoments, covariances, diagnostics, moment};

impl Averaged {
    /// `d⟨h⟩/dt`, one number a hyperparameter, by the equation of Price (1970, *Nature* 227), without the terms of a biased
    /// mutation or of the ends: `κ Cov(w̄, h)/⟨w̄⟩` (Poisson clock), `Cov(w̄, h)/⟨w̄⟩` an event (periodic clock),
    /// `β Cov(F̄, h)` (replicator). `None` for rules on ranks, published donors and staggered clocks.
    ///
    /// # Errors
    /// Those of weights that change in time.
    pub fn price_rate(&self) -> Result<Option<Vec<f64>>> {
        let component = |mass: &[f64], weights: &[f64], k: usize, places: Option<&[usize]>| {
            let h: Vec<f64> = match places {
                Some(places) => places.iter().map(|&place| self.grid.point(place)[k]).collect(),
                None => self.grid.iter().map(|point| point[k]).collect(),
            };
            covariance(mass, weights, &h)
        };
        let dimension = 0..self.grid.dimension();
        let (factor, gain) = match &self.dynamics {
            Dynamics::Still => return Ok(Some(vec![0.0; self.grid.dimension()])),
            Dynamics::Replicator(operator) => {
                let cells = self.coordinates.on_cells(&self.mass);
                let places = Some(self.cells());
                return Ok(Some(dimension.map(|k| component(&cells, &operator.growth, k, places)).collect()));
            }
            Dynamics::Jump { rate, gain } => (*rate, gain),
            Dynamics::Generations { gain, .. } => (1.0, gain),
            Dynamics::Published { .. } | Dynamics::Staggered(_) => return Ok(None),
        };
        let mut scratch = (None, Vec::new());
        let Some(weights) = gain.weights(&mut scratch, self.time)? else { return Ok(None) };
        let mean: f64 = self.mass.iter().zip(weights).map(|(m, w)| m * w).sum();
        Ok(Some(dimension.map(|k| factor * component(&self.mass, weights, k, None) / mean).collect()))
    }

    /// `⟨w̄⟩²/⟨w̄²⟩` under the donors; 1 where there are no weights.
    fn effective_sample_size(&self) -> Result<f64> {
        let (gain, donors): (&Gain, &[f64]) = match &self.dynamics {
            Dynamics::Still | Dynamics::Replicator(_) => return Ok(1.0),
            Dynamics::Jump { gain, .. } | Dynamics::Generations { gain, .. } => (gain, &self.mass),
            Dynamics::Published { gain, pool, .. } => (gain, pool),
            Dynamics::Staggered(march) => (&march.0.gain, march.1.as_ref().unwrap_or(&self.mass)),
        };
        let mut scratch = (None, Vec::new());
        let Some(weights) = gain.weights(&mut scratch, self.time)? else { return Ok(1.0) };
        let (mut mean, mut square) = (0.0, 0.0);
        for (m, w) in donors.iter().zip(weights) {
            (mean, square) = (mean + m * w, square + m * w * w);
        }
        Ok(if square > 0.0 { (mean * mean / square).min(1.0) } else { 0.0 })
    }

    /// The present state.
    pub(super) fn frame(&self) -> Result<Frame<'static>> {
        let Self { mass, grid, coordinates, .. } = self;
        let mut fields = coordinates.marginal("density", grid, mass);
        if let Some(pool) = self.published() {
            let axes: Vec<&Arc<Coordinate>> = coordinates.cells.iter().collect();
            let density: Vec<f64> = coordinates.density(pool).collect();
            fields.push(Field::array("density", "published", "density of the published states", &axes, density));
        }
        let total: f64 = mass.iter().sum();
        let axes: Vec<_> =
            grid.axes.iter().enumerate().map(|(k, axis)| (grid.marginal(mass, k), &axis.points[..])).collect();
        let means = axes.iter().map(|(m, h)| m.iter().zip(*h).map(|(m, h)| m * h).sum()).collect();
        let variances = axes.iter().map(|(m, h)| covariance(m, h, h)).collect();
        let of_h = AxisMoments { means, variances };
        let minimum = mass.iter().copied().fold(f64::INFINITY, f64::min);
        // An empty place of fitness −∞ adds nothing.
        let fitness = mass.iter().zip(&self.effective.fitness).filter(|(m, _)| **m > 0.0).map(|(m, f)| m * f).sum();
        let [h_1, h_2] = &coordinates.components;
        let scalar = |name, description, value| Field::scalar("moments", name, description, value);
        let cov = (grid.dimension() > 1).then(|| covariances(mass, grid.iter(), &of_h, total));
        fields.push(scalar("mass", "total mass", total));
        fields.push(moment("mean_h", "mean of h", &[h_1], of_h.means));
        fields.push(moment("var_h", "variance of h", &[h_1], of_h.variances));
        fields.extend(cov.map(|cov| moment("cov_h", "covariance of the hyperparameters", &[h_1, h_2], cov)));
        fields.push(scalar("mean_fitness", "mean of the effective fitness", fitness));
        fields.push(scalar("minimum", "smallest mass of a place", minimum));
        if let Some(rate) = self.price_rate()? {
            let description = "rate of change of the mean of h by selection (Price's equation)";
            fields.push(moment("price_rate", description, &[h_1], rate));
        }
        fields.extend(diagnostics(grid, coordinates, mass, self.effective_sample_size()?));
        if let Some((wells, gibbs)) = &self.wells {
            let cells = gibbs.len() / grid.len();
            let mut by_theta = vec![0.0; cells];
            for (row, m) in gibbs.chunks_exact(cells).zip(mass) {
                by_theta.iter_mut().zip(row).for_each(|(sum, g)| *sum += m * g);
            }
            fields.push(wells.field(&by_theta));
        }
        Ok(Frame { time: self.time, fields })
    }

    /// What does not change in time.
    pub(super) fn constant_fields(&self) -> Vec<Field<'_>> {
        let axes: Vec<&Arc<Coordinate>> = self.coordinates.cells.iter().collect();
        let on = |name, description, values: &[f64]| {
            Field::array("density", name, description, &axes, self.coordinates.on_cells(values))
        };
        let mut fields = vec![on("effective_fitness", "F under the Gibbs law of θ given h", &self.effective.fitness)];
        if let (Some(logs), Ok((weights, _))) = (&self.effective.log_weight, self.effective.scaled_weights()) {
            fields.push(on("effective_weight", "effective weight over its maximum", &weights));
            fields.push(on("log_effective_weight", "logarithm of the effective weight", logs));
            fields.push(on("log_effective_weight_error", "its estimated error", &self.effective.log_weight_error));
        }
        fields.push(on("effective_fitness_error", "its estimated error", &self.effective.fitness_error));
        fields
    }
}

/// Covariance under masses, from centred values.
fn covariance(mass: &[f64], a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| mass.iter().zip(x).map(|(m, x)| m * x).sum::<f64>();
    let (mean_a, mean_b) = (mean(a), mean(b));
    mass.iter().zip(a).zip(b).map(|((m, a), b)| m * (a - mean_a) * (b - mean_b)).sum()
}
