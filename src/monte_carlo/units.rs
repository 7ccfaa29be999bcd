//! What both samplers of SGD share: the hidden units, from fields to forces, and the optimiser.

use super::ensemble::{Plan, Saved};
use super::erf_table::erf_table;
use super::rng::{Generator, Key, Purpose, fill_normals};
use crate::error::{Error, Result, require};
use crate::numerics::normal::uniform;
use crate::problem::{Activation, Committee, LearningRate, Momentum};

/// Fields and errors beyond this make a sampler look whether its order parameters ran away.
const FAR: f64 = 1e6;

/// One step of the first layer, for any vector or coordinate: `p ← p_p p + p_w w + p_x f`, then `w ← w_w w + w_x f + w_p p`, with
/// `f = Σ_b force_b x_b`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub p_p: f64,
    pub p_w: f64,
    pub p_x: f64,
    pub w_w: f64,
    pub w_x: f64,
    pub w_p: f64,
}

impl Step {
    /// At learning rate `tau`; `scale` is `1/√d` for vectors and `1/d` for coordinates in units of `√d`.
    #[inline(always)]
    pub fn new(plan: &Plan, tau: f64, scale: f64) -> Self {
        let inverse = plan.inverse;
        let decay = plan.problem.weight_decay * inverse;
        let none = Self { p_p: 0.0, p_w: 0.0, p_x: 0.0, w_w: 1.0, w_x: 0.0, w_p: 0.0 };
        match plan.problem.momentum {
            Momentum::None => Self { w_w: 1.0 - tau * decay, w_x: -tau * scale, ..none },
            Momentum::Constant { beta } => Self { p_p: beta, p_w: decay, p_x: scale, w_p: -tau, ..none },
            Momentum::Scaled { gamma, alpha } => {
                Self { p_p: 1.0 - gamma * inverse, p_w: -alpha * decay, p_x: -alpha * scale, w_p: inverse, ..none }
            }
        }
    }
}

/// The learning rate at `step`.
#[inline(always)]
pub(super) fn rate(plan: &Plan, step: u64) -> Result<f64> {
    if let LearningRate::Constant(rate) = plan.problem.learning_rate {
        return Ok(rate);
    }
    if let Momentum::Scaled { .. } = plan.problem.momentum {
        return Ok(0.0); // It has none.
    }
    let rate = plan.problem.learning_rate.at(step as f64 / plan.settings.dimension as f64).unwrap_or(f64::NAN);
    require(rate >= 0.0 && rate.is_finite(), "learning_rate", rate, "a finite number ≥ 0")?;
    Ok(rate)
}

/// The hidden units of one student.
#[derive(Debug, Clone)]
pub(super) struct Units {
    /// `a`.
    pub weights: Vec<f64>,
    /// `b`.
    pub biases: Vec<f64>,
    /// `⟨Γ a_l g'(u_l)⟩` sample by sample: `Γ_b a_l g'(u_lb)/B` (B×K).
    pub force: Vec<f64>,
    /// Whether a force was not finite, though fields and activations were.
    pub overflow: bool,
    values: Vec<f64>,
    slopes: Vec<f64>,
    second: Vec<f64>,
}

impl Units {
    pub fn new(plan: &Plan) -> Self {
        let (student, k) = (&plan.problem.student, plan.layout.students);
        Self {
            weights: student.weights.clone(),
            biases: student.biases.clone(),
            force: vec![0.0; plan.problem.batch * k],
            overflow: false,
            values: vec![0.0; k + plan.layout.teachers],
            slopes: vec![0.0; k],
            second: vec![0.0; k],
        }
    }

    /// What a run with these vectors goes on from.
    pub fn save<'a>(&'a self, vectors: &'a [f64]) -> Saved<'a> {
        let (weights, biases) = (self.weights.as_slice().into(), self.biases.as_slice().into());
        Saved { vectors: vectors.into(), weights, biases, overflow: self.overflow }
    }

