//! What a population shows of itself.

use std::sync::Arc;

use rayon::prelude::*;

use super::diagnostics::{self, LARGEST, Lineage};
use super::moments::{Bins, Moments, density, histogram};
use super::replica::{BLOCK, Plan, Replica};
use super::settings::AgentSettings;
use super::statistics::{mean_and_error, quantiles};
use crate::error::{Error, Result};
use crate::frame::{Coordinate, Field, Frame};
use crate::problem::{Domain, Ends, Population, Regions};

type Axis = Arc<Coordinate>;

/// The axes of the fields shown, and the bins of histograms.
#[derive(Debug, Clone)]
pub(super) struct Axes {
    /// Bins of each component of h, and the axes of their counts: all of h together for dh ≤ 2.
    h: (Vec<Bins>, Vec<Axis>),
    /// The same for θ, if wanted.
    theta: (Vec<Bins>, Vec<Axis>),
    /// Components of θ and of h, each twice.
    components: [[Axis; 2]; 2],
    quantile: Axis,
    agent: Axis,
    /// Names the only component where dθ = dh = 1.
    component: Axis,
    rank: Axis,
    region: Axis,
}

fn axis(name: &'static str, description: &'static str, values: Vec<f64>) -> Axis {
    Arc::new(Coordinate { name, description, values, bounds: None })
}

fn numbers(first: usize, n: usize) -> Vec<f64> {
    (first..first + n).map(|k| k as f64).collect()
}

fn binned(name: &'static str, description: &'static str, bins: &Bins) -> Axis {
    Arc::new(Coordinate { name, description, values: bins.centres(), bounds: Some(bins.bounds()) })
}

impl Axes {
    pub fn new(problem: &Population, settings: &AgentSettings) -> Result<Self> {
        let (dim_theta, dim_h) = (problem.loss.dimension(), problem.h.len());
        let h: Vec<Bins> = problem.h.iter().map(|domain| Bins::new(*domain, settings.bins, true)).collect();
        let h_axes = match &h[..] {
            [bins] => vec![binned("h", "hyperparameter", bins)],
            [a, b] => vec![binned("h_1", "first hyperparameter", a), binned("h_2", "second hyperparameter", b)],
            _ => vec![
                axis("h_component", "number of the hyperparameter", numbers(1, dim_h)),
                binned(
                    "bin",
                    "place in the domain of the hyperparameter, 0 to 1 in the coordinate of its scale",
                    &Bins::new(Domain::linear(0.0, 1.0, Ends::Clip), settings.bins, true),
                ),
            ],
        };
        let cells: usize = h_axes.iter().map(|axis| axis.values.len()).product();
        crate::error::require(
            cells <= 1 << 24,
            "record.bins (all together)",
            cells as f64,
            "at most 2^24 in all components together",
        )?;
        let theta: Vec<Bins> = settings
            .theta_bins
            .iter()
            .map(|b| Bins::new(Domain::linear(b.low, b.high, Ends::Clip), b.bins, false))
            .collect();
        let theta_axes = match &theta[..] {
            [] => vec![],
            [bins] if dim_theta == 1 => vec![binned("theta", "parameter", bins)],
            [a, b] if dim_theta == 2 => {
                vec![binned("theta_1", "first parameter", a), binned("theta_2", "second parameter", b)]
            }
            _ if dim_theta <= 2 => {
                let what = "record.theta (bins, one entry a component)".into();
                return Err(Error::Shape { what, found: theta.len(), expected: dim_theta });
            }
            _ => {
                return Err(Error::Unsupported {
                    solver: "the histogram of θ",
                    what: format!("dθ = {dim_theta}"),
                    instead: "it is there for dθ = 1 and 2",
                });
            }
        };
        let regions = settings.regions.as_ref().map_or(&[][..], Regions::names);
        Ok(Self {
            h: (h, h_axes),
            theta: (theta, theta_axes),
            components: [
                [
                    axis("theta_component", "number of the parameter", numbers(1, dim_theta)),
                    axis("theta_component_2", "number of the other parameter", numbers(1, dim_theta)),
                ],
                [
                    axis("h_component", "number of the hyperparameter", numbers(1, dim_h)),
                    axis("h_component_2", "number of the other hyperparameter", numbers(1, dim_h)),
                ],
            ],
            quantile: axis("quantile", "share of the agents below", settings.quantiles.clone()),
            agent: axis("agent", "number of the agent in the first replicate", numbers(0, settings.recorded_agents)),
            component: axis("component", "component of the parameters or hyperparameters", numbers(0, 1)),
            rank: axis("rank", "place of the ancestor in the order of shares", numbers(1, LARGEST)),
            region: axis("region", lasting(regions), numbers(0, regions.len())),
        })
    }

