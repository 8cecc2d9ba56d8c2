//! The visited set: fingerprints in open addressing, filled to 85 %.
//!
//! It is cut into stripes, each with its own lock. A stripe grows by a quarter when it is full, alone:
//! so growing never needs a second table, only a second stripe. A fingerprint's place in its stripe
//! is in proportion to its value; growing keeps the order, and reads and writes front to back.
//!
//! A slot has `W` words. The first `K` are the key, and the rest what belongs to it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bits of a fingerprint that choose its stripe.
const STRIPE_BITS: u32 = 8;
pub(super) const STRIPES: usize = 1 << STRIPE_BITS;
/// Slots of an empty stripe.
const SLOTS_MIN: usize = 64;
/// At most this share of the slots is taken, in hundredths.
const LOAD_MAX: usize = 85;

/// Keys, and what belongs to them.
pub(super) struct Table<const W: usize, const K: usize> {
    stripes: Vec<Mutex<Stripe<W, K>>>,
    /// Bytes of all slots.
    bytes: AtomicUsize,
}

struct Stripe<const W: usize, const K: usize> {
    /// A first word of zero means that nobody is here.
    slots: Vec<[u64; W]>,
    taken: usize,
}

/// Which stripe keeps a key.
pub(super) fn stripe_of(first_word: u64) -> usize {
    usize::try_from(first_word >> (u64::BITS - STRIPE_BITS)).expect("fits the number of stripes")
}

impl<const W: usize, const K: usize> Table<W, K> {
    pub(super) fn new() -> Self {
        let stripe = || Mutex::new(Stripe { slots: vec![[0; W]; SLOTS_MIN], taken: 0 });
        let bytes = AtomicUsize::new(STRIPES * SLOTS_MIN * size_of::<[u64; W]>());
        Self { stripes: (0..STRIPES).map(|_| stripe()).collect(), bytes }
    }

    /// Bytes of all slots, empty ones included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Inserts the slots that belong into one stripe, and reports the position of each whose key is
    /// new.
    pub(super) fn insert(
        &self,
        stripe: usize,
        batch: impl Iterator<Item = [u64; W]> + Clone,
        mut is_new: impl FnMut(usize),
    ) {
        let mut stripe = self.stripes[stripe].lock().expect("no thread panics while it inserts");
        // Looking at all places first lets the processor fetch them at the same time.
        let glance = |sum: u64, slot: [u64; W]| sum ^ stripe.slots[stripe.home(slot[0])][0];
        std::hint::black_box(batch.clone().fold(0, glance));
        for (position, slot) in batch.enumerate() {
            if stripe.insert(slot) {
                is_new(position);
                if stripe.taken * 100 > stripe.slots.len() * LOAD_MAX {
                    let slots = stripe.slots.len();
                    let grown = stripe.grow(slots + slots / 4);
                    self.bytes.fetch_add(grown, Ordering::Relaxed);
                }
            }
        }
    }

    /// What belongs to a key, if it is there.
    pub(super) fn get(&self, key: [u64; K]) -> Option<[u64; W]> {
        let stripe = self.stripes[stripe_of(key[0])].lock();
        let stripe = stripe.expect("no thread panics while it inserts");
        let found = stripe.slots[stripe.find(&key)];
        (found[0] != 0).then_some(found)
    }

    /// The slots of one stripe that are taken.
    pub(super) fn read_stripe(
        &self,
        stripe: usize,
        mut visit: impl FnMut(usize, &mut dyn Iterator<Item = &[u64; W]>),
    ) {
        let stripe = self.stripes[stripe].lock().expect("no thread panics while it inserts");
        let mut taken = stripe.slots.iter().filter(|slot| slot[0] != 0);
        visit(stripe.taken, &mut taken);
    }

