//! From text to graph, with the place of whatever is wrong.
//!
//! Binding, weakest first: `+ −`, `* /`, unary `−`, `^`. Powers group to the right and a sign before a power belongs to all of
//! it, as in mathematics: `-x^2 = −(x²)`, `2^-x`, `2^3^2 = 2^9`.

use super::function::{Binary, CONSTANTS, FUNCTIONS, Function, Unary};
use super::graph::{Graph, Id};
use crate::error::{Error, Result};

/// Longest text (bytes).
pub(super) const LONGEST: usize = 10_000;
/// Deepest nesting of parentheses, signs and powers.
const DEEPEST: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'t> {
    Number(f64),
    Name(&'t str),
    Symbol(char),
    End,
}

struct Parser<'t> {
    text: &'t str,
    /// Names of the variables, with their numbers; several names may stand for one.
    variables: &'t [(&'t str, usize)],
    /// What comes next, where it begins and where it ends.
    token: Token<'t>,
    start: usize,
    end: usize,
    depth: usize,
    graph: Graph,
}

/// The graph of `text` and its root.
pub(super) fn parse(text: &str, variables: &[(&str, usize)]) -> Result<(Graph, Id)> {
    if text.len() > LONGEST {
        return Err(Error::Formula {
            text: text.to_owned(),
            at: LONGEST,
            found: format!("{} bytes", text.len()),
            expected: format!("at most {LONGEST}"),
        });
    }
    let graph = Graph::default();
    let mut parser = Parser { text, variables, token: Token::End, start: 0, end: 0, depth: 0, graph };
    parser.advance()?;
    let root = parser.sum()?;
    if parser.token != Token::End {
        let expected = match parser.token {
            Token::Symbol(')') => "no ) without a ( before it",
            Token::Symbol(',') => "no comma outside the arguments of a function",
            _ => "an operator (+ - * / ^) or the end",
        };
        return Err(parser.error(expected));
    }
    Ok((parser.graph, root))
}

impl<'t> Parser<'t> {
    /// What stands at the present place is not what was `expected`.
    fn error(&self, expected: impl Into<String>) -> Error {
        let found =
            if self.token == Token::End { "the end".to_owned() } else { self.text[self.start..self.end].to_owned() };
        Error::Formula { text: self.text.to_owned(), at: self.start, found, expected: expected.into() }
    }

    fn advance(&mut self) -> Result<()> {
        let rest = &self.text[self.end..];
        self.start = self.end + (rest.len() - rest.trim_start().len());
        let rest = &self.text[self.start..];
        let Some(first) = rest.chars().next() else {
            (self.token, self.end) = (Token::End, self.start);
            return Ok(());
        };
        let length = if first.is_ascii_digit() || first == '.' {
            number(rest)
        } else if first.is_alphabetic() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("**") {
            2
        } else {
            first.len_utf8()
        };
        self.end = self.start + length;
        let word = &rest[..length];
        self.token = match first {
            '0'..='9' | '.' => {
                let value = word.parse().unwrap_or(f64::NAN);
                self.token = Token::Number(value);
                if !f64::is_finite(value) {
                    return Err(self.error("a finite number, as 0.5 or 1e-3"));
                }
                Token::Number(value)
            }
            _ if first.is_alphabetic() || first == '_' => Token::Name(word),
            '*' if length == 2 => Token::Symbol('^'),
            '−' => Token::Symbol('-'),
            '·' => Token::Symbol('*'),
            '+' | '-' | '*' | '/' | '^' | '(' | ')' | ',' => Token::Symbol(first),
            _ => {
                self.token = Token::Symbol(first);
                return Err(self.error("numbers, names, + - * / ^ ( ) and commas"));
            }
        };
        Ok(())
    }

