//! Reads and writes whose answers carry version numbers, with or without values.
//!
//! A write that returned tells its version, a read the version that it saw. The write of a
//! transaction of unknown outcome has none; if its value was seen with a version that nobody else
//! wrote, that was it. A write of such a transaction that nobody saw, while another write of it was
//! seen, stands somewhere unknown: then only a serial order that also replays with it is *legal*,
//! see [`Verdict::Undecided`](super::Verdict::Undecided).

use std::collections::HashMap;

use super::anomaly::{Anomaly, AnomalyClass, Dependency, Reason};
use super::list_append::{Ambiguous, Ending, Inferred, Observed};
use super::{Access, Action, Transactions, UNPLACED};
use crate::token::Token;

/// One operation on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionedOperation {
    /// Sets the value.
    Write {
        /// The key.
        key: Token,
        /// The value; nothing if it was deleted, or if the history tells no values.
        value: Option<Token>,
        /// The version, if it was told.
        version: Option<u64>,
    },
    /// Reads the value.
    Read {
        /// The key.
        key: Token,
        /// What was read. Means nothing unless the transaction committed.
        value: Option<Token>,
        /// Its version; 0 for the state before the first write.
        version: u64,
    },
}

/// At most so many anomalies are listed; each proves the verdict alone.
const LISTED_MAX: usize = 16;

/// Who wrote a value without knowing its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    transaction: u32,
    aborted: bool,
    /// Another one wrote the same value.
    other: Option<u32>,
}

#[derive(Default)]
struct Inference {
    keys: Vec<Token>,
    numbers: HashMap<Token, u32>,
    /// Versions that were told, with their values.
    told: HashMap<(u32, u64), (u32, Option<Token>)>,
    candidates: HashMap<(u32, Token), Candidate>,
    /// Versions of writes that nobody told, by transaction, key and value.
    resolved: HashMap<(u32, u32, Token), u64>,
    anomalies: Vec<Anomaly>,
    /// Whether the history tells values at all.
    values: bool,
}

/// Gives every write its version.
///
/// # Errors
/// When a version that nobody told could be that of two writes of one value.
///
/// # Panics
/// Beyond 2^32 transactions.
pub fn infer(input: &[Observed<VersionedOperation>]) -> Result<Inferred, Ambiguous> {
    let mut inference = Inference::default();
    inference.collect(input);
    for (at, observed) in input.iter().enumerate() {
        if matches!(observed.ending, Ending::Committed(_)) {
            inference.resolve(number(at), observed, input)?;
        }
    }
    for (at, observed) in input.iter().enumerate() {
        if matches!(observed.ending, Ending::Committed(_)) {
            inference.compare(number(at), observed);
        }
    }
    let mut transactions = Transactions::with_capacity(input.len(), input.len());
    for (at, observed) in input.iter().enumerate() {
        transactions.push_observed(observed, inference.accesses(number(at), observed));
    }
    let Inference { keys, anomalies, .. } = inference;
    Ok(Inferred { transactions, anomalies, keys, longest: Vec::new() })
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("2^32 transactions do not fit in memory")
}

impl Inference {
    fn key(&mut self, key: Token) -> u32 {
        let next = number(self.keys.len());
        let found = *self.numbers.entry(key).or_insert(next);
        if found == next {
            self.keys.push(key);
        }
        found
    }

    fn collect(&mut self, input: &[Observed<VersionedOperation>]) {
        for (at, observed) in input.iter().enumerate() {
            let transaction = number(at);
            for operation in &observed.operations {
                match *operation {
                    VersionedOperation::Read { key, value, .. } => {
                        self.values |= value.is_some();
                        self.key(key);
                    }
                    VersionedOperation::Write { key, value, version } => {
                        self.values |= value.is_some();
                        let key = self.key(key);
                        match (version, value, observed.ending) {
                            (Some(version), value, Ending::Committed(_)) => {
                                self.told.insert((key, version), (transaction, value));
                            }
                            (_, Some(value), ending) => {
                                let aborted = ending == Ending::Aborted;
                                let new = Candidate { transaction, aborted, other: None };
                                self.candidates
                                    .entry((key, value))
                                    .and_modify(|it| it.other = Some(transaction))
                                    .or_insert(new);
                            }
                            (_, None, _) => {}
                        }
                    }
                }
            }
        }
    }

