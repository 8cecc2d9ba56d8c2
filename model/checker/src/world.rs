//! The world: nodes, a network, crashes and clients, as a direct stateright [`Model`].
//!
//! * **Network.** A set of messages; delivery does not remove. So every message may be delivered
//!   late, never, in any order, and any number of times: loss, delay, reordering and unlimited
//!   duplication need no actions of their own. A message that can have no further effect is
//!   forgotten ([`Protocol::is_relevant`]).
//! * **Disk.** Each write becomes durable in a step of its own, or within the step that issued it
//!   ([`Fsync`]). A crash loses whatever is not durable, and everything that waits for it.
//! * **Time** passes only where the protocol's worlds have clocks ([`crate::clock`]). Where they are
//!   prompt, a message arrives once.
//! * **Crash and restart** are one step: a node that is down is one to which nothing is delivered.
//!
//! A state is a few small integers: nodes, messages and histories are interned, and the step of a
//! node in a given state under a given stimulus is worked out once.

use crate::clock::Clocks;
use crate::intern::{AppendOnly, Interner};
use crate::node::{Fsync, Node, Outbox, Stimulus};
use crate::permutation::Permutations;
use crate::protocol::{Kind, Protocol, Snapshot};
use dashmap::DashMap;
use ringleader_core::ids::ReplicaId;
use ringleader_core::machine::Machine;
use ringleader_core::quorum::ReplicaSet;
use rustc_hash::FxBuildHasher;
use stateright::{Model, Property};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What bounds a world besides its protocol's own limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many crashes there may be.
    pub crashes: u8,
    /// When writes become durable.
    pub fsync: Fsync,
    /// Whether messages that can have no further effect are forgotten. Off only to validate the
    /// rules: the state space grows by orders of magnitude.
    pub collect: bool,
    /// Whether states that differ only in the names of the replicas are explored once.
    pub symmetry: bool,
}

/// Most nodes in a world.
pub const NODES_MAX: usize = 5;
/// Stands for a node that the world does not have.
const NOBODY: u32 = u32::MAX;

/// The numbers of the nodes' states, by id.
type Numbers = [u32; NODES_MAX];

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope<P: Protocol> {
    /// The sender.
    pub from: ReplicaId,
    /// The receiver.
    pub to: ReplicaId,
    /// What it says.
    pub message: <P::Machine as Machine>::Message,
}

/// A state of the world. The numbers are those of the world that made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    nodes: Numbers,
    /// Sorted.
    network: Vec<u32>,
    ghost: u32,
    crashes_left: u8,
    /// One bit per property: whether its predicate holds here. A function of the other fields.
    verdict: u32,
}

/// Something that may happen in a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A message arrives.
    Deliver(u32),
    /// `to` learns from `from` what needs no message.
    Hear {
        /// Who knows.
        from: u8,
        /// Who learns.
        to: u8,
    },
    /// The oldest write of a node becomes durable.
    Persist(u8),
    /// A node crashes and starts again.
    Crash(u8),
    /// The n-th armed timer of a node fires.
    Fire(u8, u8),
    /// The n-th request that a client may make of a node.
    Ask(u8, u8),
    /// Every message on its way is lost. Only in worlds that look for traps.
    LoseAll,
    /// Time passes; see [`crate::clock::Clocks::ways`].
    Pass(u8),
    /// A node is paused.
    Pause(u8),
    /// The links to a node from the nodes in this bit mask are cut.
    Cut(u8, u8),
}

/// The names of the kinds of actions, for coverage.
pub const ACTION_KINDS: [&str; 9] =
    ["deliver", "hear", "persist", "crash", "timer", "request", "time", "pause", "cut"];

/// A message, a node's state: something with a number, and what was worked out about it.
struct Known<P: Protocol> {
    /// Indexed by the number of a node's state.
    views: AppendOnly<P::View>,
    /// Indexed by the number of a node's state: the numbers of its images under each permutation.
    node_images: AppendOnly<Box<[u32]>>,
    /// Indexed by the number of a message: likewise.
    message_images: AppendOnly<Box<[u32]>>,
}

