//! The timers of a replica, and the randomness it is not allowed to have.

use crate::limits::{LATE_GRACE, LATE_MAX};
use ringleader_core::group::Timer;
use ringleader_core::ids::Tick;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// A small generator of pseudo-random numbers, for jitter only (splitmix64, Steele et al. 2014).
#[derive(Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A duration up to `bound`.
    pub(crate) fn up_to(&mut self, bound: Duration) -> Duration {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.next() % micros.saturating_add(1).max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// When which timer fires.
#[derive(Debug)]
pub(crate) struct Timers {
    armed: BTreeMap<Timer, Armed>,
    jitter: Jitter,
}

#[derive(Clone, Copy, Debug)]
struct Armed {
    at: Instant,
    /// It was late, and got its grace.
    deferred: bool,
}

impl Timers {
    pub(crate) fn new(seed: u64) -> Self {
        Self { armed: BTreeMap::new(), jitter: Jitter::new(seed) }
    }

    pub(crate) fn arm(&mut self, timer: Timer, delay: Tick, jitter: Tick, now: Instant) {
        let share = self.jitter.up_to(Duration::from_micros(jitter.0));
        let at = now + Duration::from_micros(delay.0) + share;
        self.armed.insert(timer, Armed { at, deferred: false });
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.armed.remove(&timer);
    }

    pub(crate) fn disarm_all(&mut self) {
        self.armed.clear();
    }

    /// When the next one fires.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.armed.values().map(|armed| armed.at).min()
    }

    /// Takes one that is due.
    ///
    /// An election timer that is late is late because this thread did not run: it wrote the tree,
    /// or the process was paused. What the leader said meanwhile is still in the socket, so the
    /// timer fires a little later, once, unless the leader is heard by then.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        if let Some(election) = self.armed.get_mut(&Timer::Election)
            && !election.deferred
            && now.duration_since(election.at) > LATE_MAX
        {
            *election = Armed { at: now + LATE_GRACE, deferred: true };
        }
        let (&due, _) = self.armed.iter().find(|(_, armed)| armed.at <= now)?;
        self.armed.remove(&due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_armed_again_fires_once_at_the_later_time() {
        let start = Instant::now();
        let mut timers = Timers::new(1);
        timers.arm(Timer::Election, Tick(1000), Tick(0), start);
        timers.arm(Timer::Election, Tick(5000), Tick(0), start);
        assert_eq!(timers.next(), Some(start + Duration::from_millis(5)));
        assert_eq!(timers.take_due(start + Duration::from_millis(4)), None);
        let due = timers.take_due(start + Duration::from_millis(5));
        assert_eq!(due, Some(Timer::Election));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn an_election_timer_that_is_late_waits_for_what_the_leader_said_once() {
        let start = Instant::now();
        let late = start + LATE_MAX + Duration::from_millis(2);
        let mut timers = Timers::new(1);
        timers.arm(Timer::Election, Tick(1000), Tick(0), start);
        timers.arm(Timer::Heartbeat, Tick(1000), Tick(0), start);
        assert_eq!(timers.take_due(late), Some(Timer::Heartbeat));
        assert_eq!(timers.take_due(late), None);
        assert_eq!(timers.next(), Some(late + LATE_GRACE));
        // Late again, and now it fires.
        assert_eq!(timers.take_due(late + 2 * LATE_GRACE + LATE_MAX), Some(Timer::Election));
    }

    #[test]
    fn jitter_stays_within_its_bound_and_uses_it() {
        let mut jitter = Jitter::new(7);
        let bound = Duration::from_micros(10);
        let shares: std::collections::BTreeSet<_> =
            (0..1000).map(|_| jitter.up_to(bound)).collect();
        assert_eq!(shares.len(), 11);
        assert_eq!(jitter.up_to(Duration::ZERO), Duration::ZERO);
    }
}
