//! Asynchronous training: events of each agent at times of its own, and comparison with published checkpoints.

use rayon::prelude::*;

use super::replica::{BLOCK, Plan, Replica, State};
use super::rng::{Generator, Purpose};
use crate::error::{Result, require};
use crate::numerics::normal::below;
use crate::problem::{KEPT, Rule};

/// The checkpoints of [`Donors::Published`](crate::problem::Donors::Published).
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub state: State,
    /// The fitness then.
    pub fitness: Vec<f64>,
    /// How many evaluations had been made then (empty if the window is one).
    pub evaluations: Vec<u64>,
}

impl Replica {
    /// Draws when the agents of a staggered clock have their events: for each the step after a multiple of `period`.
    pub fn draw_phases(&self, plan: &Plan, period: u64) -> Result<Vec<(u32, u32)>> {
        require(
            period <= u64::from(u32::MAX),
            "selection.clock.every / step",
            period as f64,
            "at most 2^32 - 1 training steps from event to event",
        )?;
        let mut phases = vec![(0, 0); plan.settings.agents];
        let key = plan.key(Purpose::Phases, self.index);
        phases.par_chunks_mut(BLOCK).enumerate().for_each(|(block, phases)| {
            let mut rng = Generator::new(key.at(block, 0));
            for (k, phase) in phases.iter_mut().enumerate() {
                *phase = (below(&mut rng, period as usize) as u32, (block * BLOCK + k) as u32);
            }
        });
        phases.par_sort_unstable();
        Ok(phases)
    }

    /// The first step after the present one at which somebody has an event.
    pub fn next_staggered(&self, period: u64) -> u64 {
        let (start, now) = (self.step / period * period, self.step % period);
        let later = self.phases.partition_point(|(phase, _)| u64::from(*phase) <= now);
        let first = self.phases.first().map_or(0, |(phase, _)| u64::from(*phase) + period);
        start + self.phases.get(later).map_or(first, |(phase, _)| u64::from(*phase))
    }

    /// The events of the agents whose turn it is.
    pub fn staggered_select(&mut self, plan: &Plan, rule: &Rule, period: u64) -> Result<()> {
        let now = self.step % period;
        let from = self.phases.partition_point(|(phase, _)| u64::from(*phase) < now);
        let to = self.phases.partition_point(|(phase, _)| u64::from(*phase) <= now);
        self.donors.par_iter_mut().for_each(|donor| *donor = KEPT);
        self.phases[from..to].iter().for_each(|(_, agent)| self.donors[*agent as usize] = 0);
        self.marked_select(plan, rule)
    }

    /// Everybody publishes its initial state (at equilibrium, where that is how θ moves).
    pub fn publish_first(&mut self, plan: &Plan) -> Result<()> {
        self.redraw(plan, Purpose::Gibbs)?;
        self.evaluate(plan, Some((plan.key(Purpose::Publication, self.index), 0)))?;
        let evaluations =
            if self.state.recent.is_empty() { vec![] } else { vec![self.evaluations; self.fitness.len()] };
        self.published = Some(Published { state: self.state.clone(), fitness: self.fitness.clone(), evaluations });
        self.donors.fill(0);
        self.publish(plan);
        self.donors.fill(KEPT);
        Ok(())
    }

    /// The agents marked in `self.donors` publish their state and the fitness just evaluated.
    pub fn publish(&mut self, plan: &Plan) {
        let (dim_theta, dim_h) = plan.dims();
        let window = plan.problem.evaluation.window;
        let Self { state, fitness, donors, published: Some(published), evaluations, .. } = self else { return };
        let checkpoints = &mut published.state;
        put_own(&state.theta, dim_theta, donors, &mut checkpoints.theta);
        put_own(&state.h, dim_h, donors, &mut checkpoints.h);
        put_own(&state.ancestors, 1, donors, &mut checkpoints.ancestors);
        put_own(fitness, 1, donors, &mut published.fitness);
        put_own(&state.recent, window, donors, &mut checkpoints.recent);
        let (now, held) = (*evaluations, (*evaluations).min(window as u64) as usize);
        let recent = checkpoints.recent.par_chunks_mut(BLOCK * window).zip(published.evaluations.par_chunks_mut(BLOCK));
        recent.zip(donors.par_chunks(BLOCK)).for_each(|((recent, then), donors)| {
            let agents = recent.chunks_exact_mut(window).zip(then).zip(donors);
            for ((recent, then), _) in agents.filter(|(_, donor)| **donor != KEPT) {
                *then = now;
                // Who copies this later, when more evaluations are held, finds the mean where there was none yet.
                let mean = recent[..held].iter().sum::<f64>() / held as f64;
                recent[held..].fill(mean);
            }
        });
    }
}

/// `to[i] = from[i]` for the marked agents, `width` numbers an agent.
fn put_own<T: Copy + Send + Sync>(from: &[T], width: usize, donors: &[u32], to: &mut [T]) {
    let blocks = to.par_chunks_mut(BLOCK * width).zip(from.par_chunks(BLOCK * width)).zip(donors.par_chunks(BLOCK));
    blocks.for_each(|((to, from), donors)| {
        let agents = to.chunks_exact_mut(width).zip(from.chunks_exact(width)).zip(donors);
        agents.filter(|(_, donor)| **donor != KEPT).for_each(|((to, from), _)| to.copy_from_slice(from));
    });
}
