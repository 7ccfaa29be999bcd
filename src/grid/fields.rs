//! How grids show themselves in frames: coordinates, densities of h, moments with components, diagnostics.

use std::sync::Arc;

use super::axis::Axis;
use super::hyper::HyperGrid;
use super::theta::ThetaGrid;
use crate::frame::{Coordinate, Field};
use crate::problem::Regions;

fn plain(name: &'static str, description: &'static str, values: Vec<f64>) -> Arc<Coordinate> {
    Arc::new(Coordinate { name, description, values, bounds: None })
}

/// The coordinates of h.
#[derive(Debug, Clone)]
pub(crate) struct HyperCoordinates {
    /// `h`, or `h_1` and `h_2`: the cells.
    pub cells: Vec<Arc<Coordinate>>,
    /// The two ends, for atoms of one hyperparameter.
    pub end: Arc<Coordinate>,
    /// `place_1`, `place_2`: cells and atoms.
    pub places: Vec<Arc<Coordinate>>,
    /// `h_component`, `h_component_2`.
    pub components: [Arc<Coordinate>; 2],
    /// The places that are cells on all axes.
    pub cell_places: Vec<usize>,
    /// What masses are divided by to give densities.
    pub volumes: Vec<f64>,
}

impl HyperCoordinates {
    pub fn new(h: &HyperGrid) -> Self {
        let one = h.dimension() == 1;
        let names = if one { ["h", ""] } else { ["h_1", "h_2"] };
        let cells = h.axes.iter().zip(names).map(|(axis, name)| {
            let (values, bounds) = (axis.points[axis.cells()].to_vec(), Some(axis.h_bounds()));
            Arc::new(Coordinate { name, description: "hyperparameter", values, bounds })
        });
        let places = h.axes.iter().zip(["place_1", "place_2"]);
        let domain = h.axes[0].domain;
        let numbers: Vec<f64> = (1..=h.dimension()).map(|k| k as f64).collect();
        Self {
            cells: cells.collect(),
            end: plain("end", "end of the domain of h", vec![domain.low, domain.high]),
            places: places
                .map(|(axis, name)| plain(name, "cell or end of the domain of h", axis.points.clone()))
                .collect(),
            components: ["h_component", "h_component_2"]
                .map(|name| plain(name, "which hyperparameter", numbers.clone())),
            cell_places: h.cell_places(),
            volumes: h.volumes(),
        }
    }

    /// Masses of all places as a density on the cells.
    pub fn density(&self, masses: &[f64]) -> impl Iterator<Item = f64> {
        self.cell_places.iter().map(|&place| masses[place] / self.volumes[place])
    }

    /// Those values, one a place, that belong to cells.
    pub fn on_cells(&self, values: &[f64]) -> Vec<f64> {
        self.cell_places.iter().map(|&place| values[place]).collect()
    }

