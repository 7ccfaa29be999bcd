//! The text of a problem file and the settings made on top of it.

use std::fmt::Write;

use toml::de::{DeTable, DeValue};

use super::error::InputError;
use super::tree::{Node, Place, Value};

/// A text that errors quote.
#[derive(Debug, Clone, PartialEq)]
struct Source {
    name: String,
    text: String,
    setting: bool,
}

/// `key = value`, both as TOML.
#[derive(Debug, Clone, PartialEq)]
struct Setting {
    path: Vec<String>,
    value: String,
}

/// A parsed problem file, and the settings made on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    sources: Vec<Source>,
    /// Bytes of the file before its `[set]`.
    given: usize,
    settings: Vec<Setting>,
    pub(super) root: Node,
}

impl Document {
    /// Parses `text`; `name` stands in error messages.
    ///
    /// A table `[set]`, which must be the last, holds settings: `"problem.epsilon" = 0.1` replaces what stands above.
    ///
    /// # Errors
    /// [`InputError`] with the place, if it is not TOML.
    pub fn parse(text: &str, name: &str) -> Result<Self, InputError> {
        let source = Source { name: name.into(), text: text.into(), setting: false };
        let blank = Node { at: Place::default(), value: Value::Table(Vec::new()) };
        let mut this = Self { sources: vec![source], given: text.len(), settings: Vec::new(), root: blank };
        let table = DeTable::parse(text).map_err(|error| this.syntax(0, &error))?;
        this.root = Node::table(table.get_ref(), Place { source: 0, start: 0, end: 0 });
        this.take_settings()?;
        Ok(this)
    }

    fn syntax(&self, source: usize, error: &toml::de::Error) -> InputError {
        let span = error.span().unwrap_or(0..0);
        self.error(Place { source, start: span.start, end: span.end }, format!("not TOML: {}", error.message()))
    }

    /// Applies the table `[set]`, if there is one.
    fn take_settings(&mut self) -> Result<(), InputError> {
        let Some(entry) = self.root.get("set").cloned() else { return Ok(()) };
        let text = self.sources.first().map_or("", |source| &source.text);
        let start = text.get(..entry.at.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let header = text.get(start..).is_some_and(|line| line.trim_start().starts_with("[set]"));
        let Value::Table(last) = &self.root.value else { return Ok(()) };
        let is_last =
            last.iter().all(|other| other.at.start <= entry.at.start && other.node.at.start <= entry.at.start);
        if !header || !is_last {
            return Err(self
                .error(entry.at, "`set` is the table of settings".into())
                .detail("expected [set] after everything else, with lines such as \"problem.epsilon\" = 0.1"));
        }
        self.given = start;
        if let Value::Table(entries) = &mut self.root.value {
            entries.retain(|entry| entry.key != "set");
        }
        let Value::Table(settings) = entry.node.value else { return Ok(()) };
        for setting in settings {
            // The dots inside a quoted key lead deeper.
            let parts = self.path(&setting.key, setting.at)?;
            let value = self.slice(setting.node.at).to_string();
            self.apply(parts, setting.node, value)?;
        }
        Ok(())
    }

    /// The parts of a dotted key, each said to stand at `at`.
    fn path(&self, key: &str, at: Place) -> Result<Vec<(String, Place)>, InputError> {
        let bad = || {
            self.error(at, format!("`{key}` is not a key")).detail("expected parts joined by dots, as problem.epsilon")
        };
        let line = format!("{key} = 0");
        let table = DeTable::parse(&line).map_err(|_| bad())?;
        let mut node = Node::table(table.get_ref(), at);
        let mut parts = Vec::new();
        while let Value::Table(entries) = node.value {
            let [entry] = <[_; 1]>::try_from(entries).map_err(|_| bad())?;
            parts.push((entry.key, at));
            node = entry.node;
        }
        // Nothing but the key stands before the value.
        if node.at.start + 1 == line.len() { Ok(parts) } else { Err(bad()) }
    }

    fn apply(&mut self, parts: Vec<(String, Place)>, node: Node, value: String) -> Result<(), InputError> {
        if let Err(depth) = self.root.put(&parts, node) {
            let at = parts.get(depth).map_or(Place::default(), |(_, at)| *at);
            let (inside, outside) = (parts.get(depth), parts.get(..depth).unwrap_or_default());
            let outside: Vec<&str> = outside.iter().map(|(key, _)| &**key).collect();
            let key = inside.map_or("", |(key, _)| key);
            return Err(self
                .error(at, format!("no `{key}` in {}", outside.join(".")))
                .detail("expected the path of a key in tables, or of an entry of a list by its number from 0"));
        }
        let path: Vec<String> = parts.into_iter().map(|(key, _)| key).collect();
        self.settings.retain(|setting| setting.path != path);
        self.settings.push(Setting { path, value });
        Ok(())
    }

    /// Sets `key` (dotted; parts may be quoted; numbers count in lists, from 0) to `value`, which is TOML or else a string. Tables on
    /// the way are made. A key takes the place of those that it cannot stand beside (`time.every` of `time.outputs`).
    ///
    /// # Errors
    /// [`InputError`] that quotes the setting.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), InputError> {
        let (key, value) = (key.trim(), value.trim());
        let prefix = format!("--set {key}=");
        let source = self.sources.len();
        let name = format!("--set {key}");
        self.sources.push(Source { name, text: format!("{prefix}{value}"), setting: true });
        let of_key = Place { source, start: "--set ".len(), end: prefix.len() - 1 };
        let parts = self.path(key, of_key)?;
        let mut at = Place { source, start: prefix.len(), end: prefix.len() + value.len() };
        let (node, text) = match DeValue::parse(value) {
            Ok(parsed) => {
                let mut node = Node::new(&parsed, source);
                shift(&mut node, prefix.len());
                (node, value.to_string())
            }
            Err(error) if value.is_empty() || value.starts_with(['"', '\'', '[', '{']) => {
                let span = error.span().unwrap_or(0..0);
                (at.start, at.end) = (prefix.len() + span.start, prefix.len() + span.end);
                return Err(self.error(at, format!("not TOML: {}", error.message())));
            }
            _ => (Node { at, value: Value::Text(value.into()) }, quoted(value)),
        };
        self.apply(parts, node, text)
    }

