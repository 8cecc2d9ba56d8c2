//! The engine against its arbiter: stateright's checker counts the same states, as far as it can.
//! And what stateright does not have: symmetry in a breadth-first search, shortest counterexamples
//! at once, limits, and searches that go on from a file.

mod two_phase;

use ringleader_checker::catalog::{self, Entry};
use ringleader_checker::engine::fingerprint::Width;
use ringleader_checker::engine::{
    self, Checkpoint, Ending, Explore, Limits, Outcome, Plain, Settings,
};
use ringleader_checker::group::GroupProtocol;
use ringleader_checker::protocol::Bounded;
use ringleader_checker::quorum::QuorumProtocol;
use ringleader_checker::search::{Engine, Options, Verdict};
use ringleader_checker::world::World;
use ringleader_checker::{keyspace_catalog, models, quorum_catalog};
use stateright::{Checker, Expectation, Model, Property};
use std::path::Path;
use std::time::Duration;
use two_phase::TwoPhaseCommit;

fn explore(what: &impl Explore, settings: &Settings) -> Outcome {
    engine::explore(what, settings, &mut |_| ()).expect("no checkpoint, no error")
}

/// More states than this take seconds.
const PINNED_MAX: usize = 100_000;
/// More than this take stateright's single thread seconds.
const ARBITER_MAX: usize = 70_000;
/// More than this do without symmetry.
const NAMED_MAX: usize = 10_000;

fn entry(name: &str) -> Entry {
    catalog::quick().into_iter().find(|entry| entry.name == name).expect("is in the catalogue")
}

/// Every small model of every protocol, by either searcher: the same verdict, states, steps and
/// depth; and so without symmetry.
#[test]
fn counts_what_stateright_counts() {
    let mut beside = 0;
    for entry in models::quick() {
        // A search for traps has its own count, and one that must fail ends early.
        let searches_traps = entry.properties().iter().all(|name| name.starts_with("PROGRESS"));
        if searches_traps || entry.expected().is_some() || entry.pinned() > PINNED_MAX {
            continue;
        }
        let check = |engine, symmetry| {
            // With several threads stateright's depth is an estimate.
            let threads = if engine == Engine::Stateright { 1 } else { 2 };
            let options = Options { engine, threads, symmetry, ..Options::default() };
            let report = entry.check(None, options, &mut |_| ());
            let holds = matches!(report.verdict, Verdict::Holds);
            assert!(holds, "{}: {:?}", entry.name(), report.verdict);
            (report.states, report.transitions, report.depth)
        };
        let ours = check(Engine::Own, true);
        assert_eq!(ours.0, entry.pinned(), "{}", entry.name());
        if entry.pinned() <= ARBITER_MAX {
            assert_eq!(ours, check(Engine::Stateright, true), "{}", entry.name());
            beside += 1;
        }
        if entry.pinned() <= NAMED_MAX {
            let named = check(Engine::Own, false);
            let arbiter = check(Engine::Stateright, false);
            assert_eq!(named, arbiter, "{} without symmetry", entry.name());
        }
    }
    assert!(beside >= 20, "only {beside} models are small");
}

/// Without symmetry both count the states that the orbits of the representatives add up to.
#[test]
fn orbits_add_up_to_the_states_without_symmetry() {
    for name in ["alone", "even"] {
        add_up(&entry(name));
    }
    let has_more = |entry: &&Entry<QuorumProtocol>| add_up(entry) > entry.pinned;
    let count = quorum_catalog::quick().iter().filter(has_more).count();
    assert!(count >= 2, "only {count} models of the register have interchangeable nodes");
    keyspace_catalog::quick().iter().filter(|it| it.pinned < NAMED_MAX).for_each(|it| {
        add_up(it);
    });
}

/// How many states there are without symmetry.
fn add_up<P: Bounded>(entry: &Entry<P>) -> usize {
    let world = entry.world();
    let representatives = each_state(&world);
    let orbits = representatives.iter().map(|packed| world.orbit_size(&world.unpacked(packed)));
    let sum = orbits.sum::<usize>();
    let all = explore(&entry.world_with_names(), &Settings::default()).states;
    assert_eq!(all, sum as u64, "{}", entry.name);
    let arbiter = entry.world_with_names().checker().spawn_bfs().join();
    assert_eq!(arbiter.unique_state_count(), sum, "{}", entry.name);
    sum
}

