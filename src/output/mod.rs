//! Files: HDF5 with its provenance, pictures, checkpoints; runs that write them and go on from them.

pub mod checkpoint;
#[cfg(feature = "hdf5")]
pub mod hdf5;
#[cfg(feature = "hdf5")]
pub mod picture;
pub mod plot;
pub mod provenance;
#[cfg(feature = "hdf5")]
pub mod run;
#[cfg(feature = "hdf5")]
pub mod sweep;
