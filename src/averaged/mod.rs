//! The averaged equation: the density ρ(t,h) of the hyperparameter when training is infinitely fast (ε → 0).
//!
//! For each h the parameters follow their Gibbs law `G_h ∝ exp(−μL/D)`, so only the effective weight and fitness remain:
//!
//! ```text
//! w̄(h) = ∫ w(F(θ,h)) G_h(θ) dθ,      F̄(h) = ∫ F(θ,h) G_h(θ) dθ
//! events, Poisson clock      ∂_t ρ = κ( M_h[w̄ρ/⟨w̄⟩] − ρ )
//! events, periodic clock     ρ ← M_h[w̄ρ/⟨w̄⟩]   at T_s, 2T_s, …
//! replicator–mutator         ∂_t ρ = D_h ∂²_h ρ + β(F̄ − ⟨F̄⟩)ρ,   no flux through the ends
//! rules on ranks             M_h[w̄ρ/⟨w̄⟩] is replaced by ∫ (kept + M_h copied)(ρG_h) dθ
//! ```
//! Weights may change in time, `w̄(h,t)`. Asynchronous training, in which an agent at its own event copies what others published
//! at theirs (density π), or in which everybody has events at times of his own, one period T apart:
//!
//! ```text
//! published, Poisson clock   ∂_t ρ = κ( M_h[w̄π/⟨w̄⟩_π] − ρ ),   ∂_t π = κ(ρ − π)
//! staggered clock            ∂_t ρ = (post(t) − post(t−T))/T,   post = M_h[w̄ρ/⟨w̄⟩]
//! staggered and published    ∂_t π = (ψ(t) − ψ(t−T))/T,   ψ(t) = post(t−T),   post = M_h[w̄π/⟨w̄⟩_π]
//! ```
//! with ranks in place of weights: who has an event compares himself with the donors.
//!
//! [`effective`] computes w̄ and F̄, [`Averaged`] solves the equation, [`Averaged::stationary`] finds its stationary
//! law and growth rate. One or two hyperparameters.

mod advance;
mod annealed;
mod checkpoint;
pub mod effective;
mod frames;
mod gain;
mod hermite;
mod jump;
mod krylov;
mod replicator;
mod sampling;
mod series;
mod solver;
mod staggered;
mod stationary;

pub use effective::{Effective, Weight};
pub use solver::{Averaged, Settings};
pub use stationary::Stationary;

#[cfg(test)]
mod asynchronous_tests;
#[cfg(test)]
mod effective_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod tail_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_tests;
