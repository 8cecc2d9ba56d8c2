//! A place in an expression, and what conditions and projections have in common: paths, and errors.
//!
//! Errors of syntax come before errors of meaning anywhere in the text, so the first of the latter
//! is remembered until the end of the text is reached.

use super::placeholders::Placeholders;
use super::reserved::is_reserved;
use super::token::{Token, TokenKind, tokens};
use super::wording::Wrong;
use ringleader_item::limits::{EXPRESSION_SIZE_MAX, PATH_LENGTH_MAX};
use ringleader_item::{AttributeValue, Path, PathElement};

/// The words of an expression, read from front to back.
pub(super) struct Cursor<'t, 'p, 'r> {
    tokens: Vec<Token<'t>>,
    next: usize,
    pub(super) placeholders: &'p mut Placeholders<'r>,
    /// The first error of meaning.
    meaning: Option<String>,
}

impl<'t, 'p, 'r> Cursor<'t, 'p, 'r> {
    /// Starts at the front of a text that has words.
    pub(super) fn start(
        text: &'t str,
        placeholders: &'p mut Placeholders<'r>,
    ) -> Result<Self, String> {
        if text.len() > EXPRESSION_SIZE_MAX {
            return Err(Wrong::TooLong(text.len()).into());
        }
        let tokens = tokens(text);
        if tokens.is_empty() {
            return Err(Wrong::Empty.into());
        }
        Ok(Self { tokens, next: 0, placeholders, meaning: None })
    }

    /// The first error of meaning, once the end is reached.
    pub(super) fn finish(self) -> Result<(), String> {
        self.meaning.map_or(Ok(()), Err)
    }

    pub(super) fn at_end(&self) -> bool {
        self.next == self.tokens.len()
    }

    /// The number of words before the next one.
    pub(super) fn position(&self) -> usize {
        self.next
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Takes back the last [`Cursor::advance`] or accepted word.
    pub(super) fn retreat(&mut self) {
        self.next -= 1;
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<Token<'t>> {
        self.tokens.get(self.next + ahead).copied()
    }

    pub(super) fn accept_sign(&mut self, sign: &str) -> bool {
        let found = self.peek(0).is_some_and(|token| token.text == sign);
        self.next += usize::from(found);
        found
    }

    pub(super) fn require_sign(&mut self, sign: &str) -> Result<(), String> {
        if self.accept_sign(sign) { Ok(()) } else { Err(self.syntax_error()) }
    }

    pub(super) fn accept_keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek(0).is_some_and(|token| is_keyword(token.text, keyword));
        self.next += usize::from(found);
        found
    }

    /// Remembers an error of meaning.
    pub(super) fn mean(&mut self, wrong: &Wrong<'_>) {
        self.meaning.get_or_insert_with(|| wrong.to_string());
    }

    /// The next word is not what it must be.
    pub(super) fn syntax_error(&self) -> String {
        let token = self.peek(0).map_or("<EOF>", |token| token.text);
        let start = self.next.saturating_sub(1).min(self.tokens.len() - 1);
        let end = (self.next + 2).min(self.tokens.len());
        let near = self.tokens[start..end].iter().map(|token| token.text);
        let near = near.collect::<Vec<_>>().join(" ");
        Wrong::Syntax { token, near: &near }.into()
    }

    /// The name of the function that is called next.
    pub(super) fn call(&self) -> Option<&'t str> {
        let name = self.peek(0).filter(|token| token.kind == TokenKind::Word)?;
        self.peek(1).filter(|token| token.text == "(").map(|_| name.text)
    }

    /// `:value`; `None` if it is not defined.
    pub(super) fn value(&mut self) -> Result<Option<AttributeValue>, String> {
        let is_value = |token: &Token<'_>| token.kind == TokenKind::ValuePlaceholder;
        let Some(token) = self.peek(0).filter(is_value) else { return Err(self.syntax_error()) };
        self.next += 1;
        let value = self.placeholders.value(token.text).cloned();
        if value.is_none() {
            self.mean(&Wrong::UndefinedValue(token.text));
        }
        Ok(value)
    }

    /// A document path; `None` if it means nothing.
    pub(super) fn path(&mut self) -> Result<Option<Path>, String> {
        let mut path = self.name()?.map(|root| Path { root, elements: Vec::new() });
        loop {
            let element = if self.accept_sign(".") {
                self.name()?.map(PathElement::Name)
            } else if self.accept_sign("[") {
                let index = self.index()?;
                self.require_sign("]")?;
                index.map(PathElement::Index)
            } else {
                break;
            };
            path = path.zip(element).map(|(mut path, element)| {
                path.elements.push(element);
                path
            });
        }
        let length = path.as_ref().map_or(0, |path| 1 + path.elements.len());
        if length > PATH_LENGTH_MAX {
            self.mean(&Wrong::PathTooLong(length));
            return Ok(None);
        }
        Ok(path)
    }

    fn name(&mut self) -> Result<Option<String>, String> {
        let Some(token) = self.peek(0) else { return Err(self.syntax_error()) };
        match token.kind {
            TokenKind::Word if !KEYWORDS.iter().any(|word| is_keyword(token.text, word)) => {
                self.next += 1;
                if is_reserved(token.text) {
                    self.mean(&Wrong::Reserved(token.text));
                    return Ok(None);
                }
                Ok(Some(token.text.to_owned()))
            }
            TokenKind::NamePlaceholder => {
                self.next += 1;
                let name = self.placeholders.name(token.text).map(str::to_owned);
                if name.is_none() {
                    self.mean(&Wrong::UndefinedName(token.text));
                }
                Ok(name)
            }
            TokenKind::Word
            | TokenKind::ValuePlaceholder
            | TokenKind::Digits
            | TokenKind::Sign
            | TokenKind::Unknown => Err(self.syntax_error()),
        }
    }

    fn index(&mut self) -> Result<Option<u32>, String> {
        let Some(token) = self.peek(0).filter(|token| token.kind == TokenKind::Digits) else {
            return Err(self.syntax_error());
        };
        self.next += 1;
        let index = token.text.parse().ok();
        if index.is_none() {
            self.mean(&Wrong::Index(token.text));
        }
        Ok(index)
    }
}

/// The words that are operators wherever they stand.
const KEYWORDS: [&str; 5] = ["AND", "OR", "NOT", "BETWEEN", "IN"];

fn is_keyword(word: &str, keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword)
}

/// A path as the service prints it: `[a, b, [0]]`.
pub(super) fn display(path: &Path) -> String {
    let mut names = vec![path.root.clone()];
    names.extend(path.elements.iter().map(|element| match element {
        PathElement::Name(name) => name.clone(),
        PathElement::Index(index) => format!("[{index}]"),
    }));
    format!("[{}]", names.join(", "))
}
