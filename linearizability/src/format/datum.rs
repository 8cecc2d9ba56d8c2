//! A value in a file, whatever the format: what JSON and EDN have in common.

use std::fmt;

use crate::token::{Names, Token};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// `null`, `nil`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// `17`.
    Number(i64),
    /// `"x"`.
    Text(String),
    /// `:read`, without the colon. JSON has none.
    Keyword(String),
    /// `[1, 0]`; sets and lists too.
    Vector(Vec<Datum>),
    /// `{"equals": 7}`, in the order of the file.
    Map(Vec<(Datum, Datum)>),
    /// What no history counts with, as it stands there: `1.5`, a symbol.
    Other(String),
}

impl Datum {
    /// The token of a number or a text; nothing for the rest.
    pub fn token(&self, names: &mut Names) -> Option<Token> {
        match self {
            Self::Number(number) => Some(Token::from(*number)),
            Self::Text(text) => Some(names.token(text)),
            Self::Keyword(word) => Some(names.token(&format!(":{word}"))),
            Self::Nil | Self::Bool(_) | Self::Vector(_) | Self::Map(_) | Self::Other(_) => None,
        }
    }

    /// As [`token`](Self::token), and absence for `null`.
    pub fn optional_token(&self, names: &mut Names) -> Option<Option<Token>> {
        if *self == Self::Nil { Some(None) } else { self.token(names).map(Some) }
    }

    /// A text or a keyword.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Text(word) | Self::Keyword(word) => Some(word),
            Self::Nil
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Vector(_)
            | Self::Map(_)
            | Self::Other(_) => None,
        }
    }

    /// The members of a vector.
    #[must_use]
    pub fn members(&self) -> Option<&[Self]> {
        if let Self::Vector(members) = self { Some(members) } else { None }
    }

    /// A whole number from 0.
    #[must_use]
    pub fn whole(&self) -> Option<u64> {
        if let Self::Number(number) = self { u64::try_from(*number).ok() } else { None }
    }
}

impl From<serde_json::Value> for Datum {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Nil,
            Value::Bool(truth) => Self::Bool(truth),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Self::Number(whole),
                None => Self::Other(number.to_string()),
            },
            Value::String(text) => Self::Text(text),
            Value::Array(members) => Self::Vector(members.into_iter().map(Self::from).collect()),
            Value::Object(entries) => Self::Map(
                entries.into_iter().map(|(key, value)| (Self::Text(key), value.into())).collect(),
            ),
        }
    }
}

impl From<&Datum> for serde_json::Value {
    fn from(datum: &Datum) -> Self {
        match datum {
            Datum::Nil => Self::Null,
            Datum::Bool(truth) => Self::Bool(*truth),
            Datum::Number(number) => Self::from(*number),
            Datum::Text(text) | Datum::Other(text) => Self::from(text.as_str()),
            Datum::Keyword(word) => Self::from(format!(":{word}")),
            Datum::Vector(members) => members.iter().map(Self::from).collect(),
            Datum::Map(entries) => {
                let name = |key: &Datum| key.word().map_or_else(|| key.to_string(), str::to_owned);
                entries.iter().map(|(key, value)| (name(key), Self::from(value))).collect()
            }
        }
    }
}

/// As JSON has it, as far as it can.
impl fmt::Display for Datum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => formatter.write_str("null"),
            Self::Bool(truth) => write!(formatter, "{truth}"),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Text(text) => write!(formatter, "{text:?}"),
            Self::Keyword(word) => write!(formatter, ":{word}"),
            Self::Other(text) => formatter.write_str(text),
            Self::Vector(members) => {
                for (at, member) in members.iter().enumerate() {
                    write!(formatter, "{}{member}", if at == 0 { "[" } else { "," })?;
                }
                formatter.write_str(if members.is_empty() { "[]" } else { "]" })
            }
            Self::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    write!(formatter, "{}{key}:{value}", if at == 0 { "{" } else { "," })?;
                }
                formatter.write_str(if entries.is_empty() { "{}" } else { "}" })
            }
        }
    }
}
