//! Files: HDF5 with its provenance, and pictures.

#[cfg(feature = "hdf5")]
pub mod hdf5;
#[cfg(feature = "hdf5")]
pub mod picture;
pub mod plot;
pub mod provenance;
