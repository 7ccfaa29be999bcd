//! `kind = "agents"`: the keys of `[population]` and `[record]`.

use super::laws::each;
use super::losses;
use super::reader::{FINITE, Item, POSITIVE, Read, SHARE, Table};
use crate::monte_carlo::{AgentSettings, Dynamics, GibbsGrid, ThetaBins, TrainingStep};
use crate::problem::Regions;

/// The settings of the run.
pub(super) fn settings(root: &Table<'_>, dim_theta: usize, regions: Option<Regions>) -> Read<AgentSettings> {
    let expected = "a table with the number of agents";
    let table = root.need("population", expected)?.table(expected)?;
    let default = AgentSettings::default();
    let agents = table.count("agents", 1..=u32::MAX as usize - 1)?;
    let replicates = table.count_or("replicates", 1, 1..=1 << 20)?;
    let step = match table.at_most_one_of(&["learning_rate", "step", "steps_per_selection"])? {
        Some(item) if item.path.ends_with("learning_rate") => TrainingStep::LearningRate(item.number(POSITIVE)?),
        Some(item) if item.path.ends_with("step") => TrainingStep::Step(item.number(POSITIVE)?),
        Some(item) => TrainingStep::StepsPerSelection(item.count(1..=1 << 40)?),
        None => default.step,
    };
    let dynamics = [
        ("langevin", Dynamics::Langevin),
        ("sgd", Dynamics::Sgd),
        ("exact-ou", Dynamics::ExactOu),
        ("equilibrium", Dynamics::Equilibrium),
    ];
    let dynamics = table.choice_or("dynamics", Dynamics::Langevin, &dynamics)?;
    let seed = table.seed_or(1)?;
    let gibbs = table.get("gibbs").map(|item| gibbs(&item)).transpose()?;
    table.finish()?;
    let mut settings = AgentSettings { agents, replicates, step, dynamics, seed, gibbs, regions, ..default };
    if let Some(record) = root.table("record")? {
        settings.recorded_agents = record.count_or("agents", 0, 0..=agents)?;
        if let Some(quantiles) = record.get("quantiles") {
            settings.quantiles = quantiles.numbers(SHARE)?;
        }
        settings.bins = record.count_or("bins", settings.bins, 1..=1 << 24)?;
        if let Some(theta) = record.get("theta") {
            if dim_theta > 2 {
                return Err(theta.error("the histogram of theta is for one or two parameters"));
            }
            settings.theta_bins = each(&theta, dim_theta, "parameter", bins)?;
        }
        settings.lineage = record.flag_or("lineage", false)?;
        settings.before_events = record.flag_or("before_events", false)?;
        if let Some(regions) = record.get("regions") {
            settings.regions = Some(losses::regions(&regions, dim_theta)?);
        }
        record.finish()?;
    }
    Ok(settings)
}

fn bins(item: &Item<'_>) -> Read<ThetaBins> {
    let table = item.table("a table, as { low = -3.0, high = 3.0, bins = 60 }")?;
    let (low, high) = (table.number("low", FINITE)?, table.number("high", FINITE)?);
    if !(high > low) {
        return Err(table.need("high", "")?.expected("a number above low"));
    }
    let bins = table.count("bins", 1..=1 << 12)?;
    table.finish()?;
    Ok(ThetaBins { low, high, bins })
}

fn gibbs(item: &Item<'_>) -> Read<GibbsGrid> {
    let table = item.table("a table, as { low = -3.0, high = 3.0, cells = 512, slices = 128 }")?;
    let (low, high) = (table.number("low", FINITE)?, table.number("high", FINITE)?);
    if !(high > low) {
        return Err(table.need("high", "")?.expected("a number above low"));
    }
    let (cells, slices) = (table.count("cells", 2..=1 << 24)?, table.count("slices", 1..=1 << 16)?);
    table.finish()?;
    Ok(GibbsGrid { low, high, cells, slices })
}
