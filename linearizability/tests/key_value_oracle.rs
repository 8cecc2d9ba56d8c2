//! The key-value model against a brute-force oracle: appends, puts, deletes and
//! compare-and-sets of few texts, unknown outcomes, equal times. Here an operation can be hidden by a put but not by an append.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use lincheck::replay::replay;
use lincheck::{KeyValue, KeyValueAction, KeyValueCall, Operation, Token, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use second_opinions::{cautious_verdicts, verdicts};

mod second_opinions;

fn perform(text: &str, call: &KeyValueCall) -> Option<String> {
    match call {
        KeyValueCall::Get { seen } => (**seen == *text).then(|| text.to_owned()),
        KeyValueCall::Put { value } => Some(value.to_string()),
        KeyValueCall::Append { value } => Some(format!("{text}{value}")),
        KeyValueCall::Delete => Some(String::new()),
        KeyValueCall::Cas { from, to, applied } if (**from == *text) == *applied => {
            Some(if *applied { to.to_string() } else { text.to_owned() })
        }
        KeyValueCall::Cas { .. } => None,
    }
}

/// Tries every order.
fn is_legal(history: &[Operation<KeyValueAction>], taken: &mut Vec<bool>, text: &str) -> bool {
    if (0..history.len()).all(|at| taken[at] || history[at].returned.is_none()) {
        return true;
    }
    (0..history.len()).any(|at| {
        let must_wait =
            (0..history.len()).any(|other| !taken[other] && history[other].precedes(&history[at]));
        if taken[at] || must_wait {
            return false;
        }
        let Some(after) = perform(text, &history[at].action.call) else { return false };
        taken[at] = true;
        let legal = is_legal(history, taken, &after);
        taken[at] = false;
        legal
    })
}

type Draw = (u64, u64, u64, u8, u8, u8, u8);

/// Executes the draws at their points; some gets lie.
fn history(draws: &[Draw]) -> Vec<Operation<KeyValueAction>> {
    let mut order: Vec<usize> = (0..draws.len()).collect();
    order.sort_by_key(|at| draws[*at].0 + draws[*at].1.min(draws[*at].2));
    let mut calls = vec![None; draws.len()];
    let (mut text, mut before) = (String::new(), String::new());
    for at in order {
        let (_, _, _, kind, letter, unknown, lie) = draws[at];
        let value = ["a", "b", ""][usize::from(letter)].into();
        let call = match kind {
            0..=4 if lie < 48 => KeyValueCall::Get { seen: before.as_str().into() },
            0..=4 if lie < 78 => KeyValueCall::Get { seen: format!("{text}a").into() },
            0..=4 => KeyValueCall::Get { seen: text.as_str().into() },
            5..=7 => KeyValueCall::Append { value },
            8 => KeyValueCall::Put { value },
            9 => KeyValueCall::Delete,
            _ => {
                let from: Arc<str> = if lie < 25 { "a".into() } else { text.as_str().into() };
                let applied = unknown < 20 || *from == *text;
                KeyValueCall::Cas { from, to: value, applied }
            }
        };
        let changes = !matches!(call, KeyValueCall::Get { .. });
        if changes && (unknown >= 20 || lie % 2 == 0) {
            before.clone_from(&text);
            text = perform(&text, &call).unwrap_or(text);
        }
        calls[at] = Some(call);
    }
    let operation = |(at, draw): (usize, &Draw)| {
        let action = KeyValueAction { key: Token::from(0), call: calls[at].take().unwrap() };
        let (invoked, _, length, _, _, unknown, _) = *draw;
        Operation::new(at as u64, action, invoked, (unknown >= 20).then_some(invoked + length))
    };
    draws.iter().enumerate().map(operation).collect()
}

#[test]
fn the_checker_agrees_with_trying_every_order() {
    let cases = std::env::var("LINCHECK_FUZZ_CASES").ok().and_then(|n| n.parse().ok());
    let cases: u32 = cases.unwrap_or(20_000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let draw = (0..12_u64, 0..6_u64, 0..6_u64, 0..12_u8, 0..3_u8, 0..100_u8, 0..100_u8);
    let illegal = std::cell::Cell::new(0_u32);
    TestRunner::new(config)
        .run(&prop::collection::vec(draw, 3..=7), |draws| {
            let history = history(&draws);
            let expected = is_legal(&history, &mut vec![false; history.len()], "");
            illegal.set(illegal.get() + u32::from(!expected));
            let cautious = cautious_verdicts(&history, &KeyValue);
            prop_assert!(
                cautious.iter().all(|legal| *legal == expected),
                "{cautious:?}: {history:#?}"
            );
            for verdict in verdicts(&history, &KeyValue) {
                match verdict {
                    Verdict::Legal(legal) => {
                        prop_assert!(expected, "legal, the oracle says illegal: {history:#?}");
                        prop_assert_eq!(replay(&history, &legal.order), Ok(()));
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
    let illegal = illegal.get();
    println!("{cases} cases, {illegal} illegal");
    assert!((cases * 3 / 10..cases * 7 / 10).contains(&illegal), "{illegal} illegal of {cases}");
}

#[test]
fn a_hidden_append_is_not_used_up_for_an_equal_one_that_must_be() {
    let at = |number, call, invoked, returned| {
        Operation::new(
            number,
            KeyValueAction { key: Token::from(0), call },
            invoked,
            Some(returned),
        )
    };
    let append = || KeyValueCall::Append { value: "a".into() };
    let get = || KeyValueCall::Get { seen: "ba".into() };
    // Only the append after the put shows; the one before it may still be going on.
    let history = [
        at(0, append(), 0, 30),
        at(1, KeyValueCall::Put { value: "b".into() }, 0, 10),
        at(2, append(), 15, 50),
        at(3, get(), 16, 20),
        at(4, get(), 60, 70),
    ];
    assert!(is_legal(&history, &mut vec![false; history.len()], ""));
    for verdict in verdicts(&history, &KeyValue) {
        let Verdict::Legal(legal) = verdict else { panic!("{verdict:?}") };
        assert_eq!(replay(&history, &legal.order), Ok(()));
    }
}
