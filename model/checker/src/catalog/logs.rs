//! Models of what happens to logs besides growing: membership, snapshots, log replicas.

use super::{
    CRASH, Entry, LATE_LEADER, LOST_WRITE, OWN_STEP, PERSIST, REPLACED, bounds, group,
    is_within_bounds,
};
use crate::group::{GroupProtocol, Members, is_changed, is_settled};
use crate::node::Fsync;
use crate::trap::Goal;
use crate::world::{State, World};
use ringleader_core::group::{AtElection, Change, Trim};
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

/// A model whose writes take no time.
fn entry(
    name: &'static str,
    question: &'static str,
    protocol: GroupProtocol,
    crashes: u8,
    unreachable: &'static [&'static str],
    pinned: usize,
) -> Entry {
    let bounds = bounds(crashes, Fsync::Immediate);
    Entry { name, question, protocol, bounds, unreachable, goal: None, expected: None, pinned }
}

/// Membership: one change at a time.
pub(super) fn membership() -> Vec<Entry> {
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

/// Beyond the `quick` tier: membership with a second term and a crash, pulling where logs conflict.
pub(super) fn standard() -> Vec<Entry> {
    let members = Members { outside: 1, plan: JOIN_THEN_LEAVE, in_order: true, requests: 2 };
    let join = GroupProtocol { replicas: 4, members, ..group(2, 1) };
    let join_question = "a replica joins, then another leaves; a second leader, and a crash";
    let conflict = GroupProtocol { log_replicas: 0b100, ..group(3, 2) };
    let conflict_question =
        "pulling where logs conflict, by a candidate that forgot what is committed";
    let calm_crash = &[LOST_WRITE, PERSIST, LATE_LEADER];
    let trap = GroupProtocol {
        heartbeats: true,
        log_replicas: 0b100,
        mortal: 0b001,
        append_entries_max: 1,
        at_election: AtElection::AppendNoOp,
        ..group(4, 1)
    };
    let trap_question = "whether a state holder left alone with a log replica can lead; \
                         an entry at a time, the last two terms in reserve";
    vec![
        entry("join-crash", join_question, join, 1, &NO_CONFLICT, 0),
        entry("pull-conflict", conflict_question, conflict, 1, calm_crash, 739_040),
        Entry {
            goal: Some(Goal {
                name: "PROGRESS-1",
                reached: super::is_good,
                judged: is_well_within_bounds,
            }),
            ..entry("pull-trap", trap_question, trap, 0, &[], 1_354_225)
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

/// Log replicas, and disks that are lost.
pub(super) fn log_replicas() -> Vec<Entry> {
    let third_is_a_log =
        |terms, commands| GroupProtocol { log_replicas: 0b100, ..group(terms, commands) };
    let first_is_lost = GroupProtocol { mortal: 0b001, ..third_is_a_log(3, 1) };
    let wiped = GroupProtocol { mortal: 0b001, ..group(2, 1) };
    vec![
        entry(
            "pull",
            "two hold a state, one a log only",
            third_is_a_log(3, 1),
            1,
            &NO_CONFLICT,
            63_714,
        ),
        entry("pull-lost", "the same, and one disk is lost", first_is_lost, 0, &NO_CRASH, 191_502),
        Entry {
            bounds: bounds(0, OWN_STEP),
            ..entry(
                "pull-slow",
                "pulling on slow disks",
                third_is_a_log(2, 2),
                0,
                &[CRASH, LOST_WRITE],
                396_630,
            )
        },
        entry("wiped", "a replica whose disk was wiped", wiped, 0, &NO_CRASH, 34_482),
    ]
}

/// The last two terms are in reserve: one campaign finds out what is lacking, the next one wins, and
/// needs no command to commit something.
fn is_well_within_bounds(world: &World<GroupProtocol>, state: &State) -> bool {
    let terms = world.protocol().terms - 1;
    world.nodes_of(state).iter().all(|node| node.machine.term().0 < terms)
}

/// Sessions: commands that are sent again.
pub(super) fn sessions() -> Vec<Entry> {
    let entry = |name, question, protocol, unreachable, pinned| Entry {
        name,
        question,
        protocol,
        bounds: bounds(0, Fsync::Immediate),
        unreachable,
        goal: None,
        expected: None,
        pinned,
    };
    let again = |terms, commands| GroupProtocol { retries: 2, ..group(terms, commands) };
    let one = "a command that is sent again, to another leader too; its session expires";
    vec![entry("sessions", one, again(2, 1), &NO_CRASH, 178_763)]
}

/// No crash either.
const NO_CRASH: [&str; 5] = [CRASH, LOST_WRITE, PERSIST, LATE_LEADER, REPLACED];

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
