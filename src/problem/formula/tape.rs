//! A graph as a list of operations on a few registers, for one point or for blocks of points.
//!
//! A block holds [`BLOCK`] numbers a register: small enough for the first cache, long enough that choosing the operation costs
//! little beside the loop over the block.

use multiversion::multiversion;

use super::function::{Binary, Unary};
use super::graph::{Id, Node};

/// Points of a block.
pub(super) const BLOCK: usize = 128;
/// Registers that fit on the stack, for one point and for a block (16 kB).
const SCALARS: usize = 32;
const BLOCKS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operand {
    Register(usize),
    Variable(usize),
    Number(f64),
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    /// A variable whose numbers do not lie side by side, into a register.
    Load(usize),
    Unary(Unary, Operand),
    Binary(Binary, Operand, Operand),
}

/// Operations in order, each with its register; it is never one of its own operands.
#[derive(Debug, Clone)]
pub(super) struct Tape {
    operations: Vec<(Operation, usize)>,
    registers: usize,
    /// Where the values of the roots are in the end.
    outputs: Vec<Operand>,
}

/// The numbers of one variable at the points of a block: `values[0]`, `values[stride]`, …
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    pub values: &'a [f64],
    pub stride: usize,
}

impl Tape {
    /// For `nodes` without any that `roots` do not need. Variables may be strided where `gathers`.
    pub fn new(nodes: &[Node], roots: &[Id], gathers: bool) -> Self {
        let mut last_use = vec![0; nodes.len()];
        for (id, node) in nodes.iter().enumerate() {
            node.operands().for_each(|operand| last_use[operand] = id);
        }
        roots.iter().for_each(|&root| last_use[root] = usize::MAX);
        let mut places: Vec<Operand> = Vec::with_capacity(nodes.len());
        let mut tape = Self { operations: Vec::new(), registers: 0, outputs: Vec::new() };
        let mut unused: Vec<usize> = Vec::new();
        for (id, &node) in nodes.iter().enumerate() {
            let operation = match node {
                Node::Number(bits) => {
                    places.push(Operand::Number(f64::from_bits(bits)));
                    continue;
                }
                Node::Variable(variable) if !gathers => {
                    places.push(Operand::Variable(variable));
                    continue;
                }
                Node::Variable(variable) => Operation::Load(variable),
                Node::Unary(operation, a) => Operation::Unary(operation, places[a]),
                Node::Binary(operation, a, b) => Operation::Binary(operation, places[a], places[b]),
            };
            let register = unused.pop().unwrap_or_else(|| {
                tape.registers += 1;
                tape.registers - 1
            });
            tape.operations.push((operation, register));
            places.push(Operand::Register(register));
            let mut free = |operand: Id| {
                if let (true, Operand::Register(register)) = (last_use[operand] == id, places[operand]) {
                    unused.push(register);
                }
            };
            match node {
                Node::Binary(_, a, b) if a != b => [a, b].into_iter().for_each(&mut free),
                other => other.operands().take(1).for_each(&mut free),
            }
        }
        tape.outputs = roots.iter().map(|&root| places[root]).collect();
        tape
    }

    /// The values of the roots at one point.
    pub fn point(&self, at: impl Fn(usize) -> f64 + Copy, out: &mut [f64]) {
        if self.registers <= SCALARS {
            self.point_in(&mut [0.0; SCALARS], at, out);
        } else {
            self.point_in(&mut vec![0.0; self.registers], at, out);
        }
    }

    #[inline]
    fn point_in(&self, registers: &mut [f64], at: impl Fn(usize) -> f64, out: &mut [f64]) {
        let value = |registers: &[f64], operand| match operand {
            Operand::Register(register) => registers[register],
            Operand::Variable(variable) => at(variable),
            Operand::Number(number) => number,
        };
        for &(operation, to) in &self.operations {
            registers[to] = match operation {
                Operation::Load(variable) => at(variable),
                Operation::Unary(operation, a) => operation.at(value(registers, a)),
                Operation::Binary(operation, a, b) => operation.at(value(registers, a), value(registers, b)),
            };
        }
        for (out, &operand) in out.iter_mut().zip(&self.outputs) {
            *out = value(registers, operand);
        }
    }

