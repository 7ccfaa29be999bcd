//! What selection and mutation return for a density: `M_h[w̄ρ/⟨w̄⟩]`, or `∫(kept + M_h copied)(ρG_h) dθ`.

use super::annealed::Annealed;
use super::effective::{Effective, Weight, log_gibbs};
use crate::error::{Error, Result};
use crate::grid::{FitnessCells, HyperGrid, MutationOperator, spans_of_h};
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
    /// Weights that change in time.
    Annealed(Box<Annealed>),
    /// Ranks, and the law of the fitness given h: `table[h][bin]`, each row summing to 1.
    Ranks { splitter: Box<Splitter>, table: Vec<f64> },
}

/// Working memory of [`Gain::apply`].
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    copied: Vec<f64>,
    /// Weights of an annealed rule at β.
    weights: (Option<f64>, Vec<f64>),
    /// Masses of the bins of those who act and of the pool, and what is kept and copied of each.
    bins: [Vec<f64>; 4],
}

impl Gain {
    pub fn new(
        problem: &Population,
        rule: &Rule,
        grid: &HyperGrid,
        effective: &Effective,
        weight: &Weight,
    ) -> Result<Self> {
        let mutation = MutationOperator::new(&problem.mutation, grid)?;
        if let Rule::Annealed { beta } = rule {
            let annealed = Annealed::new(problem, beta, grid, effective, weight)?;
            return Ok(Self { mutation, rule: GainRule::Annealed(Box::new(annealed)) });
        }
        if rule.is_weight() {
            return Ok(Self { mutation, rule: GainRule::Weights(effective.scaled_weights()?.0) });
        }
        if problem.evaluation.sees == Sees::Effective {
            let splitter = Splitter::spread(rule, &effective.fitness, &spans_of_h(&effective.fitness, grid))?;
            let table = table(&splitter, grid.len(), |place| vec![(place, 1.0)]);
            return Ok(Self { mutation, rule: GainRule::Ranks { splitter: Box::new(splitter), table } });
        }
        let Weight::Quadrature { theta } = weight else {
            return Err(Error::Unsupported {
                solver: "the averaged equation",
                what: format!("{rule:?} with w̄ by {weight:?}"),
                instead: "rules on ranks need cells in θ: use quadrature",
            });
        };
        let fitness = FitnessCells::new(problem, theta, grid)?;
        let splitter = Splitter::spread(rule, &fitness.values, &fitness.spans(problem, theta, grid))?;
        let gibbs: Vec<Vec<f64>> = grid.iter().map(|h| log_gibbs(problem, theta.points(), h)).collect::<Result<_>>()?;
        let table = table(&splitter, grid.len(), |place| {
            // Cells are [θ][h], or [θ].
            let cell = |cell: usize| if fitness.of_h { cell * grid.len() + place } else { cell };
            gibbs[place].iter().enumerate().map(|(t, log)| (cell(t), log.exp())).collect()
        });
        Ok(Self { mutation, rule: GainRule::Ranks { splitter: Box::new(splitter), table } })
    }

    /// `out = M_h[weights·x]`.
    pub fn linear(&self, weights: &[f64], x: &[f64], out: &mut [f64], copied: &mut [f64]) {
        select(x, weights, copied);
        self.mutation.apply(copied, out);
    }

    /// The weights at `time`, over the largest of them; `None` for rules on ranks.
    pub fn weights<'a>(&'a self, scratch: &'a mut (Option<f64>, Vec<f64>), time: f64) -> Result<Option<&'a [f64]>> {
        match &self.rule {
            GainRule::Weights(weights) => Ok(Some(weights)),
            GainRule::Annealed(annealed) => {
                let beta = annealed.beta_at(time)?;
                if scratch.0 != Some(beta) {
                    annealed.weights(beta, time, &mut scratch.1)?;
                    scratch.0 = Some(beta);
                }
                Ok(Some(&scratch.1))
            }
            GainRule::Ranks { .. } => Ok(None),
        }
    }

    /// Writes the gain to `out`; its sum is that of `mass`.
    pub fn apply(&self, mass: &[f64], out: &mut [f64], scratch: &mut Scratch, time: f64) -> Result<()> {
        self.apply_to(mass, mass, out, scratch, time)
    }

    /// What those with the masses `own` become whose donors (and ranks and weights) are those of `pool`; the sum is that of
    /// `own`.
    pub fn apply_to(&self, own: &[f64], pool: &[f64], out: &mut [f64], scratch: &mut Scratch, time: f64) -> Result<()> {
        let places = own.len();
        scratch.copied.resize(places, 0.0);
        let Scratch { copied, weights, bins } = scratch;
        if let Some(weights) = self.weights(weights, time)? {
            let sum = select(pool, weights, copied);
            let total: f64 = own.iter().sum();
            if !(sum > 0.0 && (total / sum).is_finite()) {
                let hint = "lower β, or let the initial law reach fitter hyperparameters";
                return Err(Error::Weights { sum, time, hint });
            }
            let scale = total / sum;
            copied.iter_mut().for_each(|c| *c *= scale);
            self.mutation.apply(copied, out);
            return Ok(());
        }
        let GainRule::Ranks { splitter, table } = &self.rule else { return Ok(()) };
        let Some(ranks) = splitter.ranks() else { return Ok(()) };
        for all in bins.iter_mut() {
            all.resize(ranks.bins(), 0.0);
        }
        let [own_bins, pool_bins, kept, chosen] = bins;
        let gather = |masses: &[f64], bins: &mut [f64]| {
            bins.fill(0.0);
            for (row, mass) in table.chunks_exact(ranks.bins()).zip(masses) {
                // Stages of the integration may dip below zero by the tolerance; ranks need masses.
                let mass = mass.max(0.0);
                bins.iter_mut().zip(row).for_each(|(bin, share)| *bin += mass * share);
            }
        };
        gather(own, own_bins);
        if std::ptr::eq(own, pool) {
            pool_bins.copy_from_slice(own_bins);
        } else {
            gather(pool, pool_bins);
        }
        ranks.profiles(own_bins, pool_bins, kept, chosen);
        let rows = table.chunks_exact(ranks.bins());
        for ((copied, row), mass) in copied.iter_mut().zip(rows.clone()).zip(pool) {
            *copied = mass.max(0.0) * crate::numerics::sum::dot(row, chosen);
        }
        self.mutation.apply(copied, out);
        for ((out, row), mass) in out.iter_mut().zip(rows).zip(own) {
            *out += mass.max(0.0) * crate::numerics::sum::dot(row, kept);
        }
        Ok(())
    }
}

/// The law of the fitness in bins at each place, from the cells there and their masses.
fn table(splitter: &Splitter, places: usize, cells: impl Fn(usize) -> Vec<(usize, f64)>) -> Vec<f64> {
    let Some(ranks) = splitter.ranks() else { return Vec::new() };
    let mut table = vec![0.0; ranks.bins() * places];
    for (place, row) in table.chunks_exact_mut(ranks.bins()).enumerate() {
        for (cell, mass) in cells(place) {
            let (first, shares) = ranks.of(cell);
            row[first..first + shares.len()].iter_mut().zip(shares).for_each(|(bin, share)| *bin += mass * share);
        }
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|bin| *bin /= sum);
    }
    table
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
