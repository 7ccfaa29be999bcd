//! Reads the files that [`super::Hdf5File`] writes, those of killed runs included.

use std::path::{Path, PathBuf};

use ::hdf5 as library;
use library::types::{TypeDescriptor, VarLenArray, VarLenUnicode};
use library::{Dataset, Group, Hyperslab, Location, LocationType, ObjectReference1, ReferencedObject, Selection};
use library::{IndexType, IterationOrder, SliceOrIndex};
use ndarray::{ArrayD, Axis, IxDyn};

use super::{Hdf5Result, failure};
use crate::error::{Error, Result};

/// The first bytes of an HDF5 file.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// A file of a run, open for reading. Values are read when asked for.
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    attributes: Vec<(String, String)>,
    groups: Vec<RunGroup>,
    file: library::File,
}

/// A group: coordinates and variables.
#[derive(Debug, Clone, PartialEq)]
pub struct RunGroup {
    /// Its name.
    pub name: String,
    /// Its dimensions, `time` included.
    pub coordinates: Vec<RunCoordinate>,
    /// What it holds, in the order of writing.
    pub variables: Vec<RunVariable>,
}

/// A dimension with its points.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCoordinate {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub long_name: String,
    /// One value a point. Of `time`, the complete frames only.
    pub values: Vec<f64>,
    /// Lower and upper end of each cell, where the points are cells.
    pub bounds: Option<Vec<[f64; 2]>>,
}

/// An array over coordinates of its group.
#[derive(Debug, Clone, PartialEq)]
pub struct RunVariable {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub long_name: String,
    /// Names of its dimensions, slowest first.
    pub dimensions: Vec<String>,
    /// Their lengths; of `time`, the complete frames only.
    pub shape: Vec<usize>,
}

impl RunGroup {
    /// A coordinate by name.
    pub fn coordinate(&self, name: &str) -> Option<&RunCoordinate> {
        self.coordinates.iter().find(|coordinate| coordinate.name == name)
    }

    /// A variable by name.
    pub fn variable(&self, name: &str) -> Option<&RunVariable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// Whether `name` is the standard error of another variable.
    pub fn is_error(&self, name: &str) -> bool {
        name.strip_suffix("_error").is_some_and(|of| self.variable(of).is_some())
    }
}

