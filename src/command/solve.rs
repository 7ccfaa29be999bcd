//! `solve`: one run, or a sweep of runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use learning_dynamics::input::Case;
use learning_dynamics::output::hdf5::{Hdf5File, read_attribute};
use learning_dynamics::output::provenance::Provenance;
use learning_dynamics::output::run::{Listener, Outcome as Ran, Run};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::progress::Display;
use super::{Failure, Outcome, Solve, document, set_threads, sweep};

pub fn solve(arguments: &Solve) -> Outcome {
    let started = Instant::now();
    set_threads(&arguments.common)?;
    let document = document(&arguments.statement)?;
    let swept = sweep::swept(&document, &arguments.sweep)?;
    let cases = sweep::all(&document, &swept)?;
    let path = output(arguments)?;
    let problem = sweep::problem_text(&document, &arguments.sweep);
    let display = Display::new(arguments.common.quiet);
    if arguments.resume && path.exists() {
        let finished = read_attribute(&path, "problem")?;
        if finished != problem {
            return Err(Failure::Input(format!("{} holds another problem; give another OUT with -o", path.display())));
        }
        display.say(&format!("{} is finished already", path.display()));
        return Ok(());
    }
    let stop = stop_flag()?;
    let done = match cases.as_slice() {
        [one] if swept.is_empty() => {
            let resume = begin(arguments, &path, &display)?;
            run_case(&one.case, &problem, &path, resume, &stop, display.listener())
        }
        _ => {
            begin_sweep(arguments, &path)?;
            sweep::run(&cases, &swept, &problem, &path, arguments.resume, &stop, &display)
        }
    };
    match done {
        Ok(Done::Finished { frames, warnings }) => {
            let seconds = started.elapsed().as_secs_f64();
            display.end(&format!("wrote {}: {frames} frames, {seconds:.1} s", path.display()));
            warnings.iter().for_each(|warning| display.say(&format!("warning: {warning}")));
            Ok(())
        }
        Ok(Done::Stopped { time, checkpoint }) => {
            display.end(&format!("the frames so far are in {}", Hdf5File::temporary_path(&path).display()));
            Err(Failure::Stopped(match checkpoint {
                Ok(_) => format!("stopped at t = {time}; go on with: {}", again(arguments, &path)),
                Err(error) => {
                    format!("stopped at t = {time} without a checkpoint, so that a further run starts anew: {error}")
                }
            }))
        }
        Ok(Done::StoppedSweep { cases, of }) => {
            display.end(&format!("{cases} of {of} cases are in {}", sweep::directory(&path).display()));
            Err(Failure::Stopped(format!("stopped; go on with: {}", again(arguments, &path))))
        }
        Err(failure) => {
            if !swept.is_empty() {
                display.end(&format!("the cases so far are in {}", sweep::directory(&path).display()));
                display.say(&format!("once the cause is gone, go on with: {}", again(arguments, &path)));
                return Err(failure);
            }
            let temporary = Hdf5File::temporary_path(&path);
            if temporary.exists() {
                display.end(&format!("the frames so far are in {}", temporary.display()));
                if Run::checkpoint_path(&path).exists() {
                    display.say(&format!("once the cause is gone, go on with: {}", again(arguments, &path)));
                }
            }
            Err(failure)
        }
    }
}

/// How a case ended.
pub enum Done {
    Finished { frames: usize, warnings: Vec<String> },
    Stopped { time: f64, checkpoint: learning_dynamics::Result<PathBuf> },
    StoppedSweep { cases: usize, of: usize },
}

