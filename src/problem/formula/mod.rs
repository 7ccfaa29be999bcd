//! Formulas given as text: losses, fitnesses, activations, coefficients and schedules without a line of Rust.
//!
//! * numbers (`2`, `0.5`, `1e-3`), the constants `pi` and `e`, variables, parentheses;
//! * `+ − * / ^` (`**` is `^`). Powers bind strongest and group to the right, and a sign before a power belongs to all of it:
//!   `-x^2 = −(x²)`, `2^3^2 = 2^9`;
//! * `sin cos tan asin acos atan sinh cosh tanh exp log sqrt abs sign floor ceil round erf` with `log` (or `ln`) the natural
//!   logarithm, and `log2`, `log10`;
//! * `normal_cdf(x) = Φ(x)`, `relu(x) = max(x, 0)`, `step(x) = 1` for x > 0 and 0 elsewhere, `sigmoid(x) = 1/(1 + e^(−x))`,
//!   `softplus(x) = ln(1 + eˣ)`, `gelu(x) = x Φ(x)`, `max(x, y)`, `min(x, y)`.
//!
//! Whole powers up to 16 are products, so that they hold for negative bases; `e^x` is `exp(x)`. Derivatives are exact; where a
//! function has a kink, the derivative is that of one side (of `abs` at 0 it is 0, of `relu` 0). NaN stays NaN.

mod activation;
mod coefficients;
mod derivative;
mod function;
mod graph;
mod loss;
mod parse;
mod tape;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

pub use self::activation::FormulaActivation;
pub(crate) use self::coefficients::log_of_h;
pub use self::loss::{FormulaFitness, FormulaLoss};

use self::function::{Binary, Unary};
use self::graph::{Graph, Id, Node};
use self::tape::{Column, Tape};
use crate::error::{Error, Result};

/// Most operations of a derivative.
const MOST: usize = 100_000;

/// A formula in named variables, compiled once.
///
/// ```
/// use learning_dynamics::problem::Formula;
///
/// let loss = Formula::new("0.5*(theta - h)^2", &["theta", "h"])?;
/// assert_eq!(loss.value(&[3.0, 1.0]), 2.0);
/// let slope = loss.derivative(0)?;
/// assert_eq!(slope.value(&[3.0, 1.0]), 2.0);
/// let curvature = slope.derivative(0)?;
/// assert!(!curvature.uses(0) && curvature.value(&[3.0, 1.0]) == 1.0);
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
#[derive(Clone)]
pub struct Formula {
    text: String,
    variables: usize,
    /// Only what the root needs.
    nodes: Vec<Node>,
    root: Id,
    tape: Tape,
}

impl Debug for Formula {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl Formula {
    /// Reads `text`, in which only `variables` may occur.
    ///
    /// # Errors
    /// [`Error::Formula`] with the place of the trouble; for a name that is not known, with all those that are. Text longer
    /// than 10 000 bytes, nested more than 200 deep, or with derivatives of more than 100 000 operations is refused.
    pub fn new(text: &str, variables: &[&str]) -> Result<Self> {
        let named: Vec<(&str, usize)> = variables.iter().enumerate().map(|(k, &name)| (name, k)).collect();
        Self::with_names(text, &named, variables.len())
    }

    /// As [`Formula::new`], with names and numbers of variables: several names may stand for one.
    fn with_names(text: &str, names: &[(&str, usize)], variables: usize) -> Result<Self> {
        let (graph, root) = parse::parse(text, names)?;
        Ok(Self::compiled(text, variables, graph, root))
    }

    fn compiled(text: &str, variables: usize, graph: Graph, root: Id) -> Self {
        let (nodes, roots) = graph.only(&[root]);
        let tape = Tape::new(&nodes, &roots, false);
        Self { text: text.to_owned(), variables, root: roots[0], nodes, tape }
    }

    /// As it was written; for a derivative, the text of what was differentiated.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the value depends on a variable.
    pub fn uses(&self, variable: usize) -> bool {
        self.nodes.contains(&Node::Variable(variable))
    }

    /// The value at one point, one number a variable. NaN if there are fewer numbers than variables used.
    pub fn value(&self, at: &[f64]) -> f64 {
        let mut out = [0.0];
        self.tape.point(|variable| at.get(variable).copied().unwrap_or(f64::NAN), &mut out);
        out[0]
    }

