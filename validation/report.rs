//! What a study hands back: gates with their verdicts, numbers, pictures.

use std::fmt;

use learning_dynamics::frame::Field;
use learning_dynamics::output::plot::Picture;

/// What a measured number is held to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expected {
    /// `|measured − value| ≤ tolerance`.
    Within {
        /// The value claimed.
        value: f64,
        /// The largest distance from it that passes.
        tolerance: f64,
    },
    /// `measured ≤ x`.
    AtMost(f64),
    /// `measured ≥ x`.
    AtLeast(f64),
    /// `low ≤ measured ≤ high`.
    Between(f64, f64),
}

impl Expected {
    /// Whether `measured` passes. NaN never does.
    pub fn accepts(self, measured: f64) -> bool {
        match self {
            Self::Within { value, tolerance } => (measured - value).abs() <= tolerance,
            Self::AtMost(most) => measured <= most,
            Self::AtLeast(least) => measured >= least,
            Self::Between(low, high) => low <= measured && measured <= high,
        }
    }

    /// The same as (comparison, expected, tolerance): two-sided gates ask `|measured − expected| ≤ tolerance`.
    pub fn parts(self) -> (&'static str, f64, f64) {
        match self {
            Self::Within { value, tolerance } => ("within", value, tolerance),
            Self::AtMost(most) => ("at most", most, 0.0),
            Self::AtLeast(least) => ("at least", least, 0.0),
            Self::Between(low, high) => ("within", 0.5 * (low + high), 0.5 * (high - low)),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Within { value, tolerance } => write!(f, "{} ± {}", number(value), number(tolerance)),
            Self::AtMost(most) => write!(f, "≤ {}", number(most)),
            Self::AtLeast(least) => write!(f, "≥ {}", number(least)),
            Self::Between(low, high) => write!(f, "{} … {}", number(low), number(high)),
        }
    }
}

/// One claim, measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// What is claimed.
    pub claim: String,
    /// Where the claim comes from.
    pub source: String,
    /// What the measured number is held to.
    pub expected: Expected,
    /// The number found.
    pub measured: f64,
    /// Its standard error; 0 where nothing is random.
    pub error: f64,
    /// Why the tolerance is what it is.
    pub why: String,
}

impl Gate {
    /// Says in one line why the tolerance is what it is.
    pub fn why(&mut self, reason: impl Into<String>) {
        self.why = reason.into();
    }

    /// The verdict. A NaN, in the measured number or in its error, fails.
    pub fn passes(&self) -> bool {
        !self.error.is_nan() && self.expected.accepts(self.measured)
    }

    /// The verdict in a word.
    pub fn verdict(&self) -> &'static str {
        if self.passes() { "pass" } else { "fail" }
    }

    /// The measured number with its error.
    pub fn measurement(&self) -> String {
        if self.error == 0.0 {
            number(self.measured)
        } else {
            format!("{} ± {}", number(self.measured), number(self.error))
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: expected {}, measured {}", self.verdict(), self.claim, self.expected, self.measurement())
    }
}

/// What a study found.
#[derive(Debug, Default)]
pub struct Report {
    /// The claims with their measured numbers.
    pub gates: Vec<Gate>,
    /// Goes to the study's HDF5 file.
    pub data: Vec<Field<'static>>,
    /// Named pictures; each becomes one PNG.
    pub pictures: Vec<(String, Picture)>,
    /// Raw numbers and remarks for `report.md`.
    pub notes: Vec<String>,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds `measured` (with standard error `error`, 0 where nothing is random) to what is `expected`.
    ///
    /// `source` says where the claim comes from. State the reason of the tolerance by `.why(…)` on what is returned.
    pub fn gate(&mut self, claim: &str, source: &str, expected: Expected, measured: f64, error: f64) -> &mut Gate {
        let gate = Gate { claim: claim.into(), source: source.into(), expected, measured, error, why: String::new() };
        let at = self.gates.len();
        self.gates.push(gate);
        &mut self.gates[at]
    }

    /// Keeps `field` in the study's HDF5 file.
    pub fn data(&mut self, field: Field<'static>) {
        self.data.push(field);
    }

    /// Adds a picture; `name` tells the pictures of one study apart.
    pub fn picture(&mut self, name: &str, picture: Picture) {
        self.pictures.push((name.into(), picture));
    }

    /// Adds a line (or a Markdown table) to the study's section of `report.md`.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

/// Four significant digits, in the shorter of the two notations.
pub fn number(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    if !x.is_finite() || !(1e-3..1e5).contains(&x.abs()) {
        let text = format!("{x:.3e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if digits.contains('.') => {
                format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => text,
        };
    }
    let decimals = (3 - x.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{x:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}