    /// The table `[sweep]`: the keys, in order, and the values of each as TOML.
    ///
    /// # Errors
    /// [`InputError`] for what is not a list, and for empty ones.
    pub fn sweep(&self) -> Result<Vec<(String, Vec<String>)>, InputError> {
        let mut found = Vec::new();
        let Some(entry) = self.root.get("sweep") else { return Ok(found) };
        let Value::Table(_) = entry.node.value else {
            return Err(self.bad_sweep(&entry.node, "sweep", "a table such as \"problem.epsilon\" = [1.0, 0.1]"));
        };
        self.collect_sweep(&entry.node, "", &mut found)?;
        Ok(found)
    }

    fn collect_sweep(&self, node: &Node, path: &str, out: &mut Vec<(String, Vec<String>)>) -> Result<(), InputError> {
        match &node.value {
            Value::Table(entries) => entries.iter().try_for_each(|entry| {
                // What dots outside of quotes have made is one path again.
                let key = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", bare(&entry.key)) };
                self.path(&key, entry.at)?;
                self.collect_sweep(&entry.node, &key, out)
            }),
            Value::List(values) if !values.is_empty() => {
                out.push((path.into(), values.iter().map(|value| self.slice(value.at).to_string()).collect()));
                Ok(())
            }
            _ => Err(self.bad_sweep(node, path, "a list of values, at least one")),
        }
    }

    fn bad_sweep(&self, node: &Node, path: &str, expected: &str) -> InputError {
        self.error(node.at, format!("bad value of `{path}` in [sweep]"))
            .detail(format!("found {}, expected {expected}", node.describe()))
    }

    /// The statement as one file: the text as it was given and the settings as its table `[set]`. Parses back to the same case.
    pub fn problem_text(&self) -> String {
        let file = self.sources.first().map_or("", |source| &source.text);
        let mut text = file.get(..self.given).unwrap_or(file).to_string();
        if self.settings.is_empty() {
            return text;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(if text.ends_with("\n\n") || text.is_empty() { "[set]\n" } else { "\n[set]\n" });
        for Setting { path, value } in &self.settings {
            let path: Vec<String> = path.iter().map(|part| bare(part)).collect();
            let _ = writeln!(text, "{} = {value}", quoted(&path.join(".")));
        }
        text
    }

    /// The text between two places.
    pub(super) fn slice(&self, at: Place) -> &str {
        self.sources.get(at.source).and_then(|source| source.text.get(at.start..at.end)).unwrap_or("")
    }

    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        self.sources.first().map_or("", |source| &source.name)
    }

    /// An error at a place of the text.
    pub(super) fn error(&self, at: Place, message: String) -> InputError {
        let Some(source) = self.sources.get(at.source) else { return InputError::new(self.name(), message) };
        let text = &source.text;
        let mut start = at.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = text.get(..start).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = text.get(line_start..).unwrap_or("").lines().next().unwrap_or("");
        let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
        let meant = text.get(start..at.end.max(start)).or(text.get(start..)).unwrap_or("");
        let meant = meant.lines().next().unwrap_or("").chars().count();
        let number = if source.setting { 0 } else { before.matches('\n').count() + 1 };
        InputError {
            place: Some((number, column)),
            source_line: line.into(),
            width: meant.max(1),
            ..InputError::new(source.name.clone(), message)
        }
    }
}

/// Moves all places of a node.
fn shift(node: &mut Node, by: usize) {
    (node.at.start, node.at.end) = (node.at.start + by, node.at.end + by);
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Table(entries) => {
            for entry in entries {
                (entry.at.start, entry.at.end) = (entry.at.start + by, entry.at.end + by);
                shift(&mut entry.node, by);
            }
        }
        _ => {}
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A part of a dotted key.
fn bare(part: &str) -> String {
    let plain = !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain { part.into() } else { quoted(part) }
}
