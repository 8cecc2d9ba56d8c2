//! Makes random histories of cells: legal by construction, or illegal by one planted violation
//! that is certain whatever a search says.
//!
//! Operations have random intervals and take effect at a random moment of them, in that order, on
//! one copy of the data. Half of the unknown ones take effect.

use std::collections::BTreeMap;

use crate::format::Vocabulary;
use crate::history::Operation;
use crate::models::cell::{CellAction, CellCall, CellValue, Condition, PutIfOutcome};
use crate::token::Token;

/// What the history is to look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Which operations it has.
    pub vocabulary: Vocabulary,
    /// How many operations.
    pub operations: usize,
    /// How many clients; each has one operation open at a time, nearly always.
    pub clients: u32,
    /// How many keys.
    pub keys: u32,
    /// The share of operations whose outcome is unknown, from 0 to 1.
    pub unknown: f64,
    /// How many values there are; nothing if all that are written are distinct.
    pub values: Option<u32>,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// What can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A read of a value that was overwritten before the read began.
    StaleRead,
    /// A read of a value that nobody wrote.
    InventedRead,
    /// A read of a value whose write began after the read had ended.
    FutureRead,
}

/// A history, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The operations in the order of invocation.
    pub operations: Vec<Operation<CellAction>>,
    /// The position of the read that was changed.
    pub planted: Option<usize>,
}

/// The generator `SplitMix64` (Steele, Lea, Flood 2014, figure 1).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True in that share of cases.
    fn chance(&mut self, share: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < share
    }
}

/// An operation before it is executed.
struct Plan {
    process: u64,
    invoked: u64,
    point: u64,
    returned: u64,
    key: Token,
    kind: u64,
    value: Token,
    unknown: bool,
    happens: bool,
}

/// How long an operation takes at most, in ticks.
const LENGTH_MAX: u64 = 1_000;

/// How long a client waits at most before its next one.
const PAUSE_MAX: u64 = 50;

/// Makes a legal history.
///
/// # Panics
/// If there is no client, no key, or no value.
#[must_use]
pub fn generate(shape: &Shape) -> Vec<Operation<CellAction>> {
    assert!(shape.clients > 0 && shape.keys > 0 && shape.values != Some(0), "{shape:?}");
    let mut random = Random(shape.seed);
    let mut plans = plan(shape, &mut random);
    plans.sort_by_key(|plan| plan.point);
    let mut cells: BTreeMap<Token, Token> = BTreeMap::new();
    let mut operations: Vec<_> =
        plans.iter().map(|plan| execute(plan, shape.vocabulary, &mut cells)).collect();
    operations.sort_by_key(|operation| operation.invoked);
    for (at, operation) in operations.iter_mut().enumerate() {
        operation.index = at;
    }
    operations
}

fn plan(shape: &Shape, random: &mut Random) -> Vec<Plan> {
    // The client that is free first goes next: by its time, then by its number.
    let mut free: std::collections::BTreeSet<(u64, u64)> =
        (0..u64::from(shape.clients)).map(|client| (0, client)).collect();
    let mut plans = Vec::with_capacity(shape.operations);
    for number in 1..=shape.operations as u64 {
        let (free_at, process) = free.pop_first().expect("there is a client");
        let invoked = free_at + 1 + random.below(PAUSE_MAX);
        let length = 1 + random.below(LENGTH_MAX);
        let point = invoked + random.below(length);
        let value = shape.values.map_or(number, |values| random.below(u64::from(values)));
        let unknown = random.chance(shape.unknown);
        plans.push(Plan {
            process,
            invoked,
            point,
            returned: invoked + length,
            key: Token::from(random.below(u64::from(shape.keys)).cast_signed()),
            kind: random.below(100),
            value: Token::from(value.cast_signed()),
            unknown,
            happens: !unknown || random.below(2) == 0,
        });
        free.insert((invoked + length, process));
    }
    plans
}

