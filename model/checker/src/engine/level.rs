//! The states that wait to be expanded, packed, in chunks that threads take one at a time.

use crate::packed::{put_number, take_number};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes in a chunk: a few thousand states, some milliseconds of work.
const CHUNK_BYTES: usize = 1 << 15;

/// Packed states, each behind its length.
#[derive(Debug, Default)]
pub(super) struct Chunk(Vec<u8>);

impl Chunk {
    /// A chunk from a file.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn push(&mut self, packed: &[u8]) {
        if self.0.capacity() == 0 {
            self.0.reserve_exact(CHUNK_BYTES);
        }
        put_number(&mut self.0, u32::try_from(packed.len()).expect("a packed state is short"));
        self.0.extend_from_slice(packed);
    }

    /// The states; an error ends them.
    pub(super) fn states(&self) -> impl Iterator<Item = Result<&[u8], BadChunk>> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let length = take_number(&mut rest);
            let packed = length.and_then(|length| rest.split_off(..length as usize));
            if packed.is_none() {
                rest = &[];
            }
            Some(packed.ok_or(BadChunk))
        })
    }
}

impl Chunk {
    /// The states of a chunk that was packed here, or checked when it was read; and where each
    /// begins.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut start = 0;
        std::iter::from_fn(move || {
            if start == self.0.len() {
                return None;
            }
            let (packed, next) = self.split_at(start);
            let place = (start, packed);
            start = next;
            Some(place)
        })
    }

    /// The state that begins there.
    pub(super) fn state_at(&self, start: usize) -> &[u8] {
        self.split_at(start).0
    }

    /// The state that begins there, and where the next one does.
    fn split_at(&self, start: usize) -> (&[u8], usize) {
        let mut rest = &self.0[start..];
        let length = take_number(&mut rest).map(|length| length as usize);
        let packed = length.and_then(|length| rest.get(..length));
        let packed = packed.expect("chunks were packed here, or checked when read");
        (packed, self.0.len() - rest.len() + packed.len())
    }
}

/// Bytes that are no packed states.
#[derive(Debug)]
pub(super) struct BadChunk;

/// The states of one level.
#[derive(Default)]
pub(super) struct Level {
    chunks: Mutex<Vec<Chunk>>,
    bytes: AtomicUsize,
}

impl Level {
    /// Bytes of all chunks.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Option<Chunk> {
        let chunk = self.chunks.lock().expect("no thread panics while it holds chunks").pop()?;
        self.bytes.fetch_sub(chunk.0.capacity(), Ordering::Relaxed);
        Some(chunk)
    }

    /// Takes as many chunks as `share` says of how many there are. Their bytes count until
    /// [`Level::forget`].
    pub(super) fn take_some(&self, taken: &mut Vec<Chunk>, share: impl FnOnce(usize) -> usize) {
        let mut chunks = self.chunks.lock().expect("no thread panics while it holds chunks");
        let left = chunks.len() - share(chunks.len());
        taken.extend(chunks.drain(left..));
    }

    /// Stops counting the bytes of chunks that were taken.
    pub(super) fn forget(&self, taken: &[Chunk]) {
        let bytes = taken.iter().map(|chunk| chunk.0.capacity()).sum();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn put(&self, mut chunk: Chunk) {
        if chunk.0.is_empty() {
            return;
        }
        if chunk.0.len() < CHUNK_BYTES / 2 {
            chunk.0.shrink_to_fit();
        }
        self.bytes.fetch_add(chunk.0.capacity(), Ordering::Relaxed);
        self.chunks.lock().expect("no thread panics while it holds chunks").push(chunk);
    }

    /// How many chunks there are.
    pub(super) fn count(&self) -> usize {
        self.chunks.lock().expect("no thread panics while it holds chunks").len()
    }

    /// The chunks, for as long as nobody takes or puts any.
    pub(super) fn chunks(&mut self) -> &[Chunk] {
        self.chunks.get_mut().expect("no thread panics while it holds chunks")
    }
}

/// Collects states for a level.
pub(super) struct Writer<'l> {
    level: &'l Level,
    chunk: Chunk,
}

impl<'l> Writer<'l> {
    pub(super) fn new(level: &'l Level) -> Self {
        Self { level, chunk: Chunk::default() }
    }

    pub(super) fn push(&mut self, packed: &[u8]) {
        // A chunk never grows: its bytes are what was reserved.
        if self.chunk.0.len() + packed.len() + 5 > CHUNK_BYTES {
            self.level.put(std::mem::take(&mut self.chunk));
        }
        self.chunk.push(packed);
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.level.put(std::mem::take(&mut self.chunk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back_and_bytes_are_counted() {
        let mut level = Level::default();
        let state = |number: u32| number.to_le_bytes().repeat(1 + number as usize % 50);
        let mut writer = Writer::new(&level);
        for number in 0..5_000 {
            writer.push(&state(number));
        }
        drop(writer);
        assert!(level.count() > 5);
        let capacity: usize = level.chunks().iter().map(|chunk| chunk.0.capacity()).sum();
        assert_eq!(level.bytes(), capacity);
        let mut states = Vec::new();
        while let Some(chunk) = level.take() {
            states.extend(chunk.states().map(|it| it.expect("just packed").to_vec()));
        }
        states.sort_unstable();
        let mut expected: Vec<_> = (0..5_000).map(state).collect();
        expected.sort_unstable();
        assert_eq!(states, expected);
        assert_eq!(level.bytes(), 0);
    }

    #[test]
    fn a_chunk_that_is_cut_off_says_so() {
        let cut = Chunk::from_bytes(vec![2, 7, 7, 3, 1]);
        let states: Vec<_> = cut.states().map(Result::ok).collect();
        assert_eq!(states, [Some(&[7, 7][..]), None]);
    }
}
