//! The search itself; see the [module above](super) for the rules and why they are right.

use std::fmt;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::antichain::{Antichain, Configuration};
use super::schedule::{Event, Schedule};
use super::slots::Slots;
use super::witness::{Deed, ROOT, Witnesses};
use crate::history::Operation;
use crate::meter::Share;
use crate::model::{Model, Nature};

/// When to give up.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Model steps.
    pub steps: u64,
    /// Time of day.
    pub deadline: Option<Instant>,
    /// Set when nobody waits for the outcome any more.
    pub stop: Option<&'a AtomicBool>,
}

/// What a search had too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shortage {
    /// Model steps.
    Steps,
    /// Time.
    Time,
    /// Memory.
    Memory,
    /// Slots for operations on one key that are pending at once; there are 4096.
    Slots,
    /// Interest: another key was found to be illegal.
    Stopped,
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Steps => "steps",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Slots => "slots for 4096 operations pending at once",
            Self::Stopped => "interest, after another key was found illegal,",
        })
    }
}

/// One operation of a linearization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its position in the input of the search.
    pub position: usize,
    /// A moment in its interval at which it can have taken effect.
    pub point: u64,
}

/// What the search found out about one partition.
#[derive(Clone, Debug)]
pub enum Outcome<S> {
    /// It is legal, in this order.
    Legal(Vec<Placed>),
    /// Nothing survives the return of an operation.
    Illegal {
        /// The position of that operation.
        position: usize,
        /// The states that were possible just before that return.
        states: Vec<S>,
    },
    /// The limits ran out.
    Undecided {
        /// The position of the operation whose return could not be decided.
        position: usize,
        /// What ran out.
        reason: Shortage,
    },
}

/// Steps of witnesses kept from one return to the next, and half of what one return may add up to:
/// 16 bytes each, so at most half a gigabyte.
const WITNESS_STEPS_MAX: usize = 1 << 24;

/// Between two looks at the clock.
const STEPS_PER_CLOCK_LOOK: u64 = 4096;

/// Decides whether `operations`, all of one key, are linearizable, and counts the model steps.
#[must_use]
pub(crate) fn search<M: Model>(
    operations: &[Operation<M::Action>],
    model: &M,
    limits: &Limits<'_>,
    memory: Share<'_>,
) -> (Outcome<M::State>, u64) {
    let schedule = Schedule::new(operations, model);
    match schedule.pending_max {
        0..=64 => Search::<M, 1>::new(operations, model, &schedule, limits, memory).run(),
        65..=256 => Search::<M, 4>::new(operations, model, &schedule, limits, memory).run(),
        257..=4096 => Search::<M, 64>::new(operations, model, &schedule, limits, memory).run(),
        _ => (Outcome::Undecided { position: 0, reason: Shortage::Slots }, 0),
    }
}

/// A pending operation.
#[derive(Clone, Copy, Debug)]
struct Pending {
    operation: u32,
    nature: Nature,
}

/// The limits ran out.
struct Exhausted(Shortage);

/// The search at one event.
struct Search<'a, M: Model, const W: usize> {
    operations: &'a [Operation<M::Action>],
    model: &'a M,
    schedule: &'a Schedule,
    limits: &'a Limits<'a>,
    /// Bytes held, told to the meter.
    memory: Share<'a>,
    /// Model steps so far.
    steps: u64,
    /// The number of the event.
    event: usize,
    /// Slots in use.
    taken: Slots<W>,
    /// What is in each slot that is in use.
    pending: Vec<Pending>,
    /// The slot of each pending operation.
    slot_of: Vec<u16>,
    /// The slots of pending operations that are legal in every state.
    total: Slots<W>,
    /// The unknown operations of each kind, in the order of invocation.
    offered: Vec<Vec<u32>>,
    witnesses: Witnesses,
}

