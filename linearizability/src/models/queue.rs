//! Queues under keys, first in, first out. Every queue starts empty.
//!
//! The state is the whole queue. Concurrent enqueues that nobody has dequeued yet can stand in any
//! order, and each order is a state: with many clients this is slow.

use std::collections::VecDeque;

use crate::model::{Model, Nature};
use crate::token::Token;

/// Queues; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue;

/// One operation on one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueAction {
    /// The queue.
    pub key: Token,
    /// What was asked, and seen.
    pub call: QueueCall,
}

/// What was asked of a queue, and what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueCall {
    /// Put a value at the end.
    Enqueue {
        /// The value.
        value: Token,
    },
    /// Take the first value.
    Dequeue {
        /// What came back.
        taken: Taken,
    },
}

/// What a dequeue gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Taken {
    /// This value.
    Value(Token),
    /// The queue was empty.
    Nothing,
    /// Nobody knows: whatever was first then, if anything.
    Unknown,
}

impl Model for Queue {
    type Action = QueueAction;
    type State = VecDeque<Token>;
    type Key = Token;

    fn key(&self, action: &QueueAction) -> Token {
        action.key
    }

    fn initial(&self) -> VecDeque<Token> {
        VecDeque::new()
    }

    fn step(&self, state: &VecDeque<Token>, action: &QueueAction) -> Option<VecDeque<Token>> {
        let first = state.front().copied();
        let fits = match action.call {
            QueueCall::Enqueue { .. } | QueueCall::Dequeue { taken: Taken::Unknown } => true,
            QueueCall::Dequeue { taken: Taken::Value(value) } => first == Some(value),
            QueueCall::Dequeue { taken: Taken::Nothing } => first.is_none(),
        };
        if !fits {
            return None;
        }
        let mut state = state.clone();
        match action.call {
            QueueCall::Enqueue { value } => state.push_back(value),
            QueueCall::Dequeue { .. } => drop(state.pop_front()),
        }
        Some(state)
    }

    fn nature(&self, action: &QueueAction) -> Nature {
        match action.call {
            QueueCall::Enqueue { .. } | QueueCall::Dequeue { taken: Taken::Unknown } => {
                Nature::Total
            }
            QueueCall::Dequeue { taken: Taken::Value(_) } => Nature::Partial,
            QueueCall::Dequeue { taken: Taken::Nothing } => Nature::Pure,
        }
    }

    fn depends(&self, dependent: &QueueAction, writer: &QueueAction) -> bool {
        self.nature(dependent) != Nature::Total && self.nature(writer) != Nature::Pure
    }
}
