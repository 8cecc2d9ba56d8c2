//! Texts under keys: get, put, append, delete, compare-and-set. A key that was never written, or
//! was deleted, holds the empty text.

use std::sync::Arc;

use crate::model::{Model, Nature};
use crate::token::Token;

/// Key-value pairs; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyValue;

/// One operation on one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyValueAction {
    /// The key.
    pub key: Token,
    /// What was asked, and seen.
    pub call: KeyValueCall,
}

/// What was asked of a key, and what came back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyValueCall {
    /// Read the text.
    Get {
        /// What the read returned. Means nothing if the outcome is unknown.
        seen: Arc<str>,
    },
    /// Replace the text.
    Put {
        /// The new text.
        value: Arc<str>,
    },
    /// Add to the end of the text.
    Append {
        /// What is added.
        value: Arc<str>,
    },
    /// Make the text empty.
    Delete,
    /// Replace the text if it is the expected one.
    Cas {
        /// The expected text.
        from: Arc<str>,
        /// The new text.
        to: Arc<str>,
        /// Whether it was replaced. True if the outcome is unknown.
        applied: bool,
    },
}

impl Model for KeyValue {
    type Action = KeyValueAction;
    type State = Arc<str>;
    type Key = Token;

    fn key(&self, action: &KeyValueAction) -> Token {
        action.key
    }

    fn initial(&self) -> Arc<str> {
        "".into()
    }

    fn step(&self, state: &Arc<str>, action: &KeyValueAction) -> Option<Arc<str>> {
        match &action.call {
            KeyValueCall::Get { seen } => (seen == state).then(|| state.clone()),
            KeyValueCall::Put { value } => Some(value.clone()),
            KeyValueCall::Append { value } if value.is_empty() => Some(state.clone()),
            KeyValueCall::Append { value } => Some([&**state, &**value].concat().into()),
            KeyValueCall::Delete => Some(self.initial()),
            KeyValueCall::Cas { from, to, applied: true } => (from == state).then(|| to.clone()),
            KeyValueCall::Cas { from, .. } => (from != state).then(|| state.clone()),
        }
    }

    fn nature(&self, action: &KeyValueAction) -> Nature {
        match &action.call {
            KeyValueCall::Get { .. } | KeyValueCall::Cas { applied: false, .. } => Nature::Pure,
            KeyValueCall::Put { .. } | KeyValueCall::Delete => Nature::Constant,
            KeyValueCall::Append { .. } => Nature::Total,
            KeyValueCall::Cas { from, to, .. } if from == to => Nature::Pure,
            KeyValueCall::Cas { .. } => Nature::Partial,
        }
    }

    fn depends(&self, dependent: &KeyValueAction, writer: &KeyValueAction) -> bool {
        matches!(dependent.call, KeyValueCall::Get { .. } | KeyValueCall::Cas { .. })
            && self.nature(writer) != Nature::Pure
    }
}
