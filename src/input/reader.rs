//! Typed views of the parsed text: values within ranges, and tables that know which keys were asked for.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use ndarray::Array2;

use super::document::Document;
use super::error::{InputError, nearest};
use super::tree::{Entry, Node, Place, Value, number_text};

pub(super) type Read<T> = Result<T, InputError>;

/// The numbers allowed.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub text: &'static str,
    pub holds: fn(f64) -> bool,
}

pub(super) const FINITE: Range = Range { text: "a finite number", holds: f64::is_finite };
pub(super) const POSITIVE: Range = Range { text: "a finite number above 0", holds: |x| x > 0.0 && x.is_finite() };
pub(super) const NONNEGATIVE: Range = Range { text: "a finite number ≥ 0", holds: |x| x >= 0.0 && x.is_finite() };
pub(super) const SHARE: Range = Range { text: "a number from 0 to 1", holds: |x| (0.0..=1.0).contains(&x) };
pub(super) const TOLERANCE: Range = Range { text: "a number from 1e-14 to 0.1", holds: |x| (1e-14..=0.1).contains(&x) };

/// A value and its path.
#[derive(Clone)]
pub(super) struct Item<'d> {
    pub doc: &'d Document,
    pub node: &'d Node,
    pub path: String,
}

impl<'d> Item<'d> {
    /// "bad value of …: found …, expected …", at the value.
    pub fn expected(&self, expected: &str) -> InputError {
        // Numbers as they were written.
        let written = self.doc.slice(self.node.at);
        let found = if self.is_number() && !written.is_empty() { written.into() } else { self.node.describe() };
        self.doc
            .error(self.node.at, format!("bad value of `{}`", self.path))
            .detail(format!("found {found}, expected {expected}"))
    }

    /// Another message at the value.
    pub fn error(&self, message: impl Into<String>) -> InputError {
        self.doc.error(self.node.at, message.into())
    }

    pub fn number(&self, range: Range) -> Read<f64> {
        let number = match self.node.value {
            Value::Float(number) => number,
            Value::Integer(Some(number)) => number as f64,
            _ => return Err(self.expected(range.text)),
        };
        if (range.holds)(number) { Ok(number) } else { Err(self.expected(range.text)) }
    }

    /// A whole number, also if it is written like `1e4`.
    pub fn count(&self, range: RangeInclusive<usize>) -> Read<usize> {
        let bad = || self.expected(&format!("a whole number from {} to {}", range.start(), short(*range.end())));
        let number = match self.node.value {
            Value::Integer(Some(number)) => usize::try_from(number).ok(),
            // Whole numbers up to 2^53 are exact.
            Value::Float(number) if number.fract() == 0.0 && (0.0..=9.007e15).contains(&number) => {
                Some(number as usize)
            }
            _ => None,
        };
        number.filter(|number| range.contains(number)).ok_or_else(bad)
    }

    pub fn seed(&self) -> Read<u64> {
        match self.node.value {
            Value::Integer(Some(number)) => u64::try_from(number).ok(),
            _ => None,
        }
        .ok_or_else(|| self.expected("a whole number from 0 to 2^64 - 1"))
    }

    pub fn flag(&self) -> Read<bool> {
        match self.node.value {
            Value::Boolean(flag) => Ok(flag),
            _ => Err(self.expected("true or false")),
        }
    }

