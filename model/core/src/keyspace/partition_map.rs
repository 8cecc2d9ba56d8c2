//! Who owns what, as far as somebody knows.
//!
//! Each router keeps such a map and learns from refusals. What it knows may be old, part by part;
//! it covers every token all the same, so that there is always somebody to ask.
//!
//! * `MAP-1` a map covers every token exactly once.
//! * `MAP-2` what is known of a token never gets older.
//!
//! Source: Elhemali et al., USENIX ATC 2022, sections 4.1 and 6.1 (routers cache the map).
//! Differences from the source: a map learns part by part, from those who refuse.

use super::range::{KeyRange, Token};
use crate::ids::ReplicaId;
use alloc::vec::Vec;

/// A partition. Children are named after their parent, so that splitting twice gives the same
/// names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PartitionId(pub u64);

impl PartitionId {
    /// The names of the children, left and right; nothing below a depth that no table reaches.
    #[must_use]
    pub fn children(self) -> Option<(Self, Self)> {
        let left = self.0.checked_mul(2)?;
        Some((Self(left), Self(left + 1)))
    }
}

/// How often a key's ownership has changed. Grows with each split and each move of the partition
/// that owns the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Who owns a range, since when, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Assignment {
    /// What is owned.
    pub range: KeyRange,
    /// Since which change.
    pub epoch: Epoch,
    /// By which partition.
    pub partition: PartitionId,
    /// Where its replication group is reached.
    pub home: ReplicaId,
}

/// A map of the whole key space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionMap {
    /// In the order of their ranges. Invariant: `MAP-1`.
    assignments: Vec<Assignment>,
}

impl PartitionMap {
    /// The map of a keyspace that is one partition.
    #[must_use]
    pub fn of_one(partition: PartitionId, home: ReplicaId) -> Self {
        let (range, epoch) = (KeyRange::EVERYTHING, Epoch(1));
        Self { assignments: Vec::from([Assignment { range, epoch, partition, home }]) }
    }

    /// Who owns `token`, as far as this map knows.
    ///
    /// # Panics
    ///
    /// If `MAP-1` is broken.
    #[must_use]
    pub fn find(&self, token: Token) -> Assignment {
        let position = self.assignments.partition_point(|it| it.range.last() < token);
        self.assignments.get(position).copied().expect("MAP-1: a map covers every token")
    }

    /// All assignments, in the order of their ranges.
    #[must_use]
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// Takes note of a later assignment. What it replaces is cut down to the rest of its range.
    /// Returns whether anything was new.
    pub fn learn(&mut self, news: Assignment) -> bool {
        let overlapping = |it: &&Assignment| it.range.overlaps(news.range);
        if self.assignments.iter().filter(overlapping).any(|it| it.epoch >= news.epoch) {
            return false;
        }
        let mut assignments = Vec::with_capacity(self.assignments.len() + 2);
        for known in &self.assignments {
            let (left, right) = known.range.without(news.range);
            let rest = [left, right].into_iter().flatten();
            assignments.extend(rest.map(|range| Assignment { range, ..*known }));
        }
        assignments.push(news);
        assignments.sort_unstable();
        self.assignments = assignments;
        true
    }

    /// `MAP-1`: every token is covered exactly once.
    #[must_use]
    pub fn covers_everything_once(&self) -> bool {
        let whole = KeyRange::EVERYTHING;
        let first = self.assignments.first().is_some_and(|it| it.range.first() == whole.first());
        let last = self.assignments.last().is_some_and(|it| it.range.last() == whole.last());
        let mut pairs = self.assignments.windows(2);
        first && last && pairs.all(|pair| pair[0].range.is_followed_by(pair[1].range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(first: u128, last: u128, epoch: u64, home: u8) -> Assignment {
        let range = KeyRange::new(Token(first), Token(last)).unwrap();
        let partition = PartitionId(u64::from(home));
        Assignment { range, epoch: Epoch(epoch), partition, home: ReplicaId(home) }
    }

    #[test]
    fn what_is_learned_replaces_what_is_older_and_nothing_else() {
        let mut map = PartitionMap::of_one(PartitionId(1), ReplicaId(0));
        assert!(map.learn(assignment(100, 199, 2, 7)));
        assert!(map.covers_everything_once());
        assert_eq!(map.find(Token(99)).home, ReplicaId(0));
        assert_eq!(map.find(Token(100)).home, ReplicaId(7));
        assert_eq!(map.find(Token(199)).home, ReplicaId(7));
        assert_eq!(map.find(Token(200)).home, ReplicaId(0));
        // Old news of the same range, and of a part of it.
        assert!(!map.learn(assignment(100, 199, 2, 8)));
        assert!(!map.learn(assignment(0, 150, 1, 8)));
        assert_eq!(map.find(Token(u128::MAX)).epoch, Epoch(1));
    }

    #[test]
    fn children_are_named_after_their_parent() {
        assert_eq!(PartitionId(3).children(), Some((PartitionId(6), PartitionId(7))));
        assert_eq!(PartitionId(u64::MAX).children(), None);
    }

    proptest::proptest! {
        /// `MAP-1` and `MAP-2`, whatever is learned in whatever order.
        #[test]
        fn a_map_stays_whole_and_gets_no_older(
            news in proptest::collection::vec((0_u128..16, 0_u128..16, 1_u64..6), 0..20),
        ) {
            let mut map = PartitionMap::of_one(PartitionId(1), ReplicaId(0));
            for (a, b, epoch) in news {
                let before = map.clone();
                map.learn(assignment(a.min(b), a.max(b), epoch, 1));
                assert!(map.covers_everything_once());
                for token in (0..16).map(Token) {
                    assert!(map.find(token).epoch >= before.find(token).epoch);
                }
            }
        }
    }
}
