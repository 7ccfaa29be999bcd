//! Steps on a ladder: the way from stop to stop over a power of two, so that few step lengths occur and few matrices.

use serde::{Deserialize, Serialize};

/// Halvings of the way at most.
const RUNGS: u32 = 60;
/// A rung is as long as a step that falls short of it by rounding.
const ROUNDING: f64 = 1.0 + 1e-9;

/// A way from one stop to the next, of which `taken` steps of `length/2^rung` are done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ladder {
    from: f64,
    to: f64,
    rung: u32,
    taken: u64,
}

impl Ladder {
    pub fn new(from: f64, to: f64) -> Self {
        Self { from, to, rung: 0, taken: 0 }
    }

    /// The step length of the present rung.
    pub fn step(&self) -> f64 {
        (self.to - self.from) * 0.5f64.powi(self.rung as i32)
    }

    /// Goes to the longest rung of at most `step` that reaches the stop exactly; `None` below the last.
    pub fn choose(&mut self, step: f64) -> Option<()> {
        while self.step() > step * ROUNDING {
            if self.rung == RUNGS {
                return None;
            }
            self.rung += 1;
            self.taken *= 2;
        }
        while self.can_double() && 2.0 * self.step() <= step * ROUNDING {
            self.rung -= 1;
            self.taken /= 2;
        }
        Some(())
    }

    /// Whether the next step could be twice as long.
    pub fn can_double(&self) -> bool {
        self.rung > 0 && self.taken.is_multiple_of(2)
    }

    /// Whether it could after one more step of the present length.
    pub fn will_double(&self) -> bool {
        self.rung > 0 && !self.taken.is_multiple_of(2)
    }

    /// The end of the next step.
    pub fn end(&self) -> f64 {
        let steps = 1u64 << self.rung;
        if self.taken + 1 == steps {
            self.to
        } else {
            self.from + (self.to - self.from) * ((self.taken + 1) as f64 / steps as f64)
        }
    }

    /// The step was accepted.
    pub fn advance(&mut self) {
        self.taken += 1;
    }

    /// Whether it is a way to `to` that goes on from `now`.
    pub fn goes_on(&self, now: f64, to: f64) -> bool {
        let done = self.from + (self.to - self.from) * (self.taken as f64 * 0.5f64.powi(self.rung as i32));
        self.rung <= RUNGS && !self.is_done() && self.to == to && self.from < to && done == now
    }

    pub fn is_done(&self) -> bool {
        self.taken >= 1u64 << self.rung
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_double_only_where_they_reach_the_stop() {
        let mut ladder = Ladder::new(1.0, 4.0);
        let (mut ends, mut step) = (Vec::new(), 0.1);
        while !ladder.is_done() {
            ladder.choose(step).unwrap();
            ends.push(ladder.end());
            ladder.advance();
            step = 2.0 * ladder.step();
        }
        let unit = 3.0 / 32.0;
        assert_eq!(ends, [1.0 + unit, 1.0 + 2.0 * unit, 1.0 + 4.0 * unit, 1.0 + 8.0 * unit, 1.0 + 16.0 * unit, 4.0]);
    }

    #[test]
    fn steps_below_the_last_rung_are_refused() {
        assert!(Ladder::new(0.0, 1.0).choose(1e-30).is_none());
    }
}
