//! Keys and values: small copyable tokens, and the table of names for those that were text.

use std::collections::BTreeMap;
use std::fmt;

/// A key or a value of a history.
///
/// The search only ever compares tokens, so text is replaced by its number in a [`Names`] table
/// when a history is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Token {
    /// A number that stands for itself.
    Number(i64),
    /// The text of that index in the history's [`Names`].
    Text(u32),
    /// Any value that no operation of the partition can tell from another. Only the search makes
    /// it; it is in no history.
    Unobserved,
}

impl From<i64> for Token {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// The texts behind [`Token::Text`].
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Every text once, by index.
    texts: Vec<String>,
    /// The index of each text.
    indexes: BTreeMap<String, u32>,
}

impl Names {
    /// The token of a text; the same text always gets the same token.
    ///
    /// # Panics
    /// Beyond `u32::MAX` distinct texts, which no machine can hold.
    pub fn token(&mut self, text: &str) -> Token {
        if let Some(index) = self.indexes.get(text) {
            return Token::Text(*index);
        }
        let index = u32::try_from(self.texts.len()).expect("2^32 texts do not fit in memory");
        self.texts.push(text.to_owned());
        self.indexes.insert(text.to_owned(), index);
        Token::Text(index)
    }

    /// The text of a token, when it stands for one.
    #[must_use]
    pub fn text(&self, token: Token) -> Option<&str> {
        match token {
            Token::Text(index) => self.texts.get(index as usize).map(String::as_str),
            Token::Number(_) | Token::Unobserved => None,
        }
    }

    /// A token as a person reads it.
    #[must_use]
    pub fn show(&self, token: Token) -> Shown<'_> {
        Shown { names: self, token }
    }
}

/// Displays a token with its text.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Where texts are looked up.
    names: &'a Names,
    /// What is shown.
    token: Token,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.token {
            Token::Number(number) => write!(formatter, "{number}"),
            Token::Text(_) => {
                formatter.write_str(self.names.text(self.token).unwrap_or("(nameless)"))
            }
            Token::Unobserved => formatter.write_str("(a value nobody observed)"),
        }
    }
}
