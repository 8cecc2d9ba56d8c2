//! As much of Clojure's notation as histories use: nil, numbers, keywords, texts, vectors, maps.

use std::collections::BTreeMap;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edn {
    /// `nil`.
    Nil,
    /// `17`.
    Number(i64),
    /// `:read`, without the colon.
    Keyword(String),
    /// `"x 0 0 y"`.
    Text(String),
    /// `[1 0]`.
    Vector(Vec<Edn>),
    /// `{:process 0}`; only keywords as keys.
    Map(BTreeMap<String, Edn>),
}

/// Nesting beyond this is nobody's history.
const DEPTH_MAX: usize = 16;

/// Reads one value and demands that nothing follows.
///
/// # Errors
/// Says what was expected, and at which column.
pub fn parse(text: &str) -> Result<Edn, String> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.at == text.len() { Ok(value) } else { Err(parser.expected("end of line")) }
}

/// A text and how far it has been read.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        self.at += rest.len() - trimmed.len();
    }

    fn expected(&self, what: &str) -> String {
        if self.rest().is_empty() {
            format!("line ends in the middle; expected {what}; the file may be truncated")
        } else {
            format!("malformed at column {}; expected {what}", self.at + 1)
        }
    }

    fn take(&mut self, symbol: char) -> bool {
        let there = self.rest().starts_with(symbol);
        if there {
            self.at += symbol.len_utf8();
        }
        there
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | '}' | ']' | '{' | '[' | '"'))
            .unwrap_or(rest.len());
        let word = rest[..end].to_owned();
        self.at += end;
        word
    }

    fn value(&mut self, depth: usize) -> Result<Edn, String> {
        if depth > DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX}"));
        }
        self.skip_space();
        if self.take('"') {
            return self.string();
        }
        if self.take('[') {
            return self.vector(depth);
        }
        if self.take('{') {
            return self.map(depth);
        }
        if self.take(':') {
            return Ok(Edn::Keyword(self.word()));
        }
        let start = self.at;
        match self.word().as_str() {
            "nil" => Ok(Edn::Nil),
            word => word.parse().map(Edn::Number).map_err(|_| {
                self.at = start;
                self.expected("a value")
            }),
        }
    }

    fn string(&mut self) -> Result<Edn, String> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += offset + 1;
                    return Ok(Edn::Text(text));
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, escaped)) => text.push(escaped),
                    None => break,
                },
                plain => text.push(plain),
            }
        }
        self.at = self.text.len();
        Err(self.expected("a closing quote"))
    }

    fn vector(&mut self, depth: usize) -> Result<Edn, String> {
        let mut values = Vec::new();
        loop {
            self.skip_space();
            if self.take(']') {
                return Ok(Edn::Vector(values));
            }
            values.push(self.value(depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Edn, String> {
        let mut entries = BTreeMap::new();
        loop {
            self.skip_space();
            if self.take('}') {
                return Ok(Edn::Map(entries));
            }
            let Edn::Keyword(key) = self.value(depth + 1)? else {
                return Err(self.expected("a keyword as key"));
            };
            entries.insert(key, self.value(depth + 1)?);
        }
    }
}
