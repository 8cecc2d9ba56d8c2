//! What the replication group promises, as executable predicates.
//!
//! Those over one replica run in the checker and in the server's debug build; those over the group
//! need to see every replica, and what was ever committed, and run in the checker.
//!
//! | predicate | name | source |
//! |---|---|---|
//! | [`replica_is_sound`] | `APPLY-1`, limits of the fields | |
//! | [`at_most_one_leader_per_term`] | `ELECTION-1` | Raft, figure 3, Election Safety |
//! | [`promise_is_durable`] | `ELECTION-2` | Raft, figure 2, persistent state |
//! | [`logs_match`] | `LOG-4` | Raft, figure 3, Log Matching |
//! | [`committed_are_durable`] | `COMMIT-1` | Raft, section 5.3 |
//! | [`leader_is_complete`] | `COMMIT-2` | Raft, figure 3, Leader Completeness |
//! | [`commits_agree`] | `COMMIT-3` | Raft, figure 3, State Machine Safety |

use super::{Durable, Entry, Flow, Group, Log, Message, Progress, Role};
use crate::ids::{LogIndex, ReplicaId, Term};
use crate::quorum::ReplicaSet;
use core::fmt::Debug;
use core::hash::Hash;

/// An entry that some replica took for committed, and the term of that replica.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Committed<C> {
    /// The entry.
    pub entry: Entry<C>,
    /// The term in which it was committed.
    pub in_term: Term,
}

/// The relations between the fields of one replica; names the one that is broken.
///
/// # Errors
///
/// The name of the broken invariant.
pub fn replica_is_sound<C: Clone + Debug + Eq + Ord + Hash>(
    replica: &Group<C>,
) -> Result<(), &'static str> {
    let last = replica.log.last();
    let checks = [
        (replica.commit <= last, "COMMIT: the commit index is within the log"),
        (replica.applying <= replica.commit, "APPLY-1: only committed entries are applied"),
        (applied_is_durable(replica), "APPLY-1: only durable entries are applied"),
        (released_is_applied(replica), "LOG-3: only applied payloads are released"),
        (replica.durable_end() <= last, "LOG: what is durable is within the log"),
        (replica.log.end().term <= replica.term, "ELECTION: no entry is of a later term"),
        (claimant_voted_for_itself(replica), "ELECTION-2: a claimant voted for itself"),
        (progress_is_within_log(replica), "LOG: what peers hold is within the leader's log"),
        (one_change_at_a_time(replica), "MEMBER-1: one configuration is not committed"),
        (leader_takes_part(replica), "MEMBER-4: a removed leader stops leading"),
        (log_replica_only_votes(replica), "PULL-1: a log replica never leads or campaigns"),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, name)| Err(name))
}

/// While a snapshot is installed the log begins beyond the state.
fn applied_is_durable<C: Clone + Debug + Eq + Ord + Hash>(replica: &Group<C>) -> bool {
    replica.is_installing() || replica.applying <= replica.durable_end()
}

/// While a snapshot is installed the log is ahead of the state.
fn released_is_applied<C: Clone + Debug + Eq + Ord + Hash>(replica: &Group<C>) -> bool {
    let has_no_state = replica.is_installing() || replica.is_log_replica();
    has_no_state || replica.log.released() <= replica.applying
}

fn claimant_voted_for_itself<C>(replica: &Group<C>) -> bool {
    match replica.role {
        Role::Follower { .. } | Role::Asking { .. } => true,
        Role::Candidate { .. } | Role::Leader(_) => replica.vote == Some(replica.config.id),
    }
}

fn progress_is_within_log<C: Clone>(replica: &Group<C>) -> bool {
    let end = replica.log.last().next();
    let within = |peer: &Progress| {
        let probes_something =
            peer.flow != Flow::Probe || peer.matched.next() < peer.next || peer.next < end;
        peer.matched < peer.next && peer.next <= end && probes_something
    };
    match &replica.role {
        Role::Follower { .. } | Role::Asking { .. } | Role::Candidate { .. } => true,
        Role::Leader(leader) => leader.peers.values().all(within),
    }
}

/// `MEMBER-1`, of a leader that knows what is committed.
fn one_change_at_a_time<C: Clone + Debug + Eq + Ord + Hash>(replica: &Group<C>) -> bool {
    let knows = replica.log.term_at(replica.commit) == Some(replica.term);
    !(replica.is_leader() && knows) || replica.log.configurations_after(replica.commit) <= 1
}

