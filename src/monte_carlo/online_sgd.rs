//! SGD on real weight vectors.

use ndarray::Array2;

use super::ensemble::{Ensemble, Plan, Run, Saved, SgdSettings};
use super::rng::{Key, Lanes, Purpose, fill_normals, start_lanes};
use super::root::Roots;
use super::units::{Step, Supply, Units, rate};
use super::weight_pass::{Piece, Shape, WIDTH, inner_product, pass};
use crate::error::{Result, require};
use crate::frame::{Solver, Visit, Watch};
use crate::numerics::buffer::{Buffer, zeros};
use crate::numerics::sum::dot;
use crate::problem::{Committee, Momentum};

/// Online SGD of a [`Committee`] on weight vectors in `d` dimensions: the particle twin of the order parameters.
///
/// The initial vectors point in random directions and have the overlaps of the statement exactly. Time is `steps/d`; a
/// requested time means the nearest whole number of steps, and `τ(t)` is taken at the start of a step.
///
/// A step costs the drawing of its `B` inputs and one pass over the vectors. Memory: `8d(K+M+B)` bytes a run, with momentum
/// `8d(2K+M+B)`. Runs go in parallel, each on one thread; results do not depend on the number of threads, nor on the times
/// recorded.
///
/// Frames hold the groups `order_parameters` (means over runs of `Q`, `M`, `a`, and `b`, `R`, `S`, `T` as far as they move, each
/// with `…_error`, the standard error of the mean; 0 with a single run), `errors` (`generalization_error`, `specialization`, each
/// with `…_error`, and `learning_rate`) and, if asked for, `runs`: `state` (run × order parameter).
pub struct OnlineSgd(Ensemble<Weights>);

impl OnlineSgd {
    /// States the runs and draws the initial weights.
    ///
    /// # Errors
    /// Those of [`Committee::validated`]; [`crate::Error::Parameter`] for a dimension that is 0, smaller than the rank of the
    /// initial overlaps, or too large for memory, for no runs, and for a batch above 4096; [`crate::Error::Unsupported`] for the
    /// greedy learning rate.
    pub fn new(problem: Committee, settings: SgdSettings) -> Result<Self> {
        /// Numbers in all runs together: 512 GiB.
        const MOST: f64 = (1u64 << 36) as f64;
        let plan = Plan::new(problem, settings, "SGD on weight vectors")?;
        let (problem, settings) = (&plan.problem, &plan.settings);
        let vectors = 2 * problem.students() + problem.teachers() + problem.batch;
        let numbers = settings.dimension as f64 * settings.runs as f64 * vectors as f64;
        require(numbers <= MOST, "dimension × runs × vectors", numbers, "at most 2^36; use the overlap chain")?;
        let (teacher, student) = (&problem.teacher, &problem.student);
        let roots = Roots::new(teacher.overlaps.view(), student.m.view(), student.q.view());
        plan.check_rank(roots.rank())?;
        Ok(Self(Ensemble::new(plan, |plan, run| Ok(Weights::new(plan, &roots, run)))?))
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
    /// [`crate::Error::Parameter`] for a time before the one reached and for a learning rate that is negative or not finite;
    /// [`crate::Error::RanAway`] where an order parameter passes 1e12; [`crate::Error::Activation`].
    pub fn advance_to(&mut self, time: f64) -> Result<()> {
        self.0.advance_to(time)
    }

    /// The order parameters of each run (run × order parameter, in the order of [`Committee::layout`]).
    pub fn states(&self) -> Array2<f64> {
        self.0.states()
    }

    /// The weight vectors of student (K×d) and teacher (M×d) in one run; `None` if there is no such run.
    pub fn vectors(&self, run: usize) -> Option<(Array2<f64>, Array2<f64>)> {
        let (run, d) = (self.0.member(run)?, self.0.plan.settings.dimension);
        let (pieces, shape) = (run.memory.as_chunks::<WIDTH>().0, run.shape);
        let list = |first: usize, count: usize| {
            let entry = |(i, k): (usize, usize)| pieces[k / WIDTH * shape.vectors() + first + i][k % WIDTH];
            Array2::from_shape_fn((count, d), entry)
        };
        Some((list(0, shape.students), list(shape.teacher(0), shape.teachers)))
    }
}

impl std::fmt::Debug for OnlineSgd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnlineSgd").field("plan", &self.0.plan).finish_non_exhaustive()
    }
}

impl Solver for OnlineSgd {
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
        self.0.save("online SGD")
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.0.load("online SGD", state)
    }
}

/// One run.
struct Weights {
    index: usize,
    key: Key,
    shape: Shape,
    units: Units,
    /// All vectors piece by piece, so that a pass is one stream: `WIDTH` coordinates of each student, momentum, teacher and
    /// input, then the next coordinates.
    memory: Buffer,
    noise: Option<Supply>,
    lanes: Vec<Lanes>,
    sums: Vec<Piece>,
    fields: Vec<f64>,
    steps: u64,
    /// The update of the last step, which waits for the pass of the next one.
    pending: Option<Step>,
}

