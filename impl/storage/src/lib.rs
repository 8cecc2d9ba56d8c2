//! What a node keeps: a write-ahead log and an ordered engine, over a [`disk::Disk`].
//!
//! Everything here sees bytes. What a record or a value means is decided above (the wire crate
//! encodes, the table interprets); how bytes survive a crash is decided here and nowhere else.
//!
//! * [`disk`]: the few file operations storage needs, a real directory, and a simulated one that
//!   can rebuild every image a crash could leave;
//! * [`wal`]: one write-ahead log for all replicas of a node, one sync per group of records;
//! * [`engine`]: the ordered map a table lives in, with the applied log index beside it.
//!
//! Byte tables of every file are in `docs/format.md` of this crate.

pub mod disk;
pub mod engine;
pub mod wal;
