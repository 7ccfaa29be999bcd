//! States of solvers as bytes.

use serde::{Serialize, de::DeserializeOwned};

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
