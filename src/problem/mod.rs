//! WHAT is to be solved: statements that know no grid, no time step and no file.

mod activation;
mod clock;
mod committee;
mod domain;
mod himmelblau;
mod law;
mod layout;
mod link;
mod loss;
mod mutation;
mod neuron_law;
mod observables;
mod population;
mod rate;
mod regions;
mod selection;
mod single_index;

pub use activation::{Activation, Nonlinearity};
pub use clock::Clock;
pub(crate) use clock::{ROUNDING, whole_periods};
pub use committee::{Committee, Momentum, Student, Teacher};
pub use domain::{Domain, Ends, Scale};
pub use himmelblau::{Himmelblau, Role};
pub use law::Law;
pub(crate) use layout::RUNAWAY;
pub use layout::{Layout, OverlapAxes};
pub use link::Link;
pub use loss::{DoubleWell, Fitness, FitnessFn, Loss, LossFn, Quadratic, QuadraticFitness};
pub use mutation::Kernel;
pub use neuron_law::NeuronLaw;
pub use observables::{correlation, specialization};
pub use population::{Coefficient, Donors, Evaluation, Inheritance, Initial, InitialTheta, Population, Sees};
pub use rate::{LearningRate, Schedule};
pub use regions::Regions;
pub use selection::{DonorTable, KEPT, Rule, Selection, Splitter};
pub use single_index::SingleIndex;
