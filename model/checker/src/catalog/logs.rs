//! Models of what happens to logs besides growing: membership, snapshots, log replicas.

use super::{
    CRASH, Entry, LATE_LEADER, LOST_WRITE, OWN_STEP, PERSIST, REPLACED, bounds, group,
    is_within_bounds,
};
use crate::group::{GroupProtocol, Members, is_changed, is_settled};
use crate::node::Fsync;
use crate::trap::Goal;
use crate::world::{State, World};
use ringleader_core::group::{Change, Trim};
use ringleader_core::ids::ReplicaId;

/// Three replicas, a fourth joins, and the first leaves.
const JOIN_THEN_LEAVE: &[Change] = &[Change::Add(ReplicaId(3)), Change::Remove(ReplicaId(0))];
/// A third replica joins two.
const ONE_JOINS: &[Change] = &[Change::Add(ReplicaId(2))];
/// Two of four leave.
const TWO_LEAVE: &[Change] = &[Change::Remove(ReplicaId(3)), Change::Remove(ReplicaId(2))];
/// Two of three leave.
const ONE_STAYS: &[Change] = &[Change::Remove(ReplicaId(2)), Change::Remove(ReplicaId(1))];
/// One of two leaves.
const ONE_LEAVES: &[Change] = &[Change::Remove(ReplicaId(0))];

/// Membership: one change at a time.
pub(super) fn membership() -> Vec<Entry> {
    let entry = |name, question, protocol, crashes, unreachable, pinned| Entry {
        name,
        question,
        protocol,
        bounds: bounds(crashes, Fsync::Immediate),
        unreachable,
        goal: None,
        expected: None,
        pinned,
    };
    let members = |outside, plan| Members { outside, plan, in_order: true, requests: 2 };
    let join = GroupProtocol { replicas: 4, members: members(1, JOIN_THEN_LEAVE), ..group(1, 1) };
    let any_first = Members { in_order: false, ..members(0, TWO_LEAVE) };
    let leave = GroupProtocol { replicas: 4, members: any_first, ..group(3, 0) };
    let shrink = GroupProtocol { members: members(0, ONE_STAYS), ..group(2, 1) };
    let one_leaves = GroupProtocol {
        replicas: 2,
        heartbeats: true,
        members: Members { requests: 1, ..members(0, ONE_LEAVES) },
        ..group(4, 2)
    };
    let trap = "whether the other of two can go on; the last term and command in reserve";
    vec![
        entry("join", "a replica joins, then another leaves", join, 0, &ONE_TERM, 43_983),
        entry("leave", "two of four leave, if elections let them", leave, 0, &NO_COMMIT, 193_222),
        entry("shrink", "two of three leave, one by one", shrink, 1, &NO_CONFLICT, 62_257),
        Entry {
            goal: Some(Goal { name: "PROGRESS-1", reached: is_good, judged: is_within_bounds }),
            ..entry("one-leaves", trap, one_leaves, 0, &[], 1_109)
        },
    ]
}

/// Snapshots: logs begin later, and a newcomer gets the state.
pub(super) fn snapshots() -> Vec<Entry> {
    let newcomer = |terms, commands| GroupProtocol {
        trim: Trim::BelowEveryCheckpoint,
        members: Members { outside: 1, plan: ONE_JOINS, in_order: true, requests: 1 },
        ..group(terms, commands)
    };
    let entry = |name, question, protocol, crashes, fsync, unreachable, pinned| Entry {
        name,
        question,
        protocol,
        bounds: bounds(crashes, fsync),
        unreachable,
        goal: None,
        expected: None,
        pinned,
    };
    vec![
        entry(
            "snapshot",
            "a newcomer gets the state, for logs begin later; a crash at each point",
            newcomer(1, 1),
            1,
            Fsync::Immediate,
            &ONE_TERM_OF_TWO,
            55_328,
        ),
        entry(
            "snapshot-slow",
            "the same on slow disks: the write that names the snapshot takes time",
            newcomer(1, 1),
            0,
            OWN_STEP,
            &SLOW_TERM_OF_TWO,
            72_783,
        ),
    ]
}

/// Writes are durable at once, and one leader's entries meet no other's.
const NO_CONFLICT: [&str; 4] = [LOST_WRITE, PERSIST, LATE_LEADER, REPLACED];
/// Nor is there a second leader.
const ONE_TERM: [&str; 7] = [CRASH, LOST_WRITE, PERSIST, LATE_LEADER, REPLACED, "hear", DEPOSED];
/// No command, so nothing is committed in any term, and no change may begin.
const NO_COMMIT: [&str; 8] =
    [CRASH, LOST_WRITE, PERSIST, LATE_LEADER, REPLACED, "request", OBJECTED, DEPOSED];
/// Nor, with two, anybody who could win against another.
const ONE_TERM_OF_TWO: [&str; 7] =
    [LOST_WRITE, PERSIST, LATE_LEADER, REPLACED, "hear", DEPOSED, GAVE_WAY];
/// The same with writes that take time, and no crash.
const SLOW_TERM_OF_TWO: [&str; 6] = [CRASH, LOST_WRITE, REPLACED, "hear", DEPOSED, GAVE_WAY];
const GAVE_WAY: &str = "a candidate gave way to a leader of its term";
const DEPOSED: &str = "a leader was deposed with open requests";
const OBJECTED: &str = "a follower objected to an append";

/// Somebody leads and all is well; or the change is made, and whoever stays has it all.
fn is_good(world: &World<GroupProtocol>, state: &State) -> bool {
    let nodes = world.nodes_of(state);
    is_settled(&nodes) || is_changed(&nodes)
}
