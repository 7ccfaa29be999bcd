//! The command line: `learning-dynamics --help`.

mod command;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, Parser, Subcommand};
use learning_dynamics::input::Kind;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the run failed (what it had written stays readable)
  2  bad input: a file, a key, an argument
  3  stopped by SIGINT or SIGTERM; a checkpoint was written where the solver can (a second signal kills at once)";

/// Solves the macroscopic equations of machine learning, as stated in a TOML file.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Solve the problem stated in a file, and write an HDF5 file.
    #[command(after_help = concat!("\
Examples:
  learning-dynamics template kinetic > kinetic.toml
  learning-dynamics solve kinetic.toml
  learning-dynamics solve kinetic.toml -o fast.h5 --set problem.epsilon=1e-4 --set time.end=20
  learning-dynamics solve kinetic.toml -o fast.h5 --set problem.epsilon=1e-4 --set time.end=20 --resume
  learning-dynamics solve averaged.toml -o betas.h5 --sweep problem.selection.beta=0.5,1,2

Until it is finished, OUT.h5 is called OUT.partial.h5; it can be read at any moment. A run that was stopped or killed goes on
from OUT.checkpoint with --resume, to the same bits as one that was not. A sweep keeps its finished cases in the directory
OUT.sweep until all are done.

Exit codes: 0 done · 1 the run failed · 2 bad input · 3 stopped by SIGINT or SIGTERM (a second signal kills at once)"))]
    Solve(Solve),
    /// Check a file, and estimate memory and work; solves nothing.
    #[command(after_help = "Example:\n  learning-dynamics check kinetic.toml --set grid.theta.cells=4096")]
    Check {
        #[command(flatten)]
        statement: Statement,
        /// Sweep a key over values, separated by commas; may be given several times.
        #[arg(long, value_name = "KEY=V1,V2,…")]
        sweep: Vec<String>,
    },
    /// Print a commented file to start from.
    #[command(after_help = "Example:\n  learning-dynamics template committee > committee.toml")]
    Template {
        /// What kind of problem.
        #[arg(value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::name)).map(command::kind))]
        kind: Kind,
    },
    /// Say what is in a file, of what problem, by which version.
    #[command(after_help = "\
Examples:
  learning-dynamics info kinetic.h5
  learning-dynamics info kinetic.h5 --problem > again.toml")]
    Info {
        /// The file, finished or not (OUT.partial.h5).
        file: PathBuf,
        /// Print the text of the problem alone.
        #[arg(long)]
        problem: bool,
    },
    /// Draw what is in a file.
    #[command(after_help = "Example:
  learning-dynamics plot kinetic.h5 -o kinetic.png")]
    Plot {
        /// The file.
        file: PathBuf,
        /// The picture; the file with the ending .png unless given.
        #[arg(long, short, value_name = "PNG")]
        output: Option<PathBuf>,
    },
    /// Print how far two files are apart, and draw one over the other.
    #[command(after_help = "Example:
  learning-dynamics compare kinetic.h5 agents.h5 -o twins.png")]
    Compare {
        /// A file.
        a: PathBuf,
        /// Another one.
        b: PathBuf,
        /// The picture; none unless given.
        #[arg(long, short, value_name = "PNG")]
        output: Option<PathBuf>,
    },
    /// Solve again with everything refined, one way at a time, and print differences and observed orders.
    #[command(after_help = "\
Example:
  learning-dynamics converge kinetic.toml --set grid.theta.cells=64 --set grid.h.cells=60

Level 0 is the file itself, levels 1 and 2 refine it once and twice. `order` is log2 of the ratio of both differences; where a
refinement divides by more than 2 (tolerances: 10, agents: 4), it is the order in halvings all the same.")]
    Converge {
        #[command(flatten)]
        statement: Statement,
        #[command(flatten)]
        common: Common,
    },
    /// Print completions for a shell.
    #[command(
        after_help = "Example:\n  learning-dynamics completions bash > ~/.local/share/bash-completion/completions/learning-dynamics"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
struct Statement {
    /// The problem file (TOML); `-` reads it from standard input.
    file: PathBuf,
    /// Set a key of the file (dotted); may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Args)]
struct Common {
    /// Threads; all cores unless given. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Say nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct Solve {
    #[command(flatten)]
    statement: Statement,
    /// The file to write; FILE with the ending .h5, in the current directory, unless given.
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Go on from the checkpoint of a run that was stopped or killed.
    #[arg(long)]
    resume: bool,
    /// Replace OUT, finished or not.
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Sweep a key over values, separated by commas; may be given several times. Goes before the table [sweep] of the file.
    #[arg(long, value_name = "KEY=V1,V2,…")]
    sweep: Vec<String>,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Solve(arguments) => command::solve(&arguments),
        Command::Check { statement, sweep } => command::check(&statement, &sweep),
        Command::Template { kind } => command::print(learning_dynamics::input::template(kind)),
        Command::Info { file, problem } => command::info(&file, problem),
        Command::Plot { file, output } => command::plot(&file, output.as_ref()),
        Command::Compare { a, b, output } => command::compare(&a, &b, output.as_ref()),
        Command::Converge { statement, common } => command::converge(&statement, &common),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), env!("CARGO_PKG_NAME"), &mut script);
            command::print(&String::from_utf8_lossy(&script))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.code())
        }
    }
}
