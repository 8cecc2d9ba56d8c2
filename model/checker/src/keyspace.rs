//! Routers and the owners of partitions in a world: what clients and the control plane do, what
//! must hold while partitions split and move, what may be forgotten.

use crate::history::Value;
use crate::node::{MARK_LOST_WRITE, Node, Outbox};
use crate::protocol::{Bounded, Kind, Property, Protocol, Snapshot};
use crate::quorum_history::{Guarantee, Seen, client_of, request_of, value_of};
use crate::several::Either;
use ringleader_core::ids::{ReplicaId, RequestId, Tick};
use ringleader_core::keyspace::partition_map::{Assignment, Epoch, PartitionId, PartitionMap};
use ringleader_core::keyspace::range::Token;
use ringleader_core::keyspace::routing::{self, Access, Message, Router, RouterConfig};
use ringleader_core::keyspace::split::{self, Change, Host, HostConfig, Outcome, Partition, Stage};
use ringleader_core::machine::{Effect, Effects, Input, Machine};

/// A router or a host.
pub type Party = Either<Router<Value>, Host<Value>>;

/// Requests of the control plane are numbered as if it were this client.
const CONTROL_PLANE: u8 = 200;

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// Writes a value that nobody else writes.
    Put(u128),
    /// Reads.
    Get(u128),
}

impl Asked {
    fn token(self) -> Token {
        match self {
            Self::Put(token) | Self::Get(token) => Token(token),
        }
    }
}

/// One client: asks one thing after another, always the same router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// Which router, counted from 0.
    pub router: u8,
    /// What it asks, in order.
    pub script: Vec<Asked>,
}

/// The keyspace within bounds. Hosts come first, then routers. At first host 0 has one partition
/// with everything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceProtocol {
    /// How many hosts.
    pub hosts: u8,
    /// How many routers.
    pub routers: u8,
    /// The keys that are looked at.
    pub keys: Vec<u128>,
    /// The clients.
    pub clients: Vec<Client>,
    /// What the control plane asks for, each once, of whichever host has that partition.
    pub changes: Vec<Change>,
    /// Whether timers fire. Safety needs none: nothing is ever lost for good.
    pub timers: bool,
}

/// What a step tells the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A client asked, or the control plane.
    Invoked(RequestId),
    /// A client was answered.
    Done(RequestId, Option<Value>),
    /// A change is durable, or was refused.
    Changed(RequestId, Outcome),
}

/// What the world remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// What clients saw, by key.
    seen: Vec<Seen>,
    /// How many operations each client has asked for, and whether it waits.
    clients: Vec<(u8, bool)>,
    /// Which changes were asked for.
    changes: Vec<bool>,
    /// How many changes were begun.
    begun: u8,
    /// What was promised for each key.
    promised: Vec<u64>,
}

/// What is worked out once about a node.
#[derive(Debug)]
pub struct View {
    /// The machine that a crash now would leave.
    recovered: Party,
}

const MARKS: [&str; 3] =
    ["a crash lost a write on its way", "a request was refused", "a router was redirected"];
const _: () = assert!(MARK_LOST_WRITE == 0);

impl KeyspaceProtocol {
    fn is_host(&self, id: ReplicaId) -> bool {
        id.0 < self.hosts
    }

    fn first_map() -> PartitionMap {
        PartitionMap::of_one(PartitionId(1), ReplicaId(0))
    }

    fn asked(&self, request: RequestId) -> Option<Asked> {
        let (client, index) = client_of(request);
        self.clients.get(usize::from(client))?.script.get(usize::from(index)).copied()
    }

    fn key(&self, token: Token) -> Option<usize> {
        self.keys.iter().position(|it| Token(*it) == token)
    }
}

impl Protocol for KeyspaceProtocol {
    type Machine = Party;
    type Host = ();
    type Event = Event;
    type Ghost = Ghost;
    type View = View;

    fn nodes(&self) -> u8 {
        self.hosts + self.routers
    }

    fn interchangeable(&self) -> u8 {
        0
    }

    fn config(&self, id: ReplicaId) -> <Party as Machine>::Config {
        let map = Self::first_map();
        if self.is_host(id) {
            let created = map.assignments().iter().filter(|it| it.home == id).copied().collect();
            Either::Second(HostConfig { id, created, resend_interval: Tick(0) })
        } else {
            Either::First(RouterConfig { id, map, retry_interval: Tick(0) })
        }
    }

