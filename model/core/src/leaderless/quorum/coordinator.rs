//! Coordinating requests: ask every owner, count different nodes, answer when enough have
//! answered.

use super::{
    Answer, Ask, COUNTER_MAX, Message, Operation, Order, Phase, Placement, Purpose, Quorum, Repair,
    Request, RingEpoch, Stamp, Timer, Version, Write,
};
use crate::ids::{IoNumber, ReplicaId, RequestId};
use crate::machine::{Effect, Effects};
use crate::quorum::ReplicaSet;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

impl<V: Clone + Debug + Eq + Ord + Hash> Quorum<V> {
    /// A request from the host: this node coordinates it.
    pub(super) fn on_request(
        &mut self,
        id: RequestId,
        request: Request<V>,
        effects: &mut Effects<Self>,
    ) {
        let copies = u8::try_from(self.ring.owners.len()).unwrap_or(u8::MAX);
        if !quorums(&request).into_iter().flatten().all(|it| (1..=copies).contains(&it)) {
            let answer = Answer::NoSuchQuorum { copies };
            effects.push(Effect::Answer { id, answer, after: IoNumber::NONE });
            return;
        }
        if self.operations.is_empty() {
            self.arm_retry(effects);
        }
        match request {
            Request::Write { value, w, order } => {
                let purpose = Purpose::Write { value, w };
                match order {
                    Order::OwnCounter => self.start_write(id, purpose, effects),
                    Order::AskFirst { r } => self.start_question(id, r, purpose, effects),
                }
            }
            Request::Read { r, repair } => {
                self.start_question(id, r, Purpose::Read { repair }, effects);
            }
        }
    }

    fn start_question(
        &mut self,
        request: RequestId,
        r: u8,
        purpose: Purpose<V>,
        effects: &mut Effects<Self>,
    ) {
        self.used.question += 1;
        let number = self.used.question;
        self.reserve(effects);
        let (heard, at) = (ReplicaSet::default(), ReplicaSet::default());
        let phase = Phase::Asking { number, r, heard, best: None, at };
        self.open(request, purpose, phase, effects);
    }

    fn start_write(
        &mut self,
        request: RequestId,
        purpose: Purpose<V>,
        effects: &mut Effects<Self>,
    ) {
        if let Purpose::Write { value, w } = &purpose {
            let (value, w) = (value.clone(), *w);
            let version = Version { stamp: self.next_stamp(effects), value };
            let phase = Phase::Storing { version, w, held: ReplicaSet::default() };
            self.open(request, purpose, phase, effects);
        }
    }

    /// A stamp above all that this node knows of, and never given before: a counter is handed out
    /// only once the disk has set it aside.
    fn next_stamp(&mut self, effects: &mut Effects<Self>) -> Stamp {
        self.used.stamp += 1;
        self.reserve(effects);
        Stamp { counter: self.used.stamp, writer: self.config.id }
    }

    /// Sets counters aside, many at once. What uses them waits for `reserving`.
    fn reserve(&mut self, effects: &mut Effects<Self>) {
        if self.used.stamp > self.reserved.stamp || self.used.question > self.reserved.question {
            let more = self.config.reserved_at_once.max(1) - 1;
            let (stamps, questions) = (self.used.stamp + more, self.used.question + more);
            self.reserved.stamp = self.reserved.stamp.max(stamps);
            self.reserved.question = self.reserved.question.max(questions);
            let (stamps, questions) = (self.reserved.stamp, self.reserved.question);
            self.reserving = self.write(Write::Reserve { stamps, questions }, effects);
        }
    }

    fn open(
        &mut self,
        request: RequestId,
        purpose: Purpose<V>,
        phase: Phase<V>,
        effects: &mut Effects<Self>,
    ) {
        let stand_ins = BTreeMap::new();
        let operation = Operation { request, purpose, phase, retries: 0, stand_ins };
        self.operations.push(operation.clone());
        self.speak(&operation, effects);
    }

