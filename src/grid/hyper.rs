//! The grid of one hyperparameter: equal cells over its domain, and an atom at each end where mutations are clipped.

use super::axis::Axis;
use crate::error::{Error, Result};
use crate::problem::{Domain, Ends, Law};

/// Mass outside the box above which an initial law is refused.
pub const INITIAL_MASS_ALLOWED: f64 = 1e-6;

/// The places of one hyperparameter: cells, and with [`Ends::Clip`] one atom before the first and one after the last.
///
/// Grids hold *masses*: an atom has no width and no density.
#[derive(Debug, Clone, PartialEq)]
pub struct HyperGrid {
    /// The cells.
    pub axis: Axis,
    /// The domain that they span.
    pub domain: Domain,
    /// The hyperparameter at each place, increasing.
    pub points: Vec<f64>,
}

impl HyperGrid {
    /// `cells` equal cells over the whole domain.
    ///
    /// # Errors
    /// [`Error::Parameter`] as [`Axis::uniform`].
    pub fn new(domain: Domain, cells: usize) -> Result<Self> {
        domain.validated()?;
        let (low, high) = domain.coordinates();
        let axis = Axis::uniform("h", low, high, cells)?;
        let mut points: Vec<f64> = axis.centres.iter().map(|&y| domain.scale.value(y)).collect();
        if domain.ends == Ends::Clip {
            points.insert(0, domain.low);
            points.push(domain.high);
        }
        Ok(Self { axis, domain, points })
    }

    /// Number of places, atoms included.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// 1 with atoms, else 0: the place of the first cell.
    pub fn first_cell(&self) -> usize {
        usize::from(self.domain.ends == Ends::Clip)
    }

    /// The places that are cells.
    pub fn cells(&self) -> std::ops::Range<usize> {
        self.first_cell()..self.first_cell() + self.axis.len()
    }

    /// Lower and upper face of a place; equal for an atom.
    pub fn faces(&self, place: usize) -> (f64, f64) {
        if self.cells().contains(&place) {
            let cell = place - self.first_cell();
            (self.axis.faces[cell], self.axis.faces[cell + 1])
        } else {
            (self.points[place], self.points[place])
        }
    }

    /// The mass that a law gives to each place; what lies outside (at most [`INITIAL_MASS_ALLOWED`]) is divided out.
    ///
    /// # Errors
    /// [`Error::InitialMassOutside`].
    pub fn masses(&self, law: &Law) -> Result<Vec<f64>> {
        let cells = axis_masses(&self.axis, law, "h")?;
        let mut masses = vec![0.0; self.len()];
        masses[self.cells()].copy_from_slice(&cells);
        Ok(masses)
    }
}

/// The mass that a law gives to each cell of an axis, summing to 1.
///
/// # Errors
/// [`Error::InitialMassOutside`] if more than [`INITIAL_MASS_ALLOWED`] lies outside.
pub fn axis_masses(axis: &Axis, law: &Law, coordinate: &'static str) -> Result<Vec<f64>> {
    // A point on the lower end belongs to the first cell.
    let below = if matches!(law, Law::Point { at } if *at == axis.low()) { 0.0 } else { law.cdf(axis.low()) };
    let outside = below + law.mass(axis.high(), f64::INFINITY);
    let allowed = INITIAL_MASS_ALLOWED;
    if !(outside <= allowed) {
        return Err(Error::InitialMassOutside { coordinate, outside, low: axis.low(), high: axis.high(), allowed });
    }
    let mut masses: Vec<f64> = axis.faces.windows(2).map(|w| law.mass(w[0], w[1]).max(0.0)).collect();
    if matches!(law, Law::Point { at } if *at == axis.low()) {
        masses[0] = 1.0;
    }
    let sum: f64 = masses.iter().sum();
    masses.iter_mut().for_each(|m| *m /= sum);
    Ok(masses)
}
