//! Every bound of the server, with its reason.

use ringleader_wire::limits::ANSWER_LENGTH_MAX;
use std::time::Duration;

/// Bytes of a request's line and headers together. Those of an SDK, tokens included, are below 4 KiB.
pub(crate) const HEADER_BYTES_MAX: usize = 64 << 10;

/// Wait for the headers of the next request on a connection; then it is closed. Longer than SDKs
/// keep idle connections in their pools between two uses.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_mins(2);

/// A node that stops waits so long for the requests that it has begun: many elections, and less than
/// what supervisors wait before they kill.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(3);

/// Wait for a body: 16 MB at 4 Mbit/s.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(35);

/// A leader that had nothing to do of its own accord looks again after this: how long a global index
/// may lag behind an idle table, and an item outlive its time.
pub(crate) const UPKEEP_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes of one part of a batch, which is a command or an answer of its own: small enough for others
/// to come between.
pub(crate) const BATCH_PART_BYTES_MAX: usize = 2 << 20;

/// Longest request body, as the API defines it.
pub(crate) const BODY_LENGTH_MAX: usize = 16 << 20;

/// Of a body that is too long, so much is read and thrown away; then the connection is closed.
pub(crate) const BODY_DISCARDED_MAX: usize = 4 * BODY_LENGTH_MAX;

/// Bodies of requests in progress are counted in units of so many bytes.
pub(crate) const BODY_UNIT_LENGTH: usize = 64 << 10;

/// Units of bodies in progress: 256 MiB of them, whatever the number of connections.
pub(crate) const BODY_UNITS_MAX: usize = (256 << 20) / BODY_UNIT_LENGTH;

/// Connections of clients that are open at once. With 8 KiB of buffers each: 32 MiB; with
/// buffers as large as the longest headers: 256 MiB.
pub(crate) const CONNECTIONS_MAX: usize = 4096;

/// Changes in memory that are written into the tree together: some 120,000 small items. Up to four times
/// as many collect while the ones before them are written, which bounds what they take of memory.
pub(crate) const DELTA_BYTES_MAX: usize = 32 << 20;

/// Bytes of one part of a state on its way to another replica: read and written within 2 ms each, so that
/// requests come between.
pub(crate) const SNAPSHOT_PART_BYTES: usize = 256 << 10;

/// Replicas of one group.
pub(crate) const REPLICAS_MAX: usize = 7;

// A part of a batch that ends with the largest item, packed, is a command and an answer.
const _: () = assert!(BATCH_PART_BYTES_MAX + (1 << 20) <= ANSWER_LENGTH_MAX);
// The longest body can be read at all.
const _: () = assert!(BODY_LENGTH_MAX / BODY_UNIT_LENGTH <= BODY_UNITS_MAX);
