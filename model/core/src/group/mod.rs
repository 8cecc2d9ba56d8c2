//! A replication group: replicas that agree on one log, under a leader per term.
//!
//! One replica leads a term. It appends commands to its log and sends them to its peers while it
//! writes them itself; an entry is *committed* once a majority of durable copies holds it, and
//! committed entries survive every later election. Reads are answered by the leader after a
//! majority confirmed that it still leads.
//!
//! Source: Ongaro & Ousterhout, USENIX ATC'14, sections 5.1-5.4, and Ongaro's dissertation (2014),
//! section 6.4 (read-index) and 10.2.1 (writing to the leader's disk in parallel).
//!
//! Differences from the source:
//! * Disks are asynchronous. A replica counts its own vote and its own entries only once they are
//!   durable, and effects name the I/O that they wait for.
//! * The leader's own copy is not special: a majority of followers may commit an entry that the
//!   leader has not flushed. The leader *applies*, and answers, only what is in its own durable
//!   log too, so that no state machine is ever ahead of its log.
//! * A request for a vote leaves only when the candidate's own ballot is durable. Otherwise a
//!   candidate that crashes could campaign twice in a term, with two different logs.
//! * No message is sent only to refuse a vote. A message of an old term is answered by
//!   [`Message::NewerTerm`].
//! * Read-index rounds are their own pair of messages, and answered without waiting for a disk.
//!
//! Sessions are functions of the applied state ([`session`]) and no part of the machine. A
//! deposed leader answers *unknown* for writes whose fate it does not know.
//!
//! Invariants (checked by [`invariant`], in the model and in the server's debug build):
//! * `ELECTION-1` at most one leader per term.
//! * `ELECTION-2` a promise (vote, acknowledgement) is durable before anybody can see it.
//! * `LOG-4` two logs that agree on the term at an index agree up to that index.
//! * `COMMIT-1` a committed entry is in the durable log of a majority, in every state.
//! * `COMMIT-2` a leader's log holds every entry committed in an earlier term.
//! * `COMMIT-3` no two replicas commit different entries at one index.
//! * `APPLY-1` a replica applies only what is committed and durable in its own log.
//! * `DISK-1` a replica whose disk was wiped says nothing any more. Whoever takes its place has an id
//!   of its own, and joins by a change of members.
//! * `READ-1` a read returns the effect of every write that was answered before it was asked.
//! * `READ-2` an eventual read returns what some committed prefix of the log wrote.
//! * `PREVOTE-1`, `PREVOTE-2` (`pre_vote`) peers are asked before a campaign.
//! * `LEASE-1`, `LEASE-2` (`lease`) while a lease holds, nobody leads a later term.
//! * `TRANSFER-1` (`transfer`) a leader gives way only to a peer that holds its whole log.

mod config;
mod disk;
mod election;
pub mod invariant;
mod lease;
mod log;
mod log_replica;
mod membership;
mod message;
mod pre_vote;
mod read_index;
mod replication;
pub mod session;
mod snapshot;
mod symmetry;
#[cfg(test)]
mod tests;
mod timing;
mod transfer;

pub use config::{AnnounceCommit, AtElection, Config};
pub use log::{Entry, Log, Payload};
pub use membership::{Change, ChangeRefusal, Membership};
pub use message::{Answer, Ask, Durable, Message, Request, Timer, Told, Write};
pub use replication::{Flow, Progress};
pub use snapshot::{SnapshotMark, Trim};
pub use symmetry::Rename;
pub use timing::{Drift, Lease, Timing};

use crate::ids::{IoNumber, LogIndex, ReplicaId, RequestId, Term, Tick};
use crate::machine::{Effect, Effects, Input, Machine, Recovered};
use crate::quorum::ReplicaSet;
use alloc::collections::{BTreeMap, VecDeque};
use core::fmt::Debug;
use core::hash::Hash;
use disk::Durability;
use election::Campaign;
use lease::Tenure;
use membership::CatchingUp;
use read_index::Reads;
use snapshot::{Checkpoints, Incoming, Snapshots};
use timing::{Deadline, Time};

/// No group gets there, at a campaign a millisecond for thousands of years. Keeps a garbled term
/// from using them up.
const TERM_MAX: Term = Term(1 << 48);

