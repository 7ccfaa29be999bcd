//! The right-hand side for a committee.

use std::fmt::Debug;

use super::trajectory::Equations;
use crate::error::Result;
use crate::frame::Field;
use crate::gaussian::{Expectations, Fields, Quadrature, expectations};
use crate::problem::{Committee, Layout, LearningRate, Momentum, OverlapAxes, correlation, specialization};

/// The equations of [`crate::order_parameters`] for one committee.
pub struct CommitteeEquations {
    problem: Committee,
    layout: Layout,
    axes: OverlapAxes,
    expectations: Box<dyn Expectations>,
    /// Whether σ²J2 enters.
    work: Work,
}

/// Arrays over the n = K+M fields, reused at each evaluation.
#[derive(Debug, Clone, Default)]
struct Work {
    covariance: Vec<f64>,
    mean: Vec<f64>,
    /// `c = (a, −a*)`.
    outputs: Vec<f64>,
    /// `E[Γ g'_i x̃_a]`, K×n.
    drift: Vec<f64>,
    /// `E[(Γ² + σ²) δ_i δ_k]/B`, K×K.
    noise: Vec<f64>,
    /// `J2`, K×n.
    slopes: Vec<f64>,
    /// I2, n×n; or `E[g'_i g_b]`, K×n.
    values: Vec<f64>,
}

impl Debug for CommitteeEquations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitteeEquations").field("problem", &self.problem).finish_non_exhaustive()
    }
}

impl CommitteeEquations {
    /// # Errors
    /// Those of [`Committee::validated`] and of [`expectations`].
    pub fn new(problem: Committee, quadrature: Quadrature) -> Result<Self> {
        let problem = problem.validated()?;
        let layout = problem.layout();
        let (k, n) = (layout.students, layout.students + layout.teachers);
        let (student, teacher) = (&problem.student, &problem.teacher);
        let expectations = expectations(&student.activation, &teacher.activation, problem.unbiased(), quadrature)?;
        let work = Work {
            covariance: problem.covariance().iter().copied().collect(),
            mean: student.biases.iter().chain(&teacher.biases).copied().collect(),
            outputs: student.weights.iter().copied().chain(teacher.weights.iter().map(|a| -a)).collect(),
            drift: vec![0.0; k * n],
            noise: vec![0.0; k * k],
            slopes: vec![0.0; k * n],
            values: vec![0.0; n * n],
        };
        Ok(Self { axes: layout.axes(), problem, layout, expectations, work })
    }

    /// The problem.
    pub fn problem(&self) -> &Committee {
        &self.problem
    }

    /// The order of the order parameters.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Replaces the learning rate (not that of scaled momentum).
    ///
    /// # Errors
    /// Those of [`LearningRate::validated`].
    pub fn set_learning_rate(&mut self, rate: impl Into<LearningRate>) -> Result<()> {
        let rate = rate.into();
        rate.validated("learning_rate")?;
        self.problem.learning_rate = rate;
        Ok(())
    }

    /// `E_g = ½ E[(ŷ − y*)²]`, without the label noise.
    ///
    /// # Errors
    /// Those of the expectations.
    pub fn generalization_error(&mut self, state: &[f64]) -> Result<f64> {
        self.load(state);
        let n = self.work.mean.len();
        let Work { covariance, mean, outputs, values, .. } = &mut self.work;
        self.expectations.values(Fields { students: self.layout.students, covariance, mean }, values)?;
        let rows = values.chunks_exact(n).zip(&*outputs);
        let square: f64 = rows.map(|(row, ca)| ca * row.iter().zip(&*outputs).map(|(v, cb)| v * cb).sum::<f64>()).sum();
        // Rounding may leave −1e-17 where the student is the teacher. NaN stays.
        Ok(if square < 0.0 { 0.0 } else { 0.5 * square })
    }

    /// The largest error of the Gaussian expectations at `state`, estimated from a coarser rule; 0 where they are closed forms.
    ///
    /// # Errors
    /// Those of the expectations.
    pub fn quadrature_error(&mut self, state: &[f64]) -> Result<f64> {
        self.load(state);
        let Work { covariance, mean, outputs, .. } = &self.work;
        self.expectations.estimated_error(Fields { students: self.layout.students, covariance, mean }, outputs)
    }

    /// `τ(t)`; for the greedy rate that of this state; `α/γ` for scaled momentum.
    ///
    /// # Errors
    /// Those of the expectations.
    pub fn learning_rate(&mut self, time: f64, state: &[f64]) -> Result<f64> {
        if let Momentum::Scaled { gamma, alpha } = self.problem.momentum {
            return Ok(alpha / gamma);
        }
        match self.problem.learning_rate {
            LearningRate::Greedy { .. } => {
                self.load(state);
                self.average(true)?;
                Ok(self.rate(time) * self.retained())
            }
            ref rate => Ok(rate.at(time).unwrap_or(f64::NAN)),
        }
    }

