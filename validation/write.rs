//! What is printed and written: tables, `report.md`, `report.json`, data, pictures.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::run::Outcome;
use crate::studies::Level;

/// The gates of one study, for the terminal.
pub fn table(outcome: &Outcome) -> String {
    let gates = &outcome.report.gates;
    let width = |text: &str| text.chars().count();
    let claims = gates.iter().map(|gate| width(&gate.claim)).max().unwrap_or(0).min(70);
    let expected = gates.iter().map(|gate| width(&gate.expected.to_string())).max().unwrap_or(0);
    let measured = gates.iter().map(|gate| width(&gate.measurement())).max().unwrap_or(0);
    let mut text = format!("\n{} ({:.1} s): {}\n", outcome.study.name, outcome.took.as_secs_f64(), outcome.study.claim);
    for gate in gates {
        let _ = writeln!(
            text,
            "  {}  {:claims$}  expected {:expected$}  measured {:measured$}",
            gate.verdict(),
            gate.claim,
            gate.expected.to_string(),
            gate.measurement(),
        );
        if !gate.passes() && !gate.why.is_empty() {
            let _ = writeln!(text, "        {}", gate.why);
        }
    }
    text
}

/// One line on all.
pub fn summary(outcomes: &[Outcome], took: Duration) -> String {
    let gates: usize = outcomes.iter().map(|outcome| outcome.report.gates.len()).sum();
    let passed = outcomes.iter().flat_map(|outcome| &outcome.report.gates).filter(|gate| gate.passes()).count();
    let failed: Vec<&str> =
        outcomes.iter().filter(|outcome| !outcome.passes()).map(|outcome| outcome.study.name).collect();
    let mut text =
        format!("{passed} of {gates} gates passed in {} studies, {:.1} s", outcomes.len(), took.as_secs_f64());
    if !failed.is_empty() {
        let _ = write!(text, "; failed: {}", failed.join(", "));
    }
    text
}

/// `report.md` and `report.json`.
pub fn reports(outcomes: &[Outcome], level: Level, took: Duration, out: &Path) -> Result<(), Box<dyn Error>> {
    let put = |name: &str, text: String| {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    put("report.md", markdown(outcomes, level, took))?;
    put("report.json", format!("{:#}\n", json_report(outcomes)))?;
    Ok(())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn markdown(outcomes: &[Outcome], level: Level, took: Duration) -> String {
    let mut text =
        format!("# Validation, {} level\n\n{}.\n", format!("{level:?}").to_lowercase(), summary(outcomes, took));
    text += "\n| study | claim | expected | measured ± error | verdict |\n|---|---|---|---|---|\n";
    for outcome in outcomes {
        for gate in &outcome.report.gates {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                outcome.study.name,
                cell(&gate.claim),
                gate.expected,
                gate.measurement(),
                gate.verdict()
            );
        }
    }
    for Outcome { study, report, took } in outcomes {
        let _ = writeln!(text, "\n## {}\n\n{} ({:.1} s)\n", study.name, study.claim, took.as_secs_f64());
        for gate in &report.gates {
            let _ = write!(
                text,
                "* **{}** {}: expected {}, measured {}",
                gate.verdict(),
                gate.claim,
                gate.expected,
                gate.measurement()
            );
            let _ = writeln!(
                text,
                "\n  (source: {}{}{})",
                gate.source,
                if gate.why.is_empty() { "" } else { "; tolerance: " },
                gate.why
            );
        }
        for (name, _) in if cfg!(feature = "plot") { report.pictures.as_slice() } else { &[] } {
            let _ = writeln!(text, "\n![{name}]({})", picture_name(study.name, name));
        }
        for note in &report.notes {
            let _ = writeln!(text, "\n{note}");
        }
    }
    text
}

fn json_report(outcomes: &[Outcome]) -> Value {
    let rows = outcomes.iter().flat_map(|outcome| {
        outcome.report.gates.iter().map(|gate| {
            let (comparison, expected, tolerance) = gate.expected.parts();
            json!({
                "study": outcome.study.name,
                "claim": gate.claim,
                "source": gate.source,
                "comparison": comparison,
                "expected": expected,
                "measured": gate.measured,
                "error": gate.error,
                "tolerance": tolerance,
                "why": gate.why,
                "verdict": gate.verdict(),
            })
        })
    });
    Value::Array(rows.collect())
}

fn picture_name(study: &str, picture: &str) -> String {
    if picture == study { format!("{study}.png") } else { format!("{study}-{picture}.png") }
}

/// `STUDY.h5` and the PNGs; nothing for what the library was built without.
pub fn data_and_pictures(outcome: &Outcome, out: &Path) -> learning_dynamics::Result<()> {
    let report = &outcome.report;
    #[cfg(feature = "hdf5")]
    {
        use learning_dynamics::output::{hdf5::Hdf5File, provenance::Provenance};
        let provenance = Provenance::new(format!("study {}: {}", outcome.study.name, outcome.study.claim));
        let mut file = Hdf5File::create(out.join(format!("{}.h5", outcome.study.name)), &provenance)?;
        file.write_constants(&report.data)?;
        file.finish()?;
    }
    #[cfg(feature = "plot")]
    for (name, picture) in &report.pictures {
        picture.write_png(out.join(picture_name(outcome.study.name, name)))?;
    }
    // Without either feature nothing is left to use them.
    let _ = (report, out);
    Ok(())
}
