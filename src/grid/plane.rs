//! The Fokker–Planck operator of two parameters on cell masses, and its implicit solution.

use multiversion::multiversion;
use rayon::prelude::*;
use sprs::{CsMat, TriMat};

use super::axis::Axis;
use super::fokker_planck::{Content, PARALLEL_FROM, Shift, Term, bernoulli, combine};
use crate::error::Result;
use crate::numerics::buffer::{Buffer, zeros};
use crate::numerics::dissection::{Dissection, Factors, Matrix, Rates};

/// Numbers a task.
const TASK: usize = 1 << 15;

/// `A = ∇_θ·(∇_θ(μL) · + D ∇_θ ·)` for θ of two components, on masses `f[θ₁][θ₂][h]` (row-major): one independent generator
/// of five points per place of h.
///
/// Exponentially fitted fluxes along both axes as in [`super::FokkerPlanck`], walls without flux:
///
/// ```text
/// (A f)_c = Σ_{neighbours n} rate_{n→c} f_n − rate_{c→n} f_c,    rate_{c→n} = D/Δ² B(u),   u = μ(L_n − L_c)/D
/// ```
/// The discrete Gibbs masses `∝ exp(−μL/D)` are stationary for any loss and any grid. A rate that underflows is 0: nothing
/// climbs there.
///
/// Systems with `A` are solved whole, without splitting of directions, by elimination in nested dissection order without
/// subtraction (Grassmann, Taksar & Heyman 1985; George 1973), so mass and the Gibbs masses survive any stiffness. Memory: 4
/// numbers a cell and place, and for factors 66 at 128² cells, 100 at 256² ([`PlaneFokkerPlanck::bytes`]).
#[derive(Debug, Clone)]
pub struct PlaneFokkerPlanck {
    shape: [usize; 2],
    places: usize,
    /// Rates out of each cell to the next along each axis, 0 at the last.
    up: [Buffer; 2],
    /// And back.
    down: [Buffer; 2],
    dissection: Dissection,
}

/// Factors of `q + decay − cA`, kept between solutions with the same matrix.
#[derive(Debug, Clone)]
pub struct PlaneFactors {
    factors: Factors,
    /// `q` and `c` of what is factorised.
    of: Option<(f64, f64)>,
}

impl PlaneFactors {
    /// `q` and `c` of what is factorised.
    pub fn matrix(&self) -> Option<(f64, f64)> {
        self.of
    }
}

impl PlaneFokkerPlanck {
    /// The operator on the cells of two axes. `potential(place, values)` writes `μL/D` at the centres of the cells,
    /// `[θ₁][θ₂]`, for a place of h, and returns `D` there.
    ///
    /// # Errors
    /// Those of `potential`.
    pub fn new(
        axes: [&Axis; 2],
        places: usize,
        mut potential: impl FnMut(usize, &mut [f64]) -> Result<f64>,
    ) -> Result<Self> {
        let shape = [axes[0].len(), axes[1].len()];
        let cells = shape[0] * shape[1];
        let array = || zeros(cells * places);
        let (mut up, mut down) = ([array(), array()], [array(), array()]);
        let mut values = vec![0.0; cells];
        for place in 0..places {
            let diffusion = potential(place, &mut values)?;
            for axis in 0..2 {
                let scale = diffusion / (axes[axis].width() * axes[axis].width());
                let next = if axis == 0 { shape[1] } else { 1 };
                for cell in 0..cells {
                    let (row, column) = (cell / shape[1], cell % shape[1]);
                    if [row, column][axis] + 1 < shape[axis] {
                        let u = values[cell + next] - values[cell];
                        up[axis][cell * places + place] = scale * bernoulli(u);
                        down[axis][cell * places + place] = scale * bernoulli(-u);
                    }
                }
            }
        }
        Ok(Self { shape, places, up, down, dissection: Dissection::new(shape[0], shape[1], places) })
    }

