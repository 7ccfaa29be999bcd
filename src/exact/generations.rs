//! Discrete generations of the quadratic toy problem.
//!
//! ```text
//! θ ~ N(h, v),  v = D/(μk);   F = −a(θ − c)²;   w = exp(βF);   mutation N(0, s²);   Λ = 2aβ/(1 + 2aβv)
//! w̄(h) = (1 + 2aβv)^{−1/2} exp(−Λ(h − c)²/2)
//! N(m, S)  ↦  m' = (m + ΛSc)/(1 + ΛS),   S' = S/(1 + ΛS) + s²
//! ```
//! Source: Gaussian stabilising selection, Lande (1975, *Genet. Res.* 26) and Bulmer (1980), with Λ the strength of
//! selection after the average over θ.

/// The parameters of the toy problem.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Generations {
    /// `β ≥ 0`.
    pub beta: f64,
    /// `a > 0`, the curvature of the fitness.
    pub curvature: f64,
    /// `c`, the optimum.
    pub optimum: f64,
    /// `v = D/(μk) ≥ 0`, the variance of θ given h.
    pub gibbs_variance: f64,
    /// `s² ≥ 0`.
    pub mutation_variance: f64,
}

impl Generations {
    /// `Λ = 2aβ/(1 + 2aβv)`.
    pub fn strength(&self) -> f64 {
        let raw = 2.0 * self.curvature * self.beta;
        raw / (1.0 + raw * self.gibbs_variance)
    }

    /// `log w̄(h)`.
    pub fn log_weight(&self, h: f64) -> f64 {
        let raw = 2.0 * self.curvature * self.beta;
        -0.5 * (raw * self.gibbs_variance).ln_1p() - 0.5 * self.strength() * (h - self.optimum).powi(2)
    }

    /// `F̄(h) = −a((h − c)² + v)`.
    pub fn fitness(&self, h: f64) -> f64 {
        -self.curvature * ((h - self.optimum).powi(2) + self.gibbs_variance)
    }

    /// `log ⟨w̄⟩` under `N(mean, variance)`: `−½ log((1 + 2aβv)(1 + ΛS)) − Λ(m − c)²/(2(1 + ΛS))`.
    pub fn log_mean_weight(&self, (mean, variance): (f64, f64)) -> f64 {
        let spread = 1.0 + self.strength() * variance;
        let raw = 2.0 * self.curvature * self.beta;
        -0.5 * ((raw * self.gibbs_variance).ln_1p() + spread.ln())
            - self.strength() * (mean - self.optimum).powi(2) / (2.0 * spread)
    }

    /// Mean and variance of h after one generation.
    pub fn step(&self, (mean, variance): (f64, f64)) -> (f64, f64) {
        let pull = self.strength() * variance;
        ((mean + pull * self.optimum) / (1.0 + pull), variance / (1.0 + pull) + self.mutation_variance)
    }

    /// `S* = ½(s² + √(s⁴ + 4s²/Λ))`; infinite without selection.
    pub fn stationary_variance(&self) -> f64 {
        let s2 = self.mutation_variance;
        0.5 * (s2 + (s2 * s2 + 4.0 * s2 / self.strength()).sqrt())
    }

    /// The factor `1/(1 + ΛS*)` by which each generation brings the mean closer to c in the end.
    pub fn contraction(&self) -> f64 {
        1.0 / (1.0 + self.strength() * self.stationary_variance())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOY: Generations =
        Generations { beta: 1.3, curvature: 0.8, optimum: 0.4, gibbs_variance: 0.1, mutation_variance: 0.04 };

    #[test]
    fn weight_and_step_agree_with_sums_over_the_line() {
        let (mean, variance) = (1.1, 0.3);
        let points = (-8000..=8000).map(|k| f64::from(k) * 1e-3);
        let normal = |x: f64, m: f64, v: f64| (-(x - m).powi(2) / (2.0 * v)).exp() / (std::f64::consts::TAU * v).sqrt();
        let mut sums = [0.0; 3];
        for h in points.clone() {
            let p = normal(h, mean, variance) * TOY.log_weight(h).exp() * 1e-3;
            sums[0] += p;
            sums[1] += p * h;
            sums[2] += p * h * h;
        }
        let (m, v) = (sums[1] / sums[0], sums[2] / sums[0] - (sums[1] / sums[0]).powi(2));
        let (m1, v1) = TOY.step((mean, variance));
        // Tolerance: the trapezoidal rule is exact to rounding for Gaussians this wide.
        assert!((m - m1).abs() < 1e-12 && (v + TOY.mutation_variance - v1).abs() < 1e-12);
        assert!((sums[0].ln() - TOY.log_mean_weight((mean, variance))).abs() < 1e-12);

        let h = -0.7;
        let weight: f64 = points
            .map(|t| {
                let w = (-TOY.beta * TOY.curvature * (t - TOY.optimum).powi(2)).exp();
                w * normal(t, h, TOY.gibbs_variance) * 1e-3
            })
            .sum();
        assert!((weight.ln() - TOY.log_weight(h)).abs() < 1e-12);
    }

    #[test]
    fn the_fixed_point_is_fixed_and_attracts_at_the_stated_rate() {
        let star = (TOY.optimum, TOY.stationary_variance());
        let (m, v) = TOY.step(star);
        assert!((m - star.0).abs() < 1e-15 && (v - star.1).abs() < 1e-15);
        let (m, _) = TOY.step((star.0 + 1e-3, star.1));
        assert!(((m - star.0) / 1e-3 - TOY.contraction()).abs() < 1e-12);
    }
}
