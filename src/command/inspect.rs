//! `info`, `plot` and `compare`: what is in files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use learning_dynamics::Error;
use learning_dynamics::output::hdf5::RunFile;
use learning_dynamics::output::picture::{compare as compare_files, picture};

use super::{Failure, Outcome, print};

/// A file that cannot be opened is bad input.
fn open(path: &Path) -> Result<RunFile, Failure> {
    RunFile::open(path).map_err(|error| Failure::Input(error.to_string()))
}

/// So is one that holds nothing to draw or to compare.
fn unfit(error: Error) -> Failure {
    match error {
        Error::Unsupported { .. } => Failure::Input(error.to_string()),
        _ => Failure::Run(error.to_string()),
    }
}

pub fn info(path: &Path, problem: bool) -> Outcome {
    let run = open(path)?;
    if problem {
        return print(run.attribute("problem").unwrap_or(""));
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (name, value) in run.attributes().iter().filter(|(name, _)| name != "problem") {
        let _ = writeln!(text, "{name:<20} {}", value.trim_end().replace('\n', &format!("\n{:21}", "")));
    }
    for group in run.groups() {
        let _ = writeln!(text, "\n{}", group.name);
        for coordinate in &group.coordinates {
            let range = match (coordinate.values.first(), coordinate.values.last()) {
                (Some(first), Some(last)) => format!("{} from {first} to {last}", coordinate.values.len()),
                _ => "none yet".to_owned(),
            };
            let _ = writeln!(text, "  {:<24} {range}: {}", coordinate.name, coordinate.long_name);
        }
        for variable in &group.variables {
            let name = format!("{}({})", variable.name, variable.dimensions.join(", "));
            let _ = writeln!(text, "  {name:<24} {}", variable.long_name);
        }
    }
    if let Some(statement) = run.attribute("problem") {
        let _ = writeln!(text, "\nproblem");
        statement.lines().for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
    }
    print(&text)
}

pub fn plot(path: &Path, output: Option<&PathBuf>) -> Outcome {
    let run = open(path)?;
    let output = output.cloned().unwrap_or_else(|| path.with_extension("png"));
    if output == path {
        return Err(Failure::Input(format!("-o {}: that is the file itself", output.display())));
    }
    picture(&run).map_err(unfit)?.write_png(&output)?;
    print(&format!("{}\n", output.display()))
}

pub fn compare(a: &Path, b: &Path, output: Option<&PathBuf>) -> Outcome {
    let found = compare_files(&open(a)?, &open(b)?).map_err(unfit)?;
    if let Some(output) = output {
        if output == a || output == b {
            return Err(Failure::Input(format!("-o {}: that is one of the files", output.display())));
        }
        found.picture.write_png(output)?;
    }
    print(&found.to_string())
}
