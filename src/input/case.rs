//! What a document states, checked: from it come solvers.

use std::sync::Arc;

use super::averaged::{self, AveragedCase, Weighting, record_of_density};
use super::committee::{self, Method};
use super::grids::{self, Cells};
use super::library::located;
use super::neurons;
use super::population::{Need, population};
use super::reader::{Range, Read, TOLERANCE, Table};
use super::time::{self, PLAIN, Precision, Times};
use super::{Document, InputError, Kind, agents};
use crate::error::Result;
use crate::frame::Solver;
use crate::kinetic::{Kinetic, Steps};
use crate::monte_carlo::{AgentSettings, Agents, Network, NetworkSettings, OnlineSgd, OverlapChain, SgdSettings};
use crate::neurons::{DensitySettings, DensitySteps, FlowSettings, NeuronDensity, NeuronFlow};
use crate::numerics::memory;
use crate::order_parameters::{FluctuationSettings, Fluctuations, OrderParameters};
use crate::problem::{NeuronLaw, Population, Regions};

/// A checked statement: a problem, how to solve it, and when to look.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is.
    pub kind: Kind,
    /// When to look, increasing.
    pub times: Vec<f64>,
    /// Physical time between checkpoints, if the file asks for them.
    pub checkpoint_every: Option<f64>,
    /// The seed, where anything is random.
    pub seed: Option<u64>,
    /// The tolerance of the time stepping, where there is one.
    pub tolerance: Option<f64>,
    pub(super) statement: Statement,
    pub(super) extras: Extras,
    pub(super) document: Arc<Document>,
}

#[derive(Debug, Clone)]
pub(super) enum Statement {
    Kinetic { problem: Population, theta: Vec<Cells>, h: Vec<usize>, steps: Steps, regions: Option<Regions> },
    Averaged(AveragedCase),
    Agents { problem: Population, settings: AgentSettings },
    Committee { statement: committee::Statement, tolerance: f64, fluctuations: Option<FluctuationSettings> },
    Sgd { statement: committee::Statement, settings: SgdSettings, method: Method },
    Neurons { statement: neurons::Statement, settings: FlowSettings },
    Network { statement: neurons::Statement, settings: NetworkSettings },
    NeuronDensity { law: NeuronLaw, a: Cells, s: usize, settings: DensitySettings },
}

/// What is computed besides the run.
#[derive(Debug, Clone, Default)]
pub(super) struct Extras {
    pub stationary: bool,
    pub steady_state: bool,
    pub critical_learning_rate: Option<[f64; 2]>,
    pub plateau: bool,
    pub learning_times: bool,
}

/// What may stand at the top of a file, of whatever kind.
const KEYS: [&str; 10] =
    ["kind", "problem", "grid", "population", "simulation", "time", "record", "fluctuations", "checkpoint", "sweep"];

impl Document {
    /// Checks everything that can be checked without work, and states the case.
    ///
    /// # Errors
    /// [`InputError`] with the place: unknown keys and names, missing keys, values of the wrong type or out of range, statements
    /// that do not go together.
    pub fn case(&self) -> Read<Case> {
        let root = Table::root(self);
        root.only(&KEYS)?;
        self.sweep()?;
        root.get("sweep");
        let kinds: Vec<(&str, Kind)> = Kind::ALL.iter().map(|kind| (kind.name(), *kind)).collect();
        let kind = root.need("kind", "what the file states, as \"kinetic\"")?.choice(&kinds)?;
        let mut extras = Extras::default();
        let (statement, times) = match kind {
            Kind::Kinetic => kinetic(&root, &mut extras),
            Kind::Averaged => {
                averaged::averaged(&root, &mut extras).map(|(case, times)| (Statement::Averaged(case), times))
            }
            Kind::Agents => agents(&root),
            Kind::Committee => committee(&root, &mut extras),
            Kind::Sgd => sgd(&root),
            Kind::Neurons => neurons(&root, &mut extras),
            Kind::Network => network(&root),
            Kind::NeuronDensity => neuron_density(&root),
        }?;
        let checkpoint_every = time::checkpoint(&root)?;
        root.finish()?;
        let (seed, tolerance) = (seed(&statement), tolerance(&statement));
        let document = Arc::new(self.clone());
        let case = Case { kind, times: times.times, checkpoint_every, seed, tolerance, statement, extras, document };
        case.checked().map_err(|error| case.located(&error))?;
        Ok(case)
    }
}

fn within(text: &'static str, holds: fn(f64) -> bool) -> Option<Range> {
    Some(Range { text, holds })
}

