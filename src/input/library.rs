//! Errors of the library, at the place in the file that they speak of.

use super::tree::{Node, Value};
use super::{Document, InputError};
use crate::error::Error;

/// Tables in which the keys of library errors are looked for.
const ROOTS: [&str; 8] = ["problem", "", "grid", "time", "population", "simulation", "record", "problem.initial"];

/// Names that the library has for keys of other names.
const ALIASES: [(&str, &str); 6] = [
    ("momentum.beta", "problem.momentum"),
    ("momentum.gamma", "problem.momentum.scaled"),
    ("momentum.alpha", "problem.momentum.rate"),
    ("tolerance", "time.tolerance"),
    ("step", "time.step"),
    ("[[Q, M], [Mᵀ, P]]", "problem.student.M"),
];

/// `error` at the key that it names.
pub(super) fn located(document: &Document, error: &Error) -> InputError {
    let (key, message, detail) = match error {
        Error::Parameter { key, value, expected } => {
            (key.as_str(), format!("bad value of `{key}`"), Some(format!("found {value}, expected {expected}")))
        }
        Error::Shape { what, found, expected } => {
            (what.as_str(), what.clone(), Some(format!("found {found}, expected {expected}")))
        }
        Error::Asymmetric { matrix, .. } | Error::Indefinite { matrix, .. } => (*matrix, error.to_string(), None),
        Error::InitialMassOutside { coordinate: "h", .. } => ("problem.initial.h", error.to_string(), None),
        Error::InitialMassOutside { coordinate: "theta", .. } => ("problem.initial.theta", error.to_string(), None),
        Error::InitialMassOutside { coordinate, .. } => (*coordinate, error.to_string(), None),
        Error::NonFinite { quantity: "gradient" | "loss", .. } | Error::RateUnderflow { .. } => {
            ("problem.loss", error.to_string(), None)
        }
        Error::NonFinite { quantity, .. } => (*quantity, error.to_string(), None),
        Error::Activation { function, .. } if function.contains('*') => {
            ("problem.teacher.activation", error.to_string(), None)
        }
        Error::Activation { .. } => ("problem.activation", error.to_string(), None),
        Error::Unsupported { solver, what, instead } => {
            return InputError::new(document.name(), format!("{solver} cannot treat {what}")).detail(*instead);
        }
        other => return InputError::new(document.name(), other.to_string()),
    };
    let found = match find(document, key) {
        Some(node) => document.error(node.at, message),
        None => InputError::new(document.name(), message),
    };
    InputError { detail, ..found }
}

/// The node that a key of the library is about: the longest part of it that the file has.
fn find<'d>(document: &'d Document, key: &str) -> Option<&'d Node> {
    if let Some((_, path)) = ALIASES.iter().find(|(name, _)| *name == key)
        && let Some((node, true)) = follow(&document.root, path)
    {
        return Some(node);
    }
    // "student.Q: columns", "a[3]", "initial.h (one law a hyperparameter)".
    let plain = key.split([':', '[', '(', ' ', ',']).next().unwrap_or("").trim_end_matches('.');
    if plain.is_empty() {
        return None;
    }
    let tried = ROOTS.iter().filter_map(|root| {
        let start = if root.is_empty() { Some((&document.root, true)) } else { follow(&document.root, root) };
        let (node, whole) = start?;
        if whole { follow(node, plain) } else { None }
    });
    let found: Vec<_> = tried.collect();
    let whole = found.iter().find(|(_, whole)| *whole);
    whole.or(found.first()).map(|(node, _)| *node)
}

/// Follows a dotted path as far as it goes, at least one step; whether it went to the end.
fn follow<'d>(start: &'d Node, path: &str) -> Option<(&'d Node, bool)> {
    let (mut node, mut steps) = (start, 0);
    for part in path.split('.') {
        // Lists hold one entry a component: the first stands for all.
        let table = match &node.value {
            Value::List(items) => items.first().unwrap_or(node),
            _ => node,
        };
        match table.get(part) {
            Some(entry) => (node, steps) = (&entry.node, steps + 1),
            None => return (steps > 0).then_some((node, false)),
        }
    }
    Some((node, true))
}
