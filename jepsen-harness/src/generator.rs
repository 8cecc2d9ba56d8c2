//! What everything random follows from, what can be asked, and about which objects.
//!
//! A key is retired after a number of operations and replaced by a fresh one: an unknown write
//! stays a candidate for ever, and on a key that lives for the whole run such candidates would pile
//! up until no checker can decide.

use serde_json::Value;

use crate::history::{Fields, Function};

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
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What to do.
    pub f: Function,
    /// With which object, if it is about one.
    pub key: Option<String>,
    /// With what: as the checker names it.
    pub fields: Fields,
}

impl Operation {
    /// An operation on an object.
    #[must_use]
    pub fn on(f: Function, key: &str) -> Self {
        Self { f, key: Some(key.to_owned()), fields: Fields::new() }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// The name of its object; empty if it is about none.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }

    /// The value it writes, if it is a number.
    #[must_use]
    pub fn value(&self) -> Option<i64> {
        self.fields.get("value").and_then(Value::as_i64)
    }
}

/// Objects in use at a time, each replaced by a fresh one after a number of operations.
pub struct Keys {
    random: Random,
    active: Vec<ActiveKey>,
    operations_per_key: u64,
    made: u64,
}

struct ActiveKey {
    name: String,
    operations_left: u64,
}

impl Keys {
    /// So many at a time, each used for `operations_per_key` operations.
    ///
    /// # Panics
    ///
    /// If there are no keys or no operations per key.
    #[must_use]
    pub fn new(random: Random, keys: usize, operations_per_key: u64) -> Self {
        assert!(keys > 0 && operations_per_key > 0, "a generator needs keys and operations");
        let mut made = Self { random, active: Vec::new(), operations_per_key, made: 0 };
        for _ in 0..keys {
            let fresh = made.fresh();
            made.active.push(fresh);
        }
        made
    }

    /// One of those in use.
    pub fn pick(&mut self) -> String {
        let slot = self.random.index(self.active.len());
        if self.active[slot].operations_left == 0 {
            self.active[slot] = self.fresh();
        }
        let key = &mut self.active[slot];
        key.operations_left -= 1;
        key.name.clone()
    }

    /// Every one that was ever used, in the order of their making.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        (1..=self.made).map(key_name).collect()
    }

    fn fresh(&mut self) -> ActiveKey {
        self.made += 1;
        ActiveKey { name: key_name(self.made), operations_left: self.operations_per_key }
    }
}

fn key_name(number: u64) -> String {
    format!("k{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_retired_and_none_is_forgotten() {
        let mut keys = Keys::new(Random::new(1), 4, 50);
        let picked: Vec<String> = (0..2_000).map(|_| keys.pick()).collect();
        let all = keys.all();
        for key in &all {
            let uses = picked.iter().filter(|one| *one == key).count();
            assert!(uses <= 50, "{key} was used {uses} times");
        }
        assert!(picked.iter().all(|key| all.contains(key)));
        assert!(all.len() >= 2_000 / 50, "{} keys", all.len());
    }

    #[test]
    fn the_random_stream_is_the_published_one() {
        // First outputs of SplitMix64 from seed 1234567, as published with the algorithm.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.draw(), 6_457_827_717_110_365_317);
        assert_eq!(random.draw(), 3_203_168_211_198_807_973);
    }
}
