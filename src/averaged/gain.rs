//! What selection and mutation return for a density: `M_h[w̄ρ/⟨w̄⟩]`, or `∫(kept + M_h copied)(ρG_h) dθ`.

use super::effective::{Effective, Weight, fitness_at, log_gibbs};
use crate::error::{Error, Result};
use crate::grid::{HyperGrid, MutationOperator};
use crate::problem::{Population, Rule, Sees, Splitter};

/// The operator, homogeneous of degree 1: it conserves the sum of its argument.
#[derive(Debug, Clone)]
pub(super) struct Gain {
    pub mutation: MutationOperator,
    pub rule: GainRule,
}

#[derive(Debug, Clone)]
pub(super) enum GainRule {
    /// `w̄/max w̄`.
    Weights(Vec<f64>),
    /// Cells (h, θ), θ fastest, with the Gibbs masses of θ given h.
    Ranks { splitter: Splitter, gibbs: Vec<f64> },
}

/// Working memory of [`Gain::apply`].
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    copied: Vec<f64>,
    joint: [Vec<f64>; 3],
}

impl Gain {
    pub fn new(
        problem: &Population,
        rule: &Rule,
        grid: &HyperGrid,
        effective: &Effective,
        weight: &Weight,
    ) -> Result<Self> {
        let mutation = MutationOperator::new(&problem.mutation[0], grid)?;
        if rule.is_weight() {
            return Ok(Self { mutation, rule: GainRule::Weights(effective.scaled_weights()?.0) });
        }
        if problem.evaluation.sees == Sees::Effective {
            let splitter = Splitter::new(rule, &effective.fitness)?;
            return Ok(Self { mutation, rule: GainRule::Ranks { splitter, gibbs: vec![1.0; grid.len()] } });
        }
        let Weight::Quadrature { theta } = weight else {
            return Err(Error::Unsupported {
                solver: "the averaged equation",
                what: format!("{rule:?} with w̄ by {weight:?}"),
                instead: "rules on ranks need cells in θ: use quadrature",
            });
        };
        let (mut gibbs, mut fitness) = (Vec::new(), Vec::new());
        for &h in &grid.points {
            gibbs.extend(log_gibbs(problem, &theta.centres, h)?.iter().map(|log| log.exp()));
            for &t in &theta.centres {
                fitness.push(fitness_at(problem, &[t], h)?);
            }
        }
        Ok(Self { mutation, rule: GainRule::Ranks { splitter: Splitter::new(rule, &fitness)?, gibbs } })
    }

    /// `out = M_h[weights·x]`.
    pub fn linear(&self, weights: &[f64], x: &[f64], out: &mut [f64], copied: &mut [f64]) {
        select(x, weights, copied);
        self.mutation.apply(copied, out);
    }

    /// Writes the gain to `out`; its sum is that of `mass`.
    pub fn apply(&self, mass: &[f64], out: &mut [f64], scratch: &mut Scratch, time: f64) -> Result<()> {
        let places = mass.len();
        scratch.copied.resize(places, 0.0);
        match &self.rule {
            GainRule::Weights(weights) => {
                let sum = select(mass, weights, &mut scratch.copied);
                let total: f64 = mass.iter().sum();
                if !(sum > 0.0 && (total / sum).is_finite()) {
                    return Err(Error::Weights {
                        sum,
                        time,
                        hint: "lower β, or let the initial law reach fitter hyperparameters",
                    });
                }
                let scale = total / sum;
                scratch.copied.iter_mut().for_each(|c| *c *= scale);
                self.mutation.apply(&scratch.copied, out);
            }
            GainRule::Ranks { splitter, gibbs } => {
                let cells = gibbs.len() / places;
                let [joint, kept, copied] = &mut scratch.joint;
                for all in [&mut *joint, &mut *kept, &mut *copied] {
                    all.resize(gibbs.len(), 0.0);
                }
                for ((joint, gibbs), m) in joint.chunks_exact_mut(cells).zip(gibbs.chunks_exact(cells)).zip(mass) {
                    // Stages of the integration may dip below zero by the tolerance; ranks need masses.
                    let m = m.max(0.0);
                    joint.iter_mut().zip(gibbs).for_each(|(j, g)| *j = m * g);
                }
                splitter.split(joint, kept, copied, time)?;
                for (sum, copied) in scratch.copied.iter_mut().zip(copied.chunks_exact(cells)) {
                    *sum = copied.iter().sum();
                }
                self.mutation.apply(&scratch.copied, out);
                for (out, kept) in out.iter_mut().zip(kept.chunks_exact(cells)) {
                    *out += kept.iter().sum::<f64>();
                }
            }
        }
        Ok(())
    }
}

/// Writes `weights·mass` and returns its sum.
fn select(mass: &[f64], weights: &[f64], copied: &mut [f64]) -> f64 {
    let mut sum = 0.0;
    for ((copied, m), w) in copied.iter_mut().zip(mass).zip(weights) {
        *copied = m * w;
        sum += *copied;
    }
    sum
}
