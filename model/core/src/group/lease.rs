//! The leader's lease: reads without a round, for as long as nobody else can lead.
//!
//! Whoever confirms a round promises to help elect nobody for a while, by its own clock. When a
//! majority has confirmed, the leader is alone for a shorter while, by *its* clock, counted from
//! the moment it *sent* the round: the promises were made later. Clocks need not agree, only their
//! rates must be bounded: [`super::Lease::wait`].
//!
//! A new leader needs votes from a majority, and so from somebody who has waited. It therefore
//! never waits itself: when it is elected, every earlier lease is over. What a replica promised is
//! not on its disk; one that restarts waits as if it had promised at that moment.
//!
//! Source: Ongaro's dissertation, section 6.4.1; Gray & Cheriton 1989 (leases); `DynamoDB` 2022,
//! section 4 (a leader renews its lease; a new one waits until the old has expired).
//!
//! Differences from the source: the promise is the voters', not the new leader's wait; a replica
//! that is bound ignores a request for a vote without adopting its term.
//!
//! * `LEASE-1` while a lease holds, nobody leads a later term.
//! * `LEASE-2` a lease is judged by a reading of the clock taken after the read arrived.
//! * `LEASE-3` a lease rests on the promises of a majority of the leader's newest configuration, and
//!   ends when the leader appends another one.

use super::timing::Deadline;
use super::transfer::Transfer;
use super::{Group, Leader, Message, Role, Timer};
use crate::ids::{ReplicaId, Tick};
use crate::machine::{Effect, Effects};
use crate::quorum::ReplicaSet;
use core::fmt::Debug;
use core::hash::Hash;

/// What a leader knows about how long it leads. Constant while [`super::Timing`] is off and nobody
/// asks for a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Tenure {
    /// Until then we may read alone.
    pub(super) lease_until: Deadline,
    /// We let a peer campaign although our lease may hold: there is none in this term any more.
    pub(super) lease_given_up: bool,
    /// Who was heard from since a majority was last heard from.
    pub(super) heard: ReplicaSet,
    /// Whom we give way to.
    pub(super) transfer: Option<Transfer>,
}

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// Whether this replica leads and may read alone, by its clock at `now`.
    #[must_use]
    pub fn holds_lease(&self, now: Tick) -> bool {
        match &self.role {
            Role::Leader(Leader { tenure, .. }) => {
                let given = !tenure.lease_given_up && !tenure.lease_until.is_over(now);
                given && self.knows_commit()
            }
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => false,
        }
    }

    /// Whether this replica has promised, by its clock at `now`, to help elect nobody yet.
    #[must_use]
    pub fn is_bound(&self, now: Tick) -> bool {
        !self.time.bound_until.is_over(now)
    }

    /// Whether a message asks for help with an election before we may give it. A leader that gave
    /// way has ended its lease: then nothing binds us.
    pub(super) fn must_ignore(&self, message: &Message<C>) -> bool {
        let unbidden = matches!(message, Message::RequestVote { by_transfer: false, .. });
        unbidden && self.is_bound(self.time.now)
    }

    /// Promises to help elect nobody until the leader that is confirmed now cannot be reading
    /// alone any more.
    pub(super) fn bind(&mut self) {
        if let Some(lease) = self.config.timing.lease {
            self.time.bound_until = Deadline::after(self.time.now, lease.wait());
        }
    }

    /// When the lease ends that a round gives which is sent now.
    pub(super) fn lease_of_a_round(&self) -> Deadline {
        let lease = self.config.timing.lease;
        lease.map_or(Deadline::OVER, |lease| Deadline::after(self.time.now, lease.span))
    }

    /// A majority has confirmed a round.
    pub(super) fn extend_lease(&mut self, until: Deadline) {
        if let Role::Leader(leader) = &mut self.role {
            leader.tenure.lease_until = leader.tenure.lease_until.max(until);
        }
    }

    /// A configuration begins. Its majority has promised nothing yet, and that of the next one may
    /// share nobody with the majority that did: the lease begins anew with the next round (`LEASE-3`).
    pub(super) fn end_lease(&mut self) {
        if let Role::Leader(leader) = &mut self.role {
            leader.tenure.lease_until = Deadline::OVER;
        }
    }

    /// Starts a round for the sake of the lease, unless one is on its way.
    pub(super) fn renew_lease(&mut self, effects: &mut Effects<Self>) {
        let wanted = match &self.role {
            Role::Leader(leader) => !leader.tenure.lease_given_up,
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => false,
        };
        if wanted && self.config.timing.lease.is_some() && !self.has_open_round() {
            self.open_round(effects);
        }
    }

    /// A new leader: time for a majority to be heard from.
    pub(super) fn watch_quorum(&self, effects: &mut Effects<Self>) {
        let alone = self.peers().next().is_none();
        if let Some(delay) = self.config.timing.quorum_timeout.filter(|_| !alone) {
            effects.push(Effect::Arm { timer: Timer::Quorum, delay, jitter: Tick(0) });
        }
    }

    /// A peer answered: it follows us. Whenever a majority has been heard from, time starts anew.
    pub(super) fn note_answer(&mut self, peer: ReplicaId, effects: &mut Effects<Self>) {
        let (id, voters) = (self.config.id, self.voters());
        let Role::Leader(leader) = &mut self.role else { return };
        if self.config.timing.quorum_timeout.is_none() {
            return;
        }
        let heard = leader.tenure.heard.with(peer);
        let complete = heard.with(id).is_majority_of(voters);
        leader.tenure.heard = if complete { ReplicaSet::default() } else { heard };
        if complete {
            self.watch_quorum(effects);
        }
    }

    /// No majority was heard from for too long: whatever we were asked, we cannot do. Clients must
    /// not wait for us, and peers that still hear us must look for somebody better.
    pub(super) fn on_quorum_timeout(&mut self, effects: &mut Effects<Self>) {
        if self.is_leader() {
            self.follow(None, effects);
        }
    }
}
