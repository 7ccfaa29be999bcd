//! The Fokker–Planck operator in θ on cell masses: Scharfetter–Gummel fluxes and their implicit solution.

use multiversion::multiversion;
use ndarray::{ArrayViewMut2, Axis as Along};
use rayon::prelude::*;
use sprs::{CsMat, TriMat};

use super::axis::Axis;
use super::hyper::HyperGrid;
use crate::error::{Error, Result};
use crate::problem::Population;

/// Potential differences between neighbours (in units of D) beyond which a rate would underflow.
const LARGEST_DIFFERENCE: f64 = 700.0;

/// Columns treated together: long enough to fill vector units, short enough to stay in cache.
const TILE: usize = 64;

/// Grids of fewer cells are solved on one thread: handing out the work would cost more than it saves.
pub(crate) const PARALLEL_FROM: usize = 1 << 17;

/// `A = ∂_θ(∂_θ(μL) · + D ∂_θ ·)` on masses `f[θ][h]` (row-major), one independent tridiagonal generator per place of h.
///
/// Finite volumes with exponentially fitted fluxes (Scharfetter & Gummel 1969; Chang & Cooper 1970) and walls without flux:
///
/// ```text
/// (A f)_j = up_{j−1} f_{j−1} − (up_j + down_{j−1}) f_j + down_j f_{j+1}
/// up_j = D/Δθ² B(u_j),   down_j = D/Δθ² B(−u_j),   u_j = μ(L_{j+1} − L_j)/D,   B(u) = u/(eᵘ − 1)
/// ```
/// `up/down = e^{−u}`, so the discrete Gibbs masses `∝ exp(−μL/D)` are stationary for any loss and any grid.
#[derive(Debug, Clone)]
pub struct FokkerPlanck {
    cells: usize,
    places: usize,
    up: Vec<f64>,
    down: Vec<f64>,
}

/// Factors of `q + decay − cA`, kept between solutions with the same matrix.
#[derive(Debug, Clone)]
pub struct Factors {
    /// 1/pivot of each cell.
    inverse: Vec<f64>,
    coupling: f64,
}

/// `coefficient × vector`, a term of a right-hand side.
pub type Term<'a> = (f64, &'a [f64]);

/// `B(u) = u/(eᵘ − 1)`.
fn bernoulli(u: f64) -> f64 {
    if u.abs() < 1e-12 { 1.0 - 0.5 * u } else { u / u.exp_m1() }
}

impl FokkerPlanck {
    /// The operator of a problem with dθ = dh = 1.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for a loss that is not a number at a cell, [`Error::RateUnderflow`], [`Error::Parameter`] for a
    /// diffusion or mobility that is not positive at some h.
    pub fn new(problem: &Population, theta: &Axis, h: &HyperGrid) -> Result<Self> {
        let (cells, places) = (theta.len(), h.len());
        let mut up = vec![0.0; cells * places];
        let mut down = vec![0.0; cells * places];
        for (place, &point) in h.points.iter().enumerate() {
            let potential = Potential::new(problem, theta, point)?;
            for j in 0..cells - 1 {
                let u = potential.values[j + 1] - potential.values[j];
                if !(u.abs() < LARGEST_DIFFERENCE) {
                    return Err(Error::RateUnderflow { theta: theta.faces[j + 1], h: point, difference: u });
                }
                let scale = potential.diffusion / (theta.width() * theta.width());
                up[j * places + place] = scale * bernoulli(u);
                down[j * places + place] = scale * bernoulli(-u);
            }
        }
        Ok(Self { cells, places, up, down })
    }

    /// Number of θ cells.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Number of places of h.
    pub fn places(&self) -> usize {
        self.places
    }

    /// `out = A f`.
    pub fn apply(&self, f: &[f64], out: &mut [f64]) {
        let n = self.places;
        out.fill(0.0);
        for j in 0..self.cells - 1 {
            let (lower, upper) = out.split_at_mut((j + 1) * n);
            let (here, there) = (&mut lower[j * n..], &mut upper[..n]);
            for k in 0..n {
                let flux = self.up[j * n + k] * f[j * n + k] - self.down[j * n + k] * f[(j + 1) * n + k];
                here[k] -= flux;
                there[k] += flux;
            }
        }
    }

