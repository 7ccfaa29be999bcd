//! Grids and the discrete operators on them.

mod axis;
mod fokker_planck;
mod hyper;
mod mutation;
mod plane;
mod propagator;
mod theta;
mod theta_operator;

pub use axis::Axis;

pub use fokker_planck::{Content, Factors, FokkerPlanck, Potential, Shift, Term};
pub use hyper::{HyperGrid, INITIAL_MASS_ALLOWED, axis_masses};
pub use mutation::MutationOperator;
pub use plane::{PlaneFactors, PlaneFokkerPlanck};
pub use propagator::Propagator;
pub use theta::ThetaGrid;
pub use theta_operator::ThetaOperator;