    pub fn load(&mut self, saved: Saved<'_>) {
        (self.weights, self.biases) = (saved.weights.into_owned(), saved.biases.into_owned());
        self.overflow = saved.overflow;
    }

    /// From the fields without biases (B×(K+M)) and the label noise in units of σ (B numbers, or none) to the forces; moves `a`
    /// and `b`. Returns whether something is so large that the order parameters should be looked at.
    pub fn respond(&mut self, plan: &Plan, fields: &mut [f64], noise: &[f64]) -> Result<bool> {
        let (k, m) = (plan.layout.students, plan.layout.teachers);
        let (n, problem) = (k + m, &plan.problem);
        let batch = fields.len() / n;
        let share = 1.0 / batch as f64;
        let sigma = plan.sigma;
        let (mut far, mut finite) = (false, 0.0);
        let Self { weights, biases, force, values, slopes, second, .. } = self;
        let (weights, biases, values) = (&mut weights[..k], &mut biases[..k], &mut values[..n]);
        let (slopes, second, force) = (&mut slopes[..k], &mut second[..k], &mut force[..k * batch]);
        let teacher = (&problem.teacher.weights[..m], &problem.teacher.biases[..m]);
        second.fill(0.0);
        for sample in 0..batch {
            let fields = &mut fields[sample * n..][..n];
            for i in 0..k {
                fields[i] += biases[i];
            }
            for i in 0..m {
                fields[k + i] += teacher.1[i];
            }
            evaluate(problem, k, fields, values, slopes);
            let mut output = 0.0;
            for i in 0..k {
                output += weights[i] * values[i];
            }
            let mut label = if sigma > 0.0 { sigma * noise[sample] } else { 0.0 };
            for i in 0..m {
                label += teacher.0[i] * values[k + i];
            }
            let gamma = output - label;
            let force = &mut force[sample * k..][..k];
            far |= !(gamma.abs() <= FAR);
            for i in 0..k {
                far |= !(fields[i].abs() <= FAR);
                second[i] += share * gamma * values[i];
                force[i] = share * gamma * weights[i] * slopes[i];
                finite += force[i] * 0.0;
            }
            finite += gamma * 0.0;
        }
        if finite != 0.0 {
            self.blame(plan, fields)?;
            self.force.fill(0.0);
            self.overflow = true;
            return Ok(true);
        }
        let inverse = plan.inverse;
        if plan.layout.biases {
            for sample in 0..batch {
                for i in 0..k {
                    biases[i] -= problem.bias_rate * inverse * force[sample * k + i];
                }
            }
        }
        if plan.layout.second_layer {
            for i in 0..k {
                weights[i] -= problem.second_layer_rate * inverse * second[i];
                far |= !(weights[i].abs() <= FAR);
            }
        }
        Ok(far)
    }

    /// The same for one sample, in registers, and fields that include the student's biases: the forces, and whether to look.
    #[inline(always)]
    pub fn respond_one<const K: usize, const M: usize>(
        &mut self,
        plan: &Plan,
        students: [f64; K],
        mut teachers: [f64; M],
        noise: f64,
    ) -> Result<([f64; K], bool)> {
        let problem = &plan.problem;
        let (mut output, mut label) = (0.0, plan.sigma * noise);
        let (mut values, mut slopes, mut far) = ([0.0; K], [0.0; K], false);
        for i in 0..K {
            (values[i], slopes[i]) = evaluate_one(&problem.student.activation, students[i]);
            slopes[i] *= self.weights[i];
            output += self.weights[i] * values[i];
            far |= !(students[i].abs() <= FAR);
        }
        let teacher = problem.teacher.weights.iter().zip(&problem.teacher.biases);
        for (field, (weight, bias)) in teachers.iter_mut().zip(teacher) {
            *field += bias;
            label += weight * evaluate_one(&problem.teacher.activation, *field).0;
        }
        let gamma = output - label;
        far |= !(gamma.abs() <= FAR);
        let force: [f64; K] = std::array::from_fn(|i| gamma * slopes[i]);
        if (0..K).fold(gamma * 0.0, |sum, i| sum + force[i] * 0.0) != 0.0 {
            self.blame(plan, &[&students[..], &teachers].concat())?;
            self.overflow = true;
            return Ok(([0.0; K], true));
        }
        let inverse = plan.inverse;
        for i in 0..K {
            if plan.layout.biases {
                self.biases[i] -= problem.bias_rate * inverse * force[i];
            }
            if plan.layout.second_layer {
                self.weights[i] -= problem.second_layer_rate * inverse * (gamma * values[i]);
                far |= !(self.weights[i].abs() <= FAR);
            }
        }
        Ok((force, far))
    }

