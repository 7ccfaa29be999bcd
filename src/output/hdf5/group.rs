//! One group of the file: time, coordinates, variables.

use std::sync::Arc;

use ::hdf5 as library;
use library::plist::file_create::LinkCreationOrder;
use library::{Dataset, Extent, Hyperslab, Selection, SimpleExtents, SliceOrIndex};
use ndarray::{ArrayViewD, IxDyn};

use super::Hdf5Result;
use super::attributes::{attach_scales, make_scale, text, write_reference_list};
use crate::error::{Error, Result};
use crate::frame::{Coordinate, Field};

/// Chunks of small fields span several times, up to this many values (8 kB): what is rewritten at each frame.
const SMALL_CHUNK: usize = 1 << 10;
/// No chunk is larger than this many values (8 MB).
const LARGE_CHUNK: usize = 1 << 20;
/// The dimension of the two ends of a cell.
pub const ENDS: &str = "ends";

/// Tracked, so that readers list variables in the order in which they were written.
pub fn order() -> LinkCreationOrder {
    LinkCreationOrder::Indexed
}

/// The names taken in a group, kept apart from the file so that clashes are found before anything is written.
#[derive(Debug, Clone)]
pub struct Names {
    pub group: &'static str,
    coordinates: Vec<Arc<Coordinate>>,
    variables: Vec<&'static str>,
    /// Whether `time` is the axis of frames here (else it may be an ordinary coordinate).
    time: bool,
}

impl Names {
    pub fn new(group: &'static str) -> Self {
        Self { group, coordinates: Vec::new(), variables: Vec::new(), time: false }
    }

