//! The full flow: second layer, alignments and all overlaps.

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::{Llt, Solve};
use faer::{Accum, Mat, MatRef, Par, Side};

use crate::error::{Error, Result};
use crate::gaussian::DualKernel;
use crate::numerics::gmres::Gmres;
use crate::numerics::rosenbrock::Stiff;

/// The state is a, s, then r_ij for i < j, row by row.
///
/// Solves are by GMRES with exact products of the Jacobian, each two products of m×m matrices. The preconditioner treats the
/// second layer exactly, `ε a' = V(s) − U(r) a/m`, and the directions, which are not stiff, as fixed.
#[derive(Clone)]
pub(super) struct FullFlow {
    epsilon: f64,
    neurons: usize,
    u: DualKernel,
    v: DualKernel,
    gmres: Gmres,
    point: Point,
    /// Of the last right-hand side.
    stage: Point,
    shift: f64,
    weight: Vec<f64>,
    factors: Option<Llt<f64>>,
    scratch: Scratch,
}

/// A state and what its right-hand side is made of.
#[derive(Clone)]
struct Point {
    a: Vec<f64>,
    s: Vec<f64>,
    r: Mat<f64>,
    /// `U(r)`, `U'(r)`, `U''(r)`, the last 0 on the diagonal.
    u: [Mat<f64>; 3],
    /// `V(s)`, `V'(s)`, `V''(s)`.
    v: Vec<[f64; 3]>,
    /// `E_ip = a_p U'(r_ip)`, `E R`, `e_i = (E R)_ii`, `(E s)_i`.
    e: Mat<f64>,
    er: Mat<f64>,
    es: Vec<f64>,
}

#[derive(Clone)]
struct Scratch {
    dr: Mat<f64>,
    de: Mat<f64>,
    product: Mat<f64>,
}

/// Where r_ij stands in the state, i < j.
pub(super) fn pair(m: usize, i: usize, j: usize) -> usize {
    2 * m + i * (2 * m - i - 1) / 2 + j - i - 1
}

fn multiply(out: &mut Mat<f64>, accumulate: Accum, a: MatRef<'_, f64>, b: MatRef<'_, f64>) {
    matmul(out, accumulate, a, b, 1.0, Par::Seq);
}

impl Point {
    fn new(m: usize) -> Self {
        let zeros = || Mat::zeros(m, m);
        Self {
            a: vec![0.0; m],
            s: vec![0.0; m],
            r: Mat::identity(m, m),
            u: [zeros(), zeros(), zeros()],
            v: vec![[0.0; 3]; m],
            e: zeros(),
            er: zeros(),
            es: vec![0.0; m],
        }
    }

    fn load(&mut self, y: &[f64], u: &DualKernel, v: &DualKernel) {
        let m = self.a.len();
        self.a.copy_from_slice(&y[..m]);
        self.s.copy_from_slice(&y[m..2 * m]);
        let whole = u.at(1.0);
        for j in 0..m {
            for (u, value) in self.u.iter_mut().zip([whole[0], whole[1], 0.0]) {
                u[(j, j)] = value;
            }
            for i in 0..j {
                let r = y[pair(m, i, j)];
                (self.r[(i, j)], self.r[(j, i)]) = (r, r);
                for (u, value) in self.u.iter_mut().zip(u.at(r)) {
                    (u[(i, j)], u[(j, i)]) = (value, value);
                }
            }
            self.v[j] = v.at(self.s[j]);
        }
        self.es.fill(0.0);
        for p in 0..m {
            for i in 0..m {
                let e = self.a[p] * self.u[1][(i, p)];
                self.e[(i, p)] = e;
                self.es[i] += e * self.s[p];
            }
        }
        multiply(&mut self.er, Accum::Replace, self.e.as_ref(), self.r.as_ref());
    }

    /// `V'(s_i)(s_j − r_ij s_i) − ((E R)_ij − e_i r_ij)/m`, and the same for the target in place of j.
    fn force(&self, i: usize, j: usize) -> f64 {
        let r = self.r[(i, j)];
        self.v[i][1] * (self.s[j] - r * self.s[i]) - (self.er[(i, j)] - self.er[(i, i)] * r) / self.a.len() as f64
    }

    fn pull(&self, i: usize) -> f64 {
        let s = self.s[i];
        self.v[i][1] * (1.0 - s * s) - (self.es[i] - self.er[(i, i)] * s) / self.a.len() as f64
    }
}

impl FullFlow {
    pub(super) fn new(epsilon: f64, neurons: usize, u: DualKernel, v: DualKernel) -> Self {
        let zeros = || Mat::zeros(neurons, neurons);
        Self {
            epsilon,
            neurons,
            u,
            v,
            gmres: Gmres::default(),
            point: Point::new(neurons),
            stage: Point::new(neurons),
            shift: 0.0,
            weight: Vec::new(),
            factors: None,
            scratch: Scratch { dr: zeros(), de: zeros(), product: zeros() },
        }
    }

    /// `J x` at the point.
    #[cfg(test)]
    pub(super) fn jacobian_product(&mut self, y: &[f64], x: &[f64], out: &mut [f64]) {
        self.point.load(y, &self.u, &self.v);
        product(&self.point, self.epsilon, x, out, &mut self.scratch);
    }
}

