//! The owner of partitions: serves their keys, splits them, hands them over.
//!
//! A *host* stands for the replication groups that live in one place, each as one durable log
//! whose entries apply in order. A split is one entry of the parent's log: with it the parent ends
//! and both children begin, in place, with what the parent held and promised. A move is two
//! entries in two logs: first the partition ends here, then it begins there; what it held is sent
//! in between, as often as needed.
//!
//! Source: Elhemali et al., USENIX ATC 2022, section 4.1 (split and move). The protocol is our own:
//! the paper says that partitions split and move, not how.
//!
//! Invariants (checked in the model):
//! * `OWNER-1` at most one partition anywhere may answer for a key.
//! * `OWNER-2` a key without an owner gets one again: no trap.
//! * `ITEM-1` a partition holds items of its own range only, and no item is in two.
//! * `PROMISE-1` children and successors keep what the parent promised.
//! * `COPY-3` nobody learns of a change before it is durable.

use super::partition_map::{Assignment, Epoch, PartitionId};
use super::range::{KeyRange, Token};
use super::routing::{Access, Message};
use crate::ids::{IoNumber, ReplicaId, RequestId, Tick};
use crate::machine::{Effect, Effects, Input, Machine, Recovered};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

/// Who a host is, and what it owns when its disk is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostConfig {
    /// This host.
    pub id: ReplicaId,
    /// The partitions that were created here.
    pub created: Vec<Assignment>,
    /// Send a partition that moves again after so long.
    pub resend_interval: Tick,
}

/// The value of a key, and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Item<V> {
    /// The value.
    pub value: V,
    /// The number of the last write of each router. A write with such a number or a lower one has
    /// taken effect.
    pub written: BTreeMap<ReplicaId, u64>,
}

/// Whether a partition serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Stage {
    /// It does.
    Open,
    /// It ended here and goes to its successor, who may not have it yet.
    Leaving {
        /// Who owns the range next.
        successor: Assignment,
    },
    /// Its successor has it.
    Gone {
        /// Who owned the range next.
        successor: Assignment,
    },
}

/// One partition on one host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Partition<V> {
    /// What it owns, or owned.
    pub assignment: Assignment,
    /// Whether it serves.
    pub stage: Stage,
    /// What it holds. Invariant: `ITEM-1`.
    pub items: BTreeMap<Token, Item<V>>,
    /// Until when, on its group's clock, its leader may not be replaced.
    pub promised: u64,
}

/// A partition on its way to its new home.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Parcel<V> {
    /// What the receiver owns from now on.
    pub assignment: Assignment,
    /// What is in it.
    pub items: BTreeMap<Token, Item<V>>,
    /// What was promised.
    pub promised: u64,
}

/// What the control plane asks of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Split the partition: tokens up to `at` go left.
    Split {
        /// Which.
        partition: PartitionId,
        /// The last token of the left child.
        at: Token,
    },
    /// Hand the partition over.
    Move {
        /// Which.
        partition: PartitionId,
        /// Where to.
        to: ReplicaId,
    },
    /// Its leader may not be replaced until then.
    Promise {
        /// Which.
        partition: PartitionId,
        /// On its group's clock.
        until: u64,
    },
}

/// How a change ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is durable here.
    Begun,
    /// It does not fit what is here, and had no effect.
    Refused,
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Write<V> {
    /// A key has a new value.
    Put {
        /// The owner.
        partition: PartitionId,
        /// The key.
        token: Token,
        /// The value and its writers.
        item: Item<V>,
    },
    /// The parent ends, both children begin.
    Split {
        /// The parent.
        parent: PartitionId,
        /// The children's assignments.
        children: [Assignment; 2],
    },
    /// The partition ends here.
    Leave {
        /// Which.
        partition: PartitionId,
        /// Who owns the range next.
        successor: Assignment,
    },
    /// A partition begins here.
    Install(Parcel<V>),
    /// The successor has it: what it held is not needed any more.
    Forget {
        /// Which.
        partition: PartitionId,
    },
    /// A promise.
    Promise {
        /// Whose.
        partition: PartitionId,
        /// Until when.
        until: u64,
    },
}

