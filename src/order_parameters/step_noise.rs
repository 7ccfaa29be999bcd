//! The noise of one step of SGD in the order parameters, by quadrature over the fields.

use rayon::prelude::*;

use super::nodes::Nodes;
use crate::error::{Error, Result};
use crate::problem::{Activation, Committee, Layout};

/// Outer nodes to one task.
const CHUNK: usize = 256;

/// How far, relative to the variance of a field, rounding and the errors of an integration may leave a covariance indefinite.
const ALLOWED: f64 = 1e-3;

/// Where the fields are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Covariance of the n fields.
    pub covariance: &'a [f64],
    /// Their means.
    pub mean: &'a [f64],
    /// `c = (a, −a*)`.
    pub outputs: &'a [f64],
    /// `τ`.
    pub rate: f64,
}

/// `G`, and the part `F₁` of the mean of a step that is smaller by 1/d.
///
/// With `z` standard normal, `x̃ = Lz` and `LLᵀ = C`, one sample has `Y = βΓ + ηΓ² + ζΓz_n`, where β, η and ζ depend on all z
/// but the last, which enters Γ through one unit of the teacher only. So the average over the last dimension needs no more than
/// moments of Γ and z_n; those of the label noise are added in closed form.
#[derive(Debug)]
pub(super) struct StepNoise {
    layout: Layout,
    student: Activation,
    teacher: Activation,
    decay: f64,
    noise: f64,
    batch: f64,
    second_layer_rate: f64,
    bias_rate: f64,
    nodes: Nodes,
    factor: Vec<f64>,
    sums: Vec<Sums>,
}

/// Weighted sums over the nodes of one chunk.
#[derive(Debug, Clone, Default)]
struct Sums {
    /// `E Y` without what does not depend on the sample.
    mean: Vec<f64>,
    /// `E Y Yᵀ` of the same, upper triangle by rows.
    square: Vec<f64>,
    /// `E[Γ²δδᵀ(|z|² − n)]`, K×K, upper triangle filled.
    length: Vec<f64>,
    /// `E[Γ δ_i z_b]`, K×n.
    along: Vec<f64>,
    /// β, η, ζ of one node.
    terms: [Vec<f64>; 3],
    /// x̃, the values and the slopes at one node.
    centred: Vec<f64>,
    values: Vec<f64>,
    slopes: Vec<f64>,
}

impl StepNoise {
    pub fn new(problem: &Committee, points: usize, lattice: usize) -> Self {
        let (student, teacher) = (problem.student.activation.clone(), problem.teacher.activation.clone());
        let layout = problem.layout();
        let (k, n, len) = (layout.students, layout.students + layout.teachers, layout.len());
        let both = |test: fn(&Activation) -> bool| test(&student) && test(&teacher);
        let polynomial = both(|g| matches!(g, Activation::Linear | Activation::Quadratic));
        // Without biases, Γ and δ are odd and even, or even and odd; Y is even in both cases.
        let odd = both(|g| matches!(g, Activation::Erf | Activation::Linear | Activation::Tanh));
        let even = problem.unbiased() && (odd || both(|g| matches!(g, Activation::Quadratic)));
        let nodes = Nodes::new(n, points, lattice, polynomial, even);
        let empty = Sums {
            mean: vec![0.0; len],
            square: vec![0.0; len * (len + 1) / 2],
            length: vec![0.0; k * k],
            along: vec![0.0; k * n],
            terms: [vec![0.0; len], vec![0.0; len], vec![0.0; len]],
            centred: vec![0.0; n],
            values: vec![0.0; n],
            slopes: vec![0.0; k],
        };
        Self {
            layout,
            student,
            teacher,
            decay: problem.weight_decay,
            noise: problem.noise_variance,
            batch: problem.batch as f64,
            second_layer_rate: problem.second_layer_rate,
            bias_rate: problem.bias_rate,
            factor: vec![0.0; n * n],
            sums: vec![empty; nodes.weights.len().div_ceil(CHUNK)],
            nodes,
        }
    }