    /// Those of `wanted` (parts of θ: 0, of h: 1) that have more than one component.
    fn of(&self, wanted: &[(usize, usize)]) -> Vec<Axis> {
        let axes = wanted.iter().map(|(part, copy)| &self.components[*part][*copy]);
        axes.filter(|axis| axis.values.len() > 1).map(Arc::clone).collect()
    }
}

/// A description that names the regions. Descriptions live as long as the program: those of regions are kept, once for each
/// set of names.
fn lasting(names: &[String]) -> &'static str {
    static KEPT: std::sync::Mutex<Vec<&'static str>> = std::sync::Mutex::new(Vec::new());
    let text = format!("region of theta: {}", names.join(", "));
    let mut kept = KEPT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match kept.iter().find(|known| **known == text) {
        Some(known) => known,
        None => {
            let text: &'static str = Box::leak(text.into_boxed_str());
            kept.push(text);
            text
        }
    }
}

/// One field of one replicate: name, name of its error, description.
struct Shown {
    group: &'static str,
    names: [&'static str; 3],
    axes: Vec<Axis>,
    values: Vec<f64>,
}

/// Sum in fixed pieces, for accuracy.
fn sum(values: &[f64]) -> f64 {
    values.chunks(BLOCK).map(|block| block.iter().sum::<f64>()).sum()
}

fn moments(plan: &Plan, replica: &Replica, axes: &Axes, means: [f64; 2], shown: &mut Vec<Shown>) {
    let (dim_theta, dim_h) = plan.dims();
    let Moments { mean, covariance } = Moments::new(&replica.state.theta, dim_theta, &replica.state.h, dim_h);
    let d = dim_theta + dim_h;
    let block = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| -> Vec<f64> {
        rows.flat_map(|i| columns.clone().map(move |j| (i, j))).map(|(i, j)| covariance[i * d + j]).collect()
    };
    let diagonal = |of: std::ops::Range<usize>| -> Vec<f64> { of.map(|i| covariance[i * d + i]).collect() };
    let (theta, h) = (0..dim_theta, dim_theta..d);
    let mut add = |names, wanted: &[(usize, usize)], values| {
        shown.push(Shown { group: "moments", names, axes: axes.of(wanted), values });
    };
    add(["mass", "mass_error", "total mass"], &[], vec![1.0]);
    add(["mean_h", "mean_h_error", "mean of h"], &[(1, 0)], mean[h.clone()].to_vec());
    add(["var_h", "var_h_error", "variance of h"], &[(1, 0)], diagonal(h.clone()));
    if dim_h > 1 {
        add(["cov_h", "cov_h_error", "covariance of h"], &[(1, 0), (1, 1)], block(h.clone(), h.clone()));
    }
    add(["mean_theta", "mean_theta_error", "mean of theta"], &[(0, 0)], mean[theta.clone()].to_vec());
    add(["var_theta", "var_theta_error", "variance of theta"], &[(0, 0)], diagonal(theta.clone()));
    if dim_theta > 1 {
        let names = ["cov_theta", "cov_theta_error", "covariance of theta"];
        add(names, &[(0, 0), (0, 1)], block(theta.clone(), theta.clone()));
    }
    let names = ["cov_theta_h", "cov_theta_h_error", "covariance of theta and h"];
    add(names, &[(0, 0), (1, 0)], block(theta, h.clone()));
    add(["mean_fitness", "mean_fitness_error", "mean of the fitness F(theta, h)"], &[], vec![means[0]]);
    add(["mean_loss", "mean_loss_error", "mean of the loss L(theta, h)"], &[], vec![means[1]]);
    let diversity = diagnostics::diversity(&plan.problem.h, &replica.state.h, &diagonal(h));
    let names = ["diversity", "diversity_error", "mean squared distance of two h in units of the domain"];
    shown.push(Shown { group: "diagnostics", names, axes: vec![], values: vec![diversity] });
}

/// Everything that one replicate shows, in order.
fn summarise(plan: &Plan, replica: &mut Replica, axes: &Axes, time: f64) -> Result<Vec<Shown>> {
    let n = plan.settings.agents;
    let (dim_theta, dim_h) = plan.dims();
    let problem = &plan.problem;
    let wanted = &plan.settings.quantiles;
    let (theta, h) = (&replica.state.theta, &replica.state.h);
    let mut of_agents = |quantity, values: &(dyn Fn(&[f64], &[f64], &mut [f64]) + Sync)| -> Result<(f64, Vec<f64>)> {
        let out = &mut replica.fitness;
        let states =
            theta.par_chunks(BLOCK * dim_theta).zip(h.par_chunks(BLOCK * dim_h)).zip(out.par_chunks_mut(BLOCK));
        let failure = states.map(|((theta, h), out)| {
            values(theta, h, out);
            super::training::check(out, quantity, theta, h, time)
        });
        failure.find_map_first(Result::err).map_or(Ok(()), Err)?;
        let mean = sum(out) / n as f64;
        Ok((mean, if wanted.is_empty() { Vec::new() } else { quantiles(out, wanted) }))
    };
    let (mean_fitness, fitness) = of_agents("fitness", &|t, h, out| problem.fitness.values(t, h, out))?;
    let (mean_loss, loss) = of_agents("loss", &|t, h, out| {
        for ((t, h), out) in t.chunks_exact(dim_theta).zip(h.chunks_exact(dim_h)).zip(out) {
            *out = problem.loss.value(t, h);
        }
    })?;
    let mut shown = Vec::new();
    let mut entropy = None;
    let (bins, over) = &axes.h;
    let rho = if dim_h <= 2 {
        let counts = histogram(h, bins);
        let rho = density(&counts, bins, n);
        entropy = Some(diagnostics::entropy(&counts, &rho, n));
        rho
    } else {
        let one = |(k, bins): (usize, &Bins)| {
            let values: Vec<f64> = h.iter().skip(k).step_by(dim_h).copied().collect();
            let bins = std::slice::from_ref(bins);
            density(&histogram(&values, bins), bins, n)
        };
        bins.iter().enumerate().flat_map(one).collect()
    };
    let names = ["rho", "rho_error", "density of h"];
    shown.push(Shown { group: "marginal_h", names, axes: over.clone(), values: rho });
    moments(plan, replica, axes, [mean_fitness, mean_loss], &mut shown);
    let mut add = |group, names, axes: &[&Axis], values| {
        shown.push(Shown { group, names, axes: axes.iter().map(|axis| Arc::clone(axis)).collect(), values });
    };
    if let Some(entropy) = entropy {
        add("diagnostics", ["entropy", "entropy_error", "entropy of the density of h in its bins"], &[], vec![entropy]);
    }
    if !wanted.is_empty() {
        let q = &axes.quantile;
        add("quantiles", ["fitness", "fitness_error", "quantiles of the fitness"], &[q], fitness);
        add("quantiles", ["loss", "loss_error", "quantiles of the loss"], &[q], loss);
    }
    let (bins, over) = &axes.theta;
    if !bins.is_empty() {
        let rho = density(&histogram(&replica.state.theta, bins), bins, n);
        let over: Vec<&Axis> = over.iter().collect();
        add("marginal_theta", ["rho", "rho_error", "density of theta"], &over, rho);
    }
    if let Some(probabilities) = diagnostics::probabilities(plan, &replica.state.theta) {
        let names = ["probability", "probability_error", "probability of each region"];
        add("wells", names, &[&axes.region], probabilities);
    }
    if plan.settings.lineage {
        let Lineage { surviving, effective_number, largest } = Lineage::new(&replica.state.ancestors);
        let names = ["surviving", "surviving_error", "ancestors with living descendants"];
        add("lineage", names, &[], vec![surviving]);
        let names = ["largest_share", "largest_share_error", "share of the descendants of one ancestor, the largest"];
        add("lineage", names, &[], vec![largest[0]]);
        let names = ["effective_number", "effective_number_error", "one over the sum of squared shares of ancestors"];
        add("lineage", names, &[], vec![effective_number]);
        add("lineage", ["share", "share_error", "the largest shares of ancestors"], &[&axes.rank], largest);
    }
    if let Some((rule, _)) = problem.events() {
        let size = if rule.is_weight() {
            replica.evaluate(plan, None)?;
            diagnostics::effective_sample_size(rule, replica.seen(), time)
        } else {
            1.0
        };
        let names =
            ["effective_sample_size", "effective_sample_size_error", "of the weights, as a share of all agents"];
        add("diagnostics", names, &[], vec![size]);
    }
    Ok(shown)
}

/// The frame at `time`. The fitness arrays of the replicas serve as scratch.
pub(super) fn frame<'a>(
    plan: &Plan,
    replicas: &mut [Replica],
    axes: &Axes,
    time: f64,
    after_event: bool,
) -> Result<Frame<'a>> {
    let summaries: Vec<Result<Vec<Shown>>> = replicas.par_iter_mut().map(|r| summarise(plan, r, axes, time)).collect();
    let mut summaries = summaries.into_iter().collect::<Result<Vec<_>>>()?;
    let mut fields = Vec::new();
    let first = if summaries.is_empty() { Vec::new() } else { summaries.remove(0) };
    for (k, Shown { group, names, axes, values }) in first.into_iter().enumerate() {
        let over_replicates = |(at, value): (usize, f64)| {
            let values: Vec<f64> = std::iter::once(value).chain(summaries.iter().map(|s| s[k].values[at])).collect();
            mean_and_error(&values)
        };
        let (means, errors): (Vec<f64>, Vec<Option<f64>>) = values.into_iter().enumerate().map(over_replicates).unzip();
        let errors = errors.into_iter().collect::<Option<Vec<f64>>>();
        let mut push = |name, description, values| {
            fields.push(Field {
                group,
                name,
                description,
                axes: axes.clone(),
                values: std::borrow::Cow::Owned(values),
            });
        };
        push(names[0], names[2], means);
        if let Some(errors) = errors {
            push(names[1], "standard error of the mean over replicates", errors);
        }
    }
    if plan.settings.before_events {
        let description = "0 just before an event, else 1";
        fields.push(Field::scalar("moments", "after_event", description, f64::from(after_event)));
    }
    if let (n @ 1.., Some(first)) = (plan.settings.recorded_agents, replicas.first()) {
        let (dim_theta, dim_h) = plan.dims();
        let [of_theta, of_h] = if (dim_theta, dim_h) == (1, 1) {
            [&axes.component, &axes.component]
        } else {
            [&axes.components[0][0], &axes.components[1][0]]
        };
        let (theta, h) = (first.state.theta[..n * dim_theta].to_vec(), first.state.h[..n * dim_h].to_vec());
        let names = ["parameters of the agents", "hyperparameters of the agents"];
        fields.push(Field::array("trajectories", "theta", names[0], &[&axes.agent, of_theta], theta));
        fields.push(Field::array("trajectories", "h", names[1], &[&axes.agent, of_h], h));
    }
    Ok(Frame { time, fields })
}
