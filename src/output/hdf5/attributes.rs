//! Attributes, with the string types and references that netCDF-4 asks of dimension scales.

use std::ffi::CString;
use std::os::raw::c_void;
use std::str::FromStr;

use ::hdf5 as library;
use hdf5_metno_sys::{h5a, h5i::hid_t, h5p::H5P_DEFAULT, h5s, h5t};
use library::types::{CompoundField, CompoundType, TypeDescriptor, VarLenArray, VarLenUnicode};
use library::{Dataset, Group, H5Type, Location, ObjectReference1};

use super::Hdf5Result;

/// A string of any length, as h5py and netCDF4 write it.
pub fn text(location: &Location, name: &str, value: &str) -> Hdf5Result<()> {
    // HDF5 strings end at the first NUL.
    let value = VarLenUnicode::from_str(&value.replace('\0', " ")).map_err(|error| error.to_string())?;
    location.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&value)
}

/// A number.
pub fn number<T: H5Type>(location: &Location, name: &str, value: T) -> Hdf5Result<()> {
    location.new_attr::<T>().create(name)?.write_scalar(&value)
}

/// Makes a dataset a dimension scale (HDF5 Dimension Scale Specification, 4.2).
///
/// `NAME` and `CLASS` must be null-terminated strings of fixed length. The `hdf5` crate writes null-padded ones, in
/// which netCDF4-C and h5py do not recognise a scale.
pub fn make_scale(dataset: &Dataset, name: &str) -> Hdf5Result<()> {
    null_terminated(dataset, "CLASS", "DIMENSION_SCALE")?;
    null_terminated(dataset, "NAME", name)
}

fn null_terminated(location: &Location, name: &str, value: &str) -> Hdf5Result<()> {
    let (name, value) = match (CString::new(name), CString::new(value)) {
        (Ok(name), Ok(value)) => (name, value),
        _ => return Err("a NUL inside a name".into()),
    };
    let bytes = value.as_bytes_with_nul();
    let status = library::sync::sync(|| {
        // SAFETY: the library's lock is held, each identifier is closed once (closing an invalid one only returns an
        // error), and H5Awrite reads exactly the `bytes.len()` bytes that the datatype was sized for.
        unsafe {
            let datatype = h5t::H5Tcopy(*h5t::H5T_C_S1);
            h5t::H5Tset_size(datatype, bytes.len());
            h5t::H5Tset_strpad(datatype, h5t::H5T_str_t::H5T_STR_NULLTERM);
            let space = h5s::H5Screate(h5s::H5S_class_t::H5S_SCALAR);
            let attribute: hid_t =
                h5a::H5Acreate2(location.id(), name.as_ptr(), datatype, space, H5P_DEFAULT, H5P_DEFAULT);
            let status = h5a::H5Awrite(attribute, datatype, bytes.as_ptr().cast::<c_void>());
            h5a::H5Aclose(attribute);
            h5s::H5Sclose(space);
            h5t::H5Tclose(datatype);
            status
        }
    });
    if status < 0 { Err(format!("could not write the attribute {name:?}").into()) } else { Ok(()) }
}

/// Names the scale of each axis of `dataset`: `DIMENSION_LIST`.
pub fn attach_scales(group: &Group, dataset: &Dataset, scales: &[&str]) -> Hdf5Result<()> {
    let mut list = Vec::with_capacity(scales.len());
    for scale in scales {
        list.push(VarLenArray::from_slice(&[group.reference::<ObjectReference1>(scale)?]));
    }
    dataset.new_attr::<VarLenArray<ObjectReference1>>().shape(list.len()).create("DIMENSION_LIST")?.write_raw(&list)
}

/// One entry of `REFERENCE_LIST`: a dataset that uses the scale, and for which of its axes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Use {
    pub dataset: ObjectReference1,
    pub dimension: i32,
}

// SAFETY: the descriptor lists both fields at their offsets, and the size of the whole.
unsafe impl H5Type for Use {
    fn type_descriptor() -> TypeDescriptor {
        let field = |name: &str, ty, offset, index| CompoundField { name: name.into(), ty, offset, index };
        TypeDescriptor::Compound(CompoundType {
            fields: vec![
                field("dataset", ObjectReference1::type_descriptor(), std::mem::offset_of!(Use, dataset), 0),
                field("dimension", i32::type_descriptor(), std::mem::offset_of!(Use, dimension), 1),
            ],
            size: size_of::<Use>(),
        })
    }
}

/// Names, on the scale, every dataset that uses it and for which axis: `REFERENCE_LIST`.
pub fn write_reference_list(group: &Group, scale: &Dataset, uses: &[(String, usize)]) -> Hdf5Result<()> {
    const NAME: &str = "REFERENCE_LIST";
    let mut list = Vec::with_capacity(uses.len());
    for (dataset, dimension) in uses {
        list.push(Use { dataset: group.reference::<ObjectReference1>(dataset)?, dimension: *dimension as i32 });
    }
    if scale.attr_names()?.iter().any(|name| name == NAME) {
        scale.delete_attr(NAME)?;
    }
    if list.is_empty() {
        return Ok(());
    }
    scale.new_attr::<Use>().shape(list.len()).create(NAME)?.write_raw(&list)
}
