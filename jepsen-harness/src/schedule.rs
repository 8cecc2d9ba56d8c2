//! When which fault strikes: a plan that follows from the seed alone.
//!
//! A run is cut into slots of about 3.5 s; in each the cluster first runs undisturbed, then one
//! fault holds, then it is healed and the rest of the slot shows the recovery. All requested
//! faults take turns in random order, so a run with as many slots as faults has seen each of them.

use std::time::Duration;

use crate::generator::Random;
use crate::nemesis::Fault;

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// When it strikes, counted from the start of the load.
    pub at: Duration,
    /// What happens.
    pub fault: Fault,
    /// How long it holds.
    pub hold: Duration,
    /// Whom it hits, for nemeses that do not choose by role.
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

/// For how many whole seconds the load must last so that this many faults have their turn.
#[must_use]
pub fn seconds_min(faults: usize) -> u64 {
    (faults as u64).saturating_mul(SLOT_MS).div_ceil(1_000)
}

/// The plan for `load` of load: one fault per slot, and none if there are none to choose from.
#[must_use]
pub fn plan(
    faults: &[Fault],
    load: Duration,
    nodes: usize,
    random: &mut Random,
) -> Vec<PlannedFault> {
    let mut planned = Vec::new();
    let mut turn: Vec<Fault> = Vec::new();
    let load_ms = u64::try_from(load.as_millis()).unwrap_or(u64::MAX);
    for slot in 0..load_ms / SLOT_MS {
        if turn.is_empty() {
            turn = faults.to_vec();
            random.shuffle(&mut turn);
        }
        let Some(fault) = turn.pop() else { break };
        let at_ms = slot * SLOT_MS + CALM_MS + random.below(START_SPREAD_MS);
        planned.push(PlannedFault {
            at: Duration::from_millis(at_ms),
            fault,
            hold: Duration::from_millis(HOLD_MS + random.below(HOLD_SPREAD_MS)),
            node: random.index(nodes.max(1)),
        });
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::catalogue::faults;

    fn plan_of(faults: &[Fault], seconds: u64, seed: u64) -> Vec<PlannedFault> {
        plan(faults, Duration::from_secs(seconds), 3, &mut Random::new(seed))
    }

    fn all() -> Vec<Fault> {
        faults("all").unwrap()
    }

    /// What struck, in order of names.
    fn struck(planned: &[PlannedFault]) -> Vec<String> {
        let mut names: Vec<String> = planned.iter().map(|one| one.fault.to_string()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_plan_follows_from_the_seed() {
        assert_eq!(plan_of(&all(), 60, 5), plan_of(&all(), 60, 5));
        assert_ne!(plan_of(&all(), 60, 5), plan_of(&all(), 60, 6));
    }

    #[test]
    fn the_least_number_of_seconds_is_enough_and_one_less_is_not() {
        for count in 1..=all().len() {
            let faults = &all()[..count];
            let seconds = seconds_min(count);
            let mut wanted: Vec<String> = faults.iter().map(Fault::to_string).collect();
            wanted.sort_unstable();
            assert_eq!(struck(&plan_of(faults, seconds, 1)), wanted);
            assert!(plan_of(faults, seconds - 1, 1).len() < count);
        }
        assert_eq!(seconds_min(0), 0);
    }

    #[test]
    fn faults_do_not_overlap_and_the_last_is_healed_before_the_end() {
        for seed in 0..50 {
            let mut free = Duration::ZERO;
            for planned in plan_of(&all(), 60, seed) {
                assert!(planned.at >= free + Duration::from_millis(CALM_MS));
                assert!(planned.node < 3);
                free = planned.at + planned.hold;
            }
            assert!(free < Duration::from_mins(1));
        }
    }

    #[test]
    fn without_faults_there_are_none() {
        assert_eq!(plan_of(&[], 60, 1), []);
    }
}
