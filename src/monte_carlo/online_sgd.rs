//! SGD on real weight vectors.

use multiversion::multiversion;
use ndarray::Array2;

use super::ensemble::{Ensemble, Plan, Run, SgdSettings};
use super::rng::{Key, LANES, Lanes, Purpose, fill_normals};
use super::root::Roots;
use super::units::{Step, Supply, Units, rate};
use crate::error::{Result, require};
use crate::frame::{Solver, Visit};
use crate::numerics::buffer::{Buffer, zeros};
use crate::numerics::sum::dot;
use crate::problem::Committee;

/// Numbers of one draw of the generator; vectors are padded to a multiple.
const WIDTH: usize = 2 * LANES;
/// Coordinates treated at a time: the tiles of all vectors fit into the first cache.
const TILE: usize = 16 * WIDTH;

/// Online SGD of a [`Committee`] on weight vectors in `d` dimensions: the particle twin of the order parameters.
///
/// The initial vectors point in random directions and have the overlaps of the statement exactly. Time is `steps/d`; a
/// requested time means the nearest whole number of steps, and `τ(t)` is taken at the start of a step.
///
/// A step costs the drawing of its `B` inputs and one pass over the vectors. Memory: `8d(K+M+B)` bytes a run, with momentum
/// `8d(2K+M+B)`. Runs go in parallel, each on one thread; results do not depend on the number of threads, nor on the times
/// recorded.
///
/// Frames hold the groups `overlaps` (means over runs of `Q`, `M`, and `a`, `b`, `R`, `S`, `T` as far as they move),
/// `overlaps_standard_error` (of these means; 0 with a single run), `observables` (`generalization_error`, `specialization`, each
/// with `…_standard_error`, and `learning_rate`) and, if asked for, `runs`: `state` (run × order parameter).
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
        let (run, layout, d) = (self.0.member(run)?, self.0.plan.layout, self.0.plan.settings.dimension);
        let stride = d.next_multiple_of(WIDTH);
        let unpadded = |vectors: &[f64], count| Array2::from_shape_fn((count, d), |(i, k)| vectors[i * stride + k]);
        Some((unpadded(&run.w, layout.students), unpadded(&run.teacher, layout.teachers)))
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
}

/// The weight vectors of one run, one after another, each padded to a multiple of [`WIDTH`] by zeros.
struct Weights {
    index: usize,
    key: Key,
    units: Units,
    w: Buffer,
    /// Momentum; empty without.
    p: Buffer,
    teacher: Buffer,
    /// The inputs of the last step.
    x: Buffer,
    noise: Option<Supply>,
    lanes: Vec<Lanes>,
    sums: Vec<[f64; WIDTH]>,
    fields: Vec<f64>,
    steps: u64,
}

impl Weights {
    fn new(plan: &Plan, roots: &Roots, index: usize) -> Self {
        let (d, batch, layout) = (plan.settings.dimension, plan.problem.batch, plan.layout);
        let (k, m) = (layout.students, layout.teachers);
        let stride = d.next_multiple_of(WIDTH);
        let momentum = plan.problem.momentum != crate::problem::Momentum::None;
        let frame = random_frame(plan.key(Purpose::InitialWeights, index), d, stride, roots.rank());
        let scale = (d as f64).sqrt();
        let combine = |out: &mut [f64], coordinates: &mut dyn Iterator<Item = f64>| {
            for (coordinate, axis) in coordinates.zip(frame.chunks_exact(stride)) {
                out.iter_mut().zip(axis).for_each(|(out, e)| *out += scale * coordinate * e);
            }
        };
        let (mut w, mut teacher) = (zeros(k * stride), zeros(m * stride));
        for (i, w) in w.chunks_exact_mut(stride).enumerate() {
            combine(w, &mut roots.along.row(i).iter().chain(roots.across.row(i).iter()).copied());
        }
        for (n, teacher) in teacher.chunks_exact_mut(stride).enumerate() {
            combine(teacher, &mut roots.teacher.row(n).iter().copied());
        }
        let noise = (plan.sigma > 0.0).then(|| Supply::normals(plan, Purpose::LabelNoise, index, batch));
        Self {
            index,
            key: plan.key(Purpose::Inputs, index),
            units: Units::new(plan),
            w,
            p: zeros(if momentum { k * stride } else { 0 }),
            teacher,
            x: zeros(batch * stride),
            noise,
            lanes: Vec::with_capacity(batch),
            sums: vec![[0.0; WIDTH]; batch * (k + m)],
            fields: vec![0.0; batch * (k + m)],
            steps: 0,
        }
    }

