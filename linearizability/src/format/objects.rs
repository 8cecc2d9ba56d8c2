//! Sets, queues, mutexes and counters in files. The key may be left out if there is only one.

use std::collections::BTreeSet;

use super::Problem;
use super::datum::Datum;
use super::dialect::{Dialect, failed, key_or_only, same_value, token, unknown_f};
use super::record::Record;
use crate::models::counter::{CounterAction, CounterCall};
use crate::models::mutex::{MutexAction, MutexCall};
use crate::models::queue::{QueueAction, QueueCall, Taken};
use crate::models::set::{SetAction, SetCall};
use crate::token::{Names, Token};

/// The operations of [`Set`](crate::models::set::Set).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sets;

impl Dialect for Sets {
    type Action = SetAction;

    fn expected(&self) -> &'static str {
        "add, remove, contains or read"
    }

    fn name(&self, action: &SetAction) -> &'static str {
        match action.call {
            SetCall::Add { .. } => "add",
            SetCall::Remove { .. } => "remove",
            SetCall::Contains { .. } => "contains",
            SetCall::Read { .. } => "read",
        }
    }

    fn key_of(&self, action: &SetAction) -> Token {
        action.key
    }

    fn key(&self, record: &Record, names: &mut Names) -> Result<Token, Problem> {
        key_or_only(record, names)
    }

    fn invoked(&self, record: &Record, names: &mut Names) -> Result<SetAction, Problem> {
        let call = match record.f.as_deref() {
            Some("add") => SetCall::Add { value: token(record, "value", names)? },
            Some("remove") => SetCall::Remove { value: token(record, "value", names)? },
            Some("contains") => {
                SetCall::Contains { value: token(record, "value", names)?, seen: false }
            }
            Some("read") => SetCall::Read { seen: BTreeSet::new() },
            _ => return Err(unknown_f(record, self.expected())),
        };
        Ok(SetAction { key: self.key(record, names)?, call })
    }

    fn returned(
        &self,
        record: &Record,
        asked: &SetAction,
        line: usize,
        names: &mut Names,
    ) -> Result<SetAction, Problem> {
        let call = match &asked.call {
            SetCall::Add { value } | SetCall::Remove { value } => {
                same_value(record, *value, line, names)?;
                asked.call.clone()
            }
            SetCall::Contains { value, .. } => match record.field("seen") {
                Some(Datum::Bool(seen)) => SetCall::Contains { value: *value, seen: *seen },
                _ => return Err(record.wrong("seen", "true or false")),
            },
            SetCall::Read { .. } => {
                let wrong = || record.wrong("value", "the elements, [..]");
                let members = record.value.as_ref().and_then(Datum::members).ok_or_else(wrong)?;
                let tokens = members.iter().map(|member| member.token(names));
                SetCall::Read { seen: tokens.collect::<Option<_>>().ok_or_else(wrong)? }
            }
        };
        Ok(SetAction { key: asked.key, call })
    }
}

/// The operations of [`Queue`](crate::models::queue::Queue).
#[derive(Clone, Copy, Debug, Default)]
pub struct Queues;

impl Dialect for Queues {
    type Action = QueueAction;

    fn expected(&self) -> &'static str {
        "enqueue or dequeue"
    }

    fn name(&self, action: &QueueAction) -> &'static str {
        match action.call {
            QueueCall::Enqueue { .. } => "enqueue",
            QueueCall::Dequeue { .. } => "dequeue",
        }
    }

    fn key_of(&self, action: &QueueAction) -> Token {
        action.key
    }

    fn key(&self, record: &Record, names: &mut Names) -> Result<Token, Problem> {
        key_or_only(record, names)
    }

    fn invoked(&self, record: &Record, names: &mut Names) -> Result<QueueAction, Problem> {
        let call = match record.f.as_deref() {
            Some("enqueue") => QueueCall::Enqueue { value: token(record, "value", names)? },
            Some("dequeue") => QueueCall::Dequeue { taken: Taken::Unknown },
            _ => return Err(unknown_f(record, self.expected())),
        };
        Ok(QueueAction { key: self.key(record, names)?, call })
    }

    fn returned(
        &self,
        record: &Record,
        asked: &QueueAction,
        line: usize,
        names: &mut Names,
    ) -> Result<QueueAction, Problem> {
        let call = match asked.call {
            QueueCall::Enqueue { value } => {
                same_value(record, value, line, names)?;
                asked.call
            }
            QueueCall::Dequeue { .. } => {
                let taken = super::dialect::optional_token(record, "value", names)?;
                QueueCall::Dequeue { taken: taken.map_or(Taken::Nothing, Taken::Value) }
            }
        };
        Ok(QueueAction { key: asked.key, call })
    }
}

