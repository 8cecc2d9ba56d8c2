//! What sets, queues, mutexes and counters do, a second time, on all keys at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Perform;
use crate::models::counter::{CounterAction, CounterCall};
use crate::models::mutex::{MutexAction, MutexCall};
use crate::models::queue::{QueueAction, QueueCall, Taken};
use crate::models::set::{SetAction, SetCall};
use crate::token::Token;

impl Perform for SetAction {
    type Whole = BTreeMap<Token, BTreeSet<Token>>;

    fn perform(&self, sets: &mut Self::Whole) -> bool {
        let set = sets.entry(self.key).or_default();
        match &self.call {
            SetCall::Add { value } => {
                set.insert(*value);
                true
            }
            SetCall::Remove { value } => {
                set.remove(value);
                true
            }
            SetCall::Contains { value, seen } => *seen == set.contains(value),
            SetCall::Read { seen } => seen == set,
        }
    }
}

impl Perform for QueueAction {
    type Whole = BTreeMap<Token, VecDeque<Token>>;

    fn perform(&self, queues: &mut Self::Whole) -> bool {
        let queue = queues.entry(self.key).or_default();
        match self.call {
            QueueCall::Enqueue { value } => {
                queue.push_back(value);
                true
            }
            QueueCall::Dequeue { taken } => match (queue.pop_front(), taken) {
                (_, Taken::Unknown) | (None, Taken::Nothing) => true,
                (Some(first), Taken::Value(value)) => first == value,
                (Some(_), Taken::Nothing) | (None, Taken::Value(_)) => false,
            },
        }
    }
}

impl Perform for MutexAction {
    /// Who holds what.
    type Whole = BTreeMap<Token, u64>;

    fn perform(&self, held: &mut Self::Whole) -> bool {
        match self.call {
            MutexCall::Acquire => held.insert(self.key, self.process).is_none(),
            MutexCall::Refused => held.contains_key(&self.key),
            MutexCall::Release => held.remove(&self.key) == Some(self.process),
        }
    }
}

impl Perform for CounterAction {
    type Whole = BTreeMap<Token, i64>;

    fn perform(&self, sums: &mut Self::Whole) -> bool {
        let sum = sums.entry(self.key).or_default();
        match self.call {
            CounterCall::Add { amount, sum: told } => {
                *sum = sum.wrapping_add(amount);
                told.is_none_or(|told| told == *sum)
            }
            CounterCall::Read { seen } => seen == *sum,
        }
    }
}
