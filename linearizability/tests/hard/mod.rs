//! Keys that are hard: one that no search decides soon, and one that is illegal for certain. Shared by a
//! test and a bench.

use lincheck::{CellAction, Condition, Operation, PutIfOutcome, Token};

use crate::generator::Random;

/// Operations on one key that no search decides soon: as many compare-and-sets at once, between two
/// of few values each, ask for an Eulerian path; the values that are left once too often and those
/// that are entered once too often are too many for one.
pub(crate) fn exponential(key: i64, width: i64, random: &mut Random) -> Vec<Operation<CellAction>> {
    let key = Token::from(key);
    let cas = |number: i64, from: u64, to: u64| {
        let [from, to] = [from, to].map(|value| Token::from(value.cast_signed()));
        let condition = Condition::Equals(from);
        let action = CellAction::put_if(key, condition, to, PutIfOutcome::Applied);
        Operation::new(number.cast_unsigned(), action, 20, Some(1_000))
    };
    let mut history = vec![Operation::new(99, CellAction::put(key, Token::from(0)), 10, Some(15))];
    for number in 0..width {
        let from = random.below(9);
        history.push(cas(number, from, (from + 1 + random.below(8)) % 9));
    }
    history
}

/// Writes of two values in turn, one after the other, and a read of each at the end.
pub(crate) fn stale(key: i64, operations: u64) -> Vec<Operation<CellAction>> {
    let key = Token::from(key);
    let at = |number: u64, action| Operation::new(0, action, 10 * number, Some(10 * number + 1));
    let put = |number: u64| CellAction::put(key, Token::from((number % 2).cast_signed()));
    let get = |value: i64| CellAction::get(key, Some(Token::from(value)));
    let mut history: Vec<_> = (2..operations).map(|number| at(number, put(number))).collect();
    history.push(at(operations, get(0)));
    history.push(at(operations + 1, get(1)));
    history
}