/// What a replica is doing in its current term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Role {
    /// Accepts a leader's entries; campaigns when it hears from none.
    Follower {
        /// Who leads this term, if it was heard from.
        leader: Option<ReplicaId>,
    },
    /// Has heard from no leader for too long, and asks the peers whether they have.
    Asking {
        /// The number of the poll, in this term.
        poll: u64,
        /// Who misses the leader too, ourselves included.
        agreed: ReplicaSet,
    },
    /// Campaigning.
    Candidate {
        /// Who voted for us. Our own vote is among them only once it is durable.
        votes: ReplicaSet,
        /// The I/O that holds our own vote.
        ballot: IoNumber,
    },
    /// Won the election of its term.
    Leader(Leader),
}

/// What only a leader knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Leader {
    /// How far each peer is.
    peers: BTreeMap<ReplicaId, Progress>,
    /// Writes that were appended in this term and not yet handed to the state machine, in log
    /// order.
    writes: VecDeque<(LogIndex, RequestId)>,
    /// Reads, and the rounds that confirm leadership for them.
    reads: Reads,
    /// How long it leads.
    tenure: Tenure,
    /// A replica on its way into the group. Invariant: it is no voter.
    catching_up: Option<CatchingUp>,
    /// How far the storage of each peer is. Empty unless logs are trimmed.
    checkpoints: Checkpoints,
}

/// One replica of a group. See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group<C> {
    config: Config,
    /// The highest term seen.
    term: Term,
    /// Who got our vote in `term`.
    vote: Option<ReplicaId>,
    log: Log<C>,
    disk: Durability,
    /// Entries up to here are known to be committed. Invariant: within the log.
    commit: LogIndex,
    /// Entries up to here were handed to the state machine. Invariant: `APPLY-1`.
    applying: LogIndex,
    snapshots: Snapshots,
    role: Role,
    /// What it knows about time.
    time: Time,
    /// An invariant broke: silent from then on.
    halted: bool,
}

impl<C: Clone + Debug + Eq + Ord + Hash> Machine for Group<C> {
    type Config = Config;
    type Message = Message<C>;
    type Request = Request<C>;
    type Answer = Answer;
    type Timer = Timer;
    type Write = Write<C>;
    type Durable = Durable<C>;
    type Ask = Ask<C>;
    type Told = Told;

    fn fold(durable: &mut Durable<C>, write: &Write<C>) {
        match write {
            Write::Ballot { term, vote } => {
                durable.term = *term;
                durable.vote = *vote;
            }
            Write::Append { after, entries } => {
                durable.log.truncate(*after);
                for entry in entries {
                    durable.log.append(entry.clone());
                }
            }
            Write::Trim { upto } => {
                durable.log.release(*upto);
                durable.log.trim(*upto);
            }
            Write::Install { mark } => durable.log.install(*mark),
        }
    }

    /// # Panics
    ///
    /// If the configuration does not fit together, or the disk lacks entries that the state
    /// machine has applied: the driver wired the replica wrongly.
    fn recover(
        config: &Config,
        disk: Recovered<Durable<C>>,
        now: Tick,
        effects: &mut Effects<Self>,
    ) -> Self {
        assert!(config.voters.size() > 0, "a group starts with somebody");
        assert!(config.append_entries_max > 0, "an append must be able to carry an entry");
        assert!(config.inflight_entries_max > 0, "some entry must be allowed on its way");
        let Durable { term, vote, mut log } = disk.durable;
        let applied = disk.checkpointed;
        assert!(applied <= log.last(), "APPLY-1: applied {} of {}", applied.0, log.last().0);
        // A log that begins beyond the state begins with a snapshot whose swap a crash prevented.
        let holds_state = !config.log_replicas.contains(config.id);
        let unfinished = holds_state && log.start().index > applied;
        assert!(
            !holds_state || unfinished || log.released() <= applied,
            "LOG-3: {} is in no state",
            applied.0 + 1
        );
        let mut snapshots = Snapshots { checkpointed: applied, incoming: None };
        if let Some((members_index, members)) =
            log.members_at(log.start().index).filter(|_| unfinished)
        {
            let mark = SnapshotMark { end: log.start(), members_index, members };
            snapshots.incoming = Some(Incoming::Installing { mark, io: IoNumber::NONE });
            effects.push(Effect::Ask(Ask::Install { mark }));
        }
        log.release(applied.max(log.start().index));
        let mut replica = Self {
            config: config.clone(),
            term,
            vote,
            disk: Durability::recovered(log.last()),
            commit: applied.max(log.start().index),
            log,
            applying: applied,
            snapshots,
            role: Role::Follower { leader: None },
            time: Time { now, ..Time::default() },
            halted: disk.wiped,
        };
        if disk.wiped {
            // It has forgotten its votes and what it acknowledged (`DISK-1`).
            effects.push(Effect::Halt { invariant: "DISK-1: its disk was wiped" });
            return replica;
        }
        // We may have promised anything before: wait it out.
        replica.bind();
        replica.arm_election(effects);
        replica
    }

