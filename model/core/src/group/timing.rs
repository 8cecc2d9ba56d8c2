//! What a group may know about time: spans, deadlines and how far clocks may drift apart.
//!
//! Clocks are read, never compared: each replica judges by its own, and only *rates* are bounded
//! (Liskov 1991; Ongaro's dissertation, section 6.4.1). A deadline is relative to the clock of the
//! replica that set it, and one that has passed is 0, so that re-basing forgets how long ago.

use crate::ids::Tick;

/// Which rules about time a group follows. All off: timers say what happens, and no clock is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timing {
    /// Ask the peers before a campaign; having heard from the leader is evidence for so long.
    /// Off: a follower that hears from no leader campaigns at once.
    pub evidence: Option<Tick>,
    /// A leader that has not heard from a majority for so long steps down. Off: it leads until it
    /// learns of a later term.
    pub quorum_timeout: Option<Tick>,
    /// A confirmed leader answers reads alone for a while. Off: every read is confirmed.
    pub lease: Option<Lease>,
}

/// How long a confirmed leader may read alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// So long after the confirming round was *sent*, by the leader's clock.
    pub span: Tick,
    /// How far the rates of clocks may be off.
    pub drift: Drift,
}

/// The largest error of a clock's rate, as a fraction `parts / of`: 200 ppm is 200 / 1,000,000.
/// Between two readings a true second apart a clock advances by `1 - parts/of` to `1 + parts/of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Drift {
    /// The numerator. Below `of`.
    pub parts: u64,
    /// The denominator.
    pub of: u64,
}

impl Lease {
    /// How long whoever confirmed a round waits, by its own clock, before it helps to elect
    /// another leader: `span * (1 + rho) / (1 - rho)`, rounded up. The holder's clock may be the
    /// slowest that is allowed and the waiter's the fastest.
    ///
    /// # Panics
    ///
    /// If the drift is not below 1.
    #[must_use]
    pub fn wait(&self) -> Tick {
        let Drift { parts, of } = self.drift;
        assert!(parts < of, "a drift of {parts} / {of} is not below 1");
        let scaled = u128::from(self.span.0) * u128::from(of + parts);
        Tick(u64::try_from(scaled.div_ceil(u128::from(of - parts))).unwrap_or(u64::MAX))
    }
}

/// A moment on one replica's clock until which something holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Deadline(Tick);

impl Deadline {
    /// In the past, whatever the time.
    pub(super) const OVER: Self = Self(Tick(0));

    /// `span` from `now` on.
    pub(super) fn after(now: Tick, span: Tick) -> Self {
        Self(Tick(now.0.saturating_add(span.0)))
    }

    /// Whether the moment has come.
    pub(super) fn is_over(self, now: Tick) -> bool {
        now >= self.0
    }

    /// Counts time from `origin` on.
    pub(super) fn rebase(&mut self, origin: Tick) {
        self.0.0 = self.0.0.saturating_sub(origin.0);
    }
}

/// What every replica keeps about time, whatever its role. Constant while [`Timing`] is off.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Time {
    /// The driver's clock at the last step.
    pub(super) now: Tick,
    /// Until then, having heard from the leader of this term is evidence that it lives.
    pub(super) heard_until: Deadline,
    /// Until then we help to elect nobody: a leader may be reading alone.
    pub(super) bound_until: Deadline,
    /// Counts our polls of the peers in this term.
    pub(super) polls: u64,
}

impl Time {
    /// Counts time from `origin` on.
    pub(super) fn rebase(&mut self, origin: Tick) {
        self.now.0 = self.now.0.saturating_sub(origin.0);
        self.heard_until.rebase(origin);
        self.bound_until.rebase(origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The factors that the decision on clocks names, and the model's.
    #[test]
    fn a_wait_covers_the_slowest_holder_and_the_fastest_waiter() {
        for (span, parts, of, wait) in [
            (3, 1, 3, 6),
            (3, 1, 7, 4),
            (3, 0, 1, 3),
            (10_000, 200, 1_000_000, 10_005),
            (10_000, 1, 100, 10_203),
            (u64::MAX, 1, 2, u64::MAX),
        ] {
            let lease = Lease { span: Tick(span), drift: Drift { parts, of } };
            assert_eq!(lease.wait(), Tick(wait), "{lease:?}");
        }
    }

    #[test]
    fn a_deadline_that_has_passed_is_the_same_however_long_ago() {
        let mut deadline = Deadline::after(Tick(5), Tick(3));
        assert!(!deadline.is_over(Tick(7)) && deadline.is_over(Tick(8)));
        deadline.rebase(Tick(6));
        assert_eq!(deadline, Deadline::after(Tick(0), Tick(2)));
        deadline.rebase(Tick(9));
        assert_eq!(deadline, Deadline::OVER);
        assert!(deadline.is_over(Tick(0)));
    }
}
