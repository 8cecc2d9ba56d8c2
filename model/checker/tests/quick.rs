//! The quick models that are small enough for every test run: they hold, and have as many states
//! as they are known to have; and what makes them small loses nothing. `model check` runs the
//! larger ones too.

use ringleader_checker::catalog::{self, Entry};
use ringleader_checker::group::GroupProtocol;
use ringleader_checker::models;
use ringleader_checker::narrate::{narrate, replay};
use ringleader_checker::node::Fsync;
use ringleader_checker::protocol::Protocol;
use ringleader_checker::search::{Options, Verdict};
use ringleader_checker::world::{Bounds, State, World};
use ringleader_core::ids::LogIndex;
use ringleader_trace::Trace;
use stateright::{Checker, Model};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;

/// More states than this take seconds.
const STATES_MAX: usize = 130_000;

fn entry(name: &str) -> Entry {
    catalog::quick().into_iter().find(|entry| entry.name == name).expect("is in the catalogue")
}

/// 3 replicas, 2 terms, 1 command, fsync at once.
fn small(symmetry: bool, collect: bool) -> World<GroupProtocol> {
    let protocol = GroupProtocol { reads: 0, ..entry("reads").world().protocol().clone() };
    World::new(protocol, Bounds { crashes: 0, fsync: Fsync::Immediate, collect, symmetry })
}

#[test]
fn small_models_hold_with_the_pinned_counts() {
    let small = catalog::quick().into_iter().filter(|entry| entry.pinned <= STATES_MAX);
    let mut tried = 0;
    for entry in small {
        let report = entry.check(None, Options::default(), &mut |_| ());
        tried += 1;
        if let Some(expected) = entry.expected {
            let falls = |property| property == expected;
            let fell =
                matches!(report.verdict, Verdict::Violated { property, .. } if falls(property));
            assert!(fell, "{} must fall: {:?}", entry.name, report.verdict);
            continue;
        }
        assert!(matches!(report.verdict, Verdict::Holds), "{}: {:?}", entry.name, report.verdict);
        assert_eq!(report.states, entry.pinned, "{}", entry.name);
    }
    assert!(tried >= 4, "only {tried} models are small");
}

/// `model check --bounds quick` takes less than a minute of CPU in all, for ever. What one model
/// costs per state here, with assertions and on a busy machine, stands for all; so the bar of this
/// test is ten times as high, and the number of states has one of its own.
#[test]
fn the_quick_tier_stays_quick() {
    let states: usize = models::quick().iter().map(|it| it.pinned()).sum();
    assert!((8_000_000..16_000_000).contains(&states), "{states} states in the quick tier");
    let one = entry("commands");
    let report = one.check(None, Options { threads: 1, ..Options::default() }, &mut |_| ());
    let cpu = report.cpu.unwrap_or(report.elapsed);
    assert!(cpu > Duration::ZERO, "nothing was measured");
    let times = u32::try_from(states / one.pinned).expect("a few hundred");
    let all = cpu * times;
    assert!(all < Duration::from_mins(10), "{all:?} at the rate of {cpu:?} for {}", one.name);
}

/// Explores without stateright, comparing whole states instead of fingerprints.
fn all_states<P: Protocol>(world: &World<P>) -> HashSet<State> {
    let mut known: HashSet<_> = world.init_states().into_iter().collect();
    let mut open: VecDeque<_> = known.iter().cloned().collect();
    let mut actions = Vec::new();
    while let Some(state) = open.pop_front() {
        world.actions(&state, &mut actions);
        for action in actions.drain(..) {
            if let Some(next) = world.next_state(&state, action)
                && known.insert(next.clone())
            {
                open.push_back(next);
            }
        }
    }
    known
}

/// The orbits of the representatives add up to the states of the search without symmetry.
#[test]
fn symmetry_loses_nothing() {
    let check = |with: World<GroupProtocol>, without: World<GroupProtocol>| {
        let orbits = all_states(&with).iter().map(|state| with.orbit_size(state)).sum::<usize>();
        let checker = without.checker().spawn_bfs().join();
        assert_eq!(orbits, checker.unique_state_count());
        let whole = all_states(checker.model()).len();
        assert_eq!(orbits, whole, "fingerprints do not collide");
    };
    check(small(true, true), small(false, true));
    check(entry("even").world(), entry("even").world_with_names());
}

/// What the nodes look like, without their names and without the messages between them; and how
/// many states show it.
fn protocol_states(world: &World<GroupProtocol>) -> (BTreeSet<Vec<String>>, usize) {
    let states = all_states(world);
    let describe = |state: &State| {
        let nodes = world.nodes_of(state).into_iter();
        let mut nodes: Vec<_> = nodes.map(|node| world.protocol().describe_node(node)).collect();
        nodes.sort_unstable();
        nodes
    };
    (states.iter().map(describe).collect(), states.len())
}