fn kinetic(root: &Table<'_>, extras: &mut Extras) -> Read<(Statement, Times)> {
    let table = root.need("problem", "the problem")?.table("a table")?;
    let (problem, mut regions) = population(&table, Need::Everything)?;
    table.finish()?;
    let grid = root.need("grid", "a table with the cells of theta and h")?.table("a table")?;
    let (theta, h) = (grids::theta(&grid, problem.loss.dimension())?, grids::h(&grid, &problem.h)?);
    grid.finish()?;
    let tolerance = within("a number from 1e-11 to 0.1", |x| (1e-11..=0.1).contains(&x));
    let times = time::times(root, Precision { tolerance, step: true, mesh: true })?;
    let steps = match (times.step, &times.mesh) {
        (Some(step), _) => Steps::Uniform(step),
        (None, Some(mesh)) => Steps::Mesh(mesh.clone()),
        (None, None) => Steps::Tolerance(times.tolerance.unwrap_or(1e-5)),
    };
    record_of_density(root, problem.loss.dimension(), &mut regions, &mut extras.stationary)?;
    Ok((Statement::Kinetic { problem, theta, h, steps, regions }, times))
}

fn agents(root: &Table<'_>) -> Read<(Statement, Times)> {
    let table = root.need("problem", "the problem")?.table("a table")?;
    let (problem, regions) = population(&table, Need::Everything)?;
    table.finish()?;
    let settings = agents::settings(root, problem.loss.dimension(), regions)?;
    Ok((Statement::Agents { problem, settings }, time::times(root, PLAIN)?))
}

fn committee(root: &Table<'_>, extras: &mut Extras) -> Read<(Statement, Times)> {
    let statement = committee::statement(root)?;
    let times = time::times(root, Precision { tolerance: Some(TOLERANCE), step: false, mesh: false })?;
    let fluctuations = committee::fluctuations(root, times.tolerance)?;
    extras.steady_state = true;
    if let Some(record) = root.table("record")? {
        extras.steady_state = record.flag_or("steady_state", true)?;
        extras.plateau = record.flag_or("plateau", false)?;
        if let Some(item) = record.get("critical_learning_rate") {
            let bracket = item.numbers(super::reader::POSITIVE)?;
            match bracket[..] {
                [low, high] if low < high => extras.critical_learning_rate = Some([low, high]),
                _ => {
                    return Err(
                        item.expected("[low, high], learning rates between which training loses its stable end")
                    );
                }
            }
        }
        record.finish()?;
    }
    let tolerance = times.tolerance.unwrap_or(1e-9);
    Ok((Statement::Committee { statement, tolerance, fluctuations }, times))
}

fn sgd(root: &Table<'_>) -> Read<(Statement, Times)> {
    let statement = committee::statement(root)?;
    // Every key of a committee may stand here too.
    let times = time::times(root, Precision { tolerance: Some(TOLERANCE), step: false, mesh: false })?;
    committee::fluctuations(root, times.tolerance)?;
    let (settings, method) = committee::simulation(root)?;
    Ok((Statement::Sgd { statement, settings, method }, times))
}

fn neurons(root: &Table<'_>, extras: &mut Extras) -> Read<(Statement, Times)> {
    let mut settings = FlowSettings::default();
    let (statement, _) = neurons::statement(root, Some(&mut settings))?;
    let tolerance = within("a number from 1e-11 to 0.1", |x| (1e-11..=0.1).contains(&x));
    let times = time::times(root, Precision { tolerance, step: false, mesh: false })?;
    settings.tolerance = times.tolerance.unwrap_or(settings.tolerance);
    let record = root.table("record")?;
    settings.degrees = neurons::degrees(record.as_ref(), settings.degrees)?;
    if let Some(record) = record {
        extras.learning_times = record.flag_or("learning_times", false)?;
        record.finish()?;
    }
    Ok((Statement::Neurons { statement, settings }, times))
}

fn network(root: &Table<'_>) -> Read<(Statement, Times)> {
    let (statement, series) = neurons::statement(root, None)?;
    let settings = neurons::simulation(root, series)?;
    Ok((Statement::Network { statement, settings }, time::times(root, PLAIN)?))
}

fn neuron_density(root: &Table<'_>) -> Read<(Statement, Times)> {
    let tolerance = within("a number from 1e-10 to 0.1", |x| (1e-10..=0.1).contains(&x));
    let times = time::times(root, Precision { tolerance, step: true, mesh: false })?;
    let steps = match times.step {
        Some(step) => Some(DensitySteps::Fixed(step)),
        None => times.tolerance.map(DensitySteps::Tolerance),
    };
    let (law, a, s, settings) = neurons::density(root, steps)?;
    Ok((Statement::NeuronDensity { law, a, s, settings }, times))
}

