//! Writes of one batch, merged into the fewest records.

use crate::action::LogRecord;
use crate::outbox::length_of;
use ringleader_core::group::Write;
use ringleader_core::ids::{IoNumber, LogIndex};
use ringleader_wire::limits::ENTRIES_LENGTH_MAX;
use ringleader_wire::{Command, record};

/// What an encoded record does to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Nothing: it is a ballot.
    None,
    /// It lets the log begin after this entry.
    Trim(LogIndex),
    /// It lets the log begin anew after this entry.
    Install(LogIndex),
    /// It says what all records before it led to.
    Base,
    /// It holds so many entries after this one, and ends the log with them.
    Entries {
        /// The last entry that stays.
        after: LogIndex,
        /// How many follow.
        count: u64,
    },
}

/// Collects writes until the batch ends.
#[derive(Debug, Default)]
pub(crate) struct LogBatch {
    /// The write that the next one may continue, and the encoded length of its entries.
    open: Option<(IoNumber, Write<Command>, usize)>,
    records: Vec<(LogRecord, Extent)>,
}

impl LogBatch {
    /// Adds a write.
    pub(crate) fn push(&mut self, io: IoNumber, write: Write<Command>) {
        let added = match &write {
            Write::Ballot { .. } | Write::Trim { .. } | Write::Install { .. } => 0,
            Write::Append { entries, .. } => length_of(entries),
        };
        let write = match (&mut self.open, write) {
            (
                Some((open_io, Write::Append { after: open_after, entries: open }, length)),
                Write::Append { after, mut entries },
            ) if open_after.0 + open.len() as u64 == after.0
                && *length + added <= ENTRIES_LENGTH_MAX =>
            {
                open.append(&mut entries);
                *length += added;
                *open_io = io;
                return;
            }
            (_, write) => write,
        };
        self.close();
        self.open = Some((io, write, added));
    }

    fn close(&mut self) {
        if let Some((io, write, _)) = self.open.take() {
            let extent = match &write {
                Write::Ballot { .. } => Extent::None,
                Write::Trim { upto } => Extent::Trim(*upto),
                Write::Install { mark } => Extent::Install(mark.end.index),
                Write::Append { after, entries } => {
                    Extent::Entries { after: *after, count: entries.len() as u64 }
                }
            };
            self.records.push((LogRecord { io, bytes: record::encode(&write) }, extent));
        }
    }

    /// Takes everything out, encoded.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (LogRecord, Extent)> {
        self.close();
        self.records.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringleader_core::group::{Entry, Payload};
    use ringleader_core::ids::Term;

    fn append(after: u64, count: usize) -> Write<Command> {
        let entry = Entry { term: Term(1), payload: Payload::NoOp };
        Write::Append { after: LogIndex(after), entries: vec![entry; count] }
    }

    fn ballot() -> Write<Command> {
        Write::Ballot { term: Term(2), vote: None }
    }

    fn records(writes: impl IntoIterator<Item = Write<Command>>) -> Vec<(u64, Write<Command>)> {
        let mut batch = LogBatch::default();
        for (io, write) in (1..).map(IoNumber).zip(writes) {
            batch.push(io, write);
        }
        let decoded = |bytes: &[u8]| record::decode(bytes).unwrap();
        batch.drain().map(|(record, _)| (record.io.0, decoded(&record.bytes))).collect()
    }

    #[test]
    fn appends_that_continue_each_other_are_one_record() {
        assert_eq!(records([append(3, 1), append(4, 2)]), [(2, append(3, 3))]);
    }

    #[test]
    fn what_replaces_a_suffix_is_a_record_of_its_own() {
        let writes = [append(3, 2), append(4, 1)];
        assert_eq!(records(writes.clone()), [(1, writes[0].clone()), (2, writes[1].clone())]);
    }

    #[test]
    fn a_ballot_keeps_its_place() {
        let writes = [append(3, 1), ballot(), append(4, 1)];
        assert_eq!(records(writes), [(1, append(3, 1)), (2, ballot()), (3, append(4, 1))]);
    }
}
