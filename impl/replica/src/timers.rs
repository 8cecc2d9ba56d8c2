//! The timers of a replica, and the randomness it is not allowed to have. For drivers: time is
//! whatever their clock says, in microseconds.

use crate::limits::{LATE_GRACE, LATE_MAX};
use ringleader_core::group::Timer;
use ringleader_core::ids::Tick;
use std::collections::BTreeMap;

/// A small generator of pseudo-random numbers, for jitter only (splitmix64, Steele et al. 2014).
#[derive(Clone, Debug)]
struct Jitter(u64);

impl Jitter {
    /// A duration up to `bound`.
    fn up_to(&mut self, bound: Tick) -> u64 {
        self.next() % bound.0.saturating_add(1).max(1)
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
#[derive(Clone, Debug)]
pub struct Timers {
    armed: BTreeMap<Timer, Armed>,
    jitter: Jitter,
}

#[derive(Clone, Copy, Debug)]
struct Armed {
    at: Tick,
    /// It was late, and got its grace.
    deferred: bool,
}

impl Timers {
    /// No timer is armed; the seed is that of the jitter.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { armed: BTreeMap::new(), jitter: Jitter(seed) }
    }

    /// Lets a timer fire `delay` and a random share of `jitter` from `now` on, instead of when it
    /// was to fire before.
    pub fn arm(&mut self, timer: Timer, delay: Tick, jitter: Tick, now: Tick) {
        let at = Tick(now.0.saturating_add(delay.0).saturating_add(self.jitter.up_to(jitter)));
        self.armed.insert(timer, Armed { at, deferred: false });
    }

    /// Forgets a timer.
    pub fn disarm(&mut self, timer: Timer) {
        self.armed.remove(&timer);
    }

    /// Forgets all timers.
    pub fn disarm_all(&mut self) {
        self.armed.clear();
    }

    /// When the next one fires.
    #[must_use]
    pub fn next(&self) -> Option<Tick> {
        self.armed.values().map(|armed| armed.at).min()
    }

    /// Takes one that is due.
    ///
    /// An election timer that is late is late because this thread did not run: it wrote the tree,
    /// or the process was paused. What the leader said meanwhile is still in the socket, so the
    /// timer fires a little later, once, unless the leader is heard by then.
    pub fn take_due(&mut self, now: Tick) -> Option<Timer> {
        if let Some(election) = self.armed.get_mut(&Timer::Election)
            && !election.deferred
            && now.0.saturating_sub(election.at.0) > LATE_MAX.0
        {
            *election = Armed { at: Tick(now.0 + LATE_GRACE.0), deferred: true };
        }
        let (&due, _) = self.armed.iter().find(|(_, armed)| armed.at <= now)?;
        self.armed.remove(&due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000_000);

    fn after(micros: u64) -> Tick {
        Tick(START.0 + micros)
    }

    #[test]
    fn a_timer_armed_again_fires_once_at_the_later_time() {
        let mut timers = Timers::new(1);
        timers.arm(Timer::Election, Tick(1000), Tick(0), START);
        timers.arm(Timer::Election, Tick(5000), Tick(0), START);
        assert_eq!(timers.next(), Some(after(5000)));
        assert_eq!(timers.take_due(after(4000)), None);
        assert_eq!(timers.take_due(after(5000)), Some(Timer::Election));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn an_election_timer_that_is_late_waits_for_what_the_leader_said_once() {
        let late = after(LATE_MAX.0 + 2000);
        let mut timers = Timers::new(1);
        timers.arm(Timer::Election, Tick(1000), Tick(0), START);
        timers.arm(Timer::Heartbeat, Tick(1000), Tick(0), START);
        assert_eq!(timers.take_due(late), Some(Timer::Heartbeat));
        assert_eq!(timers.take_due(late), None);
        assert_eq!(timers.next(), Some(Tick(late.0 + LATE_GRACE.0)));
        // Late again, and now it fires.
        let later = Tick(late.0 + 2 * LATE_GRACE.0 + LATE_MAX.0);
        assert_eq!(timers.take_due(later), Some(Timer::Election));
    }

    #[test]
    fn jitter_stays_within_its_bound_and_uses_it() {
        let mut jitter = Jitter(7);
        let shares: std::collections::BTreeSet<_> =
            (0..1000).map(|_| jitter.up_to(Tick(10))).collect();
        assert_eq!((shares.len(), shares.last()), (11, Some(&10)));
        assert_eq!(jitter.up_to(Tick(0)), 0);
    }
}
