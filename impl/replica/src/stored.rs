//! Entries that a peer needs and this replica holds no longer as a part of its machine: the newest
//! of them are in a window in memory, all of them are in the write-ahead log.
//!
//! The log may hold an index several times: a later record replaces a suffix. So positions are kept
//! in log order, each for the entries up to the next position's first, and a record that replaces
//! a suffix removes the positions of what it replaces.
//!
//! ```text
//! records     L1: 1..64   L2: 65..128   L3: 129..140   L4: 71..90 (replaces)   L5: 91..
//! positions   1@L1  65@L2  129@L3            then            1@L1  65@L2  71@L4
//! ```

use crate::limits::{POSITION_STRIDE, SKIPPED_BYTES_MAX, WINDOW_BYTES_MAX, WINDOW_ENTRIES_MAX};
use crate::outbox::{Outbox, length_of};
use ringleader_core::group::{Entry, Message, Write};
use ringleader_core::ids::{LogEnd, LogIndex, ReplicaId, Term};
use ringleader_storage::wal::{Lsn, ReadError, Record, Records, WalReader};
use ringleader_wire::record::{self, Logged};
use ringleader_wire::{Command, DecodeError};
use std::collections::VecDeque;

/// An append to be built from the write-ahead log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRange {
    /// The receiver.
    pub to: ReplicaId,
    /// The leader's term.
    pub term: Term,
    /// The entry before the first to send.
    pub prev: LogEnd,
    /// The last entry to send.
    pub last: LogEnd,
    /// The leader's commit index.
    pub commit: LogIndex,
    /// Where to find the entries.
    parts: Vec<Part>,
}

/// Entries up to `last` are in the records from `position` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    position: Lsn,
    last: LogIndex,
}

/// Why stored entries could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// The log cannot be read.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// A record is not one of ours.
    #[error("record at position {position} of the log: {source}")]
    Record {
        /// Where it is.
        position: Lsn,
        /// What is wrong with it.
        source: DecodeError,
    },
}

impl StoredRange {
    /// The append with these entries, if they are exactly those that it is to carry: several if
    /// they are too long for one.
    fn messages(&self, entries: Vec<Entry<Command>>) -> Vec<Message<Command>> {
        let wanted = self.last.index.0 - self.prev.index.0;
        let complete = entries.len() as u64 == wanted
            && entries.last().is_some_and(|last| last.term == self.last.term);
        if !complete {
            return Vec::new();
        }
        let (term, prev, commit) = (self.term, self.prev, self.commit);
        let mut outbox = Outbox::default();
        outbox.push(self.to, Message::Append { term, prev, entries, commit });
        outbox.drain().map(|(_, message)| message).collect()
    }
}

/// Reads ranges from the log. One for each peer: a peer that catches up asks for one range after
/// another, and each goes on where the one before ended.
#[derive(Debug)]
pub struct StoredReader {
    log: WalReader,
    stream: u64,
    cursor: Option<Cursor>,
}

/// A place in the log.
#[derive(Debug)]
struct Cursor {
    records: Records,
    /// The append that was read last: the next range may start inside it.
    held: Option<Append>,
}

/// A record that appends.
#[derive(Debug)]
struct Append {
    position: Lsn,
    after: LogIndex,
    entries: Vec<Entry<Command>>,
}

impl Cursor {
    /// Whether reading on from here finds the entries of a part from `next` on, soon.
    ///
    /// From a part's position on, records follow each other without a gap up to the part's last
    /// entry, and no later record holds an entry of the part: it would have ended the part. So a
    /// record behind the position that starts before `next` is one of those. Records before the
    /// position may hold what was replaced since: they are skipped.
    fn leads_to(&self, part: &Part, next: LogIndex) -> bool {
        let Some(held) = &self.held else { return false };
        match part.position.0.checked_sub(held.position.0) {
            None | Some(0) => held.after < next,
            Some(distance) => distance <= SKIPPED_BYTES_MAX,
        }
    }
}

impl StoredReader {
    /// A reader of the records of one stream.
    #[must_use]
    pub fn new(log: WalReader, stream: u64) -> Self {
        Self { log, stream, cursor: None }
    }

    /// Reads the entries and builds the messages that carry them. None if the log does not hold
    /// exactly them: the leader will ask again.
    ///
    /// # Errors
    /// When the log cannot be read: the node has lost what it promised to keep.
    pub fn read(&mut self, range: &StoredRange) -> Result<Vec<Message<Command>>, StoredError> {
        let mut next = range.prev.index.next();
        let mut entries = Vec::new();
        for part in &range.parts {
            match self.read_part(part, &mut next, &mut entries) {
                // It was trimmed since it was asked for.
                Err(StoredError::Read(ReadError::Trimmed { .. })) => return Ok(Vec::new()),
                done => done?,
            }
        }
        Ok(range.messages(entries))
    }

