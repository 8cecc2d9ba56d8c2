//! The checker against a brute-force oracle that shares no code with it: small random histories
//! with equal times, unknown outcomes, deletes, refused conditions with and without the old value,
//! ambiguous and distinct values. Every legal verdict must come with a linearization that the
//! oracle's own semantics accept.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use lincheck::shrink::{Counterexample, shrink, without};
use lincheck::{Cell, CellAction, CellCall, Condition, Operation, PutIfOutcome, Token, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use second_opinions::{cautious_verdicts, verdicts};

mod second_opinions;

type Value = Option<i64>;

/// The semantics once more, as plainly as possible.
fn perform(state: Value, action: &CellAction) -> Option<Value> {
    let number = |token: Token| match token {
        Token::Number(number) => number,
        Token::Text(_) | Token::Unobserved => panic!("not in a history: {token:?}"),
    };
    let old_value = |old: Option<Token>| old.map(number);
    match action.call {
        CellCall::Get { seen } => (state == old_value(seen)).then_some(state),
        CellCall::Put { value } => Some(Some(number(value))),
        CellCall::Delete => Some(None),
        CellCall::PutIf { condition, value, outcome } => {
            let holds = match condition {
                Condition::Absent | Condition::EqualsNil => state.is_none(),
                Condition::Exists => state.is_some(),
                Condition::Equals(wanted) => state == Some(number(wanted)),
            };
            match outcome {
                PutIfOutcome::Applied => holds.then_some(Some(number(value))),
                PutIfOutcome::Refused { old } => {
                    let told_right = old.is_none_or(|old| old_value(old) == state);
                    (!holds && told_right).then_some(state)
                }
            }
        }
    }
}

/// Tries every order.
fn is_legal(history: &[Operation<CellAction>], taken: &mut Vec<bool>, state: Value) -> bool {
    let left = |at: usize, taken: &[bool]| !taken[at];
    if (0..history.len()).all(|at| taken[at] || history[at].returned.is_none()) {
        return true;
    }
    (0..history.len()).any(|at| {
        let must_wait = (0..history.len()).any(|other| {
            left(other, taken) && history[other].returned.is_some_and(|r| r < history[at].invoked)
        });
        if taken[at] || must_wait {
            return false;
        }
        let Some(after) = perform(state, &history[at].action) else { return false };
        taken[at] = true;
        let legal = is_legal(history, taken, after);
        taken[at] = false;
        legal
    })
}

fn oracle(history: &[Operation<CellAction>]) -> bool {
    let mut keys: Vec<Token> = history.iter().map(|operation| operation.action.key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.iter().all(|key| {
        let part: Vec<_> =
            history.iter().filter(|operation| operation.action.key == *key).cloned().collect();
        is_legal(&part, &mut vec![false; part.len()], None)
    })
}

/// What the generator draws for one operation.
#[derive(Clone, Debug)]
struct Draw {
    key: i64,
    invoked: u64,
    length: u64,
    point: u64,
    kind: u8,
    value: i64,
    expected: i64,
    unknown: u8,
    tells: bool,
    corrupt: u8,
    other: Option<i64>,
}

fn draws(count_max: usize) -> impl Strategy<Value = (Vec<Draw>, u8, u8)> {
    let draw = (
        (0..8_u8, 0..12_u64, 0..6_u64, 0..6_u64, 0..12_u8, 0..3_i64),
        (0..3_i64, 0..100_u8, any::<bool>(), 0..100_u8, proptest::option::weighted(0.8, 0..3_i64)),
    )
        .prop_map(|((key, invoked, length, point, kind, value), rest)| {
            let (expected, unknown, tells, corrupt, other) = rest;
            let key = i64::from(key == 0);
            Draw {
                key,
                invoked,
                length,
                point,
                kind,
                value,
                expected,
                unknown,
                tells,
                corrupt,
                other,
            }
        });
    (prop::collection::vec(draw, 2..=count_max), 0..4_u8, 0..6_u8)
}

/// Executes the draws at their points and then corrupts some answers.
fn history(draws: &[Draw], style: u8, unknown_share: u8) -> Vec<Operation<CellAction>> {
    let distinct = style >= 2;
    let value_of = |at: usize, value: i64| {
        if distinct { i64::try_from(at).unwrap() + 10 } else { value }
    };
    let mut order: Vec<usize> = (0..draws.len()).collect();
    order.sort_by_key(|at| draws[*at].invoked + draws[*at].point.min(draws[*at].length));
    let mut states = [None; 2];
    let mut actions: Vec<Option<CellAction>> = vec![None; draws.len()];
    for at in order {
        let draw = &draws[at];
        let state = &mut states[usize::try_from(draw.key).unwrap()];
        let key = Token::from(draw.key);
        let value = Token::from(value_of(at, draw.value));
        let expected =
            value_of(usize::try_from(draw.expected).unwrap() % draws.len(), draw.expected);
        let unknown = draw.unknown < unknown_share * 12;
        let lies = draw.corrupt < 28;
        let reported = if lies {
            draw.other.map(|other| value_of(usize::try_from(other).unwrap() % draws.len(), other))
        } else {
            *state
        };
        let reported = reported.map(Token::from);
        let action = match draw.kind {
            0..=3 => CellAction::get(key, if unknown { None } else { reported }),
            4..=6 => CellAction::put(key, value),
            7 => CellAction::delete(key),
            kind => {
                let condition = match kind {
                    8 => Condition::Absent,
                    9 => Condition::Exists,
                    _ => Condition::Equals(Token::from(expected)),
                };
                let applied = CellAction::put_if(key, condition, value, PutIfOutcome::Applied);
                let holds = perform(*state, &applied).is_some() != lies;
                let old = draw.tells.then_some(reported);
                if holds || unknown {
                    applied
                } else {
                    CellAction::put_if(key, condition, value, PutIfOutcome::Refused { old })
                }
            }
        };
        // An unknown operation took effect in half of the cases.
        if (!unknown || draw.tells)
            && let Some(after) = perform(*state, &action)
        {
            *state = after;
        }
        actions[at] = Some(action);
    }
    let operation = |(at, draw): (usize, &Draw)| Operation {
        process: u64::try_from(at).unwrap(),
        action: actions[at].unwrap(),
        invoked: draw.invoked,
        returned: (draw.unknown >= unknown_share * 12).then_some(draw.invoked + draw.length),
        index: at,
    };
    draws.iter().enumerate().map(operation).collect()
}

/// Nothing twice, nothing missing, real time kept, every answer right.
fn assert_linearizes(history: &[Operation<CellAction>], order: &[usize]) {
    for (place, at) in order.iter().enumerate() {
        assert!(!order[..place].contains(at), "{at} twice in {order:?}");
        for earlier in &order[..place] {
            assert!(!history[*at].precedes(&history[*earlier]), "{at} before {earlier}: {order:?}");
        }
    }
    for (at, operation) in history.iter().enumerate() {
        assert!(order.contains(&at) || !operation.is_known(), "{at} missing in {order:?}");
    }
    let mut states = [None; 2];
    for at in order {
        let Token::Number(key) = history[*at].action.key else { panic!("keys are numbers") };
        let state = &mut states[usize::try_from(key).unwrap()];
        *state = perform(*state, &history[*at].action)
            .unwrap_or_else(|| panic!("{at} contradicts {state:?} in {order:?}"));
    }
}

fn cases() -> u32 {
    std::env::var("LINCHECK_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(30_000)
}

#[test]
fn a_counterexample_is_illegal_and_what_is_taken_out_proves_nothing() {
    let config = Config { cases: cases() / 3, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&draws(7), |(draws, style, unknown_share)| {
            let whole: Vec<_> = history(&draws, style, unknown_share)
                .into_iter()
                .filter(|operation| operation.action.key == Token::from(0))
                .collect();
            if !oracle(&whole) {
                let all: Vec<usize> = (0..whole.len()).collect();
                let shrunk = shrink(&whole, &all, &Cell, Duration::from_secs(60));
                let part = shrunk.operations(&whole);
                prop_assert!(!oracle(&part), "legal after shrinking: {part:#?} of {whole:#?}");
                for gone in 0..part.len() {
                    let rest: Vec<_> = without(&part, gone..gone + 1, &Cell)
                        .into_iter()
                        .map(|at| part[at].clone())
                        .collect();
                    prop_assert!(oracle(&rest), "not minimal: {part:#?} without {gone}");
                }
                return Ok(());
            }
            for gone in 0..whole.len() {
                let rest: Vec<_> = without(&whole, gone..gone + 1, &Cell)
                    .into_iter()
                    .map(|at| whole[at].clone())
                    .collect();
                prop_assert!(oracle(&rest), "illegal without {gone}: {rest:#?} of {whole:#?}");
            }
            for cut in 0..20 {
                let positions = (0..whole.len()).filter(|at| whole[*at].invoked <= cut).collect();
                let before = Counterexample { positions, cut }.operations(&whole);
                prop_assert!(oracle(&before), "illegal at {cut}: {before:#?} of {whole:#?}");
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_checker_agrees_with_trying_every_order() {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let (mut illegal, mut with_unknown) = (0_u32, 0_u32);
    let counts = std::cell::RefCell::new((&mut illegal, &mut with_unknown));
    TestRunner::new(config)
        .run(&draws(7), |(draws, style, unknown_share)| {
            let history = history(&draws, style, unknown_share);
            let expected = oracle(&history);
            let mut counts = counts.borrow_mut();
            *counts.0 += u32::from(!expected);
            *counts.1 += u32::from(history.iter().any(|operation| !operation.is_known()));
            let cautious = cautious_verdicts(&history, &Cell);
            prop_assert!(
                cautious.iter().all(|legal| *legal == expected),
                "{cautious:?}: {history:#?}"
            );
            for verdict in verdicts(&history, &Cell) {
                match verdict {
                    Verdict::Legal(legal) => {
                        prop_assert!(expected, "legal, the oracle says illegal: {history:#?}");
                        assert_linearizes(&history, &legal.order);
                    }
                    Verdict::Illegal(_) => {
                        prop_assert!(!expected, "illegal, the oracle says legal: {history:#?}");
                    }
                    Verdict::Undecided(_) => prop_assert!(false, "undecided without a budget"),
                }
            }
            Ok(())
        })
        .unwrap();
    println!("{} cases, {illegal} illegal, {with_unknown} with unknown operations", cases());
    assert!(illegal >= cases() * 3 / 10, "{illegal} illegal of {}", cases());
    assert!(cases() - illegal >= cases() * 3 / 10, "{illegal} illegal of {}", cases());
    assert!(with_unknown >= cases() * 4 / 10, "{with_unknown} with unknowns of {}", cases());
}