    /// Makes room in one stripe, so that nothing grows while it is filled again.
    pub(super) fn reserve(&self, stripe: usize, count: usize) {
        let mut stripe = self.stripes[stripe].lock().expect("no thread panics while it inserts");
        let slots = count * 100 / LOAD_MAX + 1;
        if slots > stripe.slots.len() {
            let grown = stripe.grow(slots);
            self.bytes.fetch_add(grown, Ordering::Relaxed);
        }
    }
}

impl<const W: usize, const K: usize> Stripe<W, K> {
    /// Where a key belongs if nobody is in its way: in proportion to its value.
    fn home(&self, first_word: u64) -> usize {
        let scaled = u128::from(first_word << STRIPE_BITS) * self.slots.len() as u128;
        usize::try_from(scaled >> u64::BITS).expect("below the number of slots")
    }

    /// Where a key is, or the empty place where it would be.
    fn find(&self, key: &[u64; K]) -> usize {
        let mut place = self.home(key[0]);
        loop {
            let slot = &self.slots[place];
            if slot[0] == 0 || slot[..K] == key[..] {
                return place;
            }
            place += 1;
            if place == self.slots.len() {
                place = 0;
            }
        }
    }

    fn insert(&mut self, slot: [u64; W]) -> bool {
        let key: [u64; K] = std::array::from_fn(|word| slot[word]);
        let place = self.find(&key);
        let is_new = self.slots[place][0] == 0;
        if is_new {
            self.slots[place] = slot;
            self.taken += 1;
        }
        is_new
    }

    /// Moves to so many slots; by how many bytes they are more.
    fn grow(&mut self, slots: usize) -> usize {
        let old = std::mem::replace(&mut self.slots, vec![[0; W]; slots]);
        self.taken = 0;
        for slot in old.iter().filter(|slot| slot[0] != 0) {
            self.insert(*slot);
        }
        (slots - old.len()) * size_of::<[u64; W]>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fingerprint::mix;
    use std::collections::BTreeMap;

    fn insert<const W: usize, const K: usize>(table: &Table<W, K>, slot: [u64; W]) -> bool {
        let mut new = false;
        table.insert(stripe_of(slot[0]), std::iter::once(slot), |_| new = true);
        new
    }

    /// Against a map: random keys, each twice, with what belongs to the first.
    #[test]
    fn keeps_what_a_map_keeps() {
        let (table, mut map) = (Table::<2, 1>::new(), BTreeMap::new());
        for number in 0..200_000_u64 {
            let key = mix(number % 130_000, 0).max(1);
            let new = insert(&table, [key, number]);
            assert_eq!(new, !map.contains_key(&key));
            map.entry(key).or_insert(number);
        }
        for (&key, &number) in &map {
            assert_eq!(table.get([key]), Some([key, number]));
        }
        assert_eq!(table.get([mix(130_001, 0)]), None);
        let mut read = 0;
        for stripe in 0..STRIPES {
            table.read_stripe(stripe, |count, slots| {
                assert_eq!(slots.map(|slot| assert_eq!(map[&slot[0]], slot[1])).count(), count);
                read += count;
            });
        }
        assert_eq!(read, map.len());
    }

    /// 8 bytes at a load between 68 and 85 %.
    #[test]
    fn costs_less_than_twelve_bytes_a_key() {
        let table = Table::<1, 1>::new();
        for number in 1..=1_000_000_u64 {
            insert(&table, [mix(number, 0)]);
            if number > 100_000 && number.is_multiple_of(50_000) {
                let bytes = table.bytes() as u64;
                assert!((9 * number..12 * number).contains(&bytes), "{bytes} for {number}");
            }
        }
    }

    /// Keys that all want the last place go around the end.
    #[test]
    fn neighbours_and_the_end() {
        let table = Table::<1, 1>::new();
        let keys: Vec<u64> = (0..40).map(|it| 0x00FF_FFFF_FFFF_FF00 + it).collect();
        assert!(keys.iter().all(|&key| insert(&table, [key])));
        assert!(keys.iter().all(|&key| !insert(&table, [key])));
        assert!(keys.iter().all(|&key| table.get([key]).is_some()));
    }
}
