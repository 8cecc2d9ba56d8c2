//! Shrinks an illegal partition to a few operations that are illegal by themselves.
//!
//! A part of a history proves something about the whole only if what was taken out is not missed.
//!
//! *Cut at a moment.* Operations invoked after the moment are taken out, those that returned after
//! it count as unknown. A linearization of the whole, up to the last operation that had returned by
//! then, is one of this part: nothing invoked later can stand before that operation.
//!
//! *Taking out a write* takes out whatever may owe its legality to it as well ([`Model::depends`]):
//! every operation that depends on it, unless it returned strictly before the write was invoked,
//! and so on for those that are writes themselves. Assume the whole had a legal linearization, and
//! take out the same operations. One that stays and stood behind one taken out, with no effect of a
//! remaining one between, does not depend on it, so it is as legal on the state before. Real-time
//! order and obligations of the rest are untouched. So the rest would be legal.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::checker::{Budget, Verdict, check};
use crate::history::Operation;
use crate::model::{Model, Nature};

/// Model steps to confirm that a part is still illegal; a part that needs more is not taken.
const STEPS_PER_ATTEMPT: u64 = 1 << 20;

/// A few operations that are illegal by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// Their positions in the history, in the order of invocation.
    pub positions: Vec<usize>,
    /// What returned after this moment counts as unknown.
    pub cut: u64,
}

impl Counterexample {
    /// The operations, with what returned after the cut as unknown.
    #[must_use]
    pub fn operations<A: Clone>(&self, history: &[Operation<A>]) -> Vec<Operation<A>> {
        part(history, &self.positions, self.cut)
    }
}

/// Takes out operations of `history` at `partition`, all of one key, while the rest stays illegal.
///
/// Stops early after `time`; the rest is illegal in any case, as long as `partition` is.
#[must_use]
pub fn shrink<M: Model>(
    history: &[Operation<M::Action>],
    partition: &[usize],
    model: &M,
    time: Duration,
) -> Counterexample {
    let deadline = Instant::now().checked_add(time);
    let in_time = || deadline.is_none_or(|deadline| Instant::now() < deadline);
    let (mut kept, cut) = cut_after_the_failure(history, partition, model);
    let mut chunk = kept.len().div_ceil(2);
    while chunk >= 1 && in_time() {
        let mut shrunk = false;
        let mut end = kept.len();
        while end > 0 && in_time() {
            let start = end.saturating_sub(chunk);
            let rest = without(&part(history, &kept, cut), start..end, model);
            let rest: Vec<usize> = rest.into_iter().map(|at| kept[at]).collect();
            if !rest.is_empty() && is_illegal(&part(history, &rest, cut), model) {
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
    Counterexample { positions: kept, cut }
}

/// Cuts at the return that nothing survives.
fn cut_after_the_failure<M: Model>(
    history: &[Operation<M::Action>],
    partition: &[usize],
    model: &M,
) -> (Vec<usize>, u64) {
    let mut kept = partition.to_vec();
    kept.sort_by_key(|position| history[*position].invoked);
    let whole = part(history, &kept, u64::MAX);
    if let Verdict::Illegal(illegal) = check(&whole, model, &Budget::unlimited())
        && let Some(cut) = whole[illegal.position].returned
    {
        let before: Vec<usize> =
            kept.iter().copied().filter(|position| history[*position].invoked <= cut).collect();
        if is_illegal(&part(history, &before, cut), model) {
            return (before, cut);
        }
    }
    (kept, u64::MAX)
}

/// Copies of the operations, as they looked at the moment of the cut.
fn part<A: Clone>(history: &[Operation<A>], positions: &[usize], cut: u64) -> Vec<Operation<A>> {
    let copy = |position: &usize| {
        let mut operation = history[*position].clone();
        operation.returned = operation.returned.filter(|returned| *returned <= cut);
        operation
    };
    positions.iter().map(copy).collect()
}

/// The positions in `part` that stay when those in `gone` are taken out, and what may owe its
/// legality to them; if `part` is legal, so is what stays.
#[must_use]
pub fn without<M: Model>(
    part: &[Operation<M::Action>],
    gone: Range<usize>,
    model: &M,
) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..part.len()).filter(|at| !gone.contains(at)).collect();
    let mut open: Vec<usize> = gone.collect();
    while let Some(position) = open.pop() {
        let writer = &part[position];
        if model.nature(&writer.action) == Nature::Pure {
            continue;
        }
        rest.retain(|at| {
            let other = &part[*at];
            let follows = !other.precedes(writer) && model.depends(&other.action, &writer.action);
            if follows {
                open.push(*at);
            }
            !follows
        });
    }
    rest
}

fn is_illegal<M: Model>(part: &[Operation<M::Action>], model: &M) -> bool {
    matches!(check(part, model, &Budget::steps(STEPS_PER_ATTEMPT)), Verdict::Illegal(_))
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
        let kept = shrink(&history, &all, &Cell, Duration::from_secs(5)).positions;
        assert!(kept.contains(&60), "{kept:?}");
        assert!(kept.len() <= 3, "put 27, a later put, the stale read: {kept:?}");
    }

    #[test]
    fn a_write_goes_together_with_the_reads_of_its_value() {
        let history = [put(1, 10), get(1, 20), put(2, 30), get(2, 40), get(1, 50)];
        assert_eq!(without(&history, 0..1, &Cell), [2, 3]);
        assert_eq!(without(&history, 2..3, &Cell), [0, 1, 4]);
        assert_eq!(without(&history, 1..2, &Cell), [0, 2, 3, 4]);
    }

    fn i64_time(round: i64) -> u64 {
        u64::try_from(round).unwrap()
    }
}
