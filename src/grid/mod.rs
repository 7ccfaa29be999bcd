//! Grids and the discrete operators on them.

mod axis;
mod hyper;
mod mutation;

pub use axis::Axis;
pub use hyper::{HyperGrid, INITIAL_MASS_ALLOWED, axis_masses};
pub use mutation::MutationOperator;
