//! What a population shows of itself.

use std::sync::Arc;

use rayon::prelude::*;

use super::replica::{BLOCK, Plan, Replica};
use super::settings::AgentSettings;
use super::statistics::{histogram, mean_and_error, quantiles};
use crate::error::Result;
use crate::frame::{Coordinate, Field, Frame};
use crate::problem::Population;

/// The axes of the fields shown.
#[derive(Debug, Clone)]
pub(super) struct Axes {
    h: Arc<Coordinate>,
    quantile: Arc<Coordinate>,
    agent: Arc<Coordinate>,
    component: Arc<Coordinate>,
}

impl Axes {
    pub fn new(problem: &Population, settings: &AgentSettings) -> Self {
        let axis = |name, description, values| Arc::new(Coordinate { name, description, values, bounds: None });
        let numbers = |n: usize| (0..n).map(|k| k as f64).collect();
        let (low, high) = problem.h.first().map_or((0.0, 1.0), |d| (d.low, d.high));
        let at = |k: f64| low + (high - low) * (k / settings.bins as f64);
        let h = Coordinate {
            name: "h",
            description: "hyperparameter",
            values: (0..settings.bins).map(|k| at(k as f64 + 0.5)).collect(),
            bounds: Some((0..settings.bins).map(|k| [at(k as f64), at(k as f64 + 1.0)]).collect()),
        };
        Self {
            h: Arc::new(h),
            quantile: axis("quantile", "share of the agents below", settings.quantiles.clone()),
            agent: axis("agent", "number of the agent in the first replicate", numbers(settings.recorded_agents)),
            component: axis("component", "component of the parameters or hyperparameters", numbers(1)),
        }
    }
}

const MOMENTS: [[&str; 3]; 8] = [
    ["mass", "mass_error", "total mass"],
    ["mean_h", "mean_h_error", "mean of h"],
    ["var_h", "var_h_error", "variance of h"],
    ["mean_theta", "mean_theta_error", "mean of theta"],
    ["var_theta", "var_theta_error", "variance of theta"],
    ["cov_theta_h", "cov_theta_h_error", "covariance of theta and h"],
    ["mean_fitness", "mean_fitness_error", "mean of the fitness F(theta, h)"],
    ["mean_loss", "mean_loss_error", "mean of the loss L(theta, h)"],
];

/// One replicate, summed up.
struct Summary {
    moments: [f64; 8],
    density: Vec<f64>,
    fitness: Vec<f64>,
    loss: Vec<f64>,
}

/// Sums over blocks in the order of the blocks, so that threads do not matter.
fn sums<const K: usize>(replica: &Replica, term: impl Fn(f64, f64) -> [f64; K] + Sync) -> [f64; K] {
    let add = |mut a: [f64; K], b: [f64; K]| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let blocks: Vec<[f64; K]> = (replica.theta.par_chunks(BLOCK).zip(replica.h.par_chunks(BLOCK)))
        .map(|(theta, h)| theta.iter().zip(h).fold([0.0; K], |sum, (t, h)| add(sum, term(*t, *h))))
        .collect();
    blocks.into_iter().fold([0.0; K], add)
}

/// Sum in fixed pieces, for accuracy.
fn sum(values: &[f64]) -> f64 {
    values.chunks(BLOCK).map(|block| block.iter().sum::<f64>()).sum()
}

