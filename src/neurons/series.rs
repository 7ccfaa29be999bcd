//! The simplified flow with kernels that are polynomials: sums by degree.

use faer::Mat;
use faer::linalg::solvers::DenseSolveCore;

use crate::error::{Error, Result};
use crate::gaussian::horner;
use crate::numerics::rosenbrock::Stiff;

/// `ε a_i' = P(s_i)`, `s_i' = a_i (1 − s_i²) P'(s_i)` with `P(s) = Σ_k (v_k − c_k ⟨a s^k⟩) s^k`, where `V = Σ v_k s^k` and
/// `U = Σ c_k r^k`. The state is a, then s.
///
/// With the sums `⟨a s^k⟩` held fixed the Jacobian is one 2×2 block a neuron; the sums add a matrix of as many ranks as U has
/// degrees, which the formula of Woodbury takes care of. A solve is corrected once by its residual, since blocks
/// may be nearly singular where the whole is not.
#[derive(Debug, Clone)]
pub(super) struct SeriesFlow {
    epsilon: f64,
    neurons: usize,
    v: Vec<f64>,
    u: Vec<f64>,
    /// Degrees k with c_k ≠ 0.
    degrees: Vec<usize>,
    polynomial: Vec<f64>,
    sums: Vec<f64>,
    power: Vec<f64>,
    // Of the last `prepare`:
    /// `W` with fixed sums, row-major.
    blocks: Vec<[f64; 4]>,
    inverses: Vec<[f64; 4]>,
    /// One of `degrees` each (2 numbers a neuron): minus the change of the right-hand side with a sum …
    columns: Vec<Vec<[f64; 2]>>,
    /// … and the change of a sum with the state.
    rows: Vec<Vec<[f64; 2]>>,
    /// `(1 + rows blocks⁻¹ columns)⁻¹`, row-major.
    small: Vec<f64>,
    right: Vec<[f64; 2]>,
    found: Vec<[f64; 2]>,
    change: Vec<[f64; 2]>,
    along: Vec<f64>,
}

impl SeriesFlow {
    pub(super) fn new(epsilon: f64, neurons: usize, u: &[f64], v: &[f64]) -> Self {
        let degrees: Vec<usize> = (0..u.len()).filter(|&k| u[k] != 0.0).collect();
        let rank = degrees.len();
        let zeros = vec![[0.0; 2]; neurons];
        Self {
            epsilon,
            neurons,
            v: v.to_vec(),
            u: u.to_vec(),
            degrees,
            polynomial: vec![0.0; u.len().max(v.len())],
            sums: vec![0.0; u.len()],
            power: vec![0.0; neurons],
            blocks: vec![[0.0; 4]; neurons],
            inverses: vec![[0.0; 4]; neurons],
            columns: vec![zeros.clone(); rank],
            rows: vec![zeros.clone(); rank],
            small: vec![0.0; rank * rank],
            right: zeros.clone(),
            found: zeros.clone(),
            change: zeros,
            along: vec![0.0; 2 * rank],
        }
    }

    /// The coefficients of P at this state.
    fn load(&mut self, a: &[f64], s: &[f64]) {
        self.power.copy_from_slice(a);
        for sum in &mut self.sums {
            *sum = self.power.iter().sum::<f64>() / self.neurons as f64;
            self.power.iter_mut().zip(s).for_each(|(p, s)| *p *= s);
        }
        self.polynomial.fill(0.0);
        self.polynomial.iter_mut().zip(&self.v).for_each(|(p, v)| *p += v);
        for ((p, c), sum) in self.polynomial.iter_mut().zip(&self.u).zip(&self.sums) {
            *p -= c * sum;
        }
    }

    /// `out ← W⁻¹ right` by blocks and sums.
    fn approximate(&mut self, right: &[[f64; 2]], out: &mut [[f64; 2]]) {
        apply(&self.inverses, right, out);
        let rank = self.degrees.len();
        let (along, strength) = self.along.split_at_mut(rank);
        for (along, row) in along.iter_mut().zip(&self.rows) {
            *along = inner(row, out);
        }
        for (strength, row) in strength.iter_mut().zip(self.small.chunks_exact(rank.max(1))) {
            *strength = row.iter().zip(&*along).map(|(x, y)| x * y).sum();
        }
        self.change.fill([0.0; 2]);
        for (strength, column) in strength.iter().zip(&self.columns) {
            for (change, c) in self.change.iter_mut().zip(column) {
                change[0] += strength * c[0];
                change[1] += strength * c[1];
            }
        }
        for ((x, change), [p, q, r, t]) in out.iter_mut().zip(&self.change).zip(&self.inverses) {
            x[0] -= p * change[0] + q * change[1];
            x[1] -= r * change[0] + t * change[1];
        }
    }
}