    fn report(&mut self, class: AnomalyClass, (from, to): (u32, u32), key: u32, version: u64) {
        if self.anomalies.len() < LISTED_MAX {
            let reason = Reason::Version { key, version };
            self.anomalies.push(Anomaly { class, evidence: vec![Dependency { from, to, reason }] });
        }
    }

    /// Finds the writers of what a committed transaction read.
    fn resolve(
        &mut self,
        reader: u32,
        observed: &Observed<VersionedOperation>,
        input: &[Observed<VersionedOperation>],
    ) -> Result<(), Ambiguous> {
        for operation in &observed.operations {
            let VersionedOperation::Read { key, value, version } = *operation else { continue };
            let token = key;
            let key = self.numbers[&key];
            if version == 0 || self.told.contains_key(&(key, version)) {
                continue;
            }
            // A version that nobody is found to have written is garbage, the tables will say.
            let Some(value) = value else { continue };
            let Some(candidate) = self.candidates.get(&(key, value)).copied() else { continue };
            if let Some(other) = candidate.other {
                let line = input[other as usize].line;
                let first = input[candidate.transaction as usize].line;
                return Err(Ambiguous { line, first, key: token, value });
            }
            if candidate.aborted {
                self.report(AnomalyClass::G1a, (candidate.transaction, reader), key, version);
                continue;
            }
            let writer = candidate.transaction;
            let known = *self.resolved.entry((writer, key, value)).or_insert(version);
            if known != version {
                self.report(AnomalyClass::DuplicateWrite, (writer, reader), key, version);
            }
            self.told.insert((key, version), (writer, Some(value)));
        }
        Ok(())
    }

    /// Every version has one value, if the history tells values.
    fn compare(&mut self, reader: u32, observed: &Observed<VersionedOperation>) {
        for operation in &observed.operations {
            let VersionedOperation::Read { key, value, version } = *operation else { continue };
            let key = self.numbers[&key];
            let written = match version {
                0 => Some(None),
                _ => self.told.get(&(key, version)).map(|(_, written)| *written),
            };
            if self.values && written.is_some_and(|written| written != value) {
                self.report(AnomalyClass::Garbage, (reader, reader), key, version);
            }
        }
    }

    fn accesses(&self, at: u32, observed: &Observed<VersionedOperation>) -> Vec<Access> {
        let version_of = |key, value: Option<Token>, version: Option<u64>| {
            let resolved = value.and_then(|value| self.resolved.get(&(at, key, value)).copied());
            version.or(resolved)
        };
        let committed = matches!(observed.ending, Ending::Committed(_));
        let seen = observed.operations.iter().any(|operation| match *operation {
            VersionedOperation::Write { key, value, .. } => {
                version_of(self.numbers[&key], value, None).is_some()
            }
            VersionedOperation::Read { .. } => false,
        });
        if !committed && !seen {
            return Vec::new();
        }
        let access = |operation: &VersionedOperation| match *operation {
            VersionedOperation::Write { key, value, version } => {
                let key = self.numbers[&key];
                let told = version.filter(|_| committed);
                let version = version_of(key, value, told).unwrap_or(UNPLACED);
                Some(Access { version, key, action: Action::Write })
            }
            VersionedOperation::Read { key, version, .. } => {
                let read = Access { version, key: self.numbers[&key], action: Action::Read };
                committed.then_some(read)
            }
        };
        observed.operations.iter().filter_map(access).collect()
    }
}