    fn initial_ghost(&self) -> Ghost {
        Ghost {
            seen: vec![Seen::default(); self.keys.len()],
            clients: vec![(0, false); self.clients.len()],
            changes: vec![false; self.changes.len()],
            begun: 0,
            promised: vec![0; self.keys.len()],
        }
    }

    fn on_ask(&self, _: &mut Node<Self>, ask: Either<(), ()>, _: &mut Outbox<Self>) {
        match ask {
            Either::First(()) | Either::Second(()) => {}
        }
    }

    fn on_answer(&self, id: RequestId, answer: <Party as Machine>::Answer, out: &mut Outbox<Self>) {
        out.events.push(match answer {
            Either::First(routing::Answer { value }) => Event::Done(id, value),
            Either::Second(outcome) => Event::Changed(id, outcome),
        });
    }

    fn after_step(&self, before: &Party, node: &Node<Self>, out: &mut Outbox<Self>) {
        let is_refusal = |it: &(ReplicaId, Message<Value>)| matches!(it.1, Message::Refused { .. });
        if out.sends.iter().any(is_refusal) {
            out.mark(1);
        }
        let redirects = |party: &Party| party.first().map(Router::redirects_max);
        if redirects(&node.machine) > redirects(before) {
            out.mark(2);
        }
    }

