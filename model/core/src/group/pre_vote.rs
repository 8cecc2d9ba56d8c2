//! Before a campaign: ask the peers whether they miss the leader too.
//!
//! A replica that alone has lost the leader, because of a cut link, a slow process or a restart,
//! must not depose it. So a follower whose election timer fires first polls its peers in its
//! *current* term, which deposes nobody, and campaigns only when a majority agrees.
//!
//! Evidence expires. A peer that has heard from the leader refuses for as long as its own clock
//! says that this is fresh, and not longer: a leader that is dead is replaced however sure its
//! followers once were. Safety rests on none of this: any replica may campaign at any time.
//!
//! Source: Ongaro's dissertation, section 9.6 (pre-vote) and section 4.2.3 (peers that hear a
//! leader refuse); `DynamoDB` 2022, section 5 (replicas ask each other before a failover).
//!
//! Differences from the source:
//! * A poll is numbered within its term, and only answers to the last one count: an old answer
//!   says what a peer missed then.
//! * Whoever refuses is silent: a refusal would be acted on like a loss.
//!
//! * `PREVOTE-1` who agrees to a campaign hears no leader, and leads nothing.
//! * `PREVOTE-2` a campaign that no leader asked for begins with the agreement of a majority.

use super::{Campaign, Group, Message, Role};
use crate::ids::{IoNumber, LogEnd, ReplicaId, Tick};
use crate::machine::Effects;
use crate::quorum::ReplicaSet;
use core::fmt::Debug;
use core::hash::Hash;

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// Whether this replica has fresh evidence, by its clock at `now`, that its leader lives.
    #[must_use]
    pub fn hears_leader(&self, now: Tick) -> bool {
        self.is_leader() || !self.time.heard_until.is_over(now)
    }

    /// Whether this replica asks its peers if it should campaign.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        matches!(self.role, Role::Asking { .. })
    }

    /// How often this replica has polled its peers in its term.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.time.polls
    }

    /// Whether the agreement of `peer` to this poll would still count.
    #[must_use]
    pub fn awaits_agreement(&self, peer: ReplicaId, number: u64) -> bool {
        match self.role {
            Role::Asking { poll, agreed } => poll == number && !agreed.contains(peer),
            Role::Follower { .. } | Role::Candidate { .. } | Role::Leader(_) => false,
        }
    }

    /// Polls the peers: does anybody hear the leader of this term?
    pub(super) fn ask_peers(&mut self, effects: &mut Effects<Self>) {
        self.time.polls += 1;
        let agreed = ReplicaSet::default().with(self.config.id);
        self.role = Role::Asking { poll: self.time.polls, agreed };
        let (term, poll, log_end) = (self.term, self.time.polls, self.log.end());
        for peer in self.peers() {
            let request = Message::RequestPreVote { term, poll, log_end };
            effects.send(peer, request, self.disk.everything());
        }
        self.arm_election(effects);
        self.count_agreement(effects);
    }

    /// Agrees if we miss the leader too, and would vote for this log.
    pub(super) fn on_request_pre_vote(
        &mut self,
        from: ReplicaId,
        poll: u64,
        log_end: LogEnd,
        effects: &mut Effects<Self>,
    ) {
        let now = self.time.now;
        if self.hears_leader(now) || self.is_bound(now) || self.log.end() > log_end {
            return;
        }
        effects.send(from, Message::PreVote { term: self.term, poll }, IoNumber::NONE);
    }

    /// A peer misses the leader too.
    pub(super) fn on_pre_vote(
        &mut self,
        from: ReplicaId,
        number: u64,
        effects: &mut Effects<Self>,
    ) {
        if let Role::Asking { poll, agreed } = &mut self.role
            && *poll == number
        {
            *agreed = agreed.with(from);
            self.count_agreement(effects);
        }
    }

    fn count_agreement(&mut self, effects: &mut Effects<Self>) {
        if let Role::Asking { agreed, .. } = self.role
            && agreed.is_majority_of(self.voters())
        {
            self.campaign(Campaign::OfOurOwn, effects);
        }
    }
}
