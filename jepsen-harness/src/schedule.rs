//! When which fault strikes: a plan that follows from the seed alone.
//!
//! A run is cut into slots of about 3.5 s; in each the cluster first runs undisturbed, then one
//! fault holds, then it is healed and the rest of the slot shows the recovery. All requested kinds
//! take turns in random order, so a run with as many slots as kinds has seen each of them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::generator::Random;

/// What can be done to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// `kill -9` of one node, and a restart.
    Kill,
    /// `kill -9` of the leader, and a restart.
    KillLeader,
    /// One node is stopped (`SIGSTOP`) and goes on later, unaware that time passed.
    Pause,
    /// The leader is stopped and goes on later, still believing that it leads.
    PauseLeader,
    /// One node is cut off from both others; clients still reach it.
    Isolate,
    /// The leader is cut off from both others; clients still reach it.
    IsolateLeader,
    /// One node can no longer send to the others but still hears them.
    Mute,
    /// What one node says and hears is held back, and delivered late, when nobody expects it.
    Stall,
    /// All three nodes are killed at once and started again: only what is on disk survives.
    KillAll,
}

impl FaultKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Kill,
        Self::KillLeader,
        Self::Pause,
        Self::PauseLeader,
        Self::Isolate,
        Self::IsolateLeader,
        Self::Mute,
        Self::Stall,
        Self::KillAll,
    ];

    /// The name on the command line and in the history.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::KillLeader => "kill-leader",
            Self::Pause => "pause",
            Self::PauseLeader => "pause-leader",
            Self::Isolate => "isolate",
            Self::IsolateLeader => "isolate-leader",
            Self::Mute => "mute",
            Self::Stall => "stall",
            Self::KillAll => "kill-all",
        }
    }

    /// One line for `jepsen list`.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Kill => "kill -9 of one node, then a restart",
            Self::KillLeader => "kill -9 of the leader, then a restart",
            Self::Pause => "one node stops (SIGSTOP) and later goes on",
            Self::PauseLeader => "the leader stops (SIGSTOP) and later goes on",
            Self::Isolate => "one node is cut off from the others, clients still reach it",
            Self::IsolateLeader => "the leader is cut off from the others, clients still reach it",
            Self::Mute => "one node's messages no longer arrive, it still hears the others",
            Self::Stall => "one node's links hold everything back and deliver it late",
            Self::KillAll => "kill -9 of all nodes at once, then a restart of all",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("no fault is called {name:?}; there are {}", names.join(", "))
        })
    }
}

/// One fault of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// When it strikes, counted from the start of the load.
    pub at: Duration,
    /// What happens.
    pub kind: FaultKind,
    /// How long it holds.
    pub hold: Duration,
    /// Whom it hits, for kinds that do not choose by role.
    pub node: usize,
}

/// The length of a slot. Long enough for an undisturbed start, a fault that outlives several
/// election timeouts (300 ms) and a visible recovery; short enough for five in 20 s of load.
const SLOT_MS: u64 = 3_500;
/// A fault begins this long after its slot does, at the earliest.
const CALM_MS: u64 = 700;
/// A fault holds this long, and up to `HOLD_SPREAD_MS` longer.
const HOLD_MS: u64 = 1_000;
const HOLD_SPREAD_MS: u64 = 600;
/// A fault begins up to this much later than it could.
const START_SPREAD_MS: u64 = 300;
const _: () = assert!(CALM_MS + START_SPREAD_MS + HOLD_MS + HOLD_SPREAD_MS < SLOT_MS);

/// For how many whole seconds the load must last so that this many kinds have their turn.
#[must_use]
pub fn seconds_min(kinds: usize) -> u64 {
    (kinds as u64).saturating_mul(SLOT_MS).div_ceil(1_000)
}

/// The plan for `load` of load: one fault per slot, no fault without kinds.
#[must_use]
pub fn plan(
    kinds: &[FaultKind],
    load: Duration,
    nodes: usize,
    random: &mut Random,
) -> Vec<PlannedFault> {
    let mut faults = Vec::new();
    let mut turn: Vec<FaultKind> = Vec::new();
    let load_ms = u64::try_from(load.as_millis()).unwrap_or(u64::MAX);
    for slot in 0..load_ms / SLOT_MS {
        if turn.is_empty() {
            turn = kinds.to_vec();
            random.shuffle(&mut turn);
        }
        let Some(kind) = turn.pop() else { break };
        let at_ms = slot * SLOT_MS + CALM_MS + random.below(START_SPREAD_MS);
        faults.push(PlannedFault {
            at: Duration::from_millis(at_ms),
            kind,
            hold: Duration::from_millis(HOLD_MS + random.below(HOLD_SPREAD_MS)),
            node: random.index(nodes),
        });
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(kinds: &[FaultKind], seconds: u64, seed: u64) -> Vec<PlannedFault> {
        plan(kinds, Duration::from_secs(seconds), 3, &mut Random::new(seed))
    }

    #[test]
    fn the_plan_follows_from_the_seed() {
        assert_eq!(plan_of(&FaultKind::ALL, 60, 5), plan_of(&FaultKind::ALL, 60, 5));
        assert_ne!(plan_of(&FaultKind::ALL, 60, 5), plan_of(&FaultKind::ALL, 60, 6));
    }

    #[test]
    fn twenty_seconds_hold_five_faults_and_each_kind_has_its_turn() {
        for seed in 0..50 {
            let kinds = &FaultKind::ALL[..5];
            let mut struck: Vec<_> = plan_of(kinds, 20, seed).iter().map(|one| one.kind).collect();
            assert_eq!(struck.len(), 5);
            struck.sort_unstable();
            assert_eq!(struck, kinds, "seed {seed}");
        }
    }

    #[test]
    fn the_least_number_of_seconds_is_enough_and_one_less_is_not() {
        for count in 1..=FaultKind::ALL.len() {
            let kinds = &FaultKind::ALL[..count];
            let seconds = seconds_min(count);
            let mut struck: Vec<_> =
                plan_of(kinds, seconds, 1).iter().map(|one| one.kind).collect();
            struck.sort_unstable();
            assert_eq!(struck, kinds);
            assert!(plan_of(kinds, seconds - 1, 1).len() < count);
        }
        assert_eq!(seconds_min(0), 0);
    }

    #[test]
    fn faults_do_not_overlap_and_the_last_is_healed_before_the_end() {
        for seed in 0..50 {
            let mut free = Duration::ZERO;
            for fault in plan_of(&FaultKind::ALL, 60, seed) {
                assert!(fault.at >= free + Duration::from_millis(CALM_MS));
                assert!(fault.node < 3);
                free = fault.at + fault.hold;
            }
            assert!(free < Duration::from_mins(1));
        }
    }

    #[test]
    fn without_kinds_there_are_no_faults() {
        assert_eq!(plan_of(&[], 60, 1), []);
    }

    #[test]
    fn names_are_read_back_and_unknown_ones_are_refused() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let error = "flood".parse::<FaultKind>().unwrap_err();
        assert!(error.starts_with("no fault is called \"flood\"; there are kill, "), "{error}");
    }
}
