//! Every bound on encoded bytes, and the sums that relate them.

/// Longest payload of a frame between nodes: 7 MiB. Bounds what one peer can make another allocate,
/// and how long a heartbeat can be stuck behind a frame: 56 ms at 1 Gbit/s, a fifth of the shortest
/// election timeout. Only large transactions come near it.
pub const FRAME_PAYLOAD_LENGTH_MAX: usize = 7 << 20;

/// Longest encoded command: a transaction of 4 MiB of items, which in their encoding are at most half
/// as large again (each value of one byte has a tag of one byte), with conditions, names, and the
/// encoding around them. What is longer is refused before it reaches the log.
pub const COMMAND_LENGTH_MAX: usize = 6 << 20;

/// Longest encoded query or answer of a state machine: an answer holds at most the 4 MiB of items
/// that one transaction reads, or a page of a query, which is smaller.
pub const ANSWER_LENGTH_MAX: usize = 6 << 20;

/// What the encoding adds to the command of an entry: term (8), payload variant (4), length (8).
pub const ENTRY_OVERHEAD: usize = 20;

/// What the encoding adds to the entries of an append, in a message (variant 4, term 8, previous
/// entry 16, count 8, commit index 8) or in a log record (version 1, variant 4, index 8, count 8).
pub const APPEND_OVERHEAD: usize = 44;

/// What the encoding adds to a forwarded command or to its answer, at most.
pub const FORWARD_OVERHEAD: usize = 64;

/// Entries of one append: their commands and [`ENTRY_OVERHEAD`] for each sum up to at most this,
/// unless it is a single entry with a longer command.
pub const ENTRIES_LENGTH_MAX: usize = (1 << 20) - APPEND_OVERHEAD;

/// Longest log record: the longest append, in the form of a record.
pub const RECORD_LENGTH_MAX: usize = FRAME_PAYLOAD_LENGTH_MAX;

// The largest command fits in an append of its own, in a record and in a forwarded request.
const _: () =
    assert!(COMMAND_LENGTH_MAX + ENTRY_OVERHEAD + APPEND_OVERHEAD <= FRAME_PAYLOAD_LENGTH_MAX);
const _: () = assert!(ENTRIES_LENGTH_MAX + APPEND_OVERHEAD <= RECORD_LENGTH_MAX);
const _: () = assert!(COMMAND_LENGTH_MAX + FORWARD_OVERHEAD <= FRAME_PAYLOAD_LENGTH_MAX);
const _: () = assert!(ANSWER_LENGTH_MAX + FORWARD_OVERHEAD <= FRAME_PAYLOAD_LENGTH_MAX);
