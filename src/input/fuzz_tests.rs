//! No file makes the reader panic, hang or ask for much memory: the examples, mutated at random.
//!
//! `LEARNING_DYNAMICS_FUZZ=1000000` runs so many cases instead of the usual ones. What once failed is kept in `validation/corpus`.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{Document, Kind, template};

/// Values to put in the place of others.
const EXTREME: [&str; 34] = [
    "0",
    "-0.0",
    "-1",
    "1",
    "2",
    "3",
    "0.5",
    "1e300",
    "-1e300",
    "1e-300",
    "nan",
    "inf",
    "-inf",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e400",
    "4294967295",
    "4294967296",
    "1e4",
    "1e15",
    "1e-17",
    "0x7fffffff",
    "1_000",
    "true",
    "\"\"",
    "\"h\"",
    "[]",
    "[[]]",
    "{}",
    "[{}]",
    "1979-05-27",
    "[1.0, 2.0]",
    "\"t/0\"",
];

/// Names and parts of formulas that the examples do not have.
const WORDS: [&str; 44] = [
    "off",
    "annealed",
    "truncation",
    "tournament",
    "proportional",
    "weight",
    "replicator",
    "staggered",
    "every",
    "none",
    "factor",
    "resample",
    "perturb",
    "sequence",
    "diffusion",
    "log-uniform",
    "point",
    "equilibrium",
    "log",
    "clip",
    "retry",
    "quadratic",
    "double-well",
    "himmelblau",
    "theta_2",
    "theta_99999999999",
    "h_2",
    "closed-form",
    "gauss-hermite",
    "exact-ou",
    "overlaps",
    "full",
    "random",
    "greedy",
    "relu",
    "sample",
    "mesh",
    "step",
    "set",
    "θ",
    "exp",
    "^^",
    "((((((((",
    "fluctuations",
];

/// One change of a text.
#[derive(Debug, Clone)]
enum Change {
    Delete(usize),
    Duplicate(usize),
    Swap(usize, usize),
    /// A line of another example.
    Borrow(usize, usize, usize),
    Number(usize, usize),
    Word(usize, usize),
    /// A word of an example in the place of another word.
    Exchange(usize, usize, usize),
    Bytes(usize, Vec<u8>),
    Cut(usize, usize),
    /// The rest of the file is nested deeply.
    Nest(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = 0usize..10_000;
    prop_oneof![
        1 => place.clone().prop_map(Change::Delete),
        1 => place.clone().prop_map(Change::Duplicate),
        1 => (place.clone(), place.clone()).prop_map(|(a, b)| Change::Swap(a, b)),
        1 => (place.clone(), place.clone(), place.clone()).prop_map(|(a, b, c)| Change::Borrow(a, b, c)),
        4 => (place.clone(), place.clone()).prop_map(|(a, b)| Change::Number(a, b)),
        3 => (place.clone(), place.clone()).prop_map(|(a, b)| Change::Word(a, b)),
        2 => (place.clone(), place.clone(), place.clone()).prop_map(|(a, b, c)| Change::Exchange(a, b, c)),
        1 => (place.clone(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Change::Bytes(at, bytes)),
        1 => (place.clone(), 0usize..80).prop_map(|(at, length)| Change::Cut(at, length)),
        1 => (place, 1usize..200).prop_map(|(at, depth)| Change::Nest(at, depth)),
    ]
}

/// Where the words of `text` that satisfy `first` at their first character lie.
fn words(text: &str, first: fn(char) -> bool) -> Vec<std::ops::Range<usize>> {
    let part = |c: char| c.is_alphanumeric() || "._-+".contains(c);
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, part(c)) {
            (None, true) if first(c) => start = Some(at),
            (None, true) => start = Some(usize::MAX),
            (Some(from), false) => {
                if from != usize::MAX {
                    found.push(from..at);
                }
                start = None;
            }
            _ => {}
        }
    }
    found
}

fn replace_word(text: &str, first: fn(char) -> bool, pick: usize, with: &str) -> String {
    let found = words(text, first);
    match found.get(pick % found.len().max(1)) {
        Some(range) => format!("{}{with}{}", &text[..range.start], &text[range.end..]),
        None => text.into(),
    }
}

