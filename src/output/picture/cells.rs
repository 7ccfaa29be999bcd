//! Cells of one axis, and densities carried from one set of cells to another without losing mass.

use ndarray::{ArrayD, Axis};

use crate::output::hdf5::RunCoordinate;

/// The ends of the cells of a coordinate, one more than cells; of points without cells, halfway between them.
pub(super) fn edges(coordinate: &RunCoordinate) -> Vec<f64> {
    if let Some(bounds) = &coordinate.bounds {
        return bounds.iter().map(|ends| ends[0]).chain(bounds.last().map(|ends| ends[1])).collect();
    }
    let values = &coordinate.values;
    match values[..] {
        [] => Vec::new(),
        [one] => vec![one - 0.5, one + 0.5],
        [first, second, ..] => {
            let (before, last) = (values[values.len() - 2], values[values.len() - 1]);
            let between = values.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
            let ends = (1.5 * first - 0.5 * second, 1.5 * last - 0.5 * before);
            std::iter::once(ends.0).chain(between).chain([ends.1]).collect()
        }
    }
}

pub(super) fn widths(edges: &[f64]) -> Vec<f64> {
    edges.windows(2).map(|ends| ends[1] - ends[0]).collect()
}

pub(super) fn centres(edges: &[f64]) -> Vec<f64> {
    edges.windows(2).map(|ends| 0.5 * (ends[0] + ends[1])).collect()
}

/// `n` equal cells between the outer ends.
pub(super) fn uniform(edges: &[f64], n: usize) -> Vec<f64> {
    let (low, high) = (edges.first().copied().unwrap_or(0.0), edges.last().copied().unwrap_or(1.0));
    (0..=n).map(|k| low + (high - low) * k as f64 / n as f64).collect()
}

/// Whether all cells are equally wide, to the digits that pictures show.
pub(super) fn are_equal(edges: &[f64]) -> bool {
    let widths = widths(edges);
    let mean = widths.iter().sum::<f64>() / widths.len().max(1) as f64;
    widths.iter().all(|width| (width - mean).abs() < 1e-6 * mean)
}

/// A density along `axis`, averaged over other cells; 0 where there were none. The mass of what the new cells cover is kept.
pub(super) fn onto(density: &ArrayD<f64>, axis: usize, from: &[f64], to: &[f64]) -> ArrayD<f64> {
    let mut shape = density.shape().to_vec();
    shape[axis] = to.len().saturating_sub(1);
    let mut result = ArrayD::zeros(shape);
    for (target, ends) in to.windows(2).enumerate() {
        let first = from.partition_point(|&edge| edge <= ends[0]).saturating_sub(1);
        for (source, cell) in from.windows(2).enumerate().skip(first).take_while(|(_, cell)| cell[0] < ends[1]) {
            let share = (cell[1].min(ends[1]) - cell[0].max(ends[0])) / (ends[1] - ends[0]);
            if share > 0.0 {
                result.index_axis_mut(Axis(axis), target).scaled_add(share, &density.index_axis(Axis(axis), source));
            }
        }
    }
    result
}
