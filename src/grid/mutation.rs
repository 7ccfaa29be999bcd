//! Mutation of one hyperparameter on cells: a column-stochastic matrix on its masses.

use multiversion::multiversion;
use rayon::prelude::*;
use sprs::{CsMat, TriMat};

use super::fokker_planck::PARALLEL_FROM;
use super::hyper_axis::HyperAxis;
use crate::error::Result;
use crate::numerics::sum::sum;
use crate::problem::{Domain, Ends, Kernel};

/// Entries below this share of a column (of a band: of its centre) are left out, and the column is rescaled to sum to 1.
const NEGLIGIBLE: f64 = 1e-16;

/// Cells a task.
pub(super) const TASK: usize = 16_384;

/// `M_h` of one hyperparameter on masses: `matrix[i, j]` is the probability that a mutant of place `j` lands in place `i`.
///
/// Columns sum to 1 to rounding. Gaussian kernels at least one cell wide use point values of the kernel between centres, which
/// is spectrally accurate for smooth densities; narrower ones at reflecting ends use three points with the exact variance; all
/// others average the exact cumulative function over the source cell (second order).
#[derive(Debug, Clone)]
pub struct AxisMutation {
    matrix: CsMat<f64>,
    band: Option<Band>,
    identity: bool,
}

/// A symmetric kernel with constant coefficients: what the fast path needs.
#[derive(Debug, Clone)]
struct Band {
    /// Weights at distance 0, 1, …
    half: Vec<f64>,
    /// Mirror at the ends, or lose what leaves and rescale the sources.
    mirror: bool,
    /// With `mirror = false`: one over the column sums.
    scale: Vec<f64>,
}

impl AxisMutation {
    /// The operator of a kernel on a grid. Diffusion and `None` give the identity.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] for parameters out of range.
    pub fn new(kernel: &Kernel, grid: &HyperAxis) -> Result<Self> {
        kernel.validated(&grid.domain)?;
        let identity = matches!(kernel, Kernel::None | Kernel::Diffusion { .. });
        if let Kernel::Sequence(parts) = kernel {
            let mut matrix = CsMat::eye(grid.len());
            for part in parts {
                matrix = &Self::new(part, grid)?.matrix * &matrix;
            }
            return Ok(Self { matrix: matrix.to_csr(), band: None, identity });
        }
        let (low, high) = grid.domain.coordinates();
        let kernel = &match *kernel {
            // Mirrored again and again: uniform but for exp(−π²·16/2) ~ 1e-34, and so is any wider one.
            Kernel::Gaussian { std } if grid.domain.ends == Ends::Reflect => {
                Kernel::Gaussian { std: std.min(4.0 * (high - low)) }
            }
            ref other => other.clone(),
        };
        let band = Band::new(kernel, grid);
        let mut triplets = TriMat::new((grid.len(), grid.len()));
        let mut column = vec![0.0; grid.len()];
        for source in 0..grid.len() {
            match &band {
                Some(band) => band.column(source, &mut column),
                None => averaged_column(kernel, grid, source, &mut column),
            }
            if band.is_none() {
                let sum: f64 = column.iter().sum();
                column.iter_mut().for_each(|p| *p = if *p < NEGLIGIBLE * sum { 0.0 } else { *p });
            }
            let sum: f64 = column.iter().sum();
            for (target, p) in column.iter().enumerate().filter(|(_, p)| **p > 0.0) {
                triplets.add_triplet(target, source, p / sum);
            }
        }
        Ok(Self { matrix: triplets.to_csr(), band, identity })
    }

    /// The matrix, rows = targets (CSR).
    pub fn matrix(&self) -> &CsMat<f64> {
        &self.matrix
    }

    /// The mean number of entries a row: the cost of one application per cell.
    pub fn taps(&self) -> usize {
        self.matrix.nnz() / self.matrix.rows()
    }

    /// Whether mutation changes nothing.
    pub fn is_identity(&self) -> bool {
        self.identity
    }

    /// `output = M input` for one vector of masses, or for many stored one after the other (each over all places).
    pub fn apply(&self, input: &[f64], output: &mut [f64]) {
        self.work(input, None, output);
    }

    /// `output = M (weights · input)`, and returns `Σ weights · input`.
    pub fn apply_weighted(&self, input: &[f64], weights: &[f64], output: &mut [f64]) -> f64 {
        self.work(input, Some(weights), output)
    }

