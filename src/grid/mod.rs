//! Grids and the discrete operators on them.

mod axis;
mod fields;
mod fitness;
mod fokker_planck;
mod hyper;
mod hyper_axis;
mod mutation;
mod mutation_product;
mod plane;
mod propagator;
mod theta;
mod theta_operator;
mod wells;

pub use axis::Axis;
pub(crate) use fields::{AxisMoments, HyperCoordinates, ThetaCoordinates, Wells, covariances, diagnostics, moment};
pub(crate) use fitness::{FitnessCells, finite, spans_of_h};
pub use fokker_planck::{Content, Factors, FokkerPlanck, Potential, Shift, Term};
pub use hyper::{Cells, Domains, HyperGrid};
pub use hyper_axis::{HyperAxis, INITIAL_MASS_ALLOWED, axis_masses};
pub use mutation::AxisMutation;
pub use mutation_product::MutationOperator;
pub use plane::{PlaneFactors, PlaneFokkerPlanck};
pub use propagator::Propagator;
pub use theta::ThetaGrid;
pub use theta_operator::ThetaOperator;
pub(crate) use wells::well_cut;

#[cfg(test)]
mod tests;
