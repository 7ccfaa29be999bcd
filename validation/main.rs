//! Runs the studies: `cargo run --release --example validate -- --help`.

mod fit;
mod report;
mod run;
mod studies;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use studies::{Level, Study};

/// Measures what the library claims, and says which claims hold.
#[derive(Debug, Parser)]
#[command(name = "validate", version)]
struct Arguments {
    /// Run only this study; may be given several times.
    #[arg(long, value_name = "NAME")]
    study: Vec<String>,
    /// How much work: all quick studies take about 3 minutes on 2 cores, the full ones 30.
    #[arg(long, value_enum, default_value = "quick")]
    level: Level,
    /// Where report.md, report.json, the data and the pictures go.
    #[arg(long, value_name = "DIR", default_value = "target/validation")]
    out: PathBuf,
    /// List the studies, and run none.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for study in studies::ALL {
            println!("{:24} {}", study.name, study.claim);
        }
        return ExitCode::SUCCESS;
    }
    let chosen = match choose(studies::ALL, &arguments.study) {
        Ok(chosen) => chosen,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match run::run(&chosen, arguments.level, &arguments.out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The named studies in the order of the list; all, if none is named.
fn choose(all: &[Study], names: &[String]) -> Result<Vec<Study>, String> {
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|study| study.name != name.as_str())) {
        let known: Vec<&str> = all.iter().map(|study| study.name).collect();
        return Err(format!("no study {unknown}: expected one of {}", known.join(", ")));
    }
    let chosen = |study: &&Study| names.is_empty() || names.iter().any(|name| name == study.name);
    if all.is_empty() {
        return Err("there are no studies".to_owned());
    }
    Ok(all.iter().filter(chosen).copied().collect())
}
