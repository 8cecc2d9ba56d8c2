//! Transactions in files: `f` is `txn`, the value is a vector of operations.
//!
//! | model | invoke | ok |
//! |---|---|---|
//! | `list-append` | `["append", key, value]`, `["r", key, null]` | `["append", key, value]`, `["r", key, [values]]` |
//! | `versioned` | `["w", key, value]`, `["r", key, null]` | `["w", key, value, version]`, `["r", key, value, version]` |
//!
//! The first are Jepsen's (Elle). A version is a whole number, greater for later writes of a key; 0
//! with `null` is the state before the first. A read of a list never written may say `null`.

use super::datum::Datum;
use super::dialect::Each;
use super::record::{Entry, Kind, Record};
use super::{Fault, FormatError, Problem};
use crate::history::{Builder, Event};
use crate::levels::transactions::{Ending, ListOperation, Observed, VersionedOperation};
use crate::token::{Names, Token};

/// Transactions as read from a file.
#[derive(Clone, Debug)]
pub struct TransactionDocument<O> {
    /// The transactions in the order of invocation, the aborted ones too.
    pub transactions: Vec<Observed<O>>,
    /// The texts of keys and values.
    pub names: Names,
    /// What was done to the system meanwhile; no part of the verdict.
    pub faults: Vec<Fault>,
}

/// An operation within a transaction.
pub trait TransactionDialect: Clone + PartialEq {
    /// The operations, as an error message lists them.
    const EXPECTED: &'static str;

    /// Reads one operation; `answered` if it comes from an `ok`.
    ///
    /// # Errors
    /// What it should look like.
    fn read(members: &[Datum], answered: bool, names: &mut Names) -> Result<Self, &'static str>;

    /// Whether an answer belongs to what was asked.
    fn answers(&self, asked: &Self) -> bool;
}

