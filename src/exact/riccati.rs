//! Gaussian solutions of the replicator–mutator equation `∂_t ρ = D_h ∂²_h ρ + β(F̄ − ⟨F̄⟩)ρ`.
//!
//! Source: Kimura (1965, *PNAS* 54) and Lande (1975, *Genet. Res.* 26) for Gaussian populations under quadratic
//! selection; Alfaro & Carles (2014, *SIAM J. Appl. Math.* 74) for both cases in this form.

/// `βF̄ = −a h²/2`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuadraticFitness {
    /// `a ≥ 0`.
    pub curvature: f64,
    /// `D_h ≥ 0`.
    pub diffusion: f64,
}

impl QuadraticFitness {
    /// Mean and variance at `time` from those at 0: the solution of `V' = 2D_h − aV²`, `m' = −aVm`.
    ///
    /// With `V∞ = √(2D_h/a)`, `ω = √(2D_h a)`: `V = V∞ (V₀ + V∞ tanh ωt)/(V∞ + V₀ tanh ωt)` and
    /// `m = m₀/(cosh ωt + (V₀/V∞) sinh ωt)`; with `D_h = 0`, `V = V₀/(1 + aV₀t)`; with `a = 0`, `V = V₀ + 2D_h t`.
    pub fn at(&self, time: f64, (mean, variance): (f64, f64)) -> (f64, f64) {
        let Self { curvature: a, diffusion } = *self;
        let rate = (2.0 * diffusion * a).sqrt();
        if rate == 0.0 {
            let shrink = 1.0 + a * variance * time;
            return (mean / shrink, variance / shrink + 2.0 * diffusion * time);
        }
        let limit = self.stationary_variance();
        let tanh = (rate * time).tanh();
        let later = limit * (variance + limit * tanh) / (limit + variance * tanh);
        // sech ωt/(1 + (V₀/V∞) tanh ωt): cosh and sinh would overflow.
        let decay = (-rate * time).exp();
        let sech = 2.0 * decay / (1.0 + decay * decay);
        (mean * sech / (1.0 + variance / limit * tanh), later)
    }

    /// `V∞ = √(2D_h/a)`.
    pub fn stationary_variance(&self) -> f64 {
        (2.0 * self.diffusion / self.curvature).sqrt()
    }

    /// The growth rate of the stationary law, `−√(D_h a/2)`: the ground state of `D_h ∂² − a h²/2`.
    pub fn growth_rate(&self) -> f64 {
        -(0.5 * self.diffusion * self.curvature).sqrt()
    }
}

/// `βF̄ = b h`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearFitness {
    /// `b`.
    pub slope: f64,
    /// `D_h ≥ 0`.
    pub diffusion: f64,
}

impl LinearFitness {
    /// Mean and variance at `time`: `V = V₀ + 2D_h t`, `m = m₀ + b(V₀t + D_h t²)`.
    pub fn at(&self, time: f64, (mean, variance): (f64, f64)) -> (f64, f64) {
        let later = variance + 2.0 * self.diffusion * time;
        (mean + self.slope * time * (variance + self.diffusion * time), later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obeys_the_riccati_equation() {
        let (t, dt, start) = (0.8, 1e-4, (1.3, 0.05));
        for (a, diffusion) in [(2.0, 0.1), (2.0, 0.0), (0.0, 0.1)] {
            let case = QuadraticFitness { curvature: a, diffusion };
            let ((m0, v0), (m, v), (m1, v1)) = (case.at(t - dt, start), case.at(t, start), case.at(t + dt, start));
            // Tolerance: the centred difference is off by dt²/6 times a third derivative of order 1.
            assert!(((v1 - v0) / (2.0 * dt) - (2.0 * diffusion - a * v * v)).abs() < 1e-7);
            assert!(((m1 - m0) / (2.0 * dt) + a * v * m).abs() < 1e-7);
        }
    }

    #[test]
    fn long_times_reach_the_stationary_law_without_overflow() {
        let case = QuadraticFitness { curvature: 2.0, diffusion: 0.1 };
        let (mean, variance) = case.at(1e6, (1.0, 3.0));
        assert_eq!(mean, 0.0);
        assert!((variance / case.stationary_variance() - 1.0).abs() < 1e-15);
        // Diffusion conserves mass, so the growth rate is ⟨βF̄⟩ = −aV∞/2.
        assert!((case.growth_rate() + 0.5 * case.curvature * case.stationary_variance()).abs() < 1e-15);
    }

    #[test]
    fn linear_obeys_its_equation() {
        let case = LinearFitness { slope: 0.7, diffusion: 0.1 };
        let (t, dt, start) = (0.8, 1e-4, (1.3, 0.05));
        let ((m0, _), (_, v), (m1, _)) = (case.at(t - dt, start), case.at(t, start), case.at(t + dt, start));
        // m is quadratic in t, so the centred difference is exact but for rounding / dt.
        assert!(((m1 - m0) / (2.0 * dt) - case.slope * v).abs() < 1e-10);
    }
}
