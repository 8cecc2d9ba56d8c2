//! One register with N copies: writes wait for W copies, reads for R, both chosen per request.
//!
//! Every node is a *replica*, which keeps a copy, and a *request coordinator*, which asks the
//! owners of the register and counts who answered. A copy is a value with a *stamp*; stamps are
//! totally ordered and the highest wins. What a table of many registers adds is one machine per
//! register that has requests open: between requests everything is on the disk.
//!
//! R + W > N makes every read meet every answered write. It does not make reads linearizable: a
//! read that overlaps a write may find the new value and the next one the old. For that, a write
//! first asks R copies for the highest stamp ([`Order::AskFirst`]) and a read leaves what it found
//! on W copies before it answers ([`Repair::Blocking`]).
//!
//! Source: `DeCandia` et al., SOSP 2007, sections 4.5 and 4.6 (N, R, W, sloppy quorum); Gifford 1979
//! (quorums); Attiya, Bar-Noy & Dolev 1995 (write-back); Lynch & Shvartsman 1997 (writers that ask
//! first).
//!
//! Differences from the sources:
//! * Disks are asynchronous: a copy is acknowledged, and shown to a reader, only once it is
//!   durable.
//! * Stamps are counters with the writer's id, not version vectors: one value per key, no siblings.
//! * A request carries the *epoch* of the ring that its coordinator knows. A replica with another
//!   ring refuses it ([`ForeignEpoch::Refuse`]); SOSP 2007 does not.
//! * A stand-in keeps a copy for a silent owner (section 4.6) and answers in its name. It does not
//!   yet hand the copy over when the owner returns.
//! * No rule carries data from one ring to the next: guarantees are those of one epoch.
//!
//! Invariants (checked by [`invariant`] and by the model):
//! * `STAMP-1` a stamp names one value, for ever.
//! * `STAMP-2` no stamp and no question is used twice, not even after a crash.
//! * `COPY-1` the stamp of a copy never decreases.
//! * `COPY-2` what a node says it holds is on its disk.
//! * `ACK-1` an answered write is on the disks of W different nodes.
//! * `VALUE-1` a read returns what somebody asked to write.
//! * `EPOCH-1` a replica takes part in no request of another ring.

mod coordinator;
pub mod invariant;
mod replica;
mod symmetry;
#[cfg(test)]
mod tests;
mod words;

pub use words::{
    Answer, Ask, Config, Durable, ForeignEpoch, Message, Order, Placement, Repair, Request, Ring,
    RingEpoch, Stamp, Timer, Told, Version, Write,
};

use crate::ids::{IoNumber, ReplicaId, RequestId, Tick};
use crate::machine::{Effect, Effects, Input, Machine, Recovered};
use crate::quorum::ReplicaSet;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

/// No register gets there at a million writes a second for thousands of years. Keeps a garbled
/// stamp from using the counters up.
const COUNTER_MAX: u64 = 1 << 60;

/// What a request still waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase<V> {
    /// For `r` copies to say what they hold.
    Asking {
        /// Names the question. Never used twice, not even after a restart.
        number: u64,
        /// How many copies must answer.
        r: u8,
        /// Who answered.
        heard: ReplicaSet,
        /// The highest version among the answers.
        best: Option<Version<V>>,
        /// Who answered with that version. Invariant: a part of `heard`.
        at: ReplicaSet,
    },
    /// For `w` copies to hold `version` durably.
    Storing {
        /// What is stored.
        version: Version<V>,
        /// How many copies must hold it.
        w: u8,
        /// Who does.
        held: ReplicaSet,
    },
}

/// What a request wants in the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Purpose<V> {
    /// To write this value to `w` copies.
    Write { value: V, w: u8 },
    /// To read.
    Read { repair: Repair },
}

/// One request that this node coordinates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Operation<V> {
    request: RequestId,
    purpose: Purpose<V>,
    phase: Phase<V>,
    /// How often the retry timer fired for it.
    retries: u8,
    /// Who stands in, and for which silent owner. Empty in a strict quorum.
    stand_ins: BTreeMap<ReplicaId, ReplicaId>,
}

/// What a node will not hand out again after a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Counters {
    /// The highest counter of a stamp.
    stamp: u64,
    /// The last number of a question.
    question: u64,
}

