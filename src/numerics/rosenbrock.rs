//! Stiff integration of autonomous equations by a Rosenbrock method, with the structure of the Jacobian left to the equations.

use std::ops::ControlFlow;

use crate::error::{Error, Result, require};
use crate::frame::Watcher;

/// Equations `y' = f(y)` with Jacobian `J`.
pub trait Stiff {
    /// `f(y)`.
    ///
    /// # Errors
    /// Where the equations cannot be evaluated.
    fn rhs(&mut self, y: &[f64], out: &mut [f64]) -> Result<()>;

    /// Prepares solves with `W = shift·1 − J(y)`; `weight_i` is the size of `y_i` at which an error counts, for iterations.
    ///
    /// # Errors
    /// Where that cannot be done.
    fn prepare(&mut self, y: &[f64], shift: f64, weight: &[f64]) -> Result<()>;

    /// `b ← W⁻¹ b`.
    ///
    /// # Errors
    /// [`Error::NotConverged`], which only says that the step was too long.
    fn solve(&mut self, b: &mut [f64]) -> Result<()>;
}

/// The integrator: Rodas5P, order 5(4), 8 stages, L-stable, stiffly accurate (Steinebach 2023, BIT Numer. Math. 63:27).
#[derive(Debug, Clone, Default)]
pub struct Rosenbrock {
    /// Weighted error allowed in one step: `tolerance·(scale + |y|)` a component, in the root mean square.
    pub tolerance: f64,
    /// The first step to try (0: chosen automatically), then the next one.
    pub step: f64,
    /// Steps accepted and rejected.
    pub steps: [u64; 2],
    stages: Vec<Vec<f64>>,
    argument: Vec<f64>,
    slope: Vec<f64>,
    weight: Vec<f64>,
}

const STAGES: usize = 8;
const GAMMA: f64 = 0.211_937_563_194_290_14;

/// Of the arguments of stages 2 … 6; those of 7 and 8 add the stage before.
const A: [&[f64]; 6] = [
    &[],
    &[3.0],
    &[2.849_394_379_747_939, 0.458_422_422_044_639_23],
    &[-6.954_028_509_809_101, 2.489_845_061_869_568, -10.358_996_098_473_584],
    &[2.802_998_627_562_896_4, 0.507_246_473_622_820_6, -0.398_831_254_177_052_4, -0.047_211_872_304_046_41],
    &[
        -7.502_846_399_306_121,
        2.561_846_144_803_919,
        -11.627_539_656_261_098,
        -0.182_687_676_599_422_56,
        0.030_198_172_008_377_946,
    ],
];

const C: [&[f64]; STAGES] = [
    &[],
    &[-14.155_112_264_123_755],
    &[-17.972_960_358_859_52, -2.859_693_295_451_294],
    &[147.121_502_757_117_16, -1.412_214_027_182_13, 71.689_402_513_023_58],
    &[165.435_170_248_716_76, -0.459_282_345_649_112_6, 42.909_383_369_586_03, -5.961_986_721_573_306],
    &[
        24.854_864_614_690_072,
        -3.000_922_700_283_218_6,
        47.493_111_002_076_8,
        5.581_419_782_155_812_5,
        -0.661_069_182_524_947_1,
    ],
    &[
        30.912_732_140_285_99,
        -3.120_824_334_993_797_4,
        77.799_546_460_708_92,
        34.286_460_282_947_83,
        -19.097_331_116_725_623,
        -28.087_943_162_872_662,
    ],
    &[
        37.802_771_233_905_63,
        -3.257_196_902_907_227_6,
        112.269_188_494_963_27,
        66.934_723_124_404_7,
        -40.066_189_370_910_02,
        -54.667_802_628_779_68,
        -9.488_616_523_096_27,
    ],
];

/// Steps after which [`Rosenbrock::advance`] gives up.
const MOST: u64 = 1_000_000;

impl Rosenbrock {
    /// With an error of `tolerance` a step.
    pub fn new(tolerance: f64) -> Self {
        Self { tolerance, ..Self::default() }
    }

