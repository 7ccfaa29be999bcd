//! What is computed once, besides the run: stationary laws, steady states, and what a record tells.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::averaged::AveragedCase;
use super::case::{Case, Extras, Statement};
use super::grids;
use crate::averaged::Averaged;
use crate::error::Result;
use crate::frame::{Coordinate, Field, Frame, Solver};
use crate::grid::HyperCoordinates;
use crate::kinetic::Kinetic;
use crate::neurons::learning_times;
use crate::order_parameters::{CommitteeEquations, OrderParameters, Steady, critical_learning_rate, plateau};
use crate::problem::Committee;

/// Newton's tolerance of steady states.
const STEADY: f64 = 1e-11;
/// That of the critical learning rate, of its bracket.
const CRITICAL: f64 = 1e-6;

impl Case {
    /// What is computed besides the run of `solver`, which has ended and is not changed: the stationary law of the averaged
    /// equation (`stationary/rho`, `stationary/growth_rate`), the steady state of a committee nearest to where it stands
    /// (`steady_state/…`), and what `[record]` asks for: `critical_learning_rate/…`, `plateau/…`, `learning_times/time`. What does
    /// not exist is left out.
    pub fn results(&self, solver: &mut dyn Solver) -> Vec<Field<'static>> {
        let Extras { stationary, steady_state, critical_learning_rate, plateau, learning_times } = self.extras;
        let mut fields = Vec::new();
        let mut add = |found: Result<Vec<Field<'static>>>| fields.extend(found.unwrap_or_default());
        match &self.statement {
            Statement::Averaged(case) if stationary => add(of_averaged(case)),
            Statement::Kinetic { .. } if stationary => add(self.of_kinetic()),
            Statement::Committee { statement, tolerance, .. } => {
                let Ok(committee) = statement.committee() else { return fields };
                if steady_state {
                    let equations = CommitteeEquations::new(committee.clone(), statement.quadrature);
                    add(equations.and_then(|mut equations| steady(&mut equations, &committee, solver)));
                }
                if let Some([low, high]) = critical_learning_rate {
                    let tolerance = CRITICAL * (high - low);
                    add(self::critical_learning_rate(&committee, (low, high), tolerance, statement.quadrature).map(
                        |found| {
                            let (group, growth) = ("critical_learning_rate", found.below.growth());
                            vec![
                                Field::scalar(
                                    group,
                                    "rate",
                                    "learning rate at which the steady state loses stability",
                                    found.rate,
                                ),
                                Field::scalar(
                                    group,
                                    "growth_below",
                                    "largest real part of an eigenvalue just below",
                                    growth,
                                ),
                            ]
                        },
                    ));
                }
                if plateau {
                    add(OrderParameters::of(committee, statement.quadrature, *tolerance)
                        .and_then(|mut again| of_plateau(&self.times, &mut again)));
                }
            }
            Statement::Neurons { statement, settings } if learning_times => {
                add(statement.problem().and_then(|problem| {
                    let found = self::learning_times(problem, *settings, &self.times)?;
                    // What is not learnt within the run is left out of the list.
                    let learnt: Vec<(f64, f64)> =
                        found.iter().enumerate().filter_map(|(k, time)| time.map(|time| (k as f64, time))).collect();
                    let values = learnt.iter().map(|(degree, _)| *degree).collect();
                    let degree = Coordinate { name: "degree", description: "Hermite degree", values, bounds: None };
                    let times: Vec<f64> = learnt.iter().map(|(_, time)| *time).collect();
                    let description = "time at which half of a degree is learnt";
                    if times.is_empty() {
                        return Ok(Vec::new());
                    }
                    Ok(vec![Field::array("learning_times", "time", description, &[&Arc::new(degree)], times)])
                }));
            }
            _ => {}
        }
        fields.retain(|field| field.values.iter().all(|value| value.is_finite()));
        fields
    }

    fn of_kinetic(&self) -> Result<Vec<Field<'static>>> {
        let Statement::Kinetic { problem, theta, h, steps, .. } = &self.statement else { return Ok(Vec::new()) };
        let theta = grids::theta_grid(theta)?;
        let mut solver = Kinetic::new(problem.clone(), theta, h.clone(), steps.clone())?;
        let stationary = solver.stationary()?;
        let residual = stationary.residual;
        // Shown by the solver itself, started from it.
        solver.set_masses(stationary.masses)?;
        let mut fields = Vec::new();
        let now = solver.time();
        solver.run(&[now], &mut |frame| {
            fields.extend(
                frame.fields.iter().filter(|field| field.group == "density").map(|field| owned(field, "stationary")),
            );
            Ok(ControlFlow::Break(()))
        })?;
        fields.push(Field::scalar("stationary", "residual", "L1 norm of the last change of the fixed point", residual));
        Ok(fields)
    }
}

