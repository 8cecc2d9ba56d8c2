//! Sets under keys: add, remove, contains, read. Every set starts empty.
//!
//! The state is the whole set: use it for sets of hundreds, not millions.

use std::collections::BTreeSet;

use crate::model::{Model, Nature};
use crate::token::Token;

/// Sets; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Set;

/// One operation on one set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetAction {
    /// The set.
    pub key: Token,
    /// What was asked, and seen.
    pub call: SetCall,
}

/// What was asked of a set, and what came back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetCall {
    /// Put an element in, if it is not there.
    Add {
        /// The element.
        value: Token,
    },
    /// Take an element out, if it is there.
    Remove {
        /// The element.
        value: Token,
    },
    /// Ask for one element.
    Contains {
        /// The element.
        value: Token,
        /// Whether it was there. Means nothing if the outcome is unknown.
        seen: bool,
    },
    /// Read all elements.
    Read {
        /// What was read. Means nothing if the outcome is unknown.
        seen: BTreeSet<Token>,
    },
}

impl Model for Set {
    type Action = SetAction;
    type State = BTreeSet<Token>;
    type Key = Token;

    fn key(&self, action: &SetAction) -> Token {
        action.key
    }

    fn initial(&self) -> BTreeSet<Token> {
        BTreeSet::new()
    }

    fn step(&self, state: &BTreeSet<Token>, action: &SetAction) -> Option<BTreeSet<Token>> {
        match &action.call {
            SetCall::Add { value } => {
                let mut state = state.clone();
                state.insert(*value);
                Some(state)
            }
            SetCall::Remove { value } => {
                let mut state = state.clone();
                state.remove(value);
                Some(state)
            }
            SetCall::Contains { value, seen } => {
                (state.contains(value) == *seen).then(|| state.clone())
            }
            SetCall::Read { seen } => (seen == state).then(|| state.clone()),
        }
    }

    fn nature(&self, action: &SetAction) -> Nature {
        match action.call {
            SetCall::Add { .. } | SetCall::Remove { .. } => Nature::Total,
            SetCall::Contains { .. } | SetCall::Read { .. } => Nature::Pure,
        }
    }

    fn depends(&self, dependent: &SetAction, writer: &SetAction) -> bool {
        let (SetCall::Add { value: written } | SetCall::Remove { value: written }) = writer.call
        else {
            return false;
        };
        match dependent.call {
            SetCall::Add { .. } | SetCall::Remove { .. } => false,
            SetCall::Contains { value, .. } => value == written,
            SetCall::Read { .. } => true,
        }
    }
}
