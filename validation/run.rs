//! Runs studies one after the other and prints what they find.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{Expected, Report};
use crate::studies::{Level, Study};
use crate::write;

/// A study that was run.
pub struct Outcome {
    /// Which one.
    pub study: Study,
    /// What it found. A study that could not be run has one gate, failed.
    pub report: Report,
    /// Wall time.
    pub took: Duration,
}

impl Outcome {
    /// Whether every gate passed.
    pub fn passes(&self) -> bool {
        self.report.gates.iter().all(crate::report::Gate::passes)
    }
}

/// Runs `studies`, prints the table, writes the reports into `out`; true if every gate passed.
///
/// # Errors
/// If the report cannot be written. What goes wrong inside a study is a failed gate of that study.
pub fn run(studies: &[Study], level: Level, out: &Path) -> Result<bool, Box<dyn Error>> {
    std::fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let begin = Instant::now();
    let bar = ProgressBar::new(studies.len() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}")?);
    bar.enable_steady_tick(Duration::from_millis(250));
    let mut outcomes = Vec::new();
    for study in studies {
        bar.set_message(study.name);
        let mut outcome = measure(study, level);
        if let Err(error) = write::data_and_pictures(&outcome, out) {
            broken(&mut outcome.report, "its data and pictures are written", &error.to_string());
        }
        bar.suspend(|| print!("{}", write::table(&outcome)));
        outcomes.push(outcome);
        // Again after each study: what is there survives whatever stops the next.
        write::reports(&outcomes, level, begin.elapsed(), out)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    write::reports(&outcomes, level, begin.elapsed(), out)?;
    println!("\n{}", write::summary(&outcomes, begin.elapsed()));
    println!("{}", out.join("report.md").display());
    Ok(outcomes.iter().all(Outcome::passes))
}

/// Runs one study. Errors, panics, and a report without gates become failed gates.
pub fn measure(study: &Study, level: Level) -> Outcome {
    let begin = Instant::now();
    let mut report = Report::new();
    match catch_unwind(AssertUnwindSafe(|| (study.run)(level))) {
        Ok(Ok(found)) => report = found,
        Ok(Err(error)) => broken(&mut report, "the study runs to its end", &error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            broken(&mut report, "the study runs to its end", text.unwrap_or("it panicked"));
        }
    }
    if report.gates.is_empty() {
        broken(&mut report, "the study has gates", "it measured nothing");
    }
    Outcome { study: *study, report, took: begin.elapsed() }
}

fn broken(report: &mut Report, claim: &str, message: &str) {
    report.gate(claim, "validation", Expected::AtLeast(1.0), 0.0, 0.0).why(message);
}