impl Weights {
    fn new(plan: &Plan, roots: &Roots, index: usize) -> Self {
        let (d, batch, layout) = (plan.settings.dimension, plan.problem.batch, plan.layout);
        let (students, teachers) = (layout.students, layout.teachers);
        let momenta = if plan.problem.momentum == Momentum::None { 0 } else { students };
        let shape = Shape { students, momenta, teachers, batch };
        let stride = d.next_multiple_of(WIDTH);
        let frame = random_frame(plan.key(Purpose::InitialWeights, index), d, stride, roots.rank());
        let mut memory = zeros(shape.vectors() * stride);
        let (pieces, scale) = (memory.as_chunks_mut::<WIDTH>().0, (d as f64).sqrt());
        let mut combine = |vector: usize, coordinates: &mut dyn Iterator<Item = &f64>| {
            for (coordinate, axis) in coordinates.zip(frame.chunks_exact(stride)) {
                let own = pieces.iter_mut().skip(vector).step_by(shape.vectors());
                for (own, axis) in own.zip(axis.as_chunks::<WIDTH>().0) {
                    own.iter_mut().zip(axis).for_each(|(x, e)| *x += scale * coordinate * e);
                }
            }
        };
        for i in 0..students {
            combine(i, &mut roots.along.row(i).iter().chain(roots.across.row(i).iter()));
        }
        for n in 0..teachers {
            combine(shape.teacher(n), &mut roots.teacher.row(n).iter());
        }
        Self {
            index,
            key: plan.key(Purpose::Inputs, index),
            shape,
            units: Units::new(plan),
            memory,
            noise: (plan.sigma > 0.0).then(|| Supply::normals(plan, Purpose::LabelNoise, index, batch)),
            lanes: Vec::with_capacity(batch),
            sums: vec![[0.0; WIDTH]; batch * (students + teachers)],
            fields: vec![0.0; batch * (students + teachers)],
            steps: 0,
            pending: None,
        }
    }

    /// Applies `update` with the inputs of the last step, and if asked draws those of `step` and their fields.
    fn pass(&mut self, plan: &Plan, update: Option<Step>, draw: Option<u64>) {
        let d = plan.settings.dimension;
        self.lanes.clear();
        if let Some(step) = draw {
            self.lanes.extend((0..self.shape.batch).map(|sample| start_lanes(self.key.at(sample, step))));
            self.sums.fill([0.0; WIDTH]);
        }
        let update = update.map(|step| (step, self.units.force.as_slice()));
        pass(d, self.shape, update, &mut self.memory, &mut self.lanes, &mut self.sums);
        if draw.is_some() {
            let scale = 1.0 / (d as f64).sqrt();
            for (field, sum) in self.fields.iter_mut().zip(&self.sums) {
                *field = scale * sum.iter().sum::<f64>();
            }
        }
    }
}

impl Run for Weights {
    fn advance(&mut self, plan: &Plan, steps: u64) -> Result<()> {
        let scale = 1.0 / (plan.settings.dimension as f64).sqrt();
        while self.steps < steps {
            let tau = rate(plan, self.steps)?;
            let pending = self.pending.take();
            self.pass(plan, pending, Some(self.steps));
            let noise = self.noise.as_mut().map_or(&[][..], |noise| noise.at(self.steps));
            let far = self.units.respond(plan, &mut self.fields, noise)?;
            self.pending = Some(Step::new(plan, tau, scale));
            self.steps += 1;
            if far {
                self.settle(plan);
                let mut state = vec![0.0; plan.layout.len()];
                self.state(plan, &mut state);
                plan.check(&state, self.index, self.steps, self.units.overflow)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, plan: &Plan) {
        if let Some(step) = self.pending.take() {
            self.pass(plan, Some(step), None);
        }
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn work(&self) -> f64 {
        self.memory.len() as f64
    }

    fn save(&self) -> Saved<'_> {
        self.units.save(&self.memory)
    }

    fn load(&mut self, saved: Saved<'_>, steps: u64) {
        self.memory.copy_from_slice(&saved.vectors);
        self.units.load(saved);
        (self.steps, self.pending) = (steps, None);
    }

    fn state(&self, plan: &Plan, state: &mut [f64]) {
        let (layout, shape) = (plan.layout, self.shape);
        let inverse = plan.inverse;
        let (w, p) = (|i: usize| i, |i: usize| shape.students + i);
        let overlap = |a: usize, b: usize| inverse * inner_product(&self.memory, shape.vectors(), a, b);
        for i in 0..layout.students {
            for k in i..layout.students {
                state[layout.q(i, k)] = overlap(w(i), w(k));
            }
            for n in 0..layout.teachers {
                state[layout.m(i, n)] = overlap(w(i), shape.teacher(n));
            }
            if layout.second_layer {
                state[layout.a(i)] = self.units.weights[i];
            }
            if layout.biases {
                state[layout.b(i)] = self.units.biases[i];
            }
            if layout.momentum {
                for n in 0..layout.teachers {
                    state[layout.r(i, n)] = overlap(p(i), shape.teacher(n));
                }
                for k in 0..layout.students {
                    state[layout.s(i, k)] = overlap(p(i), w(k));
                    state[layout.t(i, k)] = overlap(p(i), p(k));
                }
            }
        }
    }
}

/// `count` orthonormal vectors in random directions, uniform: Gram–Schmidt, twice, on Gaussian vectors.
pub(super) fn random_frame(key: Key, dimension: usize, stride: usize, count: usize) -> Buffer {
    let mut frame = zeros(count * stride);
    for j in 0..count {
        let (before, axis) = frame.split_at_mut(j * stride);
        let axis = &mut axis[..stride];
        fill_normals(key.at(j, 0), &mut axis[..dimension]);
        for _ in 0..2 {
            for other in before.chunks_exact(stride) {
                let along = dot(axis, other);
                axis.iter_mut().zip(other).for_each(|(x, e)| *x -= along * e);
            }
            let scale = 1.0 / dot(axis, axis).sqrt();
            axis.iter_mut().for_each(|x| *x *= scale);
        }
    }
    frame
}