    fn step(&mut self, now: Tick, input: Input<Self>, effects: &mut Effects<Self>) {
        if self.halted {
            return;
        }
        self.time.now = now;
        match input {
            Input::Timer(Timer::Election) => self.on_election_timeout(effects),
            Input::Timer(Timer::Heartbeat) => self.on_heartbeat(effects),
            Input::Timer(Timer::Quorum) => self.on_quorum_timeout(effects),
            Input::Timer(Timer::Transfer) => self.on_transfer_timeout(),
            Input::Receive { from, message } => self.on_message(from, message, effects),
            Input::Request { id, request: Request::Write(command) } => {
                self.on_writes(id, [command], effects);
            }
            Input::Request { id, request: Request::WriteAll(commands) } => {
                self.on_writes(id, commands, effects);
            }
            Input::Request { id, request: Request::Read } => self.on_read(id, effects),
            Input::Request { id, request: Request::ReadEventual } => {
                self.on_read_eventual(id, effects);
            }
            Input::Request { id, request: Request::Transfer { to } } => {
                self.on_transfer(id, to, effects);
            }
            Input::Request { id, request: Request::Change(change) } => {
                self.on_change(id, change, effects);
            }
            Input::Persisted(io) => self.on_persisted(io, effects),
            Input::Told(told) => self.on_told(told, effects),
        }
    }

