//! The state machine of the tests: a list of numbers. Appending returns the position; reading
//! returns the length. It is durable only as far as it was checkpointed.

use ringleader_core::ids::LogIndex;
use ringleader_core::machine::StateMachine;
use ringleader_replica::{ReplicatedState, StateError};
use ringleader_wire::Command;
use std::cell::RefCell;
use std::rc::Rc;

/// What a crash leaves of a list.
pub(crate) type Kept = Rc<RefCell<(LogIndex, Vec<u64>)>>;

pub(crate) struct List {
    applied: LogIndex,
    pub(crate) values: Vec<u64>,
    kept: Kept,
}

impl List {
    pub(crate) fn restart(kept: &Kept) -> Self {
        let (applied, values) = kept.borrow().clone();
        Self { applied, values, kept: Rc::clone(kept) }
    }
}

pub(crate) fn append(value: u64) -> Command {
    Command::from(value.to_le_bytes().to_vec())
}

/// The number in an answer.
pub(crate) fn position(answer: &Command) -> u64 {
    u64::from_le_bytes(answer.as_bytes().try_into().unwrap())
}

impl StateMachine for List {
    type Command = Command;
    type Answer = Result<Command, StateError>;

    fn apply(&mut self, index: LogIndex, command: &Command) -> Self::Answer {
        assert!(index > self.applied, "entry {} is applied again", index.0);
        self.applied = index;
        let at = self.values.len() as u64;
        self.values.push(position(command));
        Ok(append(at))
    }
}

impl ReplicatedState for List {
    fn read(&self, _query: &Command) -> Result<Command, StateError> {
        Ok(append(self.values.len() as u64))
    }

    fn applied(&self) -> LogIndex {
        self.applied
    }

    fn checkpoint(&mut self) -> Result<(), StateError> {
        *self.kept.borrow_mut() = (self.applied, self.values.clone());
        Ok(())
    }
}
