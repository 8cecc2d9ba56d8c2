//! Successors on their way to the visited set.

use super::fingerprint::Fingerprint;

/// A batch of successors: fingerprints, and the raw bytes behind each.
#[derive(Debug, Default)]
pub struct Found {
    pub(super) entries: Vec<Entry>,
    /// The raw states, one behind the other. What belongs to a successor is written here before
    /// [`Found::push`] is called.
    pub raw: Vec<u8>,
    /// How often each kind of thing happened.
    pub(super) coverage: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) fingerprint: Fingerprint,
    /// Where its raw bytes end; they begin where those of the entry before it end.
    end: usize,
    /// Which of its predecessor's actions led here.
    pub(super) place: u32,
}

impl Found {
    /// Adds the successor whose raw bytes were just written; `place` says by which of the
    /// predecessor's actions it is reached.
    pub fn push(&mut self, fingerprint: Fingerprint, place: u32) {
        let [first, second] = fingerprint.0;
        // Zero means an empty slot.
        let fingerprint = Fingerprint([first.max(1), second]);
        self.entries.push(Entry { fingerprint, end: self.raw.len(), place });
    }

    /// Counts an action of this kind, and the marks that it hit: they are counted from `first_mark`.
    pub fn taken(&mut self, kind: usize, mut marks: u32, first_mark: usize) {
        self.count(kind);
        while marks != 0 {
            self.count(first_mark + marks.trailing_zeros() as usize);
            marks &= marks - 1;
        }
    }

    fn count(&mut self, number: usize) {
        if self.coverage.len() <= number {
            self.coverage.resize(number + 1, 0);
        }
        self.coverage[number] += 1;
    }

    /// The raw states, in order; the batch is empty afterwards.
    pub fn take_raw(&mut self) -> Vec<Vec<u8>> {
        let raw = (0..self.entries.len()).map(|entry| self.raw_of(entry).to_vec()).collect();
        self.clear();
        raw
    }

    pub(super) fn raw_of(&self, entry: usize) -> &[u8] {
        let start = entry.checked_sub(1).map_or(0, |before| self.entries[before].end);
        &self.raw[start..self.entries[entry].end]
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.raw.clear();
    }
}
