//! What a check may cost: steps, memory, threads; and what it says when it had too little.

mod generator;

use std::num::NonZeroUsize;

use generator::{Mix, Random, Shape, generate};
use lincheck::{
    Budget, Cell, CellAction, Condition, Operation, PutIfOutcome, Shortage, Token, Verdict,
    check_and_count,
};

/// Operations on one key that no search decides soon: as many compare-and-sets at once, between two
/// of few values each, ask for an Eulerian path; the values that are left once too often and those
/// that are entered once too often are too many for one.
fn exponential(key: i64, width: i64) -> Vec<Operation<CellAction>> {
    let key = Token::from(key);
    let mut random = Random(11);
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

/// Two reads against the order of two writes.
fn stale(key: i64) -> Vec<Operation<CellAction>> {
    let key = Token::from(key);
    let put =
        |value, at| Operation::new(0, CellAction::put(key, Token::from(value)), at, Some(at + 1));
    let get = |value: i64, at| {
        Operation::new(0, CellAction::get(key, Some(Token::from(value))), at, Some(at + 1))
    };
    vec![put(1, 10), put(2, 20), put(1, 30), get(1, 40), get(2, 50)]
}

#[test]
fn one_illegal_key_is_found_beside_an_exponential_one() {
    let shape = Shape {
        operations: 10_000,
        keys: 998,
        processes: 20,
        unknown_per_thousand: 0,
        values: Some(5),
        mix: Mix::Items,
        bursts: false,
    };
    let mut history = generate(&shape, 3);
    history.extend(exponential(5_000, 40));
    history.extend(stale(9_000));
    for threads in [1, 2] {
        let budget = Budget::unlimited().with_threads(NonZeroUsize::new(threads).expect("not 0"));
        let (verdict, cost) = check_and_count(&history, &Cell, &budget);
        let Verdict::Illegal(illegal) = verdict else { panic!("{verdict:?}") };
        assert_eq!(illegal.key, Token::from(9_000), "with {threads} threads");
        assert!(cost.steps < 2_000_000, "{cost:?} with {threads} threads");
    }
}

#[test]
fn a_check_with_too_little_memory_says_so() {
    let history = exponential(1, 40);
    let limit = 1 << 20;
    let (verdict, cost) = check_and_count(&history, &Cell, &Budget::unlimited().with_memory(limit));
    let Verdict::Undecided(undecided) = verdict else { panic!("{verdict:?}") };
    assert_eq!(undecided.reason, Shortage::Memory);
    assert!(cost.peak_bytes <= limit && cost.peak_bytes > limit / 2, "{cost:?}");
}

#[test]
fn a_check_with_too_few_steps_names_the_return_it_could_not_decide() {
    let history = exponential(1, 40);
    let (verdict, cost) = check_and_count(&history, &Cell, &Budget::steps(1_000));
    let Verdict::Undecided(undecided) = verdict else { panic!("{verdict:?}") };
    assert_eq!(undecided.reason, Shortage::Steps);
    assert!(history[undecided.position].is_known());
    assert!((1_000..1_100).contains(&cost.steps), "{cost:?}");
}
