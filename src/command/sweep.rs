//! A sweep: every case in a file of its own, joined at the end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use learning_dynamics::input::{Case, Document};
use learning_dynamics::output::hdf5::{Hdf5File, read_attribute};
use learning_dynamics::output::provenance::Provenance;
use learning_dynamics::output::run::Run;
use learning_dynamics::output::sweep::{Swept, cases, join, label};

use super::progress::Display;
use super::solve::{Done, run_case};
use super::{Failure, pair};

/// More cases are a mistake.
const MOST: usize = 100_000;

/// A case of a sweep.
pub struct One {
    pub label: String,
    pub case: Case,
    problem: String,
}

/// What is swept: the arguments, then the table of the file without the keys that they have.
pub fn swept(document: &Document, arguments: &[String]) -> Result<Vec<Swept>, Failure> {
    let mut swept: Vec<Swept> = Vec::new();
    for argument in arguments {
        let (key, list) = pair(argument, "--sweep", "KEY=V1,V2,…")?;
        let values = split(list);
        if values.iter().any(String::is_empty) || swept.iter().any(|one| one.key == key) {
            return Err(Failure::Input(format!(
                "--sweep {argument}: expected each key once, with values between commas"
            )));
        }
        swept.push(Swept { key: key.to_owned(), values });
    }
    for (key, values) in document.sweep()? {
        if swept.iter().all(|one| one.key != key) {
            swept.push(Swept { key, values });
        }
    }
    match swept.iter().try_fold(1usize, |all, one| all.checked_mul(one.values.len())).filter(|&all| all <= MOST) {
        Some(_) => Ok(swept),
        None => Err(Failure::Input(format!("the sweep has more than {MOST} cases"))),
    }
}

/// At the commas that lie outside of quotes and brackets.
fn split(list: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quote) = (vec![String::new()], 0_i32, None);
    for c in list.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// The statement of the whole sweep: the file, with what the arguments sweep as comments at its end.
pub fn problem_text(document: &Document, arguments: &[String]) -> String {
    let mut text = document.problem_text();
    for argument in arguments {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("# --sweep {}\n", argument.replace('\n', " ")));
    }
    text
}

/// Every case, checked.
pub fn all(document: &Document, swept: &[Swept]) -> Result<Vec<One>, Failure> {
    let one = |case: Vec<usize>| {
        let mut document = document.clone();
        for (one, &at) in swept.iter().zip(&case) {
            document.set(&one.key, one.values.get(at).map_or("", String::as_str))?;
        }
        Ok(One { label: label(swept, &case), case: document.case()?, problem: document.problem_text() })
    };
    cases(swept).into_iter().map(one).collect()
}

/// Where the cases of a sweep to `path` are kept.
pub fn directory(path: &Path) -> PathBuf {
    path.with_extension("sweep")
}

fn file_of(path: &Path, at: usize) -> PathBuf {
    directory(path).join(format!("{at:05}.h5"))
}

/// Removes the cases, and nothing else.
pub fn clear(path: &Path) -> Result<(), Failure> {
    let directory = directory(path);
    let fail = |error: std::io::Error| Failure::Run(format!("{}: {error}", directory.display()));
    if !directory.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(&directory).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let number =
            name.to_str().and_then(|name| name.get(..5)).is_some_and(|name| name.bytes().all(|c| c.is_ascii_digit()));
        if number {
            std::fs::remove_file(directory.join(name)).map_err(fail)?;
        }
    }
    std::fs::remove_dir(&directory).map_err(fail)
}

/// Runs what is left to run, and joins all.
pub fn run(
    all: &[One],
    swept: &[Swept],
    problem: &str,
    path: &Path,
    resume: bool,
    stop: &Arc<AtomicBool>,
    display: &Display,
) -> Result<Done, Failure> {
    let started = Instant::now();
    let directory = directory(path);
    std::fs::create_dir_all(&directory).map_err(|error| Failure::Run(format!("{}: {error}", directory.display())))?;
    let (next, done, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let failures: Mutex<Vec<(usize, Failure)>> = Mutex::default();
    // Threads of their own, each of which waits for the common pool: a worker of the pool that waits would begin another case.
    let workers = rayon::current_num_threads().min(all.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) && !failed.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = all.get(at) else { return };
                    match run_one(one, &file_of(path, at), resume, stop) {
                        Ok(true) => display.count(1 + done.fetch_add(1, Ordering::Relaxed), all.len(), &one.label),
                        Ok(false) => return,
                        Err(failure) => {
                            failed.store(true, Ordering::Relaxed);
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push((at, failure));
                        }
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|(at, _)| *at);
    if let Some((at, failure)) = failures.into_iter().next() {
        let label = all.get(at).map_or("", |one| &one.label);
        return Err(match failure {
            Failure::Run(message) => Failure::Run(format!("{label}: {message}")),
            Failure::Input(message) => Failure::Input(format!("{label}: {message}")),
            stopped @ Failure::Stopped(_) => stopped,
        });
    }
    let count = done.load(Ordering::Relaxed);
    if count < all.len() {
        return Ok(Done::StoppedSweep { cases: count, of: all.len() });
    }
    let files: Vec<PathBuf> = (0..all.len()).map(|at| file_of(path, at)).collect();
    let mut provenance = Provenance::new(problem);
    provenance.seed = all.first().and_then(|one| one.case.seed);
    let file: Hdf5File = join(path.to_path_buf(), &provenance, swept, &files)?;
    let frames = all.first().map_or(0, |one| one.case.times.len());
    file.finish()?;
    let warnings = read_attribute(path, "warnings")?.lines().map(str::to_owned).collect();
    clear(path)?;
    display.say(&format!("{} cases, {:.1} s", all.len(), started.elapsed().as_secs_f64()));
    Ok(Done::Finished { frames, warnings })
}

/// Whether the case is done.
fn run_one(one: &One, path: &Path, resume: bool, stop: &Arc<AtomicBool>) -> Result<bool, Failure> {
    if resume && path.exists() {
        if read_attribute(path, "problem")? == one.problem {
            return Ok(true);
        }
        let message = format!("{} is of another problem: start anew with --force", path.display());
        return Err(Failure::Input(message));
    }
    let resume = resume && Run::checkpoint_path(path).exists() && Hdf5File::temporary_path(path).exists();
    match run_case(&one.case, &one.problem, path, resume, stop, None)? {
        Done::Finished { .. } => Ok(true),
        Done::Stopped { .. } | Done::StoppedSweep { .. } => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_are_split_outside_of_quotes_and_brackets() {
        assert_eq!(
            super::split(r#"1, 2.5e-3,"a,b",[1,2],{ x = 1, y = 2 },f(a,b)"#),
            ["1", "2.5e-3", "\"a,b\"", "[1,2]", "{ x = 1, y = 2 }", "f(a,b)"]
        );
    }
}
