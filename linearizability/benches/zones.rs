//! Question: what does the verdict on a history of distinct values cost, and how many bytes beyond
//! the history?
//!
//! Workload: half reads, 40 % writes, 10 % compare-and-sets that report the old value when refused;
//! values counted up, or spread over 64 bits; 100 clients that always wait for an answer; 30 % of the outcomes unknown, half of which happened.
//! CPU time of one thread, the least of eleven runs, without parsing. *With order* adds the
//! linearization. `cargo bench -p lincheck --bench zones`.

use generator::{Mix, Shape, generate};
use lincheck::{
    Budget, Cell, CellCall, Condition, PutIfOutcome, Ruling, Token, Verdict, check_and_count,
    decide,
};
use stopwatch::{least_of, milliseconds};

#[path = "../tests/generator/mod.rs"]
mod generator;
mod stopwatch;

fn main() {
    for (operations, keys, spread) in [
        (1_000_000, 1_000, false),
        (1_000_000, 1, false),
        (1_000_000, 1_000, true),
        (1_000_000, 1, true),
        (10_000, 10, false),
    ] {
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
        if spread {
            for operation in &mut history {
                operation.action.call = spread_out(operation.action.call);
            }
        }
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
            "{operations} operations, {keys} keys, {}: {} ms, {} bytes per operation; with order {} ms",
            if spread { "values of 64 bits" } else { "values counted up" },
            milliseconds(verdict),
            peak / operations as u64,
            milliseconds(with_order)
        );
    }
}

/// The same with values that have nothing to do with each other.
fn spread_out(call: CellCall) -> CellCall {
    let spread = |value: Token| match value {
        Token::Number(number) => Token::Number(number.wrapping_mul(0x1E37_79B9_7F4A_7C15)),
        Token::Text(_) | Token::Unobserved => unreachable!("generated values are numbers"),
    };
    let seen = |value: Option<Token>| value.map(spread);
    match call {
        CellCall::Get { seen: value } => CellCall::Get { seen: seen(value) },
        CellCall::Put { value } => CellCall::Put { value: spread(value) },
        CellCall::Delete => CellCall::Delete,
        CellCall::PutIf { condition, value, outcome } => CellCall::PutIf {
            condition: match condition {
                Condition::Equals(value) => Condition::Equals(spread(value)),
                Condition::Absent | Condition::Exists | Condition::EqualsNil => condition,
            },
            value: spread(value),
            outcome: match outcome {
                PutIfOutcome::Applied => PutIfOutcome::Applied,
                PutIfOutcome::Refused { old } => PutIfOutcome::Refused { old: old.map(seen) },
            },
        },
    }
}
