//! Losses, fitnesses and regions: named, or by formulas.

use std::sync::Arc;

use super::InputError;
use super::formulas;
use super::reader::{FINITE, Item, POSITIVE, Read, same_name};
use crate::problem::{DoubleWell, Fitness, Himmelblau, Loss, LossFn, Quadratic, QuadraticFitness, Regions, Role};

/// The most components that formulas may name.
const MOST: usize = 64;

#[derive(Clone, Copy, PartialEq)]
enum Named {
    Quadratic,
    DoubleWell,
    Himmelblau,
}

const LOSSES: [(&str, Named); 3] =
    [("quadratic", Named::Quadratic), ("double-well", Named::DoubleWell), ("himmelblau", Named::Himmelblau)];
const FITNESSES: [(&str, Named); 2] = [("quadratic", Named::Quadratic), ("himmelblau", Named::Himmelblau)];

/// Whether the text is meant as a name: it has nothing that a formula in θ has.
fn is_name(text: &str, names: &[(&str, Named)]) -> bool {
    names.iter().any(|(name, _)| same_name(text, name))
}

fn or_named(item: &Item<'_>, names: &[(&str, Named)], error: InputError) -> InputError {
    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    formulas::or_named(item, &names, error)
}

const A_LOSS: &str = "a formula in theta and h, or a name, as \"quadratic\" or { name = \"himmelblau\", scale = 50.0 }";

fn formula_parameters(item: &Item<'_>) -> Read<usize> {
    let parameters = formulas::parameters(item.as_text().unwrap_or(""));
    if parameters > MOST {
        return Err(item
            .error("too many parameters")
            .detail(format!("found theta_{parameters}, expected at most {MOST}")));
    }
    Ok(parameters.max(1))
}

/// The number of parameters that loss and fitness speak of.
pub(super) fn dimension(loss: &Item<'_>, fitness: Option<&Item<'_>>, dim_h: usize) -> Read<usize> {
    let of = |item: &Item<'_>, names: &[(&str, Named)]| -> Read<Option<usize>> {
        match item.as_text() {
            Some(text) if !is_name(text, names) => formula_parameters(item).map(Some),
            _ => Ok(None),
        }
    };
    if let Some(found) = of(loss, &LOSSES)? {
        let others = fitness.map(|fitness| of(fitness, &FITNESSES)).transpose()?.flatten();
        return Ok(found.max(others.unwrap_or(1)));
    }
    Ok(self::loss(loss, 1, dim_h)?.dimension())
}

/// `problem.loss`.
pub(super) fn loss(item: &Item<'_>, dim_theta: usize, dim_h: usize) -> Read<Arc<dyn Loss>> {
    if let Some(text) = item.as_text() {
        return match LOSSES.iter().find(|(name, _)| same_name(text, name)) {
            None => formulas::loss(item, dim_theta, dim_h).map_err(|error| or_named(item, &LOSSES, error)),
            Some((_, Named::Quadratic)) => Ok(Arc::new(Quadratic::new(1.0, dim_h))),
            Some((_, Named::DoubleWell)) => Ok(Arc::new(DoubleWell { barrier: 1.0, coupling: 1.0 })),
            Some((_, Named::Himmelblau)) => Ok(Arc::new(Himmelblau::new(1.0))),
        };
    }
    let table = item.table(A_LOSS)?;
    let loss: Arc<dyn Loss> = match table.need("name", "the name of a loss, as \"quadratic\"")?.choice(&LOSSES)? {
        Named::Quadratic => Arc::new(Quadratic::new(
            table.number_or("stiffness", 1.0, POSITIVE)?,
            table.count_or("dimension", dim_h, 1..=MOST)?,
        )),
        Named::DoubleWell => Arc::new(DoubleWell {
            barrier: table.number_or("barrier", 1.0, POSITIVE)?,
            coupling: table.number_or("coupling", 1.0, FINITE)?,
        }),
        Named::Himmelblau => {
            let roles = [
                ("none", Role::None),
                ("shift", Role::Shift),
                ("temperature", Role::Temperature),
                ("coefficient", Role::Coefficient),
            ];
            Arc::new(Himmelblau {
                scale: table.number_or("scale", 1.0, POSITIVE)?,
                role: table.choice_or("role", Role::None, &roles)?,
            })
        }
    };
    table.finish()?;
    Ok(loss)
}

