//! Counters under keys: add a number, perhaps learning the sum, and read. Every counter starts at 0
//! and wraps at 64 bits.

use crate::model::{Model, Nature};
use crate::token::Token;

/// Counters; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

/// One operation on one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CounterAction {
    /// The counter.
    pub key: Token,
    /// What was asked, and seen.
    pub call: CounterCall,
}

/// What was asked of a counter, and what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterCall {
    /// Add a number.
    Add {
        /// The number.
        amount: i64,
        /// The sum afterwards, if it was told.
        sum: Option<i64>,
    },
    /// Read the sum.
    Read {
        /// What was read. Means nothing if the outcome is unknown.
        seen: i64,
    },
}

impl Model for Counter {
    type Action = CounterAction;
    type State = i64;
    type Key = Token;

    fn key(&self, action: &CounterAction) -> Token {
        action.key
    }

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, action: &CounterAction) -> Option<i64> {
        match action.call {
            CounterCall::Add { amount, sum } => {
                let after = state.wrapping_add(amount);
                sum.is_none_or(|sum| sum == after).then_some(after)
            }
            CounterCall::Read { seen } => (seen == *state).then_some(seen),
        }
    }

    fn nature(&self, action: &CounterAction) -> Nature {
        match action.call {
            CounterCall::Add { amount: 0, .. } | CounterCall::Read { .. } => Nature::Pure,
            CounterCall::Add { sum: None, .. } => Nature::Total,
            CounterCall::Add { sum: Some(_), .. } => Nature::Partial,
        }
    }

    fn depends(&self, dependent: &CounterAction, writer: &CounterAction) -> bool {
        self.nature(dependent) != Nature::Total && self.nature(writer) != Nature::Pure
    }
}
