//! The slow part of the joint equation: what selection and mutation add.

use crate::error::{Error, Result, require};
use crate::grid::{HyperGrid, MutationOperator, ThetaGrid};
use crate::numerics::sum::{dot, sum};
use crate::problem::{Clock, Kernel, Population, Selection, Splitter};

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
    Events { splitter: Splitter, mutation: Box<MutationOperator>, kept: Vec<f64>, copied: Vec<f64> },
    Replicator { laplacian: f64, places: usize },
}

impl Slow {
    /// Evaluates the fitness on the cells and prepares rule and mutation.
    pub fn new(problem: &Population, theta: &ThetaGrid, h: &HyperGrid) -> Result<Self> {
        let fitness = || cells(theta, h, "fitness", |t, h| problem.fitness.value(t, &[h]));
        match &problem.selection {
            Selection::Off => Ok(Self { kind: Kind::None, rate: 0.0, decay: None }),
            Selection::Events { rule, clock } => {
                let rate = if let Clock::Poisson { rate } = *clock { rate } else { 0.0 };
                let splitter = Splitter::new(rule, &fitness()?)?;
                let mutation = Box::new(MutationOperator::new(&problem.mutation[0], h)?);
                // Weights keep nothing and need no room to divide the mass.
                let room = if rule.is_weight() { Vec::new() } else { vec![0.0; theta.len() * h.len()] };
                Ok(Self {
                    kind: Kind::Events { splitter, mutation, kept: room.clone(), copied: room },
                    rate,
                    decay: None,
                })
            }
            Selection::Replicator { beta } => {
                let mut decay = fitness()?;
                let top = decay.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                decay.iter_mut().for_each(|f| *f = beta * (top - *f));
                let diffusion = if let Kernel::Diffusion { diffusion } = problem.mutation[0] { diffusion } else { 0.0 };
                if diffusion > 0.0 {
                    // The walls of a diffusion have no flux; clipping and drawing again are rules for steps.
                    require(
                        h.first_cell() == 0,
                        "mutation.diffusion with ends = clip",
                        diffusion,
                        "ends = reflect, which is what walls without flux are",
                    )?;
                }
                let laplacian = diffusion / (h.axis.width() * h.axis.width());
                let kind = Kind::Replicator { laplacian, places: h.len() };
                Ok(Self { kind, rate: 0.0, decay: Some(decay) })
            }
        }
    }

    /// Half the largest rate of the explicit diffusion in h, `2D_h/Δh²`; 0 without.
    pub fn diffusion_rate(&self) -> f64 {
        if let Kind::Replicator { laplacian, .. } = self.kind { 2.0 * laplacian } else { 0.0 }
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
            Kind::Events { .. } => {
                let scale = self.event(f, out, time)?;
                Ok(self.rate * scale)
            }
            Kind::Replicator { laplacian, places } => {
                // β(F − ⟨F⟩) = β(max F − ⟨F⟩) − β(max F − F); the second part is the decay.
                let growth = self.decay.as_ref().map_or(0.0, |decay| dot(decay, f)) / sum(f);
                if !growth.is_finite() {
                    return Err(Error::Weights { sum: growth, time, hint: "lower β or rescale the fitness" });
                }
                for (out, f) in out.chunks_exact_mut(*places).zip(f.chunks_exact(*places)) {
                    diffuse(f, *laplacian, growth, out);
                }
                Ok(1.0)
            }
        }
    }

    /// The state after an event, up to a factor, which is returned: `kept + M[copied] = factor · out`.
    pub fn event(&mut self, f: &[f64], out: &mut [f64], time: f64) -> Result<f64> {
        let Kind::Events { splitter, mutation, kept, copied } = &mut self.kind else {
            out.copy_from_slice(f);
            return Ok(1.0);
        };
        if let Splitter::Weights { weights, .. } = splitter {
            let mean = mutation.apply_weighted(f, weights, out);
            if !(mean > 0.0 && mean.is_finite()) {
                let hint = "lower β, or let the initial law reach fitter parameters";
                return Err(Error::Weights { sum: mean, time, hint });
            }
            return Ok(1.0 / mean);
        }
        splitter.split(f, kept, copied, time)?;
        mutation.apply(copied, out);
        out.iter_mut().zip(&*kept).for_each(|(out, kept)| *out += kept);
        Ok(1.0)
    }
}

/// `out = D/Δh² (f_{k+1} − 2f_k + f_{k−1}) + growth·f` with walls without flux.
fn diffuse(f: &[f64], laplacian: f64, growth: f64, out: &mut [f64]) {
    let n = f.len();
    for k in 1..n - 1 {
        out[k] = growth * f[k] + laplacian * (f[k + 1] - 2.0 * f[k] + f[k - 1]);
    }
    out[0] = growth * f[0] + laplacian * (f[1] - f[0]);
    out[n - 1] = growth * f[n - 1] + laplacian * (f[n - 2] - f[n - 1]);
}

/// A function of (θ,h) at the centres of all cells, `[θ][h]`.
///
/// # Errors
/// [`Error::NonFinite`] naming the quantity and the cell.
pub(super) fn cells(
    theta: &ThetaGrid,
    h: &HyperGrid,
    quantity: &'static str,
    function: impl Fn(&[f64], f64) -> f64,
) -> Result<Vec<f64>> {
    let mut values = Vec::with_capacity(theta.len() * h.len());
    for t in theta.iter() {
        for &point in &h.points {
            values.push(finite(quantity, function(t, point), t, point)?);
        }
    }
    Ok(values)
}

/// `value`, if it is a number.
///
/// # Errors
/// [`Error::NonFinite`] naming the quantity and the place.
pub(super) fn finite(quantity: &'static str, value: f64, theta: &[f64], h: f64) -> Result<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Error::NonFinite { quantity, value, theta: theta.to_vec(), h: vec![h], time: 0.0 })
    }
}
