//! Fingerprints of states: 64 bits, or 128.
//!
//! Two states that share a fingerprint are taken for one. With `n` states and `b` bits the odds
//! that any two do are about `n^2 / 2^(b + 1)`: see [`collision_odds`].

/// The fingerprint of a state. A narrow one has zero in its second half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u64; 2]);

/// How many bits a fingerprint has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 64 bits, 8 bytes for each state.
    Narrow,
    /// 128 bits, 16 bytes for each state.
    Wide,
}

impl Width {
    /// How many bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::Narrow => 64,
            Self::Wide => 128,
        }
    }
}

const LANES: [[u64; 2]; 2] = [
    [0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03],
    [0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB],
];

/// Mixes a word: the two halves of a product, which depend on every bit of both factors.
#[inline]
pub(crate) fn mix(word: u64, lane: usize) -> u64 {
    let [add, times] = LANES[lane];
    let product = u128::from(word ^ add) * u128::from(times);
    let halves = product.to_le_bytes();
    let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| halves[at + byte]));
    half(0) ^ half(8)
}

/// Adds a word to what was hashed before it.
#[inline]
pub(crate) fn chain(hash: u64, word: u64, lane: usize) -> u64 {
    mix(hash.rotate_left(23) ^ word, lane)
}

/// The fingerprint of a few bytes.
#[must_use]
pub fn of_bytes(bytes: &[u8], width: Width) -> Fingerprint {
    let lane = |lane: usize| {
        let start = mix(bytes.len() as u64, lane);
        let word = |chunk: &[u8]| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        };
        let hash = bytes.chunks(8).fold(start, |hash, chunk| chain(hash, word(chunk), lane));
        // Once more: the last word was mixed once, by a factor that everybody knows.
        chain(hash, 0, lane)
    };
    match width {
        Width::Narrow => Fingerprint([lane(0), 0]),
        Width::Wide => Fingerprint([lane(0), lane(1)]),
    }
}

/// The odds that two of so many different states share a fingerprint, and one was missed.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub fn collision_odds(states: u64, width: Width) -> f64 {
    let states = states as f64;
    (states * states / 2.0) * 0.5_f64.powi(width.bits().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn small_differences_give_different_fingerprints() {
        for width in [Width::Narrow, Width::Wide] {
            let mut seen = HashSet::new();
            for length in 0..40_usize {
                for bit in 0..length * 8 {
                    let mut bytes = vec![0; length];
                    bytes[bit / 8] = 1 << (bit % 8);
                    assert!(seen.insert(of_bytes(&bytes, width)), "{length} bytes, bit {bit}");
                }
                assert!(seen.insert(of_bytes(&vec![0; length], width)));
            }
        }
    }

    /// Each half alone must do as well as chance: of 2^20 counters, about 2^39 / 2^40 pairs agree in
    /// any 40 bits.
    #[test]
    fn counters_spread() {
        for lane in 0..2 {
            for shift in [0, 24] {
                let hashes = (0..1_u64 << 20).map(|it| mix(it, lane) >> shift & ((1 << 40) - 1));
                let different = hashes.collect::<HashSet<_>>().len();
                assert!(different > (1 << 20) - 12, "{different} in lane {lane}");
            }
        }
    }

    #[test]
    fn odds_of_a_collision() {
        let at_100_million = collision_odds(100_000_000, Width::Narrow);
        assert!((2.7e-4..2.8e-4).contains(&at_100_million), "{at_100_million}");
        assert!(collision_odds(1_000_000_000, Width::Wide) < 1e-20);
    }
}
