//! What a world has to know about one protocol: the adapter between a machine and its explorer.
//!
//! The world knows networks, disks, crashes and timers. An adapter knows what its machine asks of
//! its host, what clients do, what may be forgotten, and what must hold. It holds no rule of the
//! protocol itself.

use crate::clock::Clocks;
use crate::node::{Node, Outbox};
use ringleader_core::ids::{LogIndex, ReplicaId, RequestId};
use ringleader_core::machine::Machine;
use std::fmt::Debug;
use std::hash::Hash;

/// What a value must offer to be part of an explored state. Derive it: a hand-written `Hash` that
/// leaves a field out silently skips states.
pub trait Explored: Clone + Debug + Eq + Hash + Send + Sync + 'static {}
impl<T: Clone + Debug + Eq + Hash + Send + Sync + 'static> Explored for T {}

/// A machine and everything around it that a world needs to explore it.
pub trait Protocol: Explored + Ord {
    /// The machine: the very type that production runs.
    type Machine: Machine<
            Config: Explored,
            Message: Explored + Ord,
            Request: Explored,
            Answer: Explored + Ord,
            Timer: Explored + Copy + Ord,
            Write: Explored,
            Durable: Explored,
            Ask: Explored,
            Told: Explored,
        > + Explored;
    /// The volatile part of a node outside the machine; a crash resets it.
    type Host: Explored + Default;
    /// What a step tells the world besides messages.
    type Event: Explored;
    /// What the world remembers on behalf of properties: the history. Keep it minimal.
    type Ghost: Explored;
    /// Facts about a node that are worked out once per node state.
    type View: Send + Sync + 'static;

    /// How many nodes there are.
    fn nodes(&self) -> u8;
    /// How many of them are interchangeable, counted from node 0: all, unless ids mean something.
    fn interchangeable(&self) -> u8 {
        self.nodes()
    }
    /// The configuration of one node.
    fn config(&self, id: ReplicaId) -> <Self::Machine as Machine>::Config;
    /// The history before anything happened.
    fn initial_ghost(&self) -> Self::Ghost;
    /// Works out the facts about a node.
    fn view(&self, node: &Node<Self>) -> Self::View;
    /// What must hold in every state, and what some state must show.
    fn properties(&self) -> Vec<Property<Self>>;

    // What follows may be left out by a protocol that has no use for it.

