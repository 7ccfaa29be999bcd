//! Events of few agents at a time, whose cost should not be that of the whole population.

use rayon::prelude::*;

use super::replica::{BLOCK, Plan, Replica};
use super::rng::{Generator, Key, Purpose};
use crate::error::Result;
use crate::numerics::normal::{below, uniform};
use crate::problem::{DonorTable, KEPT, Rule};

impl Replica {
    /// Draws a donor for each agent marked in `self.donors` (by anything but [`KEPT`]), by weights.
    ///
    /// By rejection, which needs no table: a uniform candidate is taken with probability w/max w. Whoever fails `TRIES`
    /// times draws from the table; tries and table have the same law, so the donor has it too.
    pub fn weigh_few(&mut self, rule: &Rule, key: Key, key_table: Key, step: u64, time: f64) -> Result<()> {
        const TRIES: usize = 64;
        /// Stands for a donor still to be drawn; no index of an agent reaches it.
        const PENDING: u32 = KEPT - 1;
        let fitness = &self.fitness;
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
            self.donors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, donors)| {
                let mut rng = Generator::new(key.at(block, step));
                for donor in donors.iter_mut().filter(|d| **d != KEPT) {
                    *donor = (0..TRIES).find_map(|_| try_out(&mut rng)).unwrap_or(PENDING);
                }
            });
            if !self.donors.par_iter().any(|d| *d == PENDING) {
                return Ok(());
            }
        }
        // Where no weight is positive and finite the table names what is wrong.
        let table = DonorTable::new(rule, fitness, time)?;
        self.donors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, donors)| {
            let mut rng = Generator::new(key_table.at(block, step));
            donors.iter_mut().filter(|d| **d == PENDING).for_each(|donor| *donor = table.draw(&mut rng));
        });
        Ok(())
    }

    /// The same as `copy`, to the last bit, for few copies.
    pub fn copy_few(&mut self, plan: &Plan, counter: u64) -> Result<()> {
        let (dim_theta, dim_h) = plan.dims();
        let window = self.recent.len() / self.fitness.len();
        let key = plan.key(Purpose::Mutation, self.index);
        let (theta, h, recent) = (&self.theta, &self.h, &self.recent);
        let problem = &plan.problem;
        let read = |(block, donors): (usize, &[u32])| -> Result<Vec<f64>> {
            let mut rng = Generator::new(key.at(block, counter));
            let mut states = Vec::new();
            for donor in donors.iter().filter(|d| **d != KEPT).map(|d| *d as usize) {
                states.extend_from_slice(&theta[donor * dim_theta..][..dim_theta]);
                let h = &h[donor * dim_h..][..dim_h];
                for ((h, kernel), domain) in h.iter().zip(&problem.mutation).zip(&problem.h) {
                    states.push(kernel.sample(*h, domain, &mut rng)?);
                }
                states.extend_from_slice(&recent[donor * window..][..window]);
            }
            Ok(states)
        };
        // Everything is read before anything is written.
        let states: Vec<Result<Vec<f64>>> = self.donors.par_chunks(BLOCK).enumerate().map(read).collect();
        let states = states.into_iter().collect::<Result<Vec<_>>>()?;
        let width = dim_theta + dim_h + window;
        let blocks = self.donors.par_chunks(BLOCK).zip(&states);
        let blocks = blocks.zip(self.theta.par_chunks_mut(BLOCK * dim_theta)).zip(self.h.par_chunks_mut(BLOCK * dim_h));
        let write = |donors: &[u32], states: &[f64], theta: &mut [f64], h: &mut [f64], recent: &mut [f64]| {
            let copies = donors.iter().enumerate().filter(|(_, d)| **d != KEPT).map(|(k, _)| k);
            for (k, state) in copies.zip(states.chunks_exact(width)) {
                theta[k * dim_theta..][..dim_theta].copy_from_slice(&state[..dim_theta]);
                h[k * dim_h..][..dim_h].copy_from_slice(&state[dim_theta..][..dim_h]);
                recent[k * window..][..window].copy_from_slice(&state[dim_theta + dim_h..]);
            }
        };
        if window == 0 {
            blocks.for_each(|(((donors, states), theta), h)| write(donors, states, theta, h, &mut []));
            return Ok(());
        }
        blocks
            .zip(self.recent.par_chunks_mut(BLOCK * window))
            .for_each(|((((donors, states), theta), h), recent)| write(donors, states, theta, h, recent));
        Ok(())
    }
}
