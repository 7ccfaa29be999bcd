//! `check`: what a file asks for, before it is paid for.

use std::fmt::Write as _;

use super::{Failure, Outcome, Statement, document, print, sweep};
use learning_dynamics::numerics::memory;

pub fn check(statement: &Statement, arguments: &[String]) -> Outcome {
    let document = document(statement)?;
    let swept = sweep::swept(&document, arguments)?;
    let cases = sweep::all(&document, &swept)?;
    let mut estimates = cases.iter().map(|one| (one.case.estimate(), one));
    let Some((mut estimate, mut largest)) = estimates.next() else { return Ok(()) };
    for (other, one) in estimates {
        if other.bytes > estimate.bytes {
            (estimate, largest) = (other, one);
        }
    }
    let case = &largest.case;
    let mut text = String::new();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}: {}", case.kind.name(), estimate.text);
    if cases.len() > 1 {
        let _ =
            writeln!(text, "{} cases, of which this is the one that takes most memory: {}", cases.len(), largest.label);
    }
    if let (Some(first), Some(last)) = (case.times.first(), case.times.last()) {
        let _ = writeln!(text, "{} frames from t = {first} to t = {last}", case.times.len());
    }
    print(&text)?;
    match memory::available() {
        Some(free) if free < estimate.bytes => {
            Err(Failure::Input(format!("only {:.1} MB of memory are free", megabytes(free))))
        }
        _ => Ok(()),
    }
}
