//! What both samplers of SGD share: the hidden units, from fields to forces, and the optimiser.

use super::ensemble::Plan;
use super::rng::{Generator, Key, Purpose, fill_normals};
use crate::error::{Error, Result, require};
use crate::numerics::normal::uniform;
use crate::problem::{Activation, LearningRate, Momentum};

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
        let inverse = 1.0 / plan.settings.dimension as f64;
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
            values: vec![0.0; k + plan.layout.teachers],
            slopes: vec![0.0; k],
            second: vec![0.0; k],
        }
    }

    /// From the fields without biases (B×(K+M)) and the label noise in units of σ (B numbers, or none) to the forces; moves `a`
    /// and `b`. Returns whether something is so large that the order parameters should be looked at.
    #[inline(always)]
    pub fn respond(&mut self, plan: &Plan, shape: (usize, usize), fields: &mut [f64], noise: &[f64]) -> Result<bool> {
        let (k, m) = shape;
        let (n, problem) = (k + m, &plan.problem);
        let batch = fields.len() / n;
        let share = 1.0 / batch as f64;
        let sigma = plan.sigma;
        let (mut far, mut finite) = (false, 0.0);
        let Self { weights, biases, force, values, slopes, second } = self;
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
            let mut gamma = if sigma > 0.0 { -sigma * noise[sample] } else { 0.0 };
            for i in 0..k {
                gamma += weights[i] * values[i];
            }
            for i in 0..m {
                gamma -= teacher.0[i] * values[k + i];
            }
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
            return Ok(true);
        }
        let inverse = 1.0 / plan.settings.dimension as f64;
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
#[inline(always)]
fn evaluate(problem: &crate::problem::Committee, k: usize, fields: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    let (student, teacher): (&Activation, &Activation) = (&problem.student.activation, &problem.teacher.activation);
    for i in 0..k {
        values[i] = student.value(fields[i]);
        slopes[i] = student.derivative(fields[i]);
    }
    for i in k..fields.len() {
        values[i] = teacher.value(fields[i]);
    }
}

/// A fixed number of random numbers a step, drawn for many steps at a time. They depend on the step alone.
#[derive(Debug, Clone)]
pub(super) struct Supply {
    key: Key,
    width: usize,
    steps: u64,
    normal: bool,
    block: u64,
    numbers: Vec<f64>,
}

impl Supply {
    /// Numbers in store, about.
    const STORE: usize = 512;

    fn new(key: Key, width: usize, normal: bool) -> Self {
        let steps = (Self::STORE / width.max(1)).max(1);
        Self { key, width, steps: steps as u64, normal, block: u64::MAX, numbers: vec![0.0; width * steps] }
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
        let block = step / self.steps;
        if block != self.block {
            self.refill(block);
        }
        &self.numbers[(step - block * self.steps) as usize * self.width..][..self.width]
    }

    #[inline(never)]
    fn refill(&mut self, block: u64) {
        self.block = block;
        let key = self.key.at(0, block);
        if self.normal {
            fill_normals(key, &mut self.numbers);
        } else {
            let mut rng = Generator::new(key);
            self.numbers.iter_mut().for_each(|u| *u = uniform(&mut rng));
        }
    }
}
