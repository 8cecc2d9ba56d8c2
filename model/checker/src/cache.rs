//! What one thread remembers of what all threads know: small, lossy, and without a lock.

/// A table with one place per key: a new entry takes the place of whatever stood there.
pub(crate) struct Cache<const N: usize, V> {
    slots: Box<[([u32; N], Option<V>)]>,
}

impl<const N: usize, V: Copy> Cache<N, V> {
    /// A cache that remembers nothing.
    pub(crate) fn none() -> Self {
        Self { slots: Box::default() }
    }

    /// A cache of `2^bits` entries.
    pub(crate) fn with_bits(bits: u32) -> Self {
        Self { slots: vec![([0; N], None); 1 << bits].into() }
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
        if known == key { *value } else { None }
    }

    pub(crate) fn put(&mut self, key: [u32; N], value: V) {
        if !self.slots.is_empty() {
            self.slots[self.place(&key)] = (key, Some(value));
        }
    }

    /// Whether it remembers anything at all.
    pub(crate) fn is_on(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.1 = None);
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
    fn no_cache_remembers_nothing() {
        let mut cache = Cache::<1, u32>::none();
        cache.put([7], 7);
        assert_eq!(cache.get(&[7]), None);
    }
}