fn seed(statement: &Statement) -> Option<u64> {
    match statement {
        Statement::Agents { settings, .. } => Some(settings.seed),
        Statement::Sgd { settings, .. } => Some(settings.seed),
        Statement::Network { settings, .. } => Some(settings.seed),
        Statement::Averaged(AveragedCase { weight: Weighting::Population { seed, .. }, .. }) => Some(*seed),
        Statement::Committee { statement, .. } => statement.seed(),
        Statement::Neurons { statement, .. } => statement.seed(),
        _ => None,
    }
}

fn tolerance(statement: &Statement) -> Option<f64> {
    match statement {
        Statement::Kinetic { steps: Steps::Tolerance(tolerance), .. } => Some(*tolerance),
        Statement::Averaged(AveragedCase { tolerance, .. }) => Some(*tolerance),
        Statement::Committee { tolerance, fluctuations, .. } => {
            Some(fluctuations.as_ref().map_or(*tolerance, |settings| settings.tolerance))
        }
        Statement::Neurons { settings, .. } => Some(settings.tolerance),
        Statement::NeuronDensity { settings, .. } => match settings.steps {
            DensitySteps::Tolerance(tolerance) => Some(tolerance),
            DensitySteps::Fixed(_) => None,
        },
        _ => None,
    }
}

impl Case {
    /// What can be checked without much work.
    fn checked(&self) -> Result<()> {
        match &self.statement {
            Statement::Kinetic { problem, .. } | Statement::Averaged(AveragedCase { problem, .. }) => {
                problem.clone().validated().map(|_| ())
            }
            Statement::Agents { problem, settings } => {
                settings.validated()?;
                problem.clone().validated().map(|_| ())
            }
            Statement::Committee { statement, .. } | Statement::Sgd { statement, .. } => {
                /// Eigenvalues of matrices up to this size are no work.
                const SMALL: usize = 64;
                if statement.students() + statement.teachers() <= SMALL {
                    statement.committee()?.validated()?;
                }
                Ok(())
            }
            Statement::Neurons { statement, .. } | Statement::Network { statement, .. } => {
                const SMALL: usize = 256;
                if statement.neurons() <= SMALL {
                    statement.problem()?.validated()?;
                }
                Ok(())
            }
            Statement::NeuronDensity { law, .. } => law.clone().validated().map(|_| ()),
        }
    }

    /// An error of the library at the place in the file that it speaks of.
    pub(super) fn located(&self, error: &crate::Error) -> InputError {
        located(&self.document, error)
    }

    /// Makes the solver, at t = 0.
    ///
    /// # Errors
    /// Those of the library, at the place in the file that they speak of, where it is known; also if [`Case::estimate`] finds
    /// too little memory.
    pub fn solver(&self) -> Read<Box<dyn Solver + Send>> {
        self.build().map_err(|error| self.located(&error))
    }

    fn build(&self) -> Result<Box<dyn Solver + Send>> {
        memory::ensure("the run", self.estimate().bytes)?;
        Ok(match &self.statement {
            Statement::Kinetic { problem, theta, h, steps, regions } => {
                let theta = grids::theta_grid(theta)?;
                let solver = Kinetic::new(problem.clone(), theta, h.clone(), steps.clone())?;
                match regions {
                    Some(regions) => Box::new(solver.with_regions(regions)),
                    None => Box::new(solver),
                }
            }
            Statement::Averaged(case) => Box::new(case.solver()?),
            Statement::Agents { problem, settings } => Box::new(Agents::new(problem.clone(), settings.clone())?),
            Statement::Committee { statement, tolerance, fluctuations } => {
                let committee = statement.committee()?;
                match fluctuations {
                    Some(settings) => Box::new(Fluctuations::of(committee, statement.quadrature, settings)?),
                    None => Box::new(OrderParameters::of(committee, statement.quadrature, *tolerance)?),
                }
            }
            Statement::Sgd { statement, settings, method } => {
                let (committee, settings) = (statement.committee()?, settings.clone());
                match method {
                    Method::Weights => Box::new(OnlineSgd::new(committee, settings)?),
                    Method::Overlaps => Box::new(OverlapChain::new(committee, settings)?),
                }
            }
            Statement::Neurons { statement, settings } => Box::new(NeuronFlow::new(statement.problem()?, *settings)?),
            Statement::Network { statement, settings } => {
                Box::new(Network::new(statement.problem()?, settings.clone())?)
            }
            Statement::NeuronDensity { law, a, s, settings } => {
                Box::new(NeuronDensity::new(law.clone(), a.axis("a")?, *s, *settings)?)
            }
        })
    }
}