    fn rebase(&mut self, now: Tick, io: IoNumber) {
        if self.halted {
            return; // It no longer counts.
        }
        self.disk.rebase(io);
        self.snapshots.rebase(io);
        self.time.rebase(now);
        match &mut self.role {
            Role::Follower { .. } | Role::Asking { .. } => {}
            Role::Candidate { ballot, .. } => ballot.0 = ballot.0.saturating_sub(io.0),
            Role::Leader(leader) => {
                leader.tenure.lease_until.rebase(now);
                leader.reads.rebase(now);
            }
        }
    }
}

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// Handles a message in the enum's order, after the term rules of section 5.1: a newer term
    /// is adopted, durably, before anything else; an older one is answered with ours.
    fn on_message(&mut self, from: ReplicaId, message: Message<C>, effects: &mut Effects<Self>) {
        let term = message.term();
        let campaigned = term > Term(0) || message.may_precede_campaigns();
        if !self.listens_to(from, &message) || !campaigned || term > TERM_MAX {
            return; // Not from a correct peer: terms count campaigns.
        }
        if self.must_ignore(&message) {
            return;
        }
        let adopted = self.adopt(term, effects);
        if term < self.term {
            self.on_outdated(from, &message, effects);
            return;
        }
        // A grant writes the ballot with the vote in it, as one I/O.
        if adopted && !matches!(message, Message::RequestVote { .. }) {
            self.write_ballot(effects);
        }
        if message.answers_a_leader() {
            self.note_answer(from, effects);
        }
        match message {
            Message::RequestVote { log_end, .. } => {
                self.on_request_vote(from, log_end, adopted, effects);
            }
            Message::Vote { .. } => self.on_vote(from, effects),
            Message::Append { prev, entries, commit, .. } => {
                self.on_append(from, prev, entries, commit, effects);
            }
            Message::Appended { matched, .. } => self.on_appended(from, matched, effects),
            Message::Rejected { prev, hint, .. } => self.on_rejected(from, prev, hint, effects),
            Message::Confirm { round, .. } => self.on_confirm(from, round, effects),
            Message::Confirmed { round, .. } => self.on_confirmed(from, round, effects),
            Message::RequestPreVote { poll, log_end, .. } => {
                self.on_request_pre_vote(from, poll, log_end, effects);
            }
            Message::PreVote { poll, .. } => self.on_pre_vote(from, poll, effects),
            Message::TakeOver { .. } => self.on_take_over(effects),
            Message::Checkpointed { index, .. } => self.on_peer_checkpointed(from, index, effects),
            Message::Trim { end, .. } => self.on_trim(end, effects),
            Message::SnapshotPart { mark, part, last, content, .. } => {
                self.on_snapshot_part(from, (mark, part), (content, last), effects);
            }
            Message::Staged { end, parts, .. } => self.on_peer_staged(from, (end, parts), effects),
            Message::Refused { log_end, .. } => self.on_refused(from, log_end, effects),
            Message::Pull { after, .. } => self.on_pull(from, after, effects),
            Message::Pulled { prev, entries, log_end, .. } => {
                self.on_pulled(from, (prev, entries), log_end, effects);
            }
            Message::NewerTerm { .. } => {} // Its term was all it had to say.
        }
    }

    fn on_told(&mut self, told: Told, effects: &mut Effects<Self>) {
        match told {
            Told::Applied(index) => self.on_applied(index),
            Told::Checkpointed(index) => self.on_checkpointed(index, effects),
            Told::Staged(mark) => self.on_staged(mark, effects),
            Told::Failed(mark) => self.on_staging_failed(mark),
            Told::Installed(index) => self.on_installed(index, effects),
            Told::Gone(peer) => self.on_gone(peer, effects),
        }
    }

    fn on_persisted(&mut self, io: IoNumber, effects: &mut Effects<Self>) {
        self.disk.persisted(io);
        self.swap_if_durable(effects);
        match self.role {
            Role::Follower { .. } | Role::Asking { .. } => self.apply_committed(effects),
            Role::Candidate { .. } => {
                self.count_own_vote(effects);
                self.apply_committed(effects);
            }
            Role::Leader(_) => {
                self.advance_commit(effects);
                // The entry may have been committed by the others before it was durable here.
                self.apply_committed(effects);
            }
        }
    }

    /// Who votes and whose copies count, in the newest configuration that this replica knows.
    #[must_use]
    pub fn voters(&self) -> ReplicaSet {
        self.members().voters
    }

    /// Whom this replica speaks to: the voters, and a leader also to a newcomer.
    fn peers(&self) -> impl Iterator<Item = ReplicaId> + use<C> {
        let id = self.config.id;
        let all = self.newcomer().map_or(self.voters(), |newcomer| self.voters().with(newcomer));
        all.iter().filter(move |&peer| peer != id)
    }

    /// Stops this replica: what it holds is contradicted, and going on could only spread it.
    fn halt(&mut self, invariant: &'static str, effects: &mut Effects<Self>) {
        self.halted = true;
        effects.push(Effect::Halt { invariant });
    }

    /// Who this replica is.
    #[must_use]
    pub fn id(&self) -> ReplicaId {
        self.config.id
    }

    /// The current term.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term
    }

    /// Who got this replica's vote in the current term.
    #[must_use]
    pub fn vote(&self) -> Option<ReplicaId> {
        self.vote
    }

    /// The log in memory.
    #[must_use]
    pub fn log(&self) -> &Log<C> {
        &self.log
    }

    /// Entries up to here are known to be committed.
    #[must_use]
    pub fn commit(&self) -> LogIndex {
        self.commit
    }

    /// Entries up to here were handed to the state machine.
    #[must_use]
    pub fn applying(&self) -> LogIndex {
        self.applying
    }

    /// Entries up to here are durable in this replica's own log.
    #[must_use]
    pub fn durable_end(&self) -> LogIndex {
        self.disk.end()
    }

    /// Whether this replica leads its term, as far as it knows.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Whether this replica campaigns in its term.
    #[must_use]
    pub fn is_candidate(&self) -> bool {
        matches!(self.role, Role::Candidate { .. })
    }

    /// Whether an invariant broke on this replica.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// Who leads the current term, as far as this replica knows.
    #[must_use]
    pub fn leader(&self) -> Option<ReplicaId> {
        match self.role {
            Role::Follower { leader } => leader,
            Role::Asking { .. } | Role::Candidate { .. } => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }

    /// How far a peer is, as far as this leader knows.
    #[must_use]
    pub fn progress(&self, peer: ReplicaId) -> Option<Progress> {
        match &self.role {
            Role::Leader(leader) => leader.peers.get(&peer).copied(),
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => None,
        }
    }

    /// Whose votes this candidate has counted.
    #[must_use]
    pub fn votes(&self) -> Option<ReplicaSet> {
        match self.role {
            Role::Candidate { votes, .. } => Some(votes),
            Role::Follower { .. } | Role::Asking { .. } | Role::Leader(_) => None,
        }
    }

    /// Whether this leader has asked who still follows and has not heard from a majority yet.
    #[must_use]
    pub fn has_open_round(&self) -> bool {
        matches!(&self.role, Role::Leader(leader) if leader.reads.has_round())
    }

    /// How many rounds this leader has started in its term.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        match &self.role {
            Role::Leader(leader) => leader.reads.last_round(),
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => 0,
        }
    }

    /// Whether `peer`'s confirmation of the leader's round `round` would still count.
    #[must_use]
    pub fn awaits_confirmation(&self, peer: ReplicaId, round: u64) -> bool {
        match &self.role {
            Role::Leader(leader) => leader.reads.awaits(peer, round),
            Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => false,
        }
    }
}
