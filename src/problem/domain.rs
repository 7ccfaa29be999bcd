//! The domain of one hyperparameter: its ends, the rule there, and the scale on which it moves.

use crate::error::{Result, require};

/// What happens to a mutation that would leave the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ends {
    /// It is mirrored at the end (in the coordinate of the [`Scale`]), as often as needed.
    #[default]
    Reflect,
    /// It stops at the end, where mass piles up as an atom.
    Clip,
    /// It is drawn again until it lies inside.
    Retry,
}

/// The coordinate `y(h)` in which a hyperparameter moves: Gaussian and uniform steps and diffusion are steps of y, the
/// cells of a grid are equal in y, and mirrors stand at the ends of y.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// `y = h`.
    #[default]
    Linear,
    /// `y = log h`, for h > 0.
    Log,
}

impl Scale {
    /// `y(h)`. `−∞` for h ≤ 0 on the log scale.
    #[inline(always)]
    pub fn coordinate(self, h: f64) -> f64 {
        match self {
            Scale::Linear => h,
            // Of this crate's own making, so that the bits of agents do not depend on the system.
            Scale::Log => libm::log(h.max(0.0)),
        }
    }

    /// `h(y)`.
    #[inline(always)]
    pub fn value(self, y: f64) -> f64 {
        match self {
            Scale::Linear => y,
            Scale::Log => libm::exp(y),
        }
    }
}

/// The domain `[low, high]` of one hyperparameter (dimensionless).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Domain {
    /// Lower end.
    pub low: f64,
    /// Upper end, > `low`.
    pub high: f64,
    /// The scale on which it moves.
    pub scale: Scale,
    /// The rule at both ends.
    pub ends: Ends,
}

impl Domain {
    /// `[low, high]` on the linear scale.
    pub const fn linear(low: f64, high: f64, ends: Ends) -> Self {
        Self { low, high, scale: Scale::Linear, ends }
    }

    /// `[low, high]`, 0 < low, on the log scale.
    pub const fn log(low: f64, high: f64, ends: Ends) -> Self {
        Self { low, high, scale: Scale::Log, ends }
    }

    /// Checks the ends.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter): ends that are infinite or in the wrong order, a log scale that crosses zero.
    pub fn validated(&self) -> Result<()> {
        require(self.low.is_finite(), "h.low", self.low, "a finite number")?;
        let above_zero = self.scale == Scale::Linear || self.low > 0.0;
        require(above_zero, "h.low", self.low, "a number above 0, as scale = log has no zero")?;
        require(self.high > self.low && self.high.is_finite(), "h.high", self.high, "a finite number above h.low")
    }

    /// Its ends in the coordinate of its scale.
    pub fn coordinates(&self) -> (f64, f64) {
        (self.scale.coordinate(self.low), self.scale.coordinate(self.high))
    }

    /// Whether `h` lies inside, ends included.
    pub fn contains(&self, h: f64) -> bool {
        (self.low..=self.high).contains(&h)
    }

    /// Mirrors `h` into the domain, in the coordinate of its scale.
    pub fn reflect(&self, h: f64) -> f64 {
        if self.contains(h) {
            return h;
        }
        let (low, high) = self.coordinates();
        let width = high - low;
        let y = self.scale.coordinate(h);
        if y == f64::NEG_INFINITY {
            return self.low;
        }
        let y = (y - low).rem_euclid(2.0 * width);
        // The way back from the logarithm may round to just outside.
        self.scale.value(low + if y > width { 2.0 * width - y } else { y }).clamp(self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_stand_at_the_ends_of_the_coordinate() {
        let log = Domain::log(1e-4, 1e-1, Ends::Reflect);
        // One decade below the lower end is mirrored to one decade above it.
        assert!((log.reflect(1e-5) - 1e-3).abs() < 1e-15);
        assert!((log.reflect(1.0) - 1e-2).abs() < 1e-14);
        assert_eq!(log.reflect(-1.0), 1e-4);
        let linear = Domain::linear(-1.0, 2.0, Ends::Reflect);
        assert_eq!([-1.5, 2.25, 9.0].map(|h| linear.reflect(h)), [-0.5, 1.75, 1.0]);
    }

    #[test]
    fn bad_domains_are_named() {
        for (domain, key) in [
            (Domain::log(0.0, 1.0, Ends::Clip), "h.low"),
            (Domain::log(-1.0, 1.0, Ends::Clip), "h.low"),
            (Domain::linear(1.0, 1.0, Ends::Clip), "h.high"),
            (Domain::linear(f64::NAN, 1.0, Ends::Clip), "h.low"),
        ] {
            let text = domain.validated().unwrap_err().to_string();
            assert!(text.contains(key) && text.contains("expected"), "{text}");
        }
    }
}