    /// Integrates from `time` to `end` in place, both `time` and `y` being moved on with each step; `scale_i` is the size below
    /// which errors of `y_i` are absolute.
    ///
    /// # Errors
    /// Those of the equations at the start; [`Error::NonFiniteField`] where `f` is not finite there; [`Error::StiffStep`] where the
    /// step falls to rounding; [`Error::NotConverged`] after a million steps.
    pub fn advance<S: Stiff>(
        &mut self,
        system: &mut S,
        time: &mut f64,
        end: f64,
        y: &mut [f64],
        scale: &[f64],
    ) -> Result<()> {
        self.advance_watched(system, time, end, (y, scale), &Watcher::default()).map(|_| ())
    }

    /// The same under a watch that looks after each step, and may end it there; another call goes on as if it had not.
    pub(crate) fn advance_watched<S: Stiff>(
        &mut self,
        system: &mut S,
        time: &mut f64,
        end: f64,
        (y, scale): (&mut [f64], &[f64]),
        watch: &Watcher,
    ) -> Result<ControlFlow<()>> {
        let start = *time;
        require(end >= start && end.is_finite(), "time", end, "a finite time, not before the one reached")?;
        if end == start {
            return Ok(ControlFlow::Continue(()));
        }
        self.resize(y.len());
        self.weigh(y, scale);
        if self.step == 0.0 {
            self.step = self.first_step(system, start, y)?.min(end - start);
        }
        let mut rejected = false;
        for _ in 0..MOST {
            // Two equal steps rather than a tiny one after a long one.
            let left = end - *time;
            let last = self.step >= 0.99 * left;
            let h = if last { left } else { self.step.min(if left < 2.0 * self.step { 0.5 * left } else { left }) };
            if !(h > 16.0 * f64::EPSILON * time.abs().max(end.abs() * 1e-8) || last) {
                return Err(self.stuck(system, *time, y, h));
            }
            // What fails inside a step says that it was too long.
            let error = self.attempt(system, y, h).unwrap_or(f64::INFINITY);
            let most = if rejected { 1.0 } else { 5.0 };
            let factor = if error.is_finite() { (0.9 * error.powf(-0.2)).clamp(0.2, most) } else { 0.2 };
            if error <= 1.0 {
                self.steps[0] += 1;
                y.copy_from_slice(&self.argument);
                self.weigh(y, scale);
                // The last step may have been cut short, and then says little about what is possible.
                self.step =
                    if last { (h * factor).max(if h < self.step { self.step } else { 0.0 }) } else { h * factor };
                *time = if last { end } else { *time + h };
                let flow = watch.look(*time, h);
                if last || flow.is_break() {
                    return Ok(flow);
                }
                rejected = false;
            } else {
                self.steps[1] += 1;
                self.step = h * factor.min(0.9);
                rejected = true;
            }
        }
        Err(Error::NotConverged {
            what: "the stiff integration",
            iterations: MOST as usize,
            residual: end - *time,
            tolerance: 0.0,
        })
    }

    /// The error of a step that fell to rounding, with what changes fastest.
    fn stuck<S: Stiff>(&mut self, system: &mut S, time: f64, y: &[f64], step: f64) -> Error {
        if let Err(error) = system.rhs(y, &mut self.slope) {
            return error;
        }
        let speed = |i: usize| (self.slope[i] / self.weight[i]).abs();
        let fastest = (0..y.len()).fold(0, |most, i| if speed(i) > speed(most) { i } else { most });
        Error::StiffStep { time, step, component: format!("y[{fastest}]"), tolerance: self.tolerance }
    }

    fn resize(&mut self, n: usize) {
        if self.argument.len() != n {
            self.stages = vec![vec![0.0; n]; STAGES];
            (self.argument, self.slope, self.weight) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        }
    }

    fn weigh(&mut self, y: &[f64], scale: &[f64]) {
        for ((weight, y), scale) in self.weight.iter_mut().zip(y).zip(scale) {
            *weight = self.tolerance * (scale + y.abs());
        }
    }

    /// A step in which the state moves by a hundredth of its size.
    fn first_step<S: Stiff>(&mut self, system: &mut S, time: f64, y: &[f64]) -> Result<f64> {
        system.rhs(y, &mut self.slope)?;
        if let Some((index, &value)) = self.slope.iter().enumerate().find(|(_, f)| !f.is_finite()) {
            return Err(Error::NonFiniteField { field: "rate of change".into(), index, value, time });
        }
        let speed = norm(&self.slope, &self.weight) * self.tolerance;
        Ok(if speed > 0.0 { 0.01 / speed } else { f64::INFINITY })
    }

