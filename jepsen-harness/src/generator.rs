//! What the clients ask: a seeded stream of operations on items with unique values.
//!
//! Every value is written at most once, so that a read says which write it saw and the history can
//! be judged fast. A key is retired after a number of operations and replaced by a fresh one: an
//! unknown write stays a candidate for ever, and on a key that lives for the whole run such
//! candidates would pile up until no checker can decide.

use std::collections::BTreeMap;

use crate::history::{Condition, Function};

/// A small, fast generator of pseudo-random numbers (`SplitMix64`: Steele, Lea, Flood 2014): the
/// whole run follows from one seed, on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream that follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..below`. The bias of the remainder is below 1 in 10^15 for our small ranges.
    ///
    /// # Panics
    ///
    /// If `below` is 0.
    pub fn below(&mut self, below: u64) -> u64 {
        self.draw() % below
    }

    /// An index into something of this length.
    ///
    /// # Panics
    ///
    /// If `length` is 0.
    pub fn index(&mut self, length: usize) -> usize {
        let index = self.below(u64::try_from(length).expect("a length fits in 64 bits"));
        usize::try_from(index).expect("below a length")
    }

    /// Puts a slice into random order.
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        for end in (1..slice.len()).rev() {
            slice.swap(end, self.index(end + 1));
        }
    }
}

/// One thing to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What to do.
    pub f: Function,
    /// With which item.
    pub key: String,
    /// The value to write.
    pub value: Option<i64>,
    /// The condition of a `put_if`.
    pub condition: Option<Condition>,
}

/// A seeded stream of operations.
pub struct Generator {
    random: Random,
    /// The keys in use; each is retired after `operations_per_key`.
    active: Vec<ActiveKey>,
    operations_per_key: u64,
    keys_made: u64,
    last_value: i64,
    /// What was last seen under a key: makes `equals` conditions hold about as often as not.
    seen: BTreeMap<String, i64>,
}

struct ActiveKey {
    name: String,
    operations_left: u64,
}

impl Generator {
    /// A stream over `keys` keys at a time, each used for `operations_per_key` operations.
    ///
    /// # Panics
    ///
    /// If there are no keys or no operations per key.
    #[must_use]
    pub fn new(random: Random, keys: usize, operations_per_key: u64) -> Self {
        assert!(keys > 0 && operations_per_key > 0, "a generator needs keys and operations");
        let mut generator = Self {
            random,
            active: Vec::new(),
            operations_per_key,
            keys_made: 0,
            last_value: 0,
            seen: BTreeMap::new(),
        };
        for _ in 0..keys {
            let fresh = generator.fresh_key();
            generator.active.push(fresh);
        }
        generator
    }

    /// The next operation: 45 % reads, 30 % puts, 20 % conditional puts, 5 % deletes.
    pub fn operation(&mut self) -> Operation {
        let key = self.key();
        match self.random.below(100) {
            0..45 => Operation { f: Function::Get, key, value: None, condition: None },
            45..75 => {
                let value = Some(self.fresh_value());
                Operation { f: Function::Put, key, value, condition: None }
            }
            75..95 => {
                let condition = Some(self.condition(&key));
                let value = Some(self.fresh_value());
                Operation { f: Function::PutIf, key, value, condition }
            }
            _ => Operation { f: Function::Delete, key, value: None, condition: None },
        }
    }

    /// A read of a key in use.
    pub fn read(&mut self) -> Operation {
        let key = self.key();
        Operation { f: Function::Get, key, value: None, condition: None }
    }

    /// Tells the generator what was seen under a key.
    pub fn observe(&mut self, key: &str, value: Option<i64>) {
        match value {
            Some(value) => self.seen.insert(key.to_owned(), value),
            None => self.seen.remove(key),
        };
    }

    /// Every key ever used, in the order of their making.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        (1..=self.keys_made).map(key_name).collect()
    }

    fn key(&mut self) -> String {
        let slot = self.random.index(self.active.len());
        if self.active[slot].operations_left == 0 {
            self.active[slot] = self.fresh_key();
        }
        let key = &mut self.active[slot];
        key.operations_left -= 1;
        key.name.clone()
    }

    fn condition(&mut self, key: &str) -> Condition {
        match self.random.below(4) {
            0 => Condition::Absent,
            1 => Condition::Exists,
            // A value nobody wrote where none was seen yet: such a condition always fails.
            _ => Condition::Equals(self.seen.get(key).copied().unwrap_or(0)),
        }
    }

    fn fresh_value(&mut self) -> i64 {
        self.last_value += 1;
        self.last_value
    }

    fn fresh_key(&mut self) -> ActiveKey {
        self.keys_made += 1;
        ActiveKey { name: key_name(self.keys_made), operations_left: self.operations_per_key }
    }
}

fn key_name(number: u64) -> String {
    format!("k{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(seed: u64, count: usize) -> (Vec<Operation>, Generator) {
        let mut generator = Generator::new(Random::new(seed), 4, 50);
        let operations = (0..count).map(|_| generator.operation()).collect();
        (operations, generator)
    }

    #[test]
    fn the_same_seed_asks_the_same() {
        assert_eq!(operations(7, 500).0, operations(7, 500).0);
        assert_ne!(operations(7, 500).0, operations(8, 500).0);
    }

    #[test]
    fn no_value_is_written_twice() {
        let (operations, _) = operations(1, 2_000);
        let mut values: Vec<i64> = operations.iter().filter_map(|one| one.value).collect();
        let count = values.len();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), count);
        assert!(count > 800, "half of the operations write, got {count}");
    }

    #[test]
    fn keys_are_retired_and_none_is_forgotten() {
        let (operations, generator) = operations(1, 2_000);
        let keys = generator.keys();
        for key in &keys {
            let uses = operations.iter().filter(|one| &one.key == key).count();
            assert!(uses <= 50, "{key} was used {uses} times");
        }
        assert!(operations.iter().all(|one| keys.contains(&one.key)));
        assert!(keys.len() > 2_000 / 50, "{} keys", keys.len());
    }

    #[test]
    fn every_kind_of_operation_and_condition_occurs() {
        let (operations, _) = operations(3, 1_000);
        for f in [Function::Get, Function::Put, Function::PutIf, Function::Delete] {
            assert!(operations.iter().any(|one| one.f == f), "{f}");
        }
        let mut generator = Generator::new(Random::new(3), 1, 1_000);
        generator.observe("k1", Some(17));
        let conditions: Vec<_> = (0..200).filter_map(|_| generator.operation().condition).collect();
        for condition in [Condition::Absent, Condition::Exists, Condition::Equals(17)] {
            assert!(conditions.contains(&condition), "{condition:?}");
        }
    }

    #[test]
    fn the_random_stream_is_the_published_one() {
        // First outputs of SplitMix64 from seed 1234567, as published with the algorithm.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.draw(), 6_457_827_717_110_365_317);
        assert_eq!(random.draw(), 3_203_168_211_198_807_973);
    }
}
