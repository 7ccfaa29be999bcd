//! Elimination in one dense front, without subtraction.
//!
//! Row `j` of a front holds the rates out of cell `j`, `W` lanes (independent matrices) an entry. Eliminating `k`:
//!
//! ```text
//! p = e_k + Σ_{i>k} G_ki,   u_j = G_jk/p,   G_ji += u_j G_ki,   e_j += u_j e_k        i, j > k
//! ```
//! Entries on the diagonal take part in the arithmetic and are never read.

use std::ops::Range;
use std::sync::atomic::{Ordering, compiler_fence};

/// Numbers treated by one instruction: `8/W` entries.
pub(super) const VECTOR: usize = 8;
pub(super) type Vector = [f64; VECTOR];

/// Pivots eliminated together within a panel.
const STEP: usize = 8;
/// Pivots whose effect on the rest of a front is added in one pass over it: saves memory traffic in large fronts.
const PANEL: usize = 32;
/// Vectors of a row treated together: the panel over them stays in the L1 cache.
const STRIP: usize = 8;

/// Entries a vector.
pub(super) const fn grain<const W: usize>() -> usize {
    VECTOR / W
}

/// Entries rounded up to whole vectors.
pub(super) const fn padded<const W: usize>(entries: usize) -> usize {
    entries.next_multiple_of(grain::<W>())
}

/// Entries from one row of a front to the next: vectors that start at any column end before it.
pub(super) const fn stride<const W: usize>(size: usize) -> usize {
    padded::<W>(size + grain::<W>() - 1)
}

/// One entry in every place of a vector that it multiplies.
#[inline(always)]
pub(super) fn spread<const W: usize>(entry: &[f64]) -> Vector {
    let entry = &entry[..W];
    let mut vector = [0.0; VECTOR];
    for lane in 0..VECTOR {
        vector[lane] = entry[lane % W];
    }
    vector
}

/// Ends an iteration over vectors. Costs nothing; without it the compiler would interleave iterations by gathers and scatters
/// instead of using whole vectors.
#[inline(always)]
pub(super) fn vector_done() {
    compiler_fence(Ordering::SeqCst);
}

/// Eliminates the first `pivots` of `size` cells. `excess` holds `e` of all cells; `1/p` goes to `inverse`, `u_j` to column k.
#[inline(always)]
pub(super) fn eliminate<const W: usize>(
    front: &mut [f64],
    excess: &mut [f64],
    inverse: &mut [f64],
    pivots: usize,
    size: usize,
) {
    let row = stride::<W>(size) * W;
    let mut panel = 0..0;
    while panel.end < pivots {
        let left = pivots - panel.end;
        let len = if left < STEP { left } else { (left / STEP * STEP).min(PANEL) };
        panel = panel.end..panel.end + len;
        let mut step = panel.start..panel.start;
        while step.end < panel.end {
            step = step.end..(step.end + STEP).min(panel.end);
            eliminate_step::<W>(front, excess, inverse, step.clone(), size);
            let (above, below) = front.split_at_mut(step.end * row);
            let (pivot_excess, excess) = excess.split_at_mut(step.end * W);
            for (below, excess) in below.chunks_exact_mut(row).zip(excess.chunks_exact_mut(W)) {
                substitute::<W>(above, row, below, pivot_excess, excess, inverse, step.clone());
            }
            let (within, beyond) = below.split_at_mut((panel.end - step.end) * row);
            update::<W>(above, within, row, step.clone(), step.end..size);
            update::<W>(above, beyond, row, step.clone(), step.end..panel.end);
        }
        let (above, below) = front.split_at_mut(panel.end * row);
        update::<W>(above, below, row, panel.clone(), panel.end..size);
    }
}

