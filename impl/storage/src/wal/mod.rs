//! A write-ahead log: records of bytes, written in groups with one sync each.
//!
//! One log serves all replicas of a node; a record names the stream (replica) it belongs to. The log
//! is a sequence of segments of one length, each written full of zeros before it is used, so that a
//! commit is one write of data and changes no file's length. An [`Lsn`] is a byte position in that
//! sequence. Every group starts on a block boundary, so **no sector that holds an acknowledged record
//! is ever written again**.
//!
//! Invariants, each with a test that fails without it (`tests/crash_matrix.rs`, `tests/damage.rs`):
//!
//! * `WAL-1` after any crash the recovered records are a contiguous prefix of the appended ones and
//!   contain every record that a successful `commit` covered;
//! * `WAL-2` a group is recovered whole or not at all;
//! * `WAL-3` what recovery reports is durable before it is reported, and recovering again, also after
//!   a crash during recovery, reports the same records;
//! * `WAL-4` what recovery cut never comes back;
//! * `WAL-5` each record carries the position known durable when it was written. A bad record below
//!   the last such position is damage and `open` refuses; at or above it, it is a torn write and is
//!   cut;
//! * `WAL-6` after one failed write or sync nothing is ever reported durable again;
//! * `WAL-7` a log that was trimmed begins where it was told to, or earlier, at the beginning of a
//!   segment, also after a crash at any moment of the trimming. What was trimmed never comes back.
//!
//! ```
//! use std::sync::Arc;
//! use ringleader_storage::disk::{Disk, SimulatedDisk};
//! use ringleader_storage::wal::{Options, Wal};
//!
//! let simulated = SimulatedDisk::new();
//! let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
//! let (mut wal, recovered) = Wal::open_or_create(&disk, Options::new(7))?;
//! assert!(recovered.created);
//! let stream = 1;
//! wal.append(stream, b"vote for 2 in term 5");
//! let first = wal.append(stream, b"entry 1");
//! assert!(wal.commit()? > first); // both are durable
//! wal.append(stream, b"entry 2"); // not committed
//!
//! // Whatever a power loss leaves, the committed records are in it.
//! for image in simulated.images() {
//!     let disk: Arc<dyn Disk> = Arc::new(image.into_disk());
//!     let (_, recovered) = Wal::open(&disk, Options::new(7))?;
//!     let payloads: Vec<_> = recovered.records().map(|record| record.unwrap().payload).collect();
//!     assert_eq!(payloads, [b"vote for 2 in term 5".to_vec(), b"entry 1".to_vec()]);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Segments from the front of the log are used again at its end, without being filled with zeros: a
//! record says its position, so an old one is none here.
//!
//! Not done: repair of a damaged log from peers.

mod blocks;
mod error;
mod files;
mod reader;
mod record;
mod recovery;
mod trimmer;
mod writer;

use std::fmt;

pub use error::{Damage, OpenError, ReadError, WriteError};
pub use reader::{Record, Records, WalReader};
pub use recovery::{Cut, Recovered};
pub use trimmer::WalTrimmer;
pub use writer::Wal;

/// Groups start at multiples of this, and writes cover multiples of it: the unit of direct writes.
pub const BLOCK_LENGTH: u64 = BLOCK as u64;
const BLOCK: usize = 4096;

/// The longest payload of one record: more than the 7 MiB that a frame between nodes may carry.
/// A segment must have room for one such record, see [`Options::segment_length`].
pub const PAYLOAD_LENGTH_MAX: usize = 8 << 20;

/// A byte position in the log; with it a record is found and records are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a log is laid out and whose it is. Fixed when the log is created, compared when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose log this is (a node's id, say): a directory that was mixed up is refused.
    pub owner: u64,
    /// Length of each segment file: a multiple of [`BLOCK_LENGTH`], at least two blocks.
    /// Records longer than [`Options::payload_length_max`] do not fit.
    pub segment_length: u64,
}

impl Options {
    /// The default layout for an owner: segments of 16 MiB, written in about 10 ms.
    #[must_use]
    pub fn new(owner: u64) -> Self {
        Self { owner, segment_length: 16 << 20 }
    }

    /// The longest payload that `append` accepts under these options.
    #[must_use]
    pub fn payload_length_max(&self) -> usize {
        let room = self.segment_length - files::SEGMENT_HEADER_LENGTH - 2 * record::HEADER_LENGTH;
        usize::try_from(room).map_or(PAYLOAD_LENGTH_MAX, |room| room.min(PAYLOAD_LENGTH_MAX))
    }

    fn validate(&self) -> Result<(), OpenError> {
        let length = self.segment_length;
        if length.is_multiple_of(BLOCK_LENGTH) && (2 * BLOCK_LENGTH..=1 << 30).contains(&length) {
            Ok(())
        } else {
            Err(OpenError::SegmentLength { length })
        }
    }
}
