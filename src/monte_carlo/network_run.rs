//! One run of a two-layer network: gradient steps on the risk or on samples.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use multiversion::multiversion;

use super::erf_table::erf_table;
use super::network::{Gradient, Plan};
use super::online_sgd::random_frame;
use super::random_neurons::NeuronState;
use super::rng::{Key, Purpose, fill_normals};
use crate::error::{Error, Result};
use crate::gaussian::RiskParts;
use crate::numerics::buffer::{Buffer, zeros};
use crate::numerics::sum::{dot, dot3};
use crate::problem::{Activation, Link, RUNAWAY};
use ndarray::Array2;

/// Coordinates that vectors are padded to, so that each begins a cache line.
const PIECE: usize = 8;

/// Columns side by side, each padded.
struct Columns {
    numbers: Buffer,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl Columns {
    fn zeros(rows: usize, columns: usize) -> Self {
        let stride = rows.next_multiple_of(PIECE);
        Self { numbers: zeros(stride * columns), rows, columns, stride }
    }

    fn column(&self, k: usize) -> &[f64] {
        &self.numbers[k * self.stride..][..self.rows]
    }

    fn column_mut(&mut self, k: usize) -> &mut [f64] {
        &mut self.numbers[k * self.stride..][..self.rows]
    }

    fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice_with_stride(&self.numbers, self.rows, self.columns, self.stride)
    }

    fn matrix_mut(&mut self) -> MatMut<'_, f64> {
        MatMut::from_column_major_slice_with_stride_mut(&mut self.numbers, self.rows, self.columns, self.stride)
    }
}

/// One run. The target's direction `u*` is the first axis: the laws of inputs and starts know no other direction.
pub(super) struct TwoLayers {
    index: usize,
    a: Vec<f64>,
    /// `u_i` (d×m).
    w: Columns,
    scratch: Scratch,
    steps: u64,
    /// What is read off the network when a frame is made.
    pub parts: RiskParts,
}

/// What a step needs besides the network.
enum Scratch {
    Population(Box<Population>),
    Sample(Box<Sample>),
}

/// Of a step on the risk.
struct Population {
    next: Columns,
    r: Columns,
    values: Columns,
    slopes: Columns,
    /// Of the step, `next = w·mixing` along the other neurons.
    mixing: Columns,
    target: Vec<[f64; 2]>,
    force: Vec<f64>,
}

/// Of a step on samples.
struct Sample {
    key: Key,
    /// Inputs (d×B).
    x: Columns,
    /// `⟨u_i, x_b⟩` (B×m).
    fields: Columns,
    values: Columns,
    slopes: Columns,
    /// Of the inputs in the step of `u_i` (B×m).
    weights: Columns,
    /// `f(x_b) − φ(⟨u*, x_b⟩)`.
    errors: Vec<f64>,
}

impl TwoLayers {
    pub fn new(plan: &Plan, index: usize) -> Self {
        let (d, m) = (plan.settings.dimension, plan.problem.neurons());
        let mut w = Columns::zeros(d, m);
        let key = plan.key(Purpose::InitialWeights, index);
        if let Some(roots) = &plan.roots {
            // What is perpendicular to the target lies in random directions of the other coordinates.
            let others = d - 1;
            let stride = others.next_multiple_of(PIECE);
            let frame = random_frame(key, others, stride, roots.across.ncols());
            for i in 0..m {
                let u = w.column_mut(i);
                u[0] = plan.problem.s[i];
                for (coordinate, axis) in roots.across.row(i).iter().zip(frame.chunks_exact(stride.max(1))) {
                    u[1..].iter_mut().zip(axis).for_each(|(x, e)| *x += coordinate * e);
                }
            }
        } else {
            (0..m).for_each(|i| fill_normals(key.at(i, 0), w.column_mut(i)));
        }
        normalise(&mut w);
        let columns = || Columns::zeros(m, m);
        let scratch = match plan.settings.gradient {
            Gradient::Population => Scratch::Population(Box::new(Population {
                next: Columns::zeros(d, m),
                r: columns(),
                values: columns(),
                slopes: columns(),
                mixing: columns(),
                target: vec![[0.0; 2]; m],
                force: vec![0.0; m],
            })),
            Gradient::Sample { batch } => Scratch::Sample(Box::new(Sample {
                key: plan.key(Purpose::Inputs, index),
                x: Columns::zeros(d, batch),
                fields: Columns::zeros(batch, m),
                values: Columns::zeros(batch, m),
                slopes: Columns::zeros(batch, m),
                weights: Columns::zeros(batch, m),
                errors: vec![0.0; batch],
            })),
        };
        Self { index, a: plan.problem.a.clone(), w, scratch, steps: 0, parts: RiskParts::default() }
    }

