//! States of solvers as bytes.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

/// Changes whenever the layout of some state does, so that old bytes are refused.
const VERSION: u32 = 1;

/// The bytes of `state`, marked as those of `solver`.
///
/// # Errors
/// [`Error::Library`] where they do not fit into memory.
pub fn encode<T: Serialize>(solver: &str, state: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(&(solver, VERSION, state))
        .map_err(|error| Error::Library { library: "postcard", message: error.to_string() })
}

/// The state in bytes that [`encode`] made for `solver`.
///
/// # Errors
/// [`Error::Checkpoint`] for bytes of another solver or version, and for damaged ones.
pub fn decode<T: DeserializeOwned>(solver: &str, bytes: &[u8]) -> Result<T> {
    let damaged = |error: postcard::Error| Error::Checkpoint { what: format!("its bytes are damaged ({error})") };
    let ((of, version), rest): ((String, u32), &[u8]) = postcard::take_from_bytes(bytes).map_err(damaged)?;
    if (of.as_str(), version) != (solver, VERSION) {
        let what = format!("found the state of {of}, version {version}, expected {solver}, version {VERSION}");
        return Err(Error::Checkpoint { what });
    }
    let (state, rest) = postcard::take_from_bytes(rest).map_err(damaged)?;
    if rest.is_empty() { Ok(state) } else { Err(Error::Checkpoint { what: format!("{} bytes too many", rest.len()) }) }
}

/// The run that a solver is in: where it ends, and its length, over which its tolerance is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Course {
    pub end: f64,
    pub length: f64,
}

impl Course {
    /// That of a run from `now` to `end`: the one in `before`, if it was stopped on its way to the same end.
    pub fn to(end: f64, now: f64, before: Option<Self>) -> Self {
        before.filter(|course| course.end == end).unwrap_or(Self { end, length: end - now })
    }

    /// Refuses what no solver saves.
    pub fn checked(course: Option<Self>) -> Result<()> {
        let sound = |course: Self| course.end.is_finite() && course.length.is_finite() && course.length >= 0.0;
        ensure(course.is_none_or(sound), || format!("a run of {course:?}"))
    }
}

/// More steps or events than any run can have had.
pub(crate) const MOST: u64 = 1 << 53;

/// [`Error::Checkpoint`] unless `sound`.
pub(crate) fn ensure(sound: bool, what: impl FnOnce() -> String) -> Result<()> {
    if sound { Ok(()) } else { Err(Error::Checkpoint { what: format!("it holds {}", what()) }) }
}

/// [`Error::Checkpoint`] unless `found` is the number of `what` expected.
pub(crate) fn ensure_count(what: &str, found: usize, expected: usize) -> Result<()> {
    ensure(found == expected, || {
        format!("{found} {what}, expected {expected}: is it of the same problem and settings?")
    })
}

/// [`Error::Checkpoint`] unless there are `expected` finite numbers.
pub(crate) fn ensure_finite(what: &str, found: &[f64], expected: usize) -> Result<()> {
    ensure_count(what, found.len(), expected)?;
    match found.iter().find(|x| !x.is_finite()) {
        None => Ok(()),
        Some(bad) => ensure(false, || format!("{bad} among the {what}")),
    }
}

/// [`Error::Checkpoint`] unless the time is one that a solver can have reached.
pub(crate) fn ensure_time(time: f64) -> Result<()> {
    ensure(time.is_finite() && time >= 0.0, || format!("the time {time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_bit_by_bit_and_only_to_their_own() {
        let state = (vec![0.1, f64::MIN_POSITIVE, -0.0], 7_u64);
        let mut bytes = encode("a", &state).unwrap();
        let (back, count): (Vec<f64>, u64) = decode("a", &bytes).unwrap();
        assert!(back.iter().zip(&state.0).all(|(x, y)| x.to_bits() == y.to_bits()) && count == 7);
        assert!(matches!(decode::<(Vec<f64>, u64)>("b", &bytes), Err(Error::Checkpoint { .. })));
        bytes.push(0);
        assert!(matches!(decode::<(Vec<f64>, u64)>("a", &bytes), Err(Error::Checkpoint { .. })));
        assert!(matches!(decode::<(Vec<f64>, u64)>("a", &bytes[..20]), Err(Error::Checkpoint { .. })));
    }
}
