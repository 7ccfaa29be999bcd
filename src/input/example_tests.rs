//! Every example file runs and shows what its table of groups says.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Document, Kind, template};
use crate::frame::Field;

/// `group: name(axes)`.
fn names<'a>(fields: impl IntoIterator<Item = &'a Field<'a>>) -> BTreeSet<String> {
    let show = |field: &Field<'_>| {
        let axes: Vec<&str> = field.axes.iter().map(|axis| axis.name).collect();
        format!("{}: {}({})", field.group, field.name, axes.join(", "))
    };
    fields.into_iter().map(show).collect()
}

/// What the table says, `_error` left out where it says "each with".
fn expected(kind: Kind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        Kind::Kinetic => (
            &[
                "density: f(theta, h)",
                "marginal_h: rho(h)",
                "marginal_theta: rho(theta)",
                "moments: mass()",
                "moments: mean_h()",
                "moments: var_h()",
                "moments: mean_theta()",
                "moments: var_theta()",
                "moments: cov_theta_h()",
                "moments: mean_fitness()",
                "moments: mean_loss()",
                "moments: free_energy()",
                "moments: minimum()",
            ],
            &[],
        ),
        Kind::Averaged => (
            &[
                "density: rho(h)",
                "density: effective_weight(h)",
                "density: effective_fitness(h)",
                "moments: mass()",
                "moments: mean_h()",
                "moments: var_h()",
                "moments: mean_fitness()",
                "moments: minimum()",
            ],
            &["stationary: rho(h)", "stationary: growth_rate()"],
        ),
        Kind::Agents => (
            &[
                "marginal_h: rho(h)",
                "marginal_h: rho_error(h)",
                "moments: mass()",
                "moments: mean_h()",
                "moments: mean_h_error()",
                "moments: var_h()",
                "moments: var_h_error()",
                "moments: mean_theta()",
                "moments: mean_theta_error()",
                "moments: var_theta()",
                "moments: var_theta_error()",
                "moments: cov_theta_h()",
                "moments: cov_theta_h_error()",
                "moments: mean_fitness()",
                "moments: mean_fitness_error()",
                "moments: mean_loss()",
                "moments: mean_loss_error()",
                "quantiles: fitness(quantile)",
                "quantiles: loss(quantile)",
                "trajectories: theta(agent, component)",
                "trajectories: h(agent, component)",
            ],
            &[],
        ),
        Kind::Committee => (
            &[
                "order_parameters: Q(student, student_2)",
                "order_parameters: M(student, teacher)",
                "order_parameters: a(student)",
                "errors: generalization_error()",
            ],
            &[
                "steady_state: Q(student, student_2)",
                "steady_state: M(student, teacher)",
                "steady_state: generalization_error()",
            ],
        ),
        Kind::Sgd => (
            &[
                "order_parameters: Q(student, student_2)",
                "order_parameters: Q_error(student, student_2)",
                "order_parameters: M(student, teacher)",
                "order_parameters: M_error(student, teacher)",
                "order_parameters: a(student)",
                "order_parameters: a_error(student)",
                "errors: generalization_error()",
                "errors: generalization_error_error()",
            ],
            &[],
        ),
        Kind::Neurons => (
            &["neurons: a(neuron)", "neurons: s(neuron)", "risk: risk()", "risk: component(degree)", "risk: tail()"],
            &[],
        ),
        Kind::Network => (
            &[
                "risk: risk()",
                "risk: risk_error()",
                "risk: component(degree)",
                "risk: component_error(degree)",
                "risk: tail()",
                "risk: tail_error()",
            ],
            &[],
        ),
        Kind::NeuronDensity => {
            (&["density: mu(a, s)", "risk: risk()", "risk: component(degree)", "risk: tail()", "moments: mass()"], &[])
        }
    }
}

#[test]
fn examples_run_and_show_what_is_promised() {
    for kind in Kind::ALL {
        let mut document = Document::parse(template(kind), "example.toml").unwrap();
        if kind == Kind::Agents {
            document.set("population.agents", "2000").unwrap();
        }
        let case = document.case().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(case.kind, kind);
        let mut solver = case.solver().unwrap_or_else(|error| panic!("{error}"));
        let mut found = names(&solver.constants());
        let mut times = Vec::new();
        solver
            .run(&case.times[..2], &mut |frame| {
                times.push(frame.time);
                found.extend(names(&frame.fields));
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        assert_eq!(times, case.times[..2], "{kind:?}");
        let results = names(&case.results(&mut *solver));
        let (of_run, of_results) = expected(kind);
        for name in of_run {
            assert!(found.contains(*name), "{kind:?}: {name} is not in {found:#?}");
        }
        for name in of_results {
            assert!(results.contains(*name), "{kind:?}: {name} is not in {results:#?}");
        }
        assert_eq!(solver.time(), case.times[1]);
    }
}