    /// Writes `G` (upper triangle by rows) and `F₁`.
    pub fn evaluate(&mut self, place: Place<'_>, covariance: &mut [f64], correction: &mut [f64]) -> Result<()> {
        let n = place.mean.len();
        factorise(n, place.covariance, &mut self.factor)?;
        let mut sums = std::mem::take(&mut self.sums);
        let chunks = self.nodes.weights.chunks(CHUNK).zip(self.nodes.outer.chunks(CHUNK * (n - 1)));
        let tasks = sums.iter_mut().zip(chunks);
        if tasks.len() > 1 {
            let tasks: Vec<_> = tasks.collect();
            tasks.into_par_iter().for_each(|(sums, (weights, outer))| self.accumulate(place, weights, outer, sums));
        } else {
            tasks.for_each(|(sums, (weights, outer))| self.accumulate(place, weights, outer, sums));
        }
        // In the order of the chunks, whatever the threads.
        let (first, others) = sums.split_at_mut(1);
        for other in others {
            first.iter_mut().for_each(|first| first.add(other));
        }
        first.iter().for_each(|total| self.finish(place, total, covariance, correction));
        self.sums = sums;
        Ok(())
    }

    fn finish(&self, place: Place<'_>, total: &Sums, covariance: &mut [f64], correction: &mut [f64]) {
        let (layout, tau, decay) = (&self.layout, place.rate, self.decay);
        let (k, n) = (layout.students, place.mean.len());
        let share = 1.0 / self.batch;
        // What does not depend on the sample, the decay, cancels in the covariance.
        let pairs = (0..total.mean.len()).flat_map(|i| (i..total.mean.len()).map(move |j| (i, j)));
        for ((out, square), (i, j)) in covariance.iter_mut().zip(&total.square).zip(pairs) {
            *out = share * (square - total.mean[i] * total.mean[j]);
        }
        correction.fill(0.0);
        let along = |i: usize| &total.along[i * n..][..n];
        let pull = |i: usize, j: usize| dot(along(i), &self.factor[j * n..][..n]);
        for i in 0..k {
            for j in i..k {
                let samples = share * total.length[i * k + j] + (1.0 - share) * dot(along(i), along(j));
                let shrink = decay * (decay * place.covariance[i * n + j] + pull(i, j) + pull(j, i));
                correction[layout.q(i, j)] = tau * tau * (samples + shrink);
            }
        }
    }

