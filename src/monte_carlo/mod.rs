//! Particle twins of the mean-field equations.
//!
//! [`Agents`] are population based training itself, and Algorithm 2. They share nothing with the grids but the statement of
//! the problem. Results are the same to the last bit for any number of threads and on any machine with IEEE arithmetic
//! (given the loss and fitness are).

mod events;
mod gibbs;
mod initial;
mod observe;
mod population;
mod replica;
pub mod rng;
mod settings;
mod sparse;
pub mod statistics;
mod training;

pub use population::Agents;
pub use settings::{AgentSettings, Dynamics, GibbsGrid, TrainingStep};

#[cfg(test)]
mod sampler_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod time_tests;
