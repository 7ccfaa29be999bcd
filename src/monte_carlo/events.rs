//! Events of selection: evaluation, donors, copying, mutation.

use rayon::prelude::*;

use super::asynchronous::Published;
use super::replica::{BLOCK, Plan, Replica, State, first_error};
use super::rng::{Generator, Key, Purpose, fill_normals};
use crate::error::{Result, require};
use crate::numerics::normal::{below, uniform};
use crate::problem::{Domain, DonorTable, Ends, Inheritance, KEPT, Kernel, Population, Rule, Scale, Sees};

/// The block number of streams that serve a whole population at once.
const EVERYBODY: usize = (1 << 24) - 1;

impl Replica {
    /// Writes what selection sees of the present state to `self.fitness`, with noise from `noise` (key and counter).
    pub fn evaluate(&mut self, plan: &Plan, noise: Option<(Key, u64)>) -> Result<()> {
        let (dim_theta, dim_h) = plan.dims();
        let evaluation = plan.problem.evaluation;
        let time = plan.timetable.time(self.step);
        let held = (self.evaluations.min(evaluation.window as u64)) as usize;
        let State { theta, h, recent, .. } = &self.state;
        let states = theta.par_chunks(BLOCK * dim_theta).zip(h.par_chunks(BLOCK * dim_h));
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
            if let (Some((key, counter)), true) = (noise, evaluation.noise > 0.0) {
                let mut noise = vec![0.0; fitness.len()];
                fill_normals(key.at(block, counter), &mut noise);
                fitness.iter_mut().zip(&noise).for_each(|(f, x)| *f += evaluation.noise * x);
            }
            super::training::check(fitness, "fitness", theta, h, time)
        }))
    }

    /// The key and counter of the noise of an event.
    fn noise(&self, plan: &Plan, counter: u64) -> Option<(Key, u64)> {
        Some((plan.key(Purpose::Evaluation, self.index), counter))
    }

    /// What selection compares: the fitness last evaluated, or that at the checkpoints.
    pub fn seen(&self) -> &[f64] {
        seen(&self.fitness, self.published.as_ref())
    }

    /// A periodic event.
    pub fn everybody_selects(&mut self, plan: &Plan, rule: &Rule) -> Result<()> {
        let step = self.step;
        self.redraw(plan, Purpose::Gibbs)?;
        self.evaluate(plan, self.noise(plan, step))?;
        if self.published.is_some() {
            self.donors.fill(0);
            self.publish(plan);
        }
        let time = plan.timetable.time(step);
        let key = plan.key(Purpose::Donors, self.index);
        let Self { fitness, published, donors, .. } = self;
        let fitness = seen(fitness, published.as_ref());
        if rule.is_weight() {
            let table = DonorTable::new(rule, fitness, time)?;
            donors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, donors)| {
                table.fill(&mut Generator::new(key.at(block, step)), donors);
            });
        } else if let Rule::Tournament = rule {
            donors.fill(0);
            compare(fitness, key, step, donors);
        } else {
            *donors = rule.donors(fitness, time, &mut Generator::new(key.at(EVERYBODY, step)))?;
        }
        if plan.problem.inheritance == Inheritance::Everything {
            self.copy(plan, step)
        } else {
            self.copy_few(plan, step)
        }
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
        if marked.contains(&true) { self.marked_select(plan, rule) } else { Ok(()) }
    }

    /// An event of the agents marked in `self.donors` (by anything but [`KEPT`]): each is replaced if and only if the rule
    /// replaces it given the whole population at this moment.
    pub fn marked_select(&mut self, plan: &Plan, rule: &Rule) -> Result<()> {
        let step = self.step;
        self.redraw(plan, Purpose::Gibbs)?;
        self.evaluate(plan, self.noise(plan, step))?;
        if self.published.is_some() {
            self.publish(plan);
        }
        let time = plan.timetable.time(step);
        let key = plan.key(Purpose::Poisson, self.index);
        let table = plan.key(Purpose::PoissonTable, self.index);
        let Self { fitness, published, donors, .. } = self;
        let fitness = seen(fitness, published.as_ref());
        match rule {
            Rule::Tournament => compare(fitness, key, step, donors),
            Rule::Truncation { fraction } => super::sparse::truncate_few(*fraction, fitness, key, step, donors),
            _ => super::sparse::weigh_few(rule, fitness, (key, table), (step, time), donors)?,
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
            self.evaluate(plan, self.noise(plan, counter))?;
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
        let Self { state, next, published, donors, .. } = self;
        let (own, from) = (&*state, published.as_ref().map_or(&*state, |published| &published.state));
        gather(&own.theta, &from.theta, dim_theta, donors, &mut next.theta);
        gather(&own.recent, &from.recent, window, donors, &mut next.recent);
        gather(&own.ancestors, &from.ancestors, 1, donors, &mut next.ancestors);
        gather(&own.h, &from.h, dim_h, donors, &mut next.h);
        let blocks = next.h.par_chunks_mut(BLOCK * dim_h).zip(donors.par_chunks(BLOCK));
        first_error(blocks.enumerate().map(|(b, (h, donors))| mutate(&plan.problem, key.at(b, counter), donors, h)))?;
        std::mem::swap(&mut self.state, &mut self.next);
        Ok(())
    }

    /// Diffusion of h over one step in the coordinate of its scale, mirrored at the ends of the domain (walls without flux)
    /// whatever its rule for jumps.
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
        self.state.h.par_chunks_mut(BLOCK * dim_h).enumerate().for_each(|(block, h)| {
            let mut noise = vec![0.0; h.len()];
            fill_normals(key.at(block, step), &mut noise);
            for (h, noise) in h.chunks_exact_mut(dim_h).zip(noise.chunks_exact(dim_h)) {
                for (((h, x), s), domain) in h.iter_mut().zip(noise).zip(&steps).zip(&plan.problem.h) {
                    *h = domain.reflect(domain.scale.value(domain.scale.coordinate(*h) + s * x));
                }
            }
        });
    }
}

