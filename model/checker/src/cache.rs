//! What one thread remembers of what all threads know: small, lossy, and without a lock.

/// A table with one place per key: a new entry takes the place of whatever stood there. It begins
/// small and doubles while entries come in, up to its limit: small searches stay in the processor's
/// own caches.
pub(crate) struct Cache<const N: usize, V> {
    slots: Box<[([u32; N], V)]>,
    /// Entries that were put since it last grew.
    put: usize,
    slots_max: usize,
}

/// The key of a slot that holds nothing. Nobody asks for it.
const NOTHING: u32 = u32::MAX;
/// Slots of a new cache.
const SLOTS_MIN: usize = 1 << 10;

impl<const N: usize, V: Copy + Default> Cache<N, V> {
    /// A cache that remembers nothing.
    pub(crate) fn none() -> Self {
        Self { slots: Box::default(), put: 0, slots_max: 0 }
    }

    /// A cache of at most `2^bits` entries.
    pub(crate) fn with_bits(bits: u32) -> Self {
        let slots_max = 1 << bits;
        Self { slots: Self::empty(SLOTS_MIN.min(slots_max)), put: 0, slots_max }
    }

    fn empty(slots: usize) -> Box<[([u32; N], V)]> {
        vec![([NOTHING; N], V::default()); slots].into()
    }

    fn place(&self, key: &[u32; N]) -> usize {
        let step = |hash: u64, word: &u32| {
            (hash.rotate_left(29) ^ u64::from(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        };
        let hash = key.iter().fold(0, step);
        // The upper half of a product depends on every bit of its factors.
        let upper = usize::try_from(hash >> 32).expect("32 bits");
        upper & (self.slots.len() - 1)
    }

    pub(crate) fn get(&self, key: &[u32; N]) -> Option<V> {
        if self.slots.is_empty() {
            return None;
        }
        let (known, value) = &self.slots[self.place(key)];
        (known == key).then_some(*value)
    }

    /// Touches the place of a key. Touching several before any of them is asked for lets the
    /// processor fetch them at the same time.
    pub(crate) fn glance(&self, key: &[u32; N]) -> u32 {
        if self.slots.is_empty() { 0 } else { self.slots[self.place(key)].0[0] }
    }

    pub(crate) fn put(&mut self, key: [u32; N], value: V) {
        debug_assert!(key != [NOTHING; N], "this key stands for an empty slot");
        if self.slots.is_empty() {
            return;
        }
        self.put += 1;
        if self.put > self.slots.len() && self.slots.len() < self.slots_max {
            self.grow();
        }
        self.slots[self.place(&key)] = (key, value);
    }

    #[cold]
    fn grow(&mut self) {
        let larger = Self::empty(2 * self.slots.len());
        let old = std::mem::replace(&mut self.slots, larger);
        self.put = 0;
        for slot in old.iter().filter(|(key, _)| *key != [NOTHING; N]) {
            self.slots[self.place(&slot.0)] = *slot;
        }
    }

    /// Whether it remembers anything at all.
    pub(crate) fn is_on(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.0 = [NOTHING; N]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_forgets_but_never_lies() {
        let mut cache = Cache::<2, u32>::with_bits(4);
        for key in 0..1_000 {
            cache.put([key, key + 1], key);
            assert_eq!(cache.get(&[key, key + 1]), Some(key));
        }
        let kept = (0..1_000).filter(|&key| cache.get(&[key, key + 1]).is_some()).count();
        assert!((1..=16).contains(&kept), "{kept} of 16");
        assert!((0..1_000).all(|key| cache.get(&[key, key + 1]).is_none_or(|it| it == key)));
        cache.clear();
        assert!((0..1_000).all(|key| cache.get(&[key, key + 1]).is_none()));
    }

    #[test]
    fn a_cache_grows_and_keeps_what_it_has() {
        let mut cache = Cache::<1, u32>::with_bits(14);
        (0..10_000).for_each(|key| cache.put([key], key));
        let kept = (0..10_000).filter(|&key| cache.get(&[key]) == Some(key)).count();
        // In the places that it began with there is room for a tenth.
        assert!((4_000..10_000).contains(&kept), "{kept} of 10,000 in 2^14 places");
    }

    #[test]
    fn no_cache_remembers_nothing() {
        let mut cache = Cache::<1, u32>::none();
        cache.put([7], 7);
        assert_eq!(cache.get(&[7]), None);
    }
}