fn owned(field: &Field<'_>, group: &'static str) -> Field<'static> {
    let Field { name, description, axes, values, .. } = field;
    Field { group, name, description, axes: axes.clone(), values: values.to_vec().into() }
}

fn of_averaged(case: &AveragedCase) -> Result<Vec<Field<'static>>> {
    let solver: Averaged = case.solver()?;
    let found = solver.stationary()?;
    let mut fields = HyperCoordinates::new(&solver.grid).marginal("stationary", &solver.grid, &found.mass);
    let growth = "log of the mean effective weight (events), or mean growth rate (replicator)";
    fields.push(Field::scalar("stationary", "growth_rate", growth, found.growth));
    Ok(fields)
}

/// The order parameters of the last frame, in the order of the layout.
fn last_state(committee: &Committee, solver: &mut dyn Solver) -> Result<Option<Vec<f64>>> {
    let (layout, mut state, now) = (committee.layout(), None, solver.time());
    solver.run(&[now], &mut |frame: &Frame<'_>| {
        let get = |name| frame.get("order_parameters", name);
        let mut found = committee.initial_state();
        let mut put = |at: usize, value: Option<&f64>| {
            if let (Some(slot), Some(value)) = (found.get_mut(at), value) {
                *slot = *value;
            }
        };
        for i in 0..layout.students {
            for k in i..layout.students {
                put(layout.q(i, k), get("Q").and_then(|q| q.get(i * layout.students + k)));
            }
            for n in 0..layout.teachers {
                put(layout.m(i, n), get("M").and_then(|m| m.get(i * layout.teachers + n)));
            }
            if layout.second_layer {
                put(layout.a(i), get("a").and_then(|a| a.get(i)));
            }
            if layout.biases {
                put(layout.b(i), get("b").and_then(|b| b.get(i)));
            }
        }
        state = Some(found);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(state)
}

fn steady(
    equations: &mut CommitteeEquations,
    committee: &Committee,
    solver: &mut dyn Solver,
) -> Result<Vec<Field<'static>>> {
    let Some(guess) = last_state(committee, solver)? else { return Ok(Vec::new()) };
    let found: Steady = equations.steady_state(&guess, STEADY)?;
    let error = equations.generalization_error(&found.state)?;
    let layout = committee.layout();
    let mut fields = layout.fields(&layout.axes(), &found.state, &committee.student.weights);
    fields.iter_mut().for_each(|field| field.group = "steady_state");
    let scalar = |name, description, value| Field::scalar("steady_state", name, description, value);
    fields.push(scalar("generalization_error", "generalisation error there", error));
    fields.push(scalar("largest_eigenvalue", "largest real part of an eigenvalue of the Jacobian", found.growth()));
    fields.push(scalar("stable", "1 if no small deviation grows", f64::from(found.stable())));
    fields.push(scalar("residual", "largest time derivative there", found.residual));
    Ok(fields)
}

fn of_plateau(times: &[f64], again: &mut OrderParameters) -> Result<Vec<Field<'static>>> {
    let mut errors = Vec::new();
    again.run(times, &mut |frame| {
        errors.extend(frame.get("errors", "generalization_error").and_then(|error| error.first().copied()));
        Ok(ControlFlow::Continue(()))
    })?;
    let Some(found) = plateau(times, &errors) else { return Ok(Vec::new()) };
    let scalar = |name, description, value| Field::scalar("plateau", name, description, value);
    Ok(vec![
        scalar("entry", "when the error fell to 1.1 times the height", found.entry),
        scalar("exit", "when the error fell to 0.9 times the height", found.exit),
        scalar("height", "the error where it falls slowest", found.height),
    ])
}
