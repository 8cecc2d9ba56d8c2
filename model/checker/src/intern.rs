//! Numbers for values: equal values get equal numbers, so that a world's state is a handful of
//! small integers instead of a tree of collections.
//!
//! Numbers are given in the order of first sight, which differs between runs when several threads
//! explore. That changes no verdict and no count: within one run the numbering is injective.

use rustc_hash::FxHashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock};

/// Slots in the first chunk; each further chunk doubles.
const FIRST_CHUNK: usize = 1 << 8;
/// Enough chunks for every `u32`.
const CHUNKS: usize = 25;

/// A vector that only grows, and whose elements can be read without a lock while it does.
pub(crate) struct AppendOnly<T> {
    chunks: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
}

impl<T> AppendOnly<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// Chunk and offset of an index: chunk `k` holds `FIRST_CHUNK << k` elements.
    fn place(index: usize) -> (usize, usize) {
        let shifted = index + FIRST_CHUNK;
        let chunk = shifted.ilog2() - FIRST_CHUNK.ilog2();
        (chunk as usize, shifted - (FIRST_CHUNK << chunk))
    }

    /// What is in slot `index`, if it was filled.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let (chunk, offset) = Self::place(index);
        self.chunks[chunk].get()?.get(offset)?.get()
    }

    fn slot(&self, index: usize) -> &OnceLock<T> {
        let (chunk, offset) = Self::place(index);
        let slots = self.chunks[chunk]
            .get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| OnceLock::new()).collect());
        &slots[offset]
    }

    /// Fills slot `index`. The caller fills each slot once.
    fn fill(&self, index: usize, value: T) {
        assert!(self.slot(index).set(value).is_ok(), "slot {index} is filled twice");
    }

    /// What is in slot `index`, filled first if it is empty.
    pub(crate) fn get_or_fill(&self, index: usize, value: impl FnOnce() -> T) -> &T {
        self.slot(index).get_or_init(value)
    }
}

/// Gives equal values equal numbers, and keeps the values.
pub(crate) struct Interner<T> {
    numbers: Mutex<FxHashMap<Arc<T>, u32>>,
    values: AppendOnly<Arc<T>>,
}

impl<T: Eq + Hash> Interner<T> {
    pub(crate) fn new() -> Self {
        Self { numbers: Mutex::new(FxHashMap::default()), values: AppendOnly::new() }
    }

    /// The number of `value`.
    pub(crate) fn number(&self, value: T) -> u32 {
        let mut numbers = self.numbers.lock().expect("no thread panics while it numbers");
        if let Some(&number) = numbers.get(&value) {
            return number;
        }
        let number = u32::try_from(numbers.len()).expect("fewer than 2^32 different values");
        let value = Arc::new(value);
        self.values.fill(number as usize, Arc::clone(&value));
        numbers.insert(value, number);
        number
    }

    /// The number of `value`, if it has one.
    pub(crate) fn find(&self, value: &T) -> Option<u32> {
        let numbers = self.numbers.lock().expect("no thread panics while it numbers");
        numbers.get(value).copied()
    }

    /// The value with this number.
    pub(crate) fn get(&self, number: u32) -> &T {
        self.values.get(number as usize).expect("only numbers given by `number` are asked for")
    }

    /// The values, in the order of their numbers.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).filter_map(|number| self.values.get(number)).map(AsRef::as_ref)
    }

    /// How many different values there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.lock().expect("no thread panics while it numbers").len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_get_equal_numbers_across_chunks() {
        let interner = Interner::new();
        let numbers: Vec<u32> = (0..5_000_u64).map(|value| interner.number(value * 7)).collect();
        for (value, &number) in (0..5_000_u64).zip(&numbers) {
            assert_eq!(*interner.get(number), value * 7);
            assert_eq!(interner.number(value * 7), number);
        }
        assert_eq!(interner.len(), 5_000);
    }
}
