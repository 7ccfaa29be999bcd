//! The simplified flow with kernels in closed form, or any others: sums over pairs of neurons.

use faer::Mat;
use faer::linalg::solvers::{PartialPivLu, Solve};

use crate::error::Result;
use crate::gaussian::DualKernel;
use crate::numerics::rosenbrock::Stiff;

/// The state is a, then s. A right-hand side costs m² kernels, a step the factors of a 2m×2m matrix.
#[derive(Clone)]
pub(super) struct ClosedFlow {
    epsilon: f64,
    neurons: usize,
    u: DualKernel,
    v: DualKernel,
    factors: Option<PartialPivLu<f64>>,
}

impl ClosedFlow {
    pub(super) fn new(epsilon: f64, neurons: usize, u: DualKernel, v: DualKernel) -> Self {
        Self { epsilon, neurons, u, v, factors: None }
    }
}

impl Stiff for ClosedFlow {
    fn rhs(&mut self, y: &[f64], out: &mut [f64]) -> Result<()> {
        let m = self.neurons;
        let (a, s) = y.split_at(m);
        let (da, ds) = out.split_at_mut(m);
        da.fill(0.0);
        ds.fill(0.0);
        for i in 0..m {
            for j in 0..=i {
                let [u, slope, _] = self.u.at(s[i] * s[j]);
                da[i] += a[j] * u;
                ds[i] += a[j] * s[j] * slope;
                if j < i {
                    da[j] += a[i] * u;
                    ds[j] += a[i] * s[i] * slope;
                }
            }
        }
        let inverse = 1.0 / m as f64;
        for i in 0..m {
            let [v, slope, _] = self.v.at(s[i]);
            da[i] = (v - inverse * da[i]) / self.epsilon;
            ds[i] = a[i] * (1.0 - s[i] * s[i]) * (slope - inverse * ds[i]);
        }
        Ok(())
    }

    fn prepare(&mut self, y: &[f64], shift: f64, _weight: &[f64]) -> Result<()> {
        let m = self.neurons;
        let (a, s) = y.split_at(m);
        let inverse = 1.0 / m as f64;
        let mut w = Mat::<f64>::zeros(2 * m, 2 * m);
        for i in 0..m {
            let [_, slope, curvature] = self.v.at(s[i]);
            let free = 1.0 - s[i] * s[i];
            // What multiplies a_i (1 − s_i²) in s_i', its change with s_i, and that of ε a_i'.
            let (mut force, mut bend) = (slope, curvature);
            for j in 0..m {
                let r = s[i] * s[j];
                let [u, u1, u2] = self.u.at(r);
                // U'' of ReLU is infinite at |r| = 1, where the factor 1 − s² vanishes faster.
                let u2 = if free == 0.0 { 0.0 } else { u2.min(f64::MAX) };
                force -= inverse * a[j] * s[j] * u1;
                bend -= inverse * a[j] * s[j] * s[j] * u2;
                w[(i, j)] = inverse * u / self.epsilon;
                w[(i, m + j)] = inverse * a[j] * s[i] * u1 / self.epsilon;
                w[(m + i, j)] = a[i] * free * inverse * s[j] * u1;
                w[(m + i, m + j)] = a[i] * free * inverse * a[j] * (u1 + r * u2);
            }
            w[(i, i)] += shift;
            // `force` is also the change of ε a_i' with s_i.
            w[(i, m + i)] -= force / self.epsilon;
            w[(m + i, i)] -= free * force;
            w[(m + i, m + i)] += shift - a[i] * (free * bend - 2.0 * s[i] * force);
        }
        self.factors = Some(w.partial_piv_lu());
        Ok(())
    }

    fn solve(&mut self, b: &mut [f64]) -> Result<()> {
        if let Some(factors) = &self.factors {
            let n = b.len();
            factors.solve_in_place(faer::MatMut::from_column_major_slice_mut(b, n, 1));
        }
        Ok(())
    }
}