    /// The values of the roots at `points` points, block after block: `write(root, first point, values)`.
    pub fn blocks<'a>(
        &self,
        points: usize,
        columns: impl Fn(usize) -> Column<'a> + Copy,
        write: impl FnMut(usize, usize, &[f64]),
    ) {
        match self.registers {
            0..=2 => self.blocks_in(&mut [[0.0; BLOCK]; 2], points, columns, write),
            3..=6 => self.blocks_in(&mut [[0.0; BLOCK]; 6], points, columns, write),
            7..=BLOCKS => self.blocks_in(&mut [[0.0; BLOCK]; BLOCKS], points, columns, write),
            more => self.blocks_in(&mut vec![[0.0; BLOCK]; more], points, columns, write),
        }
    }

    fn blocks_in<'a>(
        &self,
        registers: &mut [[f64; BLOCK]],
        points: usize,
        columns: impl Fn(usize) -> Column<'a>,
        mut write: impl FnMut(usize, usize, &[f64]),
    ) {
        for start in (0..points).step_by(BLOCK) {
            let length = BLOCK.min(points - start);
            let column = |variable: usize| {
                let Column { values, stride } = columns(variable);
                Column { values: &values[start * stride..], stride }
            };
            for &(operation, to) in &self.operations {
                let variable = |operand| match operand {
                    Operand::Variable(variable) => &column(variable).values[..length],
                    _ => &[],
                };
                match operation {
                    Operation::Load(variable) => gather(column(variable), &mut registers[to][..length]),
                    Operation::Unary(operation, a) => {
                        with(registers, to, [a, a], [variable(a); 2], length, |out, [a, _]| unary(operation, a, out));
                    }
                    Operation::Binary(operation, a, b) => {
                        let variables = [variable(a), variable(b)];
                        with(registers, to, [a, b], variables, length, |out, [a, b]| binary(operation, a, b, out));
                    }
                }
            }
            for (root, &operand) in self.outputs.iter().enumerate() {
                match operand {
                    Operand::Register(register) => write(root, start, &registers[register][..length]),
                    Operand::Variable(variable) => write(root, start, &column(variable).values[..length]),
                    Operand::Number(number) => write(root, start, &[number; BLOCK][..length]),
                }
            }
        }
    }
}

/// What an operation reads.
#[derive(Clone, Copy)]
enum Source<'a> {
    Each(&'a [f64]),
    All(f64),
}

/// Calls `apply` with the register `to` and the two operands; `variables` are those that are variables.
#[inline(always)]
fn with(
    registers: &mut [[f64; BLOCK]],
    to: usize,
    operands: [Operand; 2],
    variables: [&[f64]; 2],
    length: usize,
    apply: impl FnOnce(&mut [f64], [Source<'_>; 2]),
) {
    // The operands are never in the register `to`: what lies before it and what lies after it can be read.
    let (before, rest) = registers.split_at_mut(to);
    let Some((out, after)) = rest.split_first_mut() else { return };
    let source = |operand, variable| match operand {
        Operand::Number(number) => Source::All(number),
        Operand::Variable(_) => Source::Each(variable),
        Operand::Register(register) if register < to => Source::Each(&before[register][..length]),
        Operand::Register(register) => Source::Each(&after[register - to - 1][..length]),
    };
    let sources = [source(operands[0], variables[0]), source(operands[1], variables[1])];
    apply(&mut out[..length], sources);
}

fn gather(column: Column<'_>, out: &mut [f64]) {
    match column.stride {
        2 => out.iter_mut().zip(column.values.chunks(2)).for_each(|(out, pair)| *out = pair[0]),
        stride => out.iter_mut().zip(column.values.iter().step_by(stride)).for_each(|(out, value)| *out = *value),
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn binary(operation: Binary, a: Source<'_>, b: Source<'_>, out: &mut [f64]) {
    match operation {
        Binary::Add => zip(a, b, out, |a, b| a + b),
        Binary::Subtract => zip(a, b, out, |a, b| a - b),
        Binary::Multiply => zip(a, b, out, |a, b| a * b),
        Binary::Divide => zip(a, b, out, |a, b| a / b),
        Binary::Max => zip(a, b, out, |a, b| Binary::Max.at(a, b)),
        Binary::Min => zip(a, b, out, |a, b| Binary::Min.at(a, b)),
        Binary::Where => zip(a, b, out, |a, b| Binary::Where.at(a, b)),
        Binary::Power => zip(a, b, out, |a, b| Binary::Power.at(a, b)),
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn unary(operation: Unary, a: Source<'_>, out: &mut [f64]) {
    match operation {
        Unary::Negative => map(a, out, |a| -a),
        Unary::Sqrt => map(a, out, f64::sqrt),
        Unary::Abs => map(a, out, f64::abs),
        Unary::Relu => map(a, out, |a| Unary::Relu.at(a)),
        Unary::Step => map(a, out, |a| Unary::Step.at(a)),
        Unary::Sign => map(a, out, |a| Unary::Sign.at(a)),
        Unary::Exp => map(a, out, libm::exp),
        other => map(a, out, |a| other.at(a)),
    }
}

#[inline(always)]
fn zip(a: Source<'_>, b: Source<'_>, out: &mut [f64], operation: impl Fn(f64, f64) -> f64) {
    match (a, b) {
        (Source::Each(a), Source::Each(b)) => {
            out.iter_mut().zip(a).zip(b).for_each(|((out, &a), &b)| *out = operation(a, b));
        }
        (Source::Each(a), Source::All(b)) => out.iter_mut().zip(a).for_each(|(out, &a)| *out = operation(a, b)),
        (Source::All(a), Source::Each(b)) => out.iter_mut().zip(b).for_each(|(out, &b)| *out = operation(a, b)),
        (Source::All(a), Source::All(b)) => out.fill(operation(a, b)),
    }
}

#[inline(always)]
fn map(a: Source<'_>, out: &mut [f64], operation: impl Fn(f64) -> f64) {
    match a {
        Source::Each(a) => out.iter_mut().zip(a).for_each(|(out, &a)| *out = operation(a)),
        Source::All(a) => out.fill(operation(a)),
    }
}
