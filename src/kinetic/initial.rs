//! The initial law on the joint grid.

use crate::error::{Error, Result};
use crate::grid::{Axis, HyperGrid, Potential, axis_masses};
use crate::problem::{InitialTheta, Population};

/// Masses of the cells, `[θ][h]`.
pub(super) fn masses(problem: &Population, theta: &Axis, h: &HyperGrid) -> Result<Vec<f64>> {
    let rho = h.masses(&problem.initial.h[0])?;
    let mut joint = vec![0.0; theta.len() * h.len()];
    for (place, (&point, rho)) in h.points.iter().zip(&rho).enumerate() {
        if *rho == 0.0 {
            continue;
        }
        let column = match &problem.initial.theta {
            InitialTheta::Equilibrium => Potential::new(problem, theta, point)?.gibbs(),
            InitialTheta::Law(laws) => axis_masses(theta, &laws[0], "theta")?,
            InitialTheta::Given(law) => {
                let laws = law(&[point]);
                let [law] = &laws[..] else {
                    return Err(Error::Shape { what: "initial.theta given h".into(), found: laws.len(), expected: 1 });
                };
                law.validated("initial.theta given h")?;
                axis_masses(theta, law, "theta")?
            }
        };
        for (cell, mass) in column.iter().enumerate() {
            joint[cell * h.len() + place] = rho * mass;
        }
    }
    Ok(joint)
}