    pub(super) fn work(&self, input: &[f64], weights: Option<&[f64]>, output: &mut [f64]) -> f64 {
        // A whole number of vectors a task: enough work to be worth handing to a thread, and the same for any number of them.
        let rows = (TASK / self.matrix.cols()).max(1) * self.matrix.cols();
        let weights_of = |task: usize| weights.map(|w| &w[task * rows..]);
        if input.len() < PARALLEL_FROM {
            let mut line = Vec::new();
            let tasks = output.chunks_mut(rows).zip(input.chunks(rows)).enumerate();
            tasks.map(|(task, (output, input))| self.lines(input, weights_of(task), output, &mut line)).sum()
        } else {
            let tasks = output.par_chunks_mut(rows).zip(input.par_chunks(rows)).enumerate();
            let sums: Vec<f64> = tasks
                .map(|(task, (output, input))| self.lines(input, weights_of(task), output, &mut Vec::new()))
                .collect();
            sums.iter().sum()
        }
    }

    /// Whole vectors, one after the other, on this thread; `line` is working memory.
    pub(super) fn lines(&self, input: &[f64], weights: Option<&[f64]>, output: &mut [f64], line: &mut Vec<f64>) -> f64 {
        let places = self.matrix.cols();
        let mut total = 0.0;
        for (row, (output, input)) in output.chunks_exact_mut(places).zip(input.chunks_exact(places)).enumerate() {
            let reach = self.band.as_ref().map_or(0, |band| band.half.len() - 1);
            line.clear();
            line.resize(reach, 0.0);
            match weights {
                Some(weights) => line.extend(input.iter().zip(&weights[row * places..]).map(|(x, w)| x * w)),
                None => line.extend_from_slice(input),
            }
            if weights.is_some() {
                total += sum(&line[reach..]);
            }
            match &self.band {
                _ if self.identity => output.copy_from_slice(&line[reach..]),
                Some(band) => band.apply(line, output),
                None => multiply(&self.matrix, &line[reach..], output),
            }
        }
        total
    }
}

fn multiply(matrix: &CsMat<f64>, input: &[f64], output: &mut [f64]) {
    for (output, row) in output.iter_mut().zip(matrix.outer_iterator()) {
        *output = row.iter().map(|(j, p)| p * input[j]).sum();
    }
}

impl Band {
    fn new(kernel: &Kernel, grid: &HyperAxis) -> Option<Self> {
        let mirror = match grid.domain.ends {
            Ends::Reflect => true,
            Ends::Retry => false,
            Ends::Clip => return None,
        };
        let width = grid.axis.width();
        let mut half: Vec<f64> = match *kernel {
            Kernel::Gaussian { std } if std >= width => {
                // Cut where the weights fall below NEGLIGIBLE of the central one.
                let reach = (std / width * (-2.0 * NEGLIGIBLE.ln()).sqrt()) as usize;
                if reach >= grid.len() {
                    return None; // as below, before so many weights are asked for
                }
                (0..=reach).map(|k| (-0.5 * (k as f64 * width / std).powi(2)).exp()).collect()
            }
            Kernel::Gaussian { std } if mirror => {
                let p = 0.5 * (std / width).powi(2);
                vec![1.0 - 2.0 * p, p]
            }
            Kernel::Uniform { .. } => {
                let mut half = Vec::new();
                loop {
                    let k = half.len() as f64;
                    let at = |x: f64| kernel.mean_cdf(grid.domain.scale, -0.5 * width, 0.5 * width, x * width);
                    let p = at(k + 0.5) - at(k - 0.5);
                    if p <= 0.0 || half.len() > grid.len() {
                        break half;
                    }
                    half.push(p);
                }
            }
            _ => return None,
        };
        let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
        half.iter_mut().for_each(|p| *p /= sum);
        if half.len() > grid.len() {
            return None; // wider than the domain: several images, left to the general path
        }
        let mut band = Self { half, mirror, scale: Vec::new() };
        if !mirror {
            let mut column = vec![0.0; grid.len()];
            band.scale = vec![1.0; grid.len()];
            band.scale = (0..grid.len())
                .map(|j| {
                    band.column(j, &mut column);
                    1.0 / column.iter().sum::<f64>()
                })
                .collect();
        }
        Some(band)
    }

    fn column(&self, source: usize, column: &mut [f64]) {
        column.fill(0.0);
        let (n, reach) = (column.len() as isize, self.half.len() as isize - 1);
        for k in -reach..=reach {
            let target = source as isize + k;
            let weight = self.half[k.unsigned_abs()];
            if (0..n).contains(&target) {
                column[target as usize] += weight;
            } else if self.mirror {
                let image = if target < 0 { -1 - target } else { 2 * n - 1 - target };
                column[image as usize] += weight;
            }
        }
        if !self.mirror {
            column.iter_mut().for_each(|p| *p *= self.scale[source]);
        }
    }

