//! Who a replica is, and the limits and options of its group.

use super::snapshot::Trim;
use super::timing::Timing;
use crate::ids::{ReplicaId, Tick};
use crate::quorum::ReplicaSet;

/// Who a replica is, and the limits and options of its group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Config {
    /// This replica.
    pub id: ReplicaId,
    /// The members of the group.
    pub voters: ReplicaSet,
    /// Those members, present or future, that hold a log and no state. A replica's kind never
    /// changes.
    pub log_replicas: ReplicaSet,
    /// A follower campaigns after hearing from no leader for this long, plus jitter of the same
    /// size (section 9.3).
    pub election_timeout: Tick,
    /// A leader speaks to each peer at least this often.
    pub heartbeat_interval: Tick,
    /// Most entries in one append. Bounds a message; a peer that lags gets several.
    pub append_entries_max: u64,
    /// No further append is sent to a peer that has this many entries unacknowledged. The last
    /// one sent may exceed it, by less than [`Config::append_entries_max`].
    pub inflight_entries_max: u64,
    /// What a new leader does first.
    pub at_election: AtElection,
    /// When followers learn that the commit index moved.
    pub announce_commit: AnnounceCommit,
    /// Which rules about time the group follows.
    pub timing: Timing,
    /// Where logs may begin.
    pub trim: Trim,
}

/// What a new leader does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AtElection {
    /// Appends an empty entry, and so commits what older terms left behind (section 8).
    AppendNoOp,
    /// Waits for the first command. Reads wait too.
    Wait,
}

/// When followers learn that the commit index moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnnounceCommit {
    /// By a message of its own, at once.
    AtOnce,
    /// With the next append or heartbeat.
    WithNextAppend,
}
