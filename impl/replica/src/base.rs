//! Which records at the front of the log are no longer needed.
//!
//! A replica starts from the fold of all its records, so none can go unless something says what they
//! led to. A *base* says it: the term, the vote and the shape of the log after all records before it,
//! in a record of its own, every few megabytes. A log may then begin at a base, if every entry that
//! somebody may still need is in a record behind it.
//!
//! ```text
//! records    ... | base | 41..90 | base | 91..140 | trim 95 | base | ...
//! needed                                  ^ entry 96
//! goes       ....................^ up to the last base before that
//! ```
//!
//! Invariant: `BASE-1` the state that recovery folds from a base on is the one that it folds from the
//! beginning, but for the payloads of entries that the log does not begin with any more.

use ringleader_storage::wal::Lsn;
use std::collections::VecDeque;

/// The bases of one replica's log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bases {
    /// Bytes of records since the last base.
    bytes: usize,
    /// Where they are, those that are durable, oldest first.
    positions: VecDeque<Lsn>,
    /// Where the log may begin, as was said last.
    said: Lsn,
}

impl Bases {
    /// Counts a record. Whether a base is to follow, once there are so many bytes.
    pub(crate) fn is_due_after(&mut self, bytes: usize, interval_bytes: usize) -> bool {
        self.bytes += bytes;
        let due = self.bytes >= interval_bytes;
        if due {
            self.bytes = 0;
        }
        due
    }

    /// A base is durable.
    pub(crate) fn found(&mut self, position: Lsn) {
        self.positions.push_back(position);
    }

    /// Records from `needed` on are needed. Says where the log may begin, if that is news.
    pub(crate) fn begin(&mut self, needed: Lsn) -> Option<Lsn> {
        while self.positions.get(1).is_some_and(|&next| next <= needed) {
            self.positions.pop_front();
        }
        let first = *self.positions.front().filter(|&&first| first <= needed)?;
        (first > self.said).then(|| {
            self.said = first;
            first
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_begins_at_the_last_base_before_what_is_needed() {
        let mut bases = Bases::default();
        assert_eq!(bases.begin(Lsn(100)), None, "without a base nothing goes");
        for position in [10, 20, 30] {
            bases.found(Lsn(position));
        }
        assert_eq!(bases.begin(Lsn(9)), None);
        assert_eq!(bases.begin(Lsn(20)), Some(Lsn(20)));
        assert_eq!(bases.begin(Lsn(29)), None, "that was said");
        assert_eq!(bases.begin(Lsn(1000)), Some(Lsn(30)));
    }

    #[test]
    fn a_base_is_due_by_bytes() {
        let mut bases = Bases::default();
        let due: Vec<bool> = (0..6).map(|_| bases.is_due_after(40, 100)).collect();
        assert_eq!(due, [false, false, true, false, false, true]);
    }
}
