//! The exact chain of the overlaps at finite dimension.

use ndarray::Array2;

use super::chi_square::ChiSquare;
use super::ensemble::{Ensemble, Plan, Run, Saved, SgdSettings};
use super::rng::{Generator, Key, Purpose};
use super::root::Roots;
use super::units::{Step, Supply, Units, rate};
use crate::error::Result;
use crate::frame::{Solver, Visit, Watch};
use crate::problem::{Committee, Momentum};

/// The overlaps of online SGD on a [`Committee`] in `d` dimensions, drawn exactly in law at a cost a step that does not depend on
/// `d` (EQUATIONS 2c).
///
/// The vectors are known by their coordinates in an orthonormal frame: that of the teacher's span, and one that follows the span
/// of what of the students (and their momentum) is perpendicular to it. An input has independent normal coordinates there; of
/// the rest of it only the squared length matters, which is chi-square (for a batch the Gram matrix, which is Wishart: Bartlett
/// 1933). After a step the frame is rotated so that the vectors lie in it again (modified Gram–Schmidt on their coordinates).
/// Overlaps are thus always those of vectors, and their matrix is semidefinite.
///
/// Times, runs and frames as for [`super::OnlineSgd`].
pub struct OverlapChain(Ensemble<Chain>);

impl OverlapChain {
    /// States the runs.
    ///
    /// # Errors
    /// Those of [`Committee::validated`]; [`crate::Error::Parameter`] for a dimension that is 0 or smaller than the rank of the
    /// initial overlaps, for no runs, and for a batch above 4096; [`crate::Error::Unsupported`] for the greedy learning rate.
    pub fn new(problem: Committee, settings: SgdSettings) -> Result<Self> {
        let plan = Plan::new(problem, settings, "the overlap chain")?;
        let (teacher, student) = (&plan.problem.teacher, &plan.problem.student);
        let roots = Roots::new(teacher.overlaps.view(), student.m.view(), student.q.view());
        plan.check_rank(roots.rank())?;
        Ok(Self(Ensemble::new(plan, |plan, run| Ok(Chain::new(plan, &roots, run)))?))
    }

    /// The statement.
    pub fn problem(&self) -> &Committee {
        &self.0.plan.problem
    }

    /// The settings.
    pub fn settings(&self) -> &SgdSettings {
        &self.0.plan.settings
    }

    /// Goes to the whole step nearest to `time` without showing anything.
    ///
    /// # Errors
    /// As [`super::OnlineSgd::advance_to`].
    pub fn advance_to(&mut self, time: f64) -> Result<()> {
        self.0.advance_to(time)
    }

    /// The order parameters of each run (run × order parameter, in the order of [`Committee::layout`]).
    pub fn states(&self) -> Array2<f64> {
        self.0.states()
    }
}

#[cfg(test)]
impl OverlapChain {
    /// The states at `time` by the general steps, where there are faster ones.
    pub(super) fn generally(&mut self, time: f64) -> Array2<f64> {
        let steps = (time * self.settings().dimension as f64).round() as u64;
        let plan = &self.0.plan;
        let mut table = self.states();
        for (member, mut row) in self.0.members.iter_mut().zip(table.outer_iter_mut()) {
            member.run.go(plan, steps).unwrap();
            member.run.state(plan, row.as_slice_mut().unwrap());
        }
        table
    }
}

impl std::fmt::Debug for OverlapChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OverlapChain").field("plan", &self.0.plan).finish_non_exhaustive()
    }
}

impl Solver for OverlapChain {
    fn time(&self) -> f64 {
        self.0.time()
    }

    fn run(&mut self, times: &[f64], visit: &mut Visit<'_>) -> Result<()> {
        self.0.run(times, visit)
    }

    fn watch(&mut self, watch: Watch) {
        self.0.watch = watch.into();
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.0.save("overlap chain")
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.0.load("overlap chain", state)
    }
}

/// Sizes of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    students: usize,
    teachers: usize,
    batch: usize,
    /// Students, and as many momenta if there is momentum.
    vectors: usize,
    /// Dimension of the teacher's span.
    span: usize,
    /// Axes of the frame perpendicular to it: one a vector, or all there are.
    across: usize,
    /// Axes for what of the inputs is outside the frame: one a sample, or all there are.
    outside: usize,
}

impl Shape {
    /// Coordinates of a vector.
    const fn stride(&self) -> usize {
        self.span + self.across + self.outside
    }

    /// Normals a step.
    fn normals(&self) -> usize {
        // The inputs within the frame, and the Bartlett factor: on its diagonal one for each chi-square.
        let outside: usize = (0..self.batch).map(|sample| (sample + 1).min(self.outside)).sum();
        self.batch * (self.span + self.across) + outside
    }
}

