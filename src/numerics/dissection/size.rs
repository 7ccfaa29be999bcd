//! What an elimination takes, before anything of that size is built.

use std::collections::HashMap;

use super::front::{grain, padded, stride};
use super::tree::LEAF;

/// Numbers (of 8 bytes) that the elimination of a matrix of each of `W` places takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Of factors in the forward sweep.
    pub forward: u64,
    /// In the backward sweep.
    pub backward: u64,
    /// Entries of the largest front in a row.
    pub largest: u64,
    /// On the stack of fronts.
    pub stack: u64,
}

/// Entries of a front in the forward and in the backward sweep.
pub(super) fn entries<const W: usize>(pivots: usize, size: usize) -> (usize, usize) {
    let forward: usize = (0..pivots).map(|k| padded::<W>(size) - from_grain::<W>(k + 1)).sum();
    let backward: usize = (1..size).map(|j| padded::<W>(j.min(pivots))).sum();
    (padded::<W>(pivots) + forward, backward)
}

/// The last multiple of a vector up to `k`.
pub(super) const fn from_grain<const W: usize>(k: usize) -> usize {
    k / grain::<W>() * grain::<W>()
}

/// A box: rows, columns, and which of its sides (first and last row, first and last column) have neighbours.
type Shape = (usize, usize, [bool; 4]);

impl Size {
    /// That of a grid of `rows × columns` cells.
    pub fn new<const W: usize>(rows: usize, columns: usize) -> Self {
        let size = of_box::<W>((rows, columns, [false; 4]), &mut HashMap::new());
        let numbers = |entries: u64| entries.saturating_mul(W as u64);
        Self {
            forward: numbers(size.forward),
            backward: numbers(size.backward),
            largest: size.largest,
            stack: numbers(size.stack),
        }
    }

    /// Numbers of the workspace of a thread.
    pub fn work<const W: usize>(&self, cells: u64) -> u64 {
        let front = self.largest.saturating_mul((stride::<W>(self.largest as usize) * W) as u64);
        front.saturating_add(self.stack).saturating_add(cells.saturating_mul(W as u64))
    }
}

/// Boxes of equal shape take the same, and there are few shapes.
fn of_box<const W: usize>(shape: Shape, known: &mut HashMap<Shape, Size>) -> Size {
    if let Some(size) = known.get(&shape) {
        return *size;
    }
    let (rows, columns, [top, bottom, left, right]) = shape;
    let boundary = columns * (usize::from(top) + usize::from(bottom)) + rows * (usize::from(left) + usize::from(right));
    let square = |n: usize| (n as u64).saturating_mul(n as u64);
    let mut size = Size { stack: square(boundary), ..Size::default() };
    let pivots = if rows.saturating_mul(columns) <= LEAF {
        rows * columns
    } else {
        let (first, second, line) = if rows >= columns {
            let middle = rows / 2;
            let first = (middle, columns, [top, true, left, right]);
            (first, (rows - middle - 1, columns, [true, bottom, left, right]), columns)
        } else {
            let middle = columns / 2;
            let first = (rows, middle, [top, bottom, left, true]);
            (first, (rows, columns - middle - 1, [top, bottom, true, right]), rows)
        };
        let around = |(rows, columns, sides): Shape| {
            let [top, bottom, left, right] = sides.map(usize::from);
            columns * (top + bottom) + rows * (left + right)
        };
        let kept = square(around(first));
        let (first, second) = (of_box::<W>(first, known), of_box::<W>(second, known));
        size.forward = first.forward.saturating_add(second.forward);
        size.backward = first.backward.saturating_add(second.backward);
        size.largest = first.largest.max(second.largest);
        size.stack = size.stack.max(first.stack).max(kept.saturating_add(second.stack));
        line
    };
    let (forward, backward) = entries::<W>(pivots, pivots + boundary);
    size.forward = size.forward.saturating_add(forward as u64);
    size.backward = size.backward.saturating_add(backward as u64);
    size.largest = size.largest.max((pivots + boundary) as u64);
    known.insert(shape, size);
    size
}
