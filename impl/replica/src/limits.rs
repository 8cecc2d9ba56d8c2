//! Every bound of the interpreter, with its reason.

use ringleader_core::ids::Tick;

/// Requests that one replica may have open. A leader that is cut off never learns the fate of its
/// writes: this bounds what it keeps for them, about 1 KiB each with the command in the log.
pub const OPEN_REQUESTS_MAX: usize = 8192;

/// Entries applied in one step, so that replaying a long log does not keep a replica from
/// answering its leader: 1,024 puts take some 5 ms, a tenth of a heartbeat interval.
pub const APPLY_ENTRIES_MAX: u64 = 1024;

/// Applied entries kept in memory for peers that lag: three seconds of 20,000 writes a second.
pub const WINDOW_ENTRIES_MAX: usize = 1 << 16;

/// Bytes of commands kept for the same purpose.
pub const WINDOW_BYTES_MAX: usize = 32 << 20;

/// One position of the log is remembered per so many entries; reading an older entry reads at most
/// this many before it. At 16 bytes each, 100 million entries cost 25 MB.
pub const POSITION_STRIDE: u64 = 64;

/// A reader of the log goes on from where it is if what it needs is at most this far ahead;
/// starting anew reads a whole segment of 16 MiB.
pub const SKIPPED_BYTES_MAX: u64 = 4 << 20;

/// The state machine is asked to make itself durable after so many bytes of commands: what a
/// restart must keep in memory and apply again, and what the log holds beyond what peers need.
pub const CHECKPOINT_BYTES: usize = 32 << 20;

/// The log says after so many bytes what it led to: four times in a segment of 16 MiB, so that hardly
/// more than a segment is kept that is not needed.
pub const BASE_INTERVAL_BYTES: usize = 4 << 20;

/// While a newcomer catches up, logs are not trimmed for so many bytes of commands, so that it finds
/// what follows its snapshot: half a minute of 10,000 writes a second of 1 KB.
pub const HELD_BACK_BYTES: usize = 256 << 20;

/// A timer that fires later than this fires late: the thread was busy or paused. The clock of the
/// node's event loop ticks in milliseconds.
pub const LATE_MAX: Tick = Tick(10_000);

/// Time to read the sockets after that, before a late election timer fires: two heartbeats that
/// waited in the sockets are read in well under a millisecond, a peer that was busy for the same
/// reason needs a little longer.
pub const LATE_GRACE: Tick = Tick(50_000);
