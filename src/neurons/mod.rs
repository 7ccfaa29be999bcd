//! Wide two-layer networks that learn a function of one direction: the density of their neurons.

mod density;

pub use density::{DensitySettings, DensityStatistics, DensitySteps, NeuronDensity};
