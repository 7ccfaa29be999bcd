//! What the joint equation shows: density, marginals, moments, diagnostics.

use std::sync::Arc;

use super::Kinetic;
use crate::error::Result;
use crate::frame::{Coordinate, Field, Frame};
use crate::grid::{
    AxisMoments, HyperCoordinates, HyperGrid, Potential, ThetaCoordinates, ThetaGrid, covariances, diagnostics, finite,
    moment,
};
use crate::numerics::sum::sum;

/// The axes of the frames.
#[derive(Debug, Clone)]
pub(super) struct Coordinates {
    theta: ThetaCoordinates,
    h: HyperCoordinates,
}

impl Coordinates {
    pub fn new(theta: &ThetaGrid, h: &HyperGrid) -> Self {
        Self { theta: ThetaCoordinates::new(theta), h: HyperCoordinates::new(h) }
    }
}

/// The present state; `effective_sample_size` is that of selection.
pub(super) fn frame(kinetic: &Kinetic, effective_sample_size: f64) -> Result<Frame<'static>> {
    let Kinetic { theta, h, coordinates, .. } = kinetic;
    let d_theta = theta.volume();
    let rho = kinetic.marginal_h();
    let by_theta = kinetic.marginal_theta();
    let axes_theta: Vec<&Arc<Coordinate>> = coordinates.theta.cells.iter().collect();
    let with_theta = |axes: &[Arc<Coordinate>]| coordinates.theta.cells.iter().chain(axes).cloned().collect::<Vec<_>>();
    let volumes: Vec<f64> =
        coordinates.h.cell_places.iter().map(|&place| d_theta * coordinates.h.volumes[place]).collect();
    let mut density = Vec::with_capacity(theta.len() * volumes.len());
    for row in kinetic.masses().chunks_exact(h.len()) {
        density.extend(coordinates.h.cell_places.iter().zip(&volumes).map(|(&place, volume)| row[place] / volume));
    }
    let minimum = density.iter().copied().fold(f64::INFINITY, f64::min);
    let all_axes = with_theta(&coordinates.h.cells);
    let joint = "joint density of parameter and hyperparameter";
    let mut fields = vec![Field::array("density", "f", joint, &all_axes.iter().collect::<Vec<_>>(), density)];
    if let Some(atoms) = coordinates.h.atoms("density", h, &rho) {
        let values: Vec<f64> = match h.dimension() {
            1 => kinetic
                .masses()
                .chunks_exact(h.len())
                .flat_map(|row| [row[0], row[h.len() - 1]])
                .map(|m| m / d_theta)
                .collect(),
            _ => kinetic.masses().iter().map(|m| m / d_theta).collect(),
        };
        let (name, what) = match h.dimension() {
            1 => ("f_atom", "mass clipped to the ends of the domain, per unit of theta"),
            _ => ("mass", "mass of each cell, and of what is clipped to ends, per unit of theta"),
        };
        let axes = with_theta(&atoms.axes);
        fields.push(Field::array("density", name, what, &axes.iter().collect::<Vec<_>>(), values));
    }
    fields.extend(coordinates.h.marginal("marginal_h", h, &rho));
    let of_theta: Vec<f64> = by_theta.iter().map(|m| m / d_theta).collect();
    fields.push(Field::array("marginal_theta", "rho", "density of the parameter", &axes_theta, of_theta));
    moments(kinetic, &rho, &by_theta, minimum, &mut fields)?;
    fields.extend(diagnostics(h, &coordinates.h, &rho, effective_sample_size));
    fields.extend(kinetic.wells.as_ref().map(|wells| wells.field(&by_theta)));
    Ok(Frame { time: kinetic.stepper.time() + kinetic.origin, fields })
}

