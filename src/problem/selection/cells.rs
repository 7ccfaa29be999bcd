//! Selection on cells: their mass is divided into what is kept and what is copied.

use super::Rule;
use super::ranks::Ranks;
use crate::error::{Error, Result, require};
use crate::numerics::sum::{dot, dot3, sum};

/// A rule made ready for cells whose fitness does not change: weights and ranks are worked out beforehand.
#[derive(Debug, Clone)]
pub struct Splitter {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Weights(Weights),
    Ranks { ranks: Ranks, work: Work },
}

/// Bins of mass, and the shares of a bin that are kept and copied.
#[derive(Debug, Clone)]
struct Work {
    bins: Vec<f64>,
    kept: Vec<f64>,
    copied: Vec<f64>,
}

/// The weights of cells, over the largest of them.
#[derive(Debug, Clone)]
struct Weights {
    rule: Rule,
    /// Kept where the weights change in time.
    fitness: Vec<f64>,
    weights: Vec<f64>,
    log_scale: f64,
    /// `log w(1)` of the present weights: for an annealed rule the present β.
    beta: Option<f64>,
}

impl Splitter {
    /// Prepares `rule` for cells in each of which all have the same fitness; those of equal fitness tie.
    ///
    /// # Errors
    /// [`Error::Parameter`] where a fitness is NaN, a log-weight NaN or +∞, a fitness negative under
    /// [`Rule::Proportional`], or no weight positive.
    pub fn new(rule: &Rule, fitness: &[f64]) -> Result<Self> {
        if rule.is_weight() {
            return Ok(Self { kind: Kind::Weights(Weights::new(rule, fitness)?) });
        }
        let spans: Vec<[f64; 2]> = fitness.iter().map(|&f| [f, f]).collect();
        Self::spread(rule, fitness, &spans)
    }

    /// Prepares `rule` for cells whose mass is spread evenly over the values `spans` of the fitness, `[lowest, highest]` a
    /// cell, so that rules on ranks see a continuous law of the fitness (second order in the size of the cells). Cells of
    /// width 0 tie with their equals. Weights are those of `fitness`, the value at the centre.
    ///
    /// # Errors
    /// Those of [`Splitter::new`]; [`Error::Shape`] for as many spans as there are not cells.
    pub fn spread(rule: &Rule, fitness: &[f64], spans: &[[f64; 2]]) -> Result<Self> {
        if spans.len() != fitness.len() {
            return Err(Error::Shape { what: "spans of fitness".into(), found: spans.len(), expected: fitness.len() });
        }
        if rule.is_weight() {
            return Self::new(rule, fitness);
        }
        let ranks = Ranks::new(rule, spans)?;
        let room = vec![0.0; ranks.bins()];
        Ok(Self { kind: Kind::Ranks { ranks, work: Work { bins: room.clone(), kept: room.clone(), copied: room } } })
    }

    /// `w/max w` of each cell at `time`; `None` for rules on ranks.
    ///
    /// # Errors
    /// As [`Splitter::new`], for weights that change in time.
    pub fn weights(&mut self, time: f64) -> Result<Option<&[f64]>> {
        match &mut self.kind {
            Kind::Weights(weights) => weights.at(time).map(Some),
            Kind::Ranks { .. } => Ok(None),
        }
    }

    /// The largest `log w` of a cell, at the last time asked; `None` for rules on ranks.
    pub fn log_scale(&self) -> Option<f64> {
        if let Kind::Weights(weights) = &self.kind { Some(weights.log_scale) } else { None }
    }

    /// `⟨w⟩²/⟨w²⟩` under the masses at `time`, in (0, 1]; 1 for rules on ranks.
    ///
    /// # Errors
    /// As [`Splitter::weights`].
    pub fn effective_sample_size(&self, mass: &[f64], time: f64) -> Result<f64> {
        let Kind::Weights(weights) = &self.kind else { return Ok(1.0) };
        let mut weights = std::borrow::Cow::Borrowed(weights);
        if weights.is_stale(time) {
            weights.to_mut().at(time)?;
        }
        let (mean, square) = (dot(mass, &weights.weights), dot3(mass, &weights.weights, &weights.weights));
        Ok(if square > 0.0 { (mean * mean / (square * sum(mass))).min(1.0) } else { 0.0 })
    }