fn summarise(plan: &Plan, replica: &mut Replica, time: f64) -> Result<Summary> {
    let n = plan.settings.agents as f64;
    let problem = &plan.problem;
    let [mean_theta, mean_h] = sums(replica, |theta, h| [theta, h]).map(|sum| sum / n);
    let [var_theta, var_h, cov] = sums(replica, |theta, h| {
        let (a, b) = (theta - mean_theta, h - mean_h);
        [a * a, b * b, a * b]
    })
    .map(|sum| sum / n);
    let (theta, h) = (&replica.theta, &replica.h);
    let evaluate = |quantity, values: &dyn Values, out: &mut [f64]| {
        let states = theta.par_chunks(BLOCK).zip(h.par_chunks(BLOCK)).zip(out.par_chunks_mut(BLOCK));
        let failure = states.map(|((theta, h), out)| {
            values.write(theta, h, out);
            super::training::check(out, quantity, theta, h, time)
        });
        failure.find_map_first(Result::err).map_or(Ok(()), Err)
    };
    evaluate(
        "fitness",
        &|t: &[f64], h: &[f64], out: &mut [f64]| problem.fitness.values(t, h, out),
        &mut replica.fitness,
    )?;
    let mean_fitness = sum(&replica.fitness) / n;
    let wanted = &plan.settings.quantiles;
    let fitness = if wanted.is_empty() { Vec::new() } else { quantiles(&mut replica.fitness, wanted) };
    let loss_of = |t: &[f64], h: &[f64], out: &mut [f64]| {
        for ((t, h), out) in t.chunks_exact(1).zip(h.chunks_exact(1)).zip(out) {
            *out = problem.loss.value(t, h);
        }
    };
    evaluate("loss", &loss_of, &mut replica.fitness)?;
    let mean_loss = sum(&replica.fitness) / n;
    let loss = if wanted.is_empty() { Vec::new() } else { quantiles(&mut replica.fitness, wanted) };
    let (low, high) = problem.h.first().map_or((0.0, 1.0), |d| (d.low, d.high));
    let bins = plan.settings.bins;
    let scale = bins as f64 / (high - low) / n;
    let density = histogram(&replica.h, low, high, bins).into_iter().map(|count| count * scale).collect();
    let moments = [1.0, mean_h, var_h, mean_theta, var_theta, cov, mean_fitness, mean_loss];
    Ok(Summary { moments, density, fitness, loss })
}

/// A function that fills one number an agent.
trait Values: Sync {
    fn write(&self, theta: &[f64], h: &[f64], out: &mut [f64]);
}

impl<F: Fn(&[f64], &[f64], &mut [f64]) + Sync> Values for F {
    fn write(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        self(theta, h, out);
    }
}

/// The frame at `time`. The fitness arrays of the replicas serve as scratch.
pub(super) fn frame<'a>(plan: &Plan, replicas: &mut [Replica], axes: &Axes, time: f64) -> Result<Frame<'a>> {
    let summaries: Vec<Result<Summary>> = replicas.par_iter_mut().map(|r| summarise(plan, r, time)).collect();
    let summaries = summaries.into_iter().collect::<Result<Vec<_>>>()?;
    let mut fields = Vec::new();
    let over_replicates =
        |values: &dyn Fn(&Summary) -> f64| mean_and_error(&summaries.iter().map(values).collect::<Vec<_>>());
    let array = |fields: &mut Vec<Field<'a>>,
                 group,
                 names: [&'static str; 3],
                 axis: &Arc<Coordinate>,
                 pick: &dyn Fn(&Summary) -> &[f64]| {
        let (means, errors): (Vec<f64>, Vec<Option<f64>>) =
            (0..axis.values.len()).map(|k| over_replicates(&|s| pick(s)[k])).unzip();
        fields.push(Field::array(group, names[0], names[2], &[axis], means));
        if let Some(errors) = errors.into_iter().collect::<Option<Vec<f64>>>() {
            fields.push(Field::array(group, names[1], STANDARD_ERROR, &[axis], errors));
        }
    };
    array(&mut fields, "marginal_h", ["rho", "rho_error", "density of h"], &axes.h, &|s| &s.density);
    for (k, [name, name_error, description]) in MOMENTS.into_iter().enumerate() {
        let (mean, error) = over_replicates(&|s| s.moments[k]);
        fields.push(Field::scalar("moments", name, description, mean));
        if let Some(error) = error {
            fields.push(Field::scalar("moments", name_error, STANDARD_ERROR, error));
        }
    }
    if !plan.settings.quantiles.is_empty() {
        let q = &axes.quantile;
        array(&mut fields, "quantiles", ["fitness", "fitness_error", "quantiles of the fitness"], q, &|s| &s.fitness);
        array(&mut fields, "quantiles", ["loss", "loss_error", "quantiles of the loss"], q, &|s| &s.loss);
    }
    if let (n @ 1.., Some(first)) = (plan.settings.recorded_agents, replicas.first()) {
        let over = [&axes.agent, &axes.component];
        let (theta, h) = (first.theta[..n].to_vec(), first.h[..n].to_vec());
        fields.push(Field::array("trajectories", "theta", "parameters of the agents", &over, theta));
        fields.push(Field::array("trajectories", "h", "hyperparameters of the agents", &over, h));
    }
    Ok(Frame { time, fields })
}

const STANDARD_ERROR: &str = "standard error of the mean over replicates";
