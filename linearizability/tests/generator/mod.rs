//! Generates legal histories of any size: operations with random intervals, each executed at a
//! random moment of its interval. Shared by the tests and the benches.

pub(crate) mod random;

pub(crate) use random::Random;

use lincheck::{CellAction, Condition, Operation, PutIfOutcome, Token};

/// The shape of a history.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) operations: usize,
    pub(crate) keys: u64,
    pub(crate) processes: u64,
    pub(crate) unknown_per_thousand: u64,
    /// How many values there are; nothing if all are distinct.
    pub(crate) values: Option<u64>,
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

pub(crate) fn generate(shape: &Shape, seed: u64) -> Vec<Operation<CellAction>> {
    let mut random = Random(seed);
    let mut free_at = vec![0_u64; usize::try_from(shape.processes).expect("few processes")];
    let mut plans = Vec::new();
    for number in 1..=shape.operations as u64 {
        let next = (0..free_at.len()).min_by_key(|process| free_at[*process]).expect("not empty");
        let invoked = free_at[next] + random.below(50);
        let length = 1 + random.below(1_000);
        let point = invoked + random.below(length);
        let draw = [random.below(shape.keys), random.below(100), random.below(1_000)];
        free_at[next] = invoked + length;
        let process = next as u64;
        let value = shape.values.map_or(number, |values| random.below(values)).cast_signed();
        plans.push(Plan { process, invoked, point, returned: invoked + length, draw, value });
    }
    plans.sort_by_key(|plan| plan.point);
    let mut cells = vec![None; usize::try_from(shape.keys).expect("few keys")];
    plans.iter().enumerate().map(|(at, plan)| execute(plan, at, shape, &mut cells)).collect()
}

/// Half reads, the rest puts, conditional puts and deletes; half of the unknown ones happen.
fn execute(
    plan: &Plan,
    index: usize,
    shape: &Shape,
    cells: &mut [Option<Token>],
) -> Operation<CellAction> {
    let [key, kind, luck] = plan.draw;
    let cell = &mut cells[usize::try_from(key).expect("few keys")];
    let key = Token::from(key.cast_signed());
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