/// Eliminates the pivots of one step from each other's rows.
#[inline(always)]
fn eliminate_step<const W: usize>(
    front: &mut [f64],
    excess: &mut [f64],
    inverse: &mut [f64],
    step: Range<usize>,
    size: usize,
) {
    let row = stride::<W>(size) * W;
    for k in step.clone() {
        let (above, below) = front.split_at_mut((k + 1) * row);
        let (pivot_excess, excess) = excess.split_at_mut((k + 1) * W);
        let pivot_row = &above[k * row..];
        let pivot_excess = &pivot_excess[k * W..];
        let inverse = &mut inverse[k * W..][..W];
        let total = tail_sum::<W>(pivot_row, k + 1, size);
        for lane in 0..W {
            inverse[lane] = 1.0 / (pivot_excess[lane] + total[lane]);
        }
        let rows = below.chunks_exact_mut(row).zip(excess.chunks_exact_mut(W));
        for (target, excess) in rows.take(step.end - k - 1) {
            let u = scale::<W>(&mut target[k * W..], inverse, pivot_excess, excess);
            let u = spread::<W>(&u);
            add_multiple::<W>(target, u, pivot_row, k + 1);
        }
    }
}

#[inline(always)]
fn load<const W: usize>(entry: &[f64]) -> [f64; W] {
    let mut lanes = [0.0; W];
    lanes.copy_from_slice(&entry[..W]);
    lanes
}

/// `u = G_jk/p` in place, and its share of `e_j`.
#[inline(always)]
fn scale<const W: usize>(entry: &mut [f64], inverse: &[f64], pivot_excess: &[f64], excess: &mut [f64]) -> [f64; W] {
    let (mut u, mut e) = (load::<W>(entry), load::<W>(excess));
    let (inverse, pivot_excess) = (load::<W>(inverse), load::<W>(pivot_excess));
    for lane in 0..W {
        u[lane] *= inverse[lane];
        e[lane] += u[lane] * pivot_excess[lane];
    }
    entry[..W].copy_from_slice(&u);
    excess[..W].copy_from_slice(&e);
    u
}

/// `Σ_{i ≥ from} row_i`, in eight parts by `i mod 8`: in the same order for any `W`.
#[inline(always)]
fn tail_sum<const W: usize>(row: &[f64], from: usize, size: usize) -> [f64; W] {
    let aligned = from.next_multiple_of(8).min(size);
    let mut head = [[0.0; W]; 8];
    for i in from..aligned {
        head[i % 8] = load::<W>(&row[i * W..]);
    }
    let mut parts = head;
    let eights = row[aligned * W..size * W].chunks_exact(8 * W);
    let rest = eights.remainder();
    for eight in eights {
        for part in 0..8 {
            for lane in 0..W {
                parts[part][lane] += eight[part * W + lane];
            }
        }
        vector_done();
    }
    let mut tail = [[0.0; W]; 8];
    for (tail, rest) in tail.iter_mut().zip(rest.chunks_exact(W)) {
        *tail = load::<W>(rest);
    }
    for part in 0..8 {
        for lane in 0..W {
            parts[part][lane] += tail[part][lane];
        }
    }
    let [a, b, c, d, e, f, g, h] = parts;
    let mut sum = [0.0; W];
    for l in 0..W {
        sum[l] = ((a[l] + e[l]) + (c[l] + g[l])) + ((b[l] + f[l]) + (d[l] + h[l]));
    }
    sum
}

/// `target_i += u row_i` for `i ≥ from`.
#[inline(always)]
fn add_multiple<const W: usize>(target: &mut [f64], u: Vector, row: &[f64], from: usize) {
    // Vectors start at multiples of their length, so that the next row finds what this one has stored.
    let aligned = padded::<W>(from);
    for i in from * W..aligned * W {
        target[i] += u[i % W] * row[i];
    }
    let (target, _) = target[aligned * W..].as_chunks_mut::<VECTOR>();
    let (row, _) = row[aligned * W..].as_chunks::<VECTOR>();
    for (target, row) in target.iter_mut().zip(row) {
        let mut sum = *target;
        for l in 0..VECTOR {
            sum[l] += u[l] * row[l];
        }
        *target = sum;
        vector_done();
    }
}