impl<'a, M: Model, const W: usize> Search<'a, M, W>
where
    M::State: Clone + Eq + Hash,
{
    fn new(
        operations: &'a [Operation<M::Action>],
        model: &'a M,
        schedule: &'a Schedule,
        limits: &'a Limits<'a>,
        memory: Share<'a>,
    ) -> Self {
        let nobody = Pending { operation: 0, nature: Nature::Pure };
        Self {
            operations,
            model,
            schedule,
            limits,
            memory,
            steps: 0,
            event: 0,
            taken: Slots::EMPTY,
            pending: vec![nobody; schedule.pending_max],
            slot_of: vec![0; operations.len()],
            total: Slots::EMPTY,
            offered: vec![Vec::new(); schedule.kinds.len()],
            witnesses: Witnesses::default(),
        }
    }

    fn run(mut self) -> (Outcome<M::State>, u64) {
        let mut now = Antichain::new();
        now.insert(Configuration {
            state: self.model.initial(),
            unmet: Slots::EMPTY,
            available: Slots::EMPTY,
            used: self.schedule.kinds.iter().map(|_| 0).collect::<Rc<[u32]>>(),
            trace: ROOT,
            idle: false,
        });
        let mut next = Antichain::new();
        let mut frontier = Antichain::new();
        for event in &self.schedule.events {
            match *event {
                Event::Call { operation } => self.call(operation, &mut now),
                Event::Offer { operation, kind } => self.offered[kind as usize].push(operation),
                Event::Return { operation } => {
                    next.clear();
                    frontier.clear();
                    if let Err(Exhausted(reason)) =
                        self.return_of(operation, &now, &mut frontier, &mut next)
                    {
                        let position = operation as usize;
                        return (Outcome::Undecided { position, reason }, self.steps);
                    }
                    if next.iter().next().is_none() {
                        return (illegal(operation, &now), self.steps);
                    }
                    std::mem::swap(&mut now, &mut next);
                }
            }
            self.event += 1;
        }
        let survivor = now.iter().next().expect("an empty antichain was reported above");
        (self.legal(survivor.trace), self.steps)
    }

    /// A surely executed operation becomes pending.
    fn call(&mut self, operation: u32, now: &mut Antichain<M::State, W>) {
        let slot = self.taken.first_missing().expect("pending_max fits in W words");
        let action = &self.operations[operation as usize].action;
        let nature = self.model.nature(action);
        self.taken.insert(slot);
        self.pending[slot] = Pending { operation, nature };
        self.slot_of[operation as usize] = u16::try_from(slot).expect("at most 4096 slots");
        if matches!(nature, Nature::Constant | Nature::Total) {
            self.total.insert(slot);
        }
        for configuration in now.iter_mut() {
            if self.is_self_loop(&configuration.state, action) {
                configuration.trace =
                    self.witnesses.push(configuration.trace, operation, self.event, Deed::Met);
            } else {
                configuration.unmet.insert(slot);
            }
            if nature != Nature::Pure {
                configuration.available.insert(slot);
            }
        }
    }

    /// A pending operation must have taken effect: leaves in `next` what survives.
    fn return_of(
        &mut self,
        operation: u32,
        now: &Antichain<M::State, W>,
        frontier: &mut Antichain<M::State, W>,
        next: &mut Antichain<M::State, W>,
    ) -> Result<(), Exhausted> {
        let slot = self.slot_of[operation as usize] as usize;
        for configuration in now.iter() {
            arrive(configuration.clone(), slot, frontier, next);
        }
        let mut place = 0;
        while place < frontier.len() {
            if let Some(configuration) = frontier.get(place).cloned() {
                self.expand(&configuration, slot, frontier, next)?;
            }
            place += 1;
        }
        self.taken.remove(slot);
        self.total.remove(slot);
        let configurations = now.bytes() + frontier.bytes() + next.bytes();
        if !self.memory.holds(configurations + self.witnesses.bytes()) {
            return Err(Exhausted(Shortage::Memory));
        }
        if self.witnesses.len() > WITNESS_STEPS_MAX {
            self.witnesses.forget_unneeded(next.iter_mut().map(|kept| &mut kept.trace));
            if self.witnesses.len() > WITNESS_STEPS_MAX / 2 {
                return Err(Exhausted(Shortage::Memory));
            }
        }
        Ok(())
    }

    /// All configurations one step further.
    fn expand(
        &mut self,
        from: &Configuration<M::State, W>,
        slot: usize,
        frontier: &mut Antichain<M::State, W>,
        next: &mut Antichain<M::State, W>,
    ) -> Result<(), Exhausted> {
        for resource in from.available.iter() {
            let Pending { operation, nature } = self.pending[resource];
            if from.idle && nature == Nature::Constant {
                continue;
            }
            let Some(state) = self.step(&from.state, operation)? else { continue };
            let mut to = Configuration { state, ..from.clone() };
            to.available.remove(resource);
            to.unmet.remove(resource);
            self.take_effect(&mut to, operation, nature);
            to.idle &= matches!(nature, Nature::Constant | Nature::Total);
            arrive(to, slot, frontier, next);
        }
        for kind in 0..self.offered.len() {
            let used = from.used[kind] as usize;
            let Some(operation) = self.offered[kind].get(used).copied() else { continue };
            let nature = self.model.nature(&self.operations[operation as usize].action);
            if from.idle && nature == Nature::Constant {
                continue;
            }
            let Some(state) = self.step(&from.state, operation)? else { continue };
            let mut to = Configuration { state, ..from.clone() };
            Rc::make_mut(&mut to.used)[kind] += 1;
            self.take_effect(&mut to, operation, nature);
            arrive(to, slot, frontier, next);
        }
        Ok(())
    }

    /// What an operation that took effect means for the others: a constant write hides total
    /// ones, and what does not change the new state is met.
    fn take_effect(&mut self, to: &mut Configuration<M::State, W>, operation: u32, nature: Nature) {
        to.trace = self.witnesses.push(to.trace, operation, self.event, Deed::Used);
        if nature == Nature::Constant {
            to.unmet.remove_all(&self.total);
        }
        to.idle = true;
        for slot in to.unmet.iter() {
            let operation = self.pending[slot].operation;
            if self.is_self_loop(&to.state, &self.operations[operation as usize].action) {
                to.unmet.remove(slot);
                to.idle &= self.total.contains(slot);
                to.trace = self.witnesses.push(to.trace, operation, self.event, Deed::Met);
            }
        }
    }

    fn is_self_loop(&self, state: &M::State, action: &M::Action) -> bool {
        self.model.step(state, action).as_ref() == Some(state)
    }

    fn step(&mut self, state: &M::State, operation: u32) -> Result<Option<M::State>, Exhausted> {
        self.steps += 1;
        if self.steps > self.limits.steps {
            return Err(Exhausted(Shortage::Steps));
        }
        if self.witnesses.len() > 2 * WITNESS_STEPS_MAX {
            return Err(Exhausted(Shortage::Memory));
        }
        if self.steps.is_multiple_of(STEPS_PER_CLOCK_LOOK) {
            if self.limits.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(Exhausted(Shortage::Stopped));
            }
            if self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Exhausted(Shortage::Time));
            }
        }
        Ok(self.model.step(state, &self.operations[operation as usize].action))
    }

    fn legal(&self, trace: u32) -> Outcome<M::State> {
        let order = self.witnesses.order(trace, self.schedule, self.operations, self.model);
        let point = |event: u32| match self.schedule.events[event as usize] {
            Event::Call { operation } | Event::Offer { operation, .. } => {
                self.operations[operation as usize].invoked
            }
            Event::Return { operation } => self.operations[operation as usize]
                .returned
                .expect("only operations that returned have a return event"),
        };
        let place =
            |(operation, event)| Placed { position: operation as usize, point: point(event) };
        Outcome::Legal(order.into_iter().map(place).collect())
    }
}

/// Sorts a configuration: done with `slot`, or still to be expanded, or both, since a free
/// operation may also be used in the last moment.
fn arrive<S: Clone + Eq + Hash, const W: usize>(
    mut configuration: Configuration<S, W>,
    slot: usize,
    frontier: &mut Antichain<S, W>,
    next: &mut Antichain<S, W>,
) {
    let owed = configuration.unmet.contains(slot);
    if owed || configuration.available.contains(slot) {
        frontier.insert(configuration.clone());
    }
    if !owed {
        configuration.available.remove(slot);
        configuration.idle = false;
        next.insert(configuration);
    }
}

/// What is known when nothing survived the return of `operation`.
fn illegal<S: Clone + Eq + Hash, const W: usize>(
    operation: u32,
    before: &Antichain<S, W>,
) -> Outcome<S> {
    let mut states: Vec<S> = Vec::new();
    for configuration in before.iter() {
        if !states.contains(&configuration.state) {
            states.push(configuration.state.clone());
        }
    }
    Outcome::Illegal { position: operation as usize, states }
}