    /// The generator of one place of h as a sparse matrix (columns sum to 0), for export and for spectra.
    pub fn generator(&self, place: usize) -> CsMat<f64> {
        let mut matrix = TriMat::new((self.cells, self.cells));
        for j in 0..self.cells - 1 {
            let (up, down) = (self.up[j * self.places + place], self.down[j * self.places + place]);
            matrix.add_triplet(j + 1, j, up);
            matrix.add_triplet(j, j, -up);
            matrix.add_triplet(j, j + 1, down);
            matrix.add_triplet(j + 1, j + 1, -down);
        }
        matrix.to_csr()
    }

    /// Room for the factors.
    pub fn factors(&self) -> Factors {
        Factors { inverse: vec![0.0; self.cells * self.places], coupling: 0.0 }
    }

    /// Factorises and solves `(q + decay − cA) x = Σ terms`, `q + decay > 0`, `c ≥ 0`.
    ///
    /// The elimination of Grassmann, Taksar & Heyman (1985) has no subtraction, so mass and the Gibbs density survive any
    /// `c/q`: with `e_0 = q`, `p_j = e_j + c·up_j`, `e_{j+1} = q + c·down_j e_j/p_j`.
    pub fn solve(
        &self,
        q: f64,
        decay: Option<&[f64]>,
        c: f64,
        terms: &[Term<'_>],
        factors: &mut Factors,
        x: &mut [f64],
    ) {
        factors.coupling = c;
        self.each_tile(x, &mut factors.inverse, |from, x, inverse| {
            eliminate(self, Shift { q, decay, c }, terms, from, x, inverse);
        });
    }

    /// Solves with the matrix of the last [`FokkerPlanck::solve`].
    pub fn solve_again(&self, terms: &[Term<'_>], factors: &mut Factors, x: &mut [f64]) {
        let c = factors.coupling;
        self.each_tile(x, &mut factors.inverse, |from, x, inverse| substitute(self, c, terms, from, x, inverse));
    }

    /// Hands out tiles of columns, on several threads where that pays. Columns are independent: the results are the same.
    fn each_tile(
        &self,
        x: &mut [f64],
        inverse: &mut [f64],
        work: impl Fn(usize, ArrayViewMut2<'_, f64>, ArrayViewMut2<'_, f64>) + Sync,
    ) {
        let shape = (self.cells, self.places);
        let (Ok(mut x), Ok(mut inverse)) =
            (ArrayViewMut2::from_shape(shape, x), ArrayViewMut2::from_shape(shape, inverse))
        else {
            debug_assert!(false, "arrays of the size of the grid");
            return;
        };
        let tiles = x.axis_chunks_iter_mut(Along(1), TILE);
        let factors = inverse.axis_chunks_iter_mut(Along(1), TILE);
        if self.cells * self.places >= PARALLEL_FROM {
            let tiles = tiles.into_par_iter().zip(factors.into_par_iter());
            tiles.enumerate().for_each(|(tile, (x, inverse))| work(tile * TILE, x, inverse));
        } else {
            tiles.zip(factors).enumerate().for_each(|(tile, (x, inverse))| work(tile * TILE, x, inverse));
        }
    }
}

/// The matrix `q + decay − cA`.
#[derive(Clone, Copy)]
struct Shift<'a> {
    q: f64,
    decay: Option<&'a [f64]>,
    c: f64,
}

/// `y = Σ coefficient × vector[at..]`.
#[inline(always)]
fn combine(terms: &[Term<'_>], at: usize, y: &mut [f64]) {
    y.fill(0.0);
    for (coefficient, vector) in terms {
        for (y, v) in y.iter_mut().zip(&vector[at..]) {
            *y += coefficient * v;
        }
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn eliminate(
    operator: &FokkerPlanck,
    shift: Shift<'_>,
    terms: &[Term<'_>],
    from: usize,
    mut x: ArrayViewMut2<'_, f64>,
    mut inverse: ArrayViewMut2<'_, f64>,
) {
    let Shift { q, decay, c } = shift;
    let width = x.ncols();
    let (mut e, mut p, mut y) = ([0.0; TILE], [0.0; TILE], [0.0; TILE]);
    let (e, p, y) = (&mut e[..width], &mut p[..width], &mut y[..width]);
    let mut sum = [0.0; TILE];
    let sum = &mut sum[..width];
    for j in 0..operator.cells {
        let at = j * operator.places + from;
        combine(terms, at, sum);
        if j == 0 {
            e.fill(q);
            y.copy_from_slice(sum);
        } else {
            let before = at - operator.places;
            let (up, down) = (&operator.up[before..before + width], &operator.down[before..before + width]);
            for k in 0..width {
                y[k] = sum[k] + c * up[k] * p[k] * y[k];
                e[k] = q + c * down[k] * (e[k] * p[k]);
            }
        }
        if let Some(decay) = decay {
            for (e, decay) in e.iter_mut().zip(&decay[at..at + width]) {
                *e += decay;
            }
        }
        let up = &operator.up[at..at + width];
        for k in 0..width {
            p[k] = 1.0 / (e[k] + c * up[k]);
        }
        if let (Some(x), Some(inverse)) = (x.row_mut(j).as_slice_mut(), inverse.row_mut(j).as_slice_mut()) {
            x.copy_from_slice(y);
            inverse.copy_from_slice(p);
        }
    }
    back(operator, c, from, x, inverse);
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn substitute(
    operator: &FokkerPlanck,
    c: f64,
    terms: &[Term<'_>],
    from: usize,
    mut x: ArrayViewMut2<'_, f64>,
    mut inverse: ArrayViewMut2<'_, f64>,
) {
    let width = x.ncols();
    let (mut z, mut sum) = ([0.0; TILE], [0.0; TILE]);
    let (z, sum) = (&mut z[..width], &mut sum[..width]);
    for j in 0..operator.cells {
        let at = j * operator.places + from;
        combine(terms, at, sum);
        if j > 0 {
            let up = &operator.up[at - operator.places..][..width];
            for k in 0..width {
                sum[k] += c * up[k] * z[k];
            }
        }
        if let (Some(x), Some(inverse)) = (x.row_mut(j).as_slice_mut(), inverse.row_mut(j).as_slice_mut()) {
            x.copy_from_slice(sum);
            for k in 0..width {
                z[k] = inverse[k] * sum[k];
            }
        }
    }
    back(operator, c, from, x, inverse);
}

/// Back substitution, `x_j = (y_j + c·down_j x_{j+1})/p_j`.
#[inline(always)]
fn back(
    operator: &FokkerPlanck,
    c: f64,
    from: usize,
    mut x: ArrayViewMut2<'_, f64>,
    mut inverse: ArrayViewMut2<'_, f64>,
) {
    let width = x.ncols();
    let mut next = [0.0; TILE];
    let next = &mut next[..width];
    for j in (0..operator.cells).rev() {
        let at = j * operator.places + from;
        let down = &operator.down[at..at + width];
        if let (Some(x), Some(inverse)) = (x.row_mut(j).as_slice_mut(), inverse.row_mut(j).as_slice_mut()) {
            for k in 0..width {
                next[k] = (x[k] + c * down[k] * next[k]) * inverse[k];
            }
            x.copy_from_slice(next);
        }
    }
}

/// `μL/D` at the centres of the θ cells, for one place of h.
#[derive(Debug, Clone)]
pub struct Potential {
    /// `μ(h) L(θ_j, h)/D(h)`.
    pub values: Vec<f64>,
    /// `D(h)`.
    pub diffusion: f64,
}

impl Potential {
    /// Evaluates the loss on the cells.
    ///
    /// # Errors
    /// [`Error::NonFinite`], [`Error::Parameter`] as [`FokkerPlanck::new`].
    pub fn new(problem: &Population, theta: &Axis, h: f64) -> Result<Self> {
        let diffusion = problem.diffusion.positive_at("diffusion", &[h])?;
        let scale = problem.mobility.positive_at("mobility", &[h])? / diffusion;
        let values = theta.centres.iter().map(|&t| {
            let value = problem.loss.value(&[t], &[h]);
            if value.is_finite() {
                Ok(scale * value)
            } else {
                Err(Error::NonFinite { quantity: "loss", value, theta: vec![t], h: vec![h], time: 0.0 })
            }
        });
        Ok(Self { values: values.collect::<Result<_>>()?, diffusion })
    }

    /// The Gibbs masses of the cells, `∝ exp(−μL/D)`, summing to 1; computed from differences, so never 0/0.
    pub fn gibbs(&self) -> Vec<f64> {
        let lowest = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let mut masses: Vec<f64> = self.values.iter().map(|v| (lowest - v).exp()).collect();
        let sum: f64 = masses.iter().sum();
        masses.iter_mut().for_each(|m| *m /= sum);
        masses
    }
}

#[cfg(test)]
#[path = "fokker_planck_tests.rs"]
mod tests;
