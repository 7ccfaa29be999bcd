//! One netCDF-4-compatible HDF5 file a run.
//!
//! Each group of fields becomes an HDF5 group that stands alone: it holds its own `time` (unlimited, first axis of
//! every field that changes), its own coordinates as dimension scales, and `NAME_bounds` where the points of a
//! coordinate are cells. So `xarray.open_dataset(path, group="density")` sees named axes, and so do h5py, netCDF4,
//! `ncread` of MATLAB and NCDatasets of Julia.
//!
//! Until [`Hdf5File::finish`] the file bears a temporary name (`run.partial.h5` for `run.h5`). It is flushed after
//! each frame, so that whatever ends a run, the frames before it can be read.

mod attributes;
mod group;
mod read;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ::hdf5 as library;

pub use self::read::{RunCoordinate, RunFile, RunGroup, RunVariable};

use self::attributes::{number, text};
use self::group::Group;
use super::provenance::{COMMIT, Provenance, VERSION};
use crate::error::{Error, Result};
use crate::frame::{Field, Frame};

type Hdf5Result<T> = std::result::Result<T, library::Error>;

/// A file that takes the frames of a run; pass `|frame| file.visit(frame)` to a solver.
#[derive(Debug)]
pub struct Hdf5File {
    path: PathBuf,
    temporary: PathBuf,
    // Declared before the file, so that they are closed before it.
    groups: Vec<Group>,
    /// Where each field of a frame goes: (group, variable).
    layout: Vec<(usize, usize)>,
    file: library::File,
    frames: usize,
    last_time: f64,
    started: Instant,
}

