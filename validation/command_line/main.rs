//! The command line, as its users meet it: what it says, what it leaves behind, what it makes of signals and kills.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod faces;
mod interruptions;
mod readme;
mod sweeps;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Short runs of every kind with many frames: the settings on the template.
const KINDS: [(&str, &[&str]); 8] = [
    ("kinetic", &["grid.theta.cells=48", "grid.h.cells=30", "time.tolerance=1e-4", FRAMES]),
    ("averaged", &["grid.theta.cells=128", "grid.h.cells=240", FRAMES]),
    ("agents", &["population.agents=300", "population.replicates=2", "time.every=0.05"]),
    ("committee", &["time.every=1"]),
    ("sgd", &["simulation.dimension=100", "simulation.runs=2", "time.every=0.25"]),
    ("neurons", &["time.outputs_per_decade=60"]),
    (
        "network",
        &["simulation.dimension=20", "simulation.runs=2", "time.outputs_per_decade=60", "simulation.step=2e-4"],
    ),
    ("neuron-density", &["time.every=0.02"]),
];

const FRAMES: &str = "time.outputs=[0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, \
0.9, 0.95, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2, 3.4, 3.6, 3.8, 4.0, 4.2, 4.4, 4.6, 4.8, 5.0]";

/// The program on one thread.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_learning-dynamics"));
    command.env("RAYON_NUM_THREADS", "1");
    command
}

/// A run of the program in `directory`.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    program().args(arguments).current_dir(directory).output().unwrap()
}

/// Standard error, once the exit code is what it should be.
#[track_caller]
fn expect(code: i32, output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}");
    error
}

/// A new directory of its own for each test.
fn scratch(test: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("learning-dynamics-cli-{}-{test}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// The file of a kind with its settings, made by the program itself.
fn problem(directory: &Path, kind: &str) -> PathBuf {
    let path = directory.join(format!("{kind}.toml"));
    std::fs::write(&path, run(directory, &["template", kind]).stdout).unwrap();
    path
}

/// `solve`, with the settings of the kind.
fn solve<'a>(settings: &'a [&'a str], file: &'a str, out: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["solve", file, "-o", out];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    arguments
}

/// A dataset: shape, whether it grows with time, values as bits.
#[derive(Debug, Clone, PartialEq)]
struct Data {
    shape: Vec<usize>,
    grows: bool,
    bits: Vec<u64>,
}

/// Every dataset of a file by its path. Of a copy: children inherit the open files of this process, and with them their locks.
fn read(path: &Path) -> Result<BTreeMap<String, Data>, hdf5::Error> {
    let copy = path.with_extension("copy");
    std::fs::copy(path, &copy).map_err(|error| error.to_string())?;
    let file = hdf5::File::open(&copy)?;
    let mut all = BTreeMap::new();
    for group in file.groups()? {
        for dataset in group.datasets()? {
            let bits = dataset.read_raw::<f64>()?.into_iter().map(f64::to_bits).collect();
            let data = Data { shape: dataset.shape(), grows: dataset.is_resizable(), bits };
            all.insert(dataset.name(), data);
        }
    }
    Ok(all)
}

/// The same datasets with the same bits.
#[track_caller]
fn same(path: &Path, reference: &BTreeMap<String, Data>, what: &str) {
    let found = read(path).unwrap_or_else(|error| panic!("{what}: {}: {error}", path.display()));
    assert_eq!(found.keys().collect::<Vec<_>>(), reference.keys().collect::<Vec<_>>(), "{what}");
    for (name, data) in &found {
        assert!(*data == reference[name], "{what}: {name} differs");
    }
}
