//! HDF5 files, pictures, provenance.
