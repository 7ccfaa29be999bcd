//! Order parameters of online SGD in high dimension (Saad & Solla 1995, Phys. Rev. E 52, 4225), and of anything else.
//!
//! As `d → ∞` the overlaps `Q = WᵀW/d`, `M = WᵀW*/d` and the second layer follow, with `δ_l = a_l g'(u_l)` and `Γ` the error,
//!
//! ```text
//! dQ/dt = −τ E[ Γ (δ ũᵀ + ũ δᵀ) ] + (τ²/B) E[ (Γ² + σ²) δ δᵀ ] − 2τλ Q          E_g = ½ E[ Γ² ]
//! dM/dt = −τ E[ Γ δ ṽᵀ ] − τλ M          da/dt = −τ_a E[ Γ g(u) ]          db/dt = −τ_b E[ Γ δ ]
//! ```
//! [`OrderParameters`] integrates them for a [`crate::problem::Committee`]; [`Trajectory`] integrates any [`Equations`], with
//! [`FromFn`] for a closure.

mod committee;
mod critical_rate;
mod fluctuations;
mod nodes;
mod plateau;
mod steady;
mod step_noise;
mod trajectory;

pub use crate::problem::{correlation, specialization};
pub use committee::CommitteeEquations;
pub use critical_rate::{CriticalRate, critical_learning_rate};
pub use fluctuations::{FluctuationEquations, FluctuationSettings, Fluctuations};
pub use plateau::{Plateau, plateau};
pub use steady::{Steady, jacobian, steady_state};
pub use trajectory::{Equations, FromFn, Trajectory};

use crate::error::Result;
use crate::gaussian::Quadrature;
use crate::problem::Committee;

/// The order parameters of a committee, integrated in time. A [`crate::frame::Solver`].
///
/// Frames hold the group `order_parameters` (`Q`, `M`, `a`, and `b`, `R`, `S`, `T` as far as they move) and the group `errors`:
/// `generalization_error` (`E_g`), `correlation` (`M_in/√(Q_ii P_nn)`), `specialization`, `learning_rate`.
pub type OrderParameters = Trajectory<CommitteeEquations>;

impl OrderParameters {
    /// Starts from the initial overlaps of `problem`. `tolerance` is the error allowed a step, relative and absolute.
    ///
    /// # Errors
    /// Those of [`Committee::validated`] and of the rule.
    pub fn of(problem: Committee, quadrature: Quadrature, tolerance: f64) -> Result<Self> {
        let equations = CommitteeEquations::new(problem, quadrature)?;
        let initial = equations.problem().initial_state();
        Trajectory::new(equations, initial, tolerance)
    }
}

#[cfg(test)]
mod committee_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod tests;
