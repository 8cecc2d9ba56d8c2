//! The models of the register with N copies: those that hold, and the promises that textbooks make
//! and that must fail.

use crate::catalog::Entry;
use crate::node::Fsync;
use crate::quorum::{Client, QuorumProtocol};
use crate::quorum_history::Guarantee::{
    self, Eventual, Linearizable, MonotonicReads, ReadYourWrites, Regular,
};
use crate::quorum_table::{Mode, ring};
use crate::trap::Goal;
use crate::world::{Bounds, State, World};
use ringleader_core::leaderless::quorum::{ForeignEpoch, Placement, Ring};

const LOST_WRITE: &str = "a crash lost a write on its way";
const REPLACED: &str = "a copy was replaced by a later one";
const TOO_LATE: &str = "a copy arrived that was replaced already";
const WROTE_BACK: &str = "a read waited for copies to hold what it found";
const STOOD_IN: &str = "a stand-in kept a copy";
const REFUSED: &str = "a request of another ring was refused";
const UNANSWERED: &str = "a request ended without an answer";

/// Nothing is learned without a message, no disk is slow, nobody crashes or loses patience.
const CALM: [&str; 7] = ["hear", "persist", "crash", "timer", LOST_WRITE, STOOD_IN, UNANSWERED];

/// The marks and actions that some bounds cannot reach, in lists that entries share: one writer
/// replaces nothing, one ring refuses nothing.
const ONE_WRITE: [&str; 11] = [
    "hear", "persist", "crash", "timer", LOST_WRITE, STOOD_IN, UNANSWERED, REPLACED, TOO_LATE,
    WROTE_BACK, REFUSED,
];
const WRITE_BACK: [&str; 8] =
    ["hear", "persist", "crash", "timer", LOST_WRITE, STOOD_IN, UNANSWERED, REFUSED];
const WRITE_BACK_ONCE: [&str; 10] = [
    "hear", "persist", "crash", "timer", LOST_WRITE, STOOD_IN, UNANSWERED, REFUSED, REPLACED,
    TOO_LATE,
];

/// A client of a node.
fn client(node: u8, script: &[crate::quorum::Asked]) -> Client {
    Client { node, script: script.to_vec() }
}

/// `n` owners and two nodes that only coordinate.
fn register(n: u8, clients: Vec<Client>, claims: &[Guarantee]) -> QuorumProtocol {
    QuorumProtocol {
        nodes: n + 2,
        rings: vec![ring(1, n, 2)],
        knows: Vec::new(),
        rings_are_found: false,
        placement: Placement::Strict,
        foreign_epoch: ForeignEpoch::Refuse,
        retries: 0,
        retries_max: u8::MAX,
        reserved_at_once: 1,
        clients,
        claims: claims.to_vec(),
    }
}

const fn bounds(crashes: u8, fsync: Fsync) -> Bounds {
    Bounds { crashes, fsync, collect: true, symmetry: true }
}

fn entry(
    name: &'static str,
    question: &'static str,
    protocol: QuorumProtocol,
    unreachable: &'static [&'static str],
    pinned: usize,
) -> Entry<QuorumProtocol> {
    Entry {
        name,
        question,
        protocol,
        bounds: bounds(0, Fsync::Immediate),
        unreachable,
        goal: None,
        expected: None,
        pinned,
    }
}

/// One write beside two reads by one client.
fn write_and_two_reads(n: u8, r: u8, w: u8, mode: Mode) -> Vec<Client> {
    let (write, read) = (mode.write(r, w), mode.read(r, w));
    vec![client(n, &[write]), client(n + 1, &[read, read])]
}

/// One client writes and reads, another writes.
fn two_writers(n: u8, r: u8, w: u8, mode: Mode) -> Vec<Client> {
    let (write, read) = (mode.write(r, w), mode.read(r, w));
    vec![client(n, &[write, read]), client(n + 1, &[write])]
}

