//! Pulling, condition by condition, in the order of [`crate::group::log_replica`]. Replica 0 is a
//! candidate, replica 2 a log replica.

use super::paper::{Happened, One, candidate, end, follower, request_vote};
use super::world::config;
use crate::group::{Answer, Config, Entry, Group, Message, Payload, Request, Write};
use crate::ids::{IoNumber, LogEnd, LogIndex, ReplicaId, RequestId, Term};
use crate::machine::{Effect, Input};
use crate::quorum::ReplicaSet;
use alloc::vec;
use alloc::vec::Vec;

fn with_a_log_replica() -> Config {
    Config { log_replicas: ReplicaSet::default().with(ReplicaId(2)), ..config() }
}

/// The third member, which holds a log only.
fn log_replica(term: u64, log: &[u64]) -> One {
    One::start(&Config { id: ReplicaId(2), ..with_a_log_replica() }, term, log).0
}

fn entries(terms: &[u64]) -> Vec<Entry<char>> {
    let entry = |&term: &u64| Entry { term: Term(term), payload: Payload::Command('b') };
    terms.iter().map(entry).collect()
}

fn refused(term: u64, log_end: LogEnd) -> Message<char> {
    Message::Refused { term: Term(term), log_end }
}

/// All that follows `prev` in a log.
fn pulled(term: u64, prev: LogEnd, terms: &[u64]) -> Message<char> {
    let index = LogIndex(prev.index.0.saturating_add(terms.len() as u64));
    let log_end = LogEnd { term: Term(*terms.last().unwrap()), index };
    Message::Pulled { term: Term(term), prev, entries: entries(terms), log_end }
}

fn sent(happened: &Happened) -> Vec<(u8, Message<char>, u64)> {
    let send = |effect: &Effect<Group<char>>| {
        let Effect::Send { to, message, after } = effect else { return None };
        Some((to.0, message.clone(), after.0))
    };
    happened.iter().filter_map(send).collect()
}

/// Whoever refuses says where its log ends, at once; where nobody holds a log only, it says nothing.
#[test]
fn a_later_log_refuses() {
    let mut voter = One::start(&with_a_log_replica(), 3, &[1, 3]).0;
    let said = sent(&voter.hears(1, request_vote(3, end(2, 2))));
    assert_eq!(said, [(1, refused(3, end(2, 3)), 0)]);
    let mut voter = One::follows(3, &[1, 3]);
    assert_eq!(sent(&voter.hears(1, request_vote(3, end(2, 2)))), []);
    // Who voted for another says so too; whether its log is of use is for the candidate to say.
    let mut voter = One::start(&with_a_log_replica(), 3, &[1, 3]).0;
    voter.hears(2, request_vote(3, end(2, 3)));
    assert_eq!(sent(&voter.hears(1, request_vote(3, end(3, 3)))), [(1, refused(3, end(2, 3)), 0)]);
}

/// The question names the last entry known to be committed: nothing after that is sure to be ours.
#[test]
fn a_candidate_that_is_behind_asks_for_what_follows_its_commit() {
    let mut one = One::campaigns(&with_a_log_replica(), 4, &[1, 2]);
    let asked = sent(&one.hears(2, refused(4, end(2, 3))));
    let after = LogEnd { term: Term(0), index: LogIndex(0) };
    assert_eq!(asked, [(2, Message::Pull { term: Term(4), after }, 0)]);
    // Condition 1: not from a log that is not later.
    for equal_or_earlier in [end(2, 2), end(3, 1), end(1, 2)] {
        assert_eq!(sent(&one.hears(2, refused(4, equal_or_earlier))), [], "{equal_or_earlier:?}");
    }
    // Nor once it is no candidate any more.
    let mut one = One::start(&with_a_log_replica(), 4, &[1, 2]).0;
    assert_eq!(sent(&one.hears(2, refused(4, end(2, 3)))), []);
}

#[test]
fn whoever_holds_the_entry_gives_what_follows_it() {
    let pull = |after| Message::Pull { term: Term(4), after };
    let mut voter = log_replica(4, &[1, 1, 3]);
    let gives = |prev, entries| {
        vec![(0, Message::Pulled { term: Term(4), prev, entries, log_end: end(3, 3) }, 0)]
    };
    let own = |terms: &[u64]| -> Vec<_> {
        let entry = |&term: &u64| Entry { term: Term(term), payload: Payload::Command('a') };
        terms.iter().map(entry).collect()
    };
    assert_eq!(sent(&voter.hears(0, pull(end(0, 0)))), gives(end(0, 0), own(&[1, 1, 3])));
    assert_eq!(sent(&voter.hears(0, pull(end(2, 1)))), gives(end(2, 1), own(&[3])));
    // Another entry is there, nothing follows it, or nothing is there.
    for after in [end(2, 2), end(3, 3), end(4, 3), end(u64::MAX, 3)] {
        assert_eq!(sent(&voter.hears(0, pull(after))), [], "{after:?}");
    }
    let config = Config { append_entries_max: 2, id: ReplicaId(2), ..with_a_log_replica() };
    let mut voter = One::start(&config, 4, &[1, 1, 3]).0;
    assert_eq!(sent(&voter.hears(0, pull(end(0, 0)))), gives(end(0, 0), own(&[1, 1])));
}

