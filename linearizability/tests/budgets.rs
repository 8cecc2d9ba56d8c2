//! What a check may cost: steps, memory, threads; and what it says when it had too little.

mod generator;
mod hard;

use std::num::NonZeroUsize;

use generator::{Mix, Random, Shape, generate};
use hard::{exponential, stale};
use lincheck::{Budget, Cell, Shortage, Token, Verdict, check_and_count};

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
    history.extend(exponential(5_000, 40, &mut Random(11)));
    history.extend(stale(9_000, 5));
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
    let history = exponential(1, 40, &mut Random(11));
    let limit = 1 << 20;
    let (verdict, cost) = check_and_count(&history, &Cell, &Budget::unlimited().with_memory(limit));
    let Verdict::Undecided(undecided) = verdict else { panic!("{verdict:?}") };
    assert_eq!(undecided.reason, Shortage::Memory);
    assert!(cost.peak_bytes <= limit && cost.peak_bytes > limit / 2, "{cost:?}");
}

#[test]
fn a_check_with_too_few_steps_names_the_return_it_could_not_decide() {
    let history = exponential(1, 40, &mut Random(11));
    let (verdict, cost) = check_and_count(&history, &Cell, &Budget::steps(1_000));
    let Verdict::Undecided(undecided) = verdict else { panic!("{verdict:?}") };
    assert_eq!(undecided.reason, Shortage::Steps);
    assert!(history[undecided.position].is_known());
    assert!((1_000..1_100).contains(&cost.steps), "{cost:?}");
}
