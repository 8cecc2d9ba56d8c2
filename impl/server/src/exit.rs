//! How the program ends.

use std::process::ExitCode;

/// Why the program ends without having done what it was asked to do. Each kind has its exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Arguments or configuration, or what they point at, cannot be used: 2.
    #[error("{0}")]
    Configuration(String),
    /// Nobody answered: 3.
    #[error("{0}")]
    NoAnswer(String),
    /// The storage failed, or does not hold what it must: 4.
    #[error("{0}")]
    Storage(String),
}

impl Failure {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Configuration(_) => 2,
            Self::NoAnswer(_) => 3,
            Self::Storage(_) => 4,
        })
    }
}
