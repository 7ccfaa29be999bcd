//! The initial population.

use super::replica::Plan;
use super::rng::{Generator, Key};
use crate::error::{Error, Result};
use crate::problem::{Domain, InitialTheta, Law};

/// Mass of the initial law of h that may lie outside its domain; it is drawn again.
const OUTSIDE: f64 = 1e-6;

/// Checks that the initial laws of h lie in their domains.
pub(super) fn check(laws: &[Law], domains: &[Domain]) -> Result<()> {
    for (law, &Domain { low, high, .. }) in laws.iter().zip(domains) {
        // A point on the lower end has no mass in (low, high].
        let at_low = f64::from(*law == Law::Point { at: low });
        let outside = 1.0 - law.mass(low, high) - at_low;
        if outside.is_nan() || outside > OUTSIDE {
            return Err(Error::InitialMassOutside { coordinate: "h", outside, low, high, allowed: OUTSIDE });
        }
    }
    Ok(())
}

/// Draws the first (θ, h) of a block of agents.
pub(super) fn fill(plan: &Plan, key_h: Key, key_theta: Key, theta: &mut [f64], h: &mut [f64]) -> Result<()> {
    let problem = &plan.problem;
    let mut rng = Generator::new(key_h);
    let dim_h = problem.h.len();
    for h in h.chunks_exact_mut(dim_h) {
        for ((h, law), domain) in h.iter_mut().zip(&problem.initial.h).zip(&problem.h) {
            *h = law.sample(&mut rng);
            // Ends after a few draws: `check` has made sure that almost all mass lies inside.
            while !(domain.low..=domain.high).contains(h) {
                *h = law.sample(&mut rng);
            }
        }
    }
    draw_theta(plan, key_theta, h, theta)
}

/// Draws θ from the initial law at the h of each of these agents.
pub(super) fn draw_theta(plan: &Plan, key: Key, h: &[f64], theta: &mut [f64]) -> Result<()> {
    let problem = &plan.problem;
    let (dim_theta, dim_h) = plan.dims();
    if let (InitialTheta::Equilibrium, Some(gibbs)) = (&problem.initial.theta, &plan.gibbs) {
        return gibbs.draw(problem, key, h, theta);
    }
    let mut rng = Generator::new(key);
    for (theta, h) in theta.chunks_exact_mut(dim_theta).zip(h.chunks_exact(dim_h)) {
        let given;
        let laws = match &problem.initial.theta {
            InitialTheta::Law(laws) => laws,
            InitialTheta::Given(laws) => {
                given = laws(h);
                given.iter().try_for_each(|law| law.validated("initial.theta"))?;
                &given
            }
            InitialTheta::Equilibrium => return Ok(()),
        };
        if laws.len() != dim_theta {
            let what = "initial.theta (one law a parameter)".into();
            return Err(Error::Shape { what, found: laws.len(), expected: dim_theta });
        }
        theta.iter_mut().zip(laws).for_each(|(theta, law)| *theta = law.sample(&mut rng));
    }
    Ok(())
}
