//! The state of a population of agents as bytes.
//!
//! All random numbers follow from the seed and the number of the step, so no generator has a state; and so do the phases of a
//! staggered clock.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::asynchronous::Published;
use super::population::Agents;
use super::replica::{Replica, State};
use crate::error::Result;
use crate::numerics::state::{MOST, decode, encode, ensure, ensure_count, ensure_finite, ensure_time};

const NAME: &str = "agents";

#[derive(Serialize, Deserialize)]
struct Saved<'a> {
    time: f64,
    steps: u64,
    replicates: Vec<OfReplicate<'a>>,
}

#[derive(Serialize, Deserialize)]
struct OfReplicate<'a> {
    evaluations: u64,
    state: OfState<'a>,
    published: Option<Checkpoints<'a>>,
}

#[derive(Serialize, Deserialize)]
struct OfState<'a> {
    theta: Cow<'a, [f64]>,
    h: Cow<'a, [f64]>,
    recent: Cow<'a, [f64]>,
    ancestors: Cow<'a, [u32]>,
}

#[derive(Serialize, Deserialize)]
struct Checkpoints<'a> {
    state: OfState<'a>,
    fitness: Cow<'a, [f64]>,
    evaluations: Cow<'a, [u64]>,
}

impl<'a> OfState<'a> {
    fn new(State { theta, h, recent, ancestors }: &'a State) -> Self {
        Self { theta: theta.into(), h: h.into(), recent: recent.into(), ancestors: ancestors.into() }
    }

    fn check(&self, own: &State, agents: usize) -> Result<()> {
        ensure_finite("parameters", &self.theta, own.theta.len())?;
        ensure_finite("hyperparameters", &self.h, own.h.len())?;
        ensure_finite("evaluations", &self.recent, own.recent.len())?;
        ensure_count("ancestors", self.ancestors.len(), own.ancestors.len())?;
        ensure(self.ancestors.iter().all(|a| (*a as usize) < agents), || "ancestors that never were".into())
    }

    fn into_state(self) -> State {
        let Self { theta, h, recent, ancestors } = self;
        State {
            theta: theta.into_owned(),
            h: h.into_owned(),
            recent: recent.into_owned(),
            ancestors: ancestors.into_owned(),
        }
    }
}

impl<'a> OfReplicate<'a> {
    fn new(replica: &'a Replica) -> Self {
        let checkpoints = replica.published.as_ref().map(|published| Checkpoints {
            state: OfState::new(&published.state),
            fitness: (&published.fitness).into(),
            evaluations: (&published.evaluations).into(),
        });
        Self { evaluations: replica.evaluations, state: OfState::new(&replica.state), published: checkpoints }
    }
}

pub(super) fn save(agents: &Agents) -> Result<Vec<u8>> {
    let replicates = agents.replicas.iter().map(OfReplicate::new).collect();
    encode(NAME, &Saved { time: agents.time, steps: agents.steps(), replicates })
}

pub(super) fn load(agents: &mut Agents, bytes: &[u8]) -> Result<()> {
    let saved: Saved<'_> = decode(NAME, bytes)?;
    ensure_time(saved.time)?;
    ensure(saved.steps <= MOST, || format!("{} steps", saved.steps))?;
    ensure_count("replicates", saved.replicates.len(), agents.replicas.len())?;
    let count = agents.plan.settings.agents;
    for (own, found) in agents.replicas.iter().zip(&saved.replicates) {
        found.state.check(&own.state, count)?;
        ensure(found.evaluations <= MOST, || format!("{} evaluations", found.evaluations))?;
        ensure_count("sets of published states", found.published.iter().len(), own.published.iter().len())?;
        if let (Some(own), Some(published)) = (&own.published, &found.published) {
            published.state.check(&own.state, count)?;
            ensure_finite("published fitnesses", &published.fitness, own.fitness.len())?;
            ensure_count("evaluations of published states", published.evaluations.len(), own.evaluations.len())?;
            let past = published.evaluations.iter().all(|then| *then <= found.evaluations);
            ensure(past, || "evaluations that are still to come".into())?;
        }
    }
    for (own, found) in agents.replicas.iter_mut().zip(saved.replicates) {
        (own.step, own.evaluations, own.state) = (saved.steps, found.evaluations, found.state.into_state());
        own.published = found.published.map(|published| Published {
            state: published.state.into_state(),
            fitness: published.fitness.into_owned(),
            evaluations: published.evaluations.into_owned(),
        });
    }
    agents.time = saved.time;
    Ok(())
}
