//! The potential `G(s) = V(s) − ∫ a' U(s s') dμ'` on the s-grid, and the motion of the second layer in it.

use faer::{Mat, Side};

use super::DensitySettings;
use crate::error::{Error, Result, Warning};
use crate::gaussian::DualKernel;
use crate::grid::Axis;
use crate::problem::NeuronLaw;

/// Features up to which a series is kept as it is: longer ones are as good as a table on the grid.
const FEATURES: usize = 24;
/// Eigenvalues of the table of U, relative to the largest, below which rounding is all there is.
const RANK: f64 = 1e-15;

/// `V` and `U` on the grid: `U(s_i s_j) = Σ_k p_k(s_i) p_k(s_j)`, `p_k = σ_k s^k` or scaled eigenvectors of the table.
///
/// Points are the n centres, for G, and the 2n + 1 faces and centres in turn, for G'.
#[derive(Debug, Clone)]
pub(super) struct Potential {
    v: Vec<f64>,
    v_slope: Vec<f64>,
    /// `p_k(s_j)`, `[j][k]`.
    features: Vec<f64>,
    rank: usize,
    slopes: Slopes,
}

/// What gives `∫ a' s' U'(s s') dμ'` at the points.
#[derive(Debug, Clone)]
enum Slopes {
    /// `p_k'` at the points, `[point][k]`.
    Features(Vec<f64>),
    /// `s_j U'(x s_j)`, `[point][j]`.
    Table(Vec<f64>),
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Potential {
    /// Tabulates the kernels of `law` on the cells of `s`.
    ///
    /// # Errors
    /// Those of [`DualKernel::new`]; [`Error::Library`] where the eigenvalues of a table are not found.
    pub fn new(law: &NeuronLaw, s: &Axis, settings: &DensitySettings) -> Result<(Self, Vec<Warning>)> {
        let (u, v) = kernels(law, settings.kernel_degree)?;
        let warnings = [("U", u.truncation()), ("V", v.truncation())]
            .into_iter()
            .filter(|(_, error)| *error > settings.kernel_error)
            .map(|(kernel, error)| Warning::KernelTruncated { kernel, error, degrees: settings.kernel_degree })
            .collect();
        let points: Vec<f64> = s.faces.iter().zip(&s.centres).flat_map(|(face, centre)| [*face, *centre]).collect();
        let points = [points, vec![s.high()]].concat();
        let (n, centres) = (s.len(), &s.centres);
        let degrees: Vec<(i32, f64)> = match &u {
            DualKernel::Series { coefficients, .. } => {
                coefficients.iter().enumerate().filter(|(_, c)| **c > 0.0).map(|(k, c)| (k as i32, c.sqrt())).collect()
            }
            _ => Vec::new(),
        };
        let is_series = matches!(u, DualKernel::Series { .. }) && degrees.len() <= FEATURES;
        let (features, rank, slopes) = if is_series {
            let features = centres.iter().flat_map(|s| degrees.iter().map(move |(k, c)| c * s.powi(*k))).collect();
            let slope = |x: f64, k: i32, c: f64| if k == 0 { 0.0 } else { f64::from(k) * c * x.powi(k - 1) };
            let slopes = points.iter().flat_map(|x| degrees.iter().map(move |(k, c)| slope(*x, *k, *c))).collect();
            (features, degrees.len(), Slopes::Features(slopes))
        } else {
            let table = Mat::from_fn(n, n, |i, j| u.at(centres[i] * centres[j])[0]);
            let eigen = table.self_adjoint_eigen(Side::Lower).map_err(no_eigenvalues)?;
            let (values, vectors) = (eigen.S().column_vector(), eigen.U());
            let largest = (0..n).fold(0.0, |most: f64, k| most.max(values[k]));
            let kept: Vec<usize> = (0..n).filter(|k| values[*k] > RANK * largest).collect();
            let features = (0..n).flat_map(|j| kept.iter().map(move |&k| vectors[(j, k)] * values[k].sqrt())).collect();
            let slopes =
                points.iter().flat_map(|x| centres.iter().map(|s| (*x, *s))).map(|(x, s)| s * u.at(x * s)[1]).collect();
            (features, kept.len(), Slopes::Table(slopes))
        };
        let v_at = |points: &[f64], part: usize| points.iter().map(|x| v.at(*x)[part]).collect();
        let this = Self { v: v_at(centres, 0), v_slope: v_at(&points, 1), features, rank, slopes };
        Ok((this, warnings))
    }

    fn feature(&self, cell: usize) -> &[f64] {
        &self.features[cell * self.rank..(cell + 1) * self.rank]
    }

    /// `∫ a p_k dμ` from the mass-weighted mean `∫ a dμ` of each cell.
    fn project(&self, weighted: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.rank];
        for (cell, w) in weighted.iter().enumerate() {
            sums.iter_mut().zip(self.feature(cell)).for_each(|(sum, p)| *sum += w * p);
        }
        sums
    }

