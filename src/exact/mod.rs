//! Exact results, each with its source: what grids and agents are checked against.
//!
//! Nothing here uses a solver of this crate. Formulas are in the notation of the front page; all quantities are
//! dimensionless.

mod affine;
pub mod generations;
pub mod gibbs;
pub mod learning_order;
pub mod linear_momentum;
pub mod linear_sgd;
pub mod linear_student;
pub mod lqg;
mod moments;
pub mod ornstein_uhlenbeck;
pub mod perron;
pub mod propagator;
pub mod riccati;
pub mod truncation;

pub use learning_order::LearningOrder;
pub use linear_momentum::LinearMomentum;
pub use linear_sgd::LinearSgd;
pub use linear_student::LinearStudent;
pub use moments::GaussianMoments;

#[cfg(test)]
mod tests;
