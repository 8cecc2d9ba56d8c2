//! What is to happen, by virtual time; what happens at one time, in the order in which it was
//! arranged.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Something to happen. Small: what it is about waits elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A message reaches a node.
    Arrives { slot: u32 },
    /// A node that was busy goes on.
    GoesOn { node: u8, incarnation: u32 },
    /// A timer of a node may be due.
    Wakes { node: u8, incarnation: u32 },
    /// The write in flight is done.
    Written { node: u8, incarnation: u32 },
    /// A client begins its next operation, or tries again.
    Asks { client: u8, attempt: u32 },
    /// What a client asked reaches a node.
    Asked { client: u8, attempt: u32, node: u8 },
    /// An answer reaches a client.
    Answered { slot: u32 },
    /// A client has waited long enough.
    GivesUp { client: u8, attempt: u32 },
    /// A fault of the plan begins.
    Fault { number: u32 },
    /// A fault of the plan ends.
    Ends { number: u32 },
    /// A node starts again, if it is still down.
    Starts { node: u8 },
    /// The phase may be over.
    Looks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: u64,
    number: u64,
    what: Happening,
}

impl Ord for Entry {
    /// The heap yields the greatest first: that is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The event queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Entry>,
    arranged: u64,
}

impl Queue {
    pub(crate) fn arrange(&mut self, at: u64, what: Happening) {
        self.arranged += 1;
        self.heap.push(Entry { at, number: self.arranged, what });
    }

    pub(crate) fn next(&mut self) -> Option<(u64, Happening)> {
        self.heap.pop().map(|entry| (entry.at, entry.what))
    }
}

/// Things that wait for their moment, by slot.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    pub(crate) fn put(&mut self, thing: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(thing);
            return slot;
        }
        self.slots.push(Some(thing));
        u32::try_from(self.slots.len() - 1).expect("few messages are on their way at once")
    }

    /// # Panics
    /// When the slot is empty: each is taken once.
    pub(crate) fn take(&mut self, slot: u32) -> T {
        self.free.push(slot);
        self.slots[slot as usize].take().expect("a slot is taken once")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_earlier_happens_first_and_then_what_was_arranged_first() {
        let mut queue = Queue::default();
        let fault = |number| Happening::Fault { number };
        for (at, number) in [(5, 1), (3, 2), (5, 3), (1, 4)] {
            queue.arrange(at, fault(number));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(order, [(1, fault(4)), (3, fault(2)), (5, fault(1)), (5, fault(3))]);
    }

    #[test]
    fn a_slot_is_used_again() {
        let mut slots = Slots::default();
        let first = slots.put('a');
        assert_eq!((slots.put('b'), slots.take(first), slots.put('c')), (1, 'a', first));
    }
}