    pub fn as_text(&self) -> Option<&'d str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self.node.value, Value::Integer(_) | Value::Float(_))
    }

    pub fn is_table(&self) -> bool {
        matches!(self.node.value, Value::Table(_))
    }

    pub fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// One of some names.
    pub fn choice<T: Clone>(&self, choices: &[(&str, T)]) -> Read<T> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let expected = format!("one of \"{}\"", names.join("\", \""));
        let text = self.as_text().ok_or_else(|| self.expected(&expected))?;
        let chosen = choices.iter().find(|(name, _)| same_name(text, name));
        chosen
            .map(|(_, value)| value.clone())
            .ok_or_else(|| self.expected(&expected).suggest(nearest(text, names.iter().copied())))
    }

    /// A list that is not empty.
    pub fn list(&self, expected: &str) -> Read<Vec<Item<'d>>> {
        match &self.node.value {
            Value::List(items) if !items.is_empty() => Ok(self.entries(items)),
            _ => Err(self.expected(expected)),
        }
    }

    /// A list, or one thing, which is a list of one.
    pub fn one_or_more(&self, expected: &str) -> Read<Vec<Item<'d>>> {
        if self.is_list() { self.list(expected) } else { Ok(vec![self.clone()]) }
    }

    fn entries(&self, items: &'d [Node]) -> Vec<Item<'d>> {
        let item = |(k, node)| Item { doc: self.doc, node, path: format!("{}[{k}]", self.path) };
        items.iter().enumerate().map(item).collect()
    }

    pub fn numbers(&self, range: Range) -> Read<Vec<f64>> {
        let expected = format!("a list whose entries are each {}", range.text);
        self.list(&expected)?.iter().map(|item| item.number(range)).collect()
    }

    /// Rows of one length.
    pub fn matrix(&self) -> Read<Array2<f64>> {
        let expected = "a list of rows, as [[1.0, 0.0], [0.0, 1.0]]";
        let rows = self.list(expected)?;
        let (mut values, mut columns) = (Vec::new(), None);
        for row in &rows {
            let numbers = row.numbers(FINITE)?;
            if *columns.get_or_insert(numbers.len()) != numbers.len() {
                return Err(row.expected(&format!("a row of {}, as the one before", columns.unwrap_or(0))));
            }
            values.extend(numbers);
        }
        Array2::from_shape_vec((rows.len(), columns.unwrap_or(0)), values).map_err(|_| self.expected(expected))
    }

    pub fn table(&self, expected: &str) -> Read<Table<'d>> {
        match &self.node.value {
            Value::Table(entries) => Ok(Table {
                doc: self.doc,
                at: self.node.at,
                entries,
                path: self.path.clone(),
                asked: RefCell::new(Vec::new()),
            }),
            _ => Err(self.expected(expected)),
        }
    }
}

/// Names may be written with `_` for `-`.
pub(super) fn same_name(found: &str, name: &str) -> bool {
    found == name || (found.contains('_') && found.replace('_', "-") == name)
}

/// Powers of two as such.
fn short(number: usize) -> String {
    if number > 1 << 20 && number.is_power_of_two() {
        format!("2^{}", number.ilog2())
    } else {
        number_text(number as f64)
    }
}

/// A table, and which of its keys were asked for.
pub(super) struct Table<'d> {
    pub doc: &'d Document,
    pub at: Place,
    entries: &'d [Entry],
    pub path: String,
    asked: RefCell<Vec<&'static str>>,
}

impl<'d> Table<'d> {
    pub fn root(doc: &'d Document) -> Self {
        let entries: &[Entry] = match &doc.root.value {
            Value::Table(entries) => entries,
            _ => &[],
        };
        Self { doc, at: doc.root.at, entries, path: String::new(), asked: RefCell::new(Vec::new()) }
    }

    fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    fn path_of(&self, key: &str) -> String {
        if self.is_root() { key.into() } else { format!("{}.{key}", self.path) }
    }

    fn shown(&self) -> String {
        if self.is_root() { String::new() } else { format!(" in [{}]", self.path) }
    }

    /// An error at the head of the table.
    pub fn error(&self, message: impl Into<String>) -> InputError {
        if self.is_root() { InputError::new(self.doc.name(), message) } else { self.doc.error(self.at, message.into()) }
    }

    /// An error that is about the table, at `key` if that is there.
    pub fn error_at(&self, key: &str, message: impl Into<String>) -> InputError {
        match self.entries.iter().find(|entry| entry.key == key) {
            Some(entry) => self.doc.error(entry.node.at, message.into()),
            None => self.error(message),
        }
    }

    pub fn get(&self, key: &'static str) -> Option<Item<'d>> {
        self.asked.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Item { doc: self.doc, node: &entry.node, path: self.path_of(key) })
    }

