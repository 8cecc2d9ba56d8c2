//! Lists that transactions append to and read whole: a read tells the order of the versions.
//!
//! Source: Elle (VLDB 2020), sections 4.1 and 4.2. If appended values are distinct, the longest
//! list read of a key names the installer of each of its versions in their order, and every other
//! read must be a prefix of it. Beyond Elle, appends that surely happened but that nobody read are
//! put behind the longest list:
//!
//! - one whose transaction read the longest list itself comes next; two such lost an update;
//! - several others may come in any order. A *marker*, a transaction of our own, stands after the
//!   longest list's installer and readers and before all of them, so that nothing else is said of
//!   their order; and nothing needs to be, as nobody read any of them.

use std::collections::HashMap;

use super::anomaly::{Anomaly, AnomalyClass, Dependency, Reason};
use super::{Access, Action, NEVER, Transactions};
use crate::token::Token;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It took effect, and returned at that time.
    Committed(u64),
    /// It certainly had no effect.
    Aborted,
    /// Nobody knows.
    Unknown,
}

/// A transaction as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed<O> {
    /// The client.
    pub process: u32,
    /// The line that invoked it.
    pub line: u32,
    /// When it was invoked.
    pub invoked: u64,
    /// How it ended.
    pub ending: Ending,
    /// What it did, in its order.
    pub operations: Vec<O>,
}

/// One operation on one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListOperation {
    /// Adds a value at the end.
    Append {
        /// The list.
        key: Token,
        /// The value; no other operation appends it to that list.
        value: Token,
    },
    /// Reads the list.
    Read {
        /// The list.
        key: Token,
        /// What was read. Means nothing unless the transaction committed.
        seen: Vec<Token>,
    },
}

/// Why versions cannot be told from the values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: writes a value that line {first} writes to the same key; expected distinct values"
)]
pub struct Ambiguous {
    /// The line of the second transaction.
    pub line: u32,
    /// The line of the first.
    pub first: u32,
    /// The key.
    pub key: Token,
    /// The value.
    pub value: Token,
}

/// Versions instead of values.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// The transactions, each at its position in the input; those that were aborted, or that
    /// nobody saw, without accesses. `Transactions::markers` of our own stand behind them.
    pub transactions: Transactions,
    /// What is wrong already.
    pub anomalies: Vec<Anomaly>,
    /// The keys by their numbers.
    pub keys: Vec<Token>,
    /// For lists: the longest one read of each key.
    pub longest: Vec<Vec<Token>>,
}

/// At most so many anomalies are listed; each proves the verdict alone.
const LISTED_MAX: usize = 16;

/// Who appended what.
#[derive(Clone, Copy, Debug)]
struct Append {
    transaction: u32,
    /// Its rank in the longest list, from 1; 0 if nobody read it.
    version: u64,
}

struct Inference<'a> {
    input: &'a [Observed<ListOperation>],
    keys: Vec<Token>,
    numbers: HashMap<Token, u32>,
    appends: HashMap<(u32, Token), Append>,
    /// For each key the longest list read, and by whom.
    longest: Vec<(&'a [Token], u32)>,
    anomalies: Vec<Anomaly>,
}

/// Tells versions from lists.
///
/// # Errors
/// When one value is appended twice to a list.
///
/// # Panics
/// Beyond 2^32 transactions.
pub fn infer(input: &[Observed<ListOperation>]) -> Result<Inferred, Ambiguous> {
    let mut inference = Inference {
        input,
        keys: Vec::new(),
        numbers: HashMap::new(),
        appends: HashMap::new(),
        longest: Vec::new(),
        anomalies: Vec::new(),
    };
    inference.collect()?;
    inference.rank();
    inference.compare();
    let mut transactions = inference.accesses();
    inference.place_unread(&mut transactions);
    let longest = inference.longest.iter().map(|(list, _)| list.to_vec()).collect();
    let Inference { keys, anomalies, .. } = inference;
    Ok(Inferred { transactions: transactions.finish(input), anomalies, keys, longest })
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("2^32 transactions do not fit in memory")
}

/// The accesses of each transaction while they are collected.
struct Drafts {
    accesses: Vec<Vec<Access>>,
    included: Vec<bool>,
    markers: Vec<Vec<Access>>,
}

