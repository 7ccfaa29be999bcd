//! The population problem: what `kinetic`, `averaged` and `agents` share.

use std::sync::Arc;

use super::formulas;
use super::laws::{domain, each, initial_theta, kernel, law};
use super::losses;
use super::reader::{Item, NONNEGATIVE, POSITIVE, Range, Read, Table};
use super::schedule::schedule;
use crate::problem::{
    Clock, Coefficient, Donors, Evaluation, Inheritance, Initial, InitialTheta, Kernel, Population, Regions, Rule,
    Sees, Selection,
};

/// The most hyperparameters.
const MOST: usize = 64;

/// What a solver needs of the problem beside the shared keys.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Need {
    /// ε and the law of θ.
    Everything,
    /// Training is infinitely fast: neither ε nor the law of θ.
    Averaged,
    /// Nor loss and fitness: the effective weight is given.
    WeightGiven,
}

/// Reads `[problem]`; the rest of its keys is for the caller to read before it finishes the table.
pub(super) fn population(table: &Table<'_>, need: Need) -> Read<(Population, Option<Regions>)> {
    let fast = need != Need::Everything;
    let epsilon = if fast { table.number_or("epsilon", 1.0, POSITIVE)? } else { table.number("epsilon", POSITIVE)? };
    let h = table.need("h", "the domain of h, a table with low and high")?;
    let h: Vec<_> = h.one_or_more("the domain of h")?.iter().map(domain).collect::<Read<_>>()?;
    let dim_h = h.len();
    if dim_h > MOST {
        return Err(table.error_at("h", format!("{dim_h} hyperparameters")).detail(format!("expected at most {MOST}")));
    }
    let (mobility, diffusion) = coefficients(table, dim_h, need)?;
    let (dim_theta, loss, fitness) = if need == Need::WeightGiven {
        let (loss, fitness) = losses::none();
        for key in ["loss", "fitness"] {
            table.get(key);
        }
        (1, loss, fitness)
    } else {
        let loss = table.need("loss", "a formula in theta and h, or a name")?;
        let fitness = table.need("fitness", "a formula in theta and h, or a name")?;
        let dim_theta = losses::dimension(&loss, Some(&fitness), dim_h)?;
        (dim_theta, losses::loss(&loss, dim_theta, dim_h)?, losses::fitness(&fitness, dim_theta, dim_h)?)
    };
    let (selection, evaluation, inheritance) = selection(table)?;
    let mutation = match table.get("mutation") {
        Some(mutation) => each(&mutation, dim_h, "hyperparameter", kernel)?,
        None if matches!(selection, Selection::Off) => vec![Kernel::None; dim_h],
        None => return Err(table.missing("mutation", "a table with a kernel, or \"none\"")),
    };
    let initial = table.need("initial", "a table with the initial laws of h and theta")?.table("a table")?;
    let of_h = initial.need("h", "a law, as { law = \"uniform\", low = -1.0, high = 1.0 }")?;
    let of_h = each(&of_h, dim_h, "hyperparameter", law)?;
    let of_theta = match initial.get("theta") {
        Some(theta) => initial_theta(&theta, dim_theta, dim_h)?,
        None if fast => InitialTheta::Equilibrium,
        None => initial_theta(&initial.need("theta", "a law, or \"equilibrium\"")?, dim_theta, dim_h)?,
    };
    initial.finish()?;
    let regions = table.get("regions").map(|regions| losses::regions(&regions, dim_theta)).transpose()?;
    let initial = Initial { h: of_h, theta: of_theta };
    let problem = Population {
        epsilon,
        diffusion,
        mobility,
        loss,
        fitness,
        h,
        selection,
        evaluation,
        inheritance,
        mutation,
        initial,
    };
    Ok((problem, regions))
}

/// `mobility` and `diffusion`; a table under `mobility` states both.
fn coefficients(table: &Table<'_>, dim_h: usize, need: Need) -> Read<(Coefficient, Coefficient)> {
    let one = |item: &Item<'_>| coefficient(item, dim_h);
    let mut diffusion = table.get("diffusion");
    let mut mobility = table.get("mobility");
    if let Some(both) = mobility.clone().filter(Item::is_table) {
        let both = both.table("a table")?;
        mobility = Some(both.need("mobility", "a number, or a formula in h")?);
        diffusion = both.get("diffusion").or(diffusion);
        both.finish()?;
    }
    let diffusion = match diffusion {
        Some(diffusion) => one(&diffusion)?,
        None if need == Need::WeightGiven => Coefficient::Constant(1.0),
        None => one(&table.need("diffusion", "a number, or a formula in h")?)?,
    };
    Ok((mobility.map_or(Ok(Coefficient::Constant(1.0)), |item| one(&item))?, diffusion))
}