    /// The density of h, and where ends clip what has no density: `rho_atom` at the two ends of one hyperparameter, `mass` of
    /// all places of two.
    pub fn marginal(&self, group: &'static str, h: &HyperGrid, masses: &[f64]) -> Vec<Field<'static>> {
        let cells: Vec<&Arc<Coordinate>> = self.cells.iter().collect();
        let density: Vec<f64> = self.density(masses).collect();
        let mut fields = vec![Field::array(group, "rho", "density of the hyperparameter", &cells, density)];
        fields.extend(self.atoms(group, h, masses));
        fields
    }

    /// The second part of [`HyperCoordinates::marginal`].
    pub fn atoms(&self, group: &'static str, h: &HyperGrid, masses: &[f64]) -> Option<Field<'static>> {
        if !h.clips() {
            return None;
        }
        if h.dimension() == 1 {
            let atoms = vec![masses[0], masses[masses.len() - 1]];
            return Some(Field::array(
                group,
                "rho_atom",
                "mass clipped to the ends of the domain",
                &[&self.end],
                atoms,
            ));
        }
        let places: Vec<&Arc<Coordinate>> = self.places.iter().collect();
        Some(Field::array(group, "mass", "mass of each cell, and of what is clipped to ends", &places, masses.to_vec()))
    }
}

/// The coordinates of θ.
#[derive(Debug, Clone)]
pub(crate) struct ThetaCoordinates {
    /// `theta`, or `theta_1` and `theta_2`.
    pub cells: Vec<Arc<Coordinate>>,
    /// `theta_component`, `theta_component_2`.
    pub components: [Arc<Coordinate>; 2],
}

impl ThetaCoordinates {
    pub fn new(theta: &ThetaGrid) -> Self {
        let names = if theta.dimension() == 1 { ["theta", ""] } else { ["theta_1", "theta_2"] };
        let coordinate = |(axis, name): (&Axis, &'static str)| {
            let (values, bounds) = (axis.centres.clone(), Some(axis.bounds()));
            Arc::new(Coordinate { name, description: "parameter", values, bounds })
        };
        let numbers: Vec<f64> = (1..=theta.dimension()).map(|k| k as f64).collect();
        Self {
            cells: theta.axes().iter().zip(names).map(coordinate).collect(),
            components: ["theta_component", "theta_component_2"]
                .map(|name| plain(name, "which parameter", numbers.clone())),
        }
    }
}

/// Mean and variance along each axis, from the masses of its points.
pub(crate) struct AxisMoments {
    pub means: Vec<f64>,
    pub variances: Vec<f64>,
}

impl AxisMoments {
    pub fn new(axes: &[(Vec<f64>, &[f64])], mass: f64) -> Self {
        let mean = |(masses, points): &(Vec<f64>, &[f64])| crate::numerics::sum::dot(masses, points) / mass;
        let means: Vec<f64> = axes.iter().map(mean).collect();
        let variance = |((masses, points), mean): (&(Vec<f64>, &[f64]), &f64)| -> f64 {
            masses.iter().zip(*points).map(|(m, x)| m * (x - mean) * (x - mean)).sum::<f64>() / mass
        };
        let variances = axes.iter().zip(&means).map(variance).collect();
        Self { means, variances }
    }
}

/// A moment: a number where there is one component, else an array.
pub(crate) fn moment(
    name: &'static str,
    description: &'static str,
    axes: &[&Arc<Coordinate>],
    values: Vec<f64>,
) -> Field<'static> {
    match values[..] {
        [value] if axes.iter().all(|axis| axis.values.len() == 1) => Field::scalar("moments", name, description, value),
        _ => Field::array("moments", name, description, axes, values),
    }
}

/// The covariance matrix of two components, row-major.
pub(crate) fn covariances<'a>(
    masses: &[f64],
    points: impl Iterator<Item = &'a [f64]>,
    moments: &AxisMoments,
    mass: f64,
) -> Vec<f64> {
    let [a, b] = moments.means[..] else { return moments.variances.clone() };
    let cross = masses.iter().zip(points).map(|(m, x)| m * (x[0] - a) * (x[1] - b)).sum::<f64>() / mass;
    vec![moments.variances[0], cross, cross, moments.variances[1]]
}

/// What a population shows of its state of health. `effective_sample_size` is `⟨w⟩²/⟨w²⟩`.
pub(crate) fn diagnostics(
    h: &HyperGrid,
    coordinates: &HyperCoordinates,
    rho: &[f64],
    effective_sample_size: f64,
) -> [Field<'static>; 3] {
    let entropy: f64 =
        -rho.iter().zip(&coordinates.volumes).filter(|(m, _)| **m > 0.0).map(|(m, v)| m * (m / v).ln()).sum::<f64>();
    let mut diversity = 0.0;
    for (k, axis) in h.axes.iter().enumerate() {
        let marginal = h.marginal(rho, k);
        let y: Vec<f64> = axis.points.iter().map(|&point| axis.domain.scale.coordinate(point)).collect();
        let (low, high) = axis.domain.coordinates();
        let total: f64 = marginal.iter().sum();
        let variance = AxisMoments::new(&[(marginal, &y)], total).variances[0];
        diversity += 2.0 * variance / ((high - low) * (high - low));
    }
    let scalar = |name, description, value| Field::scalar("diagnostics", name, description, value);
    [
        scalar("entropy", "entropy of the hyperparameters, minus the sum of m log(m/width)", entropy),
        scalar(
            "diversity",
            "mean squared distance of two members in h, over the squared width of the domain",
            diversity,
        ),
        scalar(
            "effective_sample_size",
            "(mean weight)^2 over mean squared weight, as a share of the population",
            effective_sample_size,
        ),
    ]
}

/// Regions of θ on the cells.
#[derive(Debug, Clone)]
pub(crate) struct Wells {
    /// Of each cell.
    region: Vec<Option<usize>>,
    axis: Arc<Coordinate>,
}

impl Wells {
    pub fn new(regions: &Regions, theta: &ThetaGrid) -> Self {
        let names = regions.names();
        let numbers = (0..names.len()).map(|k| k as f64).collect();
        // Coordinates describe themselves by static text: this one, once a solver, lives as long as the program.
        let description: &'static str = Box::leak(format!("regions of theta: {}", names.join(", ")).into_boxed_str());
        Self { region: theta.iter().map(|t| regions.of(t)).collect(), axis: plain("region", description, numbers) }
    }

    /// The probability of each region, from the masses of the cells.
    pub fn field(&self, masses: &[f64]) -> Field<'static> {
        let mut sums = vec![0.0; self.axis.values.len()];
        for (mass, region) in masses.iter().zip(&self.region) {
            if let Some(region) = region {
                sums[*region] += mass;
            }
        }
        Field::array("wells", "probability", "probability of each region of the parameters", &[&self.axis], sums)
    }
}
