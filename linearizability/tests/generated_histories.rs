//! Histories too large for a brute-force oracle, but legal by construction; and the same with one
//! stale read planted.

mod generator;

use generator::{Mix, Random, Shape, generate};
use lincheck::replay::replay;
use lincheck::{Budget, Cell, CellAction, CellCall, Operation, Token, Verdict, check};

/// Enough for each history here; a checker that explodes is noticed.
const STEPS_MAX: u64 = 30_000_000;

fn shapes() -> Vec<Shape> {
    let shape = |operations, keys, processes, unknown_per_thousand, values| Shape {
        operations,
        keys,
        processes,
        unknown_per_thousand,
        values,
        mix: Mix::Items,
        bursts: false,
    };
    vec![
        shape(5_000, 5, 8, 20, None),
        shape(5_000, 1, 8, 100, None),
        shape(2_000, 50, 400, 300, None),
        shape(2_000, 2, 8, 0, Some(5)),
        shape(1_000, 2, 6, 20, Some(5)),
    ]
}

#[test]
fn what_was_executed_is_legal() {
    for (number, shape) in shapes().into_iter().enumerate() {
        for seed in 0..3 {
            let history = generate(&shape, seed);
            match check(&history, &Cell, &Budget::steps(STEPS_MAX)) {
                Verdict::Legal(legal) => assert_eq!(replay(&history, &legal.order), Ok(())),
                verdict @ (Verdict::Illegal(_) | Verdict::Undecided(_)) => {
                    panic!("shape {number} seed {seed}: {verdict:?}")
                }
            }
        }
    }
}

/// Makes a read that surely happened return the value of another that returned before an
/// overwriting put was invoked and done: certainly stale, as values are distinct.
fn plant_stale_read(history: &mut [Operation<CellAction>], random: &mut Random) -> Option<usize> {
    let written = |operation: &Operation<CellAction>| match operation.action.call {
        CellCall::Put { value } if operation.is_known() => Some(value),
        CellCall::Get { .. } | CellCall::Put { .. } | CellCall::Delete | CellCall::PutIf { .. } => {
            None
        }
    };
    let start = usize::try_from(random.below(history.len() as u64 / 2)).ok()?;
    let old = (start..history.len()).find(|at| written(&history[*at]).is_some())?;
    let same_key = |at: &usize| history[*at].action.key == history[old].action.key;
    let mut later = (old..history.len()).filter(same_key);
    let newer = later
        .find(|at| written(&history[*at]).is_some() && history[old].precedes(&history[*at]))?;
    let read = later.find(|at| {
        let is_read = matches!(history[*at].action.call, CellCall::Get { .. });
        is_read && history[*at].is_known() && history[newer].precedes(&history[*at])
    })?;
    let stale = CellAction::get(history[read].action.key, written(&history[old]));
    history[read].action = stale;
    Some(read)
}

#[test]
fn one_stale_read_is_found() {
    let mut planted = 0;
    for shape in shapes().into_iter().filter(|shape| shape.values.is_none()) {
        for seed in 0..5 {
            let mut history = generate(&shape, seed);
            if plant_stale_read(&mut history, &mut Random(seed)).is_some() {
                planted += 1;
                let verdict = check(&history, &Cell, &Budget::steps(STEPS_MAX));
                assert!(matches!(verdict, Verdict::Illegal(_)), "seed {seed}");
            }
        }
    }
    assert!(planted >= 10, "{planted} planted");
}

#[test]
fn more_operations_may_be_pending_than_a_word_has_bits() {
    let key = Token::from(0);
    for count in [64_i64, 65, 100] {
        let put = |value| {
            let process = value_process(value);
            Operation::new(process, CellAction::put(key, Token::from(value)), 10, Some(20))
        };
        let get = |value, at| {
            Operation::new(9_999, CellAction::get(key, Some(Token::from(value))), at, Some(at + 1))
        };
        let mut history: Vec<_> = (0..count).map(put).collect();
        history.push(get(count / 2, 15));
        history.push(get(count - 1, 30));
        match check(&history, &Cell, &Budget::steps(STEPS_MAX)) {
            Verdict::Legal(legal) => assert_eq!(replay(&history, &legal.order), Ok(())),
            verdict @ (Verdict::Illegal(_) | Verdict::Undecided(_)) => panic!("{verdict:?}"),
        }
        history.push(get(0, 40)); // but the last one read was another
        let verdict = check(&history, &Cell, &Budget::steps(STEPS_MAX));
        assert!(matches!(verdict, Verdict::Illegal(_)), "{count}: {verdict:?}");
    }
}

fn value_process(value: i64) -> u64 {
    value.cast_unsigned()
}
