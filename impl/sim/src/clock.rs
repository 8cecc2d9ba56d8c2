//! The clock of a node: runs at a rate of its own, within what leases allow for.

use ringleader_core::group::Drift;
use ringleader_core::ids::Tick;

/// How far the rate of a clock may be off: what production allows for (`docs/OPTIONS.md`).
pub(crate) const DRIFT: Drift = Drift { parts: 1, of: 10 };

/// The rates that [`DRIFT`] allows, in parts of a million.
pub(crate) const RATE_MIN: u64 = 1_000_000 - 100_000;
/// The fastest one.
pub(crate) const RATE_MAX: u64 = 1_000_000 + 100_000;

/// Counts microseconds from its start, at a rate that may change.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// When the rate was last set, in true time and by the clock.
    set: (u64, u64),
    /// Parts of a million.
    rate: u64,
}

impl Clock {
    pub(crate) fn start(now: u64, rate: u64) -> Self {
        assert!((RATE_MIN..=RATE_MAX).contains(&rate), "a rate that leases do not allow for");
        Self { set: (now, 0), rate }
    }

    pub(crate) fn read(&self, now: u64) -> Tick {
        let (since, at) = self.set;
        Tick(at + (now - since) * self.rate / 1_000_000)
    }

    /// The first moment of true time at which the clock shows at least this.
    pub(crate) fn when(&self, tick: Tick) -> u64 {
        let (since, at) = self.set;
        since + (tick.0.saturating_sub(at) * 1_000_000).div_ceil(self.rate)
    }

    pub(crate) fn set_rate(&mut self, now: u64, rate: u64) {
        let at = self.read(now).0;
        *self = Self { set: (now, at), ..Self::start(now, rate) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_and_is_found_again() {
        let mut clock = Clock::start(500, RATE_MAX);
        assert_eq!(clock.read(1500), Tick(1100));
        clock.set_rate(1500, RATE_MIN);
        assert_eq!(clock.read(1500), Tick(1100));
        assert_eq!(clock.read(2500), Tick(2000));
        for tick in [1100, 1101, 1999, 2000] {
            let when = clock.when(Tick(tick));
            assert!(clock.read(when) >= Tick(tick), "{tick} at {when}");
            assert!(when == 1500 || clock.read(when - 1) < Tick(tick), "{tick} at {when}");
        }
    }
}
