//! Sets of replicas and the arithmetic of majorities.
//!
//! Source: Gifford 1979; Ongaro & Ousterhout 2014, section 5. Differences from the source: none.
//!
//! * `QUORUM-1` any two majorities of one set share a member.

use crate::ids::ReplicaId;

/// A set of replicas, as a bit mask. Holds ids below [`ReplicaSet::IDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReplicaSet(u64);

impl ReplicaSet {
    /// How many different ids a set can hold.
    pub const IDS: u8 = 64;

    /// The replicas `0..size`.
    ///
    /// # Panics
    ///
    /// If `size` is above [`ReplicaSet::IDS`].
    #[must_use]
    pub fn first(size: u8) -> Self {
        (0..size).map(ReplicaId).collect()
    }

    /// This set and `id`.
    ///
    /// # Panics
    ///
    /// If `id` is not below [`ReplicaSet::IDS`].
    #[must_use]
    pub fn with(self, id: ReplicaId) -> Self {
        assert!(id.0 < Self::IDS, "replica id {} is not below {}", id.0, Self::IDS);
        Self(self.0 | 1 << id.0)
    }

    /// This set without `id`.
    #[must_use]
    pub fn without(self, id: ReplicaId) -> Self {
        if id.0 < Self::IDS { Self(self.0 & !(1 << id.0)) } else { self }
    }

    /// Whether `id` is a member. Any id may be asked for.
    #[must_use]
    pub fn contains(self, id: ReplicaId) -> bool {
        id.0 < Self::IDS && self.0 & 1 << id.0 != 0
    }

    /// How many members the set has.
    #[must_use]
    pub fn size(self) -> u32 {
        self.0.count_ones()
    }

    /// The members, in id order.
    pub fn iter(self) -> impl Iterator<Item = ReplicaId> {
        (0..Self::IDS).map(ReplicaId).filter(move |&id| self.contains(id))
    }

    /// Smallest number of members such that any two subsets of that size share one.
    #[must_use]
    pub fn majority(self) -> u32 {
        self.size() / 2 + 1
    }

    /// Whether those of `of` who are also members here are a majority of `of`.
    #[must_use]
    pub fn is_majority_of(self, of: Self) -> bool {
        Self(self.0 & of.0).size() >= of.majority()
    }
}

impl FromIterator<ReplicaId> for ReplicaSet {
    fn from_iter<I: IntoIterator<Item = ReplicaId>>(ids: I) -> Self {
        ids.into_iter().fold(Self::default(), Self::with)
    }
}

/// The largest value that a majority of `members` has reached, given each member's value.
///
/// The empty set has reached nothing: `T::default()`.
pub fn reached_by_majority<T: Ord + Copy + Default>(
    members: ReplicaSet,
    value: impl Fn(ReplicaId) -> T,
) -> T {
    let at_least = |bound: T| members.iter().filter(|&id| value(id) >= bound).count();
    let majority = usize::try_from(members.majority()).unwrap_or(usize::MAX);
    let candidates = members.iter().map(&value);
    candidates.filter(|&bound| at_least(bound) >= majority).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majorities() {
        for (size, majority) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)] {
            assert_eq!(ReplicaSet::first(size).majority(), majority, "of {size}");
        }
    }

    /// `QUORUM-1`, exhaustively for all groups of up to seven replicas.
    #[test]
    fn any_two_majorities_share_a_member() {
        for size in 1..=7_u8 {
            let all = ReplicaSet::first(size);
            let subsets = || (0..1_u64 << size).map(ReplicaSet);
            for a in subsets().filter(|a| a.is_majority_of(all)) {
                for b in subsets().filter(|b| b.is_majority_of(all)) {
                    assert!(a.0 & b.0 != 0, "{a:?} and {b:?} of {size}");
                }
            }
        }
    }

    #[test]
    fn strangers_do_not_make_a_majority() {
        let members = ReplicaSet::first(3);
        let votes: ReplicaSet = [ReplicaId(0), ReplicaId(7), ReplicaId(8)].into_iter().collect();
        assert!(!votes.is_majority_of(members));
        assert!(votes.with(ReplicaId(2)).is_majority_of(members));
        assert!(!members.contains(ReplicaId(200)));
    }

    #[test]
    fn whoever_is_added_twice_is_a_member_once() {
        let one = ReplicaSet::default().with(ReplicaId(3));
        assert_eq!(one.with(ReplicaId(3)), one);
        assert_eq!((one.size(), one.without(ReplicaId(3))), (1, ReplicaSet::default()));
        assert_eq!(one.without(ReplicaId(ReplicaSet::IDS)), one);
        let all = ReplicaSet::first(ReplicaSet::IDS);
        assert_eq!((all.size(), all.contains(ReplicaId(63))), (64, true));
        assert!(!all.contains(ReplicaId(ReplicaSet::IDS)));
    }

    proptest::proptest! {
        /// Against a dumb twin: sort the values, take the one that `majority` members reach.
        #[test]
        fn reached_is_the_sorted_middle(values in proptest::collection::vec(0_u8..5, 1..9)) {
            let size = u8::try_from(values.len()).unwrap();
            let members = ReplicaSet::first(size);
            let mut sorted = values.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let expected = sorted[members.majority() as usize - 1];
            let reached = reached_by_majority(members, |id| values[usize::from(id.0)]);
            assert_eq!(reached, expected);
        }
    }
}
