//! Chi-square numbers.

use rand::Rng;

use crate::numerics::normal::{standard_normal, uniform};

/// The chi-square law with a whole number of degrees of freedom, by the gamma generator of Marsaglia & Tsang (2000), exact.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChiSquare {
    freedom: f64,
    /// `shape − 1/3`.
    d: f64,
    /// `1/√(9d)`.
    c: f64,
}

impl ChiSquare {
    pub fn new(freedom: usize) -> Self {
        let freedom = freedom as f64;
        let d = 0.5 * freedom - 1.0 / 3.0;
        Self { freedom, d, c: 1.0 / (9.0 * d).sqrt() }
    }

    /// A draw from one normal and one uniform number, if they do.
    #[inline(always)]
    pub fn propose(&self, normal: f64, uniform: f64) -> Option<f64> {
        let square = normal * normal;
        if self.freedom < 2.0 {
            // The gamma generator needs a shape of at least one.
            return Some(self.freedom * square);
        }
        let root = 1.0 + self.c * normal;
        if root <= 0.0 {
            return None;
        }
        let v = root * root * root;
        let accepted = uniform < 1.0 - 0.0331 * square * square
            || libm::log(uniform) < 0.5 * square + self.d * (1.0 - v + libm::log(v));
        accepted.then_some(2.0 * self.d * v)
    }

    /// A draw.
    pub fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> f64 {
        loop {
            let normal = standard_normal(rng);
            if let Some(value) = self.propose(normal, uniform(rng)) {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monte_carlo::rng::{Generator, Key, Purpose};

    #[test]
    fn moments_are_those_of_the_law() {
        const N: usize = 200_000;
        for freedom in [0, 1, 2, 3, 7, 100, 10_000_000] {
            let law = ChiSquare::new(freedom);
            let mut rng = Generator::new(Key::new(3, Purpose::ChiSquare, freedom));
            let k = freedom as f64;
            // Central moments: k, 2k, 8k, 12k² + 48k.
            let sample: Vec<f64> = (0..N).map(|_| law.draw(&mut rng) - k).collect();
            let moment = |p: i32| sample.iter().map(|x| x.powi(p)).sum::<f64>() / N as f64;
            // Four standard errors: √(var/N), √((μ₄ − var²)/N); the third moment in units of var^{3/2} with √(15/N) near the
            // normal law and more (of order μ₆ ≤ 1000 var³) for few degrees of freedom.
            let bound = 4.0 / (N as f64).sqrt();
            assert!(moment(1).abs() <= bound * (2.0 * k).sqrt(), "mean {freedom}");
            assert!((moment(2) - 2.0 * k).abs() <= bound * (8.0 * k * k + 48.0 * k).sqrt(), "variance {freedom}");
            let sixth = if freedom < 100 { 1000.0 } else { 20.0 };
            let third = moment(3) - 8.0 * k;
            assert!(third.abs() <= bound * (sixth * (2.0 * k).powi(3)).sqrt(), "third {freedom}");
        }
    }
}