    /// The values at `out.len()` points, block after block; `inputs` holds one slice a variable, as long as `out`.
    ///
    /// # Errors
    /// [`Error::Shape`] for slices of another length or number.
    pub fn values(&self, inputs: &[&[f64]], out: &mut [f64]) -> Result<()> {
        let shape = |what: String, found, expected| {
            if found == expected { Ok(()) } else { Err(Error::Shape { what, found, expected }) }
        };
        shape(format!("variables of the formula {:?}", self.text), inputs.len(), self.variables)?;
        for (k, input) in inputs.iter().enumerate() {
            shape(format!("variable {k} of the formula {:?}", self.text), input.len(), out.len())?;
        }
        let columns = |variable: usize| Column { values: inputs[variable], stride: 1 };
        self.tape.blocks(out.len(), columns, |_, start, values| {
            out[start..start + values.len()].copy_from_slice(values);
        });
        Ok(())
    }

    /// The derivative by a variable, exact.
    ///
    /// # Errors
    /// [`Error::Formula`] if it would take more than 100 000 operations.
    pub fn derivative(&self, variable: usize) -> Result<Self> {
        let mut graph = Graph::free(&self.nodes);
        let root = self.differentiate(&mut graph, self.root, variable)?;
        Ok(Self::compiled(&self.text, self.variables, graph, root))
    }

    fn differentiate(&self, graph: &mut Graph, root: Id, variable: usize) -> Result<Id> {
        derivative::differentiate(graph, root, variable, MOST).ok_or_else(|| Error::Formula {
            text: self.text.clone(),
            at: self.text.len(),
            found: "a formula with a very long derivative".into(),
            expected: format!("one whose derivative takes at most {MOST} operations"),
        })
    }

    /// The value if it is a number, whatever the variables.
    pub fn constant(&self) -> Option<f64> {
        match self.nodes[self.root] {
            Node::Number(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// `log` of the value, taken apart at exponentials so that it neither overflows nor vanishes:
    /// `log(exp(a)·b) = a + log b`.
    fn log(&self) -> Self {
        let mut graph = Graph::free(&self.nodes);
        let root = log(&mut graph, self.root, 0);
        Self::compiled(&self.text, self.variables, graph, root)
    }

    /// Arguments at whose zeros, and values at whose changes, the value or slope of the whole may jump: (arguments, values).
    fn kink_arguments(&self) -> (Vec<Self>, Vec<Self>) {
        let (mut arguments, mut values) = (Vec::new(), Vec::new());
        let part = |graph: Graph, root| Self::compiled(&self.text, self.variables, graph, root);
        for (id, &node) in self.nodes.iter().enumerate() {
            let mut graph = Graph::free(&self.nodes);
            match node {
                Node::Unary(Unary::Floor | Unary::Ceil | Unary::Round, _) => values.push(part(graph, id)),
                Node::Unary(operation, a) if operation.has_kinks() => arguments.push(part(graph, a)),
                Node::Binary(Binary::Max | Binary::Min, a, b) => {
                    let difference = graph.subtract(a, b);
                    arguments.push(part(graph, difference));
                }
                _ => {}
            }
        }
        (arguments, values)
    }
}

/// Whether the value is > 0 wherever it is a number (rounding to 0 aside), as the graph shows.
fn is_positive(graph: &Graph, id: Id) -> bool {
    match graph.node(id) {
        Node::Number(bits) => f64::from_bits(bits) > 0.0,
        Node::Unary(Unary::Exp, _) => true,
        Node::Binary(Binary::Power, base, _) => graph.constant(base).is_some_and(|base| base > 0.0),
        _ => false,
    }
}

fn log(graph: &mut Graph, id: Id, depth: usize) -> Id {
    // A product of more factors than this is taken as a whole.
    if depth < 100 {
        match graph.node(id) {
            Node::Unary(Unary::Exp, a) => return a,
            Node::Binary(Binary::Power, base, exponent) if is_positive(graph, base) => {
                let base = log(graph, base, depth + 1);
                return graph.multiply(exponent, base);
            }
            Node::Binary(operation @ (Binary::Multiply | Binary::Divide), a, b)
                if is_positive(graph, a) || is_positive(graph, b) =>
            {
                let (a, b) = (log(graph, a, depth + 1), log(graph, b, depth + 1));
                return if operation == Binary::Multiply { graph.add(a, b) } else { graph.subtract(a, b) };
            }
            _ => {}
        }
    }
    graph.unary(Unary::Log, id)
}

/// The names of the variables of losses and fitnesses: `theta`, or `theta_1`, `theta_2`, …; then `h`, or `h_1`, `h_2`, ….
pub fn variables(dim_theta: usize, dim_h: usize) -> Vec<String> {
    let numbered = |name: &'static str, dimension: usize| {
        (1..=dimension).map(move |k| if dimension == 1 { name.to_owned() } else { format!("{name}_{k}") })
    };
    numbered("theta", dim_theta).chain(numbered("h", dim_h)).collect()
}
