//! Turns the intervals of a partition into the sequence of calls and returns that the search reads.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::history::Operation;
use crate::model::{Model, Nature};
use crate::zone::Mixer;

/// One event of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A surely executed operation becomes pending.
    Call { operation: u32 },
    /// It must have taken effect by now.
    Return { operation: u32 },
    /// An unknown operation of that kind becomes possible.
    Offer { operation: u32, kind: u32 },
}

/// A partition, ready for the search.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Events in the order of time; at equal times calls come before returns, since closed
    /// intervals that touch are concurrent.
    pub(crate) events: Vec<Event>,
    /// The number of each operation's action.
    pub(crate) actions: Vec<u32>,
    /// The slot of each operation that surely happened, while it is pending.
    pub(crate) slots: Vec<u16>,
    /// The event at which each operation returns.
    pub(crate) deadlines: Vec<u32>,
    /// The action of each kind of unknown operations.
    pub(crate) kinds: Vec<u32>,
    /// The unknown operations of each kind, in the order of invocation.
    pub(crate) offers: Vec<Vec<u32>>,
    /// How many surely executed operations are pending at once, at most.
    pub(crate) pending_max: usize,
}

impl Schedule {
    /// The schedule, and one action of each number.
    pub(crate) fn new<'a, M: Model>(
        operations: &'a [Operation<M::Action>],
        model: &M,
    ) -> (Self, Vec<&'a M::Action>) {
        let mut numbers: HashMap<&M::Action, u32, BuildHasherDefault<Mixer>> =
            HashMap::with_capacity_and_hasher(operations.len().min(64), <_>::default());
        let mut examples = Vec::new();
        let mut actions = Vec::with_capacity(operations.len());
        // The moment, whether it is a return, and the operation.
        let mut timed: Vec<(u64, bool, u32)> = Vec::with_capacity(operations.len() * 2);
        for (operation, at) in operations.iter().zip(0_u32..) {
            let next = u32::try_from(examples.len()).expect("no more actions than operations");
            let number = *numbers.entry(&operation.action).or_insert_with(|| {
                examples.push(&operation.action);
                next
            });
            actions.push(number);
            if let Some(returned) = operation.returned {
                timed.push((operation.invoked, false, at));
                timed.push((returned, true, at));
            } else if model.nature(&operation.action) != Nature::Pure {
                timed.push((operation.invoked, false, at));
            }
        }
        // Stable, and quick on runs: recorded histories are nearly sorted.
        timed.sort_by_key(|(time, is_return, _)| u128::from(*time) << 1 | u128::from(*is_return));
        let mut schedule = Self {
            events: Vec::with_capacity(timed.len()),
            slots: vec![0; actions.len()],
            deadlines: vec![u32::MAX; actions.len()],
            actions,
            kinds: Vec::new(),
            offers: Vec::new(),
            pending_max: 0,
        };
        let mut kind_of_action = vec![u32::MAX; examples.len()];
        let mut free: Vec<u16> = Vec::new();
        for ((_, is_return, operation), number) in timed.into_iter().zip(0..) {
            let at = operation as usize;
            let event = if is_return {
                free.push(schedule.slots[at]);
                schedule.deadlines[at] = number;
                Event::Return { operation }
            } else if operations[at].is_known() {
                schedule.slots[at] = free.pop().unwrap_or_else(|| {
                    schedule.pending_max += 1;
                    u16::try_from(schedule.pending_max - 1).unwrap_or(u16::MAX)
                });
                Event::Call { operation }
            } else {
                let kind = &mut kind_of_action[schedule.actions[at] as usize];
                if *kind == u32::MAX {
                    *kind = u32::try_from(schedule.kinds.len()).expect("fewer than operations");
                    schedule.kinds.push(schedule.actions[at]);
                    schedule.offers.push(Vec::new());
                }
                schedule.offers[*kind as usize].push(operation);
                Event::Offer { operation, kind: *kind }
            };
            schedule.events.push(event);
        }
        (schedule, examples)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.events.capacity() * size_of::<Event>()
            + self.actions.capacity() * (2 * size_of::<u32>() + size_of::<u16>())
            + self.offers.iter().map(|offers| offers.capacity() * 4).sum::<usize>()
    }
}