/// The timer of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Some partition is leaving.
    Resend,
}

/// What the disk of a host holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Durable<V> {
    /// Those that are here, and those that left.
    pub partitions: BTreeMap<PartitionId, Partition<V>>,
}

impl<V> Default for Durable<V> {
    fn default() -> Self {
        Self { partitions: BTreeMap::new() }
    }
}

/// The owner of partitions. See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host<V> {
    config: HostConfig,
    /// What the disk will hold once every write on its way is durable.
    state: Durable<V>,
    issued: IoNumber,
    persisted: IoNumber,
}

impl<V: Clone + Debug + Eq + Ord + Hash> Machine for Host<V> {
    type Config = HostConfig;
    type Message = Message<V>;
    type Request = Change;
    type Answer = Outcome;
    type Timer = Timer;
    type Write = Write<V>;
    type Durable = Durable<V>;
    type Ask = ();
    type Told = ();

    fn fold(durable: &mut Durable<V>, write: &Write<V>) {
        let partitions = &mut durable.partitions;
        match write {
            Write::Put { partition, token, item } => {
                if let Some(partition) = partitions.get_mut(partition) {
                    partition.items.insert(*token, item.clone());
                }
            }
            Write::Split { parent, children } => {
                if let Some(parent) = partitions.remove(parent) {
                    for child in children {
                        partitions.insert(child.partition, parent.child(*child));
                    }
                }
            }
            Write::Leave { partition, successor } => {
                if let Some(partition) = partitions.get_mut(partition) {
                    partition.stage = Stage::Leaving { successor: *successor };
                }
            }
            Write::Install(parcel) => {
                let Parcel { assignment, items, promised } = parcel.clone();
                let partition = Partition { assignment, stage: Stage::Open, items, promised };
                partitions.insert(assignment.partition, partition);
            }
            Write::Forget { partition } => {
                if let Some(partition) = partitions.get_mut(partition)
                    && let Stage::Leaving { successor } = partition.stage
                {
                    partition.stage = Stage::Gone { successor };
                    partition.items.clear();
                }
            }
            Write::Promise { partition, until } => {
                if let Some(partition) = partitions.get_mut(partition) {
                    partition.promised = *until;
                }
            }
        }
    }

    fn recover(
        config: &HostConfig,
        disk: Recovered<Durable<V>>,
        _: Tick,
        effects: &mut Effects<Self>,
    ) -> Self {
        let is_first_start = disk.durable.partitions.is_empty();
        let mut host = Self {
            config: config.clone(),
            state: disk.durable,
            issued: IoNumber::NONE,
            persisted: IoNumber::NONE,
        };
        if is_first_start {
            for &assignment in &config.created {
                let parcel = Parcel { assignment, items: BTreeMap::new(), promised: 0 };
                host.write(Write::Install(parcel), effects);
            }
        }
        host.arm_resend(effects);
        host
    }

    fn step(&mut self, _: Tick, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Receive { from, message } => match message {
                Message::Do { number, epoch, token, access } => {
                    self.on_do((from, number), epoch, token, access, effects);
                }
                Message::Install(parcel) => self.on_install(from, parcel, effects),
                Message::Installed { assignment } => self.on_installed(from, assignment, effects),
                // Not for an owner.
                Message::Done { .. } | Message::Refused { .. } => {}
            },
            Input::Request { id, request } => self.on_change(id, request, effects),
            Input::Timer(Timer::Resend) => self.on_resend(effects),
            Input::Persisted(io) => {
                assert!(
                    io <= self.issued,
                    "the driver persisted I/O {} of {}",
                    io.0,
                    self.issued.0
                );
                self.persisted = self.persisted.max(io);
            }
            Input::Told(()) => {}
        }
    }

    fn rebase(&mut self, _: Tick, io: IoNumber) {
        self.issued.0 -= io.0;
        self.persisted.0 = self.persisted.0.saturating_sub(io.0);
    }
}

