//! Question: how soon is one illegal key found among a thousand, of which one is exponential?
//!
//! Workload: 10,000 operations on 998 keys that are legal, values of a domain of five; one key of 40 concurrent
//! compare-and-sets that no search decides soon; one illegal key of 60 operations. A hundred seeds. CPU time
//! of the process, two threads; making the history is not in it. `cargo bench -p lincheck --bench partitions`

use std::num::NonZeroUsize;
use std::time::Duration;

use generator::{Mix, Random, Shape, generate};
use hard::{exponential, stale};
use lincheck::{Budget, Cell, Token, Verdict, check};
use rustix::time::{ClockId, clock_gettime};

#[path = "../tests/generator/mod.rs"]
mod generator;
#[path = "../tests/hard/mod.rs"]
mod hard;

const SEEDS: u64 = 100;

/// The bar.
const LIMIT: Duration = Duration::from_millis(100);

fn main() {
    let threads = NonZeroUsize::new(2).expect("not 0");
    let mut times: Vec<Duration> = (0..SEEDS)
        .map(|seed| {
            let shape = Shape {
                operations: 10_000,
                keys: 998,
                processes: 20,
                unknown_per_thousand: 20,
                values: Some(5),
                mix: Mix::Items,
                bursts: false,
            };
            let mut history = generate(&shape, seed);
            history.extend(exponential(5_000, 40, &mut Random(seed)));
            history.extend(stale(9_000, 60));
            let start = cpu();
            let verdict = check(&history, &Cell, &Budget::unlimited().with_threads(threads));
            let took = cpu().saturating_sub(start);
            let Verdict::Illegal(illegal) = verdict else { panic!("{verdict:?}") };
            assert_eq!(illegal.key, Token::from(9_000), "seed {seed}");
            took
        })
        .collect();
    times.sort_unstable();
    let within = times.iter().filter(|time| **time <= LIMIT).count();
    println!(
        "illegal within {LIMIT:?}: {within} of {SEEDS}; median {:?}, most {:?}",
        times[times.len() / 2],
        times[times.len() - 1]
    );
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(now.tv_sec).expect("no time before the start");
    Duration::new(seconds, u32::try_from(now.tv_nsec).expect("less than a second"))
}
