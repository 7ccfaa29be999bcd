//! The state of a run as bytes.

use serde::{Deserialize, Serialize};

use super::NeuronDensity;
use super::control::{DensityStatistics, Way};
use crate::error::{Result, Warning};
use crate::numerics::state::{Course, MOST, decode, encode, ensure, ensure_finite, ensure_time};

const NAME: &str = "neuron density";

/// `A` is a slice to save and a vector to load.
#[derive(Serialize, Deserialize)]
struct State<A> {
    time: f64,
    state: A,
    next: f64,
    way: Option<Way>,
    course: Option<Course>,
    statistics: DensityStatistics,
    /// Mass and time.
    wall: Option<(f64, f64)>,
}

pub(super) fn save(density: &NeuronDensity) -> Result<Vec<u8>> {
    let NeuronDensity { stepper, wall, course, .. } = density;
    let state = State::<&[f64]> {
        time: stepper.time,
        state: &stepper.state,
        next: stepper.next,
        way: stepper.way.clone(),
        course: *course,
        statistics: stepper.statistics,
        wall: if let Some(Warning::MassAtEnds { mass, time, .. }) = wall { Some((*mass, *time)) } else { None },
    };
    encode(NAME, &state)
}

pub(super) fn load(density: &mut NeuronDensity, bytes: &[u8]) -> Result<()> {
    let found: State<Vec<f64>> = decode(NAME, bytes)?;
    let cells = density.stepper.state.len();
    ensure_time(found.time)?;
    for masses in [&found.state].into_iter().chain(found.way.as_ref().map(|way| &way.state)) {
        ensure_finite("masses", masses, cells)?;
        ensure(masses.iter().all(|m| (0.0..=2.0).contains(m)), || "masses that are none".into())?;
    }
    ensure(found.next >= 0.0 && found.next.is_finite(), || format!("the step {}", found.next))?;
    Course::checked(found.course)?;
    let DensityStatistics { steps, rejected } = found.statistics;
    ensure(steps <= MOST && rejected <= MOST, || format!("{steps} steps, {rejected} rejected"))?;
    if let Some(Way { from, to, done, .. }) = found.way {
        let sound = from >= 0.0 && (from..=to).contains(&found.time) && to.is_finite() && done <= MOST;
        ensure(sound, || format!("a way from {from} to {to}"))?;
    }
    let stepper = &mut density.stepper;
    (stepper.time, stepper.state, stepper.next) = (found.time, found.state, found.next);
    (stepper.way, stepper.statistics, density.course) = (found.way, found.statistics, found.course);
    let (coordinate, allowed) = ("a", NeuronDensity::END_MASS_WARNED);
    density.wall = found.wall.map(|(mass, time)| Warning::MassAtEnds { coordinate, mass, time, allowed });
    Ok(())
}