    fn read_part(
        &mut self,
        part: &Part,
        next: &mut LogIndex,
        entries: &mut Vec<Entry<Command>>,
    ) -> Result<(), StoredError> {
        let cursor = self.cursor.take().filter(|cursor| cursor.leads_to(part, *next));
        let mut is_fresh = cursor.is_none();
        let mut cursor = cursor.unwrap_or_else(|| self.seek(part));
        loop {
            if let Some(held) = &cursor.held
                && held.position >= part.position
            {
                take_from(held, next, part.last, entries);
            }
            if *next > part.last {
                break;
            }
            match cursor.records.next() {
                Some(found) => {
                    if let Some(held) = self.append_in(&found?)? {
                        cursor.held = Some(held);
                    }
                }
                // What was appended since the cursor was made is not in its records.
                None if !is_fresh => (cursor, is_fresh) = (self.seek(part), true),
                None => break,
            }
        }
        self.cursor = Some(cursor);
        Ok(())
    }

    fn seek(&self, part: &Part) -> Cursor {
        Cursor { records: self.log.records(part.position), held: None }
    }

    fn append_in(&self, found: &Record) -> Result<Option<Append>, StoredError> {
        if found.stream != self.stream {
            return Ok(None);
        }
        let position = found.lsn;
        match record::decode_any(&found.payload) {
            Ok(Logged::Write(Write::Append { after, entries })) => {
                Ok(Some(Append { position, after, entries }))
            }
            Ok(
                Logged::Write(Write::Ballot { .. } | Write::Trim { .. } | Write::Install { .. })
                | Logged::Base(_),
            ) => Ok(None),
            Err(source) => Err(StoredError::Record { position, source }),
        }
    }
}

/// Takes from a record the entries from `next` up to `last`.
fn take_from(
    found: &Append,
    next: &mut LogIndex,
    last: LogIndex,
    entries: &mut Vec<Entry<Command>>,
) {
    for (index, entry) in (found.after.0 + 1..).map(LogIndex).zip(&found.entries) {
        if index == *next && index <= last {
            entries.push(entry.clone());
            *next = index.next();
        }
    }
}

/// Where in the write-ahead log the entries are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Positions {
    /// First entry and position. Invariant: both strictly grow.
    points: Vec<(LogIndex, Lsn)>,
    /// The last entry that the log holds.
    last: LogIndex,
}

impl Positions {
    /// A record at `position` holds `count` entries after `after`, and what followed `after` is
    /// gone.
    pub(crate) fn record(&mut self, after: LogIndex, count: u64, position: Lsn) {
        let replaces = after < self.last;
        let first = after.next();
        while self.points.last().is_some_and(|&(point, _)| point >= first) {
            self.points.pop();
        }
        let due = self.points.last().is_none_or(|&(point, _)| first.0 - point.0 >= POSITION_STRIDE);
        if replaces || due {
            self.points.push((first, position));
        }
        self.last = LogIndex(after.0 + count);
    }

    /// The log begins after this entry: where the ones before it are does not matter any more.
    pub(crate) fn trim(&mut self, start: LogIndex) {
        let first = self.points.partition_point(|&(point, _)| point <= start.next());
        self.points.drain(..first.saturating_sub(1));
    }

    /// The log begins anew after this entry.
    pub(crate) fn begin_after(&mut self, start: LogIndex) {
        self.points.clear();
        self.last = start;
    }

    /// From where on records hold the entries after `start`; the end of everything if there are none.
    pub(crate) fn needed_after(&self, start: LogIndex) -> Lsn {
        if self.last <= start {
            return Lsn(u64::MAX);
        }
        self.parts(start, start.next()).first().map_or(Lsn(0), |part| part.position)
    }

    /// Where to read the entries after `prev` up to `last`.
    fn parts(&self, prev: LogIndex, last: LogIndex) -> Vec<Part> {
        let first = self.points.partition_point(|&(point, _)| point <= prev.next());
        let mut parts = Vec::new();
        for at in first.saturating_sub(1)..self.points.len() {
            let (point, position) = self.points[at];
            if point > last {
                break;
            }
            let end = self.points.get(at + 1).map_or(last, |&(next, _)| next.previous().min(last));
            parts.push(Part { position, last: end });
        }
        parts
    }
}