/// One run.
pub(super) struct Chain {
    index: usize,
    shape: Shape,
    pub(super) units: Units,
    /// Coordinates of students and momenta, in units of `√d` (vectors × stride); those outside the frame are 0 between steps.
    pub(super) rows: Vec<f64>,
    /// Coordinates of the teacher (teachers × span).
    pub(super) teacher: Vec<f64>,
    /// Squared lengths outside the frame.
    pub(super) lengths: Vec<ChiSquare>,
    /// Work of [`Chain::rotate`] (vectors × vectors).
    lower: Vec<f64>,
    inverse: Vec<f64>,
    /// Inputs (batch × stride).
    inputs: Vec<f64>,
    fields: Vec<f64>,
    pub(super) normals: Supply,
    pub(super) uniforms: Supply,
    pub(super) retry: Key,
    pub(super) noise: Option<Supply>,
    pub(super) steps: u64,
}

impl Chain {
    fn new(plan: &Plan, roots: &Roots, index: usize) -> Self {
        let (students, teachers, batch) = (plan.layout.students, plan.layout.teachers, plan.problem.batch);
        let vectors = if plan.problem.momentum == Momentum::None { students } else { 2 * students };
        let span = roots.teacher.ncols();
        let free = plan.settings.dimension - span;
        let across = vectors.min(free);
        let outside = batch.min(free - across);
        let shape = Shape { students, teachers, batch, vectors, span, across, outside };
        let mut rows = vec![0.0; vectors * shape.stride()];
        for (i, row) in rows.chunks_exact_mut(shape.stride()).take(students).enumerate() {
            let coordinates = roots.along.row(i).into_iter().chain(roots.across.row(i));
            row.iter_mut().zip(coordinates).for_each(|(x, coordinate)| *x = *coordinate);
        }
        Self {
            index,
            shape,
            units: Units::new(plan),
            rows,
            teacher: roots.teacher.iter().copied().collect(),
            lengths: (0..outside).map(|axis| ChiSquare::new(free - across - axis)).collect(),
            lower: vec![0.0; vectors * vectors],
            inverse: vec![0.0; vectors],
            inputs: vec![0.0; batch * shape.stride()],
            fields: vec![0.0; batch * (students + teachers)],
            normals: Supply::normals(plan, Purpose::Inputs, index, shape.normals()),
            uniforms: Supply::uniforms(plan, Purpose::ChiSquare, index, outside),
            retry: plan.key(Purpose::ChiSquareRetry, index),
            noise: (plan.sigma > 0.0).then(|| Supply::normals(plan, Purpose::LabelNoise, index, batch)),
            steps: 0,
        }
    }

    /// Steps until `steps` have been made.
    fn go(&mut self, plan: &Plan, steps: u64) -> Result<()> {
        let scale = plan.inverse;
        while self.steps < steps {
            let tau = rate(plan, self.steps)?;
            self.draw();
            let noise = self.noise.as_mut().map_or(&[][..], |noise| noise.at(self.steps));
            let far = self.units.respond(plan, &mut self.fields, noise)?;
            self.update(Step::new(plan, tau, scale));
            self.steps += 1;
            if far {
                self.look(plan)?;
            }
        }
        Ok(())
    }

    /// Looks whether the order parameters ran away.
    #[cold]
    pub(super) fn look(&self, plan: &Plan) -> Result<()> {
        let mut state = vec![0.0; plan.layout.len()];
        self.state(plan, &mut state);
        plan.check(&state, self.index, self.steps, self.units.overflow)
    }

    /// Draws the coordinates of the inputs, and from them the fields.
    fn draw(&mut self) {
        let shape = self.shape;
        let Shape { students, teachers, span, outside, .. } = shape;
        let (stride, inside) = (shape.stride(), shape.span + shape.across);
        let (mut normals, uniforms) = (self.normals.at(self.steps), self.uniforms.at(self.steps));
        for sample in 0..shape.batch {
            let input = &mut self.inputs[sample * stride..][..stride];
            let drawn = inside + (sample + 1).min(outside);
            input[..drawn].copy_from_slice(&normals[..drawn]);
            normals = &normals[drawn..];
            if sample < outside {
                let square = self.lengths[sample].propose(input[inside + sample], uniforms[sample]);
                let square = square.unwrap_or_else(|| retry(self.lengths[sample], self.retry.at(sample, self.steps)));
                input[inside + sample] = square.sqrt();
            }
            let fields = &mut self.fields[sample * (students + teachers)..][..students + teachers];
            let (u, v) = fields.split_at_mut(students);
            for (i, u) in u.iter_mut().enumerate() {
                *u = inner_product(&self.rows[i * stride..][..inside], &input[..inside]);
            }
            for (n, v) in v.iter_mut().enumerate() {
                *v = inner_product(&self.teacher[n * span..][..span], &input[..span]);
            }
        }
    }

    /// Moves the vectors, and the frame after them.
    fn update(&mut self, step: Step) {
        let shape = self.shape;
        let Shape { students, batch, vectors, outside, .. } = shape;
        let stride = shape.stride();
        let (inputs, force) = (&self.inputs[..batch * stride], &self.units.force[..batch * students]);
        let rows = &mut self.rows[..vectors * stride];
        let (w, p) = rows.split_at_mut(students * stride);
        for i in 0..students {
            for at in 0..stride {
                let mut push = 0.0;
                for sample in 0..batch {
                    push += force[sample * students + i] * inputs[sample * stride + at];
                }
                let w = &mut w[i * stride + at];
                if vectors > students {
                    let p = &mut p[i * stride + at];
                    *p = step.p_p * *p + step.p_w * *w + step.p_x * push;
                    *w = step.w_w * *w + step.w_p * *p;
                } else {
                    *w = step.w_w * *w + step.w_x * push;
                }
            }
        }
        if outside == 0 {
            return; // The frame spans everything.
        }
        self.rotate();
    }