    /// The ranks; `None` for weights.
    pub(crate) fn ranks(&self) -> Option<&Ranks> {
        if let Kind::Ranks { ranks, .. } = &self.kind { Some(ranks) } else { None }
    }

    /// Divides `mass` into what is kept and what is copied: `Σ kept + Σ copied = Σ mass`.
    ///
    /// # Errors
    /// [`Error::Weights`] if no weight is positive where there is mass; those of [`Splitter::weights`].
    pub fn split(&mut self, mass: &[f64], kept: &mut [f64], copied: &mut [f64], time: f64) -> Result<()> {
        let total: f64 = mass.iter().sum();
        match &mut self.kind {
            Kind::Weights(weights) => {
                kept.fill(0.0);
                let mut sum = 0.0;
                for ((copied, m), w) in copied.iter_mut().zip(mass).zip(weights.at(time)?) {
                    *copied = m * w;
                    sum += *copied;
                }
                if !(sum > 0.0 && sum.is_finite()) {
                    let hint = "lower β, or let the initial law reach fitter parameters";
                    return Err(Error::Weights { sum, time, hint });
                }
                let scale = total / sum;
                copied.iter_mut().for_each(|c| *c *= scale);
            }
            Kind::Ranks { .. } => {
                self.shares(mass, kept, copied);
                for ((kept, copied), m) in kept.iter_mut().zip(copied.iter_mut()).zip(mass) {
                    *kept *= m;
                    *copied *= m;
                }
            }
        }
        Ok(())
    }

    /// The shares of each cell that are kept and copied, for rules on ranks; for weights nothing is written.
    pub(crate) fn shares(&mut self, mass: &[f64], kept: &mut [f64], copied: &mut [f64]) {
        if let Kind::Ranks { ranks, work } = &mut self.kind {
            ranks.gather(mass, &mut work.bins);
            ranks.profiles(&work.bins, &work.bins, &mut work.kept, &mut work.copied);
            ranks.shares([&work.kept, &work.copied], [kept, copied]);
        }
    }
}

impl Weights {
    fn new(rule: &Rule, fitness: &[f64]) -> Result<Self> {
        for &f in fitness {
            require(!f.is_nan(), "fitness", f, "a number")?;
            if matches!(rule, Rule::Proportional) {
                require(f >= 0.0, "fitness, as a weight", f, "a number ≥ 0, as proportional selection has w = F")?;
            }
        }
        let kept = if rule.is_steady() { Vec::new() } else { fitness.to_vec() };
        let mut this =
            Self { rule: rule.clone(), fitness: kept, weights: vec![0.0; fitness.len()], log_scale: 0.0, beta: None };
        this.fill(fitness, 0.0)?;
        Ok(this)
    }

    fn is_stale(&self, time: f64) -> bool {
        !self.rule.is_steady() && self.rule.log_weight(1.0, time) != self.beta
    }

    /// Those of `time`, worked out anew only if β has changed.
    fn at(&mut self, time: f64) -> Result<&[f64]> {
        if self.is_stale(time) {
            let fitness = std::mem::take(&mut self.fitness);
            let filled = self.fill(&fitness, time);
            self.fitness = fitness;
            filled?;
        }
        Ok(&self.weights)
    }

    fn fill(&mut self, fitness: &[f64], time: f64) -> Result<()> {
        if !self.rule.is_steady() {
            self.beta = self.rule.log_weight(1.0, time);
            let beta = self.beta.unwrap_or(f64::NAN);
            require(
                beta >= 0.0 && beta.is_finite(),
                format!("selection.beta at t = {time}"),
                beta,
                "a finite number ≥ 0",
            )?;
        }
        for (w, &f) in self.weights.iter_mut().zip(fitness) {
            *w = self.rule.log_weight(f, time).unwrap_or(0.0);
            require(
                *w < f64::INFINITY,
                "selection: log w(F)",
                *w,
                "a number below +∞; lower β or rescale the fitness",
            )?;
        }
        self.log_scale = self.weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let expected = "a finite number: some weight must be positive";
        require(self.log_scale.is_finite(), "selection: largest log w(F)", self.log_scale, expected)?;
        for w in &mut self.weights {
            *w = (*w - self.log_scale).exp();
        }
        Ok(())
    }
}
