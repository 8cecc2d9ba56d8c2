//! Words for sets, queues, mutexes and counters.

use std::collections::{BTreeSet, VecDeque};

use super::Speech;
use crate::history::Operation;
use crate::models::counter::{Counter, CounterAction, CounterCall};
use crate::models::mutex::{Mutex, MutexAction, MutexCall};
use crate::models::queue::{Queue, QueueAction, QueueCall, Taken};
use crate::models::set::{Set, SetAction, SetCall};
use crate::token::{Names, Token};

/// Words for objects whose values need only be named.
#[derive(Clone, Copy, Debug)]
pub struct ObjectSpeech<'a> {
    /// What tokens are called.
    pub names: &'a Names,
}

impl ObjectSpeech<'_> {
    fn show(self, token: Token) -> String {
        self.names.show(token).to_string()
    }

    fn list<'a>(self, tokens: impl IntoIterator<Item = &'a Token>) -> String {
        let shown: Vec<String> = tokens.into_iter().map(|token| self.show(*token)).collect();
        format!("[{}]", shown.join(" "))
    }
}

impl Speech<Set> for ObjectSpeech<'_> {
    fn action(&self, operation: &Operation<SetAction>) -> String {
        match &operation.action.call {
            SetCall::Add { value } => format!("add {}", self.show(*value)),
            SetCall::Remove { value } => format!("remove {}", self.show(*value)),
            SetCall::Contains { value, .. } if !operation.is_known() => {
                format!("contains {} -> ?", self.show(*value))
            }
            SetCall::Contains { value, seen } => {
                format!("contains {} -> {seen}", self.show(*value))
            }
            SetCall::Read { .. } if !operation.is_known() => "read -> ?".to_owned(),
            SetCall::Read { seen } => format!("read -> {}", self.list(seen)),
        }
    }

    fn state(&self, state: &BTreeSet<Token>) -> String {
        self.list(state)
    }

    fn key(&self, key: &Token) -> String {
        self.show(*key)
    }
}

impl Speech<Queue> for ObjectSpeech<'_> {
    fn action(&self, operation: &Operation<QueueAction>) -> String {
        match operation.action.call {
            QueueCall::Enqueue { value } => format!("enqueue {}", self.show(value)),
            QueueCall::Dequeue { taken: Taken::Value(value) } if operation.is_known() => {
                format!("dequeue -> {}", self.show(value))
            }
            QueueCall::Dequeue { taken: Taken::Nothing } if operation.is_known() => {
                "dequeue -> nothing".to_owned()
            }
            QueueCall::Dequeue { .. } => "dequeue -> ?".to_owned(),
        }
    }

    fn state(&self, state: &VecDeque<Token>) -> String {
        self.list(state)
    }

    fn key(&self, key: &Token) -> String {
        self.show(*key)
    }

    fn is_source(&self, reader: &QueueAction, writer: &QueueAction) -> bool {
        match (reader.call, writer.call) {
            (
                QueueCall::Dequeue { taken: Taken::Value(value) },
                QueueCall::Enqueue { value: written },
            ) => value == written,
            (QueueCall::Dequeue { .. } | QueueCall::Enqueue { .. }, _) => false,
        }
    }
}

impl Speech<Mutex> for ObjectSpeech<'_> {
    fn action(&self, operation: &Operation<MutexAction>) -> String {
        match operation.action.call {
            MutexCall::Acquire => "acquire",
            MutexCall::Refused => "acquire -> refused",
            MutexCall::Release => "release",
        }
        .to_owned()
    }

    fn state(&self, holder: &Option<u64>) -> String {
        holder.map_or("free".to_owned(), |holder| format!("held by process {holder}"))
    }

    fn key(&self, key: &Token) -> String {
        self.show(*key)
    }
}

impl Speech<Counter> for ObjectSpeech<'_> {
    fn action(&self, operation: &Operation<CounterAction>) -> String {
        match operation.action.call {
            CounterCall::Add { amount, sum: Some(sum) } if operation.is_known() => {
                format!("add {amount} -> {sum}")
            }
            CounterCall::Add { amount, .. } => format!("add {amount}"),
            CounterCall::Read { seen } if operation.is_known() => format!("read -> {seen}"),
            CounterCall::Read { .. } => "read -> ?".to_owned(),
        }
    }

    fn state(&self, state: &i64) -> String {
        state.to_string()
    }

    fn key(&self, key: &Token) -> String {
        self.show(*key)
    }
}
