//! Who takes part: one change at a time (Ongaro's dissertation, 2014, sections 4.1 to 4.3).
//!
//! A configuration is a log entry and is in effect as soon as it is in the log, committed or not; it
//! goes with the entry if that is truncated. Two configurations that differ by one replica have no
//! disjoint majorities, so a leader may pass from one to the next without asking both.
//!
//! * A new replica first gets the log, and counts only once its durable log holds all that is
//!   committed.
//! * A leader changes nothing before it has committed an entry of its own term, and before the
//!   configuration in effect is committed. Without the first two leaders may each build on the same
//!   old configuration, and their majorities need not meet (Ongaro, "bug in single-server membership
//!   changes", raft-dev, 10 July 2015).
//! * A leader that removes itself leads on until that is committed, without counting itself.
//! * A replica outside its own newest configuration campaigns only while that may still be undone
//!   (section 4.2.2, figure 4.6).
//!
//! Differences from the source:
//! * A removed replica is not kept quiet by a clock (section 4.2.3): whoever holds the entry that
//!   removed it pays no attention to its campaigns, because its log is shorter.
//! * Catching up is not measured in rounds: the new replica must hold what is committed, durably.
//!   Nor is anybody removed while too few of the others do.
//! * A replica's id is never used again after it was removed. Whoever starts replicas sees to that.
//!
//! Invariants:
//! * `MEMBER-1` a leader has at most one configuration that is not committed.
//! * `MEMBER-2` a majority of the leader's configuration durably holds everything that is
//!   committed, from the moment the configuration is in effect.
//! * `MEMBER-3` the campaign of a replica that was removed, and lacks the entry that removed it,
//!   changes nothing at whoever holds that entry.
//! * `MEMBER-4` a leader outside its own configuration stops leading once that is committed.

use super::{Answer, Config, Group, Message, Payload, Progress, Rename, Role};
use crate::ids::{IoNumber, LogIndex, ReplicaId, RequestId};
use crate::machine::{Effect, Effects};
use crate::quorum::{ReplicaSet, reached_by_majority};
use core::fmt::Debug;
use core::hash::Hash;

/// Who takes part in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Membership {
    /// Whose votes and whose copies count.
    pub voters: ReplicaSet,
    /// Those of them that hold a log and no state.
    pub log_replicas: ReplicaSet,
}

/// One step from a configuration to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// A new replica takes part, once it has caught up.
    Add(ReplicaId),
    /// A new log replica takes part, once it holds the leader's log.
    AddLog(ReplicaId),
    /// A replica takes part no longer.
    Remove(ReplicaId),
}

impl Change {
    /// The configuration after this change; nothing if it changes nothing, or would leave nobody.
    #[must_use]
    pub fn applied_to(self, members: Membership) -> Option<Membership> {
        let Membership { voters, log_replicas } = members;
        let changed = match self {
            Self::Add(id) | Self::AddLog(id) if id.0 >= ReplicaSet::IDS => return None,
            Self::Add(id) => Membership { voters: voters.with(id), log_replicas },
            Self::AddLog(id) => {
                Membership { voters: voters.with(id), log_replicas: log_replicas.with(id) }
            }
            Self::Remove(id) => {
                Membership { voters: voters.without(id), log_replicas: log_replicas.without(id) }
            }
        };
        // Somebody must be able to lead, and a replica's kind never changes.
        let known = |id| voters.contains(id);
        let same_kind = match self {
            Self::Add(id) | Self::AddLog(id) => !known(id),
            Self::Remove(id) => known(id),
        };
        (same_kind && changed.storage_voters().size() > 0).then_some(changed)
    }
}

/// Why a leader does not begin a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ChangeRefusal {
    /// The leader has committed nothing in its term yet. It will: ask again.
    NothingCommitted,
    /// Another change is not committed yet: ask again.
    AnotherChange,
    /// It is so already, or nobody would be left.
    NoChange,
    /// Of those who would be left too few hold what is committed: ask again.
    TooFewCopies,
}