/// The models of the `quick` tier that hold.
#[must_use]
pub fn quick() -> Vec<Entry<QuorumProtocol>> {
    let strong = [Linearizable, Regular, ReadYourWrites, MonotonicReads, Eventual];
    let regular = [Regular, ReadYourWrites, Eventual];
    let sloppy = QuorumProtocol {
        placement: Placement::Sloppy,
        retries: 1,
        ..register(1, write_and_two_reads(1, 1, 1, Mode::NoRepair), &[Eventual])
    };
    vec![
        entry(
            "quorum",
            "N=3 R=W=2: whether a read after a write sees it",
            register(3, write_and_two_reads(3, 2, 2, Mode::NoRepair), &regular),
            &ONE_WRITE,
            1_792,
        ),
        entry(
            "abd",
            "N=3 R=W=2: whether write-back makes one writer's register linearizable",
            register(3, write_and_two_reads(3, 2, 2, Mode::AskFirst), &strong),
            &WRITE_BACK_ONCE,
            2_353,
        ),
        entry(
            "abd-writers",
            "N=2 R=1 W=2: whether writers who ask first are linearizable",
            register(2, two_writers(2, 1, 2, Mode::AskFirst), &strong),
            &WRITE_BACK,
            751,
        ),
        entry(
            "mixed",
            "N=3: whether writes of W=2 and W=3 suit reads of R=2",
            register(3, mixed_quorums(2), &[Regular, ReadYourWrites, Eventual]),
            &ONE_WRITE_OF_TWO,
            6_791,
        ),
        entry("sloppy", "N=1 and stand-ins: what is left", sloppy, &SLOPPY, 445),
        entry(
            "rings",
            "whether a coordinator with an old ring is kept out",
            rings(ForeignEpoch::Refuse, &strong),
            &RINGS,
            67,
        ),
    ]
    .into_iter()
    .chain(with_crashes())
    .chain(with_patience())
    .collect()
}

const ONE_WRITE_OF_TWO: [&str; 10] = [
    "hear", "persist", "crash", "timer", LOST_WRITE, STOOD_IN, UNANSWERED, WROTE_BACK, REFUSED,
    TOO_LATE,
];
const SLOPPY: [&str; 9] =
    ["hear", "persist", "crash", LOST_WRITE, REPLACED, TOO_LATE, WROTE_BACK, REFUSED, UNANSWERED];
const RINGS: [&str; 9] =
    ["hear", "persist", "crash", "timer", LOST_WRITE, TOO_LATE, STOOD_IN, WROTE_BACK, REPLACED];

/// One writer, whose two writes wait for different numbers of copies, and a reader.
fn mixed_quorums(r: u8) -> Vec<Client> {
    let write = |w| Mode::NoRepair.write(r, w);
    let read = Mode::NoRepair.read(r, 1);
    vec![client(3, &[write(2), write(3)]), client(4, &[read])]
}

/// Two rings of one owner each: nodes 0 and 1 know the later, node 2 the earlier.
fn rings(foreign_epoch: ForeignEpoch, claims: &[Guarantee]) -> QuorumProtocol {
    let (write, read) = (Mode::NoRepair.write(1, 1), Mode::NoRepair.read(1, 1));
    let earlier = ring(1, 1, 0);
    let later = Ring { owners: ring(2, 2, 0).owners.split_off(1), ..ring(2, 2, 0) };
    QuorumProtocol {
        nodes: 3,
        rings: vec![earlier, later],
        knows: vec![1, 1, 0],
        rings_are_found: true,
        foreign_epoch,
        ..register(1, vec![client(2, &[write, write]), client(1, &[read, read])], claims)
    }
}

