//! The models by name, their bounds, and how many states each has.
//!
//! A pinned count notices an accidental change of protocol or world: a change that means to alter
//! it says so, with the new number, in the same commit.

mod logs;
mod timed;

use crate::group::{GroupProtocol, Members, Timed};
use crate::node::Fsync;
use crate::protocol::{Bounded, Kind, Protocol};
use crate::search::{self, Options, Progress, Report};
use crate::trap::{self, Goal};
use crate::world::{Bounds, State, World};
use ringleader_core::group::{AnnounceCommit, AtElection, Trim};

/// One model of one protocol; [`crate::models`] lists those of all protocols.
pub struct Entry<P: Protocol = GroupProtocol> {
    /// Its name.
    pub name: &'static str,
    /// The question it answers.
    pub question: &'static str,
    /// The protocol's limits.
    pub(crate) protocol: P,
    /// The world's.
    pub(crate) bounds: Bounds,
    /// Marks and actions that these bounds cannot reach; the reason stands beside each entry.
    pub(crate) unreachable: &'static [&'static str],
    /// What must stay reachable, if this model looks for traps.
    pub(crate) goal: Option<Goal<P>>,
    /// The property that must fail, if the model shows what goes wrong without a rule.
    pub expected: Option<&'static str>,
    /// How many states it has.
    pub pinned: usize,
}

/// Every fsync a step of its own, with at most two on their way on one node.
pub(crate) const OWN_STEP: Fsync = Fsync::OwnStep { pending_max: 2 };

pub(crate) const fn group(terms: u64, commands: u8) -> GroupProtocol {
    GroupProtocol {
        replicas: 3,
        terms,
        commands,
        commands_together: 1,
        reads: 0,
        heartbeats: false,
        at_election: AtElection::Wait,
        announce_commit: AnnounceCommit::AtOnce,
        append_entries_max: 64,
        inflight_entries_max: 1,
        members: Members::FIXED,
        trim: Trim::Never,
        time: Timed::OFF,
        log_replicas: 0,
        mortal: 0,
        retries: 0,
    }
}

pub(crate) const fn bounds(crashes: u8, fsync: Fsync) -> Bounds {
    Bounds { crashes, fsync, collect: true, symmetry: true }
}

/// Needs a crash.
pub(crate) const CRASH: &str = "crash";
pub(crate) const LOST_WRITE: &str = "a crash lost a write on its way";
/// Need writes that take time.
const PERSIST: &str = "persist";
const LATE_LEADER: &str = "an entry was committed before the leader's own write";
/// Needs two entries at one index.
pub(crate) const REPLACED: &str = "a follower replaced conflicting entries";
/// What no world without crashes and slow disks reaches.
const CALM: [&str; 4] = [CRASH, LOST_WRITE, PERSIST, LATE_LEADER];
const CALM_ONE_ENTRY: [&str; 5] = [CRASH, LOST_WRITE, PERSIST, LATE_LEADER, REPLACED];
/// One term: nobody is deposed, nothing conflicts.
const CALM_ONE_TERM: [&str; 7] = [
    CRASH,
    LOST_WRITE,
    PERSIST,
    LATE_LEADER,
    REPLACED,
    "hear",
    "a leader was deposed with open requests",
];

