//! Pictures of the files of runs, and what is between two of them.

mod cells;
mod compare;
mod curves;
mod panels;
#[cfg(test)]
mod tests;

pub use self::compare::{Comparison, Distance, compare};

use self::panels::{density, error_curve, function, heat_map, matrix, mean_and_spread, quantiles, trajectories, units};
use super::hdf5::RunFile;
use super::plot::{Panel, Picture};
use crate::error::{Error, Result};

/// A picture of what a file holds: densities, means, order parameters, errors, neurons, whatever groups there are. Dimensions
/// before `time` (a sweep) give one curve a value.
///
/// # Errors
/// [`Error::Unsupported`] for a file without anything to draw; those of [`RunFile::values`].
pub fn picture(run: &RunFile) -> Result<Picture> {
    let mut panels: Vec<Panel> = Vec::new();
    // Populations and densities of neurons.
    panels.extend(heat_map(run, "density", &["f", "mu"], "Joint density")?);
    panels.extend(heat_map(run, "marginal_theta", &["rho"], "Density of θ")?);
    for (group, name, title) in [
        ("marginal_h", "rho", "Density of h"),
        ("density", "rho", "Density of h"),
        ("marginal_s", "mu", "Density of the alignment s"),
        ("marginal_a", "mu", "Density of the second layer a"),
    ] {
        match heat_map(run, group, &[name], title)? {
            Some(panel) => panels.push(panel),
            None => panels.extend(density(run, group, name, title)?),
        }
    }
    panels.extend(function(run, "density", "effective_fitness", "Effective fitness")?);
    panels.extend(error_curve(run, "moments", "mean_fitness", "Mean fitness", false)?);
    panels.extend(mean_and_spread(run)?);
    panels.extend(quantiles(run, "fitness", "Fitness of the agents")?);
    panels.extend(quantiles(run, "loss", "Loss of the agents")?);
    panels.extend(trajectories(run, "h", "Hyperparameters of some agents")?);
    // Committees.
    panels.extend(error_curve(run, "errors", "generalization_error", "Generalization error", true)?);
    for (name, title) in [("Q", "Overlaps of the students"), ("M", "Overlaps with the teachers"), ("a", "Second layer")]
    {
        panels.extend(matrix(run, name, title)?);
    }
    // Wide networks.
    panels.extend(error_curve(run, "risk", "risk", "Risk", true)?);
    panels.extend(units(run, "neurons", "s", "neuron", "Alignments with the target")?);
    panels.extend(units(run, "neurons", "a", "neuron", "Second layer")?);
    panels.extend(units(run, "risk", "component", "degree", "Residual of each degree")?);
    if panels.is_empty() {
        for group in run.groups() {
            for variable in group.variables.iter().filter(|variable| !group.is_error(&variable.name)) {
                let title = format!("{}/{}", group.name, variable.name);
                panels.extend(error_curve(run, &group.name, &variable.name, &title, false)?);
            }
        }
    }
    if panels.is_empty() {
        return Err(Error::Unsupported {
            solver: "a picture",
            what: format!("{}, which holds nothing over time", run.path().display()),
            instead: "give the file of a run that has reached its first time",
        });
    }
    let columns = if panels.len() > 4 { 3 } else { panels.len().min(2) };
    Ok(panels.into_iter().fold(Picture::new(columns), Picture::panel))
}
