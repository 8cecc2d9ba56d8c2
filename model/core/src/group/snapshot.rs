//! What a log no longer holds: trimming it, and sending the state instead (Ongaro & Ousterhout 2014,
//! section 7).
//!
//! A log is trimmed only below the *checkpointed* index of every storage replica that votes: what the
//! state machine's storage durably holds, never what is merely applied. So every voter can be
//! served from the log of any other, and only a newcomer needs a snapshot.
//!
//! ```text
//! leader                                    newcomer
//!   Ask::SendSnapshot part 0   ---------->   Ask::Stage part 0        (set aside, not in use)
//!   part 1                     <----------   Staged 1
//!   Ask::SendSnapshot part 1   ---------->   Ask::Stage part 1, the last: flush
//!                                            Told::Staged
//!                                            Write::Install: snapshot, configuration, log start
//!   matched, streams           <----------   Appended, once that is durable
//!                                            Ask::Install: swap; Told::Installed
//! ```
//!
//! A crash before the write leaves the old log and the old state; one after it leaves the new log,
//! and recovery asks for the swap again.
//!
//! Differences from the source:
//! * The group agrees on where logs begin: the leader collects checkpoints and says how far.
//! * A log that holds the snapshot's last entry needs no snapshot: it learns that this is committed.
//!   So an installed log always begins anew, without a suffix.
//! * The leader's driver reads the snapshot; the machine only names it.
//!
//! Invariants:
//! * `SNAPSHOT-1` a log begins at most where the replica's own storage, or a snapshot that is durably
//!   staged there, ends.
//! * `SNAPSHOT-2` what a replica's state holds is what the committed entries up to there say.
//! * `SNAPSHOT-3` no voter's log begins above the checkpoint of a storage replica that votes.
//! * `SNAPSHOT-4` a log that durably begins with a snapshot has asked for its state, also after a
//!   crash.

use super::{Ask, Change, Flow, Group, Membership, Message, Rename, Role, Write};
use crate::ids::{IoNumber, LogEnd, LogIndex, ReplicaId, Term};
use crate::machine::{Effect, Effects};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

/// No log gets there, at a million entries a second for eight years. Keeps a garbled snapshot from
/// using them up.
const INDEX_MAX: LogIndex = LogIndex(1 << 48);

/// Names a snapshot: the state after one entry, and who took part then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SnapshotMark {
    /// The last entry that is in the state.
    pub end: LogEnd,
    /// Where the configuration in effect at `end` is; 0 for the first one.
    pub members_index: LogIndex,
    /// That configuration.
    pub members: Membership,
}

impl SnapshotMark {
    /// What every snapshot of a correct leader satisfies.
    fn is_well_formed(&self, term: Term) -> bool {
        let LogEnd { term: of_end, index } = self.end;
        (LogIndex(1)..=INDEX_MAX).contains(&index)
            && (Term(1)..=term).contains(&of_end)
            && self.members_index <= index
            && self.members.voters.size() > 0
    }
}

impl Rename for SnapshotMark {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        Self { members: self.members.rename(name), ..*self }
    }
}

/// Where logs may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trim {
    /// At the beginning: nothing is trimmed.
    Never,
    /// At what the storage of every storage replica that votes durably holds.
    BelowEveryCheckpoint,
}

/// A snapshot that is being received or installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Incoming {
    /// So many parts of it are staged.
    Staging {
        /// Which.
        mark: SnapshotMark,
        /// How many.
        parts: u32,
        /// Whether these are all.
        complete: bool,
    },
    /// The log begins with it, in memory; on disk once this I/O is durable. Then the state follows.
    Installing {
        /// Which.
        mark: SnapshotMark,
        /// The I/O; nothing if it is durable.
        io: IoNumber,
    },
}

/// What a replica knows about checkpoints and snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Snapshots {
    /// Our own storage durably holds the state up to here.
    pub(super) checkpointed: LogIndex,
    /// A snapshot on its way in.
    pub(super) incoming: Option<Incoming>,
}

impl Snapshots {
    /// Whether the log begins with a snapshot that is not in the state yet.
    pub(super) fn is_installing(&self) -> bool {
        matches!(self.incoming, Some(Incoming::Installing { .. }))
    }

    /// Counts I/Os from `origin` on.
    pub(super) fn rebase(&mut self, origin: IoNumber) {
        if let Some(Incoming::Installing { io, .. }) = &mut self.incoming {
            io.0 = io.0.saturating_sub(origin.0);
        }
    }

