//! The overlap chain of few units without momentum or batch, all in registers.
//!
//! The same random numbers and the same arithmetic up to rounding as the general steps of [`super::overlap_chain`], which at
//! K = M = 2 take about three times as long.

use super::ensemble::Plan;
use super::overlap_chain::{Chain, retry};
use super::units::{Step, rate};
use crate::error::Result;

impl Chain {
    /// Steps until `steps` have been made, for K students and M independent teachers, one sample a step and enough dimensions
    /// for a coordinate outside the frame.
    pub(super) fn go_plain<const K: usize, const M: usize>(&mut self, plan: &Plan, steps: u64) -> Result<()> {
        let stride = M + K + 1;
        let scale = plan.inverse;
        let teacher: [[f64; M]; M] = std::array::from_fn(|n| std::array::from_fn(|j| self.teacher[n * M + j]));
        let mut along: [[f64; M]; K] = std::array::from_fn(|i| std::array::from_fn(|j| self.rows[i * stride + j]));
        // Lower triangular from the first step on; the last coordinate is the one outside the frame.
        let mut across: [[f64; K]; K] = std::array::from_fn(|i| std::array::from_fn(|j| self.rows[i * stride + M + j]));
        let mut outcome = Ok(());
        while self.steps < steps {
            let tau = match rate(plan, self.steps) {
                Ok(tau) => tau,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            };
            let normals = self.normals.at(self.steps);
            let span: [f64; M] = std::array::from_fn(|j| normals[j]);
            let inside: [f64; K] = std::array::from_fn(|j| normals[M + j]);
            let square = self.lengths[0].propose(normals[M + K], self.uniforms.at(self.steps)[0]);
            let length = square.unwrap_or_else(|| retry(self.lengths[0], self.retry.at(0, self.steps))).sqrt();
            let noise = self.noise.as_mut().map_or(0.0, |noise| noise.at(self.steps)[0]);

            // What was computed last comes last.
            let students: [f64; K] =
                std::array::from_fn(|i| (dot(along[i], span) + self.units.biases[i]) + dot(across[i], inside));
            let teachers: [f64; M] = std::array::from_fn(|n| dot(teacher[n], span));
            let (force, far) = match self.units.respond_one(plan, students, teachers, noise) {
                Ok(response) => response,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            };

            let step = Step::new(plan, tau, scale);
            let mut outside = [0.0; K];
            for i in 0..K {
                let push = step.w_x * force[i];
                along[i] = add(scaled(step.w_w, along[i]), push, span);
                across[i] = add(scaled(step.w_w, across[i]), push, inside);
                outside[i] = push * length;
            }
            let (mut lower, mut inverse) = ([[0.0; K]; K], [0.0; K]);
            for i in 0..K {
                for j in 0..i {
                    let share = (dot(across[i], across[j]) + outside[i] * outside[j]) * inverse[j];
                    across[i] = add(across[i], -share, across[j]);
                    outside[i] -= share * outside[j];
                    lower[i][j] = share * lower[j][j];
                }
                let square = dot(across[i], across[i]) + outside[i] * outside[i];
                lower[i][i] = square.sqrt();
                inverse[i] = if square > f64::MIN_POSITIVE { 1.0 / square } else { 0.0 };
            }
            across = lower;
            self.steps += 1;
            if far {
                self.keep(&along, &across);
                outcome = self.look(plan);
                if outcome.is_err() {
                    break;
                }
            }
        }
        self.keep(&along, &across);
        outcome
    }

    fn keep<const K: usize, const M: usize>(&mut self, along: &[[f64; M]; K], across: &[[f64; K]; K]) {
        for (i, row) in self.rows.chunks_exact_mut(M + K + 1).enumerate() {
            row[..M].copy_from_slice(&along[i]);
            row[M..M + K].copy_from_slice(&across[i]);
        }
    }
}

#[inline(always)]
fn dot<const N: usize>(a: [f64; N], b: [f64; N]) -> f64 {
    let mut sum = a[0] * b[0];
    for k in 1..N {
        sum += a[k] * b[k];
    }
    sum
}

#[inline(always)]
fn scaled<const N: usize>(factor: f64, x: [f64; N]) -> [f64; N] {
    std::array::from_fn(|k| factor * x[k])
}

/// `y + factor x`.
#[inline(always)]
fn add<const N: usize>(y: [f64; N], factor: f64, x: [f64; N]) -> [f64; N] {
    std::array::from_fn(|k| y[k] + factor * x[k])
}