    /// Applies `update` with the inputs of the last step, and if asked draws those of `step` and their fields.
    fn pass(&mut self, plan: &Plan, update: Option<Step>, draw: Option<u64>) {
        let (d, batch) = (plan.settings.dimension, plan.problem.batch);
        self.lanes.clear();
        if let Some(step) = draw {
            self.lanes.extend((0..batch).map(|sample| Lanes::new(self.key.at(sample, step))));
            self.sums.fill([0.0; WIDTH]);
        }
        let Self { units, w, p, teacher, x, lanes, sums, .. } = self;
        let shape = (plan.layout.students, plan.layout.teachers);
        pass(d, shape, update, &units.force, w, p, teacher, x, lanes, sums);
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
        let shape = (plan.layout.students, plan.layout.teachers);
        let scale = 1.0 / (plan.settings.dimension as f64).sqrt();
        // The update of a step waits for the pass of the next one.
        let mut pending = None;
        while self.steps < steps {
            let tau = rate(plan, self.steps)?;
            self.pass(plan, pending, Some(self.steps));
            let noise = self.noise.as_mut().map_or(&[][..], |noise| noise.at(self.steps));
            let far = self.units.respond(plan, shape, &mut self.fields, noise)?;
            pending = Some(Step::new(plan, tau, scale));
            self.steps += 1;
            if far {
                self.pass(plan, pending.take(), None);
                let mut state = vec![0.0; plan.layout.len()];
                self.state(plan, &mut state);
                plan.check(&state, self.index, self.steps)?;
            }
        }
        if pending.is_some() {
            self.pass(plan, pending, None);
        }
        Ok(())
    }

    fn state(&self, plan: &Plan, state: &mut [f64]) {
        let (layout, d) = (plan.layout, plan.settings.dimension as f64);
        let stride = plan.settings.dimension.next_multiple_of(WIDTH);
        let row = |vectors: &[f64], i: usize| -> std::ops::Range<usize> {
            debug_assert!(vectors.len() >= (i + 1) * stride);
            i * stride..(i + 1) * stride
        };
        let overlap = |a: &[f64], i: usize, b: &[f64], k: usize| dot(&a[row(a, i)], &b[row(b, k)]) / d;
        for i in 0..layout.students {
            for k in i..layout.students {
                state[layout.q(i, k)] = overlap(&self.w, i, &self.w, k);
            }
            for n in 0..layout.teachers {
                state[layout.m(i, n)] = overlap(&self.w, i, &self.teacher, n);
            }
            if layout.second_layer {
                state[layout.a(i)] = self.units.weights[i];
            }
            if layout.biases {
                state[layout.b(i)] = self.units.biases[i];
            }
            if layout.momentum {
                for n in 0..layout.teachers {
                    state[layout.r(i, n)] = overlap(&self.p, i, &self.teacher, n);
                }
                for k in 0..layout.students {
                    state[layout.s(i, k)] = overlap(&self.p, i, &self.w, k);
                    state[layout.t(i, k)] = overlap(&self.p, i, &self.p, k);
                }
            }
        }
    }
}

/// `count` orthonormal vectors in random directions, uniform: Gram–Schmidt, twice, on Gaussian vectors.
fn random_frame(key: Key, dimension: usize, stride: usize, count: usize) -> Buffer {
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

/// One pass over memory: tile by tile the last update, the new inputs, and their products with all vectors.
///
/// Sums run over the coordinates in [`WIDTH`] lanes, so that their bits do not depend on the instruction set.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
#[allow(clippy::too_many_arguments)] // `multiversion` wants a plain function.
fn pass(
    dimension: usize,
    shape: (usize, usize),
    update: Option<Step>,
    force: &[f64],
    w: &mut [f64],
    p: &mut [f64],
    teacher: &[f64],
    x: &mut [f64],
    lanes: &mut [Lanes],
    sums: &mut [[f64; WIDTH]],
) {
    let stride = dimension.next_multiple_of(WIDTH);
    let (students, teachers) = shape;
    for start in (0..stride).step_by(TILE) {
        let end = (start + TILE).min(stride);
        if let Some(step) = update {
            for i in 0..students {
                let w = &mut w[i * stride..][start..end];
                if p.is_empty() {
                    for (sample, force) in force.chunks_exact(students).enumerate() {
                        let (keep, push) = (if sample == 0 { step.w_w } else { 1.0 }, step.w_x * force[i]);
                        let x = &x[sample * stride..][start..end];
                        w.iter_mut().zip(x).for_each(|(w, x)| *w = keep * *w + push * x);
                    }
                    continue;
                }
                let p = &mut p[i * stride..][start..end];
                p.iter_mut().zip(&*w).for_each(|(p, w)| *p = step.p_p * *p + step.p_w * w);
                for (sample, force) in force.chunks_exact(students).enumerate() {
                    let (push, x) = (step.p_x * force[i], &x[sample * stride..][start..end]);
                    p.iter_mut().zip(x).for_each(|(p, x)| *p += push * x);
                }
                w.iter_mut().zip(&*p).for_each(|(w, p)| *w = step.w_w * *w + step.w_p * p);
            }
        }
        for (sample, lanes) in lanes.iter_mut().enumerate() {
            let x = &mut x[sample * stride..][start..end];
            let mut local = lanes.clone();
            for chunk in x.as_chunks_mut::<WIDTH>().0 {
                *chunk = *local.normals().as_flattened().first_chunk().unwrap_or(&[0.0; WIDTH]);
            }
            *lanes = local;
            if end > dimension {
                x[dimension - start..].fill(0.0);
            }
            let sums = &mut sums[sample * (students + teachers)..][..students + teachers];
            for (i, sum) in sums.iter_mut().enumerate() {
                let vector = if i < students { &w[i * stride..] } else { &teacher[(i - students) * stride..] };
                let mut local = *sum;
                for (x, w) in x.as_chunks::<WIDTH>().0.iter().zip(vector[start..end].as_chunks::<WIDTH>().0) {
                    for lane in 0..WIDTH {
                        local[lane] += x[lane] * w[lane];
                    }
                }
                *sum = local;
            }
        }
    }
}
