//! The blocks of the README that are no Rust, run as they stand, and the Python readers of the output of every kind.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{problem, program, scratch};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The blocks ```` ```language ```` of the README that satisfy `which`, in order.
fn blocks(language: &str, which: impl Fn(&str) -> bool) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\n```") {
        let (head, body) = rest[at + 4..].split_once('\n').unwrap();
        let end = body.find("\n```").unwrap();
        if head == language && which(&body[..end]) {
            found.push(format!("{}\n", &body[..end]));
        }
        rest = &body[end + 4..];
    }
    found
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success() || output.status.code() == Some(77),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a Python program in `place` where its packages are to be had, and says so where they are not.
fn python(place: &Path, program: &Path, arguments: &[PathBuf]) {
    let output = run(Command::new("sh")
        .arg(root().join("validation/python.sh"))
        .arg(program)
        .args(arguments)
        .current_dir(place));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn blocks_of_the_readme_run_as_they_stand() {
    let place = scratch("readme");
    let path = std::env::join_paths(
        [Path::new(env!("CARGO_BIN_EXE_learning-dynamics")).parent().unwrap().to_path_buf()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let commands = blocks("sh", |block| block.starts_with("learning-dynamics "));
    assert!(commands.len() >= 2, "{commands:?}");
    for block in commands {
        run(Command::new("sh").args(["-e", "-c", &block]).current_dir(&place).env("PATH", &path));
    }
    for name in ["run.h5", "run.png", "sweep.h5", "both.png"] {
        assert!(place.join(name).metadata().unwrap().len() > 1000, "{name}");
    }
    for (k, block) in blocks("python", |_| true).iter().enumerate() {
        let program = place.join(format!("block_{k}.py"));
        std::fs::write(&program, block).unwrap();
        python(&place, &program, &[]);
    }
}

#[test]
fn python_reads_the_output_of_every_kind() {
    let place = scratch("kinds");
    for kind in ["kinetic", "averaged", "agents", "committee", "sgd", "neurons", "network"] {
        let file = problem(&place, kind);
        let mut command = program();
        command.arg("solve").arg(&file).arg("-o").arg(place.join(format!("{kind}.h5"))).arg("--quiet");
        // A short part of the long ones: names and axes are the same.
        let short: &[&str] = match kind {
            "agents" => &["population.agents=500", "time.end=1.0"],
            "committee" => &["time.end=20.0"],
            "sgd" => &["simulation.dimension=100", "time.end=5.0"],
            "network" => &["simulation.dimension=40", "time.end=0.1"],
            _ => &[],
        };
        short.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        run(&mut command);
    }
    python(&place, &root().join("validation/read_kinds.py"), std::slice::from_ref(&place));
}
