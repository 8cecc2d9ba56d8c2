//! A growable byte buffer that starts on a block boundary in memory, as direct writes need.

use super::BLOCK as ALIGNMENT;

/// Bytes of one group, in place for a direct write.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Over-allocated so that `start` can be aligned without unsafe code.
    storage: Vec<u8>,
    /// Where the bytes start in `storage`. Invariant: a multiple of the alignment in memory.
    start: usize,
    /// How many bytes there are.
    length: usize,
}

impl Blocks {
    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends zero bytes and returns them for writing into.
    pub(super) fn extend_zeroed(&mut self, count: usize) -> &mut [u8] {
        let end = self.length + count;
        if self.start + end > self.storage.len() {
            self.grow(end);
        }
        let range = self.start + self.length..self.start + end;
        self.length = end;
        let bytes = &mut self.storage[range];
        // A cleared buffer still holds what an earlier group left.
        bytes.fill(0);
        bytes
    }

    /// Fills up to a whole number of blocks with zeros.
    pub(super) fn pad(&mut self) {
        let padding = self.length.next_multiple_of(ALIGNMENT) - self.length;
        self.extend_zeroed(padding);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.length]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.length]
    }

    fn grow(&mut self, needed: usize) {
        let capacity = needed.next_power_of_two().max(16 * ALIGNMENT);
        let mut storage = vec![0; capacity + ALIGNMENT];
        let misaligned = storage.as_ptr().addr() % ALIGNMENT;
        let start = if misaligned == 0 { 0 } else { ALIGNMENT - misaligned };
        storage[start..start + self.length].copy_from_slice(self.bytes());
        self.storage = storage;
        self.start = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_aligned_and_whole_while_the_buffer_grows() {
        let mut blocks = Blocks::default();
        let mut expected = Vec::new();
        for step in 1..200_u8 {
            let bytes = blocks.extend_zeroed(usize::from(step) * 37);
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(step);
            expected.extend(std::iter::repeat_n(step, usize::from(step) * 37));
            assert_eq!(blocks.bytes().as_ptr().addr() % ALIGNMENT, 0);
        }
        assert_eq!(blocks.bytes(), expected);
        blocks.pad();
        assert_eq!(blocks.length() % ALIGNMENT, 0);
        assert!(blocks.bytes()[expected.len()..].iter().all(|byte| *byte == 0));
        blocks.clear();
        assert!(blocks.extend_zeroed(100).iter().all(|byte| *byte == 0), "reused bytes are zero");
    }
}
