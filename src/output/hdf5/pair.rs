//! Two copies of a file, one of which is always whole.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::writer::Writer;
use super::{marked, read_attribute};
use crate::error::{Error, Result};
use crate::frame::{Field, Frame};
use crate::output::checkpoint::differing_line;
use crate::output::provenance::Provenance;

/// A file that takes the frames of a run; pass `|frame| file.visit(frame)` to a solver.
#[derive(Debug)]
pub struct Hdf5File {
    names: Names,
    /// Bears the temporary name; all of it is with the operating system.
    whole: Writer,
    /// Holds the same, and is written to first. None where names cannot be swapped.
    next: Option<Writer>,
}

/// The names of the file and its two copies.
#[derive(Debug)]
struct Names {
    path: PathBuf,
    whole: PathBuf,
    next: PathBuf,
    swap: PathBuf,
}

impl Names {
    fn new(path: &Path) -> Self {
        let [whole, next, swap] = ["partial", "partial-next", "partial-swap"].map(|mark| marked(path, mark));
        Self { path: path.to_path_buf(), whole, next, swap }
    }

    /// Swaps the names of both copies. At every moment one of them, whole, bears the first name.
    fn swap(&self) -> std::io::Result<()> {
        if exchange(&self.whole, &self.next).is_ok() {
            return Ok(());
        }
        std::fs::hard_link(&self.whole, &self.swap)?;
        std::fs::rename(&self.next, &self.whole)?;
        std::fs::rename(&self.swap, &self.next)
    }

    /// That no other run is writing to these names. HDF5 locks its files too, but cuts them before it looks.
    fn unused(&self) -> Result<()> {
        let Ok(file) = std::fs::File::open(&self.whole) else { return Ok(()) };
        match file.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => {
                let message = "another run is writing to it".to_owned();
                Err(Error::File { path: self.whole.display().to_string(), message })
            }
            // Some file systems know no locks.
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => Ok(()),
        }
    }

    /// Removes what a killed run left beside the whole copy.
    fn clear(&self) {
        for name in [&self.next, &self.swap] {
            // Mostly there is none; if it cannot be removed, writing it will fail and say why.
            let _ = std::fs::remove_file(name);
        }
    }
}

/// Swaps two names in one step. To replace a name by renaming makes file systems such as ext4 write the new file out at once,
/// which costs more than all the rest.
#[cfg(target_os = "linux")]
fn exchange(a: &Path, b: &Path) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let [a, b] = [a, b].map(|path| std::ffi::CString::new(path.as_os_str().as_bytes()));
    let (a, b) = (a?, b?);
    // SAFETY: both names end with NUL and outlive the call, which reads nothing else.
    let status = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            a.as_ptr(),
            libc::AT_FDCWD,
            b.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
    if status == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

