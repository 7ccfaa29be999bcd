//! One population of agents and what happens to it: training in blocks, events, copying, mutation.

use rayon::prelude::*;

use super::asynchronous::Published;
use super::gibbs::Gibbs;
use super::rng::{Key, Purpose};
use super::settings::{AgentSettings, Dynamics, Timetable};
use super::training::{Scratch, train_block};
use crate::error::{Error, Result};
use crate::problem::{Clock, Donors, KEPT, Population, Selection};

/// Agents in a block: their θ, h and scratch stay in the second-level cache over all steps between two events.
pub(super) const BLOCK: usize = 2048;

/// Everything of a run that does not change.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub problem: Population,
    pub settings: AgentSettings,
    pub timetable: Timetable,
    /// Where the run needs the Gibbs law.
    pub gibbs: Option<Gibbs>,
}

impl Plan {
    pub fn key(&self, purpose: Purpose, replicate: usize) -> Key {
        Key::new(self.settings.seed, purpose, replicate)
    }

    pub fn dims(&self) -> (usize, usize) {
        (self.problem.loss.dimension(), self.problem.h.len())
    }

    pub fn gibbs(&self) -> Result<&Gibbs> {
        self.gibbs.as_ref().ok_or_else(|| Error::Unsupported {
            solver: "the agents",
            what: "the Gibbs law".into(),
            instead: "it is prepared only for runs that begin at or draw from equilibrium",
        })
    }
}

/// What a copy takes from its donor. Arrays are agent-major: all components of agent 0, of agent 1, …
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub theta: Vec<f64>,
    pub h: Vec<f64>,
    /// The last `window` evaluations of each agent (empty if the window is one).
    pub recent: Vec<f64>,
    /// Its ancestor at t = 0 (empty if nobody asks).
    pub ancestors: Vec<u32>,
}

impl State {
    fn new(plan: &Plan) -> Self {
        let n = plan.settings.agents;
        let (dim_theta, dim_h) = plan.dims();
        let window = plan.problem.evaluation.window;
        Self {
            theta: vec![0.0; n * dim_theta],
            h: vec![0.0; n * dim_h],
            recent: if window > 1 { vec![0.0; n * window] } else { Vec::new() },
            ancestors: if plan.settings.lineage { (0..n as u32).collect() } else { Vec::new() },
        }
    }
}

/// One population.
#[derive(Debug, Clone)]
pub(super) struct Replica {
    pub index: usize,
    pub state: State,
    /// Steps made.
    pub step: u64,
    /// Evaluations made, the same for all agents.
    pub evaluations: u64,
    pub fitness: Vec<f64>,
    pub donors: Vec<u32>,
    /// Where copies are gathered when everybody selects at once.
    pub next: State,
    /// Where selection compares and copies checkpoints.
    pub published: Option<Published>,
    /// Staggered clock: the steps after a multiple of the period at which an agent has its events, and the agent; sorted.
    pub phases: Vec<(u32, u32)>,
}

/// The first error in the order of blocks, whatever order they ran in.
pub(super) fn first_error<I: IndexedParallelIterator<Item = Result<()>>>(blocks: I) -> Result<()> {
    blocks.find_map_first(Result::err).map_or(Ok(()), Err)
}

impl Replica {
    /// The initial population.
    pub fn new(plan: &Plan, index: usize) -> Result<Self> {
        let n = plan.settings.agents;
        let (dim_theta, dim_h) = plan.dims();
        let clock = plan.problem.events().map(|(_, clock)| clock);
        let selects = !matches!(plan.problem.selection, Selection::Off);
        let at_once = matches!(clock, Some(Clock::Periodic { .. }));
        let mut this = Self {
            index,
            state: State::new(plan),
            step: 0,
            evaluations: 0,
            fitness: vec![0.0; n],
            donors: if selects { vec![KEPT; n] } else { Vec::new() },
            next: if at_once { State::new(plan) } else { State::default() },
            published: None,
            phases: Vec::new(),
        };
        let (key_h, key_theta) = (plan.key(Purpose::InitialH, index), plan.key(Purpose::InitialTheta, index));
        let State { theta, h, .. } = &mut this.state;
        let blocks = theta.par_chunks_mut(BLOCK * dim_theta).zip(h.par_chunks_mut(BLOCK * dim_h));
        first_error(blocks.enumerate().map(|(block, (theta, h))| {
            super::initial::fill(plan, key_h.at(block, 0), key_theta.at(block, 0), theta, h)
        }))?;
        if !this.state.recent.is_empty() {
            this.evaluate_present(plan);
        }
        if let (Some(Clock::Staggered { .. }), Some((period, _))) = (clock, plan.timetable.period) {
            this.phases = this.draw_phases(plan, period)?;
        }
        if clock.is_some() && plan.problem.evaluation.donors == Donors::Published {
            this.publish_first(plan)?;
        }
        Ok(this)
    }

