//! Many files of like runs as one, with the swept parameters as leading dimensions.

use std::path::PathBuf;
use std::sync::Arc;

use super::hdf5::{Hdf5File, intern, layout, read_attribute, values};
use super::provenance::Provenance;
use crate::error::{Error, Result};
use crate::frame::{Coordinate, Field};
use crate::numerics::memory;

/// A parameter and the values it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Swept {
    /// Its key in the problem file.
    pub key: String,
    /// Its values, as texts.
    pub values: Vec<String>,
}

impl Swept {
    /// The numbers, if all values are.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let number = |text: &String| text.replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite());
        self.values.iter().map(number).collect()
    }

    /// The last `parts` parts of the key, as a name.
    fn name(&self, parts: usize) -> String {
        let all: Vec<&str> = self.key.split('.').collect();
        let words = all.get(all.len().saturating_sub(parts)..).unwrap_or(&all).join("_");
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
        let name: String = words.chars().map(plain).collect::<String>().trim_matches('_').to_owned();
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("key_{name}") }
    }
}

/// The cases of a sweep: the product of all values, the last parameter fastest.
pub fn cases(swept: &[Swept]) -> Vec<Vec<usize>> {
    swept.iter().fold(vec![Vec::new()], |cases, one| {
        let more = |case: Vec<usize>| (0..one.values.len()).map(move |at| [&case[..], &[at]].concat());
        cases.into_iter().flat_map(more).collect()
    })
}

/// What sets a case apart, for people: `problem.epsilon = 0.1, seed = 2`.
pub fn label(swept: &[Swept], case: &[usize]) -> String {
    let parts = swept
        .iter()
        .zip(case)
        .map(|(one, &at)| format!("{} = {}", one.key, one.values.get(at).map_or("", String::as_str)));
    parts.collect::<Vec<_>>().join(", ")
}

/// Joins the `files` of [`cases`] into a file that is still to be finished; one field at a time is in memory.
///
/// Each field gets the swept parameters as leading dimensions, before time. They are called by the last part of their keys (more
/// parts where that is taken), and their coordinates are the values, or 0, 1, … for values that are no numbers. The attribute
/// `values` of each such coordinate has the values as texts, one a line.
///
/// # Errors
/// [`Error::Unsupported`], with the case, if two cases do not have the same fields, axes and times; [`Error::TooMuchMemory`];
/// [`Error::File`].
pub fn join(path: PathBuf, provenance: &Provenance, swept: &[Swept], files: &[PathBuf]) -> Result<Hdf5File> {
    let cases = cases(swept);
    let Some(first) = files.first() else {
        return Err(Error::Shape { what: "cases of a sweep".into(), found: 0, expected: cases.len() });
    };
    let fields = layout(first)?;
    for (file, case) in files.iter().zip(&cases).skip(1) {
        if let Some(difference) = difference(&fields, &layout(file)?) {
            return Err(Error::Unsupported {
                solver: "a sweep",
                what: format!("{difference} at {} than at {}", label(swept, case), label(swept, &cases[0])),
                instead: "the cases of one file must have the same fields, axes and times: sweep the key by runs of their own",
            });
        }
    }
    let axes = axes(swept, &fields);
    let mut out = Hdf5File::create(path, provenance)?;
    for field in &fields {
        let size: usize = field.axes.iter().map(|axis| axis.values.len()).product();
        memory::ensure("a field of a sweep", (size * files.len()) as u64 * 8)?;
        let mut all = Vec::with_capacity(size * files.len());
        for file in files {
            all.extend(values(file, field)?);
        }
        let axes = axes.iter().chain(&field.axes).cloned().collect();
        let (group, name, description) = (field.group, field.name, field.description);
        out.write_constants(&[Field { group, name, description, axes, values: all.into() }])?;
    }
    let mut groups: Vec<&str> = fields.iter().map(|field| field.group).collect();
    groups.dedup();
    for group in groups {
        for (axis, one) in axes.iter().zip(swept) {
            out.write_axis_attribute(group, axis.name, "values", &one.values.join("\n"))?;
        }
    }
    let mut warnings = Vec::new();
    for (file, case) in files.iter().zip(&cases) {
        let noted = read_attribute(file, "warnings")?;
        warnings.extend(noted.lines().map(|line| format!("{}: {line}", label(swept, case))));
    }
    out.write_attribute("warnings", &warnings.join("\n"))?;
    Ok(out)
}

fn difference(first: &[Field<'_>], other: &[Field<'_>]) -> Option<String> {
    let name = |field: &Field<'_>| format!("{}/{}", field.group, field.name);
    for field in other {
        let Some(same) = first.iter().find(|one| name(one) == name(field)) else {
            return Some(format!("the field {} more", name(field)));
        };
        for (axis, one) in field.axes.iter().zip(&same.axes) {
            if (axis.name, &axis.values, &axis.bounds) != (one.name, &one.values, &one.bounds) {
                return Some(format!("another axis {} of {}", axis.name, name(field)));
            }
        }
        if field.axes.len() != same.axes.len() {
            return Some(format!("other axes of {}", name(field)));
        }
    }
    let missing = first.iter().find(|field| other.iter().all(|one| name(one) != name(field)));
    missing.map(|field| format!("the field {} less", name(field)))
}

/// One axis a parameter, under a name that is not taken.
fn axes(swept: &[Swept], fields: &[Field<'_>]) -> Vec<Arc<Coordinate>> {
    let mut taken: Vec<String> = vec!["time".into(), "ends".into()];
    for field in fields {
        taken.push(field.name.to_owned());
        taken.extend(field.axes.iter().flat_map(|axis| [axis.name.to_owned(), format!("{}_bounds", axis.name)]));
    }
    let mut axes = Vec::new();
    for one in swept {
        let parts = one.key.split('.').count();
        let name = (1..=parts).map(|parts| one.name(parts)).find(|name| !taken.contains(name));
        let name = name.unwrap_or_else(|| format!("{}_{}", one.name(parts), axes.len()));
        taken.push(name.clone());
        let values = one.numbers().unwrap_or_else(|| (0..one.values.len()).map(|at| at as f64).collect());
        let description = intern(&format!("{}, swept", one.key));
        axes.push(Arc::new(Coordinate { name: intern(&name), description, values, bounds: None }));
    }
    axes
}
