//! Small numerical tools that the statement of problems and the solvers share.

pub(crate) mod buffer;
pub(crate) mod dissection;
pub(crate) mod gmres;
pub mod memory;
pub mod normal;
pub mod ode;
pub mod rosenbrock;
pub mod state;
pub mod sum;