/// The interned result of one step of one node.
#[derive(Clone, Debug)]
struct Outcome<P: Protocol> {
    node: u32,
    sends: Box<[u32]>,
    events: Box<[P::Event]>,
    marks: u32,
}

/// A protocol within bounds. See the module's documentation.
pub struct World<P: Protocol> {
    protocol: P,
    bounds: Bounds,
    nodes: Interner<Node<P>>,
    known: Known<P>,
    permutations: Permutations,
    messages: Interner<Envelope<P>>,
    ghosts: Interner<P::Ghost>,
    steps: DashMap<(u32, Stimulus<P>), Arc<Outcome<P>>, FxBuildHasher>,
    deliveries: DashMap<(u32, u32), Arc<Outcome<P>>, FxBuildHasher>,
    relevance: DashMap<(u32, u32, u32, bool), bool, FxBuildHasher>,
    verdicts: DashMap<(Numbers, u32), u32, FxBuildHasher>,
    properties: Vec<crate::protocol::Property<P>>,
    names: Vec<(&'static str, Kind)>,
    taken: [AtomicU64; ACTION_KINDS.len()],
    marked: [AtomicU64; 32],
}

impl<P: Protocol> World<P> {
    /// A world in which nothing has happened yet.
    ///
    /// # Panics
    ///
    /// If the protocol has more than [`NODES_MAX`] nodes.
    #[must_use]
    pub fn new(protocol: P, bounds: Bounds) -> Self {
        assert!(usize::from(protocol.nodes()) <= NODES_MAX, "at most {NODES_MAX} nodes");
        let properties = protocol.properties();
        let names = properties.iter().map(|it| (it.name, it.kind)).collect();
        let permutations = if bounds.symmetry {
            Permutations::of(protocol.nodes())
        } else {
            Permutations::identity(protocol.nodes())
        };
        Self {
            protocol,
            bounds,
            nodes: Interner::new(),
            known: Known {
                views: AppendOnly::new(),
                node_images: AppendOnly::new(),
                message_images: AppendOnly::new(),
            },
            permutations,
            messages: Interner::new(),
            ghosts: Interner::new(),
            steps: DashMap::default(),
            deliveries: DashMap::default(),
            relevance: DashMap::default(),
            verdicts: DashMap::default(),
            properties,
            names,
            taken: std::array::from_fn(|_| AtomicU64::new(0)),
            marked: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The protocol.
    pub fn protocol(&self) -> &P {
        &self.protocol
    }

    /// The properties, by name, in the order of their bits.
    pub fn property_names(&self) -> &[(&'static str, Kind)] {
        &self.names
    }

    /// The bounds.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Forgets every property but this one: searches then look for it alone.
    pub fn retain_property(&mut self, name: &str) {
        self.properties.retain(|it| it.name == name);
        self.names.retain(|it| it.0 == name);
    }

    /// How often each kind of action was taken, and each mark hit.
    pub fn coverage(&self) -> Vec<(&'static str, u64)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let clocks = self.protocol.clocks();
        let has = |kind: &str| match kind {
            "time" => clocks != Clocks::Off,
            "pause" => clocks.pauses() > 0,
            "cut" => self.protocol.cuts_links(),
            _ => true,
        };
        let actions = ACTION_KINDS.iter().zip(&self.taken).filter(|(kind, _)| has(kind));
        let marks = self.protocol.marks().iter().zip(&self.marked);
        actions.chain(marks).map(|(&name, counter)| (name, count(counter))).collect()
    }

    /// How many different nodes, messages and histories were seen.
    pub fn interned(&self) -> (usize, usize, usize) {
        (self.nodes.len(), self.messages.len(), self.ghosts.len())
    }

    /// The nodes of a state.
    pub fn nodes_of(&self, state: &State) -> Vec<&Node<P>> {
        self.numbers(&state.nodes).map(|number| self.nodes.get(number)).collect()
    }

    /// The history of a state.
    pub fn ghost_of(&self, state: &State) -> &P::Ghost {
        self.ghosts.get(state.ghost)
    }

    /// The messages of a state.
    pub fn network_of<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Envelope<P>> {
        state.network.iter().map(|&number| self.messages.get(number))
    }

    /// A message by number.
    pub fn envelope(&self, number: u32) -> &Envelope<P> {
        self.messages.get(number)
    }

    /// How many crashes may still happen.
    pub fn crashes_left(&self, state: &State) -> u8 {
        state.crashes_left
    }

    /// Whether a state satisfies the predicate of the property with this number.
    pub fn holds(&self, state: &State, property: usize) -> bool {
        state.verdict & 1 << property != 0
    }

    /// The state after every message was lost; nothing if none is on its way.
    pub fn without_messages(&self, state: &State) -> Option<State> {
        let network = Vec::new();
        (!state.network.is_empty()).then(|| State { network, ..state.clone() })
    }

    /// Which node an action happens to, and what happens to it.
    pub fn stimulus(&self, state: &State, action: &Action) -> Option<(ReplicaId, Stimulus<P>)> {
        let node = |id: u8| self.nodes.get(state.nodes[usize::from(id)]);
        let (id, what) = match *action {
            Action::Deliver(number) => {
                let envelope = self.messages.get(number);
                let (from, message) = (envelope.from, envelope.message.clone());
                (envelope.to.0, Stimulus::Deliver { from, message })
            }
            Action::Hear { from, to } => {
                let message = self.protocol.hearsay(node(from), node(to))?;
                (to, Stimulus::Deliver { from: ReplicaId(from), message })
            }
            Action::Persist(id) => (id, Stimulus::Persist),
            Action::Crash(id) => (id, Stimulus::Crash),
            Action::Fire(id, nth) => {
                let mut armed = self.may_fire(node(id));
                (id, Stimulus::Fire(armed.nth(usize::from(nth))?))
            }
            Action::Ask(id, nth) => {
                let ghost = self.ghosts.get(state.ghost);
                let mut requests = self.protocol.requests(ghost, node(id)).into_iter();
                let (name, request) = requests.nth(usize::from(nth))?;
                (id, Stimulus::Request { id: name, request })
            }
            Action::Pause(id) => (id, Stimulus::Pause),
            Action::Cut(id, from) => (id, Stimulus::Cut(replicas(from))),
            Action::LoseAll | Action::Pass(_) => return None,
        };
        Some((ReplicaId(id), what))
    }

    /// What an action does to the nodes: to one, or, if time passes, to each.
    pub fn stimuli(&self, state: &State, action: &Action) -> Vec<(ReplicaId, Stimulus<P>)> {
        let Action::Pass(way) = *action else {
            return self.stimulus(state, action).into_iter().collect();
        };
        let pass = |id| (ReplicaId(id), Stimulus::Pass(self.protocol.clocks().advance(way, id)));
        (0..self.protocol.nodes()).map(pass).collect()
    }

    fn may_fire(&self, node: &Node<P>) -> impl Iterator<Item = <P::Machine as Machine>::Timer> {
        node.armed().filter(|&timer| self.protocol.may_fire(&node.machine, timer))
    }

    fn step(&self, node: u32, what: &Stimulus<P>) -> Arc<Outcome<P>> {
        let key = (node, what.clone());
        if let Some(known) = self.steps.get(&key) {
            return Arc::clone(&known);
        }
        let outcome = Arc::new(self.work_out(node, what));
        self.steps.insert(key, Arc::clone(&outcome));
        outcome
    }

    fn deliver(&self, node: u32, number: u32) -> Arc<Outcome<P>> {
        let key = (node, number);
        if let Some(known) = self.deliveries.get(&key) {
            return Arc::clone(&known);
        }
        let Envelope { from, message, .. } = self.messages.get(number).clone();
        let outcome = Arc::new(self.work_out(node, &Stimulus::Deliver { from, message }));
        self.deliveries.insert(key, Arc::clone(&outcome));
        outcome
    }

    fn work_out(&self, node: u32, what: &Stimulus<P>) -> Outcome<P> {
        let before = self.nodes.get(node);
        let (after, out) = before.after(&self.protocol, what, self.bounds.fsync);
        let Outbox { sends, events, marks, .. } = out;
        let from = before.id;
        let envelope = |(to, message)| self.messages.number(Envelope { from, to, message });
        // A network is a set: what is said twice is said once.
        let sends: BTreeSet<u32> = sends.into_iter().map(envelope).collect();
        let sends = sends.into_iter().collect();
        Outcome { node: self.nodes.number(after), sends, events: events.into(), marks }
    }

    fn numbers(&self, nodes: &Numbers) -> impl Iterator<Item = u32> {
        nodes
            .iter()
            .copied()
            .take(usize::from(self.protocol.nodes()))
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn view(&self, node: u32) -> &P::View {
        self.known.views.get_or_fill(node as usize, || self.protocol.view(self.nodes.get(node)))
    }

    fn is_relevant(&self, message: u32, nodes: &Numbers, may_crash: bool) -> bool {
        let envelope = self.messages.get(message);
        let number = |id: ReplicaId| nodes[usize::from(id.0)];
        let (from, to) = (number(envelope.from), number(envelope.to));
        let key = (message, from, to, may_crash);
        if let Some(known) = self.relevance.get(&key) {
            return *known;
        }
        let about = |number: u32| (self.nodes.get(number), self.view(number));
        let (from, to) = (about(from), about(to));
        let relevant = self.protocol.is_relevant(from, &envelope.message, to, may_crash);
        self.relevance.insert(key, relevant);
        relevant
    }

    fn verdict(&self, nodes: &Numbers, ghost: u32) -> u32 {
        let key = (*nodes, ghost);
        if let Some(known) = self.verdicts.get(&key) {
            return *known;
        }
        let snapshot = Snapshot {
            nodes: self.numbers(nodes).map(|number| self.nodes.get(number)).collect(),
            views: self.numbers(nodes).map(|number| self.view(number)).collect(),
            ghost: self.ghosts.get(ghost),
        };
        let bits = self.properties.iter().enumerate();
        let verdict = bits
            .map(|(bit, it)| u32::from((it.holds)(&self.protocol, &snapshot)) << bit)
            .fold(0, |mask, bit| mask | bit);
        self.verdicts.insert(key, verdict);
        verdict
    }

    /// The numbers of a node's images under each permutation of the names.
    fn node_images(&self, node: u32) -> &[u32] {
        self.known.node_images.get_or_fill(node as usize, || {
            let original = self.nodes.get(node);
            let image = |names: &[u8]| {
                let name = |id: ReplicaId| ReplicaId(names[usize::from(id.0)]);
                self.nodes.number(self.protocol.rename(original, &name))
            };
            self.permutations.iter().map(image).collect()
        })
    }

    /// The numbers of a message's images under each permutation of the names.
    fn message_images(&self, message: u32) -> &[u32] {
        self.known.message_images.get_or_fill(message as usize, || {
            let Envelope { from, to, message } = self.messages.get(message);
            let image = |names: &[u8]| {
                let name = |id: &ReplicaId| ReplicaId(names[usize::from(id.0)]);
                let message = message.clone();
                self.messages.number(Envelope { from: name(from), to: name(to), message })
            };
            self.permutations.iter().map(image).collect()
        })
    }

    /// The state under other names. Verdicts do not depend on names.
    pub(crate) fn renamed(&self, state: &State, permutation: usize) -> State {
        let nodes = self.renamed_nodes(&state.nodes, permutation);
        let network = self.renamed_network(&state.network, permutation);
        State { nodes, network, ..state.clone() }
    }

    fn renamed_nodes(&self, nodes: &Numbers, permutation: usize) -> Numbers {
        let mut renamed = [NOBODY; NODES_MAX];
        let names = self.permutations.get(permutation);
        for (&name, &node) in names.iter().zip(nodes) {
            renamed[usize::from(name)] = self.node_images(node)[permutation];
        }
        renamed
    }

    fn renamed_network(&self, network: &[u32], permutation: usize) -> Vec<u32> {
        let image = |&message: &u32| self.message_images(message)[permutation];
        let mut renamed: Vec<u32> = network.iter().map(image).collect();
        renamed.sort_unstable();
        renamed
    }

    /// The representative of a state among those that differ only in names, and the permutation
    /// that leads there: the one whose numbers come first.
    pub(crate) fn representative(&self, state: &State) -> (State, usize) {
        let images = (0..self.permutations.len()).map(|it| self.renamed_nodes(&state.nodes, it));
        let images: Vec<Numbers> = images.collect();
        let first = *images.iter().min().expect("there is the identity");
        let tied = (0..images.len()).filter(|&it| images[it] == first);
        let candidates = tied.map(|it| (self.renamed_network(&state.network, it), it));
        let (network, permutation) = candidates.min().expect("one of them is first");
        (State { nodes: first, network, ..state.clone() }, permutation)
    }

    /// How many different states this one stands for.
    pub fn orbit_size(&self, state: &State) -> usize {
        let images = (0..self.permutations.len()).map(|it| {
            let renamed = self.renamed(state, it);
            (renamed.nodes, renamed.network)
        });
        images.collect::<BTreeSet<_>>().len()
    }

    /// The permutations of the replicas' names.
    pub(crate) fn permutations(&self) -> &Permutations {
        &self.permutations
    }

    /// The same action under other names.
    pub(crate) fn renamed_action(&self, action: &Action, permutation: usize) -> Action {
        let name = |id: u8| self.permutations.get(permutation)[usize::from(id)];
        match *action {
            Action::Deliver(message) => Action::Deliver(self.message_images(message)[permutation]),
            Action::Hear { from, to } => Action::Hear { from: name(from), to: name(to) },
            Action::Persist(id) => Action::Persist(name(id)),
            Action::Crash(id) => Action::Crash(name(id)),
            Action::Fire(id, nth) => Action::Fire(name(id), nth),
            Action::Ask(id, nth) => Action::Ask(name(id), nth),
            Action::LoseAll => Action::LoseAll,
            Action::Pass(way) => Action::Pass(renamed_mask(way, name)),
            Action::Pause(id) => Action::Pause(name(id)),
            Action::Cut(id, from) => Action::Cut(name(id), renamed_mask(from, name)),
        }
    }

    fn remember(&self, ghost: u32, id: ReplicaId, events: &[P::Event]) -> u32 {
        if events.is_empty() {
            return ghost;
        }
        let mut history = self.ghosts.get(ghost).clone();
        for event in events {
            self.protocol.remember(&mut history, id, event);
        }
        self.ghosts.number(history)
    }

    /// The state after time has passed; nothing if that changes nothing.
    fn pass(&self, state: &State, way: u8) -> Option<State> {
        let mut nodes = state.nodes;
        for (id, node) in (0..self.protocol.nodes()).zip(&mut nodes) {
            let time = self.protocol.clocks().advance(way, id);
            *node = self.step(*node, &Stimulus::Pass(time)).node;
        }
        let verdict = self.verdict(&nodes, state.ghost);
        (nodes != state.nodes).then(|| State { nodes, verdict, ..state.clone() })
    }

    /// Whether time may pass: where it is prompt, nothing else may be due.
    fn may_pass(&self, state: &State) -> bool {
        let is_idle = |node: &&Node<P>| {
            let mut due = node.due();
            let is_due = due.any(|timer| self.protocol.may_fire(&node.machine, timer));
            node.pending.is_empty() && !is_due
        };
        let idle = || state.network.is_empty() && self.nodes_of(state).iter().all(is_idle);
        !self.protocol.clocks().is_prompt() || idle()
    }

    /// What a node may do or suffer because of time and cuts, by itself.
    fn disturbances(&self, node: &Node<P>, actions: &mut Vec<Action>) {
        let (id, count) = (node.id.0, self.protocol.nodes());
        if node.may_pause() && self.protocol.may_pause(node) {
            actions.push(Action::Pause(id));
        }
        if self.protocol.cuts_links() && node.deaf_to().size() == 0 {
            let others = (1_u8..1 << count).filter(|from| from & 1 << id == 0);
            actions.extend(others.map(|from| Action::Cut(id, from)));
        }
    }

    /// The state after `outcome` on node `id`; nothing if that changes nothing.
    fn apply(
        &self,
        state: &State,
        id: u8,
        outcome: &Outcome<P>,
        crashes_left: u8,
        arrived: Option<u32>,
    ) -> Option<State> {
        let slot = usize::from(id);
        let changed = state.nodes[slot] != outcome.node || state.crashes_left != crashes_left;
        // In prompt worlds nothing arrives twice.
        let spent = arrived.filter(|_| self.protocol.clocks().is_prompt());
        let is_new = |message: &u32| state.network.binary_search(message).is_err();
        if !changed
            && spent.is_none()
            && outcome.events.is_empty()
            && !outcome.sends.iter().any(is_new)
        {
            return None;
        }
        let mut nodes = state.nodes;
        nodes[slot] = outcome.node;
        let mut network = Vec::with_capacity(state.network.len() + outcome.sends.len());
        network.extend(state.network.iter().filter(|&&message| Some(message) != spent));
        network.extend(outcome.sends.iter().filter(|message| is_new(message)));
        if self.bounds.collect {
            let may_crash = crashes_left > 0;
            let changed_for_all = may_crash != (state.crashes_left > 0);
            let known = network.len() - outcome.sends.iter().filter(|it| is_new(it)).count();
            let mut position = 0;
            network.retain(|&message| {
                position += 1;
                let envelope = self.messages.get(message);
                let touched = envelope.from.0 == id || envelope.to.0 == id;
                let in_question = changed_for_all || touched || position > known;
                !in_question || self.is_relevant(message, &nodes, may_crash)
            });
        }
        network.sort_unstable();
        let ghost = self.remember(state.ghost, ReplicaId(id), &outcome.events);
        let verdict = self.verdict(&nodes, ghost);
        Some(State { nodes, network, ghost, crashes_left, verdict })
    }

    /// The state after an action, under the names of the state before; nothing if that is the
    /// same state.
    pub(crate) fn successor(&self, state: &State, action: &Action) -> Option<State> {
        if *action == Action::LoseAll {
            return self.without_messages(state);
        }
        if let Action::Pass(way) = *action {
            let next = self.pass(state, way)?;
            self.count(action, 0);
            return Some(next);
        }
        let mut arrived = None;
        let mut crashes_left = state.crashes_left;
        let (id, outcome) = if let Action::Deliver(number) = *action {
            let id = self.messages.get(number).to;
            arrived = Some(number);
            (id, self.deliver(state.nodes[usize::from(id.0)], number))
        } else {
            let (id, what) = self.stimulus(state, action)?;
            crashes_left -= u8::from(matches!(action, Action::Crash(_)));
            (id, self.step(state.nodes[usize::from(id.0)], &what))
        };
        let next = self.apply(state, id.0, &outcome, crashes_left, arrived)?;
        self.count(action, outcome.marks);
        Some(next)
    }

    fn count(&self, action: &Action, marks: u32) {
        let kind = match action {
            Action::Deliver(_) => 0,
            Action::Hear { .. } => 1,
            Action::Persist(_) => 2,
            Action::Crash(_) => 3,
            Action::Fire(..) => 4,
            Action::Ask(..) => 5,
            Action::Pass(_) => 6,
            Action::Pause(_) => 7,
            Action::Cut(..) => 8,
            Action::LoseAll => return,
        };
        self.taken[kind].fetch_add(1, Ordering::Relaxed);
        let mut marks = marks;
        while marks != 0 {
            let mark = marks.trailing_zeros() as usize;
            self.marked[mark].fetch_add(1, Ordering::Relaxed);
            marks &= marks - 1;
        }
    }
}

impl<P: Protocol> Model for World<P> {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let ids = (0..self.protocol.nodes()).map(ReplicaId);
        let start = |id| self.nodes.number(Node::start(&self.protocol, id));
        let mut nodes = [NOBODY; NODES_MAX];
        for (slot, number) in nodes.iter_mut().zip(ids.map(start)) {
            *slot = number;
        }
        let ghost = self.ghosts.number(self.protocol.initial_ghost());
        let verdict = self.verdict(&nodes, ghost);
        let crashes_left = self.bounds.crashes;
        vec![State { nodes, network: Vec::new(), ghost, crashes_left, verdict }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.network.iter().map(|&message| Action::Deliver(message)));
        let count = self.protocol.nodes();
        if self.may_pass(state) {
            actions.extend((0..self.protocol.clocks().ways(count)).map(Action::Pass));
        }
        let ghost = self.ghosts.get(state.ghost);
        for (id, &number) in (0..count).zip(&state.nodes) {
            let node = self.nodes.get(number);
            if !node.pending.is_empty() {
                actions.push(Action::Persist(id));
            }
            if state.crashes_left > 0 {
                actions.push(Action::Crash(id));
            }
            let firing = (0..).zip(self.may_fire(node));
            actions.extend(firing.map(|(nth, _)| Action::Fire(id, nth)));
            self.disturbances(node, actions);
            let asking = (0..).zip(self.protocol.requests(ghost, node));
            actions.extend(asking.map(|(nth, _)| Action::Ask(id, nth)));
            let knows = |&from: &u8| {
                let speaker = self.nodes.get(state.nodes[usize::from(from)]);
                from != id && self.protocol.hearsay(speaker, node).is_some()
            };
            actions.extend((0..count).filter(knows).map(|from| Action::Hear { from, to: id }));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let next = self.successor(state, &action)?;
        Some(if self.bounds.symmetry { self.representative(&next).0 } else { next })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        assert!(self.names.len() <= HOLDS.len(), "at most {} properties", HOLDS.len());
        let named = self.names.iter().enumerate();
        named
            .map(|(bit, &(name, kind))| match kind {
                Kind::Always => Property::always(name, bit_test(bit)),
                Kind::Sometimes => Property::sometimes(name, bit_test(bit)),
            })
            .collect()
    }
}

/// The nodes in a bit mask.
fn replicas(mask: u8) -> ReplicaSet {
    (0..8).filter(|bit| mask & 1 << bit != 0).map(ReplicaId).collect()
}

fn renamed_mask(mask: u8, name: impl Fn(u8) -> u8) -> u8 {
    replicas(mask).iter().map(|id| 1 << name(id.0)).sum()
}

/// How many properties a world may have.
const HOLDS: [(); 24] = [(); 24];

/// Stateright's conditions are plain functions, so there is one per bit.
fn bit_test<P: Protocol>(bit: usize) -> fn(&World<P>, &State) -> bool {
    macro_rules! tests {
        ($($n:literal)*) => {
            [$(|_: &World<P>, state: &State| state.verdict & 1 << $n != 0),*]
        };
    }
    let tests: [fn(&World<P>, &State) -> bool; HOLDS.len()] =
        tests!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23);
    tests[bit]
}
