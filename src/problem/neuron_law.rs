//! Infinitely many neurons that learn a function of one direction.

use rand::Rng;

use super::law::Law;
use super::link::Link;
use super::single_index::SingleIndex;
use crate::error::{Result, require};

/// A network of infinitely many neurons on a single-index target: [`SingleIndex`] with a law of the neurons at time 0 in place
/// of m of them.
///
/// All quantities are dimensionless. Chizat & Bach (2018), Mei, Montanari & Nguyen (2018): the limit m → ∞ of gradient flow.
#[derive(Debug, Clone)]
pub struct NeuronLaw {
    /// `σ`.
    pub activation: Link,
    /// `φ`.
    pub target: Link,
    /// `ε > 0`: time of the second layer over time of the first.
    pub epsilon: f64,
    /// Law of the second layer `a` at time 0.
    pub a: Law,
    /// Law of the alignment `s ∈ [−1, 1]` at time 0, independent of `a`. The atom s = 0 is the limit d → ∞ of random directions.
    pub s: Law,
}

impl NeuronLaw {
    /// Mass of the law of s outside [−1, 1] that counts as none, and is divided out.
    pub const OUTSIDE_ALLOWED: f64 = 1e-6;

    /// Checks the statement.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] for `ε` not above 0, numbers that are not finite, bad parameters of the laws and alignments
    /// outside [−1, 1]; [`crate::Error::Shape`] for empty lists of coefficients.
    pub fn validated(self) -> Result<Self> {
        require(self.epsilon > 0.0 && self.epsilon.is_finite(), "epsilon", self.epsilon, "a finite number above 0")?;
        self.activation.check("activation")?;
        self.target.check("target")?;
        self.a.validated("a")?;
        self.s.validated("s")?;
        let below = if matches!(self.s, Law::Point { at } if at == -1.0) { 0.0 } else { self.s.cdf(-1.0) };
        let outside = below + self.s.mass(1.0, f64::INFINITY);
        require(
            outside <= Self::OUTSIDE_ALLOWED,
            "s: probability of |s| > 1",
            outside,
            "at most 1e-6: alignments lie in [−1, 1]",
        )?;
        Ok(self)
    }

    /// `neurons` of them drawn independently; alignments outside [−1, 1] are drawn again.
    ///
    /// # Errors
    /// Those of [`NeuronLaw::validated`], and of [`SingleIndex::validated`] for no neurons.
    pub fn sample<R: Rng + ?Sized>(&self, neurons: usize, rng: &mut R) -> Result<SingleIndex> {
        let Self { activation, target, epsilon, a, s } = self.clone().validated()?;
        let draw_s = |rng: &mut R| loop {
            let x = s.sample(rng);
            if x.abs() <= 1.0 {
                break x;
            }
        };
        let (a, s) = (0..neurons).map(|_| (a.sample(rng), draw_s(rng))).unzip();
        SingleIndex { activation, target, epsilon, a, s, r: None }.validated()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monte_carlo::rng::{Generator, Key, Purpose};

    fn good() -> NeuronLaw {
        let a = Law::Gaussian { mean: 0.5, std: 1.0 };
        NeuronLaw {
            activation: [0.5, 1.0].into(),
            target: [1.0].into(),
            epsilon: 0.1,
            a,
            s: Law::Uniform { low: -0.5, high: 1.0 },
        }
    }

    #[test]
    fn bad_statements_are_named() {
        assert!(good().validated().is_ok());
        let fails = |change: &dyn Fn(&mut NeuronLaw)| {
            let mut law = good();
            change(&mut law);
            law.validated().unwrap_err().to_string()
        };
        for (error, expected) in [
            (fails(&|p| p.epsilon = 0.0), "epsilon = 0: expected a finite number above 0"),
            (fails(&|p| p.epsilon = f64::NAN), "epsilon = NaN"),
            (fails(&|p| p.activation = Link::Hermite(vec![])), "activation: Hermite coefficients"),
            (fails(&|p| p.target = [f64::NAN].into()), "target[0] = NaN"),
            (fails(&|p| p.a = Law::Gaussian { mean: f64::NAN, std: 1.0 }), "a.mean = NaN"),
            (fails(&|p| p.a = Law::Gaussian { mean: 0.0, std: 0.0 }), "a.std = 0"),
            (fails(&|p| p.s = Law::Point { at: 1.2 }), "s: probability of |s| > 1 = 1: expected at most 1e-6"),
            (fails(&|p| p.s = Law::Point { at: -1.2 }), "s: probability of |s| > 1 = 1"),
            (fails(&|p| p.s = Law::Uniform { low: 0.0, high: 2.0 }), "s: probability of |s| > 1 = 0.5"),
        ] {
            assert!(error.starts_with(expected), "{error}");
        }
        for at in [-1.0, 0.0, 1.0] {
            assert!(NeuronLaw { s: Law::Point { at }, ..good() }.validated().is_ok());
        }
    }

    #[test]
    fn samples_follow_the_law() {
        let mut rng = Generator::new(Key::new(1, Purpose::InitialTheta, 0));
        let n = 40_000;
        let sample = good().sample(n, &mut rng).unwrap();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / n as f64;
        // Four standard errors: 4·1/200 and 4·(1.5/√12)/200.
        assert!((mean(&sample.a) - 0.5).abs() < 0.02 && (mean(&sample.s) - 0.25).abs() < 0.009);
        assert!(good().sample(0, &mut rng).is_err());
    }
}