    /// Turns the frame so that the vectors lie in its first `across` axes: modified Gram–Schmidt, without normalising. Inner
    /// products of the vectors are kept to rounding even where they are dependent.
    fn rotate(&mut self) {
        let Shape { vectors, span, .. } = self.shape;
        let stride = self.shape.stride();
        let (lower, inverse) = (&mut self.lower[..vectors * vectors], &mut self.inverse[..vectors]);
        for i in 0..vectors {
            let (before, row) = self.rows[..(i + 1) * stride].split_at_mut(i * stride);
            let row = &mut row[span..];
            for j in 0..i {
                let axis = &before[j * stride + span..][..stride - span];
                let along = inner_product(row, axis) * inverse[j];
                row.iter_mut().zip(axis).for_each(|(x, e)| *x -= along * e);
                lower[i * vectors + j] = along * lower[j * vectors + j];
            }
            let square = inner_product(row, row);
            lower[i * vectors + i] = square.sqrt();
            // A zero vector has no direction; nothing will be measured along it.
            inverse[i] = if square > f64::MIN_POSITIVE { 1.0 / square } else { 0.0 };
        }
        for i in 0..vectors {
            let row = &mut self.rows[i * stride + span..][..stride - span];
            row.fill(0.0);
            row[..=i].copy_from_slice(&lower[i * vectors..][..=i]);
        }
    }

    /// `X_i·X_k` and `X_i·L_n` of the coordinates.
    fn overlap(&self, i: usize, k: usize) -> f64 {
        let stride = self.shape.stride();
        inner_product(&self.rows[i * stride..][..stride], &self.rows[k * stride..][..stride])
    }

    fn teacher_overlap(&self, i: usize, n: usize) -> f64 {
        let (stride, span) = (self.shape.stride(), self.shape.span);
        inner_product(&self.rows[i * stride..][..span], &self.teacher[n * span..][..span])
    }
}

impl Run for Chain {
    fn steps(&self) -> u64 {
        self.steps
    }

    fn work(&self) -> f64 {
        // Normals and activations cost more than products.
        let Shape { students, teachers, batch, vectors, .. } = self.shape;
        (10 * batch * (students + teachers + self.shape.stride()) + vectors * self.rows.len()) as f64
    }

    fn save(&self) -> Saved<'_> {
        self.units.save(&self.rows)
    }

    fn load(&mut self, saved: Saved<'_>, steps: u64) {
        self.rows.copy_from_slice(&saved.vectors);
        self.units.load(saved);
        self.steps = steps;
    }

    fn advance(&mut self, plan: &Plan, steps: u64) -> Result<()> {
        match self.shape {
            Shape { students: 1, teachers: 1, batch: 1, vectors: 1, span: 1, across: 1, outside: 1 } => {
                self.go_plain::<1, 1>(plan, steps)
            }
            Shape { students: 2, teachers: 2, batch: 1, vectors: 2, span: 2, across: 2, outside: 1 } => {
                self.go_plain::<2, 2>(plan, steps)
            }
            _ => self.go(plan, steps),
        }
    }

    fn state(&self, plan: &Plan, state: &mut [f64]) {
        let (layout, k) = (plan.layout, self.shape.students);
        for i in 0..k {
            for j in i..k {
                state[layout.q(i, j)] = self.overlap(i, j);
            }
            for n in 0..self.shape.teachers {
                state[layout.m(i, n)] = self.teacher_overlap(i, n);
            }
            if layout.second_layer {
                state[layout.a(i)] = self.units.weights[i];
            }
            if layout.biases {
                state[layout.b(i)] = self.units.biases[i];
            }
            if layout.momentum {
                for n in 0..self.shape.teachers {
                    state[layout.r(i, n)] = self.teacher_overlap(k + i, n);
                }
                for j in 0..k {
                    state[layout.s(i, j)] = self.overlap(k + i, j);
                    state[layout.t(i, j)] = self.overlap(k + i, k + j);
                }
            }
        }
    }
}

/// A squared length after a rejected proposal.
#[cold]
pub(super) fn retry(law: ChiSquare, key: Key) -> f64 {
    law.draw(&mut Generator::new(key))
}

/// In two sums, of the even and the odd terms: half the latency.
#[inline(always)]
fn inner_product(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (a.as_chunks::<2>(), b.as_chunks::<2>());
    let (mut even, mut odd) = (0.0, 0.0);
    for (a, b) in a.0.iter().zip(b.0) {
        even += a[0] * b[0];
        odd += a[1] * b[1];
    }
    if let ([a], [b]) = (a.1, b.1) {
        even += a * b;
    }
    even + odd
}
