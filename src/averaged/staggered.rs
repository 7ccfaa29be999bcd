//! Everybody at times of his own, one period apart: a delay equation.
//!
//! Who has an event at t had the one before at t − T, so what he has been since, `post(t−T)`, is what he is now:
//!
//! ```text
//! present donors      ρ' = (post(t) − post(t−T))/T                post(t) = Φ(post(t−T); ρ)
//! published donors    ρ' as above                                 post(t) = Φ(ψ; π),   ψ(t) = post(t−T)
//!                     π' = (ψ(t) − ψ(t−T))/T
//! ```
//! with `post = ρ(0)` before t = 0, and `Φ(own; pool)` what those with the law `own` become when ranks, weights and donors
//! are those of `pool`: `M_h[w̄·pool/⟨w̄⟩]` for weights. Method of steps (Bellman 1965): equal steps that end at multiples of T,
//! where the solution has its kinks, classical Runge–Kutta stages, and a last sum by Simpson's rule, so that what comes in at t
//! goes out at t + T by the very same numbers: mass is exact, and no density turns negative by more than rounding.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::gain::{Gain, Scratch};
use crate::error::Result;
use crate::frame::Watcher;
use crate::numerics::state::{MOST, ensure, ensure_count, ensure_finite};

/// State of the march.
#[derive(Debug, Clone)]
pub(super) struct Staggered {
    pub every: f64,
    pub gain: Gain,
    /// Steps a period.
    steps: usize,
    /// Steps made.
    made: u64,
    /// ρ at the last step.
    rho: Vec<f64>,
    /// π, where donors are published.
    pool: Option<Vec<f64>>,
    /// `post` at the half steps of the present period and of the two before (2·steps + 1 each; empty before t = 0).
    posts: [Vec<Vec<f64>>; 3],
    initial: Vec<f64>,
    scratch: Scratch,
}

impl Staggered {
    pub fn new(every: f64, gain: Gain, mass: &[f64], published: bool, steps: usize) -> Self {
        Self {
            every,
            gain,
            steps,
            made: 0,
            rho: mass.to_vec(),
            pool: published.then(|| mass.to_vec()),
            posts: [Vec::new(), Vec::new(), Vec::new()],
            initial: mass.to_vec(),
            scratch: Scratch::default(),
        }
    }

    /// Steps a period for a tolerance: order 4.
    pub fn steps_for(tolerance: f64) -> usize {
        ((0.8 / tolerance.powf(0.25)).ceil() as usize).clamp(6, 1000)
    }

    pub fn time(&self) -> f64 {
        self.made as f64 * self.every / self.steps as f64
    }

    /// `post(t − kT)`, at `x` steps after the start of the present period.
    fn past(&self, k: usize, x: f64) -> Vec<f64> {
        let posts = &self.posts[k];
        if posts.is_empty() {
            return self.initial.clone();
        }
        let half = 2.0 * x;
        let nearest = half.round();
        if (half - nearest).abs() < 1e-9 {
            return posts[nearest as usize].clone();
        }
        // Between the half steps of a step a parabola through its three.
        let left = 2 * (x.floor() as usize).min(self.steps - 1);
        let s = half - left as f64;
        let weights = [0.5 * (s - 1.0) * (s - 2.0), s * (2.0 - s), 0.5 * s * (s - 1.0)];
        let [a, b, c] = [0, 1, 2].map(|k| &posts[left + k]);
        (0..a.len()).map(|i| weights[0] * a[i] + weights[1] * b[i] + weights[2] * c[i]).collect()
    }

    /// `post` for a present state of the donors (ρ or π), `x` steps after the start of the period.
    fn post(&mut self, donors: &[f64], x: f64) -> Result<Vec<f64>> {
        let own = self.past(1, x);
        let mut out = vec![0.0; own.len()];
        let period = self.made - self.made % self.steps as u64;
        let time = (period as f64 + x) * self.every / self.steps as f64;
        self.gain.apply_to(&own, donors, &mut out, &mut self.scratch, time)?;
        Ok(out)
    }

    /// What comes to the donors less what goes from them, over a period, when `post` is the present one.
    fn slope(&self, post: &[f64], x: f64) -> Vec<f64> {
        let delayed = self.past(1, x);
        if self.pool.is_some() { difference(&delayed, &self.past(2, x)) } else { difference(post, &delayed) }
    }

