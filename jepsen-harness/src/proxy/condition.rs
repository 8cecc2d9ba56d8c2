//! What a link does with what is sent on it, as a value that composes.

use std::time::Duration;

/// What a link does with what is sent on it. The default carries everything at once; several
/// conditions on one link add up ([`Condition::and`]).
///
/// Shares are in thousandths. They strike whole frames between replicas, as the protocol's own
/// network may lose, repeat and reorder *messages*; greetings pass, and requests that one node
/// hands to another are lost at most: a TCP connection never repeats them, so nothing guards
/// against that. On a connection that does not carry our frames a loss closes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Closes its connections, and every new one.
    pub cut: bool,
    /// Keeps everything until healed.
    pub stalled: bool,
    /// Everything is so much later.
    pub delay: Duration,
    /// And up to so much more, without changing the order.
    pub jitter: Duration,
    /// So many of a thousand frames never arrive.
    pub lost: u32,
    /// So many of a thousand messages arrive twice, the second time a little later.
    pub doubled: u32,
    /// So many of a thousand messages are overtaken by later ones.
    pub swapped: u32,
    /// At most so much passes in a second.
    pub bytes_per_second: Option<u32>,
}

impl Condition {
    /// Closed.
    pub const CUT: Self = Self { cut: true, ..Self::WHOLE };
    /// Held back.
    pub const STALLED: Self = Self { stalled: true, ..Self::WHOLE };
    /// As if nothing stood between.
    pub const WHOLE: Self = Self {
        cut: false,
        stalled: false,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        lost: 0,
        doubled: 0,
        swapped: 0,
        bytes_per_second: None,
    };

    /// Both at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let slower = match (self.bytes_per_second, other.bytes_per_second) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self {
            cut: self.cut || other.cut,
            stalled: self.stalled || other.stalled,
            delay: self.delay + other.delay,
            jitter: self.jitter + other.jitter,
            lost: self.lost.max(other.lost),
            doubled: self.doubled.max(other.doubled),
            swapped: self.swapped.max(other.swapped),
            bytes_per_second: slower,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_add_up() {
        let slow = Condition { bytes_per_second: Some(9), lost: 5, ..Condition::WHOLE };
        let late = Condition { delay: Duration::from_millis(3), lost: 2, ..Condition::WHOLE };
        let both = slow.and(late).and(late).and(Condition::WHOLE);
        assert_eq!(both.delay, Duration::from_millis(6));
        assert_eq!((both.lost, both.bytes_per_second), (5, Some(9)));
        assert!(Condition::CUT.and(late).cut && !late.and(slow).stalled);
        assert_eq!(Condition::WHOLE, Condition::default());
    }
}
