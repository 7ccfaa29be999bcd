//! Roots of covariances that may be singular.

use ndarray::{Array2, ArrayView2};

/// Pivots below this part of the largest diagonal entry, for each row, are rounding.
const ROUNDING: f64 = f64::EPSILON;

/// `X` (n×r, r the rank) with `X Xᵀ = matrix`, symmetric and positive semidefinite: Cholesky with complete pivoting (Higham
/// 2002, §10.3).
pub(super) fn root(matrix: ArrayView2<'_, f64>) -> Array2<f64> {
    let n = matrix.nrows();
    let mut rest = matrix.to_owned();
    let floor = n as f64 * ROUNDING * matrix.diag().iter().fold(0.0, |most: f64, x| most.max(*x));
    let mut columns: Vec<Vec<f64>> = Vec::new();
    while columns.len() < n {
        let largest = rest.diag().iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((pivot, _)) = largest.filter(|(_, value)| *value > floor) else { break };
        let scale = 1.0 / rest[[pivot, pivot]].sqrt();
        let column: Vec<f64> = rest.column(pivot).iter().map(|x| x * scale).collect();
        for i in 0..n {
            for k in 0..n {
                rest[[i, k]] -= column[i] * column[k];
            }
        }
        // What rounding leaves there must not be chosen again.
        rest.row_mut(pivot).fill(0.0);
        rest.column_mut(pivot).fill(0.0);
        columns.push(column);
    }
    Array2::from_shape_fn((n, columns.len()), |(i, j)| columns[j][i])
}

/// The roots of `[[P, Mᵀ], [M, Q]]` relative to the span of the teacher: `P = L Lᵀ` (M×r), `M = A Lᵀ` (A: K×r), and `S` with
/// `S Sᵀ = Q − A Aᵀ` (K×s).
#[derive(Debug, Clone)]
pub(super) struct Roots {
    /// `L`.
    pub teacher: Array2<f64>,
    /// `A`.
    pub along: Array2<f64>,
    /// The root of the overlaps of what of the students is perpendicular to the teacher.
    pub across: Array2<f64>,
}

impl Roots {
    /// From `P` (M×M), `M` (K×M) and `Q` (K×K).
    pub fn new(teacher: ArrayView2<'_, f64>, m: ArrayView2<'_, f64>, q: ArrayView2<'_, f64>) -> Self {
        let (students, teachers) = m.dim();
        let root_p = root(teacher);
        let rank = root_p.ncols();
        let (mut along, mut left, mut done) =
            (Array2::<f64>::zeros((students, rank)), m.to_owned(), vec![false; teachers]);
        for j in 0..rank {
            // The teacher that was the j-th pivot has the largest entry of column j, and none in the columns after it.
            let open = (0..teachers).filter(|&n| !done[n]);
            let pivot = open.max_by(|&a, &b| root_p[[a, j]].abs().total_cmp(&root_p[[b, j]].abs())).unwrap_or(0);
            done[pivot] = true;
            for i in 0..students {
                let coordinate = left[[i, pivot]] / root_p[[pivot, j]];
                along[[i, j]] = coordinate;
                for n in 0..teachers {
                    left[[i, n]] -= coordinate * root_p[[n, j]];
                }
            }
        }
        let perpendicular = &q - &along.dot(&along.t());
        // Rounding of Q, not of the difference, is what the difference is good to.
        let floor = students as f64 * ROUNDING * q.diag().iter().fold(0.0, |most: f64, x| most.max(*x));
        let across = if perpendicular.diag().iter().all(|x| *x <= floor) {
            Array2::zeros((students, 0))
        } else {
            root(perpendicular.view())
        };
        Self { teacher: root_p, along, across }
    }

    /// Dimension of the span of all vectors.
    pub fn rank(&self) -> usize {
        self.teacher.ncols() + self.across.ncols()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn roots_give_back_singular_overlaps() {
        // Vectors in three dimensions: two equal teachers and one in their direction, a student that is a teacher, one that is
        // zero, one on its own.
        let w: Array2<f64> =
            array![[1.0, 2.0, 0.5], [1.0, 2.0, 0.5], [2.0, 4.0, 1.0], [1.0, 2.0, 0.5], [0.0; 3], [0.3, -1.0, 2.0]];
        let c = w.dot(&w.t());
        let (p, m, q) =
            (c.slice(ndarray::s![..3, ..3]), c.slice(ndarray::s![3.., ..3]), c.slice(ndarray::s![3.., 3..]));
        let roots = Roots::new(p, m, q);
        assert_eq!((roots.teacher.ncols(), roots.across.ncols(), roots.rank()), (1, 1, 2));
        let close = |a: Array2<f64>, b: ArrayView2<'_, f64>| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-14); // rounding of 21
        assert!(close(roots.teacher.dot(&roots.teacher.t()), p));
        assert!(close(roots.along.dot(&roots.teacher.t()), m));
        assert!(close(roots.along.dot(&roots.along.t()) + roots.across.dot(&roots.across.t()), q));
    }
}
