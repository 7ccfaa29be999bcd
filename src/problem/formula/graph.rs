//! A formula as a graph: every operation once, operands before what uses them.

use std::collections::HashMap;

use super::function::{Binary, Unary};

/// Number of a node.
pub(super) type Id = usize;

/// One operation, or a leaf. Numbers by their bits, so that nodes can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Number(u64),
    Variable(usize),
    Unary(Unary, Id),
    Binary(Binary, Id, Id),
}

impl Node {
    /// Its operands.
    pub fn operands(self) -> impl Iterator<Item = Id> {
        let (a, b) = match self {
            Self::Number(_) | Self::Variable(_) => (None, None),
            Self::Unary(_, a) => (Some(a), None),
            Self::Binary(_, a, b) => (Some(a), Some(b)),
        };
        a.into_iter().chain(b)
    }
}

/// Builds a graph; equal operations on equal operands become one node.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    known: HashMap<Node, Id>,
    /// Whether sums and products may be rearranged (derivatives), or must round as they were written (what users write).
    free: bool,
}

impl Graph {
    /// One with these nodes, whose further ones may be rearranged.
    pub fn free(nodes: &[Node]) -> Self {
        let known = nodes.iter().enumerate().map(|(id, &node)| (node, id)).collect();
        Self { nodes: nodes.to_vec(), known, free: true }
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn node(&self, id: Id) -> Node {
        self.nodes[id]
    }

    fn insert(&mut self, node: Node) -> Id {
        *self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    pub fn number(&mut self, value: f64) -> Id {
        self.insert(Node::Number(value.to_bits()))
    }

    pub fn variable(&mut self, variable: usize) -> Id {
        self.insert(Node::Variable(variable))
    }

    /// The value of a node that is a number.
    pub fn constant(&self, id: Id) -> Option<f64> {
        match self.nodes[id] {
            Node::Number(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    pub fn unary(&mut self, operation: Unary, a: Id) -> Id {
        if let Some(value) = self.constant(a) {
            return self.number(operation.at(value));
        }
        match (operation, self.nodes[a]) {
            (Unary::Negative, Node::Unary(Unary::Negative, inner)) => inner,
            (Unary::Negative, Node::Binary(Binary::Subtract, x, y)) if self.free => self.subtract(y, x),
            (Unary::Negative, Node::Binary(Binary::Multiply, x, y)) if self.free && self.constant(x).is_some() => {
                let factor = -self.constant(x).unwrap_or(1.0);
                self.scale(factor, y)
            }
            _ => self.insert(Node::Unary(operation, a)),
        }
    }

    pub fn binary(&mut self, operation: Binary, a: Id, b: Id) -> Id {
        if let (Some(x), Some(y)) = (self.constant(a), self.constant(b)) {
            return self.number(operation.at(x, y));
        }
        match operation {
            Binary::Add => self.add(a, b),
            Binary::Subtract => self.subtract(a, b),
            Binary::Multiply => self.multiply(a, b),
            Binary::Divide => self.divide(a, b),
            Binary::Power => self.power(a, b),
            Binary::Where if self.constant(b) == Some(0.0) => b,
            Binary::Max | Binary::Min if a == b => a,
            _ => self.insert(Node::Binary(operation, a, b)),
        }
    }

    pub fn negative(&mut self, a: Id) -> Id {
        self.unary(Unary::Negative, a)
    }

    /// `factor · a`.
    pub fn scale(&mut self, factor: f64, a: Id) -> Id {
        let factor = self.number(factor);
        self.multiply(factor, a)
    }

    fn negated(&self, id: Id) -> Option<Id> {
        match self.nodes[id] {
            Node::Unary(Unary::Negative, inner) => Some(inner),
            _ => None,
        }
    }

    /// `(c, x)` of `c·x`, with c = 1 where no number stands before it.
    fn factor(&self, id: Id) -> (f64, Id) {
        match self.nodes[id] {
            Node::Binary(Binary::Multiply, c, x) => self.constant(c).map_or((1.0, id), |c| (c, x)),
            Node::Unary(Unary::Negative, x) => (-1.0, x),
            _ => (1.0, id),
        }
    }

    pub fn add(&mut self, a: Id, b: Id) -> Id {
        match (self.constant(a), self.constant(b)) {
            (Some(x), Some(y)) => return self.number(x + y),
            (Some(0.0), _) => return b,
            (_, Some(0.0)) => return a,
            _ => {}
        }
        if let Some(b) = self.negated(b) {
            return self.subtract(a, b);
        }
        if let Some(a) = self.negated(a) {
            return self.subtract(b, a);
        }
        if a == b {
            return self.scale(2.0, a);
        }
        let ((c, x), (d, y)) = (self.factor(a), self.factor(b));
        if self.free && x == y {
            return self.scale(c + d, x);
        }
        self.insert(Node::Binary(Binary::Add, a.min(b), a.max(b)))
    }

    pub fn subtract(&mut self, a: Id, b: Id) -> Id {
        match (self.constant(a), self.constant(b)) {
            (Some(x), Some(y)) => return self.number(x - y),
            (Some(0.0), _) => return self.negative(b),
            (_, Some(0.0)) => return a,
            _ => {}
        }
        if let Some(b) = self.negated(b) {
            return self.add(a, b);
        }
        let ((c, x), (d, y)) = (self.factor(a), self.factor(b));
        if self.free && x == y {
            return self.scale(c - d, x);
        }
        self.insert(Node::Binary(Binary::Subtract, a, b))
    }

    pub fn multiply(&mut self, a: Id, b: Id) -> Id {
        // A number stands first.
        let (a, b) = if self.constant(b).is_some() { (b, a) } else { (a, b) };
        match (self.constant(a), self.constant(b)) {
            (Some(x), Some(y)) => return self.number(x * y),
            (Some(0.0), _) if self.free => return self.number(0.0),
            (Some(1.0), _) => return b,
            (Some(-1.0), _) => return self.negative(b),
            (Some(c), _) if self.free => {
                let (d, x) = self.factor(b);
                if x != b {
                    return self.scale(c * d, x);
                }
            }
            (None, _) => match (self.negated(a), self.negated(b)) {
                (Some(a), Some(b)) => return self.multiply(a, b),
                (Some(a), None) => {
                    let product = self.multiply(a, b);
                    return self.negative(product);
                }
                (None, Some(b)) => {
                    let product = self.multiply(a, b);
                    return self.negative(product);
                }
                (None, None) if self.free => {
                    let ((c, x), (d, y)) = (self.factor(a), self.factor(b));
                    if c != 1.0 || d != 1.0 {
                        let product = self.multiply(x, y);
                        return self.scale(c * d, product);
                    }
                }
                _ => {}
            },
            _ => {}
        }
        let (a, b) = if self.constant(a).is_some() { (a, b) } else { (a.min(b), a.max(b)) };
        self.insert(Node::Binary(Binary::Multiply, a, b))
    }

    pub fn divide(&mut self, a: Id, b: Id) -> Id {
        match (self.constant(a), self.constant(b)) {
            (Some(x), Some(y)) => return self.number(x / y),
            (_, Some(1.0)) => return a,
            // Dividing by a power of two rounds as multiplying by its inverse does.
            (_, Some(c)) if self.free || (c.is_normal() && (1.0 / c).is_normal() && c.to_bits() << 12 == 0) => {
                return self.scale(1.0 / c, a);
            }
            (Some(0.0), _) if self.free => return a,
            _ => {}
        }
        self.insert(Node::Binary(Binary::Divide, a, b))
    }

    /// `a^b`: products and roots where the exponent says so, which are faster than the general power and hold for a < 0.
    pub fn power(&mut self, a: Id, b: Id) -> Id {
        if self.constant(a).is_some_and(|base| base == std::f64::consts::E) {
            return self.unary(Unary::Exp, b);
        }
        match self.constant(b) {
            Some(exponent) if exponent.abs() == 0.5 => {
                let root = self.unary(Unary::Sqrt, a);
                self.positive_power(root, 1, exponent < 0.0)
            }
            // Beyond, squaring again and again would cost more digits than the general power does.
            Some(exponent) if exponent.abs() <= 16.0 && exponent.fract() == 0.0 => {
                self.positive_power(a, exponent.abs() as u32, exponent < 0.0)
            }
            _ => self.insert(Node::Binary(Binary::Power, a, b)),
        }
    }

    fn positive_power(&mut self, a: Id, exponent: u32, inverse: bool) -> Id {
        let one = self.number(1.0);
        let mut result = None;
        for bit in (0..u32::BITS - exponent.leading_zeros()).rev() {
            let square = result.map(|x| self.multiply(x, x));
            let odd = exponent >> bit & 1 == 1;
            result = match square {
                Some(square) if odd => Some(self.multiply(square, a)),
                Some(square) => Some(square),
                None => Some(a),
            };
        }
        let result = result.unwrap_or(one);
        if inverse { self.divide(one, result) } else { result }
    }

    /// Only what `roots` need, in an order in which operands come first.
    pub fn only(self, roots: &[Id]) -> (Vec<Node>, Vec<Id>) {
        let mut needed = vec![false; self.nodes.len()];
        for &root in roots {
            needed[root] = true;
        }
        for id in (0..self.nodes.len()).rev() {
            if needed[id] {
                self.nodes[id].operands().for_each(|operand| needed[operand] = true);
            }
        }
        let mut place = vec![0; self.nodes.len()];
        let mut kept = Vec::new();
        for (id, &node) in self.nodes.iter().enumerate().filter(|&(id, _)| needed[id]) {
            place[id] = kept.len();
            kept.push(match node {
                Node::Unary(operation, a) => Node::Unary(operation, place[a]),
                Node::Binary(operation, a, b) => Node::Binary(operation, place[a], place[b]),
                leaf => leaf,
            });
        }
        (kept, roots.iter().map(|&root| place[root]).collect())
    }
}