    fn accumulate(&self, place: Place<'_>, weights: &[f64], outer: &[f64], sums: &mut Sums) {
        sums.clear();
        let Place { mean, outputs, rate: tau, .. } = place;
        let (k, n, layout) = (self.layout.students, mean.len(), &self.layout);
        let last = n - 1;
        let (spread, noise) = (self.factor[n * n - 1], self.noise);
        for (&weight, z) in weights.iter().zip(outer.chunks_exact(last)) {
            let Sums { mean: first, square, length, along, terms: [beta, eta, zeta], centred, values, slopes } = sums;
            let mut error = 0.0;
            for a in 0..n {
                centred[a] = dot(&self.factor[a * n..][..a + 1], z);
                if a < last {
                    let x = mean[a] + centred[a];
                    values[a] = if a < k { self.student.value(x) } else { self.teacher.value(x) };
                    error += outputs[a] * values[a];
                }
            }
            for i in 0..k {
                slopes[i] = outputs[i] * self.student.derivative(mean[i] + centred[i]);
            }
            // Moments of Γ and of the last number.
            let (mut t10, mut t20, mut t30, mut t40, mut t11, mut t21, mut t31, mut t22) =
                (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
            for &[y, w] in &self.nodes.inner {
                let gamma = error + outputs[last] * self.teacher.value(mean[last] + centred[last] + spread * y);
                let (p1, p2) = (w * gamma, w * gamma * gamma);
                let (p3, p4) = (p2 * gamma, p2 * gamma * gamma);
                t10 += p1;
                t20 += p2;
                t30 += p3;
                t40 += p4;
                t11 += p1 * y;
                t21 += p2 * y;
                t31 += p3 * y;
                t22 += p2 * y * y;
            }
            let inner_length = t22 - t20;
            // Label noise: Γ → Γ − σξ.
            let e3 = t30 + 3.0 * noise * t10;
            let e4 = t40 + 6.0 * noise * t20 + 3.0 * noise * noise;
            let (e2, z3, zz) = (t20 + noise, t31 + 3.0 * noise * t11, t22 + noise);

            let outer_length = dot(z, z) - last as f64;
            for i in 0..k {
                let delta = slopes[i];
                for j in i..k {
                    let at = layout.q(i, j);
                    beta[at] = -tau * (delta * centred[j] + slopes[j] * centred[i]);
                    eta[at] = tau * tau / self.batch * delta * slopes[j];
                    length[i * k + j] += weight * delta * slopes[j] * (e2 * outer_length + inner_length);
                }
                for t in k..n {
                    beta[layout.m(i, t - k)] = -tau * delta * centred[t];
                }
                zeta[layout.m(i, last - k)] = -tau * delta * spread;
                if layout.second_layer {
                    beta[layout.a(i)] = -self.second_layer_rate * values[i];
                }
                if layout.biases {
                    beta[layout.b(i)] = -self.bias_rate * delta;
                }
                let along = &mut along[i * n..][..n];
                along.iter_mut().zip(z).for_each(|(sum, z)| *sum += weight * delta * t10 * z);
                along[last] += weight * delta * t11;
            }
            let mut rest = &mut square[..];
            for j in 0..beta.len() {
                let (b, h, y) = (weight * beta[j], weight * eta[j], weight * zeta[j]);
                first[j] += b * t10 + h * e2 + y * t11;
                let (pb, ph, py) = (b * e2 + h * e3 + y * t21, b * e3 + h * e4 + y * z3, b * t21 + h * z3 + y * zz);
                let (row, others) = rest.split_at_mut(beta.len() - j);
                for (((sum, b), h), y) in row.iter_mut().zip(&beta[j..]).zip(&eta[j..]).zip(&zeta[j..]) {
                    *sum += pb * b + ph * h + py * y;
                }
                rest = others;
            }
        }
    }
}

impl Sums {
    fn parts(&mut self) -> [&mut [f64]; 4] {
        [&mut self.mean, &mut self.square, &mut self.length, &mut self.along]
    }

    fn clear(&mut self) {
        self.parts().into_iter().for_each(|part| part.fill(0.0));
    }

    fn add(&mut self, other: &mut Self) {
        for (part, other) in self.parts().into_iter().zip(other.parts()) {
            part.iter_mut().zip(other).for_each(|(sum, x)| *sum += *x);
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `C = LLᵀ` without pivoting, so that L is smooth in C; a field that depends on those before it gets a zero on the diagonal.
fn factorise(n: usize, c: &[f64], l: &mut [f64]) -> Result<()> {
    l.fill(0.0);
    for j in 0..n {
        let scale = c[j * n + j];
        let pivot = scale - dot(&l[j * n..][..j], &l[j * n..][..j]);
        if pivot < -ALLOWED * scale.abs() {
            return Err(Error::Indefinite { matrix: "[[Q, M], [Mᵀ, P]]", eigenvalue: pivot });
        }
        if pivot <= 1e-14 * scale {
            continue;
        }
        let root = pivot.sqrt();
        for i in j..n {
            l[i * n + j] = (c[i * n + j] - dot(&l[i * n..][..j], &l[j * n..][..j])) / root;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "step_noise_tests.rs"]
mod tests;
