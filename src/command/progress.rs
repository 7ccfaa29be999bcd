//! How far a run has come, for whoever waits: a bar on a terminal, else a line now and then.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use learning_dynamics::output::run::{Listener, Status};

/// Between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Marks of the bar.
const MARKS: u64 = 1000;

/// Shows a run, unless nobody wants to see it.
pub struct Display {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Display {
    pub fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(MARKS);
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, quiet }
    }

    pub fn listener(&self) -> Option<Listener> {
        if self.quiet {
            return None;
        }
        if let Some(bar) = self.bar.clone() {
            return Some(Arc::new(move |status: &Status| {
                bar.set_position((share(status) * MARKS as f64) as u64);
                bar.set_message(line(status));
            }));
        }
        let next = Mutex::new(Instant::now() + LINE_EVERY);
        Some(Arc::new(move |status: &Status| {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            if Instant::now() >= *next {
                eprintln!("{}, {:.0} s", line(status), status.wall.as_secs_f64());
                *next = Instant::now() + LINE_EVERY;
            }
        }))
    }

    /// How far a sweep has come.
    pub fn count(&self, done: usize, all: usize, label: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(MARKS * done as u64 / all.max(1) as u64);
                bar.set_message(format!("{done} of {all} cases, the last: {label}"));
            }
            None => self.say(&format!("{done} of {all} cases: {label}")),
        }
    }

    /// Takes the bar away and says a last word.
    pub fn end(&self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.say(message);
    }

    pub fn say(&self, message: &str) {
        if self.quiet {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{message}")),
            None => eprintln!("{message}"),
        }
    }
}

fn share(status: &Status) -> f64 {
    let [start, end] = status.span;
    if end > start { ((status.time - start) / (end - start)).clamp(0.0, 1.0) } else { 1.0 }
}

fn line(status: &Status) -> String {
    let mut line =
        format!("t = {:.4} of {}, {} of {} frames", status.time, status.span[1], status.frames, status.frames_in_all);
    // Writing to a string cannot fail.
    if status.step > 0.0 {
        let _ = write!(line, ", step {:.1e}", status.step);
    }
    if let Some(drift) = status.mass_drift {
        let _ = write!(line, ", |mass − 1| = {drift:.0e}");
    }
    if let Some((name, value)) = status.headline {
        let _ = write!(line, ", {name} {value:.6}");
    }
    line
}