    /// One step of length h: the new state in `argument`, and its weighted error.
    fn attempt<S: Stiff>(&mut self, system: &mut S, y: &[f64], h: f64) -> Result<f64> {
        system.prepare(y, 1.0 / (GAMMA * h), &self.weight)?;
        for (i, coefficients) in C.iter().enumerate() {
            match A.get(i) {
                Some(a) => {
                    self.argument.copy_from_slice(y);
                    for (a, stage) in a.iter().zip(&self.stages) {
                        self.argument.iter_mut().zip(stage).for_each(|(x, u)| *x += a * u);
                    }
                }
                None => self.argument.iter_mut().zip(&self.stages[i - 1]).for_each(|(x, u)| *x += u),
            }
            system.rhs(&self.argument, &mut self.slope)?;
            let (before, rest) = self.stages.split_at_mut(i);
            let stage = &mut rest[0];
            stage.copy_from_slice(&self.slope);
            for (c, other) in coefficients.iter().zip(&*before) {
                let c = c / h;
                stage.iter_mut().zip(other).for_each(|(x, u)| *x += c * u);
            }
            system.solve(stage)?;
        }
        // The last stage is the difference to the embedded method of order 4.
        let last = &self.stages[STAGES - 1];
        self.argument.iter_mut().zip(last).for_each(|(x, u)| *x += u);
        Ok(norm(last, &self.weight))
    }
}

