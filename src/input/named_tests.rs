//! Every name and form that files may have: each states a case that runs.

use std::ops::ControlFlow;

use super::{Document, Kind, template};

/// The example of the kind with cheap sizes and these settings, run to its second output; what it showed as `group/name`.
fn shown(kind: Kind, settings: &[(&str, &str)]) -> Vec<String> {
    let cheap: &[(&str, &str)] = match kind {
        Kind::Kinetic => &[
            ("grid.theta.cells", "48"),
            ("grid.h.cells", "24"),
            ("time", "{ end = 0.2, every = 0.1, tolerance = 1e-2 }"),
        ],
        Kind::Averaged => &[
            ("grid.theta.cells", "96"),
            ("grid.h.cells", "60"),
            ("time", "{ end = 0.2, every = 0.1, tolerance = 1e-4 }"),
        ],
        Kind::Agents => &[("population.agents", "200"), ("time", "{ end = 1.0, every = 0.5 }")],
        Kind::Committee => &[("time", "{ end = 1.0, every = 0.5, tolerance = 1e-4 }")],
        Kind::Sgd => &[
            ("simulation.dimension", "50"),
            ("simulation.runs", "2"),
            ("time", "{ end = 1.0, every = 0.5, tolerance = 1e-4 }"),
        ],
        Kind::Neurons => &[("time", "{ start = 1e-4, end = 1e-3, outputs_per_decade = 1, tolerance = 1e-4 }")],
        Kind::Network => {
            &[("simulation.dimension", "20"), ("simulation.runs", "2"), ("time", "{ end = 2e-3, every = 1e-3 }")]
        }
        Kind::NeuronDensity => &[("time", "{ end = 0.2, every = 0.1, tolerance = 1e-2 }"), ("problem.series", "20")],
    };
    let mut document = Document::parse(template(kind), "example.toml").unwrap();
    for (key, value) in cheap.iter().chain(settings) {
        document.set(key, value).unwrap_or_else(|error| panic!("{error}"));
    }
    let fail = |error: super::InputError| -> ! { panic!("{kind:?} {settings:?}\n{error}") };
    let case = document.case().unwrap_or_else(|error| fail(error));
    let again = Document::parse(&document.problem_text(), "again.toml").unwrap_or_else(|error| fail(error));
    let again = again.case().unwrap_or_else(|error| fail(error));
    // Functions have no form of their own; everything else is compared.
    assert_eq!(format!("{:?}", again.statement), format!("{:?}", case.statement), "{settings:?}");
    assert_eq!((again.times, again.seed, again.tolerance), (case.times.clone(), case.seed, case.tolerance));
    let mut solver = case.solver().unwrap_or_else(|error| fail(error));
    let mut found = Vec::new();
    solver
        .run(&case.times[..2.min(case.times.len())], &mut |frame| {
            found = frame.fields.iter().map(|field| format!("{}/{}", field.group, field.name)).collect();
            Ok(ControlFlow::Continue(()))
        })
        .unwrap_or_else(|error| panic!("{kind:?} {settings:?}\n{error}"));
    found.extend(case.results(&mut *solver).iter().map(|field| format!("{}/{}", field.group, field.name)));
    found
}

fn all(kind: Kind, variants: &[&[(&str, &str)]]) {
    for settings in variants {
        assert!(!shown(kind, settings).is_empty());
    }
}

const POSITIVE_FITNESS: (&str, &str) = ("problem.fitness", "exp(-(theta - 0.5)^2)");