/// Reads transactions from some source of entries.
///
/// # Errors
/// Names the first line that is wrong.
pub fn read_with<O: TransactionDialect>(
    source: impl FnOnce(Each<'_>) -> Result<(), FormatError>,
) -> Result<TransactionDocument<O>, FormatError> {
    let mut names = Names::default();
    let mut faults = Vec::new();
    // The builder keeps failed operations out; here they count, since their values may be seen.
    let mut builder: Builder<usize> = Builder::default();
    let mut transactions: Vec<Observed<O>> = Vec::new();
    source(&mut |line, entry| match entry {
        Entry::Fault(fault) => {
            faults.push(fault);
            Ok(())
        }
        Entry::Event(record) => {
            let open = builder.open(record.process).map(|open| open.action);
            let event = match (record.kind, open) {
                (Kind::Invoke, _) => {
                    let operations = operations(&record, &mut names, false)?;
                    transactions.push(observed(&record, line, operations)?);
                    Event::Invoke(transactions.len() - 1)
                }
                (Kind::Ok, Some(at)) => {
                    let operations: Vec<O> = operations(&record, &mut names, true)?;
                    let asked = &transactions[at];
                    let same = operations.len() == asked.operations.len()
                        && operations
                            .iter()
                            .zip(&asked.operations)
                            .all(|(it, asked)| it.answers(asked));
                    if !same {
                        let value = record.value.as_ref().map(Datum::to_string);
                        return Err(Problem::Mismatch {
                            field: "value",
                            found: value.unwrap_or_default(),
                            line: asked.line as usize,
                            invoked: "other operations".to_owned(),
                        });
                    }
                    transactions[at].operations = operations;
                    transactions[at].ending = Ending::Committed(record.time);
                    Event::Return(at)
                }
                (Kind::Fail, Some(at)) => {
                    transactions[at].ending = Ending::Aborted;
                    Event::Fail
                }
                // The builder refuses what ends nothing.
                (Kind::Info, Some(_)) | (_, None) => Event::Unknown,
            };
            Ok(builder.event(record.process, record.time, line, event)?)
        }
    })?;
    if transactions.is_empty() {
        return Err(Problem::Empty.at(1));
    }
    Ok(TransactionDocument { transactions, names, faults })
}

fn observed<O>(record: &Record, line: usize, operations: Vec<O>) -> Result<Observed<O>, Problem> {
    let small = "less than 2^32";
    let process = u32::try_from(record.process).map_err(|_| record.wrong("process", small))?;
    let line = u32::try_from(line).map_err(|_| Problem::Syntax("more than 2^32 lines".into()))?;
    let (invoked, ending) = (record.time, Ending::Unknown);
    Ok(Observed { process, line, invoked, ending, operations })
}

fn operations<O: TransactionDialect>(
    record: &Record,
    names: &mut Names,
    answered: bool,
) -> Result<Vec<O>, Problem> {
    match record.f.as_deref() {
        Some("txn") => {}
        None if answered => {}
        Some(f) => return Err(Problem::UnknownF { found: f.to_owned(), expected: "txn" }),
        None => return Err(record.wrong("f", "txn")),
    }
    let members = record.value.as_ref().and_then(Datum::members);
    let members = members.ok_or_else(|| record.wrong("value", "a vector of operations"))?;
    let read = |member: &Datum| {
        let operation = member.members().ok_or(O::EXPECTED);
        operation.and_then(|members| O::read(members, answered, names)).map_err(|expected| {
            Problem::Field { field: "value", found: member.to_string(), expected }
        })
    };
    members.iter().map(read).collect()
}

fn key(datum: &Datum, names: &mut Names, expected: &'static str) -> Result<Token, &'static str> {
    datum.token(names).ok_or(expected)
}

impl TransactionDialect for ListOperation {
    const EXPECTED: &'static str = "[\"append\", key, value] or [\"r\", key, values]";

    fn read(members: &[Datum], answered: bool, names: &mut Names) -> Result<Self, &'static str> {
        let [f, list, value] = members else { return Err(Self::EXPECTED) };
        let key = key(list, names, Self::EXPECTED)?;
        match (f.word(), value) {
            (Some("append"), value) => {
                let value = value.token(names).ok_or(Self::EXPECTED)?;
                Ok(Self::Append { key, value })
            }
            (Some("r"), Datum::Nil) => Ok(Self::Read { key, seen: Vec::new() }),
            (Some("r"), Datum::Vector(values)) if answered => {
                let seen = values.iter().map(|value| value.token(names)).collect::<Option<_>>();
                Ok(Self::Read { key, seen: seen.ok_or(Self::EXPECTED)? })
            }
            _ => Err(Self::EXPECTED),
        }
    }

    fn answers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Read { key, .. }, Self::Read { key: asked, .. }) => key == asked,
            (Self::Append { .. }, _) => self == asked,
            (Self::Read { .. }, Self::Append { .. }) => false,
        }
    }
}

impl TransactionDialect for VersionedOperation {
    const EXPECTED: &'static str =
        "[\"w\", key, value, version] or [\"r\", key, value, version], no version when invoked";

    fn read(members: &[Datum], answered: bool, names: &mut Names) -> Result<Self, &'static str> {
        let (f, item, value, version) = match (members, answered) {
            ([f, item, value], false) => (f, item, value, None),
            ([f, item, value, version], true) => {
                (f, item, value, Some(version.whole().ok_or(Self::EXPECTED)?))
            }
            _ => return Err(Self::EXPECTED),
        };
        let key = key(item, names, Self::EXPECTED)?;
        let value = value.optional_token(names).ok_or(Self::EXPECTED)?;
        match f.word() {
            // Nothing comes after the greatest number, and 0 is the state before all.
            Some("w") if version.is_none_or(|it| (1..1 << 62).contains(&it)) => {
                Ok(Self::Write { key, value, version })
            }
            Some("r") => Ok(Self::Read { key, value, version: version.unwrap_or(0) }),
            _ => Err(Self::EXPECTED),
        }
    }

    fn answers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Read { key, .. }, Self::Read { key: asked, .. }) => key == asked,
            (Self::Write { key, value, .. }, Self::Write { key: k, value: v, .. }) => {
                (key, value) == (k, v)
            }
            (Self::Read { .. }, Self::Write { .. }) | (Self::Write { .. }, Self::Read { .. }) => {
                false
            }
        }
    }
}