/// Crashes: what was acknowledged, and what was set aside.
fn with_crashes() -> Vec<Entry<QuorumProtocol>> {
    let slow = Fsync::OwnStep { pending_max: 2 };
    let (write, read) = (Mode::NoRepair.write(1, 2), Mode::NoRepair.read(1, 2));
    let regular = [Regular, ReadYourWrites];
    let crash = |name, question, fsync, protocol, unreachable, pinned| Entry {
        bounds: bounds(1, fsync),
        ..entry(name, question, protocol, unreachable, pinned)
    };
    let owner_asked = QuorumProtocol {
        nodes: 3,
        rings: vec![ring(1, 2, 0)],
        ..register(2, vec![client(1, &[write]), client(2, &[read])], &regular)
    };
    vec![
        crash(
            "quorum-crash",
            "N=2 W=2: what a crash between two fsyncs may lose",
            slow,
            QuorumProtocol {
                nodes: 3,
                rings: vec![ring(1, 2, 134)],
                ..register(2, vec![client(2, &[write, write])], &[])
            },
            &CRASH_WRITES,
            134,
        ),
        crash(
            "quorum-owner",
            "the same, coordinated by an owner",
            slow,
            owner_asked,
            &CRASH_ONE_WRITE,
            605,
        ),
        crash(
            "rings-crash",
            "N=1 and two rings: whether a ring that was told survives",
            slow,
            told_of_a_ring(),
            &RINGS_CRASH,
            102,
        ),
        crash(
            "quorum-restart",
            "whether answers to a question from before a crash count after it",
            Fsync::Immediate,
            register(2, vec![client(2, &[write]), client(3, &[read, read])], &regular),
            &RESTART,
            1_251,
        ),
    ]
}

/// Two rings with one and the same owner, who knows the earlier one at first.
fn told_of_a_ring() -> QuorumProtocol {
    let (write, read) = (Mode::NoRepair.write(1, 1), Mode::NoRepair.read(1, 1));
    QuorumProtocol {
        nodes: 2,
        rings: vec![ring(1, 1, 0), ring(2, 1, 0)],
        knows: vec![0, 1],
        rings_are_found: true,
        ..register(1, vec![client(1, &[read, write, read])], &[Linearizable])
    }
}

const RINGS_CRASH: [&str; 7] =
    ["hear", "timer", STOOD_IN, UNANSWERED, WROTE_BACK, TOO_LATE, REPLACED];
const CRASH_WRITES: [&str; 7] =
    ["hear", "timer", STOOD_IN, UNANSWERED, REFUSED, WROTE_BACK, TOO_LATE];
const CRASH_ONE_WRITE: [&str; 8] =
    ["hear", "timer", STOOD_IN, UNANSWERED, REFUSED, WROTE_BACK, REPLACED, TOO_LATE];
const RESTART: [&str; 10] = [
    "hear", "persist", "timer", LOST_WRITE, STOOD_IN, UNANSWERED, REFUSED, WROTE_BACK, REPLACED,
    TOO_LATE,
];

/// Timers: asking again, and giving up.
fn with_patience() -> Vec<Entry<QuorumProtocol>> {
    let two = write_and_two_reads(2, 1, 2, Mode::Blocking);
    let again = QuorumProtocol { retries: 3, ..register(2, two.clone(), &[Regular]) };
    let impatient =
        QuorumProtocol { retries: 2, retries_max: 1, ..register(2, two, &[Regular, Eventual]) };
    vec![
        Entry {
            goal: Some(Goal {
                name: "PROGRESS-2",
                reached: everybody_was_answered,
                judged: has_patience,
            }),
            ..entry("quorum-retry", "whether an answer stays possible", again, &[], 5_587)
        },
        entry(
            "quorum-patient",
            "N=1: that a strict quorum asks nobody else",
            QuorumProtocol {
                retries: 1,
                ..register(1, write_and_two_reads(1, 1, 1, Mode::NoRepair), &[Linearizable])
            },
            &PATIENT,
            186,
        ),
        entry("quorum-gives-up", "what is unknown after giving up", impatient, &IMPATIENT, 2_052),
    ]
}

const PATIENT: [&str; 10] = [
    "hear", "persist", "crash", LOST_WRITE, STOOD_IN, UNANSWERED, REPLACED, TOO_LATE, WROTE_BACK,
    REFUSED,
];
const IMPATIENT: [&str; 8] =
    ["hear", "persist", "crash", LOST_WRITE, STOOD_IN, REFUSED, REPLACED, TOO_LATE];