    /// `COPY-3`: whatever shows a change is said only once the change is on the disk.
    fn on_send(
        &self,
        from: &Node<Self>,
        _: ReplicaId,
        message: &Message<Value>,
    ) -> Option<&'static str> {
        let disk = &from.disk.second.partitions;
        let is_held = |shown: &Assignment| {
            disk.values().any(|it| {
                it.assignment.range.overlaps(shown.range) && it.successor().epoch >= shown.epoch
            })
        };
        let (durable, name) = match message {
            Message::Refused { known: Some(known), .. } => {
                (is_held(known), "COPY-3: a change was shown before the fsync")
            }
            Message::Install(parcel) => {
                (is_held(&parcel.assignment), "COPY-3: a partition was sent before it ended here")
            }
            Message::Installed { assignment } => {
                (is_held(assignment), "COPY-3: a partition was acknowledged before the fsync")
            }
            Message::Refused { known: None, .. } | Message::Do { .. } | Message::Done { .. } => {
                (true, "")
            }
        };
        (!durable).then_some(name)
    }

    fn remember(&self, ghost: &mut Ghost, _: ReplicaId, event: &Event) {
        let client = |request: RequestId| usize::from(client_of(request).0);
        match *event {
            Event::Invoked(request) => {
                let (who, index) = client_of(request);
                if who == CONTROL_PLANE {
                    ghost.changes[usize::from(index)] = true;
                    return;
                }
                ghost.clients[client(request)] = (index + 1, true);
                let Some(asked) = self.asked(request) else { return };
                let Some(key) = self.key(asked.token()) else { return };
                match asked {
                    Asked::Put(_) => ghost.seen[key].write_invoked(request),
                    Asked::Get(_) => ghost.seen[key].read_invoked(request),
                }
            }
            Event::Done(request, value) => {
                ghost.clients[client(request)].1 = false;
                let Some(asked) = self.asked(request) else { return };
                let Some(key) = self.key(asked.token()) else { return };
                match asked {
                    Asked::Put(_) => ghost.seen[key].write_returned(request),
                    Asked::Get(_) => ghost.seen[key].read_returned(request, value),
                }
            }
            Event::Changed(request, outcome) => {
                ghost.begun += u8::from(outcome == Outcome::Begun);
                let change = self.changes.get(usize::from(client_of(request).1)).copied();
                // A promise for the first partition is one for every key.
                if let (Some(Change::Promise { until, .. }), Outcome::Begun) = (change, outcome) {
                    ghost.promised.iter_mut().for_each(|it| *it = until.max(*it));
                }
            }
        }
    }

    fn may_fire(&self, machine: &Party, timer: <Party as Machine>::Timer) -> bool {
        let is_own = match (machine, timer) {
            (Either::First(_), Either::First(routing::Timer::Retry))
            | (Either::Second(_), Either::Second(split::Timer::Resend)) => true,
            (Either::First(_), Either::Second(_)) | (Either::Second(_), Either::First(_)) => false,
        };
        self.timers && is_own
    }

    fn requests(
        &self,
        ghost: &Ghost,
        node: &Node<Self>,
    ) -> Vec<(RequestId, <Party as Machine>::Request)> {
        match &node.machine {
            Either::First(router) => self.client_requests(ghost, node.id, router),
            Either::Second(host) => self.control_requests(ghost, host),
        }
    }

    fn invoked(&self, id: RequestId, _: &<Party as Machine>::Request) -> Vec<Event> {
        vec![Event::Invoked(id)]
    }

    fn view(&self, node: &Node<Self>) -> View {
        View { recovered: node.recovered_machine(self) }
    }

    /// Each rule forgets what the receiver will ignore in this state and in every later one, a
    /// crash included.
    fn is_relevant(
        &self,
        (from, from_view): (&Node<Self>, &View),
        message: &Message<Value>,
        (to, to_view): (&Node<Self>, &View),
        may_crash: bool,
    ) -> bool {
        let now_and_recovered = |node: &Node<Self>, view: &View, test: &dyn Fn(&Party) -> bool| {
            test(&node.machine) || may_crash && test(&view.recovered)
        };
        match message {
            Message::Do { number, epoch, token, .. } => {
                let awaited = from.machine.first().is_some_and(|it| it.awaits(*number));
                let still_acts = |party: &Party| {
                    !is_past(party, *token, *epoch) || !only_answers(party, from.id, message)
                };
                awaited || now_and_recovered(to, to_view, &still_acts)
            }
            Message::Done { number, .. } => to.machine.first().is_some_and(|it| it.awaits(*number)),
            Message::Refused { number, known } => {
                let teaches = |party: &Party| {
                    let router = party.first();
                    router.zip(*known).is_some_and(|(it, known)| it.map().clone().learn(known))
                };
                to.machine.first().is_some_and(|it| it.awaits(*number))
                    || now_and_recovered(to, to_view, &teaches)
            }
            Message::Install(parcel) => {
                let sends = |party: &Party| is_leaving(party, &parcel.assignment);
                now_and_recovered(from, from_view, &sends)
                    || now_and_recovered(to, to_view, &|party| {
                        !only_answers(party, from.id, message)
                    })
            }
            Message::Installed { assignment } => {
                now_and_recovered(to, to_view, &|party| is_leaving(party, assignment))
            }
        }
    }

    fn is_hearsay(&self, _: &Message<Value>) -> bool {
        false
    }

    fn hearsay(&self, _: &Node<Self>, _: &Node<Self>) -> Option<Message<Value>> {
        None
    }

    /// Names mean something here: no two nodes are alike.
    fn rename(&self, node: &Node<Self>, _: &dyn Fn(ReplicaId) -> ReplicaId) -> Node<Self> {
        node.clone()
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            always("OWNER-1", |protocol, it| {
                protocol.keys.iter().all(|key| owners(it, Token(*key)).count() <= 1)
            }),
            always("ITEM-1", |_, it| partitions(it).all(Partition::holds_only_its_own)),
            always("MAP-1", |_, it| {
                routers(it).all(|router| router.map().covers_everything_once())
            }),
            // Each redirect is news of a change; two are enough where nothing changes any more.
            always("REDIRECT-1", |_, it| {
                let enough = it.ghost.begun.max(2);
                routers(it).all(|router| router.redirects_max() <= enough)
            }),
            always("PROMISE-1", |protocol, it| {
                protocol.keys.iter().zip(&it.ghost.promised).all(|(key, promised)| {
                    owners(it, Token(*key)).all(|owner| owner.promised >= *promised)
                })
            }),
            always("COPY-3", |_, it| {
                let broken = it.nodes.iter().filter_map(|node| node.violation);
                broken.into_iter().all(|name| !name.starts_with("COPY-3"))
            }),
            always("LINEARIZABLE", |_, it| {
                let broken =
                    |seen: &Seen| seen.invented() || seen.is_broken(Guarantee::Linearizable);
                !it.ghost.seen.iter().any(broken)
            }),
            sometimes("every client was answered", |protocol, it| {
                let counts = it.ghost.clients.iter().zip(&protocol.clients);
                counts.into_iter().all(|((asked, waits), client)| {
                    usize::from(*asked) == client.script.len() && !waits
                })
            }),
            sometimes("every change was made", |protocol, it| {
                usize::from(it.ghost.begun) == protocol.changes.len()
            }),
        ];
        let gets = |it: &Client| it.script.iter().any(|it| matches!(it, Asked::Get(_)));
        if self.clients.iter().any(gets) {
            properties.push(sometimes("a read found a value", |_, it| {
                it.ghost.seen.iter().any(Seen::read_something)
            }));
        }
        properties
    }

    fn marks(&self) -> &'static [&'static str] {
        &MARKS
    }

    fn describe_message(&self, message: &Message<Value>) -> String {
        match message {
            Message::Do { number, epoch, token, access } => {
                let (number, epoch) = (number & 0xff | number >> 8 << 4, epoch.0);
                match access {
                    Access::Put(value) => {
                        format!("#{number} epoch {epoch}: put key {} v{value}", token.0)
                    }
                    Access::Get => format!("#{number} epoch {epoch}: get key {}", token.0),
                }
            }
            Message::Done { number, value } => {
                let number = number & 0xff | number >> 8 << 4;
                format!("#{number} done: {}", describe_value(*value))
            }
            Message::Refused { number, known } => {
                let number = number & 0xff | number >> 8 << 4;
                let known = known.map_or("not here".to_owned(), |it| describe_assignment(&it));
                format!("#{number} refused: {known}")
            }
            Message::Install(parcel) => {
                format!("here is {}", describe_assignment(&parcel.assignment))
            }
            Message::Installed { assignment } => {
                format!("I have {}", describe_assignment(assignment))
            }
        }
    }

    fn describe_request(&self, request: &<Party as Machine>::Request) -> String {
        match request {
            Either::First(routing::Request { token, access: Access::Put(value) }) => {
                format!("client: put key {} v{value}", token.0)
            }
            Either::First(routing::Request { token, access: Access::Get }) => {
                format!("client: get key {}", token.0)
            }
            Either::Second(Change::Split { partition, at }) => {
                format!("split P{} after {}", partition.0, at.0)
            }
            Either::Second(Change::Move { partition, to }) => {
                format!("move P{} to {}", partition.0, to.0)
            }
            Either::Second(Change::Promise { partition, until }) => {
                format!("promise for P{} until {until}", partition.0)
            }
        }
    }

    fn describe_event(&self, event: &Event) -> Option<String> {
        match event {
            Event::Invoked(_) => None,
            Event::Done(request, value) => {
                let client = client_of(*request).0;
                Some(format!("client {client} is answered: {}", describe_value(*value)))
            }
            Event::Changed(_, Outcome::Begun) => Some("the change is durable".to_owned()),
            Event::Changed(_, Outcome::Refused) => Some("the change is refused".to_owned()),
        }
    }

    fn describe_timer(&self, timer: <Party as Machine>::Timer) -> String {
        match timer {
            Either::First(routing::Timer::Retry) => "asks again".to_owned(),
            Either::Second(split::Timer::Resend) => "sends it again".to_owned(),
        }
    }

    fn describe_node(&self, node: &Node<Self>) -> String {
        match &node.machine {
            Either::First(router) => {
                let known = router.map().assignments().iter().map(describe_assignment);
                format!("believes {}", known.collect::<Vec<_>>().join(", "))
            }
            Either::Second(host) => {
                let here = host.partitions().map(|it| {
                    let stage = match it.stage {
                        Stage::Open => "open".to_owned(),
                        Stage::Leaving { successor } => format!("leaving to {}", successor.home.0),
                        Stage::Gone { successor } => format!("gone to {}", successor.home.0),
                    };
                    format!("{} {stage}", describe_assignment(&it.assignment))
                });
                here.collect::<Vec<_>>().join(", ")
            }
        }
    }
}

