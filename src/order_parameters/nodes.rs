//! Nodes for averages over several independent standard normal numbers, the last of which is treated apart.

use std::f64::consts::{PI, TAU};
use std::num::NonZeroUsize;

use gauss_quad::GaussHermite;

use crate::numerics::normal::{normal_cdf, normal_density};

/// Most dimensions, the last included, of a tensor rule; beyond, all but the last lie on a lattice.
const TENSOR: usize = 4;

/// A rule in n dimensions: outer nodes in n−1 of them, and the same inner nodes at each.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    /// Weights of the outer nodes; they sum to 1.
    pub weights: Vec<f64>,
    /// The outer nodes, n−1 numbers each.
    pub outer: Vec<f64>,
    /// Inner nodes with their weights, which sum to 1.
    pub inner: Vec<[f64; 2]>,
}

impl Nodes {
    /// `points` a dimension (even), and `lattice` outer nodes where a tensor of them would be too large.
    ///
    /// `polynomial`: what is averaged is a polynomial of at most degree 15 in each number. `even`: it is an even function.
    pub fn new(dimensions: usize, points: usize, lattice: usize, polynomial: bool, even: bool) -> Self {
        let inner = if polynomial { gauss_hermite() } else { trapezoidal(points) };
        let free = dimensions - 1;
        if dimensions > TENSOR {
            let (weights, outer) = korobov(free, lattice);
            return Self { weights, outer, inner };
        }
        let (mut weights, mut outer) = (vec![1.0], vec![vec![]]);
        for dimension in 0..free {
            let mut extended = (Vec::new(), Vec::new());
            for (weight, node) in weights.iter().zip(&outer) {
                for &[z, w] in &inner {
                    // By symmetry one half of the nodes is as good as all.
                    if dimension == 0 && even && z < 0.0 {
                        continue;
                    }
                    extended.0.push(if dimension == 0 && even { 2.0 * weight * w } else { weight * w });
                    extended.1.push([node.as_slice(), &[z]].concat());
                }
            }
            (weights, outer) = extended;
        }
        Self { weights, outer: outer.concat(), inner }
    }
}

/// Eight points, exact to degree 15.
fn gauss_hermite() -> Vec<[f64; 2]> {
    let rule = GaussHermite::new(NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN));
    rule.iter().map(|&(x, w)| [x * std::f64::consts::SQRT_2, w / PI.sqrt()]).collect()
}

/// The trapezoidal rule with nodes at odd multiples of half a step. The step `√(2π/n)` balances the error of the step against
/// what lies beyond the last node (Trefethen & Weideman 2014, SIAM Rev. 56, 385, §5).
fn trapezoidal(points: usize) -> Vec<[f64; 2]> {
    let step = (TAU / points as f64).sqrt();
    let node = |k: usize| step * (k as f64 - 0.5 * (points as f64 - 1.0));
    let total: f64 = (0..points).map(|k| normal_density(node(k))).sum();
    (0..points).map(|k| [node(k), normal_density(node(k)) / total]).collect()
}

