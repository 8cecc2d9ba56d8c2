//! Decides a whole history: splits it by key, narrows each part, searches all with fair budgets,
//! and puts the linearizations together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::history::Operation;
use crate::model::Model;
use crate::search::{Limits, Outcome, search, tiny};

/// How much work a check may do.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Model steps over all keys.
    pub steps: u64,
    /// Wall time.
    pub time: Option<Duration>,
}

impl Budget {
    /// As long as it takes; the memory for witnesses stays bounded.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { steps: u64::MAX, time: None }
    }

    /// At most that many model steps.
    #[must_use]
    pub const fn steps(steps: u64) -> Self {
        Self { steps, time: None }
    }

    /// At most that long.
    #[must_use]
    pub const fn time(time: Duration) -> Self {
        Self { steps: u64::MAX, time: Some(time) }
    }
}

/// What became known about a history.
#[derive(Clone, Debug)]
pub enum Verdict<M: Model> {
    /// It is linearizable.
    Legal(Legal),
    /// It is not.
    Illegal(Illegal<M>),
    /// The budget ran out.
    Undecided(Undecided<M>),
}

/// The evidence for *legal*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legal {
    /// Positions in the history: every operation that surely happened, and those unknown ones that
    /// are taken to have happened, in the order in which they took effect.
    pub order: Vec<usize>,
}

/// Where a history stops being legal.
#[derive(Clone, Debug)]
pub struct Illegal<M: Model> {
    /// The key.
    pub key: M::Key,
    /// Positions in the history of the operations on that key.
    pub partition: Vec<usize>,
    /// The position of the operation whose return no order of the operations before it survives.
    pub position: usize,
    /// The states possible just before that return.
    pub states: Vec<M::State>,
}

/// Where a check gave up.
#[derive(Clone, Debug)]
pub struct Undecided<M: Model> {
    /// The key.
    pub key: M::Key,
    /// The position of the operation whose return could not be decided.
    pub position: usize,
    /// What ran out.
    pub reason: &'static str,
}

/// Model steps for each partition in the first round; each later round gives more.
const FIRST_ROUND_STEPS: u64 = 1 << 16;

/// By how much: restarting costs a seventh of the whole, at most.
const ROUND_GROWTH: u64 = 8;

/// One key of a history.
struct Partition<M: Model> {
    key: M::Key,
    /// Positions in the history.
    positions: Vec<usize>,
    /// Narrowed; each index is the position in the history.
    operations: Vec<Operation<M::Action>>,
}

/// Decides whether `history` is linearizable.
///
/// The order of the slice means nothing, the indexes of its operations neither; positions in the
/// verdict are positions in the slice. An interval that ends before it starts is nobody's
/// operation and panics in debug builds; a [`Builder`](crate::history::Builder) never makes one.
#[must_use]
pub fn check<M: Model>(history: &[Operation<M::Action>], model: &M, budget: &Budget) -> Verdict<M> {
    if history.len() <= tiny::OPERATIONS_MAX
        && let Some(order) = tiny::legal_order(history, model)
    {
        return Verdict::Legal(Legal { order });
    }
    check_by_search(history, model, budget)
}

/// Like [`check`], without its shortcut for small histories.
#[must_use]
pub fn check_by_search<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
    budget: &Budget,
) -> Verdict<M> {
    let deadline = budget.time.and_then(|time| Instant::now().checked_add(time));
    let mut open = partitions(history, model);
    open.sort_by_key(|partition| partition.operations.len());
    let mut placed: Vec<(u64, usize)> = Vec::with_capacity(history.len());
    let mut steps = FIRST_ROUND_STEPS.min(budget.steps);
    loop {
        let mut undecided = None;
        let mut left = Vec::new();
        for partition in open {
            match search(&partition.operations, model, Limits { steps, deadline }) {
                Outcome::Legal(order) => placed.extend(
                    order
                        .iter()
                        .map(|placed| (placed.point, partition.operations[placed.position].index)),
                ),
                Outcome::Illegal { position, states } => {
                    let position = partition.operations[position].index;
                    let Partition { key, positions, .. } = partition;
                    return Verdict::Illegal(Illegal {
                        key,
                        partition: positions,
                        position,
                        states,
                    });
                }
                Outcome::Undecided { position, reason, .. } => {
                    undecided = undecided.or(Some(Undecided {
                        key: partition.key.clone(),
                        position: partition.operations[position].index,
                        reason,
                    }));
                    left.push(partition);
                }
            }
        }
        match undecided {
            Some(undecided) if undecided.reason != "steps" || steps == budget.steps => {
                return Verdict::Undecided(undecided);
            }
            Some(_) => steps = steps.saturating_mul(ROUND_GROWTH).min(budget.steps),
            None => break,
        }
        open = left;
    }
    // Each point lies in its operation's interval, so sorting by it (stably: within a key the
    // order is already right) respects real time across keys.
    placed.sort_by_key(|(point, _)| *point);
    Verdict::Legal(Legal { order: placed.into_iter().map(|(_, position)| position).collect() })
}

/// Splits a history by key and narrows each part.
fn partitions<M: Model>(history: &[Operation<M::Action>], model: &M) -> Vec<Partition<M>> {
    let mut by_key: BTreeMap<M::Key, Vec<usize>> = BTreeMap::new();
    for (position, operation) in history.iter().enumerate() {
        debug_assert!(
            operation.returned.is_none_or(|returned| returned >= operation.invoked),
            "operation {position} returned before it was invoked",
        );
        by_key.entry(model.key(&operation.action)).or_default().push(position);
    }
    let narrowed = |(key, positions): (M::Key, Vec<usize>)| {
        let copy = |position: &usize| Operation { index: *position, ..history[*position].clone() };
        let mut operations: Vec<_> = positions.iter().map(copy).collect();
        model.narrow(&mut operations);
        Partition { key, positions, operations }
    };
    by_key.into_iter().map(narrowed).collect()
}
