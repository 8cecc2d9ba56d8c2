//! Histories: operations with their intervals, and the builder that makes them from events.

use std::collections::BTreeMap;

/// One operation of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<A> {
    /// The client process that asked.
    pub process: u64,
    /// What was asked and what was seen.
    pub action: A,
    /// When it was invoked.
    pub invoked: u64,
    /// When it returned; nothing if its outcome is unknown: it may have taken effect at any time
    /// since its invocation, or may yet, or never.
    ///
    /// Invariant: not before `invoked`.
    pub returned: Option<u64>,
    /// Names the operation in its input: the number of its first line, or a position.
    pub index: usize,
}

impl<A> Operation<A> {
    /// An operation with index 0, for histories made in memory.
    #[must_use]
    pub const fn new(process: u64, action: A, invoked: u64, returned: Option<u64>) -> Self {
        Self { process, action, invoked, returned, index: 0 }
    }

    /// Whether it surely happened.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.returned.is_some()
    }

    /// Whether it returned strictly before `later` was invoked, so that it must come first.
    #[must_use]
    pub fn precedes<B>(&self, later: &Operation<B>) -> bool {
        self.returned.is_some_and(|returned| returned < later.invoked)
    }
}

/// What a client did or learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<A> {
    /// It asked. The action is what an unknown outcome would leave: as if it took effect.
    Invoke(A),
    /// It got an answer; the action is complete now.
    Return(A),
    /// It knows that nothing happened.
    Fail,
    /// It gave up waiting.
    Unknown,
}

/// What is wrong with a sequence of events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// An answer without a question.
    #[error("process {process} returns without an open operation; expected an invoke before")]
    ReturnWithoutInvoke {
        /// The process.
        process: u64,
    },
    /// Two questions at once.
    #[error(
        "process {process} invokes while its operation of line {open} is open; expected its \
         ok, fail or info first"
    )]
    TwoOpen {
        /// The process.
        process: u64,
        /// The line that invoked the open operation.
        open: usize,
    },
    /// An event earlier than the one before.
    #[error("time {time} is before {before}, the time of the event above; expected one clock")]
    ClockGoesBack {
        /// The time of this event.
        time: u64,
        /// The time of the event before.
        before: u64,
    },
}

/// Makes operations from events in the order of time.
#[derive(Clone, Debug)]
pub struct Builder<A> {
    /// Operations in the order of invocation; failed ones leave a hole.
    operations: Vec<Option<Operation<A>>>,
    /// The open operation of each process, as position in `operations`.
    open: BTreeMap<u64, usize>,
    /// The time of the last event.
    now: u64,
}

impl<A> Default for Builder<A> {
    fn default() -> Self {
        Self { operations: Vec::new(), open: BTreeMap::new(), now: 0 }
    }
}

impl<A> Builder<A> {
    /// Adds an event of `process` at `time`; `line` becomes the operation's index.
    ///
    /// # Errors
    /// When no client could have done that; see [`EventError`].
    pub fn event(
        &mut self,
        process: u64,
        time: u64,
        line: usize,
        event: Event<A>,
    ) -> Result<(), EventError> {
        if time < self.now {
            return Err(EventError::ClockGoesBack { time, before: self.now });
        }
        self.now = time;
        if let Event::Invoke(action) = event {
            if let Some(open) = self.open(process) {
                return Err(EventError::TwoOpen { process, open: open.index });
            }
            self.open.insert(process, self.operations.len());
            let operation =
                Operation { process, action, invoked: time, returned: None, index: line };
            self.operations.push(Some(operation));
            return Ok(());
        }
        let Some(position) = self.open.remove(&process) else {
            return Err(EventError::ReturnWithoutInvoke { process });
        };
        let slot = &mut self.operations[position];
        match event {
            Event::Return(action) => {
                if let Some(operation) = slot {
                    operation.action = action;
                    operation.returned = Some(time);
                }
            }
            Event::Fail => *slot = None,
            Event::Unknown | Event::Invoke(_) => {}
        }
        Ok(())
    }

    /// The open operation of a process.
    #[must_use]
    pub fn open(&self, process: u64) -> Option<&Operation<A>> {
        self.operations[*self.open.get(&process)?].as_ref()
    }

    /// The operations in the order of invocation. What is still open is unknown; what failed is
    /// left out.
    #[must_use]
    pub fn finish(self) -> Vec<Operation<A>> {
        self.operations.into_iter().flatten().collect()
    }
}