/// `PULL-1` and `PULL-2`.
fn log_replica_only_votes<C: Clone + Debug + Eq + Ord + Hash>(replica: &Group<C>) -> bool {
    let follows = matches!(replica.role, Role::Follower { .. });
    !replica.is_log_replica() || follows && replica.applying == LogIndex::ZERO
}

/// `MEMBER-4`.
fn leader_takes_part<C: Clone + Debug + Eq + Ord + Hash>(replica: &Group<C>) -> bool {
    let outside = !replica.voters().contains(replica.config.id);
    !(replica.is_leader() && outside && replica.members_are_committed())
}

/// `ELECTION-1`: at most one leader per term.
#[must_use]
pub fn at_most_one_leader_per_term<C: Clone + Debug + Eq + Ord + Hash>(
    group: &[&Group<C>],
) -> bool {
    group.iter().enumerate().all(|(i, a)| {
        group[i + 1..].iter().all(|b| !(a.is_leader() && b.is_leader() && a.term == b.term))
    })
}

/// `ELECTION-2`: what `from` said to `to` binds it also after a crash.
#[must_use]
pub fn promise_is_durable<C: Clone>(
    disk: &Durable<C>,
    to: ReplicaId,
    message: &Message<C>,
) -> bool {
    match *message {
        Message::Vote { term } => disk.term > term || disk.term == term && disk.vote == Some(to),
        Message::Appended { term, matched } => disk.term > term || disk.log.last() >= matched,
        Message::RequestVote { term, .. }
        | Message::RequestPreVote { term, .. }
        | Message::NewerTerm { term } => disk.term >= term,
        Message::Append { .. }
        | Message::Rejected { .. }
        | Message::Confirm { .. }
        | Message::Confirmed { .. }
        | Message::PreVote { .. }
        | Message::TakeOver { .. }
        | Message::Checkpointed { .. }
        | Message::Trim { .. }
        | Message::SnapshotPart { .. }
        | Message::Staged { .. }
        | Message::Refused { .. }
        | Message::Pull { .. }
        | Message::Pulled { .. } => true,
    }
}

/// `LOG-4`: two logs that agree on the term at an index agree up to that index.
#[must_use]
pub fn logs_match<C: Clone + Eq>(a: &Log<C>, b: &Log<C>) -> bool {
    let common = a.last().min(b.last()).0;
    let same_term = |index: u64| a.term_at(LogIndex(index)) == b.term_at(LogIndex(index));
    let first = a.start().index.max(b.start().index).0;
    let agree = (first..=common).rev().find(|&index| same_term(index)).unwrap_or(0);
    // What one of them no longer holds is the state's to vouch for.
    (first + 1..=agree).map(LogIndex).all(|index| a.entry(index) == b.entry(index))
}

/// `COMMIT-1`: a majority of durable logs holds every committed entry.
#[must_use]
pub fn committed_are_durable<C: Clone + Eq>(
    committed: &[Committed<C>],
    voters: ReplicaSet,
    durable_log: impl Fn(ReplicaId) -> Log<C>,
) -> bool {
    let holders = voters.iter().filter(|&id| holds(&durable_log(id), committed)).count();
    // Counted here and not by `quorum`: an oracle that shares code with the accused proves little.
    2 * holders > voters.iter().count()
}

/// `COMMIT-2`: the leader of a term holds every entry that was committed in an earlier one.
#[must_use]
pub fn leader_is_complete<C: Clone + Eq>(
    committed: &[Committed<C>],
    leader: Term,
    log: &Log<C>,
) -> bool {
    let earlier = committed.iter().take_while(|it| it.in_term < leader).count();
    holds(log, &committed[..earlier])
}

/// `COMMIT-3`: what a replica takes for committed is what was committed.
#[must_use]
pub fn commits_agree<C: Clone + Eq>(
    committed: &[Committed<C>],
    commit: LogIndex,
    log: &Log<C>,
) -> bool {
    let count = usize::try_from(commit.0).unwrap_or(usize::MAX);
    committed.get(..count).is_some_and(|prefix| holds(log, prefix))
}

fn holds<C: Clone + Eq>(log: &Log<C>, committed: &[Committed<C>]) -> bool {
    let indexes = (1..).map(LogIndex);
    let start = log.start();
    indexes.zip(committed).all(|(index, it)| {
        index < start.index
            || index == start.index && it.entry.term == start.term
            || log.entry(index).as_ref() == Some(&it.entry)
    })
}
