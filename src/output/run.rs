//! Runs that can be watched, stopped and taken up again, with their file and their checkpoint.
//!
//! ```no_run
//! use learning_dynamics::output::{provenance::Provenance, run::{Outcome, Run}};
//! # fn example(solver: &mut dyn learning_dynamics::frame::Solver) -> learning_dynamics::Result<()> {
//! let run = Run { resume: true, ..Run::new("run.h5", Provenance::new("epsilon = 0.1"), vec![1.0, 2.0]) };
//! match run.go(solver)? {
//!     Outcome::Finished(file) => println!("{}", file.finish()?.display()),
//!     Outcome::Stopped { time, .. } => println!("stopped at t = {time}"),
//! }
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use super::hdf5::{BackgroundFile, Hdf5File};
use super::provenance::Provenance;
use crate::error::{Error, Result};
use crate::frame::{Frame, Progress, Solver, Watch};

/// What a run tells while it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The time reached.
    pub time: f64,
    /// Where it starts and ends.
    pub span: [f64; 2],
    /// Length of the last step, 0 before it is known.
    pub step: f64,
    /// Frames written.
    pub frames: usize,
    /// Frames there will be.
    pub frames_in_all: usize,
    /// `|mass − 1|` in the last frame, where it has a mass.
    pub mass_drift: Option<f64>,
    /// The number by which people follow such runs, in the last frame: the mean fitness, the generalisation error or the risk.
    pub headline: Option<(&'static str, f64)>,
    /// Since the run was started or taken up.
    pub wall: Duration,
}

/// Called with each frame, and between frames some times a second where the solver can be watched.
pub type Listener = Arc<dyn Fn(&Status) + Send + Sync>;

/// A run and how it is looked after.
#[derive(Clone)]
pub struct Run {
    /// The file to be.
    pub path: PathBuf,
    /// What stands at the root of the file; the text of the problem also marks the checkpoint.
    pub provenance: Provenance,
    /// The times of the frames, increasing.
    pub times: Vec<f64>,
    /// Physical time between checkpoints: one at the first step or frame at or after each multiple. If none is given, there is
    /// one every [`Run::checkpoint_after`] of wall time.
    pub checkpoint_every: Option<f64>,
    /// Wall time between checkpoints.
    pub checkpoint_after: Duration,
    /// Once true, the run stops after the step at work.
    pub stop: Arc<AtomicBool>,
    /// Who is told.
    pub listener: Option<Listener>,
    /// Whether to go on from the checkpoint, if there is one.
    pub resume: bool,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("path", &self.path).field("times", &self.times.len()).finish_non_exhaustive()
    }
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// Every frame is written; constants may follow before [`Hdf5File::finish`] gives the file its name. Then the checkpoint is of
    /// no more use: [`Run::remove_checkpoint`].
    Finished(Box<Hdf5File>),
    /// Stopped before the end; the frames so far are in the temporary file.
    Stopped {
        /// The time reached.
        time: f64,
        /// Where the checkpoint lies, or why there is none.
        checkpoint: Result<PathBuf>,
    },
}

impl Run {
    /// Without checkpoints by physical time, from the start, watched by nobody.
    pub fn new(path: impl Into<PathBuf>, provenance: Provenance, times: Vec<f64>) -> Self {
        Self {
            path: path.into(),
            provenance,
            times,
            checkpoint_every: None,
            checkpoint_after: Duration::from_secs(300),
            stop: Arc::default(),
            listener: None,
            resume: false,
        }
    }

    /// Where the checkpoint of a run to `path` lies: `run.checkpoint` for `run.h5`.
    pub fn checkpoint_path(path: &Path) -> PathBuf {
        path.with_extension("checkpoint")
    }

