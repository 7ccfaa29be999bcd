//! Exact derivatives, node by node: no recursion, and no more nodes than a few for each.

use super::function::{Binary, INVERSE_SQRT_TAU, LOG2_E, LOG10_E, TWO_OVER_SQRT_PI, Unary};
use super::graph::{Graph, Id, Node};

/// Adds the derivative of `root` by `variable` to the graph; `None` beyond `most` nodes.
pub(super) fn differentiate(graph: &mut Graph, root: Id, variable: usize, most: usize) -> Option<Id> {
    let zero = graph.number(0.0);
    let one = graph.number(1.0);
    let mut slopes = Vec::with_capacity(root + 1);
    for id in 0..=root {
        let slope = match graph.node(id) {
            Node::Variable(k) if k == variable => one,
            Node::Number(_) | Node::Variable(_) => zero,
            Node::Unary(_, a) if slopes[a] == zero => zero,
            Node::Unary(operation, a) => {
                let outer = unary(graph, operation, a, id);
                graph.multiply(outer, slopes[a])
            }
            Node::Binary(_, a, b) if slopes[a] == zero && slopes[b] == zero => zero,
            Node::Binary(operation, a, b) => binary(graph, operation, [a, b], [slopes[a], slopes[b]], id),
        };
        if graph.len() > most {
            return None;
        }
        slopes.push(slope);
    }
    slopes.last().copied()
}

/// The derivative of `value = operation(a)` by `a`.
fn unary(graph: &mut Graph, operation: Unary, a: Id, value: Id) -> Id {
    let one = graph.number(1.0);
    let square = |graph: &mut Graph, x: Id| graph.multiply(x, x);
    match operation {
        Unary::Negative => graph.number(-1.0),
        Unary::Sin => graph.unary(Unary::Cos, a),
        Unary::Cos => {
            let sin = graph.unary(Unary::Sin, a);
            graph.negative(sin)
        }
        Unary::Tan => {
            let square = square(graph, value);
            graph.add(one, square)
        }
        Unary::Asin | Unary::Acos => {
            // (1 − a)(1 + a) rather than 1 − a², for the digits near ±1.
            let (below, above) = (graph.subtract(one, a), graph.add(one, a));
            let product = graph.multiply(below, above);
            let root = graph.unary(Unary::Sqrt, product);
            let slope = graph.divide(one, root);
            if operation == Unary::Asin { slope } else { graph.negative(slope) }
        }
        Unary::Atan => {
            let square = square(graph, a);
            let sum = graph.add(one, square);
            graph.divide(one, sum)
        }
        Unary::Sinh => graph.unary(Unary::Cosh, a),
        Unary::Cosh => graph.unary(Unary::Sinh, a),
        Unary::Tanh => {
            let square = square(graph, value);
            graph.subtract(one, square)
        }
        Unary::Exp => value,
        Unary::Log => graph.divide(one, a),
        Unary::Log2 => {
            let factor = graph.number(LOG2_E);
            graph.divide(factor, a)
        }
        Unary::Log10 => {
            let factor = graph.number(LOG10_E);
            graph.divide(factor, a)
        }
        Unary::Sqrt => {
            let half = graph.number(0.5);
            graph.divide(half, value)
        }
        Unary::Abs => graph.unary(Unary::Sign, a),
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Step => graph.number(0.0),
        Unary::Erf => gaussian(graph, a, -1.0, TWO_OVER_SQRT_PI),
        Unary::NormalCdf => gaussian(graph, a, -0.5, INVERSE_SQRT_TAU),
        Unary::Relu => graph.unary(Unary::Step, a),
        Unary::Sigmoid => {
            // s(a) s(−a) rather than s (1 − s), for the digits at large a.
            let opposite = graph.negative(a);
            let opposite = graph.unary(Unary::Sigmoid, opposite);
            graph.multiply(value, opposite)
        }
        Unary::Softplus => graph.unary(Unary::Sigmoid, a),
    }
}

/// `factor·exp(rate·a²)`.
fn gaussian(graph: &mut Graph, a: Id, rate: f64, factor: f64) -> Id {
    let square = graph.multiply(a, a);
    let exponent = graph.scale(rate, square);
    let exp = graph.unary(Unary::Exp, exponent);
    graph.scale(factor, exp)
}

/// The derivative of `value = operation(a, b)`, given those of `a` and `b`.
fn binary(graph: &mut Graph, operation: Binary, [a, b]: [Id; 2], [da, db]: [Id; 2], value: Id) -> Id {
    match operation {
        Binary::Add => graph.add(da, db),
        Binary::Subtract => graph.subtract(da, db),
        Binary::Multiply => {
            let (first, second) = (graph.multiply(da, b), graph.multiply(a, db));
            graph.add(first, second)
        }
        Binary::Divide => {
            let product = graph.multiply(value, db);
            let difference = graph.subtract(da, product);
            graph.divide(difference, b)
        }
        Binary::Power => power(graph, [a, b], [da, db], value),
        Binary::Max | Binary::Min => {
            // At a tie that of b, so that the derivative of max(x, 0) at 0 is that of ReLU.
            let excess = if operation == Binary::Max { graph.subtract(a, b) } else { graph.subtract(b, a) };
            let above = graph.unary(Unary::Step, excess);
            let one = graph.number(1.0);
            let below = graph.subtract(one, above);
            let (first, second) = (graph.binary(Binary::Where, above, da), graph.binary(Binary::Where, below, db));
            graph.add(first, second)
        }
        Binary::Where => graph.binary(Binary::Where, a, db),
    }
}

/// `b a^(b−1) a' + a^b ln(a) b'`, either term only where it is not 0: the logarithm does not exist for a < 0.
fn power(graph: &mut Graph, [a, b]: [Id; 2], [da, db]: [Id; 2], value: Id) -> Id {
    let one = graph.number(1.0);
    let exponent = graph.subtract(b, one);
    let lower = graph.power(a, exponent);
    let product = graph.multiply(b, lower);
    let first = graph.multiply(product, da);
    if graph.constant(db) == Some(0.0) {
        return first;
    }
    let log = graph.unary(Unary::Log, a);
    let product = graph.multiply(value, log);
    let second = graph.multiply(product, db);
    graph.add(first, second)
}