/// One node's part in one register. See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quorum<V> {
    config: Config,
    /// The ring this node knows: that of the configuration, or a later one it was told.
    ring: Ring,
    /// The copy that this node keeps as an owner.
    copy: Option<Version<V>>,
    /// Copies that this node keeps for owners who were silent.
    hints: BTreeMap<ReplicaId, Version<V>>,
    /// The highest used or seen in this incarnation.
    used: Counters,
    /// What the disk has set aside for this node, once every write on its way is durable.
    /// Invariant: at least `used`, as far as it was handed out by this node.
    reserved: Counters,
    /// The write that holds `reserved`; 0 once it is durable.
    reserving: IoNumber,
    issued: IoNumber,
    persisted: IoNumber,
    /// Answers of this node to itself that wait for its disk.
    to_self: Vec<(IoNumber, Message<V>)>,
    /// Requests that this node coordinates, in the order of arrival.
    operations: Vec<Operation<V>>,
    /// An invariant broke: silent from then on.
    halted: bool,
}

impl<V: Clone + Debug + Eq + Ord + Hash> Machine for Quorum<V> {
    type Config = Config;
    type Message = Message<V>;
    type Request = Request<V>;
    type Answer = Answer<V>;
    type Timer = Timer;
    type Write = Write<V>;
    type Durable = Durable<V>;
    type Ask = Ask;
    type Told = Told;

    fn fold(durable: &mut Durable<V>, write: &Write<V>) {
        match write {
            Write::Copy(version) => durable.copy = Some(version.clone()),
            Write::Hint { owner, version } => {
                durable.hints.insert(*owner, version.clone());
            }
            Write::Reserve { stamps, questions } => {
                durable.stamps = *stamps;
                durable.questions = *questions;
            }
            Write::Ring(ring) => durable.ring = Some(ring.clone()),
        }
    }

    fn recover(
        config: &Config,
        disk: Recovered<Durable<V>>,
        _now: Tick,
        _effects: &mut Effects<Self>,
    ) -> Self {
        let Durable { copy, hints, stamps, questions, ring } = disk.durable;
        let told = ring.filter(|it| it.epoch > config.ring.epoch);
        let reserved = Counters { stamp: stamps, question: questions };
        Self {
            config: config.clone(),
            ring: told.unwrap_or_else(|| config.ring.clone()),
            copy,
            hints,
            // Whatever was set aside may have been used before the crash.
            used: reserved,
            reserved,
            reserving: IoNumber::NONE,
            issued: IoNumber::NONE,
            persisted: IoNumber::NONE,
            to_self: Vec::new(),
            operations: Vec::new(),
            halted: false,
        }
    }

    fn step(&mut self, _now: Tick, input: Input<Self>, effects: &mut Effects<Self>) {
        if self.halted {
            return;
        }
        match input {
            Input::Timer(Timer::Retry) => self.on_retry(effects),
            Input::Receive { from, message } => {
                // A known id, so that sets of replicas can hold it; and no message to oneself.
                if from.0 < ReplicaSet::IDS && from != self.config.id {
                    self.receive(from, message, effects);
                }
            }
            Input::Request { id, request } => self.on_request(id, request, effects),
            Input::Persisted(io) => self.on_persisted(io, effects),
            Input::Told(Told::Ring(ring)) => self.on_ring(ring, effects),
        }
    }

    fn rebase(&mut self, _now: Tick, io: IoNumber) {
        self.issued.0 -= io.0;
        self.persisted.0 = self.persisted.0.saturating_sub(io.0);
        self.reserving.0 = self.reserving.0.saturating_sub(io.0);
        for (after, _) in &mut self.to_self {
            after.0 -= io.0;
        }
    }
}

impl<V: Clone + Debug + Eq + Ord + Hash> Quorum<V> {
    fn receive(&mut self, from: ReplicaId, message: Message<V>, effects: &mut Effects<Self>) {
        match message {
            Message::Store { epoch, version, keep_for } => {
                self.on_store(from, epoch, version, keep_for, effects);
            }
            Message::Stored { epoch, stamp } => self.on_stored(from, epoch, stamp, effects),
            Message::Question { epoch, number, instead_of } => {
                self.on_question(from, epoch, number, instead_of, effects);
            }
            Message::Copy { epoch, number, version } => {
                self.on_copy(from, epoch, number, version, effects);
            }
            Message::OtherRing { epoch } => self.on_other_ring(epoch, effects),
        }
    }

