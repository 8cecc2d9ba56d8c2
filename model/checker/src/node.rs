//! One node of a world: a machine, its disk, and what waits for that disk.
//!
//! The disk follows the contract of [`ringleader_core::machine`] to the letter: writes are queued
//! in order, each becomes durable in a step of its own, effects wait for the write they name, and
//! a crash drops the queue and everything that waits behind it.

use crate::clock::Window;
use crate::protocol::Protocol;
use ringleader_core::ids::{IoNumber, LogIndex, ReplicaId, RequestId, Tick};
use ringleader_core::machine::{Effect, Effects, Input, Machine, Recovered};
use ringleader_core::quorum::ReplicaSet;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

type M<P> = <P as Protocol>::Machine;

/// A node's state. Everything in it is relative: pending writes are numbered from the oldest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node<P: Protocol> {
    /// Its position.
    pub id: ReplicaId,
    /// The machine.
    pub machine: M<P>,
    /// What would be found after a crash now.
    pub disk: <M<P> as Machine>::Durable,
    /// Writes on their way, oldest first: the first has I/O number 1.
    pub pending: VecDeque<<M<P> as Machine>::Write>,
    /// The volatile part outside the machine.
    pub host: P::Host,
    /// What waits, and for which of the pending writes.
    waiting: BTreeSet<(IoNumber, Waiting<P>)>,
    /// Which timers are armed, and when they may fire.
    timers: BTreeMap<<M<P> as Machine>::Timer, Window>,
    /// What its clock shows: 0, unless it is paused.
    elapsed: Tick,
    /// Nothing happens to it for a while: the next thing happens late.
    paused: bool,
    /// How often it may still be paused.
    pauses_left: u8,
    /// Nothing that these nodes say arrives here any more.
    deaf_to: ReplicaSet,
    /// The first thing that broke on this node.
    pub violation: Option<&'static str>,
}

/// An effect that waits for the disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Waiting<P: Protocol> {
    Send { to: ReplicaId, message: <M<P> as Machine>::Message },
    Answer { id: RequestId, answer: <M<P> as Machine>::Answer },
}

impl<P: Protocol> Waiting<P> {
    fn renamed(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        match self {
            Self::Send { to, message } => Self::Send { to: name(*to), message: message.clone() },
            Self::Answer { .. } => self.clone(),
        }
    }
}

/// When writes become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fsync {
    /// Each in a step of its own, in order; a crash may come before, between and after.
    OwnStep {
        /// So many writes may be on their way on one node. One more, and the oldest becomes
        /// durable within the step that issues it.
        pending_max: usize,
    },
    /// Likewise while a crash may follow; afterwards within the step that issues it. Nothing can
    /// be lost any more, and what a write lets go may arrive late as it is. Writes on their way at the
    /// last crash become durable before anything else happens.
    OwnStepUntilLastCrash {
        /// As above.
        pending_max: usize,
    },
    /// Within the step that issued it: crashes lose only what is volatile.
    Immediate,
}

impl Fsync {
    /// What holds for a step after which so many crashes may follow.
    #[must_use]
    pub fn with_crashes_left(self, crashes: u8) -> Self {
        match self {
            Self::OwnStepUntilLastCrash { .. } if crashes == 0 => Self::Immediate,
            Self::OwnStepUntilLastCrash { pending_max } => Self::OwnStep { pending_max },
            Self::OwnStep { .. } | Self::Immediate => self,
        }
    }
}

/// Everything that can happen to one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stimulus<P: Protocol> {
    /// A message arrives.
    Deliver {
        /// The sender.
        from: ReplicaId,
        /// What it says.
        message: <M<P> as Machine>::Message,
    },
    /// The oldest pending write becomes durable.
    Persist,
    /// The node crashes, losing what is pending, and starts again.
    Crash,
    /// Time passes on its clock.
    Pass(Tick),
    /// It is paused.
    Pause,
    /// The links from these nodes are cut.
    Cut(ReplicaSet),
    /// The host does something in its own time.
    Chore(u8),
    /// A timer fires.
    Fire(<M<P> as Machine>::Timer),
    /// A client asks.
    Request {
        /// The request's name.
        id: RequestId,
        /// What is asked.
        request: <M<P> as Machine>::Request,
    },
}

