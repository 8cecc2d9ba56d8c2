//! The tutorial's lock service does what the tutorial says, and the tutorial shows its code.
#![allow(unreachable_pub, reason = "the modules read as they would in a library")]

#[path = "../examples/lock_service/lock.rs"]
mod lock;
#[path = "../examples/lock_service/world.rs"]
mod world;

use lock::{LEASE, Rules};
use ringleader_checker::search::{self, Options, Report, Verdict};
use ringleader_checker::world::World;
use ringleader_trace::diagram;
use world::{LockService, UNREACHABLE, bounds};

fn check(rules: Rules) -> Report {
    let make = || World::new(LockService { rules }, bounds());
    search::check("lock", &make, &UNREACHABLE, Options::default(), &mut |_| ())
}

const TUTORIAL: &str = include_str!("../../../docs/tutorial.md");

#[test]
fn the_careless_lock_fails_as_shown() {
    let Verdict::Violated { property, trace } =
        check(Rules { from_asking: false, wait: 2 * LEASE }).verdict
    else {
        panic!("the lease started late, and nobody noticed");
    };
    assert_eq!((property, trace.steps.len()), ("at most one client holds the lock", 8));
    let shown = diagram::text(&trace);
    let first = shown.lines().map(str::trim_end).filter(|line| !line.is_empty());
    for line in first {
        assert!(TUTORIAL.contains(line), "the tutorial does not show {line:?}");
    }
}

#[test]
fn a_wait_without_drift_fails() {
    let verdict = check(Rules { from_asking: true, wait: LEASE }).verdict;
    assert!(matches!(verdict, Verdict::Violated { .. }), "{verdict:?}");
}

#[test]
fn the_lock_holds_and_the_count_is_that_of_the_tutorial() {
    let report = check(Rules { from_asking: true, wait: 2 * LEASE });
    assert!(matches!(report.verdict, Verdict::Holds), "{:?}", report.verdict);
    assert!(TUTORIAL.contains(&format!("{} states", report.states)), "{}", report.states);
}

#[test]
fn the_tutorial_shows_the_code_that_runs() {
    for (name, source) in [
        ("lock.rs", include_str!("../examples/lock_service/lock.rs")),
        ("world.rs", include_str!("../examples/lock_service/world.rs")),
    ] {
        // All but the file's own heading.
        let (_, code) = source.split_once("\n\n").unwrap();
        assert!(TUTORIAL.contains(code.trim_end()), "docs/tutorial.md shows another {name}");
    }
}
