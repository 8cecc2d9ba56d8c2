//! The tables as the state machine of a replica: commands, queries and answers as bytes.

use crate::limits::SNAPSHOT_PART_BYTES;
use ringleader_core::ids::LogIndex;
use ringleader_core::machine::StateMachine;
use ringleader_replica::{ReplicatedState, SentState, Staging, StateError};
use ringleader_storage::engine::{TreeEngine, TreeSnapshot};
use ringleader_table::{self as table, Found, Tables};
use ringleader_wire::limits::{ANSWER_LENGTH_MAX, COMMAND_LENGTH_MAX};
use ringleader_wire::{Command, codec};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// A third of the shortest election timeout.
const SLOW: Duration = Duration::from_millis(100);

/// What a query yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReadAnswer {
    /// What was found, or why it cannot be read.
    Found(Box<Found>),
    /// The node that was asked does not understand the query: it comes from another version of this
    /// program.
    NotUnderstood,
}

/// What a command yields.
#[expect(clippy::large_enum_variant, reason = "the other variant is a message that hardly comes")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CommandAnswer {
    /// What applying it returned.
    Applied(table::Answer),
    /// It had no effect: the bytes are no command. Every replica finds the same.
    NotUnderstood,
}

/// The tables below a replica.
pub(crate) struct TableState {
    tables: Tables<TreeEngine>,
}

impl TableState {
    pub(crate) fn new(tables: Tables<TreeEngine>) -> Self {
        Self { tables }
    }
}

impl StateMachine for TableState {
    type Command = Command;
    type Answer = Result<Command, StateError>;

    fn apply(&mut self, index: LogIndex, command: &Command) -> Self::Answer {
        let answer = match codec::decode(command.as_bytes(), COMMAND_LENGTH_MAX) {
            Ok(command) => {
                let tables = &mut self.tables;
                let applied = timed("apply", || tables.apply(index, &command));
                CommandAnswer::Applied(applied.map_err(StateError::new)?)
            }
            Err(_) => CommandAnswer::NotUnderstood,
        };
        encoded(&answer)
    }
}

impl ReplicatedState for TableState {
    type Snapshot = SentState<TreeSnapshot>;

    fn read(&self, query: &Command) -> Result<Command, StateError> {
        let answer = match codec::decode(query.as_bytes(), COMMAND_LENGTH_MAX) {
            Ok(query) => {
                ReadAnswer::Found(Box::new(self.tables.read(&query).map_err(StateError::new)?))
            }
            Err(_) => ReadAnswer::NotUnderstood,
        };
        encoded(&answer)
    }

    fn applied(&self) -> LogIndex {
        self.tables.applied()
    }

    fn begin_checkpoint(&mut self) -> Result<(), StateError> {
        self.tables.begin_checkpoint().map_err(StateError::new)
    }

    fn checkpointed(&mut self) -> Result<LogIndex, StateError> {
        self.tables.checkpointed().map_err(StateError::new)
    }

    fn checkpoint(&mut self) -> Result<(), StateError> {
        self.tables.checkpoint().map_err(StateError::new)?;
        Ok(())
    }

    fn snapshot(&self) -> Result<SentState<TreeSnapshot>, StateError> {
        let snapshot = self.tables.snapshot().map_err(StateError::new)?;
        Ok(SentState::new(snapshot, SNAPSHOT_PART_BYTES))
    }

    fn stage(&mut self, part: u32, content: &Command) -> Result<Staging, StateError> {
        let staged = self.tables.stage(part, content.as_bytes()).map_err(StateError::new)?;
        Ok(if staged { Staging::Done } else { Staging::Refused })
    }

    fn finish_staging(&mut self, upto: LogIndex) -> Result<(), StateError> {
        tracing::info!(upto = upto.0, "a state from the leader is set aside");
        self.tables.finish_staging(upto).map_err(StateError::new)
    }

    fn install(&mut self, upto: LogIndex) -> Result<(), StateError> {
        tracing::info!(upto = upto.0, "installing a state");
        self.tables.install(upto).map_err(StateError::new)
    }
}

/// Reports what keeps the replica from its peers for a good part of an election timeout.
fn timed<T>(action: &'static str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    let took = start.elapsed();
    if took > SLOW {
        tracing::warn!(action, ms = took.as_millis(), "the tree was slow");
    }
    done
}

fn encoded<T: Serialize>(answer: &T) -> Result<Command, StateError> {
    codec::encode(answer, ANSWER_LENGTH_MAX).map(Command::from).map_err(StateError::new)
}
