//! The models by name, their bounds, and how many states each has.
//!
//! A pinned count notices an accidental change of protocol or world: a change that means to alter
//! it says so, with the new number, in the same commit.

use crate::group::GroupProtocol;
use crate::node::Fsync;
use crate::protocol::Kind;
use crate::search::{self, Options, Progress, Report};
use crate::trap::{self, Goal};
use crate::world::{Bounds, State, World};
use ringleader_core::group::{AnnounceCommit, AtElection};

/// One model.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The question it answers.
    pub question: &'static str,
    /// The protocol's limits.
    protocol: GroupProtocol,
    /// The world's.
    bounds: Bounds,
    /// Marks and actions that these bounds cannot reach; the reason stands beside each entry.
    unreachable: &'static [&'static str],
    /// What must stay reachable, if this model looks for traps.
    goal: Option<Goal<GroupProtocol>>,
    /// How many states it has.
    pub pinned: usize,
}

/// Every fsync a step of its own, with at most two on their way on one node.
const OWN_STEP: Fsync = Fsync::OwnStep { pending_max: 2 };

const fn group(terms: u64, commands: u8) -> GroupProtocol {
    GroupProtocol {
        replicas: 3,
        terms,
        commands,
        reads: 0,
        heartbeats: false,
        at_election: AtElection::Wait,
        announce_commit: AnnounceCommit::AtOnce,
        append_entries_max: 64,
        inflight_entries_max: 1,
    }
}

const fn bounds(crashes: u8, fsync: Fsync) -> Bounds {
    Bounds { crashes, fsync, collect: true, symmetry: true }
}

/// The models of the `quick` tier, in the order in which they are run.
#[must_use]
pub fn quick() -> Vec<Entry> {
    vec![
        Entry {
            name: "crash",
            question: "what a crash may lose: 3 replicas, 2 terms, 1 command, 1 crash, every fsync a step",
            protocol: group(2, 1),
            bounds: bounds(1, OWN_STEP),
            // One command: no two entries can conflict.
            unreachable: &["a follower replaced conflicting entries"],
            goal: None,
            pinned: 189_365,
        },
        Entry {
            name: "replication",
            question: "the whole: 3 replicas, 2 terms, 2 commands, 1 crash, every fsync a step",
            protocol: group(2, 2),
            bounds: bounds(1, OWN_STEP),
            unreachable: &[],
            goal: None,
            pinned: 2_909_674,
        },
        Entry {
            name: "terms",
            question: "many elections (figure 8): 3 replicas, 4 terms, 2 commands, fsync at once",
            protocol: group(4, 2),
            bounds: bounds(0, Fsync::Immediate),
            unreachable: &[
                "crash",
                "a crash lost a write on its way",
                "persist",
                "an entry was committed before the leader's own write",
            ],
            goal: None,
            pinned: 345_821,
        },
        Entry {
            name: "commands",
            question: "longer logs: 3 replicas, 2 terms, 3 commands, fsync at once",
            protocol: group(2, 3),
            bounds: bounds(0, Fsync::Immediate),
            unreachable: &[
                "crash",
                "a crash lost a write on its way",
                "persist",
                "an entry was committed before the leader's own write",
            ],
            goal: None,
            pinned: 265_063,
        },
        Entry {
            name: "pipelining",
            question: "appends that overtake each other: 3 replicas, 2 terms, 2 commands, any number in flight",
            protocol: GroupProtocol { inflight_entries_max: u64::MAX, ..group(2, 2) },
            bounds: bounds(0, Fsync::Immediate),
            unreachable: &[
                "crash",
                "a crash lost a write on its way",
                "persist",
                "an entry was committed before the leader's own write",
            ],
            goal: None,
            pinned: 118_790,
        },
        Entry {
            name: "reads",
            question: "linearizable reads: 3 replicas, 2 terms, 1 command, 1 read, every fsync a step",
            protocol: GroupProtocol { reads: 1, ..group(2, 1) },
            bounds: bounds(0, OWN_STEP),
            unreachable: &[
                "crash",
                "a crash lost a write on its way",
                "a follower replaced conflicting entries",
            ],
            goal: None,
            pinned: 106_331,
        },
        Entry {
            name: "two-reads",
            question: "reads and the rounds they wait for: 3 replicas, 2 terms, 1 command, 2 reads, fsync at once",
            protocol: GroupProtocol { reads: 2, ..group(2, 1) },
            bounds: bounds(0, Fsync::Immediate),
            unreachable: &[
                "crash",
                "a crash lost a write on its way",
                "persist",
                "a follower replaced conflicting entries",
                "an entry was committed before the leader's own write",
            ],
            goal: None,
            pinned: 75_241,
        },
        Entry {
            name: "no-op",
            question: "a new leader's empty entry, as in production: 3 replicas, 2 terms, 1 command, 1 read, fsync at once",
            protocol: GroupProtocol {
                reads: 1,
                at_election: AtElection::AppendNoOp,
                ..group(2, 1)
            },
            bounds: bounds(0, Fsync::Immediate),
            unreachable: &[
                "crash",
                "a crash lost a write on its way",
                "persist",
                "an entry was committed before the leader's own write",
            ],
            goal: None,
            pinned: 793_374,
        },
        Entry {
            name: "even",
            question: "an even group, where half is no majority: 4 replicas, 1 term, 1 command",
            protocol: GroupProtocol { replicas: 4, ..group(1, 1) },
            bounds: bounds(0, Fsync::Immediate),
            // One term, no crash: nothing is ever replaced or deposed.
            unreachable: &[
                "hear",
                "crash",
                "a crash lost a write on its way",
                "persist",
                "a follower replaced conflicting entries",
                "a leader was deposed with open requests",
                "an entry was committed before the leader's own write",
            ],
            goal: None,
            pinned: 321,
        },
        Entry {
            name: "traps",
            question: "a leader that commits stays possible: 2 terms, 1 command, one of each in reserve",
            protocol: GroupProtocol {
                heartbeats: true,
                announce_commit: AnnounceCommit::WithNextAppend,
                ..group(3, 2)
            },
            bounds: bounds(0, Fsync::Immediate),
            unreachable: &[],
            goal: Some(Goal { name: "PROGRESS-1", reached: is_good, judged: is_within_bounds }),
            pinned: 2_387,
        },
    ]
}

