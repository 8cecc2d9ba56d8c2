//! What travels between nodes, and how a stream of bytes is cut into it.
//!
//! ```text
//! offset  0        2         3      4             8              12 ..
//! bytes   "RL"     version   type   length u32    crc32c u32     payload
//! ```
//!
//! Integers are little-endian. The checksum covers the first 8 bytes and the payload. The length is
//! checked before anything is allocated; a stream with one bad frame is given up as a whole, because
//! where the next one starts is then unknown.

use crate::Command;
use crate::codec::{self, DecodeError};
use crate::limits::FRAME_PAYLOAD_LENGTH_MAX;
use bytes::{Buf, Bytes, BytesMut};
use ringleader_core::group::Message;
use ringleader_core::ids::ReplicaId;
use serde::{Deserialize, Serialize};

/// The first bytes of every frame.
pub const MAGIC: [u8; 2] = *b"RL";

/// The version of every frame so far.
pub const VERSION: u8 = 1;

/// Magic, version, type, length, checksum.
pub const HEADER_LENGTH: usize = 12;

/// The part of the header that the checksum covers.
const CHECKED_HEADER_LENGTH: usize = 8;

/// One process of a node, from its start to its end: chosen at random when it starts. An answer to
/// an earlier incarnation must not be taken for one to this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

/// The first frame of a connection: who speaks, and whom it believes to speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Who opened the connection.
    pub from: ReplicaId,
    /// Who is meant to accept it.
    pub to: ReplicaId,
    /// Which process of the speaker this is.
    pub incarnation: Incarnation,
}

/// A request that a node hands to the leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Which process of the sender waits for the answer.
    pub incarnation: Incarnation,
    /// Names the request among those of that process.
    pub id: u64,
    /// What is asked.
    pub request: ForwardRequest,
}

/// What a forwarded request asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwardRequest {
    /// Append this command and answer with what applying it returns.
    Write(Command),
    /// Answer this query, in the encoding of the state machine.
    Read(Command),
}

/// How a forwarded request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The process that asked.
    pub incarnation: Incarnation,
    /// The request.
    pub id: u64,
    /// How it ended.
    pub outcome: ForwardOutcome,
}

/// How a forwarded request ended, as its sender may conclude.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwardOutcome {
    /// The state machine's answer, in its encoding.
    Done(Command),
    /// It has had and will have no effect: the node that was asked does not lead.
    NotLeader {
        /// Who does, as far as that node knows.
        leader: Option<ReplicaId>,
    },
    /// It has had and will have no effect: the node has too much to do, or has stopped.
    Refused,
    /// It may have an effect, now or later, or none.
    Unknown,
}

/// What travels between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Opens a connection.
    Hello(Hello),
    /// One replica to another.
    Message(Message<Command>),
    /// A node to the leader's node.
    Forward(Forward),
    /// The leader's node to the node that asked.
    Answered(Answered),
}

/// A stream that does not hold frames of ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes are somebody else's.
    #[error("a frame starts with {found:02x?} instead of {MAGIC:02x?}")]
    Magic {
        /// What is there instead.
        found: [u8; 2],
    },
    /// The bytes are of another version of this program.
    #[error("frame version {found} is not the supported {VERSION}")]
    Version {
        /// Their version.
        found: u8,
    },
    /// No frame has this type.
    #[error("frame type {found} is unknown")]
    Type {
        /// The type.
        found: u8,
    },
    /// The frame says it is longer than any may be.
    #[error("a frame of {length} bytes is longer than the limit of {FRAME_PAYLOAD_LENGTH_MAX}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// The bytes are not those that were sent.
    #[error("frame checksum {found:08x} is not {expected:08x}")]
    Checksum {
        /// What the header says.
        expected: u32,
        /// What the bytes give.
        found: u32,
    },
    /// The payload does not hold what its type says.
    #[error("frame payload: {0}")]
    Payload(#[from] DecodeError),
}

