//! Mutation of all hyperparameters on cells: one axis after the other.

use std::borrow::Cow;

use multiversion::multiversion;
use rayon::prelude::*;
use sprs::CsMat;

use super::fokker_planck::PARALLEL_FROM;
use super::hyper::HyperGrid;
use super::mutation::{AxisMutation, TASK};
use crate::error::{Error, Result};
use crate::problem::Kernel;

/// `M_h` on the masses of all places: the product of an [`AxisMutation`] for each hyperparameter (they mutate
/// independently). Columns sum to 1 to rounding.
#[derive(Debug, Clone)]
pub struct MutationOperator {
    axes: Vec<AxisMutation>,
}

impl MutationOperator {
    /// The operator of the kernels, one a hyperparameter, on a grid. Diffusion and `None` give the identity.
    ///
    /// # Errors
    /// [`Error::Parameter`] for parameters out of range; [`Error::Shape`] for as many kernels as there are not axes.
    pub fn new(kernels: &[Kernel], grid: &HyperGrid) -> Result<Self> {
        if kernels.len() != grid.dimension() {
            let what = "mutation (one kernel a hyperparameter)".into();
            return Err(Error::Shape { what, found: kernels.len(), expected: grid.dimension() });
        }
        let axes = kernels.iter().zip(&grid.axes).map(|(kernel, axis)| AxisMutation::new(kernel, axis));
        Ok(Self { axes: axes.collect::<Result<_>>()? })
    }

    /// The operator of each hyperparameter.
    pub fn axes(&self) -> &[AxisMutation] {
        &self.axes
    }

    /// The matrix over all places, rows = targets (CSR): for two axes the Kronecker product.
    pub fn matrix(&self) -> Cow<'_, CsMat<f64>> {
        match &self.axes[..] {
            [slow, fast] => Cow::Owned(sprs::kronecker_product(slow.matrix().view(), fast.matrix().view())),
            axes => Cow::Borrowed(axes[0].matrix()),
        }
    }

    /// Whether mutation changes nothing.
    pub fn is_identity(&self) -> bool {
        self.axes.iter().all(AxisMutation::is_identity)
    }

    /// `output = M input` for one vector of masses, or for many stored one after the other (each over all places).
    pub fn apply(&self, input: &[f64], output: &mut [f64]) {
        self.work(input, None, output);
    }

    /// `output = M (weights · input)`, and returns `Σ weights · input`.
    pub fn apply_weighted(&self, input: &[f64], weights: &[f64], output: &mut [f64]) -> f64 {
        self.work(input, Some(weights), output)
    }

    fn work(&self, input: &[f64], weights: Option<&[f64]>, output: &mut [f64]) -> f64 {
        let [slow, fast] = &self.axes[..] else { return self.axes[0].work(input, weights, output) };
        let places = slow.matrix().cols() * fast.matrix().cols();
        // As for one axis: whole vectors a task, the same for any number of threads.
        let rows = (TASK / places).max(1) * places;
        let one = |(task, (output, input)): (usize, (&mut [f64], &[f64]))| {
            let (mut line, mut between) = (Vec::new(), vec![0.0; if slow.is_identity() { 0 } else { places }]);
            let mut total = 0.0;
            let vectors = output.chunks_exact_mut(places).zip(input.chunks_exact(places)).enumerate();
            for (vector, (output, input)) in vectors {
                let weights = weights.map(|w| &w[task * rows + vector * places..][..places]);
                if slow.is_identity() {
                    total += fast.lines(input, weights, output, &mut line);
                } else {
                    total += fast.lines(input, weights, &mut between, &mut line);
                    across(slow.matrix(), &between, output, places / slow.matrix().cols());
                }
            }
            total
        };
        if input.len() < PARALLEL_FROM {
            output.chunks_mut(rows).zip(input.chunks(rows)).enumerate().map(one).sum()
        } else {
            let sums: Vec<f64> = output.par_chunks_mut(rows).zip(input.par_chunks(rows)).enumerate().map(one).collect();
            sums.iter().sum()
        }
    }
}

/// Multiplies the rows of `input` (each `width` long) by a matrix: `output[i, ·] = Σ_j matrix[i, j] input[j, ·]`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn across(matrix: &CsMat<f64>, input: &[f64], output: &mut [f64], width: usize) {
    let mut from = 0;
    while from + 32 <= width {
        columns::<32>(matrix, input, output, width, from);
        from += 32;
    }
    while from + 8 <= width {
        columns::<8>(matrix, input, output, width, from);
        from += 8;
    }
    for from in from..width {
        columns::<1>(matrix, input, output, width, from);
    }
}

/// `B` columns, whose sums are kept in registers.
#[inline(always)]
fn columns<const B: usize>(matrix: &CsMat<f64>, input: &[f64], output: &mut [f64], width: usize, from: usize) {
    let (starts, sources, entries) = (matrix.indptr(), matrix.indices(), matrix.data());
    let starts = starts.raw_storage();
    for (row, output) in output.chunks_exact_mut(width).enumerate() {
        let mut sum = [0.0; B];
        for k in starts[row]..starts[row + 1] {
            let source = &input[sources[k] * width + from..][..B];
            for lane in 0..B {
                sum[lane] += entries[k] * source[lane];
            }
        }
        output[from..from + B].copy_from_slice(&sum);
    }
}

#[cfg(test)]
#[path = "mutation_product_tests.rs"]
mod tests;
