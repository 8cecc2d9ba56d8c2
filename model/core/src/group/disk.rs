//! What of this replica's own log is durable, and what is still on its way.
//!
//! I/Os become durable in the order in which they are issued, and [`Durability::persisted`]
//! names an *I/O*, never a log index: between issue and completion an index may have been
//! truncated and written again.
//!
//! ```text
//! issued   #1 append 1..5   #2 truncate to 2, append 3   #3 ballot
//! memory   1 2 3'           durable so far: nothing
//! #1 done  the disk holds 1 2 3 4 5, of which 1 2 are in our log: durable end 2
//! #2 done  durable end 3
//! ```

use crate::ids::{IoNumber, LogIndex};
use alloc::collections::VecDeque;

/// An append that is not yet durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PendingAppend {
    /// Its I/O.
    io: IoNumber,
    /// Up to where the log in memory is durable once this I/O is.
    end: LogIndex,
}

/// Follows the I/Os of one incarnation.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Durability {
    /// The last I/O that was issued.
    issued: IoNumber,
    /// The last I/O that is durable. Invariant: at most `issued`.
    persisted: IoNumber,
    /// Every entry of the log in memory up to here is on the disk.
    end: LogIndex,
    /// Appends on their way. Invariant: I/O numbers above `persisted`, strictly growing.
    pending: VecDeque<PendingAppend>,
}

impl Durability {
    /// After recovery the whole log is durable and no I/O is on its way.
    pub(super) fn recovered(end: LogIndex) -> Self {
        Self { end, ..Self::default() }
    }

    /// Numbers a new I/O that leaves the log alone.
    pub(super) fn issue(&mut self) -> IoNumber {
        self.issued.0 += 1;
        self.issued
    }

    /// Numbers a new I/O that makes the log end at `end`, keeping entries up to `kept`.
    pub(super) fn issue_append(&mut self, kept: LogIndex, end: LogIndex) -> IoNumber {
        self.end = self.end.min(kept);
        for pending in &mut self.pending {
            pending.end = pending.end.min(kept);
        }
        let io = self.issue();
        self.pending.push_back(PendingAppend { io, end });
        io
    }

    /// The I/O that an effect must wait for if it may only leave once everything decided so far
    /// is durable.
    pub(super) fn everything(&self) -> IoNumber {
        if self.issued > self.persisted { self.issued } else { IoNumber::NONE }
    }

    /// Takes note that every I/O up to `io` is durable.
    pub(super) fn persisted(&mut self, io: IoNumber) {
        assert!(io <= self.issued, "the driver persisted I/O {} of {}", io.0, self.issued.0);
        self.persisted = self.persisted.max(io);
        while let Some(done) = self.pending.front().filter(|append| append.io <= io) {
            self.end = done.end;
            self.pending.pop_front();
        }
    }

    /// Every entry of the log in memory up to here is durable.
    pub(super) fn end(&self) -> LogIndex {
        self.end
    }

    /// Whether this I/O is durable.
    pub(super) fn is_durable(&self, io: IoNumber) -> bool {
        io <= self.persisted
    }

    /// Counts I/Os from `origin` on.
    pub(super) fn rebase(&mut self, origin: IoNumber) {
        self.issued.0 -= origin.0;
        self.persisted.0 = self.persisted.0.saturating_sub(origin.0);
        for pending in &mut self.pending {
            pending.io.0 -= origin.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_rewritten_index_is_durable_only_with_its_second_write() {
        let mut disk = Durability::recovered(LogIndex::ZERO);
        let first = disk.issue_append(LogIndex(0), LogIndex(5));
        let second = disk.issue_append(LogIndex(2), LogIndex(3));
        disk.persisted(first);
        assert_eq!(disk.end(), LogIndex(2));
        disk.persisted(second);
        assert_eq!(disk.end(), LogIndex(3));
    }

    #[test]
    fn truncation_takes_durability_back() {
        let mut disk = Durability::recovered(LogIndex(4));
        let io = disk.issue_append(LogIndex(1), LogIndex(2));
        assert_eq!(disk.end(), LogIndex(1));
        disk.persisted(io);
        assert_eq!(disk.end(), LogIndex(2));
        assert_eq!(disk.everything(), IoNumber::NONE);
    }

    proptest::proptest! {
        /// Against a dumb twin: two whole logs. What is durable is what they have in common.
        #[test]
        fn durable_is_what_memory_and_disk_share(
            appends in proptest::collection::vec((0_usize..6, 0_usize..4, 0_usize..3), 0..30),
        ) {
            let mut disk = Durability::default();
            let (mut in_memory, mut on_disk) = (Vec::<u32>::new(), Vec::new());
            let mut on_the_way = VecDeque::new();
            let mut unique = 0..;
            for (keep, count, done) in appends {
                let keep = keep.min(in_memory.len());
                let entries: Vec<_> = unique.by_ref().take(count).collect();
                in_memory.truncate(keep);
                in_memory.extend(&entries);
                let ends = [keep, in_memory.len()].map(|length| LogIndex(length as u64));
                let io = disk.issue_append(ends[0], ends[1]);
                on_the_way.push_back((io, keep, entries));
                for _ in 0..done {
                    let Some((io, keep, entries)) = on_the_way.pop_front() else { break };
                    on_disk.truncate(keep);
                    on_disk.extend(entries);
                    disk.persisted(io);
                }
                let shared = in_memory.iter().zip(&on_disk).take_while(|(a, b)| a == b).count();
                assert_eq!(disk.end(), LogIndex(shared as u64));
            }
        }
    }
}
