//! The studies, in the order in which they are run and reported.
//!
//! To add one: write `studies/NAME.rs` with a `pub const STUDY: Study`, and name it twice below, as a module and in
//! the list. Being listed makes it run under `validate` and adds a test that asserts every gate at the quick level.

mod effective_fitness;
mod effective_selection;
mod fast_training;
mod many_agents;
mod mean_convergence;
mod noise_and_diversity;
mod price_equation;
mod quadratic_training;
mod relu_committee;
mod resume;
mod smooth_committee;
mod toy;

use std::error::Error;

use crate::report::Report;

mod asynchronous;
mod averaged_exact;
mod batch;
mod characteristics;
mod concentration;
mod critical_learning_rate;
mod erf_committee;
mod exploration;
mod fast_training_2d;
mod fluctuations;
mod fokker_planck_space;
mod formulas;
mod full_against_simplified;
mod gaussian_integrals;
mod gibbs_2d;
mod hermite;
mod himmelblau;
mod joint;
mod learning_order;
mod learning_rate;
mod linear_sgd;
mod lqg;
mod momentum;
mod network_against_flow;
mod neuron_density;
mod order_parameter_steps;
mod ornstein_uhlenbeck;
mod own_loss;
mod plane;
mod schedules;
mod selection_rules;
mod sgd_against_flow;
mod sgd_runs;
mod stationary;
mod teacher_student;
mod time_order;
mod time_scales;
mod trained_second_layer;
mod truncation;
mod two_hyperparameters;
mod zero_risk;

/// How much work a study may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Level {
    /// All studies together in 3 minutes on 2 cores.
    Quick,
    /// All studies together in 30 minutes on 2 cores.
    Full,
}

impl Level {
    /// One of two values, for the sizes that tell the levels apart.
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// The unit of proof: a claim, and how to measure it.
#[derive(Debug, Clone, Copy)]
pub struct Study {
    /// Its name on the command line, with hyphens.
    pub name: &'static str,
    /// What it shows, in one line.
    pub claim: &'static str,
    /// Measures.
    pub run: fn(Level) -> Result<Report, Box<dyn Error>>,
}

/// Lists the studies, and makes a test of each.
macro_rules! studies {
    ($($module:ident),* $(,)?) => {
        /// Every study.
        pub const ALL: &[Study] = &[$($module::STUDY),*];

        #[cfg(test)]
        mod tests {
            $(
                #[test]
                fn $module() {
                    super::check(&super::$module::STUDY);
                }
            )*
        }
    };
}

studies![
    fokker_planck_space,
    ornstein_uhlenbeck,
    lqg,
    time_order,
    many_agents,
    fast_training,
    averaged_exact,
    stationary,
    price_equation,
    mean_convergence,
    effective_fitness,
    effective_selection,
    noise_and_diversity,
    quadratic_training,
    gibbs_2d,
    fast_training_2d,
    himmelblau,
    selection_rules,
    truncation,
    exploration,
    learning_rate,
    own_loss,
    two_hyperparameters,
    asynchronous,
    gaussian_integrals,
    relu_committee,
    smooth_committee,
    order_parameter_steps,
    erf_committee,
    batch,
    concentration,
    critical_learning_rate,
    schedules,
    trained_second_layer,
    linear_sgd,
    momentum,
    fluctuations,
    hermite,
    full_against_simplified,
    zero_risk,
    network_against_flow,
    sgd_against_flow,
    neuron_density,
    learning_order,
    time_scales,
    formulas,
    resume,
];

/// Asserts every gate of a study at the quick level, and that it has data and a picture to show.
#[cfg(test)]
fn check(study: &Study) {
    let report = (study.run)(Level::Quick).unwrap_or_else(|error| panic!("{}: {error}", study.name));
    assert!(!report.gates.is_empty(), "{}: no gates", study.name);
    assert!(!report.data.is_empty(), "{}: no data", study.name);
    assert!(!report.pictures.is_empty(), "{}: no picture", study.name);
    let failed: Vec<String> =
        report.gates.iter().filter(|gate| !gate.passes()).map(std::string::ToString::to_string).collect();
    assert!(failed.is_empty(), "{}:\n{}", study.name, failed.join("\n"));
}
