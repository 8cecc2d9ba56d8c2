//! One record: a header of 40 bytes and a payload, at a multiple of 8 bytes.
//!
//! ```text
//! offset  bytes  field (integers little endian)
//!      0      4  crc32c of bytes 4 .. 40 + payload length
//!      4      4  payload length
//!      8      8  lsn: the position of this header in the log
//!     16      8  durable: everything below was durable when this was written; start of the group
//!     24      8  stream
//!     32      1  kind: 1 payload, 2 seal (the log goes on in the next segment)
//!     33      1  last: 1 on the last record of its group, else 0
//!     34      6  zero
//!     40      n  payload
//! ```
//!
//! The lsn makes a stale record of an older use of the same bytes no record here. `durable` is also
//! the group's start: one group is in flight at a time, so all before it is durable.

use super::Lsn;

const HEADER: usize = 40;
pub(super) const HEADER_LENGTH: u64 = HEADER as u64;
/// Records start at multiples of this.
pub(super) const ALIGNMENT: u64 = 8;

const KIND_AT: usize = 32;
const LAST_AT: usize = 33;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Payload,
    Seal,
}

/// A decoded record whose checksum and position are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View<'a> {
    pub(super) lsn: Lsn,
    pub(super) durable: Lsn,
    pub(super) stream: u64,
    pub(super) kind: Kind,
    pub(super) last: bool,
    pub(super) payload: &'a [u8],
}

impl View<'_> {
    /// Bytes this record takes in the log.
    pub(super) fn span(&self) -> u64 {
        span(self.payload.len())
    }
}

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    #[error("zeros")]
    Empty,
    #[error("{0} bytes, too few for a record")]
    Short(usize),
    #[error("a record of {length} bytes where {room} are left")]
    Length { length: u32, room: usize },
    #[error("a record with checksum {found:08x}, computed {computed:08x}")]
    Checksum { found: u32, computed: u32 },
    #[error("a record of position {0}")]
    Position(Lsn),
    #[error("a header with unknown or contradictory fields")]
    Header,
}

/// Bytes that a record with this payload takes, alignment included.
pub(super) fn span(payload_length: usize) -> u64 {
    (HEADER_LENGTH + payload_length as u64).next_multiple_of(ALIGNMENT)
}

/// Writes a record into zeroed bytes of exactly its span. `last` is added by [`mark_last`].
pub(super) fn encode(into: &mut [u8], view: &View<'_>) {
    assert_eq!(into.len() as u64, view.span(), "the caller reserves exactly the record's span");
    assert!(view.durable <= view.lsn, "a record cannot know itself durable");
    let length = u32::try_from(view.payload.len()).expect("payloads are below PAYLOAD_LENGTH_MAX");
    into[4..8].copy_from_slice(&length.to_le_bytes());
    into[8..16].copy_from_slice(&view.lsn.0.to_le_bytes());
    into[16..24].copy_from_slice(&view.durable.0.to_le_bytes());
    into[24..32].copy_from_slice(&view.stream.to_le_bytes());
    into[KIND_AT] = match view.kind {
        Kind::Payload => 1,
        Kind::Seal => 2,
    };
    into[LAST_AT] = u8::from(view.last);
    into[HEADER..HEADER + view.payload.len()].copy_from_slice(view.payload);
    write_checksum(into, HEADER + view.payload.len());
}

/// Marks an encoded record as the last of its group.
pub(super) fn mark_last(record: &mut [u8]) {
    let length = usize::try_from(u32_at(record, 4)).expect("a u32 fits a usize here");
    record[LAST_AT] = 1;
    write_checksum(record, HEADER + length);
}

fn write_checksum(record: &mut [u8], end: usize) {
    let checksum = crc32c::crc32c(&record[4..end]);
    record[0..4].copy_from_slice(&checksum.to_le_bytes());
}

/// The payload length that a header claims, unchecked.
pub(super) fn claimed_length(header: &[u8; HEADER]) -> usize {
    usize::try_from(u32_at(header, 4)).expect("a u32 fits a usize here")
}

/// Whether bytes claim to be the record of position `at`, right or not: a recycled segment is full of
/// those that do not.
pub(super) fn claims(at: Lsn, bytes: &[u8]) -> bool {
    bytes.first_chunk::<HEADER>().is_some_and(|header| u64_at(header, 8) == at.0)
}

/// Reads the record that starts at position `at`; `bytes` reach to the end of the segment.
pub(super) fn decode(at: Lsn, bytes: &[u8]) -> Result<View<'_>, Bad> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Err(if bytes.iter().all(|byte| *byte == 0) {
            Bad::Empty
        } else {
            Bad::Short(bytes.len())
        });
    };
    if header.iter().all(|byte| *byte == 0) {
        return Err(Bad::Empty);
    }
    let length = claimed_length(header);
    let room = bytes.len() - HEADER;
    if length > room {
        return Err(Bad::Length { length: u32_at(header, 4), room });
    }
    let (lsn, durable) = (Lsn(u64_at(header, 8)), Lsn(u64_at(header, 16)));
    if lsn != at {
        return Err(Bad::Position(lsn));
    }
    let computed = crc32c::crc32c(&bytes[4..HEADER + length]);
    let found = u32_at(header, 0);
    if found != computed {
        return Err(Bad::Checksum { found, computed });
    }
    let kind = match header[KIND_AT] {
        1 => Kind::Payload,
        2 if length == 0 => Kind::Seal,
        _ => return Err(Bad::Header),
    };
    if durable > lsn || header[LAST_AT] > 1 || header[34..] != [0; 6] {
        return Err(Bad::Header);
    }
    Ok(View {
        lsn,
        durable,
        stream: u64_at(header, 24),
        kind,
        last: header[LAST_AT] == 1,
        payload: &bytes[HEADER..HEADER + length],
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("offsets lie in the header"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("offsets lie in the header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(payload: &[u8]) -> Vec<u8> {
        let view = View {
            lsn: Lsn(8192),
            durable: Lsn(4096),
            stream: 7,
            kind: Kind::Payload,
            last: false,
            payload,
        };
        let mut bytes = vec![0; usize::try_from(view.span()).unwrap()];
        encode(&mut bytes, &view);
        assert_eq!(decode(Lsn(8192), &bytes), Ok(view));
        bytes
    }

    /// The bytes of `docs/format.md`: a change here needs a new format version.
    #[test]
    fn golden_bytes() {
        let mut bytes = encoded(b"abc");
        mark_last(&mut bytes);
        let expected: Vec<u8> = [
            &[0x7b, 0xee, 0x6a, 0x70][..], // crc32c
            &[3, 0, 0, 0],                 // payload length
            &[0, 0x20, 0, 0, 0, 0, 0, 0],  // lsn 8192
            &[0, 0x10, 0, 0, 0, 0, 0, 0],  // durable 4096
            &[7, 0, 0, 0, 0, 0, 0, 0],     // stream
            &[1, 1],                       // a payload, the last of its group
            &[0; 6],
            b"abc",
            &[0; 5], // up to a multiple of 8
        ]
        .concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = encoded(b"payload of a record");
        let checked = HEADER + b"payload of a record".len();
        for bit in 0..checked * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(Lsn(8192), &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_record_of_another_position_is_none() {
        assert_eq!(decode(Lsn(8200), &encoded(b"x")), Err(Bad::Position(Lsn(8192))));
    }
}
