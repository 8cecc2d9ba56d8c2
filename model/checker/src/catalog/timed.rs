//! The models about time: leases, evidence, transfers.

use super::{
    CALM_ONE_ENTRY, CRASH, Entry, LATE_LEADER, LOST_WRITE, PERSIST, REPLACED, bounds, group,
};
use crate::clock::Clocks;
use crate::group::{GroupProtocol, Members, Timed, a_majority_is_led, could_be_led};
use crate::node::Fsync;
use crate::trap::Goal;
use crate::world::Bounds;
use ringleader_core::group::{AnnounceCommit, AtElection, Change, Drift, Lease, Timing};
use ringleader_core::ids::{ReplicaId, Tick};

/// A clock may be twice as fast as another, the factor of a drift of 1/3; no node is paused.
const FREE: Clocks = Clocks::Free { fastest: 2, pauses: 0, longest: 7 };
/// The same, and whoever may be reading alone may be paused, once.
const PAUSED: Clocks = Clocks::Free { fastest: 2, pauses: 1, longest: 7 };
/// Clocks that agree, for what is no question of their rates.
const STEADY: Clocks = Clocks::Free { fastest: 1, pauses: 0, longest: 7 };

/// A lease for clocks that may be off by `1 / of`.
const fn lease(span: u64, of: u64) -> Timing {
    let drift = Drift { parts: 1, of };
    let lease = Lease { span: Tick(span), drift };
    Timing { evidence: None, quorum_timeout: None, lease: Some(lease) }
}

/// A lease of 3, a wait of 6, clocks of which one may be twice as fast as another.
const LEASES: Timed = Timed { timing: lease(3, 3), clocks: FREE, rounds: 1, ..Timed::OFF };

/// A heartbeat each tick, evidence for 2, a campaign after 3 to 6, no quorum for 3.
const PROMPT: Timed = Timed {
    timing: Timing { evidence: Some(Tick(2)), quorum_timeout: Some(Tick(3)), lease: None },
    clocks: Clocks::Prompt,
    election_timeout: Tick(3),
    polls: 2,
    in_turn: true,
    cuts: true,
    ..Timed::OFF
};

/// Two replicas join one, so that the last majority may do without the first.
const TWO_JOIN: Members = Members {
    outside: 2,
    plan: &[Change::Add(ReplicaId(1)), Change::Add(ReplicaId(2))],
    in_order: true,
    requests: 2,
};

/// A log replica joins two that hold a state.
const LOG_JOINS: Members =
    Members { outside: 1, plan: &[Change::AddLog(ReplicaId(2))], in_order: true, requests: 1 };

const fn timed(terms: u64, commands: u8, reads: u8, time: Timed) -> GroupProtocol {
    let announce_commit = AnnounceCommit::WithNextAppend;
    GroupProtocol { reads, announce_commit, time, ..group(terms, commands) }
}

/// Where followers are told at once what is committed.
const fn group_at(terms: u64, commands: u8, time: Timed) -> GroupProtocol {
    GroupProtocol { time, ..group(terms, commands) }
}

const fn plain(name: &'static str, question: &'static str, protocol: GroupProtocol) -> Entry {
    Entry {
        name,
        question,
        protocol,
        bounds: bounds(0, Fsync::Immediate),
        unreachable: &CALM_ONE_ENTRY,
        goal: None,
        expected: None,
        pinned: 0,
    }
}

/// Where replicas campaign in turn, or links are cut, names matter.
const NAMED: Bounds = Bounds { symmetry: false, ..bounds(0, Fsync::Immediate) };
/// Where clocks are prompt, what is said again matters too: it is heard again.
const ON_TIME: Bounds = Bounds { collect: false, ..NAMED };

/// One campaigns in each term, and so none gives way.
const GAVE_WAY: &str = "a candidate gave way to a leader of its term";
const IN_TURN: [&str; 5] = [CRASH, LOST_WRITE, PERSIST, LATE_LEADER, GAVE_WAY];
const IN_TURN_ONE_ENTRY: [&str; 6] = [CRASH, LOST_WRITE, PERSIST, LATE_LEADER, GAVE_WAY, REPLACED];
const IN_TURN_CRASH: [&str; 5] = [LOST_WRITE, PERSIST, LATE_LEADER, REPLACED, GAVE_WAY];
/// Nobody asks for anything, and the story ends with the second campaign.
const ON_TIME_ONLY: [&str; 10] = [
    CRASH,
    LOST_WRITE,
    PERSIST,
    LATE_LEADER,
    REPLACED,
    GAVE_WAY,
    "hear",
    "request",
    "a follower objected to an append",
    "a leader was deposed with open requests",
];

/// The models of the `quick` tier.
pub(super) fn quick() -> Vec<Entry> {
    [leases(), hand_overs(), evidence(), must_fail()].into_iter().flatten().collect()
}

