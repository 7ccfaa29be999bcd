//! Formulas in files: losses, fitnesses, activations and coefficients.

use std::fmt::Debug;
use std::sync::Arc;

use exmex::{Differentiate, Express, FlatEx};

use super::error::{InputError, nearest};
use super::reader::{Item, Read};
use crate::problem::{Activation, Fitness, Loss, Nonlinearity};

/// A formula in given variables.
#[derive(Debug, Clone)]
pub(super) struct Formula {
    expression: FlatEx<f64>,
    /// Where each of its variables stands among the arguments.
    at: Vec<usize>,
}

impl Formula {
    pub fn eval(&self, arguments: &[f64]) -> f64 {
        let values: Vec<f64> = self.at.iter().map(|&at| arguments.get(at).copied().unwrap_or(f64::NAN)).collect();
        self.expression.eval(&values).unwrap_or(f64::NAN)
    }

    fn derivative(&self, argument: usize) -> Option<Self> {
        match self.at.iter().position(|&at| at == argument) {
            Some(k) => Some(Self { expression: self.expression.clone().partial(k).ok()?, at: self.at.clone() }),
            None => Some(Self { expression: FlatEx::parse("0").ok()?, at: Vec::new() }),
        }
    }
}

/// Signs before powers bind as in mathematics.
fn signs(text: &str) -> String {
    let trimmed = text.trim_start();
    let out = if trimmed.starts_with('-') { format!("0{trimmed}") } else { trimmed.into() };
    out.replace("(-", "(0-").replace("( -", "(0-")
}

pub(super) fn formula(item: &Item<'_>, variables: &[&str]) -> Read<Formula> {
    let expected = format!("a formula in {}", variables.join(", "));
    let text = item.as_text().ok_or_else(|| item.expected(&expected))?;
    let expression =
        FlatEx::<f64>::parse(&signs(text)).map_err(|error| item.expected(&expected).detail(error.to_string()))?;
    let at = expression
        .var_names()
        .iter()
        .map(|name| variables.iter().position(|variable| variable == name).ok_or_else(|| item.expected(&expected)))
        .collect::<Read<_>>()?;
    Ok(Formula { expression, at })
}

fn names(name: &str, count: usize) -> Vec<String> {
    if count == 1 { vec![name.into()] } else { (1..=count).map(|k| format!("{name}_{k}")).collect() }
}

/// `h`, or `h_1`, `h_2`, ….
pub(super) fn of_h(item: &Item<'_>, dim_h: usize) -> Read<Formula> {
    let names = names("h", dim_h);
    formula(item, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn of_both(item: &Item<'_>, dim_theta: usize, dim_h: usize) -> Read<Formula> {
    let names = [names("theta", dim_theta), names("h", dim_h)].concat();
    formula(item, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[derive(Debug)]
struct FormulaLoss {
    value: Formula,
    gradient: Vec<Formula>,
    dim_h: usize,
}

impl Loss for FormulaLoss {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        self.value.eval(&[theta, h].concat())
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        let arguments = [theta, h].concat();
        out.iter_mut().zip(&self.gradient).for_each(|(out, formula)| *out = formula.eval(&arguments));
    }

    fn dimension(&self) -> usize {
        self.gradient.len()
    }

    fn least_hyperparameters(&self) -> usize {
        self.dim_h
    }
}

#[derive(Debug)]
struct FormulaFitness(Formula);

impl Fitness for FormulaFitness {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        self.0.eval(&[theta, h].concat())
    }
}

#[derive(Debug)]
struct FormulaActivation {
    value: Formula,
    derivative: Formula,
}

impl Nonlinearity for FormulaActivation {
    fn value(&self, x: f64) -> f64 {
        self.value.eval(&[x])
    }

    fn derivative(&self, x: f64) -> f64 {
        self.derivative.eval(&[x])
    }
}

pub(super) fn loss(item: &Item<'_>, dim_theta: usize, dim_h: usize) -> Read<Arc<dyn Loss>> {
    let value = of_both(item, dim_theta, dim_h)?;
    let gradient = (0..dim_theta).map(|k| value.derivative(k)).collect::<Option<_>>();
    let gradient = gradient.ok_or_else(|| item.expected("a formula that can be differentiated"))?;
    Ok(Arc::new(FormulaLoss { value, gradient, dim_h }))
}

pub(super) fn fitness(item: &Item<'_>, dim_theta: usize, dim_h: usize) -> Read<Arc<dyn Fitness>> {
    Ok(Arc::new(FormulaFitness(of_both(item, dim_theta, dim_h)?)))
}

pub(super) fn activation(item: &Item<'_>) -> Read<Activation> {
    let value = formula(item, &["x"])?;
    let derivative = value.derivative(0).ok_or_else(|| item.expected("a formula that can be differentiated"))?;
    Ok(Activation::Custom(Arc::new(FormulaActivation { value, derivative })))
}

/// The number of parameters that a formula speaks of: the largest k of `theta_k`, else 1.
pub(super) fn parameters(text: &str) -> usize {
    let after = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(1);
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
