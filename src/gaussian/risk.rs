//! The risk of a two-layer network on a single-index target, and which degrees of the target it has learnt.

use std::sync::Arc;

use ndarray::ArrayView2;

use super::dual::DualKernel;
use super::hermite::HermiteSeries;
use crate::error::Result;
use crate::frame::{Coordinate, Field};
use crate::problem::SingleIndex;

/// `R = ½E[(f − φ)²]` of a network with overlaps r, and its parts by degree (Berthier, Montanari & Zhou 2024):
///
/// ```text
/// R_k = ½( φ_k² − 2 φ_k σ_k ⟨a s^k⟩ + σ_k² m⁻² Σ_ij a_i a_j r_ij^k ),     R = Σ_k R_k,     ⟨a s^k⟩ = (1/m) Σ_i a_i s_i^k
/// ```
/// Where `r_ij = s_i s_j`, as in the simplified flow, `R_k = ½( φ_k − σ_k ⟨a s^k⟩ )²`.
#[derive(Debug, Clone)]
pub struct Risk {
    sigma: HermiteSeries,
    phi: HermiteSeries,
    u: DualKernel,
    v: DualKernel,
    axis: Arc<Coordinate>,
}

/// Values of [`Risk`] at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RiskParts {
    /// `R`.
    pub risk: f64,
    /// Residual `φ_k − σ_k ⟨a s^k⟩` of each degree.
    pub residuals: Vec<f64>,
    /// `R_k` of each degree.
    pub parts: Vec<f64>,
    /// `R − Σ_k R_k`, the risk beyond these degrees.
    pub tail: f64,
}

impl Risk {
    /// Of the degrees `0 … degrees − 1`, with the kernels that the equations are solved with: `u` and `v`.
    ///
    /// # Errors
    /// Those of [`HermiteSeries::new`].
    pub fn new(problem: &SingleIndex, degrees: usize, u: DualKernel, v: DualKernel) -> Result<Self> {
        let last = degrees.max(1) - 1;
        let (mut sigma, mut phi) =
            (HermiteSeries::new(&problem.activation, last, "σ")?, HermiteSeries::new(&problem.target, last, "φ")?);
        sigma.coefficients.truncate(degrees);
        phi.coefficients.truncate(degrees);
        let axis = Arc::new(Coordinate {
            name: "degree",
            description: "degree of the Hermite polynomial",
            values: (0..degrees).map(|k| k as f64).collect(),
            bounds: None,
        });
        Ok(Self { sigma, phi, u, v, axis })
    }

    /// At second layer `a`, alignments `s` (m each) and overlaps `r` (m×m); `None`: `r_ij = s_i s_j` for all i, j.
    pub fn of(&self, a: &[f64], s: &[f64], r: Option<ArrayView2<'_, f64>>) -> RiskParts {
        let m = a.len() as f64;
        let pairs = |kernel: &mut dyn FnMut(usize, usize) -> f64| {
            let mut sum = 0.0;
            for i in 0..a.len() {
                // Off-diagonal terms count twice.
                let row: f64 = (0..i).map(|j| a[j] * kernel(i, j)).sum();
                sum += a[i] * (2.0 * row + a[i] * kernel(i, i));
            }
            sum / (m * m)
        };
        let overlap = |i: usize, j: usize| r.map_or(s[i] * s[j], |r| r[[i, j]]);
        let along = a.iter().zip(s).map(|(a, &s)| a * self.v.at(s)[0]).sum::<f64>() / m;
        let squares = match (&self.u, r) {
            (DualKernel::Series { coefficients, .. }, None) => {
                let mut power = a.to_vec();
                let mut sum = 0.0;
                for c in coefficients {
                    let mean = power.iter().sum::<f64>() / m;
                    sum += c * mean * mean;
                    power.iter_mut().zip(s).for_each(|(p, s)| *p *= s);
                }
                sum
            }
            (u, _) => pairs(&mut |i, j| u.at(overlap(i, j))[0]),
        };
        let risk = 0.5 * self.phi.norm - along + 0.5 * squares;
        let mut parts = RiskParts { risk, ..RiskParts::default() };
        let mut power = a.to_vec();
        for (k, (sigma, phi)) in self.sigma.coefficients.iter().zip(&self.phi.coefficients).enumerate() {
            let mean = power.iter().sum::<f64>() / m;
            let residual = phi - sigma * mean;
            let part = match r {
                None => residual * residual,
                Some(r) => {
                    phi * phi - 2.0 * phi * sigma * mean + sigma * sigma * pairs(&mut |i, j| r[[i, j]].powi(k as i32))
                }
            };
            parts.residuals.push(residual);
            parts.parts.push(0.5 * part);
            power.iter_mut().zip(s).for_each(|(p, s)| *p *= s);
        }
        parts.tail = parts.risk - parts.parts.iter().sum::<f64>();
        parts
    }

    /// The degrees, as axis of `component` and `component_risk`.
    pub fn axis(&self) -> &Arc<Coordinate> {
        &self.axis
    }

    /// The fields of the group `risk`: `risk`, `component(degree)` (residuals), `component_risk(degree)`, `tail`.
    pub fn fields(&self, parts: &RiskParts) -> Vec<Field<'static>> {
        let degrees = [&self.axis];
        vec![
            Field::scalar("risk", "risk", "risk", parts.risk),
            Field::array("risk", "component", "residual of a degree", &degrees, parts.residuals.clone()),
            Field::array("risk", "component_risk", "risk of a degree", &degrees, parts.parts.clone()),
            Field::scalar("risk", "tail", "risk beyond the degrees recorded", parts.tail),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Activation;
    use ndarray::Array2;

    #[test]
    fn parts_add_up() {
        let problem = SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 1e-3, vec![1.0, -0.4, 0.7]);
        let s = [0.3, -0.8, 0.1];
        let r = Array2::from_shape_fn((3, 3), |(i, j)| if i == j { 1.0 } else { s[i] * s[j] });
        let v = DualKernel::new(&problem.activation, &problem.target, 10).unwrap();
        let closed = Risk::new(&problem, 4, DualKernel::ArcCosine, v.clone()).unwrap();
        let series = DualKernel::series(&problem.activation, &problem.activation, 300).unwrap();
        let series = Risk::new(&problem, 301, series, v).unwrap();
        for r in [None, Some(r.view())] {
            let (few, many) = (closed.of(&problem.a, &s, r), series.of(&problem.a, &s, r));
            assert_eq!(few.residuals[..], many.residuals[..4]);
            assert_eq!(few.parts[..], many.parts[..4]);
            // The series converges where |r| < 1; on the diagonal Σ_{k>300} σ_k² = 2e-5 is left, times ½ Σ a²/9 = 0.09.
            let allowed = if r.is_some() { 2e-6 } else { 1e-13 };
            assert!((few.risk - many.risk).abs() < allowed, "{} {}", few.risk, many.risk);
            assert!((few.tail - few.risk + few.parts.iter().sum::<f64>()).abs() < 1e-15 && few.tail > 0.0);
        }
        // Everything of the target is left where the network is nothing.
        let nothing = closed.of(&[0.0; 3], &s, None);
        assert!(
            (nothing.risk - 0.5 * (0.64 + 0.25 + 0.36)).abs() < 1e-15 && nothing.residuals == [0.8, 0.5, -0.6, 0.0]
        );
    }
}
