//! `kind = "neurons"`, `"network"` and `"neuron-density"`: wide networks on a single-index target.

use ndarray::Array2;
use rand::Rng;

use super::committee::activation;
use super::grids::{self, Cells};
use super::laws;
use super::reader::{FINITE, Item, POSITIVE, Range, Read, Table};
use crate::error::Result;
use crate::monte_carlo::rng::{Generator, Key, Purpose};
use crate::monte_carlo::{Gradient, NetworkSettings, NeuronState, random_neurons};
use crate::neurons::{DensitySettings, DensitySteps, Flow, FlowSettings};
use crate::problem::{Law, Link, NeuronLaw, SingleIndex};

/// The most neurons that are listed or drawn.
const MOST: usize = 1 << 24;
/// The most degrees of a series or a record.
const DEGREES: usize = 2000;

/// The start of the second layer.
#[derive(Debug, Clone)]
pub(super) enum SecondLayer {
    Given(Vec<f64>),
    Drawn { law: Law, neurons: usize, seed: u64 },
}

/// A single-index problem whose start may have to be drawn first.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    activation: Link,
    target: Link,
    epsilon: f64,
    pub a: SecondLayer,
    s: Vec<f64>,
    r: Option<Array2<f64>>,
    /// Directions uniform on the sphere of so many dimensions, and their seed.
    directions: Option<(usize, u64)>,
}

impl Statement {
    pub fn neurons(&self) -> usize {
        match &self.a {
            SecondLayer::Given(a) => a.len(),
            SecondLayer::Drawn { neurons, .. } => *neurons,
        }
    }

    pub fn seed(&self) -> Option<u64> {
        match &self.a {
            SecondLayer::Drawn { seed, .. } => Some(*seed),
            SecondLayer::Given(_) => self.directions.map(|(_, seed)| seed),
        }
    }

    /// The problem, its start drawn.
    pub fn problem(&self) -> Result<SingleIndex> {
        let count = self.neurons();
        let a = match &self.a {
            SecondLayer::Given(a) => a.clone(),
            SecondLayer::Drawn { law: Law::Gaussian { mean, std }, neurons, seed } => {
                let drawn = random_neurons(*neurons, *std, None, *seed)?.a;
                drawn.into_iter().map(|a| mean + a).collect()
            }
            SecondLayer::Drawn { law, neurons, seed } => {
                let mut rng = Generator::new(Key::new(*seed, Purpose::RandomNeurons, 0));
                draws(law, *neurons, &mut rng)
            }
        };
        let s = match self.s[..] {
            [s] => vec![s; count],
            _ => self.s.clone(),
        };
        let blank = SingleIndex {
            activation: self.activation.clone(),
            target: self.target.clone(),
            epsilon: self.epsilon,
            a: a.clone(),
            s,
            r: self.r.clone(),
        };
        let Some((dimension, seed)) = self.directions else { return Ok(blank) };
        let start = random_neurons(count, 1.0, Some(dimension), seed)?;
        Ok(NeuronState { a, ..start }.start(&blank))
    }
}

fn draws<R: Rng>(law: &Law, count: usize, rng: &mut R) -> Vec<f64> {
    (0..count).map(|_| law.sample(rng)).collect()
}

/// A function of one normal variable: a name, a formula in x, or Hermite coefficients.
fn link(item: &Item<'_>) -> Read<Link> {
    if item.is_list() {
        let coefficients = item.numbers(FINITE)?;
        let few = coefficients.len() <= DEGREES;
        return if few { Ok(Link::Hermite(coefficients)) } else { Err(item.expected("at most 2000 coefficients")) };
    }
    if item.as_text().is_none() {
        return Err(item.expected("a name, a formula in x, or a list of Hermite coefficients"));
    }
    Ok(Link::Function(activation(item)?))
}

fn links(table: &Table<'_>) -> Read<(Link, Link, f64)> {
    let expected = "a name, a formula in x, or a list of Hermite coefficients";
    let (activation, target) = (link(&table.need("activation", expected)?)?, link(&table.need("target", expected)?)?);
    Ok((activation, target, table.number("epsilon", POSITIVE)?))
}

/// Reads `[problem]` of neurons and networks; for the former also the flow.
pub(super) fn statement(root: &Table<'_>, flow: Option<&mut FlowSettings>) -> Read<(Statement, Option<usize>)> {
    let table = root.need("problem", "the problem")?.table("a table")?;
    let (activation, target, epsilon) = links(&table)?;
    let series = table.get("series").map(|item| item.count(1..=DEGREES)).transpose()?;
    if let Some(settings) = flow {
        let flows = [("simplified", Flow::Simplified), ("full", Flow::Full)];
        (settings.flow, settings.series) = (table.choice_or("flow", Flow::Simplified, &flows)?, series);
    }
    let neurons = table.get("neurons").map(|item| item.count(1..=MOST)).transpose()?;
    let initial = table.need("initial", "a table with a")?.table("a table")?;
    let a = initial.need("a", "a list of numbers, or a law as { law = \"gaussian\", std = 1.0 }")?;
    let (a, start_seed) = second_layer(&a, neurons)?;
    let count = match &a {
        SecondLayer::Given(a) => a.len(),
        SecondLayer::Drawn { neurons, .. } => *neurons,
    };
    let dimension = initial.get("dimension").map(|item| item.count(1..=1 << 50)).transpose()?;
    let seed = initial.seed_or(start_seed.unwrap_or(1))?;
    let directions = dimension.map(|dimension| (dimension, seed));
    let s = initial.get("s");
    let r = initial.get("r");
    let alignment = Range { text: "a number from -1 to 1", holds: |s| s.abs() <= 1.0 };
    let s = s.map_or(Ok(vec![0.0]), |item| {
        let s: Vec<f64> = if item.is_list() { item.numbers(alignment)? } else { vec![item.number(alignment)?] };
        if item.is_list() && s.len() != count {
            return Err(item.expected(&format!("one number, or a list of {count}")));
        }
        Ok(s)
    })?;
    let r = r
        .map(|item| {
            let r = item.matrix()?;
            if r.dim() == (count, count) { Ok(r) } else { Err(item.expected(&format!("{count} rows of {count}"))) }
        })
        .transpose()?;
    if let (Some(dimension), true) = (initial.get("dimension"), r.is_some() || s.iter().any(|s| *s != 0.0)) {
        return Err(dimension
            .error("directions are random and given")
            .detail("found a dimension beside s or r, expected one or the other (s = 0 says nothing)"));
    }
    initial.finish()?;
    table.finish()?;
    Ok((Statement { activation, target, epsilon, a, s, r, directions }, series))
}