    /// Goes on to the state after `to` steps, and after the event there.
    pub fn advance(&mut self, plan: &Plan, to: u64) -> Result<()> {
        while self.step < to {
            match (&plan.problem.selection, plan.timetable.period) {
                (Selection::Off, _) => self.train(plan, to - self.step)?,
                (Selection::Events { rule, clock: Clock::Staggered { .. } }, Some((period, _))) => {
                    let next = self.next_staggered(period);
                    self.train(plan, next.min(to) - self.step)?;
                    if self.step == next {
                        self.staggered_select(plan, rule, period)?;
                    }
                }
                (Selection::Events { rule, .. }, Some((period, _))) => {
                    let next = (self.step / period + 1) * period;
                    self.train(plan, next.min(to) - self.step)?;
                    if self.step == next {
                        self.everybody_selects(plan, rule)?;
                    }
                }
                (Selection::Events { rule, clock }, None) => {
                    if let Clock::Poisson { rate } = *clock {
                        self.some_select(plan, rule, rate)?;
                    }
                    self.train(plan, 1)?;
                }
                (Selection::Replicator { beta }, _) => {
                    self.pairs_select(plan, *beta)?;
                    self.train(plan, 1)?;
                    self.diffuse(plan);
                }
            }
        }
        Ok(())
    }

    /// Goes on to the state just before the periodic event after `to` steps, which is left to the caller.
    pub fn approach(&mut self, plan: &Plan, to: u64) -> Result<()> {
        self.advance(plan, to - 1)?;
        self.train(plan, 1)?;
        self.redraw(plan, Purpose::Gibbs)
    }

    /// Makes `steps` training steps.
    fn train(&mut self, plan: &Plan, steps: u64) -> Result<()> {
        if plan.settings.dynamics == Dynamics::Equilibrium {
            self.step += steps;
            return Ok(());
        }
        let first = self.step;
        let key = plan.key(Purpose::Training, self.index);
        let (dim_theta, dim_h) = plan.dims();
        let window = plan.problem.evaluation.window;
        let (index, evaluations) = (self.index, self.evaluations);
        let State { theta, h, recent, .. } = &mut self.state;
        let blocks = theta.par_chunks_mut(BLOCK * dim_theta).zip(h.par_chunks(BLOCK * dim_h)).enumerate();
        if recent.is_empty() {
            first_error(blocks.map_init(Scratch::default, |scratch, (block, (theta, h))| {
                scratch.prepare(plan, plan.timetable.step, h)?;
                (first..first + steps).try_for_each(|step| {
                    train_block(plan, scratch, key.at(block, step), (index, block, step), theta, h)
                })
            }))?;
        } else {
            first_error(blocks.zip(recent.par_chunks_mut(BLOCK * window)).map_init(
                Scratch::default,
                |scratch, ((block, (theta, h)), recent)| {
                    scratch.prepare(plan, plan.timetable.step, h)?;
                    let mut fitness = vec![0.0; h.len() / dim_h];
                    for (step, evaluation) in (first..first + steps).zip(evaluations..) {
                        train_block(plan, scratch, key.at(block, step), (index, block, step), theta, h)?;
                        plan.problem.fitness.values(theta, h, &mut fitness);
                        let slot = (evaluation % window as u64) as usize;
                        recent.chunks_exact_mut(window).zip(&fitness).for_each(|(r, f)| r[slot] = *f);
                    }
                    Ok(())
                },
            ))?;
            self.evaluations += steps;
        }
        self.step += steps;
        Ok(())
    }

    /// A step of length `remainder` that ends between two whole steps.
    pub fn partial_step(&mut self, plan: &Plan, remainder: f64) -> Result<()> {
        if plan.settings.dynamics == Dynamics::Equilibrium {
            return Ok(());
        }
        let key = plan.key(Purpose::PartialStep, self.index);
        let (dim_theta, dim_h) = plan.dims();
        let (index, step) = (self.index, self.step);
        let State { theta, h, .. } = &mut self.state;
        let blocks = theta.par_chunks_mut(BLOCK * dim_theta).zip(h.par_chunks(BLOCK * dim_h)).enumerate();
        first_error(blocks.map_init(Scratch::default, |scratch, (block, (theta, h))| {
            scratch.prepare(plan, remainder, h)?;
            train_block(plan, scratch, key.at(block, step), (index, block, step), theta, h)
        }))
    }

    /// Algorithm 2: θ anew from the Gibbs law.
    pub fn redraw(&mut self, plan: &Plan, purpose: Purpose) -> Result<()> {
        if plan.settings.dynamics != Dynamics::Equilibrium {
            return Ok(());
        }
        let gibbs = plan.gibbs()?;
        let (dim_theta, dim_h) = plan.dims();
        let (key, step) = (plan.key(purpose, self.index), self.step);
        let State { theta, h, .. } = &mut self.state;
        let blocks = theta.par_chunks_mut(BLOCK * dim_theta).zip(h.par_chunks(BLOCK * dim_h)).enumerate();
        first_error(blocks.map(|(block, (theta, h))| gibbs.draw(&plan.problem, key.at(block, step), h, theta)))
    }

    /// Takes the present fitness as first evaluation of the window.
    fn evaluate_present(&mut self, plan: &Plan) {
        let window = plan.problem.evaluation.window;
        let State { theta, h, recent, .. } = &mut self.state;
        plan.problem.fitness.values(theta, h, &mut self.fitness);
        recent.chunks_exact_mut(window).zip(&self.fitness).for_each(|(r, f)| r[0] = *f);
        self.evaluations = 1;
    }
}
