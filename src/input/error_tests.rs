//! Mistakes in files, and what is said of them.

use super::{Document, InputError, Kind, template};

/// What is said of the example of a kind, in which `from` was replaced by `to`.
fn error(kind: Kind, from: &str, to: &str) -> InputError {
    let text = template(kind);
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    let outcome = Document::parse(&text, "problem.toml").and_then(|document| document.case()?.solver());
    match outcome {
        Ok(_) => panic!("no error for {to}"),
        Err(error) => error,
    }
}

#[test]
fn messages_show_the_place_and_what_is_meant() {
    use Kind::{Committee, Kinetic};
    for (kind, from, to, expected) in [
        (
            Kinetic,
            "epsilon = 0.01                  # time of training over time of selection",
            "epsilom = 0.01",
            "\
problem.toml:5:1: unknown key `epsilom` in [problem]
  |
5 | epsilom = 0.01
  | ^^^^^^^
expected `epsilon`: a finite number above 0
did you mean `epsilon`?",
        ),
        (
            Kinetic,
            "beta = 1.0                      # w = exp(beta * fitness); truncation takes `fraction` instead",
            "beta = -1.0",
            "\
problem.toml:19:8: bad value of `problem.selection.beta`
   |
19 | beta = -1.0
   |        ^^^^
found -1.0, expected a finite number ≥ 0",
        ),
        (
            Kinetic,
            "loss = \"0.5*(theta - h)^2\"",
            "loss = \"0.5*(theta - h\"",
            "\
problem.toml:7:23: bad formula `problem.loss`
  |
7 | loss = \"0.5*(theta - h\"
  |                       ^
found the end, expected an operator (+ - * / ^) or )",
        ),
        (
            Kinetic,
            "kind = \"kinetic\"",
            "kind = \"kinetik\"",
            "\
problem.toml:2:8: bad value of `kind`
  |
2 | kind = \"kinetik\"
  |        ^^^^^^^^^
found the string \"kinetik\", expected one of \"kinetic\", \"averaged\", \"agents\", \"committee\", \"sgd\", \"neurons\", \
\"network\", \"neuron-density\"
did you mean `kinetic`?",
        ),
        (
            Kinetic,
            "clock = { rate = 1.0 }          # or { every = 0.5 }: everybody at once",
            "clock = { rate = 1.0, every = 2 }",
            "\
problem.toml:20:31: `problem.selection.clock.every` beside `problem.selection.clock.rate`
   |
20 | clock = { rate = 1.0, every = 2 }
   |                               ^
expected one of `rate`, `every`, `staggered` alone",
        ),
        (
            Kinetic,
            "[time]",
            "[time]\nfoo = 1\nendd = 2",
            "\
problem.toml:35:1: unknown key `foo` in [time]
   |
35 | foo = 1
   | ^^^
expected one of `end`, `every`, `mesh`, `outputs`, `outputs_per_decade`, `start`, `step`, `tolerance`

problem.toml:36:1: unknown key `endd` in [time]
   |
36 | endd = 2
   | ^^^^
expected one of `end`, `every`, `mesh`, `outputs`, `outputs_per_decade`, `start`, `step`, `tolerance`
did you mean `end`?",
        ),
        (
            Committee,
            "overlaps = [[1.0, 0.0], [0.0, 1.0]]                 # P",
            "overlaps = [[1.0, 2.0], [2.0, 1.0]]",
            "\
problem.toml:15:12: teacher.overlaps has the eigenvalue -1e0: expected a positive semidefinite matrix, as overlaps of vectors are
   |
15 | overlaps = [[1.0, 2.0], [2.0, 1.0]]
   |            ^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            Committee,
            "activation = \"erf\"              # erf (of x/√2) | relu | linear | quadratic | tanh | gelu | softplus | a formula in x",
            "activation = \"rellu\"",
            "\
problem.toml:5:14: bad value of `problem.activation`
  |
5 | activation = \"rellu\"
  |              ^^^^^^^
found the string \"rellu\", expected \"erf\", \"relu\", \"linear\", \"quadratic\", \"tanh\", \"gelu\", \"softplus\", or a formula
did you mean `relu`?",
        ),
    ] {
        assert_eq!(error(kind, from, to).to_string(), expected);
    }
}

