//! A run in memory.

use std::ops::ControlFlow;
use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::error::{Error, Result};
use crate::frame::{Coordinate, Field, Frame};

/// Every field of every frame seen, time first.
///
/// Pass `|frame| series.visit(frame)` to a solver; after an error what was seen before it is still there.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// The times seen.
    pub times: Vec<f64>,
    fields: Vec<Recorded>,
}

#[derive(Debug, Clone)]
struct Recorded {
    group: &'static str,
    name: &'static str,
    axes: Vec<Arc<Coordinate>>,
    values: Vec<f64>,
}

impl Recorded {
    fn size(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }

    fn is(&self, field: &Field<'_>) -> bool {
        self.group == field.group && self.name == field.name && self.size() == field.values.len()
    }
}

impl Series {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a frame.
    ///
    /// # Errors
    /// [`Error::Shape`] if the fields of the frame are not those of the first one, or a field does not fill its axes.
    /// Nothing of such a frame is kept.
    pub fn visit(&mut self, frame: &Frame<'_>) -> Result<ControlFlow<()>> {
        if self.times.is_empty() {
            self.fields = lay_out(frame)?;
        }
        if frame.fields.len() != self.fields.len() {
            return Err(Error::Shape {
                what: format!("fields of the frame at t = {}", frame.time),
                found: frame.fields.len(),
                expected: self.fields.len(),
            });
        }
        for (recorded, field) in self.fields.iter().zip(&frame.fields) {
            if !recorded.is(field) {
                return Err(Error::Shape {
                    what: format!(
                        "{}/{} at t = {}, where the first frame has {}/{}",
                        field.group, field.name, frame.time, recorded.group, recorded.name
                    ),
                    found: field.values.len(),
                    expected: recorded.size(),
                });
            }
        }
        self.times.push(frame.time);
        for (recorded, field) in self.fields.iter_mut().zip(&frame.fields) {
            recorded.values.extend_from_slice(&field.values);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The fields seen, as (group, name).
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.fields.iter().map(|field| (field.group, field.name))
    }

    /// A field at all times, without copying; the first axis is time.
    ///
    /// # Errors
    /// [`Error::UnknownField`], with a list of the fields there are.
    pub fn view(&self, group: &str, name: &str) -> Result<ArrayViewD<'_, f64>> {
        let field = self.find(group, name)?;
        let shape: Vec<usize> =
            std::iter::once(self.times.len()).chain(field.axes.iter().map(|axis| axis.values.len())).collect();
        ArrayViewD::from_shape(IxDyn(&shape), &field.values)
            .map_err(|error| Error::Library { library: "ndarray", message: error.to_string() })
    }

    /// A copy of a field at all times; the first axis is time.
    ///
    /// # Errors
    /// As for [`Series::view`].
    pub fn array(&self, group: &str, name: &str) -> Result<ArrayD<f64>> {
        Ok(self.view(group, name)?.to_owned())
    }

    /// All values of a field, row-major, time slowest. For a scalar: one value a time.
    ///
    /// # Errors
    /// As for [`Series::view`].
    pub fn values(&self, group: &str, name: &str) -> Result<&[f64]> {
        Ok(&self.find(group, name)?.values)
    }

    /// The values of a field at the last time.
    ///
    /// # Errors
    /// As for [`Series::view`].
    pub fn last(&self, group: &str, name: &str) -> Result<&[f64]> {
        let field = self.find(group, name)?;
        Ok(&field.values[field.values.len() - field.size()..])
    }

    /// The axes of a field, slowest first, time excluded.
    ///
    /// # Errors
    /// As for [`Series::view`].
    pub fn axes(&self, group: &str, name: &str) -> Result<&[Arc<Coordinate>]> {
        Ok(&self.find(group, name)?.axes)
    }

    fn find(&self, group: &str, name: &str) -> Result<&Recorded> {
        self.fields.iter().find(|field| field.group == group && field.name == name).ok_or_else(|| {
            let present: Vec<String> = self.names().map(|(group, name)| format!("{group}/{name}")).collect();
            Error::UnknownField { name: format!("{group}/{name}"), known: present.join(", ") }
        })
    }
}

fn lay_out(frame: &Frame<'_>) -> Result<Vec<Recorded>> {
    let mut fields = Vec::with_capacity(frame.fields.len());
    for field in &frame.fields {
        let recorded = Recorded { group: field.group, name: field.name, axes: field.axes.clone(), values: Vec::new() };
        if recorded.size() != field.values.len() {
            return Err(Error::Shape {
                what: format!("{}/{}", field.group, field.name),
                found: field.values.len(),
                expected: recorded.size(),
            });
        }
        fields.push(recorded);
    }
    Ok(fields)
}