    /// Fills covariance, mean and outputs from `state`.
    fn load(&mut self, state: &[f64]) {
        let (layout, work) = (&self.layout, &mut self.work);
        let (k, n) = (layout.students, layout.students + layout.teachers);
        for i in 0..k {
            for j in i..k {
                let q = state[layout.q(i, j)];
                work.covariance[i * n + j] = q;
                work.covariance[j * n + i] = q;
            }
            for t in k..n {
                let m = state[layout.m(i, t - k)];
                work.covariance[i * n + t] = m;
                work.covariance[t * n + i] = m;
            }
            if layout.second_layer {
                work.outputs[i] = state[layout.a(i)];
            }
            if layout.biases {
                work.mean[i] = state[layout.b(i)];
            }
        }
    }

    /// Covariance and mean of the fields and `c = (a, −a*)` at `state`.
    pub(super) fn fields_at(&mut self, state: &[f64]) -> [&[f64]; 3] {
        self.load(state);
        [&self.work.covariance, &self.work.mean, &self.work.outputs]
    }

    /// Computes drift, noise and (if needed) slopes of what was loaded.
    fn average(&mut self, slopes: bool) -> Result<()> {
        let students = self.layout.students;
        let Work { covariance, mean, outputs, drift, noise, slopes: j2, .. } = &mut self.work;
        let (n, fields) = (mean.len(), Fields { students, covariance, mean });
        self.expectations.drift(fields, outputs, drift)?;
        self.expectations.noise(fields, outputs, noise)?;
        let variance = self.problem.noise_variance;
        if slopes || variance > 0.0 {
            self.expectations.slopes(fields, j2)?;
            for (noise, j2) in noise.chunks_exact_mut(students).zip(j2.chunks_exact(n)) {
                noise.iter_mut().zip(j2).for_each(|(noise, j2)| *noise += variance * j2);
            }
        }
        let batch = 1.0 / self.problem.batch as f64;
        for (noise, ai) in noise.chunks_exact_mut(students).zip(&*outputs) {
            noise.iter_mut().zip(&*outputs).for_each(|(noise, ak)| *noise *= ai * ak * batch);
        }
        Ok(())
    }

    /// `κ_ib` in `E[Γ g'_i y] = Σ_b κ_ib Cov(x_b, y)` for any jointly Gaussian y (Stein's lemma): `c_b J2(i,b)`, and for b = i
    /// `E[Γ g''_i]` more. Needs the slopes.
    fn stein(&self, i: usize, b: usize) -> f64 {
        let Work { covariance, outputs, drift, slopes, .. } = &self.work;
        let n = outputs.len();
        let pair = outputs[b] * slopes[i * n + b];
        let variance = covariance[i * n + i];
        // A zero vector has no covariance with anything.
        if b != i || variance <= 0.0 {
            return pair;
        }
        let others: f64 = (0..n).map(|a| outputs[a] * slopes[i * n + a] * covariance[i * n + a]).sum();
        pair + (drift[i * n + i] - others) / variance
    }

    /// `1 − β`.
    fn retained(&self) -> f64 {
        if let Momentum::Constant { beta } = self.problem.momentum { 1.0 - beta } else { 1.0 }
    }

    /// The effective rate `τ/(1 − β)` of what was averaged.
    fn rate(&self, time: f64) -> f64 {
        let LearningRate::Greedy { most } = self.problem.learning_rate else {
            return self.problem.learning_rate.at(time).unwrap_or(f64::NAN) / self.retained();
        };
        // dE_g/dt = τ·first + τ²·second.
        let Work { outputs, drift, noise, .. } = &self.work;
        let (k, n, decay) = (self.layout.students, outputs.len(), self.problem.weight_decay);
        let (mut first, mut second) = (0.0, 0.0);
        for i in 0..k {
            let along: f64 = (0..n).map(|b| self.stein(i, b) * drift[i * n + b]).sum();
            first -= outputs[i] * (outputs[i] * along + decay * drift[i * n + i]);
            second += 0.5 * outputs[i] * (0..k).map(|l| self.stein(i, l) * noise[i * k + l]).sum::<f64>();
        }
        let most = most / self.retained();
        if first >= 0.0 {
            0.0
        } else if second > 0.0 {
            (-0.5 * first / second).min(most)
        } else {
            most
        }
    }

    /// `dQ`, `dM` of plain SGD.
    fn gradient_flow(&self, tau: f64, state: &[f64], rate: &mut [f64]) {
        let (layout, Work { outputs, drift, noise, .. }) = (&self.layout, &self.work);
        let (k, n, decay) = (layout.students, outputs.len(), self.problem.weight_decay);
        for i in 0..k {
            for j in i..k {
                let at = layout.q(i, j);
                let pull = outputs[i] * drift[i * n + j] + outputs[j] * drift[j * n + i];
                rate[at] = tau * (tau * noise[i * k + j] - pull - 2.0 * decay * state[at]);
            }
            for t in k..n {
                let at = layout.m(i, t - k);
                rate[at] = -tau * (outputs[i] * drift[i * n + t] + decay * state[at]);
            }
        }
    }

