//! Generates legal histories of any size: operations with random intervals, each executed at a
//! random moment of its interval. Shared by the tests and the benches.

pub(crate) mod random;

pub(crate) use random::Random;

use lincheck::{CellAction, Condition, Operation, PutIfOutcome, Token};

/// What clients ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Half reads, the rest puts, conditional puts and deletes.
    #[allow(dead_code, reason = "not every user of this module needs it")]
    Items,
    /// Half reads, the rest writes and that share of all operations compare-and-sets, of which half
    /// expect what is there.
    #[allow(dead_code, reason = "not every user of this module needs it")]
    Registers {
        swaps_percent: u64,
        /// Whether a refused compare-and-set reports the old value.
        tells: bool,
    },
}

/// The shape of a history.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) operations: usize,
    pub(crate) keys: u64,
    pub(crate) processes: u64,
    pub(crate) unknown_per_thousand: u64,
    /// How many values there are; nothing if all are distinct.
    pub(crate) values: Option<u64>,
    pub(crate) mix: Mix,
    /// Whether unknown outcomes come in bursts, as faults make them: ten times as many in a tenth
    /// of the time.
    pub(crate) bursts: bool,
}

impl Shape {
    /// One key, values of a small domain, refused compare-and-sets that do not tell the old value.
    #[allow(dead_code, reason = "not every user of this module needs it")]
    pub(crate) const fn ambiguous(operations: usize, processes: u64, unknown: u64) -> Self {
        Self {
            operations,
            keys: 1,
            processes,
            unknown_per_thousand: unknown,
            values: Some(5),
            mix: Mix::Registers { swaps_percent: 10, tells: false },
            bursts: false,
        }
    }
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

/// Half of the unknown ones happen.
fn execute(
    plan: &Plan,
    index: usize,
    shape: &Shape,
    cells: &mut [Option<Token>],
) -> Operation<CellAction> {
    let [key, _, luck] = plan.draw;
    let cell = &mut cells[usize::try_from(key).expect("few keys")];
    let key = Token::from(key.cast_signed());
    let unknown = luck < unknown_per_thousand(plan, shape);
    let happens = !unknown || luck % 2 == 0;
    let (action, after) = match shape.mix {
        Mix::Items => item(plan, key, *cell, unknown),
        Mix::Registers { swaps_percent, tells } => {
            register(plan, key, *cell, unknown, (swaps_percent, tells), shape.values)
        }
    };
    if happens {
        *cell = after;
    }
    let returned = (!unknown).then_some(plan.returned);
    Operation { process: plan.process, action, invoked: plan.invoked, returned, index }
}

fn unknown_per_thousand(plan: &Plan, shape: &Shape) -> u64 {
    match shape.bursts {
        false => shape.unknown_per_thousand,
        true if (plan.invoked / 20_000) % 10 == 9 => shape.unknown_per_thousand * 10,
        true => 0,
    }
}

/// An operation on an item, and the value afterwards.
fn item(
    plan: &Plan,
    key: Token,
    cell: Option<Token>,
    unknown: bool,
) -> (CellAction, Option<Token>) {
    let kind = plan.draw[1];
    let value = Token::from(plan.value);
    match kind {
        0..50 => (CellAction::get(key, cell), cell),
        50..80 => (CellAction::put(key, value), Some(value)),
        80..85 => (CellAction::delete(key), None),
        _ => {
            let (condition, holds) = match (cell, kind % 3) {
                (Some(old), 0) => (Condition::Equals(old), true),
                (found, 1) => (Condition::Absent, found.is_none()),
                (found, _) => (Condition::Exists, found.is_some()),
            };
            let refused = PutIfOutcome::Refused { old: Some(cell) };
            let outcome = if holds || unknown { PutIfOutcome::Applied } else { refused };
            let action = CellAction::put_if(key, condition, value, outcome);
            (action, if holds { Some(value) } else { cell })
        }
    }
}

/// An operation on a register, and the value afterwards.
fn register(
    plan: &Plan,
    key: Token,
    cell: Option<Token>,
    unknown: bool,
    (swaps_percent, tells): (u64, bool),
    values: Option<u64>,
) -> (CellAction, Option<Token>) {
    let [_, kind, luck] = plan.draw;
    let value = Token::from(plan.value);
    if kind < 50 {
        return (CellAction::get(key, cell), cell);
    }
    let Some(found) = cell.filter(|_| kind >= 100 - swaps_percent) else {
        return (CellAction::put(key, value), Some(value));
    };
    // A value of the domain at random, or one of the last ones.
    let other = match values {
        Some(values) => (luck / 2 % values).cast_signed(),
        None => (plan.value - 1 - (luck % 20).cast_signed()).max(1),
    };
    let expected = if luck % 4 < 2 { found } else { Token::from(other) };
    let holds = expected == found;
    let old = tells.then_some(cell);
    let outcome =
        if holds || unknown { PutIfOutcome::Applied } else { PutIfOutcome::Refused { old } };
    let action = CellAction::put_if(key, Condition::Equals(expected), value, outcome);
    (action, if holds { Some(value) } else { cell })
}