impl Bounded for KeyspaceProtocol {
    fn describe_bounds(&self) -> String {
        let Self { hosts, routers, keys, clients, changes, .. } = self;
        let operations: usize = clients.iter().map(|it| it.script.len()).sum();
        let (keys, changes) = (keys.len(), changes.len());
        format!(
            "{hosts} hosts, {routers} routers, {keys} keys, {operations} operations, {changes} changes"
        )
    }
}

impl KeyspaceProtocol {
    fn client_requests(
        &self,
        ghost: &Ghost,
        id: ReplicaId,
        router: &Router<Value>,
    ) -> Vec<(RequestId, <Party as Machine>::Request)> {
        let mut requests = Vec::new();
        for (client, (it, &(asked, waits))) in (0..).zip(self.clients.iter().zip(&ghost.clients)) {
            // A router that has nothing open lost the request in a crash, and the client goes on.
            if self.hosts + it.router != id.0 || waits && router.open_requests() > 0 {
                continue;
            }
            let Some(next) = it.script.get(usize::from(asked)) else { continue };
            let request = request_of(client, asked);
            let access = match next {
                Asked::Put(_) => Access::Put(value_of(request)),
                Asked::Get(_) => Access::Get,
            };
            let token = next.token();
            requests.push((request, Either::First(routing::Request { token, access })));
        }
        requests
    }