    /// Goes on if `symbol` comes next.
    fn take(&mut self, symbol: char) -> Result<bool> {
        let is = self.token == Token::Symbol(symbol);
        if is {
            self.advance()?;
        }
        Ok(is)
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(format!("at most {DEEPEST} levels of parentheses, signs and powers")));
        }
        Ok(())
    }

    fn sum(&mut self) -> Result<Id> {
        let mut left = self.product()?;
        loop {
            let operation = match self.token {
                Token::Symbol('+') => Binary::Add,
                Token::Symbol('-') => Binary::Subtract,
                _ => break,
            };
            self.advance()?;
            let right = self.product()?;
            left = self.graph.binary(operation, left, right);
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Id> {
        let mut left = self.signed()?;
        loop {
            let operation = match self.token {
                Token::Symbol('*') => Binary::Multiply,
                Token::Symbol('/') => Binary::Divide,
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.signed()?;
            left = self.graph.binary(operation, left, right);
        }
    }

    fn signed(&mut self) -> Result<Id> {
        self.deeper()?;
        let result = if self.take('-')? {
            let operand = self.signed()?;
            self.graph.negative(operand)
        } else if self.take('+')? {
            self.signed()?
        } else {
            let base = self.atom()?;
            if self.take('^')? {
                let exponent = self.signed()?;
                self.graph.binary(Binary::Power, base, exponent)
            } else {
                base
            }
        };
        self.depth -= 1;
        Ok(result)
    }

    fn atom(&mut self) -> Result<Id> {
        match self.token {
            Token::Number(value) => {
                self.advance()?;
                Ok(self.graph.number(value))
            }
            Token::Symbol('(') => {
                self.advance()?;
                let inner = self.sum()?;
                self.close()?;
                Ok(inner)
            }
            Token::Name(name) => self.name(name),
            Token::Symbol(_) | Token::End => Err(self.error("a number, a name or (")),
        }
    }

    fn close(&mut self) -> Result<()> {
        if self.take(')')? { Ok(()) } else { Err(self.error("an operator (+ - * / ^) or )")) }
    }

    fn name(&mut self, name: &str) -> Result<Id> {
        if let Some(&(_, variable)) = self.variables.iter().find(|(known, _)| *known == name) {
            self.advance()?;
            return Ok(self.graph.variable(variable));
        }
        if let Some(&(_, value)) = CONSTANTS.iter().find(|(known, _)| *known == name) {
            self.advance()?;
            return Ok(self.graph.number(value));
        }
        let Some(&(_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
            return Err(self.error(self.names(name)));
        };
        self.advance()?;
        if !self.take('(')? {
            return Err(self.error(format!("( after {name}")));
        }
        let first = self.sum()?;
        let result = match function {
            Function::One(operation) => self.graph.unary(operation, first),
            Function::Gelu => {
                let cdf = self.graph.unary(Unary::NormalCdf, first);
                self.graph.binary(Binary::Multiply, first, cdf)
            }
            Function::Two(operation) => {
                if !self.take(',')? {
                    return Err(self.error(format!("a comma and the second argument of {name}")));
                }
                let second = self.sum()?;
                self.graph.binary(operation, first, second)
            }
        };
        if self.token == Token::Symbol(',') {
            return Err(self.error(format!(") after the argument of {name}")));
        }
        self.close()?;
        Ok(result)
    }

    /// The names there are, and the one most like `name`.
    fn names(&self, name: &str) -> String {
        let known = || {
            let constants = CONSTANTS.iter().map(|(known, _)| *known).filter(|&known| known.is_ascii());
            let functions = FUNCTIONS.iter().map(|(known, _)| *known);
            self.variables.iter().map(|(known, _)| *known).chain(constants).chain(functions)
        };
        let list = |names: &mut dyn Iterator<Item = &'t str>| names.collect::<Vec<_>>().join(", ");
        let nearest = known().min_by_key(|known| distance(name, known));
        let hint = match nearest.filter(|known| distance(name, known) <= 1 + name.chars().count() / 4) {
            Some(nearest) => format!("{nearest}? There are "),
            None => String::new(),
        };
        let variables = match self.variables {
            [] => "no variables".into(),
            some => format!("the variables {}", list(&mut some.iter().map(|(known, _)| *known))),
        };
        let functions = list(&mut FUNCTIONS.iter().map(|(known, _)| *known));
        format!("{hint}{variables}; the constants pi, e; the functions {functions}")
    }
}

/// Bytes of the number at the beginning: digits, a point, an exponent if digits follow it.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits((end + 1 + sign).min(bytes.len()));
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}

/// Edits between two words (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row.last().copied().unwrap_or(0)
}
