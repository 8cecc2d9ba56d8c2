//! The records of a replica's log: its writes, and now and then the sum of all writes so far, from
//! which a log that was trimmed begins.
//!
//! ```text
//! offset  0      1 ..
//! bytes   kind   the encoded write (kind 1) or base (kind 2)
//! ```

use crate::Command;
use crate::codec::{self, DecodeError};
use crate::limits::RECORD_LENGTH_MAX;
use ringleader_core::group::{Durable, Write};

/// The first byte of a write.
pub const WRITE: u8 = 1;

/// The first byte of a base.
pub const BASE: u8 = 2;

/// What a record of the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// A write.
    Write(Write<Command>),
    /// The fold of all writes before it. The commands of its entries are left out: they are in those
    /// writes, or applied.
    Base(Durable<Command>),
}

/// Encodes a write for the log.
///
/// # Panics
/// When it is longer than [`RECORD_LENGTH_MAX`]: whoever builds appends keeps their entries below
/// [`crate::limits::ENTRIES_LENGTH_MAX`].
#[must_use]
pub fn encode(write: &Write<Command>) -> Vec<u8> {
    let mut bytes = vec![WRITE];
    codec::encode_into(write, RECORD_LENGTH_MAX - 1, &mut bytes)
        .expect("appends are built within the limit");
    bytes
}

/// Encodes the fold of all writes so far, without the commands.
///
/// # Panics
/// When it is longer than [`RECORD_LENGTH_MAX`]: a log has a few runs of terms and a bounded number
/// of entries that are not applied.
#[must_use]
pub fn encode_base(durable: Durable<Command>) -> Vec<u8> {
    let Durable { term, vote, log } = durable;
    let base = Durable { term, vote, log: log.map(&mut |_| Command::default()) };
    let mut bytes = vec![BASE];
    codec::encode_into(&base, RECORD_LENGTH_MAX - 1, &mut bytes)
        .expect("what is not applied is bounded");
    bytes
}

/// Decodes a record of the log.
///
/// # Errors
/// When its kind is unknown, or the bytes are not of that kind.
pub fn decode_any(bytes: &[u8]) -> Result<Logged, DecodeError> {
    match bytes.split_first() {
        Some((&WRITE, write)) => codec::decode(write, RECORD_LENGTH_MAX - 1).map(Logged::Write),
        Some((&BASE, base)) => codec::decode(base, RECORD_LENGTH_MAX - 1).map(Logged::Base),
        Some((&found, _)) => Err(DecodeError::version(found, BASE)),
        None => Err(DecodeError::empty()),
    }
}

/// Decodes a write.
///
/// # Errors
/// When the bytes are anything else.
pub fn decode(bytes: &[u8]) -> Result<Write<Command>, DecodeError> {
    match bytes.split_first() {
        Some((&WRITE, write)) => codec::decode(write, RECORD_LENGTH_MAX - 1),
        Some((&found, _)) => Err(DecodeError::version(found, WRITE)),
        None => Err(DecodeError::empty()),
    }
}