#[test]
fn selection_rules_and_clocks() {
    let rules: &[&[(&str, &str)]] = &[
        &[("problem.selection", "off")],
        &[("problem.selection", "{ rule = \"off\" }")],
        &[("problem.selection", "{ rule = \"boltzmann\", beta = 1, clock = { rate = 1 } }")],
        &[("problem.selection", "{ rule = \"boltzmann\", beta = \"1 + t\", clock = { rate = 1 } }")],
        &[(
            "problem.selection",
            "{ rule = \"boltzmann\", beta = { law = \"inverse\", initial = 2, scale = 1 }, clock = { rate = 1 } }",
        )],
        &[(
            "problem.selection",
            "{ rule = \"annealed\", beta = { law = \"constant\", value = 2 }, clock = { rate = 1 } }",
        )],
        &[("problem.selection", "{ rule = \"truncation\", fraction = 0.2, clock = { rate = 1 } }")],
        &[("problem.selection", "{ rule = \"truncation\", quantile_fraction = 0.5, clock = { every = 0.1 } }")],
        &[("problem.selection", "{ rule = \"tournament\", clock = { rate = 2.0 } }")],
        &[("problem.selection", "{ rule = \"proportional\", clock = { rate = 2.0 } }"), POSITIVE_FITNESS],
        &[("problem.selection", "{ rule = \"weight\", weight = \"F^2\", clock = { rate = 2.0 } }"), POSITIVE_FITNESS],
        &[("problem.selection", "{ rule = \"weight\", log_weight = \"2*F\", clock = { rate = 2.0 } }")],
        &[
            ("problem.selection", "{ rule = \"replicator\", beta = 1.0 }"),
            ("problem.mutation", "{ kernel = \"diffusion\", diffusion = 0.02 }"),
        ],
        &[("problem.selection.rejuvenate", "true")],
    ];
    all(Kind::Kinetic, rules);
    all(Kind::Averaged, rules);
    let step = ("population", "{ agents = 200, step = 0.002 }");
    for settings in rules {
        assert!(!shown(Kind::Agents, &[settings, &[step][..]].concat()).is_empty());
    }
    let evaluation = |text| [("problem.selection.evaluation", text)];
    all(
        Kind::Averaged,
        &[
            &[("problem.selection.clock", "{ staggered = 0.1 }")],
            &evaluation("{ sees = \"effective\" }"),
            &evaluation("{ donors = \"published\" }"),
        ],
    );
    all(
        Kind::Agents,
        &[
            &[("problem.selection.clock", "{ staggered = 0.5 }"), evaluation("{ donors = \"published\" }")[0]],
            &evaluation("{ noise = 0.1, window = 5, donors = \"present\" }")[..],
            &[evaluation("{ sees = \"effective\" }")[0], ("problem.loss", "quadratic")],
        ],
    );
}

#[test]
fn mutation_kernels_and_domains() {
    let kernel = |text| [("problem.mutation", text)];
    let log = "{ low = 0.01, high = 10.0, scale = \"log\" }";
    let on_log = [("problem.h", log), ("problem.initial.h", "{ law = \"log-uniform\", low = 0.1, high = 1.0 }")];
    let resample = "{ kernel = \"resample\", probability = 0.25, law = { law = \"uniform\", low = -1.0, high = 1.0 } }";
    let perturb = "{ kernel = \"perturb\", factors = [0.8, 1.2], resample_probability = 0.25, law = 0.5 }";
    for kind in [Kind::Kinetic, Kind::Averaged, Kind::Agents] {
        for settings in [
            &kernel("none")[..],
            &kernel("{ kernel = \"none\" }"),
            &kernel("{ kernel = \"uniform\", width = 0.5 }"),
            &kernel("{ kernel = \"factor\", factors = [0.8, 1.2] }"),
            &kernel(resample),
            &kernel(perturb),
            &kernel("{ kernel = \"sequence\", parts = [{ kernel = \"gaussian\", std = 0.1 }, { kernel = \"none\" }] }"),
            &kernel("[{ kernel = \"gaussian\", std = 0.1 }]"),
            &[("problem.h.ends", "clip")],
            &[("problem.h.ends", "retry")],
            &on_log,
            &[("problem.initial.h", "0.5")],
            &[("problem.initial.h", "{ law = \"gaussian\", mean = 0.1, std = 0.2 }")],
            &[("problem.initial.theta", "{ law = \"gaussian\", mean = \"h\", std = 0.5 }")],
            &[("problem.initial.theta", "{ law = \"uniform\", low = -1, high = 1 }")],
            &[("problem.diffusion", "0.1 + 0.01*h^2"), ("problem.mobility", "1 + 0.1*h^2")],
        ] {
            assert!(!shown(kind, settings).is_empty());
        }
    }
    // As the comment in the file of the kinetic equation has it: h is a learning rate.
    let rate = [on_log[0], on_log[1], ("problem.mobility", "{ mobility = \"h\", diffusion = \"0.1*h^2\" }")];
    assert!(!shown(Kind::Kinetic, &[&rate[..], &[("problem.loss", "0.5*theta^2")]].concat()).is_empty());
}

