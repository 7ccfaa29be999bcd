//! Neurons that start from random directions.

use ndarray::Array2;

use super::chi_square::ChiSquare;
use super::rng::{Generator, Key, Purpose, fill_normals};
use crate::error::{Result, require};
use crate::numerics::normal::standard_normal;
use crate::problem::SingleIndex;

/// What the flows know of a network: its second layer and the overlaps of its unit vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct NeuronState {
    /// `a_i` (m).
    pub a: Vec<f64>,
    /// `s_i = ⟨u_i, u*⟩` (m).
    pub s: Vec<f64>,
    /// `r_ij = ⟨u_i, u_j⟩` (m×m); `None` as in [`SingleIndex`].
    pub r: Option<Array2<f64>>,
}

impl NeuronState {
    /// The same problem, started from this state.
    pub fn start(&self, problem: &SingleIndex) -> SingleIndex {
        SingleIndex { a: self.a.clone(), s: self.s.clone(), r: self.r.clone(), ..problem.clone() }
    }
}

/// A reproducible random start of `neurons` neurons: `a_i ~ N(0, std²)`, and with a dimension the overlaps of `u_i` uniform on the
/// unit sphere of `R^d`, exactly in law, at a cost that does not depend on d (Bartlett 1933). Without one, `s = 0` and `r = None`:
/// the limit d → ∞, or directions that a network draws for itself. `a` does not depend on the dimension.
///
/// ```
/// use learning_dynamics::{monte_carlo::random_neurons, problem::{Activation, SingleIndex}};
/// let problem = SingleIndex::new(Activation::Relu, [0.8, 0.5, -0.6], 1e-3, vec![]);
/// let problem = random_neurons(10, 1.0, Some(200), 1)?.start(&problem).validated()?;
/// assert!(problem.neurons() == 10 && problem.s.iter().all(|s| s.abs() < 0.4));
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
///
/// # Errors
/// [`crate::Error::Parameter`] for no neurons, a `std` that is negative or not finite, and a dimension of 0.
pub fn random_neurons(neurons: usize, std: f64, dimension: Option<usize>, seed: u64) -> Result<NeuronState> {
    require((1..=1 << 24).contains(&neurons), "neurons", neurons as f64, "at least 1, at most 2^24")?;
    require(std >= 0.0 && std.is_finite(), "std", std, "a finite number ≥ 0")?;
    let key = Key::new(seed, Purpose::RandomNeurons, 0);
    let mut a = vec![0.0; neurons];
    fill_normals(key.at(0, 0), &mut a);
    a.iter_mut().for_each(|a| *a *= std);
    let Some(dimension) = dimension else { return Ok(NeuronState { a, s: vec![0.0; neurons], r: None }) };
    require(dimension >= 1, "dimension", dimension as f64, "at least 1")?;
    // Coordinates of Gaussian vectors: along the target, then a lower triangle perpendicular to it.
    let mut rng = Generator::new(key.at(0, 1));
    let columns = 1 + neurons.min(dimension - 1);
    let mut vectors = Array2::from_shape_fn((neurons, columns), |(i, j)| match j {
        0 => standard_normal(&mut rng),
        j if i + 1 > j => standard_normal(&mut rng),
        j if i + 1 == j => ChiSquare::new(dimension - j).draw(&mut rng).sqrt(),
        _ => 0.0,
    });
    for mut vector in vectors.rows_mut() {
        let norm = vector.dot(&vector).sqrt();
        vector /= norm;
    }
    let s = vectors.column(0).iter().map(|s| s.clamp(-1.0, 1.0)).collect();
    let mut r = vectors.dot(&vectors.t());
    r.diag_mut().fill(1.0);
    for i in 0..neurons {
        for j in 0..i {
            let overlap = r[[i, j]].clamp(-1.0, 1.0);
            (r[[i, j]], r[[j, i]]) = (overlap, overlap);
        }
    }
    Ok(NeuronState { a, s, r: Some(r) })
}