fn second_layer(item: &Item<'_>, stated: Option<usize>) -> Read<(SecondLayer, Option<u64>)> {
    if item.is_list() {
        let a = item.numbers(FINITE)?;
        return match stated {
            Some(count) if count != a.len() => {
                Err(item.expected(&format!("a list of {count}, as problem.neurons says")))
            }
            _ => Ok((SecondLayer::Given(a), None)),
        };
    }
    let table = item.table("a list of numbers, or a law as { law = \"gaussian\", std = 1.0 }")?;
    let own = table.get("neurons").map(|item| item.count(1..=MOST)).transpose()?;
    let neurons = match (own, stated) {
        (Some(own), Some(stated)) if own != stated => {
            return Err(table.error_at("neurons", format!("{own} neurons here, but problem.neurons = {stated}")));
        }
        (Some(count), _) | (None, Some(count)) => count,
        (None, None) => table.count("neurons", 1..=MOST)?,
    };
    let seed = table.seed_or(1)?;
    let law = laws::law_in(&table)?;
    table.finish()?;
    Ok((SecondLayer::Drawn { law, neurons, seed }, Some(seed)))
}

/// `record.degrees`.
pub(super) fn degrees(record: Option<&Table<'_>>, default: usize) -> Read<usize> {
    record.map_or(Ok(default), |record| record.count_or("degrees", default, 1..=DEGREES))
}

/// `[simulation]` and `[record]` of a network.
pub(super) fn simulation(root: &Table<'_>, series: Option<usize>) -> Read<NetworkSettings> {
    let expected = "a table with the dimension";
    let table = root.need("simulation", expected)?.table(expected)?;
    let default = NetworkSettings::default();
    let gradient = table.choice_or("gradient", false, &[("population", false), ("sample", true)])?;
    let gradient = if gradient {
        Gradient::Sample { batch: table.count_or("batch", 1, 1..=1 << 24)? }
    } else {
        Gradient::Population
    };
    let mut settings = NetworkSettings {
        dimension: table.count("dimension", 1..=1 << 50)?,
        gradient,
        step: table.number("step", POSITIVE)?,
        second_layer_steps: table.count_or("second_layer_steps", 1, 1..=1 << 20)?,
        runs: table.count_or("runs", 1, 1..=1 << 32)?,
        seed: table.seed_or(1)?,
        series_degree: series.unwrap_or(default.series_degree),
        ..default
    };
    table.finish()?;
    let record = root.table("record")?;
    settings.degrees = degrees(record.as_ref(), default.degrees)?;
    if let Some(record) = record {
        settings.record_runs = record.flag_or("runs", false)?;
        record.finish()?;
    }
    Ok(settings)
}

/// A neuron density: its law, the cells of a, how many of s, and how to solve.
pub(super) type Density = (NeuronLaw, Cells, usize, DensitySettings);

/// Reads a neuron density.
pub(super) fn density(root: &Table<'_>, steps: Option<DensitySteps>) -> Read<Density> {
    let table = root.need("problem", "the problem")?.table("a table")?;
    let (activation, target, epsilon) = links(&table)?;
    let default = DensitySettings::default();
    let initial = table.need("initial", "a table with the laws of a and s")?.table("a table")?;
    let a = laws::law(&initial.need("a", "a law, as { law = \"gaussian\", mean = 0.0, std = 1.0 }")?)?;
    let s = initial.get("s").map_or(Ok(Law::Point { at: 0.0 }), |item| laws::law(&item))?;
    initial.finish()?;
    let mut settings = DensitySettings {
        steps: steps.unwrap_or(default.steps),
        kernel_degree: table.count_or("series", default.kernel_degree, 1..=DEGREES)?,
        kernel_error: table.number_or("kernel_error", default.kernel_error, POSITIVE)?,
        ..default
    };
    table.finish()?;
    let grid = root.need("grid", "a table with a and s")?.table("a table")?;
    let cells = grids::cells(&grid.need("a", "{ low = …, high = …, cells = … }")?)?;
    let of_s = grid.need("s", "{ cells = … }")?.table("a table, as { cells = 61 }")?;
    let s_cells = of_s.count("cells", 4..=1 << 16)?;
    of_s.finish()?;
    grid.finish()?;
    let record = root.table("record")?;
    settings.degrees = degrees(record.as_ref(), default.degrees)?;
    if let Some(record) = record {
        record.finish()?;
    }
    Ok((NeuronLaw { activation, target, epsilon, a, s }, cells, s_cells, settings))
}
