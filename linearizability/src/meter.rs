//! Counts the bytes that searches hold, against one limit for all of them.
//!
//! What counts is the capacity of a search's own tables, told after each return that it decides;
//! the input, the reader's text and the stack do not.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes held by all searches of a check.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: u64,
    held: AtomicU64,
    peak: AtomicU64,
}

impl Meter {
    /// A meter that refuses more than `limit` bytes; nothing for no limit.
    pub(crate) const fn new(limit: Option<u64>) -> Self {
        let limit = match limit {
            Some(limit) => limit,
            None => u64::MAX,
        };
        Self { limit, held: AtomicU64::new(0), peak: AtomicU64::new(0) }
    }

    /// The most that was ever held at once.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// A part of the meter for one search.
    pub(crate) const fn share(&self) -> Share<'_> {
        Share { meter: self, held: 0 }
    }
}

/// What one search holds; given back when it ends.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    meter: &'a Meter,
    held: u64,
}

impl Share<'_> {
    /// Whether that many bytes more would not be too many.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        let held = self.meter.held.load(Ordering::Relaxed);
        held.saturating_add(bytes as u64) <= self.meter.limit
    }

    /// Says how many bytes this search holds now; false if that is too many.
    pub(crate) fn holds(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if bytes == self.held {
            return true;
        }
        let meter = self.meter;
        let more = bytes.saturating_sub(self.held);
        let less = self.held.saturating_sub(bytes);
        let total = meter.held.fetch_add(more, Ordering::Relaxed) + more;
        meter.held.fetch_sub(less, Ordering::Relaxed);
        self.held = bytes;
        meter.peak.fetch_max(total.min(meter.limit), Ordering::Relaxed);
        total - less <= meter.limit
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.meter.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_together_and_give_back() {
        let meter = Meter::new(Some(100));
        let mut one = meter.share();
        assert!(one.holds(60));
        {
            let mut other = meter.share();
            assert!(other.holds(40));
            assert!(other.has_room_for(0) && !other.has_room_for(1), "60 and 40 are 100");
            assert!(!other.holds(41), "60 and 41 are more than 100");
        }
        assert!(one.holds(100), "the other gave its part back");
        assert!(one.holds(10));
        assert_eq!(meter.peak(), 100);
    }
}