impl Hdf5File {
    /// Opens a file under a temporary name beside `path`.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn create(path: impl AsRef<Path>, provenance: &Provenance) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let temporary = temporary_name(&path);
        let open = || -> Hdf5Result<library::File> {
            let file = library::File::with_options()
                .with_fcpl(|plist| plist.link_creation_order(group::order()))
                .create(&temporary)?;
            text(&file, "Conventions", "CF-1.10")?;
            text(&file, "source", &format!("{} {VERSION}", env!("CARGO_PKG_NAME")))?;
            text(&file, "version", VERSION)?;
            text(&file, "commit", COMMIT)?;
            text(&file, "problem", &provenance.problem)?;
            if let Some(seed) = provenance.seed {
                number(&file, "seed", seed)?;
            }
            number(&file, "threads", provenance.threads as u64)?;
            for (name, value) in &provenance.tolerances {
                number(&file, &format!("tolerance_{name}"), *value)?;
            }
            number(&file, "wall_time_seconds", 0.0_f64)?;
            file.flush()?;
            Ok(file)
        };
        let file = open().map_err(|error| failure(&temporary, &error))?;
        Ok(Self {
            path,
            temporary,
            groups: Vec::new(),
            layout: Vec::new(),
            file,
            frames: 0,
            last_time: f64::NEG_INFINITY,
            started: Instant::now(),
        })
    }

    /// Where the file lies until it is finished.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// [`Hdf5File::write_frame`], as a visitor.
    ///
    /// # Errors
    /// As [`Hdf5File::write_frame`].
    pub fn visit(&mut self, frame: &Frame<'_>) -> Result<ControlFlow<()>> {
        self.write_frame(frame).map(|()| ControlFlow::Continue(()))
    }

    /// Appends a frame and flushes. The first frame lays the groups out.
    ///
    /// # Errors
    /// [`Error::NonFiniteField`] for a NaN or an infinity, [`Error::Shape`] if the fields are not those of the first
    /// frame or do not fill their axes, [`Error::Parameter`] if time does not increase, [`Error::Unsupported`] for
    /// names that clash. Of such a frame nothing is written, and the file stays good.
    pub fn write_frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        if !(frame.time.is_finite() && frame.time > self.last_time) {
            return Err(Error::Parameter {
                key: "time of a frame".into(),
                value: frame.time,
                expected: "a finite number after that of the frame before",
            });
        }
        check(&frame.fields, frame.time)?;
        if self.frames == 0 {
            self.layout = self.lay_out(&frame.fields, true)?;
        }
        if frame.fields.len() != self.layout.len() {
            return Err(Error::Shape {
                what: format!("fields of the frame at t = {}", frame.time),
                found: frame.fields.len(),
                expected: self.layout.len(),
            });
        }
        for (field, &(group, variable)) in frame.fields.iter().zip(&self.layout) {
            self.groups[group].expect(variable, field)?;
        }
        self.append(frame).map_err(|error| failure(&self.temporary, &error))?;
        self.frames += 1;
        self.last_time = frame.time;
        Ok(())
    }

    /// Writes fields that do not change in time.
    ///
    /// # Errors
    /// As [`Hdf5File::write_frame`].
    pub fn write_constants(&mut self, fields: &[Field<'_>]) -> Result<()> {
        check(fields, f64::NAN)?;
        let layout = self.lay_out(fields, false)?;
        let write = || -> Hdf5Result<()> {
            for (field, &(group, variable)) in fields.iter().zip(&layout) {
                self.groups[group].write_constant(variable, field)?;
            }
            self.file.flush()
        };
        write().map_err(|error| failure(&self.temporary, &error))
    }

    /// Closes the file and gives it its name, which it hands back.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be closed or renamed.
    pub fn finish(self) -> Result<PathBuf> {
        let Self { path, temporary, groups, file, started, .. } = self;
        drop(groups);
        wall_time(&file, started).and_then(|()| file.close()).map_err(|error| failure(&temporary, &error))?;
        std::fs::rename(&temporary, &path)
            .map_err(|error| Error::File { path: path.display().to_string(), message: error.to_string() })?;
        Ok(path)
    }

    fn lay_out(&mut self, fields: &[Field<'_>], with_time: bool) -> Result<Vec<(usize, usize)>> {
        // All clashes first, so that a refused frame leaves nothing behind.
        let mut trial: Vec<group::Names> = self.groups.iter().map(|group| group.names.clone()).collect();
        for field in fields {
            let at = trial.iter().position(|names| names.group == field.group).unwrap_or(trial.len());
            if at == trial.len() {
                trial.push(group::Names::new(field.group));
            }
            trial[at].admit(field, with_time)?;
        }
        self.create_variables(fields, with_time).map_err(|error| failure(&self.temporary, &error))
    }

    fn create_variables(&mut self, fields: &[Field<'_>], with_time: bool) -> Hdf5Result<Vec<(usize, usize)>> {
        let mut layout = Vec::with_capacity(fields.len());
        for field in fields {
            let at = match self.groups.iter().position(|group| group.names.group == field.group) {
                Some(at) => at,
                None => {
                    self.groups.push(Group::create(&self.file, field.group)?);
                    self.groups.len() - 1
                }
            };
            layout.push((at, self.groups[at].create_variable(field, with_time)?));
        }
        for group in &self.groups {
            group.write_references()?;
        }
        Ok(layout)
    }

    fn append(&self, frame: &Frame<'_>) -> Hdf5Result<()> {
        // Values before times: if the run is killed between, no time stands without its values.
        for (field, &(group, variable)) in frame.fields.iter().zip(&self.layout) {
            self.groups[group].append(variable, self.frames, field)?;
        }
        for group in &self.groups {
            group.append_time(self.frames, frame.time)?;
        }
        wall_time(&self.file, self.started)?;
        self.file.flush()
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(".partial");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn wall_time(file: &library::File, started: Instant) -> Hdf5Result<()> {
    file.attr("wall_time_seconds")?.write_scalar(&started.elapsed().as_secs_f64())
}

fn failure(path: &Path, error: &library::Error) -> Error {
    Error::File { path: path.display().to_string(), message: error.to_string() }
}

/// Every value, and every point of every axis, is a number; every field fills its axes.
fn check(fields: &[Field<'_>], time: f64) -> Result<()> {
    for field in fields {
        let mut expected = 1;
        for axis in &field.axes {
            let name = format!("axis {} of {}/{}", axis.name, field.group, field.name);
            if axis.values.is_empty() {
                return Err(Error::Shape { what: name, found: 0, expected: 1 });
            }
            if let Some(bounds) = &axis.bounds {
                if bounds.len() != axis.values.len() {
                    let (found, expected) = (bounds.len(), axis.values.len());
                    return Err(Error::Shape { what: format!("bounds of {name}"), found, expected });
                }
                finite(&format!("bounds of {name}"), bounds.as_flattened(), time)?;
            }
            finite(&name, &axis.values, time)?;
            expected *= axis.values.len();
        }
        let name = format!("{}/{}", field.group, field.name);
        if field.values.len() != expected {
            return Err(Error::Shape { what: name, found: field.values.len(), expected });
        }
        finite(&name, &field.values, time)?;
    }
    Ok(())
}

fn finite(field: &str, values: &[f64], time: f64) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NonFiniteField { field: field.to_owned(), index, value: values[index], time }),
    }
}
