//! Probability that four zero-mean Gaussian fields are all positive, for many sets of four side by side.
//!
//! Two of the fields, A, are correlated with the other two, B, by t times what they are; then (Plackett 1954)
//! `dP/dt = Σ C_pq ψ_{rs|pq}/(4π² s_pq)` over p ∈ A, q ∈ B, with p, r the fields of A and q, s those of B. Since
//! `ψ = π/2 + φ` with φ odd in t,
//!
//! ```text
//! 4π² P = ψ_A ψ_B + (π/2) Σ (ψ_pq − π/2) + ∫₀¹ Σ C_pq φ_pq(t)/s_pq(t) dt      φ = atan( N/(s √D) )
//! N = t [N_{rs|pq} + (1 − t²) C_pq (C_pq C_rs − C_ps C_qr)]      s² = 1 − t² C_pq²      D = D₀ (1 − σ₁² t²)(1 − σ₂² t²)
//! ```
//! for variances 1, where `σ₁ ≥ σ₂` are the canonical correlations of A and B. With `σ₁ t = 2y/(1 + y²)` the square root of the
//! first factor is rational, all singularities have |y| = 1, and the integral over y² takes few points: fields that nearly
//! coincide do no harm as long as they are on the same side.

use std::sync::LazyLock;

use super::lanes::{LANES, Lane, arctan_over};

/// What the integral depends on. Of the four pairs, the first two and the last two are opposite.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// `C_pq`.
    pub(super) correlation: [Lane; 4],
    /// `N_{rs|pq}`.
    pub(super) minor: [Lane; 4],
    /// `C_pq C_rs − C_ps C_qr` for the first two pairs; less that for the others.
    pub(super) cross: Lane,
    /// `√D₀`.
    pub(super) size: Lane,
    /// `√(1 − σ₁²)` and `1 − σ₂²`.
    pub(super) near: Lane,
    pub(super) far: Lane,
}

/// How many numbers that is a set.
pub(super) const ROWS: usize = 12;

/// A point of Gauss–Legendre on (0, 1) in `x = (y/y(1))²`: `1 − x`, `√x` and the weight over `√x`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    back: f64,
    root: f64,
    weight: f64,
}

/// Numbers of points, each with the largest [`hardness`] for which they leave 2e-14 of a probability. Beyond, panels.
const LADDER: [(usize, f64); 10] = [
    (3, 0.036),
    (4, 0.112),
    (5, 0.21),
    (6, 0.30),
    (7, 0.40),
    (8, 0.49),
    (10, 0.66),
    (12, 0.75),
    (16, 0.85),
    (24, 0.93),
];
/// Place of the points of a panel.
const PANEL: usize = 7;
/// Panels shrink by this factor towards y = 1; there n points leave 3.3⁻²ⁿ.
const SHRINK: f64 = 1.0 / 3.5;
const MOST_PANELS: usize = 20;

/// For each place in the ladder.
pub(super) type Rules = [Vec<Node>; LADDER.len()];

pub(super) static RULES: LazyLock<Rules> = LazyLock::new(|| {
    LADDER.map(|(points, _)| {
        let rule = gauss_quad::GaussLegendre::new(std::num::NonZero::<usize>::MIN.saturating_add(points - 1));
        let node = |(x, w): (f64, f64)| {
            let root = (0.5 * (1.0 + x)).sqrt();
            Node { back: 0.5 * (1.0 - x), root, weight: 0.5 * w / root }
        };
        rule.into_iter().map(node).collect()
    })
});

/// From `√(1 − σ₁²)` and `1 − μ²`, where 1/μ is the next nearest singularity in t: with `4/hardness = (ρ + 1/ρ)²`, n points leave
/// `ρ⁻⁴ⁿ`.
#[inline(always)]
pub(super) fn hardness(near: f64, next: f64) -> f64 {
    (1.0 - near) / (1.0 + next.sqrt())
}

/// Places in the ladder, [`HARDEST`] beyond its end.
#[inline(always)]
pub(super) fn rungs(hardness: &Lane) -> [u8; LANES] {
    let mut sum = [0_i64; LANES];
    for (_, most) in LADDER {
        for k in 0..LANES {
            sum[k] += i64::from(!(hardness[k] <= most));
        }
    }
    let mut rungs = [0; LANES];
    for k in 0..LANES {
        rungs[k] = sum[k] as u8;
    }
    rungs
}

