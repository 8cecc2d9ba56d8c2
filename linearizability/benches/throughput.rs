//! Question: how many operations does the checker decide per CPU second when all written values
//! are distinct?
//!
//! Workload: 100,000 operations on 10 keys by 16 processes, 2 % with unknown outcome, half of
//! which took effect; half reads, the rest puts, conditional puts and deletes. One thread; parsing
//! is not counted, splitting by key is. `cargo bench -p lincheck`.

use std::time::Instant;

use lincheck::{
    Budget, Cell, CellAction, Condition, Operation, PutIfOutcome, Token, Verdict, check,
};

/// The generator `SplitMix64` (Steele, Lea, Flood 2014, figure 1).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The shape of a history.
struct Shape {
    operations: usize,
    keys: u64,
    processes: u64,
    unknown_per_thousand: u64,
}

/// An operation that has been invoked, takes effect at `point` and returns at `returned`.
struct Plan {
    process: u64,
    invoked: u64,
    point: u64,
    returned: u64,
    draw: [u64; 3],
    value: i64,
}

fn generate(shape: &Shape, seed: u64) -> Vec<Operation<CellAction>> {
    let mut random = Random(seed);
    let mut free_at = vec![0_u64; usize::try_from(shape.processes).expect("few processes")];
    let mut plans = Vec::new();
    for value in 1..=i64::try_from(shape.operations).expect("fits") {
        let next = (0..free_at.len()).min_by_key(|process| free_at[*process]).expect("not empty");
        let invoked = free_at[next] + random.below(50);
        let length = 1 + random.below(1_000);
        let point = invoked + random.below(length);
        let draw = [random.below(shape.keys), random.below(100), random.below(1_000)];
        free_at[next] = invoked + length;
        let process = next as u64;
        plans.push(Plan { process, invoked, point, returned: invoked + length, draw, value });
    }
    plans.sort_by_key(|plan| plan.point);
    let mut cells = vec![None; usize::try_from(shape.keys).expect("few keys")];
    plans.iter().enumerate().map(|(at, plan)| execute(plan, at, shape, &mut cells)).collect()
}

fn execute(
    plan: &Plan,
    index: usize,
    shape: &Shape,
    cells: &mut [Option<Token>],
) -> Operation<CellAction> {
    let [key, kind, luck] = plan.draw;
    let cell = &mut cells[usize::try_from(key).expect("few keys")];
    let key = Token::from(i64::try_from(key).expect("few keys"));
    let value = Token::from(plan.value);
    let unknown = luck < shape.unknown_per_thousand;
    let happens = !unknown || luck % 2 == 0;
    let (action, after) = match kind {
        0..50 => (CellAction::get(key, *cell), *cell),
        50..80 => (CellAction::put(key, value), Some(value)),
        80..85 => (CellAction::delete(key), None),
        _ => {
            let (condition, holds) = match (*cell, kind % 3) {
                (Some(old), 0) => (Condition::Equals(old), true),
                (found, 1) => (Condition::Absent, found.is_none()),
                (found, _) => (Condition::Exists, found.is_some()),
            };
            let refused = PutIfOutcome::Refused { old: Some(*cell) };
            let outcome = if holds || unknown { PutIfOutcome::Applied } else { refused };
            let action = CellAction::put_if(key, condition, value, outcome);
            (action, if holds { Some(value) } else { *cell })
        }
    };
    if happens {
        *cell = after;
    }
    let returned = (!unknown).then_some(plan.returned);
    Operation { process: plan.process, action, invoked: plan.invoked, returned, index }
}

fn main() {
    let shapes = [
        ("100 k operations, 10 keys, 16 processes, 2 % unknown", 100_000, 10, 16, 20),
        ("100 k operations, 50 keys, 64 processes, 2 % unknown", 100_000, 50, 64, 20),
        ("100 k operations, 1 key, 16 processes, 2 % unknown", 100_000, 1, 16, 20),
        ("100 k operations, 20 keys, 32 processes, 10 % unknown", 100_000, 20, 32, 100),
        ("1 M operations, 1,000 keys, 100 processes, 30 % unknown", 1_000_000, 1_000, 100, 300),
    ];
    for (name, operations, keys, processes, unknown_per_thousand) in shapes {
        let shape = Shape { operations, keys, processes, unknown_per_thousand };
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