/// Forgetting messages that can have no effect reaches the same states of the nodes: with a
/// command and a crash in one term, with two terms and a crash, with two terms and a command.
#[test]
fn collection_loses_nothing() {
    let slow = Fsync::OwnStep { pending_max: 2 };
    for (terms, commands, crashes, fsync) in [
        (1, 1, 1, slow),
        (2, 0, 1, slow),
        (2, 1, 0, Fsync::Immediate),
        (2, 1, 0, slow),
        (2, 1, 1, Fsync::Immediate),
    ] {
        let protocol = small(true, true).protocol().clone();
        let protocol = GroupProtocol { terms, commands, ..protocol };
        let world = |collect| {
            let bounds = Bounds { crashes, fsync, collect, symmetry: true };
            World::new(protocol.clone(), bounds)
        };
        let (collected, few) = protocol_states(&world(true));
        let (kept, many) = protocol_states(&world(false));
        assert_eq!(collected, kept, "{terms} terms, {commands} commands, {crashes} crashes");
        assert!(few < many, "nothing is collected");
    }
}

/// Role, term, log and commit index of each node, without names.
fn group_states(world: &World<GroupProtocol>) -> (BTreeSet<Vec<String>>, usize) {
    let states = all_states(world);
    let describe = |state: &State| {
        let nodes = world.nodes_of(state).into_iter().map(|node| {
            let machine = &node.machine;
            let role = (machine.is_leader(), machine.is_candidate());
            let log = node.intended_disk().log;
            let terms: Vec<_> = (1..=log.last().0).map(|it| log.entry(LogIndex(it))).collect();
            format!("{role:?} {:?} {terms:?} {:?}", machine.term(), machine.commit())
        });
        let mut nodes: Vec<String> = nodes.collect();
        nodes.sort_unstable();
        nodes
    };
    (states.iter().map(describe).collect(), states.len())
}

/// When no crash can follow, writes that are durable at once reach the same states of the group.
#[test]
fn fsync_at_once_after_the_last_crash_loses_nothing() {
    for (terms, commands) in [(1, 1), (2, 0), (2, 1)] {
        let protocol = small(true, true).protocol().clone();
        let protocol = GroupProtocol { terms, commands, ..protocol };
        let world = |fsync| {
            let bounds = Bounds { crashes: 1, fsync, collect: true, symmetry: true };
            World::new(protocol.clone(), bounds)
        };
        let (whole, many) = group_states(&world(Fsync::OwnStep { pending_max: 2 }));
        let until_crash = Fsync::OwnStepUntilLastCrash { pending_max: 2 };
        let (reduced, few) = group_states(&world(until_crash));
        assert_eq!(whole, reduced, "{terms} terms, {commands} commands");
        assert!(few < many, "nothing is saved");
    }
}

/// A walk through the explorer's states, told with constant names, can be taken again step by step.
#[test]
fn what_is_told_can_be_replayed() {
    let entry = entry("crash");
    for seed in 1..40_u64 {
        let world = entry.world();
        let mut state = world.init_states().remove(0);
        let mut random = seed;
        let mut path = Vec::new();
        for _ in 0..30 {
            let mut actions = Vec::new();
            world.actions(&state, &mut actions);
            if actions.is_empty() {
                break; // Every term is used up, and nothing is on its way.
            }
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let choice = usize::try_from(random >> 33).unwrap() % actions.len();
            let Some(next) = world.next_state(&state, actions[choice].clone()) else { continue };
            path.push(actions[choice].clone());
            state = next;
        }
        let told = narrate(&world, entry.name, "a walk", &path);
        let told = Trace::from_json(&told.to_json()).unwrap();
        let replayed = replay(&entry.world_with_names(), &told).unwrap();
        assert_eq!(replayed.trace, told, "seed {seed}");
        assert!(replayed.violated.is_empty());
    }
}

#[test]
fn a_step_that_cannot_happen_is_named() {
    let step = ringleader_trace::Step {
        node: 0,
        from: Some(1),
        what: "Vote t1".into(),
        notes: Vec::new(),
    };
    let (model, property) = ("crash".to_owned(), "a walk".to_owned());
    let trace = Trace { version: 1, model, nodes: 3, property, steps: vec![step] };
    let error = replay(&entry("crash").world_with_names(), &trace).err().unwrap().to_string();
    let expected = "step 1: \"1 to 0: Vote t1\" cannot happen here; possible: node 0: crashes";
    assert!(error.starts_with(expected), "{error}");
}
