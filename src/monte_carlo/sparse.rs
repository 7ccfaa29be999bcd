//! Events of few agents at a time, whose cost should not be that of the whole population.
//!
//! The agents of an event are marked in `donors` by anything but [`KEPT`].

use rayon::prelude::*;

use super::events::mutate_one;
use super::replica::{BLOCK, Plan, Replica, State, first_error};
use super::rng::{Generator, Key, Purpose};
use crate::error::Result;
use crate::numerics::normal::{below, uniform};
use crate::problem::{DonorTable, Inheritance, KEPT, Rule, TruncationCuts};

/// Draws a donor for each marked agent, by weights. `keys` are those of tries and of the table.
///
/// By rejection, which needs no table: a uniform candidate is taken with probability w/max w. Whoever fails `TRIES`
/// times draws from the table; tries and table have the same law, so the donor has it too.
pub(super) fn weigh_few(
    rule: &Rule,
    fitness: &[f64],
    keys: (Key, Key),
    (step, time): (u64, f64),
    donors: &mut [u32],
) -> Result<()> {
    const TRIES: usize = 64;
    /// Stands for a donor still to be drawn; no index of an agent reaches it.
    const PENDING: u32 = KEPT - 1;
    let rule = &*rule.at(time)?;
    let top = |piece: &[f64]| {
        let weights = piece.iter().map(|f| rule.log_weight(*f, time).unwrap_or(0.0));
        weights.fold(f64::NEG_INFINITY, |a, w| if w.is_nan() { f64::INFINITY } else { a.max(w) })
    };
    let tops: Vec<f64> = fitness.par_chunks(BLOCK).map(top).collect();
    let top = tops.into_iter().fold(f64::NEG_INFINITY, f64::max);
    if top.is_finite() {
        let try_out = |rng: &mut Generator| {
            let candidate = below(rng, fitness.len());
            let weight = rule.log_weight(fitness[candidate], time).unwrap_or(0.0);
            (uniform(rng) < libm::exp(weight - top)).then_some(candidate as u32)
        };
        donors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, donors)| {
            let mut rng = Generator::new(keys.0.at(block, step));
            for donor in donors.iter_mut().filter(|d| **d != KEPT) {
                *donor = (0..TRIES).find_map(|_| try_out(&mut rng)).unwrap_or(PENDING);
            }
        });
        if !donors.par_iter().any(|d| *d == PENDING) {
            return Ok(());
        }
    }
    // Where no weight is positive and finite the table names what is wrong.
    let table = DonorTable::new(rule, fitness, time)?;
    donors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, donors)| {
        let mut rng = Generator::new(keys.1.at(block, step));
        donors.iter_mut().filter(|d| **d == PENDING).for_each(|donor| *donor = table.draw(&mut rng));
    });
    Ok(())
}

/// Finds out for each marked agent whether truncation replaces it, and by whom.
pub(super) fn truncate_few(fraction: f64, fitness: &[f64], key: Key, step: u64, donors: &mut [u32]) {
    let cuts = TruncationCuts::new(fraction, fitness);
    donors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, donors)| {
        let mut rng = Generator::new(key.at(block, step));
        for (k, donor) in donors.iter_mut().enumerate().filter(|(_, donor)| **donor != KEPT) {
            *donor = cuts.donor(block * BLOCK + k, &mut rng);
        }
    });
}

/// The copies of each block, as (place in the block, donor).
type Copies = Vec<Vec<(u32, u32)>>;

/// What the donors of the copies hold, block by block, `width` numbers a copy. Nothing of an array that is not kept.
fn take<T: Copy + Send + Sync>(from: &[T], width: usize, copies: &Copies) -> Vec<Vec<T>> {
    if from.is_empty() {
        return Vec::new();
    }
    let of_block = |copies: &Vec<(u32, u32)>| -> Vec<T> {
        if width == 1 {
            return copies.iter().map(|(_, donor)| from[*donor as usize]).collect();
        }
        let mut taken = Vec::with_capacity(copies.len() * width);
        copies.iter().for_each(|(_, donor)| taken.extend_from_slice(&from[*donor as usize * width..][..width]));
        taken
    };
    copies.par_iter().map(of_block).collect()
}

