//! The slow part of the joint equation: what selection and mutation add.

use super::initial;
use crate::error::{Error, Result, require};
use crate::grid::{FitnessCells, HyperGrid, MutationOperator, ThetaGrid};
use crate::numerics::sum::{dot, sum};
use crate::problem::{Clock, Inheritance, Kernel, Population, Selection, Splitter};

/// Selection and mutation on the joint grid.
///
/// The joint equation reads `∂_t f = A f/ε − (rate + decay) f + gain(f)`; only the gain is non-linear and non-local.
#[derive(Debug, Clone)]
pub(super) struct Slow {
    kind: Kind,
    /// `−κ`, the loss by events (Poisson clock), treated implicitly.
    pub rate: f64,
    /// `β(max F − F)` a cell (replicator form), treated implicitly.
    pub decay: Option<Vec<f64>>,
}

#[derive(Debug, Clone)]
enum Kind {
    None,
    Events(Box<Events>),
    /// `D_h/Δy²` along each axis, and the shape of the places.
    Replicator {
        laplacians: [f64; 2],
        shape: (usize, usize),
    },
}

#[derive(Debug, Clone)]
struct Events {
    splitter: Splitter,
    mutation: MutationOperator,
    places: usize,
    /// The initial law of θ given h, `[θ][h]`, where copies draw their θ from it.
    fresh: Option<Vec<f64>>,
    /// For rules on ranks: the shares of each cell that are kept and copied; of each θ, where the fitness is of θ alone.
    shares: [Vec<f64>; 2],
}

impl Slow {
    /// Evaluates the fitness on the cells and prepares rule and mutation.
    pub fn new(problem: &Population, theta: &ThetaGrid, h: &HyperGrid) -> Result<Self> {
        let fitness = || FitnessCells::new(problem, theta, h);
        match &problem.selection {
            Selection::Off => Ok(Self { kind: Kind::None, rate: 0.0, decay: None }),
            Selection::Events { rule, clock } => {
                let rate = if let Clock::Poisson { rate } = *clock { rate } else { 0.0 };
                let fitness = fitness()?;
                let (splitter, cells) = if rule.is_weight() {
                    (Splitter::new(rule, &fitness.into_joint(h.len()))?, 0)
                } else {
                    let spans = fitness.spans(problem, theta, h);
                    (Splitter::spread(rule, &fitness.values, &spans)?, spans.len())
                };
                let mutation = MutationOperator::new(&problem.mutation, h)?;
                let fresh = match problem.inheritance {
                    Inheritance::Everything => None,
                    Inheritance::Hyperparameters => Some(initial::given_h(problem, theta, h)?),
                };
                let shares = [vec![0.0; cells], vec![0.0; cells]];
                let events = Events { splitter, mutation, places: h.len(), fresh, shares };
                Ok(Self { kind: Kind::Events(Box::new(events)), rate, decay: None })
            }
            Selection::Replicator { beta } => {
                let mut decay = fitness()?.into_joint(h.len());
                let top = decay.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                decay.iter_mut().for_each(|f| *f = beta * (top - *f));
                let mut laplacians = [0.0; 2];
                for (k, (axis, kernel)) in h.axes.iter().zip(&problem.mutation).enumerate() {
                    let diffusion = if let Kernel::Diffusion { diffusion } = *kernel { diffusion } else { 0.0 };
                    if diffusion > 0.0 {
                        // The walls of a diffusion have no flux; clipping and drawing again are rules for steps.
                        require(
                            !axis.clips(),
                            "mutation.diffusion with ends = clip",
                            diffusion,
                            "ends = reflect, which is what walls without flux are",
                        )?;
                        if axis.len() > 1 {
                            laplacians[k + 2 - h.dimension()] = diffusion / (axis.axis.width() * axis.axis.width());
                        }
                    }
                }
                let kind = Kind::Replicator { laplacians, shape: h.shape() };
                Ok(Self { kind, rate: 0.0, decay: Some(decay) })
            }
        }
    }

    /// Half the largest rate of the explicit diffusion in h, `2 Σ D_h/Δy²`; 0 without.
    pub fn diffusion_rate(&self) -> f64 {
        if let Kind::Replicator { laplacians, .. } = self.kind { 2.0 * (laplacians[0] + laplacians[1]) } else { 0.0 }
    }

    /// The longest step at which the explicit diffusion is stable (SBDF3, real axis: about 0.6 over the largest rate).
    pub fn longest_step(&self) -> f64 {
        0.3 / self.diffusion_rate()
    }

    /// Whether the mass must be restored after each step: in replicator form it holds only to the accuracy of the step.
    pub fn renormalises(&self) -> bool {
        matches!(self.kind, Kind::Replicator { .. })
    }

    /// Whether there is any gain in continuous time.
    pub fn is_continuous(&self) -> bool {
        self.renormalises() || self.rate > 0.0
    }

    /// Writes the gain up to a factor to `out` and returns the factor.
    pub fn gain(&mut self, f: &[f64], out: &mut [f64], time: f64) -> Result<f64> {
        match &mut self.kind {
            Kind::None => {
                out.fill(0.0);
                Ok(0.0)
            }
            Kind::Events(_) => {
                let scale = self.event(f, out, time)?;
                Ok(self.rate * scale)
            }
            Kind::Replicator { laplacians, shape: (rows, width) } => {
                // β(F − ⟨F⟩) = β(max F − ⟨F⟩) − β(max F − F); the second part is the decay.
                let growth = self.decay.as_ref().map_or(0.0, |decay| dot(decay, f)) / sum(f);
                if !growth.is_finite() {
                    return Err(Error::Weights { sum: growth, time, hint: "lower β or rescale the fitness" });
                }
                for (out, f) in out.chunks_exact_mut(*width).zip(f.chunks_exact(*width)) {
                    diffuse(f, laplacians[1], growth, out);
                }
                if laplacians[0] > 0.0 {
                    let places = *rows * *width;
                    for (out, f) in out.chunks_exact_mut(places).zip(f.chunks_exact(places)) {
                        diffuse_across(f, laplacians[0], *width, out);
                    }
                }
                Ok(1.0)
            }
        }
    }