    /// Why a force is not finite: an activation that gives no finite number at a finite field is an error.
    #[cold]
    fn blame(&self, plan: &Plan, fields: &[f64]) -> Result<()> {
        let (k, problem) = (plan.layout.students, &plan.problem);
        let check = |function, value: f64, x: f64| {
            if value.is_finite() || !x.is_finite() { Ok(()) } else { Err(Error::Activation { function, value, x }) }
        };
        for fields in fields.chunks_exact(k + plan.layout.teachers) {
            for &x in &fields[..k] {
                check("g", problem.student.activation.value(x), x)?;
                check("g'", problem.student.activation.derivative(x), x)?;
            }
            for &x in &fields[k..] {
                check("g*", problem.teacher.activation.value(x), x)?;
            }
        }
        Ok(())
    }
}

/// `g(u)`, `g*(v)` and `g'(u)`.
fn evaluate(problem: &Committee, k: usize, fields: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    let (student, teacher) = (&problem.student.activation, &problem.teacher.activation);
    for i in 0..k {
        (values[i], slopes[i]) = evaluate_one(student, fields[i]);
    }
    for i in k..fields.len() {
        values[i] = evaluate_one(teacher, fields[i]).0;
    }
}

/// `g(x)` and `g'(x)`.
#[inline(always)]
fn evaluate_one(activation: &Activation, x: f64) -> (f64, f64) {
    match activation {
        Activation::Erf => erf_table().value_and_slope(x),
        other => (other.value(x), other.derivative(x)),
    }
}

/// A fixed number of random numbers a step, drawn for many steps at a time. They depend on the step alone.
#[derive(Debug, Clone)]
pub(super) struct Supply {
    key: Key,
    width: usize,
    steps: u64,
    normal: bool,
    /// The step of the first numbers in store.
    first: u64,
    numbers: Vec<f64>,
}

impl Supply {
    /// Numbers in store, about.
    const STORE: usize = 512;

    fn new(key: Key, width: usize, normal: bool) -> Self {
        let steps = (Self::STORE / width.max(1)).max(1);
        Self { key, width, steps: steps as u64, normal, first: 1 << 63, numbers: vec![0.0; width * steps] }
    }

    /// `width` standard normals a step.
    pub fn normals(plan: &Plan, purpose: Purpose, run: usize, width: usize) -> Self {
        Self::new(plan.key(purpose, run), width, true)
    }

    /// `width` numbers a step, uniform on [0, 1).
    pub fn uniforms(plan: &Plan, purpose: Purpose, run: usize, width: usize) -> Self {
        Self::new(plan.key(purpose, run), width, false)
    }

    /// Those of `step`.
    #[inline(always)]
    pub fn at(&mut self, step: u64) -> &[f64] {
        if step.wrapping_sub(self.first) >= self.steps {
            self.refill(step / self.steps);
        }
        &self.numbers[(step - self.first) as usize * self.width..][..self.width]
    }

    #[inline(never)]
    fn refill(&mut self, block: u64) {
        self.first = block * self.steps;
        let key = self.key.at(0, block);
        if self.normal {
            fill_normals(key, &mut self.numbers);
        } else {
            let mut rng = Generator::new(key);
            self.numbers.iter_mut().for_each(|u| *u = uniform(&mut rng));
        }
    }
}