    /// Carries out what a machine asks of its host. Without it the host does nothing.
    fn on_ask(
        &self,
        _node: &mut Node<Self>,
        _ask: <Self::Machine as Machine>::Ask,
        _out: &mut Outbox<Self>,
    ) {
    }
    /// A request ended in the machine. Without it nobody notices.
    fn on_answer(
        &self,
        _id: RequestId,
        _answer: <Self::Machine as Machine>::Answer,
        _out: &mut Outbox<Self>,
    ) {
    }
    /// Looks at a node after a step: reports events, and violations of what must hold on one node.
    fn after_step(&self, _before: &Self::Machine, _node: &Node<Self>, _out: &mut Outbox<Self>) {}
    /// A message leaves `from`: the name of what it breaks, if it does.
    fn on_send(
        &self,
        _from: &Node<Self>,
        _to: ReplicaId,
        _message: &<Self::Machine as Machine>::Message,
    ) -> Option<&'static str> {
        None
    }
    /// Adds an event on `node` to the history. Without it the history stays as it began.
    fn remember(&self, _ghost: &mut Self::Ghost, _node: ReplicaId, _event: &Self::Event) {}
    /// Whether this timer may fire within the bounds. Without it every armed one may.
    fn may_fire(
        &self,
        _machine: &Self::Machine,
        _timer: <Self::Machine as Machine>::Timer,
    ) -> bool {
        true
    }
    /// What time does. Off unless said otherwise.
    fn clocks(&self) -> Clocks {
        Clocks::Off
    }
    /// Whether this node's clock may be slow now. If not, it is always fast: allowed where running
    /// ahead only adds to what may happen.
    fn may_be_slow(&self, _node: &Node<Self>) -> bool {
        true
    }
    /// Whether this node may be paused now, if any may.
    fn may_pause(&self, _node: &Node<Self>) -> bool {
        true
    }
    /// Whether links may be cut, each direction by itself, and for good.
    fn cuts_links(&self) -> bool {
        false
    }
    /// Whether links to this node may be cut now, if any may.
    fn may_cut(&self, _node: &Node<Self>) -> bool {
        true
    }
    /// What clients may ask this node now, within the bounds. Asking is remembered by
    /// [`Protocol::invoked`].
    fn requests(
        &self,
        _ghost: &Self::Ghost,
        _node: &Node<Self>,
    ) -> Vec<(RequestId, <Self::Machine as Machine>::Request)> {
        Vec::new()
    }
    /// The same request with every replica that it mentions renamed.
    fn rename_request(
        &self,
        request: &<Self::Machine as Machine>::Request,
        _name: &dyn Fn(ReplicaId) -> ReplicaId,
    ) -> <Self::Machine as Machine>::Request {
        request.clone()
    }
    /// The events of having asked.
    fn invoked(
        &self,
        _id: RequestId,
        _request: &<Self::Machine as Machine>::Request,
    ) -> Vec<Self::Event> {
        Vec::new()
    }
    /// Whether a message between these nodes may still have an effect, now or later. Forgetting one that
    /// may not changes no reachable node state; every rule names the durable fact it relies on.
    /// Without it none is forgotten.
    fn is_relevant(
        &self,
        _from: (&Node<Self>, &Self::View),
        _message: &<Self::Machine as Machine>::Message,
        _to: (&Node<Self>, &Self::View),
        _may_crash: bool,
    ) -> bool {
        true
    }
    /// Whether that depends on the sender's state, and not only on its name. True is always right;
    /// false spares the asking.
    fn sender_matters(&self, _message: &<Self::Machine as Machine>::Message) -> bool {
        true
    }
    /// Whether messages of this kind need no network: the world lets [`Protocol::hearsay`] stand
    /// for them.
    fn is_hearsay(&self, _message: &<Self::Machine as Machine>::Message) -> bool {
        false
    }
    /// What `to` may learn from `from` without a message in the network.
    fn hearsay(
        &self,
        _from: &Node<Self>,
        _to: &Node<Self>,
    ) -> Option<<Self::Machine as Machine>::Message> {
        None
    }
    /// The same node with every replica renamed: replicas are interchangeable. Messages and
    /// histories must mention no replica but sender and receiver.
    ///
    /// # Panics
    ///
    /// Without it, replicas are not interchangeable, and a world with symmetry panics.
    fn rename(&self, _node: &Node<Self>, _name: &dyn Fn(ReplicaId) -> ReplicaId) -> Node<Self> {
        panic!("a protocol that does not say how to rename its nodes has no symmetry")
    }
    /// Names of the marks that a run must hit, see [`Outbox::mark`]. The first is always that of
    /// [`crate::node::MARK_LOST_WRITE`].
    fn marks(&self) -> &'static [&'static str] {
        &["a crash lost a write on its way"]
    }
    /// What a crash leaves of a node's host, and up to where its state machine's storage holds the
    /// log. Nothing, unless an adapter models that storage.
    fn after_crash(&self, _node: &Node<Self>) -> (Self::Host, LogIndex) {
        (Self::Host::default(), LogIndex::ZERO)
    }
    /// Whether hosts do anything in their own time.
    fn has_chores(&self) -> bool {
        false
    }
    /// What a host may do next, in its own time, by number.
    fn chores(&self, _node: &Node<Self>) -> Vec<u8> {
        Vec::new()
    }
    /// Does one of [`Protocol::chores`].
    fn do_chore(&self, _node: &mut Node<Self>, _chore: u8, _out: &mut Outbox<Self>) {}
    /// A chore in few words.
    fn describe_chore(&self, chore: u8) -> String {
        format!("chore {chore}")
    }
    /// A message in few words, for diagrams.
    fn describe_message(&self, message: &<Self::Machine as Machine>::Message) -> String {
        format!("{message:?}")
    }
    /// A request in few words.
    fn describe_request(&self, request: &<Self::Machine as Machine>::Request) -> String {
        format!("{request:?}")
    }
    /// An event in few words, if a diagram should show it.
    fn describe_event(&self, event: &Self::Event) -> Option<String> {
        Some(format!("{event:?}"))
    }
    /// A timer firing, in few words.
    fn describe_timer(&self, timer: <Self::Machine as Machine>::Timer) -> String {
        format!("{timer:?}")
    }
    /// A node's state in few words.
    fn describe_node(&self, node: &Node<Self>) -> String {
        format!("{:?}", node.machine)
    }
}

/// A protocol whose limits can be said in one line.
pub trait Bounded: Protocol {
    /// Its limits, such as "3 replicas, 2 terms".
    fn describe_bounds(&self) -> String;
}

/// Whether a property is about all states or about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Holds in every reachable state.
    Always,
    /// Some reachable state shows it: the run is not vacuous.
    Sometimes,
}

/// A predicate over the nodes and the history.
pub struct Property<P: Protocol> {
    /// Its name, as in the machine's documentation.
    pub name: &'static str,
    /// How it is quantified.
    pub kind: Kind,
    /// The predicate.
    pub holds: fn(&P, &Snapshot<'_, P>) -> bool,
}

/// What a property sees.
pub struct Snapshot<'a, P: Protocol> {
    /// The nodes, by id.
    pub nodes: Vec<&'a Node<P>>,
    /// The facts about them, by id.
    pub views: Vec<&'a P::View>,
    /// The history.
    pub ghost: &'a P::Ghost,
    /// Whether nothing is on its way that could still have an effect.
    pub silent: bool,
}
