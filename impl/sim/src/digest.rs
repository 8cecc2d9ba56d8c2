//! A digest of everything that happens, in order: equal for equal runs.

use std::hash::Hasher;

/// A running hash: per word a multiplication whose upper half is folded into the lower. (Without the
/// fold the top byte of a word reaches only the bottom of the next, where neighbours cancel it.) No
/// adversary chooses what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(0x243f_6a88_85a3_08d3)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves of a product")]
    pub(crate) fn add(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        let [low, high] = [product, product >> 64].map(|half| half as u64);
        self.0 = (low ^ high).wrapping_add(0x517c_c1b7_2722_0a95);
    }
}

/// The digest of some bytes.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    let mut digest = Digest::new();
    digest.write(bytes);
    digest.add(bytes.len() as u64);
    digest.finish()
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.add(u64::from(byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.add(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.add(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }
}
