//! Turns the intervals of a partition into the sequence of calls and returns that the search reads.

use std::collections::HashMap;
use std::hash::Hash;

use crate::history::Operation;
use crate::model::{Model, Nature};

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
    /// One unknown operation of each kind.
    pub(crate) kinds: Vec<u32>,
    /// How many surely executed operations are pending at once, at most.
    pub(crate) pending_max: usize,
}

impl Schedule {
    pub(crate) fn new<M: Model>(operations: &[Operation<M::Action>], model: &M) -> Self {
        let mut kinds = Kinds { numbers: HashMap::new(), examples: Vec::new() };
        let mut timed: Vec<(u64, bool, Event)> = Vec::with_capacity(operations.len() * 2);
        for (at, operation) in operations.iter().enumerate() {
            let number = u32::try_from(at).expect("2^32 operations do not fit in memory");
            if let Some(returned) = operation.returned {
                timed.push((operation.invoked, false, Event::Call { operation: number }));
                timed.push((returned, true, Event::Return { operation: number }));
            } else if model.nature(&operation.action) != Nature::Pure {
                let kind = kinds.of(&operation.action, number);
                timed.push((operation.invoked, false, Event::Offer { operation: number, kind }));
            }
        }
        timed.sort_by_key(|(time, is_return, _)| (*time, *is_return));
        let events: Vec<Event> = timed.into_iter().map(|(_, _, event)| event).collect();
        let (mut pending, mut pending_max) = (0_usize, 0);
        for event in &events {
            match event {
                Event::Call { .. } => pending += 1,
                Event::Return { .. } => pending -= 1,
                Event::Offer { .. } => {}
            }
            pending_max = pending_max.max(pending);
        }
        Self { events, kinds: kinds.examples, pending_max }
    }
}

/// Numbers equal actions equally.
struct Kinds<'a, A> {
    numbers: HashMap<&'a A, u32>,
    examples: Vec<u32>,
}

impl<'a, A: Eq + Hash> Kinds<'a, A> {
    fn of(&mut self, action: &'a A, operation: u32) -> u32 {
        let next = u32::try_from(self.examples.len()).expect("no more kinds than operations");
        *self.numbers.entry(action).or_insert_with(|| {
            self.examples.push(operation);
            next
        })
    }
}