/// Every packed state, by a search that compares whole states instead of fingerprints.
fn each_state<E: Explore>(model: &E) -> std::collections::HashSet<Vec<u8>> {
    let mut worker = model.worker(Width::Narrow);
    let mut known = std::collections::HashSet::new();
    let mut open = Vec::new();
    let mut found = engine::Found::default();
    model.start(&mut worker, &mut found);
    loop {
        for raw in found.take_raw() {
            let mut packed = Vec::new();
            model.finish(&mut worker, &raw, &mut packed);
            if known.insert(packed.clone()) {
                open.push(packed);
            }
        }
        let Some(packed) = open.pop() else { return known };
        model.expand(&mut worker, &packed, &mut found);
    }
}

/// The numbers that everybody gets: 288, 8,832 and 296,448 states.
#[test]
fn two_phase_commit_has_the_known_number_of_states() {
    for (managers, states) in [(3, 288), (5, 8_832), (7, 296_448)] {
        let model = TwoPhaseCommit { managers };
        let plain = Plain::new(&model).expect("no property says eventually");
        let ours = explore(&plain, &Settings::default());
        assert!(matches!(ours.ending, Ending::Exhausted), "{:?}", ours.ending);
        assert_eq!((ours.states, ours.seen), (states, 0b111), "{managers} managers");
        let plain = Plain::with_representative(&model, two_phase::sorted).expect("as before");
        let orbits = each_state(&plain);
        assert_eq!(orbits.len() as u64, explore(&plain, &Settings::default()).states);
        let size = |packed: &Vec<u8>| {
            use ringleader_checker::packed::Packed;
            two_phase::orbit_size(&two_phase::State::unpack(packed).expect("just packed"))
        };
        assert_eq!(orbits.iter().map(size).sum::<u64>(), states, "{managers} managers");
    }
}

/// Long fingerprints, one thread, many threads: the same search.
#[test]
fn neither_threads_nor_the_width_of_fingerprints_change_anything() {
    let entry = entry("even");
    for threads in [1, 2, 5] {
        for width in [Width::Narrow, Width::Wide] {
            let settings = Settings { threads, width, ..Settings::default() };
            let outcome = explore(&entry.world(), &settings);
            assert_eq!(outcome.states, entry.pinned as u64, "{threads} threads, {width:?}");
        }
    }
}

/// A die is rolled and added up; some sums are forbidden.
struct Sums(u32);

impl Model for Sums {
    type State = Sum;
    type Action = u32;

    fn init_states(&self) -> Vec<Sum> {
        vec![Sum(0)]
    }

    fn actions(&self, state: &Sum, actions: &mut Vec<u32>) {
        if state.0 < 10_000 {
            actions.extend([1, 7, 100]);
        }
    }

    fn next_state(&self, state: &Sum, action: u32) -> Option<Sum> {
        Some(Sum(state.0 + action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("not forbidden", |it: &Self, state: &Sum| state.0 != it.0),
            Property::sometimes("past the end", |_, state: &Sum| state.0 > 10_000),
        ]
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sum(u32);

impl ringleader_checker::packed::Packed for Sum {
    fn pack(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.0.to_le_bytes());
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u32::from_le_bytes(bytes)))
    }
}

#[test]
fn the_first_counterexample_is_a_shortest_one() {
    for (forbidden, steps) in [(0, 0), (1, 1), (14, 2), (321, 6), (9_999, 114)] {
        for width in [Width::Narrow, Width::Wide] {
            let model = Sums(forbidden);
            let plain = Plain::new(&model).expect("no property says eventually");
            let outcome = explore(&plain, &Settings { width, ..Settings::default() });
            let Ending::Violated { property: 0, path } = outcome.ending else {
                panic!("{forbidden}: {:?}", outcome.ending)
            };
            assert_eq!(path.len(), steps, "{forbidden}");
            let taken = path.iter().map(|step| [1, 7, 100][step.place as usize]);
            assert_eq!(taken.sum::<u32>(), forbidden);
        }
    }
}

#[test]
fn what_never_happens_is_seen() {
    let model = Sums(20_000);
    let plain = Plain::new(&model).expect("no property says eventually");
    let outcome = explore(&plain, &Settings::default());
    assert!(matches!(outcome.ending, Ending::Exhausted));
    assert_eq!(outcome.seen, 0b11);
}

