//! One pass over the weight vectors: the last update, the next inputs and their fields.

use multiversion::multiversion;

use super::rng::{LANES, Lanes, more_normals};
use super::units::Step;

/// Numbers of one draw of the generator; vectors are padded by zeros to a multiple.
pub(super) const WIDTH: usize = 2 * LANES;

/// Pieces drawn at a time: few enough that they and the records they meet stay in the L1 cache.
const TILE: usize = 32;

/// That many coordinates of a vector.
pub(super) type Piece = [f64; WIDTH];

/// Sizes of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub students: usize,
    /// As many as students, or 0.
    pub momenta: usize,
    pub teachers: usize,
    pub batch: usize,
}

impl Shape {
    /// The first place among the vectors of the n-th teacher.
    pub const fn teacher(&self, n: usize) -> usize {
        self.students + self.momenta + n
    }

    /// Students, momenta, teachers and inputs.
    pub const fn vectors(&self) -> usize {
        self.students + self.momenta + self.teachers + self.batch
    }
}

/// The inner product of two vectors.
pub(super) fn inner_product(memory: &[f64], vectors: usize, a: usize, b: usize) -> f64 {
    let mut sums = [0.0; WIDTH];
    for record in memory.as_chunks::<WIDTH>().0.chunks_exact(vectors) {
        for lane in 0..WIDTH {
            sums[lane] += record[a][lane] * record[b][lane];
        }
    }
    sums.iter().sum()
}

/// One pass over memory: piece by piece the last update, the new inputs, and their products with all vectors.
///
/// Sums run over the coordinates in [`WIDTH`] lanes, so that their bits do not depend on the instruction set.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn pass(
    dimension: usize,
    shape: Shape,
    update: Option<(Step, &[f64])>,
    memory: &mut [f64],
    lanes: &mut [Lanes],
    sums: &mut [Piece],
) {
    // The common cases, for which the compiler knows all sizes.
    if let [lanes] = &mut *lanes {
        let keep = update.map_or(1.0, |(step, _)| step.w_w);
        match (shape, keep == 1.0) {
            (ONE, true) => return plain_pass::<1, 1, false>(dimension, update, memory, lanes, sums),
            (ONE, false) => return plain_pass::<1, 1, true>(dimension, update, memory, lanes, sums),
            (TWO, true) => return plain_pass::<2, 2, false>(dimension, update, memory, lanes, sums),
            (TWO, false) => return plain_pass::<2, 2, true>(dimension, update, memory, lanes, sums),
            _ => {}
        }
    }
    general_pass(dimension, shape, update, memory, lanes, sums);
}

const ONE: Shape = Shape { students: 1, momenta: 0, teachers: 1, batch: 1 };
const TWO: Shape = Shape { students: 2, momenta: 0, teachers: 2, batch: 1 };

/// One sample and no momentum: the sums stay in registers.
#[inline(always)]
fn plain_pass<const K: usize, const M: usize, const DECAY: bool>(
    dimension: usize,
    update: Option<(Step, &[f64])>,
    memory: &mut [f64],
    lanes: &mut Lanes,
    sums: &mut [Piece],
) {
    let (keep, push) =
        update.map_or((1.0, [0.0; K]), |(step, force)| (step.w_w, std::array::from_fn(|i| step.w_x * force[i])));
    let (mut students, mut teachers) = ([[0.0; WIDTH]; K], [[0.0; WIDTH]; M]);
    let pieces = memory.as_chunks_mut::<WIDTH>().0;
    let mut fresh = [[0.0; WIDTH]; TILE];
    for (tile, records) in pieces.chunks_mut(TILE * (K + M + 1)).enumerate() {
        let count = records.len() / (K + M + 1);
        // In a function of its own, which has all registers to itself. Drawing leaves the memory idle, so the records come
        // meanwhile.
        more_normals(lanes, fresh[..count].as_flattened_mut(), records.as_flattened());
        let start = tile * TILE * WIDTH;
        if start + count * WIDTH > dimension {
            fresh.as_flattened_mut()[dimension - start..].fill(0.0);
        }
        for (record, fresh) in records.chunks_exact_mut(K + M + 1).zip(&fresh) {
            let old = std::mem::replace(&mut record[K + M], *fresh);
            for i in 0..K {
                // A product with 1 would cost as much as one with the decay.
                let kept = if DECAY { scaled(keep, record[i]) } else { record[i] };
                let moved = add(kept, push[i], old);
                record[i] = moved;
                students[i] = product(students[i], *fresh, moved);
            }
            for n in 0..M {
                teachers[n] = product(teachers[n], *fresh, record[K + n]);
            }
        }
    }
    sums[..K].copy_from_slice(&students);
    sums[K..].copy_from_slice(&teachers);
}

#[inline(always)]
fn general_pass(
    dimension: usize,
    shape: Shape,
    update: Option<(Step, &[f64])>,
    memory: &mut [f64],
    lanes: &mut [Lanes],
    sums: &mut [Piece],
) {
    let Shape { students, momenta, teachers, batch } = shape;
    let sums = &mut sums[..batch * (students + teachers)];
    let records = memory.as_chunks_mut::<WIDTH>().0.chunks_exact_mut(shape.vectors());
    for (start, record) in (0..).step_by(WIDTH).zip(records) {
        let (w, rest) = record.split_at_mut(students);
        let (p, rest) = rest.split_at_mut(momenta);
        let (teacher, x) = rest.split_at_mut(teachers);
        // Pieces are copied to local arrays and back: only then does the compiler see that they do not overlap.
        if let Some((step, force)) = update {
            let force = &force[..batch * students];
            for i in 0..students {
                let samples = x.iter().zip(force.chunks_exact(students));
                if momenta > 0 {
                    let old = add(scaled(step.p_p, p[i]), step.p_w, w[i]);
                    p[i] = samples.fold(old, |p, (x, force)| add(p, step.p_x * force[i], *x));
                    w[i] = add(scaled(step.w_w, w[i]), step.w_p, p[i]);
                } else {
                    let old = scaled(step.w_w, w[i]);
                    w[i] = samples.fold(old, |w, (x, force)| add(w, step.w_x * force[i], *x));
                }
            }
        }
        for ((x, lanes), sums) in x.iter_mut().zip(&mut *lanes).zip(sums.chunks_exact_mut(students + teachers)) {
            let mut local = lanes.clone();
            let draws = local.normals();
            *lanes = local;
            let mut fresh = [0.0; WIDTH];
            fresh[..LANES].copy_from_slice(&draws[0]);
            fresh[LANES..].copy_from_slice(&draws[1]);
            if start + WIDTH > dimension {
                fresh[dimension - start..].fill(0.0);
            }
            *x = fresh;
            for (sum, vector) in sums.iter_mut().zip(w.iter().chain(teacher.iter())) {
                *sum = product(*sum, fresh, *vector);
            }
        }
    }
}

#[inline(always)]
fn scaled(factor: f64, x: Piece) -> Piece {
    std::array::from_fn(|lane| factor * x[lane])
}

/// `y + factor x`.
#[inline(always)]
fn add(y: Piece, factor: f64, x: Piece) -> Piece {
    std::array::from_fn(|lane| y[lane] + factor * x[lane])
}

/// `sum + x y`, lane by lane.
#[inline(always)]
fn product(sum: Piece, x: Piece, y: Piece) -> Piece {
    std::array::from_fn(|lane| sum[lane] + x[lane] * y[lane])
}
