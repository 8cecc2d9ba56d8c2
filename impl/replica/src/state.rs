//! What a replica applies committed commands to.

use ringleader_core::ids::LogIndex;
use ringleader_core::machine::StateMachine;
use ringleader_wire::Command;
use std::error::Error;

/// The state machine's storage failed. What it holds in memory is no longer to be trusted: the
/// process ends, and a restart applies the log again from the last checkpoint.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StateError(Box<dyn Error + Send + Sync>);

impl StateError {
    /// Wraps what the storage reports.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// A state machine whose commands, queries and answers are encoded bytes, and which keeps what it
/// applied on a disk of its own, lazily.
pub trait ReplicatedState:
    StateMachine<Command = Command, Answer = Result<Command, StateError>>
{
    /// Answers a query from what is applied so far.
    ///
    /// # Errors
    /// When the storage below fails.
    fn read(&self, query: &Command) -> Result<Command, StateError>;

    /// The index of the last applied entry that has a command. After a start: of the last one that
    /// a checkpoint holds.
    fn applied(&self) -> LogIndex;

    /// Makes everything applied so far durable.
    ///
    /// # Errors
    /// When the storage below fails.
    fn checkpoint(&mut self) -> Result<(), StateError>;
}
