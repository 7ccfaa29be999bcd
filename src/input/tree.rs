//! The parsed text as a tree that knows where each part stands, also after settings were made.

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// Bytes of one of the sources of a document: 0 is the file, others are settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub at: Place,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// `None`: beyond 128 bits.
    Integer(Option<i128>),
    Float(f64),
    Boolean(bool),
    Date,
    List(Vec<Node>),
    /// In the order of the text.
    Table(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub at: Place,
    pub node: Node,
}

/// Keys of one table of which only one may be there.
const EXCLUSIVE: [&[&str]; 4] = [
    &["outputs", "every", "outputs_per_decade"],
    &["rate", "every", "staggered"],
    &["learning_rate", "step", "steps_per_selection"],
    &["fraction", "quantile_fraction"],
];

fn integer(value: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(&value.as_str().replace('_', ""), value.radix()).ok()
}

impl Node {
    pub fn new(value: &Spanned<DeValue<'_>>, source: usize) -> Self {
        let at = Place { source, start: value.span().start, end: value.span().end };
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => Value::Integer(integer(number)),
            DeValue::Float(number) => Value::Float(number.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(items) => Value::List(items.iter().map(|item| Self::new(item, source)).collect()),
            DeValue::Table(table) => return Self::table(table, at),
        };
        Self { at, value }
    }

    pub fn table(table: &DeTable<'_>, at: Place) -> Self {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| {
                let (span, node) = (key.span(), Self::new(value, at.source));
                let at = Place { source: at.source, start: span.start, end: span.end };
                Entry { key: key.get_ref().to_string(), at, node }
            })
            .collect();
        entries.sort_by_key(|entry| entry.at.start);
        Self { at, value: Value::Table(entries) }
    }

    /// What it is, for people.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Text(text) if text.chars().count() > 40 => {
                format!("the string \"{}…\"", text.chars().take(39).collect::<String>().escape_debug())
            }
            Value::Text(text) => format!("the string \"{}\"", text.escape_debug()),
            Value::Integer(Some(number)) => number.to_string(),
            Value::Integer(None) => "an integer beyond 128 bits".into(),
            Value::Float(number) => number_text(*number),
            Value::Boolean(flag) => flag.to_string(),
            Value::Date => "a date".into(),
            Value::List(items) if items.is_empty() => "an empty list".into(),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Table(_) => "a table".into(),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Puts `node` where `path` leads, and makes the tables on the way.
    ///
    /// # Errors
    /// The number of the part of the path at which something stands that has no such part.
    pub fn put(&mut self, path: &[(String, Place)], node: Node) -> Result<(), usize> {
        let Some(((key, at), rest)) = path.split_first() else {
            *self = node;
            return Ok(());
        };
        let deeper = |depth: usize| depth + 1;
        match &mut self.value {
            Value::Table(entries) => {
                if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
                    return entry.node.put(rest, node).map_err(deeper);
                }
                let mut made = Node { at: *at, value: Value::Table(Vec::new()) };
                made.put(rest, node).map_err(deeper)?;
                // A setting takes the place of what it cannot stand beside.
                let rivals = |other: &str| EXCLUSIVE.iter().any(|keys| keys.contains(&&**key) && keys.contains(&other));
                entries.retain(|entry| !rivals(&entry.key));
                entries.push(Entry { key: key.clone(), at: *at, node: made });
                Ok(())
            }
            Value::List(items) => match key.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                Some(item) => item.put(rest, node).map_err(deeper),
                None => Err(0),
            },
            _ => Err(0),
        }
    }
}

/// As short as it parses back, with an exponent where that is shorter.
pub(super) fn number_text(number: f64) -> String {
    let (plain, scientific) = (format!("{number}"), format!("{number:e}"));
    if plain.len() <= scientific.len() + 2 { plain } else { scientific }
}
