//! The initial law on the joint grid.

use crate::error::Result;
use crate::grid::{HyperGrid, Potential, ThetaGrid};
use crate::problem::{InitialTheta, Population};

/// Masses of the cells, `[θ][h]`.
pub(super) fn masses(problem: &Population, theta: &ThetaGrid, h: &HyperGrid) -> Result<Vec<f64>> {
    joint(problem, theta, h, &h.masses(&problem.initial.h)?)
}

/// Those of θ given h, `[θ][h]`: at each place they sum to 1.
pub(super) fn given_h(problem: &Population, theta: &ThetaGrid, h: &HyperGrid) -> Result<Vec<f64>> {
    joint(problem, theta, h, &vec![1.0; h.len()])
}

fn joint(problem: &Population, theta: &ThetaGrid, h: &HyperGrid, rho: &[f64]) -> Result<Vec<f64>> {
    let mut joint = vec![0.0; theta.len() * h.len()];
    for (place, (point, rho)) in h.iter().zip(rho).enumerate() {
        if *rho == 0.0 {
            continue;
        }
        let column = match &problem.initial.theta {
            InitialTheta::Equilibrium => Potential::new(problem, theta, point)?.gibbs(),
            InitialTheta::Law(laws) => theta.masses(laws)?,
            InitialTheta::Given(law) => {
                let laws = law(point);
                laws.iter().try_for_each(|law| law.validated("initial.theta given h"))?;
                theta.masses(&laws)?
            }
        };
        for (cell, mass) in column.iter().enumerate() {
            joint[cell * h.len() + place] = rho * mass;
        }
    }
    Ok(joint)
}