/// A call of a node's machine and what came of it: for those who make the same calls elsewhere.
#[derive(Clone, Debug)]
pub enum Call<P: Protocol> {
    /// The machine started, or started again.
    Recover {
        /// From this disk.
        disk: <M<P> as Machine>::Durable,
        /// Up to where the state machine's storage holds the log.
        checkpointed: LogIndex,
        /// Whether the disk is another one than before.
        wiped: bool,
        /// What it wanted.
        effects: Vec<Effect<M<P>>>,
    },
    /// It got an input.
    Step {
        /// What its clock showed.
        now: Tick,
        /// The input.
        input: Input<M<P>>,
        /// What it wanted.
        effects: Vec<Effect<M<P>>>,
    },
    /// The origin of time and of I/O numbers moved.
    Rebase {
        /// By so much time.
        now: Tick,
        /// By so many I/Os.
        io: IoNumber,
    },
}

/// What one step of a node gives to the world.
#[derive(Debug)]
pub struct Outbox<P: Protocol> {
    /// Messages that left.
    pub sends: Vec<(ReplicaId, <M<P> as Machine>::Message)>,
    /// What happened, for the history.
    pub events: Vec<P::Event>,
    /// What the host tells the machine next.
    pub tell: VecDeque<<M<P> as Machine>::Told>,
    /// Which of [`Protocol::marks`] were hit, as a bit mask.
    pub marks: u32,
    /// The first invariant that broke in this step.
    pub violation: Option<&'static str>,
    /// The calls of the machine in this step, if somebody wants them.
    calls: Option<Vec<Call<P>>>,
}

impl<P: Protocol> Default for Outbox<P> {
    fn default() -> Self {
        Self {
            sends: Vec::new(),
            events: Vec::new(),
            tell: VecDeque::new(),
            marks: 0,
            violation: None,
            calls: None,
        }
    }
}

impl<P: Protocol> Outbox<P> {
    /// Notes that the situation `number` of [`Protocol::marks`] arose.
    pub fn mark(&mut self, number: usize) {
        self.marks |= 1 << number;
    }

    /// Notes that an invariant broke; the first one counts.
    pub fn violate(&mut self, invariant: &'static str) {
        self.violation.get_or_insert(invariant);
    }

    /// One that notes the calls of the machine.
    fn noting() -> Self {
        Self { calls: Some(Vec::new()), ..Self::default() }
    }

    fn note(&mut self, call: impl FnOnce() -> Call<P>) {
        if let Some(calls) = &mut self.calls {
            calls.push(call());
        }
    }
}

impl<P: Protocol> Node<P> {
    /// A node with an empty disk, started for the first time.
    pub fn start(protocol: &P, id: ReplicaId) -> Self {
        let (disk, host) = (<M<P> as Machine>::Durable::default(), P::Host::default());
        Self::recover(protocol, (id, disk), (host, LogIndex::ZERO), &mut Outbox::default())
    }

    /// [`Node::start`], and the calls of its machine.
    #[must_use]
    pub fn start_noting(protocol: &P, id: ReplicaId) -> (Self, Vec<Call<P>>) {
        let mut out = Outbox::noting();
        let (disk, host) = (<M<P> as Machine>::Durable::default(), P::Host::default());
        let node = Self::recover(protocol, (id, disk), (host, LogIndex::ZERO), &mut out);
        (node, out.calls.unwrap_or_default())
    }

    /// Starts a node from what its disk holds.
    fn recover(
        protocol: &P,
        (id, disk): (ReplicaId, <M<P> as Machine>::Durable),
        (host, checkpointed): (P::Host, LogIndex),
        out: &mut Outbox<P>,
    ) -> Self {
        let mut effects = Effects::new();
        let recovered = Recovered { durable: disk.clone(), checkpointed, wiped: false };
        let machine = M::<P>::recover(&protocol.config(id), recovered, Tick(0), &mut effects);
        out.note(|| {
            let effects = effects.as_slice().to_vec();
            Call::Recover { disk: disk.clone(), checkpointed, wiped: false, effects }
        });
        let mut node = Self {
            id,
            machine,
            disk,
            pending: VecDeque::new(),
            host,
            waiting: BTreeSet::new(),
            timers: BTreeMap::new(),
            elapsed: Tick(0),
            paused: false,
            pauses_left: protocol.clocks().pauses(),
            deaf_to: ReplicaSet::default(),
            violation: None,
        };
        node.carry_out(protocol, &mut effects, out);
        node
    }

