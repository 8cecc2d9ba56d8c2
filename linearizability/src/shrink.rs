//! Shrinks an illegal partition to a few operations that are illegal by themselves.
//!
//! A part of a history proves something about the whole only if what was taken out is not missed.
//! Here a write goes together with whatever may owe its legality to it ([`Model::depends`]): when W
//! is taken out, so is every operation that depends on W, unless it returned strictly before W was
//! invoked, and so on for those that are writes themselves.
//!
//! *Why the rest proves the whole illegal.* Assume the whole had a legal linearization. Take out
//! the same operations. An operation that stays and stood behind one taken out, with no other
//! effect between, does not depend on it, so it is as legal on the state before. Real-time order
//! and obligations of the rest are untouched. So the rest would be legal. (For cells, "does not
//! depend" means that the guard can not be satisfied by the written value where it was not
//! satisfied before: see [`Cell`](crate::Cell).)

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::checker::{Budget, Verdict, check};
use crate::history::Operation;
use crate::model::{Model, Nature};

/// Model steps to confirm that a part is still illegal; a part that needs more is not taken.
const STEPS_PER_ATTEMPT: u64 = 1 << 20;

/// Takes out operations of `history` at `partition`, all of one key, while the rest stays illegal.
///
/// Returns the positions of the rest, in the order of invocation. Stops early after `time`; the
/// rest is illegal in any case, as long as `partition` is.
#[must_use]
pub fn shrink<M: Model>(
    history: &[Operation<M::Action>],
    partition: &[usize],
    model: &M,
    time: Duration,
) -> Vec<usize> {
    let deadline = Instant::now().checked_add(time);
    let in_time = || deadline.is_none_or(|deadline| Instant::now() < deadline);
    let mut kept = partition.to_vec();
    kept.sort_by_key(|position| history[*position].invoked);
    kept = cut_after_the_failure(history, kept, model);
    let mut chunk = kept.len().div_ceil(2);
    while chunk >= 1 && in_time() {
        let mut shrunk = false;
        let mut end = kept.len();
        while end > 0 && in_time() {
            let start = end.saturating_sub(chunk);
            let rest = without(history, &kept, &kept[start..end], model);
            if !rest.is_empty() && is_illegal(history, &rest, model) {
                kept = rest;
                shrunk = true;
            }
            end = start.min(kept.len());
        }
        if chunk > 1 {
            chunk = (chunk / 2).min(kept.len()).max(1);
        } else if !shrunk {
            break;
        }
    }
    kept
}

/// Takes out what was invoked after the return that nothing survives.
fn cut_after_the_failure<M: Model>(
    history: &[Operation<M::Action>],
    kept: Vec<usize>,
    model: &M,
) -> Vec<usize> {
    let part: Vec<_> = kept.iter().map(|position| history[*position].clone()).collect();
    let Verdict::Illegal(illegal) = check(&part, model, &Budget::steps(u64::MAX)) else {
        return kept;
    };
    let Some(failed) = part[illegal.position].returned else { return kept };
    let after: Vec<usize> =
        kept.iter().copied().filter(|position| history[*position].invoked > failed).collect();
    let rest = without(history, &kept, &after, model);
    if is_illegal(history, &rest, model) { rest } else { kept }
}

/// `kept` without `gone` and without what may owe its legality to it.
pub(crate) fn without<M: Model>(
    history: &[Operation<M::Action>],
    kept: &[usize],
    gone: &[usize],
    model: &M,
) -> Vec<usize> {
    let mut open: Vec<usize> = gone.to_vec();
    let gone: BTreeSet<usize> = gone.iter().copied().collect();
    let mut rest: Vec<usize> = kept.iter().copied().filter(|at| !gone.contains(at)).collect();
    while let Some(position) = open.pop() {
        let writer = &history[position];
        if model.nature(&writer.action) == Nature::Pure {
            continue;
        }
        rest.retain(|at| {
            let other = &history[*at];
            let follows = !other.precedes(writer) && model.depends(&other.action, &writer.action);
            if follows {
                open.push(*at);
            }
            !follows
        });
    }
    rest
}

fn is_illegal<M: Model>(history: &[Operation<M::Action>], part: &[usize], model: &M) -> bool {
    let part: Vec<_> = part.iter().map(|position| history[*position].clone()).collect();
    matches!(check(&part, model, &Budget::steps(STEPS_PER_ATTEMPT)), Verdict::Illegal(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::cell::{Cell, CellAction};
    use crate::token::Token;

    fn key() -> Token {
        Token::from(0)
    }

    fn put(value: i64, invoked: u64) -> Operation<CellAction> {
        Operation::new(0, CellAction::put(key(), Token::from(value)), invoked, Some(invoked + 1))
    }

    fn get(value: i64, invoked: u64) -> Operation<CellAction> {
        let seen = Some(Token::from(value));
        Operation::new(1, CellAction::get(key(), seen), invoked, Some(invoked + 1))
    }

    #[test]
    fn a_stale_read_keeps_its_write_and_the_one_it_missed() {
        let mut history = Vec::new();
        for round in 0..50 {
            history.push(put(round, 100 * i64_time(round)));
            history.push(get(round, 100 * i64_time(round) + 10));
        }
        history.insert(60, get(27, 100 * 30 - 50)); // put 28 and put 29 have returned
        let all: Vec<usize> = (0..history.len()).collect();
        let kept = shrink(&history, &all, &Cell, Duration::from_secs(5));
        assert!(kept.contains(&60), "{kept:?}");
        assert!(kept.len() <= 3, "put 27, a later put, the stale read: {kept:?}");
    }

    #[test]
    fn a_write_goes_together_with_the_reads_of_its_value() {
        let history = [put(1, 10), get(1, 20), put(2, 30), get(2, 40), get(1, 50)];
        assert_eq!(without(&history, &[0, 1, 2, 3, 4], &[0], &Cell), [2, 3]);
        assert_eq!(without(&history, &[0, 1, 2, 3, 4], &[2], &Cell), [0, 1, 4]);
        assert_eq!(without(&history, &[0, 1, 2, 3, 4], &[1], &Cell), [0, 2, 3, 4]);
    }

    fn i64_time(round: i64) -> u64 {
        u64::try_from(round).unwrap()
    }
}
