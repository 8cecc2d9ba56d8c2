//! Seeded schedules over three replicas with the real write-ahead log on a simulated disk: first
//! anything may happen, then everything works and the group must make progress; at the end nothing
//! acknowledged is lost, nothing refused has happened, and all replicas agree. Logs are trimmed all the
//! time; in half of the runs replicas lose their disks, and new ones catch up by snapshots.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use ringleader_core::group::Timer;
use world::{Counts, Fate, World};

const SEEDS: u64 = 200;
const STEPS: u64 = 4_000;

/// One random thing happens.
fn something(world: &mut World) {
    let id = world.any_id();
    match world.random.below(1000) {
        0..450 => world.deliver(Fate::Once),
        450..465 => world.deliver(Fate::Lost),
        465..490 => world.deliver(Fate::Repeated),
        490..720 => world.write(id),
        720..790 => {
            let leader = world.likely_leader();
            world.fire(leader, Timer::Heartbeat);
        }
        790..793 if world.lacks_leader() || world.rarely(8) => world.fire(id, Timer::Election),
        793..890 => {
            let leader = world.likely_leader();
            world.ask_write(leader);
        }
        890..950 => {
            let leader = world.likely_leader();
            world.ask_read(leader);
        }
        950..960 => world.checkpoint(id),
        960..963 => world.crash(id),
        963..968 if world.rarely(4) => world.cut = Some(id),
        968..975 => world.cut = None,
        975..991 if world.changes => {
            let leader = world.likely_leader();
            match world.random.below(8) {
                0..4 => world.ask_join(leader),
                4..7 => world.ask_leave(leader),
                _ => world.lose_disk(),
            }
        }
        // A batch grows: what happened so far is carried out only with what comes next.
        _ => return,
    }
    if world.random.below(3) > 0 {
        world.ids().into_iter().for_each(|id| world.carry_out(id));
    }
}

fn run(seed: u64) -> Counts {
    let mut world = World::new(seed);
    let steps = if world.changes { 3 * STEPS } else { STEPS };
    for _ in 0..steps {
        something(&mut world);
    }
    world.heal();
    world.check_end();
    world.counts
}

#[test]
fn nothing_acknowledged_is_lost_under_any_schedule() {
    let mut sum = Counts::default();
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let counts = run(seed);
        sum.acknowledged += counts.acknowledged;
        sum.refused += counts.refused;
        sum.unknown += counts.unknown;
        sum.reads += counts.reads;
        sum.crashes += counts.crashes;
        sum.stored_reads += counts.stored_reads;
        sum.elections += counts.elections;
        sum.trims += counts.trims;
        sum.snapshot_parts += counts.snapshot_parts;
        sum.disks_lost += counts.disks_lost;
        sum.joined += counts.joined;
        sum.left += counts.left;
    }
    println!("{sum:?}");
    // Each of these makes the test above say something.
    assert!(sum.acknowledged > 50 * SEEDS && sum.reads > 20 * SEEDS, "{sum:?}");
    assert!(sum.refused > SEEDS && sum.unknown > SEEDS && sum.crashes > SEEDS, "{sum:?}");
    assert!(sum.stored_reads > SEEDS && sum.elections > SEEDS, "{sum:?}");
    assert!(sum.trims > SEEDS && sum.snapshot_parts > SEEDS, "{sum:?}");
    assert!(sum.disks_lost > SEEDS / 4, "{sum:?}");
    assert!(sum.joined > SEEDS / 5 && sum.left > SEEDS / 8, "{sum:?}");
}