/// The reverse: gives the copies what was taken for them.
fn put<T: Copy + Send + Sync>(to: &mut [T], width: usize, copies: &Copies, taken: &[Vec<T>]) {
    to.par_chunks_mut(BLOCK * width).zip(copies).zip(taken).for_each(|((to, copies), taken)| {
        for ((place, _), taken) in copies.iter().zip(taken.chunks_exact(width)) {
            to[*place as usize * width..][..width].copy_from_slice(taken);
        }
    });
}

impl Replica {
    /// The copies of an event take what they inherit from their donors, and mutate. To the last bit what `copy` does, for few
    /// copies; and the one way for those that inherit h alone.
    pub fn copy_few(&mut self, plan: &Plan, counter: u64) -> Result<()> {
        let (dim_theta, dim_h) = plan.dims();
        let window = plan.problem.evaluation.window;
        let (mutation, anew) = (plan.key(Purpose::Mutation, self.index), plan.key(Purpose::Rejuvenation, self.index));
        let Self { state, published, donors, evaluations, .. } = self;
        let from = published.as_ref().map_or(&*state, |published| &published.state);
        let marked = |donors: &[u32]| (0..).zip(donors.iter().copied()).filter(|(_, d)| *d != KEPT).collect();
        let copies: Copies = donors.par_chunks(BLOCK).map(marked).collect();
        // Everything is read before anything is written.
        let mut h = take(&from.h, dim_h, &copies);
        first_error(h.par_iter_mut().enumerate().map(|(block, h)| {
            let mut rng = Generator::new(mutation.at(block, counter));
            h.chunks_exact_mut(dim_h).try_for_each(|h| mutate_one(&plan.problem, h, &mut rng))
        }))?;
        let ancestors = take(&from.ancestors, 1, &copies);
        let (theta, recent) =
            match plan.problem.inheritance {
                Inheritance::Everything => {
                    let mut recent = take(&from.recent, window, &copies);
                    if let (Some(published), false) = (&*published, recent.is_empty()) {
                        let age = take(&published.evaluations, 1, &copies);
                        recent.par_iter_mut().zip(&age).for_each(|(recent, then)| {
                            for (recent, then) in recent.chunks_exact_mut(window).zip(then) {
                                recent.rotate_right(((*evaluations - then) % window as u64) as usize);
                            }
                        });
                    }
                    (take(&from.theta, dim_theta, &copies), recent)
                }
                Inheritance::Hyperparameters => {
                    let mut theta: Vec<Vec<f64>> = h.iter().map(|h| vec![0.0; h.len() / dim_h * dim_theta]).collect();
                    first_error(theta.par_iter_mut().zip(&h).enumerate().map(|(block, (theta, h))| {
                        super::initial::draw_theta(plan, anew.at(block, counter), h, theta)
                    }))?;
                    let first = |(theta, h): (&Vec<f64>, &Vec<f64>)| {
                        // A new θ has no past: its first evaluation fills the window.
                        let mut fitness = vec![0.0; h.len() / dim_h];
                        plan.problem.fitness.values(theta, h, &mut fitness);
                        fitness.iter().flat_map(|f| std::iter::repeat_n(*f, window)).collect()
                    };
                    let recent =
                        if state.recent.is_empty() { vec![] } else { theta.par_iter().zip(&h).map(first).collect() };
                    (theta, recent)
                }
            };
        let State { theta: to_theta, h: to_h, recent: to_recent, ancestors: to_ancestors } = state;
        put(to_theta, dim_theta, &copies, &theta);
        put(to_h, dim_h, &copies, &h);
        put(to_recent, window, &copies, &recent);
        put(to_ancestors, 1, &copies, &ancestors);
        Ok(())
    }
}