/// Leases at the full bounds, and together with what else there is.
pub(super) fn standard() -> Vec<Entry> {
    let in_turn = Timed { in_turn: true, ..LEASES };
    let paused = Timed { clocks: PAUSED, ..in_turn };
    vec![
        Entry {
            bounds: NAMED,
            unreachable: &IN_TURN,
            ..plain(
                "lease-full",
                "two reads under a lease of 3, by a leader that may be paused",
                timed(2, 2, 2, paused),
            )
        },
        Entry {
            bounds: NAMED,
            unreachable: &IN_TURN_ONE_ENTRY,
            ..plain(
                "composition",
                "a log replica joins a leader with a lease, and pulls and reads go on",
                GroupProtocol {
                    log_replicas: 0b100,
                    members: LOG_JOINS,
                    ..timed(2, 1, 1, in_turn)
                },
            )
        },
    ]
}

fn leases() -> Vec<Entry> {
    let in_turn = Timed { in_turn: true, ..LEASES };
    // A lease of 3 has 1,380,122 states, too many for this tier.
    let paused = Timed { timing: lease(2, 3), clocks: PAUSED, ..in_turn };
    vec![
        Entry {
            pinned: 64_064,
            ..plain(
                "lease",
                "whether anybody leads while a lease holds; clocks differ by a factor of two",
                timed(2, 1, 0, LEASES),
            )
        },
        Entry {
            bounds: NAMED,
            unreachable: &IN_TURN,
            pinned: 598_839,
            ..plain(
                "lease-reads",
                "reads under a lease, by a leader that may be paused",
                timed(2, 2, 1, paused),
            )
        },
        Entry {
            bounds: NAMED,
            unreachable: &IN_TURN_ONE_ENTRY,
            pinned: 23_074,
            ..plain(
                "lease-members",
                "whether a lease outlives the configuration that it rests on",
                GroupProtocol { members: TWO_JOIN, ..timed(2, 1, 0, in_turn) },
            )
        },
        Entry {
            bounds: Bounds { crashes: 1, ..NAMED },
            unreachable: &IN_TURN_CRASH,
            pinned: 249_800,
            ..plain(
                "lease-crash",
                "what a replica that restarts may have promised",
                timed(2, 1, 0, in_turn),
            )
        },
    ]
}

fn hand_overs() -> Vec<Entry> {
    let transfers = Timed { transfers: 1, in_turn: true, ..LEASES };
    let peeks = Timed { peeks: 1, ..Timed::OFF };
    vec![
        Entry {
            bounds: NAMED,
            pinned: 270_615,
            ..plain("transfer", "a leader that gives way, and its lease", timed(2, 1, 0, transfers))
        },
        Entry {
            pinned: 3_498,
            ..plain("eventual", "eventual reads of any replica", group_at(2, 1, peeks))
        },
    ]
}

fn evidence() -> Vec<Entry> {
    let polled = Timed {
        timing: Timing { evidence: Some(Tick(1)), quorum_timeout: None, lease: None },
        clocks: STEADY,
        polls: 1,
        ..Timed::OFF
    };
    let on_time = |terms| GroupProtocol {
        heartbeats: true,
        at_election: AtElection::AppendNoOp,
        ..timed(terms, 0, 0, PROMPT)
    };
    vec![
        Entry {
            pinned: 30_283,
            ..plain(
                "evidence",
                "whether who agrees to a campaign misses the leader",
                group_at(2, 1, polled),
            )
        },
        Entry {
            bounds: ON_TIME,
            unreachable: &ON_TIME_ONLY,
            pinned: 102_957,
            ..plain(
                "churn",
                "every set of one-way cuts: whether a leader that is heard is left alone",
                on_time(2),
            )
        },
        Entry {
            bounds: ON_TIME,
            goal: Some(Goal {
                name: "PROGRESS-2",
                reached: a_majority_is_led,
                judged: could_be_led,
            }),
            pinned: 3_313,
            ..plain(
                "cuts",
                "every set of one-way cuts: whether a majority that can talk is led again",
                GroupProtocol { announce_commit: AnnounceCommit::AtOnce, ..on_time(3) },
            )
        },
    ]
}

/// What goes wrong beyond the assumptions.
fn must_fail() -> Vec<Entry> {
    let short = Timed { timing: lease(3, 7), in_turn: true, ..LEASES };
    vec![
        Entry {
            bounds: NAMED,
            expected: Some("LEASE-1"),
            ..plain(
                "wait-too-short",
                "a wait of 4 for a lease of 3, though clocks differ by a factor of two",
                timed(2, 1, 0, short),
            )
        },
        Entry {
            bounds: NAMED,
            expected: Some("READ-1"),
            ..plain(
                "drift-beyond-rho",
                "a stale read, because clocks drift more than the group assumes",
                timed(2, 2, 1, short),
            )
        },
    ]
}
