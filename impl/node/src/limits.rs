//! Every queue, buffer and wait of a node, with its reason.

use std::time::Duration;

/// Inputs that wait for the core task: requests and reads from peers' sockets. Producers wait when
/// it is full, which pushes back into their sockets.
pub const INPUTS_MAX: usize = 1024;

/// Inputs handled before what they lead to is handed on. Larger batches only add latency.
pub const INPUT_BATCH_MAX: usize = 256;

/// Records that may be on their way to the disk. Above a quarter of it the core takes no further
/// input than completions, and one batch of inputs makes far fewer than three quarters.
pub const LOG_QUEUE_RECORDS_MAX: usize = 1 << 16;

/// Records on their way to the disk above which no further input is taken.
pub const LOG_BACKLOG_RECORDS_MAX: usize = LOG_QUEUE_RECORDS_MAX / 4;

/// Bytes on their way to the disk above which no further input is taken: a fraction of a second of
/// a disk that writes 200 MB/s.
pub const LOG_BACKLOG_BYTES_MAX: usize = 64 << 20;

/// Bytes that wait for one peer's socket; what does not fit is dropped, as on a network. Holds the
/// largest number of entries in flight (1,024) at 8 KiB each, and beyond that one of the longest frames.
pub const LINK_BUFFER_BYTES_MAX: usize = 8 << 20;

/// Appends that wait to be read back from the log for peers that lag: what may be in flight to two
/// peers (1,024 entries in appends of 64). What does not fit is dropped; the leader asks again.
pub const STORED_READS_MAX: usize = 64;

/// A reader of old log entries keeps a segment of 16 MiB in memory; it goes after so long.
pub const STORED_READER_IDLE_MAX: Duration = Duration::from_secs(1);

/// Connections from peers, or from whoever finds the port, that are open at once.
pub const INBOUND_CONNECTIONS_MAX: usize = 64;

/// A stranger on the peer port has so long to introduce itself.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// A leader that is to stop waits so long for a peer to take over: three election timeouts of 300 ms.
pub const HAND_OVER_MAX: Duration = Duration::from_secs(1);

/// Wait after a connection could not be accepted.
pub const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Room that a peer's connection reads into at once.
pub const READ_BUFFER_BYTES: usize = 64 << 10;

/// An attempt to connect to a peer is given up after this.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Wait before the second attempt to connect; doubles with each further one.
pub const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(25);

/// Longest wait between attempts to connect: a healed cut is noticed within an election timeout.
pub const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(200);

/// A request that has reached no leader is refused after this: several elections, each at most two
/// election timeouts of 300 ms.
pub const LEADERLESS_MAX: Duration = Duration::from_secs(2);

/// While there is no leader to hand requests to, they are tried again this often.
pub const ROUTE_RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// A request that has no answer after this is answered without one: a write as unknown.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests of this node's clients that are open at once, in whatever state.
pub const CLIENT_REQUESTS_MAX: usize = 8192;