/// Root mean square of `x_i/weight_i`; NaN if any x is.
pub(crate) fn norm(x: &[f64], weight: &[f64]) -> f64 {
    let sum: f64 = x.iter().zip(weight).map(|(x, w)| (x / w) * (x / w)).sum();
    (sum / x.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Van der Pol in Liénard's form, `y₀' = y₁, y₁' = ((1 − y₀²) y₁ − y₀)/ε`.
    struct VanDerPol {
        epsilon: f64,
        w: [[f64; 2]; 2],
    }

    impl Stiff for VanDerPol {
        fn rhs(&mut self, y: &[f64], out: &mut [f64]) -> Result<()> {
            out[0] = y[1];
            out[1] = ((1.0 - y[0] * y[0]) * y[1] - y[0]) / self.epsilon;
            Ok(())
        }
        fn prepare(&mut self, y: &[f64], shift: f64, _weight: &[f64]) -> Result<()> {
            let e = self.epsilon;
            self.w = [[shift, -1.0], [(2.0 * y[0] * y[1] + 1.0) / e, shift - (1.0 - y[0] * y[0]) / e]];
            Ok(())
        }
        fn solve(&mut self, b: &mut [f64]) -> Result<()> {
            let [[p, q], [r, s]] = self.w;
            let determinant = p * s - q * r;
            let (x, y) = ((b[0] * s - q * b[1]) / determinant, (p * b[1] - r * b[0]) / determinant);
            (b[0], b[1]) = (x, y);
            Ok(())
        }
    }

    #[test]
    fn van_der_pol_is_that_of_the_books() {
        // Hairer & Wanner, Solving ODEs II, test set: y(1) and y(2) for ε = 1e-6.
        let mut system = VanDerPol { epsilon: 1e-6, w: [[0.0; 2]; 2] };
        for tolerance in [1e-5, 1e-7, 1e-9] {
            let (mut t, mut y, mut method) = (0.0, [2.0, 0.0], Rosenbrock::new(tolerance));
            method.advance(&mut system, &mut t, 1.0, &mut y, &[1.0; 2]).unwrap();
            let one = (y[0] + 1.863_646_254_808_13).abs();
            method.advance(&mut system, &mut t, 2.0, &mut y, &[1.0; 2]).unwrap();
            let two = (y[0] - 1.706_167_732_170_48).abs();
            // The position of the jump adds up some hundred steps.
            assert!(one < 30.0 * tolerance && two < 30.0 * tolerance, "{tolerance:e}: {one:e} {two:e}");
        }
    }

    /// `y' = y² − …`: an equation with a known solution `y = 1/(1 + t)`, `z = y²`, stiffly coupled.
    struct Coupled(f64, [[f64; 2]; 2]);

    impl Stiff for Coupled {
        fn rhs(&mut self, y: &[f64], out: &mut [f64]) -> Result<()> {
            out[0] = -y[1];
            out[1] = (y[0] * y[0] - y[1]) / self.0 - 2.0 * y[0] * y[1];
            Ok(())
        }
        fn prepare(&mut self, y: &[f64], shift: f64, _weight: &[f64]) -> Result<()> {
            let e = self.0;
            self.1 = [[shift, 1.0], [2.0 * y[1] - 2.0 * y[0] / e, shift + 1.0 / e + 2.0 * y[0]]];
            Ok(())
        }
        fn solve(&mut self, b: &mut [f64]) -> Result<()> {
            let [[p, q], [r, s]] = self.1;
            let determinant = p * s - q * r;
            let (x, y) = ((b[0] * s - q * b[1]) / determinant, (p * b[1] - r * b[0]) / determinant);
            (b[0], b[1]) = (x, y);
            Ok(())
        }
    }

    #[test]
    fn fixed_steps_have_order_five() {
        let error = |epsilon: f64, steps: u32| {
            let mut system = Coupled(epsilon, [[0.0; 2]; 2]);
            let mut method = Rosenbrock::new(1.0);
            let mut y = [1.0, 1.0];
            method.resize(2);
            method.weigh(&y, &[1.0; 2]);
            for _ in 0..steps {
                method.attempt(&mut system, &y, 2.0 / f64::from(steps)).unwrap();
                y.copy_from_slice(&method.argument);
            }
            (y[0] - 1.0 / 3.0).abs()
        };
        // Not stiff: 5; as index 1, without reduction of the order in the slow component.
        for epsilon in [1.0, 1e-6] {
            let order = (error(epsilon, 32) / error(epsilon, 64)).log2();
            // Falls towards 5 from a longer way above or below.
            assert!((order - 5.0).abs() < 0.2, "ε = {epsilon:e}: {order}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_named() {
        struct Broken;
        impl Stiff for Broken {
            fn rhs(&mut self, _y: &[f64], out: &mut [f64]) -> Result<()> {
                out[0] = f64::NAN;
                Ok(())
            }
            fn prepare(&mut self, _y: &[f64], _shift: f64, _weight: &[f64]) -> Result<()> {
                Ok(())
            }
            fn solve(&mut self, _b: &mut [f64]) -> Result<()> {
                Ok(())
            }
        }
        let error = Rosenbrock::new(1e-6).advance(&mut Broken, &mut 0.0, 1.0, &mut [1.0], &[1.0]).unwrap_err();
        assert!(matches!(error, Error::NonFiniteField { .. }), "{error}");
        let error = Rosenbrock::new(1e-6).advance(&mut Broken, &mut 0.0, f64::NAN, &mut [1.0], &[1.0]).unwrap_err();
        assert!(error.to_string().starts_with("time = NaN"));
    }
    /// `y' = y²`, which leaves the numbers at t = 1, beside a component at rest.
    struct Exploding([f64; 2]);

    impl Stiff for Exploding {
        fn rhs(&mut self, y: &[f64], out: &mut [f64]) -> Result<()> {
            (out[0], out[1]) = (0.0, y[1] * y[1]);
            Ok(())
        }
        fn prepare(&mut self, y: &[f64], shift: f64, _weight: &[f64]) -> Result<()> {
            self.0 = [shift, shift - 2.0 * y[1]];
            Ok(())
        }
        fn solve(&mut self, b: &mut [f64]) -> Result<()> {
            (b[0], b[1]) = (b[0] / self.0[0], b[1] / self.0[1]);
            Ok(())
        }
    }

    #[test]
    fn a_step_that_falls_to_nothing_names_time_and_component() {
        let (mut t, mut y) = (0.0, [1.0, 1.0]);
        let outcome = Rosenbrock::new(1e-8).advance(&mut Exploding([0.0; 2]), &mut t, 2.0, &mut y, &[1.0; 2]);
        let Err(Error::StiffStep { time, component, .. }) = outcome else { panic!("{outcome:?}") };
        // State and time are those of the last step that was made.
        assert!((time - 1.0).abs() < 1e-6 && time == t && component == "y[1]", "{time} {component}");
        assert!(y[1] > 1e6 && y[0] == 1.0, "{y:?}");
    }
}
