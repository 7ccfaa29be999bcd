//! Small numerical tools that the statement of problems and the solvers share.

pub(crate) mod buffer;
pub mod normal;
pub mod ode;
pub mod sum;
