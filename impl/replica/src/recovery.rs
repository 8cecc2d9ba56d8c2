//! From the records of a log to the durable state of a replica.

use crate::stored::Positions;
use ringleader_core::group::{Durable, Entry, Group, Payload, Write};
use ringleader_core::ids::{LogIndex, Term};
use ringleader_core::machine::Machine;
use ringleader_storage::wal::{Lsn, ReadError, Record};
use ringleader_wire::{Command, DecodeError, record};

/// Why a replica does not start from what its disk holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
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
    /// A record does not follow from those before it.
    #[error(
        "record at position {position} of the log: entries after {after}, of term {term}, in term \
         {current}, where the log ends with entry {last} of term {last_term}"
    )]
    Contradiction {
        /// Where it is.
        position: Lsn,
        /// The entry that its own follow.
        after: u64,
        /// The term of its first.
        term: u64,
        /// The current term.
        current: u64,
        /// The last entry before it.
        last: u64,
        /// The term of that one.
        last_term: u64,
    },
    /// A record trims the log, or begins it with a snapshot.
    #[error("record at position {position} of the log: logs without a beginning are not supported")]
    Trimmed {
        /// Where it is.
        position: Lsn,
    },
    /// The state machine has applied entries that the log does not hold.
    #[error(
        "the tree holds entry {applied}, the log ends with entry {last}: they do not belong together"
    )]
    LogBehindState {
        /// The last entry that the state machine has applied.
        applied: u64,
        /// The last entry of the log.
        last: u64,
    },
}

/// What the disk of a replica held.
#[derive(Debug)]
pub(crate) struct OnDisk {
    pub(crate) durable: Durable<Command>,
    pub(crate) positions: Positions,
}

/// Folds the records of one stream, in order. Payloads up to `checkpointed` are in the state
/// machine and are not kept; they are dropped one by one and not by releasing the log, which may
/// still shrink below that index further on.
pub(crate) fn fold(
    records: impl IntoIterator<Item = Result<Record, ReadError>>,
    stream: u64,
    checkpointed: LogIndex,
) -> Result<OnDisk, RecoverError> {
    let mut disk = OnDisk { durable: Durable::default(), positions: Positions::default() };
    for found in records {
        let Record { lsn: position, stream: of, payload } = found?;
        if of != stream {
            continue;
        }
        let mut write =
            record::decode(&payload).map_err(|source| RecoverError::Record { position, source })?;
        match &mut write {
            Write::Append { after, entries } => {
                check_follows(&disk.durable, *after, entries, position)?;
                disk.positions.record(*after, entries.len() as u64, position);
                drop_payloads(*after, entries, checkpointed);
            }
            Write::Ballot { .. } => {}
            Write::Trim { .. } | Write::Install { .. } => {
                return Err(RecoverError::Trimmed { position });
            }
        }
        Group::fold(&mut disk.durable, &write);
    }
    let last = disk.durable.log.last();
    if checkpointed > last {
        return Err(RecoverError::LogBehindState { applied: checkpointed.0, last: last.0 });
    }
    Ok(disk)
}

fn check_follows(
    durable: &Durable<Command>,
    after: LogIndex,
    entries: &[Entry<Command>],
    position: Lsn,
) -> Result<(), RecoverError> {
    let log = &durable.log;
    let before = log.term_at(after);
    let terms = || before.into_iter().chain(entries.iter().map(|entry| entry.term));
    if before.is_some() && terms().is_sorted() && terms().all(|term| term <= durable.term) {
        return Ok(());
    }
    let term = entries.first().map_or(Term(0), |entry| entry.term).0;
    let (current, last, last_term) = (durable.term.0, log.last().0, log.end().term.0);
    Err(RecoverError::Contradiction { position, after: after.0, term, current, last, last_term })
}

fn drop_payloads(after: LogIndex, entries: &mut [Entry<Command>], checkpointed: LogIndex) {
    for (index, entry) in (after.0 + 1..).zip(entries) {
        // A configuration counts for as long as its entry is in the log.
        if index <= checkpointed.0 && !matches!(entry.payload, Payload::Members(_)) {
            entry.payload = Payload::NoOp;
        }
    }
}