/// Condition 1, on what arrives.
#[test]
fn only_a_later_log_is_taken() {
    for (terms, taken) in [(&[1, 3][..], true), (&[1, 2, 2], true), (&[1, 2], false), (&[1], false)]
    {
        let mut one = One::campaigns(&with_a_log_replica(), 4, &[1, 2]);
        one.hears(2, pulled(4, end(0, 0), terms));
        assert_eq!(one.terms(), if taken { terms } else { &[1, 2] });
        assert_eq!(one.role(), candidate(4));
    }
    // A follower takes entries of its leader only.
    let mut one = One::start(&with_a_log_replica(), 4, &[1, 2]).0;
    one.hears(2, pulled(4, end(0, 0), &[1, 3]));
    assert_eq!((one.terms(), one.role()), (vec![1, 2], follower(4)));
}

/// A log that is longer than a message comes in parts, the first of which may bring nothing new.
#[test]
fn what_does_not_fit_is_asked_for() {
    let mut one = One::campaigns(&with_a_log_replica(), 4, &[1, 1, 2]);
    let part = |prev, terms: &[u64]| Message::Pulled {
        term: Term(4),
        prev,
        entries: entries(terms),
        log_end: end(4, 3),
    };
    let ask = |after| [(2, Message::Pull { term: Term(4), after }, 0)];
    assert_eq!(sent(&one.hears(2, part(end(0, 0), &[1, 1]))), ask(end(2, 1)));
    assert_eq!(one.terms(), [1, 1, 2]);
    assert_eq!(sent(&one.hears(2, part(end(2, 1), &[1]))), ask(end(3, 1)));
    assert_eq!(one.terms(), [1, 1, 1]);
    assert_eq!(sent(&one.hears(2, part(end(3, 1), &[3]))), []);
    assert_eq!(one.terms(), [1, 1, 1, 3]);
    // What comes again finds us no further behind.
    assert_eq!(one.hears(2, part(end(2, 1), &[1])), []);
}

/// Condition 2. What a peer says may be anywhere, even where indexes end.
#[test]
fn what_is_pulled_follows_an_entry_of_ours() {
    for prev in [end(2, 1), end(3, 2), end(u64::MAX, 2), end(u64::MAX - 1, 3)] {
        let mut one = One::campaigns(&with_a_log_replica(), 4, &[1, 2]);
        one.hears(2, pulled(4, prev, &[3]));
        assert_eq!(one.terms(), [1, 2], "{prev:?}");
    }
}

/// Conditions 3 and 4.
#[test]
fn what_is_replaced_goes_in_the_same_write_and_nobody_is_told() {
    let mut one = One::campaigns(&with_a_log_replica(), 4, &[1, 2, 2]);
    let happened = one.hears(2, pulled(4, end(0, 0), &[1, 3]));
    let write = Write::Append { after: LogIndex(1), entries: entries(&[3]) };
    assert_eq!(happened, [Effect::Write { io: IoNumber(2), write }]);
    assert_eq!(one.terms(), [1, 3]);
    // Durable, it is still no promise to anybody.
    assert_eq!(sent(&one.persist()), []);
}

/// Condition 5: what is pulled counts before it is durable, for votes that we give and ask for.
#[test]
fn votes_compare_what_is_in_memory() {
    let mut one = One::campaigns(&with_a_log_replica(), 4, &[1, 2]);
    one.hears(2, pulled(4, end(0, 0), &[1, 3]));
    let said = sent(&one.hears(1, request_vote(5, end(2, 2))));
    assert_eq!(said, [(1, refused(5, end(2, 3)), 0)]);
    let asked = sent(&one.step(Input::Timer(crate::group::Timer::Election)));
    let requests = [1, 2].map(|peer| (peer, request_vote(6, end(2, 3)), 4));
    assert_eq!(asked, requests);
}

/// `PULL-1` and `PULL-2`.
#[test]
fn a_log_replica_neither_leads_nor_answers() {
    let mut log_only = log_replica(4, &[1, 3]);
    log_only.step(Input::Timer(crate::group::Timer::Election));
    assert_eq!(log_only.role(), follower(4));
    log_only.hears(0, Message::TakeOver { term: Term(4) });
    assert_eq!(log_only.role(), follower(4));
    for request in [Request::Read, Request::ReadEventual, Request::Write('x')] {
        let answered = log_only.step(Input::Request { id: RequestId(7), request });
        let [Effect::Answer { id: RequestId(7), answer, .. }] = &answered[..] else {
            panic!("{answered:?}");
        };
        assert!(matches!(answer, Answer::NotLeader { .. } | Answer::Refused), "{answer:?}");
    }
}
