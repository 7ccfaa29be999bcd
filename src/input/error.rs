//! What is wrong with a problem file, and where.

use std::fmt;

/// An error in a problem file or in a setting: where it is, what was found, what would have been accepted.
///
/// Shown as
///
/// ```text
/// problem.toml:5:1: unknown key `epsilom` in [problem]
///   |
/// 5 | epsilom = 0.01
///   | ^^^^^^^
/// expected `epsilon`: a finite number above 0
/// did you mean `epsilon`?
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The name of the file, or `--set KEY`.
    pub name: String,
    /// Line and column (of characters), counted from 1; `None` where no place is known. The line of a setting is 0.
    pub place: Option<(usize, usize)>,
    /// The line.
    pub source_line: String,
    /// How many characters are meant, ≥ 1.
    pub width: usize,
    /// What is wrong.
    pub message: String,
    /// "found …, expected …".
    pub detail: Option<String>,
    /// The known key or name nearest to what was found.
    pub suggestion: Option<String>,
    /// Further errors of the same kind.
    pub others: Vec<InputError>,
}

/// Characters of a line that are shown, around the place.
const SHOWN: usize = 120;

impl InputError {
    /// Without a place.
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            place: None,
            source_line: String::new(),
            width: 1,
            message: message.into(),
            detail: None,
            suggestion: None,
            others: Vec::new(),
        }
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn suggest(mut self, suggestion: Option<&str>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    fn excerpt(&self, line: usize, column: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = if line > 0 { line.to_string() } else { String::new() };
        let margin = number.len();
        let characters: Vec<char> = self.source_line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let from = if characters.len() > SHOWN { column.saturating_sub(SHOWN / 3) } else { 0 };
        let shown: String = characters.iter().skip(from).take(SHOWN).collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if characters.len() > from + SHOWN { "…" } else { "" };
        let indent = column - 1 - from.min(column - 1) + before.chars().count();
        let carets = self.width.min(SHOWN.saturating_sub(indent)).max(1);
        writeln!(f, "\n{:margin$} |", "")?;
        writeln!(f, "{number} | {before}{}{after}", shown.trim_end())?;
        write!(f, "{:margin$} | {:indent$}{}", "", "", "^".repeat(carets))
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) if line > 0 => write!(f, "{}:{line}:{column}: {}", self.name, self.message)?,
            _ => write!(f, "{}: {}", self.name, self.message)?,
        }
        if let Some((line, column)) = self.place {
            self.excerpt(line, column.max(1), f)?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\n{detail}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "\ndid you mean `{suggestion}`?")?;
        }
        self.others.iter().try_for_each(|other| write!(f, "\n\n{other}"))
    }
}

impl std::error::Error for InputError {}

/// The candidate nearest to `found`, if it is near.
pub(super) fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |candidate: &str| {
        let (found, candidate) = (found.to_lowercase(), candidate.to_lowercase());
        let edits = strsim::damerau_levenshtein(&found, &candidate);
        // Two letters exchanged, say, which matters little in any word but the shortest.
        let slip = edits <= 1 && candidate.chars().count() > 2;
        strsim::jaro_winkler(&found, &candidate).max(if slip { 0.9 } else { 0.0 })
    };
    let scored = candidates.into_iter().map(|candidate| (score(candidate), candidate));
    // As cargo and clap: below it, words have little in common.
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}
