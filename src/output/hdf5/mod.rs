//! One netCDF-4-compatible HDF5 file a run.
//!
//! Each group of fields becomes an HDF5 group that stands alone: it holds its own `time` (unlimited, first axis of
//! every field that changes), its own coordinates as dimension scales, and `NAME_bounds` where the points of a
//! coordinate are cells. So `xarray.open_dataset(path, group="density")` sees named axes, and so do h5py, netCDF4,
//! `ncread` of MATLAB and NCDatasets of Julia.
//!
//! Until [`Hdf5File::finish`] the file bears a temporary name (`run.partial.h5` for `run.h5`), under which there is at any
//! moment a whole file with every frame written so far, whatever ends the run. HDF5 writes the parts of a file one by one,
//! and one killed in between cannot be read; so there are two copies, and only the one at rest bears that name (the other
//! is `run.partial-next.h5`). Where the file system has no hard links there is one copy only, readable unless the run is
//! killed while it writes.

mod attributes;
mod background;
mod group;
mod layout;
mod pair;
mod read;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};

use ::hdf5 as library;

pub use self::background::BackgroundFile;
pub use self::layout::read_attribute;
pub(crate) use self::layout::{intern, layout, values};
pub use self::pair::Hdf5File;
pub use self::read::{RunCoordinate, RunFile, RunGroup, RunVariable};
use crate::error::{Error, Result};
use crate::frame::Field;

type Hdf5Result<T> = std::result::Result<T, library::Error>;

/// `run.h5` → `run.MARK.h5`
fn marked(path: &Path, mark: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(mark);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
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
