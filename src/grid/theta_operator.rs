//! The operator of training, for one or two parameters.

use sprs::CsMat;

use super::fokker_planck::{FokkerPlanck, Potential};
use super::hyper::HyperGrid;
use super::plane::PlaneFokkerPlanck;
use super::theta::ThetaGrid;
use crate::error::Result;
use crate::problem::Population;

/// The Fokker–Planck operator on the masses `f[θ][h]` of a grid.
#[derive(Debug, Clone)]
pub enum ThetaOperator {
    /// dθ = 1.
    Line(FokkerPlanck),
    /// dθ = 2.
    Plane(PlaneFokkerPlanck),
}

impl ThetaOperator {
    /// The operator of a problem with as many parameters as `theta` has axes, one or two.
    ///
    /// # Errors
    /// Those of [`FokkerPlanck::new`]; rates that underflow are refused for dθ = 1 only.
    pub fn new(problem: &Population, theta: &ThetaGrid, h: &HyperGrid) -> Result<Self> {
        let [first, second] = theta.axes() else {
            return Ok(Self::Line(FokkerPlanck::new(problem, theta.axis(0), h)?));
        };
        let plane = PlaneFokkerPlanck::new([first, second], h.len(), |place, values| {
            let potential = Potential::new(problem, theta, h.point(place))?;
            values.copy_from_slice(&potential.values);
            Ok(potential.diffusion)
        })?;
        Ok(Self::Plane(plane))
    }

    /// Number of θ cells.
    pub fn cells(&self) -> usize {
        match self {
            Self::Line(line) => line.cells(),
            Self::Plane(plane) => plane.cells(),
        }
    }

    /// Number of places of h.
    pub fn places(&self) -> usize {
        match self {
            Self::Line(line) => line.places(),
            Self::Plane(plane) => plane.places(),
        }
    }

    /// `out = A f`.
    pub fn apply(&self, f: &[f64], out: &mut [f64]) {
        match self {
            Self::Line(line) => line.apply(f, out),
            Self::Plane(plane) => plane.apply(f, out),
        }
    }

    /// The generator of one place of h as a sparse matrix (columns sum to 0).
    pub fn generator(&self, place: usize) -> CsMat<f64> {
        match self {
            Self::Line(line) => line.generator(place),
            Self::Plane(plane) => plane.generator(place),
        }
    }
}