#[test]
fn losses_weights_and_two_dimensions() {
    all(
        Kind::Kinetic,
        &[
            &[("problem.loss", "quadratic"), ("problem.fitness", "quadratic")],
            &[("problem.loss", "{ name = \"quadratic\", stiffness = 2.0 }")],
            &[("problem.fitness", "{ name = \"quadratic\", optimum = 0.5, curvature = 2.0 }")],
            &[("problem.loss", "double-well")],
            &[("problem.loss", "{ name = \"double_well\", barrier = 0.5, coupling = 0.2 }")],
            &[("time", "{ end = 0.1, step = 0.05 }")],
            &[("time", "{ outputs = [0.05, 0.1], mesh = [0.01, 0.05, 0.1] }")],
            &[("problem.regions", "[{ name = \"left\", centre = -1 }, { name = \"right\", centre = [1.0] }]")],
            &[("record.regions", "[{ name = \"box\", low = 0.0, high = 1.0 }]")],
            &[("record.stationary", "true")],
        ],
    );
    let found = shown(Kind::Kinetic, &[("record.stationary", "true")]);
    assert!(found.contains(&"stationary/f".into()) && found.contains(&"stationary/residual".into()), "{found:?}");
    let found = shown(Kind::Kinetic, &[("record.regions", "[{ name = \"box\", low = 0.0, high = 1.0 }]")]);
    assert!(found.contains(&"wells/probability".into()), "{found:?}");
    let closed = [("problem.loss", "quadratic"), ("problem.fitness", "quadratic"), ("problem.weight", "closed-form")];
    all(
        Kind::Averaged,
        &[
            &closed,
            &[closed[0], closed[1], ("problem.weight", "gauss-hermite")],
            &[closed[0], closed[1], ("problem.weight", "{ gauss-hermite = 16 }")],
            &[closed[0], closed[1], ("problem.weight", "{ gauss-hermite = { points = 16 } }")],
            &[closed[0], closed[1], ("problem.weight", "{ population = 100, seed = 3 }")],
            &[("problem.weight", "{ population = 100 }")],
            &[("problem.weight", "{ formula = \"exp(-(h - 0.5)^2)\" }")],
            &[("problem.weight", "{ log_formula = \"-(h - 0.5)^2\" }")],
        ],
    );
    let himmelblau = [
        ("problem.loss", "{ name = \"himmelblau\", scale = 50, role = \"shift\" }"),
        ("problem.fitness", "{ name = \"himmelblau\", scale = 50 }"),
        ("problem.diffusion", "1.0"),
        ("problem.initial.h", "{ law = \"uniform\", low = -1.0, high = 1.0 }"),
        ("problem.regions", "himmelblau-wells"),
    ];
    let plane = [("problem.initial.theta", "equilibrium"), ("grid.theta", "{ low = -6.0, high = 6.0, cells = 24 }")];
    let found = shown(Kind::Kinetic, &[&himmelblau[..], &plane].concat());
    assert!(found.contains(&"wells/probability".into()) && found.contains(&"density/f".into()), "{found:?}");
    let two_h = [
        ("problem.h", "[{ low = -1, high = 1 }, { low = -2, high = 2, ends = \"clip\" }]"),
        ("grid.h", "[{ cells = 12 }, { cells = 8 }]"),
        ("problem.mutation", "[{ kernel = \"gaussian\", std = 0.2 }, \"none\"]"),
    ];
    let formulas = [("problem.loss", "0.5*(theta - h_1)^2 + 0.1*h_2*theta"), ("problem.fitness", "-theta^2 - h_2^2")];
    for kind in [Kind::Kinetic, Kind::Averaged] {
        assert!(!shown(kind, &[&two_h[..], &formulas].concat()).is_empty());
    }
    let found = shown(Kind::Averaged, &[&himmelblau[..], &plane[1..]].concat());
    assert!(found.contains(&"wells/probability".into()), "{found:?}");
    let of_agents = [
        ("problem.initial.theta", "{ law = \"uniform\", low = -4.0, high = 4.0 }"),
        ("record.theta", "{ low = -6.0, high = 6.0, bins = 10 }"),
    ];
    let found = shown(Kind::Agents, &[&himmelblau[..], &of_agents].concat());
    assert!(found.contains(&"wells/probability".into()) && found.contains(&"marginal_theta/rho".into()), "{found:?}");
    let three = [
        ("problem.loss", "0.5*(theta_1 - h)^2 + 0.5*theta_2^2 + 0.25*theta_3^4"),
        ("problem.fitness", "-(theta_1 - 0.5)^2 - theta_3^2"),
    ];
    assert!(!shown(Kind::Agents, &three).is_empty());
}