#[test]
fn eventually_is_refused() {
    struct Someday;
    impl Model for Someday {
        type State = Sum;
        type Action = u32;

        fn init_states(&self) -> Vec<Sum> {
            vec![Sum(0)]
        }

        fn actions(&self, _: &Sum, _: &mut Vec<u32>) {}

        fn next_state(&self, _: &Sum, _: u32) -> Option<Sum> {
            None
        }

        fn properties(&self) -> Vec<Property<Self>> {
            let expectation = Expectation::Eventually;
            vec![Property { expectation, name: "some day", condition: |_, _| false }]
        }
    }
    let refused = Plain::new(&Someday).err().expect("not decidable like this");
    assert_eq!(refused.property, "some day");
}

fn settings_with(path: &Path, identity: &str, limits: Limits) -> Settings {
    let (path, identity) = (path.to_owned(), identity.to_owned());
    let checkpoint = Some(Checkpoint { path, identity, every: Duration::from_mins(1) });
    Settings { limits, checkpoint, ..Settings::default() }
}

const NO_TIME: Limits = Limits { time: Some(Duration::ZERO), memory_bytes: None };

/// A new world each time, as in a new process.
fn world() -> World<GroupProtocol> {
    entry("pipelining").world()
}

/// Stopped after every level, and gone on with in a new process: the same numbers in the end.
#[test]
fn a_search_that_was_interrupted_counts_the_same() {
    let whole = explore(&world(), &Settings::default());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("search");
    let settings = settings_with(&path, "pipelining", NO_TIME);
    let mut processes = 0;
    let last = loop {
        processes += 1;
        let outcome = explore(&world(), &settings);
        if matches!(outcome.ending, Ending::Exhausted) {
            break outcome;
        }
        assert!(matches!(outcome.ending, Ending::OutOfTime), "{:?}", outcome.ending);
        assert!(outcome.states <= whole.states && path.exists());
    };
    assert!(processes > 10, "{processes} processes");
    let counts = |it: &Outcome| (it.states, it.transitions, it.depth, it.seen, it.coverage.clone());
    assert_eq!(counts(&last), counts(&whole));
    assert!(!path.exists(), "there is nothing to go on with");
}

#[test]
fn a_file_of_another_search_or_a_damaged_one_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("search");
    for _ in 0..4 {
        explore(&world(), &settings_with(&path, "pipelining", NO_TIME));
    }
    let good = std::fs::read(&path).expect("was written");
    let refused = |bytes: &[u8], identity: &str, says: &str| {
        std::fs::write(&path, bytes).expect("writable");
        let settings = settings_with(&path, identity, NO_TIME);
        let error = engine::explore(&world(), &settings, &mut |_| ()).err();
        let error = error.unwrap_or_else(|| panic!("accepted, should say {says}")).to_string();
        assert!(error.contains(says), "{error}");
    };
    refused(&good, "another", "is of another search: \"pipelining, 64 bits\"");
    refused(&[&[good[0] ^ 1], &good[1..]].concat(), "pipelining", "it is no checkpoint");
    refused(&[&good[..8], &[9], &good[9..]].concat(), "pipelining", "version 9");
    for length in (0..good.len()).step_by(good.len() / 97) {
        refused(&good[..length], "pipelining", "damaged");
    }
    for at in (50..good.len()).step_by(good.len() / 97) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        refused(&bad, "pipelining", "damaged");
    }
    std::fs::write(&path, &good).expect("writable");
    let settings = settings_with(&path, "pipelining", Limits::default());
    let resumed = explore(&world(), &settings);
    assert_eq!(resumed.states, entry("pipelining").pinned as u64);
}

/// A checkpoint whose journal another protocol wrote.
#[test]
fn a_file_of_another_protocol_is_refused_even_under_the_same_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("search");
    for _ in 0..4 {
        explore(&world(), &settings_with(&path, "same", NO_TIME));
    }
    let settings = settings_with(&path, "same", NO_TIME);
    let error = engine::explore(&entry("reads").world(), &settings, &mut |_| ()).err();
    let error = error.expect("another protocol").to_string();
    assert!(error.contains("the journal is of another model"), "{error}");
}

#[test]
fn too_little_memory_ends_a_search() {
    let limits = Limits { memory_bytes: Some(1), ..Limits::default() };
    let outcome = explore(&world(), &Settings { limits, ..Settings::default() });
    assert!(matches!(outcome.ending, Ending::OutOfMemory), "{:?}", outcome.ending);
    assert!(outcome.states < entry("pipelining").pinned as u64);
}

/// Visited set and waiting states, at the peak.
#[test]
fn a_state_costs_few_bytes() {
    let entry = entry("pipelining");
    let outcome = explore(&entry.world(), &Settings::default());
    let bytes = outcome.bytes_max as u64 / outcome.states;
    assert!((8..24).contains(&bytes), "{bytes} bytes a state");
}
