//! Texts under keys: get, put, append, delete, compare-and-set. A key that was never written, or
//! was deleted, holds the empty text.
//!
//! A text is *hopeless* if no text that some operation of the partition names as the one it found, or
//! compares with, starts with it. Appending to it gives a hopeless text again, and until the
//! next put, delete or successful compare-and-set nothing can tell which: no get and no successful
//! compare-and-set is legal, every refused one is. So all hopeless texts are one state
//! ([`Observed`]). Without that, each order of appends that are concurrent is a state of its own.

use std::sync::Arc;

use crate::history::Operation;
use crate::model::{Model, Nature, Quotient};
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

/// The texts that the operations of a partition can recognise.
#[derive(Clone, Debug)]
pub struct Observed {
    /// In order, each once.
    texts: Vec<Arc<str>>,
    /// What stands for all hopeless texts: hopeless itself.
    hopeless: Arc<str>,
}

impl Observed {
    /// Collects what these calls can recognise.
    pub fn of<'a>(calls: impl Iterator<Item = &'a KeyValueCall>) -> Self {
        let mut texts: Vec<Arc<str>> = calls
            .filter_map(|call| match call {
                KeyValueCall::Get { seen } => Some(seen.clone()),
                KeyValueCall::Cas { from, .. } => Some(from.clone()),
                KeyValueCall::Put { .. } | KeyValueCall::Append { .. } | KeyValueCall::Delete => {
                    None
                }
            })
            .collect();
        texts.sort_unstable();
        texts.dedup();
        // Longer than any of them.
        let length = texts.iter().map(|text| text.len()).max().map_or(0, |longest| longest + 1);
        Self { texts, hopeless: "?".repeat(length).into() }
    }

    /// The text itself, or what stands for all hopeless ones.
    #[must_use]
    pub fn image(&self, text: Arc<str>) -> Arc<str> {
        let at = self.texts.partition_point(|other| **other < *text);
        // Texts that start with it stand together, from its own place on.
        let hope = self.texts.get(at).is_some_and(|next| next.starts_with(&*text));
        if hope { text } else { self.hopeless.clone() }
    }
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

    fn quotient(&self, partition: &[Operation<KeyValueAction>]) -> Option<Quotient<Arc<str>>> {
        let observed = Observed::of(partition.iter().map(|operation| &operation.action.call));
        Some(Box::new(move |text| observed.image(text)))
    }

    fn depends(&self, dependent: &KeyValueAction, writer: &KeyValueAction) -> bool {
        matches!(dependent.call, KeyValueCall::Get { .. } | KeyValueCall::Cas { .. })
            && self.nature(writer) != Nature::Pure
    }
}
