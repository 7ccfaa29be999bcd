//! Factors of a tree of fronts, and the two sweeps over them.

use super::front::{VECTOR, Vector, eliminate, padded, spread, stride, vector_done};
use super::size::{entries, from_grain};
use super::tree::{Node, Tree};
use super::{Matrix, Workspace};
use crate::numerics::buffer::{Buffer, zeros};

/// Factors of `W` matrices, in the order in which the sweeps read them.
#[derive(Debug, Clone)]
pub(super) struct Lanes {
    /// A node: `1/p` of its pivots, then for each pivot the rates out of it to what is eliminated later.
    pub(super) forward: Buffer,
    /// A node: for each row `j` but the first, last to first, its `u_jk` for the pivots `k < j`.
    pub(super) backward: Buffer,
}

impl Lanes {
    pub fn new<const W: usize>(tree: &Tree) -> Self {
        let sums = tree.nodes.iter().map(|node| entries::<W>(node.pivots, node.size));
        let (forward, backward) = sums.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        Self { forward: zeros(forward * W), backward: zeros(backward * W) }
    }

    /// Factorises the matrices of `W` places.
    #[inline(always)]
    pub fn factorise<const W: usize>(&mut self, tree: &Tree, matrix: &Matrix<'_>, from: usize, work: &mut Workspace) {
        let Workspace { front, stack, excess, local, inverse, .. } = work;
        matrix.excess::<W>(tree, from, excess);
        let (mut forward, mut backward) = (&mut self.forward[..], &mut self.backward[..]);
        for node in &tree.nodes {
            let (p, size) = (node.pivots, node.size);
            let row = stride::<W>(size) * W;
            let front = &mut front[..size * row];
            front.fill(0.0);
            matrix.assemble::<W>(tree.links(node), from, row, front);
            for &child in node.children.iter().flatten() {
                extend_add::<W>(tree, &tree.nodes[child], stack, row, front);
            }
            let local = &mut local[..size * W];
            gather::<W>(tree, node, excess, local);
            eliminate::<W>(front, local, inverse, p, size);
            scatter::<W>(tree, node, local, excess);
            keep::<W>(node, front, row, stack);
            let (f, b) = entries::<W>(p, size);
            let (here, rest) = std::mem::take(&mut forward).split_at_mut(f * W);
            forward = rest;
            write_forward::<W>(node, front, row, inverse, here);
            // Read from the last node to the first, and so stored.
            let left = backward.len() - b * W;
            let (rest, here) = std::mem::take(&mut backward).split_at_mut(left);
            backward = rest;
            write_backward::<W>(node, front, row, here);
        }
    }

    /// Solves for one right-hand side, in the order of the elimination.
    #[inline(always)]
    pub fn solve<const W: usize>(&self, tree: &Tree, x: &mut [f64], local: &mut [f64]) {
        let mut factors = &self.forward[..];
        for node in &tree.nodes {
            let (p, end) = (node.pivots, padded::<W>(node.size) * W);
            let local = &mut local[..end];
            gather::<W>(tree, node, x, local);
            let (inverse, rest) = factors.split_at(padded::<W>(p) * W);
            factors = rest;
            for k in 0..p {
                for lane in 0..W {
                    local[k * W + lane] *= inverse[k * W + lane];
                }
                let z = spread::<W>(&local[k * W..][..W]);
                let below = from_grain::<W>(k + 1) * W;
                let (column, rest) = factors.split_at(end - below);
                factors = rest;
                add_multiple(&mut local[below..], z, column);
            }
            scatter::<W>(tree, node, local, x);
        }
        let mut factors = &self.backward[..];
        for node in tree.nodes.iter().rev() {
            gather::<W>(tree, node, x, local);
            for j in (1..node.size).rev() {
                let z = spread::<W>(&local[j * W..][..W]);
                let len = padded::<W>(j.min(node.pivots)) * W;
                let (row, rest) = factors.split_at(len);
                factors = rest;
                add_multiple(&mut local[..len], z, row);
            }
            let first = node.first * W;
            x[first..first + node.pivots * W].copy_from_slice(&local[..node.pivots * W]);
        }
    }
}

