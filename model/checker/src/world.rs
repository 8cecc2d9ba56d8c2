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
//! A state is a few small integers: nodes, histories, and the bundles of messages between each two
//! nodes are interned, and the step of a
//! node in a given state under a given stimulus is worked out once.
//!
//! New numbers are given by one thread at a time: the one that holds the world's *pen*. Everybody
//! else only looks up, and asks for the pen when something has no number yet. So the order of the
//! numbers can be repeated, which is what lets a search be resumed (see [`explore`]).

pub mod explore;
mod network;
mod plan;
mod symmetry;

use crate::clock::Clocks;
use crate::intern::{AppendOnly, Interner};
use crate::narrate::narrate;
use crate::node::{Fsync, Node, Outbox, Stimulus};
use crate::permutation::Permutations;
use crate::protocol::{Kind, Protocol, Snapshot};
use dashmap::DashMap;
use ringleader_core::ids::ReplicaId;
use ringleader_core::machine::Machine;
use ringleader_core::quorum::ReplicaSet;
use rustc_hash::FxBuildHasher;
use stateright::{Model, Path, Property};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use explore::{Desk, Journal, Unnumbered};
use network::{EMPTY, LINKS_MAX, Links, bundled, link};
use plan::Outcome;
use symmetry::NodeImages;

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

/// In the key of a step: writes become durable within it.
const AT_ONCE: u32 = 1 << 31;

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope<'w, P: Protocol> {
    /// The sender.
    pub from: ReplicaId,
    /// The receiver.
    pub to: ReplicaId,
    /// What it says.
    pub message: &'w <P::Machine as Machine>::Message,
}

/// A state of the world. The numbers are those of the world that made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    nodes: Numbers,
    links: Links,
    ghost: u32,
    crashes_left: u8,
    /// One bit per property: whether its predicate holds here. A function of the other fields.
    verdict: u32,
}

/// Something that may happen in a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A message arrives.
    Deliver {
        /// The sender.
        from: u8,
        /// The receiver.
        to: u8,
        /// The number of what it says.
        message: u32,
    },
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
    /// The n-th thing that a node's host may do in its own time.
    Chore(u8, u8),
    /// Time passes; see [`crate::clock::Clocks::ways`].
    Pass(u8),
    /// A node is paused.
    Pause(u8),
    /// The links to a node from the nodes in this bit mask are cut.
    Cut(u8, u8),
}

impl Action {
    /// Where it is counted, among [`ACTION_KINDS`].
    fn kind(&self) -> Option<usize> {
        match self {
            Self::Deliver { .. } => Some(0),
            Self::Hear { .. } => Some(1),
            Self::Persist(_) => Some(2),
            Self::Crash(_) => Some(3),
            Self::Fire(..) => Some(4),
            Self::Ask(..) => Some(5),
            Self::Pass(_) => Some(6),
            Self::Pause(_) => Some(7),
            Self::Cut(..) => Some(8),
            Self::Chore(..) => Some(9),
            Self::LoseAll => None,
        }
    }
}

/// The names of the kinds of actions, for coverage.
pub const ACTION_KINDS: [&str; 10] =
    ["deliver", "hear", "persist", "crash", "timer", "request", "time", "pause", "cut", "chore"];

/// A message, a node's state: something with a number, and what was worked out about it.
struct Known<P: Protocol> {
    /// Indexed by the number of a node's state.
    views: AppendOnly<P::View>,
    /// Indexed by the number of a node's state.
    node_images: AppendOnly<NodeImages>,
    /// Indexed by the number of a bundle: the number of the same messages the other way round.
    flipped: AppendOnly<u32>,
    /// Indexed by the number of a node's state: whether writes are on their way.
    writing: AppendOnly<bool>,
}

