//! The whole state of a run in one file, to go on from.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use super::provenance::VERSION;
use crate::error::{Error, Result};

/// The first bytes of every checkpoint; the digit changes with the layout.
const MAGIC: &[u8; 8] = b"LDCHECK1";

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Frames written so far.
    pub frames: usize,
    /// The time reached.
    pub time: f64,
    /// [`crate::frame::Solver::save`].
    pub state: Vec<u8>,
}

impl Checkpoint {
    /// Writes a checkpoint of `problem` to `path`, in whose place there is at any moment a whole one, or none yet.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written; the one before it is then still there.
    pub fn write(&self, path: &Path, problem: &str) -> Result<()> {
        let failure = |message: String| Error::File { path: path.display().to_string(), message };
        let header = postcard::to_stdvec(&(VERSION, problem, self.frames as u64, self.time))
            .map_err(|error| failure(error.to_string()))?;
        let length = (header.len() as u64).to_le_bytes();
        let parts: [&[u8]; 4] = [MAGIC, &length, &header, &self.state];
        let checksum = checksum(parts);
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&new)?;
            parts.iter().try_for_each(|part| file.write_all(part))?;
            file.write_all(&checksum.to_le_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        };
        write().map_err(|error| {
            // Half a file is of no use; the error that matters is the first.
            let _ = std::fs::remove_file(&new);
            failure(error.to_string())
        })
    }

    /// Reads a checkpoint of `problem`; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it is damaged, of another version, or of another problem (the first line that differs is
    /// named); [`Error::File`] if it cannot be read.
    pub fn read(path: &Path, problem: &str) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::File { path: path.display().to_string(), message: error.to_string() }),
        };
        let refuse = |what: &str| Error::Checkpoint { what: format!("{} {what}", path.display()) };
        let damaged = || refuse("is damaged");
        let (rest, sum) = bytes.split_last_chunk::<8>().ok_or_else(damaged)?;
        if checksum([rest]) != u64::from_le_bytes(*sum) {
            return Err(damaged());
        }
        let rest = rest.strip_prefix(MAGIC).ok_or_else(|| refuse("is no checkpoint that this version reads"))?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (header, state) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let (version, stated, frames, time): (String, String, u64, f64) =
            postcard::from_bytes(header).map_err(|_| damaged())?;
        if version != VERSION {
            return Err(refuse(&format!("was written by version {version}: this is {VERSION}")));
        }
        if stated != problem {
            return Err(refuse(&format!("belongs to another problem: {}", differing_line(&stated, problem))));
        }
        Ok(Some(Self { frames: usize::try_from(frames).map_err(|_| damaged())?, time, state: state.to_vec() }))
    }
}

/// Where two statements part, for people.
pub(crate) fn differing_line(before: &str, now: &str) -> String {
    let (mut before, mut now) = (before.lines(), now.lines());
    loop {
        match (before.next(), now.next()) {
            (None, None) => return "the ends of their lines differ".into(),
            (a, b) if a == b => {}
            (a, b) => {
                let quote = |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("{:?}", line.trim()));
                return format!("it had {} where there is now {}", quote(a), quote(b));
            }
        }
    }
}

/// FNV-1a (Fowler, Noll and Vo), 64 bits: against damage, not against malice.
fn checksum<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> u64 {
    let all = parts.into_iter().flatten();
    all.fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_whole_or_not_at_all() {
        let directory = std::env::temp_dir().join(format!("learning-dynamics-{}-checkpoint", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("run.checkpoint");
        assert_eq!(Checkpoint::read(&path, "a = 1").unwrap(), None);
        let checkpoint = Checkpoint { frames: 3, time: 0.1 + 0.2, state: (0..=255).collect() };
        checkpoint.write(&path, "a = 1\nb = 2").unwrap();
        assert_eq!(Checkpoint::read(&path, "a = 1\nb = 2").unwrap(), Some(checkpoint));
        let other = Checkpoint::read(&path, "a = 1\nb = 3").unwrap_err().to_string();
        assert!(other.ends_with(r#"it had "b = 2" where there is now "b = 3""#), "{other}");
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert!(matches!(Checkpoint::read(&path, "a = 1\nb = 2"), Err(Error::Checkpoint { .. })), "byte {at}");
            std::fs::write(&path, &bytes[..at]).unwrap();
            assert!(matches!(Checkpoint::read(&path, "a = 1\nb = 2"), Err(Error::Checkpoint { .. })), "length {at}");
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
