//! The clock that a replica judges leases by.
//!
//! It never jumps back, and it goes on while the machine is suspended: a leader that slept through
//! its lease must notice when it wakes. That is `CLOCK_BOOTTIME`; the clock behind
//! [`std::time::Instant`] stands still meanwhile. Its *rate* is what leases rest on: a daemon that
//! corrects the time bends it, by a bounded fraction (see [`ringleader_core::group::Drift`]).

use ringleader_core::ids::Tick;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Microseconds since the node started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Duration,
}

impl Clock {
    /// Counts from now on.
    pub(crate) fn start() -> Self {
        Self { origin: since_boot() }
    }

    /// Read it *after* taking an input from its queue: a read that waited there must not be judged
    /// by a time at which the lease still held.
    pub(crate) fn now(self) -> Tick {
        let elapsed = since_boot().saturating_sub(self.origin).as_micros();
        Tick(u64::try_from(elapsed).expect("a node does not run for 500,000 years"))
    }
}

fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::try_from(time).expect("no machine has booted in the future")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_microseconds_from_its_start() {
        let (clock, instant) = (Clock::start(), std::time::Instant::now());
        let first = clock.now();
        while instant.elapsed() < Duration::from_millis(2) {}
        let second = clock.now();
        let elapsed = u64::try_from(instant.elapsed().as_micros()).unwrap();
        assert!(second.0 - first.0 <= elapsed + 1 && second.0 >= 2000, "{first:?} {second:?}");
    }
}
