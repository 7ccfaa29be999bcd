//! One-dimensional rules for `∫ f(z) φ(z) dz`, φ the standard normal density.

use std::num::NonZeroUsize;

use gauss_quad::{GaussHermite, GaussLegendre};

use super::Quadrature;
use crate::error::{Result, require};
use crate::numerics::normal::normal_density;

/// Deviations beyond which the normal law counts as nothing: `e^(−R²/2)` = 3e-18.
pub(super) const RADIUS: f64 = 9.0;

/// Nodes and weights in standard deviations.
#[derive(Debug, Clone, Default)]
pub(super) struct Nodes {
    pub(super) z: Vec<f64>,
    pub(super) w: Vec<f64>,
}

impl Nodes {
    fn clear(&mut self) {
        self.z.clear();
        self.w.clear();
    }

    fn push(&mut self, z: f64, w: f64) {
        self.z.push(z);
        self.w.push(w);
    }
}

/// How fast the activations let a trapezoidal rule converge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Smoothness {
    /// Singularities at this distance from the real axis; less if they are poles, whose order grows in products.
    Strip(f64),
    /// Entire, growing like `exp(y²/2)` along the imaginary axis.
    Entire,
}

/// A rule, ready for use.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    GaussHermite(Nodes),
    Trapezoidal { points: usize },
    Split { z: Vec<f64>, w: Vec<f64> },
}

impl Rule {
    /// # Errors
    /// [`crate::Error::Parameter`] for a number of points that the rule cannot have.
    pub(super) fn new(quadrature: Quadrature, kinked: bool) -> Result<Self> {
        const AUTOMATIC: usize = 32;
        const PANEL: usize = 24;
        let two_to_128 = |points: usize| {
            require((2..=128).contains(&points), "quadrature.points", points as f64, "2 … 128")?;
            Ok(NonZeroUsize::new(points).unwrap_or(NonZeroUsize::MIN))
        };
        Ok(match quadrature {
            Quadrature::Automatic if kinked => return Self::new(Quadrature::Split { points: PANEL }, kinked),
            Quadrature::Automatic => Self::Trapezoidal { points: AUTOMATIC },
            Quadrature::GaussHermite { points } => {
                let mut nodes = Nodes::default();
                for (z, w) in GaussHermite::new(two_to_128(points)?) {
                    nodes.push(z * std::f64::consts::SQRT_2, w / std::f64::consts::PI.sqrt());
                }
                Self::GaussHermite(nodes)
            }
            Quadrature::Trapezoidal { points } => {
                require((8..=1024).contains(&points), "quadrature.points", points as f64, "8 … 1024")?;
                Self::Trapezoidal { points }
            }
            Quadrature::Split { points } => {
                let (z, w) = GaussLegendre::new(two_to_128(points)?).into_iter().unzip();
                Self::Split { z, w }
            }
        })
    }

    /// What [`Quadrature::Automatic`] stands for here.
    pub(super) fn resolved(&self, quadrature: Quadrature) -> Quadrature {
        match (quadrature, self) {
            (Quadrature::Automatic, Self::Split { z, .. }) => Quadrature::Split { points: z.len() },
            (Quadrature::Automatic, Self::Trapezoidal { points }) => Quadrature::Trapezoidal { points: *points },
            _ => quadrature,
        }
    }

    /// The same rule with three quarters of the points.
    pub(super) fn coarser(quadrature: Quadrature) -> Result<(Self, Quadrature)> {
        let fewer = |points: usize, least: usize| if points > least { (points * 3 / 4).max(least) } else { 2 * points };
        let quadrature = match quadrature {
            Quadrature::Automatic => Quadrature::Automatic,
            Quadrature::GaussHermite { points } => Quadrature::GaussHermite { points: fewer(points, 2) },
            Quadrature::Trapezoidal { points } => Quadrature::Trapezoidal { points: fewer(points, 8) },
            Quadrature::Split { points } => Quadrature::Split { points: fewer(points, 2) },
        };
        Ok((Self::new(quadrature, false)?, quadrature))
    }

    /// Whether nodes are the same wherever the integral over one direction begins.
    pub(super) fn splits(&self) -> bool {
        matches!(self, Self::Split { .. })
    }

    /// Nodes along one direction on `|z| ≤ RADIUS`. `slopes`: how the fields grow along it; `ends`: where panels should end.
    pub(super) fn along(&self, slopes: &[(f64, Smoothness)], ends: &mut Vec<f64>, radius: f64, out: &mut Nodes) {
        out.clear();
        match self {
            Self::GaussHermite(nodes) => {
                for (&z, &w) in nodes.z.iter().zip(&nodes.w) {
                    if z.abs() <= radius {
                        out.push(z, w);
                    }
                }
            }
            Self::Trapezoidal { points } => {
                let step = trapezoid_step(*points, slopes);
                for j in 0..*points {
                    let z = step * (j as f64 - 0.5 * (*points as f64 - 1.0));
                    if z.abs() <= radius {
                        out.push(z, step * normal_density(z));
                    }
                }
            }
            Self::Split { z, w } => {
                ends.retain(|end| end.abs() < radius);
                ends.push(-radius);
                ends.push(radius);
                ends.sort_by(f64::total_cmp);
                ends.dedup_by(|b, a| *b - *a < 1e-11);
                for pair in ends.windows(2) {
                    let (middle, half) = (0.5 * (pair[0] + pair[1]), 0.5 * (pair[1] - pair[0]));
                    for (x, w) in z.iter().zip(w) {
                        let z = middle + half * x;
                        out.push(z, half * w * normal_density(z));
                    }
                }
            }
        }
    }
}

/// The step `h` at which what is cut off, `e^(−L²/2)` with `L = hN/2`, equals the error of the step: for a strip of half-width
/// `y`, `e^(−2πy/h + y²/2)` or, beyond the saddle `y = 2π/h`, `e^(−2π²/h²)` (Trefethen & Weideman 2014).
fn trapezoid_step(points: usize, slopes: &[(f64, Smoothness)]) -> f64 {
    use std::f64::consts::PI;
    let mut strip = f64::INFINITY;
    let mut growth = 1.0;
    for &(slope, smoothness) in slopes {
        match smoothness {
            Smoothness::Strip(width) => strip = strip.min(width / slope.abs()),
            // Twice, since fields occur in squares and products.
            Smoothness::Entire => growth += 2.0 * slope * slope,
        }
    }
    let points = points as f64;
    let exponent = |h: f64| {
        let y = strip.min(2.0 * PI / (h * growth));
        2.0 * PI * y / h - 0.5 * growth * y * y
    };
    let (mut low, mut high) = (0.0, 2.0 * RADIUS / points);
    let cut = |h: f64| 0.125 * (h * points).powi(2);
    if cut(high) > exponent(high) {
        for _ in 0..20 {
            let middle = 0.5 * (low + high);
            if cut(middle) > exponent(middle) { high = middle } else { low = middle }
        }
    }
    high
}