/// The `u` of one row below a step, and its `e`.
#[inline(always)]
fn substitute<const W: usize>(
    above: &[f64],
    row: usize,
    target: &mut [f64],
    pivot_excess: &[f64],
    excess: &mut [f64],
    inverse: &[f64],
    step: Range<usize>,
) {
    for k in step.clone() {
        let u = scale::<W>(&mut target[k * W..], &inverse[k * W..], &pivot_excess[k * W..], excess);
        for i in k + 1..step.end {
            let mut sum = load::<W>(&target[i * W..]);
            let pivot = load::<W>(&above[k * row + i * W..]);
            for lane in 0..W {
                sum[lane] += u[lane] * pivot[lane];
            }
            target[i * W..][..W].copy_from_slice(&sum);
            vector_done();
        }
    }
}

/// `below_ji += Σ_k u_jk above_ki` for `k` in `pivots`, `i` in `columns` (up to whole vectors).
#[inline(always)]
fn update<const W: usize>(above: &[f64], below: &mut [f64], row: usize, pivots: Range<usize>, columns: Range<usize>) {
    let (mut at, end) = (columns.start * W, columns.end * W);
    while at < end {
        let vectors = (end - at).div_ceil(VECTOR).min(STRIP);
        let mut pairs = below.chunks_exact_mut(2 * row);
        for pair in &mut pairs {
            let (one, two) = pair.split_at_mut(row);
            update_strip::<W, 2>(above, [one, two], row, pivots.clone(), at, vectors);
        }
        let last = pairs.into_remainder();
        if !last.is_empty() {
            update_strip::<W, 1>(above, [last], row, pivots.clone(), at, vectors);
        }
        at += vectors * VECTOR;
    }
}

#[inline(always)]
fn update_strip<const W: usize, const R: usize>(
    above: &[f64],
    mut rows: [&mut [f64]; R],
    row: usize,
    pivots: Range<usize>,
    at: usize,
    vectors: usize,
) {
    let mut k = pivots.start;
    while k < pivots.end {
        k += match pivots.end - k {
            8.. => add_products::<W, R, 8>(above, &mut rows, row, k, at, vectors),
            4.. => add_products::<W, R, 4>(above, &mut rows, row, k, at, vectors),
            2.. => add_products::<W, R, 2>(above, &mut rows, row, k, at, vectors),
            _ => add_products::<W, R, 1>(above, &mut rows, row, k, at, vectors),
        };
    }
}

/// The products of `K` pivots from `k` on, in order; returns `K`.
#[inline(always)]
fn add_products<const W: usize, const R: usize, const K: usize>(
    above: &[f64],
    rows: &mut [&mut [f64]; R],
    row: usize,
    k: usize,
    at: usize,
    vectors: usize,
) -> usize {
    let mut u = [[[0.0; VECTOR]; K]; R];
    for r in 0..R {
        for n in 0..K {
            u[r][n] = spread::<W>(&rows[r][(k + n) * W..][..W]);
        }
    }
    let mut pivot_rows: [&[Vector]; K] = [&[]; K];
    for n in 0..K {
        pivot_rows[n] = &above[(k + n) * row + at..][..vectors * VECTOR].as_chunks().0[..vectors];
    }
    for v in 0..vectors {
        let mut sums = [[0.0; VECTOR]; R];
        for r in 0..R {
            sums[r].copy_from_slice(&rows[r][at + v * VECTOR..][..VECTOR]);
        }
        for n in 0..K {
            for r in 0..R {
                for l in 0..VECTOR {
                    sums[r][l] += u[r][n][l] * pivot_rows[n][v][l];
                }
            }
        }
        for r in 0..R {
            rows[r][at + v * VECTOR..][..VECTOR].copy_from_slice(&sums[r]);
        }
        vector_done();
    }
    K
}
