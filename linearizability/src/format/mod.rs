//! Reads histories from text: JSON lines, Jepsen's log text, Porcupine's key-value text.

pub mod edn;
pub mod jepsen_log;
pub mod json_lines;
pub mod porcupine;

use crate::history::{EventError, Operation};
use crate::models::cell::CellCall;
use crate::token::Names;

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
    /// `{:process 0, :type :invoke, :f :get, :key "0", :value nil}`.
    Porcupine,
}

impl Format {
    /// Guesses from the content; nothing if it is none of these.
    #[must_use]
    pub fn detect(text: &str) -> Option<Self> {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).find_map(|line| {
            if line.starts_with("{:") {
                Some(Self::Porcupine)
            } else if line.starts_with('{') {
                Some(Self::JsonLines)
            } else if line.contains("jepsen.util - ") {
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
            Self::Porcupine => "porcupine",
        }
    }
}

/// Which operations a file for a [`Cell`](crate::Cell) may contain, and their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// `read`, `write`.
    Register,
    /// `read`, `write`, `cas`.
    CasRegister,
    /// `get`, `put`, `delete`, `put_if`.
    Item,
}

impl Vocabulary {
    /// What this vocabulary calls an operation.
    #[must_use]
    pub const fn name(self, call: CellCall) -> &'static str {
        match (self, call) {
            (Self::Item, CellCall::Get { .. }) => "get",
            (Self::Item, CellCall::Put { .. }) => "put",
            (Self::Item, CellCall::PutIf { .. }) => "put_if",
            (_, CellCall::Get { .. }) => "read",
            (_, CellCall::Put { .. }) => "write",
            (_, CellCall::PutIf { .. }) => "cas",
            (_, CellCall::Delete) => "delete",
        }
    }

    /// The names, as an error message lists them.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Register => "read or write",
            Self::CasRegister => "read, write or cas",
            Self::Item => "get, put, delete or put_if",
        }
    }
}

/// Why a text is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct FormatError {
    /// The line, counted from 1.
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
    /// There is nothing in it.
    #[error("no operation; expected at least one")]
    Empty,
}

impl Problem {
    fn at(self, line: usize) -> FormatError {
        FormatError { line, problem: self }
    }
}