    /// The state after an event, up to a factor, which is returned: `kept + M[copied] = factor · out`.
    pub fn event(&mut self, f: &[f64], out: &mut [f64], time: f64) -> Result<f64> {
        let Kind::Events(events) = &mut self.kind else {
            out.copy_from_slice(f);
            return Ok(1.0);
        };
        events.apply(f, out, time)
    }

    /// `⟨w⟩²/⟨w²⟩` under the masses; 1 where there are no weights.
    pub fn effective_sample_size(&self, f: &[f64], time: f64) -> Result<f64> {
        let Kind::Events(events) = &self.kind else { return Ok(1.0) };
        events.splitter.effective_sample_size(f, time)
    }
}

impl Events {
    fn apply(&mut self, f: &[f64], out: &mut [f64], time: f64) -> Result<f64> {
        let Self { splitter, mutation, places, fresh, shares } = self;
        let places = *places;
        if let Some(weights) = splitter.weights(time)? {
            let mean = match fresh {
                None => mutation.apply_weighted(f, weights, out),
                Some(fresh) => {
                    let mut copied = vec![0.0; places];
                    for (f, weights) in f.chunks_exact(places).zip(weights.chunks_exact(places)) {
                        copied.iter_mut().zip(f).zip(weights).for_each(|((c, f), w)| *c += f * w);
                    }
                    redraw(mutation, &copied, fresh, out);
                    sum(&copied)
                }
            };
            if !(mean > 0.0 && mean.is_finite()) {
                let hint = "lower β, or let the initial law reach fitter parameters";
                return Err(Error::Weights { sum: mean, time, hint });
            }
            return Ok(1.0 / mean);
        }
        let [kept, copied] = shares;
        let of_theta = kept.len() < f.len();
        if of_theta {
            let by_theta: Vec<f64> = f.chunks_exact(places).map(sum).collect();
            splitter.shares(&by_theta, kept, copied);
        } else {
            splitter.shares(f, kept, copied);
        }
        match fresh {
            Some(fresh) => {
                let mut all = vec![0.0; places];
                for (cell, f) in f.chunks_exact(places).enumerate() {
                    if of_theta {
                        all.iter_mut().zip(f).for_each(|(c, f)| *c += f * copied[cell]);
                    } else {
                        all.iter_mut().zip(f).zip(&copied[cell * places..]).for_each(|((c, f), w)| *c += f * w);
                    }
                }
                redraw(mutation, &all, fresh, out);
            }
            None if of_theta => {
                mutation.apply(f, out);
                for (out, share) in out.chunks_exact_mut(places).zip(&*copied) {
                    out.iter_mut().for_each(|out| *out *= share);
                }
            }
            None => {
                mutation.apply_weighted(f, copied, out);
            }
        }
        if of_theta {
            for ((out, f), share) in out.chunks_exact_mut(places).zip(f.chunks_exact(places)).zip(&*kept) {
                out.iter_mut().zip(f).for_each(|(out, f)| *out += share * f);
            }
        } else {
            out.iter_mut().zip(f).zip(&*kept).for_each(|((out, f), share)| *out += share * f);
        }
        Ok(1.0)
    }
}

/// Copies mutate in h, then draw θ from the initial law given their new h.
fn redraw(mutation: &MutationOperator, copied: &[f64], fresh: &[f64], out: &mut [f64]) {
    let mut mutated = vec![0.0; copied.len()];
    mutation.apply(copied, &mut mutated);
    for (out, fresh) in out.chunks_exact_mut(copied.len()).zip(fresh.chunks_exact(copied.len())) {
        out.iter_mut().zip(fresh).zip(&mutated).for_each(|((out, p), m)| *out = p * m);
    }
}

/// `out = D/Δy² (f_{k+1} − 2f_k + f_{k−1}) + growth·f` with walls without flux.
fn diffuse(f: &[f64], laplacian: f64, growth: f64, out: &mut [f64]) {
    let n = f.len();
    if n == 1 {
        out[0] = growth * f[0];
        return;
    }
    for k in 1..n - 1 {
        out[k] = growth * f[k] + laplacian * (f[k + 1] - 2.0 * f[k] + f[k - 1]);
    }
    out[0] = growth * f[0] + laplacian * (f[1] - f[0]);
    out[n - 1] = growth * f[n - 1] + laplacian * (f[n - 2] - f[n - 1]);
}

/// Adds the diffusion between rows of `width`, flux by flux.
fn diffuse_across(f: &[f64], laplacian: f64, width: usize, out: &mut [f64]) {
    for from in (width..f.len()).step_by(width) {
        let (before, after) = out.split_at_mut(from);
        let (before, after) = (&mut before[from - width..], &mut after[..width]);
        let (f_before, f_after) = (&f[from - width..from], &f[from..from + width]);
        for k in 0..width {
            let flux = laplacian * (f_before[k] - f_after[k]);
            before[k] -= flux;
            after[k] += flux;
        }
    }
}
