//! Grids and the discrete operators on them.

mod axis;

pub use axis::Axis;
