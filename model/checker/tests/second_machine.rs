//! The worlds know nothing about the replication group: here they explore another machine.
//!
//! Two nodes mirror one cell. Whoever is asked writes the value, sends a copy, and answers when the
//! other says that it holds it. Careful nodes let copy and receipt wait for the disk; hasty ones do
//! not, and lose an answered value to a crash.

use ringleader_checker::node::{Fsync, Node, Outbox, Stimulus};
use ringleader_checker::protocol::{Kind, Property, Protocol};
use ringleader_checker::search::{self, Options, Report, Verdict};
use ringleader_checker::world::{Bounds, World};
use ringleader_core::ids::{IoNumber, ReplicaId, RequestId, Tick};
use ringleader_core::machine::{Effect, Effects, Input, Machine, Recovered};

/// One of the two nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Mirror {
    config: MirrorConfig,
    cell: Option<u8>,
    asked: Option<RequestId>,
    issued: IoNumber,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct MirrorConfig {
    id: ReplicaId,
    hasty: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Said {
    Copy(u8),
    Held(u8),
}

impl Mirror {
    fn write(&mut self, value: u8, effects: &mut Effects<Self>) -> IoNumber {
        self.cell = Some(value);
        self.issued.0 += 1;
        effects.push(Effect::Write { io: self.issued, write: value });
        if self.config.hasty { IoNumber::NONE } else { self.issued }
    }
}

impl Machine for Mirror {
    type Config = MirrorConfig;
    type Message = Said;
    type Request = u8;
    type Answer = u8;
    type Timer = ();
    type Write = u8;
    type Durable = Option<u8>;
    type Ask = ();
    type Told = ();

    fn fold(durable: &mut Option<u8>, write: &u8) {
        *durable = Some(*write);
    }

    fn recover(
        config: &MirrorConfig,
        disk: Recovered<Option<u8>>,
        _: Tick,
        _: &mut Effects<Self>,
    ) -> Self {
        let issued = IoNumber::NONE;
        Self { config: config.clone(), cell: disk.durable, asked: None, issued }
    }

    fn step(&mut self, _: Tick, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Request { id, request } => {
                self.asked = Some(id);
                let after = self.write(request, effects);
                let other = ReplicaId(1 - self.config.id.0);
                effects.send(other, Said::Copy(request), after);
            }
            Input::Receive { from, message: Said::Copy(value) } => {
                let after = self.write(value, effects);
                effects.send(from, Said::Held(value), after);
            }
            Input::Receive { message: Said::Held(answer), .. } => {
                if let Some(id) = self.asked.take() {
                    effects.push(Effect::Answer { id, answer, after: IoNumber::NONE });
                }
            }
            Input::Timer(()) | Input::Persisted(_) | Input::Told(()) => {}
        }
    }

    fn rebase(&mut self, _: Tick, io: IoNumber) {
        self.issued.0 -= io.0;
    }
}

/// The two nodes in a world; one client asks one of them once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Mirrors {
    hasty: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    asked: bool,
    answered: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Happened {
    Asked,
    Answered(u8),
}

const VALUE: u8 = 7;

impl Protocol for Mirrors {
    type Machine = Mirror;
    type Host = ();
    type Event = Happened;
    type Ghost = Seen;
    type View = ();

    fn nodes(&self) -> u8 {
        2
    }
    fn config(&self, id: ReplicaId) -> MirrorConfig {
        MirrorConfig { id, hasty: self.hasty }
    }
    fn initial_ghost(&self) -> Seen {
        Seen::default()
    }
    fn on_answer(&self, _: RequestId, answer: u8, out: &mut Outbox<Self>) {
        out.events.push(Happened::Answered(answer));
    }
    fn remember(&self, ghost: &mut Seen, _: ReplicaId, event: &Happened) {
        match event {
            Happened::Asked => ghost.asked = true,
            Happened::Answered(value) => ghost.answered = Some(*value),
        }
    }
    fn requests(&self, ghost: &Seen, _: &Node<Self>) -> Vec<(RequestId, u8)> {
        if ghost.asked { Vec::new() } else { vec![(RequestId(1), VALUE)] }
    }
    fn invoked(&self, _: RequestId, _: &u8) -> Vec<Happened> {
        vec![Happened::Asked]
    }
    fn view(&self, _: &Node<Self>) {}
    fn rename(&self, node: &Node<Self>, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Node<Self> {
        let mut machine = node.machine.clone();
        machine.config.id = name(machine.config.id);
        node.renamed(machine, node.disk, node.pending.clone(), name)
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property {
                name: "an answered value is on both disks",
                kind: Kind::Always,
                holds: |_, it| {
                    let held = |value| it.nodes.iter().all(|node| node.disk == Some(value));
                    it.ghost.answered.is_none_or(held)
                },
            },
            Property {
                name: "an answer",
                kind: Kind::Sometimes,
                holds: |_, it| it.ghost.answered.is_some(),
            },
        ]
    }
    fn describe_request(&self, request: &u8) -> String {
        format!("client: set {request}")
    }
    fn describe_node(&self, node: &Node<Self>) -> String {
        format!("cell {:?} disk {:?}", node.machine.cell, node.disk)
    }
}

fn check(hasty: bool) -> Report {
    let fsync = Fsync::OwnStep { pending_max: 2 };
    let bounds = Bounds { crashes: 1, fsync, collect: true, symmetry: true };
    let make = || World::new(Mirrors { hasty }, bounds);
    search::check("mirrors", &make, &["hear", "timer"], Options::default(), &mut |_| ())
}

#[test]
fn careful_mirrors_keep_what_they_answered() {
    let report = check(false);
    assert!(matches!(report.verdict, Verdict::Holds), "{:?}", report.verdict);
}

#[test]
fn hasty_mirrors_are_caught_on_the_shortest_way() {
    let Verdict::Violated { property, trace } = check(true).verdict else {
        panic!("the receipt did not wait for the disk, and nobody noticed");
    };
    assert_eq!(property, "an answered value is on both disks");
    // Asked, copied, answered: nothing is durable yet.
    let told: Vec<_> = trace.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(told, ["client: set 7", "Copy(7)", "Held(7)"]);
}

/// A stimulus by hand: the receipt of a careful node leaves only with the write it names.
#[test]
fn a_gated_send_leaves_with_its_write() {
    let mirrors = Mirrors { hasty: false };
    let fsync = Fsync::OwnStep { pending_max: 2 };
    let node = Node::start(&mirrors, ReplicaId(1));
    let copy = Stimulus::Deliver { from: ReplicaId(0), message: Said::Copy(VALUE) };
    let (waiting, out) = node.after(&mirrors, &copy, fsync);
    assert_eq!((out.sends.len(), waiting.pending.len(), waiting.disk), (0, 1, None));
    let (durable, out) = waiting.after(&mirrors, &Stimulus::Persist, fsync);
    assert_eq!(out.sends, [(ReplicaId(0), Said::Held(VALUE))]);
    assert_eq!(durable.disk, Some(VALUE));
    let (crashed, out) = waiting.after(&mirrors, &Stimulus::Crash, fsync);
    assert_eq!((out.sends.len(), crashed.disk, crashed.machine.cell), (0, None, None));
}