/// A leader has committed in its own term, and everybody has applied all that it holds.
fn is_good(world: &World<GroupProtocol>, state: &State) -> bool {
    let nodes = world.nodes_of(state);
    let leads_well = |leader: &&&crate::node::Node<GroupProtocol>| {
        let machine = &leader.machine;
        let last = machine.log().last();
        machine.is_leader()
            && machine.log().term_at(last) == Some(machine.term())
            && nodes.iter().all(|node| node.machine.applying() == last)
    };
    nodes.iter().any(|node| leads_well(&node))
}

/// The last term and the last command are in reserve.
fn is_within_bounds(world: &World<GroupProtocol>, state: &State) -> bool {
    let protocol = world.protocol();
    let terms = world.nodes_of(state).iter().all(|node| node.machine.term().0 < protocol.terms);
    terms && world.ghost_of(state).commands < protocol.commands
}

impl Entry {
    /// The world of this model.
    #[must_use]
    pub fn world(&self) -> World<GroupProtocol> {
        World::new(self.protocol.clone(), self.bounds)
    }

    /// The world in which states with different names are different: for replaying traces.
    #[must_use]
    pub fn world_with_names(&self) -> World<GroupProtocol> {
        World::new(self.protocol.clone(), Bounds { symmetry: false, ..self.bounds })
    }

    /// Its bounds in one line.
    #[must_use]
    pub fn describe_bounds(&self) -> String {
        let GroupProtocol { replicas, terms, commands, reads, .. } = &self.protocol;
        let fsync = match self.bounds.fsync {
            Fsync::OwnStep { pending_max } => format!("own step, {pending_max} pending"),
            Fsync::Immediate => "at once".to_owned(),
        };
        format!(
            "{replicas} replicas, {terms} terms, {commands} commands, {reads} reads, {} crashes, fsync {fsync}",
            self.bounds.crashes
        )
    }

    /// The names of what must hold.
    #[must_use]
    pub fn properties(&self) -> Vec<&'static str> {
        let world = self.world();
        let always = |(_, kind): &&(&'static str, Kind)| *kind == Kind::Always;
        let named = world.property_names().iter().filter(always).map(|(name, _)| *name);
        match &self.goal {
            Some(goal) => vec![goal.name],
            None => named.collect(),
        }
    }

    /// Explores it. With `property`, looks for a violation of that one alone.
    pub fn check(
        &self,
        property: Option<&str>,
        options: Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Report {
        if let Some(goal) = &self.goal {
            return trap::check(self.name, &self.world(), goal, options.time_limit, progress);
        }
        let make = || {
            let mut world = self.world();
            if let Some(property) = property {
                world.retain_property(property);
            }
            world
        };
        search::check(self.name, &make, self.unreachable, options, progress)
    }
}
