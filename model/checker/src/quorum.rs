//! A register with N copies in a world: what its clients do, what they may rely on, what may be
//! forgotten.

use crate::history::Value;
use crate::node::{MARK_LOST_WRITE, Node, Outbox};
use crate::protocol::{Bounded, Kind, Property, Protocol, Snapshot};
use crate::quorum_history::{Guarantee, Seen, client_of, request_of, value_of};
use ringleader_core::group::Rename;
use ringleader_core::ids::{ReplicaId, RequestId, Tick};
use ringleader_core::leaderless::quorum::{
    Answer, Ask, Config, ForeignEpoch, Message, Order, Placement, Quorum, Repair, Request, Ring,
    Stamp, Timer, Told, Version, invariant,
};
use ringleader_core::machine::{Effect, Effects, Input, Machine};
use std::fmt::Write as _;

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// Writes a value that nobody else writes.
    Write {
        /// How many copies must hold it.
        w: u8,
        /// How it is ordered.
        order: Order,
    },
    /// Reads.
    Read {
        /// How many copies are asked for.
        r: u8,
        /// What is done about those that are behind.
        repair: Repair,
    },
}

/// One client: asks one thing after another, always the same node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// Whom it asks.
    pub node: u8,
    /// What it asks, in order.
    pub script: Vec<Asked>,
}

/// The register within bounds. Owners come first, then the nodes that only coordinate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuorumProtocol {
    /// How many nodes.
    pub nodes: u8,
    /// The rings that there are, by epoch.
    pub rings: Vec<Ring>,
    /// Which of them each node knows at first.
    pub knows: Vec<u8>,
    /// Whether a node that looks for a later ring finds it.
    pub rings_are_found: bool,
    /// Which copies count.
    pub placement: Placement,
    /// What replicas do with a request of another ring.
    pub foreign_epoch: ForeignEpoch,
    /// How often the retry timer may fire for a request. Safety in a strict quorum needs none:
    /// nothing is ever lost for good.
    pub retries: u8,
    /// How often it may fire before the request is given up.
    pub retries_max: u8,
    /// How many counters are set aside with one write.
    pub reserved_at_once: u64,
    /// The clients.
    pub clients: Vec<Client>,
    /// What they may rely on.
    pub claims: Vec<Guarantee>,
}

/// What a step tells the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A client asked.
    Invoked(RequestId),
    /// A write was answered, with this stamp.
    Written(RequestId, Stamp),
    /// A read was answered.
    Found(RequestId, Option<Value>),
    /// A request ended without what was asked for.
    Ended(RequestId),
}

/// What the world remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// What clients saw.
    pub seen: Seen,
    /// The latest stamp of the writes that were answered, for each number of copies waited for.
    answered: Vec<(u8, Stamp)>,
}

/// What is worked out once about a node.
#[derive(Debug)]
pub struct View {
    /// The machine that a crash now would leave.
    recovered: Quorum<Value>,
}

const MARKS: [&str; 7] = [
    "a crash lost a write on its way",
    "a copy was replaced by a later one",
    "a copy arrived that was replaced already",
    "a read waited for copies to hold what it found",
    "a stand-in kept a copy",
    "a request of another ring was refused",
    "a request ended without an answer",
];
const _: () = assert!(MARK_LOST_WRITE == 0);

impl Protocol for QuorumProtocol {
    type Machine = Quorum<Value>;
    type Host = ();
    type Event = Event;
    type Ghost = Ghost;
    type View = View;

    fn nodes(&self) -> u8 {
        self.nodes
    }

    /// Owners that no client asks: nobody's stamp has their id. Stand-ins are found in the order of
    /// ids, so in a sloppy quorum every name matters.
    fn interchangeable(&self) -> u8 {
        let first_asked = self.clients.iter().map(|it| it.node).min().unwrap_or(0);
        let alike = self.rings.len() == 1 && self.placement == Placement::Strict;
        let owners = u8::try_from(self.rings[0].owners.len()).unwrap_or(0);
        if alike { first_asked.min(owners) } else { 0 }
    }

