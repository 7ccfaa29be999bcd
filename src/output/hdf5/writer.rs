//! One HDF5 file that is written to; [`super::Hdf5File`] keeps two of them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use ::hdf5 as library;

use super::attributes::{number, text};
use super::group::{self, Group};
use super::{Hdf5Result, check, failure};
use crate::error::{Error, Result};
use crate::frame::{Field, Frame};
use crate::output::provenance::{COMMIT, Provenance, VERSION};

const WALL_TIME: &str = "wall_time_seconds";

/// The handles of one file, and what it holds.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    // Declared before the file, so that they are closed before it.
    groups: Vec<Group>,
    /// Where each field of a frame goes: (group, variable).
    layout: Vec<(usize, usize)>,
    file: library::File,
    frames: usize,
    last_time: f64,
    started: Instant,
    /// Seconds spent before this process took over.
    earlier: f64,
}

impl Writer {
    pub fn create(path: &Path, provenance: &Provenance) -> Result<Self> {
        let create = || -> Hdf5Result<library::File> {
            let file = library::File::with_options()
                .with_fcpl(|plist| plist.link_creation_order(group::order()))
                .create(path)?;
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
            number(&file, WALL_TIME, 0.0_f64)?;
            file.flush()?;
            Ok(file)
        };
        let file = create().map_err(|error| failure(path, &error))?;
        Ok(Self::of(path, file, 0, f64::NEG_INFINITY, 0.0))
    }

    /// Takes up a file with at least `frames` frames, and drops those beyond.
    pub fn open(path: &Path, frames: usize) -> Result<Self> {
        let open = || -> Hdf5Result<(library::File, Option<(String, usize)>, f64, f64)> {
            let file = library::File::open_rw(path)?;
            let (mut short, mut last_time) = (None, f64::NEG_INFINITY);
            for group in file.groups()? {
                for dataset in group.datasets()? {
                    let mut shape = dataset.shape();
                    if !dataset.is_resizable() || shape.is_empty() {
                        continue;
                    }
                    if shape[0] < frames {
                        short = Some((dataset.name(), shape[0]));
                        continue;
                    }
                    shape[0] = frames;
                    dataset.resize(&*shape)?;
                    if frames > 0 && dataset.name().ends_with("/time") {
                        last_time = dataset.read_raw::<f64>()?.last().copied().unwrap_or(last_time);
                    }
                }
            }
            let earlier = file.attr(WALL_TIME)?.read_scalar::<f64>()?;
            Ok((file, short, last_time, earlier))
        };
        let (file, short, last_time, earlier) = open().map_err(|error| failure(path, &error))?;
        match short {
            None if frames == 0 || last_time.is_finite() => Ok(Self::of(path, file, frames, last_time, earlier)),
            None => Err(Error::Shape { what: format!("frames in {}", path.display()), found: 0, expected: frames }),
            Some((name, found)) => {
                Err(Error::Shape { what: format!("frames of {name} in {}", path.display()), found, expected: frames })
            }
        }
    }

    fn of(path: &Path, file: library::File, frames: usize, last_time: f64, earlier: f64) -> Self {
        Self {
            path: path.to_path_buf(),
            groups: Vec::new(),
            layout: Vec::new(),
            file,
            frames,
            last_time,
            started: Instant::now(),
            earlier,
        }
    }

    /// Frames held.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Checks a frame as a whole, then appends it; the first one lays the groups out.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        if !(frame.time.is_finite() && frame.time > self.last_time) {
            return Err(Error::Parameter {
                key: "time of a frame".into(),
                value: frame.time,
                expected: "a finite number after that of the frame before",
            });
        }
        check(&frame.fields, frame.time)?;
        if self.layout.is_empty() {
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
        self.append(frame).map_err(|error| failure(&self.path, &error))?;
        self.frames += 1;
        self.last_time = frame.time;
        Ok(())
    }

    /// Writes fields that do not change in time.
    pub fn constants(&mut self, fields: &[Field<'_>]) -> Result<()> {
        check(fields, f64::NAN)?;
        let layout = self.lay_out(fields, false)?;
        let write = || -> Hdf5Result<()> {
            fields
                .iter()
                .zip(&layout)
                .try_for_each(|(field, &(group, variable))| self.groups[group].write_constant(variable, field))
        };
        write().map_err(|error| failure(&self.path, &error))
    }

    /// Sets an attribute of the root.
    pub fn attribute(&self, name: &str, value: &str) -> Result<()> {
        set(&self.file, name, value).map_err(|error| failure(&self.path, &error))
    }

    /// Sets an attribute of a coordinate.
    pub fn axis_attribute(&self, group: &str, axis: &str, name: &str, value: &str) -> Result<()> {
        let write = || -> Hdf5Result<()> {
            let dataset = self.file.dataset(&format!("{group}/{axis}"))?;
            set(&dataset, name, value)
        };
        write().map_err(|error| failure(&self.path, &error))
    }

    /// Hands everything to the operating system.
    pub fn flush(&self) -> Result<()> {
        self.note_wall_time().and_then(|()| self.file.flush()).map_err(|error| failure(&self.path, &error))
    }

    pub fn close(self) -> Result<()> {
        let noted = self.note_wall_time();
        let Self { path, groups, file, .. } = self;
        drop(groups);
        noted.and_then(|()| file.close()).map_err(|error| failure(&path, &error))
    }

    fn note_wall_time(&self) -> Hdf5Result<()> {
        self.file.attr(WALL_TIME)?.write_scalar(&(self.earlier + self.started.elapsed().as_secs_f64()))
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
        self.create_variables(fields, with_time).map_err(|error| failure(&self.path, &error))
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
            layout.push((at, self.groups[at].create_variable(field, self.frames, with_time)?));
        }
        for group in &self.groups {
            group.write_references()?;
        }
        Ok(layout)
    }

    fn append(&self, frame: &Frame<'_>) -> Hdf5Result<()> {
        for (field, &(group, variable)) in frame.fields.iter().zip(&self.layout) {
            self.groups[group].append(variable, self.frames, field)?;
        }
        self.groups.iter().try_for_each(|group| group.append_time(self.frames, frame.time))
    }
}

/// Writes a text attribute, also over one that is there.
fn set(location: &library::Location, name: &str, value: &str) -> Hdf5Result<()> {
    if location.attr_names()?.iter().any(|known| known == name) {
        location.delete_attr(name)?;
    }
    text(location, name, value)
}