    /// `dQ`, `dM`, `dR`, `dS`, `dT` with scaled momentum.
    fn momentum_flow(&self, gamma: f64, alpha: f64, state: &[f64], rate: &mut [f64]) {
        let (layout, Work { outputs, drift, noise, .. }) = (&self.layout, &self.work);
        let (k, n, decay) = (layout.students, outputs.len(), self.problem.weight_decay);
        let (s, r) = (|i, j| state[layout.s(i, j)], |i, t| state[layout.r(i, t)]);
        // E[Γ δ_i π_j]
        let along = |i: usize, j: usize| {
            let students = (0..k).map(|b| self.stein(i, b) * s(j, b)).sum::<f64>();
            outputs[i] * (students + (k..n).map(|t| self.stein(i, t) * r(j, t - k)).sum::<f64>())
        };
        for i in 0..k {
            for j in i..k {
                rate[layout.q(i, j)] = s(i, j) + s(j, i);
                let at = layout.t(i, j);
                let force = along(i, j) + along(j, i) + decay * (s(i, j) + s(j, i)) - alpha * noise[i * k + j];
                rate[at] = -2.0 * gamma * state[at] - alpha * force;
            }
            for j in 0..k {
                let force = outputs[i] * drift[i * n + j] + decay * state[layout.q(i, j)];
                rate[layout.s(i, j)] = state[layout.t(i, j)] - gamma * s(i, j) - alpha * force;
            }
            for t in 0..n - k {
                rate[layout.m(i, t)] = r(i, t);
                let force = outputs[i] * drift[i * n + k + t] + decay * state[layout.m(i, t)];
                rate[layout.r(i, t)] = -gamma * r(i, t) - alpha * force;
            }
        }
    }
}

impl Equations for CommitteeEquations {
    fn names(&self) -> Vec<String> {
        self.layout.names()
    }

    fn rhs(&mut self, time: f64, state: &[f64], rate: &mut [f64]) -> Result<()> {
        self.load(state);
        let greedy = matches!(self.problem.learning_rate, LearningRate::Greedy { .. });
        match self.problem.momentum {
            Momentum::Scaled { gamma, alpha } => {
                self.average(true)?;
                self.momentum_flow(gamma, alpha, state, rate);
            }
            _ => {
                self.average(greedy)?;
                self.gradient_flow(self.rate(time), state, rate);
            }
        }
        let (layout, students) = (self.layout, self.layout.students);
        let Work { covariance, mean, outputs, values, .. } = &mut self.work;
        let fields = Fields { students, covariance, mean };
        let n = fields.len();
        let sum = |row: &[f64], outputs: &[f64]| row.iter().zip(outputs).map(|(v, c)| v * c).sum::<f64>();
        if layout.second_layer {
            self.expectations.values(fields, values)?;
            for (i, row) in values.chunks_exact(n).take(students).enumerate() {
                rate[layout.a(i)] = -self.problem.second_layer_rate * sum(row, outputs);
            }
        }
        if layout.biases {
            self.expectations.value_slopes(fields, &mut values[..students * n])?;
            for (i, row) in values.chunks_exact(n).take(students).enumerate() {
                rate[layout.b(i)] = -self.problem.bias_rate * outputs[i] * sum(row, outputs);
            }
        }
        Ok(())
    }

    fn fields(&mut self, time: f64, state: &[f64]) -> Result<Vec<Field<'static>>> {
        let error = self.generalization_error(state)?;
        let rate = self.learning_rate(time, state)?;
        let (layout, axes, problem) = (&self.layout, &self.axes, &self.problem);
        let norms: Vec<f64> = (0..layout.students).map(|i| state[layout.q(i, i)]).collect();
        let m: Vec<f64> = (0..layout.students)
            .flat_map(|i| (0..layout.teachers).map(move |n| (i, n)))
            .map(|(i, n)| state[layout.m(i, n)])
            .collect();
        let cosines = correlation(&norms, &m, &problem.teacher.overlaps.diag().to_vec());
        let chosen = specialization(&cosines, layout.teachers);
        let mut fields = layout.fields(axes, state, &problem.student.weights);
        let group = "errors";
        fields.push(Field::scalar(
            group,
            "generalization_error",
            "E_g, half the mean squared error without label noise",
            error,
        ));
        fields.push(Field::array(
            group,
            "correlation",
            "cosine of student and teacher",
            &[&axes.student, &axes.teacher],
            cosines,
        ));
        fields.push(Field::scalar(
            group,
            "specialization",
            "margin of the best teacher of a student, mean over students",
            chosen,
        ));
        fields.push(Field::scalar(group, "learning_rate", "learning rate", rate));
        Ok(fields)
    }

    fn tables(&self) -> Vec<Option<[f64; 2]>> {
        self.expectations.tables()
    }

    fn tabulate(&mut self, tables: &[Option<[f64; 2]>]) {
        self.expectations.tabulate(tables);
    }

    fn breaks(&self) -> &[f64] {
        self.problem.learning_rate.breaks()
    }
}