#[test]
fn every_mistake_is_placed() {
    use Kind::*;
    let place = |line, column| Some((line, column));
    for (kind, from, to, at, message, detail) in [
        (
            Kinetic,
            "epsilon = 0.01",
            "epsilon = \"small\"",
            place(5, 11),
            "bad value of `problem.epsilon`",
            "found the string",
        ),
        (
            Kinetic,
            "epsilon = 0.01",
            "epsilon = nan",
            place(5, 11),
            "bad value of `problem.epsilon`",
            "found nan, expected",
        ),
        (Kinetic, "epsilon = 0.01", "epsilon = inf", place(5, 11), "bad value of `problem.epsilon`", "found inf"),
        (
            Kinetic,
            "epsilon = 0.01",
            "epsilon = [1]",
            place(5, 11),
            "bad value of `problem.epsilon`",
            "found a list of 1",
        ),
        (Kinetic, "epsilon = 0.01", "epsilon = 1\nepsilon = 2", place(6, 1), "not TOML: duplicate key", ""),
        (Kinetic, "epsilon = 0.01", "epsilon 0.01", place(5, 9), "not TOML", ""),
        (
            Kinetic,
            "epsilon = 0.01",
            "",
            place(4, 1),
            "missing key `epsilon` in [problem]",
            "expected `epsilon`: a finite",
        ),
        (Kinetic, "kind = \"kinetic\"", "", None, "missing key `kind`", "expected `kind`: what the file states"),
        (Kinetic, "[problem]", "[problm]", place(4, 2), "unknown key `problm`", "expected one of `kind`, `problem`"),
        (Kinetic, "[grid]", "[grids]", place(30, 2), "unknown key `grids`", "expected one of"),
        (Kinetic, "[grid]", "[population]", None, "missing key `grid`", ""),
        (
            Kinetic,
            "rule = \"boltzmann\"",
            "rule = 3",
            place(18, 8),
            "bad value of `problem.selection.rule`",
            "found 3, expected one of",
        ),
        (
            Kinetic,
            "{ rate = 1.0 }",
            "{ rat = 1.0 }",
            place(20, 11),
            "unknown key `rat` in [problem.selection.clock]",
            "expected one of `rate`",
        ),
        (
            Kinetic,
            "{ rate = 1.0 }",
            "1.0",
            place(20, 9),
            "bad value of `problem.selection.clock`",
            "found 1.0, expected { rate",
        ),
        (
            Kinetic,
            "{ rate = 1.0 }",
            "{}",
            place(20, 9),
            "missing key in [problem.selection.clock]",
            "expected one of `rate`",
        ),
        (
            Kinetic,
            "{ rate = 1.0 }",
            "{ rate = -1 }",
            place(20, 18),
            "bad value of `problem.selection.clock.rate`",
            "found -1",
        ),
        (
            Kinetic,
            "cells = 256",
            "cells = 1e300",
            place(31, 43),
            "bad value of `grid.theta.cells`",
            "found 1e300, expected a whole number from 1",
        ),
        (Kinetic, "cells = 256", "cells = 2.5", place(31, 43), "bad value of `grid.theta.cells`", "found 2.5"),
        (Kinetic, "cells = 256", "cells = -3", place(31, 43), "bad value of `grid.theta.cells`", "found -3"),
        (Kinetic, "cells = 256", "cells = 4e9", None, "the run needs ", ""),
        (Kinetic, "high = 3.0", "high = -3.0", place(13, 8), "bad value of `problem.h.high`", "a number above low"),
        (Kinetic, "scale = \"linear\"", "scale = \"log\"", place(12, 7), "bad value of `problem.h.low`", "has no zero"),
        (
            Kinetic,
            "ends = \"reflect\"",
            "ends = \"reflekt\"",
            place(15, 8),
            "bad value of `problem.h.ends`",
            "found the string",
        ),
        (
            Kinetic,
            "\"equilibrium\"",
            "\"equilibium\"",
            place(28, 17),
            "bad value of `problem.initial.theta.law`",
            "found the string",
        ),
        (Kinetic, "std = 0.2", "sdt = 0.2", place(24, 1), "unknown key `sdt` in [problem.mutation]", "expected `std`"),
        (Kinetic, "std = 0.2", "", place(22, 1), "missing key `std` in [problem.mutation]", "expected `std`"),
        (
            Kinetic,
            "low = -1.0, high = 1.0",
            "low = -1.0, high = 5.0",
            place(27, 5),
            "the initial law of h puts mass",
            "",
        ),
        (
            Kinetic,
            "low = -1.0, high = 1.0",
            "low = 1.0, high = -1.0",
            place(27, 42),
            "bad value of `problem.initial.h.high`",
            "above low",
        ),
        (
            Kinetic,
            "h = { cells = 240 }",
            "h = { cells = 240, low = -2 }",
            place(32, 26),
            "bad value of `grid.h.low`",
            "the end of the domain",
        ),
        (
            Kinetic,
            "h = { cells = 240 }",
            "h = [{ cells = 2 }, { cells = 2 }]",
            place(32, 5),
            "bad value of `grid.h`",
            "found a list of 2",
        ),
        (
            Kinetic,
            "[1.0, 2.0, 5.0]",
            "[1.0, 5.0, 2.0]",
            place(36, 22),
            "bad value of `time.outputs[2]`",
            "found 2.0, expected a time after",
        ),
        (Kinetic, "[1.0, 2.0, 5.0]", "[]", place(36, 11), "bad value of `time.outputs`", "found an empty list"),
        (
            Kinetic,
            "outputs = [1.0, 2.0, 5.0]",
            "every = 1e-9",
            place(36, 9),
            "`time.every` gives too many times",
            "found 5.000e9",
        ),
        (
            Kinetic,
            "tolerance = 1e-5",
            "tolerance = 1e-12",
            place(37, 13),
            "bad value of `time.tolerance`",
            "found 1e-12",
        ),
        (
            Kinetic,
            "(theta - h)",
            "(thet - h)",
            place(7, 14),
            "bad formula `problem.loss`",
            "found thet, expected the variables",
        ),
        (
            Kinetic,
            "\"0.5*(theta - h)^2\"",
            "3",
            place(7, 8),
            "bad value of `problem.loss`",
            "found 3, expected a formula",
        ),
        (
            Kinetic,
            "\"0.5*(theta - h)^2\"",
            "\"quadratik\"",
            place(7, 8),
            "bad value of `problem.loss`",
            "found the string",
        ),
        (Kinetic, "\"0.5*(theta - h)^2\"", "\"theta_77\"", place(7, 8), "too many parameters", "found theta_77"),
        (Kinetic, "mobility = 1.0", "mobility = 0", place(9, 12), "bad value of `problem.mobility`", "found 0"),
        (Agents, "agents = 20000", "agents = 0", place(32, 10), "bad value of `population.agents`", "found 0"),
        (
            Agents,
            "learning_rate = 0.1",
            "learning_rate = 0.3",
            place(19, 19),
            "bad value of `selection.clock.every / step",
            "a whole number of training steps",
        ),
        (
            Agents,
            "fraction = 0.2",
            "fraction = 0.7",
            place(18, 12),
            "bad value of `problem.selection.fraction`",
            "found 0.7",
        ),
        (Agents, "[0.1, 0.5, 0.9]", "[0.1, 1.5]", place(40, 19), "bad value of `record.quantiles[1]`", "found 1.5"),
        (
            Agents,
            "before_events = false",
            "before_events = 1",
            place(42, 17),
            "bad value of `record.before_events`",
            "true or false",
        ),
        (Agents, "seed = 1", "seed = -1", place(36, 8), "bad value of `population.seed`", "found -1"),
        (
            Committee,
            "[[1.0, 0.0], [0.0, 1.0]]",
            "[[1.0, 0.5], [0.0, 1.0]]",
            place(15, 12),
            "bad value of `problem.teacher.overlaps`",
            "a symmetric matrix",
        ),
        (
            Committee,
            "[[1.0, 0.0], [0.0, 1.0]]",
            "[[1.0, 0.0], [0.0]]",
            place(15, 25),
            "bad value of `problem.teacher.overlaps[1]`",
            "a row of 2",
        ),
        (
            Committee,
            "[[1e-3, 2e-3], [-1e-3, 1e-3]]",
            "[[1e-3, 2e-3]]",
            place(22, 5),
            "bad value of `problem.student.M`",
            "found 1 rows of 2",
        ),
        (Committee, "[-1e-3, 1e-3]]", "[-1e-3, 10]]", place(22, 5), "[[Q, M], [Mᵀ, P]] has the eigenvalue", ""),
        (Committee, "momentum = 0.0", "momentum = 1.5", place(10, 12), "bad value of `problem.momentum`", "found 1.5"),
        (
            Committee,
            "weights = [1.0, 1.0]",
            "weights = [1.0]",
            place(16, 11),
            "bad value of `problem.teacher.weights`",
            "found a list of 1",
        ),
        (
            Committee,
            "learning_rate = 0.5",
            "learning_rate = \"greedi\"",
            place(6, 17),
            "bad value of `problem.learning_rate`",
            "or a formula",
        ),
        (
            Sgd,
            "method = \"weights\"",
            "method = \"weight\"",
            place(20, 10),
            "bad value of `simulation.method`",
            "found the string",
        ),
        (
            Sgd,
            "dimension = 1000",
            "dimension = 2",
            place(19, 13),
            "bad value of `dimension`",
            "found 2, expected at least the rank",
        ),
        (Neurons, "s = 0.0", "s = 2.0", place(12, 5), "bad value of `problem.initial.s`", "found 2.0"),
        (
            Neurons,
            "degrees = 6",
            "degree = 6",
            place(21, 1),
            "unknown key `degree` in [record]",
            "expected one of `degrees`",
        ),
        (Neurons, "[0.8, 0.5, -0.6]", "[]", place(7, 10), "bad value of `problem.target`", "found an empty list"),
        (Network, "step = 1e-4", "step = 1.0", place(13, 8), "bad value of `step`", "where the second layer is stable"),
        (NeuronDensity, "s = { cells = 61 }", "s = 61", place(16, 5), "bad value of `grid.s`", "found 61"),
    ] {
        let error = error(kind, from, to);
        assert_eq!(error.place, at, "{to}\n{error}");
        assert!(error.message.starts_with(message), "{to}\n{error}");
        assert!(error.detail.as_deref().unwrap_or("").contains(detail), "{to}\n{error}");
    }
}