    /// Its disk is wiped, and it starts again: what its machine asks for then is its last word.
    pub fn wipe(&mut self, protocol: &P, out: &mut Outbox<P>) {
        let durable = <M<P> as Machine>::Durable::default();
        let recovered = Recovered { durable: durable.clone(), wiped: true, ..Recovered::default() };
        let mut effects = Effects::new();
        self.machine = M::<P>::recover(&protocol.config(self.id), recovered, Tick(0), &mut effects);
        out.note(|| Call::Recover {
            disk: durable.clone(),
            checkpointed: LogIndex::ZERO,
            wiped: true,
            effects: effects.as_slice().to_vec(),
        });
        self.disk = durable;
        self.host = P::Host::default();
        self.pending.clear();
        self.waiting.clear();
        self.timers.clear();
        // That it says so is no violation here: this world wiped it.
        for effect in effects.drain() {
            if let Effect::Arm { timer, .. } = effect {
                self.timers.insert(timer, Window::ANY);
            }
        }
    }

    /// The machine that a crash now would leave.
    #[must_use]
    pub fn recovered_machine(&self, protocol: &P) -> M<P> {
        let (disk, host) = (self.disk.clone(), protocol.after_crash(self));
        Self::recover(protocol, (self.id, disk), host, &mut Outbox::default()).machine
    }

    /// What the disk will hold once everything pending is durable: what the machine means by its
    /// state.
    #[must_use]
    pub fn intended_disk(&self) -> <M<P> as Machine>::Durable {
        let mut disk = self.disk.clone();
        for write in &self.pending {
            M::<P>::fold(&mut disk, write);
        }
        disk
    }

    /// This node with what its disk will hold once these writes are durable.
    fn once_durable(&self, upto: IoNumber) -> Self {
        let mut node = self.clone();
        for write in (1..=upto.0).zip(&self.pending).map(|(_, write)| write) {
            M::<P>::fold(&mut node.disk, write);
        }
        node
    }

    /// This node under other names, given what is renamed inside the machine and on its disk.
    #[must_use]
    pub fn renamed(
        &self,
        machine: M<P>,
        disk: <M<P> as Machine>::Durable,
        pending: VecDeque<<M<P> as Machine>::Write>,
        name: &dyn Fn(ReplicaId) -> ReplicaId,
    ) -> Self {
        let waiting = self.waiting.iter().map(|(after, what)| (*after, what.renamed(name)));
        Self {
            id: name(self.id),
            machine,
            disk,
            pending,
            host: self.host.clone(),
            waiting: waiting.collect(),
            timers: self.timers.clone(),
            elapsed: self.elapsed,
            paused: self.paused,
            pauses_left: self.pauses_left,
            deaf_to: self.deaf_to.iter().map(name).collect(),
            violation: self.violation,
        }
    }

    /// The timers that may fire.
    pub fn armed(&self) -> impl Iterator<Item = <M<P> as Machine>::Timer> {
        self.timers.iter().filter(|(_, window)| window.is_open()).map(|(&timer, _)| timer)
    }

    /// The timers that must fire before time passes.
    pub fn due(&self) -> impl Iterator<Item = <M<P> as Machine>::Timer> {
        self.timers.iter().filter(|(_, window)| window.is_due()).map(|(&timer, _)| timer)
    }