    pub fn need(&self, key: &'static str, expected: &str) -> Read<Item<'d>> {
        self.get(key).ok_or_else(|| self.missing(key, expected))
    }

    /// What is said of a key that is not there, or is misspelt.
    pub fn missing(&self, key: &'static str, expected: &str) -> InputError {
        let error = match self.misspelt(&[key]) {
            Some(error) => error,
            None => self.error(format!("missing key `{key}`{}", self.shown())),
        };
        error.detail(format!("expected `{key}`: {expected}"))
    }

    /// A key that nobody has asked for yet and that is nearly one of these.
    fn misspelt(&self, keys: &[&'static str]) -> Option<InputError> {
        let asked = self.asked.borrow();
        let mut strange = self.entries.iter().filter(|entry| !asked.contains(&&*entry.key));
        strange.find_map(|entry| Some(self.unknown(entry, Some(nearest(&entry.key, keys.iter().copied())?))))
    }

    /// Reports keys that are none of these.
    pub fn only(&self, keys: &[&str]) -> Read<()> {
        let mut strange = self.entries.iter().filter(|entry| !keys.contains(&&*entry.key));
        let Some(entry) = strange.next() else { return Ok(()) };
        let error = self.unknown(entry, nearest(&entry.key, keys.iter().copied()));
        Err(error.detail(format!("expected one of `{}`", keys.join("`, `"))))
    }

    pub fn number(&self, key: &'static str, range: Range) -> Read<f64> {
        self.need(key, range.text)?.number(range)
    }

    pub fn number_or(&self, key: &'static str, default: f64, range: Range) -> Read<f64> {
        self.get(key).map_or(Ok(default), |item| item.number(range))
    }

    pub fn count(&self, key: &'static str, range: RangeInclusive<usize>) -> Read<usize> {
        self.need(key, "a whole number")?.count(range)
    }

    pub fn count_or(&self, key: &'static str, default: usize, range: RangeInclusive<usize>) -> Read<usize> {
        self.get(key).map_or(Ok(default), |item| item.count(range))
    }

    pub fn flag_or(&self, key: &'static str, default: bool) -> Read<bool> {
        self.get(key).map_or(Ok(default), |item| item.flag())
    }

    pub fn seed_or(&self, default: u64) -> Read<u64> {
        self.get("seed").map_or(Ok(default), |item| item.seed())
    }

    pub fn choice_or<T: Clone>(&self, key: &'static str, default: T, choices: &[(&str, T)]) -> Read<T> {
        self.get(key).map_or(Ok(default), |item| item.choice(choices))
    }

    /// The table under `key`, if it is there.
    pub fn table(&self, key: &'static str) -> Read<Option<Table<'d>>> {
        self.get(key).map(|item| item.table("a table")).transpose()
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Exactly one of these.
    pub fn one_of(&self, keys: &[&'static str]) -> Read<Item<'d>> {
        self.at_most_one_of(keys)?.ok_or_else(|| {
            let error = self.misspelt(keys).unwrap_or_else(|| self.error(format!("missing key{}", self.shown())));
            error.detail(format!("expected one of `{}`", keys.join("`, `")))
        })
    }

    /// One of these, or none.
    pub fn at_most_one_of(&self, keys: &[&'static str]) -> Read<Option<Item<'d>>> {
        let found: Vec<Item<'d>> = keys.iter().filter_map(|key| self.get(key)).collect();
        match &found[..] {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            [one, other, ..] => Err(other
                .error(format!("`{}` beside `{}`", other.path, one.path))
                .detail(format!("expected one of `{}` alone", keys.join("`, `")))),
        }
    }

    fn unknown(&self, entry: &Entry, suggestion: Option<&str>) -> InputError {
        self.doc.error(entry.at, format!("unknown key `{}`{}", entry.key, self.shown())).suggest(suggestion)
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) -> Read<()> {
        let mut asked = self.asked.borrow().clone();
        asked.sort_unstable();
        asked.dedup();
        let expected = format!("expected one of `{}`", asked.join("`, `"));
        let strange = self.entries.iter().filter(|entry| !asked.contains(&&*entry.key));
        let mut errors = strange.map(|entry| {
            let suggestion = nearest(&entry.key, asked.iter().copied());
            self.unknown(entry, suggestion).detail(expected.clone())
        });
        match errors.next() {
            Some(first) => Err(InputError { others: errors.collect(), ..first }),
            None => Ok(()),
        }
    }
}