/// The operations of [`Mutex`](crate::models::mutex::Mutex).
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutexes;

impl Dialect for Mutexes {
    type Action = MutexAction;

    fn expected(&self) -> &'static str {
        "acquire or release"
    }

    fn name(&self, action: &MutexAction) -> &'static str {
        match action.call {
            MutexCall::Acquire | MutexCall::Refused => "acquire",
            MutexCall::Release => "release",
        }
    }

    fn key_of(&self, action: &MutexAction) -> Token {
        action.key
    }

    fn key(&self, record: &Record, names: &mut Names) -> Result<Token, Problem> {
        key_or_only(record, names)
    }

    fn invoked(&self, record: &Record, names: &mut Names) -> Result<MutexAction, Problem> {
        let call = match record.f.as_deref() {
            Some("acquire") => MutexCall::Acquire,
            Some("release") => MutexCall::Release,
            _ => return Err(unknown_f(record, self.expected())),
        };
        Ok(MutexAction { key: self.key(record, names)?, process: record.process, call })
    }

    fn returned(
        &self,
        record: &Record,
        asked: &MutexAction,
        _line: usize,
        _names: &mut Names,
    ) -> Result<MutexAction, Problem> {
        match (failed(record)?, asked.call) {
            (false, _) => Ok(*asked),
            (true, MutexCall::Acquire) => Ok(MutexAction { call: MutexCall::Refused, ..*asked }),
            (true, _) => Err(record.wrong("failed", "it only on acquire")),
        }
    }
}

/// The operations of [`Counter`](crate::models::counter::Counter).
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters;

impl Dialect for Counters {
    type Action = CounterAction;

    fn expected(&self) -> &'static str {
        "add or read"
    }

    fn name(&self, action: &CounterAction) -> &'static str {
        match action.call {
            CounterCall::Add { .. } => "add",
            CounterCall::Read { .. } => "read",
        }
    }

    fn key_of(&self, action: &CounterAction) -> Token {
        action.key
    }

    fn key(&self, record: &Record, names: &mut Names) -> Result<Token, Problem> {
        key_or_only(record, names)
    }

    fn invoked(&self, record: &Record, names: &mut Names) -> Result<CounterAction, Problem> {
        let call = match record.f.as_deref() {
            Some("add") => CounterCall::Add { amount: number(record, "value")?, sum: None },
            Some("read") => CounterCall::Read { seen: 0 },
            _ => return Err(unknown_f(record, self.expected())),
        };
        Ok(CounterAction { key: self.key(record, names)?, call })
    }

    fn returned(
        &self,
        record: &Record,
        asked: &CounterAction,
        line: usize,
        names: &mut Names,
    ) -> Result<CounterAction, Problem> {
        let call = match asked.call {
            CounterCall::Add { amount, .. } => {
                same_value(record, Token::from(amount), line, names)?;
                let told = record.field("sum").is_some();
                let sum = if told { Some(number(record, "sum")?) } else { None };
                CounterCall::Add { amount, sum }
            }
            CounterCall::Read { .. } => CounterCall::Read { seen: number(record, "value")? },
        };
        Ok(CounterAction { key: asked.key, call })
    }
}

fn number(record: &Record, field: &'static str) -> Result<i64, Problem> {
    match record.field(field) {
        Some(Datum::Number(number)) => Ok(*number),
        _ => Err(record.wrong(field, "a whole number")),
    }
}
