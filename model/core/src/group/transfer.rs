//! A leader gives way to a peer of the host's choice.
//!
//! It takes no more writes, waits until the peer holds its whole log, and then tells it to
//! campaign at once. The peer's campaign says so, and voters that promised the old leader to wait
//! need not: it has *stopped* reading alone before it said anything, and does not begin again in
//! that term, even if the peer never gets there and the leader goes on.
//!
//! Source: Ongaro's dissertation, section 3.10.
//!
//! Differences from the source: the lease, which the source does not combine with a transfer.
//!
//! * `TRANSFER-1` a peer is told to campaign only when it holds the leader's whole log, and a
//!   leader that gives way takes no writes.

use super::{Answer, Campaign, Group, Message, Rename, Role, Timer};
use crate::ids::{IoNumber, ReplicaId, RequestId, Tick};
use crate::machine::{Effect, Effects};
use core::fmt::Debug;
use core::hash::Hash;

/// A transfer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Transfer {
    /// Who is to lead.
    pub(super) to: ReplicaId,
    /// Whether it was told.
    pub(super) told: bool,
}

impl Rename for Transfer {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        Self { to: name(self.to), ..*self }
    }
}

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// Whom this leader gives way to.
    #[must_use]
    pub fn gives_way_to(&self) -> Option<ReplicaId> {
        self.transfer().map(|transfer| transfer.to)
    }

    fn transfer(&self) -> Option<Transfer> {
        match &self.role {
            Role::Leader(leader) => leader.tenure.transfer,
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => None,
        }
    }

    /// The host wants `to` to lead. The answer says whether that was begun, not how it ends.
    pub(super) fn on_transfer(
        &mut self,
        id: RequestId,
        to: ReplicaId,
        effects: &mut Effects<Self>,
    ) {
        let is_peer = self.peers().any(|peer| peer == to);
        let leader = self.leader();
        let answer = match &mut self.role {
            Role::Leader(leader) if is_peer && leader.tenure.transfer.is_none() => {
                leader.tenure.transfer = Some(Transfer { to, told: false });
                Answer::GivesWay
            }
            Role::Leader(_) => Answer::Refused,
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => {
                Answer::NotLeader { leader }
            }
        };
        effects.push(Effect::Answer { id, answer, after: IoNumber::NONE });
        if answer == Answer::GivesWay {
            let delay = self.config.election_timeout;
            effects.push(Effect::Arm { timer: Timer::Transfer, delay, jitter: Tick(0) });
            self.give_way(effects);
        }
    }

    /// Tells the peer to campaign, once it holds everything. From then on we never read alone in
    /// this term: the message may arrive late, or twice.
    pub(super) fn give_way(&mut self, effects: &mut Effects<Self>) {
        let last = self.log.last();
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(transfer) = &mut leader.tenure.transfer else { return };
        let matched = leader.peers.get(&transfer.to).map(|peer| peer.matched);
        if transfer.told || matched != Some(last) {
            return;
        }
        transfer.told = true;
        leader.tenure.lease_given_up = true;
        self.repeat_take_over(effects);
    }

    /// Says it (again).
    pub(super) fn repeat_take_over(&mut self, effects: &mut Effects<Self>) {
        if let Some(Transfer { to, told: true }) = self.transfer() {
            effects.send(to, Message::TakeOver { term: self.term }, IoNumber::NONE);
        }
    }

    /// The leader has stopped and wants us to lead. Nobody need be asked.
    pub(super) fn on_take_over(&mut self, effects: &mut Effects<Self>) {
        if self.is_leader() {
            self.halt("ELECTION-1: another replica leads our term", effects);
            return;
        }
        if self.may_campaign() {
            self.campaign(Campaign::ByTransfer, effects);
        }
    }

    /// The peer did not get there in time: we go on, but never again read alone in this term if it
    /// was told.
    pub(super) fn on_transfer_timeout(&mut self) {
        if let Role::Leader(leader) = &mut self.role {
            leader.tenure.transfer = None;
        }
    }
}
