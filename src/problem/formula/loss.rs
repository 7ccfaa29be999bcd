//! Losses and fitnesses given as text.

use std::fmt::Debug;

use super::graph::{Graph, Id, Node};
use super::tape::{Column, Tape};
use super::{Binary, Formula, variables};
use crate::error::Result;
use crate::problem::{Fitness, Loss};

/// A function of θ and h, for blocks of agents.
#[derive(Debug, Clone)]
struct Compiled {
    /// For numbers that lie side by side, and for those that do not.
    dense: Tape,
    strided: Tape,
}

impl Compiled {
    fn new(nodes: &[Node], roots: &[Id]) -> Self {
        Self { dense: Tape::new(nodes, roots, false), strided: Tape::new(nodes, roots, true) }
    }

    fn point(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        let at = |k: usize| theta.get(k).or_else(|| h.get(k - theta.len())).copied().unwrap_or(f64::NAN);
        self.dense.point(at, out);
    }

    /// For `agents` agents, agent after agent, `dim_theta` and any number of hyperparameters each; one root a row of `out`.
    fn blocks(&self, dim_theta: usize, theta: &[f64], h: &[f64], agents: usize, width: usize, out: &mut [f64]) {
        let dim_h = h.len() / agents.max(1);
        let columns = |variable: usize| match variable.checked_sub(dim_theta) {
            None => Column { values: theta.get(variable..).unwrap_or(&[]), stride: dim_theta },
            Some(variable) => Column { values: h.get(variable..).unwrap_or(&[]), stride: dim_h.max(1) },
        };
        let tape = if dim_theta == 1 && dim_h <= 1 { &self.dense } else { &self.strided };
        tape.blocks(agents, columns, |root, start, values| {
            let out = &mut out[start * width..];
            match width {
                1 => out[..values.len()].copy_from_slice(values),
                2 => out.chunks_mut(2).zip(values).for_each(|(out, value)| out[root] = *value),
                _ => out.iter_mut().skip(root).step_by(width).zip(values).for_each(|(out, value)| *out = *value),
            }
        });
    }
}

/// Whether anything with a kink depends on θ.
fn has_kinks(nodes: &[Node], dim_theta: usize) -> bool {
    let mut moves = Vec::with_capacity(nodes.len());
    let mut found = false;
    for &node in nodes {
        let depends = match node {
            Node::Variable(variable) => variable < dim_theta,
            other => other.operands().any(|operand: Id| moves[operand]),
        };
        let kink = match node {
            Node::Unary(operation, _) => operation.has_kinks(),
            Node::Binary(operation, ..) => matches!(operation, Binary::Max | Binary::Min | Binary::Where),
            _ => false,
        };
        found |= depends && kink;
        moves.push(depends);
    }
    found
}

/// A formula in θ and h with its gradient, and `½k|θ − c|² + const` where it is of that form.
#[derive(Clone)]
struct Field {
    formula: Formula,
    dim_theta: usize,
    value: Compiled,
    gradient: Compiled,
    /// The diagonal of the Hessian, where it does not depend on θ and the rest of the Hessian is 0.
    curvature: Option<Compiled>,
}

impl Field {
    fn new(text: &str, dim_theta: usize, dim_h: usize) -> Result<Self> {
        let names = variables(dim_theta, dim_h);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let formula = Formula::new(text, &names)?;
        let mut graph = Graph::free(&formula.nodes);
        let slope = |k| formula.differentiate(&mut graph, formula.root, k);
        let slopes: Vec<Id> = (0..dim_theta).map(slope).collect::<Result<_>>()?;
        let (nodes, slopes) = graph.only(&slopes);
        let gradient = Compiled::new(&nodes, &slopes);
        let curvature =
            if has_kinks(&formula.nodes, dim_theta) { None } else { Self::curvature(&formula, &nodes, &slopes) };
        let value = Compiled::new(&formula.nodes, &[formula.root]);
        Ok(Self { value, formula, dim_theta, gradient, curvature })
    }

    fn curvature(formula: &Formula, nodes: &[Node], slopes: &[Id]) -> Option<Compiled> {
        let parameter = |node: &Node| matches!(node, Node::Variable(k) if *k < slopes.len());
        let mut graph = Graph::free(nodes);
        let mut diagonal = Vec::with_capacity(slopes.len());
        for (k, &slope) in slopes.iter().enumerate() {
            let (needed, _) = Graph::free(nodes).only(&[slope]);
            if needed.iter().any(|node| parameter(node) && *node != Node::Variable(k)) {
                return None;
            }
            // A second derivative beyond all bounds is not that of a quadratic loss.
            diagonal.push(formula.differentiate(&mut graph, slope, k).ok()?);
        }
        let (nodes, diagonal) = graph.only(&diagonal);
        (!nodes.iter().any(parameter)).then(|| Compiled::new(&nodes, &diagonal))
    }