    /// `line` holds `reach` free places, then the masses; it is completed beyond both ends.
    fn apply(&self, line: &mut Vec<f64>, output: &mut [f64]) {
        let reach = self.half.len() - 1;
        let n = line.len() - reach;
        line.resize(n + 2 * reach, 0.0);
        if self.mirror {
            for k in 0..reach {
                line[reach - 1 - k] = line[reach + k];
                line[reach + n + k] = line[reach + n - 1 - k];
            }
        } else {
            line[reach..reach + n].iter_mut().zip(&self.scale).for_each(|(x, s)| *x *= s);
        }
        convolve(&self.half, line, output);
    }
}

/// `output[i] = half[0] line[i+r] + Σ_k half[k] (line[i+r−k] + line[i+r+k])`, r the reach.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn convolve(half: &[f64], line: &[f64], output: &mut [f64]) {
    const BLOCK: usize = 32;
    let reach = half.len() - 1;
    let mut start = 0;
    while start + BLOCK <= output.len() {
        let mut sum = [0.0; BLOCK];
        let at = |offset: usize| -> &[f64; BLOCK] {
            // The slice has BLOCK elements, so the conversion cannot fail.
            line[offset..offset + BLOCK].try_into().unwrap_or(&[0.0; BLOCK])
        };
        let centre = at(start + reach);
        for lane in 0..BLOCK {
            sum[lane] = half[0] * centre[lane];
        }
        for (k, &weight) in half.iter().enumerate().skip(1) {
            let (left, right) = (at(start + reach - k), at(start + reach + k));
            for lane in 0..BLOCK {
                sum[lane] += weight * (left[lane] + right[lane]);
            }
        }
        output[start..start + BLOCK].copy_from_slice(&sum);
        start += BLOCK;
    }
    for (i, output) in output.iter_mut().enumerate().skip(start) {
        let centre = i + reach;
        *output = half[0] * line[centre];
        for (k, weight) in half.iter().enumerate().skip(1) {
            *output += weight * (line[centre - k] + line[centre + k]);
        }
    }
}

/// The column of a source place from the cumulative function, averaged over the source cell.
fn averaged_column(kernel: &Kernel, grid: &HyperAxis, source: usize, column: &mut [f64]) {
    let (a, b) = grid.faces(source);
    let domain = &grid.domain;
    let (low, high) = (grid.axis.low(), grid.axis.high());
    let cumulative = |x: f64| mean_cdf_with_ends(kernel, domain, a, b, x);
    column.fill(0.0);
    let first = grid.first_cell();
    let mut below = match domain.ends {
        Ends::Clip => {
            let atom = kernel.mean_cdf(domain.scale, a, b, low);
            column[0] = atom;
            atom
        }
        Ends::Reflect | Ends::Retry => 0.0,
    };
    for cell in 0..grid.axis.len() {
        let last = cell + 1 == grid.axis.len();
        // With clipping, what lies at or above the upper end is the atom; a source on the end itself stays there.
        let above = match (last, domain.ends) {
            (true, Ends::Clip) => kernel.mean_cdf(domain.scale, a, b, high.next_down()).max(below),
            (true, _) => 1.0,
            _ => cumulative(grid.axis.faces[cell + 1]),
        };
        column[first + cell] = (above - below).max(0.0);
        below = above.max(below);
    }
    if domain.ends == Ends::Clip {
        column[grid.len() - 1] = (1.0 - below).max(0.0);
    }
}

/// `P(h' ≤ x)` after the rule at the ends, h uniform on `[a, b]` (or at `a = b`).
fn mean_cdf_with_ends(kernel: &Kernel, domain: &Domain, a: f64, b: f64, x: f64) -> f64 {
    let free = |x: f64| kernel.mean_cdf(domain.scale, a, b, x);
    let (low, high) = domain.coordinates();
    let width = high - low;
    match domain.ends {
        Ends::Clip => free(x),
        Ends::Retry => {
            let base = free(low.next_down());
            (free(x) - base) / (free(high) - base)
        }
        Ends::Reflect => {
            let mut sum = free(x) - free((2.0 * low - x).next_down());
            for image in 1..1000 {
                let shift = 2.0 * width * f64::from(image);
                let pair = |s: f64| free(x + s) - free((2.0 * low - x + s).next_down());
                let (up, down) = (pair(shift), pair(-shift));
                sum += up + down;
                // Both free tails are exhausted: no further image can add anything.
                if free(low - shift) < 1e-17 && free(high + shift) > 1.0 - 1e-16 {
                    break;
                }
            }
            sum
        }
    }
}

#[cfg(test)]
#[path = "mutation_tests.rs"]
mod tests;
