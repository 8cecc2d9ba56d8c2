//! What became of one request, as far as the client can know.

use std::fmt;

use crate::request::Item;

/// What became of one request.
///
/// The line between `Refused` and `Unknown` is what a history checker lives on: a write recorded
/// as refused must never be seen again, one recorded as unknown may take effect at any later time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The node answered that it did what was asked.
    Ok(T),
    /// The node answered that the condition did not hold; nothing was written.
    ConditionFailed {
        /// The item found instead, if the node reported it; `None` also when there was none.
        old: Option<Item>,
    },
    /// Certainly without effect: the request never left, or the node rejected it (status 4xx).
    Refused(Reason),
    /// Perhaps done, perhaps not, perhaps later: no answer in time, a connection that broke after
    /// the request left, a status of 500 or above, or an answer that makes no sense.
    Unknown(Reason),
}

impl<T> Outcome<T> {
    /// The same outcome with another value in the case of success.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Ok(value) => Outcome::Ok(change(value)),
            Self::ConditionFailed { old } => Outcome::ConditionFailed { old },
            Self::Refused(reason) => Outcome::Refused(reason),
            Self::Unknown(reason) => Outcome::Unknown(reason),
        }
    }
}

/// Why a request was refused or its outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The name of a DynamoDB error (`ValidationException`), or what happened to the connection:
    /// `not connected`, `not sent`, `no answer`, `broken`, `unreadable`.
    pub code: String,
    /// The node's or the operating system's words.
    pub message: String,
}

impl Reason {
    pub(crate) fn new(code: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { code: code.into(), message: message.to_string() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
