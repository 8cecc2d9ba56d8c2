//! As much of Clojure's notation as histories use: nil, truth, numbers, keywords, texts, vectors,
//! lists, sets, maps, comments. Tags are skipped; symbols and other numbers are kept as they stand.
//!
//! Source: the edn format, <https://github.com/edn-format/edn>.

use super::datum::Datum;

/// Nesting beyond this is nobody's history.
const DEPTH_MAX: usize = 64;

/// What was expected where, with the line counted from the start of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdnError {
    /// Lines before it.
    pub lines_before: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Reads one value and demands that nothing follows.
///
/// # Errors
/// Says what was expected, and at which column.
pub fn parse(text: &str) -> Result<Datum, EdnError> {
    let mut parser = Parser::new(text);
    let value = parser.value()?;
    parser.skip_space();
    if parser.is_at_end() { Ok(value) } else { Err(parser.expected("the end of the value")) }
}

/// A text and how far it has been read.
#[derive(Debug)]
pub struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Line breaks before `counted`.
    lines: usize,
    counted: usize,
}

impl<'a> Parser<'a> {
    /// At the start of a text.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0, lines: 0, counted: 0 }
    }

    /// Whether nothing is left; skip space before.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// How many lines lie before the next character.
    pub fn lines_before(&mut self) -> usize {
        self.lines += self.text[self.counted..self.at].matches('\n').count();
        self.counted = self.at;
        self.lines
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips white space, commas and comments.
    pub fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with(';') {
                break;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    /// The error of not finding `what` at the next character.
    pub fn expected(&mut self, what: &str) -> EdnError {
        let column = self.at - self.text[..self.at].rfind('\n').map_or(0, |before| before + 1) + 1;
        let message = if self.rest().is_empty() {
            format!("ends in the middle; expected {what}; the file may be truncated")
        } else {
            format!("malformed at column {column}; expected {what}")
        };
        EdnError { lines_before: self.lines_before(), message }
    }

    /// Takes the symbol if it is next.
    pub fn take(&mut self, symbol: char) -> bool {
        let there = self.rest().starts_with(symbol);
        if there {
            self.at += symbol.len_utf8();
        }
        there
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || ",;\"[]{}()".contains(c);
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    /// Reads the next value.
    ///
    /// # Errors
    /// Says what was expected, and at which column.
    pub fn value(&mut self) -> Result<Datum, EdnError> {
        self.nested(0)
    }

    fn nested(&mut self, depth: usize) -> Result<Datum, EdnError> {
        if depth > DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX}");
            return Err(EdnError { lines_before: self.lines_before(), message });
        }
        self.skip_space();
        if self.take('"') {
            return self.string();
        }
        for (open, close) in [('[', ']'), ('(', ')')] {
            if self.take(open) {
                return self.members(close, depth);
            }
        }
        if self.take('{') {
            return self.map(depth);
        }
        if self.take('#') {
            if self.take('{') {
                return self.members('}', depth);
            }
            self.word(); // a tag: what follows is what it tags
            return self.nested(depth + 1);
        }
        if self.take(':') {
            return Ok(Datum::Keyword(self.word().to_owned()));
        }
        Ok(match self.word() {
            "" => return Err(self.expected("a value")),
            "nil" => Datum::Nil,
            "true" => Datum::Bool(true),
            "false" => Datum::Bool(false),
            word => word.parse().map_or_else(|_| Datum::Other(word.to_owned()), Datum::Number),
        })
    }

    fn string(&mut self) -> Result<Datum, EdnError> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices();
        let end = loop {
            match characters.next() {
                Some((offset, '"')) => {
                    self.at += offset + 1;
                    return Ok(Datum::Text(text));
                }
                Some((_, '\\')) => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, escaped)) => text.push(escaped),
                    None => break self.rest().len(),
                },
                Some((offset, '\n')) => break offset,
                Some((_, plain)) => text.push(plain),
                None => break self.rest().len(),
            }
        };
        self.at += end;
        let lines_before = self.lines_before();
        let message =
            "line ends in the middle; expected a closing quote; the file may be truncated";
        Err(EdnError { lines_before, message: message.to_owned() })
    }

    fn members(&mut self, close: char, depth: usize) -> Result<Datum, EdnError> {
        let mut members = Vec::new();
        loop {
            self.skip_space();
            if self.take(close) {
                return Ok(Datum::Vector(members));
            }
            members.push(self.nested(depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Datum, EdnError> {
        let mut entries = Vec::new();
        loop {
            self.skip_space();
            if self.take('}') {
                return Ok(Datum::Map(entries));
            }
            let key = self.nested(depth + 1)?;
            self.skip_space();
            if self.rest().starts_with('}') {
                return Err(self.expected("a value for the last key"));
            }
            entries.push((key, self.nested(depth + 1)?));
        }
    }
}
