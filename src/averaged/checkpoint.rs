//! The state of a run as bytes.

use serde::{Deserialize, Serialize};

use super::advance::Way;
use super::solver::{Averaged, Dynamics, WALL};
use super::staggered::Saved;
use crate::error::{Result, Warning};
use crate::numerics::state::{Course, MOST, decode, encode, ensure, ensure_count, ensure_finite, ensure_time};

const NAME: &str = "averaged";

/// `A` are slices to save and vectors to load.
#[derive(Serialize, Deserialize)]
struct State<A> {
    time: f64,
    events: u64,
    moved: f64,
    step: f64,
    series_steps: u64,
    course: Option<Course>,
    way: Option<Way>,
    /// Of warnings of mass at a wall and of mass moved: mass and time.
    wall: Option<(f64, f64)>,
    told: Option<(f64, f64)>,
    mass: A,
    /// The density of published states, where it is not one of the march.
    pool: Option<A>,
    march: Option<(Saved<A>, Option<A>)>,
}

pub(super) fn save(averaged: &Averaged) -> Result<Vec<u8>> {
    let mut state = State::<&[f64]> {
        time: averaged.time,
        events: averaged.events,
        moved: averaged.moved,
        step: averaged.step,
        series_steps: averaged.series_steps,
        course: averaged.course,
        way: averaged.way.clone(),
        wall: None,
        told: None,
        mass: &averaged.mass,
        pool: None,
        march: None,
    };
    for warning in &averaged.warnings {
        match warning {
            Warning::MassAtWall { mass, time, .. } => state.wall = Some((*mass, *time)),
            Warning::MassMoved { mass, time } => state.told = Some((*mass, *time)),
            _ => {}
        }
    }
    match &averaged.dynamics {
        Dynamics::Published { pool, .. } => state.pool = Some(pool),
        Dynamics::Staggered(march) => state.march = Some((march.0.save(), march.1.as_deref())),
        _ => {}
    }
    encode(NAME, &state)
}

pub(super) fn load(averaged: &mut Averaged, bytes: &[u8]) -> Result<()> {
    let state: State<Vec<f64>> = decode(NAME, bytes)?;
    check(averaged, &state)?;
    match (&mut averaged.dynamics, state.pool, state.march) {
        (Dynamics::Published { pool, .. }, Some(saved), None) => *pool = saved,
        (Dynamics::Staggered(march), None, Some((saved, pool))) => {
            march.0.load(saved);
            march.1 = pool;
        }
        _ => {}
    }
    averaged.mass = state.mass;
    averaged.time = state.time;
    (averaged.events, averaged.moved, averaged.step) = (state.events, state.moved, state.step);
    (averaged.series_steps, averaged.course, averaged.way) = (state.series_steps, state.course, state.way);
    let of_run = |w: &Warning| matches!(w, Warning::MassAtWall { .. } | Warning::MassMoved { .. });
    averaged.warnings.retain(|w| !of_run(w));
    averaged.warnings.extend(state.wall.map(|(mass, time)| Warning::MassAtWall { mass, time, allowed: WALL }));
    averaged.warnings.extend(state.told.map(|(mass, time)| Warning::MassMoved { mass, time }));
    Ok(())
}

fn check(averaged: &Averaged, state: &State<Vec<f64>>) -> Result<()> {
    let places = averaged.mass.len();
    for masses in [&state.mass].into_iter().chain(&state.pool) {
        ensure_finite("masses", masses, places)?;
        ensure(masses.iter().all(|m| *m >= 0.0), || "a negative mass".into())?;
    }
    ensure_time(state.time)?;
    ensure_finite("numbers", &[state.moved, state.step], 2)?;
    ensure(state.step >= 0.0, || format!("the step {}", state.step))?;
    ensure(state.events.max(state.series_steps) <= MOST, || format!("{} events", state.events))?;
    Course::checked(state.course)?;
    if let Some(way) = &state.way {
        let rate = if let Dynamics::Jump { rate, .. } = averaged.dynamics { rate } else { 0.0 };
        let growth = rate * (way.to - way.from);
        let jump = way.jump.as_ref().is_none_or(|jump| jump.is_sound(growth));
        let sound = way.from >= 0.0 && (way.from..=way.to).contains(&state.time) && way.to.is_finite();
        ensure(sound && jump && way.done <= MOST, || format!("a way from {} to {}", way.from, way.to))?;
    }
    let published = matches!(averaged.dynamics, Dynamics::Published { .. });
    ensure_count("densities of published states", state.pool.iter().len(), usize::from(published))?;
    match (&averaged.dynamics, &state.march) {
        (Dynamics::Staggered(march), Some((saved, pool))) => {
            ensure_count("densities of published states", pool.iter().len(), march.1.iter().len())?;
            if let Some(pool) = pool {
                ensure_finite("masses", pool, places)?;
            }
            march.0.check(saved)
        }
        (dynamics, march) => {
            let staggered = matches!(dynamics, Dynamics::Staggered(_));
            ensure(staggered == march.is_some(), || "another clock".into())
        }
    }
}
