//! From a value to the cluster of its write.

use std::hash::Hasher;

use crate::token::Token;

/// Two tables with the same purpose. Values that lie near the first one written, as those of a
/// counter do, have a place by themselves: neighbours in the history are neighbours in memory. The
/// others, and those that another key has written too, are hashed. A place holds the number of a
/// cluster plus one; zero is empty, so that memory that nobody touches costs nothing.
///
/// The hashed ones come to their table all at once, after the history was read, region by region: one by
/// one each would cost a miss of the cache. Until then only those written lately are found,
/// which most reads want.
pub(super) struct Values {
    near: Vec<u32>,
    /// The value of the first place, and its kind; nothing before the first write.
    base: Option<(u64, u64)>,
    recent: Vec<Slot>,
    pending: Vec<Pending>,
    far: Far,
}

/// A part of the hash, to spare most looks at the history, and the cluster plus one.
type Slot = (u32, u32);

/// A value that has no place in its table yet.
struct Pending {
    /// Where to start looking for one.
    start: u32,
    tag: u32,
    cluster: u32,
}

/// An open table with linear probing, at most three quarters full. Eight values in a row share a line
/// of the cache.
struct Far {
    slots: Vec<Slot>,
}

/// Values in a row that are hashed together.
const ROW: u64 = 8;
const ROW_SLOTS: u32 = 8;

/// Slots for the values written lately: 256 KiB, which a cache holds.
const RECENT: usize = 1 << 15;

/// Slots of a region of the table: 2 MiB, which a cache holds.
const REGION: usize = 1 << 18;

impl Values {
    /// Tables for that many operations, were all of them writes.
    pub(super) fn for_operations(count: usize) -> Self {
        let far = Far { slots: Vec::new() };
        let near = vec![0; size_for(count)];
        Self { near, base: None, recent: Vec::new(), pending: Vec::new(), far }
    }

    pub(super) fn bytes(&self) -> usize {
        self.near.capacity() * size_of::<u32>()
            + (self.recent.capacity() + self.far.slots.capacity()) * size_of::<Slot>()
            + self.pending.capacity() * size_of::<Pending>()
    }

    /// The most that [`settle`](Self::settle) holds.
    pub(super) fn bytes_at_settling(&self) -> usize {
        self.bytes() + size_for(self.pending.len()) * size_of::<Slot>()
    }