#[test]
fn settings_of_agents() {
    let population = |text| [("population", text)];
    all(
        Kind::Agents,
        &[
            &population("{ agents = 1e2, steps_per_selection = 50, seed = 7 }"),
            &population("{ agents = 100, learning_rate = 0.1, dynamics = \"sgd\" }"),
            &[population("{ agents = 100, dynamics = \"exact-ou\" }")[0], ("problem.loss", "quadratic")],
            &[population("{ agents = 100, dynamics = \"equilibrium\" }")[0], ("problem.loss", "quadratic")],
            &population(
                "{ agents = 100, dynamics = \"equilibrium\", gibbs = { low = -4, high = 4, cells = 64, slices = 16 } }",
            ),
        ],
    );
    let found = shown(Kind::Agents, &[("record.lineage", "true"), ("record.before_events", "true")]);
    assert!(found.contains(&"lineage/surviving".into()) && found.contains(&"moments/after_event".into()), "{found:?}");
}

#[test]
fn committees_and_their_simulation() {
    let rate = |text| [("problem.learning_rate", text)];
    let variants: &[&[(&str, &str)]] = &[
        &rate("{ law = \"inverse\", initial = 1.0, scale = 50.0 }"),
        &rate("{ law = \"exponential\", initial = 1.0, scale = 50.0 }"),
        &rate("{ law = \"piecewise\", times = [0.5], rates = [1.0, 0.1] }"),
        &rate("{ law = \"tabulated\", times = [0.0, 1.0], rates = [1.0, 0.1] }"),
        &rate("{ law = \"constant\", value = 0.3 }"),
        &rate("1/(1 + t)"),
        &[("problem.momentum", "0.5")],
        &[("problem.momentum", "{ scaled = 1.0, rate = 0.5 }")],
        &[("problem.second_layer_rate", "0.1"), ("problem.bias_rate", "0.1"), ("problem.weight_decay", "0.01")],
        &[("problem.batch", "4"), ("problem.noise_variance", "0.1")],
        &[("problem.activation", "relu")],
        &[("problem.activation", "linear"), ("problem.teacher.activation", "erf")],
        &[("problem.activation", "quadratic"), ("problem.learning_rate", "0.01")],
        &[("problem.activation", "tanh"), ("problem.quadrature", "{ gauss-hermite = 16 }")],
        &[("problem.activation", "gelu"), ("problem.quadrature", "{ trapezoidal = 16 }")],
        &[("problem.activation", "softplus"), ("problem.quadrature", "{ split = 12 }")],
        &[("problem.activation", "x/(1 + x^2)"), ("problem.quadrature", "automatic")],
        &[("problem.student", "{ random = true, dimension = 1000, seed = 1, units = 2 }")],
        &[("problem.student", "{ random = true, dimension = 1000, units = 3, std = 0.1, weights = [1, 1, -1] }")],
        &[("problem.student", "{ Q = [[0.5]], R = [[0.1, 0.2]] }")],
        &[("problem.teacher", "{ units = 2 }")],
        &[("problem.teacher", "{ P = [[1.0, 0.0], [0.0, 1.0]], weights = [1, 2] }")],
        &[("problem.teacher", "{ T = [[1.0, 0.5], [0.5, 1.0]], biases = [0.1, 0.0] }")],
    ];
    all(Kind::Committee, variants);
    all(Kind::Committee, &[&rate("greedy"), &rate("{ law = \"greedy\", most = 2.0 }")]);
    let dimension = ("simulation.dimension", "60");
    for method in ["weights", "overlaps"] {
        for settings in variants {
            let more = [dimension, ("simulation.method", method), ("record.runs", "true")];
            let found = shown(Kind::Sgd, &[settings, &more[..]].concat());
            assert!(found.contains(&"runs/state".into()), "{found:?}");
        }
    }
    let found = shown(Kind::Committee, &[("fluctuations", "{ points = 8, lattice = 64 }")]);
    assert!(found.contains(&"covariance/C".into()) && found.contains(&"bias/b".into()), "{found:?}");
}