/// `out = J x`.
fn product(at: &Point, epsilon: f64, x: &[f64], out: &mut [f64], scratch: &mut Scratch) {
    let m = at.a.len();
    let inverse = 1.0 / m as f64;
    let Scratch { dr, de, product } = scratch;
    let (da, ds) = (&x[..m], &x[m..2 * m]);
    for j in 0..m {
        for i in 0..j {
            let value = x[pair(m, i, j)];
            (dr[(i, j)], dr[(j, i)]) = (value, value);
        }
    }
    let mut along = vec![[0.0; 2]; m];
    for p in 0..m {
        for (i, along) in along.iter_mut().enumerate() {
            // Of U(r) a and of E s.
            let change = da[p] * at.u[1][(i, p)] + at.a[p] * at.u[2][(i, p)] * dr[(i, p)];
            de[(i, p)] = change;
            along[0] += da[p] * at.u[0][(i, p)] + at.e[(i, p)] * dr[(i, p)];
            along[1] += change * at.s[p] + at.e[(i, p)] * ds[p];
        }
    }
    multiply(product, Accum::Replace, de.as_ref(), at.r.as_ref());
    multiply(product, Accum::Add, at.e.as_ref(), dr.as_ref());
    // (E dR)_ii, part of product_ii, is Σ_p E_ip dr_pi = Σ_p E_ip dr_ip, as it should be.
    let force = |i: usize, j: usize| {
        let (r, d) = (at.r[(i, j)], dr[(i, j)]);
        at.v[i][2] * ds[i] * (at.s[j] - r * at.s[i]) + at.v[i][1] * (ds[j] - d * at.s[i] - r * ds[i])
            - inverse * (product[(i, j)] - product[(i, i)] * r - at.er[(i, i)] * d)
    };
    for i in 0..m {
        out[i] = (at.v[i][1] * ds[i] - inverse * along[i][0]) / epsilon;
        let s = at.s[i];
        let pull = at.v[i][2] * ds[i] * (1.0 - s * s)
            - 2.0 * at.v[i][1] * s * ds[i]
            - inverse * (along[i][1] - product[(i, i)] * s - at.er[(i, i)] * ds[i]);
        out[m + i] = da[i] * at.pull(i) + at.a[i] * pull;
        for j in i + 1..m {
            out[pair(m, i, j)] =
                da[i] * at.force(i, j) + da[j] * at.force(j, i) + at.a[i] * force(i, j) + at.a[j] * force(j, i);
        }
    }
}

/// Solves with the preconditioner.
fn precondition(at: &Point, factors: &Llt<f64>, epsilon: f64, shift: f64, b: &mut [f64]) {
    let m = at.a.len();
    let inverse = 1.0 / m as f64;
    let (first, rest) = b.split_at_mut(m);
    rest.iter_mut().for_each(|x| *x /= shift);
    for i in 0..m {
        let mut change = at.v[i][1] * rest[i];
        for j in 0..m {
            if j != i {
                change -= inverse * at.e[(i, j)] * rest[pair(m, i.min(j), i.max(j)) - m];
            }
        }
        first[i] += change / epsilon;
    }
    factors.solve_in_place(faer::MatMut::from_column_major_slice_mut(first, m, 1));
}

impl Stiff for FullFlow {
    fn rhs(&mut self, y: &[f64], out: &mut [f64]) -> Result<()> {
        let m = self.neurons;
        // Not the point of `prepare`, which is still in use.
        let at = &mut self.stage;
        at.load(y, &self.u, &self.v);
        for i in 0..m {
            let mut sum = 0.0;
            for j in 0..m {
                sum += at.a[j] * at.u[0][(i, j)];
            }
            out[i] = (at.v[i][0] - sum / m as f64) / self.epsilon;
            out[m + i] = at.a[i] * at.pull(i);
            for j in i + 1..m {
                out[pair(m, i, j)] = at.a[i] * at.force(i, j) + at.a[j] * at.force(j, i);
            }
        }
        Ok(())
    }

    fn prepare(&mut self, y: &[f64], shift: f64, weight: &[f64]) -> Result<()> {
        let m = self.neurons;
        self.point.load(y, &self.u, &self.v);
        self.shift = shift;
        self.weight.clear();
        self.weight.extend_from_slice(weight);
        let scale = 1.0 / (m as f64 * self.epsilon);
        let at = &self.point;
        let stiff = Mat::from_fn(m, m, |i, j| scale * at.u[0][(i, j)] + if i == j { shift } else { 0.0 });
        let factors = stiff.llt(Side::Lower);
        // U is positive semidefinite where r is one of vectors; a stage of a step that is too long may leave them.
        let failed = Error::NotConverged { what: "Cholesky", iterations: 0, residual: f64::NAN, tolerance: 0.0 };
        self.factors = Some(factors.map_err(|_| failed)?);
        Ok(())
    }

    fn solve(&mut self, b: &mut [f64]) -> Result<()> {
        /// Of the error that a step may have.
        const SHARE: f64 = 1e-3;
        let Some(factors) = &self.factors else { return Ok(()) };
        let (at, epsilon, shift) = (&self.point, self.epsilon, self.shift);
        precondition(at, factors, epsilon, shift, b);
        let scratch = &mut self.scratch;
        self.gmres.solve(
            |x, out| {
                product(at, epsilon, x, out, scratch);
                out.iter_mut().zip(x).for_each(|(out, x)| *out = shift * x - *out);
                precondition(at, factors, epsilon, shift, out);
                Ok(())
            },
            b,
            &self.weight,
            SHARE,
        )
    }
}