/// `target += z·factors`, in whole vectors.
#[inline(always)]
fn add_multiple(target: &mut [f64], z: Vector, factors: &[f64]) {
    let (target, _) = target.as_chunks_mut::<VECTOR>();
    let (factors, _) = factors.as_chunks::<VECTOR>();
    for (target, factors) in target.iter_mut().zip(factors) {
        let mut sum = *target;
        for l in 0..VECTOR {
            sum[l] += z[l] * factors[l];
        }
        *target = sum;
        vector_done();
    }
}

/// Brings a vector over all cells to the pivots and the boundary of a node.
#[inline(always)]
fn gather<const W: usize>(tree: &Tree, node: &Node, all: &[f64], local: &mut [f64]) {
    let (pivots, boundary) = local.split_at_mut(node.pivots * W);
    pivots.copy_from_slice(&all[node.first * W..][..node.pivots * W]);
    for (local, &at) in boundary.chunks_exact_mut(W).zip(tree.boundary(node)) {
        local.copy_from_slice(&all[at as usize * W..][..W]);
    }
    // What follows is multiplied by zeros: it must be finite.
    boundary[(node.size - node.pivots) * W..].fill(0.0);
}

/// Takes it back.
#[inline(always)]
fn scatter<const W: usize>(tree: &Tree, node: &Node, local: &[f64], all: &mut [f64]) {
    let (pivots, boundary) = local.split_at(node.pivots * W);
    all[node.first * W..][..node.pivots * W].copy_from_slice(pivots);
    for (local, &at) in boundary.chunks_exact(W).zip(tree.boundary(node)) {
        all[at as usize * W..][..W].copy_from_slice(local);
    }
}

/// Adds what is left of a child's front.
#[inline(always)]
fn extend_add<const W: usize>(tree: &Tree, child: &Node, stack: &[f64], row: usize, front: &mut [f64]) {
    let (runs, size) = (tree.runs(child), child.size - child.pivots);
    let kept = &stack[child.kept_at * W..][..size * size * W];
    for to in runs {
        let rows = front[to.to * row..].chunks_exact_mut(row).zip(kept[to.from * size * W..].chunks_exact(size * W));
        for (row, kept) in rows.take(to.len) {
            for run in runs {
                let target = &mut row[run.to * W..][..run.len * W];
                let source = &kept[run.from * W..][..run.len * W];
                for (target, source) in target.iter_mut().zip(source) {
                    *target += source;
                }
            }
        }
    }
}

/// Puts what is left of a front on the stack.
#[inline(always)]
fn keep<const W: usize>(node: &Node, front: &[f64], row: usize, stack: &mut [f64]) {
    let (p, size) = (node.pivots * W, (node.size - node.pivots) * W);
    let kept = &mut stack[node.kept_at * W..];
    for (kept, front) in kept.chunks_exact_mut(size.max(1)).zip(front.chunks_exact(row).skip(node.pivots)) {
        kept.copy_from_slice(&front[p..p + size]);
    }
}

#[inline(always)]
fn write_forward<const W: usize>(node: &Node, front: &[f64], row: usize, inverse: &[f64], factors: &mut [f64]) {
    let (p, end) = (node.pivots, padded::<W>(node.size) * W);
    let (head, mut rest) = factors.split_at_mut(padded::<W>(p) * W);
    head[..p * W].copy_from_slice(&inverse[..p * W]);
    for (k, front) in front.chunks_exact(row).take(p).enumerate() {
        let (from, below) = ((k + 1) * W, from_grain::<W>(k + 1) * W);
        let (column, after) = rest.split_at_mut(end - below);
        rest = after;
        column[..from - below].fill(0.0);
        column[from - below..node.size * W - below].copy_from_slice(&front[from..node.size * W]);
        column[node.size * W - below..].fill(0.0);
    }
}

#[inline(always)]
fn write_backward<const W: usize>(node: &Node, front: &[f64], row: usize, mut factors: &mut [f64]) {
    for j in (1..node.size).rev() {
        let (len, used) = (padded::<W>(j.min(node.pivots)) * W, j.min(node.pivots) * W);
        let (target, rest) = factors.split_at_mut(len);
        factors = rest;
        target[..used].copy_from_slice(&front[j * row..][..used]);
        target[used..].fill(0.0);
    }
}
