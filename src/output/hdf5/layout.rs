//! Reading back what [`super::Hdf5File`] has written.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ::hdf5 as library;
use library::types::{VarLenArray, VarLenUnicode};
use library::{Dataset, Location, ObjectReference1, ReferencedObject};

use super::{Hdf5Result, failure};
use crate::error::Result;
use crate::frame::{Coordinate, Field};

/// An attribute of the root that is a text.
///
/// # Errors
/// [`crate::Error::File`] if the file cannot be read or has none of that name.
pub fn read_attribute(path: &Path, name: &str) -> Result<String> {
    let read = || -> Hdf5Result<String> {
        let file = library::File::open(path)?;
        text(&file, name)
    };
    read().map_err(|error| failure(path, &error))
}

/// The fields of a file without their values, in order; time is an ordinary axis of theirs.
pub(crate) fn layout(path: &Path) -> Result<Vec<Field<'static>>> {
    let read = || -> Hdf5Result<Vec<Field<'static>>> {
        let file = library::File::open(path)?;
        let mut fields = Vec::new();
        for group in file.groups()? {
            let mut known: Vec<Arc<Coordinate>> = Vec::new();
            let datasets = group.datasets()?;
            let bounds: Vec<String> = datasets.iter().filter_map(|dataset| text(dataset, "bounds").ok()).collect();
            for dataset in &datasets {
                let name = last(&dataset.name()).to_owned();
                if dataset.attr("CLASS").is_ok() || bounds.contains(&name) {
                    continue;
                }
                let mut axes = Vec::new();
                for scale in scales(&file, dataset)? {
                    axes.push(axis(&group, &scale, &mut known)?);
                }
                let (group, description) = (intern(last(&group.name())), intern(&text(dataset, "long_name")?));
                fields.push(Field { group, name: intern(&name), description, axes, values: Vec::new().into() });
            }
        }
        Ok(fields)
    };
    read().map_err(|error| failure(path, &error))
}

/// The values of a field.
pub(crate) fn values(path: &Path, field: &Field<'_>) -> Result<Vec<f64>> {
    let read = || -> Hdf5Result<Vec<f64>> {
        let file = library::File::open(path)?;
        file.dataset(&format!("{}/{}", field.group, field.name))?.read_raw::<f64>()
    };
    read().map_err(|error| failure(path, &error))
}

fn text(location: &Location, name: &str) -> Hdf5Result<String> {
    Ok(location.attr(name)?.read_scalar::<VarLenUnicode>()?.to_string())
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The dimension scales of a dataset, slowest first.
fn scales(file: &library::File, dataset: &Dataset) -> Hdf5Result<Vec<Dataset>> {
    if dataset.ndim() == 0 {
        return Ok(Vec::new());
    }
    let list = dataset.attr("DIMENSION_LIST")?.read_raw::<VarLenArray<ObjectReference1>>()?;
    let scale = |one: &VarLenArray<ObjectReference1>| match one.iter().next().map(|one| file.dereference(one)) {
        Some(Ok(ReferencedObject::Dataset(scale))) => Ok(scale),
        Some(Err(error)) => Err(error),
        _ => Err(format!("{} has an axis without a scale", dataset.name()).into()),
    };
    list.iter().map(scale).collect()
}

fn axis(group: &library::Group, scale: &Dataset, known: &mut Vec<Arc<Coordinate>>) -> Hdf5Result<Arc<Coordinate>> {
    let name = scale.name();
    let name = last(&name);
    if let Some(axis) = known.iter().find(|axis| axis.name == name) {
        return Ok(Arc::clone(axis));
    }
    let bounds = match text(scale, "bounds") {
        Ok(bounds) => Some(group.dataset(&bounds)?.read_raw::<f64>()?.as_chunks().0.to_vec()),
        Err(_) => None,
    };
    let description = intern(&text(scale, "long_name")?);
    let axis = Arc::new(Coordinate { name: intern(name), description, values: scale.read_raw()?, bounds });
    known.push(Arc::clone(&axis));
    Ok(axis)
}

/// Names live as long as the program, as those in the code do; each is kept once.
pub(crate) fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(name) {
        Some(name) => name,
        None => {
            let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
            names.insert(name);
            name
        }
    }
}