    /// Removes the checkpoint of a run to `path`, if there is one.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be removed.
    pub fn remove_checkpoint(path: &Path) -> Result<()> {
        let path = Self::checkpoint_path(path);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::File { path: path.display().to_string(), message: error.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Runs `solver`, which must be at its start, to the end or until it is stopped.
    ///
    /// Frames are written by a thread of their own while the solver goes on; it is at most two frames ahead. What was written stays,
    /// whatever ends the process.
    ///
    /// A run that goes on from a checkpoint writes the very frames that it would have written without a stop: the checkpoint holds
    /// the whole state, and frames written after it are dropped and computed again.
    ///
    /// # Errors
    /// Those of the solver, the file and the checkpoint. The frames written stay in the temporary file, and the last checkpoint
    /// stays.
    pub fn go(&self, solver: &mut dyn Solver) -> Result<Outcome> {
        let checkpoint = Self::checkpoint_path(&self.path);
        let problem = &self.provenance.problem;
        let saved = if self.resume { Checkpoint::read(&checkpoint, problem)? } else { None };
        let mut file = match &saved {
            Some(saved) => {
                solver.load(&saved.state)?;
                Hdf5File::resume(&self.path, &self.provenance, saved.frames)?
            }
            None => {
                // One of an earlier run must not outlive the frames it belongs to.
                Self::remove_checkpoint(&self.path)?;
                let mut file = Hdf5File::create(&self.path, &self.provenance)?;
                file.write_constants(&solver.constants())?;
                file
            }
        };
        let shared = Arc::new(Shared::new(self, solver.time(), file.frames()));
        solver.watch(shared.watch());
        // Solvers that cannot save are not asked again, until they are stopped.
        let mut saves = true;
        loop {
            shared.due.store(false, Ordering::Relaxed);
            let left = self.times.get(file.frames()..).unwrap_or_default();
            if left.is_empty() {
                return Ok(Outcome::Finished(Box::new(file)));
            }
            let mut frames = BackgroundFile::new(file);
            let outcome = solver.run(left, &mut |frame| {
                frames.write_frame(frame)?;
                shared.frame(frame, frames.frames());
                Ok(shared.look(Progress { time: frame.time, step: shared.step() }))
            });
            let settled = frames.settle();
            outcome?;
            file = settled?;
            let stopped = self.stop.load(Ordering::Relaxed);
            if file.frames() == self.times.len() {
                continue;
            }
            if !stopped && !shared.due.load(Ordering::Relaxed) {
                let what = format!("frames at the end of the run to t = {}", solver.time());
                return Err(Error::Shape { what, found: file.frames(), expected: self.times.len() });
            }
            let time = solver.time();
            if !stopped && !saves {
                shared.arm(time);
                continue;
            }
            let write = || -> Result<()> {
                let state = solver.save()?;
                file.sync()?;
                Checkpoint { frames: file.frames(), time, state }.write(&checkpoint, problem)
            };
            match write() {
                outcome if stopped => {
                    return Ok(Outcome::Stopped { time, checkpoint: outcome.map(|()| checkpoint) });
                }
                Err(Error::Unsupported { .. }) => saves = false,
                outcome => outcome?,
            }
            shared.arm(time);
        }
    }
}

/// How often the listener hears of steps.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// What the watch, which may be called from any thread, shares with the run.
struct Shared {
    stop: Arc<AtomicBool>,
    listener: Option<Listener>,
    every: Option<f64>,
    after: Duration,
    started: Instant,
    /// A checkpoint is due.
    due: AtomicBool,
    /// Bits of the physical time of the next checkpoint.
    next_time: AtomicU64,
    /// Nanoseconds since the start at which the next one is due, and at which the listener is told next.
    next_wall: AtomicU64,
    next_shown: AtomicU64,
    /// Bits of the last step.
    step: AtomicU64,
    status: Mutex<Status>,
}

impl Shared {
    fn new(run: &Run, time: f64, frames: usize) -> Self {
        let end = run.times.last().copied().unwrap_or(time);
        let status = Status {
            time,
            span: [0.0, end],
            step: 0.0,
            frames,
            frames_in_all: run.times.len(),
            mass_drift: None,
            headline: None,
            wall: Duration::ZERO,
        };
        let shared = Self {
            stop: Arc::clone(&run.stop),
            listener: run.listener.clone(),
            every: run.checkpoint_every,
            after: run.checkpoint_after,
            started: Instant::now(),
            due: AtomicBool::new(false),
            next_time: AtomicU64::new(0),
            next_wall: AtomicU64::new(0),
            next_shown: AtomicU64::new(0),
            step: AtomicU64::new(0),
            status: Mutex::new(status),
        };
        shared.arm(time);
        shared
    }

    /// Sets the next checkpoint, after one at `time`.
    fn arm(&self, time: f64) {
        let next_time = self.every.map_or(f64::INFINITY, |every| {
            let multiple = ((time / every).floor() + 1.0) * every;
            // Where the product rounds down to the time itself, the one after.
            if multiple > time { multiple } else { multiple + every }
        });
        let next_wall = match self.every {
            Some(_) => u64::MAX,
            None => nanoseconds(self.started.elapsed() + self.after),
        };
        self.next_time.store(next_time.to_bits(), Ordering::Relaxed);
        self.next_wall.store(next_wall, Ordering::Relaxed);
    }

    fn watch(self: &Arc<Self>) -> Watch {
        let shared = Arc::clone(self);
        Arc::new(move |progress| {
            shared.step.store(progress.step.to_bits(), Ordering::Relaxed);
            shared.look(progress)
        })
    }

    fn step(&self) -> f64 {
        f64::from_bits(self.step.load(Ordering::Relaxed))
    }

    /// Whether to go on.
    fn look(&self, progress: Progress) -> ControlFlow<()> {
        let now = self.started.elapsed();
        let time = nanoseconds(now);
        let shown = self.next_shown.load(Ordering::Relaxed);
        if let Some(listener) = &self.listener
            && time >= shown
            && self
                .next_shown
                .compare_exchange(shown, nanoseconds(now + SHOWN_EVERY), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            let status = {
                let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
                (status.time, status.step, status.wall) = (progress.time, progress.step, now);
                status.clone()
            };
            listener(&status);
        }
        let due = progress.time >= f64::from_bits(self.next_time.load(Ordering::Relaxed))
            || time >= self.next_wall.load(Ordering::Relaxed);
        if due {
            self.due.store(true, Ordering::Relaxed);
        }
        if due || self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Takes down what a frame shows.
    fn frame(&self, frame: &Frame<'_>, frames: usize) {
        let first = |group, name| frame.get(group, name).and_then(|values| values.first().copied());
        let headlines = [
            ("mean fitness", "moments", "mean_fitness"),
            ("generalisation error", "errors", "generalization_error"),
            ("risk", "risk", "risk"),
        ];
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.frames = frames;
        status.mass_drift = first("moments", "mass").map(|mass| (mass - 1.0).abs());
        status.headline = headlines.iter().find_map(|&(words, group, name)| Some((words, first(group, name)?)));
        drop(status);
        if frames == self.frames_in_all() {
            self.next_shown.store(0, Ordering::Relaxed);
        }
    }

    fn frames_in_all(&self) -> usize {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).frames_in_all
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