impl RunFile {
    /// Opens a file and reads what it holds, the values aside. In the file of a killed run, frames whose time or values are
    /// missing anywhere are left out.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is missing, not HDF5, or not one of this library.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let complaint = |message: String| Error::File { path: path.display().to_string(), message };
        let mut first = [0; 8];
        std::fs::File::open(&path)
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut first))
            .or_else(|error| if error.kind() == std::io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(error) })
            .map_err(|error| complaint(error.to_string()))?;
        if first != SIGNATURE {
            return Err(complaint("not an HDF5 file; expected the output of a run".into()));
        }
        let file = library::File::open(&path).map_err(|error| failure(&path, &error))?;
        let attributes = attributes(&file).map_err(|error| failure(&path, &error))?;
        let ours = |(name, value): &(String, String)| name == "source" && value.starts_with(env!("CARGO_PKG_NAME"));
        if !attributes.iter().any(ours) {
            return Err(complaint(format!("an HDF5 file, but not one of {}", env!("CARGO_PKG_NAME"))));
        }
        let groups = groups(&file).map_err(|error| failure(&path, &error))?;
        Ok(Self { attributes, groups, file, path })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The attributes of the whole file as text: `problem`, `version`, `commit`, `seed`, `threads`, `wall_time_seconds`, ….
    pub fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// One of [`RunFile::attributes`].
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The groups, in the order of writing.
    pub fn groups(&self) -> &[RunGroup] {
        &self.groups
    }

    /// A group by name.
    pub fn group(&self, name: &str) -> Option<&RunGroup> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// A variable by its group and name.
    ///
    /// # Errors
    /// [`Error::UnknownField`] with those there are.
    pub fn variable(&self, group: &str, name: &str) -> Result<(&RunGroup, &RunVariable)> {
        let found = self.group(group).and_then(|group| Some((group, group.variable(name)?)));
        found.ok_or_else(|| {
            let names = |group: &RunGroup| {
                group.variables.iter().map(|variable| format!("{}/{}", group.name, variable.name)).collect::<Vec<_>>()
            };
            let known = self.groups.iter().flat_map(names).collect::<Vec<_>>().join(", ");
            Error::UnknownField { name: format!("{group}/{name}"), known }
        })
    }

    /// All values of a variable, over its dimensions.
    ///
    /// # Errors
    /// [`Error::UnknownField`]; [`Error::File`] if they cannot be read.
    pub fn values(&self, group: &str, name: &str) -> Result<ArrayD<f64>> {
        let (_, variable) = self.variable(group, name)?;
        self.read(group, variable, None)
    }

    /// The values of a variable at the time of number `index` (its `time` dimension is gone).
    ///
    /// # Errors
    /// As [`RunFile::values`]; [`Error::Shape`] if there is no such time.
    pub fn values_at(&self, group: &str, name: &str, index: usize) -> Result<ArrayD<f64>> {
        let (_, variable) = self.variable(group, name)?;
        let time = variable.dimensions.iter().position(|dimension| dimension == "time");
        match time.map(|time| (time, variable.shape[time])) {
            Some((time, times)) if index < times => {
                Ok(self.read(group, variable, Some((time, index)))?.index_axis_move(Axis(time), 0))
            }
            found => Err(Error::Shape {
                what: format!("times of {group}/{name}"),
                found: found.map_or(0, |(_, times)| times),
                expected: index + 1,
            }),
        }
    }

    fn read(&self, group: &str, variable: &RunVariable, at: Option<(usize, usize)>) -> Result<ArrayD<f64>> {
        let read = || -> Hdf5Result<ArrayD<f64>> {
            let dataset = self.file.dataset(&format!("{group}/{}", variable.name))?;
            if variable.shape.is_empty() {
                return Ok(ndarray::arr0(dataset.read_scalar::<f64>()?).into_dyn());
            }
            let part = |(axis, &count): (usize, &usize)| match at {
                Some((time, index)) if time == axis => {
                    SliceOrIndex::SliceCount { start: index, step: 1, count: 1, block: 1 }
                }
                _ => SliceOrIndex::SliceCount { start: 0, step: 1, count, block: 1 },
            };
            if variable.shape.contains(&0) {
                return Ok(ArrayD::zeros(IxDyn(&variable.shape)));
            }
            let slab: Vec<SliceOrIndex> = variable.shape.iter().enumerate().map(part).collect();
            dataset.read_slice::<f64, _, IxDyn>(Selection::from(Hyperslab::from(slab)))
        };
        read().map_err(|error| failure(&self.path, &error))
    }
}

fn attributes(location: &Location) -> Hdf5Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for name in location.attr_names()? {
        let attribute = location.attr(&name)?;
        if !attribute.is_scalar() {
            continue;
        }
        let value = match attribute.dtype()?.to_descriptor()? {
            TypeDescriptor::VarLenUnicode => attribute.read_scalar::<VarLenUnicode>()?.to_string(),
            TypeDescriptor::Float(_) => attribute.read_scalar::<f64>()?.to_string(),
            TypeDescriptor::Unsigned(_) => attribute.read_scalar::<u64>()?.to_string(),
            TypeDescriptor::Integer(_) => attribute.read_scalar::<i64>()?.to_string(),
            _ => continue,
        };
        found.push((name, value));
    }
    Ok(found)
}

fn text(location: &Location, name: &str) -> String {
    let read = || location.attr(name)?.read_scalar::<VarLenUnicode>();
    read().map(|value: VarLenUnicode| value.to_string()).unwrap_or_default()
}

/// The name of a dataset within its group.
fn own_name(dataset: &Dataset) -> String {
    dataset.name().rsplit('/').next().unwrap_or_default().to_owned()
}

