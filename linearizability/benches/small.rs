//! Question: what does one check of a history of at most eight operations cost? A model checker
//! asks it for every state in which a client has got an answer.
//!
//! Workload: two keys' worth of the histories that a small world makes: a write, a concurrent
//! write, reads. One thread. `cargo bench -p lincheck --bench small`.

use std::hint::black_box;
use std::time::Instant;

use lincheck::{Budget, Cell, CellAction, Operation, Token, Verdict, check};

const ROUNDS: u32 = 200_000;

fn main() {
    let key = Token::from(0);
    let put = |value: i64, from, to| {
        Operation::new(0, CellAction::put(key, Token::from(value)), from, to)
    };
    let get = |value: Option<i64>, from, to| {
        Operation::new(1, CellAction::get(key, value.map(Token::from)), from, Some(to))
    };
    let cases = [
        ("2 operations, legal", vec![put(1, 0, Some(3)), get(Some(1), 1, 2)], true),
        (
            "4 operations, one unknown, legal",
            vec![put(1, 0, Some(3)), put(2, 1, None), get(None, 1, 2), get(Some(2), 4, 5)],
            true,
        ),
        (
            "8 operations, two unknown, illegal",
            vec![
                put(1, 0, Some(3)),
                put(2, 1, None),
                get(None, 1, 2),
                get(Some(2), 4, 5),
                put(3, 4, Some(8)),
                put(4, 5, None),
                get(Some(3), 6, 9),
                get(Some(2), 10, 11),
            ],
            false,
        ),
    ];
    for (name, history, legal) in cases {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let verdict = check(black_box(&history), &Cell, &Budget::unlimited());
            assert_eq!(matches!(verdict, Verdict::Legal(_)), legal);
        }
        println!("{name}: {:.0} ns", start.elapsed().as_secs_f64() / f64::from(ROUNDS) * 1e9);
    }
}