fn coefficient(item: &Item<'_>, dim_h: usize) -> Read<Coefficient> {
    if item.as_text().is_none() {
        return Ok(Coefficient::Constant(
            item.number(Range { text: "a finite number above 0, or a formula in h", ..POSITIVE })?,
        ));
    }
    formulas::read(item, "a formula in h", |text| Coefficient::formula(text, dim_h))
}

#[derive(Clone, Copy, PartialEq)]
enum Name {
    Off,
    Boltzmann,
    Annealed,
    Truncation,
    Tournament,
    Proportional,
    Weight,
    Replicator,
}

const RULES: [(&str, Name); 8] = [
    ("boltzmann", Name::Boltzmann),
    ("annealed", Name::Annealed),
    ("truncation", Name::Truncation),
    ("tournament", Name::Tournament),
    ("proportional", Name::Proportional),
    ("weight", Name::Weight),
    ("replicator", Name::Replicator),
    ("off", Name::Off),
];

/// `[problem.selection]`.
fn selection(problem: &Table<'_>) -> Read<(Selection, Evaluation, Inheritance)> {
    let item = problem.need("selection", "a table with a rule, or \"off\"")?;
    if item.as_text().is_some() {
        item.choice(&[("off", ())])?;
        return Ok((Selection::Off, Evaluation::default(), Inheritance::default()));
    }
    let table = item.table("a table with a rule, or \"off\"")?;
    let name = table.need("rule", "the name of a rule, as \"boltzmann\"")?.choice(&RULES)?;
    let beta = || table.need("beta", "a finite number ≥ 0");
    let rule = match name {
        Name::Off => None,
        Name::Replicator => {
            let selection = Selection::Replicator { beta: beta()?.number(NONNEGATIVE)? };
            let (evaluation, inheritance) = rest(&table)?;
            table.finish()?;
            return Ok((selection, evaluation, inheritance));
        }
        Name::Boltzmann | Name::Annealed => {
            let beta = beta()?;
            Some(if beta.is_number() {
                Rule::Boltzmann { beta: beta.number(NONNEGATIVE)? }
            } else {
                Rule::Annealed { beta: schedule(&beta, NONNEGATIVE)? }
            })
        }
        Name::Truncation => {
            let range = Range { text: "a number in (0, 1/2]", holds: |q| q > 0.0 && q <= 0.5 };
            Some(Rule::Truncation { fraction: table.one_of(&["fraction", "quantile_fraction"])?.number(range)? })
        }
        Name::Tournament => Some(Rule::Tournament),
        Name::Proportional => Some(Rule::Proportional),
        Name::Weight => {
            let item = table.one_of(&["weight", "log_weight"])?;
            Some(if item.path.ends_with("log_weight") {
                let formula = formulas::formula(&item, &["F"])?;
                Rule::Weight(Arc::new(move |fitness| formula.value(&[fitness])))
            } else {
                formulas::read(&item, "a formula in F", Rule::formula)?
            })
        }
    };
    let selection = match rule {
        Some(rule) => Selection::Events { rule, clock: clock(&table)? },
        None => Selection::Off,
    };
    let (evaluation, inheritance) = rest(&table)?;
    table.finish()?;
    Ok((selection, evaluation, inheritance))
}

fn clock(table: &Table<'_>) -> Read<Clock> {
    let expected = "{ rate = 1.0 }, { every = 0.5 } or { staggered = 0.5 }";
    let clock = table.need("clock", expected)?.table(expected)?;
    let item = clock.one_of(&["rate", "every", "staggered"])?;
    clock.finish()?;
    Ok(match item.path.rsplit('.').next() {
        Some("rate") => Clock::Poisson { rate: item.number(NONNEGATIVE)? },
        Some("every") => Clock::Periodic { every: item.number(POSITIVE)? },
        _ => Clock::Staggered { every: item.number(POSITIVE)? },
    })
}

/// `evaluation` and `rejuvenate`.
fn rest(table: &Table<'_>) -> Read<(Evaluation, Inheritance)> {
    let rejuvenate = table.flag_or("rejuvenate", false)?;
    let inheritance = if rejuvenate { Inheritance::Hyperparameters } else { Inheritance::Everything };
    let Some(evaluation) = table.table("evaluation")? else { return Ok((Evaluation::default(), inheritance)) };
    let sees =
        evaluation.choice_or("sees", Sees::Fitness, &[("fitness", Sees::Fitness), ("effective", Sees::Effective)])?;
    let donors = [("present", Donors::Present), ("published", Donors::Published)];
    let donors = evaluation.choice_or("donors", Donors::Present, &donors)?;
    let noise = evaluation.number_or("noise", 0.0, NONNEGATIVE)?;
    let window = evaluation.count_or("window", 1, 1..=1 << 20)?;
    evaluation.finish()?;
    Ok((Evaluation { sees, noise, window, donors }, inheritance))
}
