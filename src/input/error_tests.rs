use super::{Document, Kind, template};
#[test]
fn print() {
    let show = |kind: Kind, from: &str, to: &str| {
        let text = template(kind);
        assert!(text.contains(from), "{from}");
        let text = text.replacen(from, to, 1);
        let result = Document::parse(&text, "problem.toml").and_then(|d| d.case().and_then(|c| c.solver().map(|_| ())));
        match result {
            Ok(()) => println!("OK?? {from} -> {to}\n"),
            Err(e) => println!("{e}\n"),
        }
    };
    use Kind::*;
    for (kind, from, to) in [
        (Kinetic, "epsilon = 0.01", "epsilom = 0.01"),
        (Kinetic, "epsilon = 0.01", "epsilon = -0.01"),
        (Kinetic, "epsilon = 0.01", "epsilon = \"small\""),
        (Kinetic, "epsilon = 0.01", "epsilon = nan"),
        (Kinetic, "epsilon = 0.01", "epsilon = 0.01\nepsilon = 0.02"),
        (Kinetic, "epsilon = 0.01", "epsilon = "),
        (Kinetic, "epsilon = 0.01", ""),
        (Kinetic, "kind = \"kinetic\"", "kind = \"kinetik\""),
        (Kinetic, "kind = \"kinetic\"", ""),
        (Kinetic, "[problem]", "[problm]"),
        (Kinetic, "rule = \"boltzmann\"", "rule = \"bolzmann\""),
        (Kinetic, "rule = \"boltzmann\"", "rule = 3"),
        (Kinetic, "clock = { rate = 1.0 }", "clock = { rat = 1.0 }"),
        (Kinetic, "clock = { rate = 1.0 }", "clock = { rate = 1.0, every = 2 }"),
        (Kinetic, "clock = { rate = 1.0 }", "clock = 1.0"),
        (Kinetic, "cells = 256", "cells = 1e300"),
        (Kinetic, "cells = 256", "cells = 2.5"),
        (Kinetic, "cells = 256", "cells = -3"),
        (Kinetic, "cells = 256", "cells = 123456789012345678901234567890"),
        (Kinetic, "cells = 256", "cells = 4000000000"),
        (Kinetic, "high = 3.0", "high = -3.0"),
        (Kinetic, "scale = \"linear\"", "scale = \"log\""),
        (Kinetic, "law = \"equilibrium\"", "law = \"equilibium\""),
        (Kinetic, "std = 0.2", "sdt = 0.2"),
        (Kinetic, "outputs = [1.0, 2.0, 5.0]", "outputs = [1.0, 5.0, 2.0]"),
        (Kinetic, "outputs = [1.0, 2.0, 5.0]", "outputs = []"),
        (Kinetic, "outputs = [1.0, 2.0, 5.0]", "every = 1e-9"),
        (Kinetic, "tolerance = 1e-5", "tolerance = 1e-12"),
        (Kinetic, "loss = \"0.5*(theta - h)^2\"", "loss = \"0.5*(thet - h)^2\""),
        (Kinetic, "loss = \"0.5*(theta - h)^2\"", "loss = \"0.5*(theta - h\""),
        (Kinetic, "loss = \"0.5*(theta - h)^2\"", "loss = 3"),
        (Kinetic, "low = -1.0, high = 1.0", "low = -1.0, high = 5.0"),
        (Kinetic, "[grid]", "[grids]"),
        (Kinetic, "[time]", "[time]\nfoo = 1\nbar = 2"),
        (Kinetic, "kernel = \"gaussian\"", "kernel = \"diffusion\"\ndiffusion = 1"),
        (Agents, "agents = 20000", "agents = 0"),
        (Agents, "learning_rate = 0.1", "learning_rate = 0.3"),
        (Agents, "fraction = 0.2", "fraction = 0.7"),
        (Agents, "quantiles = [0.1, 0.5, 0.9]", "quantiles = [0.1, 1.5]"),
        (Agents, "before_events = false", "before_events = 1"),
        (Agents, "seed = 1", "seed = -1"),
        (Committee, "overlaps = [[1.0, 0.0], [0.0, 1.0]]", "overlaps = [[1.0, 0.5], [0.0, 1.0]]"),
        (Committee, "overlaps = [[1.0, 0.0], [0.0, 1.0]]", "overlaps = [[1.0, 0.0], [0.0]]"),
        (Committee, "overlaps = [[1.0, 0.0], [0.0, 1.0]]", "overlaps = [[1.0, 2.0], [2.0, 1.0]]"),
        (Committee, "M = [[1e-3, 2e-3], [-1e-3, 1e-3]]", "M = [[1e-3, 2e-3]]"),
        (Committee, "M = [[1e-3, 2e-3], [-1e-3, 1e-3]]", "M = [[1e-3, 2e-3], [-1e-3, 10]]"),
        (Committee, "momentum = 0.0", "momentum = 1.5"),
        (Committee, "weights = [1.0, 1.0]", "weights = [1.0]"),
        (Committee, "activation = \"erf\"", "activation = \"erff\""),
        (Sgd, "method = \"weights\"", "method = \"weight\""),
        (Sgd, "dimension = 1000", "dimension = 2"),
        (Neurons, "s = 0.0", "s = 2.0"),
        (Neurons, "degrees = 6", "degree = 6"),
        (Neurons, "target = [0.8, 0.5, -0.6]", "target = []"),
        (Network, "step = 1e-4", "step = 1.0"),
        (NeuronDensity, "s = { cells = 61 }", "s = 61"),
    ] {
        show(kind, from, to);
    }
}
