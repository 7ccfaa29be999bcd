//! The exact chain of the overlaps at finite dimension.

use ndarray::Array2;

use super::chi_square::ChiSquare;
use super::ensemble::{Ensemble, Plan, Run, SgdSettings};
use super::rng::{Generator, Key, Purpose};
use super::root::Roots;
use super::units::{Step, Supply, Units, rate};
use crate::error::Result;
use crate::frame::{Solver, Visit};
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
struct Chain {
    index: usize,
    shape: Shape,
    units: Units,
    /// Coordinates of students and momenta, in units of `√d` (vectors × stride); those outside the frame are 0 between steps.
    rows: Vec<f64>,
    /// Coordinates of the teacher (teachers × span).
    teacher: Vec<f64>,
    /// Squared lengths outside the frame.
    lengths: Vec<ChiSquare>,
    /// Work of [`Chain::rotate`] (vectors × vectors).
    lower: Vec<f64>,
    /// Inputs (batch × stride).
    inputs: Vec<f64>,
    fields: Vec<f64>,
    normals: Supply,
    uniforms: Supply,
    retry: Key,
    noise: Option<Supply>,
    steps: u64,
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
            inputs: vec![0.0; batch * shape.stride()],
            fields: vec![0.0; batch * (students + teachers)],
            normals: Supply::normals(plan, Purpose::Inputs, index, shape.normals()),
            uniforms: Supply::uniforms(plan, Purpose::ChiSquare, index, outside),
            retry: plan.key(Purpose::ChiSquareRetry, index),
            noise: (plan.sigma > 0.0).then(|| Supply::normals(plan, Purpose::LabelNoise, index, batch)),
            steps: 0,
        }
    }

    /// Steps until `steps` have been made. `shape` is that of the run, perhaps known to the compiler.
    #[inline(always)]
    fn go(&mut self, plan: &Plan, shape: Shape, steps: u64) -> Result<()> {
        let scale = 1.0 / plan.settings.dimension as f64;
        while self.steps < steps {
            let tau = rate(plan, self.steps)?;
            self.draw(shape);
            let noise = self.noise.as_mut().map_or(&[][..], |noise| noise.at(self.steps));
            let far = self.units.respond(plan, (shape.students, shape.teachers), &mut self.fields, noise)?;
            self.update(shape, Step::new(plan, tau, scale));
            self.steps += 1;
            if far {
                let mut state = vec![0.0; plan.layout.len()];
                self.state(plan, &mut state);
                plan.check(&state, self.index, self.steps)?;
            }
        }
        Ok(())
    }

    /// Draws the coordinates of the inputs, and from them the fields.
    #[inline(always)]
    fn draw(&mut self, shape: Shape) {
        let Shape { students, teachers, span, outside, .. } = shape;
        let (stride, inside) = (shape.stride(), shape.span + shape.across);
        let (mut normals, uniforms) = (self.normals.at(self.steps), self.uniforms.at(self.steps));
        for sample in 0..shape.batch {
            let input = &mut self.inputs[sample * stride..][..stride];
            let drawn = inside + (sample + 1).min(outside);
            input[..drawn].copy_from_slice(&normals[..drawn]);
            normals = &normals[drawn..];
            if sample < outside {
                let (law, normal) = (&self.lengths[sample], input[inside + sample]);
                let square = law
                    .propose(normal, uniforms[sample])
                    .unwrap_or_else(|| law.draw(&mut Generator::new(self.retry.at(sample, self.steps))));
                input[inside + sample] = square.sqrt();
            }
            let fields = &mut self.fields[sample * (students + teachers)..][..students + teachers];
            for i in 0..students {
                let row = &self.rows[i * stride..][..inside];
                fields[i] = row.iter().zip(&*input).map(|(w, x)| w * x).sum();
            }
            for n in 0..teachers {
                let row = &self.teacher[n * span..][..span];
                fields[students + n] = row.iter().zip(&*input).map(|(w, x)| w * x).sum();
            }
        }
    }

    /// Moves the vectors, and the frame after them.
    #[inline(always)]
    fn update(&mut self, shape: Shape, step: Step) {
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
        self.rotate(shape);
    }

    /// Turns the frame so that the vectors lie in its first `across` axes: modified Gram–Schmidt. Inner products of the vectors
    /// are kept to rounding even where they are dependent.
    #[inline(always)]
    fn rotate(&mut self, shape: Shape) {
        let Shape { vectors, span, .. } = shape;
        let stride = shape.stride();
        let lower = &mut self.lower[..vectors * vectors];
        for i in 0..vectors {
            let (before, row) = self.rows[..(i + 1) * stride].split_at_mut(i * stride);
            let row = &mut row[span..];
            for j in 0..i {
                let axis = &before[j * stride + span..][..stride - span];
                let along: f64 = row.iter().zip(axis).map(|(x, e)| x * e).sum();
                row.iter_mut().zip(axis).for_each(|(x, e)| *x -= along * e);
                lower[i * vectors + j] = along;
            }
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            lower[i * vectors + i] = norm;
            // A zero vector has no direction; nothing will be measured along it.
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            row.iter_mut().for_each(|x| *x *= scale);
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
        self.rows[i * stride..][..stride].iter().zip(&self.rows[k * stride..]).map(|(x, y)| x * y).sum()
    }

    fn teacher_overlap(&self, i: usize, n: usize) -> f64 {
        let (stride, span) = (self.shape.stride(), self.shape.span);
        self.rows[i * stride..].iter().zip(&self.teacher[n * span..][..span]).map(|(x, y)| x * y).sum()
    }
}

impl Run for Chain {
    fn advance(&mut self, plan: &Plan, steps: u64) -> Result<()> {
        /// The common case, for which the compiler knows all sizes.
        const PAIR: Shape = Shape { students: 2, teachers: 2, batch: 1, vectors: 2, span: 2, across: 2, outside: 1 };
        if self.shape == PAIR { self.go(plan, PAIR, steps) } else { self.go(plan, self.shape, steps) }
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