/// A loss and fitness that nobody looks at: the effective weight is given.
pub(super) fn none() -> (Arc<dyn Loss>, Arc<dyn Fitness>) {
    let zero = |_: f64, _: f64| 0.0;
    (Arc::new(LossFn { value: zero, gradient: zero }), Arc::new(crate::problem::FitnessFn(zero)))
}

/// `problem.fitness`.
pub(super) fn fitness(item: &Item<'_>, dim_theta: usize, dim_h: usize) -> Read<Arc<dyn Fitness>> {
    if let Some(text) = item.as_text() {
        return match FITNESSES.iter().find(|(name, _)| same_name(text, name)) {
            None => formulas::fitness(item, dim_theta, dim_h).map_err(|error| or_named(item, &FITNESSES, error)),
            Some((_, Named::Himmelblau)) => Ok(Arc::new(Himmelblau::new(1.0))),
            Some(_) => Ok(Arc::new(QuadraticFitness { optimum: vec![0.0; dim_theta], curvature: 1.0 })),
        };
    }
    let table = item.table(A_LOSS)?;
    let fitness: Arc<dyn Fitness> = match table
        .need("name", "the name of a fitness, as \"quadratic\"")?
        .choice(&FITNESSES)?
    {
        Named::Himmelblau => {
            let fitness = Himmelblau::new(table.number_or("scale", 1.0, POSITIVE)?);
            if dim_theta != 2 {
                return Err(item.error("himmelblau has two parameters").detail(format!("found a loss of {dim_theta}")));
            }
            Arc::new(fitness)
        }
        _ => {
            let optimum = match table.get("optimum") {
                Some(optimum) => super::laws::each(&optimum, dim_theta, "parameter", |item| item.number(FINITE))?,
                None => vec![0.0; dim_theta],
            };
            Arc::new(QuadraticFitness { optimum, curvature: table.number_or("curvature", 1.0, POSITIVE)? })
        }
    };
    table.finish()?;
    Ok(fitness)
}

/// `problem.regions` or `record.regions`.
pub(super) fn regions(item: &Item<'_>, dim_theta: usize) -> Read<Regions> {
    let failed = |error: crate::Error| item.error(error.to_string());
    if item.as_text().is_some() {
        item.choice(&[("himmelblau-wells", ())])?;
        if dim_theta != 2 {
            return Err(item
                .error("himmelblau-wells are regions of two parameters")
                .detail(format!("found {dim_theta}")));
        }
        let names = ["(3, 2)", "(-2.8, 3.1)", "(-3.8, -3.3)", "(3.6, -1.8)"];
        return Regions::nearest(&names, &Himmelblau::WELLS.map(Vec::from)).map_err(failed);
    }
    let expected = "a list of { name = \"left\", centre = [-1.0] } or { name = \"box\", low = [0.0], high = [1.0] }";
    let (mut names, mut centres, mut boxes) = (Vec::new(), Vec::new(), Vec::new());
    let vector = |item: &Item<'_>| super::laws::each(item, dim_theta, "parameter", |item| item.number(FINITE));
    for region in item.list(expected)? {
        let table = region.table(expected)?;
        let name = table.need("name", "a string")?;
        names.push(name.as_text().ok_or_else(|| name.expected("a string"))?);
        match table.at_most_one_of(&["centre", "low"])? {
            Some(centre) if centre.path.ends_with("centre") => centres.push(vector(&centre)?),
            Some(low) => {
                let high = vector(&table.need("high", "the upper end of the box")?)?;
                boxes.push(vector(&low)?.into_iter().zip(high).collect());
            }
            None => return Err(region.expected("a centre, or low and high")),
        }
        table.finish()?;
    }
    match (centres.is_empty(), boxes.is_empty()) {
        (false, true) => Regions::nearest(&names, &centres).map_err(failed),
        (true, _) => Regions::boxes(&names, &boxes).map_err(failed),
        _ => Err(item.expected("regions all by centres, or all by boxes")),
    }
}
