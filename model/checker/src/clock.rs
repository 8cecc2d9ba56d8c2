//! What time does in a world.
//!
//! Clocks are relative: after each step a node's clock shows 0 again, and the machine is re-based,
//! so that states which differ only in when they were reached are one. A node that is *paused* is
//! the exception: its clock runs on, and the next thing that happens to it happens late.
//!
//! * **Off.** No clock is read; timers fire at any moment.
//! * **Free.** Time passes in steps in which each clock advances by 1 or by more, and otherwise
//!   nothing is known about it: messages and timers take as long as they like. For what must hold
//!   however slow anything is, as long as the *rates* of clocks are bounded.
//! * **Prompt.** Clocks agree, messages arrive and timers fire on time: what is said arrives, once
//!   and in one order, before anything else happens, and time passes only when no timer is due. For
//!   what must hold when all is well but the links that are cut.

use ringleader_core::ids::Tick;

/// What time does in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clocks {
    /// Nothing.
    #[default]
    Off,
    /// It passes whenever it likes.
    Free {
        /// In a step of time each clock advances by 1 or by this much.
        fastest: u64,
        /// How often each node may be paused.
        pauses: u8,
        /// A clock of a paused node stops here: every span is shorter, so that it says no more.
        longest: u64,
    },
    /// It passes when nothing else is due.
    Prompt,
}

impl Clocks {
    /// In how many ways the clocks of so many nodes may advance in one step of time: bit `i` of
    /// the way says whether node `i` is fast.
    #[must_use]
    pub fn ways(self, nodes: u8) -> u8 {
        match self {
            Self::Off => 0,
            Self::Free { fastest, .. } if fastest > 1 => 1 << nodes,
            Self::Free { .. } | Self::Prompt => 1,
        }
    }

    /// How far the clock of node `id` advances.
    #[must_use]
    pub fn advance(self, way: u8, id: u8) -> Tick {
        match self {
            Self::Free { fastest, .. } if way & 1 << id != 0 => Tick(fastest),
            Self::Off | Self::Free { .. } | Self::Prompt => Tick(1),
        }
    }

    /// Whether messages and timers are on time.
    #[must_use]
    pub fn is_prompt(self) -> bool {
        self == Self::Prompt
    }

    /// How often each node may be paused.
    #[must_use]
    pub fn pauses(self) -> u8 {
        match self {
            Self::Free { pauses, .. } => pauses,
            Self::Off | Self::Prompt => 0,
        }
    }

    /// How far the clock of a paused node may run.
    #[must_use]
    pub fn longest(self) -> Tick {
        match self {
            Self::Free { longest, .. } => Tick(longest),
            Self::Off | Self::Prompt => Tick(u64::MAX),
        }
    }
}

/// When an armed timer may fire, from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    earliest: Tick,
    latest: Tick,
}

impl Window {
    /// At any moment.
    pub(crate) const ANY: Self = Self { earliest: Tick(0), latest: Tick(u64::MAX) };

    /// Of a timer that was armed now.
    pub(crate) fn armed(clocks: Clocks, delay: Tick, jitter: Tick) -> Self {
        if clocks.is_prompt() {
            Self { earliest: delay, latest: Tick(delay.0.saturating_add(jitter.0)) }
        } else {
            Self::ANY
        }
    }

    /// Whether it may fire now.
    pub(crate) fn is_open(self) -> bool {
        self.earliest == Tick(0)
    }

    /// Whether it must fire now.
    pub(crate) fn is_due(self) -> bool {
        self.latest == Tick(0)
    }

    /// The same window after so much time.
    pub(crate) fn after(self, time: Tick) -> Self {
        let later = |at: Tick| {
            if at == Self::ANY.latest { at } else { Tick(at.0.saturating_sub(time.0)) }
        };
        Self { earliest: later(self.earliest), latest: later(self.latest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_a_choice_for_each_clock() {
        let free = Clocks::Free { fastest: 2, pauses: 1, longest: 9 };
        assert_eq!((free.ways(3), Clocks::Prompt.ways(3), Clocks::Off.ways(3)), (8, 1, 0));
        let advances = |way| [0, 1, 2].map(|id| free.advance(way, id).0);
        assert_eq!([advances(0), advances(0b101), advances(7)], [[1, 1, 1], [2, 1, 2], [2; 3]]);
    }

    #[test]
    fn a_window_opens_and_closes() {
        let armed = Window::armed(Clocks::Prompt, Tick(2), Tick(1));
        let seen = [0, 1, 2, 3].map(|time| {
            let window = armed.after(Tick(time));
            (window.is_open(), window.is_due())
        });
        assert_eq!(seen, [(false, false), (false, false), (true, false), (true, true)]);
        let any = Window::armed(Clocks::Off, Tick(2), Tick(1)).after(Tick(100));
        assert!(any.is_open() && !any.is_due());
    }
}