fn moments(
    kinetic: &Kinetic,
    rho: &[f64],
    by_theta: &[f64],
    minimum: f64,
    fields: &mut Vec<Field<'static>>,
) -> Result<()> {
    let Kinetic { problem, theta, h, coordinates, .. } = kinetic;
    let masses = kinetic.masses();
    let mass = sum(masses);
    let axes_h: Vec<_> = h.axes.iter().enumerate().map(|(k, axis)| (h.marginal(rho, k), &axis.points[..])).collect();
    let axes_theta: Vec<_> =
        theta.axes().iter().enumerate().map(|(k, axis)| (theta.marginal(by_theta, k), &axis.centres[..])).collect();
    let (of_h, of_theta) = (AxisMoments::new(&axes_h, mass), AxisMoments::new(&axes_theta, mass));
    let mut cross = vec![0.0; theta.dimension() * h.dimension()];
    for (row, t) in masses.chunks_exact(h.len()).zip(theta.iter()) {
        for (j, mean_h) in of_h.means.iter().enumerate() {
            let first: f64 = row.iter().zip(h.iter()).map(|(m, point)| m * (point[j] - mean_h)).sum();
            for (i, mean_theta) in of_theta.means.iter().enumerate() {
                cross[i * h.dimension() + j] += first * (t[i] - mean_theta);
            }
        }
    }
    cross.iter_mut().for_each(|c| *c /= mass);
    // Summed row by row: whole arrays of them would be the largest use of memory of a run.
    let mean = |quantity, function: &dyn Fn(&[f64], &[f64]) -> f64| -> Result<f64> {
        let mut total = 0.0;
        for (row, t) in masses.chunks_exact(h.len()).zip(theta.iter()) {
            for (mass, point) in row.iter().zip(h.iter()) {
                total += mass * finite(quantity, function(t, point), t, point)?;
            }
        }
        Ok(total / mass)
    };
    let [theta_1, theta_2] = &coordinates.theta.components;
    let [h_1, h_2] = &coordinates.h.components;
    let scalar = |name, description, value| Field::scalar("moments", name, description, value);
    let cov_h = (h.dimension() > 1).then(|| covariances(rho, h.iter(), &of_h, mass));
    let cov_theta = (theta.dimension() > 1).then(|| covariances(by_theta, theta.iter(), &of_theta, mass));
    fields.push(scalar("mass", "total mass", mass));
    fields.push(moment("mean_h", "mean of the hyperparameter", &[h_1], of_h.means));
    fields.push(moment("var_h", "variance of the hyperparameter", &[h_1], of_h.variances));
    fields.extend(cov_h.map(|cov| moment("cov_h", "covariance of the hyperparameters", &[h_1, h_2], cov)));
    fields.push(moment("mean_theta", "mean of the parameter", &[theta_1], of_theta.means));
    fields.push(moment("var_theta", "variance of the parameter", &[theta_1], of_theta.variances));
    fields.extend(cov_theta.map(|cov| moment("cov_theta", "covariance of the parameters", &[theta_1, theta_2], cov)));
    fields.push(moment("cov_theta_h", "covariance of parameter and hyperparameter", &[theta_1, h_1], cross));
    fields.push(scalar("mean_fitness", "mean fitness", mean("fitness", &|t, h| problem.fitness.value(t, h))?));
    fields.push(scalar("mean_loss", "mean loss", mean("loss", &|t, h| problem.loss.value(t, h))?));
    fields.push(scalar("free_energy", "integral of f log(f/G), G the Gibbs density given h", free_energy(kinetic)?));
    fields.push(scalar("minimum", "smallest value of the density", minimum));
    Ok(())
}

/// `∫∫ f log(f/G_h)`, from differences of potentials so that a Gibbs density that underflows does no harm.
fn free_energy(kinetic: &Kinetic) -> Result<f64> {
    let (theta, h, masses) = (&kinetic.theta, &kinetic.h, kinetic.masses());
    let log_widths: Vec<Vec<f64>> = h
        .axes
        .iter()
        .map(|axis| {
            let mut logs = vec![0.0; axis.len()];
            for (log, [low, high]) in logs[axis.cells()].iter_mut().zip(axis.h_bounds()) {
                *log = (high - low).ln();
            }
            logs
        })
        .collect();
    let mut total = 0.0;
    for (place, point) in h.iter().enumerate() {
        let potential = Potential::new(&kinetic.problem, theta, point)?.values;
        let lowest = potential.iter().copied().fold(f64::INFINITY, f64::min);
        let log_sum = potential.iter().map(|v| (lowest - v).exp()).sum::<f64>().ln();
        let log_width: f64 = log_widths.iter().enumerate().map(|(k, logs)| logs[h.index(place, k)]).sum();
        for (cell, potential) in potential.iter().enumerate() {
            let mass = masses[cell * h.len() + place];
            if mass > 0.0 {
                total += mass * (mass.ln() - log_width + (potential - lowest) + log_sum);
            }
        }
    }
    Ok(total)
}
