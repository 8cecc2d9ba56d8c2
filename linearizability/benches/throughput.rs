//! Question: how many operations does the checker decide per CPU second when all written values
//! are distinct?
//!
//! Workload: 100,000 operations on 10 keys by 16 processes, 2 % with unknown outcome, half of
//! which took effect; half reads, the rest puts, conditional puts and deletes. One thread; parsing
//! is not counted, splitting by key is. `cargo bench -p lincheck`.

use std::time::Instant;

use generator::{Mix, Shape, generate};
use lincheck::{Budget, Cell, Verdict, check};

#[path = "../tests/generator/mod.rs"]
mod generator;

fn main() {
    let shapes = [
        ("100 k operations, 10 keys, 16 processes, 2 % unknown", 100_000, 10, 16, 20),
        ("100 k operations, 50 keys, 64 processes, 2 % unknown", 100_000, 50, 64, 20),
        ("100 k operations, 1 key, 16 processes, 2 % unknown", 100_000, 1, 16, 20),
        ("100 k operations, 20 keys, 32 processes, 10 % unknown", 100_000, 20, 32, 100),
        ("1 M operations, 1,000 keys, 100 processes, 30 % unknown", 1_000_000, 1_000, 100, 300),
    ];
    for (name, operations, keys, processes, unknown_per_thousand) in shapes {
        let shape = Shape {
            operations,
            keys,
            processes,
            unknown_per_thousand,
            values: None,
            mix: Mix::Items,
            bursts: false,
        };
        let history = generate(&shape, 7);
        let best = (0..3)
            .map(|_| {
                let start = Instant::now();
                let verdict = check(&history, &Cell, &Budget::unlimited());
                assert!(matches!(verdict, Verdict::Legal(_)), "generated histories are legal");
                start.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min);
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let rate = operations as f64 / best;
        println!("{name}: {:.1} ms, {:.2} M operations/s", best * 1e3, rate / 1e6);
    }
}
