//! Who leads: terms, ballots, votes (Ongaro & Ousterhout 2014, sections 5.1, 5.2 and 5.4.1).

use super::snapshot::Checkpoints;
use super::{
    Answer, AtElection, Deadline, Group, Leader, Message, Payload, Progress, Reads, Role, Tenure,
    Timer, Write,
};
use crate::ids::{IoNumber, LogEnd, ReplicaId, Term};
use crate::machine::{Effect, Effects};
use crate::quorum::ReplicaSet;
use alloc::collections::VecDeque;
use core::fmt::Debug;
use core::hash::Hash;

/// Why a replica campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Campaign {
    /// It misses a leader.
    OfOurOwn,
    /// The leader told it to.
    ByTransfer,
}

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// No leader was heard from: campaigns, or asks the peers first. Not while we have promised to
    /// wait, or know better: timers are no evidence.
    pub(super) fn on_election_timeout(&mut self, effects: &mut Effects<Self>) {
        if self.is_leader() {
            return;
        }
        let waits = self.hears_leader(self.time.now) || self.is_bound(self.time.now);
        if waits || !self.may_campaign() {
            self.arm_election(effects);
        } else if self.config.timing.evidence.is_some() {
            self.ask_peers(effects);
        } else {
            self.campaign(Campaign::OfOurOwn, effects);
        }
    }

    /// Campaigns in the next term. Peers are asked only once our own ballot is durable.
    pub(super) fn campaign(&mut self, why: Campaign, effects: &mut Effects<Self>) {
        self.enter(self.term.next());
        self.vote = Some(self.config.id);
        let ballot = self.write_ballot(effects);
        self.role = Role::Candidate { votes: ReplicaSet::default(), ballot };
        let log_end = self.log.end();
        for peer in self.peers() {
            let by_transfer = why == Campaign::ByTransfer;
            let request = Message::RequestVote { term: self.term, log_end, by_transfer };
            effects.send(peer, request, self.disk.everything());
        }
        self.arm_election(effects);
    }

    /// Votes for whoever asks first in a term, unless our log is later than theirs.
    pub(super) fn on_request_vote(
        &mut self,
        from: ReplicaId,
        log_end: LogEnd,
        adopted: bool,
        effects: &mut Effects<Self>,
    ) {
        let unclaimed = self.vote.is_none_or(|vote| vote == from);
        let granted = unclaimed && self.log.end() <= log_end;
        let fresh = granted && self.vote.is_none();
        if granted {
            self.vote = Some(from);
        }
        if adopted || fresh {
            self.write_ballot(effects);
        }
        if granted {
            effects.send(from, Message::Vote { term: self.term }, self.disk.everything());
            self.arm_election(effects);
        } else {
            self.refuse_vote(from, effects);
        }
    }

    /// Counts a vote for the campaign we are running. An older one answers a campaign that is
    /// over, and nobody can have voted in one that we have not started.
    pub(super) fn on_vote(&mut self, from: ReplicaId, effects: &mut Effects<Self>) {
        if let Role::Candidate { votes, .. } = &mut self.role {
            *votes = votes.with(from);
            self.tally(effects);
        }
    }

    /// Counts our own vote, once it is durable: until then a crash could take it back.
    pub(super) fn count_own_vote(&mut self, effects: &mut Effects<Self>) {
        if let Role::Candidate { votes, ballot } = &mut self.role
            && self.disk.is_durable(*ballot)
        {
            *votes = votes.with(self.config.id);
            self.tally(effects);
        }
    }

    fn tally(&mut self, effects: &mut Effects<Self>) {
        if let Role::Candidate { votes, .. } = self.role
            && votes.is_majority_of(self.voters())
        {
            self.lead(effects);
        }
    }

    /// Takes office, and probes how far each peer's log is like ours.
    fn lead(&mut self, effects: &mut Effects<Self>) {
        let progress = Progress::unknown(self.log.last());
        let peers = self.peers().map(|peer| (peer, progress)).collect();
        // Whoever could be reading alone was waited for, or has stopped.
        self.time.bound_until = Deadline::OVER;
        self.role = Role::Leader(Leader {
            peers,
            writes: VecDeque::new(),
            reads: Reads::default(),
            tenure: Tenure::default(),
            catching_up: None,
            checkpoints: Checkpoints::new(),
        });
        effects.push(Effect::Disarm { timer: Timer::Election });
        self.arm_heartbeat(effects);
        self.watch_quorum(effects);
        match self.config.at_election {
            AtElection::AppendNoOp => self.write_own(Payload::NoOp, effects),
            AtElection::Wait => {}
        }
        self.greet(effects);
    }

    /// Adopts a newer term: whatever we were, we follow now. The caller makes it durable.
    /// Returns whether the term was newer.
    pub(super) fn adopt(&mut self, term: Term, effects: &mut Effects<Self>) -> bool {
        if term <= self.term {
            return false;
        }
        self.enter(term);
        self.vote = None;
        self.follow(None, effects);
        true
    }

    /// Begins a term: what was heard, and asked, was about an earlier one. What we promised stays.
    fn enter(&mut self, term: Term) {
        self.term = term;
        self.time.heard_until = Deadline::OVER;
        self.time.polls = 0;
    }

    /// Follows `leader` in the current term. A leader that is deposed by this ends what it had
    /// promised to answer.
    pub(super) fn follow(&mut self, leader: Option<ReplicaId>, effects: &mut Effects<Self>) {
        if let Some(evidence) = self.config.timing.evidence.filter(|_| leader.is_some()) {
            self.time.heard_until = Deadline::after(self.time.now, evidence);
        }
        let before = core::mem::replace(&mut self.role, Role::Follower { leader });
        let Role::Leader(deposed) = before else { return };
        for (_, id) in deposed.writes {
            let answer = Answer::Unknown;
            effects.push(Effect::Answer { id, answer, after: IoNumber::NONE });
        }
        let undone = deposed.catching_up.map(|it| it.id);
        for id in deposed.reads.into_open().chain(undone) {
            let answer = Answer::NotLeader { leader };
            effects.push(Effect::Answer { id, answer, after: IoNumber::NONE });
        }
        effects.push(Effect::Disarm { timer: Timer::Heartbeat });
        if self.config.timing.quorum_timeout.is_some() {
            effects.push(Effect::Disarm { timer: Timer::Quorum });
        }
        if deposed.tenure.transfer.is_some() {
            effects.push(Effect::Disarm { timer: Timer::Transfer });
        }
        self.arm_election(effects);
    }

    /// Tells a peer that acts in an old term which term there is, so that it steps down. Replies
    /// of an old term need no answer: whoever sent them is not acting on that term.
    pub(super) fn on_outdated(
        &mut self,
        from: ReplicaId,
        message: &Message<C>,
        effects: &mut Effects<Self>,
    ) {
        match message {
            Message::RequestVote { .. }
            | Message::Append { .. }
            | Message::Confirm { .. }
            | Message::RequestPreVote { .. }
            | Message::TakeOver { .. }
            | Message::Trim { .. }
            | Message::SnapshotPart { .. } => {
                let newer = Message::NewerTerm { term: self.term };
                effects.send(from, newer, self.disk.everything());
            }
            Message::Vote { .. }
            | Message::Appended { .. }
            | Message::Rejected { .. }
            | Message::Confirmed { .. }
            | Message::PreVote { .. }
            | Message::Checkpointed { .. }
            | Message::Staged { .. }
            | Message::Refused { .. }
            | Message::Pull { .. }
            | Message::Pulled { .. }
            | Message::NewerTerm { .. } => {}
        }
    }

    /// Makes term and vote durable.
    pub(super) fn write_ballot(&mut self, effects: &mut Effects<Self>) -> IoNumber {
        let io = self.disk.issue();
        let write = Write::Ballot { term: self.term, vote: self.vote };
        effects.push(Effect::Write { io, write });
        io
    }

    /// (Re)starts the wait for a leader, with jitter so that two replicas rarely campaign at once.
    pub(super) fn arm_election(&self, effects: &mut Effects<Self>) {
        let delay = self.config.election_timeout;
        effects.push(Effect::Arm { timer: Timer::Election, delay, jitter: delay });
    }
}
