//! Cells in files: registers, compare-and-set registers and items.

use std::collections::BTreeSet;

use super::Problem;
use super::datum::Datum;
use super::dialect::{
    Dialect, failed, key, key_or_only, optional_token, same_value, token, unknown_f,
};
use super::record::{Entry, Kind, Record};
use crate::history::Operation;
use crate::models::cell::{CellAction, CellCall, CellValue, Condition, PutIfOutcome};
use crate::token::{Names, Token};

/// Which operations a file for a [`Cell`](crate::Cell) may contain, and their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// `read`, `write`.
    Register,
    /// `read`, `write`, `cas`.
    CasRegister,
    /// `get`, `put`, `delete`, `put_if`.
    Item,
}

impl Vocabulary {
    /// What this vocabulary calls an operation.
    #[must_use]
    pub const fn name(self, call: CellCall) -> &'static str {
        match (self, call) {
            (Self::Item, CellCall::Get { .. }) => "get",
            (Self::Item, CellCall::Put { .. }) => "put",
            (Self::Item, CellCall::PutIf { .. }) => "put_if",
            (_, CellCall::Get { .. }) => "read",
            (_, CellCall::Put { .. }) => "write",
            (_, CellCall::PutIf { .. }) => "cas",
            (_, CellCall::Delete) => "delete",
        }
    }

    /// The names, as an error message lists them.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Register => "read or write",
            Self::CasRegister => "read, write or cas",
            Self::Item => "get, put, delete or put_if",
        }
    }
}

impl Dialect for Vocabulary {
    type Action = CellAction;

    fn expected(&self) -> &'static str {
        Self::expected(*self)
    }

    fn name(&self, action: &CellAction) -> &'static str {
        Self::name(*self, action.call)
    }

    fn key_of(&self, action: &CellAction) -> Token {
        action.key
    }

    fn key(&self, record: &Record, names: &mut Names) -> Result<Token, Problem> {
        match self {
            Self::Item => key(record, names),
            // A register may be the only one there is.
            Self::Register | Self::CasRegister => key_or_only(record, names),
        }
    }

    fn invoked(&self, record: &Record, names: &mut Names) -> Result<CellAction, Problem> {
        let f = record.f.as_deref().unwrap_or_default();
        let registers = matches!(self, Self::Register | Self::CasRegister);
        let outcome = PutIfOutcome::Applied;
        let call = match (f, self) {
            ("get", Self::Item) => CellCall::Get { seen: None },
            ("read", _) if registers => CellCall::Get { seen: None },
            ("put", Self::Item) => CellCall::Put { value: token(record, "value", names)? },
            ("write", _) if registers => CellCall::Put { value: token(record, "value", names)? },
            ("delete", Self::Item) => CellCall::Delete,
            ("put_if", Self::Item) => {
                let condition = condition(record, names)?;
                CellCall::PutIf { condition, value: token(record, "value", names)?, outcome }
            }
            ("cas", Self::CasRegister) => {
                let (condition, value) = cas(record, names)?;
                CellCall::PutIf { condition, value, outcome }
            }
            _ => return Err(unknown_f(record, Self::expected(*self))),
        };
        Ok(CellAction { key: self.key(record, names)?, call })
    }

    fn returned(
        &self,
        record: &Record,
        asked: &CellAction,
        line: usize,
        names: &mut Names,
    ) -> Result<CellAction, Problem> {
        let failed = failed(record)?;
        let call = match asked.call {
            CellCall::Get { .. } => CellCall::Get { seen: optional_token(record, "value", names)? },
            CellCall::PutIf { condition, value, .. } if failed => {
                let old = match record.field("old") {
                    None => None,
                    Some(_) => Some(optional_token(record, "old", names)?),
                };
                CellCall::PutIf { condition, value, outcome: PutIfOutcome::Refused { old } }
            }
            CellCall::Put { value } => {
                same_value(record, value, line, names)?;
                asked.call
            }
            CellCall::Delete | CellCall::PutIf { .. } => asked.call,
        };
        if failed && !matches!(call, CellCall::PutIf { .. }) {
            return Err(record.wrong("failed", "it only on conditional writes"));
        }
        Ok(CellAction { key: asked.key, call })
    }
}

