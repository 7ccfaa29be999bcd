//! What each command does.

mod check;
mod converge;
mod inspect;
mod progress;
mod solve;
mod sweep;

use std::fmt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use learning_dynamics::Error;
use learning_dynamics::input::{Document, InputError, Kind};

pub use check::check;
pub use converge::converge;
pub use inspect::{compare, info, plot};
pub use solve::solve;

use super::{Common, Solve, Statement};

/// Why a command ends without having done what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The run failed.
    Run(String),
    /// Bad input: a file, a key, an argument.
    Input(String),
    /// Stopped by a signal.
    Stopped(String),
}

impl Failure {
    pub fn code(&self) -> u8 {
        match self {
            Self::Run(_) => 1,
            Self::Input(_) => 2,
            Self::Stopped(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(message) | Self::Input(message) => write!(f, "error: {message}"),
            Self::Stopped(message) => write!(f, "{message}"),
        }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Checkpoint { .. } => Self::Input(error.to_string()),
            _ => Self::Run(error.to_string()),
        }
    }
}

type Outcome = Result<(), Failure>;

/// By its name, one of those that the arguments admit.
pub fn kind(name: String) -> Kind {
    Kind::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Kind::Kinetic)
}

/// To standard output; whoever closes it early has read enough.
pub fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Run(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}

/// The document of a file, with its settings.
fn document(statement: &Statement) -> Result<Document, Failure> {
    let name = statement.file.display().to_string();
    let text = if statement.file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(&statement.file)
    };
    let text = text.map_err(|error| Failure::Input(format!("{name}: {error}")))?;
    let mut document = Document::parse(&text, if name == "-" { "standard input" } else { &name })?;
    for setting in &statement.set {
        let (key, value) = pair(setting, "--set", "KEY=VALUE")?;
        document.set(key, value)?;
    }
    Ok(document)
}

/// Both sides of the first equals sign outside of quotes.
fn pair<'s>(text: &'s str, option: &str, expected: &str) -> Result<(&'s str, &'s str), Failure> {
    let mut quote = None;
    let at = text.char_indices().find(|&(_, c)| match quote {
        Some(open) => {
            if c == open {
                quote = None;
            }
            false
        }
        None => {
            if c == '"' || c == '\'' {
                quote = Some(c);
            }
            c == '='
        }
    });
    match at.and_then(|(at, _)| Some((text.get(..at)?.trim(), text.get(at + 1..)?.trim()))) {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key, value)),
        _ => Err(Failure::Input(format!("{option} {text}: expected {expected}"))),
    }
}

/// The number of threads of everything that follows.
fn set_threads(common: &Common) -> Outcome {
    let Some(threads) = common.threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads)).build_global();
    pool.map_err(|error| Failure::Run(format!("--threads {threads}: {error}")))
}
