//! WHAT is to be solved: statements that know no grid, no time step and no file.

mod clock;
mod law;
mod loss;
mod mutation;
mod population;
mod selection;

pub use clock::Clock;
pub(crate) use clock::{ROUNDING, whole_periods};
pub use law::Law;
pub use loss::{DoubleWell, Fitness, FitnessFn, Loss, LossFn, Quadratic, QuadraticFitness};
pub use mutation::{Domain, Ends, Kernel};
pub use population::{Coefficient, Evaluation, Initial, InitialTheta, Population, Sees};
pub use selection::{DonorTable, KEPT, Rule, Selection, Splitter};
