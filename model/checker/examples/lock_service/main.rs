//! The tutorial's lock service, explored: `docs/tutorial.md` tells its story.
//!
//! ```text
//! cargo run --release -p ringleader-checker --example lock_service
//! ```

#![allow(unreachable_pub, reason = "the modules read as they would in a library")]

mod lock;
mod world;

use lock::{LEASE, Rules};
use ringleader_checker::search::{self, Options, Verdict};
use ringleader_checker::world::World;
use ringleader_trace::diagram;
use world::{LockService, UNREACHABLE, bounds};

fn main() {
    for (name, rules) in [
        ("the lease starts when the answer arrives", Rules { from_asking: false, wait: 2 * LEASE }),
        ("the server waits as long as the lease", Rules { from_asking: true, wait: LEASE }),
        ("the server waits twice as long", Rules { from_asking: true, wait: 2 * LEASE }),
    ] {
        let make = || World::new(LockService { rules }, bounds());
        let report = search::check("lock", &make, &UNREACHABLE, Options::default(), &mut |_| ());
        println!("{name}: {} states", report.states);
        match report.verdict {
            Verdict::Holds => println!("holds"),
            Verdict::Violated { trace, .. } => println!("\n{}", diagram::text(&trace)),
            Verdict::Vacuous { missing } => println!("never happened: {missing:?}"),
            Verdict::Incomplete => println!("ran out of time"),
            Verdict::Unusable { why } => println!("{why}"),
        }
    }
}