    fn config(&self, id: ReplicaId) -> Config {
        let known = self.knows.get(usize::from(id.0)).copied().unwrap_or(0);
        Config {
            id,
            ring: self.rings[usize::from(known)].clone(),
            placement: self.placement,
            foreign_epoch: self.foreign_epoch,
            retry_interval: Tick(0),
            retries_max: self.retries_max,
            reserved_at_once: self.reserved_at_once,
        }
    }

    fn initial_ghost(&self) -> Ghost {
        Ghost::default()
    }

    fn on_ask(&self, _: &mut Node<Self>, Ask::Ring { at_least }: Ask, out: &mut Outbox<Self>) {
        let found = self.rings.iter().find(|it| it.epoch >= at_least);
        if let Some(ring) = found.filter(|_| self.rings_are_found) {
            out.tell.push_back(Told::Ring(ring.clone()));
        }
    }

    fn on_answer(&self, id: RequestId, answer: Answer<Value>, out: &mut Outbox<Self>) {
        let event = match answer {
            Answer::Written(stamp) => Event::Written(id, stamp),
            Answer::Found(version) => Event::Found(id, version.map(|it| it.value)),
            Answer::NoSuchQuorum { .. } | Answer::Unknown | Answer::Unavailable => {
                out.mark(6);
                Event::Ended(id)
            }
        };
        out.events.push(event);
    }

    fn after_step(&self, before: &Quorum<Value>, node: &Node<Self>, out: &mut Outbox<Self>) {
        let after = &node.machine;
        if let Err(broken) = invariant::node_is_sound(after) {
            out.violate(broken);
        }
        if !invariant::copies_never_go_back(before, after) {
            out.violate("COPY-1: a copy was replaced by an earlier one");
        }
        if before.copy().is_some() && before.copy() != after.copy() {
            out.mark(1);
        }
        let acknowledged = |stamp: Stamp| {
            let says = |it: &(ReplicaId, Message<Value>)| matches!(it.1, Message::Stored { stamp: said, .. } if said == stamp);
            out.sends.iter().any(says)
        };
        if before.copy().is_some_and(|it| before.copy() == after.copy() && !acknowledged(it.stamp))
            && out.sends.iter().any(|it| matches!(it.1, Message::Stored { .. }))
        {
            out.mark(2);
        }
        if (0..self.nodes).any(|id| after.hint(ReplicaId(id)).is_some()) {
            out.mark(4);
        }
        if out.sends.iter().any(|it| matches!(it.1, Message::OtherRing { .. })) {
            out.mark(5);
        }
        if after.writes_back() {
            out.mark(3);
        }
    }