#[test]
fn misspelt_names_are_recognised_at_each_level() {
    use Kind::*;
    for (kind, from, to, meant) in [
        (Kinetic, "[grid]", "[gird]", "grid"),
        (Kinetic, "diffusion = 0.1", "difusion = 0.1", "diffusion"),
        (Kinetic, "mobility = 1.0", "mobilty = 1.0", "mobility"),
        (Kinetic, "beta = 1.0", "betta = 1.0", "beta"),
        (Kinetic, "{ rate = 1.0 }", "{ ratte = 1.0 }", "rate"),
        (Kinetic, "{ law = \"uniform\", low", "{ law = \"uniform\", lwo", "low"),
        (Kinetic, "kernel = \"gaussian\"", "kernel = \"gausian\"", "gaussian"),
        (Kinetic, "tolerance = 1e-5", "tolerence = 1e-5", "tolerance"),
        (Kinetic, "(theta - 0.5)^2", "(thetta - 0.5)^2", "theta"),
        (Averaged, "weight = \"quadrature\"", "weight = \"quadratur\"", "quadrature"),
        (Agents, "window = 1", "windows = 1", "window"),
        (Agents, "dynamics = \"langevin\"", "dynamics = \"langevine\"", "langevin"),
        (Committee, "weights = [1.0, 1.0]", "weigths = [1.0, 1.0]", "weights"),
        (Committee, "second_layer_rate", "second_layer_rates", "second_layer_rate"),
        (Sgd, "runs = 10", "run = 10", "runs"),
        (Network, "gradient = \"population\"", "gradient = \"poplation\"", "population"),
        (NeuronDensity, "degrees", "degress", "degrees"),
    ] {
        let error = error(kind, from, to);
        assert_eq!(error.suggestion.as_deref(), Some(meant), "{to}\n{error}");
    }
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let list = vec!["1.0"; 400].join(", ");
    let text =
        format!("kind = \"neurons\"\n[problem]\nactivation = \"relu\"\ntarget = [{list}, true, {list}]\nepsilon = 1\n");
    let error = Document::parse(&text, "problem.toml").unwrap().case().unwrap_err();
    assert_eq!((error.place, error.message.as_str()), (Some((4, 2011)), "bad value of `problem.target[400]`"));
    let shown = error.to_string();
    let lines: Vec<&str> = shown.lines().collect();
    let (at, below) = (lines[2].find("true").unwrap(), lines[3].find('^').unwrap());
    assert!(lines[2].chars().count() < 140 && lines[2].contains('…'), "{shown}");
    // The ellipsis is one character of three bytes.
    assert_eq!(lines[2][..at].chars().count(), below, "{shown}");
    assert_eq!(lines[3].matches('^').count(), 4);
}

#[test]
fn characters_are_counted_and_not_bytes() {
    let text = "kind = \"committee\" # θθθ\n[problem]\n\"αβ\" = 1 # θ\n";
    let error = Document::parse(text, "problem.toml").unwrap().case().unwrap_err();
    assert_eq!(error.place, Some((2, 1)), "{error}");
    let formula = template(Kind::Kinetic).replacen("0.5*(theta - h)^2", "0.5*θθ + h", 1);
    let error = Document::parse(&formula, "problem.toml").unwrap().case().unwrap_err();
    assert_eq!(error.place.map(|(line, _)| line), Some(7), "{error}");
}
