//! The log of one replica: its *shape* as a whole, its payloads only where they are still needed.
//!
//! The shape is the runs of equal terms, a few numbers however long the log is. It decides votes
//! and conflicts. Payloads are kept from the first entry that this replica has not applied;
//! older ones are in the state machine, and on disk for peers that lag.
//!
//! ```text
//! index      1   2   3   4   5   6   7
//! term       1   1   1   2   2   4   4        runs: (1,1) (4,2) (6,4)
//! payload    .   .   .   .   e   f   g        released up to 4
//! ```
//!
//! What every replica's storage holds may be trimmed from the front; term and index of the last entry
//! that went stay, and so does the configuration in effect there.
//!
//! Configurations are part of the shape: whoever holds an entry must know who counts its copies,
//! also when the entry's payload is released (`membership`).
//!
//! Invariants: `LOG-1` terms never decrease along the log. `LOG-2` runs start at strictly growing
//! indexes with strictly growing terms. `LOG-3` a payload is held for exactly the indexes above
//! `released`.

use super::membership::Membership;
use super::snapshot::SnapshotMark;
use super::symmetry::Rename;
use crate::ids::{LogEnd, LogIndex, ReplicaId, Term};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// One entry: the term of the leader that appended it, and what it carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry<C> {
    /// The term in which a leader created it.
    pub term: Term,
    /// What it carries.
    pub payload: Payload<C>,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Payload<C> {
    /// Nothing: a new leader's way to commit in its own term.
    NoOp,
    /// A command for the state machine.
    Command(C),
    /// Who takes part from here on: in effect as soon as it is in the log (dissertation,
    /// section 4.1).
    Members(Membership),
}

impl<C> Payload<C> {
    /// The same with another type of commands.
    pub fn map<D>(self, change: &mut impl FnMut(C) -> D) -> Payload<D> {
        match self {
            Self::NoOp => Payload::NoOp,
            Self::Command(command) => Payload::Command(change(command)),
            Self::Members(members) => Payload::Members(members),
        }
    }
}

impl<C> Entry<C> {
    /// The same with another type of commands.
    pub fn map<D>(self, change: &mut impl FnMut(C) -> D) -> Entry<D> {
        Entry { term: self.term, payload: self.payload.map(change) }
    }
}

/// A stretch of entries of one term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Run {
    /// Index of its first entry.
    first: LogIndex,
    /// The term of all its entries.
    term: Term,
}

/// A replica's log. See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Log<C> {
    /// The last entry that is not in the log any more, because the state holds it.
    start: LogEnd,
    /// Invariant: `LOG-2`.
    runs: Vec<Run>,
    /// Payloads up to and including this index are not held.
    released: LogIndex,
    /// Payloads of the indexes above `released`, in order.
    payloads: VecDeque<Payload<C>>,
    /// The configurations among the entries, by index. Invariant: indexes strictly grow.
    members: Vec<(LogIndex, Membership)>,
}

impl<C> Default for Log<C> {
    fn default() -> Self {
        Self {
            start: LogEnd::default(),
            runs: Vec::new(),
            released: LogIndex::ZERO,
            payloads: VecDeque::new(),
            members: Vec::new(),
        }
    }
}

impl<C: Clone> Rename for Log<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let members = self.members.iter().map(|(index, it)| (*index, it.rename(name)));
        Self {
            members: members.collect(),
            payloads: self.payloads.iter().map(|payload| payload.rename(name)).collect(),
            ..self.clone()
        }
    }
}

impl<C> Log<C> {
    /// The same with another type of commands.
    pub fn map<D>(self, change: &mut impl FnMut(C) -> D) -> Log<D> {
        let Self { start, runs, released, payloads, members } = self;
        let payloads = payloads.into_iter().map(|payload| payload.map(change)).collect();
        Log { start, runs, released, payloads, members }
    }
}

