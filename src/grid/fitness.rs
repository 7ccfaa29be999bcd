//! The fitness on the cells of a (θ,h) grid.

use super::hyper::HyperGrid;
use super::theta::ThetaGrid;
use crate::error::{Error, Result};
use crate::problem::Population;

/// `value`, if it is a number.
///
/// # Errors
/// [`Error::NonFinite`] naming the quantity and the place.
pub(crate) fn finite(quantity: &'static str, value: f64, theta: &[f64], h: &[f64]) -> Result<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Error::NonFinite { quantity, value, theta: theta.to_vec(), h: h.to_vec(), time: 0.0 })
    }
}

/// `F` at the centres of the cells.
#[derive(Debug, Clone)]
pub(crate) struct FitnessCells {
    /// `[θ][h]` (row-major); `[θ]` where it does not depend on h.
    pub values: Vec<f64>,
    /// Whether it depends on h.
    pub of_h: bool,
}

impl FitnessCells {
    /// # Errors
    /// [`Error::NonFinite`].
    pub fn new(problem: &Population, theta: &ThetaGrid, h: &HyperGrid) -> Result<Self> {
        let mut values = Vec::with_capacity(theta.len() * h.len());
        let mut of_h = false;
        for t in theta.iter() {
            let from = values.len();
            for point in h.iter() {
                values.push(finite("fitness", problem.fitness.value(t, point), t, point)?);
            }
            of_h |= values[from..].iter().any(|value| *value != values[from]);
        }
        if !of_h {
            values = values.into_iter().step_by(h.len()).collect();
        }
        Ok(Self { values, of_h })
    }

    /// `[θ][h]` in any case, `places` of h.
    pub fn into_joint(self, places: usize) -> Vec<f64> {
        if self.of_h {
            self.values
        } else {
            self.values.into_iter().flat_map(|value| std::iter::repeat_n(value, places)).collect()
        }
    }

    /// The values that F takes on each cell, as an interval: along one axis from face to face, so that a flat fitness
    /// has none; along several with the sum of their variances. Faces where F is infinite do not count.
    pub fn spans(&self, problem: &Population, theta: &ThetaGrid, h: &HyperGrid) -> Vec<[f64; 2]> {
        let places = if self.of_h { h.len() } else { 1 };
        let h_faces: Vec<Vec<f64>> = h.axes.iter().map(super::hyper_axis::HyperAxis::h_faces).collect();
        let (mut at, mut point) = (vec![0.0; theta.dimension()], vec![0.0; h.dimension()]);
        let mut spans = Vec::with_capacity(self.values.len());
        for (k, &value) in self.values.iter().enumerate() {
            let (cell, place) = (k / places, k % places);
            at.copy_from_slice(theta.point(cell));
            point.copy_from_slice(h.point(place));
            let (mut down, mut up) = (0.0, 0.0);
            let mut add = |faces: [f64; 2]| {
                let (mut low, mut high) = (value, value);
                for f in faces.into_iter().filter(|f| f.is_finite()) {
                    (low, high) = (low.min(f), high.max(f));
                }
                down += (value - low) * (value - low);
                up += (high - value) * (high - value);
            };
            for (axis, cell) in theta.cell_indices(cell).into_iter().enumerate() {
                let faces = &theta.axis(axis).faces;
                let sides = [faces[cell], faces[cell + 1]].map(|face| {
                    at[axis] = face;
                    problem.fitness.value(&at, &point)
                });
                at[axis] = theta.point(k / places)[axis];
                add(sides);
            }
            for (k, axis) in h.axes.iter().enumerate().filter(|_| self.of_h) {
                let index = h.index(place, k);
                if axis.cells().contains(&index) {
                    let cell = index - axis.first_cell();
                    let sides = [h_faces[k][cell], h_faces[k][cell + 1]].map(|face| {
                        point[k] = face;
                        problem.fitness.value(&at, &point)
                    });
                    point[k] = h.point(place)[k];
                    add(sides);
                }
            }
            spans.push([value - f64::sqrt(down), value + f64::sqrt(up)]);
        }
        spans
    }
}

/// Spans of a fitness that is known at the places of h alone: halfway to its neighbours along each axis.
pub(crate) fn spans_of_h(values: &[f64], h: &HyperGrid) -> Vec<[f64; 2]> {
    let width = h.shape().1;
    (0..h.len())
        .map(|place| {
            let (value, mut down, mut up) = (values[place], 0.0, 0.0);
            for (k, axis) in h.axes.iter().enumerate() {
                let (index, stride) = (h.index(place, k), if k + 1 == h.dimension() { 1 } else { width });
                let cells = axis.cells();
                if !cells.contains(&index) || axis.axis.len() < 2 {
                    continue;
                }
                // At the ends as on the other side.
                let before =
                    if index > cells.start { values[place - stride] } else { 2.0 * value - values[place + stride] };
                let after =
                    if index + 1 < cells.end { values[place + stride] } else { 2.0 * value - values[place - stride] };
                let sides = [0.5 * (value + before), 0.5 * (value + after)];
                let low = sides.into_iter().filter(|f| f.is_finite()).fold(value, f64::min);
                let high = sides.into_iter().filter(|f| f.is_finite()).fold(value, f64::max);
                down += (value - low) * (value - low);
                up += (high - value) * (high - value);
            }
            [value - f64::sqrt(down), value + f64::sqrt(up)]
        })
        .collect()
}
