//! Wide two-layer networks on single-index targets: the stiff flows of their neurons, and the density that these become.
//!
//! ```text
//! full        ε a_i' = V(s_i) − (1/m) Σ_j a_j U(r_ij)
//!             s_i'   = a_i [ V'(s_i)(1−s_i²) − (1/m) Σ_j a_j U'(r_ij)(s_j − r_ij s_i) ]
//!             r_ij'  = a_i [ V'(s_i)(s_j − r_ij s_i) − (1/m) Σ_p a_p U'(r_ip)(r_jp − r_ip r_ij) ] + (i ↔ j)
//! simplified  ε a_i' = V(s_i) − (1/m) Σ_j a_j U(s_i s_j)
//!             s_i'   = a_i (1−s_i²) ( V'(s_i) − (1/m) Σ_j a_j s_j U'(s_i s_j) )
//! ```
//! with `V(s) = Σ_k φ_k σ_k s^k`, `U(r) = Σ_k σ_k² r^k` ([`crate::gaussian::DualKernel`]). The simplified flow is the full one
//! where `r_ij = s_i s_j` also on the diagonal: `d → ∞` and `m ≫ ε^(−1/2)` neurons that start perpendicular to the target and to
//! each other. Berthier, Montanari & Zhou (2024), eqs. (8), (11).
//! Infinitely many neurons are a density, [`NeuronDensity`].

mod closed;
mod density;
mod flow;
mod full;
mod learning_times;
mod series;

pub use density::{DensitySettings, DensityStatistics, DensitySteps, NeuronDensity};
pub use flow::{Flow, FlowSettings, NeuronFlow};
pub use learning_times::{learning_times, learning_times_of};

#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod tests;