/// The type byte of each kind of frame.
mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const MESSAGE: u8 = 2;
    pub(super) const FORWARD: u8 = 3;
    pub(super) const ANSWERED: u8 = 4;
}

/// Appends a frame to a buffer. Whatever is ready for one peer goes into one buffer.
///
/// # Panics
/// When the payload is longer than [`FRAME_PAYLOAD_LENGTH_MAX`]: commands, answers and appends are
/// built within their own limits, and those within this one.
pub fn encode_into(frame: &Frame, bytes: &mut Vec<u8>) {
    match frame {
        Frame::Hello(hello) => encode_payload(kind::HELLO, hello, bytes),
        Frame::Message(message) => encode_payload(kind::MESSAGE, message, bytes),
        Frame::Forward(forward) => encode_payload(kind::FORWARD, forward, bytes),
        Frame::Answered(answered) => encode_payload(kind::ANSWERED, answered, bytes),
    }
}

fn encode_payload<T: Serialize>(kind: u8, payload: &T, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(&[0; HEADER_LENGTH - 4]);
    codec::encode_into(payload, FRAME_PAYLOAD_LENGTH_MAX, bytes)
        .expect("frames are built within the limit");
    let frame = &mut bytes[start..];
    let length = u32::try_from(frame.len() - HEADER_LENGTH).expect("the limit is below 4 GiB");
    frame[4..8].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum_of(&frame[..CHECKED_HEADER_LENGTH], &frame[HEADER_LENGTH..]);
    frame[8..12].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum_of(header: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(header), payload)
}

/// Takes the first frame out of what has arrived, if it has arrived whole.
///
/// # Errors
/// When the bytes cannot be the start of a frame: the connection is of no further use.
pub fn take(bytes: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some(header) = Header::read(bytes)? else { return Ok(None) };
    let length = HEADER_LENGTH + header.length;
    if bytes.len() < length {
        bytes.reserve(length - bytes.len());
        return Ok(None);
    }
    let frame = bytes.split_to(length).freeze();
    header.decode(&frame).map(Some)
}

/// A header whose magic, version, type and length are good.
struct Header {
    kind: u8,
    length: usize,
    checksum: u32,
}

impl Header {
    /// Objects to each field as soon as it is there, so that a stranger is not waited for.
    fn read(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some(&found) = bytes.first_chunk::<2>() else { return Ok(None) };
        if found != MAGIC {
            return Err(FrameError::Magic { found });
        }
        let Some(mut rest) = bytes.get(2..HEADER_LENGTH) else { return Ok(None) };
        let version = rest.get_u8();
        if version != VERSION {
            return Err(FrameError::Version { found: version });
        }
        let kind = rest.get_u8();
        if !(kind::HELLO..=kind::ANSWERED).contains(&kind) {
            return Err(FrameError::Type { found: kind });
        }
        let length = usize::try_from(rest.get_u32_le()).unwrap_or(usize::MAX);
        if length > FRAME_PAYLOAD_LENGTH_MAX {
            return Err(FrameError::TooLong { length });
        }
        Ok(Some(Self { kind, length, checksum: rest.get_u32_le() }))
    }

    fn decode(&self, frame: &Bytes) -> Result<Frame, FrameError> {
        let (header, payload) = frame.split_at(HEADER_LENGTH);
        let found = checksum_of(&header[..CHECKED_HEADER_LENGTH], payload);
        if found != self.checksum {
            return Err(FrameError::Checksum { expected: self.checksum, found });
        }
        let limit = FRAME_PAYLOAD_LENGTH_MAX;
        Ok(match self.kind {
            kind::HELLO => Frame::Hello(codec::decode(payload, limit)?),
            kind::MESSAGE => Frame::Message(codec::decode(payload, limit)?),
            kind::FORWARD => Frame::Forward(codec::decode(payload, limit)?),
            kind::ANSWERED => Frame::Answered(codec::decode(payload, limit)?),
            found => return Err(FrameError::Type { found }),
        })
    }
}
