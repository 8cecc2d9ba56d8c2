//! [`replica_is_sound`] tells a sound replica from each kind of broken one.

use super::world::{World, config};
use crate::group::invariant::replica_is_sound;
use crate::group::{Entry, Flow, Group, Membership, Message, Payload, Progress, Role, Timer};
use crate::ids::{LogEnd, LogIndex, ReplicaId, Term, Tick};
use crate::machine::{Effect, Effects, Input, Machine};
use crate::quorum::ReplicaSet;
use alloc::vec::Vec;

type Replica = Group<char>;

/// The leader of term 1 and a follower; their one entry is committed, and applied.
fn leader_and_follower() -> [Replica; 2] {
    let mut world = World::<char>::new(&config());
    world.fire(ReplicaId(0), Timer::Election);
    world.settle();
    world.fire(ReplicaId(0), Timer::Heartbeat);
    world.settle();
    [0, 1].map(|id| world.node(ReplicaId(id)).replica.clone())
}

fn broken(replica: &Replica, change: impl Fn(&mut Replica)) -> Result<(), &'static str> {
    let mut broken = replica.clone();
    change(&mut broken);
    replica_is_sound(&broken)
}

fn said(result: Result<(), &'static str>) -> &'static str {
    result.err().map_or("sound", |name| name.split(':').next().unwrap_or(name))
}

/// A change of the group that leaves these members, at the end of the log.
fn configure(replica: &mut Replica, voters: &[u8]) {
    let voters = voters.iter().copied().map(ReplicaId).collect();
    let members = Membership { voters, ..Membership::default() };
    replica.log.append(Entry { term: replica.term, payload: Payload::Members(members) });
}

#[test]
fn what_is_committed_applied_and_held_is_in_order() {
    let [leader, follower] = leader_and_follower();
    for replica in [&leader, &follower] {
        assert_eq!(replica_is_sound(replica), Ok(()));
        let last = replica.log.last();
        assert_eq!((last, replica.commit, replica.applying), (LogIndex(1), last, last));
        assert_eq!(said(broken(replica, |it| it.commit = last.next())), "COMMIT");
        assert_eq!(said(broken(replica, |it| it.commit = LogIndex::ZERO)), "APPLY-1");
        let released = |it: &mut Replica| {
            it.log.release(last);
            it.applying = LogIndex::ZERO;
        };
        assert_eq!(said(broken(replica, released)), "LOG-3");
        assert_eq!(said(broken(replica, |it| it.term = Term(0))), "ELECTION");
    }
    // An entry in memory only: committed it may be, by others; applied it must not.
    let unflushed = |it: &mut Replica| {
        it.log.append(Entry { term: Term(1), payload: Payload::NoOp });
        it.commit = LogIndex(2);
    };
    assert_eq!(said(broken(&follower, unflushed)), "sound");
    let applied = |it: &mut Replica| {
        unflushed(it);
        it.applying = LogIndex(2);
    };
    assert_eq!(said(broken(&follower, applied)), "APPLY-1");
}

#[test]
fn a_claimant_voted_for_itself() {
    let [leader, follower] = leader_and_follower();
    for vote in [None, Some(ReplicaId(1))] {
        assert_eq!(said(broken(&leader, |it| it.vote = vote)), "ELECTION-2");
        assert_eq!(said(broken(&follower, |it| it.vote = vote)), "sound");
    }
}

#[test]
fn progress_is_within_the_leaders_log() {
    let [leader, _] = leader_and_follower();
    let with = |matched, next, flow| {
        let progress = Progress { matched: LogIndex(matched), next: LogIndex(next), flow };
        said(broken(&leader, |it| {
            let Role::Leader(leader) = &mut it.role else { panic!("it leads") };
            leader.peers.insert(ReplicaId(2), progress);
        }))
    };
    let named = [
        with(1, 2, Flow::Stream),
        with(0, 1, Flow::Stream),
        with(0, 1, Flow::Probe),
        with(0, 2, Flow::Probe),
        // Nothing is above what matched, or there is no such entry.
        with(1, 1, Flow::Stream),
        with(2, 2, Flow::Stream),
        with(1, 3, Flow::Stream),
        // An answer to that probe would say nothing new.
        with(1, 2, Flow::Probe),
    ];
    assert_eq!(named, ["sound", "sound", "sound", "sound", "LOG", "LOG", "LOG", "LOG"]);
}

#[test]
fn members_change_one_at_a_time_and_who_left_leads_no_more() {
    let [leader, follower] = leader_and_follower();
    let one = |it: &mut Replica| configure(it, &[0, 1]);
    let two = |it: &mut Replica| {
        configure(it, &[0, 1]);
        configure(it, &[0, 1, 2]);
    };
    assert_eq!(said(broken(&leader, one)), "sound");
    assert_eq!(said(broken(&leader, two)), "MEMBER-1");
    assert_eq!(said(broken(&follower, two)), "sound");
    // A leader that has committed nothing in its term may have found both.
    let of_old = |it: &mut Replica| {
        two(it);
        it.term = Term(2);
    };
    assert_eq!(said(broken(&leader, of_old)), "sound");
    let leaves = |it: &mut Replica| configure(it, &[1, 2]);
    assert_eq!(said(broken(&leader, leaves)), "sound");
    let left = |it: &mut Replica| {
        leaves(it);
        it.commit = LogIndex(2);
    };
    assert_eq!(said(broken(&leader, left)), "MEMBER-4");
    assert_eq!(said(broken(&follower, left)), "sound");
}

#[test]
fn a_log_replica_only_votes() {
    let [leader, follower] = leader_and_follower();
    let becomes = |it: &mut Replica| {
        it.config.log_replicas = ReplicaSet::first(3);
        it.applying = LogIndex::ZERO;
    };
    let applies = |it: &mut Replica| it.config.log_replicas = ReplicaSet::first(3);
    let named = [
        said(broken(&follower, becomes)),
        said(broken(&follower, applies)),
        said(broken(&leader, becomes)),
    ];
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["sound", "PULL-1", "PULL-1"]);
}

/// A committed entry is contradicted: this replica says so, and nothing any more.
#[test]
fn who_is_contradicted_stops() {
    let [_, mut follower] = leader_and_follower();
    let mut effects = Effects::new();
    let message = Message::Append {
        term: Term(2),
        prev: LogEnd::default(),
        entries: Vec::from([Entry { term: Term(2), payload: Payload::NoOp }]),
        commit: LogIndex::ZERO,
    };
    follower.step(Tick(0), Input::Receive { from: ReplicaId(2), message }, &mut effects);
    let halts = matches!(effects.as_slice().last(), Some(Effect::Halt { .. }));
    assert!(halts && follower.is_halted(), "{:?}", effects.as_slice());
    effects.drain().for_each(drop);
    follower.step(Tick(0), Input::Timer(Timer::Election), &mut effects);
    assert!(effects.as_slice().is_empty());
}