    /// The same under other names.
    pub(super) fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let mut renamed = self.clone();
        match &mut renamed.incoming {
            Some(Incoming::Staging { mark, .. } | Incoming::Installing { mark, .. }) => {
                *mark = mark.rename(name);
            }
            None => {}
        }
        renamed
    }
}

/// How far the storage of each replica is, as its leader knows.
pub(super) type Checkpoints = BTreeMap<ReplicaId, LogIndex>;

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// Our own storage durably holds the state up to `index`.
    pub(super) fn on_checkpointed(&mut self, index: LogIndex, effects: &mut Effects<Self>) {
        assert!(index <= self.applying, "APPLY-1: checkpointed {} unapplied", index.0);
        self.snapshots.checkpointed = self.snapshots.checkpointed.max(index);
        self.report_checkpoint(effects);
        self.trim_all(effects);
    }

    /// Tells the leader how far our storage is.
    pub(super) fn report_checkpoint(&mut self, effects: &mut Effects<Self>) {
        let index = self.snapshots.checkpointed;
        if let Role::Follower { leader: Some(leader) } = self.role
            && self.config.trim == Trim::BelowEveryCheckpoint
            && index > LogIndex::ZERO
        {
            let message = Message::Checkpointed { term: self.term, index };
            effects.send(leader, message, IoNumber::NONE);
        }
    }

    /// A peer's storage holds the state up to `index`, and for good.
    pub(super) fn on_peer_checkpointed(
        &mut self,
        from: ReplicaId,
        index: LogIndex,
        effects: &mut Effects<Self>,
    ) {
        if let Role::Leader(leader) = &mut self.role {
            let known = leader.checkpoints.entry(from).or_default();
            *known = index.max(*known);
            self.trim_all(effects);
        }
    }

    /// Where the logs of the whole group may begin: at the least checkpoint of a storage replica
    /// that votes.
    fn trim_floor(&self) -> LogIndex {
        let Role::Leader(leader) = &self.role else { return LogIndex::ZERO };
        let own = (self.config.id, self.snapshots.checkpointed);
        let of = |id: ReplicaId| {
            if id == own.0 {
                own.1
            } else {
                leader.checkpoints.get(&id).copied().unwrap_or_default()
            }
        };
        self.storage_voters().iter().map(of).min().unwrap_or_default()
    }

    /// Trims our log as far as the group allows, and tells the others.
    pub(super) fn trim_all(&mut self, effects: &mut Effects<Self>) {
        if self.config.trim == Trim::Never {
            return;
        }
        let Some(term) = self.log.term_at(self.trim_floor()) else { return };
        let end = LogEnd { term, index: self.trim_floor() };
        if self.trim_to(end, effects) {
            self.say_trim(effects);
        }
    }

    /// Says (again) where logs may begin.
    pub(super) fn say_trim(&mut self, effects: &mut Effects<Self>) {
        let end = self.log.start();
        if self.is_leader() && end.index > LogIndex::ZERO {
            for peer in self.peers() {
                effects.send(peer, Message::Trim { term: self.term, end }, IoNumber::NONE);
            }
        }
    }

    /// The leader says where logs may begin. A log that does not hold this entry, or a state that
    /// is not that far, has nothing to trim yet; it will be said again.
    pub(super) fn on_trim(&mut self, end: LogEnd, effects: &mut Effects<Self>) {
        if self.config.trim == Trim::BelowEveryCheckpoint {
            self.trim_to(end, effects);
        }
    }

    /// Trims the log up to `end`, if it is there and no longer needed. Returns whether it was.
    fn trim_to(&mut self, end: LogEnd, effects: &mut Effects<Self>) -> bool {
        let held =
            end.index > self.log.start().index && self.log.term_at(end.index) == Some(end.term);
        let stored = end.index <= self.checkpoint_bound();
        if !held || !stored || self.snapshots.is_installing() {
            return false;
        }
        if self.is_log_replica() {
            self.log.release(end.index);
        }
        self.log.trim(end.index);
        let io = self.disk.issue();
        effects.push(Effect::Write { io, write: Write::Trim { upto: end.index } });
        true
    }

    /// Up to where our own copy of an entry may go.
    fn checkpoint_bound(&self) -> LogIndex {
        if self.is_log_replica() {
            return self.commit.min(self.disk.end()); // All that it needs is that others hold it.
        }
        self.snapshots.checkpointed.min(self.log.released())
    }

    /// The snapshot that this replica can offer: the state as its storage durably holds it.
    fn own_mark(&self, index: LogIndex) -> Option<SnapshotMark> {
        let term = self.log.term_at(index)?;
        let (members_index, members) = self
            .log
            .members_at(index)
            .unwrap_or_else(|| (LogIndex::ZERO, self.config.first_members()));
        Some(SnapshotMark { end: LogEnd { term, index }, members_index, members })
    }

    /// Sends, or sends again, the next part of a snapshot to a peer whose next entry our log no
    /// longer holds.
    pub(super) fn send_snapshot(&mut self, to: ReplicaId, effects: &mut Effects<Self>) {
        let newest = self.snapshots.checkpointed;
        let start = self.log.start().index;
        let needs_state = !self.config.log_replicas.contains(to) && !self.adds_log_replica(to);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(peer) = leader.peers.get_mut(&to) else { return };
        if !needs_state {
            // The whole log that we hold, from its start on.
            peer.flow = Flow::Snapshot { end: start, parts: 0 };
            if let Some(mark) = self.own_mark(start) {
                let (term, content) = (self.term, Vec::new());
                let start = Message::SnapshotPart { term, mark, part: 0, last: true, content };
                effects.send(to, start, IoNumber::NONE);
            }
            return;
        }
        let (end, part) = match peer.flow {
            Flow::Snapshot { end, parts } if end >= start => (end, parts),
            Flow::Snapshot { .. } | Flow::Stream | Flow::Probe => (newest, 0),
        };
        peer.flow = Flow::Snapshot { end, parts: part };
        if let Some(mark) = self.own_mark(end) {
            effects.push(Effect::Ask(Ask::SendSnapshot { to, term: self.term, mark, part }));
        }
    }

    /// Whether this replica is on its way into the group as a log replica, or is one.
    fn adds_log_replica(&self, replica: ReplicaId) -> bool {
        let coming = match &self.role {
            Role::Leader(leader) => leader.catching_up.map(|it| it.change),
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => None,
        };
        self.members().log_replicas.contains(replica) || coming == Some(Change::AddLog(replica))
    }

    /// The driver no longer has what it was to send: entries that were trimmed, or a snapshot of a
    /// state that has moved on.
    pub(super) fn on_gone(&mut self, to: ReplicaId, effects: &mut Effects<Self>) {
        let (newest, last) = (self.snapshots.checkpointed, self.log.last());
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(peer) = leader.peers.get_mut(&to).filter(|it| it.matched < last) else { return };
        match peer.flow {
            Flow::Snapshot { end, .. } if end < newest => {
                peer.flow = Flow::Snapshot { end: newest, parts: 0 };
                self.send_snapshot(to, effects);
            }
            // The next heartbeat tries again.
            Flow::Snapshot { .. } => {}
            Flow::Stream | Flow::Probe => {
                peer.next = peer.matched.next();
                peer.flow = Flow::Probe;
                self.announce_one(to, effects);
            }
        }
    }

    /// A part of the leader's snapshot.
    pub(super) fn on_snapshot_part(
        &mut self,
        from: ReplicaId,
        (mark, part): (SnapshotMark, u32),
        (content, last): (Vec<C>, bool),
        effects: &mut Effects<Self>,
    ) {
        if self.is_leader() {
            self.halt("ELECTION-1: another replica leads our term", effects);
            return;
        }
        if !mark.is_well_formed(self.term) {
            return; // Not from a correct peer.
        }
        self.follow(Some(from), effects);
        self.arm_election(effects);
        let begun = mark.end.index <= self.log.start().index;
        if begun || self.log.term_at(mark.end.index) == Some(mark.end.term) {
            self.has_already(from, mark, effects);
            return;
        }
        if mark.end.index <= self.commit {
            self.halt("COMMIT-3: a snapshot contradicts a committed entry", effects);
            return;
        }
        let staged = match self.snapshots.incoming {
            Some(Incoming::Installing { .. }) => return,
            // It is being made durable: that will be the answer.
            Some(Incoming::Staging { mark: known, complete: true, .. }) if known == mark => return,
            Some(Incoming::Staging { mark: known, parts, .. }) if known == mark => parts,
            Some(Incoming::Staging { .. }) | None => 0,
        };
        let parts = if part == staged { part + 1 } else { staged };
        if self.is_log_replica() {
            // There is no state to set aside: only where the log begins.
            self.snapshots.incoming = Some(Incoming::Staging { mark, parts: 1, complete: true });
            self.on_staged(mark, effects);
            return;
        }
        if part == staged {
            effects.push(Effect::Ask(Ask::Stage { mark, part, content, last }));
        }
        let complete = part == staged && last;
        self.snapshots.incoming = Some(Incoming::Staging { mark, parts, complete });
        // The last part is answered when all of it is durable.
        if !complete {
            let message = Message::Staged { term: self.term, end: mark.end.index, parts };
            effects.send(from, message, IoNumber::NONE);
        }
    }

    /// The log holds what the snapshot would bring: all that is new is that it is committed.
    fn has_already(&mut self, from: ReplicaId, mark: SnapshotMark, effects: &mut Effects<Self>) {
        self.commit = self.commit.max(mark.end.index);
        if matches!(self.snapshots.incoming, Some(Incoming::Staging { .. })) {
            self.snapshots.incoming = None;
        }
        let matched = mark.end.index;
        let message = Message::Appended { term: self.term, matched };
        effects.send(from, message, self.disk.everything());
        self.apply_committed(effects);
    }

    /// A snapshot is staged as a whole, durably: the log begins with it from here on. One write
    /// names snapshot, configuration and log start.
    pub(super) fn on_staged(&mut self, mark: SnapshotMark, effects: &mut Effects<Self>) {
        let wanted = match self.snapshots.incoming {
            Some(Incoming::Staging { mark: known, complete, .. }) => known == mark && complete,
            Some(Incoming::Installing { .. }) | None => false,
        };
        let old = mark.end.index <= self.commit
            || self.log.term_at(mark.end.index) == Some(mark.end.term);
        if !wanted || old {
            return;
        }
        self.log.install(mark);
        let io = self.disk.issue_append(LogIndex::ZERO, mark.end.index);
        effects.push(Effect::Write { io, write: Write::Install { mark } });
        self.commit = self.commit.max(mark.end.index);
        self.snapshots.incoming =
            (!self.is_log_replica()).then_some(Incoming::Installing { mark, io });
        if let Role::Follower { leader: Some(leader) } = self.role {
            let message = Message::Appended { term: self.term, matched: mark.end.index };
            effects.send(leader, message, self.disk.everything());
        }
    }

    /// Staging failed: the snapshot begins again when its next part comes.
    pub(super) fn on_staging_failed(&mut self, mark: SnapshotMark) {
        if matches!(self.snapshots.incoming, Some(Incoming::Staging { mark: known, .. }) if known == mark)
        {
            self.snapshots.incoming = None;
        }
    }

    /// The state may be swapped as soon as the log durably begins with the snapshot.
    pub(super) fn swap_if_durable(&mut self, effects: &mut Effects<Self>) {
        if let Some(Incoming::Installing { mark, io }) = &mut self.snapshots.incoming
            && *io != IoNumber::NONE
            && self.disk.is_durable(*io)
        {
            *io = IoNumber::NONE;
            let mark = *mark;
            effects.push(Effect::Ask(Ask::Install { mark }));
        }
    }

    /// The state is that of the snapshot now, durably.
    pub(super) fn on_installed(&mut self, index: LogIndex, effects: &mut Effects<Self>) {
        if let Some(Incoming::Installing { mark, io: IoNumber::NONE }) = self.snapshots.incoming
            && mark.end.index == index
        {
            self.snapshots.incoming = None;
            self.snapshots.checkpointed = index;
            self.applying = self.applying.max(index);
            self.report_checkpoint(effects);
            self.apply_committed(effects);
        }
    }

    /// A peer has staged so many parts: the next one, please.
    pub(super) fn on_peer_staged(
        &mut self,
        from: ReplicaId,
        (end, parts): (LogIndex, u32),
        effects: &mut Effects<Self>,
    ) {
        if let Role::Leader(leader) = &mut self.role
            && let Some(peer) = leader.peers.get_mut(&from)
            && matches!(peer.flow, Flow::Snapshot { end: sent, .. } if sent == end)
        {
            peer.flow = Flow::Snapshot { end, parts };
            self.send_snapshot(from, effects);
        }
    }

    /// How far a peer's storage is, as far as this leader knows.
    #[must_use]
    pub fn checkpoint_of(&self, peer: ReplicaId) -> LogIndex {
        match &self.role {
            Role::Leader(leader) => leader.checkpoints.get(&peer).copied().unwrap_or_default(),
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => LogIndex::ZERO,
        }
    }

    /// Whether the log begins with a snapshot that is not in the state yet.
    #[must_use]
    pub fn is_installing(&self) -> bool {
        self.snapshots.is_installing()
    }
}