fn apply(text: &str, change: &Change) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let count = lines.len().max(1);
    let joined = |lines: Vec<&str>| lines.join("\n") + "\n";
    match change {
        Change::Delete(at) => {
            let keep = |(k, line): (usize, &&'_ str)| (k != at % count).then(|| (*line).to_string());
            lines.iter().enumerate().filter_map(keep).collect::<Vec<_>>().join("\n")
        }
        Change::Duplicate(at) => {
            let mut lines = lines.clone();
            if let Some(line) = lines.get(at % count).copied() {
                lines.insert(at % count, line);
            }
            joined(lines)
        }
        Change::Swap(a, b) => {
            let mut lines = lines.clone();
            if !lines.is_empty() {
                lines.swap(a % count, b % count);
            }
            joined(lines)
        }
        Change::Borrow(kind, from, to) => {
            let other = template(Kind::ALL[kind % Kind::ALL.len()]);
            let borrowed: Vec<&str> = other.lines().collect();
            let mut lines = lines.clone();
            lines.insert(to % (lines.len() + 1), borrowed[from % borrowed.len()]);
            joined(lines)
        }
        Change::Number(at, value) => {
            replace_word(text, |c| c.is_ascii_digit() || c == '-', *at, EXTREME[value % EXTREME.len()])
        }
        Change::Word(at, word) => replace_word(text, char::is_alphabetic, *at, WORDS[word % WORDS.len()]),
        Change::Exchange(at, kind, from) => {
            let other = template(Kind::ALL[kind % Kind::ALL.len()]);
            let found = words(other, char::is_alphabetic);
            replace_word(text, char::is_alphabetic, *at, &other[found[from % found.len()].clone()])
        }
        Change::Bytes(at, bytes) => {
            let mut all = text.as_bytes().to_vec();
            let at = at % (all.len() + 1);
            all.splice(at..at, bytes.iter().copied());
            String::from_utf8_lossy(&all).into_owned()
        }
        Change::Cut(at, length) => {
            let all = text.as_bytes();
            let at = at % (all.len() + 1);
            let rest = &all[(at + length).min(all.len())..];
            String::from_utf8_lossy(&[&all[..at], rest].concat()).into_owned()
        }
        Change::Nest(at, depth) => {
            let found = words(text, |c| c.is_ascii_digit());
            match found.get(at % found.len().max(1)) {
                Some(range) => {
                    let (open, close) = ("[".repeat(*depth), "]".repeat(*depth));
                    format!("{}{open}1{close}{}", &text[..range.start], &text[range.end..])
                }
                None => text.into(),
            }
        }
    }
}

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Became {
    NotToml,
    NoCase,
    Case,
}

/// Whatever `text` is, it is a case with an estimate, or an error that shows a line of it. With `build`, cheap cases also make
/// their solver.
pub(super) fn check(text: &str, build: bool) -> Became {
    let sound = |error: &super::InputError| {
        let shown = error.to_string();
        assert!(!error.message.is_empty() && shown.len() < 100_000, "{shown}");
        if let Some((line, column)) = error.place {
            assert!(line <= text.lines().count() + 1 && column >= 1, "{shown}");
        }
    };
    let document = match Document::parse(text, "fuzz.toml") {
        Ok(document) => document,
        Err(error) => {
            sound(&error);
            return Became::NotToml;
        }
    };
    let again = Document::parse(&document.problem_text(), "again.toml").unwrap();
    match (document.case(), again.case()) {
        (Ok(case), Ok(again)) => {
            let estimate = case.estimate();
            assert!(!estimate.work.is_nan() && !estimate.text.is_empty());
            assert!(case.times.windows(2).all(|pair| pair[0] < pair[1]) && !case.times.is_empty());
            assert!(case.times.iter().all(|time| time.is_finite() && *time >= 0.0));
            for (_, refined) in case.refined(2) {
                assert!(!refined.estimate().work.is_nan());
            }
            assert_eq!(estimate, again.estimate());
            if build && estimate.bytes < 1 << 24 {
                match case.solver() {
                    Ok(solver) => assert_eq!(solver.time(), 0.0),
                    Err(error) => sound(&error),
                }
            }
            Became::Case
        }
        (Err(error), Err(again)) => {
            sound(&error);
            assert_eq!(error.message, again.message);
            Became::NoCase
        }
        (case, again) => panic!("the text that is kept says something else: {:?} {:?}", case.is_ok(), again.is_ok()),
    }
}

#[test]
fn mutated_examples_are_cases_or_errors() {
    let asked = std::env::var("LEARNING_DYNAMICS_FUZZ").ok().and_then(|cases| cases.parse().ok());
    let config =
        Config { cases: asked.unwrap_or(2000), failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    // Always the same cases, and further ones where more are asked for.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let changes = (0..Kind::ALL.len(), prop::collection::vec(change(), 0..6));
    let counts = std::cell::RefCell::new([0u32; 3]);
    let outcome = runner.run(&changes, |(kind, changes)| {
        let text = changes.iter().fold(template(Kind::ALL[kind]).to_string(), |text, change| apply(&text, change));
        let start = std::time::Instant::now();
        let became = check(&text, asked.is_some());
        counts.borrow_mut()[became as usize] += 1;
        if asked.is_some() && start.elapsed().as_secs_f64() > 2.0 {
            eprintln!("{:?} for\n{text}\n----", start.elapsed());
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    // Each of the three must be common, or the mutations test little.
    let counts = counts.into_inner();
    assert!(counts.iter().all(|count| *count > counts.iter().sum::<u32>() / 20), "{counts:?}");
    if asked.is_some() {
        eprintln!("not TOML, no case, cases: {counts:?}");
    }
}

#[test]
fn what_once_failed_does_not() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("validation/corpus");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        check(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()), true);
        count += 1;
    }
    assert!(count > 0);
}