/// The models of the `quick` tier, in the order in which they are run.
#[must_use]
pub fn quick() -> Vec<Entry> {
    [
        with_slow_disks(),
        with_calm_disks(),
        logs::membership(),
        logs::snapshots(),
        logs::log_replicas(),
        logs::sessions(),
        timed::quick(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The models of the `standard` tier that are no rows of [`crate::ladder`].
#[must_use]
pub fn standard() -> Vec<Entry> {
    logs::standard().into_iter().chain(timed::standard()).collect()
}

/// Alone there is nobody to talk to, and nobody else to lead.
const ALONE: [&str; 7] = [
    "deliver",
    "hear",
    REPLACED,
    "a follower objected to an append",
    "a leader was deposed with open requests",
    LATE_LEADER,
    "a candidate gave way to a leader of its term",
];

/// Every fsync is a step of its own.
fn with_slow_disks() -> Vec<Entry> {
    vec![
        Entry {
            name: "alone",
            question: "a group of one, which has only its disk",
            protocol: GroupProtocol { replicas: 1, ..group(2, 1) },
            bounds: bounds(1, OWN_STEP),
            unreachable: &ALONE,
            goal: None,
            expected: None,
            pinned: 30,
        },
        Entry {
            name: "crash",
            question: "what a crash may lose",
            protocol: group(2, 1),
            bounds: bounds(1, OWN_STEP),
            unreachable: &[REPLACED],
            goal: None,
            expected: None,
            pinned: 69_090,
        },
        Entry {
            name: "replication",
            question: "the whole: elections, conflicts, slow disks, a crash",
            protocol: group(2, 2),
            bounds: bounds(1, OWN_STEP),
            unreachable: &[],
            goal: None,
            expected: None,
            pinned: 898_936,
        },
        Entry {
            name: "conflicts",
            question: "conflicting entries on slow disks",
            protocol: group(2, 2),
            bounds: bounds(0, OWN_STEP),
            unreachable: &[CRASH, LOST_WRITE],
            goal: None,
            expected: None,
            pinned: 130_217,
        },
        Entry {
            name: "reads",
            question: "whether a read is linearizable while leaders change",
            protocol: GroupProtocol { reads: 1, ..group(2, 1) },
            bounds: bounds(0, OWN_STEP),
            unreachable: &[CRASH, LOST_WRITE, REPLACED],
            goal: None,
            expected: None,
            pinned: 113_403,
        },
    ]
}

/// Every write is durable within the step that issues it.
fn with_calm_disks() -> Vec<Entry> {
    let calm = bounds(0, Fsync::Immediate);
    let plain = |name, question, protocol, pinned| Entry {
        name,
        question,
        protocol,
        bounds: calm,
        unreachable: &CALM,
        goal: None,
        expected: None,
        pinned,
    };
    let unbounded = GroupProtocol { inflight_entries_max: u64::MAX, ..group(2, 2) };
    let together = GroupProtocol {
        commands_together: 2,
        inflight_entries_max: u64::MAX,
        append_entries_max: 1,
        ..group(2, 2)
    };
    let as_in_production =
        GroupProtocol { reads: 1, at_election: AtElection::AppendNoOp, ..group(2, 1) };
    let two_reads =
        GroupProtocol { reads: 2, announce_commit: AnnounceCommit::WithNextAppend, ..group(2, 2) };
    let cut =
        GroupProtocol { at_election: AtElection::AppendNoOp, append_entries_max: 1, ..group(3, 1) };
    let with_reserve = GroupProtocol {
        heartbeats: true,
        announce_commit: AnnounceCommit::WithNextAppend,
        ..group(3, 2)
    };
    vec![
        plain("terms", "many elections: figure 8 of the paper", group(4, 2), 325_932),
        plain("commands", "longer logs", group(2, 3), 63_462),
        plain("pipelining", "appends that overtake each other", unbounded, 84_732),
        plain("together", "commands that share I/O and appends", together, 83_628),
        plain("no-op", "a new leader's empty entry, as in production", as_in_production, 355_972),
        plain("cut", "appends of one entry each: late ones end before the log does", cut, 200_466),
        Entry {
            unreachable: &CALM_ONE_ENTRY,
            ..plain("two-reads", "reads and the rounds they wait for", two_reads, 641_535)
        },
        Entry {
            unreachable: &CALM_ONE_TERM,
            ..plain(
                "even",
                "an even group, where half is no majority",
                GroupProtocol { replicas: 4, ..group(1, 1) },
                321,
            )
        },
        Entry {
            goal: Some(Goal { name: "PROGRESS-1", reached: is_good, judged: is_within_bounds }),
            ..plain(
                "traps",
                "whether a leader that commits stays possible; the last term and command in reserve",
                with_reserve,
                2_910,
            )
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
            && nodes.iter().all(|node| {
                let machine = &node.machine;
                machine.applying() == last || machine.is_log_replica() || machine.is_halted()
            })
    };
    nodes.iter().any(|node| leads_well(&node))
}

/// The last term and the last command are in reserve.
fn is_within_bounds(world: &World<GroupProtocol>, state: &State) -> bool {
    let protocol = world.protocol();
    let terms = world.nodes_of(state).iter().all(|node| node.machine.term().0 < protocol.terms);
    terms && world.ghost_of(state).commands < protocol.commands
}

impl<P: Bounded> Entry<P> {
    /// The world of this model.
    #[must_use]
    pub fn world(&self) -> World<P> {
        World::new(self.protocol.clone(), self.bounds)
    }

    /// The world in which states with different names are different: for replaying traces.
    #[must_use]
    pub fn world_with_names(&self) -> World<P> {
        World::new(self.protocol.clone(), Bounds { symmetry: false, ..self.bounds })
    }

    /// Its bounds in one line.
    #[must_use]
    pub fn describe_bounds(&self) -> String {
        let fsync = match self.bounds.fsync {
            Fsync::OwnStep { pending_max } => format!("own step, {pending_max} pending"),
            Fsync::OwnStepUntilLastCrash { pending_max } => {
                format!("own step until the last crash, {pending_max} pending")
            }
            Fsync::Immediate => "at once".to_owned(),
        };
        let limits = self.protocol.describe_bounds();
        format!("{limits}, {} crashes, fsync {fsync}", self.bounds.crashes)
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
        let property = property.or(self.expected);
        let symmetry = options.symmetry;
        let world = || if symmetry { self.world() } else { self.world_with_names() };
        if let Some(goal) = &self.goal {
            return trap::check(self.name, &world(), goal, options.time_limit, progress);
        }
        let mut options = options;
        if let Some(at) = &mut options.checkpoint {
            // What is explored, and for what: a file of another search is refused.
            let names = if symmetry { "" } else { "; with names" };
            let bounds = self.describe_bounds();
            at.identity = format!("{}: {bounds}; {property:?}{names}", self.name);
        }
        let make = || {
            let mut world = world();
            if let Some(property) = property {
                world.retain_property(property);
            }
            world
        };
        search::check(self.name, &make, self.unreachable, options, progress)
    }
}