impl<V: Clone + Debug + Eq + Ord + Hash> Host<V> {
    /// A router believes that a partition here owns the token since `epoch`. Only if it does is
    /// anything done.
    fn on_do(
        &mut self,
        (router, number): (ReplicaId, u64),
        epoch: Epoch,
        token: Token,
        access: Access<V>,
        effects: &mut Effects<Self>,
    ) {
        let owner = self.partition_of(token);
        let serves = |it: &&Partition<V>| it.stage == Stage::Open && it.assignment.epoch == epoch;
        let Some(partition) = owner.filter(serves) else {
            let known = owner.map(Partition::successor);
            effects.send(router, Message::Refused { number, known }, self.everything());
            return;
        };
        let id = partition.assignment.partition;
        let item = partition.items.get(&token).cloned();
        let value = match access {
            Access::Get => item.map(|it| it.value),
            Access::Put(value) => {
                let mut written = item.map(|it| it.written).unwrap_or_default();
                // A repeated write has taken effect, and what came after it stays.
                if written.get(&router).is_none_or(|&last| last < number) {
                    written.insert(router, number);
                    let item = Item { value: value.clone(), written };
                    self.write(Write::Put { partition: id, token, item }, effects);
                }
                Some(value)
            }
        };
        effects.send(router, Message::Done { number, value }, self.everything());
    }

    /// The control plane asks for a change. What does not fit has no effect.
    fn on_change(&mut self, id: RequestId, change: Change, effects: &mut Effects<Self>) {
        let begun = match change {
            Change::Split { partition, at } => self.split(partition, at, effects),
            Change::Move { partition, to } => self.hand_over(partition, to, effects),
            Change::Promise { partition, until } => self.promise(partition, until, effects),
        };
        let answer = if begun.is_some() { Outcome::Begun } else { Outcome::Refused };
        effects.push(Effect::Answer { id, answer, after: self.everything() });
    }

    /// One entry: the parent ends, and its children begin with all that it held and promised.
    fn split(&mut self, id: PartitionId, at: Token, effects: &mut Effects<Self>) -> Option<()> {
        let parent = self.open(id)?.assignment;
        let (left, right) = parent.range.split_after(at)?;
        let (left_id, right_id) = id.children()?;
        let epoch = parent.epoch.next();
        let child = |range, partition| Assignment { range, epoch, partition, home: parent.home };
        let children = [child(left, left_id), child(right, right_id)];
        self.write(Write::Split { parent: id, children }, effects);
        Some(())
    }

    /// The partition ends here; its successor hears of it once that is durable.
    fn hand_over(
        &mut self,
        id: PartitionId,
        to: ReplicaId,
        effects: &mut Effects<Self>,
    ) -> Option<()> {
        let now = self.open(id)?.assignment;
        if to == self.config.id {
            return None;
        }
        let successor = Assignment { epoch: now.epoch.next(), home: to, ..now };
        self.write(Write::Leave { partition: id, successor }, effects);
        self.send_parcels(effects);
        Some(())
    }

    fn promise(&mut self, id: PartitionId, until: u64, effects: &mut Effects<Self>) -> Option<()> {
        let promised = self.open(id)?.promised;
        if until > promised {
            self.write(Write::Promise { partition: id, until }, effects);
        }
        Some(())
    }

    /// A partition comes here. One that was here in this epoch or a later one stays as it is: it
    /// may have been written since, or have gone on.
    fn on_install(&mut self, from: ReplicaId, parcel: Parcel<V>, effects: &mut Effects<Self>) {
        let assignment = parcel.assignment;
        let is_known = self.state.partitions.values().any(|it| {
            it.assignment.range.overlaps(assignment.range)
                && it.successor().epoch >= assignment.epoch
        });
        if !is_known && assignment.home == self.config.id {
            self.write(Write::Install(parcel), effects);
        }
        effects.send(from, Message::Installed { assignment }, self.everything());
    }