/// A protocol within bounds. See the module's documentation.
pub struct World<P: Protocol> {
    protocol: P,
    bounds: Bounds,
    nodes: Interner<Node<P>>,
    known: Known<P>,
    permutations: Permutations,
    messages: Interner<<P::Machine as Machine>::Message>,
    bundles: Interner<Box<[u32]>>,
    ghosts: Interner<P::Ghost>,
    /// By [`World::input_key`]: the number of the outcome.
    steps: DashMap<[u32; 3], u32, FxBuildHasher>,
    outcomes: AppendOnly<Outcome<P>>,
    outcomes_count: AtomicU32,
    /// By history and outcome: the history after it.
    histories: DashMap<[u32; 2], u32, FxBuildHasher>,
    pen: Mutex<Journal>,
    /// What [`World::carry`] worked out for those who have no caches of their own.
    carried: DashMap<[u32; 4], u32, FxBuildHasher>,
    verdicts: DashMap<[u32; NODES_MAX + 2], u32, FxBuildHasher>,
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
            Permutations::of_some(protocol.interchangeable(), protocol.nodes())
        } else {
            Permutations::of_some(0, protocol.nodes())
        };
        let bundles = Interner::new();
        let empty = bundles.number(Box::default());
        assert!(empty == EMPTY, "the first number is {EMPTY}");
        Self {
            protocol,
            bounds,
            nodes: Interner::new(),
            known: Known {
                views: AppendOnly::new(),
                node_images: AppendOnly::new(),
                flipped: AppendOnly::new(),
                writing: AppendOnly::new(),
            },
            permutations,
            messages: Interner::new(),
            bundles,
            ghosts: Interner::new(),
            steps: DashMap::default(),
            outcomes: AppendOnly::new(),
            outcomes_count: AtomicU32::new(0),
            histories: DashMap::default(),
            pen: Mutex::default(),
            carried: DashMap::default(),
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
        let counters = self.taken.iter().chain(&self.marked);
        let counts: Vec<u64> = counters.map(|it| it.load(Ordering::Relaxed)).collect();
        self.coverage_of(&counts)
    }

    /// The same by name, given the counts: those of the kinds first, then those of the marks.
    fn coverage_of(&self, counts: &[u64]) -> Vec<(&'static str, u64)> {
        let clocks = self.protocol.clocks();
        let has = |kind: &str| match kind {
            "time" => clocks != Clocks::Off,
            "pause" => clocks.pauses() > 0,
            "cut" => self.protocol.cuts_links(),
            "chore" => self.protocol.has_chores(),
            _ => true,
        };
        let count = |number: usize| counts.get(number).copied().unwrap_or(0);
        let names = ACTION_KINDS.iter().chain(self.protocol.marks());
        let counted = names.enumerate().map(|(number, &name)| (name, count(number)));
        counted.filter(|(name, _)| has(name)).collect()
    }

    /// How many different nodes, messages, bundles of messages and histories were seen.
    pub fn interned(&self) -> [usize; 4] {
        [self.nodes.len(), self.messages.len(), self.bundles.len(), self.ghosts.len()]
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
    pub fn network_of(&self, state: &State) -> impl Iterator<Item = Envelope<'_, P>> {
        self.deliveries(&state.links).map(|(from, to, message)| Envelope {
            from: ReplicaId(from),
            to: ReplicaId(to),
            message: self.messages.get(message),
        })
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
        let links = [EMPTY; LINKS_MAX];
        (state.links != links).then(|| State { links, ..state.clone() })
    }

    /// Which node an action happens to, and what happens to it.
    pub fn stimulus(&self, state: &State, action: &Action) -> Option<(ReplicaId, Stimulus<P>)> {
        let node = |id: u8| self.nodes.get(state.nodes[usize::from(id)]);
        let (id, what) = match *action {
            Action::Deliver { from, to, message } => {
                let message = self.messages.get(message).clone();
                (to, Stimulus::Deliver { from: ReplicaId(from), message })
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
            Action::Chore(id, nth) => {
                let mut chores = self.protocol.chores(node(id)).into_iter();
                (id, Stimulus::Chore(chores.nth(usize::from(nth))?))
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

    /// When writes become durable in the step that an action takes.
    #[must_use]
    pub fn fsync_of(&self, state: &State, action: &Action) -> Fsync {
        let crash = u8::from(matches!(action, Action::Crash(_)));
        self.bounds.fsync.with_crashes_left(state.crashes_left - crash)
    }

    fn may_fire(&self, node: &Node<P>) -> impl Iterator<Item = <P::Machine as Machine>::Timer> {
        node.armed().filter(|&timer| self.protocol.may_fire(&node.machine, timer))
    }

    /// Which node an action happens to, and a key for what happens to it: under equal keys the same
    /// stimulus happens to the same node's state. Nothing if nothing happens to a node.
    fn input_key(&self, state: &State, action: &Action) -> Option<(u8, [u32; 3])> {
        let node = |id: u8| state.nodes[usize::from(id)];
        let at_once = self.fsync_of(state, action) == Fsync::Immediate;
        let mode = if at_once { AT_ONCE } else { 0 };
        let kind = |kind: u32, which: u8| kind | u32::from(which) << 8 | mode;
        Some(match *action {
            Action::Deliver { from, to, message } => (to, [node(to), kind(0, from), message]),
            Action::Hear { from, to } => (to, [node(to), kind(1, from), node(from)]),
            Action::Persist(id) => (id, [node(id), kind(2, 0), 0]),
            Action::Crash(id) => (id, [node(id), kind(3, 0), 0]),
            Action::Fire(id, nth) => (id, [node(id), kind(4, nth), 0]),
            Action::Ask(id, nth) => (id, [node(id), kind(5, nth), state.ghost]),
            Action::Pause(id) => (id, [node(id), kind(6, 0), 0]),
            Action::Cut(id, from) => (id, [node(id), kind(7, from), 0]),
            Action::Chore(id, nth) => (id, [node(id), kind(8, nth), 0]),
            Action::LoseAll | Action::Pass(_) => return None,
        })
    }

    /// What an action does to a node. Nothing if nothing happens to a node.
    fn outcome<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        state: &State,
        action: &Action,
    ) -> Result<Option<(u8, &'w Outcome<P>)>, Unnumbered> {
        let Some((id, key)) = self.input_key(state, action) else { return Ok(None) };
        let what = || self.stimulus(state, action).map(|(_, what)| what);
        Ok(self.step(desk, key, what)?.map(|outcome| (id, outcome)))
    }

    /// The outcome under a key, worked out from the stimulus if it is not known.
    fn step<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        key: [u32; 3],
        what: impl FnOnce() -> Option<Stimulus<P>>,
    ) -> Result<Option<&'w Outcome<P>>, Unnumbered> {
        if let Some(Some(known)) = desk.outcomes.get(&key) {
            return Ok(Some(known));
        }
        let known = self.steps.get(&key).map(|number| *number);
        let number = if let Some(number) = known {
            number
        } else {
            desk.may_number()?;
            let Some(what) = what() else { return Ok(None) };
            let at_once = key[1] & AT_ONCE != 0;
            let fsync = if at_once { Fsync::Immediate } else { self.bounds.fsync };
            let number = self.work_out(key[0], &what, fsync);
            self.steps.insert(key, number);
            number
        };
        let outcome = self.outcomes.get(number as usize).expect("outcomes are kept by number");
        desk.outcomes.put(key, Some(outcome));
        Ok(Some(outcome))
    }

    /// The state after time has passed, its verdict open; nothing if that changes nothing.
    fn pass<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        state: &State,
        way: u8,
    ) -> Result<Option<State>, Unnumbered> {
        let mut next = State { verdict: 0, ..state.clone() };
        for (id, node) in (0..self.protocol.nodes()).zip(&mut next.nodes) {
            let time = self.protocol.clocks().advance(way, id);
            let ticks = u32::try_from(time.0).expect("a step of the clock is a few ticks");
            let what = || Some(Stimulus::Pass(time));
            let outcome = self.step(desk, [*node, 8, ticks], what)?;
            *node = outcome.expect("time passes for every node").node;
        }
        Ok((next.nodes != state.nodes).then_some(next))
    }

    /// The ways in which time may pass.
    fn passings(&self, state: &State) -> impl Iterator<Item = Action> {
        let clocks = self.protocol.clocks();
        let ways = if self.may_pass(state) { clocks.ways(self.protocol.nodes()) } else { 0 };
        let is_fast = |node: &&Node<P>| ways > 1 && !self.protocol.may_be_slow(node);
        let fast = self.nodes_of(state).into_iter().filter(is_fast);
        let fast: u8 = fast.map(|node| 1 << node.id.0).sum();
        (0..ways).filter(move |way| way & fast == fast).map(Action::Pass)
    }

    /// Whether time may pass: where it is prompt, nothing else may be due.
    fn may_pass(&self, state: &State) -> bool {
        let is_idle = |node: &&Node<P>| {
            let mut due = node.due();
            let is_due = due.any(|timer| self.protocol.may_fire(&node.machine, timer));
            node.pending.is_empty() && !is_due
        };
        !self.protocol.clocks().is_prompt() || self.nodes_of(state).iter().all(is_idle)
    }

    /// What a node may do or suffer because of time and cuts, by itself.
    fn disturbances(&self, node: &Node<P>, actions: &mut Vec<Action>) {
        let (id, count) = (node.id.0, self.protocol.nodes());
        if node.may_pause() && self.protocol.may_pause(node) {
            actions.push(Action::Pause(id));
        }
        let may_cut = self.protocol.cuts_links() && node.deaf_to().size() == 0;
        if may_cut && self.protocol.may_cut(node) {
            let others = (1_u8..1 << count).filter(|from| from & 1 << id == 0);
            actions.extend(others.map(|from| Action::Cut(id, from)));
        }
    }

    /// Takes a step of a node, and keeps its outcome. Gives numbers.
    fn work_out(&self, node: u32, what: &Stimulus<P>, fsync: Fsync) -> u32 {
        let before = self.nodes.get(node);
        let (after, out) = before.after(&self.protocol, what, fsync);
        let Outbox { sends, events, marks, .. } = out;
        let from = before.id.0;
        let mut bundles: BTreeMap<u8, BTreeSet<u32>> = BTreeMap::new();
        for (to, message) in sends {
            assert!(to.0 != from, "no message needs a network to reach its sender");
            // A network is a set: what is said twice is said once.
            let message = bundled(self.messages.number(message), from, to.0);
            bundles.entry(to.0).or_default().insert(message);
        }
        let mut sends = [EMPTY; NODES_MAX];
        for (to, bundle) in bundles {
            sends[usize::from(to)] = self.bundles.number(bundle.into_iter().collect());
        }
        let node = self.nodes.number(after);
        let number = self.outcomes_count.fetch_add(1, Ordering::Relaxed);
        let outcome = Outcome { number, node, sends, events: events.into(), marks };
        self.outcomes.get_or_fill(number as usize, || outcome);
        number
    }

    fn numbers<'a>(&self, nodes: &'a Numbers) -> impl Iterator<Item = u32> + use<'a, P> {
        nodes[..usize::from(self.protocol.nodes())].iter().copied()
    }

    fn view(&self, node: u32) -> &P::View {
        self.known.views.get_or_fill(node as usize, || self.protocol.view(self.nodes.get(node)))
    }

    /// One bit per property: whether it holds for these nodes and this history.
    fn judge(&self, state: &State) -> u32 {
        let nodes = &state.nodes;
        let snapshot = Snapshot {
            nodes: self.numbers(nodes).map(|number| self.nodes.get(number)).collect(),
            views: self.numbers(nodes).map(|number| self.view(number)).collect(),
            ghost: self.ghosts.get(state.ghost),
            silent: state.links == [EMPTY; LINKS_MAX],
        };
        let bits = self.properties.iter().enumerate();
        bits.map(|(bit, it)| u32::from((it.holds)(&self.protocol, &snapshot)) << bit)
            .fold(0, |mask, bit| mask | bit)
    }

    /// What a verdict depends on.
    fn verdict_key(state: &State) -> [u32; NODES_MAX + 2] {
        let mut key = [0; NODES_MAX + 2];
        key[..NODES_MAX].copy_from_slice(&state.nodes);
        key[NODES_MAX] = state.ghost;
        key[NODES_MAX + 1] = u32::from(state.links == [EMPTY; LINKS_MAX]);
        key
    }

    fn verdict(&self, state: &State) -> u32 {
        let key = Self::verdict_key(state);
        if let Some(known) = self.verdicts.get(&key) {
            return *known;
        }
        let verdict = self.judge(state);
        self.verdicts.insert(key, verdict);
        verdict
    }

    /// The history after an outcome on node `id`.
    fn remember(
        &self,
        desk: &mut Desk<'_, P>,
        ghost: u32,
        id: u8,
        outcome: &Outcome<P>,
    ) -> Result<u32, Unnumbered> {
        if outcome.events.is_empty() {
            return Ok(ghost);
        }
        let key = [ghost, outcome.number];
        if let Some(known) = desk.histories.get(&key) {
            return Ok(known);
        }
        let known = self.histories.get(&key).map(|it| *it);
        let after = if let Some(after) = known {
            after
        } else {
            desk.may_number()?;
            let mut history = self.ghosts.get(ghost).clone();
            for event in &outcome.events {
                self.protocol.remember(&mut history, ReplicaId(id), event);
            }
            let after = self.ghosts.number(history);
            self.histories.insert(key, after);
            after
        };
        desk.histories.put(key, after);
        Ok(after)
    }

    /// The state after `outcome` on node `id`, its verdict open; nothing if that changes nothing. In
    /// prompt worlds nothing arrives twice: what did is on no link any more.
    fn apply(
        &self,
        desk: &mut Desk<'_, P>,
        (state, id, crashes_left): (&State, u8, u8),
        outcome: &Outcome<P>,
        arrived: Option<(u8, u32)>,
    ) -> Result<Option<State>, Unnumbered> {
        let slot = usize::from(id);
        let mut next = State { crashes_left, verdict: 0, ..state.clone() };
        next.nodes[slot] = outcome.node;
        if let Some((from, message)) = arrived.filter(|_| self.protocol.clocks().is_prompt()) {
            let at = link(from, id);
            next.links[at] = self.taken_from(desk, state.links[at], bundled(message, from, id))?;
        }
        next.ghost = self.remember(desk, state.ghost, id, outcome)?;
        let may_crash = crashes_left > 0;
        // Whether a message is spent depends on its two ends, and on whether crashes may follow.
        let all_in_question = may_crash != (state.crashes_left > 0);
        let in_question = all_in_question || outcome.node != state.nodes[slot];
        let mut at = 0;
        for high in 0..self.protocol.nodes() {
            for low in 0..high {
                let touched = low == id || high == id;
                let sent =
                    if touched { outcome.sends[usize::from(low ^ high ^ id)] } else { EMPTY };
                if touched && (in_question || sent != EMPTY) || all_in_question {
                    let ends = [low, high].map(|it| next.nodes[usize::from(it)]);
                    let bundle = next.links[at];
                    let key = if touched {
                        let other = low ^ high ^ id;
                        let other = (other, state.nodes[usize::from(other)]);
                        outcome.carry_key(bundle, other, may_crash)
                    } else {
                        [bundle << 1 | u32::from(may_crash), ends[0], ends[1]]
                    };
                    let how = (may_crash, key);
                    next.links[at] = self.carry(desk, (bundle, sent), ends.into(), how)?;
                }
                at += 1;
            }
        }
        let State { nodes, links, ghost, crashes_left, verdict: _ } = state;
        let same = next.nodes == *nodes
            && next.links == *links
            && (next.ghost, next.crashes_left) == (*ghost, *crashes_left);
        Ok((!same).then_some(next))
    }

    /// The state after an action, under the names of the state before and with its verdict open,
    /// and the marks that were hit; nothing if it is the same state.
    fn advance<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        state: &State,
        action: &Action,
    ) -> Result<Option<(State, u32)>, Unnumbered> {
        if let Action::Pass(way) = *action {
            return Ok(self.pass(desk, state, way)?.map(|next| (next, 0)));
        }
        let Some((id, outcome)) = self.outcome(desk, state, action)? else { return Ok(None) };
        let crashes_left = state.crashes_left - u8::from(matches!(action, Action::Crash(_)));
        let arrived = if let Action::Deliver { from, message, .. } = *action {
            Some((from, message))
        } else {
            None
        };
        let next = self.apply(desk, (state, id, crashes_left), outcome, arrived)?;
        Ok(next.map(|next| (next, outcome.marks)))
    }

    /// The state after an action, under the names of the state before; nothing if that is the
    /// same state.
    pub(crate) fn successor(&self, state: &State, action: &Action) -> Option<State> {
        if *action == Action::LoseAll {
            return self.without_messages(state);
        }
        let (mut next, marks) = self.numbering(|desk| self.advance(desk, state, action))?;
        self.count(action, marks);
        next.verdict = self.verdict(&next);
        Some(next)
    }

    fn count(&self, action: &Action, mut marks: u32) {
        let Some(kind) = action.kind() else { return };
        self.taken[kind].fetch_add(1, Ordering::Relaxed);
        while marks != 0 {
            let mark = marks.trailing_zeros() as usize;
            self.marked[mark].fetch_add(1, Ordering::Relaxed);
            marks &= marks - 1;
        }
    }

    fn initial(&self) -> State {
        let ids = (0..self.protocol.nodes()).map(ReplicaId);
        let mut nodes = [NOBODY; NODES_MAX];
        for (slot, id) in nodes.iter_mut().zip(ids) {
            *slot = self.nodes.number(Node::start(&self.protocol, id));
        }
        let mut state = State {
            nodes,
            links: [EMPTY; LINKS_MAX],
            ghost: self.ghosts.number(self.protocol.initial_ghost()),
            crashes_left: self.bounds.crashes,
            verdict: 0,
        };
        state.verdict = self.verdict(&state);
        state
    }
}

