//! The clock that a replica judges leases by.
//!
//! It never jumps back, and it goes on while the machine is suspended: a leader that slept through
//! its lease must notice when it wakes. That is `CLOCK_BOOTTIME`; the clock behind
//! [`std::time::Instant`] stands still meanwhile. Its *rate* is what leases rest on: a daemon that
//! corrects the time bends it, by a bounded fraction (see [`ringleader_core::group::Drift`]).

use ringleader_core::ids::Tick;
use rustix::time::{ClockId, clock_gettime};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Microseconds since the node started.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    origin: Duration,
    skew: Option<Skew>,
}

/// Makes a node's clock wrong on purpose, for fault injection: it runs too fast or too slowly, or
/// jumps ahead. It never goes back. Clones bend the same clock.
///
/// Timers go on as they are: nothing that must hold depends on them.
#[derive(Clone, Debug)]
pub struct Skew {
    bend: Arc<Mutex<Bend>>,
}

/// The clock shows `shown` at `since`, and from there runs at its own rate.
#[derive(Clone, Copy, Debug)]
struct Bend {
    since: Duration,
    shown: Duration,
    rate_ppm: i32,
}

impl Bend {
    fn at(&self, time: Duration) -> Duration {
        let elapsed = time.saturating_sub(self.since);
        let bent = elapsed.mul_f64(1.0 + f64::from(self.rate_ppm) / 1e6);
        self.shown + bent
    }
}

impl Default for Skew {
    fn default() -> Self {
        let now = since_boot();
        Self { bend: Arc::new(Mutex::new(Bend { since: now, shown: now, rate_ppm: 0 })) }
    }
}

impl Skew {
    /// From now on the clock gains so many millionths; below zero, it loses them. A rate below
    /// -1,000,000 is taken for that: the clock stands still.
    pub fn set_rate(&self, rate_ppm: i32) {
        self.change(|bend| bend.rate_ppm = rate_ppm.max(-1_000_000));
    }

    /// The clock jumps ahead.
    pub fn jump(&self, by: Duration) {
        self.change(|bend| bend.shown += by);
    }

    /// What the clock shows, since the machine has booted.
    #[must_use]
    pub fn shows(&self) -> Duration {
        self.lock().at(since_boot())
    }

    fn change(&self, change: impl FnOnce(&mut Bend)) {
        let mut bend = self.lock();
        let now = since_boot();
        *bend = Bend { since: now, shown: bend.at(now), ..*bend };
        change(&mut bend);
    }

    fn lock(&self) -> MutexGuard<'_, Bend> {
        self.bend.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    /// Counts from now on.
    pub(crate) fn start(skew: Option<Skew>) -> Self {
        let origin = skew.as_ref().map_or_else(since_boot, Skew::shows);
        Self { origin, skew }
    }

    /// Read it *after* taking an input from its queue: a read that waited there must not be judged
    /// by a time at which the lease still held.
    pub(crate) fn now(&self) -> Tick {
        let shown = self.skew.as_ref().map_or_else(since_boot, Skew::shows);
        let elapsed = shown.saturating_sub(self.origin).as_micros();
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
        let (clock, instant) = (Clock::start(None), std::time::Instant::now());
        let first = clock.now();
        while instant.elapsed() < Duration::from_millis(2) {}
        let second = clock.now();
        let elapsed = u64::try_from(instant.elapsed().as_micros()).unwrap();
        assert!(second.0 - first.0 <= elapsed + 1 && second.0 >= 2000, "{first:?} {second:?}");
    }

    #[test]
    fn a_bent_clock_runs_at_its_rate_and_never_back() {
        let ms = Duration::from_millis;
        let bend = Bend { since: ms(100), shown: ms(500), rate_ppm: -250_000 };
        assert_eq!((bend.at(ms(100)), bend.at(ms(140))), (ms(500), ms(530)));
        assert_eq!(bend.at(ms(90)), ms(500), "the past is not shown");
        let stopped = Bend { rate_ppm: -1_000_000, ..bend };
        assert_eq!(stopped.at(ms(900)), ms(500));

        let skew = Skew::default();
        let clock = Clock::start(Some(skew.clone()));
        skew.set_rate(-2_000_000);
        let first = clock.now();
        skew.jump(Duration::from_hours(1));
        assert_eq!(clock.now().0 - first.0, 3_600_000_000);
        skew.set_rate(i32::MIN);
        assert_eq!(clock.now().0 - first.0, 3_600_000_000);
    }
}