    /// `√E[f²]` of the network function of the signed weights `∫ a dμ` of each cell: the norm of a difference of two networks.
    pub fn norm(&self, weighted: &[f64]) -> f64 {
        let sums = self.project(weighted);
        dot(&sums, &sums).sqrt()
    }

    /// `G'` at the 2n + 1 points, from `∫ a dμ` of each cell.
    pub fn slope(&self, weighted: &[f64]) -> Vec<f64> {
        let (table, sums) = match &self.slopes {
            Slopes::Features(table) => (table, self.project(weighted)),
            Slopes::Table(table) => (table, weighted.to_vec()),
        };
        let rows = table.chunks_exact(sums.len().max(1)).map(|row| dot(row, &sums));
        self.v_slope.iter().zip(rows.chain(std::iter::repeat(0.0))).map(|(v, u)| v - u).collect()
    }

    /// How far each cell's second layer moves while s stands still, exactly: with `τ = t/ε`, `m` and `w` the mass and `∫ a dμ`
    /// of each cell, `dy/dτ = Pᵀ(m∘G)` for `y = Pᵀw` and `G = V − Py`, so that
    ///
    /// ```text
    /// ∫_0^τ G = τ G_0 − τ² P φ₂(−τK) Pᵀ(m∘G_0),      K = Pᵀ diag(m) P,      φ₂(z) = (e^z − 1 − z)/z²
    /// ```
    /// # Errors
    /// [`Error::Library`] where the eigenvalues of K are not found.
    pub fn displacements(&self, mass: &[f64], weighted: &[f64], tau: f64) -> Result<Vec<f64>> {
        let rank = self.rank;
        let sums = self.project(weighted);
        let start: Vec<f64> = self.v.iter().enumerate().map(|(cell, v)| v - dot(self.feature(cell), &sums)).collect();
        let push: Vec<f64> = mass.iter().zip(&start).map(|(m, g)| m * g).collect();
        let push = self.project(&push);
        let mut matrix = Mat::<f64>::zeros(rank, rank);
        for (cell, m) in mass.iter().enumerate().filter(|(_, m)| **m > 0.0) {
            let p = self.feature(cell);
            for i in 0..rank {
                for j in 0..=i {
                    matrix[(i, j)] += m * p[i] * p[j];
                }
            }
        }
        let mut response = vec![0.0; rank];
        if rank > 0 {
            let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(no_eigenvalues)?;
            let (rates, vectors) = (eigen.S().column_vector(), eigen.U());
            for k in 0..rank {
                let along: f64 = (0..rank).map(|i| vectors[(i, k)] * push[i]).sum();
                let scaled = tau * tau * phi2(tau * rates[k].max(0.0)) * along;
                response.iter_mut().enumerate().for_each(|(i, r)| *r += vectors[(i, k)] * scaled);
            }
        }
        Ok(start.iter().enumerate().map(|(cell, g)| tau * g - dot(self.feature(cell), &response)).collect())
    }
}

