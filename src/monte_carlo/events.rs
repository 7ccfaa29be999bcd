//! Events of selection: evaluation, donors, copying, mutation.

use rayon::prelude::*;

use super::replica::{BLOCK, Plan, Replica, first_error};
use super::rng::{Generator, Key, Purpose, fill_normals};
use crate::error::{Result, require};
use crate::numerics::normal::{below, uniform};
use crate::problem::{DonorTable, Ends, KEPT, Kernel, Population, Rule, Sees};

/// The block number of streams that serve a whole population at once.
const EVERYBODY: usize = (1 << 24) - 1;

impl Replica {
    /// Writes what selection sees to `self.fitness`.
    pub fn evaluate(&mut self, plan: &Plan, counter: u64) -> Result<()> {
        let (dim_theta, dim_h) = plan.dims();
        let evaluation = plan.problem.evaluation;
        let key = plan.key(Purpose::Evaluation, self.index);
        let time = plan.timetable.time(self.step);
        let held = (self.evaluations.min(evaluation.window as u64)) as usize;
        let recent = &self.recent;
        let states = self.theta.par_chunks(BLOCK * dim_theta).zip(self.h.par_chunks(BLOCK * dim_h));
        first_error(states.zip(self.fitness.par_chunks_mut(BLOCK)).enumerate().map(|(block, ((theta, h), fitness))| {
            match evaluation.sees {
                Sees::Effective => plan.gibbs()?.effective_fitness(&plan.problem, h, fitness)?,
                Sees::Fitness if evaluation.window > 1 => {
                    let recent = recent[block * BLOCK * evaluation.window..].chunks_exact(evaluation.window);
                    for (fitness, recent) in fitness.iter_mut().zip(recent) {
                        *fitness = recent[..held].iter().sum::<f64>() / held as f64;
                    }
                }
                Sees::Fitness => plan.problem.fitness.values(theta, h, fitness),
            }
            if evaluation.noise > 0.0 {
                let mut noise = vec![0.0; fitness.len()];
                fill_normals(key.at(block, counter), &mut noise);
                fitness.iter_mut().zip(&noise).for_each(|(f, x)| *f += evaluation.noise * x);
            }
            super::training::check(fitness, "fitness", theta, h, time)
        }))
    }

