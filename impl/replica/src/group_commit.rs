//! Writing a replica's records: what arrived while the last write was in flight is the next group.

use crate::action::{Event, LogRecord};
use ringleader_core::ids::IoNumber;
use ringleader_storage::wal::{Lsn, Wal, WriteError};

/// Records that are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The last I/O that they cover.
    pub io: IoNumber,
    /// Where each of them is, in order.
    pub positions: Vec<Lsn>,
    /// How many bytes they have.
    pub bytes: usize,
}

impl Written {
    /// What the replica is to be told.
    #[must_use]
    pub fn into_event(self) -> Event {
        Event::Durable { io: self.io, positions: self.positions }
    }
}

/// Appends the records to a stream of the log and makes them durable, with one sync.
///
/// # Errors
/// When the log cannot be written. Nothing of the group may be taken for durable, and the process
/// must end.
pub fn write_group(wal: &mut Wal, stream: u64, group: &[LogRecord]) -> Result<Written, WriteError> {
    let bytes = group.iter().map(|record| record.bytes.len()).sum();
    let io = group.last().map_or(IoNumber::NONE, |record| record.io);
    let positions = group.iter().map(|record| wal.append(stream, &record.bytes)).collect();
    wal.commit()?;
    Ok(Written { io, positions, bytes })
}