/// Applied entries that are still in memory, and where all others are.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    window: VecDeque<Entry<Command>>,
    /// Index of the last entry of the window.
    end: LogIndex,
    bytes: usize,
    pub(crate) positions: Positions,
}

impl Stored {
    /// Everything up to `applied` is in the log only.
    pub(crate) fn recovered(applied: LogIndex, positions: Positions) -> Self {
        Self { end: applied, positions, ..Self::default() }
    }

    /// Keeps an applied entry, the one after the last that was kept, and drops the oldest ones.
    pub(crate) fn keep(&mut self, index: LogIndex, entry: Entry<Command>) {
        assert_eq!(index, self.end.next(), "entries are applied in order");
        self.end = index;
        self.bytes += length_of(std::slice::from_ref(&entry));
        self.window.push_back(entry);
        while self.window.len() > WINDOW_ENTRIES_MAX || self.bytes > WINDOW_BYTES_MAX {
            let Some(oldest) = self.window.pop_front() else { return };
            self.bytes -= length_of(std::slice::from_ref(&oldest));
        }
    }

    /// The state holds everything up to here, and the log begins after it.
    pub(crate) fn begin_after(&mut self, start: LogIndex) {
        self.window.clear();
        (self.end, self.bytes) = (start, 0);
    }

    /// The entries after `prev` up to `last`, if all are in memory.
    pub(crate) fn in_memory(&self, prev: LogIndex, last: LogIndex) -> Option<Vec<Entry<Command>>> {
        let before = self.end.0 - self.window.len() as u64;
        let skip = usize::try_from(prev.0.checked_sub(before)?).ok()?;
        let count = usize::try_from(last.0.checked_sub(prev.0)?).ok()?;
        let entries = self.window.range(skip.min(self.window.len())..).take(count);
        let entries: Vec<_> = entries.cloned().collect();
        (entries.len() == count).then_some(entries)
    }

    /// How to read the entries after `prev` up to `last` from the log.
    pub(crate) fn range(
        &self,
        to: ReplicaId,
        term: Term,
        (prev, last): (LogEnd, LogEnd),
        commit: LogIndex,
    ) -> StoredRange {
        let parts = self.positions.parts(prev.index, last.index);
        StoredRange { to, term, prev, last, commit, parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(positions: &Positions, prev: u64, last: u64) -> Vec<(u64, u64)> {
        let parts = positions.parts(LogIndex(prev), LogIndex(last));
        parts.into_iter().map(|part| (part.position.0, part.last.0)).collect()
    }

    /// The drawing in the module's documentation.
    #[test]
    fn a_replaced_suffix_is_read_from_where_it_was_replaced() {
        let mut positions = Positions::default();
        positions.record(LogIndex(0), 64, Lsn(1));
        positions.record(LogIndex(64), 64, Lsn(2));
        positions.record(LogIndex(128), 12, Lsn(3));
        assert_eq!(parts(&positions, 60, 140), [(1, 64), (2, 128), (3, 140)]);
        positions.record(LogIndex(70), 20, Lsn(4));
        positions.record(LogIndex(90), 20, Lsn(5));
        assert_eq!(parts(&positions, 0, 64), [(1, 64)]);
        assert_eq!(parts(&positions, 66, 100), [(2, 70), (4, 100)]);
        assert_eq!(parts(&positions, 70, 71), [(4, 71)]);
    }

    #[test]
    fn the_record_of_the_first_entry_that_is_left_is_kept() {
        let mut positions = Positions::default();
        for (after, position) in [(0, 1), (64, 2), (128, 3)] {
            positions.record(LogIndex(after), 64, Lsn(position));
        }
        positions.trim(LogIndex(63));
        assert_eq!(positions.needed_after(LogIndex(63)), Lsn(1), "entry 64 is in the first one");
        positions.trim(LogIndex(64));
        assert_eq!(positions.needed_after(LogIndex(64)), Lsn(2));
        assert_eq!(parts(&positions, 64, 130), [(2, 128), (3, 130)]);
        assert_eq!(positions.needed_after(LogIndex(192)), Lsn(u64::MAX), "nothing is left");
        positions.begin_after(LogIndex(500));
        assert_eq!(positions.needed_after(LogIndex(500)), Lsn(u64::MAX));
    }

    #[test]
    fn positions_are_sparse() {
        let mut positions = Positions::default();
        for index in 0..1000 {
            positions.record(LogIndex(index), 1, Lsn(index));
        }
        assert_eq!(positions.points.len(), 16);
    }
}
