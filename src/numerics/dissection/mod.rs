//! Direct solution of `diag(q + decay) − cA` for generators `A` with rates between neighbours on a rectangle of cells.

mod front;
mod size;
mod sweep;
mod tree;

use std::sync::{Arc, Mutex, PoisonError};

use multiversion::multiversion;
use ndarray::{ArrayViewMut2, Axis as Along};
use rayon::prelude::*;

use front::stride;
use size::Size;
use sweep::Lanes;
use tree::{Link, Tree};

use crate::numerics::buffer::{Buffer, zeros};

/// Matrices factorised together, one a lane of a vector register.
pub(crate) const WIDE: usize = 8;
/// From so many matrices on, those that do not fill a vector are filled up by copies.
const FILLED_FROM: u64 = 4;

/// Rates between neighbouring cells, `[cell][place]` at the lower cell of each pair: `up` out of it, `down` into it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates<'a> {
    pub up: [&'a [f64]; 2],
    pub down: [&'a [f64]; 2],
}

/// `diag(q + decay) − cA` at each of `places` places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub rates: Rates<'a>,
    pub places: usize,
    pub q: f64,
    pub decay: Option<&'a [f64]>,
    pub c: f64,
}

/// The elimination of a grid without subtraction, in the order of nested dissection.
///
/// Grassmann, Taksar & Heyman (1985) eliminate states of a Markov chain and keep, instead of diagonals, the rates between the
/// states that are left and the rate `e` out of the system, which only ever grow: with `R_ij` the rate from j to i,
///
/// ```text
/// p_k = e_k + Σ_i R_ik,    R_ij += R_ik R_kj/p_k,    e_j += e_k R_kj/p_k
/// ```
/// so every number is right to a few roundings, whatever `c/q` and however steep the potential; mass and stationary states
/// too. Rates that underflow to 0 do no harm.
#[derive(Debug, Clone)]
pub(crate) struct Dissection {
    tree: Arc<Tree>,
    places: usize,
    work: Arc<Mutex<Vec<Workspace>>>,
}

/// Factors of the matrices of all places.
#[derive(Debug, Clone)]
pub(crate) struct Factors {
    groups: Vec<Group>,
}

#[derive(Debug, Clone)]
enum Group {
    Wide(Lanes),
    Single(Lanes),
}

/// Room for one group.
#[derive(Debug)]
struct Workspace {
    front: Buffer,
    stack: Buffer,
    /// `e` of all cells, or the right-hand side, in the order of the elimination.
    excess: Buffer,
    local: Buffer,
    inverse: Buffer,
}

impl Workspace {
    fn new(tree: &Tree, lanes: usize) -> Self {
        let numbers = lanes * tree.largest.next_multiple_of(front::VECTOR);
        Self {
            front: zeros(front_numbers(tree, lanes)),
            stack: zeros(tree.stack * lanes),
            excess: zeros(tree.order.len() * lanes),
            local: zeros(numbers),
            inverse: zeros(numbers),
        }
    }
}

fn front_numbers(tree: &Tree, lanes: usize) -> usize {
    let row = if lanes == 1 { stride::<1>(tree.largest) } else { stride::<WIDE>(tree.largest) * WIDE };
    tree.largest * row
}

impl Matrix<'_> {
    #[inline(always)]
    fn load<const W: usize>(&self, array: &[f64], cell: usize, from: usize) -> [f64; W] {
        let row = &array[cell * self.places..][..self.places];
        match row[from..].first_chunk::<W>() {
            Some(lanes) => *lanes,
            // Copies of the last place fill up the lanes.
            None => {
                let mut lanes = [row[self.places - 1]; W];
                lanes[..row.len() - from].copy_from_slice(&row[from..]);
                lanes
            }
        }
    }

    #[inline(always)]
    fn excess<const W: usize>(&self, tree: &Tree, from: usize, excess: &mut [f64]) {
        for (excess, &cell) in excess.chunks_exact_mut(W).zip(&tree.order) {
            excess.fill(self.q);
            if let Some(decay) = self.decay {
                let decay = self.load::<W>(decay, cell as usize, from);
                excess.iter_mut().zip(&decay).for_each(|(e, d)| *e += d);
            }
        }
    }

    #[inline(always)]
    fn assemble<const W: usize>(&self, links: &[Link], from: usize, row: usize, front: &mut [f64]) {
        for link in links {
            let axis = usize::from(link.axis);
            let up = self.load::<W>(self.rates.up[axis], link.cell as usize, from);
            let down = self.load::<W>(self.rates.down[axis], link.cell as usize, from);
            let (pivot, other) = (link.pivot as usize, link.other as usize);
            let (lower, upper) = if link.pivot_is_lower { (pivot, other) } else { (other, pivot) };
            // Row of the source, column of the destination.
            front[lower * row + upper * W..][..W].iter_mut().zip(&up).for_each(|(r, up)| *r = self.c * up);
            front[upper * row + lower * W..][..W].iter_mut().zip(&down).for_each(|(r, down)| *r = self.c * down);
        }
    }
}

/// Some places of an array over cells and places.
type Tile<'a> = ArrayViewMut2<'a, f64>;

impl Dissection {
    /// Dissects `rows × columns` cells (fewer than 2³² of them), for so many places.
    pub fn new(rows: usize, columns: usize, places: usize) -> Self {
        Self { tree: Arc::new(Tree::new(rows, columns)), places, work: Arc::default() }
    }

    /// Wide and single groups of so many places.
    fn groups(places: u64) -> (u64, u64) {
        let (whole, rest) = (places / WIDE as u64, places % WIDE as u64);
        if rest >= FILLED_FROM { (whole + 1, 0) } else { (whole, rest) }
    }