fn everybody_was_answered(world: &World<QuorumProtocol>, state: &State) -> bool {
    let all: usize = world.protocol().clients.iter().map(|it| it.script.len()).sum();
    world.ghost_of(state).seen.answered() == all
}

/// The last two firings of the timer are in reserve.
fn has_patience(world: &World<QuorumProtocol>, state: &State) -> bool {
    let retries = world.nodes_of(state).into_iter().filter_map(|it| it.machine.retries_max());
    retries.max().is_none_or(|it| it + 1 < world.protocol().retries)
}

/// What must fail: each shows that a rule, or a claim less, is needed.
#[must_use]
pub fn refuted() -> Vec<Entry<QuorumProtocol>> {
    let must_fail = |name, question, protocol: QuorumProtocol| {
        let expected = protocol.claims.first().map(|it| it.name());
        Entry { expected, ..entry(name, question, protocol, &CALM, 0) }
    };
    let sloppy = QuorumProtocol {
        placement: Placement::Sloppy,
        retries: 1,
        nodes: 2,
        rings: vec![ring(1, 1, 1)],
        ..register(
            1,
            vec![client(1, &[Mode::AskFirst.write(1, 1), Mode::AskFirst.read(1, 1)])],
            &[Linearizable],
        )
    };
    let inverted = |r, w, mode| register(3, write_and_two_reads(3, r, w, mode), &[Linearizable]);
    vec![
        must_fail(
            "no-overlap",
            "N=2 R=W=1: R + W <= N, a stale read",
            register(2, write_and_two_reads(2, 1, 1, Mode::NoRepair), &[Regular]),
        ),
        must_fail("textbook", "N=3 R=W=2: R + W > N, new then old", inverted(2, 2, Mode::NoRepair)),
        must_fail(
            "textbook-repair",
            "N=3 R=W=2: the same with asynchronous read repair",
            inverted(2, 2, Mode::Asynchronous),
        ),
        must_fail("write-all", "N=3 R=1 W=3: new then old", inverted(1, 3, Mode::NoRepair)),
        must_fail(
            "write-back-alone",
            "N=3 R=W=2: write-back without asking first, two writers",
            register(3, two_writers(3, 2, 2, Mode::Blocking), &[Linearizable]),
        ),
        must_fail(
            "mixed-weak",
            "N=3: a read of R=1 beside writes of W=2",
            register(3, mixed_quorums(1), &[Regular]),
        ),
        must_fail("sloppy-strong", "N=1 and one stand-in: ABD in a sloppy quorum", sloppy),
        must_fail(
            "rings-accepted",
            "two views of the ring, and nobody refuses",
            rings(ForeignEpoch::Accept, &[Linearizable]),
        ),
    ]
}

/// The models of the `standard` tier.
#[must_use]
pub fn standard() -> Vec<Entry<QuorumProtocol>> {
    let strong = [Linearizable, Regular, ReadYourWrites, MonotonicReads, Eventual];
    let (write, read) = (Mode::AskFirst.write(2, 2), Mode::AskFirst.read(2, 2));
    let (plain, plain_read) = (Mode::NoRepair.write(3, 3), Mode::NoRepair.read(3, 3));
    let of_five = QuorumProtocol {
        nodes: 5,
        rings: vec![ring(1, 5, 0)],
        ..register(
            5,
            vec![client(3, &[plain]), client(4, &[plain_read, plain_read])],
            &[Regular, ReadYourWrites, Eventual],
        )
    };
    vec![
        entry(
            "abd-two-writers",
            "N=3 R=W=2: two writers who ask first and read",
            register(3, vec![client(3, &[write, read]), client(4, &[write, read])], &strong),
            &WRITE_BACK,
            183_211,
        ),
        entry("quorum-of-five", "N=5 R=W=3: one writer, two reads", of_five, &ONE_WRITE, 21_511),
    ]
}
