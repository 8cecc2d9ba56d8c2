//! Values to bytes and back: `bincode` with fixed-width little-endian integers, 8-byte lengths and
//! 4-byte variants.
//!
//! The order of fields and variants is the format. A test pins it by golden vectors.

use crate::limits::FRAME_PAYLOAD_LENGTH_MAX;
use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Integers of fixed width: a length is known before its value is, and no value has two forms.
/// The limit counts what decoding takes from the input *and* what it claims to allocate.
const CONFIG: Configuration<LittleEndian, Fixint, Limit<FRAME_PAYLOAD_LENGTH_MAX>> =
    bincode::config::legacy().with_limit::<FRAME_PAYLOAD_LENGTH_MAX>();

/// Most values, a command or an answer with an item of a kilobyte among them, grow no buffer of so
/// many bytes; growing one from nothing takes eight steps.
const LENGTH_USUAL: usize = 1_024 + 256;

/// A value that has no encoded form within its limit.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct EncodeError {
    kind: EncodeErrorKind,
}

#[derive(Debug, thiserror::Error)]
enum EncodeErrorKind {
    #[error("{length} encoded bytes are more than the limit of {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("a value cannot be encoded: {0}")]
    Unsupported(bincode::error::EncodeError),
}

/// Bytes that are not the encoded form of the value that was expected.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct DecodeError {
    kind: DecodeErrorKind,
}

#[derive(Debug, thiserror::Error)]
enum DecodeErrorKind {
    #[error("{length} bytes are more than the limit of {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("{rest} bytes follow the value in its {length} bytes")]
    Trailing { length: usize, rest: usize },
    #[error("{length} bytes do not hold the value: {source}")]
    Malformed { length: usize, source: bincode::error::DecodeError },
    #[error("version {found} is not the supported {supported}")]
    Version { found: u8, supported: u8 },
    #[error("no bytes")]
    Empty,
}

impl DecodeError {
    pub(crate) fn version(found: u8, supported: u8) -> Self {
        Self { kind: DecodeErrorKind::Version { found, supported } }
    }

    pub(crate) fn empty() -> Self {
        Self { kind: DecodeErrorKind::Empty }
    }
}

/// Encodes a value in at most `limit` bytes.
///
/// # Errors
/// When it would be longer, or its type has no encoding (a sequence of unknown length, say).
pub fn encode<T: Serialize>(value: &T, limit: usize) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(LENGTH_USUAL);
    encode_into(value, limit, &mut bytes)?;
    Ok(bytes)
}

/// Appends the encoded form of a value, at most `limit` bytes, to `bytes`.
///
/// # Errors
/// As for [`encode`]; `bytes` is then as before.
pub(crate) fn encode_into<T: Serialize>(
    value: &T,
    limit: usize,
    bytes: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = bytes.len();
    let written = bincode::serde::encode_into_std_write(value, bytes, CONFIG)
        .map_err(EncodeErrorKind::Unsupported)
        .and_then(|length| {
            if length <= limit { Ok(()) } else { Err(EncodeErrorKind::TooLong { length, limit }) }
        });
    written.map_err(|kind| {
        bytes.truncate(start);
        EncodeError { kind }
    })
}

/// Decodes a value from exactly these bytes.
///
/// The type's own `Deserialize` must not recurse without a bound of its own.
///
/// # Errors
/// When the bytes are more than `limit`, are not a value of this type, or go on after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    let length = bytes.len();
    if length > limit {
        return Err(DecodeError { kind: DecodeErrorKind::TooLong { length, limit } });
    }
    let (value, taken) = bincode::serde::decode_from_slice(bytes, CONFIG)
        .map_err(|source| DecodeError { kind: DecodeErrorKind::Malformed { length, source } })?;
    if taken < length {
        let rest = length - taken;
        return Err(DecodeError { kind: DecodeErrorKind::Trailing { length, rest } });
    }
    Ok(value)
}