/// A rank-1 lattice with the generator `(1, a, a², …)` (Korobov 1959), shifted, for the normal law by importance sampling from
/// one that is `WIDER` times as wide: so the tails of high moments are met, and what is averaged vanishes at the faces of the
/// unit cube, which a lattice needs. `a` is that of 64 candidates with the least worst-case error `P₂` (Sloan & Joe 1994, §4).
fn korobov(dimensions: usize, nodes: usize) -> (Vec<f64>, Vec<f64>) {
    const WIDER: f64 = 1.6;
    let generator = |a: usize| {
        let power = |z: &mut u64| Some(std::mem::replace(z, *z * a as u64 % nodes as u64));
        let mut z = 1;
        (0..dimensions).filter_map(|_| power(&mut z)).collect::<Vec<u64>>()
    };
    let place = |k: usize, z: u64| (k as u64 * z % nodes as u64) as f64 / nodes as f64;
    let criterion = |a: usize| -> f64 {
        let z = generator(a);
        let bernoulli = |x: f64| 1.0 + 2.0 * PI * PI * (x * x - x + 1.0 / 6.0);
        (0..nodes).map(|k| z.iter().map(|&z| bernoulli(place(k, z))).product::<f64>()).sum()
    };
    // Odd candidates spread over (1, nodes), coprime to a power of two.
    let golden = 0.618_033_988_749_894_9;
    let candidates = (1..=64).map(|k| ((k as f64 * golden).fract() * nodes as f64) as usize | 1);
    let best = candidates.map(|a| (criterion(a), a)).min_by(|x, y| x.0.total_cmp(&y.0)).map_or(1, |(_, a)| a);
    let z = generator(best);
    let shift = |j: usize| ((j + 1) as f64 * std::f64::consts::SQRT_2).fract();
    let (mut weights, mut outer) = (Vec::with_capacity(nodes), Vec::with_capacity(nodes * dimensions));
    for k in 0..nodes {
        let mut square = 0.0;
        for (j, &z) in z.iter().enumerate() {
            let y = normal_quantile((place(k, z) + shift(j)).fract());
            square += y * y;
            outer.push(WIDER * y);
        }
        weights.push((-0.5 * (WIDER * WIDER - 1.0) * square).exp());
    }
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    (weights, outer)
}

/// The inverse of Φ by Newton's method from 0, which is monotone as Φ is convex below 0.
fn normal_quantile(u: f64) -> f64 {
    let tail = u.min(1.0 - u).max(1e-300);
    let mut z = 0.0;
    loop {
        let step = (normal_cdf(z) - tail) / normal_density(z);
        z -= step;
        // Past the root only by rounding.
        if !(step > 1e-15 * (1.0 - z)) {
            return if u < 0.5 { z } else { -z };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `E Π f(z_j)` over all dimensions.
    fn average(nodes: &Nodes, dimensions: usize, f: impl Fn(f64) -> f64) -> f64 {
        let inner: f64 = nodes.inner.iter().map(|&[z, w]| w * f(z)).sum();
        let outer = nodes.outer.chunks_exact(dimensions - 1).zip(&nodes.weights);
        inner * outer.map(|(z, w)| w * z.iter().map(|&z| f(z)).product::<f64>()).sum::<f64>()
    }

    #[test]
    fn rules_average_what_is_known() {
        for dimensions in 2..=4 {
            for even in [false, true] {
                let hermite = Nodes::new(dimensions, 4, 0, true, even);
                let eighth = average(&hermite, dimensions, |z| z.powi(8));
                // Rounding only: 8 points are exact for degree 15.
                assert!((eighth / 105f64.powi(dimensions as i32) - 1.0).abs() < 1e-12, "{dimensions}: {eighth}");
                let trapezoidal = Nodes::new(dimensions, 24, 0, false, even);
                let bell = average(&trapezoidal, dimensions, |z| (-2.0 * z * z).exp());
                // The trapezoidal rule is off by 2e^{−2π²/(5h²)} = 6e-7 a dimension.
                assert!((bell / 0.2f64.powf(0.5 * dimensions as f64) - 1.0).abs() < 3e-6, "{dimensions}: {bell}");
            }
        }
        for (nodes, tolerance) in [(1 << 10, 1e-2), (1 << 14, 1e-3)] {
            let lattice = Nodes::new(6, 24, nodes, false, false);
            let bell = average(&lattice, 6, |z| (-0.5 * z * z).exp());
            // No theory so sharp; a regression bound, ten times better than 1/√nodes.
            assert!((bell / 0.125 - 1.0).abs() < tolerance, "{nodes}: {bell}");
        }
    }

    #[test]
    fn quantiles_invert_the_cumulative_function() {
        for u in [1e-12, 1e-3, 0.2, 0.5, 0.7, 0.999] {
            // Rounding of 1 − u.
            assert!((normal_cdf(normal_quantile(u)) / u - 1.0).abs() < 1e-13, "{u}");
        }
    }
}
