//! Solves the macroscopic equations of machine learning, and proves each solver right.

pub mod averaged;
pub mod error;
pub mod exact;
pub mod frame;
pub mod grid;
pub mod kinetic;
pub mod monte_carlo;
pub mod numerics;
pub mod output;
pub mod problem;
pub mod record;

pub use error::{Error, Result, Warning};
