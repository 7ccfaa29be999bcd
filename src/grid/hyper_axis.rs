//! The grid of one hyperparameter: equal cells over its domain, and an atom at each end where mutations are clipped.

use super::axis::Axis;
use crate::error::{Error, Result};
use crate::problem::{Domain, Ends, Law, Scale};

/// Mass outside the box above which an initial law is refused.
pub const INITIAL_MASS_ALLOWED: f64 = 1e-6;

/// The places of one hyperparameter: cells equal in the coordinate y of its [`Scale`], and with [`Ends::Clip`] one atom
/// before the first and one after the last.
///
/// Grids hold *masses*: an atom has no width and no density.
#[derive(Debug, Clone, PartialEq)]
pub struct HyperAxis {
    /// The cells, in y.
    pub axis: Axis,
    /// The domain that they span.
    pub domain: Domain,
    /// The hyperparameter h at each place, increasing: `h(y)` of the centre in y for a cell.
    pub points: Vec<f64>,
}

impl HyperAxis {
    /// `cells` cells over the whole domain; `key` names the axis in errors.
    ///
    /// # Errors
    /// [`Error::Parameter`] as [`Domain::validated`] and [`Axis::uniform`].
    pub fn new(key: &str, domain: Domain, cells: usize) -> Result<Self> {
        domain.validated()?;
        let (low, high) = domain.coordinates();
        let mut axis = Axis::uniform(key, low, high, cells)?;
        // The upper end itself, so that atoms lie on the face.
        axis.faces[cells] = high;
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

    /// Whether it has atoms.
    pub fn clips(&self) -> bool {
        self.domain.ends == Ends::Clip
    }

    /// 1 with atoms, else 0: the place of the first cell.
    pub fn first_cell(&self) -> usize {
        usize::from(self.clips())
    }

    /// The places that are cells.
    pub fn cells(&self) -> std::ops::Range<usize> {
        self.first_cell()..self.first_cell() + self.axis.len()
    }

    /// Lower and upper face of a place in y; equal for an atom.
    pub fn faces(&self, place: usize) -> (f64, f64) {
        if self.cells().contains(&place) {
            let cell = place - self.first_cell();
            (self.axis.faces[cell], self.axis.faces[cell + 1])
        } else if place == 0 {
            (self.axis.low(), self.axis.low())
        } else {
            (self.axis.high(), self.axis.high())
        }
    }

    /// The faces of the cells in h.
    pub fn h_faces(&self) -> Vec<f64> {
        let mut faces: Vec<f64> = self.axis.faces.iter().map(|&y| self.domain.scale.value(y)).collect();
        // The way back from the logarithm rounds.
        faces[0] = self.domain.low;
        faces[self.axis.len()] = self.domain.high;
        faces
    }

    /// `[lower, upper]` in h of each cell.
    pub fn h_bounds(&self) -> Vec<[f64; 2]> {
        self.h_faces().windows(2).map(|w| [w[0], w[1]]).collect()
    }

    /// The width in h of each cell: what a mass is divided by to give a density per unit of h.
    pub fn widths(&self) -> Vec<f64> {
        match self.domain.scale {
            Scale::Linear => vec![self.axis.width(); self.axis.len()],
            Scale::Log => self.h_faces().windows(2).map(|w| w[1] - w[0]).collect(),
        }
    }

    /// The mass that a law of h gives to each place; what lies outside (at most [`INITIAL_MASS_ALLOWED`]) is divided out.
    ///
    /// # Errors
    /// [`Error::InitialMassOutside`].
    pub fn masses(&self, law: &Law) -> Result<Vec<f64>> {
        let cells = face_masses(&self.h_faces(), law, "h")?;
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
    face_masses(&axis.faces, law, coordinate)
}

fn face_masses(faces: &[f64], law: &Law, coordinate: &'static str) -> Result<Vec<f64>> {
    let (low, high) = (faces[0], faces[faces.len() - 1]);
    // A point on the lower end belongs to the first cell.
    let below = if matches!(law, Law::Point { at } if *at == low) { 0.0 } else { law.cdf(low) };
    let outside = below + law.mass(high, f64::INFINITY);
    let allowed = INITIAL_MASS_ALLOWED;
    if !(outside <= allowed) {
        return Err(Error::InitialMassOutside { coordinate, outside, low, high, allowed });
    }
    let mut masses: Vec<f64> = faces.windows(2).map(|w| law.mass(w[0], w[1]).max(0.0)).collect();
    if matches!(law, Law::Point { at } if *at == low) {
        masses[0] = 1.0;
    }
    let sum: f64 = masses.iter().sum();
    masses.iter_mut().for_each(|m| *m /= sum);
    Ok(masses)
}