#[test]
fn what_a_committee_tells_besides() {
    // One unit of erf meets its teacher; above τ_c = π/√3·… it does not.
    let one = [
        ("problem.teacher", "{ units = 1 }"),
        ("problem.student", "{ Q = [[0.5]], M = [[0.1]] }"),
        ("record.critical_learning_rate", "[0.5, 20.0]"),
        ("time", "{ end = 40.0, every = 1.0 }"),
    ];
    let found = shown(Kind::Committee, &one);
    for name in ["steady_state/Q", "steady_state/largest_eigenvalue", "critical_learning_rate/rate"] {
        assert!(found.contains(&name.into()), "{name}: {found:?}");
    }
    let found = shown(
        Kind::Committee,
        &[("record", "{ plateau = true, steady_state = false }"), ("time", "{ end = 500.0, every = 1.0 }")],
    );
    assert!(found.contains(&"plateau/height".into()) && !found.iter().any(|f| f.starts_with("steady")), "{found:?}");
    let found = shown(
        Kind::Neurons,
        &[("record.learning_times", "true"), ("time", "{ start = 1e-5, end = 0.1, outputs_per_decade = 4 }")],
    );
    assert!(found.contains(&"learning_times/time".into()), "{found:?}");
}

#[test]
fn wide_networks() {
    let a = |text| [("problem.initial.a", text)];
    let gaussian = "{ law = \"gaussian\", std = 1.0, neurons = 4, seed = 2 }";
    all(
        Kind::Neurons,
        &[
            &[("problem.flow", "full")],
            &[("problem.series", "20")],
            &[("problem.target", "erf"), ("problem.activation", "erf")],
            &[("problem.target", "x^2 - 1")],
            &[("problem.activation", "[0.4, 0.5, 0.3]")],
            &a(gaussian),
            &a("{ law = \"uniform\", low = -1.0, high = 1.0, neurons = 5 }"),
            &[("problem.neurons", "3"), a("{ law = \"gaussian\", std = 1.0 }")[0], ("problem.initial.dimension", "50")],
            &[a("[1.0, -1.0]")[0], ("problem.initial.s", "[0.1, -0.1]")],
            &[a("[1.0, -1.0]")[0], ("problem.initial.r", "[[1.0, 0.2], [0.2, 1.0]]"), ("problem.flow", "full")],
        ],
    );
    let found = shown(Kind::Neurons, &[("problem.flow", "full")]);
    assert!(found.contains(&"neurons/r".into()), "{found:?}");
    all(
        Kind::Network,
        &[
            &[("simulation.gradient", "sample"), ("simulation.batch", "8")],
            &[("simulation.second_layer_steps", "4")],
            &[("problem.initial.a", "[0.5, 0.5, -1.0]"), ("problem.neurons", "3")],
            &[("problem.series", "50"), ("problem.target", "x^3")],
            &[("record.runs", "true")],
        ],
    );
    all(
        Kind::NeuronDensity,
        &[
            &[("problem.initial.s", "0.0")],
            &[("time", "{ end = 0.1, every = 0.05, step = 0.05 }")],
            &[("problem.kernel_error", "1e-3"), ("record.degrees", "4")],
        ],
    );
}
