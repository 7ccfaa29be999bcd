//! The grid of the parameters: a product of one or two axes.

use super::axis::Axis;
use super::hyper_axis::axis_masses;
use crate::error::{Error, Result};
use crate::problem::Law;

/// Cells of one or two parameters, row-major (`theta_1` slowest); made from an [`Axis`], `[Axis; 2]` or `Vec<Axis>`.
#[derive(Debug, Clone, PartialEq)]
pub struct ThetaGrid {
    /// One a parameter.
    axes: Vec<Axis>,
    /// The centres, [`ThetaGrid::dimension`] numbers a cell.
    points: Vec<f64>,
}

impl From<Axis> for ThetaGrid {
    fn from(axis: Axis) -> Self {
        Self { points: axis.centres.clone(), axes: vec![axis] }
    }
}

impl From<[Axis; 2]> for ThetaGrid {
    fn from(axes: [Axis; 2]) -> Self {
        let points = product(&axes[0].centres, &axes[1].centres);
        Self { axes: axes.into(), points }
    }
}

impl From<Vec<Axis>> for ThetaGrid {
    /// More than two axes, or none, are refused where the grid is used.
    fn from(axes: Vec<Axis>) -> Self {
        let points = match &axes[..] {
            [axis] => axis.centres.clone(),
            [first, second] => product(&first.centres, &second.centres),
            _ => Vec::new(),
        };
        Self { axes, points }
    }
}

fn product(first: &[f64], second: &[f64]) -> Vec<f64> {
    first.iter().flat_map(|&a| second.iter().flat_map(move |&b| [a, b])).collect()
}

impl ThetaGrid {
    /// Checks that it has as many axes as the loss has parameters, one or two.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Unsupported`] above two.
    pub fn validated(&self, parameters: usize) -> Result<()> {
        if parameters > 2 {
            return Err(Error::Unsupported {
                solver: "a grid of parameters",
                what: format!("{parameters} of them"),
                instead: "one or two; use agents for more",
            });
        }
        if self.dimension() == parameters {
            return Ok(());
        }
        let what = "grid.theta (one axis a parameter)".into();
        Err(Error::Shape { what, found: self.dimension(), expected: parameters })
    }

    /// The axes.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Axis `k`.
    pub fn axis(&self, k: usize) -> &Axis {
        &self.axes[k]
    }

    /// The number dθ of parameters.
    pub fn dimension(&self) -> usize {
        self.axes.len()
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.axes.iter().map(Axis::len).product()
    }

    /// Never true for a grid that was [`ThetaGrid::validated`].
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The centre of a cell.
    pub fn point(&self, cell: usize) -> &[f64] {
        let dimension = self.dimension();
        &self.points[cell * dimension..(cell + 1) * dimension]
    }

    /// The centres, `dimension` numbers each, one after the other.
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// The centres, in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f64> {
        self.points.chunks_exact(self.dimension().max(1))
    }

    /// Volume of the (equal) cells.
    pub fn volume(&self) -> f64 {
        self.axes.iter().map(Axis::width).product()
    }

    /// The indices of a cell on the axes.
    pub fn cell_indices(&self, cell: usize) -> Vec<usize> {
        match &self.axes[..] {
            [_, second] => vec![cell / second.len(), cell % second.len()],
            _ => vec![cell],
        }
    }

    /// Whether a cell lies at a wall.
    pub fn at_wall(&self, cell: usize) -> bool {
        self.cell_indices(cell).iter().zip(&self.axes).any(|(index, axis)| *index == 0 || index + 1 == axis.len())
    }

    /// The mass that independent laws, one a parameter, give to each cell, summing to 1.
    ///
    /// # Errors
    /// [`Error::InitialMassOutside`]; [`Error::Shape`] for as many laws as there are not axes.
    pub fn masses(&self, laws: &[Law]) -> Result<Vec<f64>> {
        if laws.len() != self.dimension() {
            return Err(Error::Shape { what: "laws of theta".into(), found: laws.len(), expected: self.dimension() });
        }
        let by_axis: Vec<Vec<f64>> =
            self.axes.iter().zip(laws).map(|(axis, law)| axis_masses(axis, law, "theta")).collect::<Result<_>>()?;
        Ok(match &by_axis[..] {
            [first, second] => first.iter().flat_map(|a| second.iter().map(move |b| a * b)).collect(),
            _ => by_axis.concat(),
        })
    }

    /// `masses` of the cells summed over the other axes.
    pub fn marginal(&self, masses: &[f64], k: usize) -> Vec<f64> {
        let Some(second) = self.axes.get(1) else { return masses.to_vec() };
        let mut sums = vec![0.0; self.axes[k].len()];
        for (row, masses) in masses.chunks_exact(second.len()).enumerate() {
            if k == 0 {
                sums[row] = masses.iter().sum();
            } else {
                sums.iter_mut().zip(masses).for_each(|(sum, m)| *sum += m);
            }
        }
        sums
    }

    /// The centres of cells twice as wide along each axis, `dimension` numbers each: every other face.
    pub fn coarse_points(&self) -> Vec<f64> {
        let every_other =
            |axis: &Axis| -> Vec<f64> { axis.faces[1..].iter().copied().step_by(2).take(axis.len() / 2).collect() };
        match &self.axes[..] {
            [first, second] => product(&every_other(first), &every_other(second)),
            [axis] => every_other(axis),
            _ => Vec::new(),
        }
    }
}