/// The groups and datasets of a group, in the order of creation where the file keeps it.
fn members(group: &Group) -> Hdf5Result<(Vec<Group>, Vec<Dataset>)> {
    let names = group
        .member_names_by(IndexType::CreationOrder, IterationOrder::Increasing)
        .or_else(|_| group.member_names_by(IndexType::Name, IterationOrder::Increasing))?;
    let (mut groups, mut datasets) = (Vec::new(), Vec::new());
    for name in names {
        match group.loc_type_by_name(&name)? {
            LocationType::Group => groups.push(group.group(&name)?),
            LocationType::Dataset => datasets.push(group.dataset(&name)?),
            _ => {}
        }
    }
    Ok((groups, datasets))
}

fn groups(file: &library::File) -> Hdf5Result<Vec<RunGroup>> {
    let mut groups = Vec::new();
    for group in members(file)?.0 {
        let mut found = RunGroup {
            name: group.name().trim_start_matches('/').to_owned(),
            coordinates: Vec::new(),
            variables: Vec::new(),
        };
        let datasets = members(&group)?.1;
        for dataset in &datasets {
            let attributes = dataset.attr_names()?;
            let has = |name: &str| attributes.iter().any(|attribute| attribute == name);
            let name = own_name(dataset);
            if has("CLASS") {
                // Dimensions without coordinates (the ends of cells) have no long name.
                if has("long_name") {
                    let bounds = text(dataset, "bounds");
                    let bounds = datasets.iter().find(|other| own_name(other) == bounds);
                    let bounds = bounds.map(|bounds| bounds.read_raw::<f64>()).transpose()?;
                    found.coordinates.push(RunCoordinate {
                        name,
                        long_name: text(dataset, "long_name"),
                        values: dataset.read_raw::<f64>()?,
                        bounds: bounds.map(|ends| ends.as_chunks::<2>().0.to_vec()),
                    });
                }
                continue;
            }
            let dimensions = if has("DIMENSION_LIST") { dimensions(file, dataset)? } else { Vec::new() };
            let is_bounds = dimensions.last().is_some_and(|last| last == super::group::ENDS);
            if !is_bounds && dimensions.len() == dataset.ndim() {
                let long_name = text(dataset, "long_name");
                found.variables.push(RunVariable { name, long_name, dimensions, shape: dataset.shape() });
            }
        }
        groups.push(found);
    }
    complete(&mut groups);
    Ok(groups)
}

fn dimensions(file: &library::File, dataset: &Dataset) -> Hdf5Result<Vec<String>> {
    let list = dataset.attr("DIMENSION_LIST")?.read_raw::<VarLenArray<ObjectReference1>>()?;
    let mut names = Vec::with_capacity(list.len());
    for references in &list {
        let Some(reference) = references.first() else { return Ok(Vec::new()) };
        match file.dereference(reference)? {
            ReferencedObject::Dataset(scale) => names.push(own_name(&scale)),
            _ => return Ok(Vec::new()),
        }
    }
    Ok(names)
}

/// Cuts `time` to the frames that are complete in all groups.
fn complete(groups: &mut [RunGroup]) {
    let times = |group: &RunGroup| {
        let of_variable = |variable: &RunVariable| {
            variable.dimensions.iter().zip(&variable.shape).find(|(name, _)| *name == "time").map(|(_, &length)| length)
        };
        let of_variables = group.variables.iter().filter_map(of_variable);
        of_variables.chain(group.coordinate("time").map(|time| time.values.len())).min()
    };
    let Some(shortest) = groups.iter().filter_map(times).min() else { return };
    for group in groups {
        for coordinate in group.coordinates.iter_mut().filter(|coordinate| coordinate.name == "time") {
            coordinate.values.truncate(shortest);
        }
        for variable in &mut group.variables {
            for (name, length) in variable.dimensions.iter().zip(&mut variable.shape) {
                if name == "time" {
                    *length = shortest;
                }
            }
        }
    }
}