    /// A periodic event.
    pub fn everybody_selects(&mut self, plan: &Plan, rule: &Rule) -> Result<()> {
        let step = self.step;
        self.evaluate(plan, step)?;
        let time = plan.timetable.time(step);
        let key = plan.key(Purpose::Donors, self.index);
        if rule.is_weight() {
            let table = DonorTable::new(rule, &self.fitness, time)?;
            self.donors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, donors)| {
                table.fill(&mut Generator::new(key.at(block, step)), donors);
            });
        } else {
            self.donors = rule.donors(&self.fitness, time, &mut Generator::new(key.at(EVERYBODY, step)))?;
        }
        self.copy(plan, step)
    }

    /// The Poisson events of one step, at its start.
    pub fn some_select(&mut self, plan: &Plan, rule: &Rule, rate: f64) -> Result<()> {
        let step = self.step;
        let key = plan.key(Purpose::Donors, self.index);
        // ln P(no event in the step); the gaps between agents with an event are geometric.
        let log_none = -rate * plan.timetable.step;
        let chosen = |block: usize, length: usize| {
            let mut rng = Generator::new(key.at(block, step));
            let mut next = 0.0;
            std::iter::from_fn(move || {
                next += (libm::log(1.0 - uniform(&mut rng)) / log_none).floor();
                let agent = next;
                next += 1.0;
                (agent < length as f64).then_some(agent as usize)
            })
        };
        let events = |(block, donors): (usize, &mut [u32])| {
            donors.fill(KEPT);
            chosen(block, donors.len()).for_each(|agent| donors[agent] = 0);
            donors.contains(&0)
        };
        let marked: Vec<bool> =
            if rate > 0.0 { self.donors.par_chunks_mut(BLOCK).enumerate().map(events).collect() } else { vec![] };
        if !marked.contains(&true) {
            return Ok(());
        }
        self.redraw(plan, Purpose::Gibbs)?;
        self.evaluate(plan, step)?;
        let time = plan.timetable.time(step);
        let mut global = Generator::new(key.at(EVERYBODY, step));
        if rule.is_weight() {
            let (draws, table) = (plan.key(Purpose::Poisson, self.index), plan.key(Purpose::PoissonTable, self.index));
            self.weigh_few(rule, draws, table, step, time)?;
        } else {
            let all = rule.donors(&self.fitness, time, &mut global)?;
            self.donors.iter_mut().zip(&all).filter(|(d, _)| **d != KEPT).for_each(|(d, a)| *d = *a);
        }
        self.copy_few(plan, step)
    }

    /// The replicator form over one step: `i` copies a random `j` at rate `β(F_j − F_i)₊`.
    pub fn pairs_select(&mut self, plan: &Plan, beta: f64) -> Result<()> {
        /// Largest `β ΔF δ` of a sub-step; the binning error is of this order for the extreme pair, far below for most.
        const SMALL: f64 = 0.1;
        /// Sub-steps beyond which the training step is called too long.
        const MOST: f64 = 100.0;
        let (key, n, mut sub, mut parts) = (plan.key(Purpose::Donors, self.index), self.fitness.len(), 0, 1);
        self.redraw(plan, Purpose::Gibbs)?;
        while beta > 0.0 && sub < parts {
            let counter = self.step | (sub << 32);
            self.evaluate(plan, counter)?;
            let low = self.fitness.iter().copied().fold(f64::INFINITY, f64::min);
            let high = self.fitness.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let range = high - low;
            if sub == 0 {
                let strength = beta * range * plan.timetable.step;
                require(
                    strength <= SMALL * MOST,
                    "β (largest − smallest fitness) Δt",
                    strength,
                    "at most 10 in the replicator form of the agents; shorten the step",
                )?;
                parts = (strength / SMALL).ceil().max(1.0) as u64;
            }
            let scale = beta * plan.timetable.step / parts as f64;
            let most = -libm::expm1(-scale * range);
            let fitness = &self.fitness;
            self.donors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, donors)| {
                let mut rng = Generator::new(key.at(block, counter));
                donors.fill(KEPT);
                // Thinning: agents come up with the probability of the extreme pair, at geometric gaps.
                let mut next = 0.0;
                if most <= 0.0 {
                    return;
                }
                loop {
                    next += (libm::log(1.0 - uniform(&mut rng)) / -(scale * range)).floor();
                    if next >= donors.len() as f64 {
                        break;
                    }
                    let (agent, other) = (next as usize, below(&mut rng, n));
                    let copies = -libm::expm1(-scale * (fitness[other] - fitness[block * BLOCK + agent]).max(0.0));
                    if uniform(&mut rng) * most < copies {
                        donors[agent] = other as u32;
                    }
                    next += 1.0;
                }
            });
            self.copy_few(plan, counter)?;
            sub += 1;
        }
        Ok(())
    }

    /// Everybody takes the state of its donor, and the copies mutate.
    fn copy(&mut self, plan: &Plan, counter: u64) -> Result<()> {
        let (dim_theta, dim_h) = plan.dims();
        let window = plan.problem.evaluation.window;
        let key = plan.key(Purpose::Mutation, self.index);
        gather(&self.theta, dim_theta, &self.donors, &mut self.next_theta);
        if !self.recent.is_empty() {
            gather(&self.recent, window, &self.donors, &mut self.next_recent);
            std::mem::swap(&mut self.recent, &mut self.next_recent);
        }
        gather(&self.h, dim_h, &self.donors, &mut self.next_h);
        let blocks = self.next_h.par_chunks_mut(BLOCK * dim_h).zip(self.donors.par_chunks(BLOCK));
        first_error(blocks.enumerate().map(|(b, (h, donors))| mutate(&plan.problem, key.at(b, counter), donors, h)))?;
        std::mem::swap(&mut self.theta, &mut self.next_theta);
        std::mem::swap(&mut self.h, &mut self.next_h);
        Ok(())
    }

    /// Diffusion of h over one step, mirrored at the ends of the domain (walls without flux) whatever its rule for jumps.
    pub fn diffuse(&mut self, plan: &Plan) {
        let (_, dim_h) = plan.dims();
        let steps: Vec<f64> = plan
            .problem
            .mutation
            .iter()
            .map(|kernel| match kernel {
                Kernel::Diffusion { diffusion } => (2.0 * diffusion * plan.timetable.step).sqrt(),
                _ => 0.0,
            })
            .collect();
        if steps.iter().all(|s| *s == 0.0) {
            return;
        }
        let (key, step) = (plan.key(Purpose::Diffusion, self.index), self.step);
        self.h.par_chunks_mut(BLOCK * dim_h).enumerate().for_each(|(block, h)| {
            let mut noise = vec![0.0; h.len()];
            fill_normals(key.at(block, step), &mut noise);
            for (h, noise) in h.chunks_exact_mut(dim_h).zip(noise.chunks_exact(dim_h)) {
                for (((h, x), s), domain) in h.iter_mut().zip(noise).zip(&steps).zip(&plan.problem.h) {
                    *h = domain.reflect(*h + s * x);
                }
            }
        });
    }
}

/// `to[i] = from[donor of i]`, `width` numbers an agent.
fn gather(from: &[f64], width: usize, donors: &[u32], to: &mut [f64]) {
    to.par_chunks_mut(BLOCK * width).zip(donors.par_chunks(BLOCK)).enumerate().for_each(|(block, (to, donors))| {
        let source = |k: usize, donor: u32| if donor == KEPT { block * BLOCK + k } else { donor as usize };
        if width == 1 {
            to.iter_mut().zip(donors).enumerate().for_each(|(k, (to, donor))| *to = from[source(k, *donor)]);
        } else {
            for (k, (to, &donor)) in to.chunks_exact_mut(width).zip(donors).enumerate() {
                to.copy_from_slice(&from[source(k, donor) * width..][..width]);
            }
        }
    });
}

/// Mutates the h of those agents of a block that are copies.
fn mutate(problem: &Population, key: Key, donors: &[u32], h: &mut [f64]) -> Result<()> {
    if let ([Kernel::Gaussian { std }], [domain]) = (&problem.mutation[..], &problem.h[..])
        && domain.ends != Ends::Retry
        && !donors.contains(&KEPT)
    {
        let mut noise = vec![0.0; h.len()];
        fill_normals(key, &mut noise);
        for (h, x) in h.iter_mut().zip(&noise) {
            let to = *h + std * x;
            *h = if domain.ends == Ends::Clip { to.clamp(domain.low, domain.high) } else { domain.reflect(to) };
        }
        return Ok(());
    }
    let mut rng = Generator::new(key);
    for (h, _) in h.chunks_exact_mut(problem.h.len()).zip(donors).filter(|(_, donor)| **donor != KEPT) {
        for ((h, kernel), domain) in h.iter_mut().zip(&problem.mutation).zip(&problem.h) {
            *h = kernel.sample(*h, domain, &mut rng)?;
        }
    }
    Ok(())
}
