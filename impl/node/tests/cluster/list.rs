//! The state machine of the tests: a list of numbers, in memory only. Appending returns the
//! position; reading returns the length.

use ringleader_core::ids::LogIndex;
use ringleader_core::machine::StateMachine;
use ringleader_replica::{ReplicatedState, Staging, StateError, StateSnapshot};
use ringleader_wire::Command;

#[derive(Default)]
pub(crate) struct List {
    values: Vec<u64>,
}

pub(crate) fn append(value: u64) -> Command {
    Command::from(value.to_le_bytes().to_vec())
}

/// The number in an answer.
pub(crate) fn number(answer: &Command) -> u64 {
    u64::from_le_bytes(answer.as_bytes().try_into().unwrap())
}

impl StateMachine for List {
    type Command = Command;
    type Answer = Result<Command, StateError>;

    fn apply(&mut self, _index: LogIndex, command: &Command) -> Self::Answer {
        self.values.push(number(command));
        Ok(append(self.values.len() as u64 - 1))
    }
}

/// No log is trimmed here, so nobody needs a state.
pub(crate) enum NoState {}

impl StateSnapshot for NoState {
    fn next_part(&mut self) -> Result<(Command, bool), StateError> {
        match *self {}
    }
}

impl ReplicatedState for List {
    type Snapshot = NoState;

    fn read(&self, _query: &Command) -> Result<Command, StateError> {
        Ok(append(self.values.len() as u64))
    }

    fn applied(&self) -> LogIndex {
        LogIndex::ZERO
    }

    fn begin_checkpoint(&mut self) -> Result<(), StateError> {
        Ok(())
    }

    fn checkpointed(&mut self) -> Result<LogIndex, StateError> {
        Ok(LogIndex::ZERO)
    }

    fn checkpoint(&mut self) -> Result<(), StateError> {
        Ok(())
    }

    fn snapshot(&self) -> Result<NoState, StateError> {
        Err(StateError::new("this list is only in memory"))
    }

    fn stage(&mut self, _part: u32, _content: &Command) -> Result<Staging, StateError> {
        Ok(Staging::Refused)
    }

    fn finish_staging(&mut self, _upto: LogIndex) -> Result<(), StateError> {
        Err(StateError::new("this list is only in memory"))
    }

    fn install(&mut self, _upto: LogIndex) -> Result<(), StateError> {
        Err(StateError::new("this list is only in memory"))
    }
}