    /// Says what an operation has to say to everybody who has not answered it.
    fn speak(&mut self, operation: &Operation<V>, effects: &mut Effects<Self>) {
        let answered = match &operation.phase {
            Phase::Asking { heard, .. } => *heard,
            Phase::Storing { held, .. } => *held,
        };
        let owners = self.ring.owners.iter().map(|&owner| (owner, None));
        let stand_ins = operation.stand_ins.iter().map(|(&node, &owner)| (node, Some(owner)));
        let silent = owners.chain(stand_ins).filter(|(node, _)| !answered.contains(*node));
        for (node, owner) in silent.collect::<Vec<_>>() {
            let epoch = self.ring.epoch;
            let message = match &operation.phase {
                Phase::Asking { number, .. } => {
                    Message::Question { epoch, number: *number, instead_of: owner }
                }
                Phase::Storing { version, .. } => {
                    Message::Store { epoch, version: version.clone(), keep_for: owner }
                }
            };
            if node == self.config.id {
                // Our own disk keeps the order: the copy follows what was set aside for it.
                self.receive(node, message, effects);
            } else {
                effects.send(node, message, self.reserving);
            }
        }
    }

    /// A copy holds a version. Counts it once per node, for every request that waits for it.
    pub(super) fn on_stored(
        &mut self,
        from: ReplicaId,
        epoch: RingEpoch,
        stamp: Stamp,
        effects: &mut Effects<Self>,
    ) {
        if epoch != self.ring.epoch {
            return; // Speaks of a ring whose requests have ended.
        }
        let owners = &self.ring.owners;
        for operation in &mut self.operations {
            let asked = owners.contains(&from) || operation.stand_ins.contains_key(&from);
            if let Phase::Storing { version, held, .. } = &mut operation.phase
                && version.stamp == stamp
                && asked
            {
                *held = held.with(from);
            }
        }
        self.finish_stored(effects);
    }

    /// Answers every request whose version is on enough copies.
    fn finish_stored(&mut self, effects: &mut Effects<Self>) {
        let is_done = |operation: &Operation<V>| match &operation.phase {
            Phase::Asking { .. } => false,
            Phase::Storing { w, held, .. } => held.size() >= u32::from(*w),
        };
        let (done, open) =
            core::mem::take(&mut self.operations).into_iter().partition::<Vec<_>, _>(is_done);
        self.operations = open;
        for operation in done {
            if let Phase::Storing { version, .. } = operation.phase {
                let answer = match operation.purpose {
                    Purpose::Write { .. } => Answer::Written(version.stamp),
                    Purpose::Read { .. } => Answer::Found(Some(version)),
                };
                self.answer(operation.request, answer, effects);
            }
        }
    }

    /// A copy says what it holds. The first `r` answers decide; later ones are not waited for.
    pub(super) fn on_copy(
        &mut self,
        from: ReplicaId,
        epoch: RingEpoch,
        number: u64,
        version: Option<Version<V>>,
        effects: &mut Effects<Self>,
    ) {
        if epoch != self.ring.epoch
            || version.as_ref().is_some_and(|it| it.stamp.counter > COUNTER_MAX)
        {
            return;
        }
        let owners = &self.ring.owners;
        let asked = |it: &Operation<V>| {
            let is_it = matches!(&it.phase, Phase::Asking { number: own, .. } if *own == number);
            is_it && (owners.contains(&from) || it.stand_ins.contains_key(&from))
        };
        let Some(position) = self.operations.iter().position(asked) else { return };
        if let Some(Version { stamp, .. }) = &version {
            self.used.stamp = self.used.stamp.max(stamp.counter);
        }
        let operation = &mut self.operations[position];
        let Phase::Asking { r, heard, best, at, .. } = &mut operation.phase else { return };
        if heard.contains(from) {
            return; // The first answer of a node counts, or the count would be of messages.
        }
        *heard = heard.with(from);
        if version > *best {
            *best = version;
            *at = ReplicaSet::default().with(from);
        } else if version == *best {
            *at = at.with(from);
        }
        if heard.size() >= u32::from(*r) {
            let operation = self.operations.remove(position);
            self.heard_enough(operation, effects);
        }
    }