pub(super) const HARDEST: u8 = LADDER.len() as u8;

impl Path {
    /// One set a column.
    #[inline(always)]
    pub(super) fn rows(&self) -> [Lane; ROWS] {
        let ([a, b, c, d], [e, f, g, h]) = (self.correlation, self.minor);
        [a, b, c, d, e, f, g, h, self.cross, self.size, self.near, self.far]
    }

    #[inline(always)]
    pub(super) fn from_rows(rows: &[Lane; ROWS]) -> Self {
        let [a, b, c, d, e, f, g, h, cross, size, near, far] = *rows;
        Self { correlation: [a, b, c, d], minor: [e, f, g, h], cross, size, near, far }
    }

    /// The integral, with the points of a rung.
    #[inline(always)]
    pub(super) fn integral(&self, rules: &Rules, rung: u8) -> Lane {
        let mut sum = [0.0; LANES];
        let (mut rest, mut square, mut cross) = ([[0.0; LANES]; 4], [[0.0; LANES]; 4], [[0.0; LANES]; 4]);
        for pair in 0..4 {
            for k in 0..LANES {
                let c = self.correlation[pair][k];
                rest[pair][k] = (1.0 - c) * (1.0 + c);
                square[pair][k] = c * c;
                cross[pair][k] = c * if pair < 2 { self.cross[k] } else { -self.cross[k] };
            }
        }
        let pairs = [rest, square, cross];
        if let Some(rule) = rules.get(usize::from(rung)) {
            for node in rule {
                self.add(&pairs, &[node.back; LANES], &[node.root; LANES], &[node.weight; LANES], &mut sum);
            }
            return sum;
        }
        // In d = 1 − y², panels from 1 to what it is at t = 1.
        let mut last = [0.0; LANES];
        let (mut from, mut edge) = ([1.0; LANES], 1.0);
        for (last, near) in last.iter_mut().zip(self.near) {
            *last = 2.0 * near / (1.0 + near);
        }
        for panel in 1..=MOST_PANELS {
            edge *= SHRINK;
            let mut to = [0.0; LANES];
            for k in 0..LANES {
                let x = (edge - last[k]) / (1.0 - last[k]);
                to[k] = if x > 0.0 && panel < MOST_PANELS { x } else { 0.0 };
            }
            for node in &rules[PANEL] {
                let (mut back, mut root, mut weight) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
                for k in 0..LANES {
                    let length = from[k] - to[k];
                    back[k] = to[k] + length * node.back;
                    root[k] = (1.0 - back[k]).sqrt();
                    weight[k] = length * (node.weight * node.root) / root[k];
                }
                self.add(&pairs, &back, &root, &weight, &mut sum);
            }
            from = to;
            if to == [0.0; LANES] {
                break;
            }
        }
        sum
    }

    /// Adds the integrand at `1 − x = back`, `√x = root`. Nothing is the difference of numbers of which it is a small part.
    #[inline(always)]
    fn add(&self, [rest, square, cross]: &[[Lane; 4]; 3], back: &Lane, root: &Lane, weight: &Lane, sum: &mut Lane) {
        let (mut time, mut later, mut size, mut step) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for k in 0..LANES {
            let (near, far) = (self.near[k], self.far[k]);
            let inverse = 1.0 / (1.0 + near);
            // d = 1 − y², and √(1 − σ₁² t²) = d/(2 − d).
            let d = (2.0 * near + (1.0 - near) * back[k]) * inverse;
            let i = 1.0 / (2.0 - d);
            let rational = d * i;
            time[k] = 2.0 * root[k] * i * inverse;
            // 1 − t²
            later[k] = back[k] * i * (rational + near) * inverse;
            size[k] = self.size[k] * rational * (far + later[k] * (1.0 - far)).sqrt();
            step[k] = weight[k] * rational * i * inverse;
        }
        let mut slope = [0.0; LANES];
        for pair in 0..4 {
            for k in 0..LANES {
                let s = (rest[pair][k] + later[k] * square[pair][k]).sqrt();
                let minor = time[k] * (self.minor[pair][k] + later[k] * cross[pair][k]);
                slope[k] += self.correlation[pair][k] * arctan_over(minor, s * size[k], s);
            }
        }
        for k in 0..LANES {
            sum[k] += step[k] * slope[k];
        }
    }
}
