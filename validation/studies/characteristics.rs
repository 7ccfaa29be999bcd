//! Infinitely many neurons without a grid: characteristics of the mean-field equation, with integrals over the initial law by
//! the trapezoidal rule, which for Gaussians converges faster than any power of the spacing.

use gauss_quad::GaussLegendre;
use learning_dynamics::Result;
use learning_dynamics::gaussian::horner;
use learning_dynamics::grid::Axis;
use learning_dynamics::numerics::normal::normal_density;
use learning_dynamics::numerics::ode::{StepTolerance, integrate};

/// Product of Gaussians, and polynomials σ, φ by their Hermite coefficients, as many of one as of the other.
#[derive(Debug, Clone)]
pub struct Characteristics {
    pub sigma: Vec<f64>,
    pub phi: Vec<f64>,
    pub epsilon: f64,
    /// Mean and standard deviation of a.
    pub a: (f64, f64),
    /// Mean and standard deviation of s.
    pub s: (f64, f64),
    weights: Vec<f64>,
    /// `a`, then `s`, one a node.
    state: Vec<f64>,
    time: f64,
}

const TOLERANCE: StepTolerance = StepTolerance { relative: 1e-9, absolute: 1e-9 };
/// Nodes are `SPACING` standard deviations apart, up to 6: what is outside is 2e-9.
const SPACING: f64 = 0.25;

impl Characteristics {
    pub fn new(sigma: &[f64], phi: &[f64], epsilon: f64, a: (f64, f64), s: (f64, f64)) -> Self {
        let z: Vec<f64> = (-24..=24).map(|k| SPACING * f64::from(k)).collect();
        let pairs = || z.iter().flat_map(|x| z.iter().map(move |y| (*x, *y)));
        let weights = pairs().map(|(x, y)| SPACING * SPACING * normal_density(x) * normal_density(y)).collect();
        let state = pairs().map(|(x, _)| a.0 + a.1 * x).chain(pairs().map(|(_, y)| s.0 + s.1 * y)).collect();
        Self { sigma: sigma.into(), phi: phi.into(), epsilon, a, s, weights, state, time: 0.0 }
    }

    /// Residuals `φ_k − σ_k ∫ a s^k dμ`.
    fn residuals_of(&self, state: &[f64]) -> Vec<f64> {
        let n = self.weights.len();
        let mut sums = vec![0.0; self.sigma.len()];
        for i in 0..n {
            let mut power = self.weights[i] * state[i];
            for sum in &mut sums {
                *sum += power;
                power *= state[n + i];
            }
        }
        self.phi.iter().zip(&self.sigma).zip(sums).map(|((phi, sigma), u)| phi - sigma * u).collect()
    }

    pub fn residuals(&self) -> Vec<f64> {
        self.residuals_of(&self.state)
    }

    /// Coefficients of `G(s) = Σ_k σ_k·residual_k s^k`.
    fn potential(&self, state: &[f64]) -> Vec<f64> {
        self.residuals_of(state).iter().zip(&self.sigma).map(|(r, sigma)| r * sigma).collect()
    }

    /// Velocities of neurons, and of none if the lists are empty.
    fn velocities(&self, g: &[f64], a: &[f64], s: &[f64], (da, ds): (&mut [f64], &mut [f64])) {
        for i in 0..a.len() {
            let [value, slope, _] = horner(g, s[i]);
            da[i] = value / self.epsilon;
            ds[i] = a[i] * (1.0 - s[i] * s[i]) * slope;
        }
    }

    pub fn advance_to(&mut self, time: f64) -> Result<()> {
        let n = self.weights.len();
        let mut state = self.state.clone();
        let rhs = |_: f64, y: &[f64], dy: &mut [f64]| {
            let (da, ds) = dy.split_at_mut(n);
            self.velocities(&self.potential(y), &y[..n], &y[n..], (da, ds));
            Ok(())
        };
        integrate(rhs, (self.time, time), &mut state, TOLERANCE, &mut 0.0)?;
        (self.state, self.time) = (state, time);
        Ok(())
    }

    /// The masses of the cells `[a][s]` now: the density at 4×4 Gauss points of each cell, carried back to time 0 together
    /// with everything else, `μ(t, x) = μ(0, x_0) exp(−∫ div dt)`.
    pub fn masses(&self, a: &Axis, s: &Axis) -> Result<Vec<f64>> {
        const POINTS: usize = 4;
        let rule = GaussLegendre::new(POINTS.try_into().unwrap_or(std::num::NonZeroUsize::MIN));
        let nodes: Vec<(f64, f64)> = rule.iter().map(|(x, w)| (0.5 * x, 0.5 * w)).collect();
        let mut probes = Vec::with_capacity(a.len() * s.len() * POINTS * POINTS);
        for a_centre in &a.centres {
            for s_centre in &s.centres {
                for (x, wx) in &nodes {
                    for (y, wy) in &nodes {
                        let weight = wx * wy * a.width() * s.width();
                        probes.push((a_centre + x * a.width(), s_centre + y * s.width(), weight));
                    }
                }
            }
        }
        let (n, p) = (self.weights.len(), probes.len());
        let mut y = self.state.clone();
        y.extend(probes.iter().map(|x| x.0));
        y.extend(probes.iter().map(|x| x.1));
        y.resize(2 * n + 3 * p, 0.0);
        let rhs = |_: f64, y: &[f64], dy: &mut [f64]| {
            let g = self.potential(&y[..2 * n]);
            let (neurons, others) = dy.split_at_mut(2 * n);
            let (da, ds) = neurons.split_at_mut(n);
            self.velocities(&g, &y[..n], &y[n..2 * n], (da, ds));
            let (a, s) = (&y[2 * n..2 * n + p], &y[2 * n + p..2 * n + 2 * p]);
            let (da, rest) = others.split_at_mut(p);
            let (ds, growth) = rest.split_at_mut(p);
            self.velocities(&g, a, s, (da, ds));
            for i in 0..p {
                let [_, slope, curvature] = horner(&g, s[i]);
                growth[i] = a[i] * ((1.0 - s[i] * s[i]) * curvature - 2.0 * s[i] * slope);
            }
            // Back in time.
            dy.iter_mut().for_each(|d| *d = -*d);
            Ok(())
        };
        integrate(rhs, (0.0, self.time), &mut y, TOLERANCE, &mut 0.0)?;
        let density = |i: usize| {
            let (a, s, growth) = (y[2 * n + i], y[2 * n + p + i], y[2 * n + 2 * p + i]);
            let gaussian = |x: f64, (mean, std): (f64, f64)| normal_density((x - mean) / std) / std;
            // `growth` ran backwards: it is minus the integral of the divergence.
            probes[i].2 * gaussian(a, self.a) * gaussian(s, self.s) * growth.exp()
        };
        let points: Vec<usize> = (0..p).collect();
        Ok(points.chunks_exact(POINTS * POINTS).map(|cell| cell.iter().map(|i| density(*i)).sum()).collect())
    }
}