    fn on_persisted(&mut self, io: IoNumber, effects: &mut Effects<Self>) {
        assert!(io <= self.issued, "the driver persisted I/O {} of {}", io.0, self.issued.0);
        self.persisted = self.persisted.max(io);
        if self.reserving <= io {
            self.reserving = IoNumber::NONE;
        }
        let (ready, waiting) = core::mem::take(&mut self.to_self)
            .into_iter()
            .partition::<Vec<_>, _>(|(after, _)| *after <= io);
        self.to_self = waiting;
        for (_, message) in ready {
            self.receive(self.config.id, message, effects);
        }
    }

    /// The host found a later ring. Requests of the earlier one end: nobody may answer them any
    /// more.
    fn on_ring(&mut self, ring: Ring, effects: &mut Effects<Self>) {
        if ring.epoch <= self.ring.epoch {
            return;
        }
        self.ring = ring.clone();
        self.write(Write::Ring(ring), effects);
        for operation in core::mem::take(&mut self.operations) {
            coordinator::give_up(&operation, effects);
        }
        effects.push(Effect::Disarm { timer: Timer::Retry });
    }

    /// Starts making something durable.
    fn write(&mut self, write: Write<V>, effects: &mut Effects<Self>) -> IoNumber {
        self.issued.0 += 1;
        effects.push(Effect::Write { io: self.issued, write });
        self.issued
    }

    /// What an effect must wait for if it may only leave once everything decided here is durable.
    fn everything(&self) -> IoNumber {
        if self.issued > self.persisted { self.issued } else { IoNumber::NONE }
    }

    /// Says something to a node, which may be this one.
    fn say(
        &mut self,
        to: ReplicaId,
        message: Message<V>,
        after: IoNumber,
        effects: &mut Effects<Self>,
    ) {
        if to != self.config.id {
            effects.send(to, message, after);
        } else if after == IoNumber::NONE {
            self.receive(to, message, effects);
        } else {
            self.to_self.push((after, message));
        }
    }

    fn halt(&mut self, invariant: &'static str, effects: &mut Effects<Self>) {
        self.halted = true;
        effects.push(Effect::Halt { invariant });
    }

    /// The copy that this node keeps as an owner, in memory.
    #[must_use]
    pub fn copy(&self) -> Option<&Version<V>> {
        self.copy.as_ref()
    }

    /// The copy that this node keeps for a silent owner, in memory.
    #[must_use]
    pub fn hint(&self, owner: ReplicaId) -> Option<&Version<V>> {
        self.hints.get(&owner)
    }

    /// The ring that this node knows.
    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Whether an invariant broke on this node.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// How many requests this node coordinates.
    #[must_use]
    pub fn open_requests(&self) -> usize {
        self.operations.len()
    }

    /// Whether a read waits until enough copies hold what it found.
    #[must_use]
    pub fn writes_back(&self) -> bool {
        self.operations.iter().any(|it| {
            matches!((&it.purpose, &it.phase), (Purpose::Read { .. }, Phase::Storing { .. }))
        })
    }

    /// The least number of times that the retry timer fired for a request that is still open.
    #[must_use]
    pub fn retries_min(&self) -> Option<u8> {
        self.operations.iter().map(|it| it.retries).min()
    }

    /// The largest such number.
    #[must_use]
    pub fn retries_max(&self) -> Option<u8> {
        self.operations.iter().map(|it| it.retries).max()
    }

    /// The number of the last question of this node.
    #[must_use]
    pub fn questions_asked(&self) -> u64 {
        self.used.question
    }

    /// Whether an answer of `from` to this question would still count.
    #[must_use]
    pub fn awaits_copy(&self, from: ReplicaId, number: u64) -> bool {
        self.operations.iter().any(|it| match &it.phase {
            Phase::Asking { number: asked, heard, .. } => *asked == number && !heard.contains(from),
            Phase::Storing { .. } => false,
        })
    }

    /// Whether the news that `from` holds this version would still count.
    #[must_use]
    pub fn awaits_stored(&self, from: ReplicaId, stamp: Stamp) -> bool {
        self.operations.iter().any(|it| match &it.phase {
            Phase::Asking { .. } => false,
            Phase::Storing { version, held, .. } => version.stamp == stamp && !held.contains(from),
        })
    }
}