/// Runs a case to its file.
pub fn run_case(
    case: &Case,
    problem: &str,
    path: &Path,
    resume: bool,
    stop: &Arc<AtomicBool>,
    listener: Option<Listener>,
) -> Result<Done, Failure> {
    let mut provenance = Provenance::new(problem);
    provenance.seed = case.seed;
    if let Some(tolerance) = case.tolerance {
        provenance = provenance.tolerance("time", tolerance);
    }
    let mut solver = case.solver()?;
    let run = Run {
        checkpoint_every: case.checkpoint_every,
        stop: Arc::clone(stop),
        listener,
        resume,
        ..Run::new(path, provenance, case.times.clone())
    };
    let mut file = match run.go(solver.as_mut())? {
        Ran::Finished(file) => file,
        Ran::Stopped { time, checkpoint } => return Ok(Done::Stopped { time, checkpoint }),
    };
    let frames = file.frames();
    let warnings: Vec<String> = solver.notes().iter().map(ToString::to_string).collect();
    file.write_constants(&case.results(solver.as_mut()))?;
    file.write_attribute("warnings", &warnings.join("\n"))?;
    file.finish()?;
    Run::remove_checkpoint(path)?;
    Ok(Done::Finished { frames, warnings })
}

/// Where the results go.
fn output(arguments: &Solve) -> Result<PathBuf, Failure> {
    let path = match &arguments.output {
        Some(path) => path.clone(),
        None => {
            let name = arguments.statement.file.file_name().filter(|name| *name != "-");
            let name = name.ok_or_else(|| Failure::Input("no name for the output: give one with -o".to_owned()))?;
            PathBuf::from(name).with_extension("h5")
        }
    };
    let bad = |what: &str| Err(Failure::Input(format!("-o {}: {what}", path.display())));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.file_name().is_none() || path.is_dir() {
        return bad("expected the name of a file");
    }
    if !directory.is_dir() {
        return bad(&format!("there is no directory {}", directory.display()));
    }
    if path.canonicalize().ok().is_some_and(|out| arguments.statement.file.canonicalize().ok() == Some(out)) {
        return bad("that is the problem file");
    }
    if path.exists() && !arguments.force && !arguments.resume {
        return bad("exists; replace it with --force, or give another name");
    }
    Ok(path)
}

/// Whether the run goes on from a checkpoint; refuses to lose what an earlier one left.
fn begin(arguments: &Solve, path: &Path, display: &Display) -> Result<bool, Failure> {
    let temporary = Hdf5File::temporary_path(path);
    if arguments.resume {
        if !Run::checkpoint_path(path).exists() {
            display.say(&format!("there is no checkpoint {}: starting anew", Run::checkpoint_path(path).display()));
            return Ok(false);
        }
        if !temporary.exists() {
            let message = format!("there is a checkpoint, but no {}: start anew with --force", temporary.display());
            return Err(Failure::Input(message));
        }
        return Ok(true);
    }
    if temporary.exists() && !arguments.force {
        let message = format!(
            "{} is there, of a run that did not finish; go on with --resume, or start anew with --force",
            temporary.display()
        );
        return Err(Failure::Input(message));
    }
    Ok(false)
}

/// Refuses to lose the cases of an earlier sweep.
fn begin_sweep(arguments: &Solve, path: &Path) -> Outcome {
    let directory = sweep::directory(path);
    if arguments.force {
        return sweep::clear(path);
    }
    if directory.exists() && !arguments.resume {
        let message = format!(
            "{} is there, of a sweep that did not finish; go on with --resume, or start anew with --force",
            directory.display()
        );
        return Err(Failure::Input(message));
    }
    Ok(())
}

/// The command that goes on.
fn again(arguments: &Solve, path: &Path) -> String {
    let mut words = vec!["learning-dynamics".into(), "solve".into(), arguments.statement.file.display().to_string()];
    words.extend(["-o".into(), path.display().to_string()]);
    for (option, values) in [("--set", &arguments.statement.set), ("--sweep", &arguments.sweep)] {
        for value in values {
            words.extend([option.into(), value.clone()]);
        }
    }
    words.push("--resume".into());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+:,".contains(c);
    let quote = |word: &String| {
        if word.chars().all(plain) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Set by the first SIGINT or SIGTERM; the second does what it does by default, at once.
fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal must find the flag still down.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::Run(format!("signals cannot be caught: {error}")))?;
    }
    Ok(stop)
}
