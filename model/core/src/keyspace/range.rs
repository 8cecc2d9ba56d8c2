//! Tokens, and the ranges of tokens that partitions own.
//!
//! ```text
//! (0, 1000]          the parent: tokens 1 to 1000, the first and the last included
//! (0, 500] (500, 1000]   split after 500: 500 goes left, 501 goes right
//! ```
//!
//! Source: Elhemali et al., `DynamoDB`, USENIX ATC 2022, section 2. Differences from the source:
//! ranges are written by their first and last token, so that none is empty and the whole space,
//! whose end has no successor, is one of them.

/// A position in the key space: the 128-bit hash of a partition key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Token(pub u128);

/// A contiguous range of tokens, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KeyRange {
    /// The first token in it.
    first: Token,
    /// The last token in it. Invariant: at least `first`.
    last: Token,
}

impl KeyRange {
    /// Every token.
    pub const EVERYTHING: Self = Self { first: Token(0), last: Token(u128::MAX) };

    /// The tokens from `first` to `last`, both included; nothing if there are none.
    #[must_use]
    pub fn new(first: Token, last: Token) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The first token in it.
    #[must_use]
    pub fn first(self) -> Token {
        self.first
    }

    /// The last token in it.
    #[must_use]
    pub fn last(self) -> Token {
        self.last
    }

    /// Whether it owns `token`.
    #[must_use]
    pub fn contains(self, token: Token) -> bool {
        self.first <= token && token <= self.last
    }

    /// Whether some token is in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether `next` begins where this ends: no token is between them, none in both.
    #[must_use]
    pub fn is_followed_by(self, next: Self) -> bool {
        self.last.0.checked_add(1) == Some(next.first.0)
    }

    /// The part up to and including `at`, and the rest; nothing if one of them would be empty. A
    /// range of one token cannot be split.
    #[must_use]
    pub fn split_after(self, at: Token) -> Option<(Self, Self)> {
        let next = Token(at.0.checked_add(1)?);
        let left = Self::new(self.first, at)?;
        let right = Self::new(next, self.last)?;
        Some((left, right))
    }

    /// What of this range is before `other`, and what is after.
    #[must_use]
    pub fn without(self, other: Self) -> (Option<Self>, Option<Self>) {
        if !self.overlaps(other) {
            return if self < other { (Some(self), None) } else { (None, Some(self)) };
        }
        let before = other.first.0.checked_sub(1).map(Token);
        let after = other.last.0.checked_add(1).map(Token);
        let left = before.and_then(|last| Self::new(self.first, last));
        let right = after.and_then(|first| Self::new(first, self.last));
        (left, right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u128, last: u128) -> KeyRange {
        KeyRange::new(Token(first), Token(last)).unwrap()
    }

    #[test]
    fn a_split_leaves_no_gap_and_no_overlap() {
        let parent = range(1, 1000);
        let (left, right) = parent.split_after(Token(500)).unwrap();
        assert_eq!((left, right), (range(1, 500), range(501, 1000)));
        assert!(left.contains(Token(500)) && !right.contains(Token(500)));
        assert!(left.is_followed_by(right) && !left.overlaps(right));
    }

    #[test]
    fn no_child_is_empty() {
        assert_eq!(range(7, 7).split_after(Token(7)), None);
        assert_eq!(range(1, 9).split_after(Token(9)), None);
        assert_eq!(range(1, 9).split_after(Token(0)), None);
        assert_eq!(KeyRange::EVERYTHING.split_after(Token(u128::MAX)), None);
        assert_eq!(KeyRange::new(Token(2), Token(1)), None);
    }

    /// All pairs of ranges in a space of eight tokens: what is left and what is taken are the
    /// whole, and nothing twice.
    #[test]
    fn without_is_the_difference_of_sets() {
        let all = || (0..8).flat_map(|first| (first..8).map(move |last| range(first, last)));
        for a in all() {
            for b in all() {
                let (left, right) = a.without(b);
                let parts = [left, right];
                for token in (0..8).map(Token) {
                    let kept = parts.iter().flatten().filter(|it| it.contains(token));
                    let expected = a.contains(token) && !b.contains(token);
                    assert_eq!(
                        kept.count(),
                        usize::from(expected),
                        "{a:?} without {b:?}: {token:?}"
                    );
                }
            }
        }
    }
}