impl<C: Clone> Log<C> {
    /// Whether the parts of a log that somebody wrote down fit together (`LOG-1` to `LOG-3`): one that
    /// was read from bytes may be anything.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let Self { start, runs, released, payloads, members } = self;
        let Some(last) = released.0.checked_add(payloads.len() as u64) else { return false };
        let grow = |pair: &[Run]| pair[0].first < pair[1].first && pair[0].term < pair[1].term;
        let first = start.index.0.checked_add(1);
        let begins = match runs.first() {
            Some(run) => Some(run.first.0) == first && run.term >= start.term,
            None => last == start.index.0,
        };
        begins
            && start.index <= *released
            && runs.windows(2).all(grow)
            && runs.last().is_none_or(|run| run.first.0 <= last)
            && members.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && members.last().is_none_or(|(index, _)| index.0 <= last)
    }

    /// Index of the last entry, 0 if there is none.
    #[must_use]
    pub fn last(&self) -> LogIndex {
        LogIndex(self.released.0 + self.payloads.len() as u64)
    }

    /// Index and term of the last entry.
    #[must_use]
    pub fn end(&self) -> LogEnd {
        let term = self.runs.last().map_or(self.start.term, |run| run.term);
        LogEnd { term, index: self.last() }
    }

    /// Payloads up to and including this index are no longer held.
    #[must_use]
    pub fn released(&self) -> LogIndex {
        self.released
    }

    /// The last entry that is not in the log any more; index and term 0 if there is none.
    #[must_use]
    pub fn start(&self) -> LogEnd {
        self.start
    }

    /// The term of the entry at `index`, the last one that was trimmed included; term 0 at index 0
    /// of a whole log; nothing before that, and nothing beyond the end.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.start.index {
            return Some(self.start.term);
        }
        (index > self.start.index && index <= self.last()).then(|| self.run_at(index).term)
    }

    /// Index of the first entry of the run that holds `index`.
    ///
    /// # Panics
    ///
    /// If there is no entry at `index`.
    #[must_use]
    pub fn run_start(&self, index: LogIndex) -> LogIndex {
        self.run_at(index).first
    }

    fn run_at(&self, index: LogIndex) -> Run {
        assert!(index > self.start.index && index <= self.last(), "LOG-2: no entry at {}", index.0);
        let after = self.runs.partition_point(|run| run.first <= index);
        self.runs[after - 1]
    }

    /// The payload at `index`, if it is held.
    #[must_use]
    pub fn payload(&self, index: LogIndex) -> Option<&Payload<C>> {
        let offset = index.0.checked_sub(self.released.0 + 1)?;
        self.payloads.get(usize::try_from(offset).ok()?)
    }

    /// The entry at `index`, if its payload is held.
    #[must_use]
    pub fn entry(&self, index: LogIndex) -> Option<Entry<C>> {
        let payload = self.payload(index)?.clone();
        Some(Entry { term: self.run_at(index).term, payload })
    }

    /// The entries after `after`, at most `count_max` of them. All must be held.
    #[must_use]
    pub fn entries_after(&self, after: LogIndex, count_max: u64) -> Vec<Entry<C>> {
        let last = LogIndex(self.last().0.min(after.0.saturating_add(count_max)));
        (after.0 + 1..=last.0).filter_map(|index| self.entry(LogIndex(index))).collect()
    }

    /// The newest configuration among the entries, and where it is.
    #[must_use]
    pub fn members(&self) -> Option<(LogIndex, Membership)> {
        self.members.last().copied()
    }

    /// The configuration in effect at `index`, and where it is, if it was said in this log.
    #[must_use]
    pub fn members_at(&self, index: LogIndex) -> Option<(LogIndex, Membership)> {
        let upto = self.members.partition_point(|(at, _)| *at <= index);
        self.members[..upto].last().copied()
    }

    /// How many configurations follow `after`.
    #[must_use]
    pub fn configurations_after(&self, after: LogIndex) -> usize {
        self.members.len() - self.members.partition_point(|(index, _)| *index <= after)
    }

    /// Adds an entry at the end.
    ///
    /// # Panics
    ///
    /// If its term is below that of the last entry (`LOG-1`).
    pub fn append(&mut self, entry: Entry<C>) {
        let end = self.end();
        assert!(end.term <= entry.term, "LOG-1: term {} after {}", entry.term.0, end.term.0);
        if self.runs.last().is_none_or(|run| run.term < entry.term) {
            self.runs.push(Run { first: end.index.next(), term: entry.term });
        }
        if let Payload::Members(members) = &entry.payload {
            self.members.push((end.index.next(), *members));
        }
        self.payloads.push_back(entry.payload);
    }

    /// Removes every entry after `after`.
    ///
    /// # Panics
    ///
    /// If that would remove an entry whose payload is no longer held: such entries are applied.
    pub fn truncate(&mut self, after: LogIndex) {
        assert!(after >= self.released, "LOG-3: entry {} is applied", after.0 + 1);
        if after >= self.last() {
            return;
        }
        let keep = usize::try_from(after.0 - self.released.0).expect("fewer than are held");
        self.payloads.truncate(keep);
        self.runs.retain(|run| run.first <= after);
        self.members.retain(|(index, _)| *index <= after);
    }

    /// Drops the payloads up to and including `upto`; the shape stays.
    ///
    /// # Panics
    ///
    /// If there is no entry at `upto`.
    pub fn release(&mut self, upto: LogIndex) {
        assert!(upto <= self.last(), "LOG-3: releasing {} of {}", upto.0, self.last().0);
        while self.released < upto {
            self.payloads.pop_front();
            self.released = self.released.next();
        }
    }

    /// Forgets the entries up to and including `upto`, their shape too. The configuration in effect
    /// there stays.
    ///
    /// # Panics
    ///
    /// If their payloads are still held, or they are not in the log.
    pub fn trim(&mut self, upto: LogIndex) {
        assert!(upto <= self.released, "LOG-3: trimming {} of {}", upto.0, self.released.0);
        let term = self.term_at(upto).expect("LOG-2: what is trimmed is in the log");
        self.start = LogEnd { term, index: upto };
        let first = upto.next();
        let passed = self.runs.partition_point(|run| run.first <= first);
        self.runs.drain(..passed.saturating_sub(1));
        match self.runs.first_mut() {
            Some(_) if upto == LogIndex(self.released.0 + self.payloads.len() as u64) => {
                self.runs.clear();
            }
            Some(run) => run.first = run.first.max(first),
            None => {}
        }
        let known = self.members.partition_point(|(at, _)| *at <= upto);
        self.members.drain(..known.saturating_sub(1));
    }

    /// Begins anew after a snapshot: nothing but its end and its configuration is known.
    pub fn install(&mut self, mark: SnapshotMark) {
        *self = Self {
            start: mark.end,
            runs: Vec::new(),
            released: mark.end.index,
            payloads: VecDeque::new(),
            members: Vec::from([(mark.members_index, mark.members)]),
        };
    }
}
