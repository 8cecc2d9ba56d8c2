//! Question: what does the verdict on a history of distinct values cost, and how many bytes beyond
//! the history?
//!
//! Workload: half reads, 40 % writes, 10 % compare-and-sets that report the old value when refused;
//! 100 clients that always wait for an answer; 30 % of the outcomes unknown, half of which happened.
//! CPU time of one thread, the least of eleven runs, without parsing. *With order* adds the
//! linearization. `cargo bench -p lincheck --bench zones`.

use generator::{Mix, Shape, generate};
use lincheck::{Budget, Cell, Ruling, Verdict, check_and_count, decide};
use stopwatch::{least_of, milliseconds};

#[path = "../tests/generator/mod.rs"]
mod generator;
mod stopwatch;

fn main() {
    for (operations, keys) in [(1_000_000, 1_000), (1_000_000, 1), (10_000, 10)] {
        let shape = Shape {
            operations,
            keys,
            processes: 100,
            unknown_per_thousand: 300,
            values: None,
            mix: Mix::Registers { swaps_percent: 10, tells: true },
            bursts: false,
        };
        let mut history = generate(&shape, 7);
        history.sort_by_key(|operation| operation.invoked);
        let mut peak = 0;
        let verdict = least_of(11, || {
            let (ruling, cost) = decide(&history, &Cell, &Budget::unlimited());
            assert_eq!(ruling, Ruling::Legal, "generated histories are legal");
            peak = cost.peak_bytes;
        });
        let with_order = least_of(3, || {
            let (verdict, _) = check_and_count(&history, &Cell, &Budget::unlimited());
            assert!(matches!(verdict, Verdict::Legal(_)), "generated histories are legal");
        });
        println!(
            "{operations} operations, {keys} keys: {} ms, {} bytes per operation; with order {} ms",
            milliseconds(verdict),
            peak / operations as u64,
            milliseconds(with_order)
        );
    }
}
