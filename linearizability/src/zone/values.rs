//! From a value to the cluster of its write.

use std::hash::Hasher;

use crate::token::Token;

use super::NONE;

/// An open table with linear probing: a part of the hash, to spare most looks at the history, and
/// the cluster. At most three quarters full.
pub(super) struct Values {
    slots: Vec<(u32, u32)>,
    mask: usize,
}

impl Values {
    /// A table for that many operations, were all of them writes.
    pub(super) fn for_operations(count: usize) -> Self {
        let size = (count + count / 3 + 4).next_power_of_two();
        Self { slots: vec![(0, NONE); size], mask: size - 1 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<(u32, u32)>()
    }

    /// Adds a value; false if it was there.
    pub(super) fn insert(
        &mut self,
        key: u32,
        value: Token,
        cluster: u32,
        is_same: impl Fn(u32) -> bool,
    ) -> bool {
        let (mut slot, tag) = self.start(key, value);
        loop {
            match self.slots[slot] {
                (_, NONE) => {
                    self.slots[slot] = (tag, cluster);
                    return true;
                }
                (same, other) if same == tag && is_same(other) => return false,
                _ => slot = (slot + 1) & self.mask,
            }
        }
    }

    /// The cluster of a value.
    pub(super) fn get(&self, key: u32, value: Token, is_same: impl Fn(u32) -> bool) -> Option<u32> {
        let (mut slot, tag) = self.start(key, value);
        loop {
            match self.slots[slot] {
                (_, NONE) => return None,
                (same, cluster) if same == tag && is_same(cluster) => return Some(cluster),
                _ => slot = (slot + 1) & self.mask,
            }
        }
    }

    /// Where to start looking, and the rest of the hash.
    fn start(&self, key: u32, value: Token) -> (usize, u32) {
        let (kind, bits) = match value {
            Token::Number(number) => (0, number.cast_unsigned()),
            Token::Text(index) => (1, u64::from(index)),
            Token::Unobserved => (2, 0),
        };
        let hash = mixed(bits ^ mixed(u64::from(key) * 4 + kind));
        let tag = u32::try_from(hash >> 32).expect("the upper half");
        (usize::try_from(hash & 0xFFFF_FFFF).expect("the lower half") & self.mask, tag)
    }
}

/// A hasher for small keys: multiplies and folds each word. Not against an adversary.
#[derive(Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mixed(self.0.rotate_left(5) ^ number);
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }
}

/// Multiplies by an odd number and folds the upper half into the lower one, which alone depends on
/// all bits.
const fn mixed(number: u64) -> u64 {
    let product = (number ^ 0x2545_F491_4F6C_DD1D).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}
