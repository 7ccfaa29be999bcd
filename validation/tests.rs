//! The machinery of the report, on studies made up for it.

use std::path::PathBuf;

use learning_dynamics::frame::Field;
use learning_dynamics::output::plot::{Panel, Picture};

use crate::choose;
use crate::report::{Expected, Report, number};
use crate::run::{measure, run};
use crate::studies::{Level, Study};

fn one_gate(expected: Expected, measured: f64, error: f64) -> Report {
    let mut report = Report::new();
    report.gate("a claim | with a bar", "a source", expected, measured, error).why("a reason");
    report.data(Field::scalar("made_up", "x", "a number", 1.0));
    report.picture("line", Picture::new(1).panel(Panel::new("t", "x", "y").line("", &[0.0, 1.0], &[0.0, 1.0])));
    report.note("a raw number: 1");
    report
}

const GOOD: Study = Study {
    name: "good",
    claim: "passes",
    run: |level| Ok(one_gate(Expected::Within { value: 2.0, tolerance: 0.1 }, level.pick(2.05, 1.95), 0.01)),
};
const BAD: Study = Study { name: "bad", claim: "fails", run: |_| Ok(one_gate(Expected::AtMost(1.0), 1.5, 0.0)) };
const NAN: Study =
    Study { name: "nan", claim: "fails", run: |_| Ok(one_gate(Expected::Between(0.0, 1.0), f64::NAN, 0.0)) };
const ERROR: Study = Study { name: "error", claim: "fails", run: |_| Err("no memory".into()) };
const PANIC: Study = Study { name: "panic", claim: "fails", run: |_| panic!("out of bounds") };
const EMPTY: Study = Study { name: "empty", claim: "measures nothing", run: |_| Ok(Report::new()) };

fn directory(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("learning-dynamics-validate-{}-{name}", std::process::id()))
}

#[test]
fn gates_hold_what_they_say_and_nan_fails() {
    let within = Expected::Within { value: -0.5, tolerance: 0.05 };
    for (expected, pass, fail) in [
        (within, -0.46, -0.44),
        (Expected::AtMost(1e-13), 1e-13, 1.1e-13),
        (Expected::AtLeast(1.8), 1.8, 1.79),
        (Expected::Between(0.1, 10.0), 10.0, 10.1),
    ] {
        assert!(one_gate(expected, pass, 0.0).gates[0].passes(), "{expected}");
        assert!(!one_gate(expected, fail, 0.0).gates[0].passes(), "{expected}");
        assert!(!one_gate(expected, f64::NAN, 0.0).gates[0].passes(), "{expected}");
        assert!(!one_gate(expected, pass, f64::NAN).gates[0].passes(), "{expected}");
    }
    let nan = Expected::Within { value: f64::NAN, tolerance: f64::INFINITY };
    assert!(!one_gate(nan, 0.0, 0.0).gates[0].passes());
    let (_, middle, half) = Expected::Between(0.1, 10.0).parts();
    assert!((middle - 5.05).abs() < 1e-12 && (half - 4.95).abs() < 1e-12);
}

#[test]
fn one_broken_study_does_not_lose_the_others() {
    let out = directory("broken");
    assert!(!run(&[ERROR, PANIC, NAN, EMPTY, BAD, GOOD], Level::Quick, &out).unwrap());
    let text = std::fs::read_to_string(out.join("report.json")).unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let verdicts: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["study"].as_str().unwrap(), row["verdict"].as_str().unwrap())).collect();
    assert_eq!(
        verdicts,
        [("error", "fail"), ("panic", "fail"), ("nan", "fail"), ("empty", "fail"), ("bad", "fail"), ("good", "pass")]
    );
    assert_eq!(rows[0]["why"], "no memory");
    assert_eq!(rows[1]["why"], "out of bounds");
    assert!(rows[2]["measured"].is_null());
    for (key, value) in [("expected", 2.0), ("tolerance", 0.1), ("measured", 2.05), ("error", 0.01)] {
        assert_eq!(rows[5][key], value);
    }
    let markdown = std::fs::read_to_string(out.join("report.md")).unwrap();
    assert!(markdown.contains("1 of 6 gates passed in 6 studies"));
    assert!(markdown.contains("| good | a claim \\| with a bar | 2 ± 0.1 | 2.05 ± 0.01 | pass |"), "{markdown}");
    assert!(markdown.contains("a raw number: 1"));
    assert_eq!(markdown.contains("![line](good-line.png)"), cfg!(feature = "plot"));
    assert_eq!(out.join("good-line.png").exists(), cfg!(feature = "plot"));
    assert_eq!(out.join("good.h5").exists(), cfg!(feature = "hdf5"));
    std::fs::remove_dir_all(out).unwrap();
}

#[test]
fn passes_only_if_every_gate_does() {
    let out = directory("good");
    assert!(run(&[GOOD], Level::Full, &out).unwrap());
    assert!(!run(&[GOOD, BAD], Level::Quick, &out).unwrap());
    std::fs::remove_dir_all(out).unwrap();
    assert!(run(&[GOOD], Level::Quick, "/proc/nonexistent".as_ref()).unwrap_err().to_string().starts_with("/proc"));
}

/// A number that is not one cannot go to the file, and the study must not pass without its data.
#[cfg(feature = "hdf5")]
#[test]
fn data_that_cannot_be_written_fail_the_study() {
    const LOST: Study = Study {
        name: "lost",
        claim: "has a NaN in its data",
        run: |_| {
            let mut report = one_gate(Expected::AtMost(1.0), 0.5, 0.0);
            report.data(Field::scalar("made_up", "y", "not a number", f64::NAN));
            Ok(report)
        },
    };
    let out = directory("lost");
    assert!(measure(&LOST, Level::Quick).passes());
    assert!(!run(&[LOST], Level::Quick, &out).unwrap());
    std::fs::remove_dir_all(out).unwrap();
}

#[test]
fn studies_are_chosen_by_name() {
    let all = [GOOD, BAD];
    let names = |names: &[&str]| -> Result<Vec<&str>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(choose(&all, &names)?.iter().map(|study| study.name).collect())
    };
    assert_eq!(names(&[]).unwrap(), ["good", "bad"]);
    assert_eq!(names(&["bad", "good"]).unwrap(), ["good", "bad"]);
    assert_eq!(names(&["god"]).unwrap_err(), "no study god: expected one of good, bad");
    assert!(!measure(&EMPTY, Level::Quick).passes());
}

#[test]
fn numbers_are_short() {
    for (x, text) in [
        (0.0, "0"),
        (2.0, "2"),
        (-0.5, "-0.5"),
        (1234.5, "1234"),
        (0.001, "0.001"),
        (1e-13, "1e-13"),
        (1.2345e-7, "1.235e-7"),
        (99999.0, "99999"),
        (1e5, "1e5"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
    ] {
        assert_eq!(number(x), text);
    }
}
