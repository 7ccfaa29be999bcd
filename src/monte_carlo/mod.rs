//! Particle twins of the mean-field equations.
//!
//! [`Agents`] are population based training itself, and Algorithm 2. They share nothing with the grids but the statement of
//! the problem. [`OnlineSgd`] is SGD on real weight vectors, and [`OverlapChain`] the exact law of its overlaps at any
//! dimension. Results are the same to the last bit for any number of threads and on any machine with IEEE arithmetic
//! (given the loss and fitness are). [`Network`] is a wide two-layer network on a single-index target; its matrix products are
//! the linear algebra library's, so its bits depend on the instruction set too.

mod asynchronous;
mod checkpoint;
mod chi_square;
mod diagnostics;
mod ensemble;
mod erf_table;
mod events;
mod gibbs;
mod gibbs_table;
mod initial;
mod moments;
mod network;
mod network_run;
mod observe;
mod online_sgd;
mod overlap_chain;
mod pace;
mod plain_chain;
mod population;
mod random_neurons;
mod random_student;
mod replica;
pub mod rng;
mod root;
mod settings;
mod sparse;
pub mod statistics;
mod training;
mod units;
mod weight_pass;

pub use ensemble::SgdSettings;
pub use network::{Gradient, Network, NetworkSettings};
pub use online_sgd::OnlineSgd;
pub use overlap_chain::OverlapChain;
pub use population::Agents;
pub use random_neurons::{NeuronState, random_neurons};
pub use random_student::random_student;
pub use settings::{AgentSettings, Dynamics, GibbsGrid, ThetaBins, TrainingStep};

#[cfg(test)]
mod asynchronous_tests;
#[cfg(test)]
mod diagnostics_tests;
#[cfg(test)]
mod dimension_tests;
#[cfg(test)]
mod exploration_tests;
#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod sampler_tests;
#[cfg(test)]
mod sgd_law_tests;
#[cfg(test)]
mod sgd_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod time_tests;