    /// `post` at both ends and in the middle of a part `length` (≤ 1) of the next step.
    fn stages(&mut self, length: f64) -> Result<[Vec<f64>; 3]> {
        let x = (self.made % self.steps as u64) as f64;
        let start = self.pool.clone().unwrap_or_else(|| self.rho.clone());
        let scale = length / self.steps as f64;
        let ahead =
            |by: f64, slope: &[f64]| -> Vec<f64> { start.iter().zip(slope).map(|(s, d)| s + by * scale * d).collect() };
        // What was the end of the step before is the start of this one, but for the jump at the start of a period.
        let first = match self.posts[0].last() {
            Some(last) => last.clone(),
            None => self.post(&start, x)?,
        };
        let k1 = self.slope(&first, x);
        let mut stage = |by: f64, slope: &[f64]| -> Result<Vec<f64>> {
            let post = self.post(&ahead(by, slope), x + by * length)?;
            Ok(self.slope(&post, x + by * length))
        };
        let k2 = stage(0.5, &k1)?;
        let k3 = stage(0.5, &k2)?;
        let k4 = stage(1.0, &k3)?;
        let mean: Vec<f64> = (0..k1.len()).map(|i| (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]) / 6.0).collect();
        let end = ahead(1.0, &mean);
        let last = self.post(&end, x + length)?;
        let k5 = self.slope(&last, x + length);
        // The cubic through both ends.
        let middle: Vec<f64> =
            (0..end.len()).map(|i| 0.5 * (start[i] + end[i]) + scale / 8.0 * (k1[i] - k5[i])).collect();
        Ok([first, self.post(&middle, x + 0.5 * length)?, last])
    }

    /// Adds what comes in over a part `length` of a step and takes off what goes out, by Simpson's rule.
    fn exchange(&self, state: &mut [f64], length: f64, new: &[Vec<f64>; 3], old: &[Vec<f64>; 3]) {
        let scale = length / (6.0 * self.steps as f64);
        for (i, state) in state.iter_mut().enumerate() {
            let simpson = |v: &[Vec<f64>; 3]| v[0][i] + 4.0 * v[1][i] + v[2][i];
            *state += scale * (simpson(new) - simpson(old));
        }
    }

    /// ρ, π and `post` (at both ends and in the middle) a part `length` of a step on.
    fn ahead(&mut self, length: f64) -> Result<Ahead> {
        let x = (self.made % self.steps as u64) as f64;
        let posts = self.stages(length)?;
        let past = |k: usize| [x, x + 0.5 * length, x + length].map(|x| self.past(k, x));
        let (mut rho, mut pool, once) = (self.rho.clone(), self.pool.clone(), past(1));
        self.exchange(&mut rho, length, &posts, &once);
        if let Some(pool) = &mut pool {
            self.exchange(pool, length, &once, &past(2));
        }
        Ok(Ahead { rho, pool, posts })
    }

    /// Marches to `target`, or until the watch ends it, and writes ρ there to `mass`; returns π, if there is one.
    pub fn advance(&mut self, target: f64, mass: &mut [f64], watch: &Watcher) -> Result<Marched> {
        let step = self.every / self.steps as f64;
        let wanted = crate::problem::whole_periods(target, step);
        while self.made < wanted {
            let Ahead { rho, pool, posts: [first, half, last] } = self.ahead(1.0)?;
            (self.rho, self.pool) = (rho, pool);
            let present = &mut self.posts[0];
            if present.is_empty() {
                present.push(first);
            }
            present.push(half);
            present.push(last);
            self.made += 1;
            if self.made.is_multiple_of(self.steps as u64) {
                self.posts.rotate_right(1);
                self.posts[0].clear();
            }
            if watch.look(self.time(), step).is_break() {
                mass.copy_from_slice(&self.rho);
                return Ok((self.pool.clone(), ControlFlow::Break(())));
            }
        }
        let left = (target - self.time()) / step;
        if left <= 1e-9 {
            mass.copy_from_slice(&self.rho);
            return Ok((self.pool.clone(), ControlFlow::Continue(())));
        }
        let Ahead { rho, pool, .. } = self.ahead(left.min(1.0))?;
        mass.copy_from_slice(&rho);
        Ok((pool, ControlFlow::Continue(())))
    }

    /// The state that it goes on from.
    pub fn save(&self) -> Saved<&[f64]> {
        let posts = self.posts.each_ref().map(|posts| posts.iter().map(|post| &post[..]).collect());
        Saved { made: self.made, rho: &self.rho, pool: self.pool.as_deref(), posts }
    }

    /// Refuses what [`Staggered::save`] does not give.
    pub fn check(&self, saved: &Saved<Vec<f64>>) -> Result<()> {
        let (places, steps) = (self.rho.len(), self.steps as u64);
        ensure(saved.made <= MOST, || format!("{} steps of a staggered clock", saved.made))?;
        ensure_count("densities of published states", saved.pool.iter().len(), self.pool.iter().len())?;
        for array in saved.posts.iter().flatten().chain([&saved.rho]).chain(&saved.pool) {
            ensure_finite("masses", array, places)?;
        }
        let of_period = |periods: u64| if saved.made >= periods * steps { 2 * self.steps + 1 } else { 0 };
        let now = saved.made % steps;
        let present = if now == 0 { 0 } else { 2 * now as usize + 1 };
        for (posts, expected) in saved.posts.iter().zip([present, of_period(1), of_period(2)]) {
            ensure_count("half steps of a period", posts.len(), expected)?;
        }
        Ok(())
    }

    /// Goes on from what was saved and checked.
    pub fn load(&mut self, saved: Saved<Vec<f64>>) {
        let Saved { made, rho, pool, posts } = saved;
        (self.made, self.rho, self.pool, self.posts) = (made, rho, pool, posts);
    }
}

/// What the march goes on from: slices to save, vectors to load.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved<A> {
    made: u64,
    rho: A,
    pool: Option<A>,
    posts: [Vec<A>; 3],
}

/// π, if there is one, and whether the watch ended the march.
type Marched = (Option<Vec<f64>>, ControlFlow<()>);

/// A state to come.
struct Ahead {
    rho: Vec<f64>,
    pool: Option<Vec<f64>>,
    posts: [Vec<f64>; 3],
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}