/// A replica on its way into the group, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CatchingUp {
    /// The request that ends when it takes part.
    pub(super) id: RequestId,
    /// What is to be changed.
    pub(super) change: Change,
    /// Who gets the log and does not count yet.
    pub(super) replica: ReplicaId,
}

impl Membership {
    /// The voters that hold a state, and not only a log.
    #[must_use]
    pub fn storage_voters(self) -> ReplicaSet {
        self.log_replicas.iter().fold(self.voters, ReplicaSet::without)
    }
}

impl Rename for Membership {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let Self { voters, log_replicas } = self;
        Self { voters: voters.rename(name), log_replicas: log_replicas.rename(name) }
    }
}

impl Rename for Change {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        match *self {
            Self::Add(id) => Self::Add(name(id)),
            Self::AddLog(id) => Self::AddLog(name(id)),
            Self::Remove(id) => Self::Remove(name(id)),
        }
    }
}

impl Config {
    /// The configuration of a group whose log holds none.
    #[must_use]
    pub fn first_members(&self) -> Membership {
        let log_replicas = self.log_replicas.iter().filter(|&id| self.voters.contains(id));
        Membership { voters: self.voters, log_replicas: log_replicas.collect() }
    }
}

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// Who takes part, in the newest configuration of this replica's log, committed or not.
    #[must_use]
    pub fn members(&self) -> Membership {
        self.log.members().map_or_else(|| self.config.first_members(), |(_, members)| members)
    }

    /// The voters that hold a state, and not only a log.
    pub(super) fn storage_voters(&self) -> ReplicaSet {
        self.members().storage_voters()
    }

    /// The configuration of a group whose log holds none.
    #[must_use]
    pub fn first_members(&self) -> Membership {
        self.config.first_members()
    }

    /// Where the newest configuration is; 0 if it is the first one.
    #[must_use]
    pub fn members_index(&self) -> LogIndex {
        self.log.members().map_or(LogIndex::ZERO, |(index, _)| index)
    }

    /// Whether the configuration in effect cannot be undone any more, as far as this replica knows.
    pub(super) fn members_are_committed(&self) -> bool {
        self.members_index() <= self.commit
    }

    /// Whether this replica may have to lead: it takes part, or may yet turn out to.
    #[must_use]
    pub fn may_campaign(&self) -> bool {
        let takes_part = self.voters().contains(self.config.id) || !self.members_are_committed();
        takes_part && !self.is_log_replica()
    }

    /// Who gets this leader's log without counting yet.
    #[must_use]
    pub fn newcomer(&self) -> Option<ReplicaId> {
        match &self.role {
            Role::Leader(leader) => leader.catching_up.map(|it| it.replica),
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => None,
        }
    }

    /// Whether a message is to be handled at all. Its speaker may be outside our configuration and
    /// yet right: its log may hold one that ours does not.
    pub(super) fn listens_to(&self, from: ReplicaId, message: &Message<C>) -> bool {
        if from == self.config.id || from.0 >= ReplicaSet::IDS {
            return false; // Not from a correct peer.
        }
        if self.voters().contains(from) || self.newcomer() == Some(from) {
            return true;
        }
        match message {
            // If its log is behind ours, our vote is out of the question, and its term is no
            // concern of ours (`MEMBER-3`).
            Message::RequestVote { log_end, .. } | Message::RequestPreVote { log_end, .. } => {
                self.log.end() <= *log_end
            }
            // A leader, by the votes of a configuration that we may not know.
            Message::Append { .. }
            | Message::Confirm { .. }
            | Message::TakeOver { .. }
            | Message::Trim { .. }
            | Message::SnapshotPart { .. } => true,
            Message::Vote { .. }
            | Message::PreVote { .. }
            | Message::Refused { .. }
            | Message::Pull { .. }
            | Message::Pulled { .. }
            | Message::Checkpointed { .. }
            | Message::Staged { .. }
            | Message::Appended { .. }
            | Message::Rejected { .. }
            | Message::Confirmed { .. }
            | Message::NewerTerm { .. } => false,
        }
    }

    /// The host asks for a change of the group.
    pub(super) fn on_change(&mut self, id: RequestId, change: Change, effects: &mut Effects<Self>) {
        let answer = match (self.is_leader(), self.refuses(change)) {
            (false, _) => Answer::NotLeader { leader: self.leader() },
            (true, Some(refusal)) => Answer::ChangeRefused(refusal),
            (true, None) => {
                self.begin_change(id, change, effects);
                return;
            }
        };
        effects.push(Effect::Answer { id, answer, after: IoNumber::NONE });
    }

    /// Why this leader does not begin a change now.
    fn refuses(&self, change: Change) -> Option<ChangeRefusal> {
        if self.log.term_at(self.commit) != Some(self.term) {
            Some(ChangeRefusal::NothingCommitted)
        } else if !self.members_are_committed() || self.newcomer().is_some() {
            Some(ChangeRefusal::AnotherChange)
        } else {
            match change.applied_to(self.members()) {
                None => Some(ChangeRefusal::NoChange),
                Some(next) => {
                    let removes = matches!(change, Change::Remove(_));
                    (removes && !self.holds_enough(next)).then_some(ChangeRefusal::TooFewCopies)
                }
            }
        }
    }

    /// Whether a majority of this configuration durably holds what is committed (`MEMBER-2`).
    fn holds_enough(&self, members: Membership) -> bool {
        let own = self.disk.end();
        let Role::Leader(leader) = &self.role else { return false };
        let held = reached_by_majority(members.voters, |id| {
            if id == self.config.id {
                return own;
            }
            leader.peers.get(&id).map_or(LogIndex::ZERO, |peer| peer.matched)
        });
        held >= self.commit
    }

    fn begin_change(&mut self, id: RequestId, change: Change, effects: &mut Effects<Self>) {
        match change {
            Change::Add(replica) | Change::AddLog(replica) => {
                let progress = Progress::unknown(self.log.last());
                if let Role::Leader(leader) = &mut self.role {
                    leader.catching_up = Some(CatchingUp { id, change, replica });
                    leader.peers.insert(replica, progress);
                }
                self.greet_one(replica, effects);
                self.admit_newcomer(effects);
            }
            Change::Remove(_) => self.propose(id, change, effects),
        }
    }

    /// Lets the new replica take part, once it and enough of the others hold what is committed.
    pub(super) fn admit_newcomer(&mut self, effects: &mut Effects<Self>) {
        let Role::Leader(leader) = &self.role else { return };
        let Some(CatchingUp { id, change, replica }) = leader.catching_up else { return };
        let next = change.applied_to(self.members()).expect("what changes nothing is refused");
        let caught_up = self.progress(replica).is_some_and(|it| it.matched >= self.commit);
        if caught_up && self.holds_enough(next) {
            if let Role::Leader(leader) = &mut self.role {
                leader.catching_up = None;
            }
            self.propose(id, change, effects);
        }
    }

    /// Appends the next configuration: from here on it counts. Whoever it leaves out hears no more
    /// of us.
    fn propose(&mut self, id: RequestId, change: Change, effects: &mut Effects<Self>) {
        let next = change.applied_to(self.members()).expect("what changes nothing is refused");
        let index = self.log.last().next();
        self.end_lease();
        if let Role::Leader(leader) = &mut self.role {
            leader.writes.push_back((index, id));
        }
        self.write_own(Payload::Members(next), effects);
        for peer in self.peers() {
            self.send_entries(peer, effects);
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.peers.retain(|&peer, _| next.voters.contains(peer));
        }
    }

    /// A leader outside the configuration has done its part once that is committed (`MEMBER-4`).
    /// It says so first: nobody else knows yet.
    pub(super) fn leave_if_removed(&mut self, effects: &mut Effects<Self>) {
        let outside = !self.voters().contains(self.config.id);
        if self.is_leader() && outside && self.members_are_committed() {
            self.announce(effects);
            self.follow(None, effects);
        }
    }
}
