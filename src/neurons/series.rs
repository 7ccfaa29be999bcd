//! The simplified flow with kernels that are polynomials: sums by degree.

use multiversion::multiversion;
use nalgebra::DMatrix;

use crate::error::{Error, Result};
use crate::gaussian::horner;
use crate::numerics::rosenbrock::Stiff;
use crate::numerics::sum::dot;

/// `ε a_i' = P(s_i)`, `s_i' = a_i (1 − s_i²) P'(s_i)` with `P(s) = Σ_k (v_k − c_k ⟨a s^k⟩) s^k`, where `V = Σ v_k s^k` and
/// `U = Σ c_k r^k`. The state is a, then s.
///
/// With the sums `⟨a s^k⟩` held fixed the Jacobian is one 2×2 block a neuron; the sums add a matrix of as many ranks as U has
/// degrees, which the formula of Woodbury takes care of. Blocks may be nearly singular where the whole is not: then solves are
/// corrected once by their residual.
#[derive(Debug, Clone)]
pub(super) struct SeriesFlow {
    epsilon: f64,
    neurons: usize,
    v: Vec<f64>,
    u: Vec<f64>,
    /// Degrees k with c_k ≠ 0.
    degrees: Vec<usize>,
    polynomial: Vec<f64>,
    sums: Vec<[f64; LANES]>,
    /// `s^k` of the degree at hand, and of the one below.
    powers: [Vec<f64>; 2],
    // Of the last `prepare`; vectors have 2m numbers, as the state:
    /// `W` with fixed sums, and its inverse: rows of 2×2 blocks, one list an entry.
    blocks: [Vec<f64>; 4],
    inverses: [Vec<f64>; 4],
    /// Of each of `degrees`: minus the change of the right-hand side with a sum …
    columns: Vec<Vec<f64>>,
    /// … and the change of a sum with the state.
    rows: Vec<Vec<f64>>,
    /// Whether a block is so nearly singular that it costs four digits.
    singular: bool,
    /// `(1 + rows blocks⁻¹ columns)⁻¹`, row-major.
    small: Vec<f64>,
    found: Vec<f64>,
    change: Vec<f64>,
    correction: Vec<f64>,
}

/// Neurons side by side.
const LANES: usize = 8;

impl SeriesFlow {
    pub(super) fn new(epsilon: f64, neurons: usize, u: &[f64], v: &[f64]) -> Self {
        let degrees: Vec<usize> = (0..u.len()).filter(|&k| u[k] != 0.0).collect();
        let rank = degrees.len();
        let (half, whole) = (vec![0.0; neurons], vec![0.0; 2 * neurons]);
        let block = || std::array::from_fn(|_| half.clone());
        Self {
            epsilon,
            neurons,
            v: v.to_vec(),
            u: u.to_vec(),
            degrees,
            polynomial: vec![0.0; u.len().max(v.len())],
            sums: vec![[0.0; LANES]; u.len()],
            powers: [half.clone(), half.clone()],
            blocks: block(),
            inverses: block(),
            columns: vec![whole.clone(); rank],
            rows: vec![whole.clone(); rank],
            singular: false,
            small: vec![0.0; rank * rank],
            found: whole.clone(),
            change: whole.clone(),
            correction: whole,
        }
    }

    /// The coefficients of P at this state.
    fn load(&mut self, a: &[f64], s: &[f64]) {
        moments(a, s, &mut self.sums);
        self.polynomial.fill(0.0);
        self.polynomial.iter_mut().zip(&self.v).for_each(|(p, v)| *p += v);
        for ((p, c), sum) in self.polynomial.iter_mut().zip(&self.u).zip(&self.sums) {
            *p -= c * sum.iter().sum::<f64>() / self.neurons as f64;
        }
    }