    /// Goes on until `steps` steps have been made in all.
    pub fn advance(&mut self, plan: &Plan, steps: u64) -> Result<()> {
        while self.steps < steps {
            let whole = match &mut self.scratch {
                Scratch::Population(scratch) => scratch.step(plan, &mut self.a, &mut self.w),
                Scratch::Sample(scratch) => scratch.step(plan, &mut self.a, &mut self.w, self.steps),
            };
            self.steps += 1;
            if !whole || self.a.iter().any(|a| !(a.abs() <= RUNAWAY)) {
                return Err(self.failure(plan));
            }
        }
        Ok(())
    }

    /// What went wrong in the last step.
    fn failure(&self, plan: &Plan) -> Error {
        if let Scratch::Sample(sample) = &self.scratch
            && let Some(error) = sample.bad_activation(plan)
        {
            return error;
        }
        let names = |name: &'static str| move |(i, value): (usize, &f64)| format!("{name}[{i}] = {value:e}");
        let s: Vec<f64> = (0..self.a.len()).map(|i| self.w.column(i)[0]).collect();
        let state: Vec<String> =
            self.a.iter().enumerate().map(names("a")).chain(s.iter().enumerate().map(names("s"))).collect();
        let (name, value) = match self.a.iter().position(|a| !(a.abs() <= RUNAWAY)) {
            Some(i) => (format!("a[{i}]"), self.a[i]),
            None => ("|u|".into(), f64::INFINITY),
        };
        Error::RanAway {
            name: format!("{name} of run {}", self.index),
            value,
            time: plan.time(self.steps),
            state: state.join(", "),
        }
    }

    /// The steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// About how many numbers a step goes through.
    pub fn work(&self) -> f64 {
        let (m, d) = (self.a.len(), self.w.stride);
        match &self.scratch {
            Scratch::Population(_) => (m * m * (d + 4)) as f64,
            Scratch::Sample(sample) => (sample.x.columns * (m + 4) * d) as f64,
        }
    }

    /// Second layer and vectors: what it goes on from.
    pub fn save(&self) -> [&[f64]; 2] {
        [&self.a, &self.w.numbers]
    }

    /// Takes what has as many numbers as [`TwoLayers::save`] gives.
    pub fn load(&mut self, [a, w]: [&[f64]; 2], steps: u64) {
        self.a.copy_from_slice(a);
        self.w.numbers.copy_from_slice(w);
        self.steps = steps;
    }

    /// Second layer and overlaps.
    pub fn state(&self) -> NeuronState {
        let m = self.a.len();
        let mut r = Array2::eye(m);
        for i in 0..m {
            for j in 0..i {
                let overlap = dot(self.w.column(i), self.w.column(j)).clamp(-1.0, 1.0);
                (r[[i, j]], r[[j, i]]) = (overlap, overlap);
            }
        }
        let s = (0..m).map(|i| self.w.column(i)[0].clamp(-1.0, 1.0)).collect();
        NeuronState { a: self.a.clone(), s, r: Some(r) }
    }

    /// `u_i` (m×d).
    pub fn directions(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.w.columns, self.w.rows), |(i, k)| self.w.column(i)[k])
    }

    pub fn second_layer(&self) -> &[f64] {
        &self.a
    }

    /// `s_i`.
    pub fn alignment(&self, neuron: usize) -> f64 {
        self.w.column(neuron)[0].clamp(-1.0, 1.0)
    }

    /// Reads the risk off the network.
    pub fn observe(&mut self, plan: &Plan) {
        let state = self.state();
        self.parts = plan.risk.of(&state.a, &state.s, state.r.as_ref().map(|r| r.view()));
    }
}

impl Population {
    /// Returns whether all vectors are finite afterwards.
    fn step(&mut self, plan: &Plan, a: &mut [f64], w: &mut Columns) -> bool {
        let (m, eta) = (a.len(), plan.settings.step);
        let share = 1.0 / m as f64;
        matmul(self.r.matrix_mut(), Accum::Replace, w.matrix().transpose(), w.matrix(), 1.0, Par::Seq);
        plan.u.fill(&self.r.numbers, &mut self.values.numbers, &mut self.slopes.numbers);
        for (i, target) in self.target.iter_mut().enumerate() {
            let [value, slope, _] = plan.v.at(w.column(i)[0].clamp(-1.0, 1.0));
            *target = [value, slope];
        }
        for (i, (own, target)) in a.iter().zip(&self.target).enumerate() {
            let (slopes, r) = (self.slopes.column(i), self.r.column(i));
            // u_i itself has no part in what is perpendicular to it.
            let along = share * (dot3(a, slopes, r) - own * slopes[i] * r[i]);
            let stay = 1.0 + eta * own * (along - target[1] * w.column(i)[0]);
            let mixing = self.mixing.column_mut(i);
            scaled_product(-eta * share * own, a, slopes, mixing);
            mixing[i] = stay;
        }
        matmul(self.next.matrix_mut(), Accum::Replace, w.matrix(), self.mixing.matrix(), 1.0, Par::Seq);
        for (i, (own, target)) in a.iter().zip(&self.target).enumerate() {
            self.next.column_mut(i)[0] += eta * own * target[1];
        }
        let steps = plan.settings.second_layer_steps;
        let rate = eta / plan.problem.epsilon / steps as f64;
        for _ in 0..steps {
            for i in 0..m {
                self.force[i] = self.target[i][0] - share * dot(a, self.values.column(i));
            }
            a.iter_mut().zip(&self.force).for_each(|(a, force)| *a += rate * force);
        }
        std::mem::swap(w, &mut self.next);
        normalise(w)
    }
}