impl<P: Protocol> Model for World<P> {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let start = |desk: &mut Desk<'_, P>| desk.may_number().map(|()| self.initial());
        vec![self.representative(&self.numbering(start)).0]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.actions_at(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let next = self.successor(state, &action)?;
        Some(self.representative(&next).0)
    }

    fn format_action(&self, action: &Action) -> String {
        if let Action::Deliver { from, to, message } = *action {
            let says = self.protocol.describe_message(self.messages.get(message));
            return format!("{from} to {to}: {says}");
        }
        format!("{action:?}")
    }

    fn format_step(&self, state: &State, action: Action) -> Option<String> {
        let next = self.next_state(state, action)?;
        let mut text = String::new();
        for (id, node) in self.nodes_of(&next).into_iter().enumerate() {
            let _ = writeln!(text, "node {id}: {}", self.protocol.describe_node(node));
        }
        for Envelope { from, to, message } in self.network_of(&next) {
            let says = self.protocol.describe_message(message);
            let _ = writeln!(text, "on its way, {} to {}: {says}", from.0, to.0);
        }
        Some(text)
    }

    fn as_svg(&self, path: Path<State, Action>) -> Option<String> {
        let trace = narrate(self, "", "", &path.into_actions());
        Some(ringleader_trace::html::svg(&trace))
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
