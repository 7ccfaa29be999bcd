//! Mistakes in files, and what is said of them.

use super::{Document, InputError, Kind, template};

/// What is said of the example of a kind, in which `from` was replaced by `to`.
pub(super) fn error(kind: Kind, from: &str, to: &str) -> InputError {
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