    /// Number of θ cells.
    pub fn cells(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// Number of places of h.
    pub fn places(&self) -> usize {
        self.places
    }

    /// Bytes that an operator on such a grid takes: its rates, the factors of one matrix, and the work of one thread.
    /// Nothing of that size is built.
    pub fn bytes(shape: [usize; 2], places: u64) -> [u64; 3] {
        let [factors, work] = Dissection::bytes(shape[0], shape[1], places);
        let cells = (shape[0] as u64).saturating_mul(shape[1] as u64);
        [places.saturating_mul(cells).saturating_mul(4 * size_of::<f64>() as u64), factors, work]
    }

    /// Bytes of the factors of one matrix.
    pub fn factor_bytes(&self) -> u64 {
        Dissection::bytes(self.shape[0], self.shape[1], self.places as u64)[0]
    }

    /// `out = A f`.
    pub fn apply(&self, f: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (axis, shift) in [self.shape[1] * self.places, self.places].into_iter().enumerate() {
            let pairs = f.len() - shift;
            let (up, down) = (&self.up[axis][..pairs], &self.down[axis][..pairs]);
            add_fluxes(up, down, &f[..pairs], &f[shift..], &mut out[..pairs], -1.0);
            add_fluxes(up, down, &f[..pairs], &f[shift..], &mut out[shift..], 1.0);
        }
    }

    /// The generator of one place of h as a sparse matrix (columns sum to 0), for export and for spectra.
    pub fn generator(&self, place: usize) -> CsMat<f64> {
        let cells = self.cells();
        let mut matrix = TriMat::new((cells, cells));
        for (axis, next) in [self.shape[1], 1].into_iter().enumerate() {
            for cell in 0..cells - next {
                let at = cell * self.places + place;
                let (up, down) = (self.up[axis][at], self.down[axis][at]);
                if up == 0.0 && down == 0.0 {
                    continue; // the end of a row
                }
                matrix.add_triplet(cell + next, cell, up);
                matrix.add_triplet(cell, cell, -up);
                matrix.add_triplet(cell, cell + next, down);
                matrix.add_triplet(cell + next, cell + next, -down);
            }
        }
        matrix.to_csr()
    }

    /// Room for the factors.
    pub fn factors(&self) -> PlaneFactors {
        PlaneFactors { factors: self.dissection.factors(), of: None }
    }

    /// Factorises and solves `(q + decay − cA) x = Σ rhs·vector`, `q + decay > 0`, `c ≥ 0`; `side = Σ side·vector` if asked for.
    pub fn solve(
        &self,
        shift: Shift<'_>,
        terms: &[Term<'_>],
        side: Option<&mut [f64]>,
        factors: &mut PlaneFactors,
        x: &mut [f64],
    ) -> Content {
        sum_terms(terms, side, x);
        let Shift { q, decay, c } = shift;
        let rates = Rates { up: self.up.each_ref().map(|r| &r[..]), down: self.down.each_ref().map(|r| &r[..]) };
        let matrix = Matrix { rates, places: self.places, q, decay, c };
        factors.of = Some((q, c));
        content(&self.dissection.solve(Some(&matrix), &mut factors.factors, x))
    }

    /// Solves with the matrix of the last [`PlaneFokkerPlanck::solve`] for another sum of terms.
    pub fn solve_terms(
        &self,
        terms: &[Term<'_>],
        side: Option<&mut [f64]>,
        factors: &mut PlaneFactors,
        x: &mut [f64],
    ) -> Content {
        sum_terms(terms, side, x);
        self.solve_again(factors, x)
    }

    /// Solves with the matrix of the last [`PlaneFokkerPlanck::solve`]; `x` holds the right-hand side, then the solution.
    pub fn solve_again(&self, factors: &mut PlaneFactors, x: &mut [f64]) -> Content {
        content(&self.dissection.solve(None, &mut factors.factors, x))
    }
}

fn content(places: &[[f64; 2]]) -> Content {
    places.iter().fold(Content { total: 0.0, negative: 0.0 }, |sum, [total, negative]| Content {
        total: sum.total + total,
        negative: sum.negative + negative,
    })
}

/// `x = Σ rhs·vector`, and the side sum.
fn sum_terms(terms: &[Term<'_>], side: Option<&mut [f64]>, x: &mut [f64]) {
    let parallel = x.len() >= PARALLEL_FROM;
    let mut sides = side.map(|side| side.chunks_mut(TASK));
    let parts = x.chunks_mut(TASK).enumerate().map(|(task, x)| {
        let side = sides.as_mut().and_then(Iterator::next).unwrap_or_default();
        (task * TASK, x, side)
    });
    let parts: Vec<_> = parts.collect();
    if parallel {
        parts.into_par_iter().for_each(|(at, x, side)| sum_part(terms, at, x, side));
    } else {
        parts.into_iter().for_each(|(at, x, side)| sum_part(terms, at, x, side));
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn sum_part(terms: &[Term<'_>], at: usize, x: &mut [f64], side: &mut [f64]) {
    combine(terms, at, x, side);
}

/// `out += sign (up·lower − down·upper)`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add_fluxes(up: &[f64], down: &[f64], lower: &[f64], upper: &[f64], out: &mut [f64], sign: f64) {
    for ((((out, up), down), lower), upper) in out.iter_mut().zip(up).zip(down).zip(lower).zip(upper) {
        *out += sign * (up * lower - down * upper);
    }
}

#[cfg(test)]
#[path = "plane_tests.rs"]
pub(in crate::grid) mod tests;
