//! The state machine of the tests: a list of numbers. Appending returns the position; reading
//! returns the length. It is durable only as far as it was checkpointed, and a checkpoint takes a
//! while.

use ringleader_core::ids::LogIndex;
use ringleader_core::machine::StateMachine;
use ringleader_replica::{ReplicatedState, Staging, StateError, StateSnapshot};
use ringleader_wire::Command;
use std::cell::RefCell;
use std::rc::Rc;

/// Numbers in one part of a snapshot.
const PART: usize = 24;

/// How often one has to look until a checkpoint is done.
const LOOKS: u32 = 3;

/// A list up to an entry.
type Upto = (LogIndex, Vec<u64>);

/// What a crash leaves of a list.
#[derive(Debug, Default)]
pub(crate) struct OnDisk {
    pub(crate) state: Upto,
    /// A list that was set aside as a whole.
    staged: Option<Upto>,
}

pub(crate) type Kept = Rc<RefCell<OnDisk>>;

pub(crate) struct List {
    applied: LogIndex,
    pub(crate) values: Vec<u64>,
    kept: Kept,
    /// A checkpoint that is being made, and how often it was looked for.
    begun: Option<(Upto, u32)>,
    /// What is being set aside.
    staging: Vec<u64>,
}

impl List {
    pub(crate) fn restart(kept: &Kept) -> Self {
        let (applied, values) = kept.borrow().state.clone();
        let staging = Vec::new();
        Self { applied, values, kept: Rc::clone(kept), begun: None, staging }
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

/// A list on its way.
#[derive(Debug)]
pub(crate) struct Copied {
    values: Vec<u64>,
    sent: usize,
}

impl StateSnapshot for Copied {
    fn next_part(&mut self) -> Result<(Command, bool), StateError> {
        let part: Vec<u64> = self.values.iter().skip(self.sent).take(PART).copied().collect();
        self.sent += part.len();
        let bytes: Vec<u8> = part.into_iter().flat_map(u64::to_le_bytes).collect();
        Ok((Command::from(bytes), self.sent == self.values.len()))
    }
}

impl ReplicatedState for List {
    type Snapshot = Copied;

    fn read(&self, _query: &Command) -> Result<Command, StateError> {
        Ok(append(self.values.len() as u64))
    }

    fn applied(&self) -> LogIndex {
        self.applied
    }

    fn begin_checkpoint(&mut self) -> Result<(), StateError> {
        self.begun.get_or_insert(((self.applied, self.values.clone()), 0));
        Ok(())
    }

    fn checkpointed(&mut self) -> Result<LogIndex, StateError> {
        if let Some((_, looks)) = &mut self.begun {
            *looks += 1;
        }
        if let Some((upto, _)) = self.begun.take_if(|(_, looks)| *looks >= LOOKS) {
            self.kept.borrow_mut().state = upto;
        }
        Ok(self.kept.borrow().state.0)
    }

    fn checkpoint(&mut self) -> Result<(), StateError> {
        self.begun = None;
        self.kept.borrow_mut().state = (self.applied, self.values.clone());
        Ok(())
    }

    fn snapshot(&self) -> Result<Copied, StateError> {
        Ok(Copied { values: self.kept.borrow().state.1.clone(), sent: 0 })
    }

    fn stage(&mut self, part: u32, content: &Command) -> Result<Staging, StateError> {
        if part == 0 {
            self.staging.clear();
            self.kept.borrow_mut().staged = None;
        }
        let (numbers, rest) = content.as_bytes().as_chunks();
        self.staging.extend(numbers.iter().map(|number| u64::from_le_bytes(*number)));
        Ok(if rest.is_empty() { Staging::Done } else { Staging::Refused })
    }

    fn finish_staging(&mut self, upto: LogIndex) -> Result<(), StateError> {
        self.kept.borrow_mut().staged = Some((upto, std::mem::take(&mut self.staging)));
        Ok(())
    }

    fn install(&mut self, upto: LogIndex) -> Result<(), StateError> {
        let staged = self.kept.borrow_mut().staged.take().filter(|staged| staged.0 == upto);
        let staged = staged.ok_or_else(|| StateError::new("nothing is set aside"))?;
        (self.applied, self.values) = staged.clone();
        self.kept.borrow_mut().state = staged;
        self.begun = None;
        Ok(())
    }
}
