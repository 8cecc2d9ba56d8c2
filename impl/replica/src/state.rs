//! What a replica applies committed commands to.

use ringleader_core::ids::LogIndex;
use ringleader_core::machine::StateMachine;
use ringleader_storage::engine::Snapshot;
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
    /// The state at one index, to be sent.
    type Snapshot: StateSnapshot;

    /// Answers a query from what is applied so far.
    ///
    /// # Errors
    /// When the storage below fails.
    fn read(&self, query: &Command) -> Result<Command, StateError>;

    /// The index of the last applied entry that has a command. After a start: of the last one that
    /// a checkpoint holds.
    fn applied(&self) -> LogIndex;

    /// Begins to make everything applied so far durable, beside what goes on.
    ///
    /// # Errors
    /// When the storage below fails.
    fn begin_checkpoint(&mut self) -> Result<(), StateError>;

    /// The index that a restart would find in [`ReplicatedState::applied`], or an earlier one. It may
    /// grow without being asked to.
    ///
    /// # Errors
    /// When the storage below has failed.
    fn checkpointed(&mut self) -> Result<LogIndex, StateError>;

    /// Makes everything applied so far durable before it returns.
    ///
    /// # Errors
    /// When the storage below fails.
    fn checkpoint(&mut self) -> Result<(), StateError>;

    /// The state at [`ReplicatedState::checkpointed`], as it was when that was asked last.
    ///
    /// # Errors
    /// When the storage below has failed.
    fn snapshot(&self) -> Result<Self::Snapshot, StateError>;

    /// Sets a part of another replica's state aside, after those before it; part 0 begins anew. The
    /// state in use stays as it is.
    ///
    /// # Errors
    /// When the storage below fails. Bytes that are no part of a state are [`Staging::Refused`].
    fn stage(&mut self, part: u32, content: &Command) -> Result<Staging, StateError>;

    /// What is set aside is the whole state up to `upto`: makes it durable, still aside.
    ///
    /// # Errors
    /// When the storage below fails.
    fn finish_staging(&mut self, upto: LogIndex) -> Result<(), StateError>;

    /// Lets what is set aside, by this process or the one before, be the state, durably and in one
    /// step.
    ///
    /// # Errors
    /// When the state up to `upto` is not set aside, or the storage below fails.
    fn install(&mut self, upto: LogIndex) -> Result<(), StateError>;
}

/// A state on its way to another replica. Equal states have equal parts.
pub trait StateSnapshot {
    /// The next part, and whether it is the last one. The first is there even if the state is empty.
    ///
    /// # Errors
    /// When the storage below fails.
    fn next_part(&mut self) -> Result<(Command, bool), StateError>;
}

/// The snapshot of an engine on its way to another replica.
#[derive(Clone, Debug)]
pub struct SentState<S> {
    snapshot: S,
    /// The last key that was sent.
    after: Option<Vec<u8>>,
    part_bytes_max: usize,
}

impl<S> SentState<S> {
    /// Nothing of it was sent yet; a part has at most so many bytes, or one entry.
    pub fn new(snapshot: S, part_bytes_max: usize) -> Self {
        Self { snapshot, after: None, part_bytes_max }
    }
}

impl<S: Snapshot> StateSnapshot for SentState<S>
where
    S::Error: Error + Send + Sync + 'static,
{
    fn next_part(&mut self) -> Result<(Command, bool), StateError> {
        let part = self.snapshot.part(self.after.as_deref(), self.part_bytes_max);
        let part = part.map_err(StateError::new)?;
        self.after = part.last_key.or(self.after.take());
        Ok((part.bytes.into(), part.is_last))
    }
}

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staging {
    /// It is set aside.
    Done,
    /// It is no part of a state, or not the next one.
    Refused,
}