    /// Places of the groups, and whether they are wide.
    fn widths(&self) -> Vec<(usize, bool)> {
        let (wide, single) = Self::groups(self.places as u64);
        let wide = (0..wide as usize).map(|group| (WIDE.min(self.places - group * WIDE), true));
        wide.chain((0..single).map(|_| (1, false))).collect()
    }

    /// Bytes of the factors of one matrix of each place, and of the workspace of each thread.
    pub fn bytes(rows: usize, columns: usize, places: u64) -> [u64; 2] {
        let (wide, single) = Self::groups(places);
        let (of_wide, of_single) = (Size::new::<WIDE>(rows, columns), Size::new::<1>(rows, columns));
        let cells = (rows as u64).saturating_mul(columns as u64);
        let number = size_of::<f64>() as u64;
        let factors = |size: Size, groups: u64| size.forward.saturating_add(size.backward).saturating_mul(groups);
        let work = if wide > 0 { of_wide.work::<WIDE>(cells) } else { of_single.work::<1>(cells) };
        let factors = factors(of_wide, wide).saturating_add(factors(of_single, single));
        [factors.saturating_mul(number), work.saturating_mul(number)]
    }

    /// Room for factors.
    pub fn factors(&self) -> Factors {
        let group = |(_, wide)| {
            if wide { Group::Wide(Lanes::new::<WIDE>(&self.tree)) } else { Group::Single(Lanes::new::<1>(&self.tree)) }
        };
        Factors { groups: self.widths().into_iter().map(group).collect() }
    }

    /// Factorises if a matrix is given, and solves; `x` holds the right-hand sides (`[cell][place]`), then the solutions.
    ///
    /// Returns for each place `Σ x` and `Σ |min(x, 0)|`.
    pub fn solve(&self, matrix: Option<&Matrix<'_>>, factors: &mut Factors, x: &mut [f64]) -> Vec<[f64; 2]> {
        let widths = self.widths();
        let mut tiles = Vec::with_capacity(widths.len());
        let mut rest = ArrayViewMut2::from_shape((self.tree.order.len(), self.places), x).ok();
        let mut from = 0;
        for (group, &(width, _)) in factors.groups.iter_mut().zip(&widths) {
            let Some(view) = rest.take() else { break };
            let (tile, others) = view.split_at(Along(1), width);
            tiles.push((group, tile, from));
            rest = Some(others);
            from += width;
        }
        let work = |(group, tile, from)| self.solve_group(matrix, group, tile, from);
        let contents: Vec<Vec<[f64; 2]>> = if tiles.len() > 1 {
            tiles.into_par_iter().map(work).collect()
        } else {
            tiles.into_iter().map(work).collect()
        };
        contents.concat()
    }

    fn solve_group(&self, matrix: Option<&Matrix<'_>>, group: &mut Group, x: Tile<'_>, from: usize) -> Vec<[f64; 2]> {
        let wide = Self::groups(self.places as u64).0 > 0;
        let lock = || self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = lock().pop();
        let mut work = spare.unwrap_or_else(|| Workspace::new(&self.tree, if wide { WIDE } else { 1 }));
        let contents = match group {
            Group::Wide(lanes) => {
                if let Some(matrix) = matrix {
                    factorise_wide(lanes, &self.tree, matrix, from, &mut work);
                }
                solve_wide(lanes, &self.tree, x, &mut work)
            }
            Group::Single(lanes) => {
                if let Some(matrix) = matrix {
                    factorise_single(lanes, &self.tree, matrix, from, &mut work);
                }
                solve_single(lanes, &self.tree, x, &mut work)
            }
        };
        lock().push(work);
        contents
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn factorise_wide(lanes: &mut Lanes, tree: &Tree, matrix: &Matrix<'_>, from: usize, work: &mut Workspace) {
    lanes.factorise::<WIDE>(tree, matrix, from, work);
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn factorise_single(lanes: &mut Lanes, tree: &Tree, matrix: &Matrix<'_>, from: usize, work: &mut Workspace) {
    lanes.factorise::<1>(tree, matrix, from, work);
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn solve_wide(lanes: &Lanes, tree: &Tree, x: Tile<'_>, work: &mut Workspace) -> Vec<[f64; 2]> {
    solve::<WIDE>(lanes, tree, x, work)
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn solve_single(lanes: &Lanes, tree: &Tree, x: Tile<'_>, work: &mut Workspace) -> Vec<[f64; 2]> {
    solve::<1>(lanes, tree, x, work)
}

#[inline(always)]
fn solve<const W: usize>(lanes: &Lanes, tree: &Tree, mut x: Tile<'_>, work: &mut Workspace) -> Vec<[f64; 2]> {
    let Workspace { excess: v, local, .. } = work;
    let width = x.ncols();
    for (v, &cell) in v.chunks_exact_mut(W).zip(&tree.order) {
        if let Some(x) = x.row_mut(cell as usize).as_slice() {
            v[..width].copy_from_slice(x);
            v[width..].fill(0.0);
        }
    }
    lanes.solve::<W>(tree, v, local);
    let mut contents = [[0.0; 2]; W];
    for (v, &cell) in v.chunks_exact(W).zip(&tree.order) {
        if let Some(x) = x.row_mut(cell as usize).as_slice_mut() {
            x.copy_from_slice(&v[..width]);
        }
        for (content, v) in contents.iter_mut().zip(v) {
            content[0] += v;
            content[1] += (-v).max(0.0);
        }
    }
    contents[..width].to_vec()
}

#[cfg(test)]
mod tests;