/// The entries of a history, in the order of time; the line that a file of them has for an
/// operation's invocation is its place among them, counted from 1.
#[must_use]
pub fn entries(operations: &[Operation<CellAction>], vocabulary: Vocabulary) -> Vec<Entry> {
    // At equal times invocations stand first, since closed intervals overlap there.
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        events.push((operation.invoked, false, at));
        events.extend(operation.returned.map(|returned| (returned, true, at)));
    }
    events.sort_unstable();
    let mut open: BTreeSet<u64> = BTreeSet::new();
    let mut entries = Vec::with_capacity(events.len());
    for (time, is_return, at) in events {
        let operation = &operations[at];
        let process = operation.process;
        if is_return {
            open.remove(&process);
        } else if !open.insert(process) {
            // The client gave up on the one before: its outcome is unknown.
            let (f, key, value) = (None, None, None);
            let kind = Kind::Info;
            let more = Vec::new();
            entries.push(Entry::Event(Record { process, kind, time, f, key, value, more }));
        }
        entries.push(Entry::Event(record(operation, vocabulary, is_return, time)));
    }
    entries
}

fn record(
    operation: &Operation<CellAction>,
    vocabulary: Vocabulary,
    is_return: bool,
    time: u64,
) -> Record {
    let datum = |token: Token| match token {
        Token::Number(number) => Datum::Number(number),
        Token::Text(_) | Token::Unobserved => Datum::Text(format!("{token:?}")),
    };
    let optional = |value: CellValue| value.map_or(Datum::Nil, datum);
    let mut more = Vec::new();
    let value = match operation.action.call {
        CellCall::Get { seen } => is_return.then(|| optional(seen)),
        CellCall::Put { value } => Some(datum(value)),
        CellCall::Delete => None,
        CellCall::PutIf { condition, value, outcome } => {
            let word = |word: &str, value| Datum::Map(vec![(Datum::Text(word.to_owned()), value)]);
            if is_return && let PutIfOutcome::Refused { old } = outcome {
                more.push(("failed".to_owned(), Datum::Bool(true)));
                more.extend(old.map(|old| ("old".to_owned(), optional(old))));
            }
            let from = match condition {
                Condition::Equals(from) => datum(from),
                Condition::Absent | Condition::Exists | Condition::EqualsNil => Datum::Nil,
            };
            if vocabulary == Vocabulary::Item {
                let condition = match condition {
                    Condition::Absent | Condition::EqualsNil => word("absent", Datum::Bool(true)),
                    Condition::Exists => word("exists", Datum::Bool(true)),
                    Condition::Equals(_) => word("equals", from),
                };
                if !is_return {
                    more.push(("if".to_owned(), condition));
                }
                Some(datum(value))
            } else {
                Some(Datum::Vector(vec![from, datum(value)]))
            }
        }
    };
    Record {
        process: operation.process,
        kind: if is_return { Kind::Ok } else { Kind::Invoke },
        time,
        f: Some(vocabulary.name(operation.action.call).to_owned()),
        key: Some(datum(operation.action.key)),
        value,
        more,
    }
}

fn condition(record: &Record, names: &mut Names) -> Result<Condition, Problem> {
    let expected = "{\"absent\":true}, {\"exists\":true} or {\"equals\":VALUE}";
    let wrong = || record.wrong("if", expected);
    let Some(Datum::Map(entries)) = record.field("if") else { return Err(wrong()) };
    let [(name, value)] = entries.as_slice() else { return Err(wrong()) };
    match (name.word(), value) {
        (Some("absent"), Datum::Bool(true)) => Ok(Condition::Absent),
        (Some("exists"), Datum::Bool(true)) => Ok(Condition::Exists),
        (Some("equals"), value) => value.token(names).map(Condition::Equals).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// `[from, to]`; null as `from` is the cell never written.
fn cas(record: &Record, names: &mut Names) -> Result<(Condition, Token), Problem> {
    let wrong = || record.wrong("value", "[from, to]");
    let pair = record.value.as_ref().and_then(Datum::members).ok_or_else(wrong)?;
    let [from, to] = pair else { return Err(wrong()) };
    let from = from.optional_token(names).ok_or_else(wrong)?;
    let value = to.token(names).ok_or_else(wrong)?;
    Ok((from.map_or(Condition::EqualsNil, Condition::Equals), value))
}