    /// Enough copies have said what they hold.
    fn heard_enough(&mut self, operation: Operation<V>, effects: &mut Effects<Self>) {
        let Operation { request, purpose, phase, retries, stand_ins } = operation;
        let Phase::Asking { best, heard, at, .. } = phase else { return };
        let repair = match purpose {
            Purpose::Write { .. } => {
                self.start_write(request, purpose, effects);
                return;
            }
            Purpose::Read { repair } => repair,
        };
        match (best, repair) {
            (Some(version), Repair::Blocking { w }) => {
                let phase = Phase::Storing { version, w, held: at };
                let operation = Operation {
                    request,
                    purpose: Purpose::Read { repair },
                    phase,
                    retries,
                    stand_ins,
                };
                self.operations.push(operation.clone());
                self.speak(&operation, effects);
                self.finish_stored(effects);
            }
            (Some(version), Repair::Asynchronous) => {
                let behind: Vec<_> = heard.iter().filter(|it| !at.contains(*it)).collect();
                for node in behind {
                    let keep_for = stand_ins.get(&node).copied();
                    let epoch = self.ring.epoch;
                    let store = Message::Store { epoch, version: version.clone(), keep_for };
                    self.say(node, store, IoNumber::NONE, effects);
                }
                self.answer(request, Answer::Found(Some(version)), effects);
            }
            (best, Repair::None | Repair::Asynchronous | Repair::Blocking { .. }) => {
                self.answer(request, Answer::Found(best), effects);
            }
        }
    }

    /// A replica goes by another ring. If it is later than ours, we need it too; if it is earlier,
    /// the replica looks for ours, and we ask again.
    pub(super) fn on_other_ring(&mut self, epoch: RingEpoch, effects: &mut Effects<Self>) {
        if epoch > self.ring.epoch {
            effects.push(Effect::Ask(Ask::Ring { at_least: epoch }));
        }
    }

    /// Asks again whoever is silent; in a sloppy quorum, also somebody in their stead. Gives up
    /// what was asked for often enough.
    pub(super) fn on_retry(&mut self, effects: &mut Effects<Self>) {
        let sloppy = self.config.placement == Placement::Sloppy;
        let operations = core::mem::take(&mut self.operations);
        let (mut open, mut given_up) = (Vec::new(), Vec::new());
        for mut operation in operations {
            operation.retries = operation.retries.saturating_add(1);
            if operation.retries > self.config.retries_max {
                given_up.push(operation);
                continue;
            }
            if sloppy {
                self.turn_to_stand_ins(&mut operation);
            }
            open.push(operation);
        }
        self.operations.clone_from(&open);
        for operation in given_up {
            give_up(&operation, effects);
        }
        for operation in &open {
            self.speak(operation, effects);
        }
        if !self.operations.is_empty() {
            self.arm_retry(effects);
        }
    }

    /// Names a stand-in for every owner that is silent and has none, as long as there are any.
    fn turn_to_stand_ins(&self, operation: &mut Operation<V>) {
        let answered = match &operation.phase {
            Phase::Asking { heard, .. } => *heard,
            Phase::Storing { held, .. } => *held,
        };
        for &owner in &self.ring.owners {
            let has_one = operation.stand_ins.values().any(|it| *it == owner);
            if answered.contains(owner) || has_one {
                continue;
            }
            let taken = &operation.stand_ins;
            let free = self.ring.stand_ins.iter().find(|it| !taken.contains_key(it));
            if let Some(&node) = free {
                operation.stand_ins.insert(node, owner);
            }
        }
    }

    fn answer(&mut self, id: RequestId, answer: Answer<V>, effects: &mut Effects<Self>) {
        effects.push(Effect::Answer { id, answer, after: IoNumber::NONE });
        if self.operations.is_empty() {
            effects.push(Effect::Disarm { timer: Timer::Retry });
        }
    }

    fn arm_retry(&self, effects: &mut Effects<Self>) {
        let delay = self.config.retry_interval;
        effects.push(Effect::Arm { timer: Timer::Retry, delay, jitter: delay });
    }
}

/// Ends a request that nobody can answer any more.
pub(super) fn give_up<V: Clone + Debug + Eq + Ord + Hash>(
    operation: &Operation<V>,
    effects: &mut Effects<Quorum<V>>,
) {
    let answer = match operation.purpose {
        Purpose::Write { .. } => Answer::Unknown,
        Purpose::Read { .. } => Answer::Unavailable,
    };
    effects.push(Effect::Answer { id: operation.request, answer, after: IoNumber::NONE });
}

/// The numbers of copies that a request names.
fn quorums<V>(request: &Request<V>) -> [Option<u8>; 2] {
    match *request {
        Request::Write { w, order: Order::OwnCounter, .. } => [Some(w), None],
        Request::Write { w, order: Order::AskFirst { r }, .. } => [Some(w), Some(r)],
        Request::Read { r, repair: Repair::Blocking { w } } => [Some(r), Some(w)],
        Request::Read { r, repair: Repair::None | Repair::Asynchronous } => [Some(r), None],
    }
}