/// Block by block.
fn apply(blocks: &[[f64; 4]], x: &[[f64; 2]], out: &mut [[f64; 2]]) {
    for ((out, x), [p, q, r, s]) in out.iter_mut().zip(x).zip(blocks) {
        *out = [p * x[0] + q * x[1], r * x[0] + s * x[1]];
    }
}

fn inner(x: &[[f64; 2]], y: &[[f64; 2]]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x[0] * y[0] + x[1] * y[1]).sum()
}

impl Stiff for SeriesFlow {
    fn rhs(&mut self, y: &[f64], out: &mut [f64]) -> Result<()> {
        let (a, s) = y.split_at(self.neurons);
        self.load(a, s);
        let (da, ds) = out.split_at_mut(self.neurons);
        let inverse = 1.0 / self.epsilon;
        for (((da, ds), &a), &s) in da.iter_mut().zip(ds).zip(a).zip(s) {
            let [value, slope] = value_and_slope(&self.polynomial, s);
            *da = value * inverse;
            *ds = a * (1.0 - s * s) * slope;
        }
        Ok(())
    }

    fn prepare(&mut self, y: &[f64], shift: f64, _weight: &[f64]) -> Result<()> {
        let m = self.neurons;
        let (a, s) = y.split_at(m);
        self.load(a, s);
        for i in 0..m {
            let [_, slope, curvature] = horner(&self.polynomial, s[i]);
            let free = 1.0 - s[i] * s[i];
            let block =
                [shift, -slope / self.epsilon, -free * slope, shift - a[i] * (free * curvature - 2.0 * s[i] * slope)];
            let determinant = block[0] * block[3] - block[1] * block[2];
            if determinant == 0.0 {
                return Err(Error::NotConverged { what: "a block", iterations: 0, residual: 0.0, tolerance: 0.0 });
            }
            let [p, q, r, t] = block.map(|x| x / determinant);
            (self.blocks[i], self.inverses[i]) = (block, [t, -q, -r, p]);
        }
        let mut scratch = std::mem::take(&mut self.found);
        let rank = self.degrees.len();
        for ((column, row), &k) in self.columns.iter_mut().zip(&mut self.rows).zip(&self.degrees) {
            let (c, degree) = (self.u[k], k as f64);
            for i in 0..m {
                let below = if k > 0 { s[i].powi(k as i32 - 1) } else { 0.0 };
                let power = if k > 0 { below * s[i] } else { 1.0 };
                column[i] = [c * power / self.epsilon, a[i] * (1.0 - s[i] * s[i]) * degree * c * below];
                row[i] = [power / m as f64, a[i] * degree * below / m as f64];
            }
        }
        let mut matrix = Mat::<f64>::identity(rank, rank);
        for (l, column) in self.columns.iter().enumerate() {
            apply(&self.inverses, column, &mut scratch);
            for (k, row) in self.rows.iter().enumerate() {
                matrix[(k, l)] += inner(row, &scratch);
            }
        }
        self.found = scratch;
        let inverse = matrix.partial_piv_lu().inverse();
        for k in 0..rank {
            for l in 0..rank {
                self.small[k * rank + l] = inverse[(k, l)];
            }
        }
        Ok(())
    }

    fn solve(&mut self, b: &mut [f64]) -> Result<()> {
        let m = self.neurons;
        let (mut right, mut found) = (std::mem::take(&mut self.right), std::mem::take(&mut self.found));
        for i in 0..m {
            right[i] = [b[i], b[m + i]];
        }
        self.approximate(&right, &mut found);
        // The residual: right − blocks·found − columns·(rows·found).
        for ((right, found), [p, q, r, s]) in right.iter_mut().zip(&found).zip(&self.blocks) {
            right[0] -= p * found[0] + q * found[1];
            right[1] -= r * found[0] + s * found[1];
        }
        for (row, column) in self.rows.iter().zip(&self.columns) {
            let along = inner(row, &found);
            for (right, c) in right.iter_mut().zip(column) {
                right[0] -= along * c[0];
                right[1] -= along * c[1];
            }
        }
        for i in 0..m {
            (b[i], b[m + i]) = (found[i][0], found[i][1]);
        }
        self.approximate(&right, &mut found);
        for i in 0..m {
            b[i] += found[i][0];
            b[m + i] += found[i][1];
        }
        (self.right, self.found) = (right, found);
        Ok(())
    }
}

fn value_and_slope(coefficients: &[f64], x: f64) -> [f64; 2] {
    let (mut value, mut slope) = (0.0, 0.0);
    for c in coefficients.iter().rev() {
        slope = slope * x + value;
        value = value * x + c;
    }
    [value, slope]
}