/// Half reads; the rest are writes of the kinds that the vocabulary has.
fn execute(
    plan: &Plan,
    vocabulary: Vocabulary,
    cells: &mut BTreeMap<Token, Token>,
) -> Operation<CellAction> {
    let &Plan { key, value, .. } = plan;
    let found: CellValue = cells.get(&key).copied();
    let conditional = |condition: Condition, holds: bool| {
        let refused = PutIfOutcome::Refused { old: Some(found) };
        let outcome = if holds || plan.unknown { PutIfOutcome::Applied } else { refused };
        let after = if holds { Some(value) } else { found };
        (CellCall::PutIf { condition, value, outcome }, after)
    };
    let (call, after) = match (plan.kind, vocabulary) {
        (0..50, _) => (CellCall::Get { seen: found }, found),
        (80..85, Vocabulary::Item) => (CellCall::Delete, None),
        (85..90, Vocabulary::Item) => conditional(Condition::Absent, found.is_none()),
        (90..95, Vocabulary::Item) => conditional(Condition::Exists, found.is_some()),
        (80..98, Vocabulary::Item | Vocabulary::CasRegister) => {
            let condition = found.map_or(Condition::EqualsNil, Condition::Equals);
            match (condition, vocabulary) {
                (Condition::EqualsNil, Vocabulary::Item) => conditional(Condition::Absent, true),
                _ => conditional(condition, true),
            }
        }
        (98.., Vocabulary::CasRegister) => conditional(Condition::Equals(value), false),
        _ => (CellCall::Put { value }, Some(value)),
    };
    if plan.happens {
        match after {
            Some(after) => cells.insert(key, after),
            None => cells.remove(&key),
        };
    }
    let action = CellAction { key, call };
    let returned = (!plan.unknown).then_some(plan.returned);
    Operation { process: plan.process, action, invoked: plan.invoked, returned, index: 0 }
}

/// Changes one read so that the history is certainly illegal; nothing if no read can be changed so.
///
/// What makes it certain is [`is_certain`], which looks at the writes of the value only.
#[must_use]
pub fn plant(
    mut operations: Vec<Operation<CellAction>>,
    violation: Violation,
    seed: u64,
) -> Option<Generated> {
    let mut random = Random(seed ^ 0xBAD);
    let reads: Vec<usize> = (0..operations.len())
        .filter(|at| {
            let read = &operations[*at];
            read.is_known() && matches!(read.action.call, CellCall::Get { .. })
        })
        .collect();
    let mut by_key: BTreeMap<Token, Vec<usize>> = BTreeMap::new();
    for (at, operation) in operations.iter().enumerate() {
        by_key.entry(operation.action.key).or_default().push(at);
    }
    // Somewhere in the middle first; a stale read needs something before it.
    let start = usize::try_from(random.below(reads.len().max(1) as u64)).unwrap_or(0);
    for read in reads[start..].iter().chain(reads[..start].iter().rev()).copied() {
        let of_key = &by_key[&operations[read].action.key];
        let value = candidates(&operations, of_key, read, violation)
            .into_iter()
            .find(|value| is_certain(&operations, of_key, read, *value));
        if let Some(value) = value {
            operations[read].action.call = CellCall::Get { seen: Some(value) };
            return Some(Generated { operations, planted: Some(read) });
        }
    }
    None
}

/// Values whose reading might be a violation of that kind, likely ones first.
fn candidates(
    operations: &[Operation<CellAction>],
    of_key: &[usize],
    read: usize,
    violation: Violation,
) -> Vec<Token> {
    const TRIED_MAX: usize = 64;
    let written = |at: &usize| match operations[*at].action.wrote() {
        Some(Some(value)) => Some(value),
        Some(None) | None => None,
    };
    let place = of_key.partition_point(|at| *at < read);
    match violation {
        Violation::InventedRead => {
            let greatest =
                operations.iter().filter_map(|operation| match operation.action.wrote() {
                    Some(Some(Token::Number(number))) => Some(number),
                    _ => None,
                });
            vec![Token::from(greatest.max().unwrap_or(0) + 1)]
        }
        Violation::StaleRead => {
            of_key[..place].iter().rev().filter_map(written).take(TRIED_MAX).collect()
        }
        Violation::FutureRead => {
            let ended = operations[read].returned.unwrap_or(u64::MAX);
            let later = of_key[place..].iter().filter(|at| operations[**at].invoked > ended);
            later.filter_map(written).take(TRIED_MAX).collect()
        }
    }
}

/// Whether a read of `value` at `read` is certainly illegal: no write of it is left that the read
/// could have seen. Each one began after the read had ended, or was followed, strictly in real
/// time, by another write that surely took effect and that the read strictly followed.
///
/// This knows nothing of searches: it is the second opinion on what is planted.
#[must_use]
pub fn is_certain(
    operations: &[Operation<CellAction>],
    of_key: &[usize],
    read: usize,
    value: Token,
) -> bool {
    let read = &operations[read];
    // The overwriting writes of other values before the read: only the one invoked last matters.
    let overwriting = of_key
        .iter()
        .map(|at| &operations[*at])
        .filter(|other| {
            let writes_other = other.action.wrote().is_some_and(|it| it != Some(value));
            writes_other && other.is_known() && other.precedes(read)
        })
        .max_by_key(|other| other.invoked);
    of_key.iter().map(|at| &operations[*at]).all(|write| {
        write.action.wrote() != Some(Some(value))
            || read.precedes(write)
            || overwriting.is_some_and(|other| write.precedes(other))
    })
}