    fn control_requests(
        &self,
        ghost: &Ghost,
        host: &Host<Value>,
    ) -> Vec<(RequestId, <Party as Machine>::Request)> {
        let open = |id: PartitionId| {
            host.partitions().any(|it| it.assignment.partition == id && it.stage == Stage::Open)
        };
        let is_here = |change: &Change| match *change {
            Change::Split { partition, .. }
            | Change::Move { partition, .. }
            | Change::Promise { partition, .. } => open(partition),
        };
        let changes = (0_u8..).zip(self.changes.iter().zip(&ghost.changes));
        let possible = changes.filter(|(_, (change, asked))| !**asked && is_here(change));
        possible
            .map(|(index, (change, _))| (request_of(CONTROL_PLANE, index), Either::Second(*change)))
            .collect()
    }
}

/// Whether a host knows that the token has had a later epoch, or serves this one.
fn is_past(party: &Party, token: Token, epoch: Epoch) -> bool {
    let Some(host) = party.second() else { return true };
    let latest = host.partitions().filter(|it| it.assignment.range.contains(token));
    latest.map(|it| it.successor().epoch).max().is_some_and(|it| it >= epoch)
}

fn is_leaving(party: &Party, assignment: &Assignment) -> bool {
    let stage = Stage::Leaving { successor: *assignment };
    party.second().is_some_and(|host| host.partitions().any(|it| it.stage == stage))
}

/// Whether a node would do nothing about this message but answer it.
fn only_answers(party: &Party, from: ReplicaId, message: &Message<Value>) -> bool {
    let mut after = party.clone();
    let mut effects = Effects::new();
    let input = Input::Receive { from, message: message.clone() };
    after.step(Tick(0), input, &mut effects);
    let answers = effects.drain().all(|it| matches!(it, Effect::Send { .. }));
    answers && after == *party
}

type Shown<'a, 'b> = &'b Snapshot<'a, KeyspaceProtocol>;

fn routers<'b>(it: Shown<'_, 'b>) -> impl Iterator<Item = &'b Router<Value>> {
    it.nodes.iter().filter_map(|node| node.machine.first())
}

fn partitions<'b>(it: Shown<'_, 'b>) -> impl Iterator<Item = &'b Partition<Value>> {
    it.nodes.iter().filter_map(|node| node.machine.second()).flat_map(Host::partitions)
}

/// The partitions that may answer for a token.
pub(crate) fn owners<'b>(
    it: Shown<'_, 'b>,
    token: Token,
) -> impl Iterator<Item = &'b Partition<Value>> {
    partitions(it).filter(move |it| it.stage == Stage::Open && it.assignment.range.contains(token))
}

fn always(
    name: &'static str,
    holds: fn(&KeyspaceProtocol, &Snapshot<'_, KeyspaceProtocol>) -> bool,
) -> Property<KeyspaceProtocol> {
    Property { name, kind: Kind::Always, holds }
}

fn sometimes(
    name: &'static str,
    holds: fn(&KeyspaceProtocol, &Snapshot<'_, KeyspaceProtocol>) -> bool,
) -> Property<KeyspaceProtocol> {
    Property { name, kind: Kind::Sometimes, holds }
}

fn describe_value(value: Option<Value>) -> String {
    value.map_or("nothing".to_owned(), |it| format!("v{it}"))
}

fn describe_assignment(it: &Assignment) -> String {
    let last = it.range.last().0;
    let last = if last == u128::MAX { "end".to_owned() } else { last.to_string() };
    let (first, epoch) = (it.range.first().0, it.epoch.0);
    format!("P{} [{first}..{last}] epoch {epoch} at {}", it.partition.0, it.home.0)
}