fn seen<'a>(fitness: &'a [f64], published: Option<&'a Published>) -> &'a [f64] {
    published.map_or(fitness, |published| &published.fitness)
}

/// `to[i] = from[donor of i]`, and `own[i]` where i is kept; `width` numbers an agent.
fn gather<T: Copy + Send + Sync>(own: &[T], from: &[T], width: usize, donors: &[u32], to: &mut [T]) {
    to.par_chunks_mut(BLOCK * width).zip(donors.par_chunks(BLOCK)).enumerate().for_each(|(block, (to, donors))| {
        let own = &own[block * BLOCK * width..];
        if width == 1 {
            for (k, (to, &donor)) in to.iter_mut().zip(donors).enumerate() {
                *to = if donor == KEPT { own[k] } else { from[donor as usize] };
            }
        } else {
            for (k, (to, &donor)) in to.chunks_exact_mut(width).zip(donors).enumerate() {
                let source = if donor == KEPT { &own[k * width..] } else { &from[donor as usize * width..] };
                to.copy_from_slice(&source[..width]);
            }
        }
    });
}

/// Each marked agent compares itself with one other and copies the fitter.
fn compare(fitness: &[f64], key: Key, step: u64, donors: &mut [u32]) {
    donors.par_chunks_mut(BLOCK).enumerate().for_each(|(block, donors)| {
        let mut rng = Generator::new(key.at(block, step));
        for (k, donor) in donors.iter_mut().enumerate().filter(|(_, donor)| **donor != KEPT) {
            *donor = Rule::compare(fitness, block * BLOCK + k, &mut rng);
        }
    });
}

/// Mutates the h of those agents of a block that are copies.
fn mutate(problem: &Population, key: Key, donors: &[u32], h: &mut [f64]) -> Result<()> {
    if let Some(stds) = gaussian(problem)
        && !donors.contains(&KEPT)
    {
        let mut noise = vec![0.0; h.len()];
        fill_normals(key, &mut noise);
        if let ([std], [domain @ Domain { scale: Scale::Linear, .. }]) = (&stds[..], &problem.h[..]) {
            h.iter_mut().zip(&noise).for_each(|(h, x)| *h = bounded(*h + std * x, domain));
            return Ok(());
        }
        for (h, noise) in h.chunks_exact_mut(stds.len()).zip(noise.chunks_exact(stds.len())) {
            for (((h, x), std), domain) in h.iter_mut().zip(noise).zip(&stds).zip(&problem.h) {
                *h = bounded(domain.scale.value(domain.scale.coordinate(*h) + std * x), domain);
            }
        }
        return Ok(());
    }
    let copies = h.chunks_exact_mut(problem.h.len()).zip(donors).filter(|(_, donor)| **donor != KEPT);
    let mut rng = Generator::new(key);
    copies.map(|(h, _)| h).try_for_each(|h| mutate_one(problem, h, &mut rng))
}

/// Mutates one h, coordinate after coordinate.
pub(super) fn mutate_one(problem: &Population, h: &mut [f64], rng: &mut Generator) -> Result<()> {
    for ((h, kernel), domain) in h.iter_mut().zip(&problem.mutation).zip(&problem.h) {
        *h = kernel.sample(*h, domain, rng)?;
    }
    Ok(())
}

/// The standard deviations, where all coordinates take normal steps that end in the domain at once.
fn gaussian(problem: &Population) -> Option<Vec<f64>> {
    let one = |(kernel, domain): (&Kernel, &Domain)| match kernel {
        Kernel::Gaussian { std } if domain.ends != Ends::Retry => Some(*std),
        _ => None,
    };
    problem.mutation.iter().zip(&problem.h).map(one).collect()
}

/// The rule at the ends, where it is not to draw again.
#[inline(always)]
fn bounded(to: f64, domain: &Domain) -> f64 {
    if domain.ends == Ends::Clip { to.clamp(domain.low, domain.high) } else { domain.reflect(to) }
}
