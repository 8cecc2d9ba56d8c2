//! Random numbers for names: request ids, table ids, incarnations. Not for secrets.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// A generator (splitmix64, Steele et al. 2014), seeded by the operating system.
#[derive(Debug)]
pub(crate) struct Random(Cell<u64>);

impl Random {
    /// Seeds a generator. `RandomState` is the standard library's source of random keys.
    pub(crate) fn seeded() -> Self {
        Self(Cell::new(RandomState::new().hash_one("ringleader")))
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// So many random bytes.
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }
}
