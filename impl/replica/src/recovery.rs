//! From the records of a log to the durable state of a replica.

use crate::base::Bases;
use crate::state::StateError;
use crate::stored::Positions;
use ringleader_core::group::{Durable, Entry, Group, Payload, Write};
use ringleader_core::ids::{LogIndex, Term};
use ringleader_core::machine::Machine;
use ringleader_storage::wal::{Lsn, ReadError, Record};
use ringleader_wire::record::{self, Logged};
use ringleader_wire::{Command, DecodeError};

/// The log of a replica, as it was found at the start.
#[derive(Clone, Debug)]
pub struct FoundLog<R> {
    /// Its records, and maybe those of other streams.
    pub records: R,
    /// Which are this replica's.
    pub stream: u64,
    /// Whether there were records before these.
    pub trimmed: bool,
}

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
    /// A record trims what the log does not hold, or the state does not.
    #[error(
        "record at position {position} of the log: it trims up to entry {upto}, the log holds \
         {first} to {last} and the state ends with {applied}"
    )]
    Trims {
        /// Where it is.
        position: Lsn,
        /// The last entry that it trims.
        upto: u64,
        /// The first entry of the log.
        first: u64,
        /// The last entry of the log.
        last: u64,
        /// The last entry that the state machine has applied.
        applied: u64,
    },
    /// A record says that the ones before it led to something else than they did, or to nonsense.
    #[error("record at position {position} of the log: it contradicts the records before it")]
    WrongBase {
        /// Where it is.
        position: Lsn,
    },
    /// The log was trimmed, and nothing in it says what its beginning led to.
    #[error("the log does not begin at its beginning, and no record says what that led to")]
    NoBase,
    /// The state that the log begins with cannot be installed.
    #[error("{0}")]
    State(#[from] StateError),
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
    pub(crate) bases: Bases,
}

/// Folds the records of one stream, in order. Payloads up to `checkpointed` are in the state
/// machine and are not kept; they are dropped one by one and not by releasing the log, which may
/// still shrink below that index further on.
///
/// Of a log that was trimmed, records count from the first base on.
pub(crate) fn fold<R: IntoIterator<Item = Result<Record, ReadError>>>(
    log: FoundLog<R>,
    checkpointed: LogIndex,
) -> Result<OnDisk, RecoverError> {
    let mut disk = OnDisk {
        durable: Durable::default(),
        positions: Positions::default(),
        bases: Bases::default(),
    };
    let mut begun = !log.trimmed;
    for found in log.records {
        let Record { lsn: position, stream, payload } = found?;
        if stream != log.stream {
            continue;
        }
        let logged = record::decode_any(&payload)
            .map_err(|source| RecoverError::Record { position, source })?;
        match logged {
            Logged::Base(base) => {
                if !base.log.is_sound() || (begun && !is_led_to(&disk.durable, &base)) {
                    return Err(RecoverError::WrongBase { position });
                }
                if !begun {
                    disk.positions.begin_after(base.log.last());
                    disk.durable = base;
                    begun = true;
                }
                disk.bases.found(position);
            }
            Logged::Write(write) if begun => disk.fold(write, position, checkpointed)?,
            Logged::Write(_) => {}
        }
    }
    let last = disk.durable.log.last();
    if !begun {
        return Err(RecoverError::NoBase);
    }
    if checkpointed > last {
        return Err(RecoverError::LogBehindState { applied: checkpointed.0, last: last.0 });
    }
    Ok(disk)
}

/// Whether a base says what the records before it led to.
fn is_led_to(durable: &Durable<Command>, base: &Durable<Command>) -> bool {
    let shape = |it: &Durable<Command>| (it.term, it.vote, it.log.start(), it.log.end());
    shape(durable) == shape(base) && durable.log.members() == base.log.members()
}

impl OnDisk {
    fn fold(
        &mut self,
        mut write: Write<Command>,
        position: Lsn,
        checkpointed: LogIndex,
    ) -> Result<(), RecoverError> {
        match &mut write {
            Write::Append { after, entries } => {
                check_follows(&self.durable, *after, entries, position)?;
                self.positions.record(*after, entries.len() as u64, position);
                drop_payloads(*after, entries, checkpointed);
            }
            Write::Ballot { .. } => {}
            Write::Trim { upto } => {
                let log = &self.durable.log;
                if !(log.start().index..=log.last()).contains(upto) || *upto > checkpointed {
                    let (first, last) = (log.start().index.next().0, log.last().0);
                    let (upto, applied) = (upto.0, checkpointed.0);
                    return Err(RecoverError::Trims { position, upto, first, last, applied });
                }
                self.positions.trim(*upto);
            }
            Write::Install { mark } => self.positions.begin_after(mark.end.index),
        }
        Group::fold(&mut self.durable, &write);
        Ok(())
    }
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
