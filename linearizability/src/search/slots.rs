//! Sets of slots: one bit for each operation that is pending at the same time.

/// A set of at most `64 * W` slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots<const W: usize>([u64; W]);

impl<const W: usize> Slots<W> {
    pub(crate) const EMPTY: Self = Self([0; W]);

    pub(crate) fn contains(&self, slot: usize) -> bool {
        self.0[slot / 64] & (1 << (slot % 64)) != 0
    }

    pub(crate) fn insert(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    pub(crate) fn remove(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    pub(crate) fn remove_all(&mut self, other: &Self) {
        for (word, gone) in self.0.iter_mut().zip(other.0) {
            *word &= !gone;
        }
    }

    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(word, all)| word & !all == 0)
    }

    /// Whether they have a slot in common.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(word, their)| word & their != 0)
    }

    /// The slots in both.
    pub(crate) fn both(mut self, other: &Self) -> Self {
        for (word, their) in self.0.iter_mut().zip(other.0) {
            *word &= their;
        }
        self
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; W]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + use<W> {
        let words = self.0;
        (0..W).flat_map(move |word| {
            let mut bits = words[word];
            std::iter::from_fn(move || {
                (bits != 0).then(|| {
                    let bit = bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    word * 64 + bit
                })
            })
        })
    }
}
