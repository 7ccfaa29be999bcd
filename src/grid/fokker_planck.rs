//! The Fokker–Planck operator in θ on cell masses: Scharfetter–Gummel fluxes and their implicit solution.

use multiversion::multiversion;
use ndarray::{ArrayViewMut2, Axis as Along};
use rayon::prelude::*;
use sprs::{CsMat, TriMat};

use super::axis::Axis;
use super::fitness::finite;
use super::hyper::HyperGrid;
use super::theta::ThetaGrid;
use crate::error::{Error, Result};
use crate::numerics::buffer::{Buffer, Row, zeros};
use crate::problem::Population;

/// Potential differences between neighbours (in units of D) beyond which a rate would underflow.
const LARGEST_DIFFERENCE: f64 = 700.0;

/// Columns treated together: long enough to fill vector units, short enough to stay in cache.
const TILE: usize = 256;

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
    up: Buffer,
    down: Buffer,
}

/// Factors of `q + decay − cA`, kept between solutions with the same matrix.
#[derive(Debug, Clone)]
pub struct Factors {
    /// 1/pivot of each cell.
    inverse: Buffer,
    coupling: f64,
}

/// A vector and its coefficients in the right-hand side and in the side sum.
#[derive(Debug, Clone, Copy)]
pub struct Term<'a> {
    /// Coefficient in the right-hand side.
    pub rhs: f64,
    /// Coefficient in the side sum (computed in the same pass over memory, if asked for).
    pub side: f64,
    /// The vector.
    pub vector: &'a [f64],
}

impl<'a> Term<'a> {
    /// A term of the right-hand side only.
    pub fn new(rhs: f64, vector: &'a [f64]) -> Self {
        Self { rhs, side: 0.0, vector }
    }
}

/// What a solution holds: `Σ x` and `Σ |min(x, 0)|`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Content {
    /// `Σ x`.
    pub total: f64,
    /// `Σ |min(x, 0)|`.
    pub negative: f64,
}

/// `B(u) = u/(eᵘ − 1)`.
pub(super) fn bernoulli(u: f64) -> f64 {
    if u.abs() < 1e-12 { 1.0 - 0.5 * u } else { u / u.exp_m1() }
}

impl FokkerPlanck {
    /// The operator of a problem with dθ = 1.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for a loss that is not a number at a cell, [`Error::RateUnderflow`], [`Error::Parameter`] for a
    /// diffusion or mobility that is not positive at some h.
    pub fn new(problem: &Population, theta: &Axis, h: &HyperGrid) -> Result<Self> {
        let (cells, places) = (theta.len(), h.len());
        let mut up = zeros(cells * places);
        let mut down = zeros(cells * places);
        let grid = ThetaGrid::from(theta.clone());
        for (place, point) in h.iter().enumerate() {
            let potential = Potential::new(problem, &grid, point)?;
            for j in 0..cells - 1 {
                let u = potential.values[j + 1] - potential.values[j];
                if !(u.abs() < LARGEST_DIFFERENCE) {
                    return Err(Error::RateUnderflow { theta: theta.faces[j + 1], h: point[0], difference: u });
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
        Factors { inverse: zeros(self.cells * self.places), coupling: 0.0 }
    }

    /// Factorises and solves `(q + decay − cA) x = Σ rhs·vector`, `q + decay > 0`, `c ≥ 0`; `side = Σ side·vector` if asked for.
    ///
    /// The elimination of Grassmann, Taksar & Heyman (1985) has no subtraction, so mass and the Gibbs density survive any
    /// `c/q`: with `e_0 = q`, `p_j = e_j + c·up_j`, `e_{j+1} = q + c·down_j e_j/p_j`.
    pub fn solve(
        &self,
        shift: Shift<'_>,
        terms: &[Term<'_>],
        side: Option<&mut [f64]>,
        factors: &mut Factors,
        x: &mut [f64],
    ) -> Content {
        factors.coupling = shift.c;
        self.each_tile(x, &mut factors.inverse, side, |from, x, inverse, side| {
            eliminate(self, shift, terms, from, x, inverse, side)
        })
    }

    /// Solves with the matrix of the last [`FokkerPlanck::solve`]; `x` holds the right-hand side, then the solution.
    pub fn solve_again(&self, factors: &mut Factors, x: &mut [f64]) {
        let c = factors.coupling;
        self.each_tile(x, &mut factors.inverse, None, |from, x, inverse, _| substitute(self, c, from, x, inverse));
    }

    /// Hands out tiles of columns, on several threads where that pays. Columns are independent: the results are the same.
    fn each_tile<'a>(
        &self,
        x: &'a mut [f64],
        inverse: &'a mut [f64],
        side: Option<&'a mut [f64]>,
        work: impl Fn(usize, Tile<'a>, Tile<'a>, Option<Tile<'a>>) -> Content + Sync,
    ) -> Content {
        let (x, inverse) = (self.tiles(x), self.tiles(inverse));
        let side: Vec<Option<Tile<'a>>> = match side {
            Some(side) => self.tiles(side).into_iter().map(Some).collect(),
            None => x.iter().map(|_| None).collect(),
        };
        let work = |(tile, ((x, inverse), side))| work(tile * TILE, x, inverse, side);
        let contents: Vec<Content> = if self.cells * self.places >= PARALLEL_FROM {
            x.into_par_iter().zip(inverse).zip(side).enumerate().map(work).collect()
        } else {
            x.into_iter().zip(inverse).zip(side).enumerate().map(work).collect()
        };
        contents.iter().fold(Content { total: 0.0, negative: 0.0 }, |sum, c| Content {
            total: sum.total + c.total,
            negative: sum.negative + c.negative,
        })
    }

    fn tiles<'a>(&self, array: &'a mut [f64]) -> Vec<Tile<'a>> {
        let mut tiles = Vec::with_capacity(self.places / TILE + 1);
        let mut rest = ArrayViewMut2::from_shape((self.cells, self.places), array).ok();
        while let Some(view) = rest.take() {
            if view.ncols() <= TILE {
                tiles.push(view);
            } else {
                let (tile, others) = view.split_at(Along(1), TILE);
                tiles.push(tile);
                rest = Some(others);
            }
        }
        tiles
    }
}

/// Some columns of an array over the grid.
type Tile<'a> = ArrayViewMut2<'a, f64>;

/// The matrix `q + decay − cA`.
#[derive(Debug, Clone, Copy)]
pub struct Shift<'a> {
    /// `q`.
    pub q: f64,
    /// One number ≥ 0 a cell, added to `q`.
    pub decay: Option<&'a [f64]>,
    /// `c ≥ 0`.
    pub c: f64,
}