impl Hdf5File {
    /// Opens a file under a temporary name beside `path`.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn create(path: impl AsRef<Path>, provenance: &Provenance) -> Result<Self> {
        let names = Names::new(path.as_ref());
        names.unused()?;
        names.clear();
        // Not under its name before it is whole.
        let whole = Writer::create(&names.next, provenance)?;
        std::fs::rename(&names.next, &names.whole).map_err(|error| file_error(&names.whole, &error))?;
        let next = Writer::create(&names.next, provenance)?;
        Self::pair(names, whole, next)
    }

    /// Takes up the temporary file of a run to `path` that was stopped or killed, keeps its first `frames` frames, and
    /// appends to them.
    ///
    /// # Errors
    /// [`Error::File`] if there is none or it cannot be written, [`Error::Checkpoint`] if it belongs to another problem,
    /// [`Error::Shape`] if it holds fewer frames. The file is then as it was. A frame or a constant that is not laid out
    /// as in the file is an [`Error::File`] when it comes.
    pub fn resume(path: impl AsRef<Path>, provenance: &Provenance, frames: usize) -> Result<Self> {
        let names = Names::new(path.as_ref());
        names.unused()?;
        names.clear();
        let problem = read_attribute(&names.whole, "problem")?;
        if problem != provenance.problem {
            let what = format!(
                "{} belongs to another problem: {}",
                names.whole.display(),
                differing_line(&problem, &provenance.problem)
            );
            return Err(Error::Checkpoint { what });
        }
        // The copy is cut back and then takes the name, so that a kill meanwhile does no harm.
        let copy = || std::fs::copy(&names.whole, &names.next);
        copy().map_err(|error| file_error(&names.next, &error))?;
        let whole = Writer::open(&names.next, frames).inspect_err(|_| names.clear())?;
        whole.flush()?;
        std::fs::rename(&names.next, &names.whole).map_err(|error| file_error(&names.whole, &error))?;
        copy().map_err(|error| file_error(&names.next, &error))?;
        let next = Writer::open(&names.next, frames)?;
        Self::pair(names, whole, next)
    }

    /// Tries whether names can be swapped here.
    fn pair(names: Names, whole: Writer, next: Writer) -> Result<Self> {
        next.flush()?;
        Ok(match names.swap() {
            Ok(()) => Self { names, whole: next, next: Some(whole) },
            Err(_) => {
                drop(next);
                names.clear();
                Self { names, whole, next: None }
            }
        })
    }

    /// Where the file lies until it is finished.
    pub fn temporary(&self) -> &Path {
        &self.names.whole
    }

    /// Where a file to be called `path` lies until it is finished.
    pub fn temporary_path(path: &Path) -> PathBuf {
        Names::new(path).whole
    }

    /// Frames in the file.
    pub fn frames(&self) -> usize {
        self.whole.frames()
    }

    /// [`Hdf5File::write_frame`], as a visitor.
    ///
    /// # Errors
    /// As [`Hdf5File::write_frame`].
    pub fn visit(&mut self, frame: &Frame<'_>) -> Result<ControlFlow<()>> {
        self.write_frame(frame).map(|()| ControlFlow::Continue(()))
    }

    /// Appends a frame; when this returns, it is there whatever happens to the process. The first frame lays the groups
    /// out.
    ///
    /// # Errors
    /// [`Error::NonFiniteField`] for a NaN or an infinity, [`Error::Shape`] if the fields are not those of the first
    /// frame or do not fill their axes, [`Error::Parameter`] if time does not increase, [`Error::Unsupported`] for
    /// names that clash. Of such a frame nothing is written, and the file stays good.
    pub fn write_frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        self.write(|file| file.frame(frame))
    }

    /// Writes fields that do not change in time; those that a run taken up had written already are written over.
    ///
    /// # Errors
    /// As [`Hdf5File::write_frame`].
    pub fn write_constants(&mut self, fields: &[Field<'_>]) -> Result<()> {
        self.write(|file| file.constants(fields))
    }

    /// Sets the text attribute `name` of the root.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn write_attribute(&mut self, name: &str, value: &str) -> Result<()> {
        self.write(|file| file.attribute(name, value))
    }

    /// Sets a text attribute of the coordinate `axis` of a group.
    ///
    /// # Errors
    /// [`Error::File`] if there is no such coordinate, or it cannot be written.
    pub fn write_axis_attribute(&mut self, group: &str, axis: &str, name: &str, value: &str) -> Result<()> {
        self.write(|file| file.axis_attribute(group, axis, name, value))
    }

    /// Waits until what was written is on the disk, where it outlives a power failure.
    ///
    /// # Errors
    /// [`Error::File`] if the system cannot promise it.
    pub fn sync(&self) -> Result<()> {
        let sync = || std::fs::File::open(&self.names.whole)?.sync_all();
        sync().map_err(|error| file_error(&self.names.whole, &error))
    }

    /// Closes the file and gives it its name, which it hands back.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be closed or renamed.
    pub fn finish(self) -> Result<PathBuf> {
        let Self { names, whole, next } = self;
        let last = match next {
            Some(next) => {
                next.close()?;
                drop(whole);
                &names.next
            }
            None => {
                whole.close()?;
                &names.whole
            }
        };
        std::fs::rename(last, &names.path).map_err(|error| file_error(&names.path, &error))?;
        if last != &names.whole {
            std::fs::remove_file(&names.whole).map_err(|error| file_error(&names.whole, &error))?;
        }
        Ok(names.path)
    }

    /// Writes to the one copy, swaps, writes to the other. Where the first refuses, nothing has changed.
    fn write(&mut self, write: impl Fn(&mut Writer) -> Result<()>) -> Result<()> {
        let Some(next) = &mut self.next else {
            write(&mut self.whole)?;
            return self.whole.flush();
        };
        write(next)?;
        next.flush()?;
        self.names.swap().map_err(|error| file_error(&self.names.whole, &error))?;
        std::mem::swap(&mut self.whole, next);
        write(next)
    }
}

fn file_error(path: &Path, error: &std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), message: error.to_string() }
}
