//! The predicates of [`crate::group::invariant`] tell good from bad: a check that cannot fail
//! promises nothing.

use super::world::{World, config, disk};
use crate::group::invariant::{
    Committed, at_most_one_leader_per_term, commits_agree, committed_are_durable,
    leader_is_complete, logs_match, promise_is_durable,
};
use crate::group::{Durable, Entry, Log, Message, Payload, Timer};
use crate::ids::{LogEnd, LogIndex, ReplicaId, Term};
use crate::quorum::ReplicaSet;
use alloc::vec::Vec;

fn log(entries: &[(u64, char)]) -> Log<char> {
    disk(0, entries).log
}

/// Entries, the first of them committed in term 1, the next in term 2, and so on.
fn committed(entries: &[(u64, char)]) -> Vec<Committed<char>> {
    let committed = |(&(term, command), in_term)| Committed {
        entry: Entry { term: Term(term), payload: Payload::Command(command) },
        in_term: Term(in_term),
    };
    entries.iter().zip(1..).map(committed).collect()
}

#[test]
fn logs_that_match() {
    for (a, b, matches) in [
        (&[][..], &[(1, 'x')][..], true),
        (&[(1, 'x')], &[(1, 'x'), (1, 'y')], true),
        (&[(1, 'x'), (2, 'y')], &[(1, 'x'), (3, 'z')], true),
        (&[(1, 'x')], &[(1, 'y')], false),
        // Nothing forbids different entries below an index with different terms; but above them
        // the terms must never agree again.
        (&[(1, 'x'), (3, 'z')], &[(2, 'y'), (3, 'z')], false),
        (&[(1, 'x'), (3, 'z')], &[(2, 'y'), (4, 'z')], true),
    ] {
        assert_eq!(logs_match(&log(a), &log(b)), matches, "{a:?} and {b:?}");
        assert_eq!(logs_match(&log(b), &log(a)), matches, "{b:?} and {a:?}");
    }
}

#[test]
fn promises_that_are_durable() {
    let to = ReplicaId(1);
    let ballot = |term: u64, vote| Durable { vote, ..disk::<char>(term, &[(1, 'x'), (1, 'y')]) };
    let vote = Message::Vote { term: Term(2) };
    let log_end = LogEnd::default();
    let ask = Message::RequestVote { term: Term(2), log_end, by_transfer: false };
    let appended = |index| Message::Appended { term: Term(2), matched: LogIndex(index) };
    for (disk, said, kept) in [
        (ballot(2, Some(to)), &vote, true),
        (ballot(2, None), &vote, false),
        (ballot(2, Some(ReplicaId(2))), &vote, false),
        (ballot(1, Some(to)), &vote, false),
        (ballot(3, None), &vote, true),
        (ballot(2, Some(ReplicaId(0))), &ask, true),
        (ballot(1, None), &ask, false),
        (ballot(1, None), &Message::NewerTerm { term: Term(2) }, false),
        (ballot(2, None), &appended(2), true),
        (ballot(2, None), &appended(3), false),
        (ballot(3, None), &appended(3), true),
        (ballot(1, None), &Message::Confirmed { term: Term(2), round: 1 }, true),
    ] {
        assert_eq!(promise_is_durable(&disk, to, said), kept, "{said:?} with {disk:?}");
    }
}

#[test]
fn committed_entries_that_are_durable() {
    let committed = committed(&[(1, 'x'), (1, 'y')]);
    let whole = log(&[(1, 'x'), (1, 'y'), (2, 'z')]);
    let short = log(&[(1, 'x')]);
    let other = log(&[(1, 'x'), (2, 'y')]);
    for (logs, durable) in [
        ([&whole, &whole, &whole], true),
        ([&whole, &short, &whole], true),
        ([&whole, &short, &short], false),
        ([&whole, &other, &other], false),
    ] {
        let log_of = |id: ReplicaId| logs[usize::from(id.0)].clone();
        assert_eq!(committed_are_durable(&committed, ReplicaSet::first(3), log_of), durable);
    }
}

