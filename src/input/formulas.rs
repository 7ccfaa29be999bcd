//! Formulas in files, with errors at the place in the text.

use std::sync::Arc;

use super::error::{InputError, nearest};
use super::reader::{Item, Read};
use super::tree::Place;
use crate::error::{Error, Result};
use crate::problem::{Activation, Fitness, Formula, FormulaActivation, FormulaFitness, FormulaLoss, Loss};

/// What `make` makes of a text; its errors are put where the text has the trouble.
pub(super) fn read<T>(item: &Item<'_>, expected: &str, make: impl Fn(&str) -> Result<T>) -> Read<T> {
    let text = item.as_text().ok_or_else(|| item.expected(expected))?;
    make(text).map_err(|error| located(item, text, &error))
}

fn located(item: &Item<'_>, text: &str, error: &Error) -> InputError {
    let Error::Formula { at, found, expected, .. } = error else {
        return item.error(format!("bad value of `{}`", item.path)).detail(error.to_string());
    };
    let whole = item.node.at;
    // The string as it was written, if nothing in it is escaped.
    let start = item.doc.slice(whole).find(text).map(|inside| whole.start + inside + at);
    let place = start.map_or(whole, |start| Place { start, end: start + found_width(text, *at, found), ..whole });
    let error = item.doc.error(place, format!("bad formula `{}`", item.path));
    // "theta? There are …" begins with the name that was meant.
    match expected.split_once("? There are ") {
        Some((meant, known)) => error.detail(format!("found {found}, expected {known}")).suggest(Some(meant)),
        None => error.detail(format!("found {found}, expected {expected}")),
    }
}

/// Bytes of what was found, if it is there as it is named.
fn found_width(text: &str, at: usize, found: &str) -> usize {
    let bare = found.trim_matches(['`', '"', '\'']);
    let there = text.get(at..).is_some_and(|rest| !bare.is_empty() && rest.starts_with(bare));
    if there { bare.len() } else { 1 }
}

/// A formula in these variables.
pub(super) fn formula(item: &Item<'_>, variables: &[&str]) -> Read<Formula> {
    read(item, &format!("a formula in {}", variables.join(", ")), |text| Formula::new(text, variables))
}

/// A formula in `h`, or `h_1`, `h_2`, ….
pub(super) fn of_h(item: &Item<'_>, dim_h: usize) -> Read<Formula> {
    let names = crate::problem::formula::variables(0, dim_h);
    formula(item, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(super) fn loss(item: &Item<'_>, dim_theta: usize, dim_h: usize) -> Read<Arc<dyn Loss>> {
    let make = |text: &str| Ok(Arc::new(FormulaLoss::new(text, dim_theta, dim_h)?) as Arc<dyn Loss>);
    read(item, "a formula in theta and h", make)
}

pub(super) fn fitness(item: &Item<'_>, dim_theta: usize, dim_h: usize) -> Read<Arc<dyn Fitness>> {
    let make = |text: &str| Ok(Arc::new(FormulaFitness::new(text, dim_theta, dim_h)?) as Arc<dyn Fitness>);
    read(item, "a formula in theta and h", make)
}

pub(super) fn activation(item: &Item<'_>) -> Read<Activation> {
    read(item, "a formula in x", |text| Ok(Activation::Custom(Arc::new(FormulaActivation::new(text)?))))
}

/// The number of parameters that a formula speaks of: the largest k of `theta_k`, else 1.
pub(super) fn parameters(text: &str) -> usize {
    let after = |part: &str| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        if digits.is_empty() { 1 } else { digits.parse().unwrap_or(usize::MAX) }
    };
    text.split("theta_").skip(1).map(after).max().unwrap_or(1)
}

/// The error of a formula that was rather meant as a name: nothing but letters.
pub(super) fn or_named(item: &Item<'_>, names: &[&str], error: InputError) -> InputError {
    let text = item.as_text().unwrap_or("");
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphabetic() || c == '-' || c == '_') {
        return error;
    }
    item.expected(&format!("\"{}\", or a formula", names.join("\", \""))).suggest(nearest(text, names.iter().copied()))
}
