//! Newtypes for every id, index and number, so that two integers cannot be swapped.

/// A replica's position in its replication group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReplicaId(pub u8);

/// An election epoch (Paxos: ballot). Starts at 0, never decreases on one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Term(pub u64);

impl Term {
    /// The term after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A position in a group's log. The first entry has index 1; 0 is "before the first entry".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogIndex(pub u64);

impl LogIndex {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The index after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The index before this one; before the first entry there is nothing, so 0 stays 0.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Where a log ends, or the entry before an append. The field order is the comparison order of
/// Ongaro & Ousterhout 2014, section 5.4.1: later term first, then longer log, so "at least as
/// up to date" is simply `<=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogEnd {
    /// Term of the last entry; 0 for an empty log.
    pub term: Term,
    /// Index of the last entry; 0 for an empty log.
    pub index: LogIndex,
}

/// The number of one I/O of one machine. I/Os are totally ordered and numbered from 1 in each
/// incarnation, so what is durable is always a prefix: "every I/O up to `n`".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IoNumber(pub u64);

impl IoNumber {
    /// What an effect that waits for no I/O waits for.
    pub const NONE: Self = Self(0);
}

/// A reading of the driver's monotonic clock, in microseconds from a start the driver chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tick(pub u64);

/// A request of the host of one replica. The driver chooses it, unique among the requests that
/// are still open on that replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RequestId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    fn end(term: u64, index: u64) -> LogEnd {
        LogEnd { term: Term(term), index: LogIndex(index) }
    }

    #[test]
    fn a_later_term_is_more_up_to_date_than_a_longer_log() {
        let in_order = [end(0, 0), end(1, 1), end(1, 9), end(2, 1), end(2, 2)];
        assert!(in_order.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn nothing_is_before_the_beginning() {
        assert_eq!(LogIndex(7).next().previous(), LogIndex(7));
        assert_eq!(LogIndex::ZERO.previous(), LogIndex::ZERO);
    }
}
