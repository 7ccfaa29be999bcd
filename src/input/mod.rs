//! Problems stated in TOML files.
//!
//! A [`Document`] is the text of a file with the settings made on it; [`Document::case`] checks it and gives a [`Case`], which makes
//! the solver, estimates what it costs, and refines itself one way at a time. All errors are [`InputError`]s, with file, line, column
//! and the line itself. `data/examples` has one file a [`Kind`], with every key that needs explaining.
//!
//! ```
//! use learning_dynamics::input::{Document, Kind, template};
//! let mut document = Document::parse(template(Kind::Committee), "committee.toml")?;
//! document.set("time.end", "10.0")?;
//! let case = document.case()?;
//! let mut solver = case.solver()?;
//! # let _ = &mut solver;
//! assert_eq!(case.times, [0.0, 5.0, 10.0]);
//! # Ok::<(), learning_dynamics::input::InputError>(())
//! ```

mod agents;
mod averaged;
mod case;
mod committee;
mod document;
mod error;
mod estimate;
mod formulas;
mod grids;
mod laws;
mod library;
mod losses;
mod neurons;
mod population;
mod reader;
mod refine;
mod results;
mod schedule;
mod time;
mod tree;

#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod mistake_tests;
#[cfg(test)]
mod named_tests;
#[cfg(test)]
mod refine_tests;

pub use case::Case;
pub use document::Document;
pub use error::InputError;
pub use estimate::Estimate;

/// What a file states, and which solver it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`crate::kinetic::Kinetic`].
    Kinetic,
    /// [`crate::averaged::Averaged`].
    Averaged,
    /// [`crate::monte_carlo::Agents`].
    Agents,
    /// [`crate::order_parameters::OrderParameters`], or [`crate::order_parameters::Fluctuations`] with a table `[fluctuations]`.
    Committee,
    /// [`crate::monte_carlo::OnlineSgd`] or [`crate::monte_carlo::OverlapChain`].
    Sgd,
    /// [`crate::neurons::NeuronFlow`].
    Neurons,
    /// [`crate::monte_carlo::Network`].
    Network,
    /// [`crate::neurons::NeuronDensity`].
    NeuronDensity,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Kinetic,
        Self::Averaged,
        Self::Agents,
        Self::Committee,
        Self::Sgd,
        Self::Neurons,
        Self::Network,
        Self::NeuronDensity,
    ];

    /// As files have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kinetic => "kinetic",
            Self::Averaged => "averaged",
            Self::Agents => "agents",
            Self::Committee => "committee",
            Self::Sgd => "sgd",
            Self::Neurons => "neurons",
            Self::Network => "network",
            Self::NeuronDensity => "neuron-density",
        }
    }
}

/// A file of this kind that runs as it stands.
pub fn template(kind: Kind) -> &'static str {
    match kind {
        Kind::Kinetic => include_str!("../../data/examples/kinetic.toml"),
        Kind::Averaged => include_str!("../../data/examples/averaged.toml"),
        Kind::Agents => include_str!("../../data/examples/agents.toml"),
        Kind::Committee => include_str!("../../data/examples/committee.toml"),
        Kind::Sgd => include_str!("../../data/examples/sgd.toml"),
        Kind::Neurons => include_str!("../../data/examples/neurons.toml"),
        Kind::Network => include_str!("../../data/examples/network.toml"),
        Kind::NeuronDensity => include_str!("../../data/examples/neuron-density.toml"),
    }
}