#[test]
fn leaders_that_are_complete() {
    // x was committed in term 1, y in term 2.
    let committed = committed(&[(1, 'x'), (2, 'y')]);
    for (leader, entries, complete) in [
        (1, &[][..], true),
        (2, &[], false),
        (2, &[(1, 'x')], true),
        (3, &[(1, 'x')], false),
        (3, &[(1, 'x'), (2, 'y')], true),
        (3, &[(1, 'x'), (2, 'z')], false),
    ] {
        let held = leader_is_complete(&committed, Term(leader), &log(entries));
        assert_eq!(held, complete, "the leader of term {leader} with {entries:?}");
    }
}

#[test]
fn commits_that_agree() {
    let committed = committed(&[(1, 'x'), (1, 'y')]);
    for (commit, entries, agree) in [
        (0, &[][..], true),
        (1, &[(1, 'x'), (2, 'z')], true),
        (2, &[(1, 'x'), (2, 'z')], false),
        (2, &[(1, 'x'), (1, 'y')], true),
        (3, &[(1, 'x'), (1, 'y'), (1, 'z')], false),
    ] {
        assert_eq!(commits_agree(&committed, LogIndex(commit), &log(entries)), agree, "{commit}");
    }
}

#[test]
fn leaders_of_one_term() {
    let leads = |id: u8, terms: u64| {
        let mut world = World::<char>::new(&config());
        for _ in 0..terms {
            world.fire(ReplicaId(id), Timer::Election);
        }
        world.settle();
        world.node(ReplicaId(id)).replica.clone()
    };
    let (a, b, later) = (leads(0, 1), leads(1, 1), leads(1, 2));
    assert!(a.is_leader() && b.is_leader() && later.is_leader());
    assert!(at_most_one_leader_per_term(&[&a, &later]));
    assert!(!at_most_one_leader_per_term(&[&a, &b]));
}

/// Where a log begins later, what it does not hold any more is not held against it.
#[test]
fn trimmed_logs_hold_what_they_held() {
    let committed = committed(&[(1, 'x'), (2, 'y'), (2, 'z')]);
    let trimmed = |entries: &[(u64, char)], upto| {
        let mut log = log(entries);
        log.release(LogIndex(upto));
        log.trim(LogIndex(upto));
        log
    };
    let whole = &[(1, 'x'), (2, 'y'), (2, 'z')];
    for (log, complete) in [
        (trimmed(whole, 1), true),
        (trimmed(whole, 2), true),
        (trimmed(&[(1, 'x'), (3, 'y'), (3, 'z')], 2), false),
        (trimmed(&[(1, 'x'), (2, 'y'), (2, 'a')], 2), false),
    ] {
        assert_eq!(leader_is_complete(&committed, Term(9), &log), complete, "{log:?}");
    }
}

/// What a replica shows of its promises, for worlds to compare with its disk.
#[test]
fn what_a_replica_shows() {
    let mut world = World::<char>::new(&config());
    assert_eq!(world.node(ReplicaId(0)).replica.vote(), None);
    world.fire(ReplicaId(1), Timer::Election);
    let candidate = &world.node(ReplicaId(1)).replica;
    // Its own vote counts once it is durable.
    assert_eq!(
        (candidate.vote(), candidate.votes()),
        (Some(ReplicaId(1)), Some(ReplicaSet::default()))
    );
    world.settle();
    let [follower, leader] = [0, 1].map(|id| world.node(ReplicaId(id)).replica.clone());
    assert_eq!((follower.vote(), follower.votes()), (Some(ReplicaId(1)), None));
    assert_eq!((leader.votes(), leader.leader()), (None, Some(ReplicaId(1))));
    assert_eq!((follower.leader(), follower.is_halted()), (Some(ReplicaId(1)), false));
}
