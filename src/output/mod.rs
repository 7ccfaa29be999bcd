//! Files: HDF5 with its provenance, and pictures.

pub mod plot;