impl Drafts {
    fn finish(self, input: &[Observed<ListOperation>]) -> Transactions {
        let count = self.accesses.iter().chain(&self.markers).map(Vec::len).sum();
        let mut transactions = Transactions::with_capacity(input.len(), count);
        for (observed, accesses) in input.iter().zip(self.accesses) {
            transactions.push_observed(observed, accesses);
        }
        for marker in self.markers {
            transactions.push_marker(marker);
        }
        transactions
    }
}

impl Inference<'_> {
    fn key(&mut self, key: Token) -> u32 {
        let next = number(self.keys.len());
        let found = *self.numbers.entry(key).or_insert(next);
        if found == next {
            self.keys.push(key);
            self.longest.push((&[], 0));
        }
        found
    }

    /// All appends, and the longest read of each key.
    fn collect(&mut self) -> Result<(), Ambiguous> {
        for (at, observed) in self.input.iter().enumerate() {
            let transaction = number(at);
            for operation in &observed.operations {
                match operation {
                    ListOperation::Append { key, value } => {
                        let append = Append { transaction, version: 0 };
                        let numbered = self.key(*key);
                        if let Some(other) = self.appends.insert((numbered, *value), append) {
                            let first = self.input[other.transaction as usize].line;
                            let (key, value) = (*key, *value);
                            return Err(Ambiguous { line: observed.line, first, key, value });
                        }
                    }
                    ListOperation::Read { key, seen } => {
                        let key = self.key(*key);
                        let committed = matches!(observed.ending, Ending::Committed(_));
                        if committed && seen.len() > self.longest[key as usize].0.len() {
                            self.longest[key as usize] = (seen, transaction);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn report(&mut self, class: AnomalyClass, (from, to): (u32, u32), key: u32, version: usize) {
        if self.anomalies.len() < LISTED_MAX {
            let reason = Reason::Version { key, version: version as u64 };
            self.anomalies.push(Anomaly { class, evidence: vec![Dependency { from, to, reason }] });
        }
    }

    /// Numbers the appends along the longest lists.
    fn rank(&mut self) {
        for key in 0..number(self.keys.len()) {
            let (list, reader) = self.longest[key as usize];
            for (rank, value) in list.iter().enumerate() {
                let version = rank + 1;
                let Some(append) = self.appends.get_mut(&(key, *value)) else {
                    self.report(AnomalyClass::Garbage, (reader, reader), key, version);
                    continue;
                };
                let writer = append.transaction;
                if append.version != 0 {
                    self.report(AnomalyClass::DuplicateWrite, (reader, reader), key, version);
                    continue;
                }
                append.version = version as u64;
                if self.input[writer as usize].ending == Ending::Aborted {
                    self.report(AnomalyClass::G1a, (writer, reader), key, version);
                }
            }
        }
    }

    /// Every read is a prefix of the longest one.
    fn compare(&mut self) {
        let input = self.input;
        for (at, observed) in input.iter().enumerate() {
            if !matches!(observed.ending, Ending::Committed(_)) {
                continue;
            }
            for operation in &observed.operations {
                let ListOperation::Read { key, seen } = operation else { continue };
                let key = self.numbers[key];
                let (longest, reader) = self.longest[key as usize];
                let class = AnomalyClass::IncompatibleOrder;
                if !longest.starts_with(seen) {
                    self.report(class, (reader, number(at)), key, seen.len());
                }
            }
        }
    }

    /// Reads and ranked appends as accesses; a transaction that contradicts itself is reported.
    fn accesses(&mut self) -> Drafts {
        let input = self.input;
        let mut seen_by_someone = vec![false; input.len()];
        for append in self.appends.values().filter(|append| append.version != 0) {
            seen_by_someone[append.transaction as usize] = true;
        }
        let mut drafts = Drafts { accesses: Vec::new(), included: Vec::new(), markers: Vec::new() };
        for (at, observed) in input.iter().enumerate() {
            let included = match observed.ending {
                Ending::Committed(_) => true,
                Ending::Aborted => false,
                Ending::Unknown => seen_by_someone[at],
            };
            drafts.included.push(included);
            drafts.accesses.push(if included { self.of_one(number(at)) } else { Vec::new() });
        }
        drafts
    }

    fn of_one(&mut self, at: u32) -> Vec<Access> {
        let observed = &self.input[at as usize];
        let committed = matches!(observed.ending, Ending::Committed(_));
        let mut accesses: Vec<Access> = Vec::with_capacity(observed.operations.len());
        // Of each key: what was there before, if it was read, and what was appended since.
        let mut own: HashMap<u32, (Option<&[Token]>, Vec<Token>)> = HashMap::new();
        for operation in &observed.operations {
            match operation {
                ListOperation::Append { key, value } => {
                    let key = self.numbers[key];
                    own.entry(key).or_default().1.push(*value);
                    let version = self.appends[&(key, *value)].version;
                    if version != 0 {
                        accesses.push(Access { version, key, action: Action::Write });
                    }
                }
                ListOperation::Read { key, seen } if committed => {
                    let key = self.numbers[key];
                    let (base, appended) = own.entry(key).or_default();
                    let before = seen.strip_suffix(appended.as_slice());
                    let (known, found) = (*base, before);
                    *base = known.or(found);
                    match found {
                        Some(before) if known.is_none_or(|known| known == before) => {
                            if known.is_none() {
                                let version = before.len() as u64;
                                // What it appended itself before stands behind what it read.
                                let place = accesses.iter().position(|it| it.key == key);
                                let place = place.unwrap_or(accesses.len());
                                let read = Access { version, key, action: Action::Read };
                                accesses.insert(place, read);
                            }
                        }
                        _ => self.report(AnomalyClass::Internal, (at, at), key, seen.len()),
                    }
                }
                ListOperation::Read { .. } => {}
            }
        }
        accesses
    }

    /// Puts appends that happened but that nobody read behind the longest list.
    fn place_unread(&mut self, drafts: &mut Drafts) {
        let mut unread: Vec<(u32, u32)> = self
            .appends
            .iter()
            .filter(|(_, append)| {
                append.version == 0 && drafts.included[append.transaction as usize]
            })
            .map(|((key, _), append)| (*key, append.transaction))
            .collect();
        unread.sort_unstable();
        unread.dedup();
        let mut next_key = number(self.keys.len());
        for writers in unread.chunk_by(|one, other| one.0 == other.0) {
            let key = writers[0].0;
            let mut last = self.longest[key as usize].0.len() as u64;
            let mut writers: Vec<u32> = writers.iter().map(|(_, writer)| *writer).collect();
            let touched_last = |writer: &u32, action| {
                drafts.accesses[*writer as usize]
                    .iter()
                    .any(|it| it.key == key && it.action == action && it.version == last)
            };
            // Who wrote the end of it goes on at once; who read it writes the next version.
            let own_end = writers.iter().position(|it| touched_last(it, Action::Write));
            let readers: Vec<usize> =
                (0..writers.len()).filter(|at| touched_last(&writers[*at], Action::Read)).collect();
            if let (None, [one, other, ..]) = (own_end, &readers[..]) {
                let (one, other) = (writers[*one], writers[*other]);
                let reason = Reason::ReadWrite { key, version: last };
                let edges = [(one, other), (other, one)];
                let evidence = edges.map(|(from, to)| Dependency { from, to, reason }).to_vec();
                self.anomalies.push(Anomaly { class: AnomalyClass::LostUpdate, evidence });
                continue;
            }
            let alone = (writers.len() == 1).then_some(0);
            if let Some(next) = own_end.or(readers.first().copied()).or(alone) {
                last += 1;
                let write = Access { version: last, key, action: Action::Write };
                drafts.accesses[writers.remove(next) as usize].push(write);
            }
            if !writers.is_empty() {
                let marker = Access { version: 1, key: next_key, action: Action::Write };
                let end = Access { version: last + 1, key, action: Action::Write };
                drafts.markers.push(vec![end, marker]);
                for writer in writers {
                    let after = Access { action: Action::Read, ..marker };
                    drafts.accesses[writer as usize].push(after);
                }
                next_key += 1;
            }
        }
    }
}

impl Transactions {
    /// Adds a transaction as its client saw it.
    pub(super) fn push_observed<O>(&mut self, observed: &Observed<O>, accesses: Vec<Access>) {
        let returned = match observed.ending {
            Ending::Committed(returned) => returned,
            Ending::Aborted | Ending::Unknown => NEVER,
        };
        let name = (observed.process, observed.line);
        self.push(name, (observed.invoked, returned), accesses);
    }
}
