//! Training steps of one block of agents.

use super::replica::Plan;
use super::rng::{Key, noisy_step};
use super::settings::Dynamics;
use crate::error::{Error, Result};
use crate::problem::Coefficient;

/// Work arrays of one block, one number a component of θ. All steps have the form
/// `θ ← θ − drift·g + amplitude·ξ`, with `g` the gradient of the loss, or `θ − centre` for the exact Ornstein–Uhlenbeck step.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    gradient: Vec<f64>,
    drift: Vec<f64>,
    amplitude: Vec<f64>,
    centre: Vec<f64>,
    previous: Vec<f64>,
}

impl Scratch {
    /// Works out the coefficients of a step of length `step` for the agents with these `h`.
    pub fn prepare(&mut self, plan: &Plan, step: f64, h: &[f64]) -> Result<()> {
        let (dim_theta, dim_h) = plan.dims();
        let problem = &plan.problem;
        let size = h.len() / dim_h * dim_theta;
        let step = step / problem.epsilon;
        for array in [&mut self.gradient, &mut self.drift, &mut self.amplitude, &mut self.previous] {
            array.resize(size, 0.0);
        }
        let exact = plan.settings.dynamics == Dynamics::ExactOu;
        self.centre.resize(if exact { size } else { 0 }, 0.0);
        let noisy = plan.settings.dynamics != Dynamics::Sgd;
        let coefficients = |h: &[f64]| -> Result<(f64, f64)> {
            let mobility = positive(&problem.mobility, "mobility", h)?;
            let diffusion = if noisy { positive(&problem.diffusion, "diffusion", h)? } else { 0.0 };
            Ok((mobility, diffusion))
        };
        if let (false, Coefficient::Constant(_), Coefficient::Constant(_)) =
            (exact, &problem.mobility, &problem.diffusion)
        {
            let (mobility, diffusion) = coefficients(h)?;
            self.drift.fill(mobility * step);
            self.amplitude.fill((2.0 * diffusion * step).sqrt());
            return Ok(());
        }
        let mut last = (f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN);
        for (agent, h) in h.chunks_exact(dim_h).enumerate() {
            let mine = agent * dim_theta..(agent + 1) * dim_theta;
            let (mobility, diffusion) = coefficients(h)?;
            let (drift, amplitude) = if exact {
                let stiffness = problem.loss.quadratic(h, &mut self.centre[mine.clone()]).ok_or_else(not_quadratic)?;
                if (mobility, diffusion, stiffness) != (last.0, last.1, last.2) {
                    positive(&Coefficient::Constant(stiffness), "stiffness", h)?;
                    let rate = mobility * stiffness * step;
                    let variance = -diffusion / (mobility * stiffness) * libm::expm1(-2.0 * rate);
                    last = (mobility, diffusion, stiffness, -libm::expm1(-rate), variance.sqrt());
                }
                (last.3, last.4)
            } else {
                (mobility * step, (2.0 * diffusion * step).sqrt())
            };
            self.drift[mine.clone()].fill(drift);
            self.amplitude[mine].fill(amplitude);
        }
        Ok(())
    }
}

/// The coefficient at `h`. Only a bad value pays for the message of [`Coefficient::positive_at`].
pub(super) fn positive(coefficient: &Coefficient, key: &str, h: &[f64]) -> Result<f64> {
    let value = coefficient.at(h);
    if value > 0.0 && value.is_finite() { Ok(value) } else { coefficient.positive_at(key, h) }
}

/// Why [`Dynamics::ExactOu`] cannot go on.
pub(super) fn not_quadratic() -> Error {
    Error::Unsupported {
        solver: "the exact Ornstein–Uhlenbeck step",
        what: "a loss that is not quadratic in θ (or does not say so by `quadratic`)".into(),
        instead: "use langevin dynamics",
    }
}

/// One step of one block. `place` is (replicate, block, number of the step), for messages.
pub(super) fn train_block(
    plan: &Plan,
    scratch: &mut Scratch,
    key: Key,
    place: (usize, usize, u64),
    theta: &mut [f64],
    h: &[f64],
) -> Result<()> {
    let agents = h.len() / plan.dims().1;
    let Scratch { gradient, drift, amplitude, centre, previous } = scratch;
    previous.copy_from_slice(theta);
    if plan.settings.dynamics == Dynamics::ExactOu {
        gradient.iter_mut().zip(&*theta).zip(&*centre).for_each(|((g, theta), c)| *g = theta - c);
    } else {
        plan.problem.loss.gradients(theta, h, agents, gradient);
    }
    let finite = if plan.settings.dynamics == Dynamics::Sgd {
        theta.iter_mut().zip(&*gradient).zip(&*drift).for_each(|((theta, g), drift)| *theta -= drift * g);
        theta.iter().all(|theta| theta.is_finite())
    } else {
        noisy_step(key, theta, gradient, drift, amplitude)
    };
    if finite { Ok(()) } else { Err(diagnose(plan, place, theta, previous, gradient, h)) }
}

/// Names the first agent whose θ is not finite, and whether its gradient or its step is to blame.
#[cold]
fn diagnose(
    plan: &Plan,
    (replicate, block, step): (usize, usize, u64),
    theta: &[f64],
    previous: &[f64],
    gradient: &[f64],
    h: &[f64],
) -> Error {
    /// A gradient that fails beyond this θ has overflowed on the way to infinity; nearer it is the loss that is wrong.
    const FAR: f64 = 1e8;
    let (dim_theta, dim_h) = plan.dims();
    let component = theta.iter().position(|theta| !theta.is_finite()).unwrap_or(0);
    let agent = component / dim_theta;
    let time = plan.timetable.time(step + 1);
    if !gradient[component].is_finite() && previous[component].abs() < FAR {
        return Error::NonFinite {
            quantity: "gradient",
            value: gradient[component],
            theta: previous[agent * dim_theta..][..dim_theta].to_vec(),
            h: h[agent * dim_h..][..dim_h].to_vec(),
            time: plan.timetable.time(step),
        };
    }
    Error::Diverged { agent: block * super::replica::BLOCK + agent, replicate, time, theta: previous[component] }
}

/// Checks values of a block, one an agent.
pub(super) fn check(values: &[f64], quantity: &'static str, theta: &[f64], h: &[f64], time: f64) -> Result<()> {
    // A sum of x·0 vectorises; the search runs only once something is wrong.
    if values.iter().map(|x| x * 0.0).sum::<f64>() == 0.0 {
        return Ok(());
    }
    let agent = values.iter().position(|x| !x.is_finite()).unwrap_or(0);
    let (dim_theta, dim_h) = (theta.len() / values.len(), h.len() / values.len());
    Err(Error::NonFinite {
        quantity,
        value: values[agent],
        theta: theta[agent * dim_theta..][..dim_theta].to_vec(),
        h: h[agent * dim_h..][..dim_h].to_vec(),
        time,
    })
}
