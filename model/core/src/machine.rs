//! The contract between a protocol and whoever drives it.
//!
//! A [`Machine`] holds the state of one participant of one protocol. Its driver feeds it
//! [`Input`]s, one at a time, and carries out the [`Effect`]s in the order given. There are three
//! drivers: the model checker, the simulator and the server. A driver promises:
//!
//! 1. I/Os ([`Effect::Write`]) become durable in the order in which they were issued: what is
//!    durable is a prefix, and a crash loses any suffix that was not yet reported as
//!    [`Input::Persisted`].
//! 2. An effect that names an I/O in `after` is carried out only when that I/O, and with it all
//!    earlier ones, is durable. Nothing else expresses "flush before send".
//! 3. After a crash the machine starts again by [`Machine::recover`] from the [`Machine::fold`]
//!    of exactly the durable prefix, and I/O numbers start at 1 again.
//! 4. Messages may be lost, delayed, reordered and duplicated at will.
//! 5. Timers may fire at any time while they are armed. `now` is sampled after the input was
//!    taken from its queue, and jitter is the driver's: a machine holds no randomness.
//!
//! In return a machine is *total*: every input is legal in every state. What no correct peer
//! sends is dropped. What contradicts something durable or committed ends in [`Effect::Halt`]:
//! that replica stops, and in a model it is a violation.
//!
//! Source: none; compare `Ready` of etcd's raft and `IOId` of openraft.

use crate::ids::{IoNumber, LogIndex, ReplicaId, RequestId, Tick};
use alloc::vec::Vec;

/// One participant of one protocol, as a pure function of its inputs.
pub trait Machine: Sized {
    /// What never changes while the machine runs: who it is, limits, options.
    type Config;
    /// What peers say to each other.
    type Message;
    /// What the host may ask of the protocol.
    type Request;
    /// How a request may end, unless its answer comes out of the state machine.
    type Answer;
    /// The names of its timers.
    type Timer;
    /// One atomic I/O.
    type Write;
    /// What a disk holds: the fold of all writes.
    type Durable: Default;
    /// What this protocol wants from its host beyond disk, network and timers.
    type Ask;
    /// What comes back for it.
    type Told;

    /// Adds one write to what the disk holds.
    fn fold(durable: &mut Self::Durable, write: &Self::Write);

    /// Starts, or restarts, a machine from what its disk holds.
    fn recover(
        config: &Self::Config,
        disk: Recovered<Self::Durable>,
        now: Tick,
        effects: &mut Effects<Self>,
    ) -> Self;

    /// Applies one input. Total and deterministic.
    fn step(&mut self, now: Tick, input: Input<Self>, effects: &mut Effects<Self>);

    /// Moves the origin of time to `now` and that of I/O numbers to `io`, both in the past.
    ///
    /// Worlds call it after each step, so that states that differ only in when they were reached
    /// are equal. It commutes with [`Machine::step`].
    fn rebase(&mut self, now: Tick, io: IoNumber);
}

/// What a driver found on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Recovered<D> {
    /// The fold of every durable write, in order.
    pub durable: D,
    /// Up to where the state machine's own storage has durably applied the log; 0 if it starts
    /// empty.
    pub checkpointed: LogIndex,
    /// The driver knows that this participant ran before, and finds nothing of it: its disk was
    /// wiped, or exchanged.
    pub wiped: bool,
}

/// Everything the world can do to a machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input<M: Machine> {
    /// An armed timer fired, and is disarmed by that.
    Timer(M::Timer),
    /// A peer's message arrived.
    Receive {
        /// The sender, as far as the transport knows.
        from: ReplicaId,
        /// What it says.
        message: M::Message,
    },
    /// The host asks for something.
    Request {
        /// Names the request in its one answer.
        id: RequestId,
        /// What is asked.
        request: M::Request,
    },
    /// Every I/O up to and including this one is durable.
    Persisted(IoNumber),
    /// The host answers an [`Effect::Ask`].
    Told(M::Told),
}

/// Everything a machine can do to the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect<M: Machine> {
    /// Start making this durable; report it by [`Input::Persisted`].
    Write {
        /// Its number: one more than that of the write before.
        io: IoNumber,
        /// What to write.
        write: M::Write,
    },
    /// Hand this to the network, once `after` is durable.
    Send {
        /// The receiver.
        to: ReplicaId,
        /// What to say.
        message: M::Message,
        /// The I/O to wait for.
        after: IoNumber,
    },
    /// Answer a request, once `after` is durable.
    Answer {
        /// Which request.
        id: RequestId,
        /// How it ended.
        answer: M::Answer,
        /// The I/O to wait for.
        after: IoNumber,
    },
    /// Fire this timer once, `delay` plus a random share of `jitter` from now. Replaces an
    /// earlier setting of the same timer.
    Arm {
        /// Which timer.
        timer: M::Timer,
        /// The least time to wait, in ticks.
        delay: Tick,
        /// The upper bound of the random addition, in ticks.
        jitter: Tick,
    },
    /// Forget a timer.
    Disarm {
        /// Which timer.
        timer: M::Timer,
    },
    /// Ask the host for what only this protocol knows.
    Ask(M::Ask),
    /// An invariant is broken: this replica must not go on. Nothing follows.
    Halt {
        /// The invariant, by name.
        invariant: &'static str,
    },
}

/// The effects of one step, in the order in which they are to be carried out.
///
/// A driver keeps one and drains it after each step, so that a step allocates nothing in the
/// steady state.
pub struct Effects<M: Machine>(Vec<Effect<M>>);

impl<M: Machine> Effects<M> {
    /// No effects yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one effect, to be carried out after those already here.
    pub fn push(&mut self, effect: Effect<M>) {
        self.0.push(effect);
    }

    /// Adds a send.
    pub fn send(&mut self, to: ReplicaId, message: M::Message, after: IoNumber) {
        self.push(Effect::Send { to, message, after });
    }

    /// Takes all effects out, in order, and keeps the allocation.
    pub fn drain(&mut self) -> impl Iterator<Item = Effect<M>> {
        self.0.drain(..)
    }

    /// The effects so far.
    #[must_use]
    pub fn as_slice(&self) -> &[Effect<M>] {
        &self.0
    }
}

impl<M: Machine> Default for Effects<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a replicated log is for: applies committed commands, one after another.
///
/// Deterministic: equal commands in equal order give equal answers on every replica. No clock,
/// no randomness, no I/O whose outcome may differ.
pub trait StateMachine {
    /// What the log carries.
    type Command;
    /// What applying one command yields; the leader hands it to whoever asked.
    type Answer;

    /// Applies the command at `index`. Indexes come in order; one at or below the last that was
    /// applied is a repetition after a restart and has no effect.
    fn apply(&mut self, index: LogIndex, command: &Self::Command) -> Self::Answer;
}