fn no_eigenvalues(error: impl std::fmt::Debug) -> Error {
    Error::Library { library: "faer", message: format!("eigenvalues of the kernel on the grid: {error:?}") }
}

/// `U` and `V`.
///
/// # Errors
/// Those of [`DualKernel::new`].
pub(super) fn kernels(law: &NeuronLaw, degree: usize) -> Result<(DualKernel, DualKernel)> {
    let u = DualKernel::new(&law.activation, &law.activation, degree)?;
    Ok((u, DualKernel::new(&law.activation, &law.target, degree)?))
}

/// `(e^(−x) − 1 + x)/x²` for x ≥ 0.
fn phi2(x: f64) -> f64 {
    if x > 0.5 {
        return (libm::expm1(-x) + x) / (x * x);
    }
    // Σ (−x)^k/(k + 2)!: the term k = 15 is below 1e-19.
    let mut sum = 0.0;
    for k in (0..16).rev() {
        sum = 1.0 - x * sum / f64::from(k + 3);
    }
    0.5 * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Activation, Law};

    #[test]
    fn phi2_is_smooth_and_right() {
        // By series, by formula, and where they meet.
        assert!((phi2(0.0) - 0.5).abs() < 1e-16 && (phi2(1.0) - (-1.0_f64).exp()).abs() < 1e-16);
        let (below, above) = (phi2(0.5), phi2(0.5 + 1e-12));
        assert!((below - above).abs() < 1e-12 && (phi2(1e9) - 1e-9).abs() < 2e-18);
    }

    fn law(activation: Activation) -> NeuronLaw {
        let (a, s) = (Law::Point { at: 0.0 }, Law::Point { at: 0.0 });
        NeuronLaw { activation: activation.into(), target: [0.8, 0.5, -0.6].into(), epsilon: 0.1, a, s }
    }

    /// ReLU and erf by closed form, and a long series, against sums over the kernel itself.
    #[test]
    fn tables_are_the_kernels() {
        let s = Axis::uniform("s", -1.0, 1.0, 40).unwrap();
        for activation in [Activation::Relu, Activation::Erf, Activation::Tanh] {
            let law = law(activation);
            let (potential, _) = Potential::new(&law, &s, &DensitySettings::default()).unwrap();
            let (u, v) = kernels(&law, DensitySettings::default().kernel_degree).unwrap();
            let mass: Vec<f64> = s.centres.iter().map(|x| 0.03 * (1.0 - x * x)).collect();
            let weighted: Vec<f64> = s.centres.iter().zip(&mass).map(|(x, m)| m * (x + 2.0)).collect();
            let slope = potential.slope(&weighted);
            for (at, x) in [(0, -1.0), (40, 0.0), (51, s.centres[25]), (80, 1.0)] {
                let sum: f64 = s.centres.iter().zip(&weighted).map(|(y, w)| w * y * u.at(x * y)[1]).sum();
                assert!((slope[at] - v.at(x)[1] + sum).abs() < 1e-13, "{x}");
            }
            // Short times: τG. Long ones: G → 0 wherever there is mass.
            let short = potential.displacements(&mass, &weighted, 1e-9).unwrap();
            for (cell, x) in s.centres.iter().enumerate() {
                let sum: f64 = s.centres.iter().zip(&weighted).map(|(y, w)| w * u.at(x * y)[0]).sum();
                assert!((short[cell] / 1e-9 - v.at(*x)[0] + sum).abs() < 1e-8);
            }
            let long = potential.displacements(&mass, &weighted, 1e5).unwrap();
            let moved: Vec<f64> = weighted.iter().zip(&mass).zip(&long).map(|((w, m), alpha)| w + m * alpha).collect();
            let left = potential.displacements(&mass, &moved, 1e-9).unwrap();
            // What the slowest of the degrees with a target, the second, leaves.
            assert!(left.iter().all(|g| (g / 1e-9).abs() < 1e-3), "{left:?}");
        }
    }
}
