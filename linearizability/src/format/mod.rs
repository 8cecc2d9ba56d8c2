//! Reads histories from files, and writes them.
//!
//! A reader ([`json_lines`], [`jepsen_edn`], [`jepsen_log`], [`binary`]) knows how a file is
//! written, and tells [`Entry`](record::Entry) after entry; a [`Dialect`] knows
//! what the names and values mean to a model ([`cells`], [`texts`], [`objects`]). Any reader goes
//! with any dialect. [`transactions`] are read apart, since theirs are several operations in one.
//!
//! Whatever stands in a file, reading it never panics; errors name the line and what was expected.

pub mod datum;
pub mod edn;
pub mod record;

pub mod binary;
pub mod jepsen_edn;
pub mod jepsen_log;
pub mod json_lines;
pub mod porcupine;

pub mod dialect;

pub mod cells;
pub mod objects;
pub mod siblings;
pub mod texts;
pub mod transactions;

pub use cells::Vocabulary;
pub use dialect::{Dialect, read_with};

use crate::history::{EventError, Operation};
use crate::search::Shortage;
use crate::token::Names;
use dialect::Each;

/// A history as read from a file.
#[derive(Clone, Debug)]
pub struct Document<A> {
    /// The operations; the index of each is the line that invoked it.
    pub operations: Vec<Operation<A>>,
    /// The texts of keys and values.
    pub names: Names,
    /// What was done to the system meanwhile; no part of the verdict.
    pub faults: Vec<Fault>,
}

/// An annotation: a fault began or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind: `kill`, `cut` ...
    pub kind: String,
    /// The node it hit, if one.
    pub node: Option<u64>,
    /// Whether this is the end of it.
    pub ended: bool,
    /// When.
    pub time: u64,
}

/// A way to write histories down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per event and line.
    JsonLines,
    /// `INFO  jepsen.util - 0 :invoke :read nil`.
    JepsenLog,
    /// EDN maps, in a vector or one after the other; see [`jepsen_edn`].
    JepsenEdn,
    /// `{:process 0, :type :invoke, :f :get, :key "0", :value nil}`: EDN maps, one per line.
    Porcupine,
    /// See [`binary`].
    Binary,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::JsonLines, Self::JepsenLog, Self::JepsenEdn, Self::Porcupine, Self::Binary];

    /// Guesses from the content; nothing if it is none of these.
    #[must_use]
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&binary::MAGIC) {
            return Some(Self::Binary);
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.map(<[u8]>::trim_ascii).find_map(|line| {
            let starts = |prefix: &str| line.starts_with(prefix.as_bytes());
            if starts("{:process") && line.windows(5).any(|it| it == b":key ") {
                Some(Self::Porcupine)
            } else if starts("{:") || starts("[{:") || starts("#") || line == b"[" {
                Some(Self::JepsenEdn)
            } else if starts("{") {
                Some(Self::JsonLines)
            } else if line
                .windows(jepsen_log::MARK.len())
                .any(|it| it == jepsen_log::MARK.as_bytes())
            {
                Some(Self::JepsenLog)
            } else {
                None
            }
        })
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "json-lines",
            Self::JepsenLog => "jepsen-log",
            Self::JepsenEdn => "jepsen-edn",
            Self::Porcupine => "porcupine",
            Self::Binary => "binary",
        }
    }

    /// Calls `each` for every entry of a file in this format.
    ///
    /// # Errors
    /// Names the first line that is wrong, or that `each` refuses.
    pub fn read(self, bytes: &[u8], each: Each<'_>) -> Result<(), FormatError> {
        if self == Self::Binary {
            return binary::read(bytes, each);
        }
        let text = text(bytes)?;
        match self {
            Self::JsonLines => json_lines::read(text, each),
            Self::JepsenLog => jepsen_log::read(text, each),
            Self::JepsenEdn | Self::Porcupine | Self::Binary => jepsen_edn::read(text, each),
        }
    }
}

/// The bytes as text, without the mark that some editors put before it.
fn text(bytes: &[u8]) -> Result<&str, FormatError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        Problem::Syntax("not UTF-8 text".to_owned()).at(line)
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Why a file is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct FormatError {
    /// The line, counted from 1; in a binary file the entry.
    pub line: usize,
    /// What is wrong with it, and what was expected.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The line is not in the format.
    #[error("{0}")]
    Syntax(String),
    /// A field is missing or has the wrong type.
    #[error("{field} is {found}; expected {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// An operation that the model does not have.
    #[error("unknown f {found:?}; expected {expected}")]
    UnknownF {
        /// The name in the file.
        found: String,
        /// The names of the model.
        expected: &'static str,
    },
    /// An answer to something that was not asked.
    #[error("{field} is {found}, but line {line} invoked with {invoked}")]
    Mismatch {
        /// The field.
        field: &'static str,
        /// What stands here.
        found: String,
        /// Where the operation was invoked.
        line: usize,
        /// What stands there.
        invoked: String,
    },
    /// A sequence of events that no client can produce.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Whoever reads has no time or no memory left.
    #[error("{0} ran out while reading")]
    GivenUp(Shortage),
    /// There is nothing in it.
    #[error("no operation; expected at least one")]
    Empty,
}

impl Problem {
    fn at(self, line: usize) -> FormatError {
        FormatError { line, problem: self }
    }
}
