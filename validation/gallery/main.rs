//! Figures of the literature, drawn with the library: `cargo run --release --example gallery -- --help`.

mod common;
#[cfg(feature = "plot")]
mod compress;
mod erf_committee;
mod fast_training;
mod himmelblau;
mod learning_order;
mod many_agents;
mod network_against_flow;
mod order_parameters;
mod pbt_bands;
mod reference;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use learning_dynamics::output::plot::Picture;

use common::Outcome;

/// A picture, and where to read on.
#[derive(Debug, Clone, Copy)]
struct Figure {
    /// Its name here and, with `.png`, as a file.
    name: &'static str,
    /// What it shows.
    caption: &'static str,
    /// Whose figure or result it is.
    source: &'static str,
    /// The studies that measure what can only be seen here.
    studies: &'static str,
    /// Computes it.
    make: fn() -> Outcome<Picture>,
}

/// All of them, in the order of `data/pictures/README.md`.
const FIGURES: &[Figure] = &[
    Figure {
        name: "pbt-bands",
        caption: "Fitness and loss of 100 agents on a quadratic loss, with selection every 50 steps and without",
        source: "Jaderberg et al. 2017",
        studies: "quadratic-training",
        make: pbt_bands::picture,
    },
    Figure {
        name: "many-agents",
        caption: "Density of the hyperparameter for N = 10², 10³, 10⁵ agents and the mean field, after 1, 4 and 10 selections",
        source: "propagation of chaos, Del Moral 2004",
        studies: "many-agents",
        make: many_agents::picture,
    },
    Figure {
        name: "fast-training",
        caption: "As training gets faster, the density of the hyperparameter tends to that of the averaged equation",
        source: "averaging, Pavliotis & Stuart 2008",
        studies: "fast-training",
        make: fast_training::picture,
    },
    Figure {
        name: "himmelblau",
        caption: "Himmelblau's four wells: densities of the kinetic equation and of 80 000 agents at three times",
        source: "Himmelblau 1972 (the function)",
        studies: "himmelblau",
        make: himmelblau::densities,
    },
    Figure {
        name: "himmelblau-trajectories",
        caption: "Four agents among the four wells, over the density of the kinetic equation; at a jump an agent becomes the copy of another",
        source: "Himmelblau 1972 (the function)",
        studies: "himmelblau",
        make: himmelblau::trajectories,
    },
    Figure {
        name: "risk-components",
        caption: "A wide ReLU network learns the constant, linear and quadratic part of its target one after the other, ε = 10⁻³ and 10⁻⁶",
        source: "Berthier, Montanari & Zhou 2024",
        studies: "learning-order, time-scales",
        make: learning_order::risk_components,
    },
    Figure {
        name: "neurons",
        caption: "Second layer and alignments of its ten neurons in the same runs",
        source: "Berthier, Montanari & Zhou 2024",
        studies: "learning-order, time-scales",
        make: learning_order::neurons,
    },
    Figure {
        name: "network-against-flow",
        caption: "A network of ten neurons in dimension 100 follows the full flow, and leaves the simplified one where m√ε is small",
        source: "Berthier, Montanari & Zhou 2024",
        studies: "network-against-flow",
        make: network_against_flow::picture,
    },
    Figure {
        name: "order-parameters",
        caption: "Overlaps of a linear student: equation with the predicted spread of a run, and SGD in dimension 50 and 1000",
        source: "Saad & Solla 1995; van Kampen 1961",
        studies: "linear-sgd, fluctuations",
        make: order_parameters::picture,
    },
    Figure {
        name: "erf-committee",
        caption: "The plateau of an erf committee and its specialisation: theory and SGD on weights",
        source: "Saad & Solla 1995",
        studies: "erf-committee",
        make: erf_committee::picture,
    },
];

/// Draws figures of the literature, in half a minute on 2 cores.
#[derive(Debug, Parser)]
#[command(name = "gallery", version)]
struct Arguments {
    /// Which figures; all without a name. `reference` writes the reference results instead.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Where the files and their README.md go: data/pictures, data/reference.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// List the figures, and draw none.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for figure in FIGURES {
            println!("{:24} {}", figure.name, figure.caption);
        }
        return ExitCode::SUCCESS;
    }
    let out = |default: &str| arguments.out.clone().unwrap_or_else(|| default.into());
    let done = if arguments.names == ["reference"] {
        reference::write(&out("data/reference"))
    } else {
        match choose(&arguments.names) {
            Ok(figures) => draw(&figures, &out("data/pictures")),
            Err(message) => {
                eprintln!("{message}");
                return ExitCode::from(2);
            }
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The named figures; all if none is named.
fn choose(names: &[String]) -> Result<Vec<Figure>, String> {
    if names.is_empty() {
        return Ok(FIGURES.to_vec());
    }
    let find = |name: &String| FIGURES.iter().find(|figure| figure.name == name).copied();
    let known = || FIGURES.iter().map(|figure| figure.name).collect::<Vec<_>>().join(", ");
    names
        .iter()
        .map(|name| find(name).ok_or_else(|| format!("no figure {name}: expected one of {}", known())))
        .collect()
}

fn draw(figures: &[Figure], out: &Path) -> Outcome<()> {
    std::fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    for figure in figures {
        let begin = Instant::now();
        let picture = (figure.make)().map_err(|error| format!("{}: {error}", figure.name))?;
        write_png(&picture, &out.join(format!("{}.png", figure.name)))?;
        println!("{:24} {:5.1} s", figure.name, begin.elapsed().as_secs_f64());
    }
    let readme = out.join("README.md");
    std::fs::write(&readme, table()).map_err(|error| format!("{}: {error}", readme.display()))?;
    Ok(())
}

#[cfg(feature = "plot")]
fn write_png(picture: &Picture, path: &Path) -> Outcome<()> {
    picture.write_png(path)?;
    compress::compress(path)
}

#[cfg(not(feature = "plot"))]
fn write_png(_: &Picture, path: &Path) -> Outcome<()> {
    Err(format!("{}: pictures need the feature plot", path.display()).into())
}

/// `data/pictures/README.md`.
fn table() -> String {
    let mut text = String::from(
        "# Pictures\n\nFigures of the literature, drawn with the library by `make gallery` (one of them by `make gallery ARGS=NAME`); \
         the modules in `validation/gallery` say what each holds. The numbers behind them are measured by the studies \
         (`make validate ARGS=\"--study NAME\"`).\n\n| picture | shows | source | measured by |\n|---|---|---|---|\n",
    );
    for Figure { name, caption, source, studies, .. } in FIGURES {
        text += &format!("| [{name}]({name}.png) | {caption} | {source} | `{}` |\n", studies.replace(", ", "`, `"));
    }
    text
}
