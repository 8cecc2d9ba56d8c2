//! Reads without a log entry: the leader asks a majority whether it still leads, and then answers
//! from what was committed when it asked (Ongaro's dissertation, section 6.4).
//!
//! Reads that arrive while a round is on its way wait for the next one: only a round that was
//! started *after* a read arrived can speak for it. One round serves all who waited.

use super::{Answer, Ask, Deadline, Group, Message, Rename, Role};
use crate::ids::{IoNumber, LogIndex, ReplicaId, RequestId, Tick};
use crate::machine::{Effect, Effects};
use crate::quorum::ReplicaSet;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

/// The reads of one leader.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Reads {
    /// Number of the last round started in this term.
    last_round: u64,
    /// The round on its way.
    round: Option<Round>,
    /// Reads that arrived since that round was started.
    waiting: Vec<RequestId>,
}

/// A round of [`Message::Confirm`] on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Round {
    /// The commit index when it was started.
    index: LogIndex,
    /// Until when its success lets us read alone: counted from when it was sent.
    lease_until: Deadline,
    /// Who confirmed, this leader included.
    confirmed: ReplicaSet,
    /// The reads it speaks for.
    reads: Vec<RequestId>,
}

impl Reads {
    /// Whether a confirmation by `peer` of round `number` would count.
    pub(super) fn awaits(&self, peer: ReplicaId, number: u64) -> bool {
        let open = self.round.as_ref().filter(|_| self.last_round == number);
        open.is_some_and(|round| !round.confirmed.contains(peer))
    }

    /// Whether a round is on its way.
    pub(super) fn has_round(&self) -> bool {
        self.round.is_some()
    }

    /// The same rounds with every replica renamed.
    pub(super) fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let mut renamed = self.clone();
        if let Some(round) = &mut renamed.round {
            round.confirmed = round.confirmed.rename(name);
        }
        renamed
    }

    /// Number of the last round started.
    pub(super) fn last_round(&self) -> u64 {
        self.last_round
    }

    /// Counts time from `origin` on.
    pub(super) fn rebase(&mut self, origin: Tick) {
        if let Some(round) = &mut self.round {
            round.lease_until.rebase(origin);
        }
    }

    /// Every read that is not yet answered.
    pub(super) fn into_open(self) -> impl Iterator<Item = RequestId> {
        self.round.into_iter().flat_map(|round| round.reads).chain(self.waiting)
    }
}

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// A read from the host.
    pub(super) fn on_read(&mut self, id: RequestId, effects: &mut Effects<Self>) {
        if self.holds_lease(self.time.now) {
            effects.push(Effect::Ask(Ask::ReadReady { id, index: self.commit }));
            return;
        }
        let Role::Leader(leader) = &mut self.role else {
            let answer = Answer::NotLeader { leader: self.leader() };
            effects.push(Effect::Answer { id, answer, after: IoNumber::NONE });
            return;
        };
        leader.reads.waiting.push(id);
        self.start_round(effects);
    }

    /// A read of what is applied here, however old. No leader need be known.
    pub(super) fn on_read_eventual(&self, id: RequestId, effects: &mut Effects<Self>) {
        if self.is_log_replica() {
            let answer = Answer::Refused; // It has no state (`PULL-2`).
            effects.push(Effect::Answer { id, answer, after: IoNumber::NONE });
            return;
        }
        effects.push(Effect::Ask(Ask::ReadReady { id, index: LogIndex::ZERO }));
    }

    /// Whether the commit index covers all that any earlier leader has answered: it does once an
    /// entry of our own term is committed.
    pub(super) fn knows_commit(&self) -> bool {
        self.log.term_at(self.commit) == Some(self.term)
    }

    /// Starts a round for the reads that wait, unless one is on its way.
    pub(super) fn start_round(&mut self, effects: &mut Effects<Self>) {
        let Role::Leader(leader) = &self.role else { return };
        if leader.reads.round.is_none() && !leader.reads.waiting.is_empty() {
            self.open_round(effects);
        }
    }

    /// Starts a round. A leader that has not yet committed in its own term does not know what is
    /// committed, and starts none.
    pub(super) fn open_round(&mut self, effects: &mut Effects<Self>) {
        let (index, lease_until) = (self.commit, self.lease_of_a_round());
        let knows_commit = self.knows_commit();
        let Role::Leader(leader) = &mut self.role else { return };
        if !knows_commit {
            return;
        }
        let reads = &mut leader.reads;
        reads.last_round += 1;
        let confirmed = ReplicaSet::default().with(self.config.id);
        let waiting = core::mem::take(&mut reads.waiting);
        reads.round = Some(Round { index, lease_until, confirmed, reads: waiting });
        self.repeat_round(effects);
        self.finish_round(effects);
    }

    /// Asks (again) who still follows.
    pub(super) fn repeat_round(&mut self, effects: &mut Effects<Self>) {
        if let Role::Leader(leader) = &self.role
            && let Some(round) = &leader.reads.round
        {
            let (term, number) = (self.term, leader.reads.last_round);
            for peer in self.peers().filter(|&peer| !round.confirmed.contains(peer)) {
                effects.send(peer, Message::Confirm { term, round: number }, IoNumber::NONE);
            }
        }
    }

    /// A leader asks whether we still follow it. The answer waits for no disk: it says what we
    /// know *now*, and nobody can lead a later term without a majority that knew of it durably.
    pub(super) fn on_confirm(&mut self, from: ReplicaId, round: u64, effects: &mut Effects<Self>) {
        if self.is_leader() {
            self.halt("ELECTION-1: another replica leads our term", effects);
            return;
        }
        self.follow(Some(from), effects);
        self.arm_election(effects);
        self.bind();
        effects.send(from, Message::Confirmed { term: self.term, round }, IoNumber::NONE);
    }

    /// A peer still followed us when this round reached it.
    pub(super) fn on_confirmed(
        &mut self,
        from: ReplicaId,
        number: u64,
        effects: &mut Effects<Self>,
    ) {
        if let Role::Leader(leader) = &mut self.role
            && leader.reads.awaits(from, number)
            && let Some(round) = &mut leader.reads.round
        {
            round.confirmed = round.confirmed.with(from);
            self.finish_round(effects);
        }
    }

    fn finish_round(&mut self, effects: &mut Effects<Self>) {
        let voters = self.voters();
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(round) = leader.reads.round.take_if(|it| it.confirmed.is_majority_of(voters)) {
            for id in round.reads {
                effects.push(Effect::Ask(Ask::ReadReady { id, index: round.index }));
            }
            self.extend_lease(round.lease_until);
            self.start_round(effects);
        }
    }
}