    fn on_send(
        &self,
        from: &Node<Self>,
        _: ReplicaId,
        message: &Message<Value>,
    ) -> Option<&'static str> {
        let started_with = self.config(from.id).ring.epoch;
        let durable = from.disk.ring.as_ref().map_or(started_with, |it| it.epoch.max(started_with));
        let takes_part = match message {
            Message::Stored { epoch, .. } | Message::Copy { epoch, .. } => Some(*epoch),
            Message::Store { .. } | Message::Question { .. } | Message::OtherRing { .. } => None,
        };
        if takes_part.is_some_and(|epoch| epoch > durable) {
            return Some("EPOCH-1: takes part in a ring that a crash would make it forget");
        }
        invariant::is_durable(from.id, &from.disk, message).err()
    }

    fn remember(&self, ghost: &mut Ghost, _: ReplicaId, event: &Event) {
        match event {
            Event::Invoked(request) => match self.asked(*request) {
                Some(Asked::Write { .. }) => ghost.seen.write_invoked(*request),
                Some(Asked::Read { .. }) => ghost.seen.read_invoked(*request),
                None => {}
            },
            Event::Written(request, stamp) => {
                ghost.seen.write_returned(*request);
                if let Some(Asked::Write { w, .. }) = self.asked(*request) {
                    ghost.answered.retain(|it| it.0 != w || it.1 > *stamp);
                    if ghost.answered.iter().all(|it| it.0 != w) {
                        ghost.answered.push((w, *stamp));
                    }
                    ghost.answered.sort_unstable();
                }
            }
            Event::Found(request, value) => ghost.seen.read_returned(*request, *value),
            Event::Ended(request) => ghost.seen.ended(*request),
        }
    }

    fn may_fire(&self, machine: &Quorum<Value>, Timer::Retry: Timer) -> bool {
        machine.retries_min().is_some_and(|it| it < self.retries)
    }

    fn requests(&self, ghost: &Ghost, node: &Node<Self>) -> Vec<(RequestId, Request<Value>)> {
        let clients = (0_u8..).zip(&self.clients).filter(|(_, it)| it.node == node.id.0);
        let next = clients.filter_map(|(client, it)| {
            // A node that coordinates nothing lost the client's request in a crash, and the client
            // goes on without an answer.
            if ghost.seen.is_waiting(client) && node.machine.open_requests() > 0 {
                return None;
            }
            let index = ghost.seen.next_index(client);
            let request = request_of(client, index);
            Some((
                request,
                match *it.script.get(usize::from(index))? {
                    Asked::Write { w, order } => {
                        Request::Write { value: value_of(request), w, order }
                    }
                    Asked::Read { r, repair } => Request::Read { r, repair },
                },
            ))
        });
        next.collect()
    }

    fn invoked(&self, id: RequestId, _: &Request<Value>) -> Vec<Event> {
        vec![Event::Invoked(id)]
    }

    fn view(&self, node: &Node<Self>) -> View {
        View { recovered: node.recovered_machine(self) }
    }

    /// Each rule forgets what the receiver will ignore in this state and in every later one, a
    /// crash included: copies never go back, and no number is used twice.
    fn is_relevant(
        &self,
        (from, _): (&Node<Self>, &View),
        message: &Message<Value>,
        (to, view): (&Node<Self>, &View),
        may_crash: bool,
    ) -> bool {
        match message {
            // That an older version is ignored is for the machine to say, not for us to assume.
            Message::Store { version, .. } => {
                from.machine.awaits_stored(to.id, version.stamp)
                    || !only_answers(&to.machine, from.id, message)
                    || may_crash && !only_answers(&view.recovered, from.id, message)
            }
            Message::Stored { stamp, .. } => to.machine.awaits_stored(from.id, *stamp),
            // That no question gets the number of an earlier one is for the machine to say.
            Message::Question { number, .. } => {
                let asker = &from.machine;
                asker.awaits_copy(to.id, *number) || *number > asker.questions_asked()
            }
            Message::Copy { number, .. } => {
                let asker = &to.machine;
                asker.awaits_copy(from.id, *number) || *number > asker.questions_asked()
            }
            Message::OtherRing { epoch } => {
                self.rings_are_found && *epoch > to.machine.ring().epoch
            }
        }
    }

    fn is_hearsay(&self, _: &Message<Value>) -> bool {
        false
    }

    fn hearsay(&self, _: &Node<Self>, _: &Node<Self>) -> Option<Message<Value>> {
        None
    }

    fn rename(&self, node: &Node<Self>, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Node<Self> {
        let pending = node.pending.iter().map(|write| write.rename(name)).collect();
        node.renamed(node.machine.rename(name), node.disk.rename(name), pending, name)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            always("MACHINE", |_, it| unbroken(it, "MACHINE")),
            always("COPY-1", |_, it| unbroken(it, "COPY-1")),
            always("COPY-2", |_, it| unbroken(it, "COPY-2")),
            always("STAMP-1", |_, it| {
                unbroken(it, "STAMP-1") && invariant::stamps_name_one_value(&versions(it))
            }),
            always("STAMP-2", |_, it| unbroken(it, "STAMP-2")),
            always("ACK-1", |_, it| {
                it.ghost.answered.iter().all(|&(w, stamp)| {
                    let disks = it.nodes.iter().map(|node| &node.disk);
                    invariant::is_on_enough_disks(disks, stamp, w)
                })
            }),
            always("EPOCH-1", |_, it| {
                unbroken(it, "EPOCH-1")
                    && it.nodes.iter().all(|node| {
                        let told = node.disk.ring.as_ref();
                        told.is_none_or(|ring| node.machine.ring().epoch >= ring.epoch)
                    })
            }),
            always("VALUE-1", |_, it| !it.ghost.seen.invented()),
            sometimes("every client came to its end", |protocol, it| {
                let all: usize = protocol.clients.iter().map(|it| it.script.len()).sum();
                it.ghost.seen.finished() == all
            }),
        ];
        let reads = |it: &Client| it.script.iter().any(|it| matches!(it, Asked::Read { .. }));
        if self.clients.iter().any(reads) {
            properties
                .push(sometimes("a read found a value", |_, it| it.ghost.seen.read_something()));
            properties
                .push(sometimes("a read overlapped a write", |_, it| it.ghost.seen.has_overlap()));
        }
        properties.extend(self.claims.iter().map(|it| claim(*it)));
        properties
    }

    fn marks(&self) -> &'static [&'static str] {
        &MARKS
    }

    fn describe_message(&self, message: &Message<Value>) -> String {
        match message {
            Message::Store { version, keep_for, .. } => {
                let instead = instead_of(*keep_for);
                format!("keep {}{instead}", describe(Some(version)))
            }
            Message::Stored { stamp, .. } => format!("I hold {}", describe_stamp(*stamp)),
            Message::Question { number, instead_of: owner, .. } => {
                format!("question {number}: what do you hold{}?", instead_of(*owner))
            }
            Message::Copy { number, version, .. } => {
                format!("to question {number}: {}", describe(version.as_ref()))
            }
            Message::OtherRing { epoch } => format!("I know ring {}", epoch.0),
        }
    }

    fn describe_request(&self, request: &Request<Value>) -> String {
        match request {
            Request::Write { value, w, order } => {
                let how = match order {
                    Order::OwnCounter => String::new(),
                    Order::AskFirst { r } => format!(", ask {r} first"),
                };
                format!("client: write v{value}, W={w}{how}")
            }
            Request::Read { r, repair } => {
                let how = match repair {
                    Repair::None => "",
                    Repair::Asynchronous => ", repair",
                    Repair::Blocking { .. } => ", write back",
                };
                format!("client: read, R={r}{how}")
            }
        }
    }

    fn describe_event(&self, event: &Event) -> Option<String> {
        let client = |request: RequestId| client_of(request).0;
        match event {
            Event::Invoked(request) => Some(format!("asked by client {}", client(*request))),
            Event::Written(request, stamp) => {
                let stamp = describe_stamp(*stamp);
                Some(format!("client {} is answered: written as {stamp}", client(*request)))
            }
            Event::Found(request, value) => {
                let value = value.map_or("nothing".to_owned(), |it| format!("v{it}"));
                Some(format!("client {} is answered: {value}", client(*request)))
            }
            Event::Ended(request) => Some(format!("client {} learns nothing", client(*request))),
        }
    }

    fn describe_timer(&self, Timer::Retry: Timer) -> String {
        "asks again".to_owned()
    }

    fn describe_node(&self, node: &Node<Self>) -> String {
        let mut text = format!("holds {}", describe(node.machine.copy()));
        if node.disk.copy.as_ref() != node.machine.copy() {
            let _ = write!(text, ", disk {}", describe(node.disk.copy.as_ref()));
        }
        for id in (0..self.nodes).map(ReplicaId) {
            if let Some(version) = node.machine.hint(id) {
                let _ = write!(text, ", for {} {}", id.0, describe(Some(version)));
            }
        }
        text
    }
}

