//! Files: HDF5 with its provenance, and pictures.

#[cfg(feature = "hdf5")]
pub mod hdf5;
pub mod plot;
pub mod provenance;
