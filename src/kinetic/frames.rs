//! What the joint equation shows: density, marginals, moments.

use std::sync::Arc;

use super::Kinetic;
use super::gain::finite;
use crate::error::Result;
use crate::frame::{Coordinate, Field, Frame};
use crate::grid::{Axis, HyperGrid, Potential, ThetaGrid};
use crate::numerics::sum::{dot, sum};

/// The axes of the frames.
#[derive(Debug, Clone)]
pub(super) struct Coordinates {
    theta: Vec<Arc<Coordinate>>,
    h: Arc<Coordinate>,
    end: Arc<Coordinate>,
}

impl Coordinates {
    pub fn new(theta: &ThetaGrid, h: &HyperGrid) -> Self {
        let axis = |name, description, axis: &Axis| {
            Arc::new(Coordinate { name, description, values: axis.centres.clone(), bounds: Some(axis.bounds()) })
        };
        let ends = vec![h.domain.low, h.domain.high];
        let end = Coordinate { name: "end", description: "end of the domain of h", values: ends, bounds: None };
        let names = if theta.dimension() == 1 { ["theta", ""] } else { ["theta_1", "theta_2"] };
        let theta = theta.axes().iter().zip(names).map(|(a, name)| axis(name, "parameter", a)).collect();
        Self { theta, h: axis("h", "hyperparameter", &h.axis), end: Arc::new(end) }
    }
}

/// The present state.
pub(super) fn frame(kinetic: &Kinetic) -> Result<Frame<'static>> {
    let (theta, h) = (&kinetic.theta, &kinetic.h);
    let (d_theta, d_h) = (theta.volume(), h.axis.width());
    let Coordinates { theta: axis_theta, h: axis_h, end } = &kinetic.coordinates;
    let axes = |last| axis_theta.iter().chain([last]).collect::<Vec<_>>();
    let rho = kinetic.marginal_h();
    let marginal_theta: Vec<f64> = kinetic.marginal_theta().iter().map(|m| m / d_theta).collect();
    let mut density = Vec::with_capacity(theta.len() * h.axis.len());
    for row in kinetic.masses().chunks_exact(h.len()) {
        density.extend(row[h.cells()].iter().map(|m| m / (d_theta * d_h)));
    }
    let rho_density: Vec<f64> = rho[h.cells()].iter().map(|m| m / d_h).collect();
    let minimum = density.iter().copied().fold(f64::INFINITY, f64::min);
    let mut fields = vec![
        Field::array("density", "f", "joint density of parameter and hyperparameter", &axes(axis_h), density),
        Field::array("marginal_h", "rho", "density of the hyperparameter", &[axis_h], rho_density),
        Field::array(
            "marginal_theta",
            "rho",
            "density of the parameter",
            &axis_theta.iter().collect::<Vec<_>>(),
            marginal_theta,
        ),
    ];
    if h.first_cell() > 0 {
        let last = h.len() - 1;
        let atoms: Vec<f64> =
            kinetic.masses().chunks_exact(h.len()).flat_map(|row| [row[0] / d_theta, row[last] / d_theta]).collect();
        let name = "mass clipped to the ends of the domain, per unit of theta";
        fields.push(Field::array("density", "f_atom", name, &axes(end), atoms));
        let atoms = vec![rho[0], rho[last]];
        fields.push(Field::array("marginal_h", "rho_atom", "mass clipped to the ends of the domain", &[end], atoms));
    }
    for (name, description, value) in moments(kinetic, &rho, minimum)? {
        fields.push(Field::scalar("moments", name, description, value));
    }
    Ok(Frame { time: kinetic.stepper.time() + kinetic.origin, fields })
}

type Moment = (&'static str, &'static str, f64);

fn moments(kinetic: &Kinetic, rho: &[f64], minimum: f64) -> Result<[Moment; 10]> {
    let Kinetic { problem, theta, h, .. } = kinetic;
    let masses = kinetic.masses();
    let by_theta = kinetic.marginal_theta();
    let mass = sum(masses);
    let mean_h = dot(rho, &h.points) / mass;
    let centres: Vec<f64> = theta.iter().map(|t| t[0]).collect();
    let mean_theta = dot(&by_theta, &centres) / mass;
    let spread = |masses: &[f64], points: &[f64], mean: f64| -> f64 {
        masses.iter().zip(points).map(|(m, x)| m * (x - mean) * (x - mean)).sum::<f64>() / mass
    };
    let covariance = masses
        .chunks_exact(h.len())
        .zip(&centres)
        .map(|(row, t)| row.iter().zip(&h.points).map(|(m, h)| m * (h - mean_h)).sum::<f64>() * (t - mean_theta));
    // Summed row by row: whole arrays of them would be the largest use of memory of a run.
    let mean = |quantity, function: &dyn Fn(&[f64], f64) -> f64| -> Result<f64> {
        let mut total = 0.0;
        for (row, t) in masses.chunks_exact(h.len()).zip(theta.iter()) {
            for (mass, &point) in row.iter().zip(&h.points) {
                total += mass * finite(quantity, function(t, point), t, point)?;
            }
        }
        Ok(total / mass)
    };
    let mean_fitness = mean("fitness", &|t, h| problem.fitness.value(t, &[h]))?;
    let mean_loss = mean("loss", &|t, h| problem.loss.value(t, &[h]))?;
    Ok([
        ("mass", "total mass", mass),
        ("mean_h", "mean of the hyperparameter", mean_h),
        ("var_h", "variance of the hyperparameter", spread(rho, &h.points, mean_h)),
        ("mean_theta", "mean of the parameter", mean_theta),
        ("var_theta", "variance of the parameter", spread(&by_theta, &centres, mean_theta)),
        ("cov_theta_h", "covariance of parameter and hyperparameter", covariance.sum::<f64>() / mass),
        ("mean_fitness", "mean fitness", mean_fitness),
        ("mean_loss", "mean loss", mean_loss),
        ("free_energy", "integral of f log(f/G), G the Gibbs density given h", free_energy(kinetic)?),
        ("minimum", "smallest value of the density", minimum),
    ])
}

/// `∫∫ f log(f/G_h)`, from differences of potentials so that a Gibbs density that underflows does no harm.
fn free_energy(kinetic: &Kinetic) -> Result<f64> {
    let (theta, h, masses) = (&kinetic.theta, &kinetic.h, kinetic.masses());
    let mut total = 0.0;
    for (place, &point) in h.points.iter().enumerate() {
        let potential = Potential::new(&kinetic.problem, theta, point)?.values;
        let lowest = potential.iter().copied().fold(f64::INFINITY, f64::min);
        let log_sum = potential.iter().map(|v| (lowest - v).exp()).sum::<f64>().ln();
        let (low, high) = h.faces(place);
        let log_width = if high > low { (high - low).ln() } else { 0.0 };
        for (cell, potential) in potential.iter().enumerate() {
            let mass = masses[cell * h.len() + place];
            if mass > 0.0 {
                total += mass * (mass.ln() - log_width + (potential - lowest) + log_sum);
            }
        }
    }
    Ok(total)
}