    /// `out ← W⁻¹ right` by blocks and sums.
    fn approximate(&mut self, right: &[f64], out: &mut [f64]) {
        multiply(&self.inverses, right, out);
        self.change.fill(0.0);
        let rank = self.degrees.len();
        let along: Vec<f64> = self.rows.iter().map(|row| dot(row, out)).collect();
        for (row, column) in self.small.chunks_exact(rank.max(1)).zip(&self.columns) {
            let strength: f64 = row.iter().zip(&along).map(|(x, y)| x * y).sum();
            add(&mut self.change, strength, column);
        }
        subtract_product(&self.inverses, &self.change, out);
    }
}

/// `Σ_i a_i s_i^k` in lanes.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn moments(a: &[f64], s: &[f64], sums: &mut [[f64; LANES]]) {
    sums.fill([0.0; LANES]);
    for (a, s) in a.chunks(LANES).zip(s.chunks(LANES)) {
        let (mut power, mut base) = ([0.0; LANES], [0.0; LANES]);
        power[..a.len()].copy_from_slice(a);
        base[..s.len()].copy_from_slice(s);
        for sum in &mut *sums {
            for lane in 0..LANES {
                sum[lane] += power[lane];
                power[lane] *= base[lane];
            }
        }
    }
}

/// The right-hand side at given sums; `inverse` is 1/ε.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn rates(polynomial: &[f64], inverse: f64, a: &[f64], s: &[f64], da: &mut [f64], ds: &mut [f64]) {
    let chunks = a.chunks(LANES).zip(s.chunks(LANES)).zip(da.chunks_mut(LANES).zip(ds.chunks_mut(LANES)));
    for ((a, s), (da, ds)) in chunks {
        let (mut weight, mut x) = ([0.0; LANES], [0.0; LANES]);
        weight[..a.len()].copy_from_slice(a);
        x[..s.len()].copy_from_slice(s);
        let (mut value, mut slope) = ([0.0; LANES], [0.0; LANES]);
        for c in polynomial.iter().rev() {
            for lane in 0..LANES {
                slope[lane] = slope[lane] * x[lane] + value[lane];
                value[lane] = value[lane] * x[lane] + c;
            }
        }
        for lane in 0..LANES {
            value[lane] *= inverse;
            slope[lane] *= weight[lane] * (1.0 - x[lane] * x[lane]);
        }
        da.copy_from_slice(&value[..a.len()]);
        ds.copy_from_slice(&slope[..a.len()]);
    }
}

/// `out = blocks x`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn multiply(blocks: &[Vec<f64>; 4], x: &[f64], out: &mut [f64]) {
    let m = x.len() / 2;
    let ((xa, xs), (oa, os)) = (x.split_at(m), out.split_at_mut(m));
    let [p, q, r, t] = blocks.each_ref().map(|list| &list[..m]);
    let (oa, os) = (&mut oa[..m], &mut os[..m]);
    for i in 0..m {
        oa[i] = p[i] * xa[i] + q[i] * xs[i];
        os[i] = r[i] * xa[i] + t[i] * xs[i];
    }
}

/// `out −= blocks x`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn subtract_product(blocks: &[Vec<f64>; 4], x: &[f64], out: &mut [f64]) {
    let m = x.len() / 2;
    let ((xa, xs), (oa, os)) = (x.split_at(m), out.split_at_mut(m));
    let [p, q, r, t] = blocks.each_ref().map(|list| &list[..m]);
    let (oa, os) = (&mut oa[..m], &mut os[..m]);
    for i in 0..m {
        oa[i] -= p[i] * xa[i] + q[i] * xs[i];
        os[i] -= r[i] * xa[i] + t[i] * xs[i];
    }
}

/// `out += factor·x`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add(out: &mut [f64], factor: f64, x: &[f64]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += factor * x;
    }
}