/// Columns whose sums are kept in registers.
const BLOCK: usize = 32;

/// `y = Σ rhs × vector[at..]`, and the side sum if `side` is not empty.
#[inline(always)]
pub(super) fn combine(terms: &[Term<'_>], at: usize, y: &mut [f64], side: &mut [f64]) {
    let mut from = 0;
    while from + BLOCK <= y.len() {
        let (mut sum, mut other) = ([0.0; BLOCK], [0.0; BLOCK]);
        for term in terms {
            let vector = &term.vector[at + from..at + from + BLOCK];
            for k in 0..BLOCK {
                sum[k] += term.rhs * vector[k];
                other[k] += term.side * vector[k];
            }
        }
        y[from..from + BLOCK].copy_from_slice(&sum);
        if !side.is_empty() {
            side[from..from + BLOCK].copy_from_slice(&other);
        }
        from += BLOCK;
    }
    for k in from..y.len() {
        y[k] = terms.iter().map(|term| term.rhs * term.vector[at + k]).sum();
        if !side.is_empty() {
            side[k] = terms.iter().map(|term| term.side * term.vector[at + k]).sum();
        }
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn eliminate(
    operator: &FokkerPlanck,
    shift: Shift<'_>,
    terms: &[Term<'_>],
    from: usize,
    mut x: Tile<'_>,
    mut inverse: Tile<'_>,
    mut side: Option<Tile<'_>>,
) -> Content {
    let Shift { q, decay, c } = shift;
    let width = x.ncols();
    let mut rows = [Row::<TILE>::ZERO; 4];
    let [e, p, y, sum] = rows.each_mut().map(|row| &mut row.0[..width]);
    for j in 0..operator.cells {
        let at = j * operator.places + from;
        let mut side = side.as_mut().map(|side| side.row_mut(j));
        combine(terms, at, sum, side.as_mut().and_then(|row| row.as_slice_mut()).unwrap_or(&mut []));
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
    back(operator, c, from, x, inverse)
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn substitute(operator: &FokkerPlanck, c: f64, from: usize, mut x: Tile<'_>, mut inverse: Tile<'_>) -> Content {
    let width = x.ncols();
    let mut row = Row::<TILE>::ZERO;
    let z = &mut row.0[..width];
    for j in 0..operator.cells {
        let at = j * operator.places + from;
        if let (Some(x), Some(inverse)) = (x.row_mut(j).as_slice_mut(), inverse.row_mut(j).as_slice_mut()) {
            if j > 0 {
                let up = &operator.up[at - operator.places..][..width];
                for k in 0..width {
                    x[k] += c * up[k] * z[k];
                }
            }
            for k in 0..width {
                z[k] = inverse[k] * x[k];
            }
        }
    }
    back(operator, c, from, x, inverse)
}

/// Back substitution, `x_j = (y_j + c·down_j x_{j+1})/p_j`.
#[inline(always)]
fn back(operator: &FokkerPlanck, c: f64, from: usize, mut x: Tile<'_>, mut inverse: Tile<'_>) -> Content {
    let width = x.ncols();
    let mut rows = [Row::<TILE>::ZERO; 3];
    let [next, total, negative] = rows.each_mut().map(|row| &mut row.0[..width]);
    for j in (0..operator.cells).rev() {
        let at = j * operator.places + from;
        let down = &operator.down[at..at + width];
        if let (Some(x), Some(inverse)) = (x.row_mut(j).as_slice_mut(), inverse.row_mut(j).as_slice_mut()) {
            for k in 0..width {
                next[k] = (x[k] + c * down[k] * next[k]) * inverse[k];
                total[k] += next[k];
                negative[k] += (-next[k]).max(0.0);
            }
            x.copy_from_slice(next);
        }
    }
    Content { total: total.iter().sum(), negative: negative.iter().sum() }
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
    pub fn new(problem: &Population, theta: &ThetaGrid, h: &[f64]) -> Result<Self> {
        let diffusion = problem.diffusion.positive_at("diffusion", h)?;
        let scale = problem.mobility.positive_at("mobility", h)? / diffusion;
        let values = theta.iter().map(|t| finite("loss", problem.loss.value(t, h), t, h).map(|value| scale * value));
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
