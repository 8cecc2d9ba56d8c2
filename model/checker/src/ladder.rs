//! The replication group at growing bounds: replicas, terms, commands, crashes.
//!
//! A model's name says them: `r3-t3-c2-x1` is three replicas, three terms, two commands, one crash.
//! A `noop` in front: a new leader appends an empty entry, as in production. An `explicit` behind:
//! every fsync is a step of its own to the end; elsewhere only while a crash may follow
//! ([`Fsync::OwnStepUntilLastCrash`]).
//!
//! A row whose number of states is 0 was not counted yet: it runs, and says what it finds.

use crate::catalog::{CRASH, Entry, LOST_WRITE, OWN_STEP, REPLACED, bounds, group};
use crate::group::GroupProtocol;
use crate::node::Fsync;
use ringleader_core::group::AtElection;

const UNTIL_LAST_CRASH: Fsync = Fsync::OwnStepUntilLastCrash { pending_max: 2 };

const THE_WHOLE: &str = "elections, conflicts, slow disks and crashes together";
const NO_OP: &str = "the same with a new leader's empty entry";

/// One row: replicas, terms, commands and crashes.
fn row(name: &'static str, limits: (u8, u64, u8, u8), pinned: usize) -> Entry {
    let (replicas, terms, commands, crashes) = limits;
    Entry {
        name,
        question: THE_WHOLE,
        protocol: GroupProtocol { replicas, ..group(terms, commands) },
        bounds: bounds(crashes, UNTIL_LAST_CRASH),
        // Two entries at one index need two commands, or empty entries.
        unreachable: if commands < 2 { &[REPLACED] } else { &[] },
        goal: None,
        expected: None,
        pinned,
    }
}

/// Without a crash no write takes time.
fn calm(row: Entry) -> Entry {
    let bounds = bounds(0, OWN_STEP);
    let commands = row.protocol.commands;
    let unreachable: &[&str] =
        if commands < 2 { &[CRASH, LOST_WRITE, REPLACED] } else { &[CRASH, LOST_WRITE] };
    Entry { bounds, unreachable, ..row }
}

fn explicit(row: Entry) -> Entry {
    Entry { bounds: bounds(row.bounds.crashes, OWN_STEP), ..row }
}

fn no_op(row: Entry) -> Entry {
    let protocol = GroupProtocol { at_election: AtElection::AppendNoOp, ..row.protocol };
    Entry { question: NO_OP, protocol, unreachable: &[], ..row }
}

/// Seconds each.
#[must_use]
pub fn quick() -> Vec<Entry> {
    vec![
        row("r3-t3-c2-x1", (3, 3, 2, 1), 4_687_706),
        row("r4-t2-c1-x1", (4, 2, 1, 1), 334_002),
        no_op(row("noop-r3-t2-c1-x1", (3, 2, 1, 1), 1_153_919)),
    ]
}

/// Minutes each.
#[must_use]
pub fn standard() -> Vec<Entry> {
    vec![
        calm(row("r5-t2-c1-x0", (5, 2, 1, 0), 14_780_763)),
        explicit(row("r3-t3-c2-x2-explicit", (3, 3, 2, 2), 0)),
        row("r3-t4-c2-x1", (3, 4, 2, 1), 0),
        row("r3-t3-c3-x1", (3, 3, 3, 1), 0),
        row("r4-t2-c2-x1", (4, 2, 2, 1), 0),
        row("r4-t3-c1-x1", (4, 3, 1, 1), 0),
        row("r5-t2-c1-x1", (5, 2, 1, 1), 0),
        no_op(row("noop-r3-t3-c1-x1", (3, 3, 1, 1), 0)),
    ]
}

/// Up to an hour each.
#[must_use]
pub fn deep() -> Vec<Entry> {
    vec![
        explicit(row("r3-t3-c2-x1-explicit", (3, 3, 2, 1), 0)),
        explicit(row("r3-t4-c2-x1-explicit", (3, 4, 2, 1), 0)),
        no_op(row("noop-r3-t3-c2-x1", (3, 3, 2, 1), 0)),
        row("r3-t4-c3-x1", (3, 4, 3, 1), 0),
        row("r3-t3-c3-x2", (3, 3, 3, 2), 0),
        row("r4-t3-c2-x1", (4, 3, 2, 1), 0),
        row("r5-t2-c2-x1", (5, 2, 2, 1), 0),
    ]
}
