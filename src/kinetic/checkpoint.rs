//! The state of a run as bytes.

use serde::{Deserialize, Serialize};

use super::control::{Statistics, Way};
use super::multistep::MAX_ORDER;
use super::{Kinetic, WALL_MASS_ALLOWED};
use crate::error::{Result, Warning};
use crate::numerics::buffer::{copy, zeros};
use crate::numerics::state::{Course, MOST, decode, encode, ensure, ensure_count, ensure_finite, ensure_time};

const NAME: &str = "kinetic";

/// `A` are slices to save and vectors to load.
#[derive(Serialize, Deserialize)]
struct State<A> {
    origin: f64,
    events: u64,
    course: Option<Course>,
    /// Mass and time.
    wall: Option<(f64, f64)>,
    times: Vec<f64>,
    states: Vec<A>,
    gains: Vec<(f64, A)>,
    slope: Option<A>,
    matrices: Vec<Option<(f64, f64)>>,
    factorisations: usize,
    moved: f64,
    next: f64,
    settled: usize,
    way: Option<Way>,
    statistics: Statistics,
}

pub(super) fn save(kinetic: &Kinetic) -> Result<Vec<u8>> {
    let Kinetic { origin, events, course, wall, stepper, control, .. } = kinetic;
    let (matrices, factorisations) = stepper.factors.matrices();
    let state = State::<&[f64]> {
        origin: *origin,
        events: *events,
        course: *course,
        wall: if let Some(Warning::MassAtWall { mass, time, .. }) = wall { Some((*mass, *time)) } else { None },
        times: stepper.times.iter().copied().collect(),
        states: stepper.states.iter().map(|state| &state[..]).collect(),
        gains: stepper.gains.iter().map(|(scale, gain)| (*scale, &gain[..])).collect(),
        slope: stepper.slope.as_deref(),
        matrices,
        factorisations,
        moved: stepper.moved,
        next: control.next,
        settled: control.settled,
        way: control.way.clone(),
        statistics: control.statistics.clone(),
    };
    encode(NAME, &state)
}

pub(super) fn load(kinetic: &mut Kinetic, bytes: &[u8]) -> Result<()> {
    let state: State<Vec<f64>> = decode(NAME, bytes)?;
    check(kinetic, &state)?;
    let Kinetic { operators, stepper, control, .. } = kinetic;
    let matrices = (&state.matrices[..], state.factorisations);
    let mut work = zeros(if state.matrices.is_empty() { 0 } else { stepper.state().len() });
    stepper.factors.restore(&operators.fast, operators.slow.decay.as_deref(), matrices, &mut work);
    stepper.times = state.times.into();
    stepper.states = state.states.iter().map(|state| copy(state)).collect();
    stepper.gains = state.gains.iter().map(|(scale, gain)| (*scale, copy(gain))).collect();
    stepper.slope = state.slope.as_deref().map(copy);
    stepper.moved = state.moved;
    (control.next, control.settled, control.way) = (state.next, state.settled, state.way);
    control.statistics = state.statistics;
    (kinetic.origin, kinetic.events, kinetic.course) = (state.origin, state.events, state.course);
    kinetic.wall = state.wall.map(|(mass, time)| Warning::MassAtWall { mass, time, allowed: WALL_MASS_ALLOWED });
    Ok(())
}

/// Refuses what would not be a state of this problem, and what no run could go on from.
fn check(kinetic: &Kinetic, state: &State<Vec<f64>>) -> Result<()> {
    let cells = kinetic.theta.len() * kinetic.h.len();
    ensure((1..=MAX_ORDER + 1).contains(&state.times.len()), || format!("a history of {} times", state.times.len()))?;
    ensure_count("past states", state.states.len(), state.times.len())?;
    ensure_count("past gains", state.gains.len(), state.times.len().min(MAX_ORDER))?;
    let arrays = state.states.iter().chain(state.gains.iter().map(|(_, gain)| gain)).chain(&state.slope);
    for array in arrays {
        ensure_finite("masses", array, cells)?;
    }
    let scales: Vec<f64> = state.gains.iter().map(|(scale, _)| *scale).collect();
    let others = [state.moved, state.origin, state.statistics.moved_mass];
    for numbers in [&scales, &state.times, &state.statistics.mesh, &others[..]] {
        ensure_finite("numbers", numbers, numbers.len())?;
    }
    let falling = state.times.windows(2).all(|pair| pair[0] > pair[1]) && state.times[state.times.len() - 1] >= 0.0;
    ensure(falling, || format!("the history {:?}", state.times))?;
    ensure_time(state.origin)?;
    ensure(state.next >= 0.0, || format!("the step {}", state.next))?;
    Course::checked(state.course)?;
    let statistics = &state.statistics;
    ensure_count("steps", statistics.mesh.len(), statistics.steps)?;
    let counts = [statistics.rejected, statistics.factorisations, state.factorisations, state.settled];
    let small = state.events <= MOST && counts.iter().all(|count| *count as u64 <= MOST);
    ensure(small, || format!("counts of {} and {counts:?}", state.events))?;
    kinetic.stepper.factors.check(&state.matrices)
}
