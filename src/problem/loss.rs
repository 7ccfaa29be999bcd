//! Losses `L(θ,h)` and fitnesses `F(θ,h)`: the trait that users write, and the model problems.

use std::fmt::Debug;

/// A training loss `L(θ,h)`. Its θ-gradient drives training.
///
/// ```
/// use learning_dynamics::problem::Loss;
///
/// #[derive(Debug)]
/// struct Ridge; // L = ½ (θ − 1)² + ½ h θ²
/// impl Loss for Ridge {
///     fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
///         0.5 * (theta[0] - 1.0).powi(2) + 0.5 * h[0] * theta[0].powi(2)
///     }
///     fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
///         out[0] = theta[0] - 1.0 + h[0] * theta[0];
///     }
/// }
/// ```
pub trait Loss: Send + Sync + Debug {
    /// `L(θ,h)`.
    fn value(&self, theta: &[f64], h: &[f64]) -> f64;

    /// Writes `∂L/∂θ` to `out` (as long as `theta`).
    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]);

    /// The number dθ of parameters of one agent.
    fn dimension(&self) -> usize {
        1
    }

    /// The number of hyperparameters that it needs at least; more may be there for others.
    fn least_hyperparameters(&self) -> usize {
        0
    }

    /// Writes the gradients of `agents` agents at once: `theta` and `out` hold dθ numbers an agent, agent after agent,
    /// `h` holds dh. Overwrite it where a plain loop over the block vectorises: agents spend their time here.
    fn gradients(&self, theta: &[f64], h: &[f64], agents: usize, out: &mut [f64]) {
        if agents == 0 {
            return;
        }
        let (dim_theta, dim_h) = (theta.len() / agents, h.len() / agents);
        for ((theta, h), out) in
            theta.chunks_exact(dim_theta).zip(h.chunks_exact(dim_h)).zip(out.chunks_exact_mut(dim_theta))
        {
            self.gradient(theta, h, out);
        }
    }

    /// If `L(·,h) = ½k|θ − c|² + const` for this `h`: writes the minimiser `c(h)` and returns the stiffness `k(h) > 0`.
    ///
    /// It opens what is exact for such a loss: Gibbs sampling, Ornstein–Uhlenbeck steps, closed forms of w̄ and F̄.
    fn quadratic(&self, h: &[f64], minimiser: &mut [f64]) -> Option<f64> {
        let _ = (h, minimiser);
        None
    }
}

/// What selection sees, `F(θ,h)`; larger is better.
pub trait Fitness: Send + Sync + Debug {
    /// `F(θ,h)`.
    fn value(&self, theta: &[f64], h: &[f64]) -> f64;

    /// The fitness of `out.len()` agents at once; layout as in [`Loss::gradients`].
    fn values(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        if out.is_empty() {
            return;
        }
        let (dim_theta, dim_h) = (theta.len() / out.len(), h.len() / out.len());
        for ((theta, h), out) in theta.chunks_exact(dim_theta).zip(h.chunks_exact(dim_h)).zip(out) {
            *out = self.value(theta, h);
        }
    }

    /// If `F = −a|θ − c|²` with constants: returns `(a, c)`.
    fn quadratic(&self) -> Option<(f64, &[f64])> {
        None
    }
}

/// `L = ½k|θ − h|²`: the hyperparameters are the target, as many as there are parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Quadratic {
    /// `k > 0`.
    pub stiffness: f64,
    /// dθ = dh.
    pub dimension: usize,
}

impl Quadratic {
    /// With stiffness `k` and `dimension` = dθ = dh.
    pub fn new(stiffness: f64, dimension: usize) -> Self {
        Self { stiffness, dimension }
    }
}

impl Loss for Quadratic {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        0.5 * self.stiffness * theta.iter().zip(h).map(|(t, h)| (t - h) * (t - h)).sum::<f64>()
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        self.gradients(theta, h, 1, out);
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn least_hyperparameters(&self) -> usize {
        self.dimension
    }

    fn gradients(&self, theta: &[f64], h: &[f64], _agents: usize, out: &mut [f64]) {
        for ((out, theta), h) in out.iter_mut().zip(theta).zip(h) {
            *out = self.stiffness * (theta - h);
        }
    }

    fn quadratic(&self, h: &[f64], minimiser: &mut [f64]) -> Option<f64> {
        minimiser.copy_from_slice(h);
        Some(self.stiffness)
    }
}

/// `L = b(θ² − 1)² − g h θ`: two wells, tilted by `h`.
#[derive(Debug, Clone, PartialEq)]
pub struct DoubleWell {
    /// `b`, height of the barrier at `h = 0`.
    pub barrier: f64,
    /// `g`, coupling to `h`.
    pub coupling: f64,
}

impl Loss for DoubleWell {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        let well = theta[0] * theta[0] - 1.0;
        self.barrier * well * well - self.coupling * h[0] * theta[0]
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        self.gradients(theta, h, 1, out);
    }

    fn gradients(&self, theta: &[f64], h: &[f64], _agents: usize, out: &mut [f64]) {
        for ((out, t), h) in out.iter_mut().zip(theta).zip(h) {
            *out = 4.0 * self.barrier * t * (t * t - 1.0) - self.coupling * h;
        }
    }
}

/// `F = −a|θ − c|²`.
#[derive(Debug, Clone, PartialEq)]
pub struct QuadraticFitness {
    /// `c`, one number a component of θ.
    pub optimum: Vec<f64>,
    /// `a > 0`.
    pub curvature: f64,
}

impl Fitness for QuadraticFitness {
    fn value(&self, theta: &[f64], _h: &[f64]) -> f64 {
        -self.curvature * theta.iter().zip(&self.optimum).map(|(t, c)| (t - c) * (t - c)).sum::<f64>()
    }

    fn values(&self, theta: &[f64], _h: &[f64], out: &mut [f64]) {
        if let [optimum] = self.optimum[..] {
            for (out, theta) in out.iter_mut().zip(theta) {
                *out = -self.curvature * ((theta - optimum) * (theta - optimum));
            }
        } else {
            for (out, theta) in out.iter_mut().zip(theta.chunks_exact(self.optimum.len())) {
                *out = self.value(theta, &[]);
            }
        }
    }

    fn quadratic(&self) -> Option<(f64, &[f64])> {
        Some((self.curvature, &self.optimum))
    }
}

/// A loss with dθ = 1 from two closures: value and θ-derivative. They see the first hyperparameter.
pub struct LossFn<V, G> {
    /// `L(θ,h)`.
    pub value: V,
    /// `∂L/∂θ`.
    pub gradient: G,
}

impl<V, G> Debug for LossFn<V, G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LossFn")
    }
}

impl<V, G> Loss for LossFn<V, G>
where
    V: Fn(f64, f64) -> f64 + Send + Sync,
    G: Fn(f64, f64) -> f64 + Send + Sync,
{
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        (self.value)(theta[0], h[0])
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        out[0] = (self.gradient)(theta[0], h[0]);
    }
}

/// A fitness from a closure, which sees the first parameter and the first hyperparameter.
pub struct FitnessFn<V>(pub V);

impl<V> Debug for FitnessFn<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FitnessFn")
    }
}

impl<V: Fn(f64, f64) -> f64 + Send + Sync> Fitness for FitnessFn<V> {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        (self.0)(theta[0], h[0])
    }
}
