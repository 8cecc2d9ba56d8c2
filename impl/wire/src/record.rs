//! The log record of one write of a replication group.
//!
//! ```text
//! offset  0         1 ..
//! bytes   version   the encoded write
//! ```

use crate::Command;
use crate::codec::{self, DecodeError};
use crate::limits::RECORD_LENGTH_MAX;
use ringleader_core::group::Write;

/// The version of every record so far.
pub const VERSION: u8 = 1;

/// Encodes a write for the log.
///
/// # Panics
/// When it is longer than [`RECORD_LENGTH_MAX`]: whoever builds appends keeps their entries below
/// [`crate::limits::ENTRIES_LENGTH_MAX`].
#[must_use]
pub fn encode(write: &Write<Command>) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    codec::encode_into(write, RECORD_LENGTH_MAX - 1, &mut bytes)
        .expect("appends are built within the limit");
    bytes
}

/// Decodes a record of the log.
///
/// # Errors
/// When the version is not ours, or the bytes are not a write.
pub fn decode(bytes: &[u8]) -> Result<Write<Command>, DecodeError> {
    match bytes.split_first() {
        Some((&VERSION, write)) => codec::decode(write, RECORD_LENGTH_MAX - 1),
        Some((&found, _)) => Err(DecodeError::version(found, VERSION)),
        None => Err(DecodeError::empty()),
    }
}