    /// What its clock shows: how long nothing has happened to it.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.elapsed
    }

    /// Whether it can be paused.
    #[must_use]
    pub fn may_pause(&self) -> bool {
        self.pauses_left > 0 && !self.paused
    }

    /// From whom nothing arrives here any more.
    #[must_use]
    pub fn deaf_to(&self) -> ReplicaSet {
        self.deaf_to
    }

    /// One step: something happens, and everything that follows from it on this node without
    /// further delay.
    #[must_use]
    pub fn after(&self, protocol: &P, what: &Stimulus<P>, fsync: Fsync) -> (Self, Outbox<P>) {
        let mut out = Outbox::default();
        (self.next(protocol, what, fsync, &mut out), out)
    }

    /// [`Node::after`], and the calls of its machine.
    #[must_use]
    pub fn after_noting(
        &self,
        protocol: &P,
        what: &Stimulus<P>,
        fsync: Fsync,
    ) -> (Self, Vec<Call<P>>) {
        let mut out = Outbox::noting();
        let node = self.next(protocol, what, fsync, &mut out);
        (node, out.calls.unwrap_or_default())
    }

    fn next(&self, protocol: &P, what: &Stimulus<P>, fsync: Fsync, out: &mut Outbox<P>) -> Self {
        let mut node = self.clone();
        match what {
            Stimulus::Pass(time) => {
                node.elapsed = Tick(node.elapsed.0 + time.0).min(protocol.clocks().longest());
                if !node.paused {
                    node.rebase_time(out);
                }
                return node;
            }
            Stimulus::Pause => {
                node.paused = true;
                node.pauses_left -= 1;
                return node;
            }
            Stimulus::Cut(from) => {
                node.deaf_to = *from;
                return node;
            }
            Stimulus::Deliver { from, .. } if node.deaf_to.contains(*from) => return node,
            Stimulus::Deliver { from, message } => {
                let (from, message) = (*from, message.clone());
                node.feed(protocol, Input::Receive { from, message }, out);
            }
            Stimulus::Persist => node.persist_oldest(protocol, out),
            Stimulus::Crash => node = node.crash(protocol, out),
            Stimulus::Chore(chore) => {
                let before = node.machine.clone();
                protocol.do_chore(&mut node, *chore, out);
                node.settle(protocol, &before, &mut Effects::new(), out);
            }
            Stimulus::Fire(timer) => {
                node.timers.remove(timer);
                node.feed(protocol, Input::Timer(*timer), out);
            }
            Stimulus::Request { id, request } => {
                out.events.extend(protocol.invoked(*id, request));
                let input = Input::Request { id: *id, request: request.clone() };
                node.feed(protocol, input, out);
            }
        }
        let pending_max = match fsync {
            Fsync::OwnStep { pending_max } | Fsync::OwnStepUntilLastCrash { pending_max } => {
                pending_max
            }
            Fsync::Immediate => 0,
        };
        while node.pending.len() > pending_max {
            node.persist_oldest(protocol, out);
        }
        node.violation = node.violation.or(out.violation);
        node.paused = false;
        node.rebase_time(out);
        node
    }

    /// Whatever was late is done: its clock shows 0 again.
    fn rebase_time(&mut self, out: &mut Outbox<P>) {
        let time = std::mem::take(&mut self.elapsed);
        if time > Tick(0) {
            self.rebase(time, IoNumber::NONE, out);
            for window in self.timers.values_mut() {
                *window = window.after(time);
            }
        }
    }

    fn crash(self, protocol: &P, out: &mut Outbox<P>) -> Self {
        if !self.pending.is_empty() {
            out.mark(MARK_LOST_WRITE);
        }
        let host = protocol.after_crash(&self);
        let node = Self::recover(protocol, (self.id, self.disk), host, out);
        let Self { violation, pauses_left, deaf_to, .. } = self;
        Self { pauses_left, deaf_to, violation, ..node }
    }

    fn persist_oldest(&mut self, protocol: &P, out: &mut Outbox<P>) {
        let write = self.pending.pop_front().expect("the world persists only what is pending");
        M::<P>::fold(&mut self.disk, &write);
        let one = IoNumber(1);
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        self.waiting = waiting.map(|(after, what)| (IoNumber(after.0 - 1), what)).collect();
        let before = self.machine.clone();
        let mut effects = self.call(Input::Persisted(one), out);
        self.rebase(Tick(0), one, out);
        self.release(protocol, out);
        let mut rebased = Effects::new();
        for effect in effects.drain() {
            rebased.push(rebase_effect(effect));
        }
        self.settle(protocol, &before, &mut rebased, out);
    }

    /// Lets go what waited for writes that are durable now.
    fn release(&mut self, protocol: &P, out: &mut Outbox<P>) {
        let waiting = std::mem::take(&mut self.waiting);
        for (after, what) in waiting {
            if after == IoNumber::NONE {
                self.let_go(protocol, what, out);
            } else {
                self.waiting.insert((after, what));
            }
        }
    }

    fn let_go(&self, protocol: &P, what: Waiting<P>, out: &mut Outbox<P>) {
        match what {
            Waiting::Send { to, message } => {
                if let Some(broken) = protocol.on_send(self, to, &message) {
                    out.violate(broken);
                }
                if !protocol.is_hearsay(&message) {
                    out.sends.push((to, message));
                }
            }
            Waiting::Answer { id, answer } => protocol.on_answer(id, answer, out),
        }
    }

    fn feed(&mut self, protocol: &P, input: Input<M<P>>, out: &mut Outbox<P>) {
        let before = self.machine.clone();
        let mut effects = self.call(input, out);
        self.settle(protocol, &before, &mut effects, out);
    }

    fn call(&mut self, input: Input<M<P>>, out: &mut Outbox<P>) -> Effects<M<P>> {
        let mut effects = Effects::new();
        let noted = out.calls.is_some().then(|| input.clone());
        // The clock is read only now that the input is there (`LEASE-2`).
        let now = self.elapsed;
        self.machine.step(now, input, &mut effects);
        if let Some(input) = noted {
            out.note(|| Call::Step { now, input, effects: effects.as_slice().to_vec() });
        }
        effects
    }

    fn rebase(&mut self, now: Tick, io: IoNumber, out: &mut Outbox<P>) {
        self.machine.rebase(now, io);
        out.note(|| Call::Rebase { now, io });
    }

    /// Carries out effects, and whatever the host tells the machine because of them.
    fn settle(
        &mut self,
        protocol: &P,
        before: &M<P>,
        effects: &mut Effects<M<P>>,
        out: &mut Outbox<P>,
    ) {
        self.carry_out(protocol, effects, out);
        while let Some(told) = out.tell.pop_front() {
            let mut effects = self.call(Input::Told(told), out);
            self.carry_out(protocol, &mut effects, out);
        }
        protocol.after_step(before, self, out);
    }

    fn carry_out(&mut self, protocol: &P, effects: &mut Effects<M<P>>, out: &mut Outbox<P>) {
        for effect in effects.drain() {
            match effect {
                Effect::Write { io, write } => {
                    self.pending.push_back(write);
                    if io.0 != self.pending.len() as u64 {
                        out.violate("MACHINE: I/Os are numbered in order, without gaps");
                    }
                }
                Effect::Send { to, message, after } => {
                    self.gate(protocol, after, Waiting::Send { to, message }, out);
                }
                Effect::Answer { id, answer, after } => {
                    self.gate(protocol, after, Waiting::Answer { id, answer }, out);
                }
                Effect::Arm { timer, delay, jitter } => {
                    let window = Window::armed(protocol.clocks(), delay, jitter);
                    self.timers.insert(timer, window);
                }
                Effect::Disarm { timer } => {
                    self.timers.remove(&timer);
                }
                Effect::Ask(ask) => protocol.on_ask(self, ask, out),
                Effect::Halt { invariant } => out.violate(invariant),
            }
        }
    }

    fn gate(&mut self, protocol: &P, after: IoNumber, what: Waiting<P>, out: &mut Outbox<P>) {
        if after == IoNumber::NONE {
            self.let_go(protocol, what, out);
        } else if let Waiting::Send { to, message } = &what
            && protocol.is_hearsay(message)
        {
            // It will reach nobody, so that to keep it would only tell apart what is the same.
            let broken = protocol.on_send(&self.once_durable(after), *to, message);
            if let Some(broken) = broken {
                out.violate(broken);
            }
        } else {
            // A set: the network may deliver a message any number of times, so that waiting twice
            // says no more.
            self.waiting.insert((after, what));
        }
    }
}

/// A crash lost a write that was on its way.
pub const MARK_LOST_WRITE: usize = 0;

/// Counts I/Os from one later: the first of them has just become durable.
fn rebase_effect<T: Machine>(effect: Effect<T>) -> Effect<T> {
    let earlier = |io: IoNumber| IoNumber(io.0.saturating_sub(1));
    match effect {
        Effect::Write { io, write } => Effect::Write { io: earlier(io), write },
        Effect::Send { to, message, after } => Effect::Send { to, message, after: earlier(after) },
        Effect::Answer { id, answer, after } => {
            Effect::Answer { id, answer, after: earlier(after) }
        }
        Effect::Arm { timer, delay, jitter } => Effect::Arm { timer, delay, jitter },
        Effect::Disarm { timer } => Effect::Disarm { timer },
        Effect::Ask(ask) => Effect::Ask(ask),
        Effect::Halt { invariant } => Effect::Halt { invariant },
    }
}