impl Bounded for QuorumProtocol {
    fn describe_bounds(&self) -> String {
        let operations: Vec<usize> = self.clients.iter().map(|it| it.script.len()).collect();
        let operations: usize = operations.iter().sum();
        let copies = self.rings[0].owners.len();
        let (nodes, clients) = (self.nodes, self.clients.len());
        format!("{copies} copies, {nodes} nodes, {clients} clients, {operations} operations")
    }
}

impl QuorumProtocol {
    fn asked(&self, request: RequestId) -> Option<Asked> {
        let (client, index) = client_of(request);
        self.clients.get(usize::from(client))?.script.get(usize::from(index)).copied()
    }
}

/// Whether a node would do nothing about this message but answer it.
fn only_answers(machine: &Quorum<Value>, from: ReplicaId, message: &Message<Value>) -> bool {
    let mut after = machine.clone();
    let mut effects = Effects::new();
    let input = Input::Receive { from, message: message.clone() };
    after.step(Tick(0), input, &mut effects);
    let answers = effects.drain().all(|it| matches!(it, Effect::Send { .. }));
    answers && after == *machine
}

fn versions<'a>(it: &Snapshot<'a, QuorumProtocol>) -> Vec<&'a Version<Value>> {
    let of_node = |node: &&'a Node<QuorumProtocol>| {
        node.disk.copy.iter().chain(node.disk.hints.values()).chain(node.machine.copy())
    };
    it.nodes.iter().flat_map(of_node).collect()
}