    /// The successor has it on its disk.
    fn on_installed(
        &mut self,
        from: ReplicaId,
        assignment: Assignment,
        effects: &mut Effects<Self>,
    ) {
        let id = assignment.partition;
        let leaving = Stage::Leaving { successor: assignment };
        let stage = self.state.partitions.get(&id).map(|it| it.stage);
        if from == assignment.home && stage == Some(leaving) {
            self.write(Write::Forget { partition: id }, effects);
            if self.leaving().next().is_none() {
                effects.push(Effect::Disarm { timer: Timer::Resend });
            }
        }
    }

    fn on_resend(&mut self, effects: &mut Effects<Self>) {
        self.send_parcels(effects);
    }

    fn send_parcels(&self, effects: &mut Effects<Self>) {
        for (parcel, to) in self.leaving() {
            effects.send(to, Message::Install(parcel), self.everything());
        }
        self.arm_resend(effects);
    }

    /// What leaves, and where it goes.
    fn leaving(&self) -> impl Iterator<Item = (Parcel<V>, ReplicaId)> {
        self.state.partitions.values().filter_map(|it| match it.stage {
            Stage::Leaving { successor } => {
                let (items, promised) = (it.items.clone(), it.promised);
                Some((Parcel { assignment: successor, items, promised }, successor.home))
            }
            Stage::Open | Stage::Gone { .. } => None,
        })
    }

    fn arm_resend(&self, effects: &mut Effects<Self>) {
        if self.leaving().next().is_some() {
            let delay = self.config.resend_interval;
            effects.push(Effect::Arm { timer: Timer::Resend, delay, jitter: delay });
        }
    }

    /// Appends an entry, and applies it in memory.
    fn write(&mut self, write: Write<V>, effects: &mut Effects<Self>) {
        Self::fold(&mut self.state, &write);
        self.issued.0 += 1;
        effects.push(Effect::Write { io: self.issued, write });
    }

    /// `COPY-3`: what an effect must wait for that shows anything of the state in memory.
    fn everything(&self) -> IoNumber {
        if self.issued > self.persisted { self.issued } else { IoNumber::NONE }
    }

    /// The latest partition here that owns, or owned, the token.
    fn partition_of(&self, token: Token) -> Option<&Partition<V>> {
        let here = self.state.partitions.values();
        here.filter(|it| it.assignment.range.contains(token)).max_by_key(|it| it.assignment.epoch)
    }

    fn open(&self, id: PartitionId) -> Option<&Partition<V>> {
        self.state.partitions.get(&id).filter(|it| it.stage == Stage::Open)
    }

    /// The partitions that are here, and those that left.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition<V>> {
        self.state.partitions.values()
    }
}

impl<V: Clone> Partition<V> {
    /// Who owns the range now, as far as is known here.
    #[must_use]
    pub fn successor(&self) -> Assignment {
        match self.stage {
            Stage::Open => self.assignment,
            Stage::Leaving { successor } | Stage::Gone { successor } => successor,
        }
    }

    /// A child of this partition: what it owns of the items, and all that was promised.
    fn child(&self, assignment: Assignment) -> Self {
        let own = self.items.iter().filter(|(token, _)| assignment.range.contains(**token));
        let items = own.map(|(token, item)| (*token, item.clone())).collect();
        Self { assignment, stage: Stage::Open, items, promised: self.promised }
    }

    /// `ITEM-1`, over one partition: it holds items of its own range only.
    #[must_use]
    pub fn holds_only_its_own(&self) -> bool {
        let range: KeyRange = self.assignment.range;
        self.items.keys().all(|token| range.contains(*token))
    }
}

#[cfg(test)]
mod tests;