    /// Adds a value; false if it is known to be there, which for some only [`settle`](Self::settle) knows.
    /// `key_of` a cluster; `is_same`: whether a cluster is that of this key and value.
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
        if self.recent.is_empty() {
            self.recent = vec![(0, 0); RECENT.min(self.near.len())];
        }
        let (start, tag) = start(key, word);
        let place = start as usize & (self.recent.len() - 1);
        let (same, other) = std::mem::replace(&mut self.recent[place], (tag, cluster + 1));
        if same == tag && other > 0 && is_same(other - 1) {
            return false;
        }
        self.pending.push(Pending { start, tag, cluster });
        true
    }

    /// Puts what is hashed into its table, and hands out the clusters whose value was there before.
    /// `is_same`: whether two clusters are those of the same key and value.
    pub(super) fn settle(
        &mut self,
        is_same: impl Fn(u32, u32) -> bool,
        mut twice: impl FnMut(u32),
    ) {
        self.recent = Vec::new();
        let pending = std::mem::take(&mut self.pending);
        let size = size_for(pending.len());
        self.far.slots = vec![(0, 0); size];
        for region in 0..size.div_ceil(REGION) {
            for Pending { start, tag, cluster } in &pending {
                let is_same = |other: u32| is_same(other, *cluster);
                if (*start as usize & (size - 1)) / REGION == region
                    && !self.far.insert(*start, *tag, *cluster, is_same)
                {
                    twice(*cluster);
                }
            }
        }
    }

    /// The cluster of a value; before [`settle`](Self::settle) only of some.
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
        let (start, tag) = start(key, word);
        if self.recent.is_empty() {
            return self.far.get(start, tag, is_same);
        }
        let (same, cluster) = self.recent[start as usize & (self.recent.len() - 1)];
        let cluster = cluster.checked_sub(1).filter(|_| same == tag)?;
        is_same(cluster).then_some(cluster)
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
        start: u32,
        tag: u32,
        cluster: u32,
        is_same: impl Fn(u32) -> bool,
    ) -> bool {
        let mask = self.slots.len() - 1;
        let mut slot = start as usize & mask;
        loop {
            match self.slots[slot] {
                (_, 0) => {
                    self.slots[slot] = (tag, cluster + 1);
                    return true;
                }
                (same, other) if same == tag && is_same(other - 1) => return false,
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn get(&self, start: u32, tag: u32, is_same: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = start as usize & mask;
        loop {
            match self.slots[slot] {
                (_, 0) => return None,
                (same, other) if same == tag && is_same(other - 1) => return Some(other - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }
}

/// Slots for that many values, at most three quarters of which will be full.
fn size_for(values: usize) -> usize {
    (values + values / 3 + 8).next_power_of_two()
}

/// Where to start looking, in a table of 2^32 slots, and the rest of the hash.
fn start(key: u32, (kind, bits): (u64, u64)) -> (u32, u32) {
    let hash = mixed((bits / ROW) ^ mixed(u64::from(key) * 4 + kind));
    let half = |bits: u64| u32::try_from(bits).expect("half of 64 bits, or less");
    let (row, in_row) = (half(hash << 32 >> 32), half(bits % ROW));
    (row.wrapping_mul(ROW_SLOTS) + in_row, half(hash >> 32) ^ in_row)
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
        let mut found_early = 0;
        for start in 0..200_u64 {
            let mut values = Values::for_operations(300);
            let mut known: BTreeMap<(u32, Token), u32> = BTreeMap::new();
            let mut written: Vec<(u32, Token)> = Vec::new();
            let mut twice = Vec::new();
            for round in 0..300_u64 {
                let random = mixed(start * 1_000 + round);
                let (key, value) = (u32::from(random >> 63 == 1), value(random >> 8));
                let key_of = |cluster: u32| written[cluster as usize].0;
                let is_same = |cluster: u32| written[cluster as usize] == (key, value);
                let expected = known.get(&(key, value)).copied();
                let found = values.get(key, value, key_of, is_same);
                // A value that was written twice may be found at either place.
                let found = found.map(|found| written[found as usize]);
                assert!(found.is_none_or(|found| found == (key, value)), "{key} {value:?}");
                found_early += usize::from(found.is_some());
                let cluster = u32::try_from(written.len()).expect("small");
                written.push((key, value));
                let key_of = |cluster: u32| written[cluster as usize].0;
                let is_same = |cluster: u32| written[cluster as usize] == (key, value);
                if !values.insert(key, value, cluster, key_of, is_same) {
                    twice.push(cluster);
                }
                assert!(expected.is_some() || twice.last() != Some(&cluster), "{key} {value:?}");
                known.entry((key, value)).or_insert(cluster);
            }
            let is_same = |one: u32, other: u32| written[one as usize] == written[other as usize];
            values.settle(is_same, |cluster| twice.push(cluster));
            twice.sort_unstable();
            for (cluster, (key, value)) in (0..).zip(&written) {
                let key_of = |cluster: u32| written[cluster as usize].0;
                let is_same = |cluster: u32| written[cluster as usize] == (*key, *value);
                let first = known[&(*key, *value)];
                let found = values.get(*key, *value, key_of, is_same);
                assert_eq!(found, Some(first), "{key} {value:?}");
                assert_eq!(twice.binary_search(&cluster).is_err(), cluster == first);
            }
            assert!(!values.far.slots.is_empty() && values.near.iter().any(|place| *place > 0));
        }
        assert!(found_early > 10_000, "{found_early} found before their table was made");
    }
}
