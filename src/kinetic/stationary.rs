//! The stationary state of the joint equation, as a fixed point.

use super::Kinetic;
use super::factors::Kept;
use crate::error::{Error, Result};
use crate::grid::{Shift, Term};
use crate::problem::{Clock, Selection};

/// Iterations after which the fixed point is given up.
const ITERATIONS: usize = 50_000;
/// L1 change of one iteration, relative, at which it ends: rounding of one sweep.
const CONVERGED: f64 = 1e-14;

/// The stationary state of the joint equation.
#[derive(Debug, Clone, PartialEq)]
pub struct Stationary {
    /// Masses of the cells, `[θ][h]`, summing to 1.
    pub masses: Vec<f64>,
    /// L1 norm of the last change.
    pub residual: f64,
    /// Iterations made.
    pub iterations: usize,
}

impl Kinetic {
    /// The stationary state, by the fixed point of
    ///
    /// ```text
    /// f ← (κ − A/ε)⁻¹ κ( kept + M_h[copied] )                      events, Poisson clock
    /// f ← (s + β(max F − F) − A/ε)⁻¹ (s + β(max F − ⟨F⟩) + D_h Δ_h) f      replicator form, s = 2D_h/Δh²
    /// ```
    /// For weight rules this is the power method for a matrix without negative entries, which has one attractor (Perron).
    ///
    /// # Errors
    /// [`Error::NotConverged`]; [`Error::Unsupported`] for a periodic clock, whose states are periodic, and without selection,
    /// where any marginal of h is stationary.
    pub fn stationary(&self) -> Result<Stationary> {
        let unsupported = |what: &str, instead| {
            Err(Error::Unsupported { solver: "the stationary state", what: what.into(), instead })
        };
        match self.problem.selection {
            Selection::Off => return unsupported("a problem without selection", "it is ρ(h) G_h(θ) for any ρ"),
            Selection::Events { clock: Clock::Periodic { .. }, .. } => {
                return unsupported("a periodic clock", "run for many periods and look just after an event");
            }
            Selection::Events { clock: Clock::Poisson { rate }, .. } if rate <= 0.0 => {
                return unsupported("events at rate 0", "it is ρ(h) G_h(θ) for any ρ");
            }
            Selection::Events { ref rule, .. } if !rule.is_steady() => {
                return unsupported("a rule that changes in time", "run in time instead");
            }
            _ => {}
        }
        let mut operators = self.operators.clone();
        let mut factors = Kept::new(&operators.fast);
        let mut state = self.masses().to_vec();
        let (mut gain, mut next) = (state.clone(), state.clone());
        let c = 1.0 / operators.epsilon;
        // Keeps the fastest mode of the explicit diffusion within the circle of convergence.
        let diffusion = operators.slow.diffusion_rate().max(1e-3);
        let mut residual = f64::INFINITY;
        for iteration in 1..=ITERATIONS {
            let scale = operators.slow.gain(&state, &mut gain, 0.0)?;
            let decay = operators.slow.decay.as_deref();
            let (q, keep) = if decay.is_some() { (diffusion, diffusion) } else { (operators.slow.rate, 0.0) };
            let terms = [Term::new(scale, &gain), Term::new(keep, &state)];
            let total = factors.solve(&operators.fast, Shift { q, decay, c }, &terms, None, &mut next).total;
            next.iter_mut().for_each(|f| *f /= total);
            residual = state.iter().zip(&next).map(|(a, b)| (a - b).abs()).sum();
            std::mem::swap(&mut state, &mut next);
            if residual <= CONVERGED {
                return Ok(Stationary { masses: state, residual, iterations: iteration });
            }
        }
        Err(Error::NotConverged {
            what: "the stationary state",
            iterations: ITERATIONS,
            residual,
            tolerance: CONVERGED,
        })
    }
}