fn always(
    name: &'static str,
    holds: fn(&QuorumProtocol, &Snapshot<'_, QuorumProtocol>) -> bool,
) -> Property<QuorumProtocol> {
    Property { name, kind: Kind::Always, holds }
}

fn sometimes(
    name: &'static str,
    holds: fn(&QuorumProtocol, &Snapshot<'_, QuorumProtocol>) -> bool,
) -> Property<QuorumProtocol> {
    Property { name, kind: Kind::Sometimes, holds }
}

fn unbroken(it: &Snapshot<'_, QuorumProtocol>, prefix: &str) -> bool {
    it.nodes.iter().all(|node| node.violation.is_none_or(|name| !name.starts_with(prefix)))
}

fn claim(guarantee: Guarantee) -> Property<QuorumProtocol> {
    let name = guarantee.name();
    match guarantee {
        Guarantee::Linearizable => always(name, |_, it| fits(it, Guarantee::Linearizable)),
        Guarantee::Regular => always(name, |_, it| fits(it, Guarantee::Regular)),
        Guarantee::ReadYourWrites => always(name, |_, it| fits(it, Guarantee::ReadYourWrites)),
        Guarantee::MonotonicReads => always(name, |_, it| fits(it, Guarantee::MonotonicReads)),
        Guarantee::Eventual => always(name, |protocol, it| {
            let idle = it.silent && it.ghost.seen.is_idle();
            !idle || owners_agree(protocol, it)
        }),
    }
}

fn fits(it: &Snapshot<'_, QuorumProtocol>, guarantee: Guarantee) -> bool {
    !it.ghost.seen.is_broken(guarantee)
}

/// All owners of the latest ring hold the latest version that is anywhere.
fn owners_agree(protocol: &QuorumProtocol, it: &Snapshot<'_, QuorumProtocol>) -> bool {
    let latest = versions(it).into_iter().max();
    let ring = protocol.rings.iter().max_by_key(|it| it.epoch);
    let owners = ring.into_iter().flat_map(|it| &it.owners);
    owners.map(|id| &it.nodes[usize::from(id.0)]).all(|node| node.machine.copy() == latest)
}

fn describe(version: Option<&Version<Value>>) -> String {
    version
        .map_or("nothing".to_owned(), |it| format!("v{} ({})", it.value, describe_stamp(it.stamp)))
}

fn describe_stamp(stamp: Stamp) -> String {
    format!("stamp {}.{}", stamp.counter, stamp.writer.0)
}

fn instead_of(owner: Option<ReplicaId>) -> String {
    owner.map_or(String::new(), |it| format!(" instead of {}", it.0))
}
