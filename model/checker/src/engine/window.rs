//! States in an order that keeps alike ones together.
//!
//! New states arrive in the order of their fingerprints, which is none. What a thread expands is
//! sorted first, by packed bytes: states with the same beginning have the same nodes, and so what
//! was worked out for one is still at hand for the next.

use super::level::{Chunk, Level};

/// Chunks that are sorted together, at most: some hundred thousand states.
const CHUNKS_MAX: usize = 256;

/// Where a state stands, and how it begins.
struct Place {
    prefix: [u64; 2],
    chunk: u32,
    start: u32,
}

/// What one thread expands next.
#[derive(Default)]
pub(super) struct Window {
    chunks: Vec<Chunk>,
    order: Vec<Place>,
}

impl Window {
    /// Takes chunks of a level, as many as leave enough for the other threads. False if there are
    /// none.
    pub(super) fn fill(&mut self, level: &Level, threads: usize) -> bool {
        level.take_some(&mut self.chunks, |count| {
            let share = if threads == 1 { count } else { count.div_ceil(2 * threads) };
            share.min(CHUNKS_MAX)
        });
        let number = |it: usize| u32::try_from(it).expect("a chunk is small");
        for (chunk, at) in self.chunks.iter().zip(0..) {
            for (start, packed) in chunk.places() {
                let prefix = [0, 8].map(|from| word(packed.get(from..).unwrap_or_default()));
                self.order.push(Place { prefix, chunk: at, start: number(start) });
            }
        }
        self.order.sort_unstable_by_key(|it| it.prefix);
        !self.chunks.is_empty()
    }

    /// The states, in order.
    pub(super) fn states(&self) -> impl Iterator<Item = &[u8]> {
        self.order.iter().map(|it| self.chunks[it.chunk as usize].state_at(it.start as usize))
    }

    /// Lets go of the chunks, which were `level`'s.
    pub(super) fn clear(&mut self, level: &Level) {
        self.order.clear();
        level.forget(&self.chunks);
        self.chunks.clear();
    }
}

/// The first eight bytes as a number of the same order.
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::super::level::Writer;
    use super::*;

    /// Everything that was put is seen once, by two threads that take turns, in order.
    #[test]
    fn windows_share_a_level_and_sort_it() {
        let level = Level::default();
        let state = |number: u32| number.wrapping_mul(0x9E37_79B9).to_be_bytes().repeat(5);
        let mut writer = Writer::new(&level);
        (0..20_000).for_each(|number| writer.push(&state(number)));
        drop(writer);
        let full = level.bytes();
        let mut windows = [Window::default(), Window::default()];
        let mut seen = Vec::new();
        while windows[0].fill(&level, 2) {
            windows[1].fill(&level, 2);
            for window in &mut windows {
                assert!(window.states().is_sorted());
                seen.extend(window.states().map(<[u8]>::to_vec));
            }
            assert!(level.bytes() <= full);
            for window in &mut windows {
                window.clear(&level);
            }
        }
        seen.sort_unstable();
        let mut all: Vec<_> = (0..20_000).map(state).collect();
        all.sort_unstable();
        assert_eq!(seen, all);
        assert_eq!(level.bytes(), 0);
    }
}
