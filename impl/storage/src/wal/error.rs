//! What can go wrong with a log, one type per operation.

use std::io;

use super::{BLOCK_LENGTH, Lsn};

/// Bytes that were durable once and are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: damaged at byte {offset}: expected {expected}, found {found}")]
pub struct Damage {
    /// The file, by its name in the log's directory.
    pub file: String,
    /// Byte offset in that file.
    pub offset: u64,
    /// What an undamaged file holds there.
    pub expected: String,
    /// What it does hold.
    pub found: String,
}

/// Why a log was not opened or created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory holds no log: the node was never started here, or it was wiped. The disk alone
    /// cannot tell these two apart.
    #[error("no write-ahead log here: the directory holds neither an identity file nor a segment")]
    NotFound,
    /// `create` found a log.
    #[error("a write-ahead log exists here already")]
    Exists,
    /// Durable bytes are missing or changed. Starting anyway could forget a vote or an entry.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The log belongs to somebody else.
    #[error("the log belongs to owner {found}, not to {expected}")]
    OtherOwner {
        /// Who opens it.
        expected: u64,
        /// Whose it is.
        found: u64,
    },
    /// The log was written by another version of this format.
    #[error("{file}: format version {found}, this program reads {supported}")]
    Version {
        /// The file, by its name in the log's directory.
        file: String,
        /// Its version.
        found: u32,
        /// The only version we read.
        supported: u32,
    },
    /// The segment length of the options, or of the identity file, cannot be.
    #[error(
        "segment length {length} is not a multiple of {} between {} and {}",
        BLOCK_LENGTH, 2 * BLOCK_LENGTH, 1 << 30
    )]
    SegmentLength {
        /// The length that was asked for.
        length: u64,
    },
    /// The segment length of the options is not that of the log.
    #[error("the log has segments of {found} bytes, not of {expected}")]
    OtherSegmentLength {
        /// What the options say.
        expected: u64,
        /// What the log has.
        found: u64,
    },
    /// The disk failed.
    #[error("{action} {file}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
}

/// Why a commit failed. The log is then closed for writing: nothing can be said about the group.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// No space for the next segment. Everything acknowledged before is durable.
    #[error("disk full: no room for segment {file} of {length} bytes")]
    DiskFull {
        /// The segment that could not be created.
        file: String,
        /// Its length.
        length: u64,
    },
    /// A write or sync failed. Retrying could report as durable what is not.
    #[error("{action} {file}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
    /// An earlier commit failed.
    #[error("the log stopped at position {durable} after an earlier failed write")]
    Stopped {
        /// Everything below this position is durable.
        durable: Lsn,
    },
}

/// Why a record was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No committed record starts there.
    #[error("position {lsn} is not below the committed end {end} of the log")]
    NotCommitted {
        /// The position asked for.
        lsn: Lsn,
        /// The end of what is committed.
        end: Lsn,
    },
    /// The log no longer holds it.
    #[error("position {lsn} was trimmed: the log begins at {start}")]
    Trimmed {
        /// The position asked for.
        lsn: Lsn,
        /// Where the log begins.
        start: Lsn,
    },
    /// The record is not what was written, or the position is not that of a record.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The disk failed.
    #[error("read {file}: {source}")]
    Io {
        /// From which file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
}