    /// Takes the names of `field`, or says which of them clash.
    pub fn admit(&mut self, field: &Field<'_>, with_time: bool) -> Result<()> {
        let clash = |what: String, instead| Err(Error::Unsupported { solver: "the HDF5 file", what, instead });
        let name = format!("{}/{}", field.group, field.name);
        for text in [field.group, field.name].into_iter().chain(field.axes.iter().map(|axis| axis.name)) {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(plain) {
                return clash(format!("the name {text:?} of {name}"), "use ASCII letters, digits, - and _");
            }
        }
        self.time |= with_time;
        for (at, axis) in field.axes.iter().enumerate() {
            if field.axes[..at].iter().any(|other| other.name == axis.name) {
                return clash(format!("two axes {} of {name}", axis.name), "give the second another name");
            }
            match self.coordinates.iter().find(|known| known.name == axis.name) {
                None => self.coordinates.push(Arc::clone(axis)),
                Some(known) if Arc::ptr_eq(known, axis) || known == axis => {}
                Some(_) => {
                    return clash(
                        format!("two different axes {} in the group {}", axis.name, field.group),
                        "put fields on different grids into different groups",
                    );
                }
            }
        }
        if self.variables.contains(&field.name) {
            return clash(format!("two fields {name}"), "give the second another name");
        }
        self.variables.push(field.name);
        let taken = self.variables.iter().any(|&variable| {
            let is_axis = |axis: &Arc<Coordinate>| variable == axis.name || variable == format!("{}_bounds", axis.name);
            self.coordinates.iter().any(is_axis) || variable == ENDS || (self.time && variable == "time")
        });
        if taken || (self.time && self.coordinates.iter().any(|axis| axis.name == "time")) {
            return clash(format!("{name} beside an axis of that name"), "give the field or the axis another name");
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Variable {
    field: &'static str,
    axes: Vec<Arc<Coordinate>>,
    dataset: Dataset,
}

#[derive(Debug)]
struct Scale {
    name: String,
    dataset: Dataset,
    uses: Vec<(String, usize)>,
}

/// An HDF5 group with its handles.
#[derive(Debug)]
pub struct Group {
    pub names: Names,
    group: library::Group,
    scales: Vec<Scale>,
    variables: Vec<Variable>,
}

impl Group {
    /// The group of that name, made unless the file has it.
    pub fn create(file: &library::File, name: &'static str) -> Hdf5Result<Self> {
        let group = if file.link_exists(name) {
            file.group(name)?
        } else {
            file.create_group_builder().with_gcpl(|plist| plist.link_creation_order(order())).create(name)?
        };
        Ok(Self { names: Names::new(name), group, scales: Vec::new(), variables: Vec::new() })
    }

    /// Lays a field out, with the scales it needs; hands back its number. What the file has already, with `frames`
    /// frames, must be the same and is taken up.
    pub fn create_variable(&mut self, field: &Field<'_>, frames: usize, with_time: bool) -> Hdf5Result<usize> {
        self.names.admit(field, with_time).map_err(|error| error.to_string())?;
        let mut extents = Vec::new();
        let mut scales = Vec::new();
        if with_time {
            self.create_time(frames)?;
            extents.push(Extent::resizable(frames));
            scales.push("time");
        }
        for axis in &field.axes {
            self.create_coordinate(axis)?;
            extents.push(Extent::fixed(axis.values.len()));
            scales.push(axis.name);
        }
        let (dataset, new) = self.create_dataset(field.name, extents)?;
        if new {
            text(&dataset, "long_name", field.description)?;
            text(&dataset, "units", "1")?;
        }
        self.attach(&dataset, field.name, &scales, new)?;
        self.variables.push(Variable { field: field.name, axes: field.axes.clone(), dataset });
        Ok(self.variables.len() - 1)
    }

    /// The dataset of that name, and whether it is new.
    fn create_dataset(&self, name: &str, extents: Vec<Extent>) -> Hdf5Result<(Dataset, bool)> {
        if self.group.link_exists(name) {
            let dataset = self.group.dataset(name)?;
            let expected: Vec<usize> = extents.iter().map(|extent| extent.dim).collect();
            let resizable = extents.iter().any(Extent::is_resizable);
            if dataset.shape() == expected && dataset.is_resizable() == resizable {
                return Ok((dataset, false));
            }
            let (group, found) = (self.names.group, dataset.shape());
            return Err(format!("{group}/{name} has the shape {found:?} in the file: expected {expected:?}").into());
        }
        let builder = self.group.new_dataset::<f64>();
        let dataset = if extents.iter().any(Extent::is_resizable) {
            builder.chunk(chunk(&extents)).shape(SimpleExtents::from_vec(extents)).create(name)?
        } else {
            builder.shape(SimpleExtents::from_vec(extents)).create(name)?
        };
        Ok((dataset, true))
    }

    /// Points of an axis, written or found to be those of the file.
    fn create_points(&self, name: &str, extents: Vec<Extent>, values: &[f64]) -> Hdf5Result<(Dataset, bool)> {
        let (dataset, new) = self.create_dataset(name, extents)?;
        if new {
            dataset.write_raw(values)?;
        } else if dataset.read_raw::<f64>()? != values {
            return Err(format!("{}/{name} has other values in the file", self.names.group).into());
        }
        Ok((dataset, new))
    }

    fn attach(&mut self, dataset: &Dataset, name: &str, scales: &[&str], new: bool) -> Hdf5Result<()> {
        if scales.is_empty() {
            return Ok(());
        }
        if new {
            attach_scales(&self.group, dataset, scales)?;
        }
        for (axis, scale) in scales.iter().enumerate() {
            if let Some(scale) = self.scales.iter_mut().find(|known| known.name == *scale) {
                scale.uses.push((name.to_owned(), axis));
            }
        }
        Ok(())
    }

    fn has_scale(&self, name: &str) -> bool {
        self.scales.iter().any(|scale| scale.name == name)
    }

    fn add_scale(&mut self, name: &str, dataset: Dataset) {
        self.scales.push(Scale { name: name.to_owned(), dataset, uses: Vec::new() });
    }

    fn create_time(&mut self, frames: usize) -> Hdf5Result<()> {
        if self.has_scale("time") {
            return Ok(());
        }
        let (dataset, new) = self.create_dataset("time", vec![Extent::resizable(frames)])?;
        if new {
            make_scale(&dataset, "time")?;
            text(&dataset, "long_name", "physical time")?;
            text(&dataset, "units", "1")?;
        }
        self.add_scale("time", dataset);
        Ok(())
    }

    fn create_coordinate(&mut self, axis: &Coordinate) -> Hdf5Result<()> {
        if self.has_scale(axis.name) {
            return Ok(());
        }
        let (dataset, new) = self.create_points(axis.name, vec![Extent::fixed(axis.values.len())], &axis.values)?;
        let bounds = format!("{}_bounds", axis.name);
        if new {
            make_scale(&dataset, axis.name)?;
            text(&dataset, "long_name", axis.description)?;
            text(&dataset, "units", "1")?;
            if axis.bounds.is_some() {
                text(&dataset, "bounds", &bounds)?;
            }
        }
        self.add_scale(axis.name, dataset);
        let Some(ends) = &axis.bounds else { return Ok(()) };
        self.create_ends()?;
        let extents = vec![Extent::fixed(ends.len()), Extent::fixed(2)];
        let (dataset, new) = self.create_points(&bounds, extents, ends.as_flattened())?;
        if new {
            text(&dataset, "long_name", &format!("ends of the cells of {}", axis.name))?;
            text(&dataset, "units", "1")?;
        }
        self.attach(&dataset, &bounds, &[axis.name, ENDS], new)
    }

    /// A dimension without coordinate, in netCDF's words.
    fn create_ends(&mut self) -> Hdf5Result<()> {
        if self.has_scale(ENDS) {
            return Ok(());
        }
        let dataset = if self.group.link_exists(ENDS) {
            self.group.dataset(ENDS)?
        } else {
            let dataset = self.group.new_dataset::<f32>().shape(2).create(ENDS)?;
            make_scale(&dataset, &format!("This is a netCDF dimension but not a netCDF variable.{:10}", 2))?;
            dataset
        };
        self.add_scale(ENDS, dataset);
        Ok(())
    }

    pub fn write_references(&self) -> Hdf5Result<()> {
        self.scales.iter().try_for_each(|scale| write_reference_list(&self.group, &scale.dataset, &scale.uses))
    }

    /// That a field of a later frame is the one laid out as `variable`.
    pub fn expect(&self, variable: usize, field: &Field<'_>) -> Result<()> {
        let known = &self.variables[variable];
        if self.names.group != field.group || known.field != field.name {
            return Err(Error::Unsupported {
                solver: "the HDF5 file",
                what: format!("{}/{} in the place of {}/{}", field.group, field.name, self.names.group, known.field),
                instead: "every frame must have the fields of the first, in the same order",
            });
        }
        // Mostly the very same axes, seen at one glance.
        let same = known.axes.len() == field.axes.len()
            && known.axes.iter().zip(&field.axes).all(|(known, axis)| Arc::ptr_eq(known, axis) || known == axis);
        if same {
            return Ok(());
        }
        Err(Error::Unsupported {
            solver: "the HDF5 file",
            what: format!("other axes of {}/{} than in the first frame", field.group, field.name),
            instead: "put fields on different grids into different groups",
        })
    }

    pub fn write_constant(&self, variable: usize, field: &Field<'_>) -> Hdf5Result<()> {
        self.variables[variable].dataset.write_raw(&*field.values)
    }

    pub fn append(&self, variable: usize, at: usize, field: &Field<'_>) -> Hdf5Result<()> {
        let shape: Vec<usize> = field.axes.iter().map(|axis| axis.values.len()).collect();
        append(&self.variables[variable].dataset, at, &shape, &field.values)
    }

    /// Appends to `time`, where this group has one.
    pub fn append_time(&self, at: usize, time: f64) -> Hdf5Result<()> {
        match self.scales.iter().find(|scale| self.names.time && scale.name == "time") {
            Some(scale) => append(&scale.dataset, at, &[], &[time]),
            None => Ok(()),
        }
    }
}

fn append(dataset: &Dataset, at: usize, shape: &[usize], values: &[f64]) -> Hdf5Result<()> {
    let whole: Vec<usize> = std::iter::once(at + 1).chain(shape.iter().copied()).collect();
    dataset.resize(&*whole)?;
    let part = |start, count| SliceOrIndex::SliceCount { start, step: 1, count, block: 1 };
    let slab: Vec<SliceOrIndex> =
        std::iter::once(part(at, 1)).chain(shape.iter().map(|&count| part(0, count))).collect();
    let shape: Vec<usize> = std::iter::once(1).chain(shape.iter().copied()).collect();
    let view = ArrayViewD::from_shape(IxDyn(&shape), values).map_err(|error| error.to_string())?;
    dataset.write_slice(view, Selection::from(Hyperslab::from(slab)))
}

/// Whole frames where they are small, several times together; parts of them along the slowest axis where they are large.
pub fn chunk(extents: &[Extent]) -> Vec<usize> {
    let mut chunk: Vec<usize> = extents.iter().map(|extent| extent.dim.max(1)).collect();
    if extents[0].is_unlimited() {
        let frame: usize = chunk.iter().product();
        chunk[0] = (SMALL_CHUNK / frame).max(1);
    }
    for axis in 0..chunk.len() {
        let rest: usize = chunk[axis + 1..].iter().product();
        let before: usize = chunk[..axis].iter().product();
        chunk[axis] = chunk[axis].min((LARGE_CHUNK / (rest * before)).max(1));
    }
    chunk
}