impl Sample {
    /// Returns whether all vectors are finite afterwards.
    fn step(&mut self, plan: &Plan, a: &mut [f64], w: &mut Columns, step: u64) -> bool {
        let (m, batch, eta) = (a.len(), self.x.columns, plan.settings.step);
        for b in 0..batch {
            fill_normals(self.key.at(b, step), self.x.column_mut(b));
        }
        matmul(self.fields.matrix_mut(), Accum::Replace, self.x.matrix().transpose(), w.matrix(), 1.0, Par::Seq);
        let (fields, values, slopes) = (&self.fields.numbers, &mut self.values.numbers, &mut self.slopes.numbers);
        respond(&plan.problem.activation, fields, values, slopes);
        self.errors.fill(0.0);
        for (i, own) in a.iter().enumerate() {
            add_scaled(own / m as f64, self.values.column(i), &mut self.errors);
        }
        for b in 0..batch {
            self.errors[b] -= plan.problem.target.at(self.x.column(b)[0])[0];
        }
        let share = 1.0 / batch as f64;
        let rate = eta / plan.problem.epsilon * share;
        for (i, own) in a.iter_mut().enumerate() {
            let along = dot3(&self.errors, self.slopes.column(i), self.fields.column(i));
            let pull = -eta * share * *own;
            scale(1.0 - pull * along, w.column_mut(i));
            scaled_product(pull, &self.errors, self.slopes.column(i), self.weights.column_mut(i));
            *own -= rate * dot(&self.errors, self.values.column(i));
        }
        matmul(w.matrix_mut(), Accum::Add, self.x.matrix(), self.weights.matrix(), 1.0, Par::Seq);
        normalise(w)
    }

    /// An activation or target of the last inputs that is not finite.
    fn bad_activation(&self, plan: &Plan) -> Option<Error> {
        let found = |function, value: f64, x| (!value.is_finite()).then_some(Error::Activation { function, value, x });
        let target = |b: usize| {
            let x = self.x.column(b)[0];
            found("φ", plan.problem.target.at(x)[0], x)
        };
        let unit = |x: f64| {
            let [value, slope] = plan.problem.activation.at(x);
            found("σ", value, x).or_else(|| found("σ'", slope, x))
        };
        let mut fields = self.fields.numbers.iter().filter(|x| x.is_finite());
        (0..self.x.columns).find_map(target).or_else(|| fields.find_map(|&x| unit(x)))
    }
}

/// `σ` and `σ'` of all fields.
fn respond(activation: &Link, fields: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    match activation {
        Link::Function(Activation::Relu) => rectify(fields, values, slopes),
        Link::Function(Activation::Erf) => {
            let table = erf_table();
            for ((x, value), slope) in fields.iter().zip(values).zip(slopes) {
                (*value, *slope) = table.value_and_slope(*x);
            }
        }
        other => {
            for ((x, value), slope) in fields.iter().zip(values).zip(slopes) {
                [*value, *slope] = other.at(*x);
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn rectify(fields: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    for ((&x, value), slope) in fields.iter().zip(values).zip(slopes) {
        *value = if x < 0.0 { 0.0 } else { x };
        *slope = if x > 0.0 { 1.0 } else { 0.0 };
    }
}

/// `out = factor·x·y`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn scaled_product(factor: f64, x: &[f64], y: &[f64], out: &mut [f64]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = factor * x * y;
    }
}

/// `out += factor·x`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn add_scaled(factor: f64, x: &[f64], out: &mut [f64]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += factor * x;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn scale(factor: f64, out: &mut [f64]) {
    for out in out {
        *out *= factor;
    }
}

/// Divides each column by its length. Returns whether all lengths are finite and above 0; columns of others stay.
fn normalise(w: &mut Columns) -> bool {
    let mut whole = true;
    for i in 0..w.columns {
        let column = w.column_mut(i);
        let square = dot(column, column);
        if square > 0.0 && square.is_finite() {
            scale(1.0 / square.sqrt(), column);
        } else {
            whole = false;
        }
    }
    whole
}
