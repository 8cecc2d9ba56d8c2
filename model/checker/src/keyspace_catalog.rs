//! The models of the keyspace: splits, moves, routers that know less.

use crate::catalog::Entry;
use crate::keyspace::{Asked, Client, KeyspaceProtocol};
use crate::node::Fsync;
use crate::trap::Goal;
use crate::world::{Bounds, State, World};
use ringleader_core::ids::ReplicaId;
use ringleader_core::keyspace::partition_map::PartitionId;
use ringleader_core::keyspace::range::Token;
use ringleader_core::keyspace::routing::Router;
use ringleader_core::keyspace::split::{Change, Host, Stage};

const LOST_WRITE: &str = "a crash lost a write on its way";

/// What is not reached: nothing is learned without a message, and safety needs no timers.
const SENT: [&str; 2] = ["hear", "timer"];
const SENT_WITHOUT_CRASH: [&str; 4] = ["hear", "timer", "crash", LOST_WRITE];

/// Every fsync a step of its own, with at most two on their way on one node.
const OWN_STEP: Fsync = Fsync::OwnStep { pending_max: 2 };

const fn bounds(crashes: u8, fsync: Fsync) -> Bounds {
    Bounds { crashes, fsync, collect: true, symmetry: false }
}

const fn split(partition: u64, at: u128) -> Change {
    Change::Split { partition: PartitionId(partition), at: Token(at) }
}

const fn to(partition: u64, host: u8) -> Change {
    Change::Move { partition: PartitionId(partition), to: ReplicaId(host) }
}

const fn promise(partition: u64) -> Change {
    Change::Promise { partition: PartitionId(partition), until: 1 }
}

fn client(router: u8, script: &[Asked]) -> Client {
    Client { router, script: script.to_vec() }
}

/// Four keys on both sides of 2.
fn keyspace(hosts: u8, routers: u8, clients: Vec<Client>, changes: &[Change]) -> KeyspaceProtocol {
    let (keys, changes) = (vec![1, 2, 3, 4], changes.to_vec());
    KeyspaceProtocol { hosts, routers, keys, clients, changes, timers: false }
}

fn entry(
    name: &'static str,
    question: &'static str,
    protocol: KeyspaceProtocol,
    bounds: Bounds,
    unreachable: &'static [&'static str],
    pinned: usize,
) -> Entry<KeyspaceProtocol> {
    Entry { name, question, protocol, bounds, unreachable, goal: None, expected: None, pinned }
}

/// The models of the `quick` tier.
#[must_use]
pub fn quick() -> Vec<Entry<KeyspaceProtocol>> {
    use Asked::{Get, Put};
    let two = |a: &[Asked], b: &[Asked]| vec![client(0, a), client(1, b)];
    let traps = KeyspaceProtocol {
        timers: true,
        ..keyspace(2, 1, vec![client(0, &[Put(3), Get(3)])], &[split(1, 2), to(3, 1)])
    };
    vec![
        entry(
            "split",
            "whether anything is lost when a partition splits in place",
            keyspace(1, 2, two(&[Put(2), Get(3)], &[Put(3), Get(2)]), &[split(1, 2)]),
            bounds(1, OWN_STEP),
            &SENT,
            39_523,
        ),
        entry(
            "promises",
            "whether children and successors keep what the parent promised",
            keyspace(2, 1, vec![client(0, &[Put(3)])], &[promise(1), split(1, 2), to(3, 1)]),
            bounds(1, Fsync::Immediate),
            &PROMISES,
            715,
        ),
        entry(
            "move",
            "whether two hosts own one key while it moves, or a write is lost",
            keyspace(2, 1, vec![client(0, &[Put(1), Get(1)])], &[to(1, 1)]),
            bounds(1, OWN_STEP),
            &SENT,
            1_661,
        ),
        entry(
            "move-writers",
            "two writers of one key while it moves",
            keyspace(2, 2, two(&[Put(1), Get(1)], &[Put(1)]), &[to(1, 1)]),
            bounds(0, Fsync::Immediate),
            &SENT_WITHOUT_CRASH,
            5_169,
        ),
        entry(
            "split-move",
            "a child that moves while routers still know the parent",
            keyspace(2, 2, two(&[Put(3), Get(3)], &[Put(2), Get(3)]), &[split(1, 2), to(3, 1)]),
            bounds(0, Fsync::Immediate),
            &SENT_WITHOUT_CRASH,
            72_386,
        ),
        Entry {
            goal: Some(Goal {
                name: "PROGRESS-3",
                reached: everything_is_owned_and_answered,
                judged: |_, _| true,
            }),
            ..entry(
                "orphans",
                "whether every key has an owner again, and every client an answer",
                traps,
                bounds(1, OWN_STEP),
                &["hear"],
                10_843,
            )
        },
    ]
}

const PROMISES: [&str; 3] = ["hear", "timer", LOST_WRITE];

/// The models of the `standard` tier.
#[must_use]
pub fn standard() -> Vec<Entry<KeyspaceProtocol>> {
    use Asked::{Get, Put};
    let two = |a: &[Asked], b: &[Asked]| vec![client(0, a), client(1, b)];
    vec![
        entry(
            "split-move-crash",
            "the same with slow disks and a crash",
            keyspace(2, 2, two(&[Put(3)], &[Get(3)]), &[split(1, 2), to(3, 1)]),
            bounds(1, OWN_STEP),
            &SENT,
            92_489,
        ),
        entry(
            "nested",
            "a child that splits again and moves",
            keyspace(
                2,
                2,
                two(&[Put(4), Get(4)], &[Put(3)]),
                &[split(1, 2), split(3, 3), to(7, 1)],
            ),
            bounds(1, Fsync::Immediate),
            &NESTED,
            220_795,
        ),
    ]
}

const NESTED: [&str; 3] = PROMISES;

/// Every key has one owner, and nobody waits.
fn everything_is_owned_and_answered(world: &World<KeyspaceProtocol>, state: &State) -> bool {
    let nodes = world.nodes_of(state);
    let owners = |key: &u128| {
        let hosts = nodes.iter().filter_map(|node| node.machine.second());
        let owns = hosts
            .flat_map(Host::partitions)
            .filter(|it| it.stage == Stage::Open && it.assignment.range.contains(Token(*key)));
        owns.count()
    };
    let open: usize =
        nodes.iter().filter_map(|node| node.machine.first().map(Router::open_requests)).sum();
    open == 0 && world.protocol().keys.iter().all(|key| owners(key) == 1)
}
