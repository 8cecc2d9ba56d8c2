//! From a value to the cluster of its write.

use std::hash::Hasher;

use crate::token::Token;

/// Two tables with the same purpose. Values that lie near the first one written, as those of a
/// counter do, have a place by themselves: neighbours in the history are neighbours in memory. The
/// others, and those that another key has written too, are hashed. A place holds the number of a
/// cluster plus one; zero is empty, so that memory that nobody touches costs nothing.
pub(super) struct Values {
    near: Vec<u32>,
    /// The value of the first place, and its kind; nothing before the first write.
    base: Option<(u64, u64)>,
    far: Far,
}

/// An open table with linear probing: a part of the hash, to spare most looks at the history, and
/// the cluster. At most three quarters full. Eight values in a row share a line of the cache.
struct Far {
    slots: Vec<(u32, u32)>,
    /// Slots, once there are any.
    size: usize,
}

/// Values in a row that are hashed together.
const ROW: u64 = 8;

impl Values {
    /// Tables for that many operations, were all of them writes.
    pub(super) fn for_operations(count: usize) -> Self {
        let size = (count + count / 3 + 8).next_power_of_two();
        Self { near: vec![0; size], base: None, far: Far { slots: Vec::new(), size } }
    }

    pub(super) fn bytes(&self) -> usize {
        self.near.capacity() * size_of::<u32>()
            + self.far.slots.capacity() * size_of::<(u32, u32)>()
    }

    /// Adds a value; false if it was there. `key_of` a cluster; `is_same`: whether a cluster is that
    /// of this key and value.
    pub(super) fn insert(
        &mut self,
        key: u32,
        value: Token,
        cluster: u32,
        key_of: impl Fn(u32) -> u32,
        is_same: impl Fn(u32) -> bool,
    ) -> bool {
        let word = word(value);
        let (kind, bits) = word;
        if self.base.is_none() {
            // Others may be a little smaller than the first one.
            self.base = Some((kind, bits.wrapping_sub(self.near.len() as u64 / 8)));
        }
        if let Some(place) = self.place(word) {
            match self.near[place].checked_sub(1) {
                None => {
                    self.near[place] = cluster + 1;
                    return true;
                }
                Some(other) if key_of(other) == key => return false,
                Some(_) => {}
            }
        }
        self.far.insert(key, word, cluster, is_same)
    }

    /// The cluster of a value.
    pub(super) fn get(
        &self,
        key: u32,
        value: Token,
        key_of: impl Fn(u32) -> u32,
        is_same: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let word = word(value);
        if let Some(place) = self.place(word) {
            let cluster = self.near[place].checked_sub(1)?;
            if key_of(cluster) == key {
                return Some(cluster);
            }
        }
        self.far.get(key, word, is_same)
    }

    /// The place of a value that is near.
    fn place(&self, (kind, bits): (u64, u64)) -> Option<usize> {
        let (base_kind, base) = self.base?;
        let place = usize::try_from(bits.wrapping_sub(base)).ok()?;
        (kind == base_kind && place < self.near.len()).then_some(place)
    }
}

impl Far {
    fn insert(
        &mut self,
        key: u32,
        word: (u64, u64),
        cluster: u32,
        is_same: impl Fn(u32) -> bool,
    ) -> bool {
        if self.slots.is_empty() {
            self.slots = vec![(0, 0); self.size];
        }
        let (mut slot, tag) = self.start(key, word);
        loop {
            match self.slots[slot] {
                (_, 0) => {
                    self.slots[slot] = (tag, cluster + 1);
                    return true;
                }
                (same, other) if same == tag && is_same(other - 1) => return false,
                _ => slot = (slot + 1) & (self.size - 1),
            }
        }
    }

    fn get(&self, key: u32, word: (u64, u64), is_same: impl Fn(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let (mut slot, tag) = self.start(key, word);
        loop {
            match self.slots[slot] {
                (_, 0) => return None,
                (same, other) if same == tag && is_same(other - 1) => return Some(other - 1),
                _ => slot = (slot + 1) & (self.size - 1),
            }
        }
    }

    /// Where to start looking, and the rest of the hash.
    fn start(&self, key: u32, (kind, bits): (u64, u64)) -> (usize, u32) {
        let hash = mixed((bits / ROW) ^ mixed(u64::from(key) * 4 + kind));
        let tag = u32::try_from((hash >> 32) ^ (bits % ROW)).expect("the upper half");
        let row = (hash & 0xFFFF_FFFF) * ROW + bits % ROW;
        (usize::try_from(row).expect("35 bits") & (self.size - 1), tag)
    }
}

/// What a value is, and which one.
fn word(value: Token) -> (u64, u64) {
    match value {
        Token::Number(number) => (0, number.cast_unsigned()),
        Token::Text(index) => (1, u64::from(index)),
        Token::Unobserved => (2, 0),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Values that lie close together, far apart, below the first one, at the ends of their type; texts
    /// between numbers.
    fn value(random: u64) -> Token {
        let low = random / 8 % 50;
        match random % 8 {
            0 => Token::Text(u32::try_from(low).expect("small")),
            1 => Token::from(i64::MIN + low.cast_signed()),
            2 => Token::from(low.cast_signed() << 40),
            3 => Token::from(-low.cast_signed() * 5_000),
            _ => Token::from(7 + low.cast_signed()),
        }
    }

    #[test]
    fn values_are_found_by_key_and_value() {
        for start in 0..200_u64 {
            let mut values = Values::for_operations(300);
            let mut known: BTreeMap<(u32, Token), u32> = BTreeMap::new();
            let mut written: Vec<(u32, Token)> = Vec::new();
            for round in 0..300_u64 {
                let random = mixed(start * 1_000 + round);
                let (key, value) = (u32::from(random >> 63 == 1), value(random >> 8));
                let key_of = |cluster: u32| written[cluster as usize].0;
                let is_same = |cluster: u32| written[cluster as usize] == (key, value);
                let expected = known.get(&(key, value)).copied();
                assert_eq!(values.get(key, value, key_of, is_same), expected, "{key} {value:?}");
                let cluster = u32::try_from(written.len()).expect("small");
                let fresh = values.insert(key, value, cluster, key_of, is_same);
                assert_eq!(fresh, expected.is_none(), "{key} {value:?}");
                if fresh {
                    known.insert((key, value), cluster);
                    written.push((key, value));
                }
            }
            assert!(!values.far.slots.is_empty() && values.near.iter().any(|place| *place > 0));
        }
    }
}