impl Stiff for SeriesFlow {
    fn rhs(&mut self, y: &[f64], out: &mut [f64]) -> Result<()> {
        let (a, s) = y.split_at(self.neurons);
        self.load(a, s);
        let (da, ds) = out.split_at_mut(self.neurons);
        rates(&self.polynomial, 1.0 / self.epsilon, a, s, da, ds);
        Ok(())
    }

    fn prepare(&mut self, y: &[f64], shift: f64, _weight: &[f64]) -> Result<()> {
        let m = self.neurons;
        let (a, s) = y.split_at(m);
        self.load(a, s);
        self.singular = false;
        for i in 0..m {
            let [_, slope, curvature] = horner(&self.polynomial, s[i]);
            let free = 1.0 - s[i] * s[i];
            let block =
                [shift, -slope / self.epsilon, -free * slope, shift - a[i] * (free * curvature - 2.0 * s[i] * slope)];
            let (along, across) = (block[0] * block[3], block[1] * block[2]);
            let determinant = along - across;
            self.singular |= determinant.abs() < 1e-4 * (along.abs() + across.abs());
            if determinant == 0.0 {
                return Err(Error::NotConverged { what: "a block", iterations: 0, residual: 0.0, tolerance: 0.0 });
            }
            let [p, q, r, t] = block.map(|x| x / determinant);
            for (at, (entry, inverse)) in block.into_iter().zip([t, -q, -r, p]).enumerate() {
                (self.blocks[at][i], self.inverses[at][i]) = (entry, inverse);
            }
        }
        let rank = self.degrees.len();
        let (inverse, share) = (1.0 / self.epsilon, 1.0 / m as f64);
        let [power, below] = &mut self.powers;
        power.fill(1.0);
        below.fill(0.0);
        let mut k = 0;
        for ((column, row), &degree) in self.columns.iter_mut().zip(&mut self.rows).zip(&self.degrees) {
            while k < degree {
                below.copy_from_slice(power);
                power.iter_mut().zip(s).for_each(|(p, s)| *p *= s);
                k += 1;
            }
            let c = self.u[k];
            let ((ca, cs), (ra, rs)) = (column.split_at_mut(m), row.split_at_mut(m));
            for i in 0..m {
                let slope = a[i] * k as f64 * below[i];
                (ca[i], cs[i]) = (c * power[i] * inverse, (1.0 - s[i] * s[i]) * c * slope);
                (ra[i], rs[i]) = (power[i] * share, slope * share);
            }
        }
        let mut matrix = DMatrix::<f64>::identity(rank, rank);
        for (l, column) in self.columns.iter().enumerate() {
            multiply(&self.inverses, column, &mut self.found);
            for (k, row) in self.rows.iter().enumerate() {
                matrix[(k, l)] += dot(row, &self.found);
            }
        }
        // A few rows: not worth the threads that a library of large matrices may start.
        let Some(inverse) = matrix.try_inverse() else {
            return Err(Error::NotConverged {
                what: "the matrix of sums",
                iterations: 0,
                residual: 0.0,
                tolerance: 0.0,
            });
        };
        for (k, row) in self.small.chunks_exact_mut(rank.max(1)).enumerate() {
            row.iter_mut().enumerate().for_each(|(l, x)| *x = inverse[(k, l)]);
        }
        Ok(())
    }

    fn solve(&mut self, b: &mut [f64]) -> Result<()> {
        let mut found = std::mem::take(&mut self.found);
        self.approximate(b, &mut found);
        if !self.singular {
            b.copy_from_slice(&found);
            self.found = found;
            return Ok(());
        }
        // The residual: b − blocks·found − columns·(rows·found).
        subtract_product(&self.blocks, &found, b);
        for (row, column) in self.rows.iter().zip(&self.columns) {
            add(b, -dot(row, &found), column);
        }
        let mut change = std::mem::take(&mut self.correction);
        self.approximate(b, &mut change);
        b.copy_from_slice(&found);
        add(b, 1.0, &change);
        (self.found, self.correction) = (found, change);
        Ok(())
    }
}