    /// `k` and `c` of `½k|θ − c|² + const` at `h`.
    fn quadratic(&self, h: &[f64], minimiser: &mut [f64]) -> Option<f64> {
        let curvature = self.curvature.as_ref()?;
        let at_zero = |variable: usize| match variable.checked_sub(self.dim_theta) {
            None => 0.0,
            Some(variable) => h.get(variable).copied().unwrap_or(f64::NAN),
        };
        curvature.dense.point(at_zero, minimiser);
        let k = *minimiser.first()?;
        if k == 0.0 || !k.is_finite() || minimiser.iter().any(|other| *other != k) {
            return None;
        }
        self.gradient.dense.point(at_zero, minimiser);
        // 0 − … rather than −…, which would make −0 of 0.
        minimiser.iter_mut().for_each(|slope| *slope = 0.0 - *slope / k);
        minimiser.iter().all(|c| c.is_finite()).then_some(k)
    }
}

/// A loss given as text, with its exact gradient.
///
/// ```
/// use learning_dynamics::problem::{FormulaLoss, Loss};
///
/// let loss = FormulaLoss::new("h_1*(theta - h_2)^2", 1, 2)?;
/// let (mut gradient, mut minimiser) = ([0.0], [0.0]);
/// loss.gradient(&[1.0], &[2.0, 0.5], &mut gradient);
/// assert_eq!(gradient, [2.0]);
/// // It is seen to be quadratic in θ, with all that this opens.
/// assert_eq!((loss.quadratic(&[2.0, 0.5], &mut minimiser), minimiser), (Some(4.0), [0.5]));
/// # Ok::<(), learning_dynamics::Error>(())
/// ```
#[derive(Clone)]
pub struct FormulaLoss {
    field: Field,
    least_hyperparameters: usize,
}

impl FormulaLoss {
    /// A loss of `dim_theta` parameters and `dim_h` hyperparameters, named as [`variables`] names them.
    ///
    /// # Errors
    /// [`crate::Error::Formula`], as [`Formula::new`].
    pub fn new(text: &str, dim_theta: usize, dim_h: usize) -> Result<Self> {
        let field = Field::new(text, dim_theta, dim_h)?;
        let least_hyperparameters = (1..=dim_h).rev().find(|k| field.formula.uses(dim_theta + k - 1)).unwrap_or(0);
        Ok(Self { field, least_hyperparameters })
    }
}

impl Debug for FormulaLoss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FormulaLoss({:?})", self.field.formula)
    }
}

impl Loss for FormulaLoss {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        let mut out = [0.0];
        self.field.value.point(theta, h, &mut out);
        out[0]
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        self.field.gradient.point(theta, h, out);
    }

    fn dimension(&self) -> usize {
        self.field.dim_theta
    }

    fn least_hyperparameters(&self) -> usize {
        self.least_hyperparameters
    }

    fn gradients(&self, theta: &[f64], h: &[f64], agents: usize, out: &mut [f64]) {
        self.field.gradient.blocks(self.field.dim_theta, theta, h, agents, self.field.dim_theta, out);
    }

    fn quadratic(&self, h: &[f64], minimiser: &mut [f64]) -> Option<f64> {
        self.field.quadratic(h, minimiser).filter(|k| *k > 0.0)
    }
}

/// A fitness given as text.
#[derive(Clone)]
pub struct FormulaFitness {
    formula: Formula,
    dim_theta: usize,
    value: Compiled,
    /// `a` and `c`, if it is `−a|θ − c|²`.
    quadratic: Option<(f64, Vec<f64>)>,
}

impl FormulaFitness {
    /// A fitness of `dim_theta` parameters and `dim_h` hyperparameters, named as [`variables`] names them.
    ///
    /// # Errors
    /// [`crate::Error::Formula`], as [`Formula::new`].
    pub fn new(text: &str, dim_theta: usize, dim_h: usize) -> Result<Self> {
        let field = Field::new(text, dim_theta, dim_h)?;
        let of_theta = (dim_theta..dim_theta + dim_h).all(|variable| !field.formula.uses(variable));
        let mut optimum = vec![0.0; dim_theta];
        let curvature = if of_theta { field.quadratic(&[], &mut optimum).filter(|k| *k < 0.0) } else { None };
        let quadratic = curvature.and_then(|k| {
            // F = −a|θ|² + 2a c·θ + F(0): nothing is left at the optimum, to rounding.
            let (a, mut at_zero) = (-0.5 * k, [0.0]);
            field.value.point(&vec![0.0; dim_theta], &[], &mut at_zero);
            let depth = a * optimum.iter().map(|c| c * c).sum::<f64>();
            ((at_zero[0] + depth).abs() <= 1e-13 * depth).then_some((a, optimum))
        });
        Ok(Self { formula: field.formula, dim_theta, value: field.value, quadratic })
    }
}

impl Debug for FormulaFitness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FormulaFitness({:?})", self.formula)
    }
}

impl Fitness for FormulaFitness {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        let mut out = [0.0];
        self.value.point(theta, h, &mut out);
        out[0]
    }

    fn values(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        self.value.blocks(self.dim_theta, theta, h, out.len(), 1, out);
    }

    fn quadratic(&self) -> Option<(f64, &[f64])> {
        self.quadratic.as_ref().map(|(a, c)| (*a, c.as_slice()))
    }
}
